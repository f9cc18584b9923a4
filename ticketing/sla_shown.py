"""What the clocks of a page of cases, requests or work orders show now, counted anew from their events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from assets.base.db import service_rights
from assets.base.errors import Invalid
from ticketing.sla.book import calendars_of, course_of
from ticketing.sla.clock import AT_RISK, Course, state_of
from ticketing.sla.tables import SlaClock
from ticketing.sla.words import CLOCKS
from ticketing.sla_subjects import load_subjects, marks_for

FILTERS = ("breached", "at_risk", "paused", "running")


@dataclass(frozen=True, slots=True)
class Standing:
    """What one clock shows; seconds of business time. `course` is None for a clock that has ended."""

    clock: str
    state: str
    source: str
    started_at: datetime
    due_at: datetime | None
    breached_at: datetime | None
    finished_at: datetime | None
    target_s: float
    used_s: float
    paused_s: float
    outside_s: float
    percent: float
    row: SlaClock
    course: Course | None = None

    @property
    def left_s(self) -> float:
        """What is left of the target; negative when it is late."""
        return self.target_s - self.used_s


def standings(session: Session, kind: str, ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Standing]]:
    """Return what the clocks of subjects show now, in the order of the clocks; in one query for those that have ended,
    in some more for those that run, however many.

    The caller has seen the subjects: what their clocks are counted from (events of before a partner was called, the
    operator's calendars) may lie beyond what the actor reads.
    """
    rows: dict[UUID, dict[str, SlaClock]] = defaultdict(dict)
    stored = select(SlaClock).where(SlaClock.subject_kind == kind, SlaClock.subject_id.in_(ids))
    if ids:
        session.flush()  # what the actor wrote is written as the actor
        with service_rights(session):
            for row in session.scalars(stored):
                rows[row.subject_id][row.clock] = row
    running = [key for key, those in rows.items() if any(row.finished_at is None for row in those.values())]
    courses = _courses(session, kind, running, rows) if running else {}
    shown: dict[UUID, list[Standing]] = {}
    for key, those in rows.items():
        found = [_standing(those[clock], courses.get((key, clock)), now) for clock in CLOCKS if clock in those]
        shown[key] = [each for each in found if each is not None]
    return shown


def _courses(
    session: Session, kind: str, running: Sequence[UUID], rows: Mapping[UUID, Mapping[str, SlaClock]]
) -> dict[tuple[UUID, str], Course]:
    with service_rights(session):
        subjects = load_subjects(session, kind, running)
        marks = marks_for(session, subjects)
        calendars = calendars_of(session, {row.calendar_id for key in running for row in rows[key].values()})
    return {
        (key, clock): course_of(row, marks[key], calendars)
        for key in subjects
        for clock, row in rows[key].items()
        if row.finished_at is None
    }


def _standing(row: SlaClock, course: Course | None, now: datetime) -> Standing | None:
    if course is None:
        return _ended(row)
    state = state_of(course, now)
    if state is None:
        return None
    return Standing(
        clock=row.clock,
        state=state.state,
        source=row.source,
        started_at=state.started_at,
        due_at=state.due_at,
        breached_at=state.breached_at,
        finished_at=state.finished_at,
        target_s=row.target_s,
        used_s=state.used.total_seconds(),
        paused_s=state.paused.total_seconds(),
        outside_s=state.outside.total_seconds(),
        percent=state.percent,
        row=row,
        course=course,
    )


def _ended(row: SlaClock) -> Standing:
    used = row.used_s or 0.0
    return Standing(
        clock=row.clock,
        state=row.state,
        source=row.source,
        started_at=row.started_at,
        due_at=row.due_at,
        breached_at=row.breached_at,
        finished_at=row.finished_at,
        target_s=row.target_s,
        used_s=used,
        paused_s=row.paused_s or 0.0,
        outside_s=row.outside_s or 0.0,
        percent=100.0 * used / row.target_s,
        row=row,
    )


def full_course(session: Session, kind: str, subject_id: UUID, clock: SlaClock) -> Course | None:
    """Return the course of one clock, ended or not, to show how it was counted; None when its subject is gone."""
    session.flush()
    with service_rights(session):
        subjects = load_subjects(session, kind, [subject_id])
        if subject_id not in subjects:
            return None
        marks = marks_for(session, subjects)
        calendars = calendars_of(session, {clock.calendar_id})
    return course_of(clock, marks[subject_id], calendars)


def clock_condition(word: str, now: datetime) -> ColumnElement[bool]:
    """Return which clocks, of those that run, are breached, at risk, paused or running. Raises Invalid."""
    open_, late = SlaClock.finished_at.is_(None), SlaClock.breached_at <= now
    if word == "breached":
        return open_ & late
    if word == "at_risk":
        return open_ & (SlaClock.at_risk_at <= now) & ((SlaClock.breached_at > now) | SlaClock.breached_at.is_(None))
    if word == "paused":
        return open_ & SlaClock.breached_at.is_(None) & (SlaClock.state == "paused")
    if word == "running":
        return open_
    raise Invalid("no such state of a clock", field="sla", allowed=list(FILTERS))


def subject_condition(kind: str, key: Any, word: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition for subjects one of whose clocks is breached or at risk. `key`: the column of their id."""
    return exists().where(SlaClock.subject_kind == kind, SlaClock.subject_id == key, clock_condition(word, now))


def due_moments(session: Session, kind: str, ids: Sequence[UUID], clock: str = "arrival") -> dict[UUID, datetime]:
    """Return when a clock of each subject is due, for those that run and are not paused; what plans go by."""
    rows = select(SlaClock.subject_id, SlaClock.due_at).where(
        SlaClock.subject_kind == kind,
        SlaClock.subject_id.in_(ids),
        SlaClock.clock == clock,
        SlaClock.finished_at.is_(None),
    )
    return {key: due for key, due in session.execute(rows) if due is not None}


def at_risk_from(standing: Standing) -> timedelta:
    """Return the business time after which a clock counts as at risk."""
    return timedelta(seconds=standing.target_s * AT_RISK / 100)
