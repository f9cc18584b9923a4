"""Readings of meters: known by asset, meter and moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.bulk import among, insert_objects, update_rows
from assets.base.errors import Invalid, RuleError
from assets.imports.bulk_events import Happened, append_events
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, pages
from assets.imports.kinds.bulk import BulkKind, Rows
from assets.imports.stage import Stage
from assets.meter_models import Meter, MeterReading
from assets.meter_rules import Standing, Told, after
from assets.meters import facts_of, new_reading, read_meter, reading_payload, standing_of
from assets.registry import Asset

# The newest reading of each meter that counts.
_NEWEST = text("""
SELECT r.id FROM unnest(CAST(:meters AS uuid[])) AS m(id) CROSS JOIN LATERAL (
  SELECT id FROM meter_readings WHERE meter_id = m.id AND superseded_at IS NULL ORDER BY at DESC LIMIT 1) r
""")

Last = tuple[datetime, Standing]

# Of a meter whose readings do not come oldest first: `earliest` when its moments are all different, and whether its
# values rise with them, as a counter's do. Then they may come in any order: totals follow from what was there before.
_SPANS = text("""
UPDATE import_rows r SET earliest = s.earliest, rising = s.rising FROM (
  SELECT n, forwards, min(f_at) OVER meter AS earliest, bool_and(other) OVER meter AS different,
         bool_and(risen) OVER meter AS rising
  FROM (
    SELECT n, f_serial, f_meter, f_at,
           bool_and(coalesce(forward, true)) OVER (PARTITION BY f_serial, f_meter) AS forwards,
           coalesce(f_at > lag(f_at) OVER timely, true) AS other,
           coalesce(f_value >= lag(f_value) OVER timely, true) AS risen
    FROM (SELECT n, f_serial, f_meter, f_at, f_value,
                 f_at > lag(f_at) OVER (PARTITION BY f_serial, f_meter ORDER BY n) AS forward
          FROM import_rows WHERE verdict IS DISTINCT FROM 'faulty') read
    WINDOW timely AS (PARTITION BY f_serial, f_meter ORDER BY f_at, n)
  ) compared WINDOW meter AS (PARTITION BY f_serial, f_meter)
) s WHERE s.n = r.n AND NOT s.forwards AND s.different
""")
# Readings of meters from a moment on that are not of this import itself.
_OTHERS = text("""
SELECT DISTINCT m.id FROM unnest(CAST(:meters AS uuid[]), CAST(:since AS timestamptz[])) AS m(id, since)
JOIN meter_readings r ON r.meter_id = m.id AND r.at >= m.since
WHERE NOT (r.source = 'import' AND r.created_at = :now AND r.kind = 'reading' AND r.superseded_at IS NULL)
""")
_BEFORE = text("""
SELECT r.id FROM unnest(CAST(:meters AS uuid[]), CAST(:since AS timestamptz[])) AS m(id, since)
CROSS JOIN LATERAL (SELECT id FROM meter_readings
  WHERE meter_id = m.id AND superseded_at IS NULL AND at < m.since ORDER BY at DESC LIMIT 1) r
