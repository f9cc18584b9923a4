"""Cases that may be the same: proposed by asset, words and time, put together so that nothing is lost."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove
from ticketing.cases.cases import OPEN_STATES, get_case, log_case, workflow_of
from ticketing.cases.children import settle
from ticketing.cases.files import CaseFile
from ticketing.cases.tables import Case, CaseChild, RemoteSession, ThreadMessage
from ticketing.cases.workflow import approval_ahead
from ticketing.models import Request, WorkOrder

WINDOW = timedelta(days=14)
LIKELY = 0.45
MAX_LOOKED_AT = 300  # the newest open cases of the same owner
MAX_PROPOSED = 5


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two cases are, 0 to 1, and why."""

    score: float
    words: float
    same_asset: bool
    same_sender: bool
    hours_apart: float


def grams(text: str) -> frozenset[str]:
    """Return the pairs of neighbouring letters of a text, which works for Chinese as for English."""
    plain = "".join(each for each in unicodedata.normalize("NFKC", text).casefold() if each.isalnum())[:2000]
    return frozenset(plain[index : index + 2] for index in range(len(plain) - 1)) or frozenset({plain} - {""})


def similar_words(one: str, other: str) -> float:
    """Return the share of pairs of letters that two texts have in common (Sørensen and Dice), 0 to 1."""
    first, second = grams(one), grams(other)
    return 2 * len(first & second) / (len(first) + len(second)) if first and second else 0.0


def likeness(
    text: str,
    other: str,
    *,
    apart: timedelta,
    same_asset: bool,
    asset_known: bool = True,
    same_sender: bool = False,
    same_type: bool = True,
) -> Likeness:
    """Return how likely two cases are one: the same machine counts most, then the words, then who asks and when.

    Known to be about two different machines, they are never one.
    """
    hours = abs(apart.total_seconds()) / 3600
    near = max(0.0, 1 - hours / (WINDOW.total_seconds() / 3600))
    shared = similar_words(text, other)
    score = 0.35 * same_asset + 0.4 * shared + 0.15 * near + 0.1 * same_sender
    if (asset_known and not same_asset) or hours > WINDOW.total_seconds() / 3600:
        score = 0.0
    elif not same_asset and not same_sender and shared < 0.5:
        score *= 0.5
    return Likeness(round(score * (1 if same_type else 0.8), 3), round(shared, 3), same_asset, same_sender, hours)


def likely_duplicates(session: Session, case: Case) -> list[tuple[Case, Likeness]]:
    """Return other open cases of the same owner that may be this one, most likely first."""
    others = select(Case).where(
        Case.organisation_id == case.organisation_id,
        Case.id != case.id,
        Case.state.in_(OPEN_STATES),
        Case.opened_at.between(case.opened_at - WINDOW, case.opened_at + WINDOW),
    )
    if case.asset_id is not None:
        others = others.where(or_(Case.asset_id == case.asset_id, Case.asset_id.is_(None)))
    found = []
    dismissed = set(case.distinct_from)
    for other in session.scalars(others.order_by(Case.id.desc()).limit(MAX_LOOKED_AT)):
        if str(other.id) in dismissed or str(case.id) in other.distinct_from:
            continue
        like = likeness(
            case.text,
            other.text,
            apart=case.opened_at - other.opened_at,
            same_asset=case.asset_id is not None and case.asset_id == other.asset_id,
            asset_known=case.asset_id is not None and other.asset_id is not None,
            same_sender=_same_sender(case, other),
            same_type=case.service_type_id == other.service_type_id,
        )
        if like.score >= LIKELY:
            found.append((other, like))
    return sorted(found, key=lambda pair: (-pair[1].score, str(pair[0].id)))[:MAX_PROPOSED]


def say_distinct(session: Session, case: Case, other: Case, now: datetime, *, by: Actor) -> None:
    """Note that two cases are not the same; they are proposed no more."""
    if str(other.id) not in case.distinct_from:
        case.distinct_from = [*case.distinct_from, str(other.id)][-200:]
        session.flush()
        log_case(session, case, "case.told_apart", now, by, {"other": other.number}, internal=True)


