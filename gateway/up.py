"""The whole service on one machine: servers, roles, agents and the demo, started together and stopped together."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from assets.base.access import Role
from assets.base.db import Database
from gateway import agents, demo, first_run
from gateway.migrate import upgrade
from gateway.settings import Settings
from gateway.sign_in import people_with_role
from gateway.supervise.errors import SupervisorError
from gateway.supervise.lock import instance_lock
from gateway.supervise.mosquitto import EmbeddedMosquitto
from gateway.supervise.postgres import EmbeddedPostgres
from gateway.supervise.processes import Supervisor
from gateway.supervise.progress import say
from ingest.devices import broker_credentials, credentials_stamp

READY_S = 90.0  # generous: a first start on a slow disk
INGEST_READY_S = 30.0  # then the agents start all the same: they keep what they measure
SYNC_S = 1.0  # how soon the broker learns of a new, changed or revoked device
REPLAY_SPEED = 3600.0  # an hour a second: most recordings last minutes then
ROLES = ("api", "ingest", "worker")


@dataclass(frozen=True)
class Options:
    """What `forewarn up` was asked for."""

    demo: bool = False
    replay: Path | None = None
    speed: float | None = None
    lan: bool = False


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
    stamp: object = None
    agents: dict[str, Path] = field(default_factory=dict)

    def start(self) -> None:
        """Start everything in the order in which the pieces need each other."""
        begun = time.monotonic()
        require_free_port(self.settings.http_host, self.settings.http_port)
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
            self.mosquitto = EmbeddedMosquitto(data)
            self.supervisor.adopt("mosquitto", self.mosquitto)
            self.broker_url = self.mosquitto.url

    @property
    def public_broker(self) -> str:
        """The broker's address as devices use it, without the service's own credentials."""
        if self.settings.public_broker:
            return self.settings.public_broker
        parts = urlsplit(self.broker_url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or 1883}"

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
                for identity, sensor in demo.load(session, operator, now):
                    agents.write_config(folder, identity, self.public_broker, sensor)
            if self.options.replay:
                identity = demo.load_fleet(session, operator, self.options.replay, now)
                agents.write_config(folder, identity, self.public_broker, "")
        agents.point_to_broker(folder, self.public_broker)

    def sync(self, database: Database) -> None:
        """Let our broker know the devices' credentials; a changed stamp is what tells that there is news."""
        if self.mosquitto is None:
            return
        with database.as_service() as session:
            stamp = credentials_stamp(session)
            if stamp != self.stamp:
                self.mosquitto.set_credentials(broker_credentials(session))
                self.stamp = stamp

    def _roles(self) -> None:
        say("Starting the service …")
        environment = {
            "FOREWARN_DATABASE_URL": self.database_url,
            "FOREWARN_BROKER_URL": self.broker_url,
            "FOREWARN_PUBLIC_BROKER": self.public_broker,
            "FOREWARN_DATA": str(self.settings.data),
            "FOREWARN_HTTP": self.settings.http,
            "FOREWARN_READY_FILE": str(self._ingest_ready),
        }
        self._ingest_ready.unlink(missing_ok=True)
        if self.settings.public_url:
            environment["FOREWARN_PUBLIC_URL"] = self.settings.public_url
        for role in ROLES:
            self.supervisor.start(role, [sys.executable, "-m", "gateway.main", role], environment)

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
        base, now = self.settings.base_url, datetime.now(UTC)
        with database.as_service() as session:
            _, administrator = first_run.ensure_operator(session, now)
            lines = [
                f"Forewarn is ready after {seconds:.0f} s: {base}",
                f"  Desk, sign in once with   {first_run.first_link(session, administrator, base, now)}",
            ]
            technician = next((p for p in people_with_role(session, Role.TECHNICIAN) if p.demo), None)
            if technician:
                link = first_run.first_link(session, technician, base, now, "/m/sign-in")
                lines.append(f"  Technician's phone view   {link}")
            if code := demo.customer_code(session):
                lines.append(f"  A customer's page         {base}/a/{code}")
        lines += [
            f"  Database                  {self._edition()}",
            f"  Everything is kept in     {self.settings.data}",
            "Press Ctrl-C to stop.",
        ]
        print("\n".join(["", *lines, ""]), flush=True)

    def _edition(self) -> str:
        return self.postgres.edition if self.postgres else "the PostgreSQL of FOREWARN_DATABASE_URL"

    def _watch(self, database: Database) -> None:
        """Look after everything until asked to stop."""
        while not self.supervisor.stopping:
            self.supervisor.wait(SYNC_S)
            with contextlib.suppress(Exception):  # the database may be restarting; next time
                self.sync(database)
                self._drop_removed_agents(database)

    def _drop_removed_agents(self, database: Database) -> None:
        """Stop agents whose device is no longer registered, as after removing the demo."""
        if not self.agents or self.stamp_of_agents == self.stamp:
            return
        with database.as_service() as session:
            known = set(broker_credentials(session))
        for name in [name for name in self.agents if name not in known]:
            self.supervisor.forget(f"agent-{name}")
            shutil.rmtree(self.agents.pop(name).parent, ignore_errors=True)
        self.stamp_of_agents = self.stamp

    stamp_of_agents: object = None


def require_free_port(host: str, port: int) -> None:
    """Raise SupervisorError naming the port when somebody listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except PermissionError:
            raise SupervisorError(
                f"No permission to listen on port {port}: set FOREWARN_HTTP to a port above 1023."
            ) from None
        except OSError as error:
            raise SupervisorError(
                f"Cannot listen on {host}:{port} ({error.strerror}):"
                f" stop what uses it, or set FOREWARN_HTTP={host}:{port + 1}."
            ) from None


def run(settings: Settings, options: Options) -> int:
    """Run until Ctrl-C; return the exit code. Every failure is one line that says what to do."""
    settings.data.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        with instance_lock(settings.data), Supervisor(settings.data) as supervisor:
            Service(settings, options, supervisor).start()
    except KeyboardInterrupt:
        pass
    except SupervisorError as error:
        print(f"forewarn: {error.message}", file=sys.stderr)
        return 1
    say("Stopped.")
    return 0
