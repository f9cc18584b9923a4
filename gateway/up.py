"""The whole service on one machine: servers, roles, agents and the demo, started together and stopped together."""

from __future__ import annotations

import atexit
import contextlib
import csv
import json
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.base.db import Database
from assets.base.errors import RuleError
from assets.people import Organisation
from gateway import agents, demo, first_run
from gateway.ca import Authority
from gateway.files import file_store
from gateway.https import OwnCertificate, in_pairs, prepare_https
from gateway.migrate import upgrade
from gateway.settings import Settings
from gateway.sign_in import people_with_role
from gateway.supervise.access import BrokerKeeper, access_stamp
from gateway.supervise.broker_tls import TLS_PORT, BrokerTls
from gateway.supervise.errors import SupervisorError
from gateway.supervise.lock import cannot_write, instance_lock
from gateway.supervise.mosquitto import EmbeddedMosquitto
from gateway.supervise.postgres import EmbeddedPostgres
from gateway.supervise.processes import Supervisor
from gateway.supervise.progress import say
from ingest.brokers import broker_urls
from ingest.devices import registered_serials

READY_S = 90.0  # generous: a first start on a slow disk
INGEST_READY_S = 30.0  # then the agents start all the same: they keep what they measure
CERTIFICATE_CHECK_S = 60.0  # how soon a new address of this machine is in the certificate
SYNC_S = 1.0  # how soon the broker learns of a new, changed or revoked device
REPLAY_SPEED = 3600.0  # an hour a second: most recordings last minutes then
ROLES = ("api", "ingest", "worker")
# Python works on one processor at a time: with two, one long request does not hold up all others.
API_PROCESSES = min(2, os.cpu_count() or 1)
LAN_MQTT_PORT = 1883
TOLD = {
    "desk": "Desk, sign in once with",
    "https": "Over HTTPS, for phones",
    "trust": "How phones trust it",
    "technician": "Technician's phone view",
    "customer": "A customer's page",
    "fingerprint": "Authority (SHA-256)",
    "database": "Database",
    "data": "Everything is kept in",
}


@dataclass(frozen=True)
class Options:
    """What `forewarn up` was asked for."""

    demo: bool = False
    replay: Path | None = None
    speed: float | None = None
    lan: bool = False
    as_json: bool = False


