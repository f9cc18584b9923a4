"""Rollups equal what a direct aggregation of the readings gives, whatever the order of arrival."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

import ingest.rollups as rollups
from assets.base.db import Database
from ingest.messages import Message
from ingest.rollups import mark_due, run_rollups
from ingest.store.base import Connection, Row
from ingest.store.columns import COPIED, Columns, read_columns
from ingest.store.figures import summarise
from ingest.store.figures_copy import COPIED as FIGURES
from ingest.store.figures_copy import HEADER, TRAILER, figure_blocks
from ingest.store.postgres import PostgresStore
from ingest.store.rollup_schema import LEVELS
from ingest.writer import Writer, prepare
from tests.ingest.support import add_device, batch, query

# Everything lies so far back that all stretches have ended.
END = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
NOW = END + timedelta(days=3)
END_US = int(END.timestamp()) * 1_000_000


class Device:
    """A registered device that sends batches straight into the store."""

    def __init__(self, url: str, connection: Connection, serial: str = "d") -> None:
        self.serial, self._connection, self._writer, self._seq = serial, connection, Writer(), 0
        add_device(url, serial)

    def send(self, samples: list[dict[str, Any]], **more: Any) -> None:
        self._seq += 1
        payload = batch("b", self._seq, samples, **more)
        message = Message(f"forewarn/v1/{self.serial}/telemetry", payload, END_US)
        self._writer.write(self._connection, [prepare(message)])


@pytest.fixture
def device(url: str, connection: Connection) -> Device:
    return Device(url, connection)


def sample(seconds_ago: float, quality: dict[str, str] | None = None, **values: object) -> dict[str, Any]:
    more = {"quality": quality} if quality else {}
    return {"t": int(END.timestamp() * 1000 - seconds_ago * 1000), "values": values, **more}


_DIRECT = """
SELECT stream_id, bucket, i, g, b, CASE WHEN text THEN NULL ELSE mn END, CASE WHEN text THEN NULL ELSE mx END,
       CASE WHEN text THEN NULL ELSE su END, la
FROM (SELECT s.stream_id, date_bin(%s, s.measured_at, 'epoch') AS bucket, u.i,
             EXISTS (SELECT FROM series r WHERE r.stream_id = s.stream_id AND r.slot = u.i AND kind = 'text') AS text,
             count(*) FILTER (WHERE q < 2) AS g, count(*) FILTER (WHERE q = 2) AS b,
             coalesce(min(v) FILTER (WHERE q < 2), min(v)) AS mn, coalesce(max(v) FILTER (WHERE q < 2), max(v)) AS mx,
             coalesce(sum(v) FILTER (WHERE q < 2), sum(v)) AS su,
             coalesce((array_agg(v ORDER BY s.measured_at DESC) FILTER (WHERE q < 2))[1],
                      (array_agg(v ORDER BY s.measured_at DESC))[1]) AS la
      FROM samples s, unnest(s.values) WITH ORDINALITY AS u(v, i), LATERAL (SELECT coalesce(s.quality[u.i], 0)) AS f(q)
      WHERE v IS NOT NULL GROUP BY 1, 2, 3) AS direct
