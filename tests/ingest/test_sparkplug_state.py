"""What the host says of itself, and what a node's silence means."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ingest.presence import Facts, Presence, judge, judge_channel
from ingest.sparkplug.host import HostOptions
from ingest.sparkplug.state import HostState
from tests.ingest.support import now


class Said:
    """A host whose clock and connection a test holds in its hands."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.said: list[tuple[bool, int]] = []
        self.state = HostState("h", lambda: self.now_ms)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        assert (topic, qos, retain) == ("spBv1.0/STATE/h", 1, True)
        body = json.loads(payload)
        self.said.append((body["online"], body["timestamp"]))
        return True

    def connect(self) -> int:
        will = self.state.will()
        self.state.connected(self.publish)
        timestamp: int = json.loads(will.payload)["timestamp"]
        return timestamp


def test_times_never_go_back_when_the_clock_does() -> None:
    """Nodes ignore what is older than what they have seen."""
    host = Said()
    first = host.connect()
    host.now_ms -= 3_600_000
    second = host.connect()
    host.state.leaving(host.publish)
    assert (first, second) == (1_000_000, 1_000_000)
    assert host.said == [(True, first), (True, second), (False, second)]


def test_each_connection_has_a_time_of_its_own_in_will_and_birth() -> None:
    host = Said()
    first = host.connect()
    host.now_ms += 5000
    assert host.connect() == first + 5000
    assert host.said == [(True, first), (True, first + 5000)]


def test_a_host_that_cannot_take_anything_says_nothing_else_whatever_happens() -> None:
    host = Said()
    first = host.connect()
    host.state.pause()
    host.state.pause()
    host.state.delivered(json.dumps({"online": False, "timestamp": first}).encode())
    second = host.connect()
    assert host.said == [(True, first), (False, first)]
    host.state.resume()
    assert host.said[-1] == (True, second)


@pytest.mark.parametrize("body", [b"", b"OFFLINE", b"[]", b"{}", b'{"online": true, "timestamp": 5}', b"[" * 5000])
def test_only_our_own_death_is_contradicted(body: bytes) -> None:
    host = Said()
    host.connect()
    host.state.delivered(body)
    assert len(host.said) == 1


def test_a_death_from_the_far_future_does_not_move_our_time() -> None:
    host = Said()
    first = host.connect()
    host.state.delivered(json.dumps({"online": False, "timestamp": first + 10**9}).encode())
    assert host.said[-1] == (True, first)


@pytest.mark.parametrize("host_id", ["", "a/b", "a+", "#", " a", "x" * 200])
def test_a_host_id_that_no_topic_can_carry_is_refused(host_id: str) -> None:
    with pytest.raises(ValueError, match="host id"):
        HostOptions(host_id)


SILENT = {"seen_at": now() - timedelta(days=2), "fresh_at": now() - timedelta(days=2), "interval_s": 1.0}


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"online": True, "by_exception": True}, Presence.ONLINE),
        ({"online": True, "by_exception": False}, Presence.STALE),
        ({"online": False, "by_exception": False}, Presence.OFFLINE),
        ({"online": None, "by_exception": False}, Presence.OFFLINE),
        ({"online": True, "by_exception": True, "frozen": ["a"], "all_frozen": True}, Presence.STALE),
    ],
)
def test_a_connected_node_that_reports_changes_alone_is_online_however_silent(
    facts: dict[str, Any], word: Presence
) -> None:
    found = judge(Facts(**(SILENT | facts)), now())
    assert found is not None
    assert found.word == word


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({"online": True, "by_exception": True}, Presence.ONLINE),
        ({"online": False}, Presence.OFFLINE),
        ({"online": False, "gateway": Presence.OFFLINE}, Presence.UNKNOWN),
    ],
)
def test_a_nodes_device_is_what_its_births_and_deaths_say(facts: dict[str, Any], word: Presence) -> None:
    found = judge_channel(Facts(**({"gateway": Presence.ONLINE} | SILENT | facts)), now())
    assert found is not None
    assert found.word == word
