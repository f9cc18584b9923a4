"""Reading a batch at once gives exactly what reading it sample by sample gives."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats.batch import decode_batch
from ingest.formats.fast import read_fast
from ingest.formats.values import known_names
from ingest.messages import Message
from ingest.writer import Writer, prepare
from tests.ingest.support import add_device, query

T = 1_790_000_000_000
RECEIVED_US = T * 1000
NAMES = ("a", "b", "c")
known_names.add(NAMES)

numbers = st.one_of(st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
odd = st.one_of(st.none(), st.text(max_size=3), st.just(1e308), st.just(2**70))
times = st.one_of(
    st.integers(T - 700_000, T + 1000), st.sampled_from([0, T * 2, float(T), "2026-09-01T00:00:00Z", None, True])
)


def sample(values: st.SearchStrategy[Any], t: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"t": t, "values": st.fixed_dictionaries(dict.fromkeys(NAMES, values))},
        optional={
            "m": st.integers(0, 10**9),
            "asset": st.sampled_from(["", "P-1", "urn:dev:x"]),
            "quality": st.just({}),
        },
    )


plain = st.lists(sample(numbers, st.integers(T - 700_000, T)), min_size=1, max_size=6)
mixed = st.lists(sample(st.one_of(numbers, odd), times), max_size=6)
header = st.fixed_dictionaries(
    {"boot": st.sampled_from(["boot", "", 7]), "seq": st.sampled_from([0, 5, -1, True])},
    optional={
        "first": st.sampled_from([0, 7, "x"]),
        "lane": st.sampled_from(["live", "backfill", "replay", "no"]),
        "offset_ms": st.sampled_from([0, -35, 90_000_000, "x"]),
        "zero_at": st.sampled_from([T - 1000, 5]),
        "sent_at": st.sampled_from([T, "x"]),
        "events": st.just([]),
        "units": st.sampled_from([{}, {"a": "Cel"}]),
    },
)


@given(header, st.one_of(plain, mixed))
def test_batch_read_at_once_is_the_batch_read_one_by_one(head: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    payload = json.dumps({**head, "samples": samples}).encode()
    fast = read_fast(payload, "D", RECEIVED_US)
    if fast is None:
        return
    decoded, block = fast
    decoded.samples = list(block.samples())
    slow = decode_batch(payload, RECEIVED_US)
    assert decoded == slow


def test_ordinary_batch_is_read_at_once() -> None:
    samples = [{"t": T - i * 1000, "m": 10**6 - i * 1000, "values": {"a": 1, "b": 2.5, "c": -3}} for i in range(50)]
    head = {"boot": "boot", "seq": 1, "first": 50, "n": 50, "sent_at": T, "offset_ms": -35, "lane": "live"}
    fast = read_fast(json.dumps({**head, "samples": samples}).encode(), "D", RECEIVED_US)
    assert fast is not None
    assert len(fast[1].times_us) == 50


def test_what_is_not_plain_is_left_to_the_careful_reader() -> None:
    def read(sample: dict[str, Any], **more: Any) -> object:
        return read_fast(json.dumps({"boot": "b", "seq": 1, **more, "samples": [sample]}).encode(), "D", RECEIVED_US)

    values = {"a": 1, "b": 2, "c": 3}
    assert read({"t": T, "values": values}) is not None
    assert read({"t": T, "values": {**values, "c": "on"}}) is None
    assert read({"t": T, "values": {**values, "c": None}}) is None
    assert read({"t": T, "values": {"never seen": 1}}) is None
    assert read({"t": 0, "values": values}) is None
    assert read({"t": T, "values": values, "quality": {"a": "bad"}}) is None
    assert read({"t": T, "values": values}, events=[{"code": "E1"}]) is None
    assert read({"t": T, "values": values}, device="another") is None
    assert read({"t": T, "m": 5, "values": values}, zero_at=T - 90_000_000) is None, "its clock is a day off"


def test_first_value_decides_on_the_kind_of_a_metric_however_it_is_read(database_url: str) -> None:
    add_device(database_url, "FA-1")
    now_us = time.time_ns() // 1000
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        writer = Writer()
        for seq in range(3):
            sample = {"t": now_us // 1000 + seq, "values": {"a": seq + 0.5, "b": True, "c": seq}}
            payload = json.dumps({"boot": "boot", "seq": seq, "first": seq, "samples": [sample]}).encode()
            each = prepare(Message("forewarn/v1/FA-1/telemetry", payload, now_us))
            assert each.block is not None
            writer.write(connection, [each])
    kinds = query(database_url, "SELECT metric, kind FROM series ORDER BY metric")
    assert kinds == [("a", "number"), ("b", "boolean"), ("c", "number")]
    assert query(database_url, "SELECT values FROM samples ORDER BY measured_at") == [
        ([0.5, 1, 0],), ([1.5, 1, 1],), ([2.5, 1, 2],)
    ]  # fmt: skip


def test_metrics_in_another_order_find_their_places(database_url: str) -> None:
    add_device(database_url, "FA-2")
    now_us = time.time_ns() // 1000
    known_names.add(("c", "a", "b"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        writer = Writer()
        for seq, names in enumerate([NAMES, ("c", "a", "b"), ("c", "a", "b")]):
            samples = [{"t": now_us // 1000 + seq * 2 + i, "values": {n: ord(n) + i for n in names}} for i in range(2)]
            payload = json.dumps({"boot": "boot", "seq": seq, "first": seq * 2, "samples": samples}).encode()
            writer.write(connection, [prepare(Message("forewarn/v1/FA-2/telemetry", payload, now_us))])
    stored = query(database_url, "SELECT values FROM samples ORDER BY measured_at")
    assert stored == [([97, 98, 99],), ([98, 99, 100],)] * 3
    assert query(database_url, "SELECT latest FROM streams") == [([98, 99, 100],)]
