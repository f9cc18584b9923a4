"""What doing work late or early does to the next dates: nothing (fixed), everything (floating), or a share; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from assets.base.errors import Invalid

SCHEDULING = ("fixed", "floating")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far from its due day work still counts as on time: days, or percent of the cycle (then whole days of it)."""

    days: float | None = None
    percent: float | None = None

    def of(self, cycle_days: float) -> float:
        """Return the days for a cycle of so many days; a share of a cycle is cut to whole days."""
        if self.days is not None:
            return self.days
        return float(math.floor(cycle_days * (self.percent or 0.0) / 100 + 1e-9))


@dataclass(frozen=True, slots=True)
class Shift:
    """Shares in percent of how much of a delay (or of being early) the later dates take over, beyond the tolerance.

    As in SAP: the tolerance decides whether there is a shift; the shift is a share of the whole difference.
    """

    late_percent: float = 0.0
    early_percent: float = 0.0
    late: Tolerance = Tolerance(0)
    early: Tolerance = Tolerance(0)

    def days(self, due: date, done: date, cycle_days: float) -> int:
        """Return by how many days later dates move, negative when it was done early; halves go up."""
        off = (done - due).days
        if off > 0:
            return 0 if off <= self.late.of(cycle_days) else _share(off, self.late_percent)
        return 0 if -off <= self.early.of(cycle_days) else -_share(-off, self.early_percent)

    def moved(self, next_due: date, due: date, done: date, cycle_days: float) -> date:
        """Return the next due day after work that was due on one day and done on another."""
        return next_due + timedelta(days=self.days(due, done, cycle_days))


def _share(days: int, percent: float) -> int:
    return int((Decimal(days) * Decimal(str(percent)) / 100).quantize(Decimal(1), ROUND_HALF_UP))


def check_shift(shift: Shift) -> None:
    """Raise Invalid for shares outside 0 to 100 and tolerances below 0."""
    for name in ("late_percent", "early_percent"):
        if not 0 <= getattr(shift, name) <= 100:
            raise Invalid("a share is 0 to 100 percent", field=f"shift_{name}", value=getattr(shift, name))
    for name in ("late", "early"):
        tolerance: Tolerance = getattr(shift, name)
        for kind in ("days", "percent"):
            value = getattr(tolerance, kind)
            if value is not None and not (math.isfinite(value) and 0 <= value <= 3660):
                raise Invalid("a tolerance is 0 or more", field=f"tolerance_{name}_{kind}", value=value)
