"""What large fleets were last counted to be: kept by each process, and counted anew beside the requests."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.db import Database

log = logging.getLogger(__name__)

LARGE = 5_000  # assets: fewer are counted each time
FRESH = timedelta(seconds=15)  # after which whoever asks has them counted anew, and is answered at once
OLDEST = timedelta(minutes=2)  # what is older is never told
MOST_KEPT = 200  # fleets


@dataclass(frozen=True, slots=True)
class Counted:
    """How many assets are in which state (what lasts, what is heard), the gravest, and the first by what is heard."""

    rows: list[tuple[str | None, str, int]]
    gravest: list[UUID]
    silent: list[UUID]

    def states(self) -> Counter[str]:
        """Count by what lasts, else by what is heard."""
        found: Counter[str] = Counter()
        for lasting, heard, many in self.rows:
            found[lasting or heard] += many
        return found

    def heard(self) -> Counter[str]:
        """Count by what is heard, whatever lasts."""
        found: Counter[str] = Counter()
        for _, heard, many in self.rows:
            found[heard] += many
        return found


@dataclass(frozen=True, slots=True)
class Known:
    """What was counted, and when."""

    counted: Counted
    most: int
    at: datetime


class KeptFleets:
    """The large fleets of one process, by the organisation that looks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[UUID, Known] = {}
        self._counting: set[UUID] = set()
        self._lock = threading.Lock()

    def known(self, key: UUID, most: int, count: Callable[[Session], Counted]) -> Known | None:
        """Return what is known of a fleet, and have it counted anew when that is some time ago; None: count it now."""
        now = datetime.now(UTC)
        with self._lock:
            known = self._kept.get(key)
            if known is None or known.most != most or now - known.at > OLDEST:
                return None
            again = now - known.at > FRESH and key not in self._counting
            if again:
                self._counting.add(key)
        if again:
            threading.Thread(target=self._count, args=(key, most, count), daemon=True, name="count fleet").start()
        return known

    def keep(self, key: UUID, most: int, counted: Counted, at: datetime | None = None) -> None:
        """Keep what was counted, if there are many; the one that was counted longest ago makes room."""
        with self._lock:
            self._kept.pop(key, None)
            if sum(counted.heard().values()) > LARGE:
                self._kept[key] = Known(counted, most, at or datetime.now(UTC))
                while len(self._kept) > MOST_KEPT:
                    del self._kept[next(iter(self._kept))]

    def _count(self, key: UUID, most: int, count: Callable[[Session], Counted]) -> None:
        try:
            at = datetime.now(UTC)
            with self._database.as_service() as session:
                counted = count(session)
            self.keep(key, most, counted, at)
        except Exception:
            log.exception("a fleet was not counted")
        finally:
            with self._lock:
                self._counting.discard(key)
