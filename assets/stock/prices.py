"""Price books: what a part or an hour of a tool is sold for, by customer, warranty and date."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, Invalid, NotFound
from assets.registry import Customer
from assets.stock.items import Part, catalogue_of
from assets.stock.words import COVERAGES, MAX_QUANTITY, MONEY

MAX_PRICES = 5000  # in one write of a book
_CURRENCY = re.compile(r"[A-Z]{3}")


class PriceBook(Identified, Owned, Base):
    """Prices that hold in [valid_from, valid_to] for one customer or all, for work in or out of warranty or both."""

    __tablename__ = "price_books"

    name: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    coverage: Mapped[str] = mapped_column(Text, default="any")
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    priority: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column()

    __table_args__ = (UniqueConstraint("organisation_id", "name"), Index("ix_price_books_name", "name", "id"))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Price(Identified, Owned, Base):
    """One price in a book: of a part each unit, or of a tool each hour."""

    __tablename__ = "prices"

    price_book_id: Mapped[UUID] = mapped_column(ForeignKey("price_books.id", ondelete="CASCADE"), index=True)
    part_id: Mapped[UUID | None] = mapped_column(ForeignKey("parts.id", ondelete="CASCADE"), index=True)
    tool_id: Mapped[UUID | None] = mapped_column(ForeignKey("tools.id", ondelete="CASCADE"), index=True)
    price: Mapped[Decimal] = mapped_column(MONEY)

    __table_args__ = (
        UniqueConstraint("price_book_id", "part_id", "tool_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("price >= 0", name="not_negative"),
    )


@dataclass(frozen=True, slots=True)
class Quote:
    """The price that holds, and the book that says so."""

    unit_price: Decimal
    currency: str
    book: PriceBook


def check_currency(currency: str, field: str = "currency") -> str:
    """Return an ISO 4217 code. Raises Invalid for what has not its form."""
    if not _CURRENCY.fullmatch(currency):
        raise Invalid("a currency is three capital letters", field=field)
    return currency


def check_money(amount: Decimal, field: str) -> Decimal:
    """Return an amount. Raises Invalid below zero or beyond what a ledger holds."""
    if not amount.is_finite() or not 0 <= amount <= MAX_QUANTITY:
        raise Invalid(f"{field} is from 0 to {MAX_QUANTITY}", field=field)
    return amount


def check_book(session: Session, book: PriceBook) -> PriceBook:
    """Raise Invalid, or Conflict for a name that is taken."""
    check_currency(book.currency)
    if book.coverage not in COVERAGES:
        raise Invalid(f"coverage is one of: {', '.join(COVERAGES)}", field="coverage", allowed=list(COVERAGES))
    if book.valid_to is not None and book.valid_to < book.valid_from:
        raise Invalid("a book ends after it begins", field="valid_to")
    if book.customer_id is not None and session.get(Customer, book.customer_id) is None:
        raise Invalid("no such customer", field="customer_id")
    with session.no_autoflush:
        taken = session.scalar(
            select(PriceBook.id).where(
                PriceBook.organisation_id == book.organisation_id, PriceBook.name == book.name, PriceBook.id != book.id
            )
        )
    if taken:
        raise Conflict(f"there is a price book {book.name!r} already", name=book.name)
    return book


def get_book(session: Session, book_id: UUID, *, lock: bool = False) -> PriceBook:
    """Return a price book that the caller may see. Raises NotFound."""
    book = session.get(PriceBook, book_id, with_for_update=lock)
    if book is None:
        raise NotFound("no such price book", kind="price_book")
    return book


def set_prices(session: Session, book: PriceBook, prices: Sequence[tuple[UUID | None, UUID | None, Decimal]]) -> None:
    """Put (part, tool, price) rows in place of what the book had. Raises Invalid."""
    from assets.stock.tools import Tool  # tools are priced, and know prices

    if len(prices) > MAX_PRICES:
        raise Invalid(f"at most {MAX_PRICES} prices at once", field="prices", limit=MAX_PRICES)
    parts = {part for part, _, _ in prices if part}
    tools = {tool for _, tool, _ in prices if tool}
    if any((part is None) == (tool is None) for part, tool, _ in prices):
        raise Invalid("a price is of a part or of a tool", field="part_id")
    if len(parts) + len(tools) != len(prices):
        raise Invalid("a part or tool stands there twice", field="prices")
    if set(session.scalars(select(Part.id).where(Part.id.in_(parts)))) != parts:
        raise Invalid("no such part", field="part_id")
    if set(session.scalars(select(Tool.id).where(Tool.id.in_(tools)))) != tools:
        raise Invalid("no such tool", field="tool_id")
    session.execute(delete(Price).where(Price.price_book_id == book.id))
    session.add_all(
        Price(
            organisation_id=book.organisation_id,
            price_book_id=book.id,
            part_id=part,
            tool_id=tool,
            price=check_money(price, "price"),
        )
        for part, tool, price in prices
    )
    session.flush()


def quote(
    session: Session,
    organisation_id: UUID,
    *,
    on: date,
    part_id: UUID | None = None,
    tool_id: UUID | None = None,
    customer_id: UUID | None = None,
    in_warranty: bool | None = None,
) -> Quote | None:
    """Return the price that holds on a day, None when no book has one.

    The customer's own book before everybody's, one for this coverage before one for any, then the higher priority,
    the nearer owner, the later beginning. Without a word on warranty only books for any coverage count.
    """
    line = catalogue_of(session, organisation_id)
    coverages = ["any"] if in_warranty is None else ["any", "in_warranty" if in_warranty else "out_of_warranty"]
    rows = session.execute(
        select(PriceBook, Price.price)
        .join(Price, Price.price_book_id == PriceBook.id)
        .where(
            PriceBook.organisation_id.in_(line),
            PriceBook.active,
            PriceBook.valid_from <= on,
            or_(PriceBook.valid_to.is_(None), PriceBook.valid_to >= on),
            or_(PriceBook.customer_id.is_(None), PriceBook.customer_id == customer_id),
            PriceBook.coverage.in_(coverages),
            Price.part_id == part_id if part_id else Price.tool_id == tool_id,
        )
    ).all()
    if not rows:
        return None
    book, price = max(
        rows,
        key=lambda row: (
            row[0].customer_id is not None,
            row[0].coverage != "any",
            row[0].priority,
            line.index(row[0].organisation_id),
            row[0].valid_from,
            row[0].id,
        ),
    )
    return Quote(price, book.currency, book)
