"""The dates that reminders follow: of which things, where they stand, and which of them count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Text, cast, func, select
from sqlalchemy.orm import Session

from assets.contracts.tables import Contract
from assets.registry import Asset
from assets.stock.tools import Tool
from assets.warranty.tables import WarrantyCard
from gateway.notify.facts import below
from maintenance.plans.tables import MaintenancePlan, Occurrence
from ticketing.dispatch.tables import Appointment
from ticketing.models import Visit, WorkOrder
from ticketing.order_states import OPEN_STATES
from ticketing.people.tables import Absence, PersonSkill, Skill
from ticketing.sla.tables import SlaClock

CUSTOM = "custom."  # asset.custom.KEY: a field of the asset's own that holds a date


@dataclass(frozen=True, slots=True)
class Dated:
    """One thing with its date, and what a notification about it says and is about."""

    key: UUID
    at: date | datetime
    subject_kind: str
    subject_id: UUID
    organisation_id: UUID
    executor_id: UUID | None
    asset_id: UUID | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a date stands. `counts`: which rows; `of`: what a notification of a row is about."""

    table: Any
    column: Any
    counts: tuple[ColumnElement[bool], ...]
    of: Callable[[Session, Any], Dated]


def _row(row: Any, at: Any, kind: str, subject: UUID | None = None, **payload: Any) -> Dated:
    return Dated(
        key=row.id,
        at=at,
        subject_kind=kind,
        subject_id=subject or row.id,
        organisation_id=row.organisation_id,
        executor_id=getattr(row, "executing_organisation_id", None),
        asset_id=getattr(row, "asset_id", None),
        payload=payload,
    )


def _visit(session: Session, row: Any) -> Dated:
    return _row(row, row.planned_start, "visit")


def _appointment(session: Session, row: Any) -> Dated:
    return _row(row, row.window_from, "appointment", work_order_id=str(row.work_order_id))


def _order(column: str) -> Callable[[Session, Any], Dated]:
    return lambda session, row: _row(row, getattr(row, column), "work_order")


def _clock(session: Session, row: Any) -> Dated:
    return _row(row, row.due_at, row.subject_kind, row.subject_id, clock=row.clock, due_at=row.due_at.isoformat())


def _card(session: Session, row: Any) -> Dated:
    return _row(row, row.ends_on, "warranty_card", number=row.number)


def _contract(column: str) -> Callable[[Session, Any], Dated]:
    return lambda session, row: _row(
        row, getattr(row, column), "contract", number=row.number, name=row.name,
        customer_id=str(row.customer_id) if row.customer_id else None,
    )  # fmt: skip


def _skill(session: Session, row: Any) -> Dated:
    skill = session.get_one(Skill, row.skill_id)
    return _row(row, row.valid_until, "person_skill", number=skill.code, person_id=str(row.person_id))


def _tool(session: Session, row: Any) -> Dated:
    return _row(row, row.calibration_due_on, "tool", number=row.number)


def _absence(session: Session, row: Any) -> Dated:
    return _row(row, row.starts_at, "absence", person_id=str(row.person_id))


def _occurrence(session: Session, row: Any) -> Dated:
    plan = session.get_one(MaintenancePlan, row.plan_id)
    at = row.put_at or row.due_at
    return _row(row, at, "occurrence", number=plan.code, name=plan.name.get("en") or plan.name.get("zh") or plan.code)


_OPEN = (WorkOrder.state.in_(OPEN_STATES), ~WorkOrder.replayed)
_OF_OPEN = select(WorkOrder.id).where(WorkOrder.id == Appointment.work_order_id, *_OPEN).exists()
SOURCES: dict[str, Source] = {
    "visit.planned_start": Source(Visit, Visit.planned_start, (Visit.state == "scheduled",), _visit),
    "appointment.window_from": Source(
        Appointment, Appointment.window_from, (Appointment.state == "booked", _OF_OPEN), _appointment
    ),
    "work_order.due_at": Source(WorkOrder, WorkOrder.due_at, _OPEN, _order("due_at")),
    "work_order.window_from": Source(WorkOrder, WorkOrder.window_from, _OPEN, _order("window_from")),
    "work_order.window_until": Source(WorkOrder, WorkOrder.window_until, _OPEN, _order("window_until")),
    "sla.due_at": Source(SlaClock, SlaClock.due_at, (SlaClock.finished_at.is_(None),), _clock),
    "warranty.ends_on": Source(
        WarrantyCard, WarrantyCard.ends_on, (WarrantyCard.state.not_in(("revoked", "replaced")),), _card
    ),
    "contract.starts_on": Source(Contract, Contract.starts_on, (Contract.state == "active",), _contract("starts_on")),
    "contract.ends_on": Source(Contract, Contract.ends_on, (Contract.state == "active",), _contract("ends_on")),
    "skill.valid_until": Source(PersonSkill, PersonSkill.valid_until, (), _skill),
    "tool.calibration_due_on": Source(Tool, Tool.calibration_due_on, (Tool.retired_at.is_(None),), _tool),
    "occurrence.due_at": Source(
        Occurrence,
        func.coalesce(Occurrence.put_at, Occurrence.due_at),
        (Occurrence.state == "planned", Occurrence.due_at.is_not(None)),
        _occurrence,
    ),
    "absence.starts_at": Source(Absence, Absence.starts_at, (Absence.state == "approved",), _absence),
}


def source_of(name: str) -> Source | None:
    """Return where a date stands, by `thing.field`; None for what nobody knows."""
    if not name.startswith(f"asset.{CUSTOM}"):
        return SOURCES.get(name)
    key = name.removeprefix(f"asset.{CUSTOM}")
    said = Asset.custom[key].astext
    # Only what reads as a day: a field may hold anything.
    column = cast(said, Text)
    counts = (column.regexp_match(r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"),)

    def of(session: Session, row: Any) -> Dated:
        return _row(row, date.fromisoformat(row.custom[key]), "asset", number=row.serial, name=row.name)

    return Source(Asset, column, counts, of) if key else None


def dated(
    session: Session, name: str, organisation_id: UUID, since: datetime, until: datetime, most: int
) -> Sequence[Dated]:
    """Return what has its date in a span, of an organisation and all below it, by date. Needs the service role."""
    source = source_of(name)
    if source is None:
        return []
    text = name.startswith("asset.")
    days = text or isinstance(source.column.type, Date)
    bounds: tuple[Any, Any] = (since.date(), until.date()) if days else (since, until)
    if text:
        bounds = (bounds[0].isoformat(), bounds[1].isoformat())
    found = (
        select(source.table)
        .where(
            source.table.organisation_id.in_(below(session, organisation_id)),
            source.column.between(*bounds),
            *source.counts,
        )
        .order_by(source.column, source.table.id)
        .limit(most)
    )
    return [each for row in session.scalars(found) if (each := _read(session, source, row)) is not None]


def dated_now(session: Session, name: str, key: UUID) -> Dated | None:
    """Return one thing with its date as it is now; None when it has none any more."""
    source = source_of(name)
    if source is None:
        return None
    row = session.scalar(select(source.table).where(source.table.id == key, source.column.is_not(None), *source.counts))
    return _read(session, source, row) if row is not None else None


def _read(session: Session, source: Source, row: Any) -> Dated | None:
    try:
        return source.of(session, row)
    except ValueError:  # a day that no month has
        return None
