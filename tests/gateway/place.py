"""A small service for tests of identity: database, broker with TLS, HTTP API, ingest, and the jobs that tend them."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import paho.mqtt.client as mqtt
import uvicorn
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from assets.base.access import Role
from assets.base.db import Database
from assets.people import add_organisation
from edge_agent.identity import CA, install, moment_ms, pending_request
from edge_agent.identity import Facts as IdentityFacts
from gateway.app import make_app
from gateway.ca import Authority
from gateway.jobs import tend_identities
from gateway.settings import Settings
from gateway.sign_in import make_token
from gateway.supervise.access import BrokerKeeper
from gateway.supervise.broker_tls import BrokerTls
from gateway.supervise.mosquitto import EmbeddedMosquitto
from tests.edge_agent.conftest import free_port
from tests.ingest.support import IngestProcess, query, wait_until

ROOT = Path(__file__).resolve().parents[2]


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Known:
    """A device that has claimed its identity: its id, and the folder with key and certificate."""

    id: UUID
    serial: str
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "identity.pem"


class Peer:
    """A device's MQTT connection with a certificate; remembers what happens to it."""

    def __init__(self, place: Place, file: Path, client_id: str = "", *, session: bool = False) -> None:
        self.connected, self.ended = threading.Event(), threading.Event()
        self.got: list[tuple[str, bytes]] = []
        self.reasons: list[Any] = []
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        context = ssl.create_default_context(cadata=place.authority.pem)
        context.load_cert_chain(file)
        self.client.tls_set_context(context)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: reason.is_failure or self.connected.set()
        self.client.on_disconnect = lambda *_: self.ended.set()
        self.client.on_message = lambda _c, _u, message: self.got.append((message.topic, message.payload))
        self.client.on_publish = lambda _c, _u, _m, reason, _p: self.reasons.append(reason)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 600 if session else 0
        for _ in range(50):
            try:
                self.client.connect(
                    "127.0.0.1", place.broker.tls_port, keepalive=30, clean_start=not session, properties=properties
                )
            except ConnectionRefusedError:  # a broker that must not be signalled is restarted instead
                time.sleep(0.2)
                continue
            except OSError:
                self.ended.set()
            break
        else:
            self.ended.set()
        self.client.loop_start()

    def is_admitted(self) -> bool:
        """Wait for the broker's answer."""
        wait_until(lambda: self.connected.is_set() or self.ended.is_set())
        return self.connected.is_set()

    def may_publish(self, topic: str, payload: bytes = b"x") -> bool:
        """Publish with QoS 1 and return whether the broker took it."""
        count = len(self.reasons)
        self.client.publish(topic, payload, qos=1)
        wait_until(lambda: len(self.reasons) > count)
        return not self.reasons[-1].is_failure

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@dataclass
class Place:
    """Everything running; made by `open_place`."""

    url: str
    database: Database
    settings: Settings
    authority: Authority
    broker: EmbeddedMosquitto
    organisation_id: UUID
    base: str
    admin: httpx.Client
    folder: Path
    peers: list[Peer] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add(self, serial: str, **more: Any) -> tuple[UUID, str]:
        """Register a device over HTTP; return its id and claim code."""
        body = {"serial": serial, "model": "pump", "asset_name": serial, **more}
        answer = self.admin.post("/api/v1/devices", json=body)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["device"]["id"]), answer.json()["claim_code"]

    def claim(self, serial: str) -> Known:
        """Register and claim a device with a key of its own, as the agent does."""
        device_id, code = self.add(serial)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        body = {"code": code, "hostname": "test", "csr": pending_request(folder)}
        answer = httpx.post(f"{self.base}/api/v1/devices/claim", json=body).raise_for_status().json()
        facts = IdentityFacts(serial, moment_ms(answer["not_after"]), moment_ms(answer["renew_at"]))
        install(folder, answer["certificate"], facts, answer["ca"])
        assert (folder / CA).exists()
        return Known(device_id, serial, folder)

    def peer(self, file: Path, client_id: str = "", *, session: bool = False) -> Peer:
        made = Peer(self, file, client_id, session=session)
        self.peers.append(made)
        return made

    def agent(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run the agent's command as a process of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_agent.main", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=None
        )
        self.processes.append(process)
        return process

    def get(self, path: str) -> Any:
        return self.admin.get(path).raise_for_status().json()

    def post(self, path: str, body: Any = None) -> Any:
        return self.admin.post(path, json=body or {}).raise_for_status().json()

    def identity(self, device_id: UUID) -> Any:
        return self.get(f"/api/v1/devices/{device_id}/identity")

    def rows(self, serial: str) -> int:
        """How many samples of a device are stored."""
        found = query(
            self.url,
            "SELECT coalesce(sum(b.stored), 0)::int FROM ingest_batches b JOIN devices d ON d.id = b.device_id"
            " WHERE d.serial = %s",
            serial,
        )
        return int(found[0][0])

    def tidy(self) -> None:
        """End what a test has started."""
        for peer in self.peers:
            peer.close()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(10)
        self.peers.clear()
        self.processes.clear()


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        pass


