"""Retention removes what it says, in days and not seconds, and nothing that the rollups have not taken up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from assets.base.db import Database
from ingest.retention import apply_retention
from ingest.retention_rules import DEFAULT, FOR_EVER, Keep, choose, cut_off, longest, out_of_order, plan
from ingest.rollup_models import RetentionPolicy
from ingest.rollups import run_rollups
from ingest.store.base import Connection
from ingest.store.rollup_schema import LEVELS
from ingest.store.schema import ensure_partitions
from tests.ingest.support import query
from tests.ingest.test_rollups import END, sample
from tests.ingest.test_stretch import Pump, read

DAY_S = 86400.0
DAY = timedelta(days=1)


@pytest.fixture
def pump(url: str, connection: Connection, database: Database) -> Pump:
    return Pump(url, connection, database)


def policy(**values: Any) -> RetentionPolicy:
    days = dict(zip(Keep._fields, values.pop("days", (None,) * 5), strict=True))
    return RetentionPolicy(**{"position": 0, "name": "x", "metric": None, "kind": None, **values, **days})


def set_policies(database: Database, pump: Pump, *policies: RetentionPolicy) -> None:
    with database.as_service() as session:
        session.execute(text("DELETE FROM retention_policies"))
        for position, each in enumerate(policies):
            each.position, each.organisation_id = position, pump.actor.organisation_id
            session.add(each)


def later(days: float = 0.0) -> datetime:
    """So many days after the last reading, and two days more: all rollups are computed by then."""
    return END + timedelta(days=2 + days)


# ---- rules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "goes", "stays"),
    [
        (1, "2026-11-20T23:59:59Z", "2026-11-21T00:00:00Z"),
        (30, "2026-10-22T23:59:59Z", "2026-10-23T00:00:00Z"),
        (365, "2025-11-21T23:59:59Z", "2025-11-22T00:00:00Z"),
        (400, "2025-10-17T23:59:59Z", "2025-10-18T00:00:00Z"),
    ],
)
def test_trap_38_days_are_days(days: int, goes: str, stays: str) -> None:
    """Neither seconds nor milliseconds, whatever the zone of the server's clock."""
    for now in (datetime(2026, 11, 22, 15, 30, tzinfo=UTC), datetime.fromisoformat("2026-11-22T23:30:00+08:00")):
        cut = cut_off(now, days)
        assert cut is not None
        assert datetime.fromisoformat(goes) < cut <= datetime.fromisoformat(stays)
    assert cut_off(datetime.now(UTC), None) is None


def test_nearest_organisation_and_first_match_count() -> None:
    top, below = uuid4(), uuid4()
    fast = policy(metric="vibration*", days=(30, 30, 90, 365, None))
    states = policy(kind="text")
    rest = policy(days=(100, 100, 100, 100, 100))
    policies = {top: [fast, states], below: [rest]}
    assert choose(policies, [top], "vibration_mm_s", "number") == Keep(30, 30, 90, 365, None)
    assert choose(policies, [top], "mode", "text") == FOR_EVER
    assert choose(policies, [top], "temperature", "number") == DEFAULT
    assert choose(policies, [top, below], "vibration_mm_s", "number") == Keep(100, 100, 100, 100, 100)
    assert choose({}, [top], "x", "number") == DEFAULT


def test_stream_keeps_what_its_most_wanted_metric_wants() -> None:
    assert longest([Keep(30, 30, 60, 90, 365), Keep(400, 400, 400, 400, None)]) == Keep(400, 400, 400, 400, None)
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    made = plan(7, {1: Keep(30, 30, 60, 90, 365), 2: FOR_EVER, 3: Keep(30, 30, 30, 30, 30)}, now)
    assert made.raw is None
    assert made.slots == (((1, 3), datetime(2026, 10, 23, tzinfo=UTC)),)
    assert made.rollups == (None,) * 4


def test_coarser_sizes_are_kept_at_least_as_long() -> None:
    assert not out_of_order(DEFAULT)
    assert not out_of_order(Keep(30, 30, 30, None, None))
    assert out_of_order(Keep(30, 7, 30, None, None))
    assert out_of_order(Keep(None, 400, None, None, None))


# ---- on a database --------------------------------------------------------------------------------------------------


def fill(pump: Pump, days: int = 12) -> None:
    for day in range(days):
        pump.send([sample(day * DAY_S + i * 3600, vibration=i, mode="run", other=1) for i in range(24)])


def test_trap_38_readings_of_old_days_go_and_rollups_answer(pump: Pump, database: Database, url: str) -> None:
    fill(pump)
    now = later()
    run_rollups(database, now, budget_s=60)
    before = read(database, pump, END - 11 * DAY, END, 11, "vibration")
    set_policies(database, pump, policy(days=(7, 8, 9, 10, None)))
    forgotten = apply_retention(database, now)
    assert forgotten.rows > 0
    midnight = now.replace(hour=0, minute=0, second=0)
    oldest = {"samples": (7, "measured_at"), "rollups_1m": (8, "bucket"), "rollups_15m": (9, "bucket")}
    for table, (days, column) in (oldest | {"rollups_1h": (10, "bucket")}).items():
        [(first, last)] = query(url, f"SELECT min({column}), max({column}) FROM {table}")
        assert midnight - days * DAY <= first < midnight - (days - 1) * DAY, table
        assert last > END - timedelta(hours=1)
    # A page still sees all of it, with its least and greatest, in days.
    assert read(database, pump, END - 11 * DAY, END, 11, "vibration").points[1:] == before.points[1:]
    assert apply_retention(database, now).rows == 0  # and a second run finds nothing


