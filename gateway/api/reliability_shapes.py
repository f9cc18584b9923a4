"""Shapes of reliability: every figure with its interval, formula and n, and the rows behind it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from maintenance.reliability.asking import Figures
from maintenance.reliability.rates import Rate


class RateInterval(BaseModel):
    """A figure with its 95 % interval. Nothing failed: value null, `low` the bound from below; `reason` says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None


class GroupRef(BaseModel):
    """What the figures are of; id null: those without."""

    id: str | None
    name: str | None
    name_zh: str | None = None


class ReliabilityRow(BaseModel):
    """The figures of a group; hours of all its machines together."""

    group: GroupRef | None
    machines: int
    exposed_h: float
    observed_h: float
    up_h: float
    failed_h: float
    planned_h: float
    failures: int
    open_failures: int
    carried_in: int
    mtbf: RateInterval
    mttr_clock: RateInterval
    mttr_work: RateInterval
    availability: float | None
    availability_inherent: float | None


class ReliabilityFigures(BaseModel):
    """The whole and its groups. `left_out`: what counted for nothing, by reason.

    `young_records`: machines that were in service in the period before they were written down here.
    """

    since: datetime
    until: datetime
    by: str
    confidence: float
    formulas: dict[str, str]
    whole: ReliabilityRow
    items: list[ReliabilityRow]
    left_out: dict[str, int]
    young_records: int
    next: str | None = None


class MachineRef(BaseModel):
    """A machine."""

    id: UUID
    name: str
    serial: str


class EvidenceRef(BaseModel):
    """A row that says so; a work order with its number."""

    kind: str
    id: str
    number: str | None = None


class EventRef(BaseModel):
    """An event of the log."""

    event_id: int
    at: datetime
    kind: str


class StopRow(BaseModel):
    """A stop. `counts`: a failure of this period; otherwise `why` says what it is. `hours` as they count."""

    asset: MachineRef
    kind: str
    start: datetime
    end: datetime | None
    hours: float
    restored: bool
    counts: bool
    why: str | None
    failure_mode: str | None
    components: list[str]
    work_h: float | None
    evidence: list[EvidenceRef]
    events: list[EventRef]


class StopRows(BaseModel):
    """The stops behind the figures of a group."""

    formulas: dict[str, str]
    items: list[StopRow]
    next: str | None = None


class WeibullFit(BaseModel):
    """Shape and scale with their intervals; ages in hours. `pattern`: early, random or wear_out."""

    shape: float
    shape_low: float
    shape_high: float
    scale: float
    scale_low: float
    scale_high: float
    mean: float
    b10: float
    failures: int
    censored: int
    pattern: str
    confidence: float


class LifePoint(BaseModel):
    """A failure on the plot: by this age so large a share had failed."""

    age_h: float
    share: float
    at_risk: int
    at: datetime
    asset: MachineRef


class TrendItem(BaseModel):
    """Whether failures come closer together (worse) or not; a trend makes the fit doubtful."""

    verdict: str
    p: float | None
    growth: float | None
    n: int


class WeibullAnswer(BaseModel):
    """The fit, or the reason why there is none, with the points that it goes through."""

    since: datetime
    until: datetime
    formula: str
    fit: WeibullFit | None
    reason: str | None
    failures: int
    censored: int
    machines: int
    points: list[LifePoint]
    points_left_out: int
    trend: TrendItem


class BadActor(BaseModel):
    """A machine against its like: failures expected from the others of its model, and how likely so many are."""

    asset: MachineRef
    model: str | None
    failures: int
    up_h: float
    failed_h: float
    expected: float | None
    ratio: float | None
    p: float | None
    bad_actor: bool


class BadActors(BaseModel):
    """All machines, those that fail most beyond their like first."""

    since: datetime
    until: datetime
    formula: str
    level: float
    n: int
    items: list[BadActor]
    next: str | None = None


class ParetoBar(BaseModel):
    """A bar with its share, and that of all up to it."""

    group: GroupRef
    value: float
    share: float
    cumulative: float


