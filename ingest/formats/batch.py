"""Our own batch, read leniently: what is wrong in one sample never costs another."""

from __future__ import annotations

from typing import Any

from edge_agent.wire import LANES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, MAX_BATCH_SAMPLES, MAX_NAME_CHARS, MAX_TEXT_CHARS
from ingest.formats.clock import DeviceClock, clock_of
from ingest.formats.decoded import (
    FLAG_LATE,
    LANE_FLAGS,
    LATE_AFTER_US,
    Decoded,
    Dropped,
    Event,
    Problem,
    ProblemList,
    Reason,
    Sample,
    Unreadable,
)
from ingest.formats.values import BadTime, clean_values, is_channel, parse_json, read_units

MAX_COUNT = 2**62  # running counts and sequence numbers are stored as 64 bits
MAX_SAMPLES = 4 * MAX_BATCH_SAMPLES  # other firmware may pack more than our agent; the bytes are bounded too
MAX_DROPPED = 100
LONGEST_MS = 10**14  # times and offsets beyond some thousand years are none
MAX_LOST = 10**6  # what an unreadable batch may claim to have held
_SEVERITIES = ("info", "warning", "critical")


def decode_batch(payload: bytes, received_us: int) -> Decoded:
    """Read one batch. Raise Unreadable when nothing of it can be stored."""
    return read_batch(parse_json(payload, MAX_BATCH_BYTES), received_us)


def is_batch(body: object) -> bool:
    """True for what means to be a batch: one of events or drops alone may leave its samples out."""
    if not isinstance(body, dict):
        return False
    if {"boot", "seq"} <= body.keys() and body.keys() & {"samples", "events", "dropped"}:
        return True
    return isinstance(body.get("samples"), list | dict)  # anything else may be a metric of that name


def read_batch(body: Any, received_us: int) -> Decoded:
    """Read one batch that is already JSON. Raise Unreadable when not even boot and sequence can be read."""
    decoded = read_header(body)
    problems = ProblemList()
    listed = body.get("samples", [])
    if not isinstance(listed, list):
        return _nothing_of(decoded, body, Reason.BAD_SAMPLE, "samples is no list")
    if len(listed) > MAX_SAMPLES:
        detail = f"{len(listed)} samples, at most {MAX_SAMPLES} are read"
        return _nothing_of(decoded, body, Reason.TOO_MANY_SAMPLES, detail)
    lane_flags = LANE_FLAGS[decoded.lane]
    clock = clock_of(decoded, listed, received_us)
    for position, each in enumerate(listed):
        sample = _sample(each, position, received_us, clock, lane_flags, problems)
        if sample is None:
            decoded.lost_samples += 1
        else:
            decoded.samples.append(sample)
    decoded.n = len(listed)
    decoded.events = _events(body.get("events"), clock, problems)
    decoded.dropped = _dropped(body.get("dropped"))
    decoded.problems = problems.all()
    decoded.shifts, decoded.corrected = clock.shifts, clock.corrected
    return decoded


def read_header(body: dict[str, Any]) -> Decoded:
    """Read what identifies a batch; its samples are left to the caller. Raise Unreadable."""
    boot, seq = body.get("boot"), body.get("seq")
    if not isinstance(boot, str) or not 0 < len(boot) <= MAX_NAME_CHARS or not boot.isprintable():
        raise Unreadable(Reason.BAD_HEADER, "boot must be a short text")
    if not _is_count(seq):
        raise Unreadable(Reason.BAD_HEADER, "seq must be a whole number from 0")
    lane = body.get("lane", "live")
    first, offset = body.get("first"), body.get("offset_ms")
    return Decoded(
        boot=boot,
        seq=seq,
        first=first if _is_count(first) else None,
        lane=lane if lane in LANES else "live",
        offset_ms=_whole(offset),
        sent_ms=_whole(body.get("sent_at")),
        zero_ms=_whole(body.get("zero_at")),
        clock_age_ms=_whole(body.get("clock_age_ms")) or 0,
        units=read_units(body["units"]) if "units" in body else None,
    )


