"""What each kind of operation does with the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import Actor, may, require
from assets.base.errors import Forbidden, Invalid
from assets.stock.items import Part
from assets.stock.ledger import Line, Posting, balances, lot_of, place_of_serial, post, serial_of
from assets.stock.places import StockLocation, account, allow_place, lock_stock, require_stock
from assets.stock.promises import refuse_any_reserved
from assets.stock.requested import Requested, RequestedLine, part_of, place_of
from assets.stock.tables import StockMovement
from assets.stock.usages import Use, Used, bring_back, issue, own_place
from assets.stock.words import MAX_QUANTITY, NETTABLE, PERSONAL, UNBOUNDED

SHELVES = NETTABLE | {"quarantine", "repair_shop"}


@dataclass(frozen=True, slots=True)
class Done:
    """The movement that was booked; None for a count that agreed."""

    movement: StockMovement | None


def perform(session: Session, asked: Requested, by: Actor, now: datetime, digest: bytes | None) -> Done:
    """Do an operation. Raises the rule's error, and Forbidden for what the actor may not do."""
    kind = KINDS.get(asked.kind)
    if kind is None:
        raise Invalid(f"kind is one of: {', '.join(KINDS)}", field="kind", allowed=list(KINDS))
    owner = asked.organisation_of(session, by)
    lock_stock(session, owner)
    return Done(kind(session, owner, asked, by, now, digest))


def _issue(
    session: Session, owner: UUID, asked: Requested, by: Actor, now: datetime, digest: bytes | None
) -> StockMovement:
    require(by, "stock.use")
    if asked.kind == "consume" and (asked.work or asked.asset):
        raise Invalid("what is used for an order or a machine is an issue", field="kind", allowed=["issue"])
    if asked.kind == "issue" and not (asked.work or asked.asset):
        raise Invalid("issued to which order or machine", field="work_order")
    used = [_used(session, owner, each, each.from_location_id, "from_location_id") for each in asked.lines]
    return issue(session, _use(owner, asked, by, now, digest), used)


def _return(
    session: Session, owner: UUID, asked: Requested, by: Actor, now: datetime, digest: bytes | None
) -> StockMovement:
    require(by, "stock.use")
    used = [_used(session, owner, each, each.to_location_id, "to_location_id") for each in asked.lines]
    return bring_back(session, _use(owner, asked, by, now, digest), used)


def _use(owner: UUID, asked: Requested, by: Actor, now: datetime, digest: bytes | None) -> Use:
    return Use(
        owner,
        by,
        now,
        asked.occurred_at or now,
        asked.work,
        asked.asset,
        asked.operation_id,
        digest,
        asked.offline,
        asked.reason,
        asked.note,
    )


def _used(session: Session, owner: UUID, line: RequestedLine, place: UUID | None, field: str) -> Used:
    part = part_of(session, owner, line)
    return Used(part, line.quantity, place_of(session, place, field), line.lot, line.serial)


def _move(
    session: Session, owner: UUID, asked: Requested, by: Actor, now: datetime, digest: bytes | None
) -> StockMovement:
    mode = require_stock(session, owner)
    lines = []
    for each in asked.lines:
        part = part_of(session, owner, each)
        source, target = _ends(session, each, by)
        for place in (source, target):
            allow_place(mode, place)
        lines.append(_line(session, owner, part, each, source, target, now))
    leaving = [each for each in lines if each.source.kind in NETTABLE and each.target.kind not in NETTABLE]
    refuse_any_reserved(session, [(each.part, each.source, each.quantity) for each in leaving], now)
    return post(session, _posting(asked, owner, lines, by, now, digest))


def _ends(session: Session, each: RequestedLine, by: Actor) -> tuple[StockLocation, StockLocation]:
    source = place_of(session, each.from_location_id, "from_location_id")
    target = place_of(session, each.to_location_id, "to_location_id")
    if source is None or target is None:
        raise Invalid(
            "a move is from one place to another", field="from_location_id" if source is None else "to_location_id"
        )
    for place, field in ((source, "from_location_id"), (target, "to_location_id")):
        if place.kind not in SHELVES:
            raise Invalid(f"nothing is moved from or to a {place.kind}", field=field)
        own = place.kind in PERSONAL and place.person_id is not None and place.person_id == by.person_id
        if not own and not may(by, "stock.manage"):
            raise Forbidden("between stores goods go by transfer", location=place.code)
    return source, target


def _scrap(
    session: Session, owner: UUID, asked: Requested, by: Actor, now: datetime, digest: bytes | None
) -> StockMovement:
    require(by, "stock.manage")
    require_stock(session, owner)
    _need_reason(asked)
    lines = []
    for each in asked.lines:
        source = place_of(session, each.from_location_id, "from_location_id")
        if source is None or source.kind not in SHELVES:
            raise Invalid("scrapped from which place", field="from_location_id")
        part = part_of(session, owner, each)
        lines.append(_line(session, owner, part, each, source, account(session, owner, "scrap", now), now))
    posting = _posting(asked, owner, lines, by, now, digest)
    posting.condition = "scrapped"
    return post(session, posting)


