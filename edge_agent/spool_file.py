"""The file of the spool: opened, guarded against a second process, set aside when damaged, changed all or nothing."""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)

KEEP_SET_ASIDE = 3  # corrupt files kept for a look; older ones are deleted

_CORRUPT_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS boot (
    number INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, next_seq INTEGER NOT NULL, next_index INTEGER NOT NULL,
    os_boot TEXT, born INTEGER, zero INTEGER);
CREATE TABLE IF NOT EXISTS record (
    lane INTEGER NOT NULL, id INTEGER NOT NULL, boot INTEGER NOT NULL, idx INTEGER NOT NULL, kind INTEGER NOT NULL,
    t INTEGER NOT NULL, payload TEXT NOT NULL, size INTEGER NOT NULL, crc INTEGER,
    PRIMARY KEY (lane, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
    boot INTEGER NOT NULL, seq INTEGER NOT NULL, lane INTEGER NOT NULL, first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL, first INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (boot, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS command (
    id TEXT PRIMARY KEY, result TEXT NOT NULL, at INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
"""

T = TypeVar("T")


class SpoolError(Exception):
    """What went wrong with the queue on disk; each kind below says what it means for the caller."""


class SpoolWriteFailed(SpoolError):
    """Nothing of this call was stored (disk full, no permission, input/output error)."""


class SpoolUnavailable(SpoolError):
    """The file cannot be opened at all."""


class SpoolInUse(SpoolError):
    """Another process works with this spool."""


class SpoolCorrupt(SpoolError):
    """The file was damaged and has been set aside; the spool goes on empty, under a new boot id."""


class SpoolFile:
    """SQLite in WAL mode with synchronous=FULL: a call that returns has reached the disk.

    Safe to use from several threads. One process at a time (`SpoolInUse`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write_failures = 0
        self.set_aside: list[Path] = []  # damaged files found since the start
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._guard = open(path.with_name(path.name + ".lock"), "a")  # noqa: SIM115 - held while the spool lives
        except OSError as error:
            raise SpoolUnavailable(f"{path}: {error.strerror}; check the folder's owner and free space") from error
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._guard.close()
            raise SpoolInUse(f"{path}: another forewarn-edge process uses this spool; stop it first") from error
        try:
            self._open_or_begin_anew()
        except sqlite3.Error as error:
            self._guard.close()
            raise SpoolUnavailable(f"{path}: {error}; check the folder's owner and free space") from error

    # --- opening and closing ---------------------------------------------------------------------------------

    def _open_or_begin_anew(self) -> None:
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _CORRUPT_CODES:
                raise
            self._set_aside(str(error))
            self._open()

    def _open(self) -> None:
        self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA cache_size=-2048")
            check = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if check != ("ok",):
                damage = sqlite3.DatabaseError(str(check[0]) if check else "quick_check says nothing")
                damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise damage
            self._db.executescript(_SCHEMA)
            if "crc" not in {row[1] for row in self._db.execute("PRAGMA table_info(record)")}:  # an earlier version's
                self._db.execute("ALTER TABLE record ADD COLUMN crc INTEGER")
            if "os_boot" not in {row[1] for row in self._db.execute("PRAGMA table_info(boot)")}:
                self._db.execute("ALTER TABLE boot ADD COLUMN os_boot TEXT")
                self._db.execute("ALTER TABLE boot ADD COLUMN born INTEGER")
                self._db.execute("ALTER TABLE boot ADD COLUMN zero INTEGER")
            self._load()
        except BaseException:
            self._db.close()
            raise

    def _load(self) -> None:
        """Called after each opening, also in mid-life after damage: read what is kept in memory."""

    def _set_aside(self, reason: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        target = self.path.with_name(f"{self.path.name}.corrupt-{stamp}")
        log.error("spool %s is damaged (%s): set aside as %s, a new one begins", self.path, reason, target.name)
        self.path.rename(target)
        for suffix in ("-wal", "-shm"):
            extra = self.path.with_name(self.path.name + suffix)
            if extra.exists():
                extra.rename(target.with_name(target.name + suffix))
        self.set_aside.append(target)
        kept = sorted(each for each in self.path.parent.glob(f"{self.path.name}.corrupt-*") if each.name[-1:] == "Z")
        for each in kept[:-KEEP_SET_ASIDE]:
            for suffix in ("", "-wal", "-shm"):
                each.with_name(each.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file and let another process have it."""
        with self._lock:
            self._db.close()
            self._guard.close()

    # --- transactions ----------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _guarded(self, work: Callable[[], T]) -> T:
        """Run one piece of database work; translate its failures into this module's errors."""
        with self._lock:
            try:
                return work()
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT_CODES:
                    self._db.close()
                    self._set_aside(str(error))
                    self._open()
                    text = f"{self.path} was damaged: {error}; set aside as {self.set_aside[-1]}"
                    raise SpoolCorrupt(text) from error
                self.write_failures += 1
                raise SpoolWriteFailed(f"{self.path}: {error}; free some space on its disk") from error
