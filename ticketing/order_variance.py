"""Orders against the norms of their procedures: what they took is read in a few statements for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.people import Organisation
from assets.registry import Asset, Site
from assets.stock.items import Part
from assets.stock.tools import Tool, ToolHours
from assets.stock.usages import PartUsage
from ticketing.models import WorkOrder
from ticketing.order_models import WorkOrderLine
from ticketing.people.tables import TechnicianProfile
from ticketing.procedures.models import Procedure, ProcedureRun
from ticketing.procedures.norms import Norms, combined, norms_of
from ticketing.procedures.variance import Actual, Taken, Variance, Worked, combined_cost, compare

MAX_ORDERS = 20_000  # of one question
GROUPS = ("none", "procedure", "version", "technician", "asset_model", "site", "month")
SEVERAL = "several"  # an order with several procedures is of none of them
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which finished orders: by when their work was done, and by what they are grouped."""

    since: datetime
    until: datetime
    by: str = "none"
    procedure_id: UUID | None = None
    technician_id: UUID | None = None
    asset_model_id: UUID | None = None
    site_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """An order beside its norm; `procedures`: (id, code, version) of those that have norms; `minutes` by person."""

    order: WorkOrder
    procedures: tuple[tuple[UUID | None, str, int], ...]
    technician_id: UUID | None
    asset_model_id: UUID | None
    month: str
    variance: Variance
    minutes: Mapping[UUID | None, int]

    def key(self, by: str) -> str | None:
        """Return the group that it is counted in; None where it has none."""
        if by in ("procedure", "version"):
            if len(self.procedures) != 1:
                return SEVERAL
            key, code, number = self.procedures[0]
            return f"{code} v{number}" if by == "version" else str(key or code)
        found = {
            "none": "all",
            "technician": self.technician_id,
            "asset_model": self.asset_model_id,
            "site": self.order.site_id,
            "month": self.month,
        }[by]
        return None if found is None else str(found)


def compared(session: Session, asked: Asked) -> list[Compared]:
    """Return finished orders that have norms, as the actor sees them, oldest first. Raises Invalid for too many."""
    with_norms = select(ProcedureRun.subject_id).where(
        ProcedureRun.subject_kind == "work_order", ProcedureRun.removed_at.is_(None), _has_norms()
    )
    if asked.procedure_id is not None:
        with_norms = with_norms.where(ProcedureRun.procedure_id == asked.procedure_id)
    query = (
        select(WorkOrder)
        .where(
            WorkOrder.work_done_at >= asked.since,
            WorkOrder.work_done_at < asked.until,
            ~WorkOrder.replayed,
            WorkOrder.state.in_(("completed", "documented", "closed")),
            WorkOrder.id.in_(with_norms),
        )
        .order_by(WorkOrder.work_done_at, WorkOrder.id)
        .limit(MAX_ORDERS + 1)
    )
    if asked.site_id is not None:
        query = query.where(WorkOrder.site_id == asked.site_id)
    if asked.asset_model_id is not None:
        query = query.join(Asset, Asset.id == WorkOrder.asset_id).where(Asset.asset_model_id == asked.asset_model_id)
    orders = session.scalars(query).all()
    if len(orders) > MAX_ORDERS:
        raise Invalid(f"more than {MAX_ORDERS} orders: ask for less", field="from", limit=MAX_ORDERS)
    found = compare_orders(session, orders)
    wanted = asked.technician_id
    return [one for one in found if wanted is None or one.technician_id == wanted]


def compare_orders(session: Session, orders: Sequence[WorkOrder]) -> list[Compared]:
    """Return these orders beside their norms, in their order; an order without norms is compared with nothing.

    What a procedure costs its owner is told to its owner and to those above alone.
    """
    facts = _Facts(session, orders)
    found = []
    for order in orders:
        runs = facts.runs[order.id]
        norms = combined([norms_of(run.snapshot.get("norms")) for run in runs])
        costs = [run.snapshot.get("standard_cost") if run.procedure_id in facts.priced else None for run in runs]
        standard = combined_cost(costs, norms.currency)
        variance = compare(norms, standard, facts.actual(order, norms))
        procedures = tuple((run.procedure_id, str(run.snapshot["code"]), run.version_number) for run in runs)
        model = facts.models.get(order.asset_id)
        minutes = facts.minutes(order)
        who = max((key for key in minutes if key is not None), key=lambda key: (minutes[key], key), default=None)
        who = who or order.assignee_id
        found.append(Compared(order, procedures, who, model, facts.month(order), variance, minutes))
    return found


