"""Gather what is known of a predicted job's costs and risks: entries, standard cost, past orders, life curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.failure_modes import FailureMode
from assets.people import Organisation
from assets.registry import Asset
from maintenance.clocks import asset_moment
from maintenance.desk.chances import Chance, Unknown, first_known, from_weibull
from maintenance.desk.knowing import life_chance
from maintenance.desk.tables import DeskCost
from maintenance.desk.waiting import AMOUNTS, Told
from maintenance.feedback_settings import Feedback, feedback_for
from maintenance.models import Finding, PredictedJob
from maintenance.reliability.asking import Span, Spells, spells
from maintenance.reliability.loading import Fleet, Scope, load_fleet
from maintenance.reliability.spending import Rates, load_spending, order_costs
from maintenance.reliability.weibull import fit
from maintenance.remaining_lives import RemainingLife
from ticketing.procedures.models import Procedure, ProcedureLink, ProcedureVersion

BACK = timedelta(days=3 * 365)  # prices and machines change: older orders say little of the next one
MAX_PROCEDURES = 20
MAX_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Standard:
    """A procedure that the job's order would get, with its standard cost."""

    code: str
    procedure_id: UUID
    total: float
    currency: str
    complete: bool


class CostBook:
    """What people entered about costs, read once for many machines."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._above: dict[UUID, list[UUID]] = {}
        self._rows: dict[UUID, list[DeskCost]] = {}
        self._feedback: dict[UUID, Feedback] = {}
        self._standards: dict[tuple[UUID, UUID | None, str], list[Standard]] = {}

    def entered(self, asset: Asset) -> list[Told]:
        """Return what was entered for a machine, its model or any, nearest organisation first."""
        owner = asset.organisation_id
        found = [
            _entry(row)
            for row in self._rows_of(owner)
            if row.asset_id in (None, asset.id) and row.asset_model_id in (None, asset.asset_model_id)
        ]
        feedback = self._feedback.get(owner)
        if feedback is None:
            feedback = self._feedback[owner] = feedback_for(self._session, owner)
        for key, name in ((str(asset.id), "asset_id"), (str(asset.asset_model_id), "asset_model_id")):
            for cost in feedback.costs:
                if getattr(cost, name) == key:
                    found.append(Told("feedback", feedback.currency, {"unplanned_cost": cost.failure_cost}))
        return found

    def visit_saved(self, asset: Asset, currency: str | None) -> float | None:
        """Return what a visit costs that is not made, where somebody entered it for this machine or its model."""
        feedback = self._feedback.get(asset.organisation_id) or feedback_for(self._session, asset.organisation_id)
        if feedback.currency != currency:
            return None
        own = [cost for cost in feedback.costs if cost.asset_id == str(asset.id)]
        kin = [cost for cost in feedback.costs if cost.asset_model_id == str(asset.asset_model_id)]
        return next((cost.visit_cost for cost in [*own, *kin] if cost.visit_cost is not None), None)

    def standards(self, asset: Asset, key: str) -> list[Standard]:
        """Return the procedures that the order of a trouble would get and that have a standard cost."""
        alike = (asset.organisation_id, asset.asset_model_id, key)
        if alike not in self._standards:
            self._standards[alike] = standards(self._session, asset, key)
        return self._standards[alike]

    def told(self, asset: Asset, key: str) -> list[Told]:
        """Return entries and standard cost together."""
        return [*self.entered(asset), *of_standards(self.standards(asset, key))]

    def _rows_of(self, owner: UUID) -> list[DeskCost]:
        if owner not in self._rows:
            organisation = self._session.get(Organisation, owner)
            above = list(organisation.ancestors) if organisation else [owner]
            query = select(DeskCost).where(DeskCost.organisation_id.in_(above)).limit(MAX_ROWS)
            found = self._session.scalars(query)
            self._rows[owner] = sorted(found, key=lambda row: -above.index(row.organisation_id))
        return self._rows[owner]


def _entry(row: DeskCost) -> Told:
    level = "asset" if row.asset_id is not None else "model" if row.asset_model_id is not None else "all"
    amounts = {name: float(value) for name in AMOUNTS if (value := getattr(row, name)) is not None}
    return Told(level, row.currency, amounts)


def standards(session: Session, asset: Asset, key: str) -> list[Standard]:
    """Return the procedures that the order of a trouble would get and that have a standard cost."""
    owner = session.get(Organisation, asset.organisation_id)
    if owner is None:
        return []
    modes = select(FailureMode.id).where(FailureMode.code == key.partition(":")[2])
    fits = (
        or_(ProcedureLink.asset_model_id.is_(None), ProcedureLink.asset_model_id == asset.asset_model_id),
        or_(ProcedureLink.failure_mode_id.is_(None), ProcedureLink.failure_mode_id.in_(modes)),
        ProcedureLink.service_type_id.is_(None),
    )
    rows = session.execute(
        select(Procedure.code, Procedure.id, ProcedureVersion.standard_cost)
        .join(ProcedureVersion, ProcedureVersion.procedure_id == Procedure.id)
        .where(
            ProcedureVersion.state == "published",
            Procedure.retired_at.is_(None),
            Procedure.organisation_id.in_(owner.ancestors),
            Procedure.id.in_(select(ProcedureLink.procedure_id).where(*fits)),
        )
        .order_by(Procedure.code, Procedure.id)
        .limit(MAX_PROCEDURES)
    )
    found = []
    for code, procedure_id, cost in rows:
        if cost and cost.get("total") is not None and cost.get("currency"):
            found.append(
                Standard(code, procedure_id, float(cost["total"]), cost["currency"], bool(cost.get("complete")))
            )
    return found


def of_standards(found: Sequence[Standard]) -> list[Told]:
    """Return the standard costs together, when all are complete and in one currency."""
    if not found or not all(each.complete for each in found) or len({each.currency for each in found}) > 1:
        return []
    return [Told("procedure", found[0].currency, {"planned_cost": sum(each.total for each in found)})]


@dataclass(frozen=True, slots=True)
class Past:
    """Lives and orders of machines of the same model, as far as the reader sees them."""

    fleet: Fleet
    lives: Spells
    span: Span


def past_of(session: Session, asset: Asset, now: datetime) -> Past | Unknown:
    """Return what is known of machines of the same kind; too many for one answer is not known."""
    model = asset.asset_model_id
    scope = Scope(now, None, asset_id=None if model else asset.id, model_id=model)
    try:
        fleet = load_fleet(session, scope)
    except Invalid:
        return Unknown("too_many_machines")
    begin = min((each.found.life.begin for each in fleet.machines), default=now)
    span = Span(begin, now, now)
    return Past(fleet, spells(fleet, span), span)


def of_orders(session: Session, past: Past | Unknown, currency: str | None, now: datetime) -> list[Told]:
    """Return what planned orders and repairs of failures cost on average, of machines of the same kind."""
    if isinstance(past, Unknown):
        return []
    try:
        spent = load_spending(session, past.fleet.machines, now - BACK, now, now, Rates())
    except Invalid:
        return []
    if currency is None:
        seen = Counter(each.cost.currency for those in spent.by_machine.values() for each in those)
        currency = seen.most_common(1)[0][0] if seen else None
    if currency is None:
        return []
    planned, repaired = order_costs(spent, currency)
    found = []
    for name, mean in (("planned_cost", planned), ("unplanned_cost", repaired)):
        if mean.value is not None:
            found.append(Told("orders", currency, {name: mean.value}, n=mean.n))
    return found


def of_lives(past: Past | Unknown, asset_id: UUID, wait_s: float) -> Chance | Unknown:
    """Return the chance by the life curve of machines of the same kind, from the hours that this one runs since."""
    if isinstance(past, Unknown):
        return past
    found = fit(past.lives.spells)
    if found.weibull is None:
        return Unknown(f"weibull_{found.reason}", {"failures": found.failures, "censored": found.censored})
    mine = [(end, spell.age) for machine, spell, end in past.lives.rows if machine.id == asset_id and not spell.failed]
    if not mine:
        return Unknown("no_age")
    return from_weibull(found.weibull, max(mine)[1], wait_s)


def risks_of(
    session: Session, job: PredictedJob, finding: Finding, past: Past | Unknown | None, wait_s: float, now: datetime
) -> Chance | Unknown:
    """Return the chance of failing while one waits: by the machine's own model, else by the life of its kind.

    `past` None: only the machine's own model is asked.
    """
    moment = asset_moment(session, job.asset_id, now, replayed=finding.replayed)
    answers = [life_chance(session.get(RemainingLife, job.asset_id), wait_s, moment)]
    if past is not None and not isinstance(answers[0], Chance):
        answers.append(of_lives(past, job.asset_id, wait_s))
    return first_known(answers)
