from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from maintenance.decisions import FindingFacts
from ml.detectors.limits import LimitsDetector, MetricLimits
from ml.detectors.protocol import Block
from ml.scoring import AssetSetup, FleetScorer
from tests.ml.simulated import DAY_S, METRICS, START, history, live, machine

T10 = START + np.arange(0, 6 * 3600, 10.0)


def noise(n: int, m: int = 3, seed: int = 0) -> np.ndarray:
    return 100 + np.random.default_rng(seed).normal(size=(n, m))


def names(m: int) -> tuple[str, ...]:
    return tuple(f"pressure_{j}_bar" for j in range(m))


def of_kind(found: list[FindingFacts], kind: str) -> list[FindingFacts]:
    return [f for f in found if f.kind == kind]


def test_thirty_days_of_cycles_and_modes_are_quiet() -> None:
    scorer = FleetScorer()
    assert of_kind(scorer.feed(history()), "machine") == []
    assert scorer.learning("m1").state == "ready"


def test_a_live_day_at_one_second_after_slow_history_is_quiet() -> None:
    scorer = FleetScorer()
    scorer.feed(history())
    t = START + 30 * DAY_S + np.arange(0, DAY_S, 1.0)
    assert of_kind(scorer.feed(machine(t, seed=3)), "machine") == []


def test_a_growing_precursor_is_found_within_seconds_of_being_visible() -> None:
    scorer = FleetScorer()
    scorer.feed(history())
    onset, grows = 1800, 90
    severity = np.clip((np.arange(3600) - onset) / grows, 0, 1) * 3.0  # 30 sigma in the end
    block = live(1.0, fault=severity)
    found = of_kind(scorer.feed(block), "machine")
    assert found
    seen_after = found[0].last_at.timestamp() - block.t[onset]
    visible_after = grows / 3.0  # 10 sigma
    assert 0 < seen_after < visible_after + 15
    assert found[0].contributions[0].metric == "vibration_mm_s"
    assert found[0].contributions[0].note == "residual_high"
    assert found[0].contributions[0].expected == pytest.approx(2.35, abs=0.4)


def test_one_lasting_fault_is_one_finding() -> None:
    scorer = FleetScorer()
    scorer.feed(history())
    severity = np.where(np.arange(3600) > 1200, 3.0, 0.0)
    keys = {(f.signature, f.first_at) for f in of_kind(scorer.feed(live(1.0, fault=severity)), "machine")}
    assert len(keys) == 1


def test_how_rows_are_cut_into_blocks_changes_nothing() -> None:
    severity = np.clip((np.arange(3600) - 1800) / 90, 0, 1) * 3.0
    whole, pieces = FleetScorer(), FleetScorer()
    past, now = history(5.0), live(1.0, fault=severity, after=START + 5 * DAY_S)
    expected = whole.feed(past) + whole.feed(now)
    got: list[FindingFacts] = []
    cuts = np.cumsum(np.random.default_rng(5).integers(1, 200, size=400))
    for block in (past, now):
        edges = [0, *[int(c) for c in cuts if c < len(block)], len(block)]
        for a, b in itertools.pairwise(edges):
            got += pieces.feed(block.rows(a, b))

    def last(found: list[FindingFacts]) -> dict[object, object]:
        return {(f.detector, f.signature, f.first_at): (f.last_at, f.peak, f.model_id) for f in found}

    assert last(got) == last(expected)
    assert pieces.model_id("m1", "run") == whole.model_id("m1", "run")


def test_what_an_excursion_teaches_holds_from_its_end_wherever_blocks_are_cut() -> None:
    x = noise(1500)
    for begin in range(1200, 1440, 30):
        x[begin : begin + 2, 1] += 16

    def found(*cuts: int) -> set[object]:
        scorer, facts = FleetScorer(), []
        for a, b in itertools.pairwise((0, *cuts, len(x))):
            facts += scorer.feed(Block("well", T10[a:b], names(3), x[a:b]))
        return {(f.signature, f.first_at, f.cleared_at) for f in facts if f.cleared_at is not None}

    assert len(found()) < 8  # the first ones make it patient
    assert found(*range(1200, 1500, 7)) == found()