def _adjust(
    session: Session, owner: UUID, asked: Requested, by: Actor, now: datetime, digest: bytes | None
) -> StockMovement:
    require(by, "stock.manage")
    mode = require_stock(session, owner)
    _need_reason(asked)
    adjustment = account(session, owner, "adjustment", now)
    lines = []
    for each in asked.lines:
        source = place_of(session, each.from_location_id, "from_location_id")
        target = place_of(session, each.to_location_id, "to_location_id")
        place = source or target
        if place is None or (source is not None and target is not None):
            raise Invalid("an adjustment is of one place: from it (less) or to it (more)", field="to_location_id")
        if place.kind in UNBOUNDED:
            raise Invalid(f"nothing is counted at a {place.kind}", field="to_location_id")
        if target is not None:
            allow_place(mode, target)
        part = part_of(session, owner, each)
        lines.append(
            _line(session, owner, part, each, source or adjustment, target or adjustment, now, make=target is not None)
        )
    return post(session, _posting(asked, owner, lines, by, now, digest))


def _count(
    session: Session, owner: UUID, asked: Requested, by: Actor, now: datetime, digest: bytes | None
) -> StockMovement | None:
    """Book what was counted against what was known: the difference, either way; None when there is none."""
    require(by, "stock.manage")
    mode = require_stock(session, owner)
    _need_reason(asked)
    adjustment = account(session, owner, "adjustment", now)
    lines = []
    for each in asked.lines:
        place = place_of(session, each.location_id, "location_id")
        if place is None or place.kind not in SHELVES:
            raise Invalid("counted at which place", field="location_id")
        allow_place(mode, place)
        part = part_of(session, owner, each)
        line = _difference(session, owner, part, each, place, adjustment, now)
        if line is not None:
            lines.append(line)
    if not lines:
        return None
    return post(session, _posting(asked, owner, lines, by, now, digest))


def _difference(
    session: Session,
    owner: UUID,
    part: Part,
    each: RequestedLine,
    place: StockLocation,
    adjustment: StockLocation,
    now: datetime,
) -> Line | None:
    if not each.quantity.is_finite() or not 0 <= each.quantity <= MAX_QUANTITY:
        raise Invalid("counted is 0 or more", field="quantity")
    if part.tracking == "serial" and each.quantity not in (0, 1):
        raise Invalid("a serial is there or not", field="quantity")
    lot = lot_of(session, owner, part, each.lot, now, make=True)
    serial = serial_of(session, owner, part, each.serial, now, make=True)
    key = (place.id, part.id, lot.id if lot else None, serial.id if serial else None)
    change = each.quantity - balances(session, [key]).get(key, Decimal(0))
    if change == 0:
        return None
    if change < 0:
        return Line(part, -change, place, adjustment, lot, serial)
    # A serial that is found here is no longer where the books have it.
    elsewhere = place_of_serial(session, serial) if serial else None
    source = session.get_one(StockLocation, elsewhere) if elsewhere else adjustment
    return Line(part, change, source, place, lot, serial)


def _need_reason(asked: Requested) -> None:
    if not (asked.reason or "").strip():
        raise Invalid(f"{asked.kind} needs a reason", field="reason")


def _line(
    session: Session,
    owner: UUID,
    part: Part,
    each: RequestedLine,
    source: StockLocation,
    target: StockLocation,
    now: datetime,
    *,
    make: bool = False,
) -> Line:
    lot = lot_of(session, owner, part, each.lot, now, make=make)
    serial = serial_of(session, owner, part, each.serial, now, make=make)
    return Line(part, each.quantity, source, target, lot, serial)


def _posting(
    asked: Requested, owner: UUID, lines: list[Line], by: Actor, now: datetime, digest: bytes | None
) -> Posting:
    return Posting(
        asked.kind,
        owner,
        lines,
        asked.occurred_at or now,
        now,
        by=by,
        work=asked.work,
        asset_id=asked.asset.id if asked.asset else None,
        operation_id=asked.operation_id,
        digest=digest,
        offline=asked.offline,
        reason=asked.reason,
        note=asked.note,
    )


def count_in(session: Session, asked: Requested, by: Actor, now: datetime, reason: str) -> StockMovement | None:
    """Bring the books to where a late operation found things: what it took must have been there. None: it was."""
    owner = asked.organisation_of(session, by)
    require_stock(session, owner)
    adjustment = account(session, owner, "adjustment", now)
    lines: dict[tuple[UUID, UUID, UUID | None, UUID | None], Line] = {}
    for each in asked.lines:
        place = place_of(session, each.from_location_id, "from_location_id") or own_place(session, by, owner)
        if place is None or place.kind not in SHELVES:
            continue
        part = part_of(session, owner, each)
        line = _line(session, owner, part, each, adjustment, place, now, make=True)
        key = (place.id, part.id, line.lot.id if line.lot else None, line.serial.id if line.serial else None)
        if key in lines:
            lines[key].quantity += each.quantity
        else:
            lines[key] = line
    missing = []
    there = balances(session, list(lines))
    for key, line in lines.items():
        line.quantity -= there.get(key, Decimal(0))
        elsewhere = place_of_serial(session, line.serial) if line.serial else None
        line.source = session.get_one(StockLocation, elsewhere) if elsewhere else adjustment
        if line.quantity > 0:
            missing.append(line)
    if not missing:
        return None
    return post(session, Posting("count", owner, missing, now, now, by=by, reason=reason))


Kind = Callable[[Session, UUID, Requested, Actor, datetime, "bytes | None"], "StockMovement | None"]
KINDS: dict[str, Kind] = {
    "issue": _issue,
    "consume": _issue,
    "return": _return,
    "move": _move,
    "count": _count,
    "adjust": _adjust,
    "scrap": _scrap,
}
