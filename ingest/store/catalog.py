"""Which device, stream and slot a value belongs to; remembered in memory, added to the database when new."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from assets.base.units import series_unit, unit_code
from ingest.formats.decoded import Reason, Sample, Value
from ingest.store.base import Connection

MAX_METRICS_PER_STREAM = 512  # one row holds them all: beyond this it is no stream but an index of something
MAX_CHANNELS_PER_DEVICE = 2000
MAX_SERIES_PER_DEVICE = 20_000  # of all its channels: a gateway that makes up names does not fill the catalogue
MAX_STATES = 256
MAX_REMEMBERED = 100_000  # streams and devices; forgetting them all costs one look-up each
_TOO_MANY = f"more than {MAX_METRICS_PER_STREAM} in one stream or {MAX_SERIES_PER_DEVICE} of one device"
KNOWN_FOR_S = 10.0  # a device that was switched off or registered just now is noticed after this
KINDS = ("number", "boolean", "text")


@dataclass(slots=True)
class DeviceRef:
    """What ingest needs to know of a device."""

    id: UUID
    serial: str
    organisation_id: UUID
    disabled: bool
    units_version: int = 0
    own_name: str | None = None  # what the device calls itself, when that is not its serial


@dataclass(slots=True)
class SeriesRef:
    """One metric of a stream; `slot` from 1."""

    id: int
    slot: int
    kind: str
    states: dict[str, int]
    unit: str | None = None
    sent_unit: str | None = None  # what the device declares, when that is another one


class Plan(NamedTuple):
    """Where the values of a sample go whose metrics come in this order."""

    slots: tuple[int, ...]
    series: tuple[SeriesRef, ...]
    width: int
    is_straight: bool  # the values already stand in slot order from 1
    order: tuple[int, ...] | None  # where to find the value of each slot, when every slot from 1 has one
    is_numeric: bool  # every metric is a plain number


@dataclass(slots=True)
class StreamRef:
    """One channel of a device with its metrics."""

    id: int
    organisation_id: UUID
    series: dict[str, SeriesRef] = field(default_factory=dict)
    plans: dict[tuple[str, ...], Plan] = field(default_factory=dict)
    is_full: bool = False
    converts: bool = False  # some metric comes in another unit than its series has


# A sample's values by slot, their quality, and the metrics that found no place, with the reason.
BySlot = tuple[list[Any], list[int] | None, Sequence[tuple[Reason, str]]]


class Catalog:
    """Of one writer. After a rolled-back transaction call `forget`: what it added is not there."""

    def __init__(self) -> None:
        self._devices: dict[str, tuple[float, DeviceRef | None]] = {}
        self._streams: dict[tuple[UUID, str], StreamRef] = {}
        self._unbound: dict[UUID, set[str]] = {}

    def forget(self) -> None:
        """Drop everything remembered."""
        self._devices.clear()
        self._streams.clear()
        self._unbound.clear()

    def take_unbound(self) -> dict[UUID, set[str]]:
        """Return the sub-devices, by device, that were met for the first time and that no asset has; only once."""
        taken, self._unbound = self._unbound, {}
        return taken

    def device(self, connection: Connection, serial: str) -> DeviceRef | None:
        """Return the device of this serial, None when it is registered nowhere."""
        known = self._devices.get(serial)
        now = time.monotonic()
        if known is not None and now - known[0] < KNOWN_FOR_S:
            return known[1]
        row = connection.execute(
            "SELECT id, serial, organisation_id, disabled_at IS NOT NULL, units_version, own_name FROM devices"
            " WHERE serial = %s",
            [serial],
        ).fetchone()
        found = DeviceRef(*row) if row else None
        if found and known is not None and known[1] and known[1].units_version != found.units_version:
            self._forget_streams(found.id)
        if len(self._devices) > MAX_REMEMBERED:
            self._devices.clear()
        self._devices[serial] = (now, found)
        return found

    def forget_device(self, serial: str) -> None:
        """Ask the database anew about a device and what it declared."""
        known = self._devices.pop(serial, None)
        if known is not None and known[1] is not None:
            self._forget_streams(known[1].id)

    def _forget_streams(self, device_id: UUID) -> None:
        for key in [key for key in self._streams if key[0] == device_id]:
            del self._streams[key]

    def own_name(self, connection: Connection, device: DeviceRef, told: str | None) -> str | None:
        """Return what a device calls itself; the first name it tells is its own unless a sub-device has it already."""
        if device.own_name is None and told is not None:
            row = connection.execute(
                "UPDATE devices SET own_name = coalesce(own_name, %(told)s) WHERE id = %(id)s AND NOT EXISTS ("
                " SELECT FROM streams WHERE device_id = %(id)s AND starts_with(channel, %(told)s))"
                " RETURNING own_name",
                {"told": told, "id": device.id},
            ).fetchone()
            device.own_name = row[0] if row else None
        return device.own_name

    def stream(self, connection: Connection, device: DeviceRef, channel: str) -> StreamRef | None:
        """Return the stream of a channel, made when new; None when the device has too many."""
        key = (device.id, channel)
        known = self._streams.get(key)
        if known is None:
            known, is_bound = _find_stream(connection, device, channel)
            if known is None:
                return None
            if channel and not is_bound:
                self._unbound.setdefault(device.id, set()).add(channel)
            if len(self._streams) > MAX_REMEMBERED:
                self._streams.clear()
            self._streams[key] = known
        return known

    def place(self, connection: Connection, stream: StreamRef, sample: Sample) -> BySlot:
        """Return the sample's values by slot, adding series for metrics that are new."""
        names = tuple(sample.values)
        plan = stream.plans.get(names)
        if plan is None:
            plan = self._plan(connection, stream, names, sample.values)
        values = list(sample.values.values())
        if plan.is_numeric and str not in map(type, values):
            quality = _quality(sample.quality, names, plan) if sample.quality else None
            if plan.is_straight:
                return values, quality, ()
            placed: list[Any] = [None] * plan.width
            for slot, value in zip(plan.slots, values, strict=True):
                placed[slot - 1] = value
            return placed, quality, ()
        return self._place_slowly(connection, stream, sample)

    def plan_of(self, stream: StreamRef, names: tuple[str, ...]) -> Plan | None:
        """Return how plain numbers of these metrics come into slot order.

        None: a metric is new, is no number or comes in another unit, or a slot between has no value. Then each sample
        is placed by itself.
        """
        plan = stream.plans.get(names)
        if plan is None or not plan.is_numeric or plan.order is None or stream.converts:
            return None
        return plan

    def _plan(
        self, connection: Connection, stream: StreamRef, names: tuple[str, ...], values: Mapping[str, Value]
    ) -> Plan:
        new = [name for name in names if name not in stream.series]
        if new and not stream.is_full:
            add_series(connection, stream, {name: Declared(kind_of(values[name])) for name in new})
        found = [stream.series.get(name) for name in names]
        series = tuple(each for each in found if each is not None)
        slots = tuple(each.slot for each in series)
        plan = Plan(
            slots=slots,
            series=series,
            width=max(slots, default=0),
            is_straight=slots == tuple(range(1, len(names) + 1)),
            order=_order(slots),
            is_numeric=len(series) == len(names) and all(each.kind == "number" for each in series),
        )
        if len(stream.plans) > 200:  # a device that sends ever different sets of metrics
            stream.plans.clear()
        stream.plans[names] = plan
        return plan

    def _place_slowly(self, connection: Connection, stream: StreamRef, sample: Sample) -> BySlot:
        placed: list[Any] = []
        quality: list[int] = []
        refused: list[tuple[Reason, str]] = []
        for name, value in sample.values.items():
            series = stream.series.get(name)
            if series is None:
                refused.append((Reason.TOO_MANY_METRICS, _TOO_MANY))
                continue
            number = _number_of(connection, series, value)
            if isinstance(number, Reason):
                refused.append((number, name))
                continue
            while len(placed) < series.slot:
                placed.append(None)
                quality.append(0)
            placed[series.slot - 1] = number
            quality[series.slot - 1] = (sample.quality or {}).get(name, 0)
        return placed, quality if any(quality) else None, refused


