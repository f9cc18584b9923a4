"""The desk's three lists: what nobody has claimed, what one handles oneself, what waits for an approval."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from ticketing.cases.tables import Case, CaseChild, ThreadMessage
from ticketing.cases.threads import FROM_CUSTOMER
from ticketing.words import PRIORITIES

LISTS = ("claim", "handle", "approve")
_RANK = case({word: rank for rank, word in enumerate(PRIORITIES)}, value=Case.priority, else_=1)


def unanswered() -> ColumnElement[bool]:
    """The last public message is the customer's."""
    last = aliased(ThreadMessage)
    newest = (
        select(last.author_kind)
        .where(last.case_id == Case.id, last.visibility == "public")
        .order_by(last.id.desc())
        .limit(1)
        .correlate(Case)
        .scalar_subquery()
    )
    return newest.in_(FROM_CUSTOMER)


def in_list(word: str, now: datetime, person_id: UUID | None) -> ColumnElement[bool]:
    """Return the condition of one of the three lists.

    To claim: open, nobody's claim is good, and either nothing is under way or the customer waits for an answer.
    """
    if word == "approve":
        return Case.state == "waiting_approval"
    held = and_(Case.claimed_by_id.is_not(None), Case.claim_expires_at > now)
    if word == "handle":
        active = Case.state.in_(("new", "in_progress", "waiting_customer"))
        return and_(active, held, Case.claimed_by_id == person_id) if person_id else false()
    under_way = exists().where(CaseChild.case_id == Case.id, CaseChild.state == "open")
    free = or_(Case.claimed_by_id.is_(None), Case.claim_expires_at <= now)
    return and_(Case.state.in_(("new", "in_progress")), free, or_(~under_way, unanswered()))


def triage(word: str, now: datetime, person_id: UUID | None, teams: Collection[UUID] | None = None) -> Select[Case]:
    """Select one of the lists: the most urgent first, then the oldest. `teams`: only what was routed to them."""
    wanted = select(Case).where(in_list(word, now, person_id))
    if teams is not None:
        wanted = wanted.where(or_(Case.team_id.in_(teams), Case.team_id.is_(None)))
    return wanted.order_by(_RANK.desc(), Case.id)


def rank_of(priority: str) -> int:
    """Return how urgent a priority is, as the lists sort it."""
    return PRIORITIES.index(priority) if priority in PRIORITIES else 1


def after(rank: int, case_id: UUID) -> ColumnElement[bool]:
    """Return the condition for what comes after a place in a list."""
    return or_(literal(rank) > _RANK, and_(literal(rank) == _RANK, Case.id > case_id))


def counts(session: Session, now: datetime, person_id: UUID | None) -> dict[str, int]:
    """Return how many cases stand in each list, counted up to 1000."""
    counted = {}
    for word in LISTS:
        some = select(Case.id).where(in_list(word, now, person_id)).limit(1000).subquery()
        counted[word] = session.scalar(select(func.count()).select_from(some)) or 0
    return counted
