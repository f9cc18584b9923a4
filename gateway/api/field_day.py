"""GET /sync/changes: a technician's whole day in one answer, for a phone that may lose its network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import func, or_, select, text

from assets.base.db import service_rights
from assets.base.errors import Invalid
from assets.base.events import OLDEST_RUNNING, Event
from assets.people import Person
from assets.registry import Asset, Site
from assets.stock.items import Part
from assets.stock.tables import StockBalance
from gateway.api.deps import Context, Here
from gateway.api.evidence import EvidenceItem, evidence_items
from gateway.api.help_requests import HelpItem, help_items
from gateway.api.order_procedures import RunItem, run_items
from gateway.api.outcome_picks import LastFix, OutcomePicks, fix_items, picks_for
from gateway.api.work_order_rows import VisitItem, WorkOrderDetail, detail_of, people_by_id, visit_item
from gateway.api.work_orders import caller
from ticketing.evidence.tables import Evidence
from ticketing.failure_words import ACTIONS, CAUSES
from ticketing.help_requests import help_of
from ticketing.models import Visit, WorkOrder
from ticketing.order_lines import CATEGORIES
from ticketing.order_models import WorkOrderPerson
from ticketing.past_fixes import likely_fixes
from ticketing.people.profiles import profiles_of
from ticketing.procedures.models import ProcedureRun
from ticketing.visit_places import WITHOUT, place_of
from ticketing.work_orders import CANNOT_COMPLETE_REASONS, HOLD_REASONS, LIVE_VISITS, OPEN_STATES, OUTCOMES

router = APIRouter(prefix="/api/v1/sync", tags=["sync"])

DAYS = 8  # today and the seven next ones
MAX_ORDERS = 60
MAX_VISITS = 200
MAX_PARTS = 500  # on the van
FIXES = 5  # of each order
_MINE = (*OPEN_STATES, "completed")  # what is documented has left the phone


class DayPlace(BaseModel):
    """Where to go (WGS 84): the machine's own place, else its site's."""

    latitude_deg: float
    longitude_deg: float
    accuracy_m: float
    source: str


class DayVisit(VisitItem):
    """A visit with what a list, a map and a calendar need."""

    number: str
    order_state: str
    priority: str
    asset_id: UUID
    asset_name: str
    asset_serial: str
    site_name: str | None
    site_address: str | None
    place: DayPlace | None


class DayPart(BaseModel):
    """An item that is on the technician's van."""

    id: UUID
    number: str
    name_en: str
    name_zh: str
    unit: str
    on_van: float


class Words(BaseModel):
    """A code with its names."""

    code: str
    name_en: str
    name_zh: str


class FieldWords(BaseModel):
    """The words that forms choose from."""

    outcomes: list[str]
    cannot_complete_reasons: list[str]
    hold_reasons: list[str]
    line_categories: dict[str, list[str]]
    no_place_reasons: list[str]
    causes: list[Words]
    actions: list[Words]


class FieldDay(BaseModel):
    """The phone's day. `since` is sent with the next question; `order_ids` names all orders that are the caller's now.

    Without `whole`, orders that did not change are left out, with their checklists, photos and calls.
    """

    server_time: datetime
    since: str
    whole: bool
    from_: datetime
    until: datetime
    time_zone: str
    order_ids: list[UUID]
    visits: list[DayVisit]
    orders: list[WorkOrderDetail]
    procedures: list[RunItem]
    evidence: list[EvidenceItem]
    help: list[HelpItem]
    picks: dict[UUID, OutcomePicks]
    last_fixes: dict[UUID, list[LastFix]]
    parts: list[DayPart]
    words: FieldWords


