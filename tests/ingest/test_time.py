"""Clocks that are wrong: corrected where they can be, kept aside and released where not yet, never believed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Invalid
from ingest.formats.batch import decode_batch
from ingest.formats.decoded import FLAG_CLOCK_CORRECTED, Decoded
from ingest.held import release, release_held, suggested_offset_ms
from ingest.ledger import device_ledger
from ingest.messages import Message
from ingest.models import Quarantined
from ingest.store.base import Connection
from ingest.writer import Writer, prepare
from tests.ingest.support import add_device

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
HOUR_MS = 3_600_000
Y2036_MS = int(datetime(2036, 2, 7, tzinfo=UTC).timestamp() * 1000)


def body(seq: int, said: Sequence[tuple[int, int | None]], **header: Any) -> dict[str, Any]:
    samples = [{"t": t, "values": {"a": float(i)}} | ({} if m is None else {"m": m}) for i, (t, m) in enumerate(said)]
    return {"boot": "b", "seq": seq, "first": 10 * seq, "n": len(said), "lane": "live", **header, "samples": samples}


def decoded(said: Sequence[tuple[int, int | None]], received_ms: int = NOW_MS, **header: Any) -> Decoded:
    return decode_batch(json.dumps(body(0, said, **header)).encode(), received_ms * 1000)


def times_ms(found: Decoded) -> list[int]:
    return [sample.t_us // 1000 for sample in found.samples]


@pytest.mark.parametrize("said_ms", [40_000, Y2036_MS, NOW_MS + 27 * HOUR_MS, NOW_MS - 27 * HOUR_MS])
def test_trap_31_a_wrong_clock_is_corrected_with_its_measured_offset_and_flagged(said_ms: int) -> None:
    found = decoded([(said_ms, None), (said_ms + 1000, None)], offset_ms=NOW_MS - said_ms - 1000, sent_at=said_ms)
    assert times_ms(found) == [NOW_MS - 1000, NOW_MS]
    assert {sample.flags & FLAG_CLOCK_CORRECTED for sample in found.samples} == {FLAG_CLOCK_CORRECTED}
    assert found.corrected == 2
    assert found.shifts == [[NOW_MS - 1000, NOW_MS - said_ms - 1000]]


def test_small_offsets_leave_times_as_they_are_said(  # else a repeat would not be recognised
) -> None:
    found = decoded([(NOW_MS - 5000, 100)], offset_ms=1900, sent_at=NOW_MS - 4000)
    assert times_ms(found) == [NOW_MS - 5000]
    assert (found.corrected, found.shifts) == (0, [])


def test_trap_31_a_clock_set_while_data_waited_is_repaired_by_boot_and_monotonic_time() -> None:
    # Booted at 1970, set by the network after two minutes; our clock at m = 0 was NOW - 200 s.
    zero = NOW_MS - 200_000
    before = [(i * 1000, i * 1000) for i in range(0, 120)]
    after = [(zero + m, m) for m in range(120_000, 200_000, 1000)]
    for header in ({"zero_at": zero}, {"offset_ms": 0, "sent_at": NOW_MS}):
        found = decoded([*before, *after], **header)
        assert times_ms(found) == [zero + m for m in range(0, 200_000, 1000)]
        assert found.corrected == len(before)
        assert found.shifts == [[zero, zero]]


def test_a_step_back_is_repaired_too_and_the_devices_own_time_can_be_told() -> None:
    zero = NOW_MS - 600_000
    fast = [(zero + m + 27 * HOUR_MS, m) for m in (0, 1000)]
    right = [(zero + m, m) for m in (2000, 3000)]
    slow = [(zero + m - 2 * HOUR_MS + m // 500, m) for m in (4000, 5000)]  # and its clock and `m` do not quite agree
    found = decoded([*fast, *right, *slow], zero_at=zero)
    assert times_ms(found)[:4] == [zero, zero + 1000, zero + 2000, zero + 3000]
    assert times_ms(found)[5] - times_ms(found)[4] == slow[1][0] - slow[0][0], "one shift for one setting of the clock"
    said = [t - shift for t, shift in zip(times_ms(found), [found.shifts[0][1]] * 2, strict=False)]
    assert said == [t for t, _ in fast]


def test_a_drifting_clock_is_no_wrong_clock() -> None:
    zero = NOW_MS - 10 * 24 * HOUR_MS
    drifted = [(zero + m + m // 20_000, m) for m in (0, 5 * 24 * HOUR_MS)]  # 50 millionths
    assert decoded(drifted, zero_at=zero).corrected == 0


def test_events_get_the_time_of_the_samples_around_them() -> None:
    zero = NOW_MS - 60_000
    payload = body(0, [(1000, 1000), (2000, 2000)], zero_at=zero)
    payload["events"] = [{"t": 1500, "code": "E1"}]
    found = decode_batch(json.dumps(payload).encode(), NOW_MS * 1000)
    assert [event.t_us // 1000 for event in found.events] == [zero + 1500]


@pytest.mark.parametrize(
    "header",
    [
        {"offset_ms": True, "zero_at": "x"},
        {"offset_ms": 1e300, "sent_at": []},
        {"zero_at": 2**62, "offset_ms": -(2**62)},
        {"zero_at": None, "clock_age_ms": -5, "offset_ms": 3},
    ],
)
def test_nonsense_about_the_clock_is_ignored(header: dict[str, Any]) -> None:
    assert times_ms(decoded([(NOW_MS, 1)], **header)) == [NOW_MS]


# ---- with a database ------------------------------------------------------------------------------------------------


class World:
    """A device whose messages are written as ingest would, without a broker."""

    def __init__(self, url: str) -> None:
        self.device_id = add_device(url, "T-1")
        self.database = Database(url)
        self.connection: Connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET ROLE forewarn_service")
        self.writer = Writer()

    def say(self, payload: object, received: datetime = NOW, leaf: str = "telemetry") -> None:
        text = json.dumps(payload).encode()
        message = Message(f"forewarn/v1/T-1/{leaf}", text, int(received.timestamp() * 1e6))
        self.writer.write(self.connection, [prepare(message)])

    def rows(self) -> list[tuple[datetime, int]]:
        return list(self.connection.execute("SELECT measured_at, flags FROM samples ORDER BY measured_at"))

    def one(self, sql: str) -> Any:
        row = self.connection.execute(sql).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def close(self) -> None:
        self.connection.close()
        self.database.dispose()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    yield made
    made.close()


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    with world.database.as_service() as opened:
        yield opened


def ledger(session: Session, device_id: UUID) -> tuple[int, ...]:
    (row,) = device_ledger(session, device_id)
    assert row.balanced
    assert row.expected == row.stored + row.dropped + row.quarantined + row.missing
    return row.expected, row.stored, row.quarantined, row.missing, row.corrected


def test_trap_31_samples_of_an_unknown_clock_wait_until_it_is_known(world: World, session: Session) -> None:
    zero = NOW_MS - 300_000
    world.say(body(0, [(m, m) for m in range(0, 5000, 1000)]))  # 1970, nothing known yet
    world.say(body(1, [(Y2036_MS, 6000), (NOW_MS - 290_000, 10_000)]))
    assert world.rows() == [(NOW - timedelta(seconds=290), 0)]
    assert world.one("SELECT latest_at FROM streams") == NOW - timedelta(seconds=290)
    assert ledger(session, world.device_id)[1:3] == (1, 6)
    assert release_held(session, NOW) == 0
    world.say(body(2, [(NOW_MS - 1000, 299_000)], zero_at=zero, sent_at=NOW_MS))
    assert release_held(session, NOW + timedelta(seconds=5)) == 6
    assert ledger(session, world.device_id)[1:3] == (8, 0)
    session.commit()
    assert [t for t, _ in world.rows()][:6] == [NOW - timedelta(seconds=300 - m) for m in range(5)] + [
        NOW - timedelta(seconds=294)
    ]
    assert {flags & FLAG_CLOCK_CORRECTED for _, flags in world.rows()[:6]} == {FLAG_CLOCK_CORRECTED}
    assert world.one("SELECT count(*) FROM quarantine") == 0
    assert world.one("SELECT latest_at FROM streams") == NOW - timedelta(seconds=1)


def test_trap_31_no_partition_is_made_for_times_that_cannot_be(world: World) -> None:
    tables = "SELECT count(*) FROM pg_class WHERE relname LIKE 'samples%%' AND relkind IN ('r', 'p')"
    before = world.one(tables)
    world.say(body(0, [(0, None), (Y2036_MS, None), (NOW_MS + 27 * HOUR_MS, None)]))
    world.say([{"ts": Y2036_MS, "values": {"a": 1}}])
    world.connection.execute("SELECT forewarn_ensure_partitions(%s)", [NOW])
    assert world.rows() == []
    assert world.one("SELECT latest_at FROM streams") is None or world.rows() == []
    grown = world.one(tables) - before
    assert grown <= 4  # of these months, for the months to come


def test_what_lies_in_the_same_message_stays_in_quarantine(world: World, session: Session) -> None:
    payload = body(0, [(1000, 1000), (2000, 2000)])
    payload["samples"].append({"t": NOW_MS, "m": 3, "values": {"a": [1]}})
    world.say(payload)
    world.say(body(1, [(NOW_MS, 300_000)], zero_at=NOW_MS - 300_000))
    assert release_held(session, NOW) == 2
    (row,) = session.scalars(select(Quarantined))
    assert (row.reason, row.samples) == ("nested_value", 1)
    assert b'"t": 1000' in row.payload, "the message is still whole"
    assert ledger(session, world.device_id)[1:3] == (3, 1)


def test_a_plain_devices_samples_are_released_by_hand(world: World, session: Session) -> None:
    world.say([{"ts": NOW_MS + 27 * HOUR_MS - 1000 * i, "values": {"a": i}} for i in range(3)])
    (row,) = session.scalars(select(Quarantined))
    assert row.samples == 3
    assert release(session, row, None, NOW) == (3, 0)
    session.commit()
    assert [t for t, _ in world.rows()] == [NOW - timedelta(seconds=i) for i in (2, 1, 0)]
    with pytest.raises(Invalid):
        release(session, Quarantined(reason="unreadable", topic="x", received_at=NOW, payload=b""), None, NOW)


def test_a_senml_pack_is_released_by_hand(world: World, session: Session) -> None:
    ahead_s = (NOW_MS + 27 * HOUR_MS) / 1000
    records = [{"bt": ahead_s, "n": "a", "v": 1}, {"n": "a", "t": -2, "v": 2}, {"n": "pump/a", "t": -2, "v": 3}]
    world.say(records, leaf="senml")
    assert world.rows() == []
    (row,) = session.scalars(select(Quarantined))
    assert row.reason == "absurd_time"
    assert suggested_offset_ms(row.topic, row.payload, row.received_at) == -27 * HOUR_MS
    assert release(session, row, None, NOW) == (3, 0)
    session.commit()
    assert [t for t, _ in world.rows()] == [NOW - timedelta(seconds=2), NOW - timedelta(seconds=2), NOW]
    assert world.one("SELECT count(*)::int FROM quarantine") == 0


def test_a_wrong_guess_stores_nothing(world: World, session: Session) -> None:
    world.say(body(0, [(1000, 1000)]))
    (row,) = session.scalars(select(Quarantined))
    assert release(session, row, 5, NOW) == (0, 1)
    assert session.scalars(select(Quarantined)).one().samples == 1


def test_offset_is_kept_with_its_moment_and_shifts_lead_back_to_the_devices_time(world: World) -> None:
    said = NOW_MS - 2 * HOUR_MS
    world.say(body(0, [(said, 5)], offset_ms=2 * HOUR_MS, sent_at=said, clock_age_ms=60_000, zero_at=NOW_MS - 5))
    assert world.one("SELECT clock_offset_ms, clock_measured_at FROM devices") == (
        2 * HOUR_MS,
        NOW - timedelta(seconds=60),
    )
    assert world.one("SELECT sent_ms, shifts FROM ingest_batches") == (said, [[NOW_MS, 2 * HOUR_MS]])
    assert world.rows() == [(NOW, FLAG_CLOCK_CORRECTED)]


def test_trap_28_latest_never_goes_backwards(world: World) -> None:
    world.say(body(0, [(NOW_MS, 1)]))
    world.say(body(1, [(NOW_MS - HOUR_MS, 1)], lane="backfill"))
    assert world.one("SELECT latest_at, fresh_at FROM streams") == (NOW, NOW)


def test_trap_32_repeats_reorder_and_conflicts_leave_one_table(world: World, session: Session) -> None:
    first, second = body(0, [(NOW_MS, 1), (NOW_MS + 1, 2)]), body(1, [(NOW_MS + 1, 2), (NOW_MS + 2, 3)])
    for payload in (second, first, second, first, first):
        world.say(payload)
    rows = world.connection.execute("SELECT values[1] FROM samples ORDER BY measured_at").fetchall()
    assert [value for (value,) in rows] == [0.0, 0.0, 1.0], "the first value that came stays"
    (row,) = device_ledger(session, world.device_id)
    assert (row.repeated, row.conflicting) == (1, 1)
