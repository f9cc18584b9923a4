"""Reliability over HTTP: MTBF, MTTR, availability, life curves, bad actors, Pareto; each drills down to its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime
from sqlalchemy import func, select

from assets.base.errors import Invalid
from assets.failure_modes import FailureMode
from assets.registry import AssetModel, Customer, Site
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.reliability_shapes import (
    BadActor,
    BadActors,
    EventRef,
    EvidenceRef,
    GroupRef,
    LifePoint,
    MachineRef,
    Pareto,
    ParetoBar,
    ReliabilityFigures,
    StopRow,
    StopRows,
    TrendItem,
    WeibullAnswer,
    WeibullFit,
    figures_row,
)
from maintenance.reliability.asking import (
    By,
    Row,
    Seen,
    Span,
    Spells,
    by_group,
    pareto_values,
    records,
    rows,
    seen,
    spells,
    together,
    young_records,
)
from maintenance.reliability.evidence import events_of
from maintenance.reliability.loading import Fleet, Machine, Scope, load_fleet
from maintenance.reliability.plotting import points
from maintenance.reliability.ranking import LEVEL, bad_actors, pareto
from maintenance.reliability.rates import CONFIDENCE, FORMULAS
from maintenance.reliability.trend import Trend, trend
from maintenance.reliability.weibull import Fit, fit

router = APIRouter(prefix="/api/v1", tags=["reliability"])

LONGEST = timedelta(days=366 * 30)
USUAL_SPAN = timedelta(days=365)
MAX_POINTS = 1000  # on one plot
MODEL_NAME = func.coalesce(func.nullif(AssetModel.name_en, ""), AssetModel.code)
WEIBULL_FORMULA = "F(t) = 1 - exp(-(t / scale)^shape)"
BAD_FORMULA = "failures / (failures of the others * its hours up / their hours up)"
Group = Annotated[str | None, Query(max_length=200, description="the group's id or word; 'none' for those without")]
Measure = Literal["failures", "hours"]
Mode = Annotated[str | None, Query(max_length=100, description="failures of this mode; others end a life unfailed")]


@dataclass(frozen=True, slots=True)
class Question:
    """Which machines in which period."""

    scope: Scope
    span: Span


def _question(
    here: Here,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
    asset_id: UUID | None = None,
    asset_model_id: UUID | None = None,
    customer_id: UUID | None = None,
    site_id: UUID | None = None,
) -> Question:
    """Read what is asked; without a span the last 365 days."""
    here.require("reliability.read")
    end = until or here.now
    begin = since or end - USUAL_SPAN
    if not timedelta(0) < end - begin <= LONGEST or not 1950 <= begin.year <= end.year <= 2200:
        raise Invalid(f"a span of {LONGEST.days} days at most, from before until", field="from")
    begin, end = begin.astimezone(UTC), end.astimezone(UTC)
    scope = Scope(end, begin, asset_id, asset_model_id, customer_id, site_id)
    return Question(scope, Span(begin, end, here.now))


Asked = Annotated[Question, Depends(_question)]


@router.get("/reliability", operation_id="get_reliability")
def get_reliability(here: Here, asked: Asked, by: By = "none") -> ReliabilityFigures:
    """MTBF, MTTR by the clock and by work, availability: the whole and by group."""
    fleet = load_fleet(here.session, asked.scope)
    machines = seen(fleet, asked.span)
    total = together(machines, asked.span)
    left_out = dict(fleet.left_out)
    items = [] if by == "none" else by_group(machines, by, asked.span)
    refs = group_refs(here, by, [each.group for each in items], machines)
    shown = [figures_row(each, refs[each.group]) for each in items]
    shown.sort(key=lambda row: (-row.failures, -row.failed_h, (row.group and (row.group.name or row.group.id)) or "~"))
    left_out |= {name: left_out.get(name, 0) + count for name, count in total.left_out.items()}
    return ReliabilityFigures(
        since=asked.span.since,
        until=asked.span.until,
        by=by,
        confidence=CONFIDENCE,
        formulas=FORMULAS,
        whole=figures_row(total, None),
        items=shown,
        left_out=left_out,
        young_records=young_records(machines, asked.span),
    )


@router.get("/reliability/rows", operation_id="list_reliability_rows")
def list_reliability_rows(
    here: Here, asked: Asked, by: By = "none", group: Group = None, limit: Limit = 100, after: After = None
) -> StopRows:
    """The stops that the figures of a group were counted from, each with the rows and events that say so."""
    found = stop_rows(here, asked, by, group)
    if after is not None:
        moment, key = read_cursor(after, aware, str)
        found = [each for each in found if (each.stop.start, _key(each)) > (moment, key)]
    page = found[:limit]
    following = cursor_of(page[-1].stop.start.isoformat(), _key(page[-1])) if len(found) > limit else None
    return StopRows(formulas=FORMULAS, items=shown_rows(here, page), next=following)


@router.get("/reliability/weibull", operation_id="get_weibull")
def get_weibull(here: Here, asked: Asked, failure_mode: Mode = None) -> WeibullAnswer:
    """Failures over age: the points, the fit with its intervals, and whether a trend makes it doubtful."""
    _, lives, found, going = lives_of(here, asked, failure_mode)
    every = points([spell for _, spell, _ in lives.rows])
    shown = [
        LifePoint(
            age_h=each.age,
            share=each.share,
            at_risk=each.at_risk,
            at=lives.rows[each.place][2],
            asset=machine_ref(lives.rows[each.place][0]),
        )
        for each in every[:: max(1, -(-len(every) // MAX_POINTS))]
    ]
    return WeibullAnswer(
        since=asked.span.since,
        until=asked.span.until,
        formula=WEIBULL_FORMULA,
        fit=fit_item(found),
        reason=found.reason,
        failures=found.failures,
        censored=found.censored,
        machines=len({machine.id for machine, _, _ in lives.rows}),
        points=shown,
        points_left_out=len(every) - len(shown),
        trend=trend_item(going),
    )


@router.get("/reliability/bad-actors", operation_id="list_bad_actors")
def list_bad_actors(
    here: Here, asked: Asked, limit: Annotated[int, Query(ge=1, le=500)] = 100, after: After = None
) -> BadActors:
    """Machines that fail more than their like: by chance of so many failures among machines of the same model."""
    machines = seen(load_fleet(here.session, asked.scope), asked.span)
    known = {each.machine.id: each.machine for each in machines}
    start = int(read_cursor(after, int)[0]) if after is not None else 0
    ranked = bad_actors(records(machines))
    page = ranked[max(start, 0) : max(start, 0) + limit]
    models = _names(here, AssetModel.id, MODEL_NAME, {str(each.record.group) for each in page})
    items = []
    for each in page:
        machine = known[UUID(str(each.record.key))]
        record = each.record
        items.append(
            BadActor(
                asset=machine_ref(machine),
                model=models.get(str(machine.model_id)),
                failures=record.failures,
                up_h=record.up_h,
                failed_h=record.failed_h,
                expected=each.expected,
                ratio=each.ratio,
                p=each.p,
                bad_actor=each.bad_actor,
            )
        )
    return BadActors(
        since=asked.span.since,
        until=asked.span.until,
        formula=BAD_FORMULA,
        level=LEVEL,
        n=len(ranked),
        items=items,
        next=cursor_of(start + limit) if start + limit < len(ranked) else None,
    )


@router.get("/reliability/pareto", operation_id="get_pareto")
def get_pareto(here: Here, asked: Asked, by: By = "failure_mode", measure: Measure = "failures") -> Pareto:
    """Which few kinds of failure make most of them: by mode, model, batch, component, machine, site or customer."""
    if by == "none":
        raise Invalid("a Pareto needs something to be grouped by", field="by")
    machines = seen(load_fleet(here.session, asked.scope), asked.span)
    values, n = pareto_values(machines, by, measure)
    refs = group_refs(here, by, values, machines)
    bars = pareto((key, value) for key, value in values.items())
    return Pareto(
        since=asked.span.since,
        until=asked.span.until,
        by=by,
        measure=measure,
        formula="failures of each / all" if measure == "failures" else "hours failed of each / all",
        n=n,
        items=[
            ParetoBar(
                group=refs[bar.key],
                value=bar.value,
                share=bar.share,
                cumulative=bar.cumulative,
            )
            for bar in bars
        ],
    )


def lives_of(here: Context, asked: Question, mode: str | None) -> tuple[Fleet, Spells, Fit, Trend]:
    """Return lives from their very beginning, their fit and their trend."""
    scope = asked.scope
    ever = Scope(scope.until, None, scope.asset_id, scope.model_id, scope.customer_id, scope.site_id)
    fleet = load_fleet(here.session, ever)
    lives = spells(fleet, asked.span, mode)
    return fleet, lives, fit(lives.spells), trend([(hours, moments) for hours, moments in lives.trends])


def stop_rows(here: Context, asked: Question, by: By, group: str | None) -> list[Row]:
    """Return the stops behind a group's figures; without a group all of them."""
    machines = seen(load_fleet(here.session, asked.scope), asked.span)
    return rows(machines, asked.span, by, None if group == "none" else group, whole=group is None)


