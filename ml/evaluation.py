"""Walk a recorded fleet through time as the service would live it, write what it would have done, score it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml import figures
from ml.desk import Order
from ml.learning import Say, train_all
from ml.openers import choose, passed_on, settings_for
from ml.peers import taught_by_peers
from ml.recorded_fleet import FleetUnreadable, RecordedFleet, read_fleet
from ml.remaining_life import LifeEstimate
from ml.result_files import stamp, write_lives, write_orders, write_points
from ml.spread import ClusterUnreachable, Spread
from ml.walking import Learned, life_at, orders_of, walk_asset
from ml.wear_training import wear_lessons

__all__ = ["evaluate", "evaluate_command", "learn", "stamp"]


def evaluate(folder: Path, out: Path, say: Say | None = None, spread: Spread | None = None) -> dict[str, Any]:
    """Evaluate the detectors on a recorded fleet; write the result files into `out`, return the figures.

    Raise FleetUnreadable when a file is missing or malformed.
    """
    say, spread = say or (lambda line: None), spread or Spread()
    fleet = read_fleet(folder)
    out.mkdir(parents=True, exist_ok=True)
    learned = learn(fleet, say, spread)
    orders, sensor_orders, alarms = walk_fleet(fleet, learned, say, spread)
    write_orders(out / "work_orders.csv", orders)
    write_orders(out / "sensor_orders.csv", sensor_orders)
    protocol = "failure" if fleet.settings.on_failure else "onset"
    result: dict[str, Any] = {"fleet": fleet.settings.name, "protocol": protocol}
    known = figures.has_truth(fleet)
    if known:
        result["work_orders"] = figures.work_order_figures(fleet, out / "work_orders.csv")
    if fleet.cuts:
        write_lives(out / "rul.csv", lives(fleet, learned, spread))
        if all(cut.rul_s is not None for cut in fleet.cuts.values()):
            result["rul"] = figures.life_figures(fleet, out / "rul.csv")
    if not fleet.settings.on_failure:
        write_points(out / "points.csv", alarms)
        if known:
            result["points"] = figures.point_figures(fleet, out / "points.csv")
    return result


def learn(fleet: RecordedFleet, say: Say, spread: Spread) -> Learned:
    """Learn from history assets in full, with their incidents; nothing of the scored ones is looked at."""
    past = only_history(fleet)
    settings = settings_for(fleet.settings.budget_per_month, fleet.settings.month_s)
    learned = Learned(settings, by_peers=taught_by_peers(blind_to_scored(fleet, past), settings))
    if not past.assets:
        return learned
    if not fleet.settings.on_failure:
        return learned
    worn = wear_lessons(past)
    told = {} if worn is None else passed_on(worn.belief)
    learned = replace(learned, taught=train_all(past, spread, say), passed_on=told)
    return choose(past, learned, spread, say, worn)


def blind_to_scored(fleet: RecordedFleet, past: RecordedFleet) -> RecordedFleet:
    """The fleet with the incidents of its history alone."""
    return replace(fleet, incidents=past.incidents)


def only_history(fleet: RecordedFleet) -> RecordedFleet:
    """The fleet without its scored assets and all that is known of them."""
    names = {asset.name: asset for asset in fleet.history()}
    incidents = tuple(incident for incident in fleet.incidents if incident.asset in names)
    events = tuple(event for event in fleet.events if event.asset in names)
    return replace(fleet, assets=names, incidents=incidents, events=events, cuts={})


def walk_fleet(
    fleet: RecordedFleet, learned: Learned, say: Say, spread: Spread
) -> tuple[list[Order], list[Order], dict[str, list[tuple[float, bool]]]]:
    """Machine orders, sensor orders and point alarms of every scored asset."""
    scored = fleet.scored()
    walks = spread.map(walk_asset, [(fleet.blind(asset.name), asset, learned.only(asset)) for asset in scored])
    orders: list[Order] = []
    sensor_orders: list[Order] = []
    for asset, walk in zip(scored, walks, strict=True):
        machine, sensor = orders_of(fleet, asset, walk, learned)
        orders += machine
        sensor_orders += sensor
        say(f"{fleet.settings.name}: {asset.name}: {len(machine)} work orders")
    return orders, sensor_orders, {asset.name: walk.alarms for asset, walk in zip(scored, walks, strict=True)}


def lives(fleet: RecordedFleet, learned: Learned, spread: Spread) -> dict[str, LifeEstimate]:
    """The remaining life of each asset that was cut off, at that moment, where a model speaks about it."""
    cut = [(fleet.assets[name], cut.t) for name, cut in sorted(fleet.cuts.items()) if name in fleet.assets]
    told = spread.map(life_at, [(fleet.blind(asset.name), asset, learned.only(asset), at) for asset, at in cut])
    return {asset.name: life for (asset, _), life in zip(cut, told, strict=True) if life is not None}


def evaluate_command(folder: Path, out: Path, as_json: bool, spread: Spread | None = None) -> int:
    """Evaluate, print progress and figures (or one JSON object), return the exit code."""
    say: Say | None = None if as_json else lambda line: print(line, file=sys.stderr, flush=True)
    try:
        result = evaluate(folder, out, say, spread)
    except (FleetUnreadable, ClusterUnreachable) as error:
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
