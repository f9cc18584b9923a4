"""Bad input over a real broker: each gets its clear error or its row in quarantine, nothing else is disturbed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import TestBroker
from tests.ingest.support import PASSWORD, IngestProcess, Publisher, add_device, batch, now_ms, query, wait_until


class Chain:
    """One device, ingest and its database."""

    def __init__(self, url: str, broker: TestBroker, publisher: Publisher) -> None:
        self.url, self.broker, self.publisher = url, broker, publisher

    def quarantine(self) -> list[tuple[object, ...]]:
        return query(self.url, "SELECT reason, position, samples FROM quarantine ORDER BY id")

    def stored(self) -> int:
        return int(query(self.url, "SELECT count(*) FROM samples")[0][0])

    def assert_still_works(self) -> None:
        before = self.stored()
        self.publisher.send_batch("after", 1, batch("after", 1, [{"t": now_ms(), "values": {"ok": 1}}]))
        self.publisher.send_until_acknowledged(60)
        assert self.stored() == before + 1


@pytest.fixture
def chain(database_url: str, broker: TestBroker) -> Iterator[Chain]:
    add_device(database_url, "BI-1")
    url = broker.add_device("BI-1", PASSWORD)
    with IngestProcess(database_url, broker.url), Publisher(url, "BI-1") as publisher:
        publisher.wait_for_ingest()
        yield Chain(database_url, broker, publisher)


def test_broken_json_goes_to_quarantine_and_is_acknowledged_to_the_broker(chain: Chain) -> None:
    chain.publisher.send("telemetry", b'{"boot": "b", "seq"')
    wait_until(lambda: chain.quarantine() == [("unreadable", None, 0)])
    assert query(chain.url, "SELECT payload FROM quarantine") == [(b'{"boot": "b", "seq"',)]
    chain.assert_still_works()


def test_nan_naive_and_absurd_times_are_set_aside_and_the_rest_stored(chain: Chain) -> None:
    t = now_ms()
    samples = [
        {"t": t, "values": {"a": 1, "b": float("nan")}},
        {"t": "2026-11-21T12:00:00", "values": {"a": 1}},
        {"t": 0, "values": {"a": 1}},
        {"t": t + 2 * 86_400_000, "values": {"a": 1}},
        {"t": t + 1, "values": {"a": 2}},
    ]
    chain.publisher.send_batch("b", 1, batch("b", 1, samples))
    chain.publisher.send_until_acknowledged(60)
    assert chain.stored() == 2
    assert sorted(chain.quarantine()) == [
        ("absurd_time", 2, 1),
        ("absurd_time", 3, 1),
        ("naive_time", 1, 1),
        ("not_finite", 0, 1),
    ]
    assert query(chain.url, "SELECT stored, quarantined FROM device_boots WHERE boot = 'b'") == [(2, 3)]
    assert query(chain.url, "SELECT max(latest_at) <= now() + interval '1 minute' FROM streams") == [(True,)]
    chain.assert_still_works()


def test_million_keys_disturb_nothing(chain: Chain) -> None:
    chain.publisher.send("telemetry", json.dumps({f"k{i}": 1 for i in range(1_000_000)}).encode())
    chain.assert_still_works()
    wait_until(lambda: chain.quarantine() == [("too_large", None, 0)])


def test_duplicates_and_conflicting_values_follow_the_rule(chain: Chain) -> None:
    t = now_ms()
    for seq, value in ((1, 1.0), (1, 1.0), (2, 2.0)):
        chain.publisher.send_batch("b", seq, batch("b", seq, [{"t": t, "values": {"a": value}}]))
        chain.publisher.send_until_acknowledged(60)
    assert query(chain.url, "SELECT values FROM samples") == [([1.0],)]
    rows = query(chain.url, "SELECT seq, repeated, conflicting FROM ingest_batches WHERE boot = 'b' ORDER BY seq")
    assert rows == [(1, 0, 0), (2, 1, 1)]


def test_unknown_device_goes_to_quarantine_under_the_operator(chain: Chain) -> None:
    url = chain.broker.add_device("BI-nobody", PASSWORD)  # known to the broker, unknown to the database
    with Publisher(url, "BI-nobody") as stranger:
        stranger.send("telemetry", batch("b", 1, [{"t": now_ms(), "values": {"a": 1}}]))
        wait_until(lambda: chain.quarantine() == [("unknown_device", None, 1)])
        assert stranger.answers == []
    assert query(chain.url, "SELECT organisation_id IS NOT NULL FROM quarantine") == [(True,)]
    chain.assert_still_works()


def test_wrong_password_is_refused_by_the_broker(chain: Chain) -> None:
    refused: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="BI-1-wrong", protocol=mqtt.MQTTv5)
    client.username_pw_set("BI-1", "wrong")
    client.on_connect = lambda c, u, flags, reason, p: refused.append(str(reason))
    client.connect("127.0.0.1", chain.broker.port)
    client.loop_start()
    try:
        wait_until(lambda: "Not authorized" in refused)
    finally:
        client.disconnect()
        client.loop_stop()
    chain.assert_still_works()


def test_topic_of_another_device_is_refused_by_the_broker(chain: Chain) -> None:
    organisation_id = query(chain.url, "SELECT organisation_id FROM devices")[0][0]
    add_device(chain.url, "BI-2", organisation_id)
    chain.publisher.client.publish(
        "forewarn/v1/BI-2/telemetry", batch("b", 9, [{"t": now_ms(), "values": {"a": 1}}]), qos=1
    )
    wait_until(lambda: "Not authorized" in chain.publisher.reasons)
    chain.assert_still_works()
    assert query(chain.url, "SELECT count(*) FROM ingest_batches WHERE seq = 9") == [(0,)]


def test_own_ack_topic_cannot_be_written_by_the_device(chain: Chain) -> None:
    chain.publisher.send("ack", b'{"boot": "b", "seqs": [1]}')
    wait_until(lambda: "Not authorized" in chain.publisher.reasons)


def test_payload_that_names_another_device_goes_to_quarantine(chain: Chain) -> None:
    chain.publisher.send("telemetry", batch("b", 1, [{"t": now_ms(), "values": {"a": 1}}], device="BI-2"))
    wait_until(lambda: chain.quarantine() == [("wrong_device", None, 0)])


def test_ten_thousand_unreadable_messages_between_good_ones_delay_the_good_by_less_than_a_second(chain: Chain) -> None:
    """From the moment when the broker has the good message, since the publisher itself needs seconds for the others."""
    chain.publisher.resend_s = 90
    delays: list[float] = []
    while len(delays) < 3:  # somebody else may need the machine just then
        seq = 2 * len(delays)
        chain.publisher.send_batch("b", seq, batch("b", seq, [{"t": now_ms(), "values": {"a": 1}}]))
        for number in range(10_000):
            chain.publisher.send("telemetry", UNREADABLE[number % len(UNREADABLE)])
        delays.append(_delay(chain.publisher, seq + 1))
        if delays[-1] < 1.0:
            break
    assert min(delays) < 1.0, delays
    wanted = 10_000 * len(delays)
    wait_until(lambda: query(chain.url, "SELECT count(*) FROM quarantine")[0][0] >= wanted, 60)


UNREADABLE = (b"no json", b'{"boot": "b", "seq":', b"\xff\xfe", b"[1, 2]", b'{"boot": 1, "samples": []}', b"[" * 300)


def _delay(publisher: Publisher, seq: int) -> float:
    """Send a good batch; return the seconds between the broker's receipt of it and its acknowledgement."""
    received = acknowledged = None
    payload = batch("b", seq, [{"t": now_ms(), "values": {"a": 1}}])
    publisher.waiting[("b", seq)] = payload
    sent = publisher.client.publish(f"forewarn/v1/{publisher.serial}/telemetry", payload, qos=1)
    deadline = time.monotonic() + 90
    while acknowledged is None and time.monotonic() < deadline:
        if received is None and sent.is_published():
            received = time.monotonic()
        if ("b", seq) not in publisher.waiting:
            acknowledged = time.monotonic()
        time.sleep(0.002)
    assert acknowledged is not None, "it was never acknowledged"
    return acknowledged - (received or acknowledged)  # the broker's own receipt may come after ours


def test_trap_11_row_that_the_database_refuses_does_not_take_its_group_with_it(chain: Chain) -> None:
    with psycopg.connect(chain.url, autocommit=True) as owner:
        # A constraint stands for whatever no decoder foresees.
        owner.execute("ALTER TABLE ingest_batches ADD CONSTRAINT odd CHECK (seq <> 13)")
    t = now_ms()
    for seq in range(10, 20):
        chain.publisher.send_batch("b", seq, batch("b", seq, [{"t": t + seq, "values": {"a": seq}}]))
    chain.publisher.resend_s = 30
    chain.publisher.send_until_acknowledged(60)
    assert chain.stored() == 9
    assert query(chain.url, "SELECT reason, payload LIKE %s FROM quarantine", b'%"seq": 13,%') == [("refused", True)]
