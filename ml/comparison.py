"""Evaluate every recorded fleet with our detectors and the usual simple ones, and write the figures into the docs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml import baselines, figures
from ml.detectors.residual import ResidualSettings
from ml.evaluation import evaluate, only_history, walk_fleet
from ml.learning import Say
from ml.openers import MIN_INCIDENTS
from ml.recorded_fleet import FleetUnreadable, RecordedFleet, read_fleet
from ml.result_files import write_orders, write_points
from ml.spread import ClusterUnreachable, Spread
from ml.supervised import affordable
from ml.walking import Learned

BEGIN, END = "<!-- figures: written by `make evaluate` -->", "<!-- figures: end -->"
OURS = "Forewarn"
# Published figures of the same kinds of data, each with what it is and where protocols differ.
ANCHORS: Mapping[str, str] = {
    "skab": "SKAB, F1 of points: Conv-AE 0.78, MSET 0.78, T²+Q 0.76, LSTM-AE 0.74, T² 0.66, IsolationForest 0.29",
    "turbofan": "C-MAPSS FD001, RMSE learned from all 100 engines: CNN 16.97, LSTM 14.93; own claims down to 10.4",
    "machine_logs": "own claim with telemetry: 90 % of failures caught, 46 h median lead",
    "wells": "3W, F1 per window: supervised LSTM 0.92, LOF 0.88, IsolationForest 0.74 (not per incident)",
    "nab": "NAB standard profile: ARTime 74.9, HTM 70.5, windowed Gaussian 39.6 (another metric)",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One method's figures on one fleet."""

    fleet: str
    method: str
    result: Mapping[str, Any]


def compare(folder: Path, out: Path, say: Say, spread: Spread) -> list[Row]:
    """Ours and each baseline on one fleet, by the same decisions; result files below `out`."""
    fleet = read_fleet(folder)
    rows = [Row(fleet.settings.name, OURS, evaluate(folder, out, say, spread))]
    if any(len(fleet.telemetry(asset.name)[0]) for asset in fleet.scored()[:3]):
        for method in baselines.METHODS:
            rows.append(Row(fleet.settings.name, method, baseline(fleet, method, out / "baselines", say, spread)))
    return rows


def baseline(fleet: RecordedFleet, method: str, out: Path, say: Say, spread: Spread) -> dict[str, Any]:
    """One baseline's figures: its level chosen on history as ours are, or the usual one."""
    out.mkdir(parents=True, exist_ok=True)
    level = _level(fleet, method, say, spread)
    orders, _, alarms = walk_fleet(fleet, _learned(method, level), lambda line: None, spread)
    name = method.replace(" ", "_").replace("²", "2").replace("+", "_")
    write_orders(out / f"{name}.csv", orders)
    result: dict[str, Any] = {"level": level}
    if figures.has_truth(fleet):
        result["work_orders"] = figures.work_order_figures(fleet, out / f"{name}.csv")
        if not fleet.settings.on_failure:
            write_points(out / f"{name}_points.csv", alarms)
            result["points"] = figures.point_figures(fleet, out / f"{name}_points.csv")
    say(f"{fleet.settings.name}: {method} at {level:g} times the healthy 99 % quantile")
    return result


def _learned(method: str, level: float) -> Learned:
    return Learned(ResidualSettings(), detectors=baselines.entries(method, level))


def _level(fleet: RecordedFleet, method: str, say: Say, spread: Spread) -> float:
    """The level with the best recall within the budget on history; the usual one where history cannot say."""
    usual = baselines.USUAL_LEVEL.get(method, 3.0)
    past = only_history(fleet)
    if not fleet.settings.on_failure or not past.assets or fleet.settings.per_kind:
        return usual
    judged = replace(past, assets={name: replace(a, role="score") for name, a in past.assets.items()})
    best: tuple[float, float] | None = None
    for level in baselines.LEVELS:
        orders, _, _ = walk_fleet(judged, _learned(method, level), lambda line: None, spread)
        tallies = [
            figures.judge(past, name, None, [o.opened_at for o in orders if o.asset == name]) for name in past.assets
        ]
        incidents = sum(t.incidents for t in tallies)
        months = sum(t.healthy_s for t in tallies) / fleet.settings.month_s
        if incidents < MIN_INCIDENTS:
            return usual
        recall = sum(len(t.leads) for t in tallies) / incidents
        within = affordable(sum(t.false for t in tallies), months, fleet.settings.budget_per_month)
        if months > 0 and within and (best is None or recall > best[0]):
            best = (recall, level)
    return best[1] if best else baselines.LEVELS[-1]


