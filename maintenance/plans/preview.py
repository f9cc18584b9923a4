"""The dates that a plan would give, for some machines; nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.calendars import Calendar as WorkCalendar
from assets.base.errors import Invalid
from assets.registry import ENDED, Asset
from maintenance.plans.definition import check_definition, read_definition
from maintenance.plans.library import Package
from maintenance.plans.machines import candidates, starts
from maintenance.plans.making import wanted_rows
from maintenance.plans.reading import Seen, complete, site_zones, working_days, zone_of
from maintenance.plans.tables import MaintenancePlan, PlanAsset

MACHINES = 20
MOST = 2000  # dates of one answer


def preview(
    session: Session,
    plan: MaintenancePlan,
    packages: Sequence[Package],
    asset_ids: Sequence[UUID],
    now: datetime,
    until: date | None,
) -> tuple[list[dict[str, Any]], int]:
    """Return what would be planned until a day (the plan's horizon), and for how many machines."""
    if until is not None:
        plan.horizon_days = max(1, (until - now.date()).days)
        if plan.horizon_days > 5 * 366:
            raise Invalid("a horizon is at most five years", field="until", value=until.isoformat())
        check_definition(plan, packages)  # for this horizon
    if plan.asset_model_id is None and plan.round_id is None:
        chosen = list(asset_ids)
        for asset in session.scalars(select(Asset).where(Asset.id.in_(chosen), Asset.lifecycle.in_(ENDED))):
            raise Invalid(f"{asset.name} is {asset.lifecycle}", field="asset_ids", name=asset.name)
    held = candidates(session, plan, list(asset_ids), MACHINES)
    calendar = session.get(WorkCalendar, plan.calendar_id) if plan.calendar_id is not None else None
    definition = read_definition(plan, packages, working_days(calendar))
    zones = site_zones(session, list(held))
    begins = starts(session, plan, held)
    seen = []
    for key in held:
        row = PlanAsset(
            organisation_id=plan.organisation_id, plan_id=UUID(int=0), asset_id=key, id=key, state="waiting",
            start_on=begins.get(key), start_totals={}, turns={}, since=now,
        )  # fmt: skip
        seen.append(Seen(row, plan, definition, zones[key]))
    if not held:  # nobody yet: the dates of a machine that begins today, as a person reads the rule
        begin = plan.starts_on if plan.starts == "on" and plan.starts_on is not None else now.date()
        row = PlanAsset(
            organisation_id=plan.organisation_id, plan_id=UUID(int=0), asset_id=None, id=UUID(int=0), state="waiting",
            start_on=begin, start_totals={}, turns={}, since=now,
        )  # fmt: skip
        seen.append(Seen(row, plan, definition, zone_of(None)))
    complete(session, seen)
    found = [_shown(row) for each in seen for row in wanted_rows(each, now)]
    end = now + timedelta(days=plan.horizon_days)
    kept = [row for row in found if row["due_at"] is None or row["due_at"] <= end]
    kept.sort(key=lambda row: (row["due_at"] is None, row["due_at"] or end, str(row["asset_id"])))
    return kept[:MOST], len(held)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    names = ("asset_id", "slot", "source", "due_at", "due_on", "earliest_at", "latest_at", "target")
    return {name: row[name] for name in names} | {
        "packages": [each["code"] for each in row["packages"]],
        "covered": [each["code"] for each in row["covered"]],
        "left_out": row["state"] == "left_out",
    }
