"""Walk a recorded fleet through time as the service would live it, write what it would have done, score it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maintenance import decisions
from maintenance.decisions import Decision, FindingFacts, OpenJob, Policy
from ml import features, figures, remaining_life, supervised
from ml.detectors.protocol import Block, Floats
from ml.detectors.residual import ResidualSettings
from ml.features import Vocabulary
from ml.recorded_fleet import Asset, FleetUnreadable, RecordedFleet, Settings, read_fleet
from ml.remaining_life import LifeModel
from ml.scoring import AssetSetup, FleetScorer
from ml.supervised import Trained

BLOCK_ROWS = 4096
LEVELS = (4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 17.0)  # tried on history for the residual model
MIN_HISTORY_INCIDENTS = 3

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """One work order that the service would have opened."""

    asset: str
    opened_at: float
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walk through one asset's time gave."""

    orders: list[Order]
    sensor_orders: list[Order]
    alarms: list[tuple[float, bool]]


def policy_for(settings: Settings) -> Policy:
    """The fleet's own patience, the same as in a replay."""
    return decisions.policy_of_recording(f"recorded:{settings.name}", settings.open_s, settings.persistence_hint_s)


def settings_for(settings: Settings) -> ResidualSettings:
    """The budget as the time in which one false work order is acceptable."""
    if not settings.budget_per_month:
        return ResidualSettings()
    return ResidualSettings(patience_s=settings.month_s / settings.budget_per_month)


class Desk:
    """The jobs of one asset in memory: the same decisions as the service's, kept in a list instead of rows."""

    def __init__(self, asset: str, policy: Policy) -> None:
        self.asset, self.policy = asset, policy
        self.jobs: list[OpenJob] = []
        self._ended: dict[str, datetime] = {}
        self._count = 0

    def take(self, finding: FindingFacts) -> Decision:
        """Decide about a new or changed finding at the moment it was seen."""
        now = finding.cleared_at or finding.last_at
        self._close_old(now)
        decision = decisions.decide(finding, self.policy, self.jobs, now)
        if decision.action == decisions.OPEN:
            self._count += 1
            key = str(decision.params["key"])
            self.jobs.append(
                OpenJob(f"{self.asset}#{self._count}", key, finding.kind, now, now, decisions.EPISODE_OPEN, "order")
            )
        elif decision.action in (decisions.ATTACH, decisions.WAIT) and decision.episode:
            if finding.cleared_at is None:
                self._seen(decision.episode, finding.last_at)
            else:
                self._ended[decision.episode] = finding.cleared_at
        elif decision.action == decisions.CLEAR and decision.episode and decisions.expires(finding.kind, self.policy):
            self._close(decision.episode, now)
        return decision

    def _seen(self, episode: str, at: datetime) -> None:
        self._ended.pop(episode, None)
        self.jobs = [replace(j, last_seen_at=max(j.last_seen_at, at)) if j.episode == episode else j for j in self.jobs]

    def _close(self, episode: str, at: datetime) -> None:
        self.jobs = [replace(j, state="closed", closed_at=at) if j.episode == episode else j for j in self.jobs]

    def _close_old(self, now: datetime) -> None:
        for job in self.jobs:
            if job.state != decisions.EPISODE_OPEN or not decisions.expires(job.kind, self.policy):
                continue
            ends = job.opened_at + timedelta(seconds=self.policy.open_s or 0.0)
            if job.episode in self._ended:
                ends = min(ends, self._ended[job.episode] + timedelta(seconds=self.policy.off_delay_s))
            if ends <= now:
                self._close(job.episode, ends)
        closed = [j for j in self.jobs if j.state != decisions.EPISODE_OPEN]
        self.jobs = [j for j in self.jobs if j not in closed[:-64]]  # enough to remember what was closed lately


def evaluate(folder: Path, out: Path, say: Say | None = None) -> dict[str, Any]:
    """Evaluate the detectors on a recorded fleet; write the result files into `out`, return the figures.

    Raise FleetUnreadable when a file is missing or malformed.
    """
    say = say or (lambda line: None)
    fleet = read_fleet(folder)
    out.mkdir(parents=True, exist_ok=True)
    learned = learn(fleet, say)
    orders, sensor_orders, alarms = walk_fleet(fleet, learned, say)
    write_orders(out / "work_orders.csv", orders)
    write_orders(out / "sensor_orders.csv", sensor_orders)
    protocol = "failure" if fleet.settings.on_failure else "onset"
    result: dict[str, Any] = {"fleet": fleet.settings.name, "protocol": protocol}
    known = figures.has_truth(fleet)
    if known:
        result["work_orders"] = figures.work_order_figures(fleet, out / "work_orders.csv")
    if fleet.cuts:
        write_lives(out / "rul.csv", fleet, learned)
        if all(cut.rul_s is not None for cut in fleet.cuts.values()):
            result["rul"] = figures.life_figures(fleet, out / "rul.csv")
    if not fleet.settings.on_failure:
        write_points(out / "points.csv", alarms)
        if known:
            result["points"] = figures.point_figures(fleet, out / "points.csv")
    return result