def test_stored_state_continues_identically() -> None:
    severity = np.clip((np.arange(3600) - 1800) / 90, 0, 1) * 3.0
    block = live(1.0, fault=severity, after=START + 5 * DAY_S)
    one = FleetScorer()
    one.feed(history(5.0))
    one.feed(block.rows(0, 1830))
    two = FleetScorer()
    two.load("m1", one.dump("m1"))
    assert two.dump("m1") == one.dump("m1")
    assert two.feed(block.rows(1830, 3600)) == one.feed(block.rows(1830, 3600))
    assert two.dump("m1") == one.dump("m1")


def test_late_and_repeated_rows_are_not_scored_twice() -> None:
    scorer = FleetScorer()
    block = history(1.0)
    scorer.feed(block)
    assert scorer.feed(block) == []
    assert scorer.late_rows("m1") == len(block)


def test_learning_ends_by_evidence_and_shows_what_is_missing() -> None:
    scorer = FleetScorer()
    block = Block("a", T10[:30], names(2), noise(30, 2))
    scorer.feed(block)
    before = scorer.learning("a")
    assert before.state == "learning"
    assert before.missing["samples"] > 0
    scorer.feed(Block("a", T10[30:70], names(2), noise(40, 2, 1)))
    after = scorer.learning("a")
    assert after.state == "provisional"
    assert after.progress > before.progress


def test_ten_minutes_at_ten_seconds_are_enough_for_a_massive_change() -> None:
    x = noise(600)
    x[400:, 1] -= 40
    found = of_kind(FleetScorer().feed(Block("well", T10[:600], names(3), x)), "machine")
    assert found
    assert abs(found[0].first_at.timestamp() - T10[400]) < 60


@pytest.mark.parametrize("commissioned", [True, False])
def test_a_commissioning_after_a_gap_is_a_new_start_however_short_the_gap(commissioned: bool) -> None:
    again = T10[999] + 600.0  # much shorter than what was learned from
    scorer = FleetScorer()
    scorer.feed(Block("well", T10[:1000], names(3), noise(1000), healthy_until=T10[60]))
    moved = Block("well", again + 10.0 * np.arange(300), names(3), noise(300, seed=1) * 1.3)
    found = scorer.feed(replace(moved, healthy_until=again + 600.0 if commissioned else T10[60]))
    assert bool(of_kind(found, "machine")) is not commissioned


def test_rows_without_any_value_are_no_readings() -> None:
    x = noise(600)
    x[400:, 1] -= 40
    empty = np.full((600, 3), np.nan)
    with_empty = FleetScorer()
    mixed = Block("well", np.repeat(T10[:600], 2) + np.tile([0.0, 5.0], 600), names(3), np.empty((1200, 3)))
    mixed.values[::2], mixed.values[1::2] = x, empty
    expected = FleetScorer()
    assert with_empty.feed(mixed) == expected.feed(Block("well", T10[:600], names(3), x))
    assert with_empty.alarms("well")[::2] == expected.alarms("well")
    assert not any(with_empty.alarms("well")[1::2])


def test_after_a_long_gap_the_centre_is_learned_anew() -> None:
    x = np.vstack([noise(200), noise(400, seed=1) * 1.3])
    t = np.concatenate([T10[:200], T10[:400] + 30 * DAY_S])
    assert of_kind(FleetScorer().feed(Block("well", t, names(3), x)), "machine") == []


def test_a_repair_lets_the_asset_find_its_new_centre_and_keeps_its_relations() -> None:
    scorer = FleetScorer()
    scorer.feed(history())
    t0 = START + 30 * DAY_S + 6 * 3600
    scorer.rebaseline("m1", t0)
    shifted = machine(t0 + np.arange(0, 3 * 3600.0), seed=4)
    values = shifted.values.copy()
    values[:, 0] += 1.0  # twenty sigma: another bearing
    assert of_kind(scorer.feed(replace(shifted, values=values)), "machine") == []


