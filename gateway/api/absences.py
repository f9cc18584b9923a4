"""Absences over HTTP: asked for, decided, and which planned visits they hit."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import func, select, tuple_

from assets.base.access import Role, may
from assets.base.errors import Forbidden, Invalid, NotFound
from assets.people import Membership, Person
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Reason, Ref, SomeText, locked, named, person_names
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.technician_rows import VisitMeanwhile, meanwhile
from ticketing.fitness import visits_meanwhile
from ticketing.people.absences import change, check_decider, decide, request_absence
from ticketing.people.patterns import read_zone
from ticketing.people.profiles import profiles_of
from ticketing.people.tables import LIVE_ABSENCES, Absence

router = APIRouter(prefix="/api/v1", tags=["people"])

AbsenceReason = Literal["vacation", "sick", "training", "personal", "public_duty", "other"]
State = Literal["requested", "approved", "refused", "withdrawn"]


class AbsenceItem(BaseModel):
    """An absence; why is for the desk and the person alone, null for others."""

    id: UUID
    person: Ref
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    reason: AbsenceReason | None
    note: str | None
    state: State
    requested_by: Ref | None
    decided_by: Ref | None
    decided_at: datetime | None
    decision_reason: str | None
    created_at: datetime
    version: int


class Absences(BaseModel):
    """A page of absences."""

    items: list[AbsenceItem]
    next: str | None = None


class AbsenceAnswer(AbsenceItem):
    """An absence, and the visits that are planned for the person meanwhile."""

    conflicts: list[VisitMeanwhile]


class NewAbsence(BaseModel):
    """Who is away: between two moments, or on whole days (both included) of the person's time zone."""

    person_id: UUID | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    first_day: date | None = None
    last_day: date | None = None
    reason: AbsenceReason
    note: SomeText = None
    approved: bool = False


class AbsenceChange(BaseModel):
    """Another time."""

    starts_at: Moment | None = None
    ends_at: Moment | None = None
    first_day: date | None = None
    last_day: date | None = None


class AbsenceDecision(BaseModel):
    """Why; a refusal needs it."""

    reason: SomeText = None


class AbsenceRefusal(BaseModel):
    """Why not."""

    reason: Reason


@router.get("/absences", operation_id="list_absences")
def list_absences(
    here: Here,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    until: Moment | None = None,
    person_id: UUID | None = None,
    state: State | None = None,
    limit: Limit = 200,
    after: After = None,
) -> Absences:
    """List absences by begin; the desk sees everybody's, others their own."""
    here.require("absence.request")
    query = select(Absence).order_by(Absence.starts_at, Absence.id).limit(limit + 1)
    if not may(here.actor, "absence.decide"):
        query = query.where(Absence.person_id == (here.actor.person_id or UUID(int=0)))
    if person_id is not None:
        query = query.where(Absence.person_id == person_id)
    if from_ is not None:
        query = query.where(Absence.ends_at > from_)
    if until is not None:
        query = query.where(Absence.starts_at < until)
    query = query.where(Absence.state == state if state else Absence.state.in_(LIVE_ABSENCES))
    if after is not None:
        at, key = read_cursor(after, aware, UUID)
        query = query.where(tuple_(Absence.starts_at, Absence.id) > tuple_(at, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].starts_at.isoformat(), page[-1].id) if len(found) > limit else None
    return Absences(items=_items(here, page), next=following)


@router.post("/absences", operation_id="request_absence", status_code=201)
def create_absence(body: NewAbsence, here: Here) -> AbsenceAnswer:
    """Ask for an absence, for oneself or (the desk) for others; the desk may enter one that is decided.

    What overlaps with one of the same reason and state becomes one with it; with another, 409 names it.
    """
    here.require("absence.request")
    desk = may(here.actor, "absence.decide")
    person = named(here, Person, body.person_id or here.actor.person_id, "person_id")
    if person is None:
        raise Invalid("who is away?", field="person_id")
    if not desk and (person.id != here.actor.person_id or body.approved):
        raise Forbidden("one asks for one's own absence; the desk decides", action="absence.decide")
    starts_at, ends_at = _times(here, person.id, body, None)
    if body.approved:
        _check_alone(here, Absence(person_id=person.id))
    absence = request_absence(
        here.session, person, here.now, starts_at=starts_at, ends_at=ends_at, reason=body.reason, note=body.note,
        approved=body.approved, by=here.actor,
    )  # fmt: skip
    return _answer(here, absence)


@router.get("/absences/{absence_id}", operation_id="get_absence")
def get_absence(absence_id: UUID, here: Here) -> AbsenceAnswer:
    """One absence, and the visits planned meanwhile."""
    here.require("absence.request")
    return _answer(here, _seen(here, absence_id))


@router.patch("/absences/{absence_id}", operation_id="change_absence")
def change_absence(absence_id: UUID, body: AbsenceChange, here: Here, if_match: IfMatch = None) -> AbsenceAnswer:
    """Move or shorten an absence: the desk, or whoever asked as long as nobody decided."""
    here.require("absence.request")
    _seen(here, absence_id)
    absence = locked(here, Absence, absence_id, "absence", if_match)
    if not may(here.actor, "absence.decide") and absence.state != "requested":
        raise Forbidden("the desk changes what is decided", action="absence.decide")
    starts_at, ends_at = _times(here, absence.person_id, body, absence)
    return _answer(here, change(here.session, absence, here.now, starts_at=starts_at, ends_at=ends_at, by=here.actor))


