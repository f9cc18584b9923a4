"""Service levels' clocks over HTTP: what is late, how it was counted, pauses by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, literal, select, tuple_

from assets.base.db import service_rights
from assets.base.errors import Forbidden, NotFound
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, Ref, SomeText, named_assets, person_names
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.sla_policies import Reason
from gateway.api.sla_rows import (
    TABLES,
    ClockItem,
    ClockName,
    SubjectKind,
    SubjectRef,
    calendar_names,
    clock_item,
    contract_numbers,
    numbers_of,
    policy_names,
)
from gateway.api.sla_warnings import WarningItem, warning_items
from gateway.api.sorting import NEVER, moment_of
from ticketing.sla.pausing import pause, pauses_of, resume
from ticketing.sla.tables import SlaClock, SlaWarning
from ticketing.sla_shown import Standing, clock_condition, full_course, standings
from ticketing.sla_subjects import Subject, load_subjects

router = APIRouter(prefix="/api/v1", tags=["service levels"])


class LateClock(ClockItem):
    """A clock with whose it is."""

    id: UUID
    subject: SubjectRef
    asset: Ref | None
    policy: Ref | None
    contract: Ref | None
    priority: str
    started_at: datetime
    breached_at: datetime | None
    finished_at: datetime | None


class LateClocks(BaseModel):
    """One page of clocks."""

    items: list[LateClock]
    next: str | None = None


class StretchItem(BaseModel):
    """When a clock was paused and why; open until somebody ends it."""

    start: datetime
    end: datetime | None
    reason: str


class ClockDetail(LateClock):
    """A clock with all that it was counted from: used + paused + outside = elapsed."""

    target_s: float
    used_s: float
    paused_s: float
    outside_s: float
    calendar: Ref | None
    pauses: list[StretchItem]
    ignored: list[StretchItem]


class PauseItem(BaseModel):
    """A pause that somebody wrote down; `clocks` null: all that the policy lets it stop."""

    id: UUID
    reason: str
    start: datetime
    end: datetime | None
    clocks: list[ClockName] | None
    note: str | None
    by: Ref | None


class SubjectClocks(BaseModel):
    """All clocks of a case, request or work order."""

    subject: SubjectRef
    clocks: list[ClockDetail]
    pauses: list[PauseItem]
    warnings: list[WarningItem]


class NewPause(BaseModel):
    """Why the work waits; `since` left out: from now; `until` left out: until somebody ends it."""

    reason: Reason
    since: Moment | None = None
    until: Moment | None = None
    clocks: Annotated[list[ClockName] | None, Field(max_length=4)] = None
    note: SomeText = None


class PauseEnd(BaseModel):
    """When it went on; left out: now."""

    at: Moment | None = None


@router.get("/sla-clocks", operation_id="list_sla_clocks")
def list_sla_clocks(
    here: Here,
    state: Literal["breached", "at_risk", "paused", "running", "missed"] = "breached",
    subject_kind: SubjectKind | None = None,
    clock: ClockName | None = None,
    asset_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> LateClocks:
    """List clocks: those that run, the most urgent first; `missed`: those that ended late, the latest first."""
    here.require("sla.read")
    ended = state == "missed"
    order: Any = SlaClock.finished_at if ended else func.coalesce(SlaClock.breached_at, literal(NEVER))
    condition = (SlaClock.state == "missed") & SlaClock.finished_at.is_not(None)
    query = select(SlaClock).where(condition if ended else clock_condition(state, here.now))
    for column, value in (
        (SlaClock.subject_kind, subject_kind),
        (SlaClock.clock, clock),
        (SlaClock.asset_id, asset_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        moment, key = read_cursor(after, moment_of, UUID)
        place, last = tuple_(order, SlaClock.id), tuple_(literal(moment), literal(key))
        query = query.where(place < last if ended else place > last)
    query = query.order_by(order.desc(), SlaClock.id.desc()) if ended else query.order_by(order, SlaClock.id)
    rows = list(here.session.scalars(query.limit(limit + 1)))
    page = rows[:limit]
    last_row = page[-1] if len(rows) > limit else None
    key_of = (last_row.finished_at if ended else last_row.breached_at or NEVER) if last_row else None
    following = cursor_of(key_of.isoformat(), last_row.id) if last_row and key_of else None
    return LateClocks(items=_late(here, page), next=following)


@router.get("/sla-clocks/{subject_kind}/{subject_id}", operation_id="get_sla_clocks")
def get_sla_clocks(subject_kind: SubjectKind, subject_id: UUID, here: Here) -> SubjectClocks:
    """All clocks of a subject, with what they were counted from."""
    here.require("sla.read")
    return _detail(here, subject_kind, _subject(here, subject_kind, subject_id))


@router.post("/sla-clocks/{subject_kind}/{subject_id}/pauses", operation_id="pause_sla", status_code=201)
def pause_sla(subject_kind: SubjectKind, subject_id: UUID, body: NewPause, here: Here) -> SubjectClocks:
    """Write down that the work waits, or waited."""
    here.require("sla.pause")
    subject = _subject(here, subject_kind, subject_id)
    _check_own(here, subject)
    pause(
        here.session,
        subject.about,
        subject.number,
        reason=body.reason,
        now=here.now,
        by=here.actor,
        since=body.since,
        until=body.until,
        clocks=body.clocks,
        note=body.note,
        opened_at=subject.work.opened_at,
    )
    return _detail(here, subject_kind, subject)


@router.post("/sla-clocks/{subject_kind}/{subject_id}/pauses/{pause_id}/end", operation_id="resume_sla")
def resume_sla(
    subject_kind: SubjectKind, subject_id: UUID, pause_id: UUID, body: PauseEnd, here: Here
) -> SubjectClocks:
    """End a pause, or correct its end."""
    here.require("sla.pause")
    subject = _subject(here, subject_kind, subject_id)
    _check_own(here, subject)
    at = body.at or here.now
    resume(here.session, subject.about, subject.number, pause_id, at=at, now=here.now, by=here.actor)
    return _detail(here, subject_kind, subject)


def _subject(here: Context, kind: str, key: UUID) -> Subject:
    """Return a subject that the actor sees. Raises NotFound."""
    if here.session.get(TABLES[kind], key) is None:
        raise NotFound(f"no such {kind.replace('_', ' ')}", kind=kind)
    here.session.flush()
    with service_rights(here.session):
        return load_subjects(here.session, kind, [key])[key]


def _check_own(here: Context, subject: Subject) -> None:
    """Pauses change what was promised to the owner: the owner's side writes them, not whoever carries the work out."""
    if here.actor.organisation_id not in subject.work.ancestors:
        raise Forbidden("clocks are paused by whoever answers for the work", kind=subject.about.kind)


