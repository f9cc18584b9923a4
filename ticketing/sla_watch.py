"""Bring service levels' clocks up to date with what happened, and tell people before and when they are late."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import any_, delete, literal, select, update
from sqlalchemy.orm import Session

from assets.base.consumers import Consumer
from assets.base.events import Event
from assets.base.open_time import OpenTime
from assets.people import Organisation
from ticketing.models import WorkOrder
from ticketing.sla.book import calendars_of, contracts_of, note_subject, policies_of, write_clocks
from ticketing.sla.clock import Course, Target
from ticketing.sla.marks import KINDS, Marks
from ticketing.sla.policies import Promise, choose, promises
from ticketing.sla.tables import SlaClock, SlaSubject
from ticketing.sla.telling import tell
from ticketing.sla.words import SUBJECTS
from ticketing.sla_people import people_to_tell
from ticketing.sla_subjects import Subject, load_subjects, marks_for

log = logging.getLogger(__name__)

BATCH = 200
AGAIN_AFTER = timedelta(minutes=5)  # a subject that could not be looked at
# A change of these may change every promise of those below the organisation.
RULE_KINDS = frozenset(
    {
        *(f"sla_policy.{word}" for word in ("created", "changed", "removed")),
        *(f"calendar.{word}" for word in ("changed", "removed")),
        *(f"contract.{word}" for word in ("activated", "cancelled", "asset_added", "asset_removed")),
        "service_type.published",
        "service_type.changed",
    }
)


@dataclass(slots=True)
class Looked:
    """What was found when a subject was looked at."""

    subject: Subject
    promised: Mapping[str, Promise]
    ended_at: datetime | None
    starts_at: datetime | None  # still ahead: a device's clock is fast
    clocks: Sequence[tuple[SlaClock, Course]]


def watch(session: Session, now: datetime) -> int:
    """Look at the subjects that are due: count their clocks, tell whoever has to know; return how many. As the service.

    Repeating it changes nothing and tells nobody twice. A subject that cannot be looked at stops no other one.
    """
    due = (
        select(SlaSubject)
        .where(SlaSubject.look_at <= now)
        .order_by(SlaSubject.look_at, SlaSubject.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    rows = session.scalars(due, execution_options={"populate_existing": True}).all()
    by_kind: dict[str, dict[UUID, SlaSubject]] = defaultdict(dict)
    for row in rows:
        by_kind[row.subject_kind][row.subject_id] = row
    for kind, subjects in by_kind.items():
        try:
            _look_at(session, kind, subjects, now)
        except Exception:
            log.warning("service levels of a batch failed, its subjects follow one by one", exc_info=True)
            _look_at_each(session, kind, subjects, now)
    session.flush()
    return len(rows)


def _look_at(session: Session, kind: str, subjects: Mapping[UUID, SlaSubject], now: datetime) -> None:
    """Look at subjects of one kind: at all of them, or at none when something fails."""
    with session.begin_nested():
        over = {key for key, row in subjects.items() if row.finished_at is not None}
        looked = look(session, kind, list(subjects), now, over)
        for key, row in subjects.items():
            _settle(session, row, looked.get(key), now)


def _look_at_each(session: Session, kind: str, subjects: Mapping[UUID, SlaSubject], now: datetime) -> None:
    for key, row in subjects.items():
        try:
            _look_at(session, kind, {key: row}, now)
        except Exception:
            log.exception("service levels of %s %s could not be looked at", kind, key)
            row.look_at = now + AGAIN_AFTER


def look(
    session: Session, kind: str, ids: Sequence[UUID], now: datetime, over: Collection[UUID] = ()
) -> dict[UUID, Looked]:
    """Write the clocks of subjects as their events, policies, contracts and calendars have them now. As the service."""
    subjects = load_subjects(session, kind, ids)
    marks = marks_for(session, subjects)
    promised = promised_to(session, subjects)
    present: dict[UUID, dict[str, SlaClock]] = defaultdict(dict)
    stored = select(SlaClock).where(SlaClock.subject_kind == kind, SlaClock.subject_id.in_(ids))
    for row in session.scalars(stored):
        present[row.subject_id][row.clock] = row
    wanted = {each.calendar_id for those in promised.values() for each in those.values()}
    wanted |= {row.calendar_id for rows in present.values() for row in rows.values()}
    calendars = calendars_of(session, wanted)
    found = {}
    for key, subject in subjects.items():
        counted = {clock: marks[key][clock] for clock in subject.clocks}
        clocks = write_clocks(
            session, subject.about, counted, promised[key], calendars, present[key], now, ended=key in over
        )
        ahead = [mark.at for those in counted.values() for mark in those if mark.what == "start" and mark.at > now]
        found[key] = Looked(subject, promised[key], _ended_at(marks[key]), min(ahead, default=None), clocks)
    session.flush()
    return found


def promised_to(session: Session, subjects: Mapping[UUID, Subject]) -> dict[UUID, dict[str, Promise]]:
    """Return what is promised for each subject now, in three queries. As the service."""
    policies = policies_of(session, {key for each in subjects.values() for key in each.work.ancestors})
    assets = {each.about.asset_id for each in subjects.values() if each.about.asset_id is not None}
    contracts = contracts_of(session, assets)
    found: dict[UUID, dict[str, Promise]] = {}
    for key, subject in subjects.items():
        held = contracts.get(subject.about.asset_id, []) if subject.about.asset_id else []
        work = subject.work
        found[key] = {} if subject.replayed else promises(choose(policies, work), held, work)
    return found


def _ended_at(marks: Marks) -> datetime | None:
    return Course(marks["closing"], Target(timedelta(hours=1)), OpenTime(None)).finished_at


def _settle(session: Session, row: SlaSubject, looked: Looked | None, now: datetime) -> None:
    """Tell who has to know of a subject, and note when to look again."""
    if looked is None:  # removed, with the demo for one
        gone = (SlaClock.subject_kind == row.subject_kind, SlaClock.subject_id == row.subject_id)
        session.execute(delete(SlaClock).where(*gone))
        session.delete(row)
        return
    about = looked.subject.about
    row.organisation_id, row.executing_organisation_id = about.organisation_id, about.executing_organisation_id
    row.asset_id, row.finished_at = about.asset_id, looked.ended_at
    row.policy_id = next((each.policy_id for each in looked.promised.values() if each.policy_id), None)
    looks = [looked.starts_at]
    for clock, course in looked.clocks:
        promise = looked.promised.get(clock.clock)
        if clock.finished_at is None and promise is not None and looked.ended_at is None:
            people = partial(people_to_tell, session, looked.subject, promise.organisation_id, now)
            looks.append(tell(session, clock, course, promise, looked.subject.number, now, people))
    row.look_at = min((each for each in looks if each is not None), default=None)


def _note(session: Session, event: Event, now: datetime) -> None:
    """Note whose clocks an event is about; the clocks themselves are looked at in batches."""
    for kind, key in _about(session, event):
        note_subject(
            session,
            kind=kind,
            subject_id=key,
            organisation_id=event.organisation_id,
            executing_organisation_id=event.executing_organisation_id,
            asset_id=event.asset_id,
            now=now,
        )


def _about(session: Session, event: Event) -> set[tuple[str, UUID]]:
    room = event.kind.partition(".")[0]
    if room == "sla":
        return {(event.subject_kind, event.subject_id)} if event.subject_kind in SUBJECTS else set()
    if room == "case":
        return {("case", event.subject_id)}
    if room == "request":
        answering = select(WorkOrder.id).where(WorkOrder.origin_ref == event.subject_id)
        orders = {("work_order", key) for key in session.scalars(answering)}
        return {("request", event.subject_id), *orders}
    order_id = event.subject_id
    if room == "visit":
        try:
            order_id = UUID(str(event.payload.get("work_order_id")))
        except ValueError:
            return set()
    case_id = session.scalar(select(WorkOrder.case_id).where(WorkOrder.id == order_id))
    return {("work_order", order_id), *({("case", case_id)} if case_id else ())}


def _look_again(session: Session, event: Event, now: datetime) -> None:
    """Look again at all that is open below whoever changed a rule."""
    again = update(SlaSubject).where(SlaSubject.finished_at.is_(None)).values(look_at=now)
    if event.subject_kind == "asset":
        again = again.where(SlaSubject.asset_id == event.subject_id)
    else:
        below = select(Organisation.id).where(literal(event.organisation_id) == any_(Organisation.ancestors))
        again = again.where(SlaSubject.organisation_id.in_(below))
    session.execute(again.execution_options(synchronize_session=False))


SLA_FOLLOWS_WORK = Consumer("ticketing.sla", KINDS, _note)
SLA_FOLLOWS_RULES = Consumer("ticketing.sla_rules", RULE_KINDS, _look_again)
