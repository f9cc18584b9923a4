"""Book a movement: two entries a line, sums of zero, nothing taken from where it is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Invalid
from assets.base.ids import uuid7
from assets.stock.errors import SerialElsewhere, StockShort
from assets.stock.items import Part, whole
from assets.stock.places import StockLocation, lock_stock
from assets.stock.schema import REPLAY
from assets.stock.tables import StockBalance, StockEntry, StockLot, StockMovement, StockSerial
from assets.stock.words import CONDITION_MOVES, MAX_LINES, UNBOUNDED

AHEAD = timedelta(minutes=5)  # clocks of phones differ; what is further ahead is a mistake
Key = tuple[UUID, UUID, UUID | None, UUID | None]  # location, part, lot, serial


@dataclass(frozen=True, slots=True)
class Work:
    """The work order that stock is used for, by id and number."""

    id: UUID
    number: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The paper behind a movement, such as a purchase order."""

    kind: str
    id: UUID
    number: str


@dataclass(slots=True)
class Line:
    """So much of an item goes from one place to another."""

    part: Part
    quantity: Decimal
    source: StockLocation
    target: StockLocation
    lot: StockLot | None = None
    serial: StockSerial | None = None
    unit_cost: Decimal | None = None
    currency: str | None = None


@dataclass(slots=True)
class Posting:
    """A movement to book; `occurred_at` is event time."""

    kind: str
    organisation_id: UUID
    lines: Sequence[Line]
    occurred_at: datetime
    received_at: datetime
    by: Actor | None = None
    work: Work | None = None
    asset_id: UUID | None = None
    reference: Reference | None = None
    operation_id: UUID | None = None
    digest: bytes | None = None
    offline: bool = False
    reason: str | None = None
    note: str | None = None
    condition: str | None = None  # what its serials are afterwards; None: as they were


def post(session: Session, posting: Posting) -> StockMovement:
    """Book a movement in the caller's transaction, with the organisation's stock locked until it ends.

    Raises StockShort (nothing is booked), SerialElsewhere, Invalid.
    """
    if not 0 < len(posting.lines) <= MAX_LINES:
        raise Invalid(f"a movement has 1 to {MAX_LINES} lines", field="lines", limit=MAX_LINES)
    if posting.occurred_at > posting.received_at + AHEAD:
        raise Invalid("a movement cannot be in the future", field="occurred_at")
    lock_stock(session, posting.organisation_id)
    for line in posting.lines:
        _check(posting, line)
    _refuse_shortage(session, posting.lines)
    movement = movement_of(posting)
    session.add(movement)
    session.flush()
    session.execute(insert(StockEntry).values(list(entries_of(movement, posting.lines))))
    for line in posting.lines:
        _follow(line, posting, movement)
    session.flush()
    return movement


def _check(posting: Posting, line: Line) -> None:
    part = line.part
    whole(part, line.quantity)
    if line.source.id == line.target.id:
        raise Invalid("from and to are the same place", field="lines", part_number=part.number)
    for place in (line.source, line.target):
        if place.organisation_id != posting.organisation_id:
            raise Invalid(f"{place.code} belongs to another organisation", field="lines", location=place.code)
    if part.tracking == "lot" and line.lot is None:
        raise Invalid(f"{part.number} needs its lot", field="lot", part_number=part.number)
    if part.tracking == "serial" and line.serial is None:
        raise Invalid(f"{part.number} needs its serial", field="serial", part_number=part.number)
    if part.tracking == "none" and (line.lot or line.serial):
        raise Invalid(f"{part.number} has neither lots nor serials", field="lot", part_number=part.number)
    for owned in (line.lot, line.serial):
        if owned is not None and (owned.part_id != part.id or owned.organisation_id != posting.organisation_id):
            raise Invalid(f"this lot or serial is not of {part.number}", field="lot", part_number=part.number)


def _key(line: Line, place: StockLocation) -> Key:
    return place.id, line.part.id, line.lot.id if line.lot else None, line.serial.id if line.serial else None


