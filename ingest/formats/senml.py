"""SenML (RFC 8428) in JSON and CBOR: packs of records with base fields, resolved into samples with units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

import cbor2

from assets.base.units import unit_code
from edge_agent.wire import MAX_BATCH_BYTES
from ingest.formats.batch import MAX_SAMPLES
from ingest.formats.decoded import FLAG_LATE, LATE_AFTER_US, Decoded, ProblemList, Reason, Sample, Unreadable, Value
from ingest.formats.values import BadTime, clean_values, is_channel, parse_json, read_time

MAX_RECORDS = 20_000  # a message of 1 MiB in the shortest sensible records holds about as many
MAX_DEPTH = 6  # a pack is a list of maps of plain values; a tagged number is two levels more
MAX_VERSION = 10  # of RFC 8428; a higher one may mean something else
RELATIVE_BELOW_S = 2**28  # a smaller time counts from now
NO_METRIC = "value"  # of a record whose name is only a device's

_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_BASE = frozenset({"bver", "bn", "bt", "bu", "bv", "bs"})

# SenML's registry (RFC 8428, section 12.1, and RFC 8798) where it differs from UCUM.
_UNITS = {
    "l": "L", "l/s": "L/s", "lat": "deg", "lon": "deg", "pH": "[pH]", "dBW": "dB[W]", "dBm": "dB[mW]",
    "Bspl": "B[SPL]", "count": "1", "/": "1", "%RH": "%", "%EL": "%", "EL": "s", "1/s": "/s", "1/min": "/min",
    "beat/min": "/min", "beats": "1", "B": "By", "VA": "V.A", "VAs": "V.A.s", "vars": "var.s", "kVA": "kV.A",
    "kVAh": "kV.A.h", "Ah": "A.h", "Wh": "W.h", "kWh": "kW.h", "varh": "var.h", "kvarh": "kvar.h", "Wh/km": "W.h/km",
    "KiB": "KiBy", "GB": "GBy", "B/s": "By/s", "MB/s": "MBy/s", "ppm": "[ppm]", "/100": "%", "/1000": "[ppth]",
    "C": "C", "F": "F", "g": "g", "m": "m", "h": "h", "min": "min",
}  # fmt: skip

_SELF_DESCRIBED = b"\xd9\xd9\xf7"  # the tag that says that CBOR follows, and no more (RFC 8949, section 3.4.6)
_URN = re.compile(r"(urn:dev:[A-Za-z0-9-]+:[^:/]+)[:/]?(.*)", re.DOTALL)
_LWM2M = re.compile(r"/?\d+(/\d+){1,3}")  # object/instance/resource: one name, no path of machines


def decode_senml(payload: bytes, device: str, received_us: int, offset_ms: int | None = None) -> Decoded:
    """Read a pack; its first byte tells JSON from CBOR. Raise Unreadable when nothing of it can be stored.

    `offset_ms` is our clock minus the sender's, where somebody knows it.
    """
    return _Pack(device, received_us, offset_ms).read(_records(payload))


def newest_said_ms(payload: bytes, device: str) -> int | None:
    """Return the newest time that a pack tells, however absurd; None when it tells none that counts from 1970."""
    pack = _Pack(device, 0, None)
    pack.read(_records(payload))
    return pack.newest_said_ms


def _records(payload: bytes) -> list[Any]:
    if len(payload) > MAX_BATCH_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_BATCH_BYTES} are read")
    # 0x80…0x9f begins a CBOR array, 0xc0…0xdb a tag; JSON begins with a bracket or a space.
    body = _read_cbor(payload) if payload[:1] >= b"\x80" else parse_json(payload, MAX_BATCH_BYTES)
    if not isinstance(body, list) or not body:
        raise Unreadable(Reason.UNREADABLE, "a SenML pack is a list of records")
    if len(body) > MAX_RECORDS:
        raise Unreadable(Reason.TOO_MANY_SAMPLES, f"{len(body)} records, at most {MAX_RECORDS} are read")
    return body


def _read_cbor(payload: bytes) -> Any:
    try:
        body = cbor2.loads(payload.removeprefix(_SELF_DESCRIBED), max_depth=MAX_DEPTH)
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise Unreadable(Reason.UNREADABLE, f"not CBOR: {str(error)[:200]}") from error
    if not isinstance(body, list):
        raise Unreadable(Reason.UNREADABLE, "a SenML pack is a list of records")
    return [_named(each) if isinstance(each, dict) else each for each in body]


def _named(record: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a CBOR record under the labels of JSON."""
    named: dict[str, Any] = {}
    for label, value in record.items():
        name = _LABELS.get(label, str(label)) if type(label) is int and abs(label) < 100 else label
        if isinstance(name, str):
            named[name] = _plain(value)
    return named


