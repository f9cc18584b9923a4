"""Maintenance plans: make, edit, activate, pause and end them; all of it is checked before it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.calendars import Calendar as WorkCalendar
from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.base.events import append_event
from assets.registry import AssetModel
from maintenance.plans.definition import check_definition
from maintenance.plans.machines import choose, end_rows
from maintenance.plans.settling import settle
from maintenance.plans.tables import InspectionRound, MaintenancePlan, PlanAsset, PlanPackage
from ticketing.cases.tables import ServiceType
from ticketing.order_edits import checked_plan
from ticketing.people.tables import Team
from ticketing.procedures.models import Procedure

LEGAL_MOVES: Mapping[str, tuple[str, ...]] = {
    "draft": ("active", "ended"),
    "active": ("paused", "ended"),
    "paused": ("active", "ended"),
    "ended": (),
}
COLUMNS = (
    "code", "name", "asset_model_id", "round_id", "effectivity", "service_type_id", "procedure_id", "team_id", "skills",
    "priority", "duration_minutes", "lead_days", "horizon_days", "tolerance_before", "tolerance_after", "scheduling",
    "shift", "calendar_id", "when_closed", "seasons", "blackouts", "near_days", "when_missed", "starts", "starts_on",
    "at_minute", "note",
)  # fmt: skip
_NAMED: Mapping[str, type[Any]] = {
    "asset_model_id": AssetModel,
    "round_id": InspectionRound,
    "service_type_id": ServiceType,
    "procedure_id": Procedure,
    "team_id": Team,
    "calendar_id": WorkCalendar,
}


@dataclass(frozen=True)
class Package:
    """A package as somebody writes it."""

    code: str
    trigger: Mapping[str, Any]
    name: Mapping[str, Any] = field(default_factory=dict)
    hierarchy: int = 1
    procedure_id: UUID | None = None
    duration_minutes: int | None = None


def check(session: Session, plan: MaintenancePlan, packages: Sequence[Package]) -> None:
    """Check a plan at the door. Raises Invalid that names the place."""
    check_definition(plan, packages)
    told = {"duration_minutes": plan.duration_minutes, "required_skills": plan.skills, "priority": plan.priority}
    try:
        plan.skills = checked_plan(told)["required_skills"]
    except Invalid as error:
        place = "skills" if error.params.get("field") == "required_skills" else error.params.get("field")
        raise Invalid(str(error), **{**error.params, "field": place}) from None
    for name, kind in _NAMED.items():
        key = getattr(plan, name)
        if key is not None and session.get(kind, key) is None:
            raise Invalid("there is no such row", field=name)
    for place, each in enumerate(packages):
        if each.procedure_id is not None and session.get(Procedure, each.procedure_id) is None:
            raise Invalid("there is no such row", field=f"packages[{place}].procedure_id")
        if each.duration_minutes is not None and not 0 < each.duration_minutes <= 60 * 24 * 60:
            raise Invalid("a duration is above 0", field=f"packages[{place}].duration_minutes")
    if plan.asset_model_id is not None and plan.round_id is not None:
        raise Invalid("a plan is for a model or for a round", field="round_id")


def make_plan(
    session: Session,
    organisation_id: UUID,
    values: Mapping[str, Any],
    packages: Sequence[Package],
    now: datetime,
    *,
    asset_ids: Sequence[UUID] = (),
    by: Actor | None = None,
) -> MaintenancePlan:
    """Make a plan as a draft. Raises Invalid, and Conflict for a code that is taken."""
    plan = MaintenancePlan(organisation_id=organisation_id, state="draft", created_at=now, changed_at=now, **values)
    with session.no_autoflush:
        check(session, plan, packages)
        _check_code(session, plan)
    session.add(plan)
    session.flush()
    _put_packages(session, plan, packages)
    _put_machines(session, plan, asset_ids, now)
    log(session, plan, "maintenance_plan.created", now, by, {}, first=True)
    return plan


def edit_plan(
    session: Session,
    plan: MaintenancePlan,
    values: Mapping[str, Any],
    packages: Sequence[Package],
    now: datetime,
    *,
    asset_ids: Sequence[UUID] = (),
    by: Actor | None = None,
) -> MaintenancePlan:
    """Replace what a plan says; what was done stays, the dates to come are made anew. Raises as `make_plan` does."""
    if plan.state == "ended":
        raise Conflict("this plan has ended", state=plan.state)
    began, walked = plan.starts, plan.round_id
    with session.no_autoflush:
        for name, value in values.items():
            setattr(plan, name, value)
        check(session, plan, packages)
        _check_code(session, plan)
    plan.changed_at, plan.version = now, plan.version + 1
    if walked is not None and plan.round_id == walked and plan.starts != began:
        session.execute(update(PlanAsset).where(PlanAsset.plan_id == plan.id).values(start_on=None))
    elif walked is not None and plan.round_id != walked:  # another route does not go on with the turns of this one
        held = select(PlanAsset.id).where(PlanAsset.plan_id == plan.id, PlanAsset.state != "ended")
        end_rows(session, session.scalars(held).all(), "not_of_plan", now)
    session.flush()
    _put_packages(session, plan, packages)
    _put_machines(session, plan, asset_ids, now)
    settle(session, plan, "changed", now)
    log(session, plan, "maintenance_plan.changed", now, by, {"version": plan.version})
    return plan


def move_plan(
    session: Session,
    plan: MaintenancePlan,
    to: str,
    now: datetime,
    *,
    by: Actor | None = None,
    reason: str | None = None,
) -> MaintenancePlan:
    """Activate, pause or end a plan. Raises IllegalMove.

    While it pauses nothing is released; what fell due meanwhile is skipped when it goes on. When it ends, what is only
    planned is cancelled; orders that are out stay with people.
    """
    if to not in LEGAL_MOVES[plan.state]:
        legal = list(LEGAL_MOVES[plan.state])
        raise IllegalMove(f"this plan is {plan.state}", state=plan.state, to=to, legal=legal)
    before, plan.state = plan.state, to
    plan.changed_at, plan.version = now, plan.version + 1
    session.flush()
    why = {"active": "resumed" if before == "paused" else "activated", "paused": "paused", "ended": "ended"}[to]
    settle(session, plan, why, now)
    log(session, plan, f"maintenance_plan.{'activated' if to == 'active' else to}", now, by, {"reason": reason})
    return plan


def _check_code(session: Session, plan: MaintenancePlan) -> None:
    taken = select(MaintenancePlan.id).where(
        MaintenancePlan.organisation_id == plan.organisation_id, MaintenancePlan.code == plan.code
    )
    found = session.scalar(taken)
    if found is not None and found != plan.id:
        raise Conflict(f"there is a plan {plan.code!r} already", code=plan.code, field="code")


def _put_packages(session: Session, plan: MaintenancePlan, packages: Sequence[Package]) -> None:
    session.execute(delete(PlanPackage).where(PlanPackage.plan_id == plan.id))
    for place, each in enumerate(packages):
        session.add(
            PlanPackage(
                organisation_id=plan.organisation_id,
                plan_id=plan.id,
                position=place,
                code=each.code,
                name=dict(each.name),
                hierarchy=each.hierarchy,
                trigger=dict(each.trigger),
                procedure_id=each.procedure_id,
                duration_minutes=each.duration_minutes,
            )
        )
    session.flush()


def _put_machines(session: Session, plan: MaintenancePlan, asset_ids: Sequence[UUID], now: datetime) -> None:
    by_rule = plan.asset_model_id is not None or plan.round_id is not None
    if by_rule and asset_ids:
        raise Invalid("a plan is for a model, a round, or for chosen machines", field="asset_ids")
    choose(session, plan, asset_ids, now)


def log(
    session: Session,
    plan: MaintenancePlan,
    kind: str,
    now: datetime,
    by: Actor | None,
    payload: Mapping[str, Any],
    *,
    first: bool = False,
) -> None:
    """Append an event about a plan."""
    append_event(session, first=first, **told(plan, kind, now, by, payload))


def told(
    plan: MaintenancePlan, kind: str, now: datetime, by: Actor | None, payload: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an event about a plan, as it is appended."""
    return {
        "kind": kind,
        "at": now,
        "organisation_id": plan.organisation_id,
        "subject_kind": "maintenance_plan",
        "subject_id": plan.id,
        "asset_id": None,
        "actor_kind": by.kind if by else "system",
        "actor_id": by.person_id if by else None,
        "payload": {"code": plan.code, **named(plan)} | dict(payload),
    }


def named(plan: MaintenancePlan) -> dict[str, str]:
    """Return a plan's name in both languages."""
    english, chinese = (str(plan.name.get(language) or "") for language in ("en", "zh"))
    return {"name_en": english or chinese or plan.code, "name_zh": chinese or english or plan.code}
