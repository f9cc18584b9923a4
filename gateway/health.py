"""Say whether the database takes what is written: a full disk or a standby answers questions, but stores nothing."""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy import text

from assets.base.db import Database

log = logging.getLogger(__name__)

KEEP_S = 2.0  # an answer holds so long: whoever asks often must not make the database write often
PATIENCE = "3s"  # a database that is slower than this takes no telemetry either
# A new file is made and grows, and the commit waits for the log on disk; nothing of it stays.
_PROBE = "CREATE TEMPORARY TABLE forewarn_probe ON COMMIT DROP AS SELECT repeat('forewarn', 2000) AS written"


class Readiness:
    """The answer of `/readyz`, at most two seconds old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._asked_at = -KEEP_S
        self._ready = False

    def is_ready(self) -> bool:
        """True when the schema is there and a write reached the disk."""
        with self._lock:
            if time.monotonic() - self._asked_at >= KEEP_S:
                self._ready = self._probe()
                self._asked_at = time.monotonic()
            return self._ready

    def _probe(self) -> bool:
        try:
            with self._database.as_service() as session:
                session.execute(text(f"SET LOCAL statement_timeout = '{PATIENCE}'"))
                session.execute(text("SELECT 1 FROM organisations LIMIT 1"))
                session.execute(text(_PROBE))
        except Exception as error:
            log.warning("not ready: %s", error)  # names host and user: not for whoever reaches the port
            return False
        return True
