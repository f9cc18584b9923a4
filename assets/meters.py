"""Meters of assets: make them, read them, correct what was read, and forecast when they reach a value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.definitions import check_unit
from assets.meter_forecast import Forecast, forecast_counter, forecast_gauge
from assets.meter_models import Meter, MeterReading
from assets.meter_rules import MeterFacts, Standing, Told, after, check_meter
from assets.registry import Asset, AssetModel

MAX_METERS = 50  # of one asset
MAX_FOLLOWING = 20_000  # readings whose totals one correction may change
HISTORY = timedelta(days=3 * 366)  # what a rate is taken from
POINTS = 400
DAY_S = 86_400.0
SOURCES = ("person", "telemetry", "work_order", "import")

_THINNED = text("""
SELECT DISTINCT ON (floor(extract(epoch FROM at) / :width)) at, total, kind FROM meter_readings
WHERE meter_id = :meter AND superseded_at IS NULL AND at >= :since
ORDER BY floor(extract(epoch FROM at) / :width), at DESC
""")


def add_meter(session: Session, asset: Asset, meter: Meter, now: datetime) -> Meter:
    """Add a meter to an asset. Raises Invalid, and Conflict when the asset has one of this name."""
    meter.unit = check_unit(meter.unit)
    check_meter(facts_of(meter))
    names = set(session.scalars(select(Meter.name).where(Meter.asset_id == asset.id)))
    if meter.name in names:
        raise Conflict(f"there is a meter {meter.name!r} already", name=meter.name)
    if len(names) >= MAX_METERS:
        raise Invalid(f"at most {MAX_METERS} meters of one asset", field="name", limit=MAX_METERS)
    meter.organisation_id, meter.asset_id, meter.created_at = asset.organisation_id, asset.id, now
    session.add(meter)
    session.flush()
    return meter


def add_model_meters(session: Session, asset: Asset, model: AssetModel | None, now: datetime) -> None:
    """Give a new asset the meters that its model says."""
    for about in model.meters if model else ():
        meter = Meter(
            name=about["name"],
            kind=about["kind"],
            unit=about["unit"],
            metric=about.get("metric"),
            rollover_at=about.get("rollover_at"),
        )
        add_meter(session, asset, meter, now)


def facts_of(meter: Meter) -> MeterFacts:
    """Return what the rules need of a meter."""
    return MeterFacts(meter.kind, meter.rollover_at)


def read_meter(
    session: Session,
    meter: Meter,
    told: Told,
    at: datetime,
    now: datetime,
    *,
    source: str = "person",
    by_id: UUID | None = None,
    work_order_id: UUID | None = None,
) -> MeterReading:
    """Store what the meter, which the caller has locked, showed at a moment; the same again is the row that is there.

    One told afterwards fits between its neighbours. Raises Invalid for a moment to come or a value that cannot be,
    RunsBackwards when it contradicts the reading before or after it, Conflict for another value at the same moment.
    """
    if at > now:
        raise Invalid("a meter is read when it shows the value, not before", field="at")
    if meter.archived_at is not None:
        raise Conflict("this meter is out of use", archived_at=meter.archived_at.isoformat())
    there = session.scalar(_effective(meter.id).where(MeterReading.at == at))
    if there is not None:
        if (there.value, there.kind, there.initial_value) == (told.value, told.kind, told.initial_value):
            return there
        raise Conflict("there is a reading of this moment: correct that one", reading_id=str(there.id))
    standing = after(facts_of(meter), _standing_before(session, meter, at), told)
    reading = new_reading(meter, told, at, now, standing, source=source, by_id=by_id)
    reading.work_order_id = work_order_id
    session.add(reading)
    session.flush()
    _carry_on(session, meter, standing, at)
    _refresh(session, meter)
    if source != "telemetry":
        kind = "meter.replaced" if told.kind == "replacement" else "meter.reading"
        _log(session, meter, kind, at, by_id, reading)
    return reading


def correct_reading(
    session: Session,
    meter: Meter,
    wrong: MeterReading,
    value: float,
    reason: str,
    now: datetime,
    *,
    initial_value: float | None = None,
    by_id: UUID | None = None,
) -> MeterReading:
    """Put another value in the place of a reading, which stays to be seen; the totals after it follow.

    Raises Conflict for one that was corrected already, Invalid and RunsBackwards when the new value cannot be.
    """
    if not reason.strip():
        raise Invalid("a correction needs a reason", field="reason")
    if wrong.superseded_at is not None:
        raise Conflict("this reading was corrected already: correct the one that stands for it")
    first = initial_value if initial_value is not None else wrong.initial_value
    told = Told(value, wrong.kind, first, wrong.reason or reason)
    standing = after(facts_of(meter), _standing_before(session, meter, wrong.at), told)
    wrong.superseded_at = now
    session.flush()
    made = new_reading(meter, told, wrong.at, now, standing, source=wrong.source, by_id=by_id)
    made.reason, made.corrects_id, made.work_order_id = reason, wrong.id, wrong.work_order_id
    session.add(made)
    session.flush()
    _carry_on(session, meter, standing, wrong.at)
    _refresh(session, meter)
    _log(session, meter, "meter.corrected", now, by_id, made, {"was": wrong.value, "reason": reason})
    return made


def total_at(session: Session, asset_id: UUID, name: str, at: datetime) -> float | None:
    """Return the total of an asset's meter at the newest reading up to a moment; None when there is none."""
    found = (
        select(MeterReading.total)
        .join(Meter, Meter.id == MeterReading.meter_id)
        .where(Meter.asset_id == asset_id, Meter.name == name)
        .where(MeterReading.at <= at, MeterReading.superseded_at.is_(None))
    )
    return session.scalar(found.order_by(MeterReading.at.desc()).limit(1))


