"""A fleet scored together finds what each asset would find alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from maintenance.decisions import FindingFacts
from ml.detectors.limits import MetricLimits
from ml.detectors.protocol import Block
from ml.detectors.wear_belief import template
from ml.scoring import AssetSetup, FleetScorer, Rows

START, STEP_S, PAST, ROWS = 1.7e9, 600.0, 2000, 120
METRICS = ("pressure_in_bar", "pressure_out_bar", "motor_celsius", "flow_l_min", "ambient_celsius")
LIMITED = AssetSetup(
    limits={
        "motor_celsius": MetricLimits(high=75.0, high_high=90.0, rate=0.2),
        "flow_l_min": MetricLimits(low=20.0),
    }
)


def readings(n: int, seed: int, first: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 2)) @ rng.normal(size=(2, len(METRICS)))
    daily = np.sin(2 * np.pi * (np.arange(first, first + n) * STEP_S / 86400.0))
    x = np.array([5.0, 4.0, 60.0, 80.0, 20.0]) + 0.3 * hidden + 0.2 * rng.normal(size=hidden.shape)
    x[:, 4] += 4 * daily
    x[:, 2] += 2 * daily
    return x


@pytest.fixture(scope="module")
def settled() -> bytes:
    """An asset that has learned all it will learn."""
    scorer = FleetScorer(default=LIMITED)
    t = START + STEP_S * np.arange(PAST)
    scorer.feed(Block("any", t, METRICS, readings(PAST, seed=1)))
    assert scorer.learning("any").state == "ready"
    return scorer.dump("any")


def spoil(x: np.ndarray, t: np.ndarray, what: str, at: int, sensor: int) -> None:
    """Put one trouble of a kind into an asset's rows, in place."""
    later = slice(at, at + 40)
    if what == "step":
        x[later, sensor] += 12.0
    elif what == "spike":
        x[at, sensor] += 40.0
    elif what == "missing":
        x[later, sensor] = np.nan
    elif what == "frozen":
        x[at:, sensor] = x[at, sensor]
    elif what == "unit":
        x[at:, sensor] *= 1000.0
    elif what == "impossible":
        x[later, 2] = -200.0
    elif what == "hot":
        x[later, 2] = 95.0
    elif what == "empty":
        x[at : at + 3] = np.nan
    elif what == "infinite":
        x[at, sensor] = np.inf
    elif what == "gap":
        t[at:] += 6 * 3600.0
    elif what == "faster":
        t[at:] = t[at] + 30.0 * np.arange(len(t) - at)
    elif what == "drift":
        x[at:, sensor] += np.linspace(0, 8, len(x) - at)


TROUBLES = ("none", "step", "spike", "missing", "frozen", "unit", "impossible", "hot", "empty", "infinite", "gap",
            "faster", "drift")  # fmt: skip


def ticks(t: np.ndarray, x: np.ndarray, cuts: Sequence[int]) -> Iterator[Rows]:
    """Rows of the whole fleet, so many of each asset at a time, in no particular order."""
    assets = [f"asset-{i}" for i in range(len(t))]
    rng, start = np.random.default_rng(0), 0
    for cut in cuts:
        part = slice(start, start + cut)
        of = np.repeat(np.arange(len(t)), t[:, part].shape[1])
        order = rng.permutation(len(of))
        yield Rows(assets, of[order], t[:, part].ravel()[order], METRICS, x[:, part].reshape(-1, len(METRICS))[order])
        start += cut


def last_words(found: Sequence[FindingFacts]) -> tuple[dict[object, object], list[float]]:
    """What was said last of each finding, in words and in numbers."""
    last = {(f.asset, f.detector, f.signature, f.first_at): f for f in found}
    words: dict[object, object] = {
        key: (
            f.last_at,
            f.cleared_at,
            f.kind,
            f.severity,
            f.model_id,
            f.regime,
            [(c.metric, c.note) for c in f.contributions],
        )
        for key, f in last.items()
    }
    numbers = [
        number
        for key in sorted(last)
        for number in (
            last[key].score,
            last[key].peak,
            last[key].confidence,
            *(c.deviation for c in last[key].contributions),
        )
    ]
    return words, numbers