ORDER BY 1, 2, 3
"""
_STORED = """
SELECT stream_id, bucket, i, c, coalesce(b, 0), mn, mx, su, la
FROM {table}, unnest(counts, bads, mins, maxs, sums, lasts) WITH ORDINALITY AS u(c, b, mn, mx, su, la, i)
WHERE c > 0 OR b > 0 ORDER BY 1, 2, 3
"""


def assert_true(url: str) -> int:
    """Compare every level with a direct aggregation; return how many minutes there are."""
    for level in LEVELS:
        direct = query(url, _DIRECT, timedelta(seconds=level.seconds))
        stored = query(url, _STORED.format(table=level.table))
        assert [row[:5] for row in stored] == [row[:5] for row in direct], level.name
        for mine, theirs in zip(stored, direct, strict=True):
            figures, expected = (np.array(each[5:], dtype=np.float64) for each in (mine, theirs))
            np.testing.assert_allclose(figures, expected, rtol=1e-9, atol=1e-9, err_msg=f"{level.name} {mine}")
    return len(query(url, "SELECT FROM rollups_1m"))


def roll(database: Database, now: datetime = NOW) -> None:
    assert run_rollups(database, now, budget_s=60).finished


def test_every_level_equals_a_direct_aggregation(device: Device, database: Database, url: str) -> None:
    chance = random.Random(7)
    for start in range(0, 4 * 3600, 1800):
        device.send(
            [
                sample(start + i * 7, temperature=chance.gauss(50, 5), mode=chance.choice(["run", "idle"]))
                for i in range(250)
            ]
        )
    roll(database)
    assert assert_true(url) > 200


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_order_with_late_data_repeats_and_fill_ins_ends_in_the_same(
    device: Device, database: Database, url: str, data: st.DataObject
) -> None:
    """Inserts, fill-ins, repeats and turns of the rollups in any order; nothing is cleared between the examples."""
    times = st.integers(0, 5 * 3600)
    names = st.sampled_from(["a", "b", "c", "mode"])
    for _ in range(data.draw(st.integers(1, 6))):
        samples = []
        for t in data.draw(st.lists(times, min_size=1, max_size=8)):
            picked = data.draw(st.sets(names, min_size=1))
            values = {name: data.draw(st.sampled_from(["x", "y"]) if name == "mode" else st.integers(-99, 99)) for name
                      in sorted(picked)}  # fmt: skip
            quality = {name: data.draw(st.sampled_from(["good", "bad", "uncertain"])) for name in sorted(picked)}
            samples.append(sample(t, quality, **values))
        device.send(samples)
        if data.draw(st.booleans()):
            device.send(samples)
        if data.draw(st.booleans()):
            roll(database)
    roll(database)
    assert_true(url)


def test_late_readings_amend_every_level(device: Device, database: Database, url: str) -> None:
    device.send([sample(i * 60, a=1) for i in range(120)])
    roll(database)
    device.send([sample(3000.5, a=1000)], lane="backfill")
    roll(database)
    assert_true(url)
    assert query(url, "SELECT max(maxs[1]) FROM rollups_1d") == [(1000,)]


def test_removed_readings_leave_the_rollups_too(device: Device, database: Database, url: str) -> None:
    device.send([sample(i * 60, a=i) for i in range(120)])
    roll(database)
    with database.as_service() as session:
        since, until = END - timedelta(minutes=90), END - timedelta(minutes=30)
        session.execute(
            text("DELETE FROM samples WHERE measured_at BETWEEN :since AND :until"), {"since": since, "until": until}
        )
        rollups.mark_span(session, [row[0] for row in session.execute(text("SELECT id FROM streams"))], since, until)
    roll(database)
    assert assert_true(url) == 59


def test_stretch_that_has_not_ended_waits(device: Device, database: Database, url: str) -> None:
    device.send([sample(0, a=1), sample(60, a=1)])
    roll(database, END + timedelta(seconds=20))
    assert query(url, "SELECT count(*) FROM rollups_1m") == [(1,)]
    assert query(url, "SELECT count(*) FROM rollups_1h") == [(0,)]
    roll(database)
    assert_true(url)


def test_interrupted_turn_is_taken_up_again(
    device: Device, database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.send([sample(i * 20, a=i) for i in range(500)])
    with database.as_service() as session:
        assert mark_due(session) == 1

    def fail(*_: object) -> None:
        raise RuntimeError("the worker is killed here")

    with monkeypatch.context() as broken:
        broken.setattr(rollups, "compute_coarser", fail)
        with pytest.raises(RuntimeError):
            run_rollups(database, NOW)
    roll(database)
    assert_true(url)


def test_work_of_a_turn_is_bounded_and_ends_all_the_same(
    device: Device, database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer rows a transaction than a minute has, than a quarter has minutes."""
    monkeypatch.setattr(rollups, "ROWS", 3)
    monkeypatch.setattr(rollups, "VALUES", 3)
    device.send([sample(i * 7, a=i) for i in range(100)])
    device.send([sample(86400 * 30, a=5), sample(40, b=5)])
    roll(database)
    assert_true(url)


def test_batch_of_an_open_transaction_is_not_passed_over(
    device: Device, database: Database, url: str, connection: Connection
) -> None:
    with psycopg.connect(url) as other:
        other.execute("SET ROLE forewarn_service")
        other.execute("SELECT pg_current_xact_id()")  # older than what follows
        device.send([sample(5, a=1)])
        with database.as_service() as session:
            assert mark_due(session) == 0
    roll(database)
    assert_true(url)


def test_readings_that_were_there_before_the_rollups_are_due(device: Device, database: Database, url: str) -> None:
    from ingest.store.rollup_schema import mark_what_is_there

    device.send([sample(i * 60, a=i) for i in range(50)])
    with psycopg.connect(url) as opened:
        opened.execute("DELETE FROM rollup_cursors")
    with psycopg.connect(url) as owner:
        for statement in mark_what_is_there():
            owner.execute(statement)
    roll(database)
    assert assert_true(url) == 50


