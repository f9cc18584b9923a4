"""Our own batch, read at once: only when every sample has the same metrics, all plain numbers with sound times.

Whatever else a batch holds (texts, qualities, events, odd times, unknown names) is read sample by sample, see `batch`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain
from operator import itemgetter, sub
from typing import Any, NamedTuple

import orjson

from edge_agent.wire import MAX_BATCH_BYTES
from ingest.formats import values as checks
from ingest.formats.batch import MAX_SAMPLES, read_header
from ingest.formats.clock import is_right
from ingest.formats.decoded import FLAG_LATE, LANE_FLAGS, LATE_AFTER_US, URN, Decoded, Sample, Unreadable

# The shapes of a plain sample, by its keys in any of the usual orders; the second part says whether it has `m`.
_SHAPES = {
    keys: "m" in keys
    for keys in [
        ("t", "values"), ("t", "m", "values"), ("t", "asset", "values"), ("t", "m", "asset", "values"),
        ("values", "t"), ("asset", "t", "values"), ("t", "values", "m"), ("t", "values", "asset"),
    ]
}  # fmt: skip
# Wall clock against monotonic clock within one batch, in ms: rounding and slewing stay below it, a step does not.
STEADY_MS = 50


_values_of, _t_of, _m_of = itemgetter("values"), itemgetter("t"), itemgetter("m")


class Block(NamedTuple):
    """Samples of one channel with the same metrics: `values` holds one row of len(names) numbers after the other."""

    channel: str
    names: tuple[str, ...]
    times_us: list[int]
    flags: int | list[int]  # of all samples, or one for each
    values: array[float]

    def samples(self) -> Iterator[Sample]:
        """Yield the same as single samples."""
        width = len(self.names)
        for position, t_us in enumerate(self.times_us):
            row = self.values[position * width : (position + 1) * width]
            flags = self.flags if isinstance(self.flags, int) else self.flags[position]
            yield Sample(self.channel, t_us, dict(zip(self.names, row, strict=True)), None, flags, position)


def read_fast(payload: bytes, device: str, received_us: int) -> tuple[Decoded, Block] | None:
    """Return the batch without samples and its block; None when it must be read sample by sample."""
    if len(payload) > MAX_BATCH_BYTES:
        return None
    try:
        body = orjson.loads(payload)
        samples = body["samples"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(samples, list) or not 0 < len(samples) <= MAX_SAMPLES:
        return None
    if body.get("events") or body.get("dropped") or body.get("units") or body.get("device", device) != device:
        return None
    try:
        decoded = read_header(body)
    except Unreadable:
        return None
    block = _block(samples, received_us, LANE_FLAGS[decoded.lane])
    if block is None or not is_right(decoded, samples, received_us):
        return None
    decoded.n = len(samples)
    return decoded, block


def _block(samples: list[Any], received_us: int, flags: int) -> Block | None:
    try:
        shape, count = tuple(samples[0]), len(samples)
        has_m = _SHAPES[shape]
        if count > 1 and list(map(tuple, samples)).count(shape) != count:
            return None
        rows = list(map(_values_of, samples))
        names = tuple(rows[0])
        if names not in checks.known_names or (count > 1 and list(map(tuple, rows)).count(names) != count):
            return None
        # A text or null among them is a TypeError; what is not finite is no JSON to this parser.
        values = array("d", list(chain.from_iterable(map(dict.values, rows))))
        channel = samples[0].get("asset", "")
        if count > 1 and channel and {each["asset"] for each in samples} != {channel}:
            return None
        if channel and (not checks.is_channel(channel) or channel.startswith(URN)):
            return None
        times = list(map(_t_of, samples))
        if list(map(type, times)).count(int) != count or (has_m and not _is_steady(times, samples)):
            return None
    except (KeyError, TypeError, OverflowError, AttributeError):
        return None
    oldest_us, newest_us = min(times) * 1000, max(times) * 1000
    if oldest_us < checks.EARLIEST_US or newest_us > received_us + checks.LATEST_AHEAD_US:
        return None
    times_us = [t * 1000 for t in times]
    late_before_us = received_us - LATE_AFTER_US
    if newest_us < late_before_us:
        return Block(channel or "", names, times_us, flags | FLAG_LATE, values)
    if oldest_us >= late_before_us:
        return Block(channel or "", names, times_us, flags, values)
    each_flags = [flags | FLAG_LATE if t_us < late_before_us else flags for t_us in times_us]
    return Block(channel or "", names, times_us, each_flags, values)


def _is_steady(times: list[int], samples: list[Any]) -> bool:
    """False when the wall clock was set between two samples: then each needs a look of its own."""
    offsets = list(map(sub, times, map(_m_of, samples)))
    return bool(max(offsets) - min(offsets) <= STEADY_MS)
