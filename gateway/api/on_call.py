"""On-call lists over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import Conflict, Invalid, NotFound
from assets.people import Person
from assets.registry import AssetModel, Site
from gateway.api.alarm_rows import PersonRef, people_refs
from gateway.api.deps import Context, Here
from gateway.api.maintenance_windows import Hours, Name, Zone
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from maintenance.alarm_models import OnCallList
from maintenance.on_call import LONGEST_WAIT_S, MAX_STEPS, SHORTEST_WAIT_S, check_list, is_on_call

router = APIRouter(prefix="/api/v1", tags=["on-call"])

Severity = Literal["critical", "warning", "info"]
Wait = Annotated[int, Field(ge=SHORTEST_WAIT_S, le=LONGEST_WAIT_S)]


class StepItem(BaseModel):
    """One person and how long they have to answer; null when the person is not there any more."""

    person: PersonRef | None
    wait_s: int


class NewStep(BaseModel):
    """One person and how long they have to answer."""

    person_id: UUID
    wait_s: Wait


class OnCallItem(BaseModel):
    """A list; it holds outside `working_hours`, with `always` at every time."""

    id: UUID
    name: str
    site_id: UUID | None
    asset_model_id: UUID | None
    min_severity: str
    working_hours: Hours
    time_zone: str
    always: bool
    steps: list[StepItem]
    enabled: bool
    holds_now: bool


class OnCallLists(BaseModel):
    """A page of lists."""

    items: list[OnCallItem]
    next: str | None = None


class OnCallBody(BaseModel):
    """All of a list."""

    name: Name
    site_id: UUID | None = None
    asset_model_id: UUID | None = None
    min_severity: Severity = "critical"
    working_hours: Hours = {}
    time_zone: Zone = "UTC"
    always: bool = False
    steps: Annotated[list[NewStep], Field(min_length=1, max_length=MAX_STEPS)]
    enabled: bool = True


@router.get("/on-call-lists", operation_id="list_on_call_lists")
def list_on_call_lists(here: Here, limit: Limit = 100, after: After = None) -> OnCallLists:
    """List the on-call lists."""
    here.require("people.read")
    query = select(OnCallList).order_by(OnCallList.id).limit(limit + 1)
    if after is not None:
        query = query.where(OnCallList.id > id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return OnCallLists(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/on-call-lists", operation_id="create_on_call_list", status_code=201)
def create_on_call_list(body: OnCallBody, here: Here) -> OnCallItem:
    """Make a list."""
    here.require("on_call.manage")
    on_call = OnCallList(organisation_id=here.actor.organisation_id)
    _fill(here, on_call, body)
    here.session.add(on_call)
    here.session.flush()
    return _items(here, [on_call])[0]


@router.put("/on-call-lists/{list_id}", operation_id="replace_on_call_list")
def replace_on_call_list(list_id: UUID, body: OnCallBody, here: Here) -> OnCallItem:
    """Replace a list; what runs along it goes on with the new steps."""
    here.require("on_call.manage")
    on_call = _list(here, list_id)
    with here.session.no_autoflush:
        _fill(here, on_call, body)
    here.session.flush()
    return _items(here, [on_call])[0]


@router.delete("/on-call-lists/{list_id}", operation_id="delete_on_call_list", status_code=204)
def delete_on_call_list(list_id: UUID, here: Here) -> None:
    """Remove a list; nobody else of it is asked."""
    here.require("on_call.manage")
    here.session.delete(_list(here, list_id))
    here.session.flush()


def _fill(here: Context, on_call: OnCallList, body: OnCallBody) -> None:
    session = here.session
    for kind, key in ((Site, body.site_id), (AssetModel, body.asset_model_id)):
        if key is not None and session.get(kind, key) is None:
            raise NotFound("what the list is about is not there", kind=kind.__tablename__)
    wanted = {step.person_id for step in body.steps}
    known = set(session.scalars(select(Person.id).where(Person.id.in_(wanted), Person.disabled_at.is_(None))))
    if missing := wanted - known:
        raise Invalid("a step names somebody who is not there", field="steps", person_id=str(min(missing)))
    same = select(OnCallList.id).where(
        OnCallList.organisation_id == on_call.organisation_id, OnCallList.name == body.name
    )
    if (other := session.scalar(same)) is not None and other != on_call.id:
        raise Conflict(f"there is a list {body.name!r} already", name=body.name)
    for name in ("name", "site_id", "asset_model_id", "min_severity", "time_zone", "always", "enabled"):
        setattr(on_call, name, getattr(body, name))
    on_call.working_hours = dict(body.working_hours)
    on_call.steps = [{"person_id": str(step.person_id), "wait_s": step.wait_s} for step in body.steps]
    check_list(on_call)


def _list(here: Context, list_id: UUID) -> OnCallList:
    on_call = here.session.scalar(select(OnCallList).where(OnCallList.id == list_id).with_for_update())
    if on_call is None:
        raise NotFound("no such on-call list", kind="on_call_list")
    return on_call


def _items(here: Context, lists: Sequence[OnCallList]) -> list[OnCallItem]:
    people = people_refs(here, [UUID(step["person_id"]) for on_call in lists for step in on_call.steps])
    return [
        OnCallItem(
            id=on_call.id,
            name=on_call.name,
            site_id=on_call.site_id,
            asset_model_id=on_call.asset_model_id,
            min_severity=on_call.min_severity,
            working_hours=on_call.working_hours,
            time_zone=on_call.time_zone,
            always=on_call.always,
            steps=[
                StepItem(person=people.get(UUID(step["person_id"])), wait_s=step["wait_s"]) for step in on_call.steps
            ],
            enabled=on_call.enabled,
            holds_now=on_call.enabled and is_on_call(on_call, here.now),
        )
        for on_call in lists
    ]
