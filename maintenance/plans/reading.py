"""Plans and machines from their rows, many at once, as the pure rules want them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.calendars import Calendar as WorkCalendar
from assets.base.calendars import calendar_of
from assets.meter_forecast import forecast_counter, forecast_gauge
from assets.meter_models import Meter
from assets.registry import Asset, Site
from maintenance.plans.definition import Definition, read_definition
from maintenance.plans.due import Machine, Reach, Turns
from maintenance.plans.recurrence import to_instant, to_local
from maintenance.plans.tables import MaintenancePlan, PlanAsset, PlanPackage

CONFIDENCE = 0.8
HISTORY_DAYS = 3 * 366
POINTS = 120  # of one meter
DAY_S = 86_400.0

# The newest total up to a moment; before the first reading its total, so that a new meter counts from where it began.
_TOTALS = text("""
SELECT m.asset_id, m.name, w.key, coalesce(
  (SELECT r.total FROM meter_readings r WHERE r.meter_id = m.id AND r.at <= w.at AND r.superseded_at IS NULL
   ORDER BY r.at DESC LIMIT 1),
  (SELECT r.total FROM meter_readings r WHERE r.meter_id = m.id AND r.superseded_at IS NULL ORDER BY r.at LIMIT 1))
FROM unnest(CAST(:assets AS uuid[]), CAST(:moments AS timestamptz[]), CAST(:keys AS uuid[])) AS w(asset_id, at, key)
JOIN meters m ON m.asset_id = w.asset_id AND m.name = ANY(CAST(:names AS text[]))
""")
_POINTS = text("""
WITH span AS (
  SELECT m.id, m.read_at, greatest(extract(epoch FROM m.read_at - min(r.at)) / :points, 1.0) AS width
  FROM meters m JOIN meter_readings r ON r.meter_id = m.id AND r.superseded_at IS NULL
    AND r.at >= m.read_at - make_interval(days => :days)
  WHERE m.id = ANY(CAST(:meters AS uuid[])) GROUP BY m.id, m.read_at)
SELECT DISTINCT ON (r.meter_id, floor(extract(epoch FROM r.at) / s.width))
  r.meter_id, extract(epoch FROM r.at - s.read_at) / 86400.0, r.total
FROM span s JOIN meter_readings r ON r.meter_id = s.id AND r.superseded_at IS NULL
  AND r.at >= s.read_at - make_interval(days => :days)
ORDER BY r.meter_id, floor(extract(epoch FROM r.at) / s.width), r.at DESC
""")


@dataclass
class Seen:
    """A machine of a plan with all that decides: its row, its plan, the zone of its site."""

    row: PlanAsset
    plan: MaintenancePlan
    definition: Definition
    zone: ZoneInfo
    machine: Machine | None = None

    @property
    def since(self) -> datetime:
        """When the plan takes the machine up: not before the local day from which it is valid."""
        valid_from = self.plan.effectivity.get("valid_from")
        if not valid_from:
            return self.row.since
        return max(self.row.since, to_instant(datetime.combine(date.fromisoformat(valid_from), time()), self.zone))


@lru_cache(maxsize=1000)
def zone_of(name: str | None) -> ZoneInfo:
    """Return a site's zone; UTC where there is none that can be read."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def working_days(row: WorkCalendar | None) -> Callable[[date], bool] | None:
    """Return whether a day has open hours in a calendar (holidays and shifted working days are in it)."""
    if row is None:
        return None
    calendar = calendar_of(row)
    if not any(calendar.hours.values()) and not any(calendar.exceptions.values()):
        return None  # one that is never open decides nothing

    def is_working(day: date) -> bool:
        return bool(calendar.exceptions.get(day, calendar.hours.get(day.weekday(), ())))

    return is_working


def definitions(session: Session, plans: Sequence[MaintenancePlan]) -> dict[UUID, Definition]:
    """Return what the plans say, all in three queries."""
    packages: dict[UUID, list[PlanPackage]] = {}
    keys = [plan.id for plan in plans]
    found = select(PlanPackage).where(PlanPackage.plan_id.in_(keys)).order_by(PlanPackage.position)
    for each in session.scalars(found):
        packages.setdefault(each.plan_id, []).append(each)
    wanted = {plan.calendar_id for plan in plans if plan.calendar_id is not None}
    rows = session.scalars(select(WorkCalendar).where(WorkCalendar.id.in_(wanted))) if wanted else ()
    open_on = {row.id: working_days(row) for row in rows}
    return {
        plan.id: read_definition(plan, packages.get(plan.id, ()), open_on.get(plan.calendar_id))  # type: ignore[arg-type]
        for plan in plans
    }


def load(session: Session, rows: Sequence[PlanAsset]) -> list[Seen]:
    """Return machines of plans as the rules read them; what meters showed at their start is remembered."""
    plans = list(session.scalars(select(MaintenancePlan).where(MaintenancePlan.id.in_({row.plan_id for row in rows}))))
    said = definitions(session, plans)
    by_id = {plan.id: plan for plan in plans}
    zones = site_zones(session, [row.asset_id for row in rows])
    seen = [
        Seen(row, by_id[row.plan_id], said[row.plan_id], zones.get(row.asset_id, zone_of(None)))
        for row in rows
        if row.plan_id in by_id
    ]
    complete(session, seen)
    return seen


def complete(session: Session, seen: Sequence[Seen]) -> None:
    """Add what meters tell, and the machine as the rules want it."""
    _remember_totals(session, seen)
    reach = _reaches(session, seen)
    for each in seen:
        each.machine = _machine(each, reach)


