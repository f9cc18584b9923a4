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

WINDOW, BACKGROUND_WINDOW = 8, 6  # batches without the server's ack, as in the agent's publisher
BATCH_SAMPLES = 500
MOST_S = 3600.0


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

    def next_kept(self, now_ms: int) -> bytes | None:
        """Return the next batch of what was kept; None when nothing is left or enough is on its way."""
        waiting = sum(1 for boot, _ in self.flying if boot == "away")
        if not self.left or waiting >= BACKGROUND_WINDOW or len(self.flying) >= WINDOW:
            return None
        count = min(BATCH_SAMPLES, self.left)
        self.left -= count
        self.from_ms += count * 1000
        return self.kept.batch(self.from_ms, count, 1000, now_ms)


def main(task: FleetTask) -> dict[str, float]:
    """Send everything until the server has acknowledged all of it; return counts and seconds."""
    connection = Connection(task.broker_url, task.name)
    now_ms = time.time_ns() // 1_000_000
    devices = {serial: _Device(serial, task.kept_s, now_ms) for serial in task.devices}
    connection.send([mqtt5.subscribe(1, [(f"forewarn/v1/{serial}/ack", False) for serial in devices])])
    counts: dict[str, int] = defaultdict(int)
    begun = time.monotonic()
    for number, device in enumerate(devices.values()):
        device.next_live = begun + number / len(devices)
    sent, done_at = 0, 0.0
    while time.monotonic() - begun < MOST_S:
        packets: list[bytes] = []
        now, now_ms = time.monotonic(), time.time_ns() // 1_000_000
        is_back = any(device.left or any(boot == "away" for boot, _ in device.flying) for device in devices.values())
        if not is_back and not done_at:
            done_at = now
        for device in devices.values():
            if now >= device.next_live and not done_at:
                device.next_live += 1.0
                payload = device.live.batch(now_ms, 1, 1000, now_ms)
                device.flying[("back", device.live.seq - 1)] = payload
                counts["live"] += 1
                packets.append(mqtt5.publish(device.live.topic, payload, (sent := sent + 1) % 65_535 + 1))
        for device in devices.values():
            if connection.room(sent) <= 10:
                break
            kept = device.next_kept(now_ms)
            if kept is not None:
                device.flying[("away", device.kept.seq - 1)] = kept
                packets.append(mqtt5.publish(device.kept.topic, kept, (sent := sent + 1) % 65_535 + 1))
        if packets:
            connection.send(packets)
        connection.receive(0.0 if packets else 0.01)
        _take_acks(connection, devices)
        if done_at and not any(device.flying for device in devices.values()):
            break
    connection.close()
    counts["backlog"] = task.kept_s * len(devices)
    return {**counts, "seconds": (done_at or time.monotonic()) - begun}


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
