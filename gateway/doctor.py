"""Check what Forewarn stands on; each failure comes with the line that fixes it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg.rows import dict_row

from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.supervise import mosquitto, postgres
from gateway.supervise.binaries import OLDEST_MAJOR, find_binaries
from gateway.supervise.cluster import read_major
from gateway.supervise.errors import SupervisorError
from gateway.supervise.processes import read_health
from gateway.supervise.spawn import port_is_free
from ingest.brokers import broker_urls

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 2**30  # a day of a thousand readings per second takes about as much
LARGEST_SKEW_SECONDS = 2.0  # above it, "received" seems to come before "measured"
EARLIEST_SENSIBLE_TIME = 1_735_689_600  # 2025-01-01: a clock before it was never set
UNSCORED_SECONDS = 1800  # readings so much newer than the detectors' saved state
MOST_NAMED = 5
CONNECT_SECONDS = 5
CONNACK_REASONS = {1: "protocol refused", 2: "client id refused", 3: "not available", 4: "wrong password", 5: "refused"}


@dataclass(frozen=True)
class Check:
    """One thing looked at; `fix` is the line to type or do when it is not ok, else empty."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def run_doctor(data: Path, database_url: str | None, broker_url: str | None, http: str) -> list[Check]:
    """Look at everything; without URLs at the servers embedded in the data folder."""
    return [
        _python(),
        *_database(data, database_url),
        *_broker(data, broker_url),
        *_processes(data),
        _disk(data),
        _clock(),
        _http_port(http),
    ]


def print_checks(checks: Iterable[Check], *, as_json: bool = False) -> None:
    """Print one line per check with the fix below a failure, or one JSON object."""
    if as_json:
        listed = [asdict(check) for check in checks]
        print(json.dumps({"ok": all(check["ok"] for check in listed), "checks": listed}, ensure_ascii=False))
        return
    for check in checks:
        print(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
        if not check.ok:
            print(f"     -> {check.fix}")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= OLDEST_PYTHON, version, "Install Python 3.11 or newer.")


# --- Database -----------------------------------------------------------------------------------------------------


def _database(data: Path, given_url: str | None) -> list[Check]:
    url = given_url or postgres.kept_url(data)
    try:
        if url is None:
            raise psycopg.OperationalError("there has been no run yet")
        with psycopg.connect(plain_url(url), connect_timeout=CONNECT_SECONDS, autocommit=True) as connection:
            return [
                Check("database", True, f"{urlsplit(url).hostname}:{urlsplit(url).port or 5432}"),
                _guard("edition", lambda: _edition(connection)),
                _guard("roles", lambda: _roles(connection)),
                _guard("migrations", lambda: _migrations(url)),
                _guard("database clock", lambda: _database_clock(connection)),
                _guard("models", lambda: _models(connection)),
                _guard("scoring", lambda: _scoring(connection)),
            ]
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[-1]
        if given_url is not None:
            fix = "Start that server, or correct FOREWARN_DATABASE_URL."
            return [Check("database", False, f"not reachable: {reason}", fix)]
    return [_embedded_database(data)]


def _embedded_database(data: Path) -> Check:
    """A service that is not running is no failure; one that could not run is."""
    try:
        binaries = find_binaries(read_major(data / "postgres" / "cluster"), data)
    except SupervisorError as error:
        return Check("database", False, "no PostgreSQL to run", error.message)
    if _runs(data, "postgres"):
        return Check("database", False, "does not answer", f"See {data}/logs/postgres.log.")
    return Check("database", True, f"embedded, not running; `forewarn up` will start {binaries.edition}")


def _guard(name: str, check: Callable[[], Check]) -> Check:
    """Turn what a check raises into its failure: the doctor never breaks off."""
    try:
        return check()
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return Check(name, False, lines[0], "Run `forewarn migrate`; if that does not help, report this.")