class _Facts:
    """What orders took, by order, loaded in chunks."""

    def __init__(self, session: Session, orders: Sequence[WorkOrder]) -> None:
        ids = [order.id for order in orders]
        self.runs: dict[UUID, list[ProcedureRun]] = defaultdict(list)
        self._lines: dict[UUID, list[WorkOrderLine]] = defaultdict(list)
        self._parts: dict[UUID, list[tuple[PartUsage, Part]]] = defaultdict(list)
        self._tools: dict[UUID, list[tuple[ToolHours, Part]]] = defaultdict(list)
        self.models: dict[UUID, UUID | None] = {}
        for part in _chunks(ids):
            self._load(session, part)
        people = {one.person_id for lines in self._lines.values() for one in lines if one.person_id is not None}
        self._profiles: dict[UUID, TechnicianProfile] = {}
        for part in _chunks(people):
            rows = session.scalars(select(TechnicianProfile).where(TechnicianProfile.person_id.in_(part)))
            self._profiles |= {row.person_id: row for row in rows}
        for part in _chunks({order.asset_id for order in orders}):
            known = session.execute(select(Asset.id, Asset.asset_model_id).where(Asset.id.in_(part)))
            self.models |= {key: model for key, model in known}
        self.priced = self._priced(session)
        self._zones: dict[UUID, str] = {}
        for part in _chunks({order.site_id for order in orders if order.site_id is not None}):
            zones = session.execute(select(Site.id, Site.time_zone).where(Site.id.in_(part)))
            self._zones |= {key: zone for key, zone in zones}

    def _load(self, session: Session, ids: Sequence[UUID]) -> None:
        runs = select(ProcedureRun).where(
            ProcedureRun.subject_id.in_(ids), ProcedureRun.removed_at.is_(None), _has_norms()
        )
        for run in session.scalars(runs.order_by(ProcedureRun.id)):
            self.runs[run.subject_id].append(run)
        lines = select(WorkOrderLine).where(
            WorkOrderLine.work_order_id.in_(ids),
            WorkOrderLine.state != "rejected",
            WorkOrderLine.kind.in_(("labour", "travel")),
        )
        for line in session.scalars(lines.order_by(WorkOrderLine.id)):
            self._lines[line.work_order_id].append(line)
        used = select(PartUsage, Part).join(Part, Part.id == PartUsage.part_id)
        for usage, item in session.execute(used.where(PartUsage.work_order_id.in_(ids)).order_by(PartUsage.id)):
            if usage.work_order_id is not None and usage.quantity > usage.returned:
                self._parts[usage.work_order_id].append((usage, item))
        hours = (
            select(ToolHours, Part).join(Tool, Tool.id == ToolHours.tool_id).join(Part, Part.id == Tool.part_id)
        ).where(ToolHours.work_order_id.in_(ids))
        for hour, item in session.execute(hours.order_by(ToolHours.id)):
            if hour.work_order_id is not None:
                self._tools[hour.work_order_id].append((hour, item))

    def _priced(self, session: Session) -> set[UUID]:
        """Return the procedures whose owner the actor sees."""
        wanted = {run.procedure_id for runs in self.runs.values() for run in runs if run.procedure_id is not None}
        found: set[UUID] = set()
        for part in _chunks(wanted):
            owned = select(Procedure.id).join(Organisation, Organisation.id == Procedure.organisation_id)
            found |= set(session.scalars(owned.where(Procedure.id.in_(part))))
        return found

    def actual(self, order: WorkOrder, norms: Norms) -> Actual:
        """Return what an order took, valued in the currency of its norms."""
        other = 0
        work, travel, way = [], 0, Decimal(0)
        for line in self._lines[order.id]:
            cost, foreign = self._cost(line, norms.currency)
            other += foreign
            if line.kind == "labour":
                work.append(Worked(line.person_id, line.minutes or 0, cost))
            else:
                travel, way = travel + (line.minutes or 0), way + (cost or 0)
        parts = [
            (item, usage.quantity - usage.returned, *_value(usage, norms.currency))
            for usage, item in self._parts[order.id]
        ]
        tools = [
            (item, hour.hours * 60, *_own(hour.rate, hour.currency, hour.hours, norms.currency))
            for hour, item in self._tools[order.id]
        ]
        other += sum(foreign for *_, foreign in (*parts, *tools))
        return Actual(work, travel, way, _taken(parts), _taken(tools), other)

    def minutes(self, order: WorkOrder) -> dict[UUID | None, int]:
        """Return how long everybody worked on it."""
        found: dict[UUID | None, int] = defaultdict(int)
        for line in self._lines[order.id]:
            if line.kind == "labour":
                found[line.person_id] += line.minutes or 0
        return dict(found)

    def month(self, order: WorkOrder) -> str:
        """Return the month in which its work was done, where its machine stands."""
        at = order.work_done_at or order.opened_at
        name = self._zones.get(order.site_id) if order.site_id else None
        try:
            zone = ZoneInfo(name) if name else UTC
        except (ZoneInfoNotFoundError, ValueError, OSError):
            zone = UTC
        return at.astimezone(zone).strftime("%Y-%m")

    def _cost(self, line: WorkOrderLine, currency: str) -> tuple[Decimal | None, int]:
        if line.amount is not None:
            return (line.amount, 0) if line.currency == currency else (None, 1)
        profile = self._profiles.get(line.person_id) if line.person_id is not None else None
        rate = profile.cost_per_hour if profile is not None else None
        if profile is not None and line.category == "overtime" and profile.overtime_cost_per_hour is not None:
            rate = profile.overtime_cost_per_hour
        if rate is None or profile is None or line.minutes is None:
            return None, 0
        return (rate * line.minutes / 60, 0) if profile.currency == currency else (None, 1)


