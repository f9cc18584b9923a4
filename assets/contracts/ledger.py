"""The ledger of entitlements: append-only entries; what is left of a period is always their sum."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.contracts.tables import Contract, Entitlement, EntitlementEntry
from assets.warranty.periods import is_sensible, plus_months

KINDS = ("reserve", "consume", "release", "correct")
MONTHS_OF = {"contract": None, "year": 12, "quarter": 3, "month": 1}
MAX_QUANTITY = Decimal("99999999")
MAX_PERIODS = 600  # fifty years of months
MAX_REASON = 1000
MAX_LINE = 80


class NothingLeft(Conflict):
    """The period does not hold as much; params: `left`, `wanted`, `key`."""

    code = "nothing_left"


class ConsumedAlready(Conflict):
    """This line of this order has its entry already; params: `entry_id`."""

    code = "consumed_already"


@dataclass(frozen=True, slots=True)
class Balance:
    """What a period of an entitlement holds; both of its days count."""

    entitlement: Entitlement
    period_start: date
    period_end: date
    granted: Decimal
    reserved: Decimal
    consumed: Decimal

    @property
    def available(self) -> Decimal:
        """What can still be reserved or used."""
        return self.granted - self.reserved - self.consumed


def last_day_of(contract: Contract) -> date:
    """Return the contract's last day: the one agreed, or the one that a cancellation made it."""
    return min(contract.ends_on, contract.cancelled_on) if contract.cancelled_on else contract.ends_on


def day_of(contract: Contract, at: datetime) -> date:
    """Return the calendar day of a moment where the contract counts its days. Raises Invalid for an age long past."""
    if not is_sensible(at):
        raise Invalid("a moment of this or the last century", field="at")
    return at.astimezone(ZoneInfo(contract.time_zone)).date()


def period_of(contract: Contract, entitlement: Entitlement, day: date) -> tuple[date, date]:
    """Return first and last day of the period that holds a day. Raises Invalid for a day outside the contract.

    Periods are counted from the contract's first day: one that begins on the 31st begins on the last day of shorter
    months, and on the 31st again after them.
    """
    last = last_day_of(contract)
    if not contract.starts_on <= day <= last:
        raise Invalid("the contract does not hold on that day", field="at", starts_on=str(contract.starts_on))
    months = MONTHS_OF[entitlement.period]
    if months is None:
        return contract.starts_on, last
    for number in range(MAX_PERIODS):
        following = plus_months(contract.starts_on, months * (number + 1))
        if day < following:
            return plus_months(contract.starts_on, months * number), min(following - timedelta(days=1), last)
    raise Invalid("the contract has more periods than can be counted", field="at")


def balance_at(session: Session, contract: Contract, entitlement: Entitlement, day: date) -> Balance:
    """Return what the period of a day holds, by replaying its entries and, where it carries over, those before."""
    start, end = period_of(contract, entitlement, day)
    sums = _sums(session, entitlement.id)
    carried = Decimal(0)
    if entitlement.carries_over:
        at = contract.starts_on
        while at < start:
            reserved, consumed = sums.get(at, (Decimal(0), Decimal(0)))
            # What a period overdrew was refused; what it left goes on to the next.
            carried = carried + entitlement.quantity - reserved - consumed
            at = period_of(contract, entitlement, at)[1] + timedelta(days=1)
    reserved, consumed = sums.get(start, (Decimal(0), Decimal(0)))
    return Balance(entitlement, start, end, entitlement.quantity + carried, reserved, consumed)


