"""What a work order hangs together with: other orders, helpers, open steps, and what the caller may do with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select

from assets.base.access import Role, may
from assets.people import Organisation, Person
from gateway.api.case_of_order import case_of_order
from gateway.api.deps import Context
from gateway.api.work_order_shapes import BlockOfWork, PersonOfWork, RelatedOrder, Title
from ticketing.models import WorkOrder
from ticketing.order_blocks import blocking_of, blocks_of
from ticketing.order_people import helpers_of
from ticketing.procedures.runs import newest_answers, runs_of, standing_of

MAX_RELATED = 50
# What the owner's side decides, and what whoever works on it may write.
_OWNERS = ("work_order.edit", "work_order.merge", "work_order.review")
_HANDS = ("work_order.record",)


def related(here: Context, order: WorkOrder) -> dict[str, Any]:
    """Return the fields of a detail that other tables hold; customers read of other orders, not of people."""
    inside = not here.actor.roles <= {Role.CUSTOMER}
    blocks, waiting = blocks_of(here.session, order.id), blocking_of(here.session, order.id)
    own = select(WorkOrder).order_by(WorkOrder.id).limit(MAX_RELATED)
    parts = here.session.scalars(own.where(WorkOrder.parent_id == order.id)).all()
    merged = here.session.scalars(own.where(WorkOrder.merged_into_id == order.id)).all()
    keys = {order.parent_id, order.merged_into_id, *(one.blocking_id for one in blocks)}
    keys |= {one.blocked_id for one in waiting}
    known = _orders(here, (key for key in keys if key is not None))
    return {
        "parent": _named(order.parent_id, known),
        "merged_into": _named(order.merged_into_id, known),
        "parts": [_row(one) for one in parts],
        "merged": [_row(one) for one in merged],
        "blocked_by": [_block(one.blocking_id, known, one.cleared_at) for one in blocks],
        "blocks": [row for one in waiting if (row := _named(one.blocked_id, known)) is not None],
        "helpers": _helpers(here, order) if inside else [],
        "steps_missing": _steps_missing(here, order) if inside else 0,
        "may": _may(here, order),
        "case": case_of_order(here, order),
    }


def _may(here: Context, order: WorkOrder) -> list[str]:
    owner = here.session.get(Organisation, order.organisation_id)
    above = owner is not None and here.actor.organisation_id in owner.ancestors
    mine = [action for action in _HANDS if may(here.actor, action)]
    return mine + [action for action in _OWNERS if above and may(here.actor, action)]


def _steps_missing(here: Context, order: WorkOrder) -> int:
    runs = runs_of(here.session, order.id)
    newest = newest_answers(here.session, [run.id for run in runs]) if runs else {}
    return sum(len(standing_of(run, newest.get(run.id, {})).missing) for run in runs)


def _helpers(here: Context, order: WorkOrder) -> list[PersonOfWork]:
    ids = [one.person_id for one in helpers_of(here.session, order.id)]
    if not ids:
        return []
    names = {person.id: person for person in here.session.scalars(select(Person).where(Person.id.in_(ids)))}
    return [PersonOfWork(id=key, name=names[key].name if key in names else "—") for key in ids]


def _orders(here: Context, keys: Iterable[UUID]) -> dict[UUID, WorkOrder]:
    wanted = list(keys)
    if not wanted:
        return {}
    return {one.id: one for one in here.session.scalars(select(WorkOrder).where(WorkOrder.id.in_(wanted)))}


def _named(key: UUID | None, known: dict[UUID, WorkOrder]) -> RelatedOrder | None:
    return _row(known[key]) if key in known else None


def _row(order: WorkOrder) -> RelatedOrder:
    title = Title(code=order.title_code, params=order.title_params)
    return RelatedOrder(id=order.id, number=order.number, state=order.state, title=title, title_text=order.title_text)


def _block(key: UUID, known: dict[UUID, WorkOrder], cleared_at: Any) -> BlockOfWork:
    if key in known:
        return BlockOfWork(**_row(known[key]).model_dump(), cleared_at=cleared_at)
    unseen = Title(code="manual", params={})
    return BlockOfWork(id=key, number="—", state="", title=unseen, title_text=None, cleared_at=cleared_at)
