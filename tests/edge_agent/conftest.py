"""A real Mosquitto on an ephemeral port, and the smallest server that acknowledges batches."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

DEVICE = "P-100"
PASSWORD = "secret-1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not happen within {timeout_s} s")


class Broker:
    """Mosquitto without persistence: killed, it forgets everything."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        passwords, acl = folder / "passwords", folder / "acl"
        passwords.touch(mode=0o600)
        for user, password in ((DEVICE, PASSWORD), ("P-200", PASSWORD), ("server", "server-1")):
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, password], check=True, capture_output=True)
        acl.write_text(
            f"user server\ntopic readwrite forewarn/v1/#\n\nuser {DEVICE}\n"
            f"topic readwrite forewarn/v1/{DEVICE}/#\n\nuser P-200\ntopic read forewarn/v1/P-200/#\n"
        )
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {passwords}",
            f"acl_file {acl}",
            "persistence false",
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self._folder / "mosquitto.log", "ab") as log:
            command = ["mosquitto", "-c", str(self._folder / "mosquitto.conf")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(60)
            self.process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder)
    broker.start()
    yield broker
    broker.kill()


class Server:
    """Takes batches as ingest would: remembers each (boot, seq) once, and acknowledges while `acks` is set."""

    def __init__(self, port: int) -> None:
        self.acks = True
        self.clock = True  # answers what time it is, `ahead_ms` before this computer
        self.ahead_ms = 0
        self.batches: dict[tuple[str, int], dict[str, Any]] = {}
        self.repeats = 0
        self.other: list[tuple[str, bytes]] = []
        self.lock = threading.Lock()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="server", protocol=mqtt.MQTTv5)
        self.client.username_pw_set("server", "server-1")
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe("forewarn/v1/+/#", qos=1)
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _take(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        device, leaf = message.topic.split("/", 3)[2:]
        if leaf in ("ack", "time/reply"):
            return
        if leaf == "time" and self.clock:
            answer = {**json.loads(message.payload), "server_at": int(time.time() * 1000) + self.ahead_ms}
            client.publish(f"forewarn/v1/{device}/time/reply", json.dumps(answer))
        if leaf != "telemetry":
            with self.lock:
                self.other.append((message.topic, bytes(message.payload)))
            return
        if not self.acks:
            return
        batch = json.loads(message.payload)
        key = batch["boot"], batch["seq"]
        with self.lock:
            self.repeats += key in self.batches
            self.batches.setdefault(key, batch)
        client.publish(f"forewarn/v1/{device}/ack", json.dumps({"boot": key[0], "seqs": [key[1]]}), qos=1)

    def samples(self) -> list[dict[str, Any]]:
        with self.lock:
            return [sample for batch in self.batches.values() for sample in batch["samples"]]

    def seen(self, leaf: str, device: str = DEVICE) -> list[dict[str, Any]]:
        with self.lock:
            return [json.loads(payload) for topic, payload in self.other if topic == f"forewarn/v1/{device}/{leaf}"]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def server(broker: Broker) -> Iterator[Server]:
    server = Server(broker.port)
    yield server
    server.close()
