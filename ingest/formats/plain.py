"""The plain forms that most firmware already sends: values alone, values with a time, or a list of these."""

from __future__ import annotations

from typing import Any

from edge_agent.wire import MAX_BATCH_BYTES
from ingest.formats.batch import MAX_SAMPLES, read_quality
from ingest.formats.decoded import FLAG_LATE, LATE_AFTER_US, Decoded, ProblemList, Reason, Sample, Unreadable
from ingest.formats.values import BadTime, clean_values, is_channel, parse_json, read_time, read_units


def decode_plain(payload: bytes, received_us: int) -> Decoded:
    """Read one plain payload. Raise Unreadable when it is none."""
    return read_plain(parse_json(payload, MAX_BATCH_BYTES), received_us)


def read_plain(body: Any, received_us: int, offset_ms: int | None = None) -> Decoded:
    """Read a plain payload that is already JSON; values without a time are of the moment they were received.

    `offset_ms` is our clock minus the sender's, where somebody knows it.
    """
    listed = body if isinstance(body, list) else [body]
    if not any(isinstance(each, dict) for each in listed[: MAX_SAMPLES + 1]):
        raise Unreadable(Reason.UNREADABLE, "expected an object or a list of objects")
    if len(listed) > MAX_SAMPLES:
        raise Unreadable(Reason.TOO_MANY_SAMPLES, f"{len(listed)} samples, at most {MAX_SAMPLES} are read")
    problems = ProblemList()
    decoded = Decoded(n=len(listed))
    for position, each in enumerate(listed):
        sample = _sample(each, position, received_us, offset_ms, problems)
        if sample is None:
            decoded.lost_samples += 1
        else:
            decoded.samples.append(sample)
    decoded.problems = problems.all()
    return decoded


def _sample(each: Any, position: int, received_us: int, offset_ms: int | None, problems: ProblemList) -> Sample | None:
    if not isinstance(each, dict):
        problems.add(Reason.BAD_SAMPLE, "a sample is no object", position, each)
        return None
    if "values" not in each:
        return _flat(each, position, received_us, offset_ms, problems)
    channel = each.get("asset") or ""
    if channel and not is_channel(channel):
        problems.add(Reason.BAD_NAME, "asset must be a short text", position, each)
        return None
    told = next((name for name in ("ts", "t") if name in each), None)  # `t` as in batches
    moment = _moment(each, told, position, received_us, offset_ms, problems)
    if moment is None:
        return None
    t_us, flags = moment
    values = clean_values(each["values"], position, problems)
    units = read_units(each["units"]) if "units" in each else None
    quality = read_quality(each["quality"]) if "quality" in each else None
    return Sample(channel, t_us, values, quality, flags, position, units) if values else None


def _flat(
    each: dict[str, Any], position: int, received_us: int, offset_ms: int | None, problems: ProblemList
) -> Sample | None:
    """Values with their time among them: `ts` is no reading. A metric may well be called `t`."""
    told = "ts" if "ts" in each and len(each) > 1 else None
    moment = _moment(each, told, position, received_us, offset_ms, problems)
    if moment is None:
        return None
    values = clean_values({name: each[name] for name in each if name != told} if told else each, position, problems)
    return Sample("", moment[0], values, None, moment[1], position) if values else None


def _moment(
    each: dict[str, Any],
    told: str | None,
    position: int,
    received_us: int,
    offset_ms: int | None,
    problems: ProblemList,
) -> tuple[int, int] | None:
    """Return when a sample was measured, and its flags; what cannot be its time is a problem."""
    if told is None:
        return received_us, 0
    try:
        t_us, flags = read_time(each[told], received_us, offset_ms)
    except BadTime as error:
        problems.add(error.reason, error.detail, position, each)
        return None
    return t_us, flags | (FLAG_LATE if received_us - t_us > LATE_AFTER_US else 0)