def _late(here: Context, rows: Sequence[SlaClock]) -> list[LateClock]:
    by_kind: dict[str, list[UUID]] = defaultdict(list)
    for row in rows:
        by_kind[row.subject_kind].append(row.subject_id)
    shown: dict[tuple[UUID, str], Standing] = {}
    numbers: dict[UUID, SubjectRef] = {}
    for kind, keys in by_kind.items():
        for key, found in standings(here.session, kind, sorted(set(keys)), here.now).items():
            shown |= {(key, each.clock): each for each in found}
        numbers |= numbers_of(here, kind, keys)
    assets = named_assets(here, [row.asset_id for row in rows if row.asset_id is not None])
    policies = policy_names(here, [row.policy_id for row in rows])
    contracts = contract_numbers(here, [row.contract_id for row in rows])
    items = []
    for row in rows:
        standing = shown.get((row.subject_id, row.clock))
        if standing is None or row.subject_id not in numbers:
            continue  # gone, or not for these eyes
        asset = assets.get(row.asset_id) if row.asset_id else None
        items.append(LateClock.model_validate(_facts(row, standing, numbers, asset, policies, contracts)))
    return items


def _facts(
    row: SlaClock,
    standing: Standing,
    numbers: dict[UUID, SubjectRef],
    asset: Any,
    policies: dict[UUID, Ref],
    contracts: dict[UUID, Ref],
) -> dict[str, Any]:
    return clock_item(standing).model_dump() | {
        "id": row.id,
        "subject": numbers[row.subject_id],
        "asset": Ref(id=asset.id, name=asset.name) if asset else None,
        "policy": policies.get(row.policy_id) if row.policy_id else None,
        "contract": contracts.get(row.contract_id) if row.contract_id else None,
        "priority": row.priority,
        "started_at": standing.started_at,
        "breached_at": standing.breached_at,
        "finished_at": standing.finished_at,
    }


def _detail(here: Context, kind: SubjectKind, subject: Subject) -> SubjectClocks:
    key = subject.about.id
    found = standings(here.session, kind, [key], here.now).get(key, [])
    rows = [each.row for each in found]
    numbers = {key: SubjectRef(kind=kind, id=key, number=subject.number)}
    asset = next(iter(named_assets(here, [subject.about.asset_id]).values())) if subject.about.asset_id else None
    policies = policy_names(here, [row.policy_id for row in rows])
    contracts = contract_numbers(here, [row.contract_id for row in rows])
    calendars = calendar_names(here, [row.calendar_id for row in rows])
    clocks = []
    for each in found:
        facts = _facts(each.row, each, numbers, asset, policies, contracts)
        calendar = calendars.get(each.row.calendar_id) if each.row.calendar_id else None
        clocks.append(ClockDetail.model_validate(facts | _counted(here, kind, key, each) | {"calendar": calendar}))
    warnings = select(SlaWarning).where(SlaWarning.subject_kind == kind, SlaWarning.subject_id == key)
    return SubjectClocks(
        subject=numbers[key],
        clocks=clocks,
        pauses=_pauses(here, key),
        warnings=warning_items(here, list(here.session.scalars(warnings.order_by(SlaWarning.id.desc()).limit(200)))),
    )


def _counted(here: Context, kind: str, key: UUID, each: Standing) -> dict[str, Any]:
    course = each.course or full_course(here.session, kind, key, each.row)
    stretches = course.stretches if course else []
    pausing = set(course.pauses()) if course else set()
    return {
        "target_s": each.target_s,
        "used_s": each.used_s,
        "paused_s": each.paused_s,
        "outside_s": each.outside_s,
        "pauses": [StretchItem(start=one.start, end=one.end, reason=one.reason) for one in stretches if one in pausing],
        "ignored": [
            StretchItem(start=one.start, end=one.end, reason=one.reason) for one in stretches if one not in pausing
        ],
    }


def _pauses(here: Context, key: UUID) -> list[PauseItem]:
    found = pauses_of(here.session, key)
    people = person_names(here, [each["by"] for each in found])
    return [
        PauseItem.model_validate(
            {
                "id": each["pause"],
                "reason": each["reason"],
                "start": each["from"],
                "end": each.get("until"),
                "clocks": each.get("clocks"),
                "note": each.get("note"),
                "by": people.get(each["by"]) if each["by"] else None,
            }
        )
        for each in found
    ]