@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 3),
            st.integers(0, 10**9),
            st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), max_size=5),
            st.booleans(),
        ),
        max_size=40,
    )
)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_columns_are_read_as_they_were_stored(database_url: str, rows: list[tuple[int, int, list[Any], bool]]) -> None:
    distinct = {(stream, t): (values, told) for stream, t, values, told in rows}
    with psycopg.connect(database_url) as opened:
        opened.execute("SET ROLE forewarn_service")
        opened.execute("DELETE FROM samples")
        stored = [
            Row(stream, t, 0, 1, 0, [2] * len(values) if told and values else None, values)
            for (stream, t), (values, told) in sorted(distinct.items())
        ]
        PostgresStore().insert(opened, stored)
        with opened.cursor().copy(f"COPY (SELECT {COPIED} FROM samples ORDER BY 1, 2) TO STDOUT (FORMAT BINARY)") as c:
            found = read_columns(b"".join(map(bytes, c)))
    assert found.stream.tolist() == [row.stream_id for row in stored]
    assert found.t_us.tolist() == [row.t_us for row in stored]
    for at, row in enumerate(stored):
        width = found.values.shape[1]
        expected = [np.nan if v is None else v for v in row.values] + [np.nan] * (width - len(row.values))
        np.testing.assert_array_equal(found.values[at], expected)
        if found.quality is not None:
            assert found.quality[at, : len(row.values)].tolist() == [2 * (row.quality is not None)] * len(row.values)


def test_bad_readings_count_apart_and_speak_only_where_there_are_no_others() -> None:
    rows = Columns(
        stream=np.array([1, 1, 1]),
        t_us=np.array([1, 2, 60_000_001]),
        values=np.array([[1.0], [999.0], [888.0]]),
        quality=np.array([[0], [2], [2]], dtype=np.int8),
    )
    minutes, hour = summarise(rows, 60_000_000), summarise(rows, 3_600_000_000)
    assert (minutes.counts[:, 0].tolist(), minutes.bads[:, 0].tolist()) == ([1, 0], [1, 1])
    assert (minutes.maxs[:, 0].tolist(), minutes.lasts[:, 0].tolist()) == ([1, 888], [1, 888])
    assert (hour.counts[0, 0], hour.bads[0, 0], hour.maxs[0, 0], hour.lasts[0, 0]) == (1, 2, 1, 1)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 10**9),
            st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=1, max_size=5),
            st.booleans(),
        ),
        min_size=1, max_size=30,
    )
)  # fmt: skip
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_figures_survive_the_way_through_binary_copy(
    database_url: str, rows: list[tuple[int, list[int | None], bool]]
) -> None:
    values = np.full((len(rows), 5), np.nan)
    quality = np.zeros((len(rows), 5), dtype=np.int8)
    for at, (_, told, is_bad) in enumerate(rows):
        values[at, : len(told)] = [np.nan if v is None else v for v in told]
        quality[at] = 2 * is_bad
    columns = Columns(np.ones(len(rows), dtype=np.int64), np.array([t for t, _, _ in rows]), values, quality)
    figures = summarise(columns, 60_000_000, {1: frozenset({2})})
    figures = figures.take(np.asarray((figures.counts + figures.bads).any(axis=1)))
    with psycopg.connect(database_url) as opened:
        opened.execute("SET ROLE forewarn_service")
        opened.execute("DELETE FROM rollups_1m")
        with opened.cursor().copy(f"COPY rollups_1m ({FIGURES}) FROM STDIN (FORMAT BINARY)") as copy:
            for block in (HEADER, *figure_blocks(figures), TRAILER):
                copy.write(block)
        found = opened.execute("SELECT counts, coalesce(bads, '{0,0,0,0,0}'), mins, maxs, sums, lasts FROM rollups_1m"
                               " ORDER BY bucket").fetchall()  # fmt: skip
    assert len(found) == len(figures)
    for at, row in enumerate(found):
        stored: list[float | None]
        for stored, name in zip(row, ("counts", "bads", "mins", "maxs", "sums", "lasts"), strict=True):
            padded = np.full(5, np.nan if name not in ("counts", "bads") else 0.0)
            padded[: len(stored)] = [np.nan if v is None else v for v in stored][:5]
            np.testing.assert_array_equal(padded, getattr(figures, name)[at].astype(np.float64), name)
