"""What-if over HTTP: try moves without writing, keep them as drafts, apply them together, undo what was applied."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from assets.base.access import may
from assets.base.errors import Invalid
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Name, Ref, locked, named_assets, person_names, seen
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from maintenance.desk.drafts import apply, changed_since, discard, make_draft, moves_of, set_moves, undo
from maintenance.desk.loading import MAX_MOVES, Loaded, load_pieces, try_moves
from maintenance.desk.tables import DeskDraft, DeskMove
from maintenance.desk.what_if import Outcome
from maintenance.plans.recurrence import to_instant, to_local
from maintenance.plans.tables import Occurrence

router = APIRouter(prefix="/api/v1", tags=["planner"])

Words = Annotated[str | None, Field(max_length=1000)]


class MoveBody(BaseModel):
    """Where a piece of planned work shall go; `seen_at`: where it stood when the mover looked."""

    occurrence_id: UUID
    to: Moment
    seen_at: Moment | None = None


class ShiftBody(BaseModel):
    """Many by so many days, at the same hour of their sites."""

    occurrence_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_MOVES)]
    days: Annotated[int, Field(ge=-731, le=731)]


class MovesBody(BaseModel):
    """Moves one by one, or a shift of many."""

    moves: Annotated[list[MoveBody], Field(max_length=MAX_MOVES)] = []
    shift: ShiftBody | None = None


class DraftBody(MovesBody):
    """A draft; with `apply` it is done at once, or not at all."""

    name: Name
    kind: Literal["what_if", "group", "bulk"] = "what_if"
    apply: bool = False
    reason: Words = None


class DraftChange(MovesBody):
    """Moves in place of those that a draft has."""

    name: Name | None = None


class ApplyBody(BaseModel):
    """Why; needed where work leaves its window."""

    reason: Words = None


class MoveProblem(BaseModel):
    """What is wrong with a move; `hard`: it cannot be applied."""

    code: str
    hard: bool
    days: float | None


class TriedMove(BaseModel):
    """A move and what is wrong with it; `result`: what became of it when it was undone."""

    occurrence_id: UUID
    asset: Ref
    plan_code: str
    plan_name: dict[str, Any]
    state: str
    from_at: datetime | None
    from_day: date | None
    to: datetime
    to_day: date | None
    earliest_at: datetime | None
    latest_at: datetime | None
    minutes: dict[str, int]
    problems: list[MoveProblem]
    result: str | None = None


class LoadChange(BaseModel):
    """A week and skill that a draft touches: minutes and pieces before and after, against capacity."""

    week: date
    skill: str
    before: int
    after: int
    jobs_before: int
    jobs_after: int
    capacity: float | None
    over: bool


class TriedOut(BaseModel):
    """What moves would do. Nothing was written."""

    moves: list[TriedMove]
    loads: list[LoadChange]
    broken: int
    hard: bool
    over: int


class DraftItem(BaseModel):
    """A draft in a list."""

    id: UUID
    name: str
    kind: str
    state: str
    moves: int
    reason: str | None
    created_at: datetime
    created_by: Ref | None
    applied_at: datetime | None
    applied_by: Ref | None
    undone_at: datetime | None
    undone_by: Ref | None
    can_undo: bool
    version: int


class DraftDetail(DraftItem):
    """A draft with what it would do now, and what changed since it was drafted."""

    outcome: TriedOut
    changed: list[dict[str, Any]]


class DraftItems(BaseModel):
    """A page of drafts, newest first."""

    items: list[DraftItem]
    next: str | None = None


@router.post("/planning/preview", operation_id="preview_moves")
def preview_moves(body: MovesBody, here: Here) -> TriedOut:
    """Load by week and skill, windows that break, days on which nobody works; nothing is written."""
    here.require("maintenance_plan.read")
    loaded, outcome = try_moves(here.session, _goes(here, body), here.now)
    return _tried(here, _goes(here, body), loaded, outcome)


@router.get("/planning/drafts", operation_id="list_planning_drafts")
def list_planning_drafts(
    here: Here,
    state: Literal["open", "applied", "undone"] | None = None,
    limit: Limit = 50,
    after: After = None,
) -> DraftItems:
    """Drafts and what was applied, newest first."""
    here.require("maintenance_plan.read")
    query = select(DeskDraft).order_by(DeskDraft.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(DeskDraft.state == state)
    if after is not None:
        query = query.where(DeskDraft.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].id) if len(found) > limit else None
    return DraftItems(items=_items(here, page), next=following)


@router.post("/planning/drafts", operation_id="add_planning_draft", status_code=201)
def add_planning_draft(body: DraftBody, here: Here) -> DraftDetail:
    """Keep moves as a draft, or do them at once; 412 names what stands elsewhere than it was seen."""
    here.require("occurrence.decide")
    goes = _goes(here, body)
    draft = make_draft(here.session, here.actor.organisation_id, body.name, goes, here.now, here.actor, kind=body.kind)
    seen_at = {each.occurrence_id: each.seen_at for each in body.moves if each.seen_at is not None}
    for move in moves_of(here.session, draft):
        move.seen_at = seen_at.get(move.occurrence_id, move.seen_at)
    here.session.flush()
    if body.apply:
        apply(here.session, draft, body.reason, here.now, here.actor)
    return _detail(here, draft)


@router.get("/planning/drafts/{draft_id}", operation_id="get_planning_draft")
def get_planning_draft(draft_id: UUID, here: Here) -> DraftDetail:
    """A draft, what it would do now, and what changed since."""
    here.require("maintenance_plan.read")
    return _detail(here, seen(here, DeskDraft, draft_id, "desk_draft"))


@router.put("/planning/drafts/{draft_id}", operation_id="change_planning_draft")
def change_planning_draft(draft_id: UUID, body: DraftChange, here: Here, if_match: IfMatch = None) -> DraftDetail:
    """Replace its moves; what it has already keeps where it stood."""
    here.require("occurrence.decide")
    draft = locked(here, DeskDraft, draft_id, "desk_draft", if_match)
    if body.name is not None:
        draft.name = body.name.strip()
    set_moves(here.session, draft, _goes(here, body), here.now)
    return _detail(here, draft)


@router.delete("/planning/drafts/{draft_id}", operation_id="discard_planning_draft", status_code=204)
def discard_planning_draft(draft_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Throw a draft away that was not applied."""
    here.require("occurrence.decide")
    discard(here.session, locked(here, DeskDraft, draft_id, "desk_draft", if_match))