def site_zones(session: Session, asset_ids: Sequence[UUID]) -> dict[UUID, ZoneInfo]:
    """Return the zone of where each asset stands."""
    sites = select(Asset.id, Site.time_zone).outerjoin(Site, Site.id == Asset.site_id)
    named = session.execute(sites.where(Asset.id.in_(set(asset_ids))))
    return {key: zone_of(name) for key, name in named}


def _remember_totals(session: Session, seen: Sequence[Seen]) -> None:
    """Write down what meters showed when the machine began and when the plan took it up, where that is missing."""
    lacking = [
        each
        for each in seen
        if each.row.start_on is not None
        and any(name not in each.row.start_totals.get("start", {}) for name in each.definition.meters)
    ]
    if not lacking:
        return
    names = sorted({name for each in lacking for name in each.definition.meters})
    for word in ("start", "since"):
        moments = [each.since if word == "since" else _begin(each) for each in lacking]
        asked = {
            "assets": [each.row.asset_id for each in lacking],
            "moments": moments,
            "keys": [each.row.id for each in lacking],
            "names": names,
        }
        found: dict[UUID, dict[str, float]] = {}
        for _, name, key, total in session.execute(_TOTALS, asked):
            if total is not None:
                found.setdefault(key, {})[name] = float(total)
        for each in lacking:
            kept = {**found.get(each.row.id, {}), **each.row.start_totals.get(word, {})}
            each.row.start_totals = {**each.row.start_totals, word: kept}


def _begin(each: Seen) -> datetime:
    assert each.row.start_on is not None
    return each.definition.start(each.row.start_on).replace(tzinfo=each.zone)


def turns_from(stored: Mapping[str, Any]) -> dict[str, Turns]:
    """Return stored turns as rules read them."""
    return {code: _turns(each) for code, each in stored.items()}


def _turns(each: Mapping[str, Any]) -> Turns:
    last = each.get("last_done")
    return Turns(
        each.get("done", 0),
        datetime.fromisoformat(last) if last else None,
        each.get("last_totals", {}),
        each.get("last_target"),
        each.get("shift_days", 0),
    )


def _machine(each: Seen, reach: Mapping[tuple[UUID, str], Callable[[float], Reach | None]]) -> Machine | None:
    row = each.row
    if row.start_on is None:
        return None

    def reached(meter: str, target: float) -> Reach | None:
        rule = reach.get((row.asset_id, meter))
        found = rule(target) if rule is not None else None
        if found is None:
            return None
        high = None if found.high is None else to_local(found.high, each.zone)
        return Reach(to_local(found.at, each.zone), to_local(found.low, each.zone), high, found.reached)

    totals = row.start_totals.get("start", {})
    turns = turns_from(row.turns)
    turns |= _owed(each, totals, row.start_totals.get("since", {}), turns)
    return Machine(each.definition.start(row.start_on), totals, reached, turns)


def _owed(
    each: Seen, start: Mapping[str, float], since: Mapping[str, float], turns: Mapping[str, Turns]
) -> dict[str, Turns]:
    """Let what lay behind when the plan took the machine up count as done: it owes nothing of the years before."""
    found: dict[str, Turns] = {}
    for package in each.definition.packages:
        past = turns.get(package.code, Turns())
        if past.last_done is not None or past.last_totals or not since:
            continue
        told = package.trigger
        if told.get("kind") == "meter" and told.get("at") is not None:
            total = since.get(str(told.get("meter")))
            if total is not None and total >= float(told["at"]):
                found[package.code] = Turns(max(past.done, 1), past.last_done, {}, None, past.shift_days)
        elif any(since.get(name, 0.0) > total for name, total in start.items()):
            found[package.code] = Turns(past.done, past.last_done, dict(since), None, past.shift_days)
    return found


def _reaches(session: Session, seen: Sequence[Seen]) -> dict[tuple[UUID, str], Callable[[float], Reach | None]]:
    wanted = {each.row.asset_id: each.definition.meters for each in seen if each.definition.meters}
    if not wanted:
        return {}
    names = set().union(*wanted.values())
    found = select(Meter).where(Meter.asset_id.in_(wanted), Meter.name.in_(names), Meter.archived_at.is_(None))
    meters = list(session.scalars(found))
    asked = {"meters": [meter.id for meter in meters], "points": POINTS, "days": HISTORY_DAYS}
    points: dict[UUID, list[tuple[float, float]]] = {}
    for key, rows in groupby(session.execute(_POINTS, asked), key=lambda row: row[0]):
        points[key] = [(float(day), float(total)) for _, day, total in rows]
    return {(meter.asset_id, meter.name): _reach_of(meter, points.get(meter.id, [])) for meter in meters}


def _reach_of(meter: Meter, points: Sequence[tuple[float, float]]) -> Callable[[float], Reach | None]:
    known: dict[float, Reach | None] = {}
    kind, read_at, total = meter.kind, meter.read_at, meter.total

    def reach(target: float) -> Reach | None:
        if target not in known:
            known[target] = found(target)
        return known[target]

    def found(target: float) -> Reach | None:
        if read_at is None or total is None:
            return None
        if kind == "counter" and total >= target:
            day = next((day for day, each in points if each >= target), 0.0)
            at = read_at + timedelta(days=day)
            return Reach(at, at, at, reached=True)
        rule = forecast_counter if kind == "counter" else forecast_gauge
        estimate = rule(points, target, CONFIDENCE).estimate
        if estimate is None:
            return None
        high = None if estimate.high is None else read_at + timedelta(days=estimate.high)
        return Reach(read_at + timedelta(days=estimate.days), read_at + timedelta(days=estimate.low), high)

    return reach
