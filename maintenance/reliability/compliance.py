"""Was planned maintenance done when it was due? Inside [due - before, due + after], of all that became due; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from assets.base.errors import Invalid

FORMULA = "done inside [due - tolerance, due + tolerance] / due"
COUNTED = ("on_time", "early", "late", "missed")
LEFT_OUT = ("not_yet_due", "excused", "not_in_period")


@dataclass(frozen=True, slots=True)
class Due:
    """One occurrence. `excused`: cancelled with its plan or machine, or skipped for a reason that excuses."""

    ref: str
    due_at: datetime
    before: timedelta
    after: timedelta
    done_at: datetime | None = None
    excused: bool = False


@dataclass(frozen=True, slots=True)
class Compliance:
    """`value` None when nothing was due. `by_verdict`: how many of each, those left out included."""

    value: float | None
    on_time: int
    due: int
    by_verdict: dict[str, int]


def verdict(due: Due, now: datetime) -> str:
    """Return one of COUNTED, or why it is left out. Raises Invalid for a tolerance below 0.

    Still open inside its tolerance it is not yet due: neither kept nor missed.
    """
    if due.before < timedelta(0) or due.after < timedelta(0):
        raise Invalid("a tolerance cannot be below 0", field="tolerance", ref=due.ref)
    if due.done_at is not None and due.done_at <= now:
        if due.done_at < due.due_at - due.before:
            return "early"
        return "late" if due.done_at > due.due_at + due.after else "on_time"
    if due.excused:
        return "excused"
    return "missed" if now > due.due_at + due.after else "not_yet_due"


def compliance(dues: Iterable[Due], since: datetime, until: datetime, now: datetime) -> Compliance:
    """Return the share of what was due in [since, until). Due counts by its date, whenever it was done."""
    counts: Counter[str] = Counter()
    for due in dues:
        counts[verdict(due, now) if since <= due.due_at < until else "not_in_period"] += 1
    total = sum(counts[name] for name in COUNTED)
    share = counts["on_time"] / total if total else None
    return Compliance(share, counts["on_time"], total, dict(counts))
