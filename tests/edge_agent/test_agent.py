"""The agent as a process: what it read arrives whatever is killed, and it goes when it should."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_agent import wire
from edge_agent.agent import MAX_HELD_SAMPLES, Agent
from edge_agent.config import Config, SensorConfig
from edge_agent.main import main
from edge_agent.publisher import Pace
from edge_agent.spool import Spool, SpoolWriteFailed, peek
from tests.edge_agent.conftest import DEVICE, PASSWORD, Broker, Server, wait_for

ROOT = Path(__file__).parents[2]
EDGE = [sys.executable, "-m", "edge_agent.main"]
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def config_file(tmp_path: Path, broker: Broker) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[device]\nserial = "{DEVICE}"\nmodel = "computer"\n'
        f'[server]\nbroker = "mqtt://127.0.0.1:{broker.port}"\npassword = "{PASSWORD}"\n'
        '[spool]\npath = "state/agent.spool"\nmax_mb = 16\n'
        '[[sensors]]\ndriver = "host"\ninterval_seconds = 0.1\n'
        '[[sensors]]\ndriver = "simulator"\nasset = "PU-1"\ninterval_seconds = 0.1\nmachine = "pump"\n'
        "backfill_days = 3\nfault_every_hours = 0\n"
    )
    file.chmod(0o600)
    return file


@pytest.fixture
def start(config_file: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(*more: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*EDGE, "run", "--config", str(config_file), *more], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait(60)


def tell(command: str, config_file: Path, *more: str) -> tuple[int, str]:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main([command, "--config", str(config_file), *more])
    return code, said.getvalue()


def counts(server: Server) -> dict[str, list[int]]:
    """Return all running indices received, by boot."""
    found: dict[str, list[int]] = {}
    with server.lock:
        for batch in server.batches.values():
            found.setdefault(batch["boot"], []).extend(range(batch["first"], batch["first"] + batch["n"]))
    return {boot: sorted(indices) for boot, indices in found.items()}


def has_boots(server: Server, count: int) -> bool:
    return len(counts(server)) >= count


def test_killed_agent_and_broker_lose_nothing_that_was_stored(
    start: Start, broker: Broker, server: Server, config_file: Path
) -> None:
    for round_number in range(3):
        process = start()
        wait_for(partial(has_boots, server, round_number + 1), 60)
        time.sleep(0.5)
        if round_number == 1:
            broker.kill()
            time.sleep(0.7)
            broker.start()
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    process = start()
    wait_for(lambda: len(counts(server)) == 4, 60)
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert time.monotonic() - begin < 5
    config_file.write_text(config_file.read_text().replace("interval_seconds = 0.1", "interval_seconds = 1000"))
    start()  # reads once, and sends what the others left behind
    spool = config_file.parent / "state" / "agent.spool"
    wait_for(lambda: len(counts(server)) == 5 and peek(spool)["records"] == 0, 60)
    for boot, seen in counts(server).items():
        assert seen == list(range(len(seen))), f"boot {boot} has gaps or repeats"
    backfilled = {s["t"] for b in server.batches.values() if b["lane"] == "backfill" for s in b["samples"]}
    assert len(backfilled) == 432, "the past is told once"


def test_status_doctor_and_test_driver_speak_for_people_and_programs(
    start: Start, server: Server, config_file: Path
) -> None:
    start()

    def status() -> dict[str, Any]:
        body: dict[str, Any] = json.loads(tell("status", config_file, "--json")[1])
        return body

    body = wait_for(lambda: (found := status()).get("last_ack_at") and found, 60)
    assert body["running"] is True
    assert body["connected"] is True
    assert {"records", "bytes", "hours_left", "lanes"} <= set(body["spool"])
    assert "connected to" in tell("status", config_file)[1]
    code, text = tell("doctor", config_file, "--json")
    assert (code, json.loads(text)["ok"]) == (0, True), text
    readings = json.loads(tell("test-driver", config_file, "--json")[1])["readings"]
    assert [each["asset"] for each in readings] == [None, "PU-1"]
    code, text = tell("run", config_file)
    assert code == 1
    assert "another forewarn-edge process" in text


def test_doctor_names_what_is_wrong(config_file: Path, broker: Broker) -> None:
    config_file.write_text(config_file.read_text().replace(PASSWORD, "wrong").replace('"pump"', '"rocket"'))
    config_file.chmod(0o644)
    code, text = tell("doctor", config_file)
    assert code == 1
    assert f"WRONG password kept: chmod 600 {config_file}" in text
    assert "no machine 'rocket'" in text
    assert "forewarn-edge claim CODE" in text
    broker.kill()
    assert "cannot be reached" in tell("doctor", config_file)[1]
    assert "cannot be read" in tell("doctor", config_file.with_name("none"))[1]


def test_agent_goes_when_its_parent_is_gone(start: Start) -> None:
    parent = subprocess.Popen(["sleep", "60"])
    process = start("--parent-pid", str(parent.pid))
    time.sleep(1)
    assert process.poll() is None
    parent.kill()
    parent.wait(60)
    assert process.wait(60) == 0


def test_commands_are_carried_out_answered_and_expire(start: Start, server: Server) -> None:
    start()
    wait_for(lambda: server.seen("status"))

    def order(command_id: str, name: str, arguments: dict[str, Any], expires_in_ms: int | None = None) -> Any:
        expires_at = None if expires_in_ms is None else int(time.time() * 1000) + expires_in_ms
        payload = wire.encode_command(wire.Command(command_id, name, arguments, expires_at))
        server.client.publish(wire.command_topic(DEVICE, command_id), payload, qos=1)
        return wait_for(lambda: server.seen(f"command/{command_id}/result"))[0]

    fault = {"fault": "bearing_wear", "precursor_seconds": 0.5}
    assert order("1", "inject_fault", fault, 60_000)["outcome"] == "done"

    def events() -> list[dict[str, Any]]:
        with server.lock:
            return [event for batch in server.batches.values() for event in batch.get("events", [])]

    raised = wait_for(lambda: [event for event in events() if event["active"]])
    assert (raised[0]["code"], raised[0]["asset"], raised[0]["severity"]) == ("VIB-HH", "PU-1", "critical")
    repaired = order("2", "repair", {"code": "bearing_replaced", "component": "bearing"})
    assert repaired["data"]["healed"] == ["bearing_wear"]
    wait_for(lambda: [event for event in events() if not event["active"]])
    assert order("3", "repair", {}, -1000)["outcome"] == "expired"
    assert order("4", "dance", {})["outcome"] == "rejected"
    assert order("5", "inject_fault", {"fault": "rust"})["outcome"] == "failed"


QUIET = Pace(reconnect_max_s=0.2, refused_wait_s=0.2, turn_s=0.02)


def make_agent(tmp_path: Path, **options: Any) -> Agent:
    sensors = (SensorConfig("simulator", 0.1, "PU-1", {"backfill_days": 0, "fault_every_hours": 0} | options),)
    url = "mqtt://127.0.0.1:1"
    config = Config(DEVICE, "m", url, DEVICE, PASSWORD, tmp_path / "agent.spool", 8, sensors=sensors)
    return Agent(config, QUIET)


def test_trap_06_corrupt_spool_is_reported_as_an_event(tmp_path: Path) -> None:
    (tmp_path / "agent.spool").write_bytes(os.urandom(20_000))
    agent = make_agent(tmp_path)
    agent._stop.set()
    agent.run()
    spool = Spool(tmp_path / "agent.spool", 8 << 20)
    texts = [spool.encode(batch, 0).decode() for batch in spool.form(background=False, count=9)]
    spool.close()
    assert any("spool_corrupt" in text for text in texts)
    assert len(list(tmp_path.glob("agent.spool.corrupt-*Z"))) == 1


def test_trap_07_disk_that_takes_nothing_keeps_memory_bounded_and_counts_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_agent(tmp_path)

    def refuse(*_: Any, **__: Any) -> int:
        raise SpoolWriteFailed("disk full")

    monkeypatch.setattr(agent.spool, "append", refuse)
    monkeypatch.setattr(agent.spool, "note_lost", refuse)
    for number in range(MAX_HELD_SAMPLES + 500):
        agent._held.samples.append(wire.Sample(1000 + number, {"x": number}))
        if number % 500 == 0:
            agent._flush()
    agent._flush()
    assert len(agent._held.samples) == MAX_HELD_SAMPLES
    assert "spool_write_failed" in agent._problems
    monkeypatch.undo()
    agent._flush()
    agent._flush()
    batches = [json.loads(agent.spool.encode(batch, 0)) for batch in agent.spool.form(background=False, count=99)]
    agent._stop.set()
    agent.run()
    dropped = [each for batch in batches for each in batch.get("dropped", [])]
    assert [(each["first"], each["n"], each["from"]) for each in dropped] == [(0, 500, 1000)]
    assert sum(batch["n"] for batch in batches) == MAX_HELD_SAMPLES
    codes = [(event["code"], event["active"]) for batch in batches for event in batch.get("events", [])]
    assert codes == [("spool_write_failed", True), ("spool_write_failed", False)]
    assert "spool_write_failed" not in agent._problems


def test_trap_07_full_spool_is_an_alarm_once_and_its_end_is_told(tmp_path: Path) -> None:
    agent = make_agent(tmp_path)
    agent.spool.max_bytes = 4 << 20
    for number in range(40):
        agent._held.samples += [wire.Sample(1000 * number + n, {"x": n, "pad": "p" * 200}) for n in range(500)]
        agent._flush()
    assert agent.spool.dropped_samples > 0
    assert "spool_full" in agent._problems
    seen = []
    while batches := agent.spool.form(background=False, count=20):
        seen += [json.loads(agent.spool.encode(batch, 0)) for batch in batches]
        agent.spool.acknowledge([batch.key for batch in batches])
        agent._held.samples.append(wire.Sample(1, {"x": 1})) if agent._problems else None
        agent._flush()
    agent._stop.set()
    agent.run()
    codes = [(event["code"], event["active"]) for body in seen for event in body.get("events", [])]
    assert codes == [("spool_full", True), ("spool_full", False)]
    assert "spool_full" not in agent._problems


def test_sensor_that_cannot_be_read_is_named_once_and_disturbs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_agent(tmp_path)
    [channel] = agent._channels
    channel.past = None

    def fail(_now: int) -> Any:
        raise OSError("bus error")

    monkeypatch.setattr(channel.sensor, "read", fail)
    for _ in range(3):
        agent._read(channel)
    monkeypatch.undo()
    agent._read(channel)
    codes = [(event.code, event.active) for event in agent._held.events]
    assert codes == [("sensor_unreadable", True), ("sensor_unreadable", False)]
    assert len(agent._held.samples) == 1
    agent._stop.set()
    agent.run()
