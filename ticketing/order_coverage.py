"""The warranty's verdict over what an order took: labour, travel and parts; judged again whenever that changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.consumers import Consumer
from assets.base.events import Event
from assets.registry import Asset
from assets.stock.covered import in_warranty
from assets.stock.items import Part
from assets.stock.tables import StockSerial
from assets.stock.usages import PartUsage, reprice, usages_of
from assets.warranty.coverage import MAX_LINES, Question, approved_overrides, check_order, newest_check, shown
from assets.warranty.facts import Line
from assets.warranty.known import zone_of
from assets.warranty.periods import is_sensible, local_day
from assets.warranty.tables import CoverageCheck
from ticketing.models import WorkOrder
from ticketing.order_models import WorkOrderLine
from ticketing.order_states import WORK_DONE_STATES

OF_LINE, OF_PART = "line:", "part:"  # ids of lines that the order itself has; all others somebody asked about
MAX_REPAIRS = 1000
_JUDGED = ("labour", "travel")
# What people found, in the words of terms; how a part failed (dirt, a leak) does not say who answers for it.
_CAUSES = {
    "wear": "wear",
    "installation": "installation",
    "material": "material",
    "design": "design",
    "operation": "misuse",
    "maintenance": "neglect",
    "power": "power_supply",
}

_LINE_KINDS = frozenset(f"work_order.line_{what}" for what in ("recorded", "changed", "removed", "decided"))
_RESULT_KINDS = frozenset(f"work_order.{what}" for what in ("failure_noted", "result_edited", "amended", "completed"))
_PART_KINDS = frozenset({"part.installed", "part.returned"})
_VERDICT_KINDS = frozenset({"warranty.checked", "warranty.override_approved"})


def order_lines(session: Session, order: WorkOrder, before: CoverageCheck | None) -> list[Line]:
    """Return what the order took, as a warranty asks for it; what somebody said of a line before stays said."""
    said = {each["line_id"]: each for each in before.lines} if before else {}
    kept = [Line(**each) for key, each in said.items() if not key.startswith((OF_LINE, OF_PART))]
    return [*_work(session, order, said), *_parts(session, order, said), *kept][:MAX_LINES]


def _work(session: Session, order: WorkOrder, said: dict[str, Any]) -> list[Line]:
    wanted = select(WorkOrderLine).where(
        WorkOrderLine.work_order_id == order.id, WorkOrderLine.kind.in_(_JUDGED), WorkOrderLine.state != "rejected"
    )
    return [
        Line(
            f"{OF_LINE}{row.id}",
            row.kind,
            quantity=round(row.minutes / 60, 4) if row.minutes else 1.0,
            **_said(order, said.get(f"{OF_LINE}{row.id}")),
        )
        for row in session.scalars(wanted.order_by(WorkOrderLine.id).limit(MAX_LINES))
    ]


def _parts(session: Session, order: WorkOrder, said: dict[str, Any]) -> list[Line]:
    usages = [each for each in usages_of(session, order.id) if each.returned < each.quantity]
    parts = _by_id(session, Part, [each.part_id for each in usages])
    serials = _by_id(session, StockSerial, [each.serial_id for each in usages if each.serial_id])
    return [
        Line(
            f"{OF_PART}{usage.id}",
            "part",
            part_item=parts[usage.part_id].number,
            part_serial=serials[usage.serial_id].serial if usage.serial_id else None,
            quantity=float(usage.quantity - usage.returned),
            amount=_amount(order, usage),
            **_said(order, said.get(f"{OF_PART}{usage.id}")),
        )
        for usage in usages
    ]


def _amount(order: WorkOrder, usage: PartUsage) -> float | None:
    """What an executor sells its parts for is not the owner's to read."""
    if usage.unit_price is None or usage.organisation_id == order.executing_organisation_id:
        return None
    return float(usage.unit_price * (usage.quantity - usage.returned))


def _said(order: WorkOrder, before: dict[str, Any] | None) -> dict[str, Any]:
    known = before or {}
    return {"component": known.get("component"), "cause": _CAUSES.get(order.failure_cause or "") or known.get("cause")}