def merge_cases(session: Session, kept: Case, merged: Case, now: datetime, *, by: Actor) -> Case:
    """Put one case into another of the same owner: threads, files, children and requests move; links go on working.

    Doing it twice changes nothing. Raises Conflict for cases of two owners or one case, IllegalMove for a kept one
    that has ended.
    """
    if kept.id == merged.id:
        raise Conflict("a case cannot be put into itself", what="merge")
    for case_id in sorted((kept.id, merged.id)):  # always in one order, or two merges wait for each other
        get_case(session, case_id, lock=True)
    if merged.merged_into_id == kept.id:
        return kept
    if kept.organisation_id != merged.organisation_id:
        raise Conflict("cases of two owners stay two: each would read what the other wrote", what="merge_owners")
    if kept.asset_id and merged.asset_id and kept.asset_id != merged.asset_id:
        raise Conflict("they are about two machines", what="merge_assets")
    for case in (kept, merged):
        if case.state not in OPEN_STATES:
            raise IllegalMove(f"{case.number} is {case.state}", state=case.state, to="merged", legal=[])
    if _approval_left(session, merged) and not _approval_left(session, kept):
        raise Conflict(f"{merged.number} needs an approval, and {kept.number} would not", what="approval")
    _move_rows(session, kept, merged)
    kept.asset_id = kept.asset_id or merged.asset_id
    kept.site_id, kept.customer_id = kept.site_id or merged.site_id, kept.customer_id or merged.customer_id
    kept.contact = kept.contact or merged.contact
    kept.first_reply_at = min(filter(None, (kept.first_reply_at, merged.first_reply_at)), default=None)
    kept.version += 1
    merged.state, merged.closed_at, merged.merged_into_id = "merged", now, kept.id
    merged.claimed_by_id = merged.claimed_at = merged.claim_expires_at = None
    merged.version += 1
    session.flush()
    facts = {"into": kept.number, "into_id": str(kept.id)}
    log_case(session, merged, "case.merged", now, by, facts)
    log_case(session, kept, "case.took_in", now, by, {"merged": merged.number, "merged_id": str(merged.id)})
    settle(session, kept, now)
    return kept


def _approval_left(session: Session, case: Case) -> bool:
    waits = case.state == "waiting_approval"
    return waits or approval_ahead(workflow_of(session, case), case.stage, case.approved_stage)


def _move_rows(session: Session, kept: Case, merged: Case) -> None:
    quietly = {"synchronize_session": False}
    session.flush()
    _drop_repeats(session, kept, merged)
    for table in (ThreadMessage, CaseFile, CaseChild, Request, WorkOrder):
        session.execute(
            update(table).where(table.case_id == merged.id).values(case_id=kept.id), execution_options=quietly
        )
    _move_sessions(session, kept, merged)
    session.expire_all()


def _move_sessions(session: Session, kept: Case, merged: Case) -> None:
    """Only one session of a case is open at a time."""
    running = select(RemoteSession).where(
        RemoteSession.case_id.in_((kept.id, merged.id)), RemoteSession.state == "open"
    )
    if len(session.scalars(running).all()) > 1:
        raise Conflict("both are being looked at from afar; end one session first", what="remote_session")
    moved = update(RemoteSession).where(RemoteSession.case_id == merged.id).values(case_id=kept.id)
    session.execute(moved, execution_options={"synchronize_session": False})


def _drop_repeats(session: Session, kept: Case, merged: Case) -> None:
    """One order or one mail may hang on both: the merged case's own then stays with it."""
    for table, column in ((CaseChild, CaseChild.subject_id), (ThreadMessage, ThreadMessage.external_id)):
        there = set(session.scalars(select(column).where(table.case_id == kept.id, column.is_not(None))))
        if table is CaseChild and there:
            repeated = select(CaseChild).where(CaseChild.case_id == merged.id, CaseChild.subject_id.in_(there))
            for child in session.scalars(repeated):
                session.delete(child)  # the same order hangs on the kept one already
        elif there:
            same = update(ThreadMessage).where(ThreadMessage.case_id == merged.id, ThreadMessage.external_id.in_(there))
            session.execute(same.values(external_id=None), execution_options={"synchronize_session": False})
    session.flush()


def _same_sender(one: Case, other: Case) -> bool:
    return any(
        _digits(one.contact.get(name)) == _digits(other.contact.get(name)) != "" for name in ("phone", "email", "name")
    )


def _digits(value: object) -> str:
    return "".join(each for each in str(value or "").casefold() if each.isalnum())


def merged_into(session: Session, case_id: UUID) -> Iterable[Case]:
    """Return the cases that were put into this one, oldest first."""
    return session.scalars(select(Case).where(Case.merged_into_id == case_id).order_by(Case.id)).all()