@router.post("/absences/{absence_id}/approve", operation_id="approve_absence")
def approve_absence(
    absence_id: UUID, here: Here, body: AbsenceDecision | None = None, if_match: IfMatch = None
) -> AbsenceAnswer:
    """Approve; the answer names the visits that somebody else has to make."""
    return _decide(here, absence_id, "approved", body.reason if body else None, if_match)


@router.post("/absences/{absence_id}/refuse", operation_id="refuse_absence")
def refuse_absence(absence_id: UUID, body: AbsenceRefusal, here: Here, if_match: IfMatch = None) -> AbsenceAnswer:
    """Refuse, with the reason."""
    return _decide(here, absence_id, "refused", body.reason, if_match)


@router.post("/absences/{absence_id}/withdraw", operation_id="withdraw_absence")
def withdraw_absence(
    absence_id: UUID, here: Here, body: AbsenceDecision | None = None, if_match: IfMatch = None
) -> AbsenceAnswer:
    """Take back: whoever asked, or the desk; an approved one the desk alone."""
    here.require("absence.request")
    _seen(here, absence_id)
    absence = locked(here, Absence, absence_id, "absence", if_match)
    if absence.state == "approved" and not may(here.actor, "absence.decide"):
        raise Forbidden("the desk takes back what it approved", action="absence.decide")
    reason = body.reason if body else None
    return _answer(here, decide(here.session, absence, "withdrawn", here.now, reason=reason, by=here.actor))


def _decide(here: Context, absence_id: UUID, to: str, reason: str | None, if_match: str | None) -> AbsenceAnswer:
    here.require("absence.decide")
    absence = locked(here, Absence, absence_id, "absence", if_match)
    _check_alone(here, absence)
    return _answer(here, decide(here.session, absence, to, here.now, reason=reason, by=here.actor))


def _check_alone(here: Context, absence: Absence) -> None:
    """Nobody decides on their own absence as long as somebody else of the desk could."""
    if here.actor.person_id != absence.person_id:
        return
    others = (
        select(func.count())
        .select_from(Membership)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.role.in_((Role.ADMINISTRATOR, Role.PLANNER, Role.DISPATCHER)))
        .where(Person.id != here.actor.person_id, Person.organisation_id == here.actor.organisation_id)
        .where(Person.disabled_at.is_(None))
    )
    check_decider(absence, here.actor, alone=not here.session.scalar(others))


def _seen(here: Context, absence_id: UUID) -> Absence:
    """Return an absence: the desk's, or one's own. Raises NotFound."""
    absence = here.session.get(Absence, absence_id)
    own = absence is not None and absence.person_id == here.actor.person_id
    if absence is None or not (own or may(here.actor, "absence.decide")):
        raise NotFound("no such absence", kind="absence")
    return absence


def _times(
    here: Context, person_id: UUID, body: NewAbsence | AbsenceChange, known: Absence | None
) -> tuple[datetime, datetime]:
    """Return begin and end, from moments or from whole days in the person's zone."""
    if body.first_day is not None:
        if body.starts_at is not None or body.ends_at is not None:
            raise Invalid("days or moments, not both", field="first_day")
        profile = profiles_of(here.session, [person_id]).get(person_id)
        zone = read_zone(profile.time_zone if profile else "UTC")
        last = body.last_day or body.first_day
        if last < body.first_day:
            raise Invalid("an absence ends after it begins", field="last_day")
        if not 1900 <= body.first_day.year <= last.year <= 2200:
            raise Invalid("a day between 1900 and 2200", field="first_day")
        return datetime.combine(body.first_day, time(), zone), datetime.combine(last + timedelta(days=1), time(), zone)
    starts_at = body.starts_at or (known.starts_at if known else None)
    ends_at = body.ends_at or (known.ends_at if known else None)
    if starts_at is None or ends_at is None:
        raise Invalid("from when to when?", field="starts_at" if starts_at is None else "ends_at")
    return starts_at, ends_at


def _items(here: Context, absences: list[Absence]) -> list[AbsenceItem]:
    keys = {key for each in absences for key in (each.person_id, each.requested_by_id, each.decided_by_id)}
    names = person_names(here, keys)
    profiles = profiles_of(here.session, {each.person_id for each in absences})
    desk = may(here.actor, "absence.decide")
    made = []
    for each in absences:
        told = desk or each.person_id == here.actor.person_id
        profile = profiles.get(each.person_id)
        made.append(
            AbsenceItem(
                id=each.id,
                person=names.get(each.person_id) or Ref(id=each.person_id, name="—"),
                starts_at=each.starts_at,
                ends_at=each.ends_at,
                time_zone=profile.time_zone if profile else "UTC",
                reason=each.reason if told else None,  # type: ignore[arg-type]
                note=each.note if told else None,
                state=each.state,  # type: ignore[arg-type]
                requested_by=names.get(each.requested_by_id) if each.requested_by_id else None,
                decided_by=names.get(each.decided_by_id) if each.decided_by_id else None,
                decided_at=each.decided_at,
                decision_reason=each.decision_reason if told else None,
                created_at=each.created_at,
                version=each.version,
            )
        )
    return made


def _answer(here: Context, absence: Absence) -> AbsenceAnswer:
    live = absence.state in LIVE_ABSENCES
    hit = visits_meanwhile(here.session, absence.person_id, absence.starts_at, absence.ends_at) if live else []
    return AbsenceAnswer(**_items(here, [absence])[0].model_dump(), conflicts=meanwhile(hit))
