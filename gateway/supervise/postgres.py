"""Run a PostgreSQL of our own inside the data folder."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from gateway.supervise.accounts import Account, choose_account
from gateway.supervise.binaries import Binaries, find_binaries
from gateway.supervise.cluster import account_binaries, initdb, read_major, stop_leftovers, write_settings
from gateway.supervise.errors import SupervisorError
from gateway.supervise.lock import FolderLock, cannot_write
from gateway.supervise.packages import line_to_type
from gateway.supervise.progress import say
from gateway.supervise.spawn import kept_port, port_is_free, read_port, spawn, stop_process, tail

OWNER = "forewarn"
DATABASE = "forewarn"
TIMESCALEDB_MARK = "timescaledb"  # a file that says what the cluster was made with
EXTENSIONS = ("btree_gist", "pg_trgm")
START_SECONDS = 300  # recovery after a crash replays up to max_wal_size, slow on a small disk
STOP_SECONDS = 4.0
LEAST_FREE_BYTES = 200 * 1024 * 1024  # a new cluster takes 60 MB, and WAL another 80 MB soon


class EmbeddedPostgres:
    """PostgreSQL on 127.0.0.1 with everything it writes below `data/postgres` and `data/logs`."""

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = say,
        binaries: Binaries | None = None,
    ) -> None:
        self.home = data.absolute() / "postgres"
        self.cluster = self.home / "cluster"
        self.log = data.absolute() / "logs" / "postgres.log"
        self._fixed_port = port
        self._settings = dict(settings or {})
        self._progress = progress
        self._binaries = binaries
        self._lock = FolderLock(self.home / "lock", "Forewarn's PostgreSQL")
        self._process: subprocess.Popen[bytes] | None = None
        self._account = Account()
        self.port = port or read_port(self.home / "port")  # so that commands beside a running service have its URL

    @property
    def edition(self) -> str:
        """Version, TimescaleDB and origin of the programs in use."""
        return self._found().edition

    @property
    def has_timescaledb(self) -> bool:
        """True when the programs in use carry TimescaleDB."""
        return self._found().timescaledb is not None

    @property
    def superuser_url(self) -> str:
        """URL of the superuser `postgres` in the database `postgres`."""
        return self.url_of("postgres", user="postgres")

    @property
    def url(self) -> str:
        """URL of the role `forewarn`, owner of the database `forewarn`."""
        return self.url_of(DATABASE)

    def url_of(self, database: str, user: str = OWNER) -> str:
        """URL of any database of this cluster for `forewarn` or `postgres`."""
        return f"postgresql://{user}:{quote(self._password(user))}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster, None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def is_alive(self) -> bool:
        """True while the postmaster runs."""
        return self.pid is not None

    def start(self) -> None:
        """Start, creating the cluster, role and database when they are missing.

        Raises SupervisorError: another one runs on the same data, no space, no permission, wrong version.
        """
        self._lock.acquire()
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise SupervisorError(cannot_write(self.home, error)) from error
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Stop within `timeout` seconds and a bit: fast, then immediate (the next start recovers), then kill."""
        if self._process is not None:
            stop_process(self._process, [(signal.SIGINT, timeout * 0.8), (signal.SIGQUIT, timeout * 0.2)])
            self._process = None
            stop_leftovers(self.cluster, patience_seconds=1.0)
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        stop_leftovers(self.cluster, patience_seconds=20.0)
        self._process = None
        binaries = self._found()
        self.home.chmod(0o700)
        if not self.cluster.exists():
            self._require_space()
        self._account = choose_account(self.home, self.cluster, self._progress)
        self._account.give(self.home)
        binaries = self._binaries = account_binaries(binaries, self._account, self.home, self._progress)
        is_new = not self.cluster.exists()
        if is_new:
            self._progress(f"Creating the database ({binaries.edition}) in {self.home}.")
            if binaries.timescaledb:
                (self.home / TIMESCALEDB_MARK).touch()
            initdb(binaries, self._account, self.cluster, self._password("postgres"))
        for attempt in (1, 2, 3):  # between the choice of a free port and its use somebody may take it
            self.port = self._choose_port()
            self._launch(binaries)
            if self._wait_until_ready(last_attempt=attempt == 3):
                break
        self._fixed_port = self.port  # others know this URL now: a restart keeps it
        (self.home / "port").write_text(f"{self.port}\n")
        self._prepare(binaries)

    def _found(self) -> Binaries:
        """Return the programs for our data: new data take the best there are, old data what they were made with."""
        if self._binaries is None:
            self._binaries = find_binaries(read_major(self.cluster), self.home)
        if self.cluster.exists():
            self._binaries = same_edition(self._binaries, (self.home / TIMESCALEDB_MARK).exists(), self.home)
        return self._binaries

    def _choose_port(self) -> int:
        if self._fixed_port is None:
            return kept_port(self.home / "port")
        if not port_is_free(self._fixed_port):
            raise SupervisorError(
                f"Port {self._fixed_port} on 127.0.0.1 is in use: stop what uses it, or let Forewarn choose a port."
            )
        return self._fixed_port

    def _launch(self, binaries: Binaries) -> None:
        write_settings(self.home, self.cluster, self.port, binaries, self._settings)
        self._account.give(self.home)
        self._process = spawn(
            [*self._account.prefix, str(binaries.folder / "postgres"), "-D", str(self.cluster)],
            log=self.log,
            env=server_environment(),
            cwd=self.home,
            death_signal=signal.SIGINT,  # a fast shutdown also when the supervisor is killed
            uid=self._account.uid,
            gid=self._account.gid,
        )

    def _wait_until_ready(self, last_attempt: bool) -> bool:
        """Return True when connections are accepted, False when the port was taken; raise when it cannot start."""
        assert self._process is not None
        log_start = tail(self.log)
        begun = time.monotonic()
        reported = begun
        while time.monotonic() - begun < START_SECONDS:
            if self._process.poll() is not None:
                text = tail(self.log).removeprefix(log_start)
                if "could not bind" in text and not last_attempt and self._fixed_port is None:
                    (self.home / "port").unlink(missing_ok=True)
                    return False
                raise SupervisorError(explain(text, self.home, self.log))
            if postmaster_status(self.cluster) == "ready":
                return True
            if time.monotonic() - reported > 5:
                reported = time.monotonic()
                self._progress(f"PostgreSQL is recovering its data ({reported - begun:.0f} s so far).")
            time.sleep(0.05)
        raise SupervisorError(f"PostgreSQL was not ready after {START_SECONDS} s: see {self.log}.")

    def _prepare(self, binaries: Binaries) -> None:
        """Make role, database and extensions when missing; cheap when all are there."""
        try:
            with psycopg.connect(self.superuser_url, autocommit=True, connect_timeout=30) as connection:
                self._ensure_role(connection)
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if found.fetchone() is None:
                    connection.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
                    )
            self.create_extensions(DATABASE)
        except psycopg.OperationalError as error:
            raise SupervisorError(explain(f"{error}\n{tail(self.log)}", self.home, self.log)) from error

    def create_extensions(self, database: str) -> None:
        """Create the extensions that Forewarn uses, TimescaleDB included when it is there."""
        names = list(EXTENSIONS)
        with psycopg.connect(self.url_of(database, user="postgres"), autocommit=True) as connection:
            if self.has_timescaledb:
                names.append("timescaledb")
                update_timescaledb(connection)
            for name in names:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))

    def _ensure_role(self, connection: psycopg.Connection) -> None:
        known = (self.home / f"{OWNER}.known").exists()
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone() is not None
        if known and exists:
            return
        verb = "ALTER" if exists else "CREATE"
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE PASSWORD {}").format(
                sql.SQL(verb), sql.Identifier(OWNER), sql.Literal(self._password(OWNER))
            )
        )
        (self.home / f"{OWNER}.known").touch()

    def _password(self, user: str) -> str:
        """Return the password of a role, making one at first; the file is readable by its owner only."""
        file = self.home / f"{user}.password"
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            if user == "postgres" and self.cluster.exists():
                raise SupervisorError(
                    f"{file} is missing, so the database cannot be opened: put it back, or choose another folder."
                ) from None
            (self.home / f"{user}.known").unlink(missing_ok=True)
            password = secrets.token_urlsafe(24)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(f"{password}\n")
            return password

    def _require_space(self) -> None:
        status = os.statvfs(self.home)
        free = status.f_bavail * status.f_frsize
        if free < LEAST_FREE_BYTES:
            raise SupervisorError(
                f"Only {free // 2**20} MB left on the disk of {self.home}, at least {LEAST_FREE_BYTES // 2**20} MB "
                "are needed: free some space there, or choose another folder with --data."
            )


