"""Alarms over HTTP: list them, see what belongs to one, acknowledge, shelve."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select, exists, select

from assets.base.errors import IllegalMove, NotFound
from assets.registry import Asset
from gateway.api.alarm_rows import EpisodeItem, PersonRef, episode_items, people_refs
from gateway.api.deps import Context, Here
from gateway.api.findings import AssetOfFinding
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from gateway.notify.models import Notification
from maintenance.acknowledgements import MAX_NOTE, acknowledge
from maintenance.alarm_models import AlarmHold
from maintenance.alarm_states import SHELVED
from maintenance.holds import LONGEST_SHELF, MAX_REASON, end_hold, hold_alarm, standing_holds
from maintenance.models import Episode, EpisodeFinding, Finding
from maintenance.relations import NEIGHBOUR, PARENT

router = APIRouter(prefix="/api/v1", tags=["alarms"])

MAX_EVIDENCE = 100
MAX_AFFECTED = 500
MAX_MINUTES = int(LONGEST_SHELF.total_seconds() // 60)

AlarmState = Literal[
    "normal",
    "unacknowledged",
    "acknowledged",
    "returned_unacknowledged",
    "shelved",
    "suppressed_by_design",
    "out_of_service",
]


class Episodes(BaseModel):
    """A page of episodes; with a filter by state a page may be short and still have a next one."""

    items: list[EpisodeItem]
    next: str | None = None


class EvidenceItem(BaseModel):
    """One piece of evidence of an episode."""

    finding_id: UUID
    detector: str
    signature: str
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None
    peak: float
    severity: str


class AffectedItem(BaseModel):
    """Evidence on another asset that this alarm explains."""

    asset: AssetOfFinding
    finding_id: UUID
    signature: str
    reason: str
    since: datetime


class ToldItem(BaseModel):
    """Somebody who was told."""

    person: PersonRef | None
    at: datetime
    channel: str
    state: str
    step: int
    round: int


class EpisodeDetail(EpisodeItem):
    """An episode with its newest evidence, what it explains elsewhere, and who was told."""

    evidence: list[EvidenceItem]
    affected: list[AffectedItem]
    notifications: list[ToldItem]


class Acknowledgement(BaseModel):
    """What the person has to say."""

    note: str | None = Field(default=None, max_length=MAX_NOTE)


class Shelving(BaseModel):
    """For how long and why."""

    minutes: int = Field(ge=1, le=MAX_MINUTES)
    reason: str = Field(min_length=1, max_length=MAX_REASON)


@router.get("/episodes", operation_id="list_episodes")
def list_episodes(
    here: Here,
    asset_id: UUID | None = None,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
    alarm_state: AlarmState | None = None,
    severity: Literal["info", "warning", "critical"] | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Episodes:
    """List episodes, newest first; `open=true` only those without an outcome."""
    here.require("finding.read")
    query = select(Episode).order_by(Episode.id.desc()).limit(limit + 1)
    if asset_id is not None:
        query = query.where(Episode.asset_id == asset_id)
    if is_open is not None:
        query = query.where(Episode.closed_at.is_(None) if is_open else Episode.closed_at.is_not(None))
    if severity is not None:
        query = query.where(Episode.severity == severity)
    if alarm_state is not None:
        query = _of_state(query, alarm_state)
    if after is not None:
        query = query.where(Episode.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    items = [item for item in episode_items(here, page) if alarm_state in (None, item.alarm_state)]
    return Episodes(items=items, next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.get("/episodes/{episode_id}", operation_id="get_episode")
def get_episode(episode_id: UUID, here: Here) -> EpisodeDetail:
    """One episode with all that belongs to it."""
    here.require("finding.read")
    return _detail(here, _episode(here, episode_id))


@router.post("/episodes/{episode_id}/acknowledge", operation_id="acknowledge_episode")
def acknowledge_episode(episode_id: UUID, body: Acknowledgement, here: Here) -> EpisodeDetail:
    """Say that the alarm was seen: nobody else is asked any more."""
    here.require("alarm.acknowledge")
    episode = acknowledge(here.session, _episode(here, episode_id), here.now, by=here.actor, note=body.note)
    return _detail(here, episode)


@router.post("/episodes/{episode_id}/shelve", operation_id="shelve_episode")
def shelve_episode(episode_id: UUID, body: Shelving, here: Here) -> EpisodeDetail:
    """Put the alarm aside for a while; its evidence goes on being counted, nothing new opens for it."""
    here.require("alarm.shelve")
    episode = _episode(here, episode_id)
    if episode.closed_at is not None:
        raise IllegalMove("the alarm is closed", state="closed", to="shelved", legal=[])
    until = here.now + timedelta(minutes=body.minutes)
    asset = here.session.get_one(Asset, episode.asset_id)
    hold_alarm(here.session, asset, SHELVED, body.reason, here.now, key=episode.key, until=until, by=here.actor)
    return _detail(here, episode)


@router.post("/episodes/{episode_id}/unshelve", operation_id="unshelve_episode")
def unshelve_episode(episode_id: UUID, here: Here) -> EpisodeDetail:
    """Let the alarm speak again before its time is over."""
    here.require("alarm.shelve")
    episode = _episode(here, episode_id)
    for hold in standing_holds(here.session, [episode.asset_id], here.now):
        if hold.kind == SHELVED and hold.key == episode.key:
            end_hold(here.session, hold, here.now, by=here.actor)
    return _detail(here, episode)


def _of_state(query: Select[Episode], state: str) -> Select[Episode]:
    """Narrow by what the state needs at least; the exact state is worked out per row."""
    if state == "normal":
        return query.where(Episode.closed_at.is_not(None) | Episode.acknowledged_at.is_not(None))
    query = query.where(Episode.closed_at.is_(None))
    if state in ("shelved", "out_of_service"):
        held = exists().where(
            AlarmHold.asset_id == Episode.asset_id, AlarmHold.kind == state, AlarmHold.ended_at.is_(None)
        )
        return query.where(held)
    if state == "acknowledged":
        return query.where(Episode.acknowledged_at.is_not(None), Episode.state == "open")
    if state in ("unacknowledged", "returned_unacknowledged"):
        lasts = "open" if state == "unacknowledged" else "cleared"
        return query.where(Episode.acknowledged_at.is_(None), Episode.state == lasts)
    return query


def _episode(here: Context, episode_id: UUID) -> Episode:
    episode = here.session.get(Episode, episode_id)
    if episode is None:
        raise NotFound("no such episode", kind="episode")
    return episode


def _detail(here: Context, episode: Episode) -> EpisodeDetail:
    items = episode_items(here, [episode])
    if not items:
        raise NotFound("no such episode", kind="episode")
    return EpisodeDetail(
        **items[0].model_dump(),
        evidence=_evidence(here, episode),
        affected=_affected(here, episode),
        notifications=_told(here, episode),
    )


def _evidence(here: Context, episode: Episode) -> list[EvidenceItem]:
    found = (
        select(Finding)
        .join(EpisodeFinding, EpisodeFinding.finding_id == Finding.id)
        .where(EpisodeFinding.episode_id == episode.id)
        .order_by(Finding.first_at.desc(), Finding.id.desc())
        .limit(MAX_EVIDENCE)
    )
    return [
        EvidenceItem(
            finding_id=row.id,
            detector=row.detector,
            signature=row.signature,
            first_at=row.first_at,
            last_at=row.last_at,
            cleared_at=row.cleared_at,
            peak=row.peak,
            severity=row.severity,
        )
        for row in here.session.scalars(found)
    ]


def _affected(here: Context, episode: Episode) -> list[AffectedItem]:
    found = (
        select(Finding, Asset)
        .join(Asset, Asset.id == Finding.asset_id)
        .where(
            Finding.cleared_at.is_(None),
            Finding.decision_reason.in_((PARENT, NEIGHBOUR)),
            Finding.decision_params["episode"].astext == str(episode.id),
        )
        .order_by(Finding.first_at, Finding.id)
        .limit(MAX_AFFECTED)
    )
    return [
        AffectedItem(
            asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
            finding_id=row.id,
            signature=row.signature,
            reason=row.decision_reason or "",
            since=row.first_at,
        )
        for row, asset in here.session.execute(found)
    ]


def _told(here: Context, episode: Episode) -> list[ToldItem]:
    told = (Notification.episode_id == episode.id, Notification.person_id.is_not(None))
    found = select(Notification).where(*told).order_by(Notification.id).limit(500)
    rows = here.session.scalars(found).all()
    people = people_refs(here, [row.person_id for row in rows])
    return [
        ToldItem(
            person=people.get(row.person_id) if row.person_id else None,
            at=row.sent_at or row.created_at,
            channel=row.channel,
            state=row.state,
            step=int(row.params.get("step", 0)) + 1,
            round=int(row.params.get("round", 0)) + 1,
        )
        for row in rows
    ]
