"""A Sparkplug B payload as plain Python values, and the one payload that a host sends."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from ingest.formats.decoded import Reason, Unreadable
from ingest.sparkplug.schema import PayloadMessage

MAX_PAYLOAD_BYTES = 4 * 2**20  # a birth of some 50,000 metrics
MAX_METRICS = 50_000  # of one payload; a node with more sends several devices
MAX_CELLS = 1024  # of one data set
MAX_DEPTH = 8  # templates within templates
REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"


class DataType(IntEnum):
    """The specification's numbers for what a metric's value is."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATE_TIME = 13
    TEXT = 14
    UUID = 15
    DATA_SET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATE_TIME_ARRAY = 34


class DataSet(NamedTuple):
    """A table: names and types of its columns, and its rows as they came."""

    columns: tuple[str, ...]
    types: tuple[int, ...]
    rows: tuple[tuple[Any, ...], ...]


class Template(NamedTuple):
    """An instance or a definition of a structure; its members are metrics."""

    is_definition: bool
    members: tuple[Metric, ...]


class Metric(NamedTuple):
    """One metric as sent: integers still unsigned, `timestamp` in milliseconds, `value` None when there is none."""

    name: str | None
    alias: int | None
    timestamp: int | None
    datatype: int | None
    value: Any
    is_null: bool = False
    is_historical: bool = False
    is_transient: bool = False
    unit: str | None = None  # as written in its properties
    quality: int | None = None  # 0 bad, 192 good, 500 stale


class Payload(NamedTuple):
    """A message's content; `seq` None in a death and where a node left it out."""

    timestamp: int | None
    seq: int | None
    metrics: tuple[Metric, ...]

    @property
    def bd_seq(self) -> int | None:
        """The number that pairs a node's birth with its death."""
        for metric in self.metrics:
            if metric.name == BD_SEQ and isinstance(metric.value, int):
                return metric.value % 256
        return None


def read_payload(payload: bytes) -> Payload:
    """Read a payload. Raise Unreadable for what is no Sparkplug B, or more than a message may have."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} are read")
    try:
        message = PayloadMessage.FromString(payload)
        if len(message.metrics) > MAX_METRICS:
            raise Unreadable(Reason.TOO_MANY_METRICS, f"{len(message.metrics)} metrics, at most {MAX_METRICS} are read")
        metrics = tuple(_metric(each, 0) for each in message.metrics)
    except Unreadable:
        raise
    except Exception as error:  # protobuf raises errors of several kinds, none of which may stop the stream
        raise Unreadable(Reason.UNREADABLE, f"not a Sparkplug B payload: {type(error).__name__}") from error
    return Payload(_given(message, "timestamp"), _given(message, "seq"), metrics)


def write_rebirth(now_ms: int) -> bytes:
    """Return the command that asks a node for its births: no sequence number, time and value as required."""
    message = PayloadMessage(timestamp=now_ms)
    message.metrics.add(name=REBIRTH, timestamp=now_ms, datatype=int(DataType.BOOLEAN), boolean_value=True)
    return bytes(message.SerializeToString())


def _metric(message: Any, depth: int) -> Metric:
    kind = message.WhichOneof("value")
    value: Any = None
    if kind == "dataset_value":
        value = _data_set(message.dataset_value)
    elif kind == "template_value":
        value = _template(message.template_value, depth)
    elif kind is not None:
        value = _text(getattr(message, kind)) if kind == "string_value" else getattr(message, kind)
    unit, quality = _properties(message.properties) if message.HasField("properties") else (None, None)
    return Metric(
        _text(message.name) if message.HasField("name") else None,
        _given(message, "alias"),
        _given(message, "timestamp"),
        _given(message, "datatype"),
        value,
        message.is_null,
        message.is_historical,
        message.is_transient,
        unit,
        quality,
    )


def _data_set(message: Any) -> DataSet:
    columns = tuple(_text(each) for each in message.columns)
    if len(message.rows) * max(1, len(columns)) > MAX_CELLS:
        raise Unreadable(Reason.TOO_MANY_METRICS, f"a data set has more than {MAX_CELLS} cells")
    rows = tuple(tuple(_element(each) for each in row.elements) for row in message.rows)
    return DataSet(columns, tuple(message.types), rows)


def _element(message: Any) -> Any:
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(message, kind)
    return _text(value) if kind == "string_value" else value


def _template(message: Any, depth: int) -> Template:
    if depth >= MAX_DEPTH:
        raise Unreadable(Reason.NESTED_VALUE, f"templates stand more than {MAX_DEPTH} deep in each other")
    return Template(message.is_definition, tuple(_metric(each, depth + 1) for each in message.metrics))


# The specification names `Quality` alone; for the unit there are the habits of the field.
_UNIT_KEYS = ("engunit", "engunits", "unit", "units", "engineeringunit", "engineeringunits", "uom")


def _properties(message: Any) -> tuple[str | None, int | None]:
    """Return unit and quality among a metric's properties."""
    unit: str | None = None
    quality: int | None = None
    keys: Sequence[Any] = message.keys
    for key, value in zip(keys, message.values, strict=False):
        name = "".join(character for character in _text(key).lower() if character.isalpha())
        kind = value.WhichOneof("value")
        if value.is_null or kind is None:
            continue
        if name in _UNIT_KEYS and kind == "string_value":
            unit = _text(value.string_value) or unit
        elif name == "quality" and kind in ("int_value", "long_value"):
            quality = int(getattr(value, kind))
    return unit, quality


def _given(message: Any, name: str) -> int | None:
    return int(getattr(message, name)) if message.HasField(name) else None


def _text(value: Any) -> str:
    """Text that is no UTF-8 arrives as bytes."""
    return value if isinstance(value, str) else bytes(value).decode(errors="replace")
