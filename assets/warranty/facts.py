"""What a verdict is made from: facts of the asset and the fault, lines of the order, parts put in before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo

# The day a machine was sold: the first of these that is known. It says which version of the terms holds.
SOLD = ("invoice", "purchase", "delivery", "installation", "commissioning", "production")


@dataclass(frozen=True, slots=True)
class AssetFacts:
    """What is known of the asset; what is not known is left out, never guessed.

    `unconfirmed`: days that were claimed and wait for somebody to confirm them. `term_ids`: versions that its
    warranty card names; of a code with a version among them no other counts. `stays`: when it was away for repair.
    `repairs`: days on which it was repaired under warranty; None: not known.
    """

    dates: Mapping[str, date] = field(default_factory=dict)
    model: str | None = None
    region: str | None = None
    zone: tzinfo = UTC
    unconfirmed: frozenset[str] = frozenset()
    term_ids: frozenset[str] = frozenset()
    stays: tuple[tuple[date, date], ...] = ()
    repairs: tuple[date, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter had counted: between the reading before the moment and the one after it; None: none after it."""

    least: float
    most: float | None


@dataclass(frozen=True, slots=True)
class Fault:
    """When it failed (not when somebody wrote an order), and the meters then."""

    at: datetime | None
    meters: Mapping[str, float | Reading] = field(default_factory=dict)
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order. `component` is a path such as 'pump/seal'."""

    line_id: str
    kind: str
    component: str | None = None
    part_item: str | None = None
    part_serial: str | None = None
    cause: str | None = None
    quantity: float = 1.0
    amount: float | None = None


@dataclass(frozen=True, slots=True)
class PartPut:
    """A part put in for another. `covered`: under warranty (True), paid for by the customer, not known (None)."""

    at: datetime
    component: str | None = None
    part_item: str | None = None
    serial: str | None = None
    replaced_serial: str | None = None
    meters: Mapping[str, float] = field(default_factory=dict)
    covered: bool | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """An approved change of a line's verdict."""

    verdict: str
    reason: str
    payer: str | None = None


def lies_in(component: str, wanted: str) -> bool:
    """Return whether a component is the wanted one or a part of it: 'pump/seal' lies in 'pump'."""
    own, outer = component.strip().casefold(), wanted.strip().casefold()
    return own == outer or own.startswith(outer + "/")


def region_in(region: str, wanted: str) -> bool:
    """Return whether a region is the wanted one or lies in it: 'CN-31' lies in 'CN'."""
    own, outer = region.strip().upper(), wanted.strip().upper()
    return own == outer or own.startswith(outer + "-")
