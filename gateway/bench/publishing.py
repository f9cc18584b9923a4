"""A publisher process of the benchmarks: many devices over one connection, prepared packets, at least once."""

from __future__ import annotations

import json
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from urllib.parse import unquote, urlsplit

import orjson

from ingest import mqtt5

WINDOW = 500  # unacknowledged at the broker
METRICS = [f"metric_{number}" for number in range(10)]


@dataclass(frozen=True)
class Task:
    """What one process publishes: `messages` of each device, `samples` in each; rate 0: as fast as may be."""

    broker_url: str
    name: str
    devices: list[str]
    messages: int
    samples: int
    boot: str
    start_ms: int = 0  # of the first sample when there is no rate; then samples are a second apart
    rate: float = 0.0  # messages a second of this process; then samples end at the moment of sending
    lane: str = "live"


def start_publishers(task: Task, processes: int) -> list[subprocess.Popen[bytes]]:
    """Start processes that share the devices and the rate of a task."""
    started = []
    for number in range(processes):
        devices = task.devices[number::processes]
        if devices:
            share = len(devices) / len(task.devices)
            mine = {**asdict(task), "devices": devices, "rate": task.rate * share, "name": f"{task.name}-{number}"}
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "gateway.bench.publishing", json.dumps(mine)], stdout=subprocess.PIPE
                )
            )
    return started


def wait_for(publishers: list[subprocess.Popen[bytes]]) -> int:
    """Return how many messages the broker has taken."""
    taken = 0
    for each in publishers:
        output, _ = each.communicate()
        if each.returncode:
            raise RuntimeError("a publisher of the benchmark failed")
        taken += int(output)
    return taken


class Connection:
    """A blocking connection that publishes at quality 1 and counts what the broker has taken."""

    def __init__(self, broker_url: str, name: str) -> None:
        parts = urlsplit(broker_url)
        account = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 1883), 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._splitter = mqtt5.Splitter()
        self._socket.sendall(
            mqtt5.connect(
                name, account=account, keepalive_s=0, clean_start=True, session_expiry_s=0, receive_maximum=1000
            )
        )
        self.acked = 0
        self.answers: list[mqtt5.Published] = []
        self._limit = 20
        while self._limit == 20:
            self.receive(10.0)

    def send(self, packets: list[bytes]) -> None:
        """Send packets as they are."""
        self._socket.sendall(b"".join(packets))

    def room(self, sent: int) -> int:
        """How many more may be sent now."""
        return min(WINDOW, self._limit) - (sent - self.acked)

    def receive(self, wait_s: float) -> None:
        """Read what has come, waiting at most so long for it."""
        if not select.select([self._socket], [], [], max(wait_s, 0.0))[0]:
            return
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the broker closed the connection")
        for packet in self._splitter.feed(data):
            if packet.kind == mqtt5.PUBACK:
                self.acked += 1
                if mqtt5.read_puback(packet)[1] >= 0x80:
                    raise ConnectionError("the broker refused a message")
            elif packet.kind == mqtt5.PUBLISH:
                self.answers.append(mqtt5.read_publish(packet))
            elif packet.kind == mqtt5.CONNACK:
                accepted = mqtt5.read_connack(packet)
                if accepted.reason:
                    raise ConnectionError(f"the broker refused the connection: {accepted.reason}")
                self._limit = min(accepted.receive_maximum, 65_535) + 1

    def close(self) -> None:
        """Say goodbye."""
        self._socket.sendall(mqtt5.DISCONNECT_BYTES)
        self._socket.close()


class Machine:
    """Batches of one simulated device, as our agent encodes them."""

    def __init__(self, serial: str, boot: str, lane: str = "live") -> None:
        self.topic = f"forewarn/v1/{serial}/telemetry"
        self._boot, self._lane = boot, lane
        self.seq = self._count = 0
        self._last_ms = 0
        self._random = random.Random(serial)
        self._values = [round(self._random.uniform(10, 90), 2) for _ in METRICS]

    def batch(self, end_ms: int, samples: int, step_ms: int, sent_ms: int) -> bytes:
        """Return the next batch; its last sample is of `end_ms`, or of the next free moment after it."""
        start = max(end_ms - (samples - 1) * step_ms, self._last_ms + 1)
        listed = []
        for number in range(samples):
            at = self._random.randrange(len(METRICS))
            self._values[at] = round(self._values[at] + self._random.uniform(-1, 1), 2)
            t = start + number * step_ms
            listed.append({"t": t, "m": t - 1_700_000_000_000, "values": dict(zip(METRICS, self._values, strict=True))})
        self._last_ms = listed[-1]["t"]  # type: ignore[assignment]
        body = {
            "boot": self._boot, "seq": self.seq, "first": self._count, "n": samples, "sent_at": sent_ms,
            "offset_ms": 1, "lane": self._lane, "samples": listed,
        }  # fmt: skip
        self.seq += 1
        self._count += samples
        return orjson.dumps(body)


def main(task: Task) -> int:
    """Publish everything and return how many messages the broker has taken."""
    connection = Connection(task.broker_url, task.name)
    machines = [Machine(serial, task.boot, task.lane) for serial in task.devices]
    total = task.messages * len(machines)
    made = _paced(task, machines, connection) if task.rate else _waiting(task, machines)
    for sent, (topic, payload) in enumerate(made):
        while connection.room(sent) <= 0:
            connection.receive(10.0)
        connection.send([mqtt5.publish(topic, payload, sent % 65_535 + 1)])
        if sent % 50 == 0:
            connection.receive(0.0)
    deadline = time.monotonic() + 60
    while connection.acked < total and time.monotonic() < deadline:
        connection.receive(1.0)
    connection.close()
    return connection.acked


def _waiting(task: Task, machines: list[Machine]) -> Iterator[tuple[str, bytes]]:
    for number in range(task.messages):
        end_ms = task.start_ms + (number + 1) * task.samples * 1000
        for machine in machines:
            yield machine.topic, machine.batch(end_ms, task.samples, 1000, task.start_ms)


def _paced(task: Task, machines: list[Machine], connection: Connection) -> Iterator[tuple[str, bytes]]:
    """Each message is made at the moment when it is due: its times are true."""
    begun, due = time.monotonic(), 0
    for _ in range(task.messages):
        for machine in machines:
            at = begun + due / task.rate
            while time.monotonic() < at:
                connection.receive(at - time.monotonic())
            due += 1
            yield machine.topic, _now_batch(machine, task.samples)


def _now_batch(machine: Machine, samples: int) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    return machine.batch(now_ms, samples, 1, now_ms)


if __name__ == "__main__":
    print(main(Task(**json.loads(sys.argv[1]))))
