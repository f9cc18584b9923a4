"""What the decoders let through, the database takes: hostile messages end as rows or in quarantine, none is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.messages import Message
from ingest.writer import Writer, prepare
from tests.ingest.decoders import GOOD, HOSTILE
from tests.ingest.support import add_device, query

HUGE = [2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**30, 1e300, -1e300, 5e-324, 0, -1, True, None, "x", [], {}]


class Stored:
    """A device whose messages are written one by one."""

    def __init__(self, url: str, connection: psycopg.Connection[Any]) -> None:
        self.url, self.connection, self.writer = url, connection, Writer()

    def write(self, payload: bytes, leaf: str = "telemetry") -> None:
        message = Message(f"forewarn/v1/F-1/{leaf}", payload, time.time_ns() // 1000)
        self.writer.write(self.connection, [prepare(message)])


@pytest.fixture
def stored(database_url: str) -> Iterator[Stored]:
    add_device(database_url, "F-1")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        yield Stored(database_url, connection)


def test_database_takes_whatever_is_left_of_hostile_messages(stored: Stored) -> None:
    payloads = [each for group in HOSTILE.values() for each in group if len(each) < 300_000]
    for payload in [*payloads, *GOOD]:
        stored.write(payload)
        stored.write(payload, "senml")
    assert query(stored.url, "SELECT count(*) > 100 FROM quarantine") == [(True,)]


FIELDS = ("seq", "first", "n", "sent_at", "offset_ms", "boot", "lane", "t", "m", "value", "of")


def test_database_takes_numbers_out_of_range_in_every_field_of_a_batch(stored: Stored) -> None:
    now = time.time_ns() // 1_000_000
    for field in FIELDS:
        for number, odd in enumerate(HUGE):
            stored.write(json.dumps(_with(field, odd, number, now)).encode())


def _with(field: str, odd: Any, number: int, now: int) -> dict[str, Any]:
    sample: dict[str, Any] = {"t": now + number, "m": 5, "values": {"a": 1.0}}
    body: dict[str, Any] = {"boot": f"b{field}", "seq": number, "first": number, "n": 2, "sent_at": now}
    if field in ("t", "m"):
        sample[field] = odd
    elif field == "value":
        sample["values"] = {"a": odd}
    elif field == "of":
        body["dropped"] = [{"first": odd, "n": odd, "from": odd, "to": odd, "reason": odd}]
        body["events"] = [{"t": odd, "code": "E", "severity": odd, "text": odd, "active": odd}]
    else:
        body[field] = odd
    return {**body, "samples": [sample, {"t": now - 60_000 + number, "values": {"a": 2.0}}]}


_ODD = st.sampled_from(HUGE) | st.text(max_size=5) | st.floats() | st.integers()
_SAMPLE = st.fixed_dictionaries(
    {
        "t": st.integers(1_789_000_000_000, 1_790_000_000_000) | _ODD,
        "values": st.dictionaries(st.text(max_size=4), _ODD),
    },
    optional={"asset": st.text(max_size=4), "m": _ODD, "quality": st.dictionaries(st.text(max_size=4), _ODD)},
)
_BATCH = st.fixed_dictionaries(
    {"boot": st.text(min_size=1, max_size=3), "seq": st.integers(0, 50), "samples": st.lists(_SAMPLE, max_size=3)},
    optional={"first": _ODD, "n": _ODD, "sent_at": _ODD, "offset_ms": _ODD, "lane": _ODD, "units": _ODD},
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_BATCH)
def test_database_takes_any_batch(stored: Stored, body: dict[str, Any]) -> None:
    stored.write(json.dumps(body).encode())