def test_nothing_goes_that_the_rollups_have_not_taken_up(pump: Pump, database: Database, url: str) -> None:
    fill(pump)
    set_policies(database, pump, policy(days=(1, 1, 1, 1, 1)))
    rows = query(url, "SELECT count(*) FROM samples")
    assert apply_retention(database, later(100)).rows == 0
    assert query(url, "SELECT count(*) FROM samples") == rows
    run_rollups(database, later(100), budget_s=60)
    assert apply_retention(database, later(100)).rows + apply_retention(database, later(100)).partitions >= 0
    assert query(url, "SELECT count(*) FROM samples") == [(0,)]


def test_metrics_of_a_shorter_class_are_emptied_and_the_others_stay(pump: Pump, database: Database, url: str) -> None:
    fill(pump)
    now = later()
    run_rollups(database, now, budget_s=60)
    set_policies(
        database, pump, policy(metric="vib*", days=(5, 400, 400, 400, None)), policy(kind="text"),
        policy(metric="other", days=(5, 400, 400, 400, None)),
    )  # fmt: skip
    assert apply_retention(database, now).slots > 0
    count = "SELECT count(values[1]), count(values[2]), count(values[3]) FROM samples WHERE measured_at "
    border = now.replace(hour=0, minute=0, second=0) - 5 * DAY
    [old] = query(url, count + "< %s", border)
    [new] = query(url, count + ">= %s", border)
    assert (old[0], old[2]) == (0, 0)
    assert old[1] > 100  # states for ever
    assert new[0] == new[1] == new[2] > 0
    found = read(database, pump, END - 11 * DAY, END, 12, "vibration")
    assert sum(point.count for point in found.points) > 240  # the rollups remember
    assert apply_retention(database, now).slots == 0


def test_late_reading_of_forgotten_time_keeps_the_fuller_figures(pump: Pump, database: Database, url: str) -> None:
    fill(pump)
    now = later()
    run_rollups(database, now, budget_s=60)
    set_policies(database, pump, policy(days=(5, 400, 400, 400, None)))
    apply_retention(database, now)
    before = query(url, "SELECT sum(counts[1]), max(maxs[1]) FROM rollups_1d")
    pump.send([sample(10 * DAY_S + 7200, vibration=3)], lane="backfill")  # a repeat that nothing tells from news
    pump.send([sample(30 * DAY_S, vibration=77)], lane="backfill")  # history from before the machine was connected
    run_rollups(database, now, budget_s=60)
    [(count, most)] = query(url, "SELECT sum(counts[1]), max(maxs[1]) FROM rollups_1d")
    assert (count, most) == (before[0][0] + 1, 77)


def test_late_reading_of_a_shorter_class_is_emptied_too(pump: Pump, database: Database, url: str) -> None:
    fill(pump)
    now = later()
    set_policies(database, pump, policy(metric="vib*", days=(5, 400, 400, 400, None)), policy())
    run_rollups(database, now, budget_s=60)
    apply_retention(database, now)
    pump.send([sample(9 * DAY_S + 1, vibration=3, other=4)], lane="backfill")
    run_rollups(database, now, budget_s=60)
    apply_retention(database, now)
    border = now.replace(hour=0, minute=0, second=0) - 5 * DAY
    assert query(url, "SELECT count(values[1]) FROM samples WHERE measured_at < %s", border) == [(0,)]


def test_whole_partitions_go_at_once(pump: Pump, database: Database, url: str) -> None:
    for months_ago in range(5):
        with database.as_owner() as session:
            ensure_partitions(session, END - months_ago * 30 * DAY)
        pump.send([sample(months_ago * 30 * DAY_S + i, vibration=i) for i in range(20)])
    now = later()
    run_rollups(database, now, budget_s=60)
    set_policies(database, pump, policy(days=(40, 400, 400, 400, None)))
    forgotten = apply_retention(database, now)
    assert forgotten.partitions >= 2
    [(first,)] = query(url, "SELECT min(measured_at) FROM samples")
    assert first >= now - 41 * DAY
    assert query(url, "SELECT sum(counts[1]) FROM rollups_1d") == [(100,)]


def test_by_default_a_year_stays(pump: Pump, database: Database, url: str) -> None:
    fill(pump, days=2)
    run_rollups(database, later(), budget_s=60)
    apply_retention(database, later(396))
    assert query(url, "SELECT count(*) FROM samples") == [(48,)]
    apply_retention(database, later(401))
    assert query(url, "SELECT count(*) FROM samples") == [(0,)]
    assert query(url, "SELECT sum(counts[1]) FROM rollups_1d") == [(48,)]
    assert len(LEVELS) == 4
