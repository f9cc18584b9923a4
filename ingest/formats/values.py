"""Checks that every JSON format shares: times, names and values of one sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from assets.base.units import unit_code
from edge_agent.wire import MAX_NAME_CHARS
from ingest.formats.decoded import FLAG_CLOCK_CORRECTED, ProblemList, Reason, Unreadable, Value

MAX_METRICS = 256  # per sample: a machine with more sends several samples
MAX_STATE_CHARS = 200
EARLIEST_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
# Clocks that nobody set differ by minutes. A reading from further ahead would stand as the newest one until its time
# has come, and everything measured meanwhile would count as late: the asset would go unwatched.
LATEST_AHEAD_US = 600_000_000
_KNOWN_NAMES_MOST = 20_000
known_names: set[tuple[str, ...]] = set()


class BadTime(Exception):
    """A time that cannot be used, with its reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def parse_json(payload: bytes, most_bytes: int) -> Any:
    """Read JSON of bounded size. Raise Unreadable."""
    if len(payload) > most_bytes:  # before parsing: a million keys must cost nothing
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload)} bytes, at most {most_bytes} are read")
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Unreadable(Reason.UNREADABLE, f"not JSON: {error}") from error


def read_time(value: object, received_us: int, offset_ms: int | None) -> tuple[int, int]:
    """Return (microseconds since 1970 UTC, flags) for milliseconds or RFC 3339. Raise BadTime.

    A time that cannot be is corrected when the offset of the device's clock to ours was measured and explains it.
    """
    t_us = microseconds(value)
    latest = received_us + LATEST_AHEAD_US
    if EARLIEST_US <= t_us <= latest:
        return t_us, 0
    if offset_ms is not None:
        corrected = t_us + offset_ms * 1000
        if EARLIEST_US <= corrected <= latest:
            return corrected, FLAG_CLOCK_CORRECTED
    raise BadTime(
        Reason.ABSURD_TIME, "before 2000" if t_us < EARLIEST_US else "more than ten minutes ahead of its receipt"
    )


def microseconds(value: object) -> int:
    """Return what milliseconds or RFC 3339 mean, however absurd. Raise BadTime."""
    if isinstance(value, bool):
        raise BadTime(Reason.BAD_TIME, "a time is true or false")
    if isinstance(value, int):
        return value * 1000
    if isinstance(value, float):
        if not isfinite(value * 1000):  # the largest numbers are not finite any more in microseconds
            raise BadTime(Reason.BAD_TIME, "a time is not finite")
        return round(value * 1000)
    if not isinstance(value, str):
        raise BadTime(Reason.BAD_TIME, "a time is missing" if value is None else f"a time is a {type(value).__name__}")
    try:
        moment = datetime.fromisoformat(value[:64])
    except ValueError as error:
        raise BadTime(Reason.BAD_TIME, "a time is not RFC 3339") from error
    if moment.tzinfo is None:
        raise BadTime(Reason.NAIVE_TIME, "a time has no zone: add Z or +hh:mm")
    return round(moment.timestamp() * 1_000_000)


def clean_values(values: object, position: int, problems: ProblemList) -> Mapping[str, Value]:
    """Return the values that can be stored; name the others in `problems`. Empty: nothing of the sample is left."""
    if not isinstance(values, dict):
        problems.add(Reason.BAD_SAMPLE, "values is no object", position, values)
        return {}
    if len(values) > MAX_METRICS:
        problems.add(Reason.TOO_MANY_METRICS, f"a sample has more than {MAX_METRICS} metrics", position, len(values))
        return {}
    # The usual sample, in two C calls: all numbers, all finite, all names seen before.
    try:
        if isfinite(sum(values.values())) and tuple(values) in known_names:
            return values
    except (TypeError, OverflowError):
        pass
    return _clean_slowly(values, position, problems)


def _clean_slowly(values: Mapping[str, Any], position: int, problems: ProblemList) -> Mapping[str, Value]:
    kept: dict[str, Value] = {}
    names_good = True
    for name, value in values.items():
        if not _is_name(name):
            problems.add(Reason.BAD_NAME, f"metric {name[:40]!r}", position, values)
            names_good = False
        elif (trouble := _trouble(value)) is not None:
            problems.add(trouble, name, position, values)
        elif value is not None:  # null: no value, which is nothing to complain about
            kept[name] = value
    if names_good and len(known_names) < _KNOWN_NAMES_MOST:
        known_names.add(tuple(values))
    return kept


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_CHARS and name.isprintable() and name == name.strip()


def read_units(told: object) -> Mapping[str, str] | None:
    """Return the units that a message names for its metrics, as UCUM codes; what is no unit is left out."""
    if not isinstance(told, dict):
        return None
    codes = {name: unit_code(text) for name, text in list(told.items())[:MAX_METRICS] if isinstance(text, str)}
    return {name: code for name, code in codes.items() if code is not None} or None


def is_storable(text: str) -> bool:
    """False for what PostgreSQL refuses: a zero byte, or half of a surrogate pair."""
    return "\x00" not in text and text.encode(errors="replace").decode() == text


def is_channel(name: object) -> bool:
    """True for what may name a sub-device."""
    return isinstance(name, str) and _is_name(name)


def _trouble(value: object) -> Reason | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        try:
            return None if isfinite(value) else Reason.NOT_FINITE
        except OverflowError:
            return Reason.NOT_FINITE
    if isinstance(value, str):
        if len(value) > MAX_STATE_CHARS:
            return Reason.TOO_LONG
        return None if is_storable(value) else Reason.BAD_TEXT
    return Reason.NESTED_VALUE
