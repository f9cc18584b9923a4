"""A TimescaleDB for tests on any machine where one is root: a Debian 13 tree, run in a chroot."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from gateway.supervise.postgres import OWNER
from gateway.supervise.spawn import port_is_free, spawn, stop_process, tail

PACKAGES = "postgresql-17-timescaledb,locales"
PROGRAMS = "/usr/lib/postgresql/17/bin"
MAKE_SECONDS = 900
START_SECONDS = 60


class TreeUnavailable(Exception):
    """The tree can neither be found nor made here."""


def cache_folder() -> Path:
    """Where the tree stays between runs (700 MB)."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "forewarn" / "trixie-timescale"


def ensure_tree(tree: Path) -> None:
    """Make the tree unless it is there; about 100 s, one process at a time. Raises TreeUnavailable with the reason."""
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tree.with_name(f"{tree.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_tree(tree)


def _make_tree(tree: Path) -> None:
    if (tree / "complete").exists():
        return
    debootstrap = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if os.geteuid() != 0 or debootstrap is None:
        raise TreeUnavailable("a TimescaleDB tree needs root and debootstrap (or set FOREWARN_TEST_TIMESCALE_URL)")
    print(f"\nMaking a Debian 13 tree with TimescaleDB in {tree} (about 100 s) ...", file=sys.stderr, flush=True)
    unfinished = tree.with_name(f"{tree.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    command = [debootstrap, "--variant=minbase", f"--include={PACKAGES}", "trixie", str(unfinished)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAKE_SECONDS)
    if made.returncode != 0:
        reason = (made.stdout + made.stderr).strip().splitlines()[-1:] or ["no reason given"]
        raise TreeUnavailable(f"debootstrap failed: {reason[0]}")
    (unfinished / "complete").touch()
    shutil.rmtree(tree, ignore_errors=True)
    unfinished.rename(tree)


class TreeCluster:
    """PostgreSQL 17 with TimescaleDB on 127.0.0.1, its data below the tree and removed at the end."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.port = _free_port()
        self.inside = f"/tmp/forewarn-test-{os.getpid()}"  # the same folder seen from within
        self.folder = tree / self.inside.lstrip("/")
        self.log = self.folder / "postgres.log"
        self._passwords = {"postgres": secrets.token_urlsafe(16), OWNER: secrets.token_urlsafe(16)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def superuser_url(self) -> str:
        """URL of the superuser in the database `postgres`."""
        return self.url_of("postgres", user="postgres")

    def url_of(self, database: str, user: str = OWNER) -> str:
        """URL of any database for `forewarn` or `postgres`."""
        return f"postgresql://{user}:{self._passwords[user]}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Create and start the cluster; raises TreeUnavailable with PostgreSQL's last words."""
        self.folder.mkdir(parents=True)
        (self.folder / "password").write_text(self._passwords["postgres"])
        self._run("chown", "-R", "postgres:", self.inside, user="root")
        self._run(
            *(f"{PROGRAMS}/initdb", "-D", f"{self.inside}/cluster", "-U", "postgres", "-A", "scram-sha-256"),
            *(f"--pwfile={self.inside}/password", "--locale=C.UTF-8", "--locale-provider=libc", "--no-sync"),
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",
            "shared_preload_libraries": "timescaledb",
            "timescaledb.telemetry_level": "off",
            "timescaledb.max_background_workers": "16",
            "max_worker_processes": "40",
            "max_connections": "200",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        switches = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [*self._enter("postgres"), f"{PROGRAMS}/postgres", "-D", f"{self.inside}/cluster", *switches]
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
        self._process = spawn(command, log=self.log, env=environment, death_signal=signal.SIGINT)
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server and remove its data."""
        if self._process is not None:
            stop_process(self._process, [(signal.SIGINT, 5.0), (signal.SIGQUIT, 2.0)])
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with psycopg.connect(self.superuser_url, autocommit=True, connect_timeout=5) as connection:
                    prepare_role(connection, self._passwords[OWNER])
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise TreeUnavailable(f"TimescaleDB did not start in the tree: {tail(self.log, 500)}")

    def _enter(self, user: str) -> list[str]:
        return ["chroot", f"--userspec={user}", str(self.tree)]

    def _run(self, *command: str, user: str = "postgres") -> None:
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [*self._enter(user), *command], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode != 0:
            raise TreeUnavailable(f"{command[0]} failed in the tree: {done.stderr.strip()[-500:]}")


def prepare_role(connection: psycopg.Connection, password: str) -> None:
    """Make the role that owns the test databases, as the embedded cluster does."""
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone()
    verb = psycopg.sql.SQL("ALTER" if exists else "CREATE")
    statement = psycopg.sql.SQL("{} ROLE {} LOGIN NOSUPERUSER CREATEROLE PASSWORD {}")
    connection.execute(statement.format(verb, psycopg.sql.Identifier(OWNER), psycopg.sql.Literal(password)))


def _free_port() -> int:
    while True:
        port = 20000 + secrets.randbelow(10000)  # below the ephemeral range, so that no client takes it meanwhile
        if port_is_free(port):
            return port