def _refuse_shortage(session: Session, lines: Sequence[Line]) -> None:
    """Name everything that is missing at once. The stock is locked, so what is read here stays true."""
    out: dict[Key, Decimal] = defaultdict(Decimal)
    first: dict[Key, Line] = {}
    serials: set[UUID] = set()
    for line in lines:
        if line.serial is not None:
            if line.serial.id in serials:
                raise Invalid(f"serial {line.serial.serial} stands there twice", field="serial")
            serials.add(line.serial.id)
            _refuse_elsewhere(session, line, line.serial)
        if line.source.kind not in UNBOUNDED:
            out[_key(line, line.source)] += line.quantity
            first.setdefault(_key(line, line.source), line)
    there = balances(session, list(out))
    short = [(first[key], wanted, there.get(key, Decimal(0))) for key, wanted in out.items()]
    short = [(line, wanted, has) for line, wanted, has in short if has < wanted]
    if not short:
        return
    lost = next((line for line, _, _ in short if line.serial is not None), None)
    if lost is not None and lost.serial is not None and len(short) == 1:
        serial, place = lost.serial.serial, lost.source.code
        raise SerialElsewhere(f"{lost.part.number} {serial} is not at {place}", serial=serial, location=place)
    missing = [_missing(line, wanted, has) for line, wanted, has in short]
    told = "; ".join(f"{each['part_number']} at {each['location']}: {each['available']}" for each in missing)
    raise StockShort(f"not enough in stock: {told}", missing=missing)


def _refuse_elsewhere(session: Session, line: Line, serial: StockSerial) -> None:
    """What comes from outside cannot be a piece that is here, or in a machine, already."""
    at = place_of_serial(session, serial) if line.source.kind in UNBOUNDED else None
    if at is not None and at != line.source.id:
        place = session.get_one(StockLocation, at).code
        raise SerialElsewhere(f"{line.part.number} {serial.serial} is at {place}", serial=serial.serial, location=place)


def _missing(line: Line, wanted: Decimal, has: Decimal) -> dict[str, Any]:
    return {
        "part_id": str(line.part.id),
        "part_number": line.part.number,
        "location_id": str(line.source.id),
        "location": line.source.code,
        "lot": line.lot.lot if line.lot else None,
        "serial": line.serial.serial if line.serial else None,
        "wanted": float(wanted),
        "available": float(has),
        "unit": line.part.unit,
    }


# Pair by pair: a list of places and one of parts would look at all that they have in common.
_OF_PAIRS = text("""
SELECT b.location_id, b.part_id, b.lot_id, b.serial_id, b.quantity
FROM unnest(CAST(:places AS uuid[]), CAST(:parts AS uuid[])) AS k(place, part)
CROSS JOIN LATERAL (SELECT * FROM stock_balances WHERE location_id = k.place AND part_id = k.part) b
""")


def balances(session: Session, keys: Sequence[Key]) -> dict[Key, Decimal]:
    """Return how much is at each key; keys without a row are left out."""
    if not keys:
        return {}
    pairs = list({key[:2] for key in keys})
    places, parts = [each[0] for each in pairs], [each[1] for each in pairs]
    rows = session.execute(_OF_PAIRS, {"places": places, "parts": parts})
    wanted = set(keys)
    found = {(location, part, lot, serial): quantity for location, part, lot, serial, quantity in rows}
    return {key: quantity for key, quantity in found.items() if key in wanted}


def movement_of(posting: Posting) -> StockMovement:
    """Return the row of a movement."""
    by, work, paper = posting.by, posting.work, posting.reference
    return StockMovement(
        id=uuid7(),
        organisation_id=posting.organisation_id,
        kind=posting.kind,
        occurred_at=posting.occurred_at,
        received_at=posting.received_at,
        offline=posting.offline,
        operation_id=posting.operation_id,
        digest=posting.digest,
        by_id=by.person_id if by else None,
        work_order_id=work.id if work else None,
        work_order_number=work.number if work else None,
        asset_id=posting.asset_id,
        reference_kind=paper.kind if paper else None,
        reference_id=paper.id if paper else None,
        reference_number=paper.number if paper else None,
        reason=posting.reason,
        note=posting.note,
    )


