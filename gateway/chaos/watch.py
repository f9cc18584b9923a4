"""Watch the database for new rows of each device, to tell how long each fault was felt."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

LOOK_S = 0.2
_ROWS = """
SELECT d.serial, coalesce(sum(b.stored), 0)::bigint FROM devices d LEFT JOIN device_boots b ON b.device_id = d.id
WHERE d.serial LIKE 'CHAOS-%' GROUP BY d.serial
"""


@dataclass(slots=True)
class _Wait:
    """Devices whose next row is awaited, with the rows they had."""

    rows: dict[str, int]
    since: float
    done: Callable[[float], None]


class CommitWatch:
    """A thread that counts committed rows; `expect` asks when each of the named devices has a new one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rows: dict[str, int] = {}
        self._waits: list[_Wait] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commit-watch", daemon=True)
        self._thread.start()

    def expect(self, serials: set[str] | None, since: float, done: Callable[[float], None]) -> None:
        """Call `done(seconds)` once every named device (None: each) has more rows than now."""
        with self._lock:
            rows = {serial: n for serial, n in self._rows.items() if serials is None or serial in serials}
            self._waits.append(_Wait(rows, since, done))

    def rows(self) -> dict[str, int]:
        """Return the committed rows of each device as last seen."""
        with self._lock:
            return dict(self._rows)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        connection: psycopg.Connection | None = None
        while not self._stop.wait(LOOK_S):
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
                    connection.execute("SET ROLE forewarn_service")
                found = {str(serial): int(rows) for serial, rows in connection.execute(_ROWS)}
            except psycopg.Error:
                if connection is not None:
                    with contextlib.suppress(psycopg.Error):
                        connection.close()
                connection = None
                continue
            self._take(found)
        if connection is not None:
            connection.close()

    def _take(self, found: dict[str, int]) -> None:
        now = time.monotonic()
        with self._lock:
            self._rows = found
            ready = [each for each in self._waits if all(found.get(key, 0) > n for key, n in each.rows.items())]
            self._waits = [each for each in self._waits if each not in ready]
        for each in ready:
            each.done(now - each.since)