@dataclass
class Service:
    """The running pieces, and the addresses the others need."""

    settings: Settings
    options: Options
    supervisor: Supervisor
    postgres: EmbeddedPostgres | None = None
    mosquitto: EmbeddedMosquitto | None = None
    database_url: str = ""
    broker_url: str = ""
    broker_error: str = ""
    keeper: BrokerKeeper | None = None
    certificate: OwnCertificate | None = None
    stamp: object = None
    agents: dict[str, Path] = field(default_factory=dict)

    def start(self) -> None:
        """Start everything in the order in which the pieces need each other."""
        begun = time.monotonic()
        require_free_port(self.settings.http_host, self.settings.http_port)
        self._https()
        self._servers()
        say("Bringing the database to the current schema …")
        upgrade(self.database_url)
        database = Database(self.database_url, pool_size=2)
        try:
            self._prepare(database)
            self.sync(database)
            self._roles()
            self._wait_ingest()
            self._agents()
            self._wait_ready()
            self._tell(database, time.monotonic() - begun)
            self._watch(database)
        finally:
            database.dispose()

    def _servers(self) -> None:
        data = self.settings.data
        if self.settings.database_url:
            self.database_url = self.settings.database_url
        else:
            self.postgres = EmbeddedPostgres(data)
            self.supervisor.adopt("postgres", self.postgres)
            self.database_url = self.postgres.url
        if self.settings.broker_url:
            self.broker_url = self.settings.broker_url
        else:
            self.mosquitto = EmbeddedMosquitto(data, extra_config=self._lan_listener(), tls=self._tls())
            self.keeper = BrokerKeeper(self.mosquitto)
            self.supervisor.adopt("mosquitto", self.mosquitto)
            self.broker_url = self.mosquitto.url

    def _https(self) -> None:
        """With --lan, or where FOREWARN_HTTPS says so, the API and the pages are also there with TLS."""
        if self.settings.https:
            require_free_port(self.settings.https_host, self.settings.https_port, "FOREWARN_HTTPS")
            self.certificate = prepare_https(self.settings, datetime.now(UTC))

    def _lan_listener(self) -> str:
        """With --lan our broker also listens on the address that other machines reach, with the same accounts."""
        if not self.options.lan:
            return ""
        address = lan_address()
        require_free_port(address, LAN_MQTT_PORT)
        self.settings.public_broker = self.settings.public_broker or f"mqtt://{address}:{LAN_MQTT_PORT}"
        # Bound to the account: else one device could end another's connection by using its client id.
        return f"listener {LAN_MQTT_PORT} {address}\nuse_username_as_clientid true"

    def _tls(self) -> BrokerTls:
        """Where devices with a certificate connect: with --lan at all addresses, else on this machine only."""
        authority = Authority.of(self.settings, datetime.now(UTC))
        names = {"localhost", "127.0.0.1", socket.gethostname()}
        if not self.options.lan:
            return BrokerTls(authority, sorted(names))
        names |= {lan_address(), urlsplit(self.settings.public_broker_tls or "").hostname or "localhost"}
        require_free_port("0.0.0.0", TLS_PORT)
        return BrokerTls(authority, sorted(names), address=None, port=TLS_PORT)

    @property
    def public_broker_tls(self) -> str:
        """The broker's address for devices with a certificate; empty when the broker is not ours and none was named."""
        if self.settings.public_broker_tls or self.mosquitto is None:
            return self.settings.public_broker_tls or ""
        host = lan_address() if self.options.lan else "127.0.0.1"
        return f"mqtts://{host}:{self.mosquitto.tls_port}"

    @property
    def local_broker(self) -> str:
        """The broker's address for the agents of this machine, without the service's own credentials."""
        parts = urlsplit(broker_urls(self.broker_url)[0])
        return f"{parts.scheme}://{parts.hostname}:{parts.port or 1883}"

    @property
    def public_broker(self) -> str:
        """The broker's address as devices use it."""
        return self.settings.public_broker or self.local_broker

    @property
    def _foreign_account(self) -> tuple[str, str] | None:
        """The account of FOREWARN_BROKER_URL, which the agents of this machine share; None with our own broker."""
        parts = urlsplit(broker_urls(self.settings.broker_url)[0] if self.settings.broker_url else "")
        return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None

    def _prepare(self, database: Database) -> None:
        now = datetime.now(UTC)
        folder = self.settings.data / "agents"
        with database.as_service() as session:
            operator, _ = first_run.ensure_operator(session, now)
            host = first_run.ensure_host(session, operator, now)
            if host:
                agents.write_config(folder, host, self.public_broker, agents.HOST_SENSOR)
            if self.options.demo and demo.was_removed(session):
                say("The demo was removed earlier and stays away; an empty data folder would bring it again.")
            elif self.options.demo:
                for identity, sensor in demo.load(session, operator, now, file_store(self.settings)):
                    agents.write_config(folder, identity, self.public_broker, sensor)
            if self.options.replay:
                identity = load_fleet(session, operator, self.options.replay, now)
                agents.write_config(folder, identity, self.public_broker, "")
        agents.point_to_broker(folder, self.local_broker, self._foreign_account)

    def sync(self, database: Database) -> None:
        """Let our broker know the devices' credentials; a changed stamp is what tells that there is news."""
        if self.keeper is not None:
            self.stamp = self.keeper.sync(database, datetime.now(UTC))
        else:
            with database.as_service() as session:
                self.stamp = access_stamp(session)

    def _roles(self) -> None:
        say("Starting the service …")
        environment = {
            "FOREWARN_DATABASE_URL": self.database_url,
            "FOREWARN_BROKER_URL": self.broker_url,
            "FOREWARN_PUBLIC_BROKER": self.public_broker,
            "FOREWARN_PUBLIC_BROKER_TLS": self.public_broker_tls,
            "FOREWARN_DATA": str(self.settings.data),
            "FOREWARN_HTTP": self.settings.http,
            "FOREWARN_READY_FILE": str(self._ingest_ready),
        }
        self._ingest_ready.unlink(missing_ok=True)
        if self.settings.public_url:
            environment["FOREWARN_PUBLIC_URL"] = self.settings.public_url
        if self.settings.https:
            environment |= {
                "FOREWARN_HTTPS": self.settings.https,
                "FOREWARN_TLS_CERTIFICATE": str(self.settings.tls_certificate),
                "FOREWARN_TLS_KEY": str(self.settings.tls_key),
            }
        for role in ROLES:
            more = ["--workers", str(API_PROCESSES)] if role == "api" else []
            self.supervisor.start(role, [sys.executable, "-m", "gateway.main", role, *more], environment)

    @property
    def _ingest_ready(self) -> Path:
        return self.settings.data / "ingest.ready"

    def _wait_ingest(self) -> None:
        """Let ingest subscribe first: what nobody subscribes to is sent again later, out of order."""
        deadline = time.monotonic() + INGEST_READY_S
        while time.monotonic() < deadline and not self._ingest_ready.exists():
            self.supervisor.tick()
            time.sleep(0.05)

    def _agents(self) -> None:
        for config in sorted((self.settings.data / "agents").glob("*/agent.toml")):
            name = config.parent.name
            if name.startswith("replay-"):
                continue
            self.agents[name] = config
            self.supervisor.start(f"agent-{name}", agents.run_command(config))
        if self.options.replay:
            config = self.settings.data / "agents" / demo.fleet_serial(self.options.replay) / "agent.toml"
            command = agents.replay_command(config, self.options.replay, self.options.speed or REPLAY_SPEED)
            self.supervisor.start("replay", ["/bin/sh", "-c", agents.once(command)])

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        address = f"http://{self.settings.http_host}:{self.settings.http_port}/readyz"
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(address, timeout=2):
                return
            self.supervisor.tick()
            time.sleep(0.1)
        raise SupervisorError(
            f"The web server did not get ready in {READY_S:.0f} s: see {self.settings.data / 'logs' / 'api.log'}."
        )

    def _tell(self, database: Database, seconds: float) -> None:
        """Print where everything is: lines for people, or one JSON object."""
        told = self._addresses(database)
        if self.options.as_json:
            print(json.dumps({"ready_after_s": round(seconds, 1), **told}, ensure_ascii=False), flush=True)
            return
        lines = [f"Forewarn is ready after {seconds:.0f} s: {told['url']}"]
        lines += [f"  {words:25} {told[name]}" for name, words in TOLD.items() if told.get(name)]
        print("\n".join(["", *lines, "Press Ctrl-C to stop.", ""]), flush=True)

    def _addresses(self, database: Database) -> dict[str, str]:
        base, now = self.settings.base_url, datetime.now(UTC)
        told = {"url": base}
        if self.settings.https_url:
            told |= {"https": self.settings.https_url, "trust": f"{base}/trust"}
        if self.certificate:
            told["fingerprint"] = in_pairs(self.certificate.authority.fingerprint)
        with database.as_service() as session:
            _, administrator = first_run.ensure_operator(session, now)
            told["desk"] = first_run.first_link(session, administrator, base, now)
            technician = next((p for p in people_with_role(session, Role.TECHNICIAN) if p.demo), None)
            if technician:
                told["technician"] = first_run.first_link(session, technician, base, now, "/m/sign-in")
            if code := demo.customer_code(session):
                told["customer"] = f"{base}/a/{code}"
        return told | {"database": self._edition(), "data": str(self.settings.data)}

    def _edition(self) -> str:
        return self.postgres.edition if self.postgres else "the PostgreSQL of FOREWARN_DATABASE_URL"

    def _watch(self, database: Database) -> None:
        """Look after everything until asked to stop."""
        certificate_checked = time.monotonic()
        while not self.supervisor.stopping:
            self.supervisor.wait(SYNC_S)
            if self.certificate and time.monotonic() - certificate_checked > CERTIFICATE_CHECK_S:
                certificate_checked = time.monotonic()
                with contextlib.suppress(Exception):  # a full disk, say; the old one is good for months
                    self.certificate.renew(datetime.now(UTC))
            with contextlib.suppress(Exception):  # the database may be restarting; next time
                self.sync(database)
                self._drop_removed_agents(database)

    def _drop_removed_agents(self, database: Database) -> None:
        """Stop agents whose device is no longer registered, as after removing the demo."""
        if not self.agents or self.stamp_of_agents == self.stamp:
            return
        with database.as_service() as session:
            known = registered_serials(session)
        for name in [name for name in self.agents if name not in known]:
            self.supervisor.forget(f"agent-{name}")
            shutil.rmtree(self.agents.pop(name).parent, ignore_errors=True)
        self.stamp_of_agents = self.stamp

    stamp_of_agents: object = None