def open_place(stack: ExitStack, url: str, **more: Any) -> Place:
    """Start everything; the stack ends it."""
    data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forewarn-place-")))
    data.chmod(0o755)
    port = free_port()
    settings = Settings(database_url=url, data=data, http=f"127.0.0.1:{port}", **more)
    authority = Authority.of(settings, now())
    broker = stack.enter_context(
        EmbeddedMosquitto(data, tls=BrokerTls(authority, ["127.0.0.1", "localhost"], port=free_port()))
    )
    settings.public_broker_tls = f"mqtts://127.0.0.1:{broker.tls_port}"
    settings.public_broker = f"mqtt://127.0.0.1:{broker.port}"
    database = Database(url, pool_size=5)
    stack.callback(database.dispose)
    with database.as_service() as session:
        organisation = add_organisation(session, kind="operator", name="Operator", now=now())
        token = make_token(session, organisation.id, Role.ADMINISTRATOR, now())
    server = _Server(uvicorn.Config(make_app(settings, database), host="127.0.0.1", port=port, log_level="warning"))
    _run(stack, server.run, lambda: setattr(server, "should_exit", True))
    wait_until(lambda: server.started)
    stopped = threading.Event()
    _run(stack, lambda: _tend(database, BrokerKeeper(broker), stopped), stopped.set)
    stack.enter_context(IngestProcess(url, broker.url))
    wait_until(lambda: query(url, "SELECT count(*) FROM listeners")[0][0] > 0, 60)
    base = f"http://127.0.0.1:{port}"
    admin = stack.enter_context(httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30))
    return Place(url, database, settings, authority, broker, organisation.id, base, admin, data)


def _run(stack: ExitStack, work: Callable[[], Any], stop: Callable[[], Any]) -> None:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    stack.callback(thread.join, 10)
    stack.callback(stop)


def _tend(database: Database, keeper: BrokerKeeper, stopped: threading.Event) -> None:
    """What `forewarn up` and the worker do, each second."""
    due = 0.0
    while not stopped.wait(0.5):
        keeper.sync(database, now())
        if time.monotonic() > due:
            due = time.monotonic() + 1
            tend_identities(database, now())


def config_of(known: Known, place: Place, interval_s: float = 0.5) -> Path:
    """Write an agent's configuration for a claimed device."""
    file = known.folder / "config.toml"
    file.write_text(
        f'[device]\nserial = "{known.serial}"\n[server]\nbroker = "{place.settings.public_broker_tls}"\n'
        f'identity = "identity.pem"\nca_file = "ca.pem"\nhttp = "{place.base}"\n'
        f"[spool]\npath = {json.dumps(str(known.folder / 'agent.spool'))}\n"
        f'[[sensors]]\ndriver = "host"\ninterval_seconds = {interval_s}\n'
    )
    file.chmod(0o600)
    return file
