"""The service under fire: own database, own broker, own ingest workers, agents, all in one temporary folder."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from assets.base.db import Database
from gateway.chaos.agent import ChaosAgent, limit_file_size
from gateway.chaos.proxy import Proxy
from gateway.connect import asset_for_device, connect_device
from gateway.first_run import Identity, ensure_operator
from gateway.migrate import upgrade
from gateway.supervise.mosquitto import EmbeddedMosquitto
from gateway.supervise.postgres import EmbeddedPostgres
from gateway.supervise.processes import Child
from ingest.devices import broker_credentials, set_password
from ingest.passwords import new_password

INGEST_STOP_S = 3.0
DEAD_S = 5.0
RECOVERY_S = 120.0
DISK_FULL_BYTES = 8192  # less than any file of the database
INGEST_COMMAND = (sys.executable, "-m", "gateway.main", "ingest")


@dataclass
class Rig:
    """Everything that can be broken."""

    folder: Path
    agent_count: int
    worker_count: int
    ingest_command: Sequence[str] = INGEST_COMMAND
    agents: list[ChaosAgent] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    proxies: list[Proxy] = field(default_factory=list)

    def start(self) -> None:
        """Start everything; returns when the agents run."""
        self.folder.chmod(0o755)  # the servers run as users of their own
        self.postgres = EmbeddedPostgres(self.folder, progress=lambda _: None)
        self.broker = EmbeddedMosquitto(self.folder, progress=lambda _: None)
        self.postgres.start()
        upgrade(self.postgres.url)
        self.broker.start()
        identities = self._register()
        self.ingest_proxy = self._proxy()  # one for all: workers know a broker by its address, and share its sessions
        self.workers = [self._worker(number) for number in range(self.worker_count)]
        for worker in self.workers:
            worker.start()
        for number, identity in enumerate(identities):
            large = number == self.agent_count - 1 and self.agent_count > 1
            self.agents.append(ChaosAgent(self.folder / "agents", identity, self._proxy(), large))
        for agent in self.agents:
            agent.start()

    def stop(self) -> None:
        """End all that was started, and nothing else."""
        for agent in self.agents:
            agent.kill()
        for number in range(len(self.workers)):
            self.kill_ingest(number)
        for proxy in self.proxies:
            proxy.close()
        if hasattr(self, "broker"):
            self.broker.stop(1.0)
            self.free_database_disk()
            self.postgres.stop()

    def _proxy(self) -> Proxy:
        self.proxies.append(Proxy(self.broker.port))
        return self.proxies[-1]

    def _register(self) -> list[Identity]:
        now, identities = datetime.now(UTC), []
        database = Database(self.postgres.url, pool_size=1)
        try:
            with database.as_service() as session:
                operator, _ = ensure_operator(session, now)
                for number in range(1, self.agent_count + 1):
                    serial, password = f"CHAOS-{number}", new_password()
                    asset = asset_for_device(session, operator.id, serial, None, now)
                    device, _ = connect_device(session, serial, "counter", operator.id, asset, now)
                    set_password(session, device, password)
                    identities.append(Identity(serial, "counter", password))
            with database.as_service() as session:
                self.broker.set_credentials(broker_credentials(session))
        finally:
            database.dispose()
        return identities

    def _worker(self, number: int) -> Child:
        parts = urlsplit(self.broker.url)
        account = parts.netloc.rpartition("@")[0]
        broker_url = parts._replace(netloc=f"{account}@127.0.0.1:{self.ingest_proxy.port}").geturl()
        environment = {
            "FOREWARN_DATABASE_URL": self.postgres.url,
            "FOREWARN_BROKER_URL": broker_url,
            "FOREWARN_DATA": str(self.folder),
        }
        command = [*self.ingest_command, *(("--slots", str(self.worker_count)) if self.worker_count > 1 else ())]
        return Child(command, environment, self.folder / "logs" / f"ingest-{number}.log")

    # --- what is done to the parts that all share ------------------------------------------------------------

    def kill_ingest(self, number: int) -> None:
        """SIGKILL one worker."""
        worker = self.workers[number]
        if worker.pid is not None:
            os.kill(worker.pid, signal.SIGKILL)
        worker.stop(INGEST_STOP_S)

    def start_ingest(self, number: int) -> None:
        """Start a worker unless it runs."""
        if not self.workers[number].is_alive():
            self.workers[number].start()

    def signal_ingest(self, number: int, number_of_signal: signal.Signals) -> None:
        """Freeze or thaw a worker."""
        if (pid := self.workers[number].pid) is not None:
            os.kill(pid, number_of_signal)

    def kill_broker(self, wipe: bool) -> None:
        """SIGKILL the broker; `wipe`: its sessions and queues are gone too."""
        if self.broker.pid is not None:
            os.kill(self.broker.pid, signal.SIGKILL)
        self.broker.stop(1.0)
        if wipe:
            (self.broker.home / "sessions.db").unlink(missing_ok=True)

    def start_broker(self) -> None:
        """Start the broker unless it runs."""
        if not self.broker.is_alive():
            self.broker.start()

    def kill_database(self) -> None:
        """SIGKILL PostgreSQL's first process and see it dead; the others notice and end."""
        if self.postgres.pid is not None:
            os.kill(self.postgres.pid, signal.SIGKILL)
        until = time.monotonic() + DEAD_S
        while self.postgres.is_alive() and time.monotonic() < until:
            time.sleep(0.01)

    def start_database(self) -> None:
        """Start PostgreSQL unless it runs, and wait until it takes connections: it may end while it recovers."""
        until = time.monotonic() + RECOVERY_S
        while True:
            if not self.postgres.is_alive():
                self.postgres.start()
            try:
                psycopg.connect(self.postgres.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def restore(self) -> None:
        """Start whatever does not run, whatever was done to it."""
        self.free_database_disk()
        self.start_database()
        self.start_broker()
        for number in range(len(self.workers)):
            self.signal_ingest(number, signal.SIGCONT)
            self.start_ingest(number)

    def fill_database_disk(self) -> None:
        """No file of PostgreSQL may be written beyond its first page: as on a full disk, nothing can be committed."""
        for pid in self._postgres_pids():
            limit_file_size(pid, DISK_FULL_BYTES)

    def free_database_disk(self) -> None:
        """Take the limit away."""
        for pid in self._postgres_pids():
            limit_file_size(pid, -1)

    def _postgres_pids(self) -> list[int]:
        """Return the first process before its children: a child forked meanwhile has the new limit already."""
        first = self.postgres.pid
        return [] if first is None else [first, *_children(first)]


def _children(parent: int) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(entry))
    return found