def enter(
    session: Session,
    contract: Contract,
    entitlement: Entitlement,
    kind: str,
    quantity: Decimal,
    *,
    at: datetime,
    now: datetime,
    work_order_id: UUID | None = None,
    line_id: str | None = None,
    asset_id: UUID | None = None,
    reason: str | None = None,
    by_id: UUID | None = None,
) -> EntitlementEntry:
    """Reserve or consume. What this line had reserved in the period is given back first when it is consumed.

    Raises NothingLeft, ConsumedAlready, Invalid.
    """
    _check(kind, quantity, line_id, work_order_id, reason)
    if at > now and kind == "consume":
        raise Invalid("what is used was used by now", field="at")
    if contract.state == "draft":
        raise Conflict("the contract does not run yet", state=contract.state)
    _lock(session, entitlement)
    day = day_of(contract, at)
    standing = _standing(session, entitlement, work_order_id, line_id)
    if used := next((entry for entry in standing if entry.kind == kind), None):
        raise ConsumedAlready("this line has its entry already", entry_id=str(used.id))
    if kind == "reserve" and standing:
        raise ConsumedAlready("this line is used already", entry_id=str(standing[0].id))
    for reserved in standing:  # a reservation becomes use
        _undo(session, contract, reserved, "release", None, at, now, by_id)
    balance = balance_at(session, contract, entitlement, day)
    if quantity > balance.available:
        raise NothingLeft(
            f"{entitlement.key}: {balance.available.normalize():f} left, {quantity.normalize():f} wanted",
            key=entitlement.key,
            left=float(balance.available),
            wanted=float(quantity),
        )
    entry = EntitlementEntry(
        organisation_id=contract.organisation_id,
        provider_organisation_id=contract.provider_organisation_id,
        contract_id=contract.id,
        entitlement_id=entitlement.id,
        period_start=balance.period_start,
        kind=kind,
        quantity=quantity,
        asset_id=asset_id,
        work_order_id=work_order_id,
        line_id=line_id,
        turn=_turns(session, entitlement, work_order_id, line_id, kind),
        reason=reason,
        at=at,
        created_at=now,
        by_id=by_id,
    )
    session.add(entry)
    session.flush()
    _note(session, contract, entitlement, entry, {"reserve": "reserved", "consume": "consumed"}[kind], now)
    return entry


def undo(
    session: Session,
    contract: Contract,
    entry: EntitlementEntry,
    *,
    at: datetime,
    now: datetime,
    reason: str | None = None,
    by_id: UUID | None = None,
) -> EntitlementEntry:
    """Release a reservation, or correct a use (which needs a reason): the entry stays, another one takes it back.

    Raises Conflict when it was taken back before.
    """
    kind = {"reserve": "release", "consume": "correct"}.get(entry.kind)
    if kind is None:
        raise Conflict("only reservations and uses are taken back", kind=entry.kind)
    if kind == "correct" and not (reason or "").strip():
        raise Invalid("say why", field="reason")
    _check(kind, entry.quantity, entry.line_id, entry.work_order_id, reason)
    entitlement = session.get_one(Entitlement, entry.entitlement_id)
    _lock(session, entitlement)
    if session.scalar(select(EntitlementEntry.id).where(EntitlementEntry.undoes_id == entry.id)):
        raise Conflict("this entry was taken back already", entry_id=str(entry.id))
    return _undo(session, contract, entry, kind, reason, at, now, by_id)


def _undo(
    session: Session,
    contract: Contract,
    entry: EntitlementEntry,
    kind: str,
    reason: str | None,
    at: datetime,
    now: datetime,
    by_id: UUID | None,
) -> EntitlementEntry:
    back = EntitlementEntry(
        organisation_id=entry.organisation_id,
        provider_organisation_id=entry.provider_organisation_id,
        contract_id=entry.contract_id,
        entitlement_id=entry.entitlement_id,
        period_start=entry.period_start,
        kind=kind,
        quantity=entry.quantity,
        asset_id=entry.asset_id,
        work_order_id=entry.work_order_id,
        line_id=entry.line_id,
        undoes_id=entry.id,
        reason=reason,
        at=at,
        created_at=now,
        by_id=by_id,
    )
    session.add(back)
    session.flush()
    entitlement = session.get_one(Entitlement, entry.entitlement_id)
    _note(session, contract, entitlement, back, {"release": "released", "correct": "corrected"}[kind], now)
    return back