def _has_norms() -> Any:
    norms = ProcedureRun.snapshot["norms"]
    return or_(*(func.jsonb_array_length(func.coalesce(norms[what], _EMPTY)) > 0 for what in _COMPARED))


_COMPARED = ("labour", "parts", "tools")
_EMPTY = func.jsonb_build_array()


def _value(usage: PartUsage, currency: str) -> tuple[Decimal | None, int]:
    """What parts were worth: the price that held then; one in warranty, which has none, what they cost us."""
    kept = usage.quantity - usage.returned
    if usage.unit_price is not None and not usage.in_warranty and usage.price_currency == currency:
        return usage.unit_price * kept, 0
    return _own(usage.unit_cost, usage.cost_currency, kept, currency)


def _own(price: Decimal | None, told: str | None, amount: Decimal, currency: str) -> tuple[Decimal | None, int]:
    if price is None or (told or currency) == currency:
        return (None if price is None else price * amount), 0
    return None, 1


def _taken(rows: Iterable[tuple[Part, Decimal, Decimal | None, int]]) -> list[Taken]:
    """Sum what was taken by item; the cost of an item is known when that of each piece is."""
    found: dict[UUID, Taken] = {}
    for item, amount, cost, _ in rows:
        before = found.get(item.id)
        whole = cost if before is None else None if cost is None or before.cost is None else before.cost + cost
        total = amount + (before.amount if before else 0)
        found[item.id] = Taken(item.id, item.number, item.name_en, item.name_zh, total, whole)
    return list(found.values())


def _chunks(keys: Iterable[UUID]) -> Iterator[list[UUID]]:
    every = list(keys)
    for begin in range(0, len(every), _CHUNK):
        yield every[begin : begin + _CHUNK]
