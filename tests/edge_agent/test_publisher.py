"""The publisher against a real broker: nothing is lost, refusals are named, memory stays bounded."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent import wire
from edge_agent.link import BrokerAddress
from edge_agent.publisher import Pace, Publisher
from edge_agent.spool import Spool
from tests.edge_agent.conftest import DEVICE, PASSWORD, Broker, Server, wait_for

FAST = Pace(
    ack_timeout_s=0.4,
    ack_timeout_max_s=1.0,
    reconnect_base_s=0.1,
    reconnect_max_s=0.3,
    refused_wait_s=0.3,
    turn_s=0.02,
    status_every_s=5.0,
)
T0 = 1_763_726_400_000


def describe() -> wire.Describe:
    return wire.Describe("pump", "0.1.0", [wire.Metric("flow_m3_h", "m3/h")])


Make = Callable[..., tuple[Spool, Publisher]]


@pytest.fixture
def make(tmp_path: Path, broker: Broker) -> Iterator[Make]:
    made: list[tuple[Spool, Publisher]] = []

    def build(password: str = PASSWORD, device: str = DEVICE, pace: Pace = FAST) -> tuple[Spool, Publisher]:
        spool = Spool(tmp_path / f"{device}.spool", 8 << 20)
        address = BrokerAddress("127.0.0.1", broker.port, device, password)
        publisher = Publisher(device, address, spool, describe, pace)
        made.append((spool, publisher))
        publisher.start()
        return spool, publisher

    yield build
    for spool, publisher in made:
        publisher.stop()
        spool.close()


def put(spool: Spool, count: int, start: int = 0) -> None:
    spool.append([wire.Sample(T0 + 1000 * number, {"flow_m3_h": number}) for number in range(start, start + count)])


def flows(server: Server) -> list[int]:
    return sorted(sample["values"]["flow_m3_h"] for sample in server.samples())


def test_samples_arrive_and_leave_the_spool_when_acknowledged(make: Make, server: Server) -> None:
    spool, publisher = make()
    put(spool, 1200)
    wait_for(lambda: len(server.samples()) == 1200)
    wait_for(lambda: spool.records == 0)
    assert flows(server) == list(range(1200))
    assert publisher.status.last_ack_at > 0
    assert all(batch["n"] == len(batch["samples"]) for batch in server.batches.values())


def test_nothing_is_deleted_while_the_server_does_not_acknowledge(make: Make, server: Server) -> None:
    server.acks = False
    spool, publisher = make()
    put(spool, 50)
    wait_for(lambda: "not_acknowledged" in publisher.status.problems)
    assert spool.records == 50
    server.acks = True
    wait_for(lambda: spool.records == 0)
    assert flows(server) == list(range(50))
    assert "not_acknowledged" not in publisher.status.problems


def test_trap_03_broker_killed_and_its_state_wiped_loses_nothing(make: Make, broker: Broker, server: Server) -> None:
    spool, publisher = make()
    server.acks = False
    put(spool, 100)
    wait_for(lambda: publisher.status.connected)
    for round_number in range(1, 4):
        broker.kill()
        put(spool, 100, 100 * round_number)
        broker.start()
        server.acks = round_number >= 2
        time.sleep(0.2)
    wait_for(lambda: spool.records == 0)
    assert flows(server) == list(range(400))


def test_trap_05_broker_that_falls_silent_is_noticed_and_loses_nothing(
    make: Make, broker: Broker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.link.CONNACK_TIMEOUT_S", 0.5)
    spool, publisher = make(pace=replace(FAST, keepalive_s=1))
    wait_for(lambda: publisher.status.connected)
    assert broker.process is not None
    broker.process.send_signal(signal.SIGSTOP)  # no FIN, no RST: as a cable that was pulled
    put(spool, 20)
    wait_for(lambda: not publisher.status.connected)
    put(spool, 20, 20)
    broker.process.send_signal(signal.SIGCONT)
    wait_for(lambda: spool.records == 0)
    assert flows(server) == list(range(40))


def test_live_samples_overtake_the_backfill(make: Make, broker: Broker, server: Server) -> None:
    spool, _publisher = make()
    server.acks = False
    for start in range(0, 10_000, 500):
        spool.append([wire.Sample(T0 + n, {"flow_m3_h": n}) for n in range(start, start + 500)], lane="backfill")
    time.sleep(0.3)
    spool.append([wire.Sample(T0, {"flow_m3_h": -1})])
    server.acks = True
    wait_for(lambda: -1 in flows(server))
    assert len(server.samples()) < 10_001
    wait_for(lambda: spool.records == 0, 60)
    assert flows(server) == list(range(-1, 10_000))


def test_wrong_password_is_named_and_tried_again(make: Make, broker: Broker) -> None:
    _spool, publisher = make(password="wrong")
    problem = wait_for(lambda: publisher.status.problems.get("broker_refused"))
    assert "claim" in problem.text
    assert DEVICE in problem.text
    assert "\n" not in problem.text
    session = publisher.status.session
    wait_for(lambda: publisher.status.session > session)
    assert not publisher.status.connected


def test_trap_20_denied_topic_is_named_though_the_broker_confirms(make: Make, server: Server) -> None:
    spool, publisher = make(device="P-200")
    put(spool, 5)
    problem = wait_for(lambda: publisher.status.problems.get("publish_denied"))
    assert "P-200" in problem.text
    assert spool.records == 5


def test_unreachable_broker_is_named_and_memory_stays_bounded(make: Make, broker: Broker, server: Server) -> None:
    spool, publisher = make()
    wait_for(lambda: publisher.status.connected)
    broker.kill()
    for start in range(0, 20_000, 500):
        put(spool, 500, start)
    wait_for(lambda: "broker_unreachable" in publisher.status.problems)
    assert len(publisher._flight) <= FAST.window
    broker.start()
    wait_for(lambda: spool.records == 0, 60)
    assert flows(server) == list(range(20_000))


def test_status_is_retained_and_the_last_will_carries_the_session(make: Make, broker: Broker, server: Server) -> None:
    _spool, publisher = make()
    first = wait_for(lambda: server.seen("status"))[0]
    assert first["online"] is True
    assert first["session"] == publisher.status.session
    assert wait_for(lambda: server.seen("describe"))[0]["metrics"][0]["unit"] == "m3/h"
    publisher.stop()
    last = wait_for(lambda: [each for each in server.seen("status") if not each["online"]])[0]
    assert last["session"] == first["session"]
    assert last["boot"] == first["boot"]


def test_spool_that_began_anew_connects_anew_so_that_the_last_will_fits(make: Make, server: Server) -> None:
    spool, publisher = make()
    wait_for(lambda: server.seen("status"))
    session, boot = publisher.status.session, spool.boot
    spool._load()  # as after damage: a new boot id
    assert spool.boot != boot
    wait_for(lambda: server.seen("status")[-1]["online"] and server.seen("status")[-1]["boot"] == spool.boot)
    assert server.seen("status")[-1]["session"] > session
    put(spool, 3)
    wait_for(lambda: spool.records == 0)


def test_clock_offset_is_measured(make: Make, server: Server) -> None:
    server.clock = False
    _spool, publisher = make()
    request = wait_for(lambda: server.seen("time"))[0]
    ahead = wire.encode_time_reply(request["sent_at"], request["sent_at"] + 5000)
    server.client.publish(wire.time_reply_topic(DEVICE), ahead, qos=1)
    offset = wait_for(lambda: publisher.status.offset_ms)
    assert 4000 < offset <= 5000


def test_command_is_handed_over_once_and_its_result_repeated(make: Make, server: Server) -> None:
    _spool, publisher = make()
    wait_for(lambda: publisher.status.connected)
    order = wire.encode_command(wire.Command("c-1", "repair", {"code": "replaced"}))
    server.client.publish(wire.command_topic(DEVICE, "c-1"), order, qos=1)
    command = publisher.commands.get(timeout=60)
    assert command.arguments == {"code": "replaced"}
    publisher.answer(wire.CommandResult("c-1", "done", T0, data={"healed": ["bearing_wear"]}))
    wait_for(lambda: server.seen("command/c-1/result"))
    server.client.publish(wire.command_topic(DEVICE, "c-1"), order, qos=1)
    results = wait_for(lambda: len(server.seen("command/c-1/result")) >= 2 and server.seen("command/c-1/result"))
    assert results[0]["outcome"] == results[1]["outcome"] == "done"
    assert publisher.commands.empty()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_trap_15_dead_thread_is_replaced(make: Make, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, publisher = make()
    wait_for(lambda: publisher.status.connected)

    def die(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(publisher, "_turn", die)
    thread = publisher._thread
    assert thread is not None
    wait_for(lambda: not thread.is_alive())
    monkeypatch.undo()
    publisher.check()
    put(spool, 3)
    wait_for(lambda: spool.records == 0)


def test_trap_25_second_client_with_the_same_serial_is_named_and_not_fought(make: Make, broker: Broker) -> None:
    assert Pace().twin_wait_s / 2 >= 60, "neither comes back faster than once a minute"
    _spool, publisher = make(pace=replace(FAST, twin_wait_s=60.0))
    wait_for(lambda: publisher.status.connected)
    twin = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=DEVICE, protocol=mqtt.MQTTv5)
    twin.username_pw_set(DEVICE, PASSWORD)
    twin.reconnect_delay_set(1, 1)
    twin.connect("127.0.0.1", broker.port)
    twin.loop_start()
    try:
        problem = wait_for(lambda: publisher.status.problems.get("connection_unstable"), 60)
        assert DEVICE in problem.text
        session = publisher.status.session
        time.sleep(1.5)
        assert publisher.status.session == session
    finally:
        twin.disconnect()
        twin.loop_stop()


def test_unreadable_ack_disturbs_nothing(make: Make, server: Server) -> None:
    spool, publisher = make()
    wait_for(lambda: publisher.status.connected)
    for payload in (b"\xff", b"[]", json.dumps({"boot": 1, "seqs": ["x"]}).encode(), b""):
        server.client.publish(wire.ack_topic(DEVICE), payload, qos=1)
    put(spool, 10)
    wait_for(lambda: spool.records == 0)
    assert publisher.status.connected
