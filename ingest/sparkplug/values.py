"""What of a metric's value can be stored: numbers, truth values and texts; structures as several of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import isfinite
from typing import Any, NamedTuple

from ingest.formats.decoded import Reason, Value
from ingest.formats.values import MAX_STATE_CHARS, is_storable
from ingest.sparkplug.payload import DataSet, DataType, Metric, Template

MAX_PARTS = 64  # of one array or data set: a waveform belongs into a file

_SIGNED_BITS: dict[int, int] = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
_PACKED: dict[int, str] = {  # arrays of numbers: little-endian, packed
    DataType.INT8_ARRAY: "b",
    DataType.INT16_ARRAY: "h",
    DataType.INT32_ARRAY: "i",
    DataType.INT64_ARRAY: "q",
    DataType.UINT8_ARRAY: "B",
    DataType.UINT16_ARRAY: "H",
    DataType.UINT32_ARRAY: "I",
    DataType.UINT64_ARRAY: "Q",
    DataType.FLOAT_ARRAY: "f",
    DataType.DOUBLE_ARRAY: "d",
    DataType.DATE_TIME_ARRAY: "Q",
}
GOOD, UNCERTAIN, BAD = 0, 1, 2


class Part(NamedTuple):
    """One storable value of a metric; `name` is the metric's, with the place in it for parts of a structure."""

    name: str
    value: Value
    metric: Metric  # where time, unit and quality stand: the metric itself, or the member of a template


class Trouble(Exception):
    """A value that cannot be stored, with its reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def parts_of(name: str, datatype: int | None, metric: Metric) -> Iterator[Part | Trouble]:
    """Yield what a metric measured, and the troubles with it. Nothing: null, or a template's definition."""
    value = metric.value
    try:
        if isinstance(value, Template):
            yield from _members(name, value)
        elif metric.is_null or value is None:
            return
        elif isinstance(value, DataSet):
            yield from _cells(name, value, metric)
        elif isinstance(value, bytes):
            yield from _elements(name, datatype, value, metric)
        else:
            yield Part(name, scalar(datatype, value), metric)
    except Trouble as trouble:
        yield trouble


def scalar(datatype: int | None, value: Any) -> Value:
    """Return one plain value as its type means it. Raise Trouble."""
    if isinstance(value, str):
        if len(value) > MAX_STATE_CHARS:
            raise Trouble(Reason.TOO_LONG, f"a text of {len(value)} characters")
        if not is_storable(value):
            raise Trouble(Reason.BAD_TEXT, "a text that cannot be stored")
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _integer(datatype, int(value))
    if not isfinite(value):
        raise Trouble(Reason.NOT_FINITE, "not a number, or infinite")
    return float(value)


def quality_of(code: int | None) -> int:
    """Return our word for a quality code: 192 good, 500 stale is uncertain, 0 bad; others as OPC reads them."""
    if code is None or 192 <= code <= 255:
        return GOOD
    return BAD if 0 <= code < 64 else UNCERTAIN


def _integer(datatype: int | None, value: int) -> int | bool:
    """Signed numbers travel unsigned, some senders widen them first: the low bits and their sign count."""
    if datatype == DataType.BOOLEAN:
        return value != 0
    bits = _SIGNED_BITS.get(datatype or 0)
    if bits is not None:
        low = value & ((1 << bits) - 1)
        return low - (1 << bits) if low >> (bits - 1) else low
    return value


def _members(name: str, template: Template) -> Iterator[Part | Trouble]:
    if template.is_definition:  # says how instances look; measures nothing
        return
    for member in template.members:
        if member.name and not member.is_transient:
            yield from parts_of(f"{name}/{member.name}", member.datatype, member)


def _cells(name: str, data_set: DataSet, metric: Metric) -> Iterator[Part | Trouble]:
    """One row: `name/column`; several rows: `name/row/column`, counted from 1."""
    if len(data_set.rows) * len(data_set.columns) > MAX_PARTS:
        raise Trouble(Reason.TOO_MANY_METRICS, f"a data set of more than {MAX_PARTS} cells")
    for number, row in enumerate(data_set.rows, 1):
        place = f"{name}/{number}" if len(data_set.rows) > 1 else name
        for index, (column, value) in enumerate(zip(data_set.columns, row, strict=False)):
            if value is None:
                continue
            datatype = data_set.types[index] if index < len(data_set.types) else None
            yield from _part(f"{place}/{column}", datatype, value, metric)


def _elements(name: str, datatype: int | None, packed: bytes, metric: Metric) -> Iterator[Part | Trouble]:
    """Elements of an array as `name/1`, `name/2` …"""
    values = _unpacked(datatype, packed)
    if len(values) > MAX_PARTS:
        raise Trouble(Reason.TOO_MANY_METRICS, f"an array of {len(values)} elements, at most {MAX_PARTS} are stored")
    for number, value in enumerate(values, 1):
        yield from _part(f"{name}/{number}", None, value, metric)


def _part(name: str, datatype: int | None, value: Any, metric: Metric) -> Iterator[Part | Trouble]:
    try:
        yield Part(name, scalar(datatype, value), metric)
    except Trouble as trouble:
        yield trouble


def _unpacked(datatype: int | None, packed: bytes) -> list[Any]:
    code = _PACKED.get(datatype or 0)
    if code is not None:
        size = struct.calcsize(f"<{code}")
        if len(packed) % size:
            raise Trouble(Reason.UNREADABLE, f"an array of {size}-byte elements in {len(packed)} bytes")
        return list(struct.unpack(f"<{len(packed) // size}{code}", packed))
    if datatype == DataType.BOOLEAN_ARRAY:
        return _booleans(packed)
    if datatype == DataType.STRING_ARRAY:
        if packed and not packed.endswith(b"\0"):
            raise Trouble(Reason.UNREADABLE, "an array of texts that does not end with a zero byte")
        return [each.decode(errors="replace") for each in packed.split(b"\0")[:-1]]
    raise Trouble(Reason.BINARY_VALUE, "bytes and files are not stored as readings")


def _booleans(packed: bytes) -> list[Any]:
    """Four bytes say how many; then one bit each, the highest first."""
    if len(packed) < 4:
        raise Trouble(Reason.UNREADABLE, "an array of truth values without its length")
    count = int.from_bytes(packed[:4], "little")
    if count > (len(packed) - 4) * 8:
        raise Trouble(Reason.UNREADABLE, f"an array of {count} truth values in {len(packed)} bytes")
    return [bool(packed[4 + index // 8] & (0x80 >> index % 8)) for index in range(count)]
