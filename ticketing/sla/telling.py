"""Tell people that a share of a clock is used up: once each, then again until somebody acknowledges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import NotFound
from assets.base.events import append_event
from assets.base.ids import uuid7
from ticketing.sla.clock import Course
from ticketing.sla.policies import Promise
from ticketing.sla.tables import SlaClock, SlaWarning
from ticketing.sla.words import CLOCKS

People = Callable[[Sequence[Mapping[str, Any]]], list[UUID]]


def tell(
    session: Session, clock: SlaClock, course: Course, promise: Promise, number: str, now: datetime, people: People
) -> datetime | None:
    """Fire what is due for a clock that runs; return when to look at it again, None until something happens.

    What was reached before the promise was made is written down and told to nobody.
    """
    looks: list[datetime] = []
    known: dict[int, list[SlaWarning]] | None = None
    for warning in promise.warnings:
        if clock.clock not in (warning.get("clocks") or CLOCKS):
            continue
        percent = int(warning["percent"])
        at = course.reached(course.target.amount * percent / 100, now)
        if at is None:
            continue
        if at > now:
            looks.append(at)
            continue
        known = _fired(session, clock.id) if known is None else known
        rounds = known.get(percent, [])
        turn, again = turn_of(at, now, warning, paused=course.is_paused(now))
        first = rounds[0] if rounds else None
        silent = first.silent if first else at < promise.since
        stopped = silent or any(each.acknowledged_at is not None for each in rounds)
        if first is None or (turn > rounds[-1].round and not stopped):
            turn = turn if first is not None else 0
            _fire(session, clock, percent, turn, at, silent, number, now, [] if silent else people(warning["tell"]))
        if again is not None and not stopped:
            looks.append(again)
    return min(looks, default=None)


def turn_of(at: datetime, now: datetime, warning: Mapping[str, Any], *, paused: bool) -> tuple[int, datetime | None]:
    """Return which repeat (0: the first telling) is due now, and when the next will be; None: there is none.

    After a stall the repeats that were missed are not told one by one. A clock that is paused repeats nothing.
    """
    every, most = warning.get("repeat_minutes"), int(warning.get("repeats") or 0)
    if not every or paused:
        return 0, None
    step = timedelta(minutes=every)
    passed = (now - at) // step
    turn = min(passed, most)
    return turn, at + step * (passed + 1) if passed < most else None


def _fired(session: Session, clock_id: UUID) -> dict[int, list[SlaWarning]]:
    found: dict[int, list[SlaWarning]] = {}
    query = select(SlaWarning).where(SlaWarning.clock_id == clock_id).order_by(SlaWarning.round)
    for row in session.scalars(query):
        found.setdefault(row.percent, []).append(row)
    return found


def _fire(
    session: Session,
    clock: SlaClock,
    percent: int,
    turn: int,
    at: datetime,
    silent: bool,
    number: str,
    now: datetime,
    people: Sequence[UUID],
) -> None:
    values = {
        "id": uuid7(),
        "organisation_id": clock.organisation_id,
        "executing_organisation_id": clock.executing_organisation_id,
        "clock_id": clock.id,
        "subject_kind": clock.subject_kind,
        "subject_id": clock.subject_id,
        "asset_id": clock.asset_id,
        "clock": clock.clock,
        "percent": percent,
        "round": turn,
        "reached_at": at,
        "fired_at": now,
        "silent": silent,
        "told": [str(each) for each in people],
    }
    statement = insert(SlaWarning).values(values).on_conflict_do_nothing().returning(SlaWarning.id)
    if session.scalar(statement) is None or silent:
        return  # another worker told it
    append_event(
        session,
        "sla.warned",
        at=now,
        organisation_id=clock.organisation_id,
        executing_organisation_id=clock.executing_organisation_id,
        subject_kind=clock.subject_kind,
        subject_id=clock.subject_id,
        asset_id=clock.asset_id,
        payload={
            "number": number,
            "warning_id": str(values["id"]),
            "clock": clock.clock,
            "percent": percent,
            "round": turn,
            "due_at": clock.due_at.isoformat() if clock.due_at else None,
            "person_ids": [str(each) for each in people],
        },
    )


def acknowledge(session: Session, warning_id: UUID, now: datetime, by: Actor) -> SlaWarning:
    """Take note of a warning: it is not repeated any more. Doing it twice changes nothing. Raises NotFound."""
    row = session.scalar(
        select(SlaWarning).where(SlaWarning.id == warning_id).with_for_update(),
        execution_options={"populate_existing": True},
    )
    if row is None:
        raise NotFound("no such warning", kind="sla_warning")
    if row.acknowledged_at is not None:
        return row
    row.acknowledged_at, row.acknowledged_by_id = now, by.person_id
    session.flush()
    append_event(
        session,
        "sla.acknowledged",
        at=now,
        organisation_id=row.organisation_id,
        executing_organisation_id=row.executing_organisation_id,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        asset_id=row.asset_id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"warning_id": str(row.id), "clock": row.clock, "percent": row.percent, "round": row.round},
    )
    return row
