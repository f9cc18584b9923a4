"""Price books over HTTP, and the price that holds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select, tuple_

from assets.base.errors import Invalid
from assets.registry import Asset, Customer
from assets.stock.covered import in_warranty as covered
from assets.stock.covered import verdicts_on
from assets.stock.items import get_part
from assets.stock.ledger import Work
from assets.stock.prices import MAX_PRICES, Price, PriceBook, check_book, get_book, quote, set_prices
from assets.stock.tools import Tool, get_tool
from assets.warranty.facts import Line
from gateway.api.deps import Context, Here
from gateway.api.edits import seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.stock_rows import (
    Amount,
    AmountIn,
    Currency,
    IfMatch,
    Name,
    Names,
    PartRef,
    PersonRef,
    check_version,
)
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["price books"])


class BookFields(BaseModel):
    """When and for whom prices hold."""

    name: Name
    currency: Currency
    customer_id: UUID | None = None
    coverage: str = "any"
    valid_from: date
    valid_to: date | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    active: bool = True


class BookChange(BaseModel):
    """What changes of a book."""

    name: Name | None = None
    currency: Currency | None = None
    customer_id: UUID | None = None
    coverage: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    priority: Annotated[int | None, Field(ge=-1000, le=1000)] = None
    active: bool | None = None


class BookItem(BaseModel):
    """A price book."""

    id: UUID
    name: str
    currency: str
    customer: PersonRef | None
    coverage: str
    valid_from: date
    valid_to: date | None
    priority: int
    active: bool
    version: int


class Books(BaseModel):
    """A page of books."""

    items: list[BookItem]
    next: str | None = None


class PriceIn(BaseModel):
    """The price of a part each unit, or of a tool each hour."""

    part_id: UUID | None = None
    tool_id: UUID | None = None
    price: AmountIn


class NewPrices(BaseModel):
    """All prices of a book."""

    prices: Annotated[list[PriceIn], Field(max_length=MAX_PRICES)]


class ToolRef(BaseModel):
    """A tool by number and names."""

    id: UUID
    number: str
    name_en: str
    name_zh: str


class PriceItem(BaseModel):
    """A price of a book."""

    id: UUID
    part: PartRef | None
    tool: ToolRef | None
    price: Amount
    currency: str
    per: str


class Prices(BaseModel):
    """A page of prices."""

    items: list[PriceItem]
    next: str | None = None


class BookRef(BaseModel):
    """A book by name."""

    id: UUID
    name: str


class QuoteItem(BaseModel):
    """The price that holds; null when no book has one."""

    unit_price: Amount | None
    currency: str | None
    quantity: Amount
    amount: Amount | None
    price_book: BookRef | None
    verdict: str | None = None  # in, out or needs_check, when a machine was named


@router.get("/price-books", operation_id="list_price_books")
def list_price_books(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    customer_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Books:
    """List books by name."""
    here.require("price.read")
    query = select(PriceBook).order_by(PriceBook.name, PriceBook.id).limit(limit + 1)
    if q:
        query = query.where(PriceBook.name.icontains(q.strip(), autoescape=True))
    if customer_id is not None:
        query = query.where(PriceBook.customer_id == customer_id)
    if after:
        query = query.where(tuple_(PriceBook.name, PriceBook.id) > tuple_(*read_cursor(after, str, UUID)))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Books(items=_books(here, page), next=cursor_of(page[-1].name, page[-1].id) if len(rows) > limit else None)


@router.post("/price-books", operation_id="create_price_book", status_code=201)
def create_price_book(body: BookFields, here: Here) -> BookItem:
    """Add a book."""
    here.require("price.manage")
    book = PriceBook(organisation_id=here.actor.organisation_id, **body.model_dump())
    check_book(here.session, book)
    here.session.add(book)
    here.session.flush()
    return _books(here, [book])[0]


@router.get("/price-books/{book_id}", operation_id="get_price_book")
def get_price_book(book_id: UUID, here: Here) -> BookItem:
    """One book."""
    here.require("price.read")
    return _books(here, [get_book(here.session, book_id)])[0]


@router.patch("/price-books/{book_id}", operation_id="change_price_book")
def change_price_book(book_id: UUID, body: BookChange, here: Here, if_match: IfMatch = None) -> BookItem:
    """Change a book; what was issued before keeps the price that held then."""
    here.require("price.manage")
    book = get_book(here.session, book_id, lock=True)
    check_version(if_match, book.version, book.name)
    for name, value in body.model_dump(exclude_unset=True).items():
        if value is None and name not in ("customer_id", "valid_to"):
            raise Invalid(f"{name} cannot be empty", field=name)
        setattr(book, name, value)
    with here.session.no_autoflush:
        check_book(here.session, book)
    here.session.flush()
    return _books(here, [book])[0]


@router.get("/price-books/{book_id}/prices", operation_id="list_prices")
def list_prices(book_id: UUID, here: Here, limit: Limit = 100, after: After = None) -> Prices:
    """List a book's prices."""
    here.require("price.read")
    book = get_book(here.session, book_id)
    query = select(Price).where(Price.price_book_id == book.id).order_by(Price.id).limit(limit + 1)
    if after:
        (key,) = read_cursor(after, UUID)
        query = query.where(Price.id > key)
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Prices(items=_prices(here, book, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.put("/price-books/{book_id}/prices", operation_id="set_prices")
def set_book_prices(book_id: UUID, body: NewPrices, here: Here) -> Prices:
    """Put prices in place of all that the book had."""
    here.require("price.manage")
    book = get_book(here.session, book_id, lock=True)
    set_prices(here.session, book, [(each.part_id, each.tool_id, each.price) for each in body.prices])
    return list_prices(book_id, here, limit=500)


@router.get("/prices/quote", operation_id="quote_price")
def quote_price(
    here: Here,
    part_id: UUID | None = None,
    tool_id: UUID | None = None,
    customer_id: UUID | None = None,
    asset_id: UUID | None = None,
    work_order_id: UUID | None = None,
    in_warranty: bool | None = None,
    on: date | None = None,
    quantity: Annotated[Decimal, Query(gt=0, max_digits=13, decimal_places=4)] = Decimal(1),
) -> QuoteItem:
    """The price that holds on a day for a customer; for a machine the warranty's verdict says which book.

    `in_warranty` looks a price up when no machine is named; for one it is not for the caller to say.
    """
    here.require("price.read")
    if (part_id is None) == (tool_id is None):
        raise Invalid("of a part or of a tool", field="part_id")
    if part_id is not None:
        get_part(here.session, part_id)
    if tool_id is not None:
        get_tool(here.session, tool_id)
    verdict = None
    if asset_id is not None:
        if in_warranty is not None:
            raise Invalid("a machine's warranty says it: ask for an override", field="in_warranty")
        asset = seen(here, Asset, asset_id, "asset")
        customer_id = customer_id or asset.customer_id
        verdict = _verdict(here, asset, part_id, work_order_id, quantity)
        in_warranty = covered(verdict)
    found = quote(
        here.session,
        here.actor.organisation_id,
        on=on or here.now.date(),
        part_id=part_id,
        tool_id=tool_id,
        customer_id=customer_id,
        in_warranty=in_warranty,
    )
    return QuoteItem(
        unit_price=found.unit_price if found else None,
        currency=found.currency if found else None,
        quantity=quantity,
        amount=found.unit_price * quantity if found else None,
        price_book=BookRef(id=found.book.id, name=found.book.name) if found else None,
        verdict=verdict,
    )


def _verdict(here: Context, asset: Asset, part_id: UUID | None, work_order_id: UUID | None, quantity: Decimal) -> str:
    """A part is judged as a part, hours of a tool as labour."""
    order = get_work_order(here.session, work_order_id) if work_order_id is not None else None
    if order is not None and order.asset_id != asset.id:
        raise Invalid("this order is for another machine", field="work_order_id")
    item = get_part(here.session, part_id).number if part_id is not None else None
    line = Line("asked", "part" if part_id is not None else "labour", part_item=item, quantity=float(quantity))
    work = Work(order.id, order.number) if order is not None else None
    [found] = verdicts_on(here.session, asset, [line], order.opened_at if order else here.now, here.now, work)
    return found.verdict


def _books(here: Context, rows: list[PriceBook]) -> list[BookItem]:
    keys = {row.customer_id for row in rows if row.customer_id}
    customers = {each.id: each.name for each in here.session.scalars(select(Customer).where(Customer.id.in_(keys)))}
    return [
        BookItem(
            id=row.id,
            name=row.name,
            currency=row.currency,
            customer=PersonRef(id=row.customer_id, name=customers[row.customer_id])
            if row.customer_id and row.customer_id in customers
            else None,
            coverage=row.coverage,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            priority=row.priority,
            active=row.active,
            version=row.version,
        )
        for row in rows
    ]


def _prices(here: Context, book: PriceBook, rows: list[Price]) -> list[PriceItem]:
    names = Names(here).load(parts=[row.part_id for row in rows])
    keys = {row.tool_id for row in rows if row.tool_id}
    tools = {each.id: each for each in here.session.scalars(select(Tool).where(Tool.id.in_(keys)))}
    items = []
    for row in rows:
        tool = tools.get(row.tool_id) if row.tool_id else None
        items.append(
            PriceItem(
                id=row.id,
                part=names.part(row.part_id) if row.part_id else None,
                tool=ToolRef(id=tool.id, number=tool.number, name_en=tool.name_en, name_zh=tool.name_zh)
                if tool
                else None,
                price=row.price,
                currency=book.currency,
                per="hour" if row.tool_id else "unit",
            )
        )
    return items
