"""What readers get of a stretch is what the readings say, whichever level answers and however far it is computed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

import ingest.store.stretch as stretches
from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.instrumentation import bind
from assets.registry import Asset, add_asset
from ingest.rollups import mark_due, run_rollups
from ingest.store.base import Connection
from ingest.store.spans import Known, parts_of, subtract
from ingest.store.stretch import Stretch, read_stretch
from tests.ingest.support import query
from tests.ingest.test_rollups import END, NOW, Device, sample

DAY = timedelta(days=1)


class Pump(Device):
    """A device with an asset."""

    def __init__(self, url: str, connection: Connection, database: Database) -> None:
        super().__init__(url, connection)
        with database.as_service() as session:
            device_id, owner = session.execute(text("SELECT id, organisation_id FROM devices")).one()
            asset = add_asset(session, Asset(organisation_id=owner, serial="P", name="P", created_at=END), END)
            bind(session, organisation_id=owner, device_id=device_id, channel="", asset_id=asset.id, at=None)
            self.asset_id: UUID = asset.id
            self.actor = Actor("person", owner, frozenset({Role.ADMINISTRATOR}))


@pytest.fixture
def pump(url: str, connection: Connection, database: Database) -> Pump:
    return Pump(url, connection, database)


def read(database: Database, pump: Pump, since: datetime, until: datetime, points: int, metric: str = "a") -> Stretch:
    with database.as_actor(pump.actor) as session:
        found = read_stretch(session, pump.asset_id, metric, since, until, points)
    assert found is not None
    return found


def figures(stretch: Stretch) -> list[tuple[Any, ...]]:
    return [(point.t, point.min, point.max, point.count, point.last, point.bad) for point in stretch.points]


def by_hand(url: str, since: datetime, until: datetime, bucket_s: float) -> list[tuple[Any, ...]]:
    return query(
        url,
        "SELECT date_bin(%s, measured_at, 'epoch'), min(values[1]), max(values[1]), count(*),"
        " (array_agg(values[1] ORDER BY measured_at DESC))[1], 0 FROM samples"
        " WHERE measured_at >= %s AND measured_at < %s GROUP BY 1 ORDER BY 1",
        timedelta(seconds=bucket_s), since, until,
    )  # fmt: skip


def fill(pump: Pump, days: float = 3.0, step_s: float = 97.0) -> None:
    count = int(days * 86400 / step_s)
    samples = [sample(i * step_s, a=(i * 7919) % 1000) for i in range(count)]
    for start in range(0, count, 500):
        pump.send(samples[start : start + 500])


@pytest.mark.parametrize("rolled", ["not at all", "marked only", "partly", "all"])
def test_both_ends_are_right_however_far_the_rollups_are(pump: Pump, database: Database, url: str, rolled: str) -> None:
    fill(pump)
    if rolled == "marked only":
        with database.as_service() as session:
            mark_due(session)
    elif rolled == "partly":
        assert run_rollups(database, END - timedelta(hours=5, minutes=7), budget_s=60).finished
    elif rolled == "all":
        assert run_rollups(database, NOW, budget_s=60).finished
    for points, resolution in ((1000, "1m"), (200, "15m"), (40, "1h"), (2, "1d")):
        since, until = END - 2.9 * DAY + timedelta(seconds=13), END - timedelta(seconds=1000)
        found = read(database, pump, since, until, points)
        assert found.resolution == resolution
        assert len(found.points) <= points
        assert figures(found) == by_hand(url, since, until, found.bucket_s)


def test_late_reading_shows_at_once_and_after_the_rollups(pump: Pump, database: Database, url: str) -> None:
    fill(pump)
    run_rollups(database, NOW, budget_s=60)
    pump.send([sample(100_000.5, a=-5000)], lane="backfill")
    since, until = END - 3 * DAY, END
    first = read(database, pump, since, until, 40)
    assert min(point.min for point in first.points) == -5000
    run_rollups(database, NOW, budget_s=60)
    assert read(database, pump, since, until, 40) == first


def test_rollups_answer_and_not_the_readings(pump: Pump, database: Database, url: str) -> None:
    fill(pump)
    run_rollups(database, NOW, budget_s=60)
    with psycopg.connect(url) as owner:
        owner.execute("SET ROLE forewarn_service")
        owner.execute("DELETE FROM samples")
    day = datetime(END.year, END.month, END.day, tzinfo=UTC)
    found = read(database, pump, day - 2 * DAY, day, 40)
    assert sum(point.count for point in found.points) == pytest.approx(2 * 86400 / 97, abs=2)


def test_few_readings_come_in_buckets_of_exactly_the_wanted_width(pump: Pump, database: Database) -> None:
    pump.send([sample(3600 - i * 10, a=i) for i in range(360)])
    found = read(database, pump, END - timedelta(hours=1), END, 20)
    assert (found.resolution, found.bucket_s, len(found.points)) == ("raw", 180.0, 20)


def test_worker_that_was_away_for_long_is_noticed(
    pump: Pump, database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(pump, days=1)
    run_rollups(database, NOW, budget_s=60)
    monkeypatch.setattr(stretches, "QUEUE_ROWS", 2)
    for age in (4, 3, 2, 1):
        pump.send([sample(age, a=9999)])
    expected = read(database, pump, END - DAY, END, 40)
    assert max(point.max for point in expected.points) == 9999


def test_text_tells_the_last_state_of_each_bucket(pump: Pump, database: Database) -> None:
    pump.send([sample(3600 * i, a=["run", "idle", "off"][i % 3]) for i in range(60)])
    since, until = END - 2 * DAY, END
    before = read(database, pump, since, until, 40)
    run_rollups(database, NOW, budget_s=60)
    after = read(database, pump, since, until, 40)
    assert before == after
    assert {(p.min, p.max, p.mean) for p in after.points} == {(p.last, p.last, p.last) for p in after.points}


def test_bad_readings_are_told_apart(pump: Pump, database: Database) -> None:
    for i in range(0, 40, 2):
        pump.send([sample(3600 * i, a=1), sample(3600 * i + 60, {"a": "bad"}, a=1e6)])
    pump.send([sample(3600 * 41, {"a": "bad"}, a=7)])
    since, until = END - 2 * DAY, END + timedelta(seconds=1)
    before = read(database, pump, since, until, 40)
    run_rollups(database, NOW, budget_s=60)
    assert read(database, pump, since, until, 40) == before
    assert {point.max for point in before.points} == {1, 7}
    assert sum(point.bad for point in before.points) == 21


_WIDTHS = (1, 10, 50, 200)


@given(
    begin=st.integers(0, 999),
    length=st.integers(1, 1500),
    level=st.integers(0, 3),
    due=st.lists(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 40)), max_size=4), min_size=3, max_size=3),
)
def test_parts_cover_the_stretch_once_and_never_use_what_is_due(
    begin: int, length: int, level: int, due: list[list[tuple[int, int]]]
) -> None:
    spans = [[(a * width, (a + n) * width) for a, n in mine] for mine, width in zip(due, _WIDTHS[1:], strict=True)]
    known = Known(_WIDTHS, [[], *spans], [0, 0, 0, 0])
    parts = parts_of(known, level, begin, begin + length)
    assert [part.begin for part in parts[1:]] == [part.end for part in parts[:-1]]
    assert (parts[0].begin, parts[-1].end) == (begin, begin + length)
    for part in parts:
        assert part.level <= level
        assert part.begin % _WIDTHS[part.level] == part.end % _WIDTHS[part.level] == 0
        if part.level:
            assert subtract((part.begin, part.end), spans[part.level - 1]) == [(part.begin, part.end)]


@given(begin=st.integers(0, 999), length=st.integers(1, 1500), level=st.integers(0, 3),
       kept=st.lists(st.integers(0, 12), min_size=4, max_size=4))  # fmt: skip
def test_what_was_forgotten_comes_from_the_next_coarser_level(
    begin: int, length: int, level: int, kept: list[int]
) -> None:
    known = Known(_WIDTHS, [[], [], [], []], [each * 200 for each in kept])
    parts = parts_of(known, level, begin, begin + length)
    for one, other in pairwise(parts):
        assert one.begin <= other.begin <= one.end
    assert parts[0].begin <= begin
    assert parts[-1].end >= begin + length
    for part in parts:
        assert part.begin >= known.kept_from[part.level] or part.level == 3
