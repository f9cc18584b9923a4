"""A database with devices, a broker that knows them, and ingest as a process of its own that may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from assets.base.db import Database
from assets.people import add_organisation
from ingest.devices import register_device, set_password
from ingest.link import Link

PASSWORD = "device-password"


def now() -> datetime:
    return datetime.now(UTC)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def add_device(url: str, serial: str, organisation_id: UUID | None = None) -> UUID:
    """Register a device with PASSWORD in the given (or a new root) organisation; return its id."""
    database = Database(url)
    try:
        with database.as_service() as session:
            if organisation_id is None:
                organisation_id = add_organisation(session, kind="operator", name="Operator", now=now()).id
            device, _ = register_device(session, serial, "test", organisation_id, now())
            set_password(session, device, PASSWORD)
            return device.id
    finally:
        database.dispose()


def query(url: str, sql: str, *args: object) -> list[tuple[Any, ...]]:
    """Read as the owner of the tables, with the service's sight."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        return connection.execute(sql, args).fetchall()  # type: ignore[arg-type]


def wait_until(condition: Callable[[], bool], seconds: float = 60.0, step: float = 0.05) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("not in time")
        time.sleep(step)


def batch(boot: str, seq: int, samples: list[dict[str, Any]], first: int = 0, **more: Any) -> bytes:
    body = {"boot": boot, "seq": seq, "first": first, "n": len(samples), "sent_at": now_ms(), "lane": "live"}
    return json.dumps({**body, "samples": samples, **more}).encode()


class IngestProcess:
    """`run_ingest` in a process of its own."""

    def __init__(self, database_url: str, broker_url: str, *, before: str = "", slots: int = 1) -> None:
        self._args = (database_url, broker_url, str(slots))
        self._before = before
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        code = (
            "import logging, signal, sys, threading\n"
            "logging.basicConfig(level=logging.WARNING)\n"
            "stop = threading.Event()\n"
            "signal.signal(signal.SIGTERM, lambda *_: stop.set())\n"
            f"{self._before}\n"
            "from ingest.workers import run_ingest\n"
            "run_ingest(sys.argv[1], sys.argv[2], stop, slots=int(sys.argv[3]))\n"
        )
        self.process = subprocess.Popen([sys.executable, "-c", code, *self._args])

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self) -> IngestProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_link(broker_url: str, client_id: str | None = None) -> Link:
    """Return a link to the broker whose subscriptions are in force."""
    subscribed = threading.Event()
    link = Link(broker_url, client_id=client_id, on_subscribed=subscribed.set)
    link.start()
    assert subscribed.wait(60)
    return link


def settle(link: Link) -> None:
    """Wait until the broker has all that a link has said before: what follows on its connection comes after it."""
    link.publish("forewarn/v1/nobody/ack", b"{}")
    wait_until(lambda: not link._outgoing._flying)


@dataclass
class Publisher:
    """A tiny device: publishes batches and keeps sending those that were not acknowledged by the server."""

    url: str
    serial: str
    resend_s: float = 1.0
    waiting: dict[tuple[str, int], bytes] = field(default_factory=dict)
    sent_at: dict[tuple[str, int], float] = field(default_factory=dict)
    answers: list[tuple[str, bytes]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self.serial, protocol=mqtt.MQTTv5)
        address = self.url.removeprefix("mqtt://")
        account, _, place = address.rpartition("@")
        user, _, password = account.partition(":")
        self.client.username_pw_set(user, password)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.on_publish = lambda c, u, mid, reason, p: self.reasons.append(str(reason))
        self.client.reconnect_delay_set(1, 1)
        host, _, port = place.partition(":")
        self.client.connect_async(host, int(port), keepalive=10, clean_start=True)
        self.client.loop_start()
        wait_until(self.client.is_connected)

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe([(f"forewarn/v1/{self.serial}/{leaf}", 1) for leaf in ("ack", "time/reply", "command/+")])

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        self.answers.append((message.topic, message.payload))
        if message.topic.endswith("/ack"):
            body = json.loads(message.payload)
            for seq in body["seqs"]:
                self.waiting.pop((body["boot"], seq), None)

    def send(self, leaf: str, payload: bytes, retain: bool = False) -> None:
        self.client.publish(f"forewarn/v1/{self.serial}/{leaf}", payload, qos=1, retain=retain)

    def send_batch(self, boot: str, seq: int, payload: bytes) -> None:
        self.waiting[(boot, seq)] = payload
        self.sent_at[(boot, seq)] = time.monotonic()
        self.send("telemetry", payload)

    def resend(self) -> None:
        """Send again what waits too long for its acknowledgement."""
        for key, payload in list(self.waiting.items()):
            if time.monotonic() - self.sent_at[key] > self.resend_s and self.client.is_connected():
                self.sent_at[key] = time.monotonic()
                self.send("telemetry", payload)

    def send_until_acknowledged(self, seconds: float = 60.0) -> None:
        """Wait until nothing waits any more."""
        deadline = time.monotonic() + seconds
        while self.waiting:
            assert time.monotonic() < deadline, f"{len(self.waiting)} batches were never acknowledged"
            self.resend()
            time.sleep(0.05)

    def wait_for_ingest(self) -> None:
        """Return once a batch of ours was stored: ingest has subscribed."""
        self.send_batch("probe", 0, batch("probe", 0, []))
        self.send_until_acknowledged()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