def table(rows: Sequence[Row]) -> str:
    """The figures as Markdown: work orders of all methods, then remaining life, then published anchors."""
    lines = [
        "| fleet | method | incidents | caught (recall) | false | false per asset-month | budget | within "
        "| precision | median lead | points F1, FAR, MAR |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(_work_line(row) for row in rows if "work_orders" in row.result),
        "",
        "| fleet | remaining life of | RMSE | RMSE capped at 125 | coverage of the band (0.90 meant) | mean width |",
        "|---|---|---|---|---|---|",
        *(_life_line(row) for row in rows if "rul" in row.result),
    ]
    if not any("rul" in row.result for row in rows):
        lines = lines[:-3]
    fleets = {row.fleet for row in rows}
    known = [f"- {text}" for name, text in ANCHORS.items() if any(fleet.startswith(name) for fleet in fleets)]
    if known:
        lines += ["", "Published figures on the same kinds of data, for orientation; protocols differ:", "", *known]
    return "\n".join(lines)


def _work_line(row: Row) -> str:
    own = row.result["work_orders"]
    rate, budget = own["false_per_asset_month"], own["budget_per_month"]
    points = row.result.get("points")
    cells = [
        row.fleet, f"**{row.method}**" if row.method == OURS else row.method, own["incidents"],
        f"{own['caught']} ({own['recall']:.2f})", own["false"], "–" if rate is None else f"{rate:.2f}",
        "–" if budget is None else f"{budget:g}", {True: "yes", False: "no", None: "–"}[own["within_budget"]],
        f"{own['precision']:.2f}" if own["orders"] else "–", _time(own["lead_median_s"]),
        f"{points['f1']:.3f}, {points['far']:.3f}, {points['mar']:.3f}" if points else "",
    ]  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return (
        f"{seconds / 86400:.1f} d"
        if seconds >= 172800
        else f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else (f"{seconds / 60:.0f} min")
    )


def _life_line(row: Row) -> str:
    own = row.result["rul"]
    if not own["predicted"]:
        return f"| {row.fleet} | 0 of {own['expected']} | – | – | – | – |"
    return (
        f"| {row.fleet} | {own['predicted']} of {own['expected']} (no estimate for the others) | {own['rmse_h']:.1f} h "
        f"| {own['rmse_capped_125_h']:.1f} h | {own['coverage']:.2f} | {own['mean_width_h']:.0f} h |"
    )


def write_block(path: Path, text: str) -> None:
    """Put the text between the markers of the page. Raise ValueError where the page has none."""
    page = path.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.comparison", description=__doc__)
    parser.add_argument("fleets", type=Path, help="folder of recorded fleets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="the page whose generated block is replaced")
    parser.add_argument("--jobs", type=int, default=-1, help="processes (default: one for each core)")
    parser.add_argument("--cluster", help="address of a Dask scheduler, tcp://HOST:8786")
    options = parser.parse_args(arguments)
    spread = Spread(options.jobs, options.cluster)
    rows: list[Row] = []
    try:
        for path in sorted(options.fleets.glob("*/fleet.json")):
            print(f"== {path.parent.name}", file=sys.stderr, flush=True)
            rows += compare(path.parent, options.out / path.parent.name, _say, spread)
    except (FleetUnreadable, ClusterUnreachable) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    text = table(rows)
    (options.out / "figures.json").write_text(
        json.dumps([{"fleet": r.fleet, "method": r.method, **r.result} for r in rows], indent=1) + "\n"
    )
    print(text)
    if options.page is not None:
        write_block(options.page, text)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