@dataclass(frozen=True, slots=True)
class Learned:
    """What the history assets taught: supervised models, the life model, and who may open orders."""

    settings: ResidualSettings
    words: Vocabulary | None = None
    trained: tuple[Trained, ...] = ()
    life: LifeModel | None = None
    residual_opens: bool = True


def learn(fleet: RecordedFleet, say: Say) -> Learned:
    """Learn from history assets in full, with their incidents; nothing of the scored ones is looked at."""
    history = fleet.history()
    plain = settings_for(fleet.settings)
    if not fleet.settings.on_failure or not history:
        return Learned(plain)
    words = features.vocabulary(fleet, history)
    seen = {a.name: features.moments(fleet, a, words) for a in history}
    kinds: Sequence[str | None] = [None]
    if fleet.settings.per_kind:
        kinds = sorted({i.kind for i in fleet.incidents if fleet.assets[i.asset].role == "history"})
    trained = tuple(t for kind in kinds if (t := supervised.train(fleet, history, seen, kind)) is not None)
    for each in trained:
        say(f"{fleet.settings.name}: {each.kind or 'failure'}: recall {each.recall:.2f} on held-out history")
    life = remaining_life.train_life(fleet, history, seen) if fleet.cuts else None
    settings, recall = best_level(fleet, history, plain)
    supervised_recall = float(np.mean([t.recall for t in trained])) if trained else 0.0
    return Learned(settings, words, trained, life, residual_opens=recall > supervised_recall or not trained)


def best_level(fleet: RecordedFleet, history: list[Asset], plain: ResidualSettings) -> tuple[ResidualSettings, float]:
    """The opening level with the best recall on history within the budget, and that recall."""
    budget = fleet.settings.budget_per_month
    eligible = sum(figures.judge(fleet, a.name, None, []).incidents for a in history)
    if budget is None or eligible < MIN_HISTORY_INCIDENTS or not any(len(fleet.telemetry(a.name)[0]) for a in history):
        return plain, 0.0
    best, best_recall = replace(plain, opens=LEVELS[-1], clears=LEVELS[-1] * 0.6), 0.0
    for level in LEVELS:
        tried = replace(plain, opens=level, clears=level * 0.6)
        tallies = []
        for asset in history:
            walk = walk_asset(fleet, asset, Learned(tried))
            tallies.append(figures.judge(fleet, asset.name, None, [o.opened_at for o in walk.orders]))
        months = sum(t.healthy_s for t in tallies) / fleet.settings.month_s
        recall = sum(len(t.leads) for t in tallies) / eligible
        if months > 0 and sum(t.false for t in tallies) / months <= budget and recall > best_recall:
            best, best_recall = tried, recall
    return best, best_recall


def walk_fleet(
    fleet: RecordedFleet, learned: Learned, say: Say
) -> tuple[list[Order], list[Order], dict[str, list[tuple[float, bool]]]]:
    orders: list[Order] = []
    sensor_orders: list[Order] = []
    alarms: dict[str, list[tuple[float, bool]]] = {}
    scored = fleet.scored()
    for done, asset in enumerate(scored, 1):
        walk = walk_asset(fleet, asset, learned)
        orders += walk.orders
        sensor_orders += walk.sensor_orders
        alarms[asset.name] = walk.alarms
        say(f"{fleet.settings.name}: {asset.name} ({done} of {len(scored)}): {len(walk.orders)} work orders")
    return orders, sensor_orders, alarms


def walk_asset(fleet: RecordedFleet, asset: Asset, learned: Learned) -> Walk:
    """One asset's telemetry and log through detectors and decisions, in order of time."""
    scorer = FleetScorer(default=AssetSetup(residual=learned.settings))
    walk = Walk([], [], [])
    found: list[FindingFacts] = []
    for block in blocks(asset, *fleet.telemetry(asset.name)):
        found += scorer.feed(block)
        walk.alarms.extend(zip(block.t.tolist(), scorer.alarms(asset.name), strict=True))
    if not learned.residual_opens:
        found = [f for f in found if f.layer != "L2"]
    desks = {"": Desk(asset.name, policy_for(fleet.settings))}
    found += predicted(fleet, asset, learned)
    for finding in sorted(found, key=lambda f: f.cleared_at or f.last_at):
        component = finding.signature.partition(":")[0] if finding.layer == "L3" and fleet.settings.per_kind else ""
        desk = desks.setdefault(component, Desk(asset.name, policy_for(fleet.settings)))
        if desk.take(finding).action == decisions.OPEN:
            order = Order(asset.name, finding.last_at.timestamp(), component or finding.kind, reason(finding))
            (walk.orders if finding.kind == "machine" else walk.sensor_orders).append(order)
    return walk


