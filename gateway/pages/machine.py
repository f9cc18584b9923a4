"""What a customer may know about a machine: its state in plain words and what was done, and nobody's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from assets.labels.codes import labelled_asset
from assets.registry import Asset, AssetModel, Site
from gateway.notify.journey import Way, way_of
from gateway.pages.public_documents import PublicDocument, public_documents
from gateway.pages.shown_reports import ShownReport, reports_of, shown_reports
from gateway.pages.warranty import Warranty, warranty_of
from ingest.roll_call import presence_of_assets
from ingest.store.read import latest_values
from maintenance.models import Episode
from ml.models import ScoringState
from ticketing.cases.files import CaseFile
from ticketing.cases.threads import FROM_CUSTOMER, messages_for_request
from ticketing.models import Request, Visit, WorkOrder
from ticketing.requests import find_by_tracking, follow
from ticketing.work_orders import OPEN_STATES

HISTORY = 10  # entries: what a person reads while standing in front of the machine
AWAY = frozenset({"offline", "stale"})
DONE_STATES = ("completed", "documented", "closed")


@dataclass(frozen=True, slots=True)
class Done:
    """One finished job: when, with what result, and why it was begun."""

    at: datetime
    outcome: str
    origin: str
    repaired: bool
    repair: dict[str, Any] | None  # the asset model's repair code with its names


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """All that the page shows; it holds no personal data."""

    code: str
    name: str
    serial: str
    model: dict[str, str] | None
    demo: bool
    time_zone: str
    at: datetime
    state: str
    noticed: dict[str, Any] | None
    since: datetime | None
    latest_visit: datetime | None
    history: tuple[Done, ...]
    warranty: Warranty
    documents: tuple[PublicDocument, ...] = ()
    reports: tuple[ShownReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One public message of a report's thread; `mine`: the sender of the report wrote it."""

    at: datetime
    text: str
    mine: bool
    files: tuple[tuple[str, str], ...] = ()  # id and name


