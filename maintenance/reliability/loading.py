"""Load the lives of many machines in a handful of questions, as far as the reader sees them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.components import Component
from assets.registry import Asset
from assets.states import StateInterval
from assets.stock.items import Part
from assets.stock.usages import PartUsage
from maintenance.models import Finding
from maintenance.reliability.assembling import Assembled, Known, Silence, State, Work, assemble
from ticketing.models import Visit, WorkOrder

MAX_MACHINES = 5_000
MAX_ROWS = 50_000  # of states, orders or silences in one answer
CHUNK = 2_000
BATCH_FIELDS = ("batch", "production_batch", "lot")
MONTH_FIELDS = ("production_month", "production_date", "manufactured_on")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which machines, and since when what happened to them is asked for (None: ever)."""

    until: datetime
    since: datetime | None = None
    asset_id: UUID | None = None
    model_id: UUID | None = None
    customer_id: UUID | None = None
    site_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with what it is grouped by."""

    id: UUID
    name: str
    serial: str
    model_id: UUID | None
    customer_id: UUID | None
    site_id: UUID | None
    batch: str | None
    created_at: datetime
    custom: Mapping[str, Any]
    found: Assembled


@dataclass(slots=True)
class Fleet:
    """Machines with their lives; `left_out`: orders that were no failures and machines that never worked, by reason."""

    machines: list[Machine] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def load_fleet(session: Session, scope: Scope) -> Fleet:
    """Return the machines that the actor sees, with what is known of their lives up to `until`.

    Raises Invalid when there are more machines or rows than one answer may hold.
    """
    query = select(Asset).order_by(Asset.name, Asset.id).limit(MAX_MACHINES + 1)
    for column, value in (
        (Asset.id, scope.asset_id),
        (Asset.asset_model_id, scope.model_id),
        (Asset.customer_id, scope.customer_id),
        (Asset.site_id, scope.site_id),
    ):
        if value is not None:
            query = query.where(column == value)
    assets = session.scalars(query).all()
    if len(assets) > MAX_MACHINES:
        what = f"more than {MAX_MACHINES} machines: choose a model, a customer or a site"
        raise Invalid(what, field="asset_model_id", limit=MAX_MACHINES)
    known = {asset.id: Known(asset.id, asset.created_at, asset.installed_at) for asset in assets}
    _states(session, known, scope)
    _silences(session, known, scope)
    _works(session, known, scope)
    fleet = Fleet()
    for asset in assets:
        found = assemble(known[asset.id])
        if found is None:
            fleet.left_out["never_in_service"] += 1
            continue
        fleet.left_out += found.left_out
        fleet.machines.append(_machine(asset, found))
    return fleet


def batch_of(custom: Mapping[str, Any]) -> str | None:
    """Return the batch that a machine was made in: as told, else the month it was produced."""
    for name in BATCH_FIELDS:
        if isinstance(custom.get(name), str | int) and str(custom[name]).strip():
            return str(custom[name]).strip()[:100]
    for name in MONTH_FIELDS:
        month = _MONTH.match(str(custom.get(name) or ""))
        if month:
            return month.group()
    return None


def _machine(asset: Asset, found: Assembled) -> Machine:
    return Machine(
        asset.id,
        asset.name,
        asset.serial,
        asset.asset_model_id,
        asset.customer_id,
        asset.site_id,
        batch_of(asset.custom or {}),
        asset.created_at,
        asset.custom or {},
        found,
    )


def _states(session: Session, known: Mapping[UUID, Known], scope: Scope) -> None:
    left = MAX_ROWS
    for part in parts(known):
        query = select(
            StateInterval.id,
            StateInterval.asset_id,
            StateInterval.axis,
            StateInterval.state,
            StateInterval.reason_code,
            StateInterval.valid_from,
            StateInterval.valid_to,
        ).where(
            StateInterval.asset_id.in_(part),
            or_(StateInterval.axis == "lifecycle", StateInterval.state == "down"),
            StateInterval.valid_from < scope.until,
        )
        if scope.since is not None:
            reaching = or_(StateInterval.valid_to.is_(None), StateInterval.valid_to >= scope.since)
            query = query.where(or_(StateInterval.axis == "lifecycle", reaching))
        rows = _bounded(session, query.order_by(StateInterval.valid_from), left)
        left -= len(rows)
        for key, asset, axis, state, reason, begin, end in rows:
            into = known[asset].lifecycle if axis == "lifecycle" else known[asset].operation
            into.append(State(key, state, reason, begin, end))


def _silences(session: Session, known: Mapping[UUID, Known], scope: Scope) -> None:
    left = MAX_ROWS
    for part in parts(known):
        query = select(Finding.id, Finding.asset_id, Finding.first_at, Finding.cleared_at).where(
            Finding.asset_id.in_(part),
            Finding.kind == "connection",
            ~Finding.replayed,
            Finding.first_at < scope.until,
        )
        if scope.since is not None:
            query = query.where(or_(Finding.cleared_at.is_(None), Finding.cleared_at > scope.since))
        rows = _bounded(session, query.order_by(Finding.first_at), left)
        left -= len(rows)
        for key, asset, begin, end in rows:
            known[asset].silences.append(Silence(key, begin, max(begin, end) if end else None))


def _works(session: Session, known: Mapping[UUID, Known], scope: Scope) -> None:
    left = MAX_ROWS
    rows: list[Any] = []
    for part in parts(known):
        done = (WorkOrder.work_done_at, WorkOrder.closed_at)
        query = select(WorkOrder).where(
            WorkOrder.asset_id.in_(part),
            WorkOrder.kind.in_(("machine", "general")),
            WorkOrder.state != "cancelled",
            WorkOrder.merged_into_id.is_(None),
            ~WorkOrder.replayed,
            WorkOrder.opened_at < scope.until,
        )
        if scope.since is not None:
            query = query.where(
                or_(*(column > scope.since for column in done), *(column.is_(None) for column in done[1:]))
            )
        found = _bounded(session, query.order_by(WorkOrder.opened_at, WorkOrder.id), left)
        left -= len(found)
        rows += [row for (row,) in found]
    hours = _hours(session, [row.id for row in rows])
    components = _components(session, [row.id for row in rows])
    for row in rows:
        known[row.asset_id].works.append(_work(row, hours.get(row.id), components.get(row.id, ())))


def _work(row: WorkOrder, hours: float | None, components: Sequence[str]) -> Work:
    end = row.work_done_at or row.closed_at
    begin = row.started_at
    if begin is not None and end is not None:
        end = max(begin, end)  # a phone's clock may have been slow
    noticed = min(row.since or row.opened_at, row.opened_at)
    modes = (row.noticed or {}).get("failure_modes") or []
    words = [each.get("code") or each.get("key") for each in modes if isinstance(each, dict)]
    seen = next((str(word) for word in words if word), None)
    if row.outcome == "wrong_mode":
        seen = None  # what was noticed was not it
    return Work(
        row.id,
        row.number,
        row.origin,
        row.outcome,
        row.failure_mode or seen,
        noticed,
        begin,
        end,
        hours,
        tuple(dict.fromkeys(components)),
    )


def _hours(session: Session, orders: Sequence[UUID]) -> dict[UUID, float]:
    """Hours of work by order: of all its visits from their begin to their end, without breaks."""
    found: dict[UUID, float] = defaultdict(float)
    for part in parts(orders):
        query = select(Visit.work_order_id, Visit.started_at, Visit.finished_at, Visit.break_seconds).where(
            Visit.work_order_id.in_(part), Visit.started_at.is_not(None), Visit.finished_at.is_not(None)
        )
        for order, begin, end, breaks in session.execute(query):
            if begin is None or end is None:
                continue
            found[order] += max((end - begin).total_seconds() - (breaks or 0), 0.0) / 3600
    return found


def _components(session: Session, orders: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Names of what was replaced by order: taken out by it, built in by it, or used for it out of stock."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for part in parts(orders):
        for column in (Component.removed_work_order_id, Component.installed_work_order_id):
            query = select(column, Component.item_number, Component.name).where(column.in_(part))
            for order, number, name in session.execute(query):
                if order is not None and (number or name):
                    found[order].append(number or name or "")
        used = (
            select(PartUsage.work_order_id, Part.number)
            .join(Part, Part.id == PartUsage.part_id)
            .where(PartUsage.work_order_id.in_(part), PartUsage.returned < PartUsage.quantity)
        )
        for order, number in session.execute(used):
            if order is not None:
                found[order].append(number)
    return found


def _bounded(session: Session, query: Any, left: int) -> Sequence[Any]:
    rows = session.execute(query.limit(left + 1)).all()
    if len(rows) > left:
        raise Invalid(f"more than {MAX_ROWS} stops: ask for less", field="from", limit=MAX_ROWS)
    return rows


def parts(keys: Iterable[UUID]) -> Iterator[list[UUID]]:
    """Cut ids into what one statement may hold."""
    every = list(keys)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]