def same_edition(binaries: Binaries, has_timescaledb: bool, home: Path) -> Binaries:
    """Keep data with or without TimescaleDB as they were made: their tables differ."""
    if has_timescaledb and binaries.timescaledb is None:
        raise SupervisorError(
            f"The data in {home} need TimescaleDB, which is not here: "
            f"type `{line_to_type([f'postgresql-{binaries.major}-timescaledb'])}`."
        )
    return binaries if has_timescaledb else replace(binaries, timescaledb=None)


def update_timescaledb(connection: psycopg.Connection) -> None:
    """Bring the extension to the version installed: after an upgrade of the system the old library is gone.

    Must be the session's first statement, and says so only in a notice when there is nothing to do.
    """
    with contextlib.suppress(psycopg.errors.UndefinedObject):  # not created yet
        connection.execute("ALTER EXTENSION timescaledb UPDATE")


def kept_url(data: Path) -> str | None:
    """Return the URL of the database in a data folder from what its supervisor keeps there, None before the first run.

    For commands beside a running `forewarn up`; whether the server runs is not checked.
    """
    home = data.absolute() / "postgres"
    try:
        password, port = (home / f"{OWNER}.password").read_text().strip(), read_port(home / "port")
    except OSError:
        return None
    return f"postgresql://{OWNER}:{quote(password)}@127.0.0.1:{port}/{DATABASE}"


def server_environment() -> dict[str, str]:
    """Return a small environment: PG* variables of the caller must not reach our server."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/"}


def postmaster_status(cluster: Path) -> str:
    """Return the last line of postmaster.pid: starting, ready, stopping; empty when there is none."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return ""
    return lines[7].strip() if len(lines) > 7 else ""


def explain(text: str, home: Path, log: Path) -> str:
    """Turn what PostgreSQL wrote into the one sentence that says what to do."""
    if "No space left on device" in text:
        return f"No space left on the disk of {home}: free some space there and start again."
    if "Permission denied" in text:
        return f"PostgreSQL has no permission in {home}: correct its owner, or choose another with --data."
    if "password authentication failed" in text:
        return f"The password kept in {home} does not fit its database: put the right file back."
    if "incompatible with server" in text:
        return f"The data in {home} were written by another version of PostgreSQL: install that one."
    reasons = [line.partition("FATAL:")[2].strip() for line in text.splitlines() if "FATAL:" in line]
    reason = f" ({reasons[-1]})" if reasons else ""
    return f"PostgreSQL did not start{reason}: see {log}."