def _sums(session: Session, entitlement_id: UUID) -> dict[date, tuple[Decimal, Decimal]]:
    """Return what is reserved and used in each period: what was taken less what was given back."""
    entry = EntitlementEntry

    def total(kind: str) -> ColumnElement[Decimal]:
        return func.coalesce(func.sum(entry.quantity).filter(entry.kind == kind), 0)

    def net(plus: str, minus: str) -> ColumnElement[Decimal]:
        return total(plus) - total(minus)

    rows = session.execute(
        select(entry.period_start, net("reserve", "release"), net("consume", "correct"))
        .where(entry.entitlement_id == entitlement_id)
        .group_by(entry.period_start)
    )
    return {start: (Decimal(reserved), Decimal(consumed)) for start, reserved, consumed in rows}


def _standing(
    session: Session, entitlement: Entitlement, work_order_id: UUID | None, line_id: str | None
) -> list[EntitlementEntry]:
    """Return the line's entries that were not taken back."""
    if line_id is None or work_order_id is None:
        return []
    back = select(EntitlementEntry.undoes_id).where(
        EntitlementEntry.entitlement_id == entitlement.id, EntitlementEntry.undoes_id.is_not(None)
    )
    wanted = select(EntitlementEntry).where(*_of_line(entitlement, work_order_id, line_id))
    return list(session.scalars(wanted.where(EntitlementEntry.id.not_in(back))))


def _of_line(entitlement: Entitlement, work_order_id: UUID, line_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        EntitlementEntry.entitlement_id == entitlement.id,
        EntitlementEntry.work_order_id == work_order_id,
        EntitlementEntry.line_id == line_id,
        EntitlementEntry.kind.in_(("reserve", "consume")),
    )


def _turns(
    session: Session, entitlement: Entitlement, work_order_id: UUID | None, line_id: str | None, kind: str
) -> int:
    if line_id is None or work_order_id is None:
        return 0
    before = select(func.count()).where(*_of_line(entitlement, work_order_id, line_id), EntitlementEntry.kind == kind)
    return session.scalar(before) or 0


def _lock(session: Session, entitlement: Entitlement) -> None:
    """One writer at a time: two who both saw the last visit left must not both take it."""
    session.execute(select(Entitlement.id).where(Entitlement.id == entitlement.id).with_for_update())


def _check(kind: str, quantity: Decimal, line_id: str | None, work_order_id: UUID | None, reason: str | None) -> None:
    if kind not in KINDS:
        raise Invalid(f"kind: one of {', '.join(KINDS)}", field="kind", allowed=list(KINDS))
    if not quantity.is_finite() or not 0 < quantity <= MAX_QUANTITY:
        raise Invalid("a quantity above 0", field="quantity")
    if line_id is not None and (work_order_id is None or not 1 <= len(line_id) <= MAX_LINE):
        raise Invalid("a line belongs to a work order", field="work_order_id")
    if reason is not None and len(reason) > MAX_REASON:
        raise Invalid(f"a reason has at most {MAX_REASON} characters", field="reason", limit=MAX_REASON)


def _note(
    session: Session, contract: Contract, entitlement: Entitlement, entry: EntitlementEntry, what: str, now: datetime
) -> None:
    append_event(
        session,
        f"contract.{what}",
        at=now,
        organisation_id=contract.organisation_id,
        subject_kind="contract",
        subject_id=contract.id,
        asset_id=entry.asset_id,
        actor_kind="person" if entry.by_id else "system",
        actor_id=entry.by_id,
        payload={
            "number": contract.number,
            "key": entitlement.key,
            "quantity": float(entry.quantity),
            "work_order_id": str(entry.work_order_id) if entry.work_order_id else None,
        },
    )