def forecast(session: Session, meter: Meter, target: float, confidence: float) -> Forecast:
    """Return when the meter's total reaches a value, counted in days from its newest reading."""
    if meter.read_at is None:
        return Forecast(None, "too_few_readings", 0, 0.0)
    since = meter.read_at - HISTORY
    oldest = session.scalar(_effective(meter.id).where(MeterReading.at >= since).order_by(MeterReading.at).limit(1))
    span_s = (meter.read_at - oldest.at).total_seconds() if oldest else 0.0
    values = {"meter": meter.id, "since": since, "width": max(span_s / POINTS, 1.0)}
    rows = session.execute(_THINNED, values).all()
    if meter.kind == "gauge":  # another sensor's level says nothing of this one's
        anew = max((number for number, row in enumerate(rows) if row.kind in ("reset", "replacement")), default=0)
        rows = rows[anew:]
    points = [((row.at - meter.read_at).total_seconds() / DAY_S, float(row.total)) for row in rows]
    rule = forecast_counter if meter.kind == "counter" else forecast_gauge
    return rule(points, target, confidence)


def refuse(session: Session, meter: Meter, value: float, at: datetime, reason: str, now: datetime) -> None:
    """Remember what telemetry showed that cannot be, once, until a person tells what happened."""
    if meter.refused_at is None:
        _log(session, meter, "meter.refused", now, None, None, {"value": value, "reason": reason})
    meter.refused_value, meter.refused_at, meter.refused_reason = value, at, reason
    session.flush()


def readings_of(
    session: Session, meter_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None = None, past: bool = False
) -> Sequence[MeterReading]:
    """Return readings, newest first; with `past` also those that were corrected."""
    found = select(MeterReading).where(MeterReading.meter_id == meter_id) if past else _effective(meter_id)
    if before is not None:
        at, key = before
        found = found.where((MeterReading.at < at) | ((MeterReading.at == at) & (MeterReading.id < key)))
    return session.scalars(found.order_by(MeterReading.at.desc(), MeterReading.id.desc()).limit(limit)).all()


def _effective(meter_id: UUID) -> Select[MeterReading]:
    return select(MeterReading).where(MeterReading.meter_id == meter_id, MeterReading.superseded_at.is_(None))


def standing_of(reading: MeterReading) -> Standing:
    """Return how a meter stands after a reading."""
    shown = reading.initial_value if reading.initial_value is not None else reading.value
    return Standing(shown, reading.total)


def _standing_before(session: Session, meter: Meter, at: datetime) -> Standing | None:
    found = _effective(meter.id).where(MeterReading.at < at).order_by(MeterReading.at.desc()).limit(1)
    reading = session.scalar(found)
    return standing_of(reading) if reading is not None else None


def _carry_on(session: Session, meter: Meter, standing: Standing, at: datetime) -> None:
    """Count the totals behind a changed reading anew, up to the first that stays as it is. Raises as `after` does."""
    following = _effective(meter.id).where(MeterReading.at > at).order_by(MeterReading.at).limit(MAX_FOLLOWING)
    for reading in session.scalars(following.execution_options(yield_per=200)):
        told = Told(reading.value, reading.kind, reading.initial_value, reading.reason or "told before")
        standing = after(facts_of(meter), standing, told)
        if reading.total == standing.total:
            break
        reading.total = standing.total
    session.flush()


def _refresh(session: Session, meter: Meter) -> None:
    newest = session.scalar(_effective(meter.id).order_by(MeterReading.at.desc()).limit(1))
    if newest is not None:
        meter.value, meter.total, meter.read_at = standing_of(newest).shown, newest.total, newest.at
        if meter.refused_at is not None and newest.kind != "reading":
            meter.refused_value = meter.refused_at = meter.refused_reason = None  # a person told what happened
    session.flush()


def new_reading(
    meter: Meter, told: Told, at: datetime, now: datetime, standing: Standing, *, source: str, by_id: UUID | None
) -> MeterReading:
    """Make the row of a reading; the caller adds it."""
    return MeterReading(
        organisation_id=meter.organisation_id,
        meter_id=meter.id,
        asset_id=meter.asset_id,
        at=at,
        value=told.value,
        initial_value=told.initial_value,
        total=standing.total,
        kind=told.kind,
        source=source,
        reason=told.reason,
        by_id=by_id,
        created_at=now,
    )


def _log(
    session: Session,
    meter: Meter,
    kind: str,
    at: datetime,
    by_id: UUID | None,
    reading: MeterReading | None,
    more: dict[str, Any] | None = None,
) -> None:
    append_event(
        session,
        kind,
        at=at,
        organisation_id=meter.organisation_id,
        subject_kind="asset",
        subject_id=meter.asset_id,
        asset_id=meter.asset_id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload=reading_payload(meter, reading) | (more or {}),
    )


def reading_payload(meter: Meter, reading: MeterReading | None) -> dict[str, Any]:
    """Return what an event says of a meter and its reading."""
    payload: dict[str, Any] = {"meter_id": str(meter.id), "meter": meter.name, "unit": meter.unit}
    if reading is not None:
        payload |= {"value": reading.value, "total": reading.total, "reason": reading.reason}
        payload |= {"initial_value": reading.initial_value} if reading.initial_value is not None else {}
    return payload