@router.get("/changes", operation_id="get_field_day")
def field_day(
    here: Here, since: Annotated[str | None, Query(max_length=20, description="as the last answer said")] = None
) -> FieldDay:
    """Today's and the next seven days' work of the caller, with all that is needed to do it without a network."""
    here.require("sync.write")
    person = caller(here)
    if since is not None and not since.isdecimal():
        raise Invalid("`since` is what the last answer said", field="since")
    # Read first: what is written while this is put together is told the next time.
    seen_to = str(here.session.scalar(text(f"SELECT {OLDEST_RUNNING}")))
    zone = _zone(here, person)
    start = datetime.combine(here.now.astimezone(zone).date(), time(), zone).astimezone(UTC)
    until = start + timedelta(days=DAYS)
    visits = _visits(here, person, start, until)
    orders = _orders(here, person, _most_pressing(visits, start))
    touched = None if since is None else _touched(here, orders, int(since))
    changed = [order for order in orders if touched is None or order.id in touched]
    ids = [order.id for order in changed]
    assets = {
        row.id: row for row in here.session.scalars(select(Asset).where(Asset.id.in_({o.asset_id for o in orders})))
    }
    return FieldDay(
        server_time=here.now,
        since=seen_to,
        whole=since is None,
        from_=start,
        until=until,
        time_zone=str(zone),
        order_ids=[order.id for order in orders],
        visits=_day_visits(here, visits, orders, assets),
        orders=[detail_of(here, order) for order in changed],
        procedures=_runs(here, ids),
        evidence=_photos(here, ids),
        help=help_items(here, help_of(here.session, ids)),
        picks={o.id: picks_for(here, o, assets[o.asset_id]) for o in changed if o.asset_id in assets},
        last_fixes={o.id: _fixes(here, o, assets[o.asset_id]) for o in changed if o.asset_id in assets},
        parts=_parts(here, person),
        words=_words(),
    )


def _visits(here: Context, person: Person, start: datetime, until: datetime) -> list[Visit]:
    """Planned in these days or begun and not ended; what ended today is shown as done."""
    at = func.coalesce(Visit.planned_start, Visit.scheduled_at)
    mine = select(Visit).where(
        Visit.technician_id == person.id,
        or_(
            Visit.state.in_(LIVE_VISITS) & (at < until),
            Visit.state.not_in(LIVE_VISITS) & (Visit.finished_at >= start),
        ),
    )
    return list(here.session.scalars(mine.order_by(at, Visit.id).limit(MAX_VISITS)))


def _most_pressing(visits: Sequence[Visit], start: datetime) -> list[UUID]:
    """Return the visits' orders: those under way, then today's and what is planned, then what is late or has ended."""

    def rank(visit: Visit) -> int:
        if visit.state not in LIVE_VISITS:
            return 2
        if visit.state != "scheduled":
            return 0
        at = visit.planned_start or visit.scheduled_at
        return 1 if at is not None and at >= start else 2

    return list(dict.fromkeys(visit.work_order_id for visit in sorted(visits, key=rank)))[:MAX_ORDERS]


def _orders(here: Context, person: Person, of_visits: Sequence[UUID]) -> list[WorkOrder]:
    """Return the orders of the visits, then the newest other ones that are the caller's."""
    helps = select(WorkOrderPerson.work_order_id).where(WorkOrderPerson.person_id == person.id)
    mine = or_(WorkOrder.assignee_id == person.id, WorkOrder.id.in_(helps)) & WorkOrder.state.in_(_MINE)
    found = (
        select(WorkOrder)
        .where(or_(mine, WorkOrder.id.in_(of_visits)))
        .order_by(WorkOrder.id.in_(of_visits).desc(), WorkOrder.id.desc())
    )
    return list(here.session.scalars(found.limit(MAX_ORDERS)))


def _touched(here: Context, orders: Sequence[WorkOrder], since: int) -> set[UUID]:
    """Return the orders about which, or about whose case, visits and checklists, something was written since."""
    ids = [order.id for order in orders]
    of: dict[UUID, set[UUID]] = {key: {key} for key in ids}
    for table, column in ((Visit, Visit.work_order_id), (ProcedureRun, ProcedureRun.subject_id)):
        rows = here.session.execute(select(table.id, column).where(column.in_(ids)))
        of |= {key: {order} for key, order in rows}
    for order in orders:
        if order.case_id is not None:
            of.setdefault(order.case_id, set()).add(order.id)
    changed = select(Event.subject_id).where(Event.subject_id.in_(of), Event.xid >= since).distinct()
    with service_rights(here.session):  # what a customer adds to a case is no event of whoever carries the order out
        return {order for key in here.session.scalars(changed) for order in of[key]}


