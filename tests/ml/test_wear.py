"""Slow wear: found weeks ahead on machines of any kind, whatever the blocks, and silent where little is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from maintenance.decisions import FindingFacts
from ml import figures
from ml.detectors import plain
from ml.detectors.protocol import Block, Event, Floats
from ml.detectors.setup import AssetSetup
from ml.detectors.wear import WearDetector
from ml.detectors.wear_belief import WearBelief, template
from ml.recorded_fleet import read_fleet
from ml.scoring import FleetScorer
from ml.wear_training import features_of, learn_wear, openings, trace_of
from tests.ml.simulated.mixed import Plan, fleet_of, observer, write_fleet
from tests.ml.simulated.mixed_kinds import DAY_S

METRICS = ("vibration_mm_s", "bearing_temperature_celsius", "motor_current_ampere", "pressure_bar", "load_percent")
START = 1_735_689_600.0


def machine(days: float, seed: int = 0, fault: Floats | None = None) -> Block:
    """Hourly rows of a machine with a daily load; `fault` [n] of 1 is six hourly sigma on vibration and temperature."""
    rng = np.random.default_rng(seed)
    t = START + np.arange(0, days * DAY_S, 3600.0)
    severity = np.zeros(len(t)) if fault is None else fault
    load = 60 + 15 * np.sin(2 * np.pi * t / DAY_S) + 5 * rng.normal(size=len(t))
    values = np.column_stack([
        1.5 + 0.01 * load + 0.1 * rng.normal(size=len(t)) + 0.6 * severity,
        40 + 0.2 * load + rng.normal(size=len(t)) + 6 * severity,
        20 + 0.1 * load + 0.3 * rng.normal(size=len(t)) + 1.0 * severity,
        4 - 0.01 * load + 0.02 * rng.normal(size=len(t)),
        load,
    ])  # fmt: skip
    return Block("m1", t, METRICS, values)


def growing(days: float, begins: float, lasts: float) -> Floats:
    since = np.arange(0, days, 1 / 24) - begins
    return np.asarray(np.clip(since / lasts, 0, 1) ** 1.5)


def walk(detector: WearDetector, block: Block, cuts: Sequence[int] = ()) -> list[FindingFacts]:
    return [f for a, b in pairwise([0, *cuts, len(block)]) if b > a for f in detector.update(block.rows(a, b))]


def test_growing_wear_is_found_long_before_it_is_complete() -> None:
    found = walk(WearDetector("m1"), machine(90, fault=growing(90, 60, 25)))
    first = (found[0].first_at.timestamp() - START) / DAY_S
    assert found[0].kind == "machine"
    assert 60 < first < 75
    assert {c.metric for c in found[0].contributions} & {"vibration_mm_s", "bearing_temperature_celsius"}


def test_a_healthy_machine_stays_without_findings_for_months() -> None:
    assert [f for seed in range(2) for f in walk(WearDetector("m1"), machine(150, seed))] == []


def test_little_evidence_makes_no_findings() -> None:
    severe = growing(9, 4, 1) * 5
    detector = WearDetector("m1")
    assert walk(detector, machine(9, fault=severe)) == []
    assert detector.learning().state == "learning"


def test_how_rows_are_cut_into_blocks_changes_nothing() -> None:
    block = machine(90, 3, growing(90, 60, 25))
    whole = walk(WearDetector("m1"), block)
    assert whole
    assert (
        walk(WearDetector("m1"), block, sorted(np.random.default_rng(1).integers(1, len(block), 300).tolist())) == whole
    )


def test_state_survives_a_restart_to_the_last_bit() -> None:
    block = machine(90, 4, growing(90, 60, 25))
    whole = walk(WearDetector("m1"), block)
    for cut in (100, 1531):
        before, after = WearDetector("m1"), WearDetector("m1")
        found = walk(before, block.rows(0, cut))
        after.restore(plain.unpack(plain.pack({"own": before.state()}))["own"])
        assert found + walk(after, block.rows(cut, len(block))) == whole


def test_one_sensor_that_jumps_alone_is_suspected_itself() -> None:
    block = machine(90, 5)
    values = block.values.copy()
    values[1500:, 3] += 0.4
    found = walk(WearDetector("m1"), block.with_values(values))
    assert not [f for f in found if f.kind == "machine"]


def test_a_service_that_moves_the_levels_is_no_wear() -> None:
    block = machine(100, 6)
    at = 1500
    values = block.values.copy()
    values[at:, :3] += [0.35, 3.0, 1.0]
    detector = WearDetector("m1")
    found = walk(detector, block.with_values(values).rows(0, at))
    detector.happened(Event(float(block.t[at]) - 1, "maintenance", "replaced", "bearing"))
    found += walk(detector, block.with_values(values).rows(at, len(block)))
    assert found == []


@pytest.mark.parametrize("spoil", ["constant", "vanishing", "gap", "one", "nothing"])
def test_bad_input_is_borne(spoil: str) -> None:
    block = machine(60, 7)
    values, rows = block.values.copy(), np.arange(len(block))
    if spoil == "constant":
        values[:, 1] = 5.0
    elif spoil == "vanishing":
        values[900:, 0] = np.nan
    elif spoil == "gap":
        rows = np.flatnonzero((rows < 600) | (rows > 1100))
    elif spoil == "nothing":
        values[:] = np.nan
    block = replace(block, t=block.t[rows], values=values[rows])
    if spoil == "one":
        block = replace(block, metrics=block.metrics[:1], values=block.values[:, :1])
    assert [f for f in walk(WearDetector("m1"), block) if f.kind == "machine"] == []


def test_what_days_taught_does_not_speak_where_wear_is_known() -> None:
    season = machine(150, 8)
    values = season.values + np.outer(np.linspace(0, 1, len(season)), [0.0, 12.0, 0.0, 0.0, 0.0])
    found = FleetScorer().feed(season.with_values(values))
    late = [f for f in found if f.detector == "residual" and f.kind == "machine" and f.cleared_at is None]
    assert [f for f in late if f.first_at.timestamp() > START + 12 * DAY_S] == []


def test_a_belief_is_kept_to_the_last_bit() -> None:
    again = WearBelief.from_plain(plain.unpack(plain.pack({"b": template().to_plain()}))["b"])
    assert again.digest() == template().digest()
    told = AssetSetup(taught={"wear": template().to_plain()})
    assert WearDetector("m1", told).model_id() == WearDetector("m1").model_id()


def test_a_mixed_fleet_of_unknown_machines_is_warned_of_early(tmp_path: Path) -> None:
    """A seed of its own; the shipped belief has to do without any history, on plain signs of damage."""
    plan = Plan(seed=81, history=0, scored=12, days=130, kinds_of_scored=(0, 1, 2, 4, 5, 6), signal=1.6)
    write_fleet(plan, tmp_path)
    fleet, belief, caught, false = read_fleet(tmp_path), template(), 0, 0
    seen = {life.asset: observer(life, 0.2) for life, _ in fleet_of(plan)}
    best = [figures.judge(fleet, name, None, [t for t in times if t >= fleet.assets[name].spans[0].score_from])
            for name, times in seen.items()]  # fmt: skip
    for asset in fleet.scored():
        trace = trace_of(fleet, asset)
        assert trace is not None
        rows = features_of(trace, belief)
        orders = openings(trace.ticks, rows, belief.log_odds(rows), belief.level)
        tally = figures.judge(fleet, asset.name, None, [t for t in orders if t >= asset.spans[0].score_from])
        caught, false = caught + len(tally.leads), false + tally.false
    possible = sum(len(each.leads) for each in best)
    assert possible >= 3
    assert caught >= 0.4 * possible
    assert false <= 4


def test_history_teaches_wander_and_level(tmp_path: Path) -> None:
    write_fleet(Plan(seed=78, history=6, scored=0, days=120, kinds_of_history=(0, 2)), tmp_path)
    belief = learn_wear(read_fleet(tmp_path))
    assert belief is not None
    assert "centrifugal_pump/vibration_mm_s" in belief.sensors
    assert belief.trees is template().trees


def test_the_perfect_observer_sees_what_is_hidden() -> None:
    lives = [life for life, _ in fleet_of(Plan(seed=79, history=0, scored=7, days=120))]
    assert any(observer(life, 0.2) for life in lives)
    assert all(life.damage.min() >= 0 and life.damage.max() <= 1.0 + 1e-9 for life in lives)