def shown_rows(here: Context, page: Sequence[Row]) -> list[StopRow]:
    """Return stops as they are shown, with their events."""
    events = events_of(here.session, page)
    return [
        StopRow(
            asset=machine_ref(each.machine),
            kind=each.stop.kind,
            start=each.stop.start,
            end=each.stop.end,
            hours=each.hours,
            restored=each.restored,
            counts=each.counts,
            why=each.why,
            failure_mode=each.stop.failure_mode,
            components=list(each.components),
            work_h=sum(work.work_h for work in each.works if work.work_h is not None) if each.works else None,
            evidence=[
                EvidenceRef(kind=kind, id=key, number=_numbers(each).get(key)) for kind, key in each.stop.evidence
            ],
            events=[EventRef(event_id=one.id, at=one.at, kind=one.kind) for one in told],
        )
        for each, told in zip(page, events, strict=True)
    ]


def machine_ref(machine: Machine) -> MachineRef:
    """Return a machine as it is named."""
    return MachineRef(id=machine.id, name=machine.name, serial=machine.serial)


def fit_item(found: Fit) -> WeibullFit | None:
    """Return a fit as it is shown."""
    one = found.weibull
    return WeibullFit(**{name: getattr(one, name) for name in WeibullFit.model_fields}) if one is not None else None


