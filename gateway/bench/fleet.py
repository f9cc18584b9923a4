"""Devices that come back after an outage, as our agent does it: live first, few batches unacknowledged."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass

from edge_agent.wire import WireError, decode_ack, parse_topic
from gateway.bench.publishing import Connection, Machine
from ingest import mqtt5

WINDOW, BACKGROUND_WINDOW = 8, 2  # batches without the server's ack, as in the agent's publisher
BATCH_SAMPLES = 500
MOST_S = 3600.0
MOST_AT_ONCE = 4  # batches of what was kept; making one takes a millisecond


@dataclass(frozen=True)
class FleetTask:
    """Devices of one process, and how many seconds each was away; it measured once a second."""

    broker_url: str
    name: str
    devices: list[str]
    kept_s: int


class _Device:
    def __init__(self, serial: str, kept_s: int, now_ms: int) -> None:
        self.live = Machine(serial, "back")
        self.kept = Machine(serial, "away", "backfill")
        self.left = kept_s
        self.from_ms = now_ms - (kept_s + 1) * 1000
        self.flying: dict[tuple[str, int], bytes] = {}
        self.next_live = 0.0

    @property
    def is_behind(self) -> bool:
        """True while something of the outage is not acknowledged."""
        return self.left > 0 or any(boot == "away" for boot, _ in self.flying)

    def live_packet(self, number: int) -> bytes:
        """Return what it measures now."""
        now_ms = time.time_ns() // 1_000_000
        self.next_live += 1.0
        payload = self.live.batch(now_ms, 1, 1000, now_ms)
        self.flying[("back", self.live.seq - 1)] = payload
        return mqtt5.publish(self.live.topic, payload, number % 65_535 + 1)

    def kept_packet(self, number: int) -> bytes | None:
        """Return the next batch of what was kept; None when nothing is left or enough is on its way."""
        waiting = sum(1 for boot, _ in self.flying if boot == "away")
        if not self.left or waiting >= BACKGROUND_WINDOW or len(self.flying) >= WINDOW:
            return None
        count = min(BATCH_SAMPLES, self.left)
        self.left -= count
        self.from_ms += count * 1000
        payload = self.kept.batch(self.from_ms, count, 1000, time.time_ns() // 1_000_000)
        self.flying[("away", self.kept.seq - 1)] = payload
        return mqtt5.publish(self.kept.topic, payload, number % 65_535 + 1)


def main(task: FleetTask) -> dict[str, float]:
    """Send everything until the server has acknowledged all of it; return counts and seconds."""
    connection = Connection(task.broker_url, task.name)
    back_ms = time.time_ns() // 1_000_000
    devices = {serial: _Device(serial, task.kept_s, back_ms) for serial in task.devices}
    connection.send([mqtt5.subscribe(1, [(f"forewarn/v1/{serial}/ack", False) for serial in devices])])
    counts: dict[str, int] = defaultdict(int)
    sent = _warm_up(connection, devices)
    begun = time.monotonic()
    for number, device in enumerate(devices.values()):
        device.next_live = begun + number / len(devices)
    turn, done_at = 0, 0.0
    waiting = list(devices.values())
    while time.monotonic() - begun < MOST_S:
        now = time.monotonic()
        if not done_at and not any(device.is_behind for device in devices.values()):
            done_at = now
        packets = [
            device.live_packet(sent := sent + 1) for device in waiting if now >= device.next_live and not done_at
        ]
        counts["live"] += len(packets)
        for _ in range(MOST_AT_ONCE):  # the others' live readings are due meanwhile
            turn = (turn + 1) % len(waiting)
            kept = waiting[turn].kept_packet(sent + 1) if connection.room(sent) > len(waiting) else None
            if kept is not None:
                sent += 1
                packets.append(kept)
        if packets:
            connection.send(packets)
        connection.receive(0.0 if packets else 0.002)
        _take_acks(connection, devices)
        if done_at and not any(device.flying for device in devices.values()):
            break
    connection.close()
    counts["backlog"] = task.kept_s * len(devices)
    return {**counts, "seconds": (done_at or time.monotonic()) - begun}


def _warm_up(connection: Connection, devices: dict[str, _Device]) -> int:
    """Before the outage: each device was known. Return how many messages were sent."""
    connection.send([device.live_packet(number + 1) for number, device in enumerate(devices.values())])
    deadline = time.monotonic() + 60
    while any(device.flying for device in devices.values()) and time.monotonic() < deadline:
        connection.receive(0.1)
        _take_acks(connection, devices)
    return len(devices)


def _take_acks(connection: Connection, devices: dict[str, _Device]) -> None:
    answers, connection.answers = connection.answers, []
    for answer in answers:
        if answer.mid:
            connection.send([mqtt5.puback(answer.mid)])
        try:
            device, ack = devices[parse_topic(answer.topic).device], decode_ack(answer.payload)
        except (WireError, KeyError):
            continue
        for seq in ack.seqs:
            device.flying.pop((ack.boot, seq), None)


if __name__ == "__main__":
    print(json.dumps(main(FleetTask(**json.loads(sys.argv[1])))))
