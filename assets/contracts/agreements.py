"""Make contracts, begin and cancel them, and say which assets they hold for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.base.events import append_event
from assets.contracts.ledger import MAX_QUANTITY, MONTHS_OF, balance_at, day_of, last_day_of
from assets.contracts.tables import CONTRACT_NUMBERS, Contract, ContractAsset, Entitlement, EntitlementEntry
from assets.registry import Asset
from assets.warranty.clauses import Allowance, TermSet, read_clauses
from assets.warranty.periods import EARLIEST, LATEST

LEGAL_MOVES: dict[str, tuple[str, ...]] = {"draft": ("active", "cancelled"), "active": ("cancelled",), "cancelled": ()}
KINDS = ("visits", "parts", "hours", "amount")
PERIODS = tuple(MONTHS_OF)
MAX_ASSETS = 5000
MAX_ENTITLEMENTS = 50
MAX_RESPONSE_TIMES = 20
MAX_REASON = 1000
RESPONSES = ("respond_h", "arrive_h", "restore_h", "close_h")
MAX_HOURS = 8784  # a year


def make_contract(
    session: Session,
    *,
    provider_organisation_id: UUID,
    organisation_id: UUID,
    name: str,
    starts_on: date,
    ends_on: date,
    time_zone: str,
    now: datetime,
    number: str | None = None,
    customer_id: UUID | None = None,
    precedence: int = 0,
    clauses: Sequence[dict[str, Any]] = (),
    response_times: Sequence[Mapping[str, Any]] = (),
) -> Contract:
    """Make a contract as a draft. Raises Invalid, or Conflict for a number that the provider has given already."""
    number = (number or "").strip() or f"C-{session.scalar(select(CONTRACT_NUMBERS.next_value())):06d}"
    taken = select(Contract.id).where(
        Contract.provider_organisation_id == provider_organisation_id, Contract.number == number
    )
    if session.scalar(taken):
        raise Conflict(f"there is a contract {number!r} already", number=number)
    contract = Contract(
        provider_organisation_id=provider_organisation_id,
        organisation_id=organisation_id,
        number=number,
        state="draft",
        created_at=now,
    )
    fill_contract(
        contract,
        name=name,
        starts_on=starts_on,
        ends_on=ends_on,
        time_zone=time_zone,
        customer_id=customer_id,
        precedence=precedence,
        clauses=clauses,
        response_times=response_times,
    )
    session.add(contract)
    session.flush()
    return contract


def fill_contract(
    contract: Contract,
    *,
    name: str,
    starts_on: date,
    ends_on: date,
    time_zone: str,
    customer_id: UUID | None,
    precedence: int,
    clauses: Sequence[dict[str, Any]],
    response_times: Sequence[Mapping[str, Any]],
) -> None:
    """Write what a draft says. Raises Conflict for a contract that runs: what was agreed is not rewritten."""
    if contract.state != "draft":
        raise Conflict("only a draft is changed; a running contract is cancelled and made anew", state=contract.state)
    if not EARLIEST <= starts_on <= ends_on <= LATEST:
        raise Invalid("a contract ends on or after the day on which it begins", field="ends_on")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("no such time zone", field="time_zone") from None
    written = [_contract_clause(each) for each in clauses]
    read_clauses(written)
    contract.name, contract.starts_on, contract.ends_on = name.strip(), starts_on, ends_on
    contract.time_zone, contract.customer_id, contract.precedence = time_zone, customer_id, precedence
    contract.clauses = written
    contract.response_times = _response_times(response_times)


def _contract_clause(written: dict[str, Any]) -> dict[str, Any]:
    """A clause without a beginning of its own holds for the contract's days."""
    if not isinstance(written, dict) or written.get("kind") == "exclusion" or written.get("begins"):
        return written
    return {**written, "begins": [{"fact": "contract"}]}


