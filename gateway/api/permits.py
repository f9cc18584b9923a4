"""Safety permits of an order's checklists over HTTP: sign on, lock, confirm, take off, sign off."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gateway.api.deps import Here
from gateway.api.edits import Moment
from gateway.api.order_procedures import RunItem, run_items, workable
from ticketing.order_procedures import enter_permit
from ticketing.procedures.runs import get_run

router = APIRouter(prefix="/api/v1", tags=["procedures"])


class PermitEntryBody(BaseModel):
    """One thing that was done, with an id of the sender's own: sent again, it is stored once.

    `of_person_id`: whose lock is taken off when it is not one's own; that is the desk's, and needs a note.
    """

    id: UUID | None = None
    permit: str = Field(max_length=40)
    action: Literal["sign_on", "lock", "confirm", "unlock", "sign_off"]
    point: str | None = Field(default=None, max_length=40)
    lock_number: str | None = Field(default=None, max_length=60)
    of_person_id: UUID | None = None
    note: str | None = Field(default=None, max_length=1000)
    at: Moment | None = None


@router.post("/procedure-runs/{run_id}/permits", operation_id="enter_permit")
def enter(run_id: UUID, body: PermitEntryBody, here: Here) -> RunItem:
    """Enter one thing into a permit; its steps can be answered while it is in force."""
    here.require("work_order.record")
    order = workable(here, get_run(here.session, run_id).subject_id)
    run = get_run(here.session, run_id, lock=True)
    enter_permit(
        here.session,
        order,
        run,
        body.permit,
        body.action,
        here.now,
        point=body.point,
        lock_number=body.lock_number,
        of_person_id=body.of_person_id,
        note=body.note,
        at=body.at,
        entry_id=body.id,
        by=here.actor,
    )
    return run_items(here, [run])[0]