def _by_id(session: Session, kind: Any, keys: Sequence[Any]) -> dict[Any, Any]:
    return {row.id: row for row in session.scalars(select(kind).where(kind.id.in_(set(keys))))}


def judge_order(
    session: Session, order: WorkOrder, now: datetime, *, again: bool = False, by_id: Any = None
) -> CoverageCheck | None:
    """Judge what the order took, and keep the verdicts; None when that was judged already (unless `again`).

    When it failed is what somebody said of this order, else when it was opened. Needs the service role, since the
    verdict does not depend on who asks.
    """
    asset = session.get(Asset, order.asset_id)
    if asset is None:
        return None
    before = newest_check(session, order.id)
    lines = order_lines(session, order, before)
    if not again and _plain(lines) == (before.lines if before else []):
        return None
    fault_at = before.fault_at if before is not None else min(order.opened_at, now)
    asked = Question(
        fault_at if fault_at is not None and is_sensible(fault_at) else None,
        lines,
        meters=before.meters if before else {},
        region=before.region if before else None,
        repairs=repairs_of(session, asset),
    )
    return check_order(
        session,
        asset,
        order.id,
        asked,
        now,
        executing_organisation_id=order.executing_organisation_id,
        by_id=by_id,
    )


def is_current(session: Session, order: WorkOrder, check: CoverageCheck) -> bool:
    """Return whether the verdicts are over what the order took by now. Needs the service role."""
    return _plain(order_lines(session, order, check)) == check.lines


def _plain(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [{name: getattr(line, name) for name in Line.__slots__} for line in lines]


def repairs_of(session: Session, asset: Asset) -> tuple[date, ...]:
    """The days on which a repair of the asset was finished: some demands arise after the second one."""
    zone, _ = zone_of(session, asset)
    done = (
        select(WorkOrder.work_done_at)
        .where(
            WorkOrder.asset_id == asset.id,
            WorkOrder.state.in_(WORK_DONE_STATES),
            WorkOrder.repair_code.is_not(None),
            WorkOrder.work_done_at.is_not(None),
        )
        .order_by(WorkOrder.work_done_at.desc())
        .limit(MAX_REPAIRS)
    )
    return tuple(local_day(at, zone) for at in session.scalars(done) if at is not None)


def follow_prices(session: Session, order: WorkOrder) -> int:
    """Let what the parts cost follow the verdicts that hold, overrides included; return how many changed."""
    check = newest_check(session, order.id)
    if check is None:
        return 0
    asset = session.get(Asset, order.asset_id)
    verdicts = {each["line_id"]: each["verdict"] for each in shown(check, approved_overrides(session, order.id))}
    changed = 0
    for usage in usages_of(session, order.id):
        verdict = verdicts.get(f"{OF_PART}{usage.id}")
        if verdict is not None:
            changed += reprice(session, usage, in_warranty(verdict), asset.customer_id if asset else None)
    session.flush()
    return changed


def follow_lines(session: Session, event: Event, now: datetime) -> None:
    """Judge an order again when what it took has changed, and let prices follow what was judged or decided."""
    order = _order_of(session, event)
    if order is None:
        return
    if event.kind not in _VERDICT_KINDS and judge_order(session, order, now) is None:
        return
    follow_prices(session, order)


def _order_of(session: Session, event: Event) -> WorkOrder | None:
    if event.subject_kind == "work_order":
        return session.get(WorkOrder, event.subject_id)
    number = event.payload.get("work_order")
    if not number or event.asset_id is None:
        return None
    wanted = select(WorkOrder).where(WorkOrder.number == number, WorkOrder.asset_id == event.asset_id)
    return session.scalar(wanted.limit(1))


COVERAGE_FOLLOWS_LINES = Consumer(
    "ticketing.coverage", _LINE_KINDS | _RESULT_KINDS | _PART_KINDS | _VERDICT_KINDS, follow_lines
)