def trend_item(found: Trend) -> TrendItem:
    """Return a trend as it is shown."""
    return TrendItem(verdict=found.verdict, p=found.p, growth=found.growth, n=found.n)


def group_names(here: Context, by: str, groups: Iterable[str | None], machines: Iterable[Seen]) -> dict[Any, str]:
    """Return the names of groups in the reader's words, as far as they have one."""
    wanted = {each for each in groups if each is not None}
    if by == "asset":
        return {str(each.machine.id): each.machine.name for each in machines}
    if by in ("batch", "component"):
        return {each: each for each in wanted}
    if by == "failure_mode":
        return {key: english for key, (english, _) in mode_names(here, wanted).items()}
    columns: dict[str, tuple[Any, Any]] = {
        "model": (AssetModel.id, MODEL_NAME),
        "site": (Site.id, Site.name),
        "customer": (Customer.id, Customer.name),
    }
    return _names(here, *columns[by], wanted) if by in columns else {}


def mode_names(here: Context, wanted: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the names of failure modes in both languages; the same code on several models is the same mode."""
    query = select(FailureMode.code, FailureMode.name_en, FailureMode.name_zh).where(FailureMode.code.in_(set(wanted)))
    return {code: (english, chinese) for code, english, chinese in here.session.execute(query.order_by(FailureMode.id))}


def group_refs(here: Context, by: str, groups: Iterable[str | None], machines: Iterable[Seen]) -> dict[Any, GroupRef]:
    """Return groups with their names."""
    every = list(groups)
    names = group_names(here, by, every, machines)
    told = [each for each in every if each is not None]
    chinese: dict[str, str] = {}
    if by == "failure_mode":
        chinese = {code: zh for code, (_, zh) in mode_names(here, told).items()}
    elif by == "model":
        chinese = _names(here, AssetModel.id, AssetModel.name_zh, told)
    return {each: GroupRef(id=each, name=names.get(each), name_zh=chinese.get(each or "") or None) for each in every}


def _names(here: Context, key: Any, name: Any, wanted: Iterable[str]) -> dict[str, str]:
    keys = {UUID(each) for each in wanted if each not in ("", "None")}
    return {str(found): word for found, word in here.session.execute(select(key, name).where(key.in_(keys)))}


def _numbers(row: Row) -> dict[str, str]:
    return {str(work.id): work.number for work in row.works}


def _key(row: Row) -> str:
    return f"{row.machine.id}/{row.stop.kind}"
