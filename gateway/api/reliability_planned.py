"""Planned maintenance over HTTP: was it done in time, what machines cost, how often it pays to maintain them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import select

from assets.base.errors import Invalid
from assets.registry import AssetModel, Customer, Site
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.reliability import (
    MODEL_NAME,
    Asked,
    Group,
    Mode,
    Question,
    fit_item,
    lives_of,
    machine_ref,
    trend_item,
)
from gateway.api.reliability_shapes import (
    ChoiceItem,
    ComplianceAnswer,
    ComplianceRow,
    CostInput,
    CostRow,
    Costs,
    GroupRef,
    IntervalAnswer,
    MachineRef,
    OccurrenceRow,
    OccurrenceRows,
    PolicyItem,
    YearItem,
)
from maintenance.reliability.asking import seen, together
from maintenance.reliability.compliance import FORMULA, Compliance
from maintenance.reliability.intervals import Policy, suggest
from maintenance.reliability.kept import By, Turn, kept_by, load_turns, turn_group, verdict_of, whole
from maintenance.reliability.loading import Fleet, load_fleet
from maintenance.reliability.spending import Account, Mean, Rates, accounts, load_spending, order_costs

router = APIRouter(prefix="/api/v1", tags=["reliability"])

Money = Annotated[float | None, Query(gt=0, le=1e12, allow_inf_nan=False)]
Currency = Annotated[str, Query(pattern="^[A-Z]{3}$")]
COST_FORMULAS = {
    "labour": "sum(minutes / 60 * cost per hour of who worked)",
    "travel": "sum(amount, else minutes / 60 * cost per hour)",
    "parts": "sum((used - returned) * cost)",
    "expenses": "sum(approved amounts)",
    "downtime": "hours failed * cost per hour down",
    "keep": "mean + growth to the next year, by the straight line through all whole years",
    "replace": "least over n of annuity(price + sum of running costs - scrap value, n, interest)",
}
INTERVAL_FORMULA = "C(T) = (planned * R(T) + failure * F(T)) / integral of R over [0, T]"


@router.get("/reliability/compliance", operation_id="get_compliance")
def get_compliance(here: Here, asked: Asked, by: By = "none") -> ComplianceAnswer:
    """What share of the planned work that fell due was done inside its tolerance."""
    span = asked.span
    turns = load_turns(here.session, asked.scope, span.since)
    groups = {} if by == "none" else kept_by(turns, by, span.since, span.until, span.now)
    names = _turn_names(here, by, turns)
    items = [_kept(one, GroupRef(id=key, name=names.get(key or ""))) for key, one in groups.items()]
    items.sort(key=lambda row: (row.value is None, row.value or 0.0, (row.group and row.group.name) or "~"))
    return ComplianceAnswer(
        since=span.since,
        until=span.until,
        by=by,
        formula=FORMULA,
        whole=_kept(whole(turns, span.since, span.until, span.now), None),
        items=items,
    )


@router.get("/reliability/compliance/rows", operation_id="list_compliance_rows")
def list_compliance_rows(
    here: Here, asked: Asked, by: By = "none", group: Group = None, limit: Limit = 100, after: After = None
) -> OccurrenceRows:
    """The planned work behind a share, each with when it was due and whether it was kept."""
    found = turns_of(here, asked, by, group)
    if after is not None:
        moment, key = read_cursor(after, aware, UUID)
        found = [each for each in found if (each.due.due_at, each.id) > (moment, key)]
    page = found[:limit]
    following = cursor_of(page[-1].due.due_at.isoformat(), page[-1].id) if len(found) > limit else None
    return OccurrenceRows(formula=FORMULA, items=[occurrence_row(each, here.now) for each in page], next=following)


@router.get("/reliability/costs", operation_id="list_reliability_costs")
def list_reliability_costs(
    here: Here,
    asked: Asked,
    currency: Currency = "CNY",
    downtime_cost_per_hour: Money = None,
    price: Annotated[float | None, Query(gt=0, le=1e12, allow_inf_nan=False, description="of a new machine")] = None,
    scrap_value: Annotated[float, Query(ge=0, le=1e12, allow_inf_nan=False)] = 0.0,
    resale_loss: Annotated[float, Query(ge=0, le=1e12, allow_inf_nan=False)] = 0.0,
    interest: Annotated[float, Query(ge=0, lt=1, allow_inf_nan=False)] = 0.05,
    expected_years: Annotated[int, Query(ge=1, le=100)] = 15,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: After = None,
) -> Costs:
    """What each machine cost by year, dearest first, and whether the next year costs more than a new machine's.

    Without `price` a machine's own field `replacement_price` or `purchase_price` says what a new one costs.
    """
    here.require("price.read")
    span = asked.span
    machines = load_fleet(here.session, asked.scope).machines
    rates = Rates(Decimal(repr(downtime_cost_per_hour)) if downtime_cost_per_hour is not None else None, currency)
    spending = load_spending(here.session, machines, span.since, span.until, span.now, rates)
    inputs: dict[str, Any] = {
        "price": price,
        "scrap_value": scrap_value,
        "resale_loss": resale_loss,
        "interest": interest,
        "expected_years": expected_years,
    }
    every = accounts(
        here.session, machines, spending, span.since, min(span.until, span.now), currency=currency, **inputs
    )
    start = max(int(read_cursor(after, int)[0]), 0) if after is not None else 0
    page = every[start : start + limit]
    return Costs(
        since=span.since,
        until=span.until,
        currency=currency,
        formulas=COST_FORMULAS,
        inputs=inputs | {"downtime_cost_per_hour": downtime_cost_per_hour},
        items=[_account(each) for each in page],
        left_out=dict(spending.left_out),
        next=cursor_of(start + limit) if start + limit < len(every) else None,
    )


@router.get("/reliability/intervals", operation_id="suggest_interval")
def suggest_interval(
    here: Here,
    asked: Asked,
    failure_mode: Mode = None,
    planned_cost: Annotated[float | None, Query(gt=0, le=1e12, allow_inf_nan=False)] = None,
    failure_cost: Annotated[float | None, Query(gt=0, le=1e12, allow_inf_nan=False)] = None,
    now_days: Annotated[float | None, Query(gt=0, le=36_600, allow_inf_nan=False)] = None,
    downtime_cost_per_hour: Money = None,
    currency: Currency = "CNY",
) -> IntervalAnswer:
    """How often to maintain machines of one kind, with what it is expected to change; or why nothing is suggested.

    Costs that are not told are the means of what planned orders and repairs of failures cost in the period.
    """
    here.require("price.read")
    if asked.scope.model_id is None and asked.scope.asset_id is None:
        raise Invalid("machines of one model wear alike: choose it", field="asset_model_id")
    fleet, _, found, going = lives_of(here, asked, failure_mode)
    span = asked.span
    means = (Mean(None, 0), Mean(None, 0))
    if planned_cost is None or failure_cost is None:
        rates = Rates(None, currency)
        spent = load_spending(here.session, fleet.machines, span.since, span.until, span.now, rates)
        means = order_costs(spent, currency)
    planned = _input(planned_cost, means[0])
    failure = _input(failure_cost, means[1])
    if failure.value is not None and failure_cost is None and downtime_cost_per_hour is not None:
        failure = _with_downtime(failure, fleet, asked, downtime_cost_per_hour)
    answer = IntervalAnswer(
        since=span.since,
        until=span.until,
        currency=currency,
        formula=INTERVAL_FORMULA,
        fit=fit_item(found),
        best=None,
        now=None,
        to_failure=None,
        saving_per_year=None,
        reason=found.reason,
        trend=trend_item(going),
        planned_cost=planned,
        failure_cost=failure,
        failures=found.failures,
        censored=found.censored,
    )
    if found.weibull is None:
        return answer
    if not planned.value or not failure.value:
        return answer.model_copy(update={"reason": "no_costs"})
    told = suggest(found.weibull, planned.value, failure.value, now_days * 24 if now_days else None)
    return answer.model_copy(
        update={
            "best": _policy(told.best),
            "now": _policy(told.now),
            "to_failure": _policy(told.to_failure),
            "saving_per_year": told.saving_per_year,
            "reason": told.reason,
        }
    )


def _with_downtime(failure: CostInput, fleet: Fleet, asked: Question, per_hour: float) -> CostInput:
    """A failure costs its repair and the hours that the machine is down."""
    mean = together(seen(fleet, asked.span), asked.span).figures.mttr_clock.value or 0.0
    return failure.model_copy(update={"value": (failure.value or 0.0) + mean * per_hour, "source": "orders_downtime"})


def turns_of(here: Context, asked: Question, by: By, group: str | None) -> list[Turn]:
    """Return what was due of a group; without a group all of it."""
    turns = load_turns(here.session, asked.scope, asked.span.since)
    wanted = None if group == "none" else group
    return [each for each in turns if group is None or turn_group(each, by) == wanted]


def occurrence_row(turn: Turn, now: datetime) -> OccurrenceRow:
    """Return an occurrence as it is shown."""
    due = turn.due
    return OccurrenceRow(
        id=turn.id,
        asset=MachineRef(id=turn.asset_id, name=turn.asset, serial=turn.serial),
        plan=GroupRef(id=str(turn.plan_id), name=turn.plan),
        due_at=due.due_at,
        earliest_at=due.due_at - due.before,
        latest_at=due.due_at + due.after,
        done_at=due.done_at,
        state=turn.state,
        verdict=verdict_of(turn, now),
        reason=turn.reason,
        work_order_id=turn.work_order_id,
    )


def _kept(one: Compliance, group: GroupRef | None) -> ComplianceRow:
    return ComplianceRow(
        group=group, value=one.value, on_time=one.on_time, due=one.due, by_verdict=dict(sorted(one.by_verdict.items()))
    )


def _turn_names(here: Context, by: By, turns: list[Turn]) -> dict[str, str]:
    if by == "plan":
        return {str(each.plan_id): each.plan for each in turns}
    if by == "asset":
        return {str(each.asset_id): each.asset for each in turns}
    columns: dict[str, tuple[Any, Any]] = {
        "model": (AssetModel.id, MODEL_NAME),
        "site": (Site.id, Site.name),
        "customer": (Customer.id, Customer.name),
    }
    if by not in columns:
        return {}
    key, name = columns[by]
    wanted = {UUID(group) for each in turns if (group := turn_group(each, by)) is not None}
    return {str(found): word for found, word in here.session.execute(select(key, name).where(key.in_(wanted)))}


def _account(one: Account) -> CostRow:
    return CostRow(
        asset=machine_ref(one.machine),
        years=[
            YearItem(
                year=each.year,
                currency=each.currency,
                total=float(each.total),
                by_kind={kind: float(amount) for kind, amount in each.by_kind.items()},
                whole_year=each.year in one.whole,
                refs=list(each.refs[:100]),
            )
            for each in one.years
        ],
        choice=ChoiceItem(
            verdict=one.choice.verdict,
            keep=one.choice.keep,
            replace=one.choice.replace,
            growth=one.choice.growth,
            best_years=one.choice.best_years,
            reason=one.choice.reason,
            price=one.price,
            years=list(one.whole),
        ),
    )


def _policy(one: Policy | None) -> PolicyItem | None:
    if one is None:
        return None
    return PolicyItem(
        interval_h=one.interval_h,
        cost_per_year=one.cost_per_year,
        failures_per_year=one.failures_per_year,
        services_per_year=one.services_per_year,
    )


def _input(told: float | None, mean: Mean) -> CostInput:
    if told is not None:
        return CostInput(value=told, n=0, source="told")
    return CostInput(value=mean.value, n=mean.n, source="orders")