def _plain(value: Any) -> Any:
    """Decimal fractions and bignums become floats; what is no plain value stays for a clear refusal."""
    if isinstance(value, Decimal):
        try:
            return float(value)
        except (OverflowError, ValueError):
            return float("inf")
    return value


class _Trouble(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail[:200]


class _Key(NamedTuple):
    channel: str
    t_us: int


@dataclass
class _Made:
    """A sample in the making."""

    flags: int
    position: int
    values: dict[str, Value] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


class _Pack:
    """One pack while it is read: base fields hold from the record that sets them on."""

    def __init__(self, device: str, received_us: int, offset_ms: int | None) -> None:
        self._device, self._received_us, self._offset_ms = device, received_us, offset_ms
        self.newest_said_ms: int | None = None
        self._base: dict[str, Any] = {}
        self._made: dict[_Key, list[_Made]] = {}
        self._count = 0
        self._problems = ProblemList()
        self._urns: set[str] = set()

    def read(self, records: list[Any]) -> Decoded:
        lost = 0
        for position, record in enumerate(records):
            try:
                self._record(record, position)
            except _Trouble as trouble:
                lost += 1
                self._problems.add(trouble.reason, trouble.detail, position, record)
        decoded = Decoded(lost_samples=lost)
        for key, several in self._made.items():
            for made in several:
                values = clean_values(made.values, made.position, self._problems)
                if values:
                    decoded.samples.append(
                        Sample(key.channel, key.t_us, values, None, made.flags, made.position, made.units or None)
                    )
                else:
                    decoded.lost_samples += 1
        decoded.n = len(decoded.samples) + decoded.lost_samples
        decoded.problems = self._problems.all()
        decoded.own_name = next(iter(self._urns)) if len(self._urns) == 1 else None
        return decoded

    def _record(self, record: Any, position: int) -> None:
        if not isinstance(record, dict):
            raise _Trouble(Reason.BAD_SAMPLE, "a record is no object")
        for label in record:
            if label.endswith("_"):
                # The whole pack, says section 4.4: who wrote it wants to be understood or refused.
                raise Unreadable(Reason.UNKNOWN_FIELD, f"field {label[:60]!r} must be understood, and is not")
        self._take_base(record)
        if record and record.keys() <= _BASE:
            return  # a record may hold base fields alone
        name = _text(self._base, "bn") + _text(record, "n")
        channel, metric = self._split(name)
        t_us, flags = self._time(record)
        unit = self._unit(record)
        value = self._value(record)
        total = self._sum(record)
        if value is None and total is None:
            raise _Trouble(Reason.BAD_SAMPLE, "a record has neither value nor sum")
        if value is not None:
            self._add(channel, t_us, flags, position, metric, value, unit)
        if total is not None:
            self._add(channel, t_us, flags, position, f"{metric}_sum", total, f"{unit}.s" if unit else None)

    def _take_base(self, record: Mapping[str, Any]) -> None:
        version = record.get("bver")
        if version is not None:
            if type(version) is not int or not 1 <= version <= MAX_VERSION:
                raise Unreadable(Reason.BAD_HEADER, f"SenML version {str(version)[:20]}, at most {MAX_VERSION} is read")
            if self._base.setdefault("bver", version) != version:
                raise Unreadable(Reason.BAD_HEADER, "a pack with two versions")
        for label in ("bn", "bt", "bu", "bv", "bs"):
            if label in record:
                self._base[label] = record[label]

    def _add(
        self, channel: str, t_us: int, flags: int, position: int, metric: str, value: Value, unit: str | None
    ) -> None:
        """Put a value into the sample of its moment; a metric that is there already makes another one."""
        several = self._made.setdefault(_Key(channel, t_us), [])
        made = next((each for each in several[-4:] if metric not in each.values and len(each.values) < 200), None)
        if made is None:
            if self._count >= MAX_SAMPLES:
                raise _Trouble(Reason.TOO_MANY_SAMPLES, f"more than {MAX_SAMPLES} samples")
            self._count += 1
            made = _Made(flags, position)
            several.append(made)
        made.values[metric] = value
        if unit is not None:
            made.units[metric] = unit

    def _split(self, name: str) -> tuple[str, str]:
        """Return (sub-device, metric) of a full name; see docs/telemetry.md."""
        urn, rest = "", name
        if match := _URN.fullmatch(name):
            urn, rest = match[1], match[2]
            if not rest and "_" in urn:  # a component, as RFC 9039 writes it
                urn, _, rest = urn.partition("_")
            if urn.rsplit(":", 1)[1].lower() == self._device.lower():
                urn = ""
            else:
                self._urns.add(urn)
        else:
            for separator in ":/":
                rest = rest.removeprefix(f"{self._device}{separator}")
        rest = rest.strip("/")
        if _LWM2M.fullmatch(rest):
            inner, metric = "", rest
        else:
            cut = max(rest.rfind(":"), rest.rfind("/"))
            inner, metric = rest[: max(cut, 0)].rstrip(":/"), rest[cut + 1 :]
        if not metric and not name:
            raise _Trouble(Reason.BAD_NAME, "a record has no name")
        channel = f"{urn}:{inner}" if urn and inner else urn or inner
        if channel and not is_channel(channel):
            raise _Trouble(Reason.BAD_NAME, f"sub-device {channel[:40]!r}")
        return channel, metric or NO_METRIC

    def _time(self, record: Mapping[str, Any]) -> tuple[int, int]:
        seconds = _number(self._base, "bt") + _number(record, "t")
        if not isfinite(seconds):
            raise _Trouble(Reason.BAD_TIME, "a time is not finite")
        if abs(seconds) < RELATIVE_BELOW_S:
            milliseconds = self._received_us / 1000 + seconds * 1000
        else:
            milliseconds = seconds * 1000
            if isfinite(milliseconds):
                self.newest_said_ms = max(round(milliseconds), self.newest_said_ms or round(milliseconds))
        try:
            t_us, flags = read_time(milliseconds, self._received_us, self._offset_ms)
        except BadTime as error:
            raise _Trouble(error.reason, error.detail) from error
        if self._received_us - t_us > LATE_AFTER_US:
            flags |= FLAG_LATE
        return t_us, flags

    def _unit(self, record: Mapping[str, Any]) -> str | None:
        told = _text(record, "u") or _text(self._base, "bu")
        return _UNITS.get(told) or unit_code(told)

    def _value(self, record: Mapping[str, Any]) -> Value | None:
        told = [label for label in ("v", "vs", "vb", "vd") if label in record]
        if len(told) > 1:
            raise _Trouble(Reason.BAD_SAMPLE, "a record has more than one value")
        if not told:
            return None
        (label,) = told
        found = record[label]
        if label == "v":
            return _number(record, "v") + _number(self._base, "bv") if "bv" in self._base else _number(record, "v")
        if label == "vd":
            raise _Trouble(Reason.BINARY_VALUE, "binary data is no reading")
        if not isinstance(found, str if label == "vs" else bool):
            raise _Trouble(Reason.BAD_SAMPLE, f"{label} is a {type(found).__name__}")
        return found

    def _sum(self, record: Mapping[str, Any]) -> float | None:
        if "s" not in record and "bs" not in self._base:
            return None
        return _number(record, "s") + _number(self._base, "bs")


def _number(fields: Mapping[str, Any], label: str) -> float:
    found = fields.get(label, 0)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise _Trouble(Reason.BAD_SAMPLE, f"{label} is a {type(found).__name__}, no number")
    try:
        return float(found)
    except OverflowError as error:
        raise _Trouble(Reason.NOT_FINITE, f"{label} is too large") from error


def _text(fields: Mapping[str, Any], label: str) -> str:
    found = fields.get(label, "")
    if not isinstance(found, str):
        raise _Trouble(Reason.BAD_SAMPLE, f"{label} is a {type(found).__name__}, no text")
    return found
