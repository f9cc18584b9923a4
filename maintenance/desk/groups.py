"""Load what may go together: planned work with room to move, machines that stand still anyway, past travel by site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.registry import Asset
from assets.states import StateInterval
from maintenance.alarm_models import MaintenanceWindow
from maintenance.desk.grouping import DAY_MINUTES, Chance, Piece, Proposal, propose, slots
from maintenance.desk.loading import Loaded, load_pieces
from maintenance.plans.recurrence import to_instant, to_local
from maintenance.plans.tables import MaintenancePlan, Occurrence
from ticketing.models import Visit, WorkOrder
from ticketing.order_models import WorkOrderLine
from ticketing.order_states import LIVE_VISITS

MOST_DAYS = 92
MAX_PIECES = 3000
MAX_OPEN_DAYS = 120
LONG_MINUTES = 240  # work from which on a machine stands still long enough for other work
PAST = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Groups:
    """Proposals with the work that they name; `cut`: there was more than one look takes in."""

    proposals: list[Proposal]
    loaded: dict[UUID, Loaded]
    cut: bool

    def moves(self, proposal: Proposal) -> dict[UUID, datetime]:
        """Return where each piece goes that has to: one after the other, in the local morning."""
        going = {each.id for each in proposal.moves}
        placed = slots(proposal.pieces, proposal.day)
        return {each.id: to_instant(local, self.loaded[each.id].zone) for each, local in placed if each.id in going}


def find_groups(
    session: Session, now: datetime, days: int = 60, *, site_id: UUID | None = None, skill: str | None = None
) -> Groups:
    """Return proposals for planned work of the next days. Raises Invalid for more than MOST_DAYS."""
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(f"1 to {MOST_DAYS} days", field="days", most=MOST_DAYS)
    today = now.astimezone(UTC).date()
    query = (
        select(Occurrence, Asset.site_id)
        .join(Asset, Asset.id == Occurrence.asset_id)
        .join(MaintenancePlan, MaintenancePlan.id == Occurrence.plan_id)
        .where(
            Occurrence.due_on >= today - timedelta(days=1),
            Occurrence.due_on <= today + timedelta(days=days),
            Occurrence.state == "planned",
            MaintenancePlan.state == "active",
            Asset.site_id.is_not(None) if site_id is None else Asset.site_id == site_id,
        )
        .order_by(Occurrence.due_on, Occurrence.id)
        .limit(MAX_PIECES + 1)
    )
    found = session.execute(query).all()
    rows, sites = [row for row, _ in found[:MAX_PIECES]], {row.id: site for row, site in found}
    loaded = load_pieces(session, rows)
    pieces, open_days = [], {}
    for each in loaded.values():
        if (site := sites.get(each.piece.id)) is None:
            continue
        piece = _piece(each, site)
        if skill is not None and piece.skill != skill:
            continue
        pieces.append(piece)
        if (allowed := _open_days(each, piece)) is not None:
            open_days[piece.id] = allowed
    chances = _chances(session, {piece.asset_id for piece in pieces}, loaded, now, today + timedelta(days=days))
    travel = travel_by_site(session, {piece.site_id for piece in pieces}, now)
    return Groups(propose(pieces, chances, travel, today, open_days=open_days), loaded, len(found) > MAX_PIECES)


def travel_by_site(session: Session, sites: set[UUID], now: datetime) -> dict[UUID, float]:
    """Return the mean minutes of travel that orders at a site took in the past year, where any were written down."""
    per_order = (
        select(WorkOrder.site_id, func.sum(WorkOrderLine.minutes).label("minutes"))
        .join(WorkOrder, WorkOrder.id == WorkOrderLine.work_order_id)
        .where(
            WorkOrder.site_id.in_(sites),
            WorkOrderLine.kind == "travel",
            WorkOrderLine.state != "rejected",
            WorkOrderLine.minutes.is_not(None),
            WorkOrder.opened_at > now - PAST,
        )
        .group_by(WorkOrder.id, WorkOrder.site_id)
        .subquery()
    )
    means = select(per_order.c.site_id, func.avg(per_order.c.minutes)).group_by(per_order.c.site_id)
    return {site: float(minutes) for site, minutes in session.execute(means)}


def _piece(each: Loaded, site_id: UUID) -> Piece:
    minutes = each.piece.minutes
    skill = Counter(minutes).most_common(1)[0][0]
    first, last = _window(each)
    return Piece(each.piece.id, each.piece.asset_id, site_id, skill, each.piece.day, first, last, sum(minutes.values()))


def _window(each: Loaded) -> tuple[date, date]:
    """The local days whose working hours lie within the window; its own day always does."""
    day, piece = each.piece.day, each.piece
    first = last = day
    if piece.earliest is not None:
        begins = to_local(piece.earliest, each.zone)
        first = min(begins.date() + timedelta(days=int(begins.time() > time(8))), day)
    if piece.latest is not None:
        ends = to_local(piece.latest, each.zone)
        whole = ends.hour * 60 + ends.minute >= 8 * 60 + DAY_MINUTES
        last = max(ends.date() - timedelta(days=int(not whole)), day)
    # Halfway to its neighbours of the same plan and no farther: two of a kind never meet or pass each other.
    if piece.before is not None:
        middle = each.local(piece.before + (piece.at - piece.before) / 2)
        first = max(first, min(middle + timedelta(days=1), day))
    if piece.after is not None:
        middle = each.local(piece.at + (piece.after - piece.at) / 2)
        last = min(last, max(middle - timedelta(days=1), day))
    return first, last


def _open_days(each: Loaded, piece: Piece) -> frozenset[date] | None:
    days = each.piece.days
    if not (days.seasons or days.blackouts or days.is_working):
        return None
    count = min((piece.last - piece.first).days, MAX_OPEN_DAYS)
    every = (piece.first + timedelta(days=number) for number in range(count + 1))
    return frozenset(day for day in every if days.allow(day))


def _chances(
    session: Session, assets: set[UUID], loaded: dict[UUID, Loaded], now: datetime, until: date
) -> list[Chance]:
    zones = {each.piece.asset_id: each.zone for each in loaded.values()}
    found = [*_down(session, assets, now), *_visits(session, assets, now, until), *_windows(session, assets, now)]
    chances = [
        Chance(asset, to_local(begin, zones[asset]).date(), to_local(end, zones[asset]).date(), kind, ref, label)
        for asset, begin, end, kind, ref, label in found
        if asset in zones and end >= now
    ]
    for each in loaded.values():
        if sum(each.piece.minutes.values()) >= LONG_MINUTES:
            day = each.piece.day
            chances.append(Chance(each.piece.asset_id, day, day, "work", each.piece.id, each.plan.code))
    return chances


Stop = tuple[UUID, datetime, datetime, str, UUID, str]


def _down(session: Session, assets: set[UUID], now: datetime) -> Sequence[Stop]:
    """Machines that are down now: today and tomorrow; nobody knows how long it lasts."""
    query = select(StateInterval.asset_id, StateInterval.id).where(
        StateInterval.asset_id.in_(assets),
        StateInterval.axis == "operation",
        StateInterval.state == "down",
        StateInterval.valid_to.is_(None),
    )
    return [(asset, now, now + timedelta(days=1), "down", key, "") for asset, key in session.execute(query)]


def _visits(session: Session, assets: set[UUID], now: datetime, until: date) -> Sequence[Stop]:
    """Long visits that are planned on a machine."""
    query = (
        select(WorkOrder.asset_id, Visit.planned_start, Visit.planned_end, WorkOrder.id, WorkOrder.number)
        .join(WorkOrder, WorkOrder.id == Visit.work_order_id)
        .where(
            WorkOrder.asset_id.in_(assets),
            Visit.state.in_(LIVE_VISITS),
            Visit.planned_end > now,
            Visit.planned_start < datetime.combine(until, time(), UTC),
            Visit.planned_end - Visit.planned_start >= timedelta(minutes=LONG_MINUTES),
        )
    )
    found: list[Stop] = []
    for asset, begin, end, key, number in session.execute(query):
        if begin is not None and end is not None:
            found.append((asset, begin, end, "work", key, number))
    return found


def _windows(session: Session, assets: set[UUID], now: datetime) -> Sequence[Stop]:
    """Maintenance windows of a machine, once and for all."""
    query = select(MaintenanceWindow).where(
        MaintenanceWindow.asset_id.in_(assets),
        MaintenanceWindow.hours.is_(None),
        or_(MaintenanceWindow.ends_at.is_(None), MaintenanceWindow.ends_at > now),
    )
    found: list[Stop] = []
    for each in session.scalars(query):
        if each.asset_id is not None and each.ends_at is not None:
            found.append((each.asset_id, each.starts_at, each.ends_at, "window", each.id, each.name))
    return found
