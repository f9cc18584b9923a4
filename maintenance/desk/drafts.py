"""Drafts of moves: kept while somebody tries, applied together or not at all, undone as far as nobody went on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from maintenance.desk.loading import MAX_MOVES, at_of, try_moves
from maintenance.desk.tables import DeskDraft, DeskMove
from maintenance.plans.releasing import move, put_back
from maintenance.plans.tables import Occurrence, PlanAsset
from ticketing.order_states import StaleVersion, worded

KINDS = ("what_if", "group", "bulk")
MAX_NAME = 200
MAX_REASON = 1000


class DraftOutdated(StaleVersion):
    """Planned work of a draft changed since; `changed` names each with where it stood and where it stands."""

    code = "draft_outdated"


class NotApplicable(Conflict):
    """Some moves cannot be done at all; `problems` names them."""

    code = "draft_not_applicable"


def make_draft(
    session: Session,
    organisation_id: UUID,
    name: str,
    goes: Mapping[UUID, datetime],
    now: datetime,
    by: Actor | None,
    *,
    kind: str = "what_if",
) -> DeskDraft:
    """Keep moves as a draft; nothing moves. Raises Invalid, NotFound for work that the actor does not see."""
    if kind not in KINDS:
        raise Invalid("no such kind", field="kind", allowed=list(KINDS))
    draft = DeskDraft(
        organisation_id=organisation_id,
        name=worded("name", name, MAX_NAME),
        kind=kind,
        state="open",
        created_at=now,
        changed_at=now,
        created_by_id=by.person_id if by else None,
    )
    session.add(draft)
    session.flush()
    set_moves(session, draft, goes, now)
    return draft


def set_moves(session: Session, draft: DeskDraft, goes: Mapping[UUID, datetime], now: datetime) -> None:
    """Replace the moves of a draft. What stood in it keeps where it stood when it was drafted first."""
    _check_open(draft)
    if len(goes) > MAX_MOVES:
        raise Invalid(f"at most {MAX_MOVES} moves", field="moves", limit=MAX_MOVES)
    rows = {row.id: row for row in session.scalars(select(Occurrence).where(Occurrence.id.in_(list(goes))))}
    if missing := [str(key) for key in goes if key not in rows]:
        raise NotFound("no such planned work", kind="occurrence", ids=missing[:10])
    held = {each.occurrence_id: each for each in moves_of(session, draft)}
    for gone in held.keys() - goes.keys():
        session.delete(held[gone])
    for key, to in goes.items():
        if at_of(rows[key]) is None:
            raise Invalid("this has no date yet: nobody knows when its meter gets there", field="moves", id=str(key))
        if key in held:
            held[key].to_at = to
        else:
            session.add(_seen(draft, rows[key], to))
    draft.changed_at, draft.version = now, draft.version + 1
    session.flush()


def moves_of(session: Session, draft: DeskDraft) -> list[DeskMove]:
    """Return the moves of a draft by where they go."""
    mine = select(DeskMove).where(DeskMove.draft_id == draft.id)
    return list(session.scalars(mine.order_by(DeskMove.to_at, DeskMove.id)))


def changed_since(session: Session, moves: Sequence[DeskMove]) -> list[dict[str, Any]]:
    """Return what stands elsewhere than when it was drafted."""
    keys = [each.occurrence_id for each in moves]
    rows = {row.id: row for row in session.scalars(select(Occurrence).where(Occurrence.id.in_(keys)))}
    found = []
    for each in moves:
        row = rows.get(each.occurrence_id)
        at, state = (at_of(row), row.state) if row is not None else (None, "gone")
        if (at, state) != (each.seen_at, each.seen_state):
            yours = {"at": _word(each.seen_at), "state": each.seen_state, "to": _word(each.to_at)}
            current = {"at": _word(at), "state": state}
            found.append({"id": str(each.occurrence_id), "yours": yours, "current": current})
    return found


def apply(session: Session, draft: DeskDraft, reason: str | None, now: datetime, by: Actor | None) -> DeskDraft:
    """Do all moves of a draft that the caller has locked, or none.

    Raises DraftOutdated when something changed since it was drafted, NotApplicable, Invalid without a reason where
    work leaves its window, Forbidden where it is not the actor's.
    """
    _check_open(draft)
    moves = moves_of(session, draft)
    if not moves:
        raise Invalid("there is nothing to move", field="moves")
    rows = _locked(session, [each.occurrence_id for each in moves])
    if changed := changed_since(session, moves):
        told = {"yours": draft.version, "current": draft.version, "changed": changed[:100], "count": len(changed)}
        raise DraftOutdated(f"{len(changed)} changed in the meantime", **told)
    _, outcome = try_moves(session, {each.occurrence_id: each.to_at for each in moves}, now)
    hard = {str(key): [one.code for one in those if one.hard] for key, those in outcome.problems.items()}
    if outcome.hard:
        raise NotApplicable("some of it cannot be moved", problems={key: codes for key, codes in hard.items() if codes})
    if outcome.broken and not (reason or "").strip():
        raise Invalid("work that leaves its window needs a reason", field="reason", broken=outcome.broken)
    words = worded("reason", reason or draft.name, MAX_REASON)
    for each in moves:
        move(session, rows[each.occurrence_id], each.to_at, now, by, words)
    draft.state, draft.applied_at, draft.applied_by_id = "applied", now, by.person_id if by else None
    draft.reason, draft.version = words, draft.version + 1
    session.flush()
    _log(session, draft, "planning.applied", now, by, {"moves": len(moves), "broken": outcome.broken, "reason": words})
    return draft


def undo(session: Session, draft: DeskDraft, now: datetime, by: Actor | None) -> DeskDraft:
    """Put everything back that still lies where the draft put it; each move says in `result` what became of it.

    released: its work order is out. moved_since: somebody put it elsewhere. gone: it is done, skipped or missed.
    Raises IllegalMove when it was not applied, Conflict when nothing of it can be undone.
    """
    if draft.state != "applied":
        raise IllegalMove(f"this is {draft.state}", state=draft.state, to="undone", legal=[])
    moves = moves_of(session, draft)
    rows = _locked(session, [each.occurrence_id for each in moves])
    back = 0
    for each in moves:
        row = rows.get(each.occurrence_id)
        each.result = _stuck(row, each)
        if each.result is None and row is not None:
            put_back(session, row, now, by, f"undone: {draft.name}"[:MAX_REASON], each.seen_put_at)
            each.result, back = "undone", back + 1
    if not back:
        results = {str(each.occurrence_id): each.result for each in moves}
        raise Conflict("nothing of it can be undone any more", reason="nothing_left", results=results)
    draft.state, draft.undone_at, draft.undone_by_id = "undone", now, by.person_id if by else None
    draft.version += 1
    session.flush()
    _log(session, draft, "planning.undone", now, by, {"moves": back, "kept": len(moves) - back})
    return draft


def discard(session: Session, draft: DeskDraft) -> None:
    """Throw a draft away that was not applied. Raises IllegalMove."""
    _check_open(draft)
    session.execute(delete(DeskDraft).where(DeskDraft.id == draft.id))


def _stuck(row: Occurrence | None, each: DeskMove) -> str | None:
    if row is None or row.state not in ("planned", "released"):
        return "gone"
    if row.state == "released":
        return "released"
    return None if row.put_at == each.to_at else "moved_since"


def _locked(session: Session, keys: Sequence[UUID]) -> dict[UUID, Occurrence]:
    """Lock the work in the order in which others lock it: machines of plans first, then their work."""
    held = select(Occurrence.plan_asset_id).where(Occurrence.id.in_(keys))
    session.execute(select(PlanAsset.id).where(PlanAsset.id.in_(held)).order_by(PlanAsset.id).with_for_update())
    query = select(Occurrence).where(Occurrence.id.in_(keys)).order_by(Occurrence.id).with_for_update()
    return {row.id: row for row in session.scalars(query, execution_options={"populate_existing": True})}


def _seen(draft: DeskDraft, row: Occurrence, to: datetime) -> DeskMove:
    return DeskMove(
        organisation_id=draft.organisation_id,
        draft_id=draft.id,
        occurrence_id=row.id,
        seen_at=at_of(row),
        seen_put_at=row.put_at,
        seen_state=row.state,
        to_at=to,
    )


def _check_open(draft: DeskDraft) -> None:
    if draft.state != "open":
        raise IllegalMove(f"this is {draft.state}", state=draft.state, to="open", legal=[])


def _word(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _log(session: Session, draft: DeskDraft, kind: str, now: datetime, by: Actor | None, facts: dict[str, Any]) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=draft.organisation_id,
        subject_kind="desk_draft",
        subject_id=draft.id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"name": draft.name, "kind": draft.kind, **facts},
    )
