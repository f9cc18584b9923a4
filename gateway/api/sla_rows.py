"""How service levels' clocks look over HTTP: chips on lists, and a clock with all that it was counted from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, select

from assets.base.access import Role
from assets.base.calendars import Calendar
from assets.base.db import service_rights
from assets.contracts.tables import Contract
from gateway.api.deps import Context
from gateway.api.edits import Ref
from ticketing.cases.tables import Case
from ticketing.models import Request, WorkOrder
from ticketing.sla.tables import SlaPolicy
from ticketing.sla_glance import Glance, glances
from ticketing.sla_shown import Standing, subject_condition

SubjectKind = Literal["case", "request", "work_order"]
ClockName = Literal["response", "arrival", "restoration", "closing"]
ClockStateWord = Literal["running", "at_risk", "breached", "paused", "met", "missed", "cancelled"]
SlaFilter = Literal["breached", "at_risk", "paused", "running"]
TABLES: dict[str, Any] = {"case": Case, "request": Request, "work_order": WorkOrder}


class ClockItem(BaseModel):
    """One clock. `due_at` of a paused one is as if it went on now; seconds of business time, negative when late."""

    clock: ClockName
    state: ClockStateWord
    due_at: datetime | None
    percent: float
    left_s: int
    source: str


class SubjectRef(BaseModel):
    """The case, request or work order that a clock belongs to."""

    kind: SubjectKind
    id: UUID
    number: str


def clocks_of(here: Context, kind: str, ids: Sequence[UUID]) -> dict[UUID, list[ClockItem]]:
    """Return the clocks of a page of subjects that the actor has seen; customers are shown what contracts promise."""
    customer = here.actor.roles <= {Role.CUSTOMER}
    return {
        key: [clock_item(each) for each in found if not customer or each.source == "contract"]
        for key, found in glances(here.session, kind, ids, here.now).items()
    }


def sla_condition(kind: str, key: Any, word: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition for subjects one of whose clocks is breached, at risk, paused or running."""
    return subject_condition(kind, key, word, now)


def clock_item(standing: Standing | Glance) -> ClockItem:
    """Return one clock as lists show it."""
    return ClockItem.model_validate(
        {
            "clock": standing.clock,
            "state": standing.state,
            "due_at": standing.due_at,
            "percent": round(standing.percent, 1),
            "left_s": int(standing.left_s),
            "source": standing.source,
        }
    )


def numbers_of(here: Context, kind: str, ids: Iterable[UUID]) -> dict[UUID, SubjectRef]:
    """Return subjects by id and number, those that the actor sees."""
    table = TABLES[kind]
    rows = here.session.execute(select(table.id, table.number).where(table.id.in_(set(ids))))
    return {key: SubjectRef.model_validate({"kind": kind, "id": key, "number": number}) for key, number in rows}


def calendar_names(here: Context, ids: Iterable[UUID | None]) -> dict[UUID, Ref]:
    """Return calendars by id and name; a partner reads the name of the calendar by which its work is counted."""
    return _names(here, Calendar.id, Calendar.name, ids)


def policy_names(here: Context, ids: Iterable[UUID | None]) -> dict[UUID, Ref]:
    """Return policies by id and name."""
    return _names(here, SlaPolicy.id, SlaPolicy.name, ids)


def contract_numbers(here: Context, ids: Iterable[UUID | None]) -> dict[UUID, Ref]:
    """Return contracts by id and number."""
    return _names(here, Contract.id, Contract.number, ids)


def _names(here: Context, key: Any, name: Any, ids: Iterable[UUID | None]) -> dict[UUID, Ref]:
    wanted = {each for each in ids if each is not None}
    if not wanted:
        return {}
    here.session.flush()
    with service_rights(here.session):
        rows = here.session.execute(select(key, name).where(key.in_(wanted))).all()
    return {found: Ref(id=found, name=word) for found, word in rows}
