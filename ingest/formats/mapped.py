"""Any payload, read by the rules of a mapping: samples with their asset, time, values, units and quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from jmespath.exceptions import JMESPathError

from edge_agent.wire import MAX_BATCH_BYTES, MAX_TEXT_CHARS
from ingest.formats.batch import MAX_SAMPLES
from ingest.formats.decoded import FLAG_LATE, LATE_AFTER_US, Decoded, ProblemList, Reason, Sample, Unreadable, Value
from ingest.formats.values import BadTime, clean_values, is_channel, parse_json, read_time
from ingest.mapping_rules import ROOT, Place, QualityRule, Rules, Time, ValueRule, compile_path

_QUALITIES = {"good": 0, "uncertain": 1, "bad": 2}
_TRUE, _FALSE = frozenset({"true", "on", "1", "yes"}), frozenset({"false", "off", "0", "no"})
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

Find = Callable[["_Where"], Any]


class _Where(NamedTuple):
    """What paths may look at: the message, the element of it that becomes a sample, the topic's levels."""

    root: Any
    element: Any
    levels: tuple[str, ...]


class _Trouble(Exception):
    """Something of one sample cannot be stored."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail[:200]


class MappedFormat:
    """A mapping's rules, compiled; safe to use from several threads."""

    def __init__(self, rules: Rules) -> None:
        self._is_text = rules.payload == "text"
        self._each = _finder(rules.each) if rules.each else None
        self._asset = _place(rules.asset) if rules.asset else None
        self._time = _timer(rules.time) if rules.time else None
        self._values = [_ValueReader(each) for each in rules.values]
        self._quality = _quality(rules.quality) if rules.quality else None

    def read(self, topic: str, payload: bytes, received_us: int) -> Decoded:
        """Read one message. Raise Unreadable when nothing of it can be stored."""
        root = _read_text(payload) if self._is_text else parse_json(payload, MAX_BATCH_BYTES)
        levels = tuple(topic.split("/"))
        elements = self._elements(_Where(root, root, levels))
        problems = ProblemList()
        decoded = Decoded(n=len(elements))
        for position, element in enumerate(elements):
            sample = self._sample(_Where(root, element, levels), position, received_us, problems)
            if sample is None:
                decoded.lost_samples += 1
            else:
                decoded.samples.append(sample)
        decoded.problems = problems.all()
        return decoded

    def _elements(self, where: _Where) -> list[Any]:
        if self._each is None:
            return [where.root]
        try:
            found = self._each(where)
        except _Trouble as trouble:
            raise Unreadable(trouble.reason, trouble.detail) from trouble
        if not isinstance(found, list):
            raise Unreadable(Reason.UNREADABLE, "`each` finds no list in the message")
        if len(found) > MAX_SAMPLES:
            raise Unreadable(Reason.TOO_MANY_SAMPLES, f"{len(found)} samples, at most {MAX_SAMPLES} are read")
        return found

    def _sample(self, where: _Where, position: int, received_us: int, problems: ProblemList) -> Sample | None:
        try:
            channel = self._channel(where)
            t_us, flags = self._time(where, received_us) if self._time else (received_us, 0)
            grade = self._quality(where) if self._quality else 0
        except (_Trouble, BadTime) as trouble:
            problems.add(trouble.reason, trouble.detail, position, where.element)
            return None
        found: dict[str, Any] = {}
        units: dict[str, str] = {}
        failed = False
        for reader in self._values:
            try:
                for metric, value in reader.read(where):
                    found[metric] = value
                    if reader.unit is not None:
                        units[metric] = reader.unit
            except _Trouble as trouble:
                failed = True
                problems.add(trouble.reason, trouble.detail, position, where.element)
        values = clean_values(found, position, problems)
        if not values:
            if not found and not failed:
                problems.add(Reason.BAD_SAMPLE, "none of the mapping's values is there", position, where.element)
            return None
        if received_us - t_us > LATE_AFTER_US:
            flags |= FLAG_LATE
        quality = dict.fromkeys(values, grade) if grade else None
        return Sample(channel, t_us, values, quality, flags, position, units or None)

    def _channel(self, where: _Where) -> str:
        if self._asset is None:
            return ""
        channel = self._asset(where)
        if not is_channel(channel):
            raise _Trouble(Reason.BAD_NAME, f"no asset: found {channel!r}")
        return str(channel)