def _day_visits(
    here: Context, visits: Sequence[Visit], orders: Sequence[WorkOrder], assets: dict[UUID, Asset]
) -> list[DayVisit]:
    by_id = {order.id: order for order in orders}
    keys = {order.site_id for order in orders if order.site_id}
    sites = {row.id: row for row in here.session.scalars(select(Site).where(Site.id.in_(keys)))}
    people = people_by_id(here, {visit.technician_id for visit in visits})
    shown = []
    for visit in visits:
        order = by_id.get(visit.work_order_id)
        if order is None:
            continue
        asset = assets.get(order.asset_id)
        site = sites.get(order.site_id) if order.site_id else None
        place = place_of(asset, site)
        shown.append(
            DayVisit(
                **visit_item(visit, people).model_dump(),
                number=order.number,
                order_state=order.state,
                priority=order.priority,
                asset_id=order.asset_id,
                asset_name=asset.name if asset else "—",
                asset_serial=asset.serial if asset else "—",
                site_name=site.name if site else None,
                site_address=site.address if site else None,
                place=DayPlace(**_plain(place)) if place else None,
            )
        )
    return shown


def _plain(place: Any) -> dict[str, Any]:
    return {name: getattr(place, name) for name in DayPlace.model_fields}


def _runs(here: Context, ids: Sequence[UUID]) -> list[RunItem]:
    mine = select(ProcedureRun).where(ProcedureRun.subject_id.in_(ids), ProcedureRun.removed_at.is_(None))
    return run_items(here, list(here.session.scalars(mine.order_by(ProcedureRun.id).limit(200))))


def _photos(here: Context, ids: Sequence[UUID]) -> list[EvidenceItem]:
    mine = select(Evidence).where(Evidence.work_order_id.in_(ids), Evidence.state.in_(("waiting", "kept", "refused")))
    return evidence_items(here, list(here.session.scalars(mine.order_by(Evidence.captured_at).limit(1000))))


def _fixes(here: Context, order: WorkOrder, asset: Asset) -> list[LastFix]:
    return fix_items(here, asset, likely_fixes(here.session, order, asset, FIXES)[0])


def _parts(here: Context, person: Person) -> list[DayPart]:
    profile = profiles_of(here.session, [person.id]).get(person.id)
    van = profile.van_location_id if profile else None
    if van is None:
        return []
    on_van = func.sum(StockBalance.quantity)
    held = (
        select(Part, on_van)
        .join(StockBalance, StockBalance.part_id == Part.id)
        .where(StockBalance.location_id == van)
        .group_by(Part.id)
        .having(on_van > 0)
        .order_by(Part.number)
        .limit(MAX_PARTS)
    )
    same = ("id", "number", "name_en", "name_zh", "unit")
    return [
        DayPart(**{name: getattr(part, name) for name in same}, on_van=float(quantity))
        for part, quantity in here.session.execute(held)
    ]


def _words() -> FieldWords:
    causes, actions = (
        [Words(code=code, name_en=en, name_zh=zh) for code, (en, zh) in table.items()] for table in (CAUSES, ACTIONS)
    )
    return FieldWords(
        outcomes=list(OUTCOMES),
        cannot_complete_reasons=list(CANNOT_COMPLETE_REASONS),
        hold_reasons=list(HOLD_REASONS),
        line_categories={kind: list(words) for kind, words in CATEGORIES.items()},
        no_place_reasons=list(WITHOUT),
        causes=causes,
        actions=actions,
    )


def _zone(here: Context, person: Person) -> tzinfo:
    profile = profiles_of(here.session, [person.id]).get(person.id)
    try:
        return ZoneInfo(profile.time_zone) if profile and profile.time_zone else ZoneInfo("UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
