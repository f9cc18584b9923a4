"""Sums of what displays show: as decimals, so that 4750.2 and 249.8 make 5000 and not a hair more."""

from __future__ import annotations

from decimal import Decimal


def exact_sum(*terms: float) -> float:
    """Return the sum of finite numbers as they are written; in binary it would drift off a limit by a hair."""
    return float(sum(Decimal(repr(float(term))) for term in terms))
