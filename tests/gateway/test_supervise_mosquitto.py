"""The broker lets each device into its own subtree only, in the one direction that the contract gives."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from assets.base.db import Database
from assets.people import add_organisation
from gateway.supervise.errors import SupervisorError
from gateway.supervise.mosquitto import SERVICE_USER, EmbeddedMosquitto, hash_password
from ingest.devices import claim_device, register_device

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 5.0


class Peer:
    """An MQTT client that remembers what it gets."""

    def __init__(self, url: str, *, password: str | None = None, session: str = "") -> None:
        parts = urlsplit(url)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=session, protocol=mqtt.MQTTv5)
        if parts.username:
            self.client.username_pw_set(parts.username, password or parts.password)
        self.answers: list[str] = []
        self.got: list[tuple[str, bytes]] = []
        self._changed = threading.Condition()
        self.client.on_connect = lambda c, u, f, reason, p: self._note(self.answers, str(reason))
        self.client.on_message = lambda c, u, message: self._note(self.got, (message.topic, message.payload))
        self.client.on_subscribe = lambda *_: self._note(self.answers, "subscribed")
        self.client.on_disconnect = lambda *_: self._note(self.answers, "disconnected")
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if session:
            properties.SessionExpiryInterval = 3600
        self.client.connect(parts.hostname or "", parts.port or 0, clean_start=not session, properties=properties)
        self.client.loop_start()

    def _note(self, where: list[Any], what: Any) -> None:
        with self._changed:
            where.append(what)
            self._changed.notify_all()

    def until(self, condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> bool:
        """Wait for something to become true."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def is_admitted(self) -> bool:
        """Wait for the broker's answer."""
        assert self.until(lambda: bool(self.answers)), "no answer"
        return self.answers[0] == "Success"

    def subscribe(self, topic: str) -> None:
        """Subscribe and wait until it is in force."""
        count = self.answers.count("subscribed")
        self.client.subscribe(topic, qos=1)
        assert self.until(lambda: self.answers.count("subscribed") > count)

    def publish(self, topic: str, payload: bytes = b"x") -> bool:
        """Publish with QoS 1; True when the broker took it."""
        taken: list[Any] = []
        self.client.on_publish = lambda c, u, mid, reason, p: self._note(taken, reason)
        self.client.publish(topic, payload, qos=1)
        assert self.until(lambda: bool(taken)), "no PUBACK"
        return not taken[0].is_failure

    def close(self) -> None:
        """Leave and end the thread."""
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def peers() -> Iterator[Callable[..., Peer]]:
    """Make clients that are closed at the end."""
    made: list[Peer] = []

    def make(url: str, **options: Any) -> Peer:
        made.append(Peer(url, **options))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that the broker's user may enter."""
    path = Path(tempfile.mkdtemp(prefix="forewarn-mq-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


OWN = "forewarn/v1/pump-1"
MAY_WRITE = ["telemetry", "senml", "waveform", "status", "describe", "config/reported", "command/42/result", "time"]
MAY_READ = ["ack", "config", "command/42", "time/reply"]


@pytest.mark.parametrize("branch", MAY_WRITE)
def test_device_writes_its_own_branches(broker: Any, peers: Callable[..., Peer], branch: str) -> None:
    service, device = peers(broker.url), peers(broker.add_device("pump-1", "pw"))
    service.subscribe("forewarn/#")
    assert device.is_admitted()
    device.publish(f"{OWN}/{branch}", b"yes")
    assert service.until(lambda: (f"{OWN}/{branch}", b"yes") in service.got)


@pytest.mark.parametrize(
    "topic",
    [f"{OWN}/{branch}" for branch in MAY_READ]
    + [f"forewarn/v1/pump-2/{branch}" for branch in MAY_WRITE + MAY_READ]
    + [f"{OWN}/telemetry/more", f"{OWN}", "forewarn/v1/telemetry", "other", "$share/x/forewarn/v1/pump-2/telemetry"],
)
def test_device_writes_nothing_else(broker: Any, peers: Callable[..., Peer], topic: str) -> None:
    service, device = peers(broker.url), peers(broker.add_device("pump-1", "pw"))
    service.subscribe("#")
    assert device.is_admitted()
    if topic.startswith("$share"):
        device.client.publish(topic, b"no", qos=1)
    else:
        assert not device.publish(topic, b"no")
    device.until(lambda: False, 0.05)
    service.publish("forewarn/v1/marker", b"end")
    service.until(lambda: ("forewarn/v1/marker", b"end") in service.got)
    assert (topic, b"no") not in service.got


def test_device_reads_its_own_branches_and_nothing_else(broker: Any, peers: Callable[..., Peer]) -> None:
    service, device = peers(broker.url), peers(broker.add_device("pump-1", "pw"))
    for wish in ("#", "forewarn/v1/+/telemetry", "forewarn/v1/pump-2/#", f"{OWN}/#", "$SYS/#", "$share/g/forewarn/#"):
        device.subscribe(wish)
    for other in ("forewarn/v1/pump-2/ack", "forewarn/v1/pump-2/telemetry", f"{OWN}/status", f"{OWN}/telemetry"):
        service.publish(other, b"secret")
    for branch in MAY_READ:
        service.publish(f"{OWN}/{branch}", b"mine")
    assert device.until(lambda: {topic for topic, _ in device.got} >= {f"{OWN}/{branch}" for branch in MAY_READ})
    device.until(lambda: False, 0.2)
    assert {topic for topic, _ in device.got} == {f"{OWN}/{branch}" for branch in MAY_READ}


def test_wrong_password_unknown_device_and_anonymous_are_refused(broker: Any, peers: Callable[..., Peer]) -> None:
    url = broker.add_device("pump-1", "pw")
    assert peers(url).is_admitted()
    assert not peers(url, password="wrong").is_admitted()
    assert not peers(url.replace("pump-1", "nobody")).is_admitted()
    assert not peers(f"mqtt://127.0.0.1:{broker.port}").is_admitted()


def test_service_account_shares_subscriptions_and_sees_the_brokers_own_figures(
    broker: Any, peers: Callable[..., Peer]
) -> None:
    service, device = peers(broker.url), peers(broker.add_device("pump-1", "pw"))
    service.subscribe("$share/ingest/forewarn/v1/+/telemetry")
    service.subscribe("$SYS/broker/version")
    device.publish(f"{OWN}/telemetry", b"1")
    assert service.until(lambda: {topic for topic, _ in service.got} >= {f"{OWN}/telemetry", "$SYS/broker/version"})


def test_new_and_withdrawn_credentials_take_effect_within_seconds(data: Path, peers: Callable[..., Peer]) -> None:
    with EmbeddedMosquitto(data) as broker:
        address = f"127.0.0.1:{broker.port}"
        service = peers(broker.url)
        assert service.is_admitted()
        broker.set_credentials({"a": hash_password("one"), "b": hash_password("two")})
        deadline = time.monotonic() + WAIT_SECONDS
        while not (first := peers(f"mqtt://a:one@{address}")).is_admitted():
            assert time.monotonic() < deadline
        broker.set_credentials({"b": hash_password("three")})
        assert first.until(lambda: "disconnected" in first.answers)
        while peers(f"mqtt://a:one@{address}").is_admitted():
            assert time.monotonic() < deadline
        assert peers(f"mqtt://b:three@{address}").is_admitted()
        assert "disconnected" not in service.answers  # a reload disturbs nobody else


def test_messages_for_an_absent_session_survive_a_restart(data: Path, peers: Callable[..., Peer]) -> None:
    with EmbeddedMosquitto(data) as broker:
        port = broker.port
        absent = peers(broker.url, session="ingest")
        absent.subscribe("forewarn/#")
        absent.close()
        assert peers(broker.url).publish("forewarn/v1/x/telemetry", b"kept")
    with EmbeddedMosquitto(data) as broker:
        assert broker.port == port
        back = peers(broker.url, session="ingest")
        assert back.until(lambda: ("forewarn/v1/x/telemetry", b"kept") in back.got)


def test_credentials_survive_a_restart(data: Path, peers: Callable[..., Peer]) -> None:
    with EmbeddedMosquitto(data) as broker:
        broker.set_credentials({"a": hash_password("one")})
        url = broker.url
    with EmbeddedMosquitto(data) as broker:
        assert broker.url == url
        assert peers(f"mqtt://a:one@127.0.0.1:{broker.port}").is_admitted()


@pytest.mark.parametrize("name", ["", "a:b", "a+b", "#", "a/b", "a\nb", SERVICE_USER, "x" * 200, "$SYS", "ok "])
def test_names_that_would_widen_the_access_list_are_left_out_and_reported(data: Path, name: str) -> None:
    lines: list[str] = []
    (data / "mosquitto").mkdir()
    broker = EmbeddedMosquitto(data, progress=lines.append)
    broker.set_credentials({name: hash_password("x"), "ok": hash_password("y")})
    assert list(broker.credentials()) == ["ok"]
    assert "not a valid name" in lines[0]


def test_files_for_a_broker_that_somebody_else_runs(data: Path, database_url: str) -> None:
    url = "mqtt://the-service:secret@broker.example"
    environment = {**os.environ, "FOREWARN_BROKER_URL": url, "FOREWARN_DATABASE_URL": database_url}
    keeper = subprocess.Popen(
        [sys.executable, "-m", "gateway.supervise.broker_files", str(data)], env=environment, cwd=ROOT
    )
    try:
        database = Database(database_url, pool_size=1)
        now = datetime.now(UTC)
        with database.as_service() as session:
            owner = add_organisation(session, kind="operator", name="Owner", now=now)
            _, code = register_device(session, "pump-7", "m", owner.id, now)
            claim_device(session, code, "host", now)
        database.dispose()
        passwords = data / "passwords"
        deadline = time.monotonic() + 30
        while not (passwords.exists() and "pump-7:$7$" in passwords.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert passwords.read_text().startswith("the-service:$7$")
        assert (data / "acl").read_text().startswith("user the-service\n")
    finally:
        keeper.kill()
        keeper.wait()


def test_secrets_are_readable_by_the_owner_only(broker: Any) -> None:
    for name in ("passwords", "service.password", "acl", "mosquitto.conf"):
        assert (broker.home / name).stat().st_mode & 0o077 == 0


def test_stop_is_quick_and_leaves_no_process(data: Path) -> None:
    broker = EmbeddedMosquitto(data)
    broker.start()
    pid = broker.pid
    begun = time.monotonic()
    broker.stop()
    assert time.monotonic() - begun < 5
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_starts_again_after_kill_9_at_the_same_address(data: Path, peers: Callable[..., Peer]) -> None:
    with EmbeddedMosquitto(data) as broker:
        url = broker.url
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        while broker.is_alive():
            time.sleep(0.01)
        broker.start()
        assert broker.url == url
        assert peers(broker.url).is_admitted()


def test_orphan_of_our_own_folder_is_stopped_first(data: Path, peers: Callable[..., Peer]) -> None:
    orphan = EmbeddedMosquitto(data)
    orphan.start()
    orphan._lock.release()  # what the kernel does when the supervisor is killed
    with EmbeddedMosquitto(data) as broker:
        assert not orphan.is_alive()
        assert peers(broker.url).is_admitted()
    orphan.stop()


def test_second_start_on_the_same_data_is_refused_naming_the_holder(data: Path) -> None:
    with (
        EmbeddedMosquitto(data),
        pytest.raises(SupervisorError, match=f"broker.*already running as process {os.getpid()}"),
    ):
        EmbeddedMosquitto(data).start()


def test_port_in_use_is_named(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SupervisorError, match=f"Port {port} on 127.0.0.1 is in use"):
            EmbeddedMosquitto(data, port).start()


def test_missing_broker_is_one_line_to_type(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.supervise.mosquitto.shutil.which", lambda *_, **__: None)
    with pytest.raises(SupervisorError, match=r"type `.*apt-get install -y mosquitto"):
        EmbeddedMosquitto(data).start()


def test_nothing_listens_beyond_this_machine(broker: Any) -> None:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    wanted = f":{broker.port:04X}"
    listeners = [line.split()[1] for line in lines if line.split()[1].endswith(wanted) and line.split()[3] == "0A"]
    assert listeners == [f"0100007F{wanted}"]