def compare(settled: bytes, troubles: Sequence[tuple[str, int, int]], seed: int, each: int) -> FleetScorer:
    """Score one asset per trouble (kind, row, sensor) both ways; return the fleet."""
    after = START + STEP_S * (PAST + np.arange(ROWS))
    t = np.stack([after] * len(troubles))
    x = np.stack([readings(ROWS, seed + i, first=PAST) for i in range(len(troubles))])
    together, alone = FleetScorer(default=LIMITED), FleetScorer(default=LIMITED, bank=False)
    found: list[FindingFacts] = []
    expected: list[FindingFacts] = []
    for i, (what, at, sensor) in enumerate(troubles):
        spoil(x[i], t[i], what, at, sensor)
        together.load(f"asset-{i}", settled)
        alone.load(f"asset-{i}", settled)
        expected += alone.feed(Block(f"asset-{i}", t[i], METRICS, x[i]))
    for rows in ticks(t, x, [each] * (ROWS // each + 1)):
        found += together.feed_rows(rows)
    words, numbers = last_words(expected)
    assert last_words(found)[0] == words
    assert last_words(found)[1] == pytest.approx(numbers, rel=1e-6)
    for asset in alone.assets():
        assert together.watermark(asset) == alone.watermark(asset)
        assert together.model_id(asset) == alone.model_id(asset)
    return together


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_is_found_in_a_fleet_as_it_is_found_alone(settled: bytes, trouble: str) -> None:
    fleet = compare(settled, [("none", 5, 0), (trouble, 30, 0), (trouble, 50, 2)], seed=7, each=1)
    assert "asset-0" in fleet.assets()
    assert fleet.held() >= 1


def test_slow_wear_is_found_in_a_fleet_as_it_is_found_alone(settled: bytes) -> None:
    n = 240
    t = np.stack([START + STEP_S * PAST + 1800.0 * np.arange(n)] * 3)
    x = np.stack([readings(n, seed, first=PAST) for seed in (3, 4, 5)])
    belief = template().to_plain()
    suspicious = replace(LIMITED, taught={"wear": belief | {"level": belief["level"] - 40.0}})
    together, alone = FleetScorer(default=suspicious), FleetScorer(default=suspicious, bank=False)
    expected: list[FindingFacts] = []
    for i in range(3):
        together.load(f"asset-{i}", settled)
        alone.load(f"asset-{i}", settled)
        expected += alone.feed(Block(f"asset-{i}", t[i], METRICS, x[i]))
    found: list[FindingFacts] = []
    held = 0
    for rows in ticks(t, x, [1] * n):
        found += together.feed_rows(rows)
        held += together.held()
    words, numbers = last_words(expected)
    assert sum(fact.detector == "wear" for fact in expected) >= 3
    assert held > n  # of three assets
    assert last_words(found)[0] == words
    assert last_words(found)[1] == pytest.approx(numbers, rel=1e-6)
    for asset in alone.assets():
        assert together.learnings(asset) == alone.learnings(asset)


@settings(max_examples=2, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    troubles=st.lists(
        st.tuples(st.sampled_from(TROUBLES), st.integers(5, ROWS - 45), st.integers(0, 4)), min_size=3, max_size=4
    ),
    seed=st.integers(0, 10_000),
    each=st.integers(1, 7),
)
def test_a_fleet_finds_together_what_each_asset_finds_alone(
    settled: bytes, troubles: list[tuple[str, int, int]], seed: int, each: int
) -> None:
    compare(settled, troubles, seed, each)


@pytest.mark.parametrize("each", [1, 7])
def test_a_metric_that_begins_to_come_seldom_gets_its_rhythm_in_a_fleet_as_alone(settled: bytes, each: int) -> None:
    t = np.stack([START + STEP_S * (PAST + np.arange(ROWS))] * 2)
    x = np.stack([readings(ROWS, seed, first=PAST) for seed in (3, 4)])
    x[0, np.arange(ROWS) % 9 != 4, 3] = np.nan
    together, alone = FleetScorer(default=LIMITED), FleetScorer(default=LIMITED, bank=False)
    for i in range(2):
        together.load(f"asset-{i}", settled)
        alone.load(f"asset-{i}", settled)
        alone.feed(Block(f"asset-{i}", t[i], METRICS, x[i]))
    held = 0
    for number, rows in enumerate(ticks(t, x, [each] * (ROWS // each + 1))):
        together.feed_rows(rows)
        held += together.is_held("asset-0")
        if number == 20 // each:  # what is counted is kept over a restart
            kept = together.dump("asset-0")
            together.forget("asset-0")
            together.load("asset-0", kept)
    assert held > 0
    assert [together.has_rhythms(f"asset-{i}") for i in range(2)] == [True, False]
    assert [alone.has_rhythms(f"asset-{i}") for i in range(2)] == [True, False]
