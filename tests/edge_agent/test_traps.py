"""Traps of the way from a sensor to the broker, each by its number in docs/traps.md."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent import wire
from edge_agent.backoff import Backoff
from edge_agent.link import BrokerAddress, Link
from edge_agent.publisher import Pace, Publisher
from edge_agent.spool import Spool, peek
from tests.edge_agent.conftest import DEVICE, PASSWORD, Broker, Server, wait_for

ROOT = Path(__file__).parents[2]
T0 = 1_763_726_400_000
FAST = Pace(
    ack_timeout_s=0.5,
    ack_timeout_max_s=1.0,
    reconnect_base_s=0.1,
    reconnect_max_s=0.3,
    refused_wait_s=0.3,
    turn_s=0.02,
)


def samples(count: int, start: int = 0) -> list[wire.Sample]:
    return [wire.Sample(T0 + n, {"x": n}) for n in range(start, start + count)]


def numbers_in(spool: Spool) -> list[int]:
    while spool.form(background=False, count=50):
        pass
    bodies = [json.loads(spool.encode(batch, T0)) for batch in spool.formed()]
    # a sample without values stands in for one that was damaged
    return sorted(sample["values"]["x"] for body in bodies for sample in body["samples"] if sample["values"])


@pytest.fixture
def sender(tmp_path: Path, broker: Broker) -> Iterator[tuple[Spool, Publisher]]:
    spool = Spool(tmp_path / "agent.spool", 8 << 20)
    address = BrokerAddress("127.0.0.1", broker.port, DEVICE, PASSWORD)
    publisher = Publisher(DEVICE, address, spool, lambda: wire.Describe("m", "0", []), FAST)
    publisher.start()
    yield spool, publisher
    publisher.stop()
    spool.close()


# --- 6: whatever is cut or damaged, the queue opens -----------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The two files of a spool with 300 samples in the file and 300 in its log, 10 to a commit."""
    path = tmp_path_factory.mktemp("written") / "agent.spool"
    spool = Spool(path, 8 << 20)
    for start in range(0, 600, 10):
        spool.append(samples(10, start))
        if start == 290:
            spool._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    files = path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()
    spool.close()
    return files


def _open_copy(folder: Path, file: bytes, log: bytes) -> tuple[list[Path], list[int]]:
    """Open a copy of the two files; return what was set aside, and the samples that are still there."""
    folder.mkdir()
    (folder / "agent.spool").write_bytes(file)
    (folder / "agent.spool-wal").write_bytes(log)
    spool = Spool(folder / "agent.spool", 8 << 20)
    spool.append([wire.Sample(T0, {"x": -1})])  # it works, whatever was found
    found = numbers_in(spool)
    spool.close()
    assert found[0] == -1
    return spool.set_aside, found[1:]


def test_trap_06_write_cut_at_any_byte_keeps_every_earlier_commit(written: tuple[bytes, bytes], tmp_path: Path) -> None:
    file, log = written
    chance = random.Random(6)
    offsets = [0, 1, 31, 32, 33, len(log) - 1, *(chance.randrange(len(log)) for _ in range(40))]
    kept = {}
    for number, offset in enumerate(offsets):
        set_aside, found = _open_copy(tmp_path / str(number), file, log[:offset])
        assert set_aside == []
        assert found == list(range(len(found)))
        assert len(found) >= 300
        assert len(found) % 10 == 0, "whole commits only"
        kept[offset] = len(found)
    assert [kept[offset] for offset in sorted(kept)] == sorted(kept.values()), "more bytes never keep less"
    assert max(kept.values()) > 500


def test_trap_06_flipped_bytes_are_dropped_by_checksum_or_set_aside_and_reported(
    written: tuple[bytes, bytes], tmp_path: Path
) -> None:
    file, log = written
    chance = random.Random(66)
    aside = 0
    for number in range(40):
        damaged_file, damaged_log = bytearray(file), bytearray(log)
        target = damaged_log if number % 2 else damaged_file
        for _ in range(chance.choice((1, 8, 512))):
            target[chance.randrange(len(target))] ^= 1 << chance.randrange(8)
        set_aside, found = _open_copy(tmp_path / str(number), bytes(damaged_file), bytes(damaged_log))
        assert set(found) <= set(range(600)), "nothing that was not written"
        if number % 2:
            assert set_aside == []
            assert len(found) >= 300
        aside += len(set_aside)
    assert aside > 0


def test_trap_06_damaged_sample_leaves_its_place_and_the_others_of_its_batch_arrive(
    sender: tuple[Spool, Publisher], server: Server
) -> None:
    spool, publisher = sender
    server.acks = False
    spool.append(samples(10))
    spool._db.execute("UPDATE record SET payload = replace(payload, ':7}', ':8}') WHERE idx = 7")
    spool._db.execute("UPDATE record SET payload = CAST(x'ff7b' AS TEXT) WHERE idx = 3")
    server.acks = True
    wait_for(lambda: spool.records == 0)
    [batch] = server.batches.values()
    assert [sample["values"].get("x") for sample in batch["samples"]] == [0, 1, 2, None, 4, 5, 6, None, 8, 9]
    assert batch["n"] == 10
    assert "spool_damaged" in publisher.status.problems


