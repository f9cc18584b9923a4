"""A metric told for the first time by a machine that is known waits: frozen references take it in only by a repair
code or an approval, limits and sensor checks at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from assets.registry import Asset
from ml.detectors import plain
from ml.detectors.limits import MetricLimits
from ml.detectors.protocol import Block, Event, Floats
from ml.detectors.repairs import REPAIR
from ml.detectors.residual import ResidualDetector
from ml.detectors.setup import AssetSetup
from ml.detectors.wear import WearDetector
from ml.models import ScoringState
from ml.rebaseline import approve_rebaseline
from ml.scoring import FleetScorer, Rows
from ml.worker import Scorer
from tests.ml.stored import NOW, Machines
from tests.ml.test_wear import growing, machine

T0, STEP_S, PAST, MORE = 1.7e9, 720.0, 1400, 300
OLD, NEW = ("a_bar", "b_bar", "c_bar"), "d_celsius"
ALL = (*OLD, NEW)
SETUP = AssetSetup(limits={NEW: MetricLimits(high=90.0)})


def readings(n: int, seed: int = 1, first: int = 0) -> Block:
    """Rows of four metrics that go together."""
    luck = np.random.default_rng(seed)
    values: Floats = 50 + luck.normal(size=(n, 1)) + 0.5 * luck.normal(size=(n, 4))
    return Block("m", T0 + STEP_S * np.arange(first, first + n, dtype=np.float64), ALL, values)


def without(block: Block, *metrics: str) -> Block:
    kept = [j for j, metric in enumerate(block.metrics) if metric not in metrics]
    return replace(block, metrics=tuple(block.metrics[j] for j in kept), values=block.values[:, kept])


def turned(block: Block) -> Block:
    return replace(block, metrics=block.metrics[::-1], values=block.values[:, ::-1])


@pytest.fixture(scope="module")
def frozen() -> bytes:
    """A residual model that has learned all that it will learn of the old metrics."""
    detector = ResidualDetector("m")
    detector.update(without(readings(PAST), NEW))
    assert detector.learning().state == "ready"
    return plain.pack(detector.state())


def restored(packed: bytes) -> ResidualDetector:
    detector = ResidualDetector("m")
    detector.restore(plain.unpack(packed))
    return detector


def restarted(detector: ResidualDetector) -> ResidualDetector:
    return restored(plain.pack(detector.state()))


def in_trouble(seed: int = 2) -> Block:
    """The rows after those learned from; the first metric leaves the others for a while, the new one is anywhere."""
    block = readings(MORE, seed, PAST)
    block.values[100:140, 0] += 12
    block.values[:, 3] = 50 + 400 * np.random.default_rng(seed).normal(size=MORE)
    return block


@pytest.mark.parametrize("order", ["behind", "before"])
def test_a_frozen_reference_goes_on_as_if_the_new_metric_were_not_there(frozen: bytes, order: str) -> None:
    block = in_trouble()
    expected = restored(frozen).update(without(block, NEW))
    told = block if order == "behind" else turned(block)
    detector = restored(frozen)
    found = detector.update(told.rows(0, 110))
    detector = restarted(detector)
    found += detector.update(told.rows(110, 120))
    found += detector.update(without(told.rows(120, 130), NEW))  # it vanishes and comes back
    detector = restarted(detector)
    found += detector.update(told.rows(130, MORE))
    ends = [(f.signature, f.first_at, f.cleared_at) for f in found if f.cleared_at]
    assert ends == [(f.signature, f.first_at, f.cleared_at) for f in expected if f.cleared_at] != []
    assert found[-1].peak == pytest.approx(expected[-1].peak, rel=1e-5)
    assert {c.metric for f in found for c in f.contributions} <= set(OLD)
    assert detector.learning().waiting == (NEW,)
    assert detector.learning().state == "ready"


def test_a_repair_takes_the_new_metric_in(frozen: bytes) -> None:
    detector = restored(frozen)
    detector.update(readings(20, 3, PAST))
    detector = restarted(detector)
    detector.rebaseline(T0 + STEP_S * (PAST + 19))
    assert (detector.learning().state, detector.learning().waiting) == ("learning", ())
    detector.update(readings(PAST, 4, PAST + 20))
    assert (detector.learning().state, detector.learning().waiting) == ("ready", ())
    block = readings(50, 5, 2 * PAST + 20)
    block.values[20:, 3] += 12
    assert {f.contributions[0].metric for f in detector.update(block)} == {NEW}


def test_what_gets_a_rhythm_of_its_own_waits_for_nothing_unless_it_comes_back(frozen: bytes) -> None:
    detector = restored(frozen)
    detector.update(readings(20, 3, PAST))
    detector.let_go((NEW,))
    assert detector.learning().waiting == ()
    detector.update(readings(1, 3, PAST + 20))
    assert detector.learning().waiting == (NEW,)


def test_a_repair_without_anything_new_keeps_the_relations(frozen: bytes) -> None:
    detector = restored(frozen)
    detector.rebaseline(T0 + STEP_S * PAST)
    assert detector.learning().state == "ready"


def test_what_still_learns_takes_a_new_metric_in_by_itself() -> None:
    detector = ResidualDetector("m")
    detector.update(without(readings(100), NEW))
    before = detector.learning()
    assert before.state == "provisional"
    detector.update(readings(1, 2, 100))
    assert detector.learning() == before, "what is known is not thrown away"
    detector.update(readings(PAST, 3, 101))
    assert (detector.learning().state, detector.learning().waiting) == ("ready", ())
    block = readings(50, 5, PAST + 101)
    block.values[20:, 3] += 12
    assert {f.contributions[0].metric for f in detector.update(block)} == {NEW}


# ------------------------------------------------------------------ slow wear

LATER = "pressure_bar"


def walked(detector: WearDetector, block: Block, upto: float, since: float = 0.0) -> list[object]:
    return list(detector.update(block.rows(int(since * 24), int(upto * 24))))


def test_slow_wear_of_a_known_machine_is_found_though_it_tells_one_metric_more() -> None:
    block = machine(90, 1, growing(90, 60, 25))
    expected = WearDetector("m1").update(without(block, LATER))
    detector = WearDetector("m1")
    found = detector.update(without(block.rows(0, 40 * 24), LATER))
    found += detector.update(turned(block.rows(40 * 24, 50 * 24)))
    state = plain.pack(detector.state())
    detector = WearDetector("m1")
    detector.restore(plain.unpack(state))
    assert detector.learning().waiting == (LATER,)
    found += detector.update(without(block.rows(50 * 24, 55 * 24), LATER))
    found += detector.update(block.rows(55 * 24, len(block)))
    assert [(f.signature, f.first_at, f.cleared_at) for f in found] == [
        (f.signature, f.first_at, f.cleared_at) for f in expected
    ]
    assert expected
    assert [f.score for f in found] == pytest.approx([f.score for f in expected])
    assert detector.learning().waiting == (LATER,)
    detector.rebaseline(float(block.t[-1]))
    assert (detector.learning().state, detector.learning().waiting) == ("learning", ())
    after = replace(machine(12, 2), t=machine(12, 2).t + 90 * 86400.0)
    ended = detector.update(after)
    assert [f.cleared_at is not None for f in ended] == [True], "what was open ends with the repair"
    assert (detector.learning().state, detector.learning().waiting) == ("ready", ())
    judged = detector._judged()
    assert LATER in judged


def test_a_metric_told_while_wear_is_being_founded_is_founded_with_the_others() -> None:
    block, detector = machine(20, 3), WearDetector("m1")
    detector.update(without(block.rows(0, 5 * 24), LATER))
    detector.update(block.rows(5 * 24, 11 * 24))
    assert (detector.learning().state, detector.learning().waiting) == ("ready", ()), "its first days count"
    assert LATER in detector._judged()


# ------------------------------------------------------------------ a fleet, and the service


def settled(late_column: bool = False) -> FleetScorer:
    scorer = FleetScorer(default=SETUP)
    block = readings(PAST)
    if late_column:
        block.values[:, 3] = np.nan
    scorer.feed(block if late_column else without(block, NEW))
    assert scorer.is_held("m")
    return scorer


@pytest.mark.parametrize("late_column", [False, True])
def test_in_a_fleet_it_waits_as_alone_and_the_machine_stays_among_the_settled(late_column: bool) -> None:
    """Without going back to the settled ones, new firmware of a fleet would cost it its speed for good."""
    scorer, block = settled(late_column), readings(MORE, 2, PAST)
    for i in range(0, MORE, 10):
        part = block.rows(i, i + 10)
        scorer.feed_rows(Rows(("m",), np.zeros(10, dtype=np.int64), part.t, ALL, part.values))
    assert scorer.is_held("m")
    assert scorer.learning("m").state == "ready"
    assert scorer.waiting("m") == (NEW,)
    assert scorer.waiting("m", ("limits",)) == ()
    again = FleetScorer(default=SETUP)
    again.load("m", scorer.dump("m"))
    assert again.waiting("m") == (NEW,)
    again.feed(readings(5, 3, PAST + MORE), [Event(T0 + STEP_S * (PAST + MORE), REPAIR, "R1")])
    assert again.waiting("m") == ()
    assert again.learning("m").state == "learning"


def test_limits_and_sensor_checks_know_it_at_once() -> None:
    scorer, block = settled(), readings(20, 2, PAST)
    block.values[5:, 3] = 95.0
    block.values[10:, 3] = -400.0
    found = scorer.feed(block)
    assert {(f.detector, f.signature) for f in found} == {
        ("limits", f"{NEW}:high"), ("data_quality", f"{NEW}:out_of_range"),
    }  # fmt: skip


@pytest.fixture
def machines(database_url: str) -> Iterator[Machines]:
    made = Machines(database_url)
    yield made
    made.close()


def test_in_the_service_it_waits_over_a_restart_until_somebody_approves(machines: Machines) -> None:
    """000-21"""
    begin = NOW.timestamp() - STEP_S * (PAST + 60)
    block, later = without(readings(PAST), NEW), readings(20, 2)
    machines.add("P-1", machines.add_model("pump"))
    machines.tell("P-1", begin + block.t - T0, dict(zip(OLD, block.values.T, strict=True)))
    machines.work(NOW)
    assert known(machines) == ("ready", [])

    def tell_more(since: int, minutes: int) -> None:
        t = begin + STEP_S * (PAST + since) + later.t - T0
        machines.tell("P-1", t, dict(zip(ALL, later.values.T, strict=True)))
        machines.work(NOW + timedelta(minutes=minutes))

    tell_more(0, 20)
    assert known(machines) == ("ready", [NEW])
    machines.scorer = Scorer(machines.database)
    tell_more(20, 40)
    assert known(machines) == ("ready", [NEW])
    with machines.database.as_service() as session:
        approve_rebaseline(session, session.scalars(select(Asset)).one(), "it belongs here", NOW, by_id=None)
    tell_more(40, 60)
    assert known(machines) == ("learning", [])
    assert [f for f in machines.findings() if f.kind == "machine"] == []


def known(machines: Machines) -> tuple[str, list[str]]:
    with machines.database.as_service() as session:
        learning = session.scalars(select(ScoringState)).one().learning
        return learning["state"], learning["waiting"]
