"""Run a Mosquitto of our own inside the data folder: passwords, access list, persistence."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.supervise.access_list import SERVICE_USER, Right, access_list, is_username
from gateway.supervise.accounts import Account
from gateway.supervise.broker_tls import BrokerTls, listener_lines, read
from gateway.supervise.errors import SupervisorError
from gateway.supervise.lock import FolderLock, cannot_write
from gateway.supervise.packages import install, line_to_type
from gateway.supervise.progress import say
from gateway.supervise.spawn import kept_port, port_is_free, read_port, send_signal, spawn, stop_process, tail
from ingest.eviction import offline_sessions

START_SECONDS = 30.0
STOP_SECONDS = 3.0
YOUNG_SECONDS = 2.0  # before the broker tells its figures for the first time
MAX_PACKET_BYTES = 16 * 1024 * 1024  # a batch has far less; above it nothing sensible arrives
MAX_QUEUED_MESSAGES = 100_000  # what waits for a stopped ingest process; agents resend whatever is dropped
MAX_QUEUED_BYTES = 256 * 1024 * 1024
MAX_INFLIGHT_MESSAGES = 4000  # ingest acknowledges after the commit: groups in work, and live messages behind a backlog
HASH_ITERATIONS = 101  # Mosquitto's own figure; device passwords are random, so stretching adds nothing


class EmbeddedMosquitto:
    """Mosquitto on 127.0.0.1 with everything it writes below `data/mosquitto` and `data/logs`."""

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        *,
        extra_config: str = "",
        tls: BrokerTls | None = None,
        progress: Callable[[str], None] = say,
    ) -> None:
        self.tls = tls
        self.tls_port = 0
        self._started_at = 0.0
        self._service_line: str | None = None
        self.home = data.absolute() / "mosquitto"
        self.log = data.absolute() / "logs" / "mosquitto.log"
        self._fixed_port = port
        self._extra_config = extra_config
        self._progress = progress
        self._lock = FolderLock(self.home / "lock", "Forewarn's broker")
        self._process: subprocess.Popen[bytes] | None = None
        self._account = Account()
        self.port = port or read_port(self.home / "port")  # so that commands beside a running service have its URL

    @property
    def url(self) -> str:
        """URL of the service account, which may read and write everything of ours."""
        return f"mqtt://{SERVICE_USER}:{self._service_password()}@127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the broker, None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def is_alive(self) -> bool:
        """True while the broker runs."""
        return self.pid is not None

    def start(self) -> None:
        """Start the broker and wait until it listens.

        Raises SupervisorError: not installed, another one runs on the same data, port in use, no permission.
        """
        install_if_allowed(self._progress)
        program = find_mosquitto()
        self._service_line = None  # its password is read again
        self._lock.acquire()
        try:
            self._stop_leftover()
            self._start(program)
        except OSError as error:
            self.stop()
            raise SupervisorError(cannot_write(self.home, error)) from error
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Stop within `timeout` seconds and a bit; SIGTERM lets it save its queues."""
        if self._process is not None:
            stop_process(self._process, [(signal.SIGTERM, timeout)])
            self._process = None
        self._lock.release()

    def set_credentials(self, entries: Mapping[str, str]) -> None:
        """Replace all device accounts (username to `hash_password` result); in force within a second.

        A name that would widen the access list or break the file is left out and reported: one device with a bad
        name must not lock out the others.
        """
        self._write("passwords", self._password_lines(entries))
        self._reload()

    def set_access(
        self, entries: Mapping[str, str], rights: Iterable[Right], refused: Sequence[str], now: datetime
    ) -> None:
        """Replace accounts, rights beyond a device's own, and refused certificates (serial numbers) in one reload.

        Nothing happens when all is as it was, as after a claim with a certificate.
        """
        changed = self._replace("acl", access_list(rights=rights))
        if self.tls is not None:
            changed |= self.tls.refuse(self.home, self._write, refused, now)
            changed |= self.tls.renew(self.home, self._write, now)
        changed |= self._replace("passwords", self._password_lines(entries))
        if changed:
            self._reload()

    def _replace(self, name: str, text: str) -> bool:
        """Write a file unless it says so already; return whether it was written."""
        if read(self.home / name) == text.encode():
            return False
        self._write(name, text)
        return True

    def renew_certificate(self, now: datetime) -> None:
        """Make the TLS listener's certificate anew when two thirds of its life are over."""
        if self.tls is not None and self.tls.renew(self.home, self._write, now):
            self._reload()

    def _reload(self) -> None:
        """Let the broker read its files again: by the signal where that is safe, else by a restart of half a second.

        Mosquitto 2.0 (2.0.11 and 2.0.21 measured) frees a session twice when the signal finds one whose client came by
        certificate and is away, and crashes soon after. Those read from disk at the start are not concerned.
        """
        if self._process is None or not self.is_alive():
            return
        is_young = time.monotonic() - self._started_at < YOUNG_SECONDS
        if self.tls is None or is_young or offline_sessions(self.url) == 0:
            self._process.send_signal(signal.SIGHUP)
            return
        stop_process(self._process, [(signal.SIGTERM, STOP_SECONDS)])
        self._start(find_mosquitto())

    def _password_lines(self, entries: Mapping[str, str]) -> str:
        refused = sorted(name for name in entries if not is_username(name))
        if refused:
            self._progress(f"The broker refuses {refused[0]!r} and {len(refused) - 1} more: not a valid name.")
        password = self._service_password()
        if self._service_line is None:  # hashed once: another salt would look like a change
            self._service_line = f"{SERVICE_USER}:{hash_password(password)}\n"
        lines = [f"{username}:{entries[username]}\n" for username in sorted(entries.keys() - set(refused))]
        return self._service_line + "".join(lines)

    def credentials(self) -> dict[str, str]:
        """Return the device accounts in force, as `set_credentials` takes them."""
        try:
            lines = (self.home / "passwords").read_text().split("\n")
        except FileNotFoundError:
            return {}
        pairs = (line.partition(":")[::2] for line in lines)
        return {username: hashed for username, hashed in pairs if username and username != SERVICE_USER}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, program: str) -> None:
        self._process = None
        self.home.chmod(0o700)
        self._account = broker_account(self.home)
        for attempt in (1, 2, 3):  # between the choice of a free port and its use somebody may take it
            self.port = self._choose_port()
            if not (self.home / "acl").exists():
                self._write("acl", access_list())
            if self.tls is not None:
                self.tls_port = self.tls.choose_port(self.home)
                self.tls.prepare(self.home, self._write, datetime.now(UTC))
            self._write("mosquitto.conf", self._configuration())
            self.set_credentials(self.credentials())
            self._account.give(self.home)
            self._process = spawn(
                [program, "-c", str(self.home / "mosquitto.conf")],
                log=self.log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC"},
                cwd=self.home,
                # not `user` in the configuration: changing user later would clear the death signal
                uid=self._account.uid,
                gid=self._account.gid,
            )
            if self._wait_until_ready(last_attempt=attempt == 3):
                break
        self._started_at = time.monotonic()
        self._fixed_port = self.port  # others know this URL now: a restart keeps it
        (self.home / "port").write_text(f"{self.port}\n")

    def _choose_port(self) -> int:
        if self._fixed_port is None:
            return kept_port(self.home / "port")
        if not port_is_free(self._fixed_port):
            raise SupervisorError(
                f"Port {self._fixed_port} on 127.0.0.1 is in use: stop what uses it, or let Forewarn choose a port."
            )
        return self._fixed_port

    def _wait_until_ready(self, last_attempt: bool) -> bool:
        assert self._process is not None
        log_start = tail(self.log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                text = tail(self.log).removeprefix(log_start)
                if "Address already in use" in text and not last_attempt and self._fixed_port is None:
                    (self.home / "port").unlink(missing_ok=True)
                    return False
                raise SupervisorError(explain(text, self.home, self.log))
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                time.sleep(0.02)
        raise SupervisorError(f"The broker was not ready after {START_SECONDS:.0f} s: see {self.log}.")

    def _configuration(self) -> str:
        lines = [
            "# Written by Forewarn at each start.",
            "allow_anonymous false",
            f"password_file {self.home}/passwords",
            f"acl_file {self.home}/acl",
            "persistence true",
            f"persistence_location {self.home}/",
            "persistence_file sessions.db",
            "autosave_interval 30",
            "persistent_client_expiration 14d",
            f"max_queued_messages {MAX_QUEUED_MESSAGES}",
            f"max_queued_bytes {MAX_QUEUED_BYTES}",
            f"max_inflight_messages {MAX_INFLIGHT_MESSAGES}",
            f"max_packet_size {MAX_PACKET_BYTES}",
            "max_keepalive 3600",
            "sys_interval 1",
            "set_tcp_nodelay true",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "log_type notice",
            "log_timestamp_format %Y-%m-%dT%H:%M:%SZ",
            "connection_messages false",
            f"listener {self.port} 127.0.0.1",
            self._extra_config,
        ]
        if self.tls is not None:
            lines += listener_lines(str(self.home), self.tls_port, self.tls.address)
        return "\n".join(lines) + "\n"

    def _service_password(self) -> str:
        file = self.home / "service.password"
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            password = secrets.token_urlsafe(24)
            self._write("service.password", f"{password}\n")
            return password

    def _write(self, name: str, text: str) -> None:
        """Replace a file at once, so that a reload never reads half of it."""
        unfinished = self.home / f"{name}.new"
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        self._account.give(unfinished)
        unfinished.rename(self.home / name)

    def _stop_leftover(self) -> None:
        """Stop a broker of an earlier run on this folder; its supervisor is gone, since we hold the lock."""
        wanted = os.fsencode(self.home / "mosquitto.conf")
        for number in (signal.SIGTERM, signal.SIGKILL):
            pids = [pid for pid in _pids_of_mosquitto() if wanted in _arguments(pid)]
            for pid in pids:
                send_signal(pid, number)
            deadline = time.monotonic() + 5
            while any(wanted in _arguments(pid) for pid in pids) and time.monotonic() < deadline:
                time.sleep(0.05)


def kept_url(data: Path) -> str | None:
    """Return the URL of the broker in a data folder from what its supervisor keeps there, None before the first run."""
    home = data.absolute() / "mosquitto"
    try:
        password, port = (home / "service.password").read_text().strip(), read_port(home / "port")
    except OSError:
        return None
    return f"mqtt://{SERVICE_USER}:{password}@127.0.0.1:{port}"


def find_mosquitto() -> str:
    """Return the path of the broker's program; Debian keeps it where users do not look."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"])
    program = shutil.which("mosquitto", path=path)
    if program is None:
        line = line_to_type(["mosquitto"])
        raise SupervisorError(f"The MQTT broker is missing: type `{line}`, or set FOREWARN_BROKER_URL.")
    return program


def install_if_allowed(progress: Callable[[str], None]) -> None:
    """Install Mosquitto when it is missing and we are root on a system with apt; else leave it to `find_mosquitto`."""
    with contextlib.suppress(SupervisorError):
        find_mosquitto()
        return
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        install(["mosquitto"], progress)


def broker_account(home: Path) -> Account:
    """As root return the system user `mosquitto` when it can reach the folder; else stay who we are."""
    if os.geteuid() != 0:
        return Account()
    try:
        entry = pwd.getpwnam("mosquitto")
    except KeyError:
        return Account()
    account = Account(uid=entry.pw_uid, gid=entry.pw_gid)
    account.give(home)
    if account.can_read(home):
        return account
    os.chown(home, 0, 0)
    return Account()


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return Mosquitto's `$7$` form: PBKDF2-HMAC-SHA512 with 12 bytes of salt (src/password_mosq.c, version 2.0)."""
    salt = salt if salt is not None else secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ITERATIONS)
    parts = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"$7${HASH_ITERATIONS}${'$'.join(parts)}"


def explain(text: str, home: Path, log: Path) -> str:
    """Turn what Mosquitto wrote into the one sentence that says what to do."""
    if "No space left" in text:
        return f"No space left on the disk of {home}: free some space there and start again."
    if "Permission denied" in text or "Unable to open" in text:
        return f"The broker has no permission in {home}: correct its owner, or choose another with --data."
    reasons = [line for line in text.splitlines() if "Error" in line]
    reason = f" ({reasons[0].strip()})" if reasons else ""
    return f"The broker did not start{reason}: see {log}."


def _pids_of_mosquitto() -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.path.basename(os.readlink(f"/proc/{entry}/exe")).startswith("mosquitto"):
                found.append(int(entry))
        except OSError:
            continue
    return found


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