class _ValueReader:
    """Reads what one rule of values finds."""

    def __init__(self, rule: ValueRule) -> None:
        self.unit = rule.unit
        self._find = _finder(rule.path)
        self._star = rule.metric if isinstance(rule.metric, str) and "*" in rule.metric else None
        self._name = rule.metric if isinstance(rule.metric, str) else None
        self._place = _place(rule.metric) if isinstance(rule.metric, Place) else None
        self._lookup, self._kind = rule.lookup, rule.kind
        self._scale, self._offset = rule.scale, rule.offset
        self._scales = (rule.scale, rule.offset) != (1.0, 0.0)

    def read(self, where: _Where) -> list[tuple[str, Value]]:
        """Return metrics with their values; nothing when nothing is there. Raise _Trouble."""
        found = self._find(where)
        if found is None:
            return []
        if self._star is None:
            return [(self._metric(where), self._value(found))]
        if not isinstance(found, dict):
            raise _Trouble(Reason.BAD_SAMPLE, f"{self._star} needs an object at its path")
        plain = {key: each for key, each in found.items() if not isinstance(each, (dict, list)) and each is not None}
        return [(self._star.replace("*", key), self._value(each)) for key, each in plain.items()]

    def _metric(self, where: _Where) -> str:
        name = self._name if self._place is None else self._place(where)
        if not isinstance(name, str):
            raise _Trouble(Reason.BAD_NAME, f"no metric: found {name!r}")
        return name

    def _value(self, found: Any) -> Value:
        if self._lookup is not None:
            return self._looked_up(found)
        if isinstance(found, (dict, list)):
            raise _Trouble(Reason.NESTED_VALUE, f"{self._name or 'a value'}: a list or an object")
        if self._kind == "text":
            return found if isinstance(found, str) else _word(found)
        if self._kind == "boolean":
            return _boolean(found)
        if self._kind == "number" or self._scales:
            return self._number(found)
        return found  # type: ignore[no-any-return]

    def _looked_up(self, found: Any) -> Value:
        assert self._lookup is not None
        word = found if isinstance(found, str) else _word(found)
        result = self._lookup.get(word, self._lookup.get("*"))
        if result is None:
            raise _Trouble(Reason.NOT_IN_LOOKUP, f"{self._name or 'a value'}: {word[:60]!r}")
        return result

    def _number(self, found: Any) -> float:
        try:
            number = float(found)
            result = float(f"{number * self._scale + self._offset:.14g}") if self._scales else number
        except (TypeError, ValueError, OverflowError) as error:
            raise _Trouble(Reason.WRONG_TYPE, f"{self._name or 'a value'}: {str(found)[:60]!r} is no number") from error
        return result


def _finder(path: str) -> Find:
    compiled = compile_path(path)
    from_root = path.startswith(ROOT)

    def find(where: _Where) -> Any:
        try:
            return compiled.search(where.root if from_root else where.element)
        except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise _Trouble(Reason.BAD_SAMPLE, f"{path}: {str(error)[:120]}") from error

    return find


def _place(place: Place) -> Find:
    inner: Find
    if place.path is not None:
        find = _finder(place.path)

        def inner(where: _Where) -> Any:
            found = find(where)
            return found if isinstance(found, str) or found is None else _word(found)

    elif place.level is not None:
        index = place.level - 1

        def inner(where: _Where) -> Any:
            return where.levels[index] if index < len(where.levels) else None

    else:

        def inner(where: _Where) -> Any:
            return place.fixed

    lookup = place.lookup
    if lookup is None:
        return inner

    def outer(where: _Where) -> Any:
        found = inner(where)
        if found in lookup:
            return lookup[found]
        if "*" in lookup:
            return lookup["*"]
        raise _Trouble(Reason.NOT_IN_LOOKUP, f"asset or metric {str(found)[:60]!r}")

    return outer


def _timer(rule: Time) -> Callable[[_Where, int], tuple[int, int]]:
    find = _finder(rule.path)
    per_second = _PER_SECOND.get(rule.format)
    zone = ZoneInfo(rule.zone) if rule.zone else None

    def read(where: _Where, received_us: int) -> tuple[int, int]:
        found = find(where)
        if per_second is None:
            return read_time(_with_zone(found, zone) if zone else _text_time(found), received_us, None)
        return read_time(_milliseconds(found, per_second), received_us, None)

    return read


def _text_time(found: Any) -> str:
    if not isinstance(found, str):
        raise BadTime(Reason.BAD_TIME, "a time is missing" if found is None else "a time is not RFC 3339")
    return found


def _milliseconds(found: Any, per_second: int) -> int | float:
    if isinstance(found, str) and len(found) < 40:
        try:
            found = int(found) if found.strip().isdigit() else float(found)
        except ValueError as error:
            raise BadTime(Reason.BAD_TIME, "a time is no number") from error
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise BadTime(Reason.BAD_TIME, "a time is missing" if found is None else "a time is no number")
    try:
        return float(found) * 1000 / per_second if per_second != 1000 else found
    except OverflowError as error:
        raise BadTime(Reason.ABSURD_TIME, "a time is too large") from error


def _with_zone(found: Any, zone: ZoneInfo) -> str:
    told = _text_time(found)
    try:
        moment = datetime.fromisoformat(told[:64])
        return told if moment.tzinfo else moment.replace(tzinfo=zone).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise BadTime(Reason.BAD_TIME, "a time is not RFC 3339") from error


def _quality(rule: QualityRule) -> Callable[[_Where], int]:
    find = _finder(rule.path)
    grades: Mapping[str, int] = {word: _QUALITIES[grade] for word, grade in rule.lookup.items()}
    otherwise = grades.get("*", 1)

    def read(where: _Where) -> int:
        found = find(where)
        return grades.get(found if isinstance(found, str) else _word(found), otherwise)

    return read


def _read_text(payload: bytes) -> str | float:
    """Return a payload that is one number or one text."""
    if len(payload) > MAX_TEXT_CHARS:
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload)} bytes, a text payload has at most {MAX_TEXT_CHARS}")
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise Unreadable(Reason.UNREADABLE, "not UTF-8") from error
    try:
        number = float(text)
    except ValueError:
        return text
    return number if isfinite(number) and "_" not in text else text


def _word(found: Any) -> str:
    """Return a value as the text that a lookup or a name holds: `true`, `192`, `1.5`."""
    if found is None or isinstance(found, (dict, list)):
        return ""
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, float) and found.is_integer() and abs(found) < 1e15:
        return str(int(found))
    return f"{found:.15g}" if isinstance(found, float) else str(found)[:64] if abs(found) < 10**60 else "large"


def _boolean(found: Any) -> bool:
    word = found.strip().lower() if isinstance(found, str) else _word(found)
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _Trouble(Reason.WRONG_TYPE, f"{word[:60]!r} is neither true nor false")
