"""An operation as it was sent, read into the ledger's terms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Invalid
from assets.registry import Asset
from assets.stock.items import Part, part_for
from assets.stock.ledger import Work
from assets.stock.places import StockLocation, get_location
from assets.stock.words import MAX_LINES


@dataclass(frozen=True, slots=True)
class RequestedLine:
    """One line as it was sent."""

    part_id: UUID | None
    part_number: str | None
    quantity: Decimal
    lot: str | None = None
    serial: str | None = None
    from_location_id: UUID | None = None
    to_location_id: UUID | None = None
    location_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Requested:
    """An operation as it was sent, with the order and the machine that it names."""

    kind: str
    lines: tuple[RequestedLine, ...]
    work: Work | None
    asset: Asset | None
    operation_id: UUID | None
    occurred_at: datetime | None
    offline: bool
    reason: str | None
    note: str | None

    @classmethod
    def of(cls, body: dict[str, Any], work: Work | None, asset: Asset | None) -> Requested:
        """Read a body. Raises Invalid for what has not its form."""
        try:
            lines = tuple(_line(each) for each in body["lines"])
            occurred = body.get("occurred_at")
            return cls(
                kind=str(body["kind"]),
                lines=lines,
                work=work,
                asset=asset,
                operation_id=_id(body.get("operation_id")),
                occurred_at=datetime.fromisoformat(occurred) if isinstance(occurred, str) else occurred,
                offline=bool(body.get("offline")),
                reason=body.get("reason"),
                note=body.get("note"),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise Invalid("this operation cannot be read", field="operation") from error

    def organisation_of(self, session: Session, by: Actor) -> UUID:
        """Return whose stock this is about: the first place's owner, else the actor's own. Raises Invalid."""
        if not 0 < len(self.lines) <= MAX_LINES:
            raise Invalid(f"a movement has 1 to {MAX_LINES} lines", field="lines", limit=MAX_LINES)
        for line in self.lines:
            for key in (line.from_location_id, line.to_location_id, line.location_id):
                if key is not None:
                    return get_location(session, key, "lines").organisation_id
        return by.organisation_id


def _id(value: Any) -> UUID | None:
    return UUID(str(value)) if value is not None else None


def _line(each: dict[str, Any]) -> RequestedLine:
    return RequestedLine(
        part_id=_id(each.get("part_id")),
        part_number=(each.get("part_number") or "").strip() or None,
        quantity=Decimal(str(each.get("quantity", 1))),
        lot=(each.get("lot") or "").strip() or None,
        serial=(each.get("serial") or "").strip() or None,
        from_location_id=_id(each.get("from_location_id")),
        to_location_id=_id(each.get("to_location_id")),
        location_id=_id(each.get("location_id")),
    )


def part_of(session: Session, organisation_id: UUID, line: RequestedLine) -> Part:
    """Return the line's item. Raises Invalid."""
    return part_for(session, organisation_id, part_id=line.part_id, number=line.part_number)


def place_of(session: Session, key: UUID | None, field: str) -> StockLocation | None:
    """Return a place that a line names. Raises Invalid for one that is not there or not used any more."""
    if key is None:
        return None
    place = get_location(session, key, field)
    if not place.active:
        raise Invalid(f"{place.code} is not used any more", field=field, location=place.code)
    return place
