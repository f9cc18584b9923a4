"""Remote diagnosis over HTTP: begin from a case or a finding, note what is looked at, end with an outcome."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import exists, select

from assets.base.errors import Conflict, Invalid, NotFound
from assets.registry import Asset
from gateway.api.case_rows import AssetOfCase, CaseRef
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, Ref, named, named_assets, person_names, seen
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from ingest.store.read import latest_values
from ingest.store.stretch import read_stretch
from maintenance.models import Episode, EpisodeFinding, Finding, WorkLink
from ticketing.cases.cases import OPEN_STATES, get_case, open_case
from ticketing.cases.claims import check_free
from ticketing.cases.remote import MAX_METRIC, OUTCOMES, get_session, note_look, start_session
from ticketing.cases.sides import require_staff
from ticketing.cases.tables import Case, RemoteSession
from ticketing.cases.threads import post
from ticketing.cases.words import MAX_NOTE
from ticketing.intake import end_remote_session
from ticketing.models import WorkOrder
from ticketing.words import one_of

router = APIRouter(prefix="/api/v1", tags=["remote diagnosis"])

WINDOW = timedelta(hours=1)  # looked at when nobody says which
MAX_WINDOW = timedelta(days=31)
POINTS = 120  # of one metric in a snapshot: what a page draws of it
MAX_KEPT = 30  # metrics in a snapshot


class NewRemoteSession(BaseModel):
    """From a case, or from a finding, which makes a case when none is open for it; `asset_id` when a case has none."""

    case_id: UUID | None = None
    finding_id: UUID | None = None
    asset_id: UUID | None = None


class RemoteLook(BaseModel):
    """A metric that somebody looked at; the last hour when no window is given."""

    metric: str = Field(min_length=1, max_length=MAX_METRIC)
    start: Moment | None = Field(default=None, alias="from")
    end: Moment | None = Field(default=None, alias="until")


class RemoteSessionEnd(BaseModel):
    """How it ended. `tell_customer`: what was advised goes into the thread as a public message too."""

    outcome: str
    advised: str | None = Field(default=None, max_length=MAX_NOTE)
    repair_code: str | None = Field(default=None, max_length=100)
    tell_customer: bool = False


class RemoteSessionItem(BaseModel):
    """A session: what was looked at, what was seen, what was advised."""

    id: UUID
    case: CaseRef
    asset: AssetOfCase
    finding_id: UUID | None
    state: str
    looks: list[dict[str, Any]]
    snapshot: dict[str, Any] | None
    advised: str | None
    outcome: str | None
    started_at: datetime
    started_by: Ref | None
    ended_at: datetime | None
    ended_by: Ref | None
    ended_orders: list[str] = []


class RemoteSessions(BaseModel):
    """A page of sessions."""

    items: list[RemoteSessionItem]
    next: str | None = None


@router.get("/remote-sessions", operation_id="list_remote_sessions")
def list_remote_sessions(
    here: Here,
    case_id: UUID | None = None,
    asset_id: UUID | None = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
    limit: Limit = 50,
    after: After = None,
) -> RemoteSessions:
    """List sessions, newest first."""
    here.require("remote_session.run")
    query = select(RemoteSession).order_by(RemoteSession.id.desc()).limit(limit + 1)
    for column, value in (
        (RemoteSession.case_id, case_id),
        (RemoteSession.asset_id, asset_id),
        (RemoteSession.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(RemoteSession.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return RemoteSessions(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.get("/remote-sessions/{session_id}", operation_id="get_remote_session")
def get_remote_session(session_id: UUID, here: Here) -> RemoteSessionItem:
    """Show one session."""
    here.require("remote_session.run")
    return _items(here, [get_session(here.session, session_id)])[0]


@router.post("/remote-sessions", operation_id="start_remote_session", status_code=201)
def start_remote_session(body: NewRemoteSession, here: Here) -> RemoteSessionItem:
    """Begin to look at a machine from the desk; a case has one session at a time, and starting again returns it."""
    here.require("remote_session.run")
    finding = named(here, Finding, body.finding_id, "finding_id")
    case = _case(here, body, finding)
    require_staff(here.session, case, here.actor)
    check_free(here.session, case, here.now, by=here.actor)
    asset = here.session.get(Asset, _asset_id(body, finding, case))
    if asset is None:
        raise NotFound("no such asset", kind="asset")
    remote = start_session(
        here.session, case, asset, here.now, by=here.actor, finding_id=finding.id if finding else None
    )
    return _items(here, [remote])[0]


@router.post("/remote-sessions/{session_id}/looks", operation_id="note_remote_look")
def note_remote_look(session_id: UUID, body: RemoteLook, here: Here) -> RemoteSessionItem:
    """Note that a metric of the machine was looked at, and over which window."""
    here.require("remote_session.run")
    remote = _running(here, session_id)
    end = body.end or here.now
    start = body.start or end - WINDOW
    if end - start > MAX_WINDOW:
        raise Invalid("a window is at most 31 days", field="from")
    measured = latest_values(here.session, [remote.asset_id]).get(remote.asset_id, [])
    if body.metric not in {latest.metric for latest in measured}:
        raise NotFound(f"this asset has no metric {body.metric!r}", kind="metric", metric=body.metric)
    return _items(here, [note_look(here.session, remote, body.metric, start, end, here.now, by=here.actor)])[0]


@router.post("/remote-sessions/{session_id}/end", operation_id="end_remote_session")
def end_one_session(session_id: UUID, body: RemoteSessionEnd, here: Here) -> RemoteSessionItem:
    """End a session with its outcome and keep what was seen.

    Fixed or found sound from afar ends the orders of the case that nobody has begun, with the outcome that models
    learn from, and closes the case when nothing else is under way.
    """
    here.require("remote_session.run")
    one_of("outcome", body.outcome, OUTCOMES)
    remote = _running(here, session_id)
    case = get_case(here.session, remote.case_id)
    ended = end_remote_session(
        here.session,
        remote,
        body.outcome,
        here.now,
        by=here.actor,
        advised=body.advised,
        snapshot=_snapshot(here, remote),
        repair_code=body.repair_code,
    )
    for order in ended:
        _link(here, case, order)
    if body.advised and body.advised.strip():
        visibility = "public" if body.tell_customer else "internal"
        post(here.session, case, text=body.advised, now=here.now, by=here.actor, visibility=visibility)
    return _items(here, [remote])[0].model_copy(update={"ended_orders": [order.number for order in ended]})


def _running(here: Context, session_id: UUID) -> RemoteSession:
    remote = get_session(here.session, session_id, lock=True)
    require_staff(here.session, get_case(here.session, remote.case_id), here.actor)
    return remote


def _case(here: Context, body: NewRemoteSession, finding: Finding | None) -> Case:
    if body.case_id is not None:
        return get_case(here.session, body.case_id, lock=True)
    if finding is None:
        raise Invalid("name a case or a finding", field="case_id")
    episode_id = here.session.scalar(
        select(EpisodeFinding.episode_id)
        .where(EpisodeFinding.finding_id == finding.id)
        .order_by(EpisodeFinding.episode_id)
        .limit(1)
    )
    origin_ref = episode_id or finding.id
    known = select(Case).where(Case.origin == "finding", Case.origin_ref == origin_ref, Case.state.in_(OPEN_STATES))
    there = here.session.scalar(known.order_by(Case.id).limit(1))
    if there is not None:
        return there
    asset = here.session.get_one(Asset, finding.asset_id)
    return open_case(
        here.session,
        organisation_id=asset.organisation_id,
        channel="finding",
        text=f"{asset.name}: {finding.signature} ({finding.detector})",
        now=here.now,
        by=here.actor,
        asset=asset,
        origin="finding",
        origin_ref=origin_ref,
        priority={"critical": "urgent", "warning": "high"}.get(finding.severity, "normal"),
    )


def _asset_id(body: NewRemoteSession, finding: Finding | None, case: Case) -> UUID:
    asset_id = case.asset_id or (finding.asset_id if finding else None) or body.asset_id
    if asset_id is None:
        raise Invalid(f"{case.number} has no asset yet: say which", field="asset_id")
    if body.asset_id is not None and body.asset_id != asset_id:
        raise Conflict(f"{case.number} is not about this asset", what="asset")
    return asset_id


def _snapshot(here: Context, remote: RemoteSession) -> dict[str, Any]:
    """What was seen: each metric over the window in which it was looked at, thinned to what a page draws."""
    kept = []
    for look in remote.looks[:MAX_KEPT]:
        start, end = datetime.fromisoformat(look["from"]), datetime.fromisoformat(look["until"])
        stretch = read_stretch(here.session, remote.asset_id, look["metric"], start, end, POINTS)
        if stretch is None:
            continue
        points = [[point.t.isoformat(), point.min, point.max, point.mean] for point in stretch.points]
        kept.append(
            {
                "metric": stretch.metric,
                "unit": stretch.unit,
                "from": look["from"],
                "until": look["until"],
                "count": sum(point.count for point in stretch.points),
                "points": points,
            }
        )
    return {"taken_at": here.now.isoformat(), "metrics": kept}


def _link(here: Context, case: Case, order: WorkOrder) -> None:
    """An order that ended from afar ends the alarm too: the episode knows it as its own."""
    episode = here.session.get(Episode, case.origin_ref) if case.origin == "finding" and case.origin_ref else None
    if episode is None:
        return
    linked = exists().where(WorkLink.episode_id == episode.id, WorkLink.work_order_id == order.id)
    if not here.session.scalar(select(linked)):
        here.session.add(
            WorkLink(
                organisation_id=episode.organisation_id,
                episode_id=episode.id,
                work_order_id=order.id,
                linked_at=here.now,
            )
        )
        here.session.flush()


def _items(here: Context, sessions: list[RemoteSession]) -> list[RemoteSessionItem]:
    here.session.flush()
    assets = named_assets(here, (remote.asset_id for remote in sessions))
    cases = {remote.case_id: seen(here, Case, remote.case_id, "case") for remote in sessions}
    people = person_names(here, [key for remote in sessions for key in (remote.started_by_id, remote.ended_by_id)])
    return [
        RemoteSessionItem(
            id=remote.id,
            case=CaseRef(id=remote.case_id, number=cases[remote.case_id].number),
            asset=AssetOfCase(
                id=remote.asset_id, name=assets[remote.asset_id].name, serial=assets[remote.asset_id].serial
            ),
            finding_id=remote.finding_id,
            state=remote.state,
            looks=remote.looks,
            snapshot=remote.snapshot,
            advised=remote.advised,
            outcome=remote.outcome,
            started_at=remote.started_at,
            started_by=people.get(remote.started_by_id) if remote.started_by_id else None,
            ended_at=remote.ended_at,
            ended_by=people.get(remote.ended_by_id) if remote.ended_by_id else None,
        )
        for remote in sessions
    ]
