"""Human numbers of cases, requests and work orders; they may have gaps, they never repeat."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ticketing.cases.tables import CASE_NUMBERS
from ticketing.models import REQUEST_NUMBERS, WORK_ORDER_NUMBERS

_SEQUENCES = {"CS": CASE_NUMBERS, "RQ": REQUEST_NUMBERS, "WO": WORK_ORDER_NUMBERS}


def next_number(session: Session, prefix: str) -> str:
    """Return the next human number, such as 'CS-000123'; prefix is 'CS', 'RQ' or 'WO'."""
    return f"{prefix}-{session.scalar(select(_SEQUENCES[prefix].next_value())):06d}"
