"""The ledger reconciles whatever gets lost, repeated, reordered, refused or given up on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.base.db import Database
from ingest.ledger import device_ledger, device_totals, missing_samples
from ingest.messages import Message
from ingest.store.base import Connection
from ingest.writer import Writer, prepare
from tests.ingest.support import add_device

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


# good: stored; late: stored and late; bad: refused for its value; absurd: held for its time; again: the moment of the
# sample before it, with another value.
KINDS = ("good", "late", "bad", "absurd", "again")
batches = st.lists(
    st.tuples(st.lists(st.sampled_from(KINDS), min_size=0, max_size=6), st.integers(0, 5)), min_size=1, max_size=8
)


class World:
    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url)
        self.connection: Connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET ROLE forewarn_service")
        self.organisation: UUID | None = None
        self.devices = 0

    def device(self) -> tuple[str, UUID]:
        self.devices += 1
        serial = f"L-{self.devices}"
        made = add_device(self.url, serial, self.organisation)
        row = self.connection.execute("SELECT organisation_id FROM devices LIMIT 1").fetchone()
        assert row is not None
        self.organisation = row[0]
        return serial, made


@pytest.fixture(scope="module")
def world(cluster: object, empty_template: str, migrated_template: str) -> Iterator[World]:
    from tests.conftest import _database_maker

    for make in _database_maker(cluster, empty_template):  # type: ignore[arg-type]
        made = World(make(migrated_template))
        yield made
        made.connection.close()
        made.database.dispose()


def payloads(told: list[tuple[list[str], int]], serial: str) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Return the messages, and for each the running count of its first sample and how many were given up before."""
    made, counts, first = [], [], 0
    t = NOW_MS - 100_000
    for seq, (kinds, given_up) in enumerate(told):
        dropped = [{"first": first, "n": given_up, "from": 0, "to": 0, "reason": "spool full"}] if given_up else []
        first += given_up
        samples = []
        for index, kind in enumerate(kinds):
            t += 0 if kind == "again" and index else 10
            at = {"late": t - 10_000_000, "absurd": 1000 + first}.get(kind, t)
            samples.append({"t": at, "values": {"a": [1] if kind == "bad" else float(index + 1)}})
        body = {"boot": serial, "seq": seq, "first": first, "n": len(samples), "samples": samples, "dropped": dropped}
        made.append(json.dumps(body).encode())
        counts.append((first, given_up))
        first += len(samples)
    return made, counts


@settings(max_examples=15)
@given(told=batches, data=st.data())
def test_expected_equals_stored_dropped_quarantined_and_missing_under_loss_repeat_and_reorder(
    world: World, told: list[tuple[list[str], int]], data: st.DataObject
) -> None:
    serial, device_id = world.device()
    messages, counts = payloads(told, serial)
    arrived = data.draw(st.lists(st.integers(0, len(messages) - 1), max_size=2 * len(messages)))
    writer = Writer()
    at = 0
    while at < len(arrived):  # in groups of any size, as they come off the broker
        size = data.draw(st.integers(1, 4))
        group = [
            prepare(Message(f"forewarn/v1/{serial}/telemetry", messages[i], NOW_MS * 1000))
            for i in arrived[at : at + size]
        ]
        writer.write(world.connection, group)
        at += size
    got = sorted(set(arrived))
    with world.database.as_service() as session:
        ledgers = device_ledger(session, device_id)
        totals = device_totals(session, device_id, NOW)
    assert totals.balanced
    assert totals.expected == totals.stored + totals.dropped + totals.quarantined + totals.missing
    if not got:
        assert (ledgers, totals.expected) == ([], 0)
        return
    (ledger,) = ledgers
    kinds = [kind for i in got for kind in told[i][0]]
    assert ledger.quarantined == sum(kind in ("bad", "absurd") for kind in kinds)
    assert ledger.stored == len(kinds) - ledger.quarantined
    assert ledger.late == kinds.count("late")
    assert ledger.dropped == sum(told[i][1] for i in got)
    highest = max(
        max(counts[i][0] + len(told[i][0]) if told[i][0] else 0, counts[i][0] if told[i][1] else 0) for i in got
    )
    assert ledger.expected == highest
    assert sum(gap.n for gap in ledger.gaps) == ledger.missing
    rows = world.connection.execute(
        "SELECT count(*) FROM samples s JOIN streams t ON t.id = s.stream_id WHERE t.device_id = %s", [device_id]
    ).fetchone()
    assert rows is not None
    assert rows[0] == ledger.stored - ledger.repeated


def test_samples_without_running_count_are_counted_too(world: World) -> None:
    serial, device_id = world.device()
    writer = Writer()
    for seq in (0, 1, 1, 5):
        samples = [{"t": NOW_MS - 1000 * seq - i, "values": {"a": 1}} for i in range(3)]
        body = json.dumps({"boot": "x", "seq": seq, "samples": samples}).encode()
        message = Message(f"forewarn/v1/{serial}/telemetry", body, NOW_MS * 1000)
        writer.write(world.connection, [prepare(message)])
    with world.database.as_service() as session:
        (ledger,) = device_ledger(session, device_id)
    assert (ledger.expected, ledger.stored, ledger.missing, ledger.balanced) == (9, 9, 0, True)


def test_plain_sample_of_which_one_value_was_refused_is_counted_once(world: World) -> None:
    serial, device_id = world.device()
    bodies = [{"ts": NOW_MS - 60_000 * i, "values": {"a": i, "b": [1], "c": float("nan")}} for i in range(3)]
    lost = {"ts": NOW_MS - 240_000, "values": {"b": [1]}}
    for at, body in enumerate((*bodies, [*bodies, lost], lost)):
        message = Message(f"forewarn/v1/{serial}/telemetry", json.dumps(body).encode(), NOW_MS * 1000 - 10 + at)
        Writer().write(world.connection, [prepare(message)])
    with world.database.as_service() as session:
        totals = device_totals(session, device_id, NOW)
    assert (totals.stored, totals.quarantined) == (3, 2)
    assert totals.expected == totals.stored + totals.quarantined + totals.missing


def test_absurd_running_counts_of_one_device_do_not_hide_the_others(world: World) -> None:
    serial, device_id = world.device()
    for boot in range(4):
        body = {"boot": f"x{boot}", "seq": 0, "first": 2**62 - 2, "samples": [{"t": NOW_MS - boot, "values": {"a": 1}}]}
        message = Message(f"forewarn/v1/{serial}/telemetry", json.dumps(body).encode(), NOW_MS * 1000)
        Writer().write(world.connection, [prepare(message)])
    with world.database.as_service() as session:
        assert missing_samples(session, [device_id]) == {device_id: (4 * (2**62 - 2), 0)}
        assert device_totals(session, device_id, NOW).balanced
