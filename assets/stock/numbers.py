"""Human numbers of papers in the stock room; they may have gaps, they never repeat."""

from __future__ import annotations

from sqlalchemy import Sequence, select
from sqlalchemy.orm import Session

from assets.base.db import Base

NUMBERS = {
    prefix: Sequence(name, metadata=Base.metadata)
    for prefix, name in (
        ("PO", "purchase_order_numbers"),
        ("TR", "stock_transfer_numbers"),
        ("RO", "repair_order_numbers"),
        ("TL", "tool_numbers"),
    )
}


def next_number(session: Session, prefix: str) -> str:
    """Return the next number, such as 'PO-000123'."""
    return f"{prefix}-{session.scalar(select(NUMBERS[prefix].next_value())):06d}"