def _response_times(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if len(given) > MAX_RESPONSE_TIMES:
        raise Invalid(f"at most {MAX_RESPONSE_TIMES} response times", field="response_times", limit=MAX_RESPONSE_TIMES)
    kept: list[dict[str, Any]] = []
    for index, each in enumerate(given):
        priority = str(each.get("priority") or "normal")
        if priority in {one["priority"] for one in kept}:
            raise Invalid("two response times for one priority", field=f"response_times.{index}.priority")
        hours = {name: each.get(name) for name in RESPONSES}
        if any(value is not None and not 0 < value <= MAX_HOURS for value in hours.values()):
            raise Invalid("hours above 0, a year at most", field=f"response_times.{index}")
        # Hours of this calendar; without one, of whatever calendar such work is counted on.
        calendar = each.get("calendar_id")
        kept.append({"priority": priority, **hours, **({"calendar_id": str(calendar)} if calendar else {})})
    return kept


def set_entitlements(session: Session, contract: Contract, given: Sequence[Mapping[str, Any]]) -> None:
    """Write what a draft includes: {key, kind, unit, quantity, period, carries_over, name_en, name_zh}."""
    if contract.state != "draft":
        raise Conflict("only a draft is changed", state=contract.state)
    if len(given) > MAX_ENTITLEMENTS:
        raise Invalid(f"at most {MAX_ENTITLEMENTS} entitlements", field="entitlements", limit=MAX_ENTITLEMENTS)
    keys = [str(each.get("key", "")).strip() for each in given]
    if len(set(keys)) < len(keys) or any(not key for key in keys):
        raise Invalid("each entitlement has a key of its own", field="entitlements")
    for old in entitlements_of(session, contract.id):
        session.delete(old)
    session.flush()
    for index, each in enumerate(given):
        session.add(_entitlement(contract, each, f"entitlements.{index}"))
    session.flush()


def _entitlement(contract: Contract, given: Mapping[str, Any], at: str) -> Entitlement:
    for name, allowed in (("kind", KINDS), ("period", PERIODS)):
        if given.get(name) not in allowed:
            raise Invalid(f"{name}: one of {', '.join(allowed)}", field=f"{at}.{name}", allowed=list(allowed))
    try:
        quantity = Decimal(str(given.get("quantity")))
    except InvalidOperation:
        quantity = Decimal("NaN")
    if not quantity.is_finite() or not 0 < quantity <= MAX_QUANTITY:
        raise Invalid("a quantity above 0", field=f"{at}.quantity")
    key = str(given["key"]).strip()
    return Entitlement(
        organisation_id=contract.organisation_id,
        contract_id=contract.id,
        key=key,
        kind=given["kind"],
        unit=str(given.get("unit") or given["kind"]),
        quantity=quantity,
        period=given["period"],
        carries_over=bool(given.get("carries_over", False)),
        name_en=str(given.get("name_en") or key),
        name_zh=str(given.get("name_zh") or given.get("name_en") or key),
    )


def entitlements_of(session: Session, contract_id: UUID) -> list[Entitlement]:
    """Return what a contract includes."""
    found = select(Entitlement).where(Entitlement.contract_id == contract_id)
    return list(session.scalars(found.order_by(Entitlement.key)))


def set_assets(
    session: Session, contract: Contract, assets: Sequence[Asset], now: datetime, by_id: UUID | None
) -> None:
    """Say for which assets a contract holds. Raises Invalid for an asset of another owner."""
    if contract.state == "cancelled":
        raise Conflict("the contract is cancelled", state=contract.state)
    if len(assets) > MAX_ASSETS:
        raise Invalid(f"at most {MAX_ASSETS} assets", field="asset_ids", limit=MAX_ASSETS)
    if any(asset.organisation_id != contract.organisation_id for asset in assets):
        raise Invalid("an asset belongs to somebody else than the contract", field="asset_ids")
    session.execute(select(Contract.id).where(Contract.id == contract.id).with_for_update())
    there = {
        each.asset_id: each
        for each in session.scalars(select(ContractAsset).where(ContractAsset.contract_id == contract.id))
    }
    wanted = {asset.id: asset for asset in assets}
    for asset_id in there.keys() - wanted.keys():
        _note_asset(session, contract, asset_id, "contract.asset_removed", now, by_id)
        session.delete(there[asset_id])
    for asset_id in wanted.keys() - there.keys():
        session.add(ContractAsset(organisation_id=contract.organisation_id, contract_id=contract.id, asset_id=asset_id))
        _note_asset(session, contract, asset_id, "contract.asset_added", now, by_id)
    session.flush()


def move_contract(
    session: Session,
    contract: Contract,
    to: str,
    now: datetime,
    *,
    on: date | None = None,
    reason: str | None = None,
    by_id: UUID | None = None,
) -> None:
    """Begin a contract, or cancel it with effect from after `on`, its last day (today). Raises IllegalMove, Invalid."""
    legal = list(LEGAL_MOVES[contract.state])
    if to not in legal:
        raise IllegalMove(f"{contract.number} is {contract.state}", state=contract.state, to=to, legal=legal)
    words = (reason or "").strip()
    if to == "cancelled":
        if not 1 <= len(words) <= MAX_REASON:
            raise Invalid("say why", field="reason", limit=MAX_REASON)
        last = on or day_of(contract, now)
        if contract.state == "active" and last < contract.starts_on:
            last = contract.starts_on  # it did begin: its first day is the least that it held
        contract.cancelled_on = min(last, contract.ends_on)
    contract.state = to
    contract.version += 1
    session.flush()
    kind = {"active": "contract.activated", "cancelled": "contract.cancelled"}[to]
    assets = session.scalars(select(ContractAsset.asset_id).where(ContractAsset.contract_id == contract.id))
    for asset_id in [None, *assets]:
        _note_asset(session, contract, asset_id, kind, now, by_id, {"reason": words} if words else {})


def contracts_of(session: Session, asset: Asset) -> list[Contract]:
    """Return the contracts that hold, or held, for an asset; drafts are none, nor are those of an owner before."""
    found = select(Contract).join(ContractAsset, ContractAsset.contract_id == Contract.id)
    found = found.where(
        ContractAsset.asset_id == asset.id,
        Contract.organisation_id == asset.organisation_id,
        Contract.state != "draft",
    )
    return list(session.scalars(found.order_by(Contract.starts_on, Contract.id).limit(200)))


def as_term_set(
    session: Session, contract: Contract, fault_at: datetime | None, work_order_id: UUID | None = None
) -> TermSet:
    """Return a contract's cover as the verdict reads it, with what is left on the day of the fault.

    What this very order has reserved or used already does not count against it.
    """
    allowances: dict[str, Allowance] = {}
    for entitlement in entitlements_of(session, contract.id):
        left: float | None = None
        if fault_at is not None:
            day = day_of(contract, fault_at)
            if contract.starts_on <= day <= last_day_of(contract):
                balance = balance_at(session, contract, entitlement, day)
                own = _own(session, entitlement, work_order_id, balance.period_start)
                left = float(balance.available + own)
        allowances[entitlement.key] = Allowance(entitlement.kind, left)
    return TermSet(
        id=str(contract.id),
        code=contract.number,
        version=1,
        clauses=read_clauses(contract.clauses),
        payer="contract",
        precedence=contract.precedence,
        kind="contract",
        holds_from=contract.starts_on,
        holds_to=last_day_of(contract),
        allowances=allowances,
    )


def _own(session: Session, entitlement: Entitlement, work_order_id: UUID | None, period_start: date) -> Decimal:
    if work_order_id is None:
        return Decimal(0)
    entries = select(EntitlementEntry.kind, EntitlementEntry.quantity).where(
        EntitlementEntry.entitlement_id == entitlement.id,
        EntitlementEntry.work_order_id == work_order_id,
        EntitlementEntry.period_start == period_start,
    )
    signs = {"reserve": 1, "consume": 1, "release": -1, "correct": -1}
    return sum((signs[kind] * quantity for kind, quantity in session.execute(entries)), Decimal(0))


def _note_asset(
    session: Session,
    contract: Contract,
    asset_id: UUID | None,
    kind: str,
    now: datetime,
    by_id: UUID | None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Append to the asset's own timeline; without an asset to the contract's."""
    append_event(
        session,
        kind,
        at=now,
        organisation_id=contract.organisation_id,
        subject_kind="asset" if asset_id else "contract",
        subject_id=asset_id or contract.id,
        asset_id=asset_id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload={"number": contract.number, "starts_on": str(contract.starts_on), **(more or {})},
    )