def lan_address() -> str:
    """Return the address at which other machines reach this one. Raises SupervisorError without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the kernel only chooses the way out
            return str(probe.getsockname()[0])
        except OSError:
            raise SupervisorError(
                "This machine has no network that others could reach it by: start without --lan."
            ) from None


def require_free_port(host: str, port: int, variable: str = "FOREWARN_HTTP") -> None:
    """Raise SupervisorError naming the port when somebody listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except PermissionError:
            raise SupervisorError(
                f"No permission to listen on port {port}: set {variable} to a port above 1023."
            ) from None
        except OSError as error:
            raise SupervisorError(
                f"Cannot listen on {host}:{port} ({error.strerror}):"
                f" stop what uses it, or set {variable}={host}:{port + 1}."
            ) from None


def load_fleet(session: Session, operator: Organisation, folder: Path, now: datetime) -> first_run.Identity:
    """Register a recorded fleet. Raises SupervisorError in one line when its files cannot be read."""
    try:
        return demo.load_fleet(session, operator, folder, now)
    except KeyError as error:
        raise SupervisorError(f"{folder} is no recorded fleet: assets.csv has no column {error}.") from None
    except (OSError, EOFError, ValueError, csv.Error, zlib.error, RuleError) as error:
        raise SupervisorError(f"{folder} cannot be replayed: {error}") from None


def make_data_folder(data: Path) -> None:
    """Make the folder and try to write there. Raises SupervisorError naming what is wrong with it."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        probe = data / ".writable"
        probe.write_bytes(b"forewarn")
        probe.unlink()
    except FileExistsError:
        raise SupervisorError(f"{data} is a file: choose another folder with --data.") from None
    except NotADirectoryError:
        raise SupervisorError(f"{data} lies below a file: choose another folder with --data.") from None
    except OSError as error:
        raise SupervisorError(cannot_write(data, error)) from None


def run(settings: Settings, options: Options) -> int:
    """Run until Ctrl-C; return the exit code. Every failure is one line that says what to do."""
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        make_data_folder(settings.data)
        with instance_lock(settings.data), Supervisor(settings.data) as supervisor:
            Service(settings, options, supervisor).start()
    except KeyboardInterrupt:
        pass
    except SupervisorError as error:
        print(f"forewarn: {error.message}", file=sys.stderr)
        return 1
    say("Stopped.")
    atexit.register(_end)
    return 0


def _end() -> None:
    """Everything is stopped and written: the seconds that Python takes to clear all that was imported help nobody."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