def _nothing_of(decoded: Decoded, body: dict[str, Any], reason: Reason, detail: str) -> Decoded:
    """Boot and sequence were read, so it can be acknowledged and a repeat recognised; all its samples are lost."""
    n = body.get("n")
    decoded.n = decoded.lost_samples = n if isinstance(n, int) and _is_count(n) and n < MAX_LOST else 0
    decoded.problems = [Problem(reason, detail, samples=decoded.n)]
    return decoded


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_COUNT


def _whole(value: object) -> int | None:
    """Return milliseconds, which may be negative and a fraction; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LONGEST_MS:
        return round(value)
    return None


def _sample(
    each: Any, position: int, received_us: int, clock: DeviceClock, flags: int, problems: ProblemList
) -> Sample | None:
    if not isinstance(each, dict):
        problems.add(Reason.BAD_SAMPLE, "a sample is no object", position, each)
        return None
    channel = each.get("asset") or ""
    if channel and not is_channel(channel):
        problems.add(Reason.BAD_NAME, "asset must be a short text", position, each)
        return None
    try:
        t_us, clock_flags = clock.read(each.get("t"), each.get("m"))
    except BadTime as error:
        problems.add(error.reason, error.detail, position, each)
        return None
    values = clean_values(each.get("values"), position, problems)
    if not values:
        if each.get("values") == {}:
            problems.add(Reason.BAD_SAMPLE, "a sample has no values", position, each)
        return None
    if received_us - t_us > LATE_AFTER_US:
        flags |= FLAG_LATE
    quality = read_quality(each["quality"]) if "quality" in each else None
    return Sample(channel, t_us, values, quality, flags | clock_flags, position)


def read_quality(body: object) -> dict[str, int] | None:
    """Return the quality of metrics. Words we do not know count as uncertain: better than trusting them."""
    if not isinstance(body, dict):
        return None
    words = {"good": 0, "bad": 2}
    return {name: words.get(word, 1) if isinstance(word, str) else 1 for name, word in body.items()} or None


def _events(body: object, clock: DeviceClock, problems: ProblemList) -> list[Event]:
    events: list[Event] = []
    if body and not isinstance(body, list):
        problems.add(Reason.BAD_EVENT, "events is no list", None, body)
    listed = body if isinstance(body, list) else []
    if len(listed) > MAX_BATCH_EVENTS:
        detail = f"{len(listed)} events, at most {MAX_BATCH_EVENTS} are read"
        problems.add(Reason.BAD_EVENT, detail, MAX_BATCH_EVENTS, listed[MAX_BATCH_EVENTS])
    for position, each in enumerate(listed[:MAX_BATCH_EVENTS]):
        code = each.get("code") if isinstance(each, dict) else None
        if not isinstance(code, str) or not 0 < len(code) <= MAX_NAME_CHARS or not code.isprintable():
            problems.add(Reason.BAD_EVENT, "an event has no code", position, each)
            continue
        channel = each.get("asset") or ""
        if channel and not is_channel(channel):
            problems.add(Reason.BAD_NAME, "asset must be a short text", position, each)
            continue
        try:
            t_us = clock.read_event(each.get("t"))
        except BadTime as error:
            problems.add(Reason.BAD_EVENT, f"{error.reason}: {error.detail}", position, each)
            continue
        severity = each.get("severity") if each.get("severity") in _SEVERITIES else "info"
        text = str(each.get("text", ""))[:MAX_TEXT_CHARS].replace("\x00", "").encode(errors="replace").decode()
        events.append(Event(channel, t_us, code, severity, text, each.get("active") is not False))
    return events


def _dropped(body: object) -> list[Dropped]:
    found = []
    for each in body[:MAX_DROPPED] if isinstance(body, list) else ():
        if isinstance(each, dict) and _is_count(each.get("first")) and _is_count(each.get("n")) and each["n"] > 0:
            found.append(Dropped(each["first"], each["n"]))
    return found