def test_a_repair_ends_what_was_found() -> None:
    scorer = FleetScorer()
    scorer.feed(history())
    scorer.feed(live(0.5, fault=np.full(1800, 3.0)))
    scorer.rebaseline("m1", START + 31 * DAY_S)
    ended = scorer.feed(live(0.01, after=START + 31 * DAY_S))
    assert any(f.cleared_at is not None and f.detector == "residual" for f in ended)


def test_a_new_mode_abstains() -> None:
    scorer = FleetScorer()
    scorer.feed(history())
    block = live(0.1, fault=np.full(360, 20.0))
    strange = replace(block, modes=np.zeros(len(block), dtype=np.int64), mode_names=("trip",))
    assert of_kind(scorer.feed(strange), "machine") == []


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("one sensor", lambda x: x[:, :1]),
        ("constant", lambda x: np.full_like(x, 7.0)),
        ("all missing", lambda x: np.full_like(x, np.nan)),
        ("quantised", lambda x: np.round(x / 5) * 5),
        ("infinite", lambda x: np.where(np.arange(len(x))[:, None] % 7 == 0, np.inf, x)),
        ("zeros", lambda x: np.zeros_like(x)),
    ],
)
def test_poor_inputs_neither_break_nor_alarm(what: str, change: object) -> None:
    x = change(noise(2000))  # type: ignore[operator]
    found = FleetScorer().feed(Block("a", T10[:2000], names(x.shape[1]), x))
    assert of_kind(found, "machine") == []


def test_a_machine_in_trouble_that_tells_one_metric_more_is_judged_on() -> None:
    rng, begin = np.random.default_rng(1), 1.8e9
    values = 50 + rng.normal(size=(4000, 3))
    values[3000:3600, 0] += 30
    t, new = begin + 60.0 * np.arange(4000), np.full((4000, 1), 7.0)
    scorer = FleetScorer()
    scorer.feed(Block("A", t[:3060], ("x", "y", "z"), values[:3060]))
    more = Block("A", t[3060:], ("x", "y", "z", "new"), np.hstack([values, new])[3060:])
    found = [f for f in scorer.feed(more) if f.detector == "residual"]
    assert found
    assert found[-1].cleared_at is not None
    assert t[3600] <= found[-1].cleared_at.timestamp() < t[3700]


def test_a_metric_that_vanishes_is_a_sensor_finding_and_no_machine_finding() -> None:
    x = noise(2000)
    x[1000:, 1] = np.nan
    found = FleetScorer().feed(Block("a", T10[:2000], names(3), x))
    assert of_kind(found, "machine") == []
    assert {f.signature for f in of_kind(found, "sensor")} == {"pressure_1_bar:missing"}


def test_a_frozen_sensor_is_a_sensor_finding_and_no_machine_finding() -> None:
    x = noise(2000)
    x[1000:, 2] = x[999, 2]
    found = FleetScorer().feed(Block("a", T10[:2000], names(3), x))
    assert {f.signature for f in of_kind(found, "sensor")} == {"pressure_2_bar:frozen"}
    assert of_kind(found, "machine") == []


def test_a_change_of_unit_is_a_sensor_finding_and_no_machine_finding() -> None:
    x = noise(2000)
    x[1000:, 0] *= 14.50377
    found = FleetScorer().feed(Block("a", T10[:2000], names(3), x))
    assert "pressure_0_bar:unit" in {f.signature for f in of_kind(found, "sensor")}
    assert of_kind(found, "machine") == []


def test_an_impossible_value_is_kept_from_the_models() -> None:
    x = noise(2000)
    x[1000:1010, 0] = 1e7
    found = FleetScorer().feed(Block("a", T10[:2000], names(3), x))
    assert "pressure_0_bar:out_of_range" in {f.signature for f in of_kind(found, "sensor")}
    assert of_kind(found, "machine") == []


def test_silence_is_a_connection_finding() -> None:
    t = np.concatenate([T10[:200], T10[:200] + 7 * DAY_S])
    found = FleetScorer().feed(Block("a", t, names(3), noise(400)))
    assert [f.signature for f in of_kind(found, "connection")] == ["all:gap"]