class Pareto(BaseModel):
    """Bars in falling order. `n`: failures; one of several components stands in each of their bars."""

    since: datetime
    until: datetime
    by: str
    measure: str
    formula: str
    n: int
    items: list[ParetoBar]
    next: str | None = None


class ComplianceRow(BaseModel):
    """How many of what was due were done in time; `by_verdict` counts those left out too."""

    group: GroupRef | None
    value: float | None
    on_time: int
    due: int
    by_verdict: dict[str, int]


class ComplianceAnswer(BaseModel):
    """Compliance of planned maintenance."""

    since: datetime
    until: datetime
    by: str
    formula: str
    whole: ComplianceRow
    items: list[ComplianceRow]
    next: str | None = None


class OccurrenceRow(BaseModel):
    """A piece of planned work: when it was due, within which bounds, when it was done."""

    id: UUID
    asset: MachineRef
    plan: GroupRef
    due_at: datetime
    earliest_at: datetime
    latest_at: datetime
    done_at: datetime | None
    state: str
    verdict: str
    reason: str | None
    work_order_id: UUID | None


class OccurrenceRows(BaseModel):
    """What was due behind a share."""

    formula: str
    items: list[OccurrenceRow]
    next: str | None = None


class YearItem(BaseModel):
    """A year in one currency; `refs` name the rows: line:ID, usage:ID, asset:ID for hours down."""

    year: int
    currency: str
    total: float
    by_kind: dict[str, float]
    whole_year: bool
    refs: list[str]


class ChoiceItem(BaseModel):
    """Keep or replace: the next year of the old one against a year of a new one, with what it was reckoned from."""

    verdict: str
    keep: float | None
    replace: float | None
    growth: float | None
    best_years: int | None
    reason: str | None
    price: float | None
    years: list[int]


class CostRow(BaseModel):
    """What a machine cost."""

    asset: MachineRef
    years: list[YearItem]
    choice: ChoiceItem


class Costs(BaseModel):
    """Costs by machine and year. `left_out`: rows without an amount, by reason."""

    since: datetime
    until: datetime
    currency: str
    formulas: dict[str, str]
    inputs: dict[str, float | int | str | None]
    items: list[CostRow]
    left_out: dict[str, int]
    next: str | None = None


class PolicyItem(BaseModel):
    """What an interval costs in the long run; null: run until it fails."""

    interval_h: float | None
    cost_per_year: float
    failures_per_year: float
    services_per_year: float


class CostInput(BaseModel):
    """A cost that the suggestion rests on: told, or the mean of so many orders."""

    value: float | None
    n: int
    source: str


class IntervalAnswer(BaseModel):
    """The best interval with its expected effect, or the reason why there is none to suggest."""

    since: datetime
    until: datetime
    currency: str
    formula: str
    fit: WeibullFit | None
    best: PolicyItem | None
    now: PolicyItem | None
    to_failure: PolicyItem | None
    saving_per_year: float | None
    reason: str | None
    trend: TrendItem
    planned_cost: CostInput
    failure_cost: CostInput
    failures: int
    censored: int


def interval(rate: Rate) -> RateInterval:
    """Return a rate as it is shown."""
    return RateInterval(value=rate.value, low=rate.low, high=rate.high, n=rate.n, reason=rate.reason)


def figures_row(one: Figures, group: GroupRef | None) -> ReliabilityRow:
    """Return the figures of a group as they are shown."""
    found = one.figures
    plain: dict[str, Any] = {
        name: getattr(found, name)
        for name in ("machines", "exposed_h", "observed_h", "up_h", "failed_h", "planned_h", "failures")
    }
    return ReliabilityRow(
        group=group,
        **plain,
        open_failures=found.open_failures,
        carried_in=found.carried_in,
        mtbf=interval(found.mtbf),
        mttr_clock=interval(found.mttr_clock),
        mttr_work=interval(one.mttr_work),
        availability=found.availability,
        availability_inherent=found.availability_inherent,
    )
