"""What people and devices send: nothing known, one sensor, dead ones, another unit, weeks of silence. Each says so."""

from __future__ import annotations

import numpy as np
import pytest

from maintenance.decisions import FindingFacts
from ml.detectors.protocol import Block, Floats
from ml.detectors.registry import DETECTORS
from ml.detectors.residual import ResidualDetector
from ml.detectors.teaching import Lesson, teach_residual
from ml.scoring import AssetSetup, FleetScorer

START, DAY_S = 1_767_225_600.0, 86400.0
T = START + 10.0 * np.arange(1500)


def scorer(setup: AssetSetup | None = None) -> FleetScorer:
    return FleetScorer(default=setup, detectors=DETECTORS[:3])


def noise(n: int, m: int, seed: int = 0) -> Floats:
    return 100 + np.random.default_rng(seed).normal(size=(n, m))


def names(m: int) -> tuple[str, ...]:
    return tuple(f"pressure_{j}_bar" for j in range(m))


def feed(x: Floats, t: Floats = T, setup: AssetSetup | None = None) -> tuple[FleetScorer, list[FindingFacts]]:
    fleet = scorer(setup)
    return fleet, fleet.feed(Block("a", t[: len(x)], names(x.shape[1]), x))


def machine(found: list[FindingFacts]) -> list[FindingFacts]:
    return [f for f in found if f.kind == "machine"]


def test_an_asset_without_history_says_what_it_waits_for() -> None:
    learning = scorer().learning("nobody")
    assert learning.state == "learning"
    assert learning.missing["samples"] > 0


@pytest.mark.parametrize("m", [1, 3, 20])
def test_a_sudden_change_is_found_with_one_sensor_and_with_many(m: int) -> None:
    x = noise(1500, m)
    x[1200:, 0] += 60
    fleet, found = feed(x)
    assert machine(found)
    assert machine(found)[0].contributions[0].metric == "pressure_0_bar"
    assert not any(fleet.alarms("a")[600:1190]) or m >= 12
    assert np.mean(fleet.alarms("a")[600:1190]) <= 0.04


@pytest.mark.parametrize("m", [2, 16])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: np.full_like(x, 7.0),
        lambda x: np.zeros_like(x),
        lambda x: np.round(x / 5) * 5,
        lambda x: np.full_like(x, np.nan),
        lambda x: np.where(np.arange(x.shape[1]) == 0, 7.0, x),
    ],
    ids=["constant", "zero", "quantised", "missing", "one constant"],
)
def test_dead_and_coarse_sensors_neither_break_nor_alarm(m: int, spoil: object) -> None:
    _, found = feed(spoil(noise(1500, m)))  # type: ignore[operator]
    assert machine(found) == []


@pytest.mark.parametrize("m", [3, 16])
def test_a_metric_that_vanishes_is_told_as_missing_and_the_rest_is_still_watched(m: int) -> None:
    x = noise(1500, m)
    x[700:, 1] = np.nan
    x[1300:, 0] += 60
    _, found = feed(x)
    assert "pressure_1_bar:missing" in {f.signature for f in found if f.kind == "sensor"}
    assert machine(found)
    assert machine(found)[0].first_at.timestamp() >= T[1295]


@pytest.mark.parametrize("m", [3, 16])
def test_another_unit_is_told_as_such_and_not_as_trouble_of_the_machine(m: int) -> None:
    x = noise(1500, m)
    x[900:, 0] *= 14.50377
    _, found = feed(x)
    assert "pressure_0_bar:unit" in {f.signature for f in found if f.kind == "sensor"}
    assert machine(found) == []


def test_weeks_of_silence_are_told_and_begin_a_new_reference() -> None:
    x = np.vstack([noise(700, 3), noise(700, 3, 1) * 1.4])
    t = np.concatenate([T[:700], T[:700] + 21 * DAY_S])
    fleet, found = feed(x, t)
    assert [f.signature for f in found if f.kind == "connection"] == ["all:gap"]
    assert machine(found) == []
    assert fleet.learning("a").state == "provisional"


def test_what_little_evidence_says_is_watched_first() -> None:
    drifting = noise(300, 2) + np.linspace(0, 4, 300)[:, None]
    x = np.vstack([drifting, drifting[-1] + noise(200, 2, 2) - 100 + np.linspace(0, 40, 200)[:, None]])
    _, found = feed(x)
    assert all(f.learning for f in machine(found)[:1])


def test_a_relation_tells_nothing_far_from_where_it_was_learned() -> None:
    rng = np.random.default_rng(0)
    used = rng.normal(8, 0.02, size=1500)
    x = np.column_stack([used, 50 + 20 * (used - 8) + rng.normal(0, 0.1, size=1500)])
    fleet = scorer()
    fleet.feed(Block("a", T[:1000], ("memory_used_percent", "receive_rate"), x[:1000]))
    far = Block("a", T[1000:1001], ("memory_used_percent", "receive_rate"), np.array([[14.0, 50.0]]))
    expected = fleet.expected(far)[0, 1]
    assert abs(expected - 50) < 60  # the line itself would say 170


def test_nobody_to_learn_from_teaches_nothing() -> None:
    assert Lesson.from_plain(teach_residual([])) == Lesson()
    assert Lesson.from_plain(teach_residual([ResidualDetector("new")])).modes == {}


def test_peers_with_other_metrics_teach_what_they_share_and_break_nothing() -> None:
    peer = ResidualDetector("peer")
    peer.update(Block("peer", T[:900], names(14), noise(900, 14), healthy_until=float(T[899])))
    setup = AssetSetup(taught={"residual": teach_residual([peer])})
    for m in (3, 13, 16):
        _, found = feed(noise(900, m, 5), setup=setup)
        assert machine(found) == []