def _edition(connection: psycopg.Connection) -> Check:
    version = connection.info.server_version
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    detail = f"PostgreSQL {version // 10000}.{version % 10000}, plain"
    if row is not None:
        licence = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
        community = licence is not None and licence[0] == "timescale"
        detail = f"{detail.removesuffix('plain')}TimescaleDB {row[0]} {'Community' if community else 'Apache'} edition"
    fix = f"Use PostgreSQL {OLDEST_MAJOR} or newer."
    return Check("edition", version // 10000 >= OLDEST_MAJOR, detail, fix)


def _roles(connection: psycopg.Connection) -> Check:
    """Whoever is a superuser or has BYPASSRLS sees every customer's rows: none of our roles may."""
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(
        "SELECT rolname, rolsuper OR rolbypassrls AS unbound, rolname = current_user AS login FROM pg_roles "
        "WHERE rolname IN (current_user, %s, %s, %s)",
        [APP_ROLE, SERVICE_ROLE, READER_ROLE],
    )
    rows = cursor.fetchall()
    unbound = [row["rolname"] for row in rows if row["unbound"]]
    if unbound:
        names = ", ".join(unbound)
        fix = "; ".join(f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS" for name in unbound)
        return Check("roles", False, f"row-level security does not bind {names}", f"As another superuser: {fix};")
    missing = {APP_ROLE, SERVICE_ROLE, READER_ROLE} - {row["rolname"] for row in rows}
    if missing:
        return Check("roles", False, f"missing: {', '.join(sorted(missing))}", "Run `forewarn migrate`.")
    login = next(row["rolname"] for row in rows if row["login"])
    return Check("roles", True, f"{login} is an ordinary role; {APP_ROLE} is bound by row-level security")


def _migrations(url: str) -> Check:
    from sqlalchemy import create_engine

    from assets.base.db import sqlalchemy_url
    from gateway.migrate import current

    engine = create_engine(sqlalchemy_url(url))
    try:
        with engine.connect() as connection:
            applied, newest = current(connection)
    finally:
        engine.dispose()
    detail = f"{applied or 'none'} applied, {newest or 'none'} newest"
    return Check("migrations", applied == newest, detail, "Run `forewarn migrate`.")


def _database_clock(connection: psycopg.Connection) -> Check:
    begun = time.time()
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    middle = (begun + time.time()) / 2
    skew = float(row[0]) - middle if row is not None else 0.0
    fix = "Let both machines take their time from NTP."
    return Check("database clock", abs(skew) <= LARGEST_SKEW_SECONDS, f"{skew:+.2f} s from this machine's", fix)


def _models(connection: psycopg.Connection) -> Check:
    """A stored model whose hash is wrong is never loaded: somebody should know that it does not serve."""
    with connection.transaction():
        known = connection.execute("SELECT to_regclass('model_contents') IS NOT NULL").fetchone()
        if known is None or not known[0]:
            return Check("models", True, "none yet")
        connection.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
        rows = connection.execute(
            "SELECT m.name || ' version ' || m.version, encode(sha256(c.content), 'hex') = m.digest"
            " FROM models m JOIN model_contents c ON c.model_id = m.id ORDER BY m.name, m.version"
        ).fetchall()
    damaged = [name for name, whole in rows if not whole]
    fix = "Go back to another version: `forewarn model rollback NAME --to VERSION`."
    if damaged:
        return Check("models", False, f"wrong hash, not used: {', '.join(damaged)}", fix)
    return Check("models", True, f"{len(rows)} stored, each with its right hash")


def _scoring(connection: psycopg.Connection) -> Check:
    """The detectors' state of an asset that reports is saved every ten minutes: an older one says that they fail."""
    with connection.transaction():
        known = connection.execute("SELECT to_regclass('scoring_states') IS NOT NULL").fetchone()
        if known is None or not known[0]:
            return Check("scoring", True, "no assets yet")
        connection.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
        rows = connection.execute(
            "SELECT DISTINCT a.serial FROM streams t"
            " JOIN asset_bindings b ON b.device_id = t.device_id AND b.channel = t.channel AND b.valid_to IS NULL"
            " JOIN assets a ON a.id = b.asset_id LEFT JOIN scoring_states s ON s.asset_id = a.id"
            " WHERE t.fresh_at > coalesce(s.updated_at, b.valid_from, a.created_at) + make_interval(secs => %s)"
            " ORDER BY a.serial",
            [UNSCORED_SECONDS],
        ).fetchall()
    if not rows:
        return Check("scoring", True, "every asset that reports is scored")
    named = ", ".join(row[0] for row in rows[:MOST_NAMED]) + (", …" if len(rows) > MOST_NAMED else "")
    fix = "See why under `scoring failed` in the worker's log; they are tried again with each new reading."
    return Check("scoring", False, f"{len(rows)} assets report and are not scored: {named}", fix)


def plain_url(url: str) -> str:
    """Return a URL that psycopg understands from one that may name SQLAlchemy's driver."""
    scheme, rest = url.split("://", 1)
    return f"{scheme.split('+')[0]}://{rest}"


# --- Broker -------------------------------------------------------------------------------------------------------


def _broker(data: Path, given_url: str | None) -> list[Check]:
    url = given_url or mosquitto.kept_url(data)
    checks = [] if given_url else [_mosquitto_program()]
    try:
        if url is None:
            raise ConnectionRefusedError("there has been no run yet")
        for each in broker_urls(url):
            reason = connect_reason(each)
            parts = urlsplit(each)
            detail = f"{parts.hostname}:{parts.port or 1883}" + (f" says: {reason}" if reason else "")
            fix = "Correct user and password in FOREWARN_BROKER_URL."
            checks.append(Check("broker", reason is None, detail, fix))
        return checks
    except OSError as error:
        if given_url is not None:
            fix = "Start that broker, or correct FOREWARN_BROKER_URL."
            return [Check("broker", False, f"not reachable: {error}", fix)]
    if _runs(data, "mosquitto") or _runs(data, "broker"):
        return [*checks, Check("broker", False, "does not answer", f"See {data}/logs/mosquitto.log.")]
    return [*checks, Check("broker", True, "embedded, not running; `forewarn up` will start it")]


def _mosquitto_program() -> Check:
    try:
        return Check("mosquitto", True, mosquitto.find_mosquitto())
    except SupervisorError as error:
        return Check("mosquitto", False, "not installed", error.message)


def connect_reason(url: str) -> str | None:
    """Connect to a broker as MQTT 3.1.1 does; return None when it lets us in, else its reason. Raises OSError.

    By hand: the gateway has no MQTT library, and one packet each way is all that this takes.
    """
    parts = urlsplit(url)
    secure = parts.scheme in ("mqtts", "ssl")
    address = (parts.hostname or "127.0.0.1", parts.port or (8883 if secure else 1883))
    with socket.create_connection(address, timeout=CONNECT_SECONDS) as plain:
        stream = ssl.create_default_context().wrap_socket(plain, server_hostname=address[0]) if secure else plain
        with stream:
            stream.sendall(_connect_packet(parts.username, parts.password))
            answer = stream.recv(4)
    if len(answer) < 4 or answer[0] != 0x20:
        return "no MQTT broker"
    return None if answer[3] == 0 else CONNACK_REASONS.get(answer[3], f"code {answer[3]}")


def _connect_packet(username: str | None, password: str | None) -> bytes:
    """Return CONNECT of MQTT 3.1.1 with a clean session and an id of the broker's choice."""

    def field(text: bytes) -> bytes:
        return len(text).to_bytes(2, "big") + text

    flags = 0x02 | (0x80 if username else 0) | (0x40 if password else 0)
    body = field(b"MQTT") + bytes([4, flags]) + (30).to_bytes(2, "big") + field(b"")
    for given in (username, password):
        if given:
            body += field(unquote(given).encode())
    length, size = bytearray(), len(body)
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return b"\x10" + bytes(length) + body


# --- This machine -------------------------------------------------------------------------------------------------


def _runs(data: Path, name: str) -> bool:
    return any(health.name.startswith(name) for health in read_health(data))


def _processes(data: Path) -> list[Check]:
    checks = []
    for health in read_health(data):
        detail = f"{health.state}, pid {health.pid}, restarted {health.restarts} times"
        if health.last_exit:
            detail += f", last ended with {health.last_exit}"
        fix = f"See {data}/logs/{health.name}.log."
        checks.append(Check(f"process {health.name}", health.state == "running", detail, fix))
    return checks


def _disk(data: Path) -> Check:
    folder = data.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return Check("disk", False, f"{folder} is not writable", "Correct its owner, or choose another with --data.")
    fix = "Free some space there, or choose another folder with --data."
    return Check("disk", free >= LEAST_FREE_BYTES, f"{free / 2**30:.1f} GB free for {data}", fix)


def _clock() -> Check:
    now = time.time()
    detail = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return Check("clock", now > EARLIEST_SENSIBLE_TIME, detail, "Set the clock: `timedatectl set-ntp true`.")


def _http_port(address: str) -> Check:
    host, _, number = address.rpartition(":")
    name = f"http {address}"
    try:
        port = int(number)
        if port_is_free(port, host or "127.0.0.1"):
            return Check(name, True, "free")
    except (ValueError, OverflowError):
        return Check(name, False, "not host:port", "Correct FOREWARN_HTTP, for example 127.0.0.1:8080.")
    local = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host
    try:
        connection = http.client.HTTPConnection(local, port, timeout=CONNECT_SECONDS)
        connection.request("GET", "/healthz")
        if connection.getresponse().status == 200:
            return Check(name, True, "answered by Forewarn")
    except (OSError, http.client.HTTPException):
        pass
    return Check(name, False, "used by something else", "Choose another, for example FOREWARN_HTTP=127.0.0.1:8090.")
