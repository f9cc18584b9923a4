"""The figures of each model by month, each a count of orders, failures, months or verdicts that can be listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from statistics import median
from typing import TypeVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.registry import Asset
from maintenance.answers import NEUTRAL, RIGHT, UNANSWERED, WRONG
from maintenance.feedback_models import HeldBack, ObservedMonth, PlannerVerdict
from maintenance.models import EpisodeFinding, Finding, WorkLink
from maintenance.suppressors import AUDITED, SUPPRESSED
from ml.performance import LATE, MISSED, PREEMPTED, Failure, Job, failures, load_jobs, load_reports, model_key
from ticketing.models import WorkOrder

OVERALL = "all"
DAYS_OF_MONTH = 30.0
MODEL_IDS = 5  # newest ones shown

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A planner's accept or dismiss."""

    model: str
    at: datetime
    accepted: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Held:
    """An alarm held back, or let through at random; `right` is what people found when it was let through."""

    model: str
    at: datetime
    audited: bool
    right: bool
    kind: str


@dataclass(slots=True)
class Figures:
    """Counts, and the figures made of them; None where there is nothing to divide by."""

    orders: int = 0
    right: int = 0
    wrong: int = 0
    unanswered: int = 0
    neutral: int = 0
    failures: int = 0
    preempted: int = 0
    late: int = 0
    missed: int = 0
    leads_s: list[float] = field(default_factory=list)
    asset_months: float = 0.0
    accepted: int = 0
    dismissed: int = 0
    suppressed: int = 0
    audited: int = 0
    audited_right: int = 0

    @property
    def answered(self) -> int:
        return self.right + self.wrong

    @property
    def precision(self) -> float | None:
        """right / (right + wrong)."""
        return self.right / self.answered if self.answered else None

    @property
    def share_preempted(self) -> float | None:
        """preempted / failures."""
        return self.preempted / self.failures if self.failures else None

    @property
    def median_lead_s(self) -> float | None:
        """Median of the leads of pre-empted failures."""
        return median(self.leads_s) if self.leads_s else None

    @property
    def p10_lead_s(self) -> float | None:
        """The lead that nine of ten pre-empted failures had at least."""
        return sorted(self.leads_s)[len(self.leads_s) // 10] if self.leads_s else None

    @property
    def false_per_asset_month(self) -> float | None:
        """wrong / asset_months."""
        return self.wrong / self.asset_months if self.asset_months else None


@dataclass(frozen=True, slots=True)
class Model:
    """One model's figures, in all and by month ('2026-11'); `overall` is of all machine orders."""

    key: str
    detector: str | None
    asset_model_id: UUID | None
    model_ids: tuple[str, ...]
    figures: Figures
    months: dict[str, Figures]


@dataclass(frozen=True, slots=True)
class Performance:
    """Everything that was judged, from which both the figures and the lists behind them come."""

    since: datetime
    until: datetime
    jobs: list[Job]
    failures: list[Failure]
    verdicts: list[Verdict]
    held: list[Held]
    days: dict[tuple[UUID | None, str], int]  # observed asset-days by asset model and month

    def overall(self) -> Model:
        """Return the figures of all models together."""
        return self._model(OVERALL, None, None)

    def models(self, asset_model_id: UUID | None = None) -> list[Model]:
        """Return the models that did anything, the busiest first."""
        keys = {(job.detector or "", job.asset_model_id) for job in self.jobs if job.origin == "finding"}
        known = {model_key(*key) for key in keys}
        others = {one.model for one in self.verdicts} | {one.model for one in self.held}
        for key in others - known:
            detector, _, model = key.rpartition(":")
            keys.add((detector, None if model == "none" else UUID(model)))
        wanted = [key for key in keys if asset_model_id is None or key[1] == asset_model_id]
        found = [self._model(model_key(*key), *key) for key in wanted]
        return sorted(found, key=lambda one: (-one.figures.orders, one.key))

    def orders_of(self, key: str) -> list[Job]:
        """Return the orders that count for a model."""
        jobs = (job for job in self.jobs if job.origin == "finding")
        return [job for job in jobs if (job.kind == "machine" if key == OVERALL else job.model == key)]

    def failures_of(self, key: str, asset_model_id: UUID | None, detector: str | None) -> list[tuple[Failure, str]]:
        """Return the failures that a model might have seen, with its own part in each: what others saw it missed."""
        if key == OVERALL:
            return [(failure, failure.fate) for failure in self.failures]
        if all(job.kind != "machine" for job in self.orders_of(key)):
            return []  # it watches sensors or connections: machines' failures are not its business
        mine = [failure for failure in self.failures if failure.job.asset_model_id == asset_model_id]
        return [(one, one.fate if one.by is not None and one.by.model == key else MISSED) for one in mine]

    def _model(self, key: str, detector: str | None, asset_model_id: UUID | None) -> Model:
        months: dict[str, Figures] = defaultdict(Figures)
        jobs = self.orders_of(key)
        _count(months, jobs, lambda job: job.opened_at, _count_order)
        _count(months, self.failures_of(key, asset_model_id, detector), lambda one: one[0].at, _count_failure)
        _count(months, (v for v in self.verdicts if _is_of(key, v.model, v.kind)), lambda v: v.at, _count_verdict)
        _count(months, (h for h in self.held if _is_of(key, h.model, h.kind)), lambda h: h.at, _count_held)
        for (model, month), days in self.days.items():
            if key == OVERALL or model == asset_model_id:
                months[month].asset_months += days / DAYS_OF_MONTH
        newest = dict.fromkeys(job.model_id for job in reversed(jobs) if job.model_id)
        total = _sum(months.values())
        return Model(key, detector, asset_model_id, tuple(newest)[:MODEL_IDS], total, dict(sorted(months.items())))


def measure(
    session: Session, since: datetime, until: datetime, *, replayed: bool = False, asset_model_id: UUID | None = None
) -> Performance:
    """Judge what happened in [since, until), as far as the caller may see it."""
    jobs = load_jobs(session, since, until, replayed)
    found = failures(jobs, load_reports(session, since, until), until)

    def fits(model: UUID | None) -> bool:
        return asset_model_id is None or model == asset_model_id

    return Performance(
        since,
        until,
        [job for job in jobs if job.opened_at >= since and fits(job.asset_model_id)],
        [one for one in found if since <= one.at < until and fits(one.job.asset_model_id)],
        [one for one in _verdicts(session, since, until, replayed) if _fits_key(one.model, asset_model_id)],
        [one for one in _held(session, since, until, replayed) if _fits_key(one.model, asset_model_id)],
        {key: days for key, days in _days(session, since, until).items() if fits(key[0])},
    )


def month_of(at: datetime) -> str:
    """Return the month of a moment, UTC."""
    return f"{at:%Y-%m}"


def _count(
    months: dict[str, Figures], rows: Iterable[T], when: Callable[[T], datetime], add: Callable[[Figures, T], None]
) -> None:
    for row in rows:
        add(months[month_of(when(row))], row)


def _count_order(figures: Figures, job: Job) -> None:
    figures.orders += 1
    figures.right += job.verdict == RIGHT
    figures.wrong += job.verdict == WRONG
    figures.unanswered += job.verdict == UNANSWERED
    figures.neutral += job.verdict == NEUTRAL


def _count_failure(figures: Figures, told: tuple[Failure, str]) -> None:
    failure, fate = told
    figures.failures += 1
    figures.preempted += fate == PREEMPTED
    figures.late += fate == LATE
    figures.missed += fate == MISSED
    if fate == PREEMPTED and failure.lead_s is not None:
        figures.leads_s.append(failure.lead_s)


def _count_verdict(figures: Figures, verdict: Verdict) -> None:
    figures.accepted += verdict.accepted
    figures.dismissed += not verdict.accepted


def _count_held(figures: Figures, held: Held) -> None:
    figures.suppressed += not held.audited
    figures.audited += held.audited
    figures.audited_right += held.right


def _is_of(key: str, model: str, kind: str) -> bool:
    return kind == "machine" if key == OVERALL else model == key


def _fits_key(key: str, asset_model_id: UUID | None) -> bool:
    return asset_model_id is None or key.rpartition(":")[2] == str(asset_model_id)


def _sum(parts: Iterable[Figures]) -> Figures:
    total = Figures()
    for part in parts:
        for name in Figures.__slots__:
            setattr(total, name, getattr(total, name) + getattr(part, name))
    return total


def _verdicts(session: Session, since: datetime, until: datetime, replayed: bool) -> Sequence[Verdict]:
    said = (
        select(PlannerVerdict.detector, Asset.asset_model_id, PlannerVerdict.at, PlannerVerdict.verdict, Finding.kind)
        .join(Asset, Asset.id == PlannerVerdict.asset_id)
        .join(Finding, Finding.id == PlannerVerdict.finding_id)
        .where(PlannerVerdict.at >= since, PlannerVerdict.at < until, Finding.replayed == replayed)
    )
    return [
        Verdict(model_key(detector, model), at, verdict == "accept", kind)
        for detector, model, at, verdict, kind in session.execute(said)
    ]


def _held(session: Session, since: datetime, until: datetime, replayed: bool) -> Sequence[Held]:
    confirmed = (
        select(WorkOrder.id)
        .join(WorkLink, WorkLink.work_order_id == WorkOrder.id)
        .join(EpisodeFinding, EpisodeFinding.episode_id == WorkLink.episode_id)
        .where(EpisodeFinding.finding_id == HeldBack.finding_id, WorkOrder.outcome.in_(("confirmed", "wrong_mode")))
        .correlate(HeldBack)
        .exists()
    )
    rows = (
        select(Finding.detector, Asset.asset_model_id, HeldBack.at, HeldBack.result, confirmed, Finding.kind)
        .join(Finding, Finding.id == HeldBack.finding_id)
        .join(Asset, Asset.id == HeldBack.asset_id)
        .where(
            HeldBack.at >= since,
            HeldBack.at < until,
            HeldBack.result.in_((SUPPRESSED, AUDITED)),
            Finding.replayed == replayed,
        )
    )
    return [
        Held(model_key(detector, model), at, result == AUDITED, result == AUDITED and right, kind)
        for detector, model, at, result, right, kind in session.execute(rows)
    ]


def _days(session: Session, since: datetime, until: datetime) -> dict[tuple[UUID | None, str], int]:
    counted = (
        select(Asset.asset_model_id, ObservedMonth.month, func.sum(ObservedMonth.days))
        .join(Asset, Asset.id == ObservedMonth.asset_id)
        .where(ObservedMonth.month >= since.date().replace(day=1), ObservedMonth.month <= until.date())
        .group_by(Asset.asset_model_id, ObservedMonth.month)
    )
    days: dict[tuple[UUID | None, str], int] = {}
    for model, month, count in session.execute(counted):
        days[model, _name(month)] = int(count)
    return days


def _name(month: date) -> str:
    return f"{month:%Y-%m}"
