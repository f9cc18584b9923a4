"""What every edition of the store promises: one suite against plain PostgreSQL and TimescaleDB."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import psycopg
import pytest
from sqlalchemy import text

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.instrumentation import bind
from assets.people import add_organisation
from assets.registry import Asset, add_asset
from ingest.cardinality import SeriesFacts, series_facts
from ingest.devices import register_device
from ingest.messages import Message
from ingest.store import catalog
from ingest.store.base import Connection, Row
from ingest.store.postgres import PostgresStore
from ingest.store.read import latest_values, load_block, sparklines
from ingest.store.schema import detect_edition, ensure_partitions
from ingest.store.stretch import read_stretch
from ingest.writer import Writer, prepare
from tests.ingest.support import batch, query

NOW = datetime.now(UTC).replace(microsecond=0)
NOW_US = int(NOW.timestamp()) * 1_000_000


class World:
    """Two organisations with an asset and a device each."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.as_service() as session:
            root = add_organisation(session, kind="operator", name="Operator", now=NOW)
            self.root = root.id
            self.ours = self._customer(session, root, "ours")
            self.theirs = self._customer(session, root, "theirs")

    def _customer(self, session, root, name: str) -> tuple[UUID, UUID, UUID]:  # type: ignore[no-untyped-def]
        organisation = add_organisation(session, kind="customer", name=name, now=NOW, parent=root)
        asset = Asset(organisation_id=organisation.id, serial=name, name=name, created_at=NOW)
        add_asset(session, asset, NOW)
        device, _ = register_device(session, name, "m", organisation.id, NOW)
        bind(session, organisation_id=organisation.id, device_id=device.id, channel="", asset_id=asset.id, at=None)
        return organisation.id, asset.id, device.id

    def actor(self, organisation_id: UUID) -> Actor:
        return Actor("person", organisation_id, frozenset({Role.CUSTOMER}))


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def send(connection: Connection, device: str, payload: bytes, writer: Writer | None = None) -> None:
    (writer or Writer()).write(connection, [prepare(Message(f"forewarn/v1/{device}/telemetry", payload, NOW_US))])


def rows_of(url: str) -> list[tuple[object, ...]]:
    return query(url, "SELECT values FROM samples ORDER BY stream_id, measured_at")


def sample(seconds_ago: float, **values: object) -> dict[str, object]:
    return {"t": int((NOW_US - seconds_ago * 1e6) / 1000), "values": values}


def test_edition_is_detected(database: Database, request: pytest.FixtureRequest) -> None:
    with database.as_service() as session:
        assert detect_edition(session).split("-")[0] == request.node.callspec.params["url"]


def test_repeated_batch_is_stored_once(world: World, connection: Connection, url: str) -> None:
    payload = batch("b", 1, [sample(2, a=1), sample(1, a=2)])
    for _ in range(3):
        send(connection, "ours", payload)
    assert rows_of(url) == [([1.0],), ([2.0],)]
    assert query(url, "SELECT stored, repeated FROM ingest_batches") == [(2, 0)]


def test_same_batch_twice_in_one_group_is_stored_once(world: World, connection: Connection, url: str) -> None:
    message = Message("forewarn/v1/ours/telemetry", batch("b", 1, [sample(2, a=1)]), NOW_US)
    receipts = Writer().write(connection, [prepare(message), prepare(message)])
    assert [receipt.seq for receipt in receipts] == [1, 1]
    assert rows_of(url) == [([1.0],)]


