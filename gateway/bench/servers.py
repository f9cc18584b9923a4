"""A database and a broker for one benchmark: of its own in a temporary folder, or beside the configured ones."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.people import add_organisation
from gateway.migrate import upgrade
from gateway.settings import Settings
from gateway.supervise.cluster import processes_of
from gateway.supervise.mosquitto import EmbeddedMosquitto
from gateway.supervise.postgres import EmbeddedPostgres
from ingest.devices import register_device
from ingest.store.schema import detect_edition

# The whole queue of a bench must fit: what the broker drops would count as lost by the consumer.
_QUEUES = "max_queued_messages 2000000\nmax_queued_bytes 0"
# So that the moment of each commit can be read afterwards.
_POSTGRES = {"track_commit_timestamp": "on"}
READY_S = 60.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Servers:
    """What a benchmark talks to."""

    folder: Path
    database_url: str
    broker_url: str
    edition: str
    postgres: EmbeddedPostgres | None = None
    mosquitto: EmbeddedMosquitto | None = None

    def query(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        """Read with the service's sight."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("SET ROLE forewarn_service")
            return connection.execute(statement.encode(), args).fetchall()

    def add_devices(self, count: int) -> list[str]:
        """Register devices and return their serials."""
        serials = [f"bench-{number:04d}" for number in range(count)]
        now = datetime.now(UTC)
        database = Database(self.database_url, pool_size=1)
        try:
            with database.as_service() as session:
                operator = add_organisation(session, kind="operator", name="Benchmark", now=now)
                for serial in serials:
                    register_device(session, serial, "bench", operator.id, now)
        finally:
            database.dispose()
        return serials

    def broker_cpu_s(self) -> float | None:
        """CPU seconds that the broker has used; None when it is not ours."""
        return cpu_s(self.mosquitto.pid) if self.mosquitto and self.mosquitto.pid else None

    def database_cpu_s(self) -> float | None:
        """CPU seconds that the database's living processes have used; None when it is not ours."""
        if self.postgres is None:
            return None
        return sum(cpu_s(pid) for pid in processes_of(self.postgres.cluster))


@contextmanager
def bench_servers(settings: Settings) -> Iterator[Servers]:
    """Yield a migrated, empty database and a broker, and remove both afterwards."""
    logging.getLogger().setLevel(logging.WARNING)
    folder = Path(tempfile.mkdtemp(prefix="forewarn-bench-"))
    folder.chmod(0o755)  # the servers' users must reach what is theirs below it
    postgres = mosquitto = None
    made: str | None = None
    try:
        if settings.database_url:
            made = f"forewarn_bench_{secrets.token_hex(4)}"
            database_url = _make_database(settings.database_url, made)
        else:
            postgres = EmbeddedPostgres(folder, settings=_POSTGRES, progress=lambda _: None)
            postgres.start()
            database_url = postgres.url
        broker_url = settings.broker_url
        if broker_url is None:
            mosquitto = EmbeddedMosquitto(folder, extra_config=_QUEUES, progress=lambda _: None)
            mosquitto.start()
            broker_url = mosquitto.url
        upgrade(database_url)
        yield Servers(folder, database_url, broker_url, _edition(database_url), postgres, mosquitto)
    finally:
        if mosquitto is not None:
            mosquitto.stop()
        if postgres is not None:
            postgres.stop()
        if made is not None and settings.database_url:
            _drop_database(settings.database_url, made)
        shutil.rmtree(folder, ignore_errors=True)


class IngestProcesses:
    """The role `ingest` in processes of its own."""

    def __init__(self, servers: Servers, workers: int = 1) -> None:
        self._servers = servers
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until the broker has taken the subscriptions."""
        ready = self._servers.folder / "ready"
        ready.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "FOREWARN_DATABASE_URL": self._servers.database_url,
            "FOREWARN_BROKER_URL": self._servers.broker_url,
            "FOREWARN_READY_FILE": str(ready),
        }
        command = [sys.executable, "-m", "gateway.main", "ingest"]
        if self._workers > 1:
            command += ["--workers", str(self._workers)]
        with (self._servers.folder / "ingest.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
        deadline = time.monotonic() + READY_S
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._servers.folder / "ingest.log").read_text()[-2000:])
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop in order; what is not acknowledged stays with the broker."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        if self._process is None:
            return []
        return [self._process.pid, *_children(self._process.pid)]

    def cpu_s(self) -> float:
        """CPU seconds used by all of them."""
        return sum(map(cpu_s, self.pids))

    def rss_mb(self) -> float:
        """Resident memory of all of them."""
        return sum(map(rss_mb, self.pids))


def cpu_s(pid: int) -> float:
    """User and system CPU seconds of a process; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MiB; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _edition(database_url: str) -> str:
    database = Database(database_url, pool_size=1)
    try:
        with database.as_owner() as session:
            return _edition_text(session)
    finally:
        database.dispose()


def _edition_text(session: Session) -> str:
    version = session.connection().exec_driver_sql("SHOW server_version").scalar()
    return f"{detect_edition(session)} on PostgreSQL {version}"


def _make_database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    made = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    with psycopg.connect(made, autocommit=True) as connection:
        offered = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
        for extension in ("btree_gist", "pg_trgm", "timescaledb"):
            if (extension,) in offered:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    return made


def _drop_database(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
