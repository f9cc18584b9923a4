"""The lock of whoever handles a case: claimed by compare-and-set, it expires by itself and may be taken over."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.people import Person
from ticketing.cases.cases import OPEN_STATES, get_case, log_case
from ticketing.cases.tables import Case

CLAIM_LIFE = timedelta(minutes=30)  # renewed by whatever its holder does to the case
MAX_LIFE = timedelta(hours=12)


class ClaimTaken(Conflict):
    """Somebody else was quicker; params: `person`, `person_id`, `until`."""

    code = "claim_taken"


def claim(
    session: Session,
    case_id: UUID,
    now: datetime,
    *,
    by: Actor,
    person_id: UUID | None = None,
    life: timedelta = CLAIM_LIFE,
    force: bool = False,
) -> Case:
    """Claim a case for a person (the actor unless told); claiming one's own again makes it last longer.

    One statement decides: of two at once, one wins and the other meets ClaimTaken. `force` takes it over. Raises
    IllegalMove when the case has ended.
    """
    holder = person_id or by.person_id
    if holder is None:
        raise Invalid("a token has no person: name one", field="person_id")
    if not timedelta(minutes=1) <= life <= MAX_LIFE:
        raise Invalid("a claim lasts 1 minute to 12 hours", field="minutes")
    if session.get(Person, holder) is None:
        raise Invalid("there is no such person", field="person_id")
    before = get_case(session, case_id)
    free = or_(Case.claimed_by_id.is_(None), Case.claim_expires_at <= now, Case.claimed_by_id == holder)
    conditions = [Case.id == case_id, Case.state.in_(OPEN_STATES)] + ([] if force else [free])
    won = session.execute(
        update(Case)
        .where(*conditions)
        .values(claimed_by_id=holder, claimed_at=now, claim_expires_at=now + life)
        .returning(Case.id)
        .execution_options(synchronize_session=False)
    ).first()
    held_by, until = before.claimed_by_id, before.claim_expires_at
    case = get_case(session, case_id, lock=True)
    if won is None:
        if case.state not in OPEN_STATES:
            raise IllegalMove(f"{case.number} is {case.state}", state=case.state, to="claimed", legal=[])
        raise _taken(session, case)
    if case.state == "new":
        case.state = "in_progress"
    session.flush()
    if held_by == holder and until is not None and until > now:
        return case  # only made to last longer
    kind = "case.taken_over" if held_by not in (None, holder) and until is not None and until > now else "case.claimed"
    log_case(session, case, kind, now, by, {"person_id": str(holder)}, internal=True)
    return case


def release(session: Session, case: Case, now: datetime, *, by: Actor) -> Case:
    """Give a case back to the queue. Raises ClaimTaken when another person's claim is still good."""
    if case.claimed_by_id is None:
        return case
    if not holds(case, by, now) and is_held(case, now):
        raise _taken(session, case)
    case.claimed_by_id = case.claimed_at = case.claim_expires_at = None
    session.flush()
    log_case(session, case, "case.released", now, by, internal=True)
    return case


def is_held(case: Case, now: datetime) -> bool:
    """Return whether somebody's claim is good."""
    return case.claimed_by_id is not None and case.claim_expires_at is not None and case.claim_expires_at > now


def holds(case: Case, by: Actor, now: datetime) -> bool:
    """Return whether the actor's own claim is good."""
    return is_held(case, now) and case.claimed_by_id == by.person_id


def check_free(session: Session, case: Case, now: datetime, *, by: Actor) -> None:
    """Let the holder and an unclaimed case pass, and make the holder's claim last. Raises ClaimTaken."""
    if is_held(case, now) and not holds(case, by, now):
        raise _taken(session, case)
    if holds(case, by, now) and case.claim_expires_at is not None:
        case.claim_expires_at = max(case.claim_expires_at, now + CLAIM_LIFE)


def _taken(session: Session, case: Case) -> ClaimTaken:
    name = session.scalar(select(Person.name).where(Person.id == case.claimed_by_id)) or "—"
    until = case.claim_expires_at.isoformat() if case.claim_expires_at else None
    return ClaimTaken(
        f"{case.number} is claimed by {name} until {until}",
        person=name,
        person_id=str(case.claimed_by_id),
        until=until,
    )