def predicted(fleet: RecordedFleet, asset: Asset, learned: Learned) -> list[FindingFacts]:
    """Findings of the supervised models along the asset's life, in order of time."""
    if learned.words is None or not learned.trained:
        return []
    seen = features.moments(fleet, asset, learned.words)
    found: list[FindingFacts] = []
    for each in learned.trained:
        if len(seen.t):
            found += supervised.findings(asset.name, each, seen)
    return found


def write_lives(path: Path, fleet: RecordedFleet, learned: Learned) -> None:
    lines = []
    if learned.life is not None and learned.words is not None:
        for name in sorted(fleet.cuts):
            seen = features.moments(fleet, fleet.assets[name], learned.words)
            rows = np.flatnonzero(seen.t <= fleet.cuts[name].t)
            if len(rows):
                life, low, high = learned.life.predict(seen.x[rows[-1:]])
                lines.append((name, stamp(seen.t[rows[-1]]), *(f"{v[0]:.0f}" for v in (life, low, high))))
    _write(path, ("asset", "t", "rul_s", "low_s", "high_s"), lines)


def blocks(asset: Asset, t: Floats, metrics: tuple[str, ...], frame: pd.DataFrame) -> Iterator[Block]:
    """The asset's rows, span by span, in blocks; a text column is its operating mode."""
    if len(t) == 0:
        return
    texts = [m for m in metrics if not pd.api.types.is_numeric_dtype(frame[m])]
    numbers = tuple(m for m in metrics if m not in texts)
    modes: np.ndarray[Any, np.dtype[np.int64]] | None = None
    names: tuple[str, ...] = ()
    if texts:
        joined = frame[texts[0]].astype(str) if len(texts) == 1 else frame[texts].astype(str).agg("/".join, axis=1)
        codes, found = pd.factorize(joined)
        modes, names = codes.astype(np.int64), tuple(str(name) for name in found)
    values = frame[list(numbers)].to_numpy(dtype=float)
    done = -1  # runs may share the row at which one ends and the next begins
    for span in asset.spans:
        rows = np.flatnonzero((t >= span.start) & (t <= span.end))
        rows = rows[rows > done]
        done = max(done, int(rows[-1])) if len(rows) else done
        for start in range(0, len(rows), BLOCK_ROWS):
            part = rows[start : start + BLOCK_ROWS]
            yield Block(
                asset.name, t[part], numbers, values[part], None if modes is None else modes[part], names,
                healthy_until=span.healthy_until,
            )  # fmt: skip


def reason(finding: FindingFacts) -> str:
    """What was noticed, in one line: sensor, expected against seen, how far off."""
    parts = [
        f"{c.metric} {c.note}: expected {_short(c.expected)}, seen {_short(c.seen)} ({c.deviation:+.1f} sigma)"
        for c in finding.contributions
    ]
    if not parts:
        parts = [f"{finding.signature}: probability {finding.score:.2f} (opens at {finding.limit_open:.2f})"]
    return f"{finding.detector} {finding.model_id}: " + "; ".join(parts)


def _short(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.5g}"


def stamp(t: float) -> str:
    """RFC 3339 UTC, with a fraction only where there is one."""
    at = datetime.fromtimestamp(t, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{at.microsecond:06d}" if at.microsecond else "") + "Z"


def write_orders(path: Path, orders: Iterable[Order]) -> None:
    lines = [(o.asset, stamp(o.opened_at), o.kind, o.reason) for o in orders]
    _write(path, ("asset", "opened_at", "kind", "reason"), sorted(lines))


def write_points(path: Path, alarms: dict[str, list[tuple[float, bool]]]) -> None:
    lines = ((asset, stamp(t), int(alarm)) for asset, points in sorted(alarms.items()) for t, alarm in points)
    _write(path, ("asset", "t", "alarm"), lines)


def _write(path: Path, header: tuple[str, ...], lines: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)


def evaluate_command(folder: Path, out: Path, as_json: bool) -> int:
    """Evaluate, print progress and figures (or one JSON object), return the exit code."""
    say: Say | None = None if as_json else lambda line: print(line, file=sys.stderr, flush=True)
    try:
        result = evaluate(folder, out, say)
    except FleetUnreadable as error:
        print(f"forewarn evaluate: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"forewarn evaluate: cannot write {out}: {error.strerror or error}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(result))
        return 0
    for part in ("work_orders", "rul", "points"):
        if part in result:
            print(f"{result['fleet']}: {part}, protocol {result['protocol']}")
            for name, value in result[part].items():
                print(f"  {name:27} {value:.4g}" if isinstance(value, float) else f"  {name:27} {value}")
    print(f"written to {out}")
    return 0