def test_limits_open_with_k_of_n_and_clear_with_deadband() -> None:
    limits = {"temperature_celsius": MetricLimits(high=80.0, high_high=95.0, deadband=5.0, k=2, n=3)}
    detector = LimitsDetector("a", limits)
    x = np.array([70, 81, 70, 70, 81, 82, 78, 79, 77, 76, 74, 73, 72.0])[:, None]
    found = detector.update(Block("a", T10[: len(x)], ("temperature_celsius",), x))
    assert [(f.signature, f.severity) for f in found] == [("temperature_celsius:high", "warning")]
    assert found[0].first_at.timestamp() == T10[4]
    assert found[0].cleared_at is not None
    assert found[0].cleared_at.timestamp() == T10[12]
    assert found[0].contributions[0].note == "above_limit"


def test_a_rate_limit_sees_a_fast_rise() -> None:
    detector = LimitsDetector("a", {"level_m": MetricLimits(rate=0.1)})
    x = np.concatenate([np.zeros(10), np.arange(10) * 5.0])[:, None]
    found = detector.update(Block("a", T10[:20], ("level_m",), x))
    assert [f.signature for f in found] == ["level_m:rate"]


def test_limits_work_from_the_first_minute_through_the_scorer() -> None:
    setup = AssetSetup(limits={"pressure_0_bar": MetricLimits(low_low=50.0)})
    x = noise(10)
    x[5:, 0] = 20
    found = FleetScorer(default=setup).feed(Block("a", T10[:10], names(3), x))
    assert [(f.layer, f.severity) for f in of_kind(found, "machine")] == [("L1", "critical")]


def test_unknown_limit_is_named() -> None:
    with pytest.raises(ValueError, match="hihi"):
        MetricLimits.from_mapping({"hihi": 3})


def test_expected_and_band_hold_healthy_readings() -> None:
    scorer = FleetScorer()
    scorer.feed(history())
    block = live(0.1)
    expected, band = scorer.expected(block), scorer.band(block)
    health = [j for j, metric in enumerate(METRICS) if "ambient" not in metric]
    assert (np.abs(block.values - expected) < band)[:, health].all()


def test_unknown_asset_expects_nothing() -> None:
    assert np.isnan(FleetScorer().expected(live(0.01))).all()


def test_repair_ends_what_the_data_quality_detector_had_open() -> None:
    from ml.detectors.data_quality import DataQualityDetector

    rng = np.random.default_rng(3)
    t = 1.7e9 + np.arange(3000.0)
    values = np.column_stack([20 + rng.normal(0, 0.2, 3000), 5 + rng.normal(0, 0.1, 3000)])
    values[1000:, 0] = 9000.0
    detector = DataQualityDetector("pump")
    found = detector.update(Block("pump", t[:2000], ("a_celsius", "b_bar"), values[:2000]))
    assert [f.cleared_at for f in found if f.signature.startswith("a_celsius")][-1] is None
    detector.rebaseline(float(t[1999]))
    values[2000:, 0] = 20.0 + rng.normal(0, 0.2, 1000)
    after = detector.update(Block("pump", t[2000:], ("a_celsius", "b_bar"), values[2000:]))
    assert next(f for f in after if f.signature.startswith("a_celsius")).cleared_at is not None


def test_limit_that_is_still_passed_after_a_repair_stays_open_and_then_ends() -> None:
    from ml.detectors.limits import LimitsDetector, MetricLimits

    t = 1.7e9 + np.arange(30.0)
    high = np.where(t < t[20], 9.0, 3.0)[:, None]
    detector = LimitsDetector("pump", {"vibration_mm_s": MetricLimits(high=4.5)})
    first = detector.update(Block("pump", t[:10], ("vibration_mm_s",), high[:10]))
    detector.rebaseline(float(t[9]))
    rest = detector.update(Block("pump", t[10:], ("vibration_mm_s",), high[10:]))
    assert {f.first_at for f in first} == {f.first_at for f in rest}
    assert rest[-1].cleared_at is not None
