"""Ask the warranty's verdict on what stock gives out: in, out, or not known; it says which price book holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from assets.base.db import service_rights
from assets.registry import Asset
from assets.stock.ledger import Work
from assets.warranty.coverage import Question, judge_lines, newest_check
from assets.warranty.facts import Line
from assets.warranty.periods import is_sensible
from assets.warranty.verdict import LineVerdict
from assets.warranty.windows import IN, OUT

_KNOWN = {IN: True, OUT: False}


def verdicts_on(
    session: Session, asset: Asset, lines: Sequence[Line], at: datetime, now: datetime, work: Work | None = None
) -> list[LineVerdict]:
    """Judge lines of a machine: when it failed is what the order's verdicts say, else `at`.

    Looks as the service: the verdict does not depend on which terms and contracts the asker may read.
    """
    session.flush()
    with service_rights(session):
        kept = newest_check(session, work.id) if work is not None else None
        fault_at = min(kept.fault_at if kept is not None and kept.fault_at else at, now)
        asked = Question(fault_at if is_sensible(fault_at) else None, lines)
        return judge_lines(session, asset, asked, now, work.id if work is not None else None)


def in_warranty(verdict: str) -> bool | None:
    """Return what a verdict says for prices; None: not known, so only prices for any coverage hold."""
    return _KNOWN.get(verdict)
