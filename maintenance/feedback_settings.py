"""What an organisation expects of its alarms: how long a no lasts, the budget of false orders, the cap, what costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.base.ids import uuid7
from assets.people import Organisation
from maintenance.feedback_models import FeedbackSettings
from ticketing.work_orders import StaleVersion

MAX_COSTS = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a failure (and a visit) costs for one asset or one model; None: as for all."""

    failure_cost: float
    visit_cost: float | None = None
    asset_model_id: str | None = None
    asset_id: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """The settings that hold; costs in `currency`."""

    suppress_days: int = 60  # a no-fault-found: machines change, so no answer holds for ever
    dismiss_days: int = 7  # a planner's no, given from the desk
    audit_share: float = 0.02
    budget_per_month: float = 0.1  # false machine orders per asset and 30 days
    daily_cap: int = 10  # machine orders per site and day that are not critical
    failure_cost: float = 10_000.0
    visit_cost: float = 300.0
    currency: str = "EUR"
    costs: tuple[Cost, ...] = field(default=())

    def cost_of(self, asset_id: UUID, asset_model_id: UUID | None) -> tuple[float, float]:
        """Return what a failure and what a visit cost: of this asset, else of its model, else of any."""
        own = next((cost for cost in self.costs if cost.asset_id == str(asset_id)), None)
        kin = next((c for c in self.costs if c.asset_id is None and c.asset_model_id == str(asset_model_id)), None)
        chosen = own or kin
        if chosen is None:
            return self.failure_cost, self.visit_cost
        return chosen.failure_cost, self.visit_cost if chosen.visit_cost is None else chosen.visit_cost


DEFAULT = Feedback()


def feedback_for(session: Session, organisation_id: UUID) -> Feedback:
    """Return the settings that hold for an organisation: its own, else the nearest above it, else the defaults."""
    owner = session.get(Organisation, organisation_id)
    ancestors = list(owner.ancestors) if owner else [organisation_id]
    rows = session.scalars(select(FeedbackSettings).where(FeedbackSettings.organisation_id.in_(ancestors))).all()
    nearest = max(rows, key=lambda row: ancestors.index(row.organisation_id), default=None)
    return DEFAULT if nearest is None else _of_row(nearest)


def own_feedback(session: Session, organisation_id: UUID) -> Feedback | None:
    """Return the organisation's own settings, None when it follows those above it."""
    row = _row(session, organisation_id)
    return None if row is None else _of_row(row)


def feedback_version(session: Session, organisation_id: UUID) -> int:
    """Return the version of the organisation's own settings; 0 while it follows others."""
    row = _row(session, organisation_id)
    return 0 if row is None else row.version


def save_feedback(session: Session, organisation_id: UUID, feedback: Feedback, based_on: int | None = None) -> int:
    """Set an organisation's settings; return their version.

    Raises Invalid on values out of bounds, and StaleVersion when they are no longer at the version `based_on`.
    """
    check(feedback)
    own = select(FeedbackSettings).where(FeedbackSettings.organisation_id == organisation_id)
    row = session.scalar(own.with_for_update(), execution_options={"populate_existing": True})
    _check_version(0 if row is None else row.version, based_on)
    values: Mapping[str, Any] = {n: list(v) if n == "costs" else v for n, v in asdict(feedback).items()}
    if row is None:
        made = insert(FeedbackSettings).values(id=uuid7(), organisation_id=organisation_id, version=1, **values)
        made = made.on_conflict_do_nothing(index_elements=["organisation_id"])
        if session.scalar(made.returning(FeedbackSettings.id)) is not None:
            return 1
        row = session.scalars(own.with_for_update()).one()  # somebody set them in the same instant
        _check_version(row.version, based_on)
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
    session.flush()
    return row.version


def _check_version(current: int, based_on: int | None) -> None:
    if based_on is not None and based_on != current:
        told = {"expected": based_on, "version": current, "yours": based_on, "current": current}
        raise StaleVersion(f"the settings are at version {current}", **told)


def check(feedback: Feedback) -> None:
    """Raise Invalid unless the settings make sense."""
    bounds: Sequence[tuple[str, float, float]] = (
        ("suppress_days", 1, 366),
        ("dismiss_days", 0, 90),
        ("audit_share", 0.0, 1.0),
        ("budget_per_month", 0.001, 100.0),
        ("daily_cap", 1, 10_000),
        ("failure_cost", 0.0, 1e12),
        ("visit_cost", 0.0, 1e12),
    )
    for name, least, most in bounds:
        if not least <= getattr(feedback, name) <= most:
            raise Invalid(f"{name} is from {least:g} to {most:g}", field=name, least=least, most=most)
    if len(feedback.costs) > MAX_COSTS:
        raise Invalid(f"at most {MAX_COSTS} costs", field="costs", limit=MAX_COSTS)
    for number, cost in enumerate(feedback.costs):
        if (cost.asset_id is None) == (cost.asset_model_id is None):
            raise Invalid("a cost is of an asset or of an asset model", field=f"costs.{number}")


def _row(session: Session, organisation_id: UUID) -> FeedbackSettings | None:
    return session.scalar(select(FeedbackSettings).where(FeedbackSettings.organisation_id == organisation_id))


def _of_row(row: FeedbackSettings) -> Feedback:
    return Feedback(
        suppress_days=row.suppress_days,
        dismiss_days=row.dismiss_days,
        audit_share=row.audit_share,
        budget_per_month=row.budget_per_month,
        daily_cap=row.daily_cap,
        failure_cost=row.failure_cost,
        visit_cost=row.visit_cost,
        currency=row.currency,
        costs=tuple(Cost(**cost) for cost in row.costs),
    )
