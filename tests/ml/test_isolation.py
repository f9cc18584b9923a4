"""One asset whose detectors fail stops nobody else's scoring, and loses none of its own rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from sqlalchemy import text

from gateway.doctor import _scoring
from ml.detectors.protocol import Block
from ml.known_assets import ALONE, LONGEST_WAIT, Troubled
from ml.scoring import FleetScorer
from ml.track import Track
from tests.ml.stored import NOW, Machines

STEP_S, PAST = 300.0, 8_800
START = NOW.timestamp() - 9_000 * STEP_S
LIMIT = {"motor_celsius": {"high": 90.0}}


@pytest.fixture
def machines(database_url: str) -> Iterator[Machines]:
    made = Machines(database_url)
    model = made.add_model("pump", LIMIT)
    for serial in ("bad", "good"):
        made.add(serial, model)
    yield made
    made.close()


def tell(machines: Machines, begin: int, end: int, hot: int = 0) -> None:
    """Rows [begin, end) of both machines, the last `hot` of them above the limit."""
    rows = np.arange(begin, end)
    for seed, serial in enumerate(("bad", "good")):
        rng = np.random.default_rng([seed, begin])
        x = 60 + rng.normal(0, 0.3, len(rows))
        x[len(rows) - hot :] += 60.0
        machines.tell(serial, START + STEP_S * rows, {"motor_celsius": x, "load": 5 + rng.normal(0, 1, len(rows))})


def spoil(monkeypatch: pytest.MonkeyPatch, machines: Machines) -> None:
    """Let a detector of the machine `bad` fail at any row."""
    update = Track.update

    def fails(self: Track, block: Block, *more: Any) -> Any:
        if block.asset == str(machines.ids["bad"]):
            raise ZeroDivisionError("a detector's own trouble")
        return update(self, block, *more)

    monkeypatch.setattr(Track, "update", fails)


def alarmed(machines: Machines) -> set[str]:
    names = {asset_id: serial for serial, asset_id in machines.ids.items()}
    return {names[each.asset_id] for each in machines.findings() if each.detector == "limits"}


def waiting(machines: Machines) -> bool:
    """Are there batches that the cursor has not passed?"""
    with machines.database.as_service() as session:
        return bool(
            session.scalar(
                text("SELECT EXISTS (SELECT FROM ingest_batches b, scoring_cursors c WHERE (b.xid, b.id) > (c.xid,"
                     " c.batch_id))")
            )
        )  # fmt: skip


@pytest.mark.parametrize("settled", [False, True])
def test_one_asset_that_fails_stops_no_other_and_is_taken_up_where_it_was(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    past = PAST if settled else 40
    tell(machines, 0, past)
    machines.scorer.run(NOW)
    tell(machines, past, past + 12)
    machines.scorer.run(NOW)
    assert machines.scorer._fleet.held() == (2 if settled else 0)
    tell(machines, past + 12, past + 24, hot=6)
    with monkeypatch.context() as broken:
        spoil(broken, machines)
        for _ in range(2):
            machines.scorer.run(NOW)
        assert alarmed(machines) == {"good"}
        assert not waiting(machines)
    tell(machines, past + 24, past + 26, hot=2)
    machines.scorer.run(NOW)
    assert alarmed(machines) == {"bad", "good"}
    found = [each for each in machines.findings() if each.detector == "limits"]
    assert len({each.first_at for each in found}) == 1, "the alarm began while it failed"


def test_assets_that_fail_together_are_scored_one_by_one(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(machines, 0, PAST)
    machines.scorer.run(NOW)
    tell(machines, PAST, PAST + 12, hot=6)
    calls = 0

    def fails(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise IndexError("of the stacked state")

    with monkeypatch.context() as broken:
        broken.setattr(FleetScorer, "feed_rows", fails)
        machines.scorer.run(NOW)
        assert alarmed(machines) == {"bad", "good"}
        tell(machines, PAST + 12, PAST + 24)
        machines.scorer.run(NOW)
        assert (calls, waiting(machines)) == (1, False), "not tried again at once"
    assert all(each.cleared_at for each in machines.findings() if each.detector == "limits")


def test_the_asset_that_fails_among_others_is_found_and_the_others_go_together_again(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(machines, 0, PAST)
    machines.scorer.run(NOW)
    tell(machines, PAST, PAST + 12, hot=6)
    feed_rows = FleetScorer.feed_rows

    def fails(self: FleetScorer, rows, alone=None):  # type: ignore[no-untyped-def]
        if str(machines.ids["bad"]) in rows.assets:
            raise IndexError("of the stacked state")
        return feed_rows(self, rows, alone)

    spoil(monkeypatch, machines)
    monkeypatch.setattr(FleetScorer, "feed_rows", fails)
    machines.scorer.run(NOW)
    assert alarmed(machines) == {"good"}
    troubled = machines.scorer._troubled
    assert [troubled.is_alone(machines.ids[each], NOW) for each in ("bad", "good")] == [True, False]


def test_an_asset_that_goes_on_failing_is_tried_ever_more_rarely() -> None:
    troubled, asset = Troubled(), uuid4()
    troubled.note(asset, NOW)
    assert not troubled.waits(asset, NOW), "its next rows may be well"
    for _ in range(40):
        troubled.note(asset, NOW)
    assert troubled.waits(asset, NOW + LONGEST_WAIT - timedelta(seconds=1))
    assert not troubled.waits(asset, NOW + LONGEST_WAIT)
    troubled.recovered(asset)
    assert not troubled.is_alone(asset, NOW)
    troubled.keep_alone([asset], NOW)
    assert troubled.is_alone(asset, NOW)
    assert not troubled.is_alone(asset, NOW + ALONE)


def test_the_doctor_names_assets_that_report_and_are_not_scored(machines: Machines, database_url: str) -> None:
    tell(machines, 0, 40)
    machines.scorer.run(NOW)
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert _scoring(connection).ok
        with machines.database.as_service() as session:
            session.execute(
                text("UPDATE scoring_states SET updated_at = updated_at - interval '1 hour' WHERE asset_id = :id"),
                {"id": machines.ids["bad"]},
            )
        check = _scoring(connection)
    assert not check.ok
    assert check.detail == "1 assets report and are not scored: bad"
