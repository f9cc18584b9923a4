"""Closed-loop plants of random design: faults that the loops hide are found, healthy rows are left alone.

Three designs of five that were looked at, the worst one among them. What five gave, before and after the faults begin:
beside a known twin 0 to 2 % of the healthy rows alarmed and 83 to 99.9 % of the faulty ones; runs that start together
0 to 2 % and 69 to 98 %; a plant that nobody knows 0 % and 0 to 50 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ml.detectors import dynamics
from ml.detectors.dynamics import Dynamics
from ml.detectors.protocol import Block, Floats
from ml.detectors.registry import DETECTORS
from ml.detectors.residual import ResidualDetector
from ml.detectors.teaching import teach_residual
from ml.scoring import AssetSetup, FleetScorer
from tests.ml.simulated.plant import ROW_S, Design, Fault, simulate

DESIGNS = (1, 2, 5)
ROWS, VOUCHED, BEGINS = 320, 20, 140
FAULTS = (
    None, Fault("outlet_valve_sticks", 1.2, 2, BEGINS), Fault("level_sensor_bias", 1.0, 1, BEGINS),
    Fault("temperature_sensor_bias", 1.2, 3, BEGINS), Fault("feed_temperature_step", 1.2, 0, BEGINS),
    Fault("leak", 1.0, 1, BEGINS), Fault("supply_pressure_step", 1.0, 0, BEGINS),
)  # fmt: skip
START = 1_767_225_600.0
PATIENCE_S = 300 * 86400.0


@dataclass(frozen=True)
class Plant:
    """One design: a normal run, and runs of the same plant, the first of them healthy, the others with faults."""

    design: Design
    normal: Floats
    runs: Floats


def plant_of(seed: int) -> Plant:
    design = Design(seed)
    everything = simulate(design, ROWS, list(range(len(FAULTS) + 1)), [*FAULTS, None], warm_rows=160)
    return Plant(design, everything[-1], everything[:-1])


@pytest.fixture(scope="module")
def plants() -> list[Plant]:
    return [plant_of(seed) for seed in DESIGNS]


@pytest.fixture(scope="module")
def normal(plants: list[Plant]) -> Floats:
    return plants[0].normal


@pytest.fixture(scope="module")
def runs(plants: list[Plant]) -> Floats:
    return plants[0].runs


@pytest.fixture(scope="module")
def learned(normal: Floats) -> Dynamics:
    known = dynamics.fit([normal], np.zeros(normal.shape[1], dtype=bool), ROW_S, PATIENCE_S)
    assert known is not None
    return known


def block(values: Floats, vouched: int = 0, start: float = START) -> Block:
    t = start + ROW_S * np.arange(len(values))
    until = float(t[vouched - 1]) if vouched else 0.0
    metrics = next(design.metrics() for design in map(Design, DESIGNS) if len(design.metrics()) == values.shape[1])
    return Block("plant", t, metrics, values, healthy_until=until)


def taught(*runs: Floats) -> AssetSetup:
    peers = []
    for run in runs:
        peer = ResidualDetector("peer")
        peer.update(block(run, len(run), START - 1e7))
        peers.append(peer)
    return AssetSetup(taught={"residual": teach_residual(peers)})


def alarms(setup: AssetSetup, values: Floats, vouched: int) -> np.ndarray:
    scorer = FleetScorer(default=setup, detectors=DETECTORS[:3])
    scorer.feed(block(values, vouched))
    return np.array(scorer.alarms("plant"))


def test_faults_of_a_plant_whose_twin_was_seen_are_found_and_healthy_rows_left_alone(plants: list[Plant]) -> None:
    found = []
    for plant in plants:
        marks = np.array([alarms(taught(plant.normal), run, VOUCHED) for run in plant.runs])
        assert marks[:, :BEGINS].mean() <= 0.04
        assert marks[0].mean() <= 0.2, "slow disturbances wander further in 320 rows than the twin's 320 rows showed"
        found.append(marks[1:, BEGINS:].mean())
    assert min(found) >= 0.75
    assert np.mean(found) >= 0.88


def test_twenty_rows_of_forty_variables_are_not_enough_to_judge_by(runs: Floats) -> None:
    assert not alarms(AssetSetup(), runs[0][:60], VOUCHED).any()


def test_a_plant_that_nobody_knows_cries_no_wolf_while_it_learns_from_itself(plants: list[Plant]) -> None:
    for plant in plants:
        marks = np.array([alarms(AssetSetup(), run, 110) for run in plant.runs[:3]])
        assert marks[:, :BEGINS].mean() <= 0.04


def test_a_plant_that_nobody_knows_sees_what_is_far_off_once_it_has_rows_enough(runs: Floats) -> None:
    """Little of what the loops hide can be told from 110 rows of 41 variables; three sensors far away can."""
    assert len(runs[0].T) * dynamics.ROWS_PER_METRIC <= 110
    far = runs[0].copy()
    far[BEGINS:, :3] += 40 * runs[0][:BEGINS, :3].std(axis=0)
    assert alarms(AssetSetup(), far, 110)[BEGINS + 10 :].mean() >= 0.8


def test_runs_that_start_together_teach_each_other(plants: list[Plant]) -> None:
    found = []
    for plant in plants:
        setup = taught(*(run[:60] for run in plant.runs[:6]))
        marks = np.array([alarms(setup, run, 60) for run in plant.runs[:4]])
        assert marks[:, :BEGINS].mean() <= 0.04
        found.append(marks[1:, BEGINS:].mean())
    assert min(found) >= 0.55
    assert np.mean(found) >= 0.78


def test_a_twin_that_stands_elsewhere_is_judged_at_its_own_place(plants: list[Plant]) -> None:
    for plant in plants:
        moved = plant.runs[0] + 6 * plant.normal.std(axis=0)
        assert alarms(taught(plant.normal), moved, 60)[60:].mean() <= 0.25


def test_cutting_rows_into_blocks_changes_no_score(learned: Dynamics, runs: Floats) -> None:
    whole, _, end = dynamics.advance(learned, None, runs[1])
    parts, track = [], None
    for part in np.array_split(runs[1], [1, 2, 40, 41, 200]):
        score, _, track = dynamics.advance(learned, track, part)
        parts.append(score)
    assert np.allclose(np.concatenate(parts), whole, rtol=1e-9)
    assert track is not None
    assert np.allclose(track.levels, end.levels, rtol=1e-9)


def test_missing_values_are_filled_by_what_the_others_say(learned: Dynamics, runs: Floats) -> None:
    holes = runs[0].copy()
    holes[np.random.default_rng(0).random(holes.shape) < 0.1] = np.nan
    holes[50:, 3] = np.nan
    score, _, _ = dynamics.advance(learned, None, holes)
    assert np.isfinite(score).all()
    assert (score >= dynamics.ALARM_SCORE).mean() <= 0.06


def test_stored_state_of_a_plant_continues_identically(normal: Floats, runs: Floats) -> None:
    setup = taught(normal)
    one, two = FleetScorer(default=setup), FleetScorer(default=setup)
    whole = block(runs[2], VOUCHED)
    one.feed(whole.rows(0, 130))
    two.load("plant", one.dump("plant"))
    assert two.feed(whole.rows(130, ROWS)) == one.feed(whole.rows(130, ROWS))
    assert two.dump("plant") == one.dump("plant")
    assert any(one.alarms("plant"))


def test_conditions_explain_and_are_not_blamed(normal: Floats) -> None:
    inputs = np.zeros(normal.shape[1], dtype=bool)
    inputs[5] = True
    known = dynamics.fit([normal], inputs, ROW_S, PATIENCE_S)
    assert known is not None
    strange = normal[:50].copy()
    strange[:, 5] += 50 * normal[:, 5].std()
    assert (dynamics.prepared(known, strange)[:, 5] == 0).all()


def test_rows_at_another_pace_are_not_judged_by_lags_in_rows(normal: Floats, runs: Floats) -> None:
    scorer = FleetScorer(default=taught(normal))
    slow = block(runs[0][:120])
    slow = replace(slow, t=START + 10 * ROW_S * np.arange(120))
    scorer.feed(slow)
    assert np.mean(scorer.alarms("plant")) <= 0.04
