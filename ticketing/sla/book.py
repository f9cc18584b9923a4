"""Read policies, contracts and calendars; write down what follows from events for each clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.calendars import Calendar, calendar_of
from assets.base.errors import Invalid
from assets.base.ids import uuid7
from assets.base.open_time import OpenTime
from assets.contracts.ledger import last_day_of
from assets.contracts.tables import Contract, ContractAsset
from ticketing.sla.clock import AT_RISK, ClockState, Course, Target, state_of
from ticketing.sla.marks import Marks
from ticketing.sla.policies import ContractRow, PolicyRow, Promise, TargetRow
from ticketing.sla.tables import SlaClock, SlaPolicy, SlaSubject, SlaTarget


@dataclass(frozen=True, slots=True)
class About:
    """Whose clocks these are."""

    kind: str
    id: UUID
    organisation_id: UUID
    executing_organisation_id: UUID | None
    asset_id: UUID | None
    priority: str


def policies_of(session: Session, organisations: Iterable[UUID]) -> list[PolicyRow]:
    """Return the enabled policies of some organisations with their targets, in two queries."""
    wanted = set(organisations)
    rows = session.scalars(select(SlaPolicy).where(SlaPolicy.organisation_id.in_(wanted), SlaPolicy.enabled)).all()
    targets: dict[UUID, list[TargetRow]] = {}
    found = select(SlaTarget).where(SlaTarget.policy_id.in_([row.id for row in rows]))
    for each in session.scalars(found) if rows else ():
        row = TargetRow(each.clock, each.priority, each.minutes, each.calendar_id)
        targets.setdefault(each.policy_id, []).append(row)
    return [policy_row(row, targets.get(row.id, [])) for row in rows]


def policy_row(row: SlaPolicy, targets: Sequence[TargetRow]) -> PolicyRow:
    """Return a stored policy as rules read it."""
    return PolicyRow(
        id=row.id,
        organisation_id=row.organisation_id,
        name=row.name,
        match=row.match,
        precedence=row.precedence,
        calendar_id=row.calendar_id,
        pauses=row.pauses,
        targets=targets,
        changed_at=row.changed_at,
        warnings=row.warnings,
    )


def contracts_of(session: Session, assets: Iterable[UUID]) -> dict[UUID, list[ContractRow]]:
    """Return the contracts with response times of each asset, in one query; two when they name calendars."""
    wanted = set(assets)
    found = (
        select(ContractAsset.asset_id, Contract)
        .join(Contract, Contract.id == ContractAsset.contract_id)
        .where(
            ContractAsset.asset_id.in_(wanted),
            ContractAsset.organisation_id == Contract.organisation_id,
            Contract.state != "draft",
        )
    )
    held: dict[UUID, list[ContractRow]] = {}
    pairs = session.execute(found).all() if wanted else []
    there = _calendars_there(session, (one for _, one in pairs))
    for asset_id, one in pairs:
        if one.response_times:
            row = ContractRow(
                id=one.id,
                precedence=one.precedence,
                response_times=[
                    each if each.get("calendar_id") in there else {**each, "calendar_id": None}
                    for each in one.response_times
                ],
                made_at=one.created_at,
                starts_on=one.starts_on,
                ends_on=last_day_of(one),
                time_zone=one.time_zone,
            )
            held.setdefault(asset_id, []).append(row)
    return held


def _calendars_there(session: Session, contracts: Iterable[Contract]) -> set[str]:
    """Return the calendars that contracts name and that are there: a name in JSON outlives what it names."""
    named: dict[str, UUID] = {}
    for each in (each for one in contracts for each in one.response_times or ()):
        with suppress(ValueError):
            named[str(each.get("calendar_id"))] = UUID(str(each.get("calendar_id")))
    found = set(session.scalars(select(Calendar.id).where(Calendar.id.in_(named.values())))) if named else set()
    return {name for name, key in named.items() if key in found}


def calendars_of(session: Session, ids: Iterable[UUID | None]) -> dict[UUID | None, OpenTime]:
    """Return calendars to count on; one that cannot be read, or none at all, is open around the clock."""
    wanted = {key for key in ids if key is not None}
    found: dict[UUID | None, OpenTime] = {None: OpenTime(None)}
    for row in session.scalars(select(Calendar).where(Calendar.id.in_(wanted))) if wanted else ():
        try:
            found[row.id] = OpenTime(calendar_of(row))
        except Invalid:
            found[row.id] = OpenTime(None)
    return found | dict.fromkeys(wanted - found.keys(), found[None])


def course_of(row: SlaClock, marks: Marks, calendars: Mapping[UUID | None, OpenTime]) -> Course:
    """Return the course of a clock by the promise that was written down."""
    target = Target(timedelta(seconds=row.target_s), frozenset(row.pauses))
    return Course(marks[row.clock], target, calendars.get(row.calendar_id) or OpenTime(None))


def write_clocks(
    session: Session,
    about: About,
    marks: Marks,
    promised: Mapping[str, Promise],
    calendars: Mapping[UUID | None, OpenTime],
    present: Mapping[str, SlaClock],
    now: datetime,
    *,
    ended: bool = False,
) -> list[tuple[SlaClock, Course]]:
    """Write what follows for each clock; return those that have started.

    A clock that has ended keeps the promise that held then. One that runs follows the promise of today, and goes
    when there is none any more. Of work that has `ended` nothing is promised any more.
    """
    kept: list[tuple[SlaClock, Course]] = []
    for clock in marks:
        row, promise = present.get(clock), promised.get(clock)
        if row is not None and row.finished_at is not None:
            course = course_of(row, marks, calendars)
            if course.finished_at is not None:
                promise = None
            elif promise is not None:
                _promise(row, promise, about)
                course = course_of(row, marks, calendars)
        elif promise is None or (ended and row is None):
            if row is not None:
                session.delete(row)
            continue
        else:
            row = row or SlaClock(id=uuid7(), subject_kind=about.kind, subject_id=about.id, clock=clock)
            _promise(row, promise, about)
            course = course_of(row, marks, calendars)
        state = state_of(course, now)
        if state is None:
            if clock in present:
                session.delete(row)
            continue
        _write(row, about, course, state, now)
        session.add(row)
        kept.append((row, course))
    return kept


def _promise(row: SlaClock, promise: Promise, about: About) -> None:
    row.priority, row.source = about.priority, promise.source
    row.policy_id, row.contract_id = promise.policy_id, promise.contract_id
    row.target_s, row.calendar_id = round(promise.amount.total_seconds()), promise.calendar_id
    row.pauses = sorted(promise.pausing)


def _write(row: SlaClock, about: About, course: Course, state: ClockState, now: datetime) -> None:
    amount = course.target.amount
    row.organisation_id, row.executing_organisation_id = about.organisation_id, about.executing_organisation_id
    row.asset_id, row.started_at, row.finished_at = about.asset_id, state.started_at, state.finished_at
    row.state = state.state
    row.breached_at, row.at_risk_at = course.reached(amount, now), course.reached(amount * AT_RISK / 100, now)
    row.due_at = state.due_at if state.finished_at is not None else row.breached_at
    ended = state.finished_at is not None
    if ended and not (state.breached_at and row.breached_at):
        row.breached_at = None
    row.used_s = state.used.total_seconds() if ended else None
    row.paused_s = state.paused.total_seconds() if ended else None
    row.outside_s = state.outside.total_seconds() if ended else None


def note_subject(
    session: Session,
    *,
    kind: str,
    subject_id: UUID,
    organisation_id: UUID,
    executing_organisation_id: UUID | None,
    asset_id: UUID | None,
    now: datetime,
) -> None:
    """Note that something happened to a subject: its clocks are looked at next."""
    values: dict[str, Any] = {
        "id": uuid7(),
        "organisation_id": organisation_id,
        "executing_organisation_id": executing_organisation_id,
        "subject_kind": kind,
        "subject_id": subject_id,
        "asset_id": asset_id,
        "look_at": now,
    }
    statement = insert(SlaSubject).values(values)
    session.execute(
        statement.on_conflict_do_update(index_elements=["subject_kind", "subject_id"], set_={"look_at": now})
    )