# --- 9, 19: connections come and go, the queue stays ----------------------------------------------------------------


def test_trap_09_reconnects_and_pushed_configuration_leave_the_queue_as_it_is(
    sender: tuple[Spool, Publisher], broker: Broker, server: Server
) -> None:
    spool, publisher = sender
    server.acks = False
    spool.append(samples(700))
    inode, boot = spool.path.stat().st_ino, spool.boot
    for _ in range(3):
        wait_for(lambda: publisher.status.connected)
        push = json.dumps({"version": 2, "spool": {"path": "/elsewhere", "max_mb": 4}}).encode()
        server.client.publish(wire.config_topic(DEVICE), push, qos=1)
        broker.kill()
        wait_for(lambda: not publisher.status.connected)
        broker.start()
    assert (spool.path.stat().st_ino, spool.boot, spool.records, spool.set_aside) == (inode, boot, 700, [])
    server.acks = True
    wait_for(lambda: spool.records == 0, 60)
    assert sorted(sample["values"]["x"] for sample in server.samples()) == list(range(700))


def test_trap_19_message_published_on_a_dead_connection_is_not_sent_by_the_next_one(
    broker: Broker, server: Server
) -> None:
    address = BrokerAddress("127.0.0.1", broker.port, DEVICE, PASSWORD)
    link = Link(address, DEVICE, None, 5, 60)
    link.open(lambda: True)
    broker.kill()
    broker.start()
    wait_for(server.client.is_connected)
    for number in range(3):  # the client library keeps these, whatever it answers
        link.publish(wire.telemetry_topic(DEVICE), b'{"boot":"dead","seq":%d,"samples":[]}' % number)
    following = Link(address, DEVICE, None, 5, 60)
    following.open(lambda: True)

    def arrived() -> bool:
        following.publish(wire.telemetry_topic(DEVICE), b'{"boot":"alive","seq":1,"samples":[]}')
        following.loop(0.1)
        with server.lock:
            return ("alive", 1) in server.batches

    wait_for(arrived)
    following.close()
    assert not [key for key in server.batches if key[0] == "dead"]


