"""Reliability as files: the same tables with formula and n, as CSV or XLSX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import FileResponse

from assets.base.errors import Invalid
from gateway.api.deps import Context, Here
from gateway.api.reliability import (
    Asked,
    Group,
    Measure,
    Mode,
    Question,
    get_pareto,
    get_reliability,
    get_weibull,
    list_bad_actors,
    shown_rows,
    stop_rows,
)
from gateway.api.reliability_planned import get_compliance, list_reliability_costs, occurrence_row, turns_of
from gateway.api.reliability_shapes import GroupRef, RateInterval, ReliabilityRow
from gateway.api.sheets import Format, sheet_file
from maintenance.reliability.asking import By
from maintenance.reliability.rates import FORMULAS

router = APIRouter(prefix="/api/v1", tags=["reliability"])

Kind = Literal["figures", "rows", "weibull", "bad_actors", "pareto", "compliance", "compliance_rows", "costs"]
AnyBy = Literal[By, "plan"]
MOST = 500  # rows of a page; files go on to the end
CHUNK = 500
Table = tuple[list[str], Iterator[Sequence[Any]]]


@router.get("/reliability/export", operation_id="export_reliability", response_class=FileResponse)
def export_reliability(
    here: Here,
    asked: Asked,
    table: Kind = "figures",
    by: AnyBy = "none",
    group: Group = None,
    measure: Measure = "failures",
    failure_mode: Mode = None,
    format: Format = "csv",
) -> FileResponse:
    """One of the tables as a file, whole."""
    headings, lines = _table(here, asked, table, by, group, measure, failure_mode)
    return sheet_file(f"reliability-{table.replace('_', '-')}", headings, lines, format)


def _table(here: Context, asked: Question, table: Kind, by: Any, group: str | None, measure: Any, mode: Any) -> Table:
    allowed = _allowed(table)
    if by not in allowed:
        raise Invalid("this table is not grouped by that", field="by", allowed=allowed)
    if table == "figures":
        return _figures(here, asked, by)
    if table == "rows":
        return _rows(here, asked, by, group)
    if table == "weibull":
        return _weibull(here, asked, mode)
    if table == "bad_actors":
        return _bad_actors(here, asked)
    if table == "pareto":
        return _pareto(here, asked, "failure_mode" if by == "none" else by, measure)
    if table == "compliance":
        return _compliance(here, asked, by)
    if table == "compliance_rows":
        return _turns(here, asked, by, group)
    return _costs(here, asked)


def _allowed(table: Kind) -> list[str]:
    if table in ("figures", "rows", "pareto"):
        return ["none", "model", "asset", "site", "customer", "batch", "failure_mode", "component"]
    return ["none", "plan", "model", "asset", "site", "customer"] if table.startswith("compliance") else ["none"]


def _figures(here: Context, asked: Question, by: By) -> Table:
    told = get_reliability(here, asked, by)
    headings = ["figure", "unit", "formula", "group", "value", "low", "high", "n", "reason", "machines", "hours_up"]

    def lines() -> Iterator[Sequence[Any]]:
        for row in [told.whole, *told.items]:
            for figure, unit, one in _of(row):
                numbers = (None if each is None else round(each, 4) for each in (one.value, one.low, one.high))
                ends = (one.n, one.reason, row.machines, round(row.up_h, 4))
                yield [figure, unit, FORMULAS[figure], _name(row.group), *numbers, *ends]

    return headings, lines()


def _of(row: ReliabilityRow) -> Iterator[tuple[str, str, RateInterval]]:
    yield "mtbf", "h", row.mtbf
    yield "mttr_clock", "h", row.mttr_clock
    yield "mttr_work", "h", row.mttr_work
    for name in ("availability", "availability_inherent"):
        value = getattr(row, name)
        percent = None if value is None else 100 * value
        yield name, "%", RateInterval(value=percent, low=None, high=None, n=row.machines, reason=None)


def _rows(here: Context, asked: Question, by: By, group: str | None) -> Table:
    found = stop_rows(here, asked, by, group)
    headings = ["asset", "serial", "kind", "start", "end", "hours", "counts", "why", "failure_mode", "components"]

    def lines() -> Iterator[Sequence[Any]]:
        for begin in range(0, len(found), CHUNK):
            for row in shown_rows(here, found[begin : begin + CHUNK]):
                plain = [row.asset.name, row.asset.serial, row.kind, row.start, row.end, round(row.hours, 6)]
                told = "; ".join(f"{one.kind} {one.at.isoformat()} (event {one.event_id})" for one in row.events)
                proof = "; ".join(f"{one.kind} {one.number or one.id}" for one in row.evidence)
                counts = "yes" if row.counts else "no"
                yield [*plain, counts, row.why, row.failure_mode, ", ".join(row.components), proof, told]

    return [*headings, "evidence", "events"], lines()


def _weibull(here: Context, asked: Question, mode: str | None) -> Table:
    told = get_weibull(here, asked, mode)
    lines = ([one.asset.name, one.asset.serial, one.at, one.age_h, one.share, one.at_risk] for one in told.points)
    return ["asset", "serial", "at", "age_h", "share_failed", "at_risk"], lines


def _bad_actors(here: Context, asked: Question) -> Table:
    headings = [
        "asset",
        "serial",
        "model",
        "failures",
        "hours_up",
        "hours_failed",
        "expected",
        "ratio",
        "p",
        "bad_actor",
    ]

    def lines() -> Iterator[Sequence[Any]]:
        after: str | None = None
        while True:
            page = list_bad_actors(here, asked, MOST, after)
            for one in page.items:
                judged = [one.expected, one.ratio, one.p, "yes" if one.bad_actor else "no"]
                yield [one.asset.name, one.asset.serial, one.model, one.failures, one.up_h, one.failed_h, *judged]
            after = page.next
            if after is None:
                return

    return headings, lines()


def _pareto(here: Context, asked: Question, by: By, measure: Measure) -> Table:
    told = get_pareto(here, asked, by, measure)
    lines = ([_name(bar.group), bar.value, bar.share, bar.cumulative, told.n, told.formula] for bar in told.items)
    return [by, measure, "share", "cumulative", "n", "formula"], lines


def _compliance(here: Context, asked: Question, by: Any) -> Table:
    told = get_compliance(here, asked, by)

    def lines() -> Iterator[Sequence[Any]]:
        for row in [told.whole, *told.items]:
            verdicts = ", ".join(f"{name}: {count}" for name, count in row.by_verdict.items())
            yield [_name(row.group), row.value, row.on_time, row.due, verdicts, told.formula]

    return ["group", "share", "on_time", "due", "verdicts", "formula"], lines()


def _turns(here: Context, asked: Question, by: Any, group: str | None) -> Table:
    found = turns_of(here, asked, by, group)
    headings = [
        "plan",
        "asset",
        "serial",
        "due_at",
        "earliest_at",
        "latest_at",
        "done_at",
        "state",
        "verdict",
        "reason",
    ]

    def lines() -> Iterator[Sequence[Any]]:
        for turn in found:
            row = occurrence_row(turn, here.now)
            when = [row.due_at, row.earliest_at, row.latest_at, row.done_at]
            yield [row.plan.name, row.asset.name, row.asset.serial, *when, row.state, row.verdict, row.reason]

    return headings, lines()


def _costs(here: Context, asked: Question) -> Table:
    kinds = ["labour", "travel", "parts", "expenses", "downtime"]
    here.require("price.read")

    def lines() -> Iterator[Sequence[Any]]:
        after: str | None = None
        while True:
            page = list_reliability_costs(here, asked, limit=MOST, after=after)
            for row in page.items:
                for year in row.years:
                    amounts = [year.by_kind.get(kind, 0.0) for kind in kinds]
                    refs = " ".join(year.refs)
                    yield [row.asset.name, row.asset.serial, year.year, year.currency, *amounts, year.total, refs]
            after = page.next
            if after is None:
                return

    return ["asset", "serial", "year", "currency", *kinds, "total", "rows"], lines()


def _name(group: GroupRef | None) -> str:
    return (group.name or group.id or "–") if group is not None else ""
