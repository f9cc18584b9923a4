"""A finding is made again from what was kept beside it, to the last bit, and a change of either is told."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import text

from maintenance.decisions import FindingFacts
from maintenance.models import Finding
from ml import reproduction
from ml.detectors import plain
from ml.detectors.limits import MetricLimits
from ml.detectors.protocol import Block, State
from ml.detectors.setup import AssetSetup
from ml.reproduction import Reproduction, reproduce
from ml.scoring import FleetScorer
from ml.store import records, snapshots
from ml.tapes import SLICE_ROWS, Tapes, replay
from tests.ml.stored import NOW, Machines

METRICS = tuple(f"pressure_{i}_bar" for i in range(4))


@pytest.fixture
def machines(database_url: str) -> Iterator[Machines]:
    made = Machines(database_url)
    yield made
    made.close()


def readings(rows: int, seed: int = 1) -> np.ndarray:
    """Pressures that follow a common load."""
    rng = np.random.default_rng(seed)
    return 50 + rng.normal(size=(rows, 1)) + 0.3 * rng.normal(size=(rows, len(METRICS)))


def trouble(machines: Machines, serial: str = "P-1") -> Finding:
    """A machine that is well for an hour, then not; return the finding of the model."""
    machines.add(serial, machines.add_model("pump", {METRICS[1]: {"high": 90.0}}))
    t = NOW.timestamp() - 5000 + 10.0 * np.arange(480)
    x = readings(len(t))
    x[440:, 2] += 30.0
    x[470:, 1] += 60.0
    for begin, end in ((0, 400), (400, 430), (430, 460), (460, 480)):
        part = slice(begin, end)
        machines.tell(serial, t[part], {name: x[part, i] for i, name in enumerate(METRICS)})
        machines.work()
    return next(finding for finding in machines.findings() if finding.layer == "L2")


def again(machines: Machines, finding: Finding) -> Reproduction:
    with machines.database.as_service() as session:
        return reproduce(session, session.get_one(Finding, finding.id))


def test_every_finding_of_the_detectors_is_made_again_bit_for_bit(machines: Machines) -> None:
    trouble(machines)
    found = machines.findings()
    assert {finding.layer for finding in found} == {"L1", "L2"}
    for finding in found:
        outcome = again(machines, finding)
        assert (outcome.code, outcome.differences) == (reproduction.IDENTICAL, ())
        assert outcome.versions_here == outcome.versions_stored


def test_what_a_settled_asset_shows_together_with_an_event_is_made_again(machines: Machines) -> None:
    """Rows that the bank scored meanwhile are on no tape: the one from before it settled leads to another state."""
    machines.add("P-1", machines.add_model("pump"))
    hour = 12
    t = NOW.timestamp() - 9_000 * 300.0 + 300.0 * np.arange(8_800 + 4 * hour)
    x = readings(len(t))
    x[-hour:, 2] += 30.0
    for begin, end in ((0, 8_800), *((len(t) - i * hour, len(t) - (i - 1) * hour) for i in (4, 3, 2, 1))):
        part = slice(begin, end)
        events = [(t[begin] + 1.0, "E1")] if end == len(t) else []
        machines.tell("P-1", t[part], {name: x[part, i] for i, name in enumerate(METRICS)}, events)
        machines.scorer.run(NOW)
        assert machines.scorer._fleet.held() == (end < len(t)), "quiet and settled, until the last hour"
    assert {again(machines, finding).code for finding in machines.findings()} == {reproduction.IDENTICAL}


def test_the_work_order_carries_the_snapshot_of_its_finding(machines: Machines) -> None:
    finding = trouble(machines)
    [order, *_] = machines.orders()
    assert order.noticed is not None
    assert order.noticed["snapshot_ref"] == finding.snapshot_ref is not None


def test_a_snapshot_whose_bytes_changed_is_not_read(machines: Machines) -> None:
    finding = trouble(machines)
    with machines.database.as_owner() as session:
        session.execute(text("SET LOCAL row_security = off"))
        session.execute(text("ALTER TABLE finding_snapshots NO FORCE ROW LEVEL SECURITY"))
        session.execute(text("UPDATE finding_snapshots SET content = set_byte(content, 40, 7)"))
    assert again(machines, finding).code == reproduction.SNAPSHOT_DAMAGED


def test_a_finding_that_was_changed_afterwards_is_found_out(machines: Machines) -> None:
    finding = trouble(machines)
    with machines.database.as_service() as session:
        session.get_one(Finding, finding.id).limit_clear = 1.25
    outcome = again(machines, finding)
    assert not outcome.reproduced
    assert [difference.field for difference in outcome.differences] == ["limit_clear"]


def test_other_inputs_give_another_finding() -> None:
    asset, fact, state = _one_finding()
    steps = [dict(step) for step in state["steps"]]
    steps[-1] = steps[-1] | {"values": steps[-1]["values"] * 1.0000001}
    changed = replay(asset, state | {"steps": steps}, fact)
    assert changed is not None
    assert "score" in snapshots.differing(fact, changed)
    assert snapshots.differing(fact, replay(asset, state, fact) or changed) == []


def test_without_a_snapshot_nothing_is_claimed(machines: Machines) -> None:
    finding = trouble(machines)
    with machines.database.as_service() as session:
        session.get_one(Finding, finding.id).snapshot_ref = None
    assert again(machines, finding).code == reproduction.NO_SNAPSHOT


def test_taping_changes_nothing_that_is_found_and_snapshots_stay_small() -> None:
    rows = 3 * SLICE_ROWS
    t, x = 1.7e9 + 10.0 * np.arange(rows), readings(rows, seed=3)
    x[-200:, 0] += 20.0
    setup = AssetSetup()
    taped, tapes, straight = FleetScorer({"a": setup}), Tapes(), FleetScorer({"a": setup})
    found = tapes.feed(taped, Block("a", t, METRICS, x), setup, 0.0)
    assert found == straight.feed(Block("a", t, METRICS, x))
    [taken] = [taken for fact in found if (taken := tapes.taken(fact)) is not None]
    assert taken.rows <= 2 * SLICE_ROWS
    assert len(zlib.compress(plain.pack(dict(taken.state)))) < 500_000


def test_a_snapshot_that_would_not_give_the_finding_is_not_kept() -> None:
    t, x = 1.7e9 + 10.0 * np.arange(400), readings(400, seed=4)
    x[-20:, 0] += 25.0
    setup, tapes = AssetSetup(), Tapes()
    fleet = FleetScorer({"a": setup})
    assert tapes.feed(fleet, Block("a", t[:300], METRICS, x[:300]), setup, 0.0) == []
    fleet.rebaseline("a", float(t[299]))  # behind the tape's back
    found = tapes.feed(fleet, Block("a", t[300:], METRICS, x[300:]), setup, 1.0)
    assert [taken for fact in found if (taken := tapes.taken(fact)) is not None and taken.fact.layer == "L2"] == []


def test_only_our_own_dataclasses_come_out_of_stored_data() -> None:
    setup = AssetSetup(limits={"x": MetricLimits(high=3.0)}, asset_type="pump")
    assert records.from_plain(records.to_plain(setup)) == setup
    for name in ("subprocess:Popen", "ml.worker:Scorer", "ml.detectors.residual:ResidualDetector", "ml.detectors.x:Y"):
        with pytest.raises(records.RecordUnknown):
            records.from_plain({"__record__": name, "fields": {}})


def test_equal_means_equal_to_the_last_bit() -> None:
    assert snapshots.same(float("nan"), float("nan"))
    assert not snapshots.same(0.0, -0.0)
    assert not snapshots.same(0.1 + 0.2, 0.3)
    assert not snapshots.same(1, 1.0)


def _one_finding() -> tuple[str, FindingFacts, State]:
    t, x = 1.7e9 + 10.0 * np.arange(400), readings(400, seed=5)
    x[-20:, 0] += 25.0
    setup, tapes = AssetSetup(), Tapes()
    fleet = FleetScorer({"a": setup})
    found = tapes.feed(fleet, Block("a", t, METRICS, x), setup, 0.0)
    [taken] = [taken for fact in found if (taken := tapes.taken(fact)) is not None]
    return "a", taken.fact, dict(taken.state)
