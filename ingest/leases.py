"""Who reads which session at the broker: advisory locks, which the database frees when their holder is gone."""

from __future__ import annotations

import logging
import secrets
import zlib
from contextlib import suppress

import psycopg

from assets.base.db import plain_url
from ingest.store.base import Connection

log = logging.getLogger(__name__)

_SESSIONS, _WORKERS = 7_301_946, 7_301_947  # any constants of ours
ANSWER_S = 5  # the database is taken to be away when it does not answer within this
_COUNT = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Leases:
    """The leases of one worker, all on one connection of its own: they end together, however it ends."""

    def __init__(self, database_url: str) -> None:
        self._url = plain_url(database_url)
        self._connection: Connection | None = None
        self._held: set[str] = set()

    def refresh(self) -> set[str] | None:
        """Return the leases that are still ours; None while the database does not answer: then nobody knows."""
        try:
            if self._connection is None:
                self._connection = self._connect()
                wanted, self._held = self._held, set()
                for name in wanted:
                    self.take(name)
            else:
                self._connection.execute("SELECT 1")
        except psycopg.Error as error:
            self._lost(error)
            return None
        return set(self._held)

    def take(self, name: str) -> bool:
        """Return whether the lease is ours now. Raises psycopg.Error."""
        if self._connection is None:
            return False
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [_SESSIONS, _number(name)]).fetchone()
        if row is not None and row[0]:
            self._held.add(name)
            return True
        return False

    def give_back(self, name: str) -> None:
        """Let another worker have it."""
        self._held.discard(name)
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.execute("SELECT pg_advisory_unlock(%s, %s)", [_SESSIONS, _number(name)])

    def workers(self) -> int:
        """Return how many workers there are, this one included. Raises psycopg.Error."""
        if self._connection is None:
            return 1
        row = self._connection.execute(_COUNT, [_WORKERS]).fetchone()
        return max(1, row[0] if row is not None else 1)

    def close(self) -> None:
        """Give everything back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _connect(self) -> Connection:
        # The server notices a worker whose machine vanished, and we a server, within some ten seconds.
        connection: Connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=ANSWER_S,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            options=f"-c statement_timeout={ANSWER_S * 1000} -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2"
            " -c tcp_keepalives_count=3",
        )
        connection.execute("SELECT pg_advisory_lock(%s, %s)", [_WORKERS, secrets.randbits(31)])
        return connection

    def _lost(self, error: psycopg.Error) -> None:
        log.warning("the leases cannot be looked at: %s", error)
        self.close()


def _number(name: str) -> int:
    return zlib.crc32(name.encode()) - 2**31  # a signed number of 32 bits
