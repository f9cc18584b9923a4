"""Metrics that come seldom, in rows of their own, are counted in their own rhythm, and scored once though late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from maintenance.decisions import FindingFacts
from ml.detectors.limits import MetricLimits
from ml.detectors.protocol import Block
from ml.detectors.setup import AssetSetup
from ml.rhythms import LONG, STEADY, SURE, Rhythm
from ml.scoring import FleetScorer
from ml.tracks import LATE_S, PARTS

T0 = 1_700_000_000.0
USUAL, BURST = ("temperature_celsius", "power_kw"), ("de_rms_g", "de_kurtosis", "de_peak_g")
EVERY = 30  # usual rows to a burst
SETUP = AssetSetup(limits={"de_rms_g": MetricLimits(high=50.0)})


def machine(bursts: int, ill_from: int | None = None, seed: int = 1, mode: bool = False) -> Block:
    """A reading a second, a burst each half a minute between two of them; the last bursts grow."""
    lots = np.random.default_rng(seed)
    n = bursts * EVERY
    t = T0 + np.arange(n, dtype=float)
    x = np.column_stack([60 + lots.normal(size=n), 5 + 0.1 * lots.normal(size=n)])
    when = T0 + np.arange(bursts) * EVERY + 10.4
    y = np.column_stack([1 + 0.05 * lots.normal(size=bursts), 3 + 0.2 * lots.normal(size=bursts)])
    y = np.column_stack([y, y[:, 0] * 3])
    if ill_from is not None:
        y[ill_from:] *= 1 + 0.5 * np.arange(1, bursts - ill_from + 1)[:, None]
    times = np.concatenate([t, when])
    values = np.full((len(times), 5), np.nan)
    values[:n, :2], values[n:, 2:] = x, y
    order = np.argsort(times)
    modes = np.where(np.arange(len(times)) < n, 0, -1)[order] if mode else None
    return Block("M", times[order], (*USUAL, *BURST), values[order], modes, ("run",) if mode else ())


def fed(scorer: FleetScorer, parts: Sequence[Block]) -> list[FindingFacts]:
    return [fact for part in parts for fact in scorer.feed(part)]


def last(found: Sequence[FindingFacts]) -> dict[tuple[str, str, str], FindingFacts]:
    return {(f.detector, f.signature, f.first_at.isoformat()): f for f in found}


def cut(block: Block, at: Sequence[int]) -> list[Block]:
    ends = [0, *sorted(at), len(block)]
    return [block.rows(start, stop) for start, stop in pairwise(ends) if stop > start]


def delayed(block: Block, seconds: float) -> list[Block]:
    """The rows, a few at a time, as they come: bursts so much later than they were measured."""
    is_burst = np.isfinite(block.values[:, 2])
    order = np.argsort(block.t + np.where(is_burst, seconds, 0.0), kind="stable")
    parts = [order[i : i + 7] for i in range(0, len(order), 7)]
    return [replace(block, t=block.t[part], values=block.values[part]) for part in parts]


@pytest.mark.parametrize("mode", [False, True])
def test_what_comes_in_few_rows_is_learned_by_its_own_and_its_trouble_is_found(mode: bool) -> None:
    """000-21: in the usual rows these metrics are missing 29 times of 30."""
    block, begin = machine(90, ill_from=80, mode=mode), T0 + 80 * EVERY
    found = [f for f in FleetScorer(default=SETUP).feed(block) if f.detector == "residual"]
    assert found
    assert {each.metric for f in found for each in f.contributions} <= set(BURST)
    assert min(f.first_at.timestamp() for f in found) >= begin
    assert {f.regime for f in found} == ({"run"} if mode else {""})
    well = FleetScorer(default=SETUP).feed(machine(90, seed=2, mode=mode))
    assert [f for f in well if f.kind != "connection"] == [], "nor is a burst's sensor called missing in between"


def test_how_rows_are_cut_changes_nothing() -> None:
    block = machine(90, ill_from=80)
    whole, parted = FleetScorer(default=SETUP), FleetScorer(default=SETUP)
    expected = last(whole.feed(block))
    cuts = np.random.default_rng(3).integers(1, len(block), 60).tolist()
    assert last(fed(parted, cut(block, [5, 6, 7, 29, *cuts]))) == expected


@pytest.mark.parametrize("seconds", [4.0, 45.0])
def test_late_bursts_are_scored_once_as_if_they_had_come_in_time(seconds: float) -> None:
    """A restart in between changes nothing, nor does reading the same rows again."""
    block = machine(74, ill_from=70)
    block = block.rows(12, len(block))  # without the first burst: the machine is known before its bursts
    punctual = last([f for f in FleetScorer(default=SETUP).feed(block) if f.detector == "residual"])
    scorer, found = FleetScorer(default=SETUP), list[FindingFacts]()
    for i, part in enumerate(delayed(block, seconds)):
        found += scorer.feed(part)
        if i % 60 == 59:
            kept = scorer.dump("M")
            scorer = FleetScorer(default=SETUP)
            scorer.load("M", kept)
            assert scorer.dump("M") == kept
            again = block.rows(0, 7 * i - 50)  # all of it was scored by now
            assert scorer.belated(again) is None
            assert scorer.feed(again) == []
    assert punctual
    assert last([f for f in found if f.detector == "residual"]) == punctual
    limits = [f for f in found if f.detector == "limits"]
    assert limits == []


def test_limits_see_late_bursts_too_and_each_once() -> None:
    block = machine(40)
    high = block.values.copy()
    rows = np.flatnonzero(np.isfinite(high[:, 2]))[-3:]
    high[rows, 2] = 60.0
    scorer = FleetScorer(default=SETUP)
    found = [f for f in fed(scorer, delayed(replace(block, values=high), 20.0)) if f.detector == "limits"]
    assert {f.first_at.timestamp() for f in found} == {float(block.t[rows[0]])}
    assert found[-1].last_at.timestamp() == float(block.t[rows[-1]])


def test_what_is_too_late_or_of_the_usual_rows_is_not_scored() -> None:
    block = machine(40)
    scorer = FleetScorer(default=SETUP)
    scorer.feed(block)
    before = scorer.dump("M")
    end = float(block.t[-1])
    late = Block("M", np.array([end - 3.5]), (*USUAL, *BURST), np.array([[60.0, 5.0, np.nan, np.nan, np.nan]]))
    assert scorer.belated(late) is None
    long_ago = Block("M", np.array([end - LATE_S - 1]), ("nde_rms_g",), np.array([[1.0]]))
    assert scorer.belated(long_ago) is None
    assert scorer.feed(late) == scorer.feed(long_ago) == []
    assert scorer.late_rows("M") == 2
    scorer.load("M", before)
    fresh = Block("M", np.array([end - 3.5]), (*USUAL, "nde_rms_g"), np.array([[60.0, 5.0, 1.0]]))
    told = scorer.belated(fresh)
    assert told is not None
    assert np.isfinite(told.values).tolist() == [[False, False, True]]
    scorer.feed(told)
    assert scorer.belated(fresh) is None


@pytest.mark.parametrize("trouble", ["high", "frozen"])
def test_what_is_open_of_a_metric_ends_when_it_gets_a_rhythm_of_its_own(trouble: str) -> None:
    """Nobody looks at it among the others any more: it would be open for ever."""
    lots, n = np.random.default_rng(2), 3000
    values = np.array([50.0, 20.0, 7.0]) + np.array([0.3, 0.2, 0.1]) * lots.normal(size=(n, 3))
    values[1500:2200, 2] = values[1500:2200, 2] + 30 if trouble == "high" else values[1499, 2]
    seldom = (np.arange(n) > 1600) & (np.arange(n) % EVERY != 0)
    values[seldom, 2] = np.nan
    scorer = FleetScorer()
    found = scorer.feed(Block("M", T0 + np.arange(n), ("a", "b", "c"), values))
    assert scorer.has_rhythms("M")
    assert {f.signature for f in found} == {f"c:{trouble}"}
    assert all(f.cleared_at is not None for f in last(found).values())


def test_a_value_of_a_rhythm_too_many_is_never_scored_twice() -> None:
    """A machine with more measuring points than rhythms of their own: the others are as late as any reading."""
    points = tuple(f"p{k}_rms_g" for k in range(PARTS + 2))
    scorer, metrics = FleetScorer(default=SETUP), (*USUAL, *points)
    scorer.feed(machine(10))
    end = T0 + 10 * EVERY
    for k in range(len(points)):
        now = np.full((1, len(metrics)), np.nan)
        now[0, :2] = 60.0, 5.0
        scorer.feed(Block("M", np.array([end + k]), metrics, now))
        late = np.full((1, len(metrics)), np.nan)
        late[0, 2 + k] = 1.0
        row = Block("M", np.array([end + k - 0.5]), metrics, late)
        told = scorer.belated(row)
        assert (told is not None) == (k < PARTS - 1), "the bursts of `machine` are one rhythm"
        scorer.feed(row)
        assert scorer.belated(row) is None
        alone = Block("M", row.t, (points[k],), np.ones((1, 1)))
        scorer.feed(alone)
        assert scorer.watermark("M") == end + k, "nothing goes back in time"


def test_a_running_machine_keeps_what_it_learned_when_a_fast_sensor_is_added() -> None:
    block = machine(60)
    usual = np.flatnonzero(np.isfinite(block.values[:, 0]))
    alone = replace(block, t=block.t[usual], metrics=USUAL, values=block.values[usual][:, :2])
    scorer = FleetScorer(default=SETUP)
    scorer.feed(alone)
    learned = scorer.model_id("M")
    assert learned != "residual-0"
    more = machine(12, seed=5)
    fed(scorer, delayed(replace(more, t=more.t + 60 * EVERY), 5.0))
    assert scorer.has_rhythms("M")
    assert scorer.model_id("M").startswith("residual-"), learned
    assert int(scorer.model_id("M").split("-")[1]) >= int(learned.split("-")[1]) > 0


def test_a_second_device_as_quick_as_the_first_has_no_rhythm_of_its_own() -> None:
    lots = np.random.default_rng(7)
    scorer = FleetScorer()
    one = np.full((400, 2), np.nan)
    one[::2, 0], one[1::2, 1] = lots.normal(size=200), lots.normal(size=200)
    one[:100, 1] = np.nan  # it begins later
    rows = np.isfinite(one).any(axis=1)
    block = Block("M", (T0 + np.arange(400) / 2)[rows], ("a", "b"), one[rows])
    scorer.feed(block)
    assert not scorer.has_rhythms("M")


@pytest.mark.parametrize("rows", [1, 13, 400])
def test_rhythm_is_counted_alike_however_rows_are_cut(rows: int) -> None:
    lots = np.random.default_rng(11)
    present = np.column_stack([np.ones(400, bool), lots.random(400) < 0.5, np.arange(400) % 9 == 3])
    whole, parts, shown = Rhythm(), Rhythm(), []
    for rhythm, step in ((whole, 400), (parts, rows)):
        start, rare = 0, []
        while start < 400:
            done = rhythm.take(("a", "b", "c"), present[start : start + step])
            start += done
            rare.append((start, rhythm.seldom(("a", "b", "c"), present[start - 1])))
        shown.append(next(each for each in rare if each[1]))
        assert rhythm.rows == 400
    assert shown[0] == shown[1] == (9 * SURE + 4, ("c",))
    assert whole.last.tolist() == parts.last.tolist()
    assert whole.run.tolist() == parts.run.tolist()


def test_metrics_that_come_by_turns_are_none_seldom() -> None:
    rhythm, names = Rhythm(), tuple("abcdefghij")
    present = np.tile(np.eye(10, dtype=bool), (60, 1))
    start = 0
    while start < len(present):
        start += rhythm.take(names, present[start:])
        assert rhythm.seldom(names, present[start - 1]) == ()
    assert rhythm.run.min() >= LONG
    assert STEADY > SURE