@dataclass(frozen=True, slots=True)
class Report:
    """One report as its sender follows it. `open`: they may still write."""

    code: str
    machine: str
    time_zone: str
    number: str
    sent_at: datetime
    progress: str
    reason: str | None
    outcome: str | None
    repaired: bool
    thread: tuple[Line, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    reports: tuple[ShownReport, ...] = ()
    open: bool = True
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class OpenJob:
    """What matters here of an open work order."""

    state: str
    origin: str
    assigned: bool
    travelling: bool


def state_in_words(jobs: Sequence[OpenJob], *, trouble: bool, data: bool, learning: bool) -> str:
    """Return the code of the machine's state; what happens to it outweighs what is measured on it."""
    if any(job.travelling for job in jobs):
        return "on_the_way"
    states = {job.state for job in jobs}
    ours = any(job.origin == "finding" for job in jobs)
    if "in_progress" in states:
        return "working"
    if states & {"on_hold", "cannot_complete"}:
        return "attention"
    if any(job.state == "scheduled" or job.assigned for job in jobs):
        return "planned" if ours else "coming"
    if jobs:
        return "noticed" if ours else "arranging"
    if trouble:
        return "noticed"
    if not data:
        return "no_data"
    return "learning" if learning else "ok"


def find_asset(session: Session, code: str) -> Asset | None:
    """Return the asset whose label carries the code; case and blanks do not matter."""
    return labelled_asset(session, code)


def load_customer_page(session: Session, code: str, now: datetime) -> CustomerPage | None:
    """Return what the customer's page shows; None for an unknown code."""
    asset = find_asset(session, code)
    if asset is None:
        return None
    orders = _open_orders(session, asset)
    episode = session.scalar(
        select(Episode).where(Episode.asset_id == asset.id, Episode.closed_at.is_(None)).order_by(Episode.opened_at)
    )
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    site = session.get(Site, asset.site_id) if asset.site_id else None
    noticed = next((order for order in orders if order.noticed), None)
    since = noticed.since if noticed else episode.opened_at if episode else None
    return CustomerPage(
        code=asset.code,
        name=asset.name,
        serial=asset.serial,
        model={"en": model.name_en, "zh": model.name_zh} if model else None,
        demo=asset.demo,
        time_zone=site.time_zone if site else "UTC",
        at=now,
        state=state_in_words(
            _jobs(session, orders),
            trouble=episode is not None,
            data=_has_data(session, asset),
            learning=_is_learning(session, asset.id),
        ),
        noticed=noticed.noticed if noticed else None,
        since=since,
        latest_visit=_latest_visit(session, asset),
        history=_history(session, asset, model),
        warranty=warranty_of(session, asset, now),
        documents=public_documents(session, asset),
        reports=shown_reports(session, asset),
    )


def load_report(session: Session, code: str, tracking: str) -> Report | None:
    """Return a report's progress for whoever holds its link; None when the link is wrong."""
    asset = find_asset(session, code)
    request: Request | None = find_by_tracking(session, asset.id, tracking) if asset else None
    return report_of(session, request, asset) if asset is not None and request is not None else None


def report_of(session: Session, request: Request, asset: Asset | None) -> Report:
    """Return how far a request is, with its thread, files and reports; `asset`: its machine, None when it has none."""
    order = session.get(WorkOrder, request.work_order_id) if request.work_order_id else None
    site = session.get(Site, asset.site_id) if asset and asset.site_id else None
    progress = follow(session, request)
    return Report(
        code=asset.code if asset else "",
        machine=asset.name if asset else "",
        time_zone=site.time_zone if site else "UTC",
        number=request.number,
        sent_at=request.created_at,
        progress=progress,
        reason=request.decision_reason if progress == "rejected" else None,
        outcome=order.outcome if order and progress == "done" else None,
        repaired=bool(order and order.repair_code),
        thread=tuple(
            Line(
                message.at,
                message.text,
                message.request_id == request.id and message.author_kind in FROM_CUSTOMER,
                tuple(
                    (str(each["id"]), str(each.get("name", "")))
                    for each in message.attachments
                    if each["kind"] == "file"
                ),
            )
            for message in messages_for_request(session, request)
        ),
        files=_files(session, request),
        reports=reports_of(session, asset, order.id) if asset and order else (),
        open=progress != "rejected",
        way=way_of(session, request),
    )


def _files(session: Session, request: Request) -> tuple[tuple[str, str], ...]:
    """Return what was sent with the request itself."""
    came = select(CaseFile).where(
        CaseFile.request_id == request.id, CaseFile.message_id.is_(None), CaseFile.visibility == "public"
    )
    return tuple((str(each.id), each.file_name) for each in session.scalars(came.order_by(CaseFile.id).limit(50)))


def _of_owner(asset: Asset) -> ColumnElement[bool]:
    """Return what makes an order one of the machine's present owner: what the one before had done is his own."""
    return and_(WorkOrder.asset_id == asset.id, WorkOrder.organisation_id == asset.organisation_id)


def _open_orders(session: Session, asset: Asset) -> list[WorkOrder]:
    wanted = select(WorkOrder).where(_of_owner(asset), WorkOrder.state.in_(OPEN_STATES))
    return list(session.scalars(wanted.order_by(WorkOrder.opened_at).limit(50)))


def _jobs(session: Session, orders: Sequence[WorkOrder]) -> list[OpenJob]:
    ids = [order.id for order in orders]
    travelling = set(
        session.scalars(select(Visit.work_order_id).where(Visit.work_order_id.in_(ids), Visit.state == "travelling"))
    )
    return [
        OpenJob(order.state, order.origin, order.assignee_id is not None, order.id in travelling) for order in orders
    ]


def _has_data(session: Session, asset: Asset) -> bool:
    """Readings exist, and a device that brings them is there; a recorded machine needs none."""
    if not latest_values(session, [asset.id]).get(asset.id):
        return False
    presences = presence_of_assets(session, [asset.id]).get(asset.id, [])
    return bool(asset.custom.get("recorded_fleet")) or any(presence not in AWAY for presence in presences)


def _is_learning(session: Session, asset_id: UUID) -> bool:
    learning = session.scalar(select(ScoringState.learning).where(ScoringState.asset_id == asset_id))
    return not learning or learning.get("state", "learning") == "learning"


def _latest_visit(session: Session, asset: Asset) -> datetime | None:
    visits = (
        select(Visit.finished_at)
        .join(WorkOrder, WorkOrder.id == Visit.work_order_id)
        .where(_of_owner(asset), Visit.state == "completed", Visit.finished_at.is_not(None))
    )
    return session.scalar(visits.order_by(Visit.finished_at.desc()).limit(1))


def _history(session: Session, asset: Asset, model: AssetModel | None) -> tuple[Done, ...]:
    repairs = {code.get("code"): code for code in (model.repair_codes if model else [])}
    finished = select(WorkOrder).where(
        _of_owner(asset), WorkOrder.state.in_(DONE_STATES), WorkOrder.outcome.is_not(None)
    )
    rows = session.scalars(finished.order_by(WorkOrder.work_done_at.desc().nulls_last()).limit(HISTORY))
    return tuple(
        Done(
            at=order.work_done_at or order.closed_at or order.opened_at,
            outcome=order.outcome or "unknown",
            origin=order.origin,
            repaired=bool(order.repair_code),
            repair=repairs.get(order.repair_code),
        )
        for order in rows
    )