# --- 15: no dead thread that looks alive ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["_take_messages", "_take_pubacks", "_form"])
def test_trap_15_exception_on_the_way_makes_a_new_connection(
    place: str, sender: tuple[Spool, Publisher], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, publisher = sender
    wait_for(lambda: publisher.status.connected)
    session, original, failures = publisher.status.session, getattr(publisher, place), [RuntimeError("odd")]

    def stumble(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        original(*arguments)

    monkeypatch.setattr(publisher, place, stumble)
    spool.append(samples(5))
    wait_for(lambda: spool.records == 0)
    assert publisher.status.session > session


def test_trap_15_exception_in_a_callback_of_the_client_makes_a_new_connection(
    sender: tuple[Spool, Publisher], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, publisher = sender
    original, failures = Link._on_message, [OSError("odd"), ValueError("odd")]

    def stumble(link: Link, *arguments: Any) -> None:
        if failures:
            raise failures.pop()
        original(link, *arguments)

    monkeypatch.setattr(Link, "_on_message", stumble)
    publisher.use(publisher.broker)  # a connection that was made before would not stumble
    spool.append(samples(5))
    wait_for(lambda: spool.records == 0, 60)
    assert not failures
    assert publisher.status.connected


def test_trap_15_thread_that_hangs_is_replaced_within_its_time(
    sender: tuple[Spool, Publisher], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, publisher = sender
    wait_for(lambda: publisher.status.connected)
    assert Pace().stalled_after_s <= 60
    publisher.pace = replace(FAST, stalled_after_s=0.5)
    hang, hung = threading.Event(), threading.current_thread()
    original, first = publisher._form, publisher._thread
    assert first is not None

    def hang_in_the_first_thread(link: Link) -> None:
        if threading.current_thread() is first:
            hang.wait(30)
        else:
            original(link)

    assert hung is not first
    monkeypatch.setattr(publisher, "_form", hang_in_the_first_thread)
    spool.append(samples(3))
    try:
        wait_for(lambda: publisher.check() or spool.records == 0)  # type: ignore[func-returns-value]
    finally:
        hang.set()
    assert publisher._thread is not first


# --- 18, 41: a long time without a broker ---------------------------------------------------------------------------

FILL = """
import sys
from pathlib import Path
def peak():  # not ru_maxrss, which begins with that of the process that started this one
    return next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
from edge_agent import wire
from edge_agent.link import BrokerAddress
from edge_agent.publisher import Publisher
from edge_agent.spool import Spool
spool = Spool(Path(sys.argv[1]), 4 << 20)
publisher = Publisher("P-1", BrokerAddress("127.0.0.1", 1), spool, lambda: wire.Describe("m", "0", []))
publisher.start()
for chunk in range(int(sys.argv[2])):
    spool.append([wire.Sample(1763726400000 + chunk * 500 + n, {"x": n}) for n in range(500)])
    if chunk % 20 == 19:
        print(peak(), spool.bytes <= spool.max_bytes, flush=True)
publisher.stop()
"""


def test_trap_18_memory_stays_flat_without_a_broker(tmp_path: Path) -> None:
    # 150,000 samples: five times what the spool holds, so that what would grow with the outage has grown
    command = [sys.executable, "-c", FILL, str(tmp_path / "agent.spool"), "300"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    looks = [line.split() for line in done.stdout.splitlines()]
    kilobytes = [int(look[0]) for look in looks]
    assert all(look[1] == "True" for look in looks)
    assert kilobytes[-1] - kilobytes[len(kilobytes) // 2] < 3000, kilobytes
    assert kilobytes[-1] < 80_000, kilobytes


@pytest.fixture
def counting(tmp_path: Path, broker: Broker) -> Path:
    """The configuration of an agent that counts."""
    file = tmp_path / "config.toml"
    file.write_text(
        f'[device]\nserial = "{DEVICE}"\n[server]\nbroker = "mqtt://127.0.0.1:{broker.port}"\n'
        f'password = "{PASSWORD}"\n[spool]\npath = "agent.spool"\nmax_mb = 8\n'
        '[[sensors]]\ndriver = "counter"\ninterval_seconds = 1\n'
    )
    file.chmod(0o600)
    return file


def run_agent(config: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edge_agent.main", "run", "--config", str(config)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def test_trap_41_stop_with_a_full_queue_is_quick_and_the_rest_goes_on_where_it_was(
    counting: Path, broker: Broker, server: Server
) -> None:
    server.acks = False
    path = counting.parent / "agent.spool"
    spool = Spool(path, 8 << 20)
    for start in range(0, 60_000, 500):
        spool.append(samples(500, start))
    waiting = numbers_in(spool)
    keys = {batch.key for batch in spool.formed()}
    assert len(waiting) > 30_000
    spool.close()
    process = run_agent(counting)
    try:
        wait_for(lambda: server.seen("status"))
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert time.monotonic() - begun < 5
        assert peek(path)["records"] >= len(waiting)
        server.acks = True
        process = run_agent(counting)
        wait_for(lambda: peek(path)["records"] < 10 and keys <= server.batches.keys(), 60)
    finally:
        process.kill()
        process.wait(60)
    assert sorted(n for n in (s["values"].get("x") for s in server.samples()) if n is not None) == waiting


# --- 26: thousands come back ----------------------------------------------------------------------------------------


def test_trap_26_five_thousand_agents_come_back_spread_over_time() -> None:
    pace, chance = Pace(), random.Random(26)
    agents = [Backoff(pace.reconnect_base_s, pace.reconnect_max_s, pace.stable_s) for _ in range(5000)]
    for failures, ceiling_s in ((1, 2.0), (4, 16.0), (9, 60.0)):
        for agent in agents:
            while agent.failures < failures:
                agent.ended(0.1)
        delays = [agent.delay_s(chance) for agent in agents]
        assert min(delays) >= 0.05
        assert max(delays) <= ceiling_s
        # full jitter: evenly over the whole time, no crowd at any moment
        tenths = Counter(int(delay / ceiling_s * 10) for delay in delays)
        assert all(380 < tenths[n] < 620 for n in range(10)), tenths


def test_trap_26_connection_that_is_ended_soon_does_not_begin_the_waiting_anew() -> None:
    backoff = Backoff(1.0, 60.0, 20.0)
    for _ in range(8):
        backoff.ended(1.5)  # connected and thrown out, again and again
    assert backoff.failures == 8
    assert sum(backoff.delay_s(random.Random(n)) for n in range(200)) / 200 > 20
    backoff.ended(21.0)
    assert max(backoff.delay_s(random.Random(n)) for n in range(200)) <= 1.0


# --- 39: at rest ----------------------------------------------------------------------------------------------------


def test_trap_39_idle_agent_needs_next_to_nothing(counting: Path, server: Server) -> None:
    counting.write_text(counting.read_text().replace("interval_seconds = 1", "interval_seconds = 60"))
    process = run_agent(counting)
    try:
        wait_for(lambda: server.samples(), 60)
        time.sleep(1)
        (cpu_before, rss_before), begun = _use(process.pid), time.monotonic()
        time.sleep(6)
        cpu_after, rss_after = _use(process.pid)
        percent = 100 * (cpu_after - cpu_before) / (time.monotonic() - begun)
    finally:
        process.kill()
        process.wait(60)
    assert percent < 1, percent
    assert rss_after - rss_before < 500, "kB"
    assert rss_after < 60_000, "kB"


def _use(pid: int) -> tuple[float, int]:
    """Return processor seconds and resident kB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 1024
