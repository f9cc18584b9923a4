"""Warnings of service levels over HTTP: who was told what, and who has taken note."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.errors import NotFound
from gateway.api.deps import Context, Here
from gateway.api.edits import Ref, person_names
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.sla_rows import ClockName, SubjectRef, numbers_of
from ticketing.sla.tables import SlaWarning
from ticketing.sla.telling import acknowledge

router = APIRouter(prefix="/api/v1", tags=["service levels"])


class WarningItem(BaseModel):
    """Who was told what. `silent`: it was reached before the promise was made, so nobody was."""

    id: UUID
    subject: SubjectRef
    clock: ClockName
    percent: int
    round: int
    reached_at: datetime
    fired_at: datetime
    silent: bool
    told: list[Ref]
    acknowledged_at: datetime | None
    acknowledged_by: Ref | None


class WarningPage(BaseModel):
    """One page of warnings."""

    items: list[WarningItem]
    next: str | None = None


@router.get("/sla-warnings", operation_id="list_sla_warnings")
def list_sla_warnings(
    here: Here,
    acknowledged: bool | None = None,
    mine: Annotated[bool, Query(description="only those that the caller was told")] = False,
    limit: Limit = 100,
    after: After = None,
) -> WarningPage:
    """List warnings that were told, newest first."""
    here.require("sla.read")
    query = select(SlaWarning).where(~SlaWarning.silent).order_by(SlaWarning.id.desc()).limit(limit + 1)
    if acknowledged is not None:
        condition = SlaWarning.acknowledged_at.is_not(None)
        query = query.where(condition if acknowledged else ~condition)
    if mine:
        query = query.where(SlaWarning.told.contains([str(here.actor.person_id)]))
    if after is not None:
        query = query.where(SlaWarning.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return WarningPage(items=warning_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/sla-warnings/{warning_id}/acknowledge", operation_id="acknowledge_sla_warning")
def acknowledge_sla_warning(warning_id: UUID, here: Here) -> WarningItem:
    """Take note of a warning: it is not repeated any more."""
    here.require("sla.read")
    row = here.session.get(SlaWarning, warning_id)
    if row is None:
        raise NotFound("no such warning", kind="sla_warning")
    if str(here.actor.person_id) not in row.told:
        here.require("sla.pause")  # somebody else's: the desk may
    return warning_items(here, [acknowledge(here.session, warning_id, here.now, here.actor)])[0]


def warning_items(here: Context, rows: Sequence[SlaWarning]) -> list[WarningItem]:
    """Return warnings about subjects that the actor sees."""
    told = {UUID(key) for row in rows for key in row.told}
    people = person_names(here, [*told, *(row.acknowledged_by_id for row in rows)])
    by_kind: dict[str, list[UUID]] = defaultdict(list)
    for row in rows:
        by_kind[row.subject_kind].append(row.subject_id)
    numbers: dict[UUID, SubjectRef] = {}
    for kind, keys in by_kind.items():
        numbers |= numbers_of(here, kind, keys)
    return [
        WarningItem.model_validate(
            {
                "id": row.id,
                "subject": numbers[row.subject_id],
                "clock": row.clock,
                "percent": row.percent,
                "round": row.round,
                "reached_at": row.reached_at,
                "fired_at": row.fired_at,
                "silent": row.silent,
                "told": [people[UUID(key)] for key in row.told if UUID(key) in people],
                "acknowledged_at": row.acknowledged_at,
                "acknowledged_by": people.get(row.acknowledged_by_id) if row.acknowledged_by_id else None,
            }
        )
        for row in rows
        if row.subject_id in numbers
    ]
