"""One host among several ingest processes: the one that holds the lease runs, the others wait to take over."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from assets.base.db import Database, plain_url
from ingest.consumer import Consumer, Stopped
from ingest.sparkplug.host import HostOptions, SparkplugHost
from ingest.store.base import Connection

log = logging.getLogger(__name__)

LOOK_S = 0.5  # how often the lease is asked for and looked at: a dead host is followed within a second or two
ASK_S = 5.0  # the database is taken to be away when it does not answer within this
AWAY_S = 3.0  # before nodes are told to keep their data: a restart of the database need not be noticed
GOODBYE_S = 1.0  # for what was received before the last word to be written


class Lease:
    """An advisory lock of a connection of its own: the server frees it when that connection ends, however it ends."""

    def __init__(self, database_url: str, name: str) -> None:
        self._url = plain_url(database_url)
        digest = hashlib.sha256(f"forewarn sparkplug host {name}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._connection: Connection | None = None

    def take(self) -> bool | None:
        """Return whether the lease is ours; None when the database does not answer."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            else:
                self._connection.execute("SELECT 1")
                return True
            row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [self._key]).fetchone()
        except psycopg.Error as error:
            log.warning("the lease cannot be asked for: %s", error)
            self.free()
            return None
        if row is None or not row[0]:
            self.free()
            return False
        return True

    def free(self) -> None:
        """Give the lease back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _connect(self) -> Connection:
        # A server that vanished without a word must not hold us for minutes: the other host waits no longer.
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=int(ASK_S),
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            options=f"-c statement_timeout={int(ASK_S * 1000)}",
        )


def run_host(
    database_url: str,
    broker_url: str,
    stop: threading.Event,
    on_subscribed: Callable[[], None] | None = None,
    options: HostOptions | None = None,
) -> None:
    """Be the Sparkplug host whenever nobody else is, until `stop` is set."""
    chosen = options or HostOptions()
    lease = Lease(database_url, chosen.host_id)
    try:
        while not stop.is_set():
            if lease.take():
                log.info("this process is the Sparkplug host %r", chosen.host_id)
                _run(database_url, broker_url, stop, on_subscribed, chosen, lease)
            stop.wait(LOOK_S)
    finally:
        lease.free()


def _run(
    database_url: str,
    broker_url: str,
    stop: threading.Event,
    on_subscribed: Callable[[], None] | None,
    options: HostOptions,
    lease: Lease,
) -> None:
    """Run the host until told to stop, or until the lease is somebody else's."""
    database = Database(database_url, pool_size=1)
    host = SparkplugHost(database, options)
    ended = threading.Event()
    failures: list[BaseException] = []

    def consume() -> None:
        try:
            with suppress(Stopped):
                Consumer(database_url, broker_url, ended, on_subscribed, host).run()
        except BaseException as error:
            failures.append(error)
            log.exception("the Sparkplug host failed; beginning anew")

    thread = threading.Thread(target=consume, name="sparkplug-host")
    thread.start()
    try:
        _hold(lease, host, stop, thread)
        _say_goodbye(host, thread)
    finally:
        ended.set()
        thread.join()
        database.dispose()


def _hold(lease: Lease, host: SparkplugHost, stop: threading.Event, thread: threading.Thread) -> None:
    """Return when the host must end. While the database is away nodes are told so, and keep their data."""
    answered_at = time.monotonic()
    while thread.is_alive() and not stop.wait(LOOK_S):
        is_ours = lease.take()
        now = time.monotonic()
        if is_ours is False:
            log.warning("another process is the Sparkplug host now")
            return
        if is_ours:
            answered_at = now
            host.state.resume()
        elif now - answered_at >= AWAY_S:
            host.state.pause()


def _say_goodbye(host: SparkplugHost, thread: threading.Thread) -> None:
    """Tell nodes to keep their data, then let what was received before be written."""
    host.state.pause()
    host.ends = True
    host.is_written.wait(GOODBYE_S)
    thread.join(0.3)  # what came meanwhile
