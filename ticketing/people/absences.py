"""Absences: asked for, approved or refused; those of one person never overlap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Forbidden, IllegalMove, Invalid
from assets.people import Person
from ticketing.people.logging import key, log, moment
from ticketing.people.tables import LIVE_ABSENCES, Absence

REASONS = ("vacation", "sick", "training", "personal", "public_duty", "other")
LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "requested": ("approved", "refused", "withdrawn"),
    "approved": ("withdrawn",),
    "refused": (),
    "withdrawn": (),
}
LONGEST = timedelta(days=3 * 366)  # parental leave is the longest there is


class AbsenceOverlap(Conflict):
    """The person is away already then, for another reason or not yet decided; params: `overlapping` [{id, …}]."""

    code = "absence_overlap"


def request_absence(
    session: Session,
    person: Person,
    now: datetime,
    *,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    note: str | None = None,
    approved: bool = False,
    by: Actor | None = None,
) -> Absence:
    """Ask for an absence, or (`approved`) enter one that is decided.

    What overlaps in time with one of the same reason and state becomes one with it. Raises AbsenceOverlap, which names
    the others, and Invalid.
    """
    _check(starts_at, ends_at, reason)
    _lock(session, person.id)
    state = "approved" if approved else "requested"
    same = _joinable(_overlapping(session, person.id, starts_at, ends_at), reason, state)
    if same:
        return _join(session, same, starts_at, ends_at, note, now, by)
    absence = Absence(
        organisation_id=person.organisation_id,
        person_id=person.id,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
        note=note,
        state=state,
        requested_by_id=by.person_id if by else None,
        created_at=now,
    )
    if approved:
        absence.decided_by_id, absence.decided_at = by.person_id if by else None, now
    session.add(absence)
    session.flush()
    _log(session, absence, f"absence.{state}", now, by)
    return absence


def decide(
    session: Session, absence: Absence, to: str, now: datetime, *, reason: str | None = None, by: Actor
) -> Absence:
    """Approve, refuse (with a reason) or withdraw. Moving to the present state changes nothing.

    Raises IllegalMove, which names the legal moves, and Invalid when a refusal lacks its reason.
    """
    if to == absence.state:
        return absence
    legal = list(LEGAL_MOVES[absence.state])
    if to not in legal:
        text_ = f"the absence is {absence.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
        raise IllegalMove(text_, state=absence.state, to=to, legal=legal)
    if to == "refused" and not (reason or "").strip():
        raise Invalid("a refusal has a reason", field="reason")
    absence.state = to
    absence.decision_reason = reason
    absence.decided_by_id, absence.decided_at = by.person_id, now
    absence.version += 1
    session.flush()
    _log(session, absence, f"absence.{to}", now, by)
    return absence


def change(
    session: Session, absence: Absence, now: datetime, *, starts_at: datetime, ends_at: datetime, by: Actor
) -> Absence:
    """Move or shorten an absence that is live. Raises IllegalMove, AbsenceOverlap, Invalid."""
    if absence.state not in LIVE_ABSENCES:
        text_ = f"the absence is {absence.state}; only a live one can be changed"
        raise IllegalMove(text_, state=absence.state, to=absence.state, legal=[])
    _check(starts_at, ends_at, absence.reason)
    _lock(session, absence.person_id)
    others = [each for each in _overlapping(session, absence.person_id, starts_at, ends_at) if each.id != absence.id]
    if others:
        raise _overlap(others)
    before = {"starts_at": moment(absence.starts_at), "ends_at": moment(absence.ends_at)}
    absence.starts_at, absence.ends_at = starts_at, ends_at
    absence.version += 1
    session.flush()
    _log(session, absence, "absence.changed", now, by, before)
    return absence


def check_decider(absence: Absence, by: Actor, *, alone: bool) -> None:
    """Raise Forbidden for somebody who decides on their own absence, unless there is nobody above (`alone`)."""
    if by.person_id is not None and by.person_id == absence.person_id and not alone:
        raise Forbidden("somebody else decides on one's own absence", action="absence.decide")


def _check(starts_at: datetime, ends_at: datetime, reason: str) -> None:
    if reason not in REASONS:
        raise Invalid(f"a reason is one of {', '.join(REASONS)}", field="reason")
    if ends_at <= starts_at:
        raise Invalid("an absence ends after it begins", field="ends_at")
    if ends_at - starts_at > LONGEST:
        raise Invalid("an absence lasts three years at most", field="ends_at")


def _lock(session: Session, person_id: UUID) -> None:
    """Two requests for the same days would each see none: one waits for the other."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:p, 17))"), {"p": str(person_id)})


def _overlapping(session: Session, person_id: UUID, starts_at: datetime, ends_at: datetime) -> list[Absence]:
    query = select(Absence).where(
        Absence.person_id == person_id,
        Absence.state.in_(LIVE_ABSENCES),
        Absence.starts_at < ends_at,
        Absence.ends_at > starts_at,
    )
    return list(session.scalars(query.order_by(Absence.starts_at)))


def _joinable(others: Sequence[Absence], reason: str, state: str) -> list[Absence]:
    """Return the absences that a new one becomes one with. Raises AbsenceOverlap when others are in the way."""
    in_the_way = [each for each in others if each.reason != reason or each.state != state]
    if in_the_way:
        raise _overlap(in_the_way)
    return list(others)


def _overlap(others: Sequence[Absence]) -> AbsenceOverlap:
    named = [
        {
            "id": str(each.id),
            "starts_at": moment(each.starts_at),
            "ends_at": moment(each.ends_at),
            "state": each.state,
        }
        for each in others
    ]
    return AbsenceOverlap("the person is away already then", overlapping=named)


def _join(
    session: Session,
    present: Sequence[Absence],
    starts_at: datetime,
    ends_at: datetime,
    note: str | None,
    now: datetime,
    by: Actor | None,
) -> Absence:
    kept, *others = present
    first, last = min(starts_at, kept.starts_at), max(ends_at, *(each.ends_at for each in present))
    for each in others:
        each.state = "withdrawn"
        each.version += 1
        _log(session, each, "absence.withdrawn", now, by, {"joined_into": key(kept.id)})
    session.flush()
    before = {"starts_at": moment(kept.starts_at), "ends_at": moment(kept.ends_at)}
    kept.starts_at, kept.ends_at = first, last
    kept.note = "\n".join(dict.fromkeys(filter(None, (kept.note, note)))) or None
    kept.version += 1
    session.flush()
    _log(session, kept, "absence.changed", now, by, before)
    return kept


def _log(
    session: Session, absence: Absence, kind: str, now: datetime, by: Actor | None, more: dict[str, Any] | None = None
) -> None:
    # Why somebody is away is nobody's business but theirs and the desk's: it stands in the row alone.
    payload: dict[str, Any] = {
        "person_id": key(absence.person_id),
        "starts_at": moment(absence.starts_at),
        "ends_at": moment(absence.ends_at),
        "state": absence.state,
    }
    if more:
        payload["before"] = more
    log(session, kind, subject=absence, word="absence", now=now, by=by, payload=payload)