""")


class MeterReadings(BulkKind):
    """What meters showed."""

    name, en, zh = "meter_readings", "Meter readings", "抄表记录"
    key = ("serial", "meter", "at")
    action = "meter.read"
    # Of a meter whose readings come oldest first, each follows from the one before.
    candidates = """
    SELECT n FROM (SELECT n, earliest, bool_and(forwards) OVER (PARTITION BY f_serial, f_meter) AS forwards FROM (
      SELECT n, f_serial, f_meter, earliest,
        coalesce(f_at > lag(f_at) OVER (PARTITION BY f_serial, f_meter ORDER BY n), true)
        AS forwards FROM import_rows) s) r WHERE forwards OR earliest IS NOT NULL
    """
    fields = (
        Field(
            "serial", "Asset serial number", "设备序列号", "reference", required=True, most=120, also=("serial", "sn")
        ),
        Field("meter", "Meter", "仪表", "reference", required=True, also=("meter name", "计数器", "仪表名称")),
        Field("at", "Read at", "抄表时间", "date", required=True, also=("time", "date", "时间", "日期")),
        Field("value", "Value", "读数", "number", required=True, also=("reading", "示数", "数值")),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store a reading; the same again is unchanged, another value at the same moment is refused."""
        meter = self._meter(session, values["serial"], values["meter"])
        there = session.scalar(
            select(MeterReading.value).where(
                MeterReading.meter_id == meter.id,
                MeterReading.at == values["at"],
                MeterReading.superseded_at.is_(None),
            )
        )
        if there == values["value"]:
            return "unchanged"
        told = Told(values["value"])
        read_meter(session, meter, told, values["at"], origin.now, source="import", by_id=origin.actor.person_id)
        return "insert"

    def _meter(self, session: Session, serial: str, name: str) -> Meter:
        found = session.scalars(select(Asset.id).where(Asset.serial == serial).limit(2)).all()
        if len(found) != 1:
            raise _not_there({"serial": serial}, len(found))
        wanted = select(Meter).where(Meter.asset_id == found[0], Meter.name == name).with_for_update()
        meter = session.scalar(wanted, execution_options={"populate_existing": True})
        if meter is None:
            raise _not_there({"meter": name}, 1)
        return meter

    def check(self, session: Session, stage: Stage, origin: Origin) -> None:
        """Look which meters' readings come in another order first."""
        session.execute(text("ALTER TABLE import_rows ADD earliest timestamptz, ADD rising boolean"))
        session.execute(_SPANS)
        super().check(session, stage, origin)

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Follow each meter forwards; a reading told afterwards, or for another value, goes one by one."""
        assets = _assets(session, rows)
        meters = _meters(session, [found[0] for found in assets.values() if len(found) == 1])
        there = _there(session, meters.values(), rows)
        last = _newest(session, [meter.id for meter in meters.values() if meter.id not in memory])
        memory |= {meter.id: last.get(meter.id) for meter in meters.values() if meter.id not in memory}
        spans = _spans(session, rows)
        said: dict[int, str | RuleError] = {}
        for number, values in rows:
            found = assets.get(values["serial"], [])
            meter = meters.get((found[0], values["meter"])) if len(found) == 1 else None
            if meter is None:
                said[number] = _not_there(values, len(found))
            elif there.get((meter.id, values["at"])) == values["value"]:
                said[number] = "unchanged"
            elif number in spans and not _fits(meter, memory[meter.id], spans[number]):
                continue
            elif _follows(meter, memory[meter.id], values["at"], origin):
                try:
                    standing = _next(meter, memory[meter.id], values["value"])
                    if number not in spans:
                        memory[meter.id] = values["at"], standing
                    said[number] = "insert"
                except RuleError as wrong:
                    said[number] = wrong
        return said

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Add readings behind the newest of their meters, with their events."""
        assets = _assets(session, rows)
        meters = _meters(session, [found[0] for found in assets.values() if len(found) == 1], lock=True)
        last: dict[UUID, Last | None] = dict(_newest(session, [meter.id for meter in meters.values()]))
        spans = _spans(session, rows)
        since = {}
        for number, values in rows:
            found = assets.get(values["serial"], [])
            if number in spans and len(found) == 1 and (found[0], values["meter"]) in meters:
                since[meters[found[0], values["meter"]].id] = spans[number].earliest
        bases, mixed = _bases(session, since, origin)
        left, made = [], []
        newest: dict[UUID, dict[str, Any]] = {}
        for number, values in rows:
            found = assets.get(values["serial"], [])
            meter = meters.get((found[0], values["meter"])) if len(found) == 1 else None
            before = bases.get(meter.id) if meter and number in spans else last.get(meter.id) if meter else None
            if meter is None or meter.id in mixed or not _follows(meter, before, values["at"], origin):
                left.append((number, values))
                continue
            at, standing = values["at"], _next(meter, before, values["value"])
            told = Told(values["value"])
            reading = new_reading(meter, told, at, origin.now, standing, source="import", by_id=origin.actor.person_id)
            made.append((meter, reading))
            if number not in spans:
                last[meter.id] = at, standing
            before_it = newest[meter.id]["read_at"] if meter.id in newest else meter.read_at
            if before_it is None or at > before_it:
                now_at = {"id": meter.id, "value": standing.shown, "total": standing.total, "read_at": at}
                newest[meter.id] = now_at
        insert_objects(session, [reading for _, reading in made])
        update_rows(session, "meters", list(newest.values()))
        append_events(session, [_happened(meter, reading, origin) for meter, reading in made], new=False)
        return left

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield readings by asset, meter and time; replaced and corrected ones are left out."""
        statement = (
            "SELECT a.serial, m.name, r.at, r.value FROM meter_readings r JOIN meters m ON m.id = r.meter_id"
            " JOIN assets a ON a.id = r.asset_id WHERE r.superseded_at IS NULL AND r.kind = 'reading'"
            " ORDER BY a.serial, m.name, r.at"
        )
        yield from pages(session, statement, 4)


def _assets(session: Session, rows: Rows) -> dict[str, list[UUID]]:
    found: dict[str, list[UUID]] = defaultdict(list)
    serials = {values["serial"] for _, values in rows}
    for serial, asset in session.execute(select(Asset.serial, Asset.id).where(among(Asset.serial, serials))):
        found[serial].append(asset)
    return found


def _meters(session: Session, assets: Sequence[UUID], *, lock: bool = False) -> dict[tuple[UUID, str], Meter]:
    wanted = select(Meter).where(among(Meter.asset_id, assets)).order_by(Meter.id)
    if lock:
        wanted = wanted.with_for_update()
    found = session.scalars(wanted, execution_options={"populate_existing": True})
    return {(meter.asset_id, meter.name): meter for meter in found}


def _there(session: Session, meters: Iterable[Meter], rows: Rows) -> dict[tuple[UUID, datetime], float]:
    moments = {values["at"] for _, values in rows}
    found = session.execute(
        select(MeterReading.meter_id, MeterReading.at, MeterReading.value)
        .where(among(MeterReading.meter_id, [each.id for each in meters]), among(MeterReading.at, moments))
        .where(MeterReading.superseded_at.is_(None))
    )
    return {(meter, at): value for meter, at, value in found}


def _newest(session: Session, meters: Sequence[UUID]) -> dict[UUID, Last]:
    ids = list(session.scalars(_NEWEST, {"meters": list(meters)}))
    found = session.scalars(select(MeterReading).where(among(MeterReading.id, ids)))
    return {reading.meter_id: (reading.at, standing_of(reading)) for reading in found}


@dataclass(frozen=True, slots=True)
class _Span:
    """All of a meter's readings in the file: since when they are, and whether their values rise with time."""

    earliest: datetime
    rising: bool