def test_repeated_reading_without_batch_is_stored_once(world: World, connection: Connection, url: str) -> None:
    for _ in range(3):
        send(connection, "ours", b'[{"ts": %d, "values": {"a": 1}}]' % (NOW_US // 1000))
    assert rows_of(url) == [([1.0],)]
    assert query(url, "SELECT stored, repeated, conflicting FROM ingest_batches ORDER BY id") == [
        (1, 0, 0),
        (0, 1, 0),
        (0, 1, 0),
    ]


def test_first_value_wins_missing_ones_are_filled_in_and_conflicts_counted(
    world: World, connection: Connection, url: str
) -> None:
    writer = Writer()
    send(connection, "ours", batch("b", 1, [sample(1, a=1)]), writer)
    send(connection, "ours", batch("b", 2, [{**sample(1, a=9, b=2), "quality": {"a": "bad", "b": "bad"}}]), writer)
    assert query(url, "SELECT values, quality FROM samples") == [([1.0, 2.0], [0, 2])]
    assert query(url, "SELECT repeated, conflicting FROM ingest_batches ORDER BY id") == [(0, 0), (0, 1)]


def test_conflict_within_one_batch_follows_the_same_rule(world: World, connection: Connection, url: str) -> None:
    send(connection, "ours", batch("b", 1, [sample(1, a=1), sample(1, a=9, b=2)]))
    assert rows_of(url) == [([1.0, 2.0],)]
    assert query(url, "SELECT repeated, conflicting FROM ingest_batches") == [(0, 1)]


def test_rows_survive_the_way_through_binary_copy(connection: Connection, url: str) -> None:
    rows = [
        Row(1, NOW_US + 1, NOW_US, 7, 3, None, [1.5, -2.25, 1e300]),
        Row(1, NOW_US + 2, NOW_US, 8, 0, [0, 2], [None, 4.0]),
        Row(2, NOW_US + 3, NOW_US, 9, 0, None, [0.1]),
    ]
    with connection.transaction():
        PostgresStore().insert(connection, rows)
    found = query(
        url, "SELECT stream_id, measured_at, received_at, batch_id, flags, quality, values FROM samples ORDER BY 2"
    )
    moment = lambda us: datetime.fromtimestamp(us // 1_000_000, UTC) + timedelta(microseconds=us % 1_000_000)  # noqa: E731
    assert found == [
        (row.stream_id, moment(row.t_us), moment(row.received_us), row.batch_id, row.flags, row.quality, row.values)
        for row in rows
    ]


def test_latest_never_goes_backwards(world: World, connection: Connection, database: Database) -> None:
    writer = Writer()
    send(connection, "ours", batch("b", 1, [sample(1, a=1)]), writer)
    send(connection, "ours", batch("b", 2, [sample(60, a=7, b=8)], lane="backfill"), writer)
    with database.as_service() as session:
        (values,) = latest_values(session, [world.ours[1]]).values()
    assert [(latest.metric, latest.value, latest.t) for latest in values] == [
        ("a", 1.0, NOW - timedelta(seconds=1)),
        ("b", 8.0, NOW - timedelta(seconds=60)),
    ]


def test_latest_tells_text_boolean_unit_and_quality(world: World, connection: Connection, database: Database) -> None:
    values = sample(1, temperature_celsius=20.5, on=True, mode="load")
    send(connection, "ours", batch("b", 1, [{**values, "quality": {"temperature_celsius": "bad"}}]))
    with database.as_actor(world.actor(world.ours[0])) as session:
        found = latest_values(session, [world.ours[1]])[world.ours[1]]
    assert [(latest.metric, latest.unit, latest.value, latest.quality) for latest in found] == [
        ("temperature_celsius", "Cel", 20.5, "bad"),
        ("on", None, True, "good"),
        ("mode", None, "load", "good"),
    ]


def test_downsampling_keeps_minimum_and_maximum(world: World, connection: Connection, database: Database) -> None:
    samples = [sample(3600 - i, a=float(i == 1234) * 100 - float(i == 2345) * 50) for i in range(3600)]
    for seq in range(0, 3600, 400):
        send(connection, "ours", batch("b", seq, samples[seq : seq + 400]))
    with database.as_actor(world.actor(world.ours[0])) as session:
        stretch = read_stretch(session, world.ours[1], "a", NOW - timedelta(hours=1), NOW, 20)
    assert stretch is not None
    assert len(stretch.points) == 20
    assert max(point.max for point in stretch.points) == 100
    assert min(point.min for point in stretch.points) == -50
    assert sum(point.count for point in stretch.points) == 3600
    assert sum(point.mean * point.count for point in stretch.points) == pytest.approx(50)


def test_swapped_device_keeps_its_own_history(world: World, connection: Connection, database: Database) -> None:
    _, asset_id, old = world.ours
    swap = NOW - timedelta(seconds=30)
    with database.as_service() as session:
        device, _ = register_device(session, "new", "m", world.ours[0], NOW)
        session.execute(text("UPDATE bindings SET valid_to = :t WHERE device_id = :d"), {"t": swap, "d": old})
        bind(session, organisation_id=world.ours[0], device_id=device.id, channel="", asset_id=asset_id, at=swap)
    for name, value in (("ours", 1), ("new", 2)):
        send(connection, name, batch("b", 1, [sample(age, b=0, a=value) for age in (50, 40, 20, 10)]))
    with database.as_service() as session:
        block = load_block(session, asset_id, None, NOW)
        stretch = read_stretch(session, asset_id, "a", NOW - timedelta(minutes=1), NOW, 60)
    assert block.values[:, block.metrics.index("a")].tolist() == [1, 1, 2, 2]
    assert stretch is not None
    assert [point.mean for point in stretch.points] == [1, 1, 2, 2]


def test_block_holds_missing_values_and_modes(world: World, connection: Connection, database: Database) -> None:
    send(connection, "ours", batch("b", 1, [sample(3, a=1, mode="idle"), sample(2, b=5), sample(1, a=2, mode="load")]))
    with database.as_service() as session:
        block = load_block(session, world.ours[1], NOW - timedelta(seconds=3), NOW)
        whole = load_block(session, world.ours[1], None, NOW)
        part = load_block(session, world.ours[1], None, NOW, limit=2)
    assert block.t.tolist() == [NOW.timestamp() - 2, NOW.timestamp() - 1]
    assert whole.metrics == ("a", "b")
    np.testing.assert_array_equal(whole.values, [[1, np.nan], [np.nan, 5], [2, np.nan]])
    assert whole.modes is not None
    assert [whole.mode_names[code] if code >= 0 else None for code in whole.modes] == ["idle", None, "load"]
    assert len(part.t) == 2


def test_sparkline_has_a_mean_per_bucket(world: World, connection: Connection, database: Database) -> None:
    send(connection, "ours", batch("b", 1, [sample(3599, a=1), sample(3598, a=3), sample(1, a=7)]))
    with database.as_actor(world.actor(world.ours[0])) as session:
        lines = sparklines(session, {world.ours[1]: "a"}, timedelta(hours=1), 30, NOW)
    assert lines[world.ours[1]][0] == 2
    assert lines[world.ours[1]][29] == 7
    assert lines[world.ours[1]][1:29] == [None] * 28


def test_other_organisation_sees_no_reading(world: World, connection: Connection, database: Database) -> None:
    for name in ("ours", "theirs"):
        send(connection, name, batch("b", 1, [sample(1, a=1)]))
    with database.as_actor(world.actor(world.ours[0])) as session:
        assert session.execute(text("SELECT count(*) FROM stream_samples")).scalar() == 1
        assert session.execute(text("SELECT count(*) FROM series")).scalar() == 1
        assert latest_values(session, [world.theirs[1]]) == {}
        assert read_stretch(session, world.theirs[1], "a", NOW - timedelta(hours=1), NOW, 10) is None
        assert sparklines(session, {world.theirs[1]: "a"}, timedelta(hours=1), 3, NOW) == {world.theirs[1]: [None] * 3}
    with database.as_actor(world.actor(world.root)) as session:
        assert session.execute(text("SELECT count(*) FROM stream_samples")).scalar() == 2


@pytest.mark.parametrize("table", ["samples", "readings_v1"])
def test_application_role_cannot_read_the_reading_tables(world: World, database: Database, table: str) -> None:
    with (
        pytest.raises(Exception, match="permission denied"),
        database.as_actor(world.actor(world.root)) as session,
    ):
        session.execute(text(f"SELECT * FROM {table}"))


def test_readings_view_gives_one_row_per_value(world: World, connection: Connection, url: str) -> None:
    payload = batch("b", 1, [{**sample(1, temperature_celsius=20, b=1), "quality": {"b": "uncertain"}}])
    send(connection, "ours", payload)
    with psycopg.connect(url) as reader:
        reader.execute("SET ROLE forewarn_reader")
        columns = "asset_serial, metric, unit, value, quality"
        rows = reader.execute(f"SELECT {columns} FROM readings_v1 ORDER BY metric").fetchall()
    assert rows == [("ours", "b", None, 1.0, "uncertain"), ("ours", "temperature_celsius", "Cel", 20.0, "good")]


def test_readings_view_leaves_texts_out(world: World, connection: Connection, url: str) -> None:
    send(connection, "ours", batch("b", 1, [sample(1, a=2, mode="load", on=True)]))
    assert query(url, "SELECT obj_description('readings_v1'::regclass) LIKE %s", "%texts are not here%") == [(True,)]
    with psycopg.connect(url) as reader:
        reader.execute("SET ROLE forewarn_reader")
        rows = reader.execute("SELECT metric, value FROM readings_v1 ORDER BY metric").fetchall()
    assert rows == [("a", 2.0), ("on", 1.0)]


def test_reading_from_a_clock_hours_ahead_does_not_hide_what_comes_after(
    world: World, connection: Connection, url: str
) -> None:
    send(connection, "ours", batch("b", 1, [sample(-23 * 3600, a=9)]))
    send(connection, "ours", batch("b", 2, [sample(1, a=1)]))
    assert rows_of(url) == [([1.0],)]
    assert query(url, "SELECT latest_at, latest FROM streams") == [(NOW - timedelta(seconds=1), [1.0])]
    assert query(url, "SELECT reason FROM quarantine") == [("absurd_time",)]
    send(connection, "ours", batch("b", 3, [sample(-23 * 3600, a=2)], offset_ms=-23 * 3_600_000))
    assert query(url, "SELECT measured_at, flags FROM samples WHERE values = '{2}'") == [(NOW, 2)]


def test_old_and_late_readings_find_their_place(world: World, connection: Connection, database: Database) -> None:
    send(connection, "ours", batch("b", 1, [sample(400 * 86_400, a=1), sample(0, a=2)]))
    with database.as_service() as session:
        ensure_partitions(session, NOW)
        assert ensure_partitions(session, NOW) == 0
    send(connection, "ours", batch("b", 2, [sample(400 * 86_400, a=1), sample(400 * 86_400 - 1, a=3)]))
    with database.as_service() as session:
        assert load_block(session, world.ours[1], None, NOW).values[:, 0].tolist() == [1, 3, 2]


def test_readings_stored_while_a_partition_is_made_find_their_place(
    world: World, connection: Connection, database: Database, url: str
) -> None:
    send(connection, "ours", batch("b", 1, [sample(400 * 86_400, a=1)]))
    with psycopg.connect(url) as other:  # a replay that has stored more of that month and not yet committed
        other.execute("SET ROLE forewarn_service")
        send(other, "ours", batch("b", 2, [sample(400 * 86_400 - 1, a=2)]))
        with ThreadPoolExecutor(1) as pool, database.as_service() as session:
            made = pool.submit(ensure_partitions, session, NOW)
            wait([made], timeout=0.5)  # plain PostgreSQL waits for the other, hypertables have nothing to do
            other.commit()
            made.result(timeout=20)
    with database.as_service() as session:
        assert load_block(session, world.ours[1], None, NOW).values[:, 0].tolist() == [1, 2]


def test_trap_37_new_metrics_change_no_table_and_those_beyond_the_cap_go_to_quarantine(
    world: World, connection: Connection, url: str
) -> None:
    writer = Writer()
    columns = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    before = query(url, columns)
    for seq in range(3):
        values = {f"m{seq}_{i}": 1 for i in range(200)}
        send(connection, "ours", batch("b", seq, [sample(10 - seq, **values)]), writer)
    assert query(url, "SELECT count(*) FROM series") == [(512,)]
    assert query(url, "SELECT reason, samples FROM quarantine") == [("too_many_metrics", 88)]
    assert query(url, columns) == before


def test_text_where_numbers_came_before_goes_to_quarantine(world: World, connection: Connection, url: str) -> None:
    send(connection, "ours", batch("b", 1, [sample(2, a=1), sample(1, a="hot", b=2)]))
    assert rows_of(url) == [([1.0],), ([None, 2.0],)]
    assert query(url, "SELECT reason, detail, position FROM quarantine") == [("wrong_type", "a", 1)]


def test_every_sample_that_is_acknowledged_and_not_stored_is_whole_in_quarantine(
    world: World, connection: Connection, url: str
) -> None:
    naive = [{"t": f"2026-11-21T12:00:{i:02}", "values": {"a": i, "note": "x" * 150}} for i in range(50)]
    payload = batch("b", 1, [*naive, sample(1, a=1), {"t": 0, "values": {"a": 7}}])
    send(connection, "ours", payload)
    rows = query(url, "SELECT reason, samples, payload FROM quarantine ORDER BY position")
    assert [row[:2] for row in rows] == [("naive_time", 50), ("absurd_time", 1)]
    assert rows[0][2] == payload
    assert json.loads(rows[1][2]) == {"t": 0, "values": {"a": 7}}


def test_values_that_another_rule_refuses_are_whole_in_quarantine(
    world: World, connection: Connection, url: str
) -> None:
    writer = Writer()
    send(connection, "ours", batch("b", 1, [sample(9, a=1)]), writer)
    payload = batch("b", 2, [sample(i, a=f"hot {i}", b=1) for i in range(5)])
    send(connection, "ours", payload, writer)
    assert query(url, "SELECT reason, samples, payload FROM quarantine") == [("wrong_type", 5, payload)]


def test_sensor_that_is_nan_all_day_keeps_no_whole_messages(world: World, connection: Connection, url: str) -> None:
    send(connection, "ours", batch("b", 1, [sample(i, a=float("nan"), b=1) for i in range(50)]))
    [(payload,)] = query(url, "SELECT payload FROM quarantine")
    assert payload == b'{"a": NaN, "b": 1}'


def test_message_beyond_the_wire_keeps_what_a_message_may_have_and_says_so(
    world: World, connection: Connection, url: str
) -> None:
    payload = b"[" + b" " * (3 << 20) + b"]"
    send(connection, "ours", payload)
    [(kept, detail)] = query(url, "SELECT payload, detail FROM quarantine")
    assert kept == payload[: 1 << 20]
    assert detail.endswith(f"truncated: the first {1 << 20} of {len(payload)} bytes are kept")


def test_names_beyond_a_devices_limit_are_refused_and_counted(
    world: World, connection: Connection, database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MAX_SERIES_PER_DEVICE", 3)
    writer = Writer()
    send(connection, "ours", batch("b", 1, [sample(1, a=1, b=2)]), writer)
    send(connection, "ours", batch("b", 2, [{**sample(1, c=3, d=4), "asset": "sub"}]), writer)
    send(connection, "theirs", batch("b", 1, [sample(1, e=5)]), writer)
    assert query(url, "SELECT count(*) FROM series") == [(4,)]
    assert rows_of(url) == [([1.0, 2.0],), ([3.0],), ([5.0],)]
    assert query(url, "SELECT reason FROM quarantine") == [("too_many_metrics",)]
    with database.as_actor(world.actor(world.ours[0])) as session:
        assert series_facts(session, world.ours[2]) == SeriesFacts(3, 20_000, 1)
        assert series_facts(session, world.theirs[2]) == SeriesFacts(0, 20_000, 0)


def test_readings_view_reads_one_stretch_of_one_asset_by_key(world: World, connection: Connection, url: str) -> None:
    """Asset, metric and time are pushed down: other streams and other months are not looked at."""
    send(connection, "ours", batch("b", 1, [sample(i, a=i) for i in range(50)]))
    statement = (
        "EXPLAIN SELECT measured_at, value FROM readings_v1 WHERE asset_serial = 'ours' AND metric = 'a'"
        " AND measured_at >= %s AND measured_at < %s"
    )
    with psycopg.connect(url) as reader:
        reader.execute("SET ROLE forewarn_reader")
        reader.execute("SET enable_seqscan = off")  # tables this small would be read whole
        span = (NOW - timedelta(minutes=5), NOW)
        plan = "\n".join(row[0] for row in reader.execute(statement, span))
    [condition] = {
        line.split("Index Cond: ")[1] for line in plan.splitlines() if "measured_at" in line and "Cond" in line
    }
    assert "stream_id = " in condition
    assert plan.count("measured_at >=") >= 2
    touched = {word for word in plan.split() if word.startswith(("samples_", "_hyper"))}
    assert 0 < len({name for name in touched if "pkey" not in name}) <= 2, plan