def entries_of(movement: StockMovement, lines: Sequence[Line]) -> Sequence[dict[str, Any]]:
    """Return the two rows of each line of a movement."""
    made: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        cost, currency = cost_of(line)
        for place, quantity in ((line.source, -line.quantity), (line.target, line.quantity)):
            _, part_id, lot_id, serial_id = _key(line, place)
            made.append(
                {
                    "id": uuid7(),
                    "organisation_id": movement.organisation_id,
                    "movement_id": movement.id,
                    "line": number,
                    "part_id": part_id,
                    "location_id": place.id,
                    "lot_id": lot_id,
                    "serial_id": serial_id,
                    "quantity": quantity,
                    "unit_cost": cost,
                    "currency": currency,
                }
            )
    return made


def cost_of(line: Line) -> tuple[Decimal | None, str | None]:
    """Return what one costs: told, or as its serial or lot was received, or the item's standard cost."""
    if line.unit_cost is not None:
        return line.unit_cost, line.currency
    for known in (line.serial, line.lot):
        if known is not None and known.unit_cost is not None:
            return known.unit_cost, known.currency
    return line.part.standard_cost, line.part.currency


def _follow(line: Line, posting: Posting, movement: StockMovement) -> None:
    """Serials and lots remember their first receipt; a serial also its condition and the asset that it is in."""
    for known in (line.lot, line.serial):
        if known is not None and known.movement_id is None:
            known.movement_id = movement.id
            known.unit_cost, known.currency = cost_of(line)
    serial = line.serial
    if serial is None or posting.condition is None:
        return
    if serial.condition != posting.condition and posting.condition not in CONDITION_MOVES[serial.condition]:
        text_ = f"{line.part.number} {serial.serial} is {serial.condition}, so it cannot become {posting.condition}"
        raise SerialElsewhere(text_, serial=serial.serial, condition=serial.condition)
    serial.condition = posting.condition
    serial.asset_id = posting.asset_id if posting.condition == "installed" else None


# ---- lots and serials -----------------------------------------------------------------------------------------------


def lot_of(
    session: Session, organisation_id: UUID, part: Part, lot: str | None, now: datetime, *, make: bool = False
) -> StockLot | None:
    """Return a lot of an item (None when none is named); `make` one that is new. Raises Invalid."""
    if not lot:
        return None
    found = session.scalar(
        select(StockLot).where(
            StockLot.organisation_id == organisation_id, StockLot.part_id == part.id, StockLot.lot == lot
        )
    )
    if found is None and not make:
        raise Invalid(f"{part.number} has no lot {lot!r}", field="lot", part_number=part.number, lot=lot)
    if found is None:
        found = StockLot(organisation_id=organisation_id, part_id=part.id, lot=lot, created_at=now)
        session.add(found)
        session.flush()
    return found


def serial_of(
    session: Session,
    organisation_id: UUID,
    part: Part,
    serial: str | None,
    now: datetime,
    *,
    make: bool = False,
    condition: str = "good",
) -> StockSerial | None:
    """Return a serial of an item (None when none is named); `make` one that is new. Raises SerialElsewhere."""
    if not serial:
        return None
    found = session.scalar(
        select(StockSerial).where(
            StockSerial.organisation_id == organisation_id,
            StockSerial.part_id == part.id,
            StockSerial.serial == serial,
        )
    )
    if found is None and not make:
        raise SerialElsewhere(f"{part.number} has no serial {serial!r}", serial=serial, part_number=part.number)
    if found is None:
        found = StockSerial(
            organisation_id=organisation_id, part_id=part.id, serial=serial, condition=condition, created_at=now
        )
        session.add(found)
        session.flush()
    return found


def place_of_serial(session: Session, serial: StockSerial) -> UUID | None:
    """Return where a serial is: on a shelf or in a machine; None when it was never received or is gone."""
    held = (
        select(StockBalance.location_id)
        .join(StockLocation, StockLocation.id == StockBalance.location_id)
        .where(
            StockBalance.serial_id == serial.id,
            StockBalance.quantity > 0,
            StockLocation.kind.not_in(("supplier", "adjustment")),
        )
    )
    return session.scalar(held.order_by(StockBalance.floored.desc()).limit(1))


def has_movements(session: Session, part_id: UUID) -> bool:
    """Return whether the ledger knows an item."""
    return session.scalar(select(StockEntry.id).where(StockEntry.part_id == part_id).limit(1)) is not None


def replay_differences(session: Session) -> list[dict[str, Any]]:
    """Return where the balances are not what all entries give: nothing, or the ledger is broken."""
    return [dict(row) for row in session.execute(text(REPLAY)).mappings()]