@router.post("/planning/drafts/{draft_id}/apply", operation_id="apply_planning_draft")
def apply_planning_draft(draft_id: UUID, body: ApplyBody, here: Here, if_match: IfMatch = None) -> DraftDetail:
    """Do all of it or nothing; 412 names what changed since, with both."""
    here.require("occurrence.decide")
    draft = locked(here, DeskDraft, draft_id, "desk_draft", if_match)
    return _detail(here, apply(here.session, draft, body.reason, here.now, here.actor))


@router.post("/planning/drafts/{draft_id}/undo", operation_id="undo_planning_draft")
def undo_planning_draft(draft_id: UUID, here: Here, if_match: IfMatch = None) -> DraftDetail:
    """Put back what still lies where it was put; each move says what became of it."""
    here.require("occurrence.decide")
    draft = locked(here, DeskDraft, draft_id, "desk_draft", if_match)
    return _detail(here, undo(here.session, draft, here.now, here.actor))


def _goes(here: Context, body: MovesBody) -> dict[UUID, datetime]:
    goes = {each.occurrence_id: each.to for each in body.moves}
    if len(goes) != len(body.moves):
        raise Invalid("the same work twice", field="moves")
    if body.shift is not None:
        rows = here.session.scalars(select(Occurrence).where(Occurrence.id.in_(body.shift.occurrence_ids))).all()
        for key, each in load_pieces(here.session, rows).items():
            local = to_local(each.piece.at, each.zone) + timedelta(days=body.shift.days)
            goes[key] = to_instant(local, each.zone)
    return goes


def _tried(
    here: Context,
    goes: Mapping[UUID, datetime],
    loaded: Mapping[UUID, Loaded],
    outcome: Outcome,
    kept: Mapping[UUID, DeskMove] | None = None,
) -> TriedOut:
    assets = named_assets(here, {each.row.asset_id for each in loaded.values()})
    moves = []
    for key, each in loaded.items():
        held = (kept or {}).get(key)
        from_at = held.seen_at if held is not None else each.piece.at
        moves.append(
            TriedMove(
                occurrence_id=key,
                asset=Ref(id=each.row.asset_id, name=assets[each.row.asset_id].name),
                plan_code=each.plan.code,
                plan_name=each.plan.name,
                state=each.row.state,
                from_at=from_at,
                from_day=each.local(from_at) if from_at is not None else None,
                to=goes[key],
                to_day=each.local(goes[key]),
                earliest_at=each.piece.earliest,
                latest_at=each.piece.latest,
                minutes=dict(each.piece.minutes),
                problems=[
                    MoveProblem(code=one.code, hard=one.hard, days=one.days) for one in outcome.problems.get(key, ())
                ],
                result=held.result if held is not None else None,
            )
        )
    moves.sort(key=lambda one: (one.to, one.occurrence_id))
    loads = [
        LoadChange(
            week=one.week,
            skill=one.skill,
            before=one.before,
            after=one.after,
            jobs_before=one.jobs_before,
            jobs_after=one.jobs_after,
            capacity=one.capacity,
            over=one.over,
        )
        for one in outcome.loads
    ]
    return TriedOut(
        moves=moves, loads=loads, broken=outcome.broken, hard=outcome.hard, over=sum(one.over for one in loads)
    )


def _items(here: Context, rows: list[DeskDraft]) -> list[DraftItem]:
    counted = select(DeskMove.draft_id, func.count()).where(DeskMove.draft_id.in_({row.id for row in rows}))
    counts: dict[UUID, int] = {}
    for key, count in here.session.execute(counted.group_by(DeskMove.draft_id)):
        counts[key] = count
    keys = [key for row in rows for key in (row.created_by_id, row.applied_by_id, row.undone_by_id)]
    people = person_names(here, keys)

    def who(key: UUID | None) -> Ref | None:
        return people.get(key) if key is not None else None

    decides = may(here.actor, "occurrence.decide")
    return [
        DraftItem(
            id=row.id,
            name=row.name,
            kind=row.kind,
            state=row.state,
            moves=counts.get(row.id, 0),
            reason=row.reason,
            created_at=row.created_at,
            created_by=who(row.created_by_id),
            applied_at=row.applied_at,
            applied_by=who(row.applied_by_id),
            undone_at=row.undone_at,
            undone_by=who(row.undone_by_id),
            can_undo=row.state == "applied" and decides,
            version=row.version,
        )
        for row in rows
    ]


def _detail(here: Context, draft: DeskDraft) -> DraftDetail:
    kept = {each.occurrence_id: each for each in moves_of(here.session, draft)}
    goes = {key: each.to_at for key, each in kept.items()}
    loaded, outcome = try_moves(here.session, goes, here.now)
    if draft.state != "open":
        outcome = Outcome({}, [])  # it is history: what it did is not asked again
    changed = changed_since(here.session, list(kept.values())) if draft.state == "open" else []
    return DraftDetail(
        **dict(_items(here, [draft])[0]), outcome=_tried(here, goes, loaded, outcome, kept), changed=changed[:100]
    )