def _order(slots: tuple[int, ...]) -> tuple[int, ...] | None:
    if sorted(slots) != list(range(1, len(slots) + 1)):
        return None
    return tuple(sorted(range(len(slots)), key=lambda position: slots[position]))


class Declared(NamedTuple):
    kind: str
    unit: str | None = None
    expected_interval_s: float | None = None


def add_series(connection: Connection, stream: StreamRef, wanted: Mapping[str, Declared]) -> None:
    """Add metrics to a stream, up to its limit; the stream's row is locked, since others may add at the same time."""
    connection.execute("SELECT 1 FROM streams WHERE id = %s FOR UPDATE", [stream.id])
    load_series(connection, stream)
    taken = max((each.slot for each in stream.series.values()), default=0)
    room = min(MAX_METRICS_PER_STREAM - taken, MAX_SERIES_PER_DEVICE - series_of_device(connection, stream.id))
    for name, declared in wanted.items():
        if name in stream.series:
            continue
        if room <= 0:
            stream.is_full = True
            break
        taken, room = taken + 1, room - 1
        told = unit_code(declared.unit) if declared.unit else None
        unit = series_unit(name, told)
        row = connection.execute(
            "INSERT INTO series (organisation_id, stream_id, slot, metric, unit, kind, states, expected_interval_s)"
            " VALUES (%s, %s, %s, %s, %s, %s, '{}', %s) RETURNING id",
            [
                stream.organisation_id,
                stream.id,
                taken,
                name,
                unit,
                declared.kind,
                declared.expected_interval_s,
            ],
        ).fetchone()
        assert row is not None
        stream.series[name] = SeriesRef(row[0], taken, declared.kind, {}, unit)
    stream.plans.clear()