def _spans(session: Session, rows: Rows) -> dict[int, _Span]:
    """Return the spans of the rows whose meters' readings come in another order than oldest first."""
    found = session.execute(
        text("SELECT n, earliest, rising FROM import_rows WHERE n = ANY (:n) AND earliest IS NOT NULL"),
        {"n": [number for number, _ in rows]},
    )
    return {row.n: _Span(row.earliest, row.rising) for row in found}


def _fits(meter: Meter, last: Last | None, span: _Span) -> bool:
    """Whether all of a span comes behind what is there, so that the order of its rows is no matter."""
    return (meter.kind == "gauge" or span.rising) and (last is None or last[0] < span.earliest)


def _bases(session: Session, since: dict[UUID, datetime], origin: Origin) -> tuple[dict[UUID, Last], set[UUID]]:
    """Return what each meter stood at before its span, and the meters that others read since then."""
    if not since:
        return {}, set()
    binds = {"meters": list(since), "since": list(since.values())}
    mixed = set(session.scalars(_OTHERS, {**binds, "now": origin.now}))
    ids = list(session.scalars(_BEFORE, binds))
    found = session.scalars(select(MeterReading).where(among(MeterReading.id, ids)))
    return {reading.meter_id: (reading.at, standing_of(reading)) for reading in found}, mixed


def _not_there(values: Mapping[str, Any], assets: int) -> Invalid:
    if assets != 1:
        return Invalid(f"{'more than one' if assets else 'no'} asset {values['serial']!r}", field="serial")
    return Invalid(f"the asset has no meter {values['meter']!r}", field="meter")


def _follows(meter: Meter, last: Last | None, at: datetime, origin: Origin) -> bool:
    return meter.archived_at is None and at <= origin.now and (last is None or at > last[0])


def _next(meter: Meter, last: Last | None, value: float) -> Standing:
    return after(facts_of(meter), last[1] if last else None, Told(value))


def _happened(meter: Meter, reading: MeterReading, origin: Origin) -> Happened:
    return Happened(
        reading.at,
        "meter.reading",
        meter.organisation_id,
        "asset",
        meter.asset_id,
        meter.asset_id,
        reading_payload(meter, reading),
        "person" if origin.actor.person_id else "system",
        origin.actor.person_id,
    )