def series_of_device(connection: Connection, stream_id: int) -> int:
    """Return how many series the stream's device has, on all its channels."""
    row = connection.execute(
        "SELECT count(*) FROM series r JOIN streams t ON t.id = r.stream_id"
        " WHERE t.device_id = (SELECT device_id FROM streams WHERE id = %s)",
        [stream_id],
    ).fetchone()
    return row[0] if row else 0


def _find_stream(connection: Connection, device: DeviceRef, channel: str) -> tuple[StreamRef | None, bool]:
    """Return the stream and whether its channel was ever bound to an asset, in one query when it is there."""
    select = (
        "SELECT s.id, s.organisation_id, EXISTS (SELECT FROM bindings b WHERE b.device_id = s.device_id"
        " AND b.channel = s.channel) FROM streams s WHERE s.device_id = %s AND s.channel = %s"
    )
    row = connection.execute(select, [device.id, channel]).fetchone()
    if row is None:
        count = connection.execute("SELECT count(*) FROM streams WHERE device_id = %s", [device.id]).fetchone()
        if count is not None and count[0] >= MAX_CHANNELS_PER_DEVICE:
            return None, False
        connection.execute(
            "INSERT INTO streams (organisation_id, device_id, channel) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [device.organisation_id, device.id, channel],
        )
        row = connection.execute(select, [device.id, channel]).fetchone()
    assert row is not None
    stream = StreamRef(row[0], row[1])
    load_series(connection, stream)
    return stream, row[2]


def load_series(connection: Connection, stream: StreamRef) -> None:
    """Read the metrics of a stream."""
    rows = connection.execute(
        "SELECT metric, id, slot, kind, states, unit, sent_unit FROM series WHERE stream_id = %s", [stream.id]
    )
    stream.series = {
        metric: SeriesRef(key, slot, kind, {text: index for index, text in enumerate(states)}, unit, sent_unit)
        for metric, key, slot, kind, states, unit, sent_unit in rows
    }
    stream.converts = any(each.sent_unit is not None for each in stream.series.values())


def kind_of(value: Value) -> str:
    """Return the kind of a series whose first value this is."""
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def _number_of(connection: Connection, series: SeriesRef, value: Value) -> float | Reason:
    """Return what is stored for a value, or why it cannot be."""
    if series.kind == "text":
        return _state(connection, series, value if isinstance(value, str) else _as_text(value))
    if isinstance(value, str) or (series.kind == "boolean" and value not in (0, 1)):
        return Reason.WRONG_TYPE
    return float(value)


def _as_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.15g}"


def _state(connection: Connection, series: SeriesRef, text: str) -> float | Reason:
    known = series.states.get(text)
    if known is not None:
        return known
    if len(series.states) >= MAX_STATES:
        return Reason.TOO_MANY_STATES
    # Another writer may have added it just now, so the database decides on the index.
    row = connection.execute(
        "UPDATE series SET states = CASE WHEN %(text)s = ANY (states) OR cardinality(states) >= %(most)s THEN states"
        " ELSE states || %(text)s::text END WHERE id = %(id)s RETURNING states",
        {"text": text, "id": series.id, "most": MAX_STATES},
    ).fetchone()
    assert row is not None
    series.states = {state: index for index, state in enumerate(row[0])}
    return series.states.get(text, Reason.TOO_MANY_STATES)


def _quality(quality: Mapping[str, int], names: tuple[str, ...], plan: Plan) -> list[int] | None:
    placed = [0] * plan.width
    for name, slot in zip(names, plan.slots, strict=True):
        placed[slot - 1] = quality.get(name, 0)
    return placed if any(placed) else None
