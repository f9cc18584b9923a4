"""The queue on disk: every sample is durable here before it is sent, and deleted only when the server has it."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from edge_agent import boot_id, wire

log = logging.getLogger(__name__)

RECORD_OVERHEAD_BYTES = 48  # key, row header and page slack of one record, counted into the bound
BATCH_BYTES = 256 * 1024  # well under wire.MAX_BATCH_BYTES, so that eight in flight fit a small computer's memory
MIN_MAX_BYTES = 4 * 1024 * 1024  # room for a full window of batches, which are never dropped
KEEP_SET_ASIDE = 3  # corrupt files kept for a look; older ones are deleted
KEEP_COMMAND_RESULTS = 200

_SAMPLE, _EVENT, _DROPPED = 0, 1, 2
_LIVE = 0
_CORRUPT_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS boot (
    number INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, next_seq INTEGER NOT NULL, next_index INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS record (
    lane INTEGER NOT NULL, id INTEGER NOT NULL, boot INTEGER NOT NULL, idx INTEGER NOT NULL, kind INTEGER NOT NULL,
    t INTEGER NOT NULL, payload TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (lane, id)) WITHOUT ROWID;
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


@dataclass(frozen=True, slots=True)
class FormedBatch:
    """A batch as it stands in the spool; sent again it has the same key and the same content."""

    boot: str
    seq: int
    lane: wire.Lane
    first: int
    n: int
    number: int
    first_id: int
    last_id: int

    @property
    def key(self) -> tuple[str, int]:
        """(boot, seq): what the server acknowledges."""
        return self.boot, self.seq


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """How full the queue is; oldest_t in ms; hours_left None while the rate is unknown."""

    records: int
    bytes: int
    max_bytes: int
    oldest_t: int | None
    hours_left: float | None
    dropped_samples: int
    write_failures: int
    boot: str

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Spool:
    """SQLite in WAL mode with synchronous=FULL: a call that returns has reached the disk.

    Safe to use from several threads. One process at a time (`SpoolInUse`).
    """

    def __init__(self, path: Path, max_bytes: int, batch_bytes: int = BATCH_BYTES) -> None:
        self.path = path
        self.max_bytes = max(max_bytes, MIN_MAX_BYTES)
        self.batch_bytes = batch_bytes
        self.write_failures = 0
        self.dropped_samples = 0
        self.set_aside: list[Path] = []  # damaged files found since the start
        self._lock = threading.RLock()
        self._started = time.monotonic()
        self._live_bytes = 0  # appended to the live lane since the start, for the estimate of hours left
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
            self._load()
        except BaseException:
            self._db.close()
            raise

    def _load(self) -> None:
        one = self._db.execute
        self._next_id = int(one("SELECT COALESCE(MAX(id), 0) + 1 FROM record").fetchone()[0])
        self.records, self.bytes = map(int, one("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM record").fetchone())
        self._formed_to = dict.fromkeys(range(len(wire.LANES)), 0)
        for lane, last in one("SELECT lane, MAX(last_id) FROM batch GROUP BY lane"):
            self._formed_to[lane] = last
        self.boot = boot_id.new_boot_id()
        self._next_index = 0
        with self._transaction():
            one(
                "DELETE FROM boot WHERE number NOT IN (SELECT boot FROM record)"
                " AND number NOT IN (SELECT boot FROM batch)"
            )
            number = one("SELECT COALESCE(MAX(number), 0) + 1 FROM boot").fetchone()[0]
            one("INSERT INTO boot VALUES (?, ?, 1, 0)", (number, self.boot))
        self._number = int(number)

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
        old = sorted(each for each in self.path.parent.glob(f"{self.path.name}.corrupt-*") if each.name[-1:] == "Z")[
            :-KEEP_SET_ASIDE
        ]
        for each in old:
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
                    raise SpoolCorrupt(
                        f"{self.path} was damaged: {error}; set aside as {self.set_aside[-1]}"
                    ) from error
                self.write_failures += 1
                raise SpoolWriteFailed(f"{self.path}: {error}; free some space on its disk") from error

    # --- putting in ------------------------------------------------------------------------------------------

    def append(
        self,
        samples: Sequence[wire.Sample] = (),
        events: Sequence[wire.DeviceEvent] = (),
        lane: wire.Lane = "live",
    ) -> int:
        """Store all or nothing in one commit; return the running index of the first sample.

        Raise SpoolWriteFailed when nothing was stored, SpoolCorrupt when the caller should simply try again.
        """
        parts = [(_SAMPLE, sample.t, wire.encode_sample(sample)) for sample in samples]
        parts += [(_EVENT, event.t, wire.encode_event(event)) for event in events]
        return self._guarded(lambda: self._append(wire.LANES.index(lane), parts))

    def _append(self, lane: int, parts: Sequence[tuple[int, int, str]]) -> int:
        first, rows, size = self._next_index, [], 0
        index = first
        for offset, (kind, t, payload) in enumerate(parts):
            row_size = len(payload.encode()) + RECORD_OVERHEAD_BYTES
            rows.append((lane, self._next_id + offset, self._number, index, kind, t, payload, row_size))
            index += kind == _SAMPLE
            size += row_size
        with self._transaction():
            dropped_records, dropped_bytes, extra_ids = self._make_room(size, self._next_id + len(rows))
            self._db.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("UPDATE boot SET next_index = ? WHERE number = ?", (index, self._number))
        self._next_id += len(rows) + extra_ids
        self._next_index = index
        self.records += len(rows) - dropped_records
        self.bytes += size - dropped_bytes
        if lane == _LIVE:
            self._live_bytes += size
        return first

    def note_lost(self, n: int, t_from: int, t_to: int, reason: str) -> None:
        """Record that n samples never reached the disk, so that the server hears of them."""
        self._guarded(lambda: self._note_lost(n, t_from, t_to, reason))

    def _note_lost(self, n: int, t_from: int, t_to: int, reason: str) -> None:
        report = wire.Dropped(self._next_index, n, t_from, t_to, reason)
        row = self._dropped_row(self._next_id, self._number, report)
        with self._transaction():
            self._db.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._db.execute("UPDATE boot SET next_index = ? WHERE number = ?", (self._next_index + n, self._number))
        self._next_id += 1
        self._next_index += n
        self.records += 1
        self.bytes += row[-1]
        self.dropped_samples += n

    @staticmethod
    def _dropped_row(row_id: int, number: int, report: wire.Dropped) -> tuple[int, int, int, int, int, int, str, int]:
        payload = wire.encode_dropped(report)
        size = len(payload) + RECORD_OVERHEAD_BYTES
        return (_LIVE, row_id, number, report.first, _DROPPED, report.t_to, payload, size)

    def _make_room(self, size: int, next_id: int) -> tuple[int, int, int]:
        """Drop the oldest records, background lanes first; return (records, bytes, ids used) of what changed.

        Batches already formed stay: a window of them is small, and their content must not change.
        """
        excess = self.bytes + size - self.max_bytes
        if excess <= 0:
            return 0, 0, 0
        excess += self.max_bytes // 50  # in steps of 2 %, not record by record
        victims: list[tuple[int, ...]] = []
        for lane in (2, 1, 0):
            cursor = self._db.execute(
                "SELECT lane, id, boot, idx, kind, t, size FROM record WHERE lane = ? AND id > ? AND kind != ?"
                " ORDER BY id",
                (lane, self._formed_to[lane], _DROPPED),
            )
            for row in cursor:
                if excess <= 0:
                    break
                victims.append(row)
                excess -= row[-1]
        reports = [
            self._dropped_row(next_id + offset, number, report)
            for offset, (number, report) in enumerate(_report_runs(victims))
        ]
        self._db.executemany("DELETE FROM record WHERE lane = ? AND id = ?", [row[:2] for row in victims])
        self._db.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)", reports)
        samples = sum(row[4] == _SAMPLE for row in victims)
        self.dropped_samples += samples
        log.warning("spool %s is full: dropped its %d oldest records", self.path, len(victims))
        freed = sum(row[-1] for row in victims) - sum(row[-1] for row in reports)
        return len(victims) - len(reports), freed, len(reports)

    # --- taking out ------------------------------------------------------------------------------------------

    def formed(self) -> list[FormedBatch]:
        """Return the batches formed and not yet acknowledged, oldest first, live before the rest."""
        rows = self._guarded(
            lambda: self._db.execute(
                "SELECT b.boot, seq, lane, first, n, number, first_id, last_id FROM batch JOIN boot b"
                " ON b.number = batch.boot ORDER BY lane, number, seq"
            ).fetchall()
        )
        return [FormedBatch(boot, seq, wire.LANES[lane], *rest) for boot, seq, lane, *rest in rows]

    def form(self, background: bool, count: int = 1, max_bytes: int | None = None) -> list[FormedBatch]:
        """Turn waiting records into at most `count` batches, durably; background means backfill and replay."""
        lanes = (1, 2) if background else (0,)
        return self._guarded(lambda: self._form(lanes, count, max_bytes or self.batch_bytes))

    def _form(self, lanes: Iterable[int], count: int, max_bytes: int) -> list[FormedBatch]:
        made: list[FormedBatch] = []
        formed_to = dict(self._formed_to)
        waiting = [
            lane
            for lane in lanes
            if self._db.execute(
                "SELECT 1 FROM record WHERE lane = ? AND id > ? LIMIT 1", (lane, formed_to[lane])
            ).fetchone()
        ]
        if not waiting:
            return []
        with self._transaction():
            for lane in waiting:
                while len(made) < count:
                    batch = self._form_one(lane, formed_to[lane], max_bytes)
                    if batch is None:
                        break
                    formed_to[lane] = batch.last_id
                    made.append(batch)
        self._formed_to = formed_to
        return made

    def _form_one(self, lane: int, after: int, max_bytes: int) -> FormedBatch | None:
        rows = self._db.execute(
            "SELECT id, boot, idx, kind, size FROM record WHERE lane = ? AND id > ? ORDER BY id LIMIT ?",
            (lane, after, wire.MAX_BATCH_SAMPLES),
        )
        first_id = last_id = number = first = n = total = 0
        for row_id, boot, index, kind, size in rows:
            if first_id == 0:
                first_id, number, first = row_id, boot, index
            is_gap = kind == _SAMPLE and n > 0 and index != first + n
            if boot != number or is_gap or (total and total + size > max_bytes):
                break
            if kind == _SAMPLE:
                first = first if n else index
                n += 1
            last_id, total = row_id, total + size
        if first_id == 0:
            return None
        boot, seq = self._db.execute("SELECT boot, next_seq FROM boot WHERE number = ?", (number,)).fetchone()
        self._db.execute("UPDATE boot SET next_seq = next_seq + 1 WHERE number = ?", (number,))
        self._db.execute(
            "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)", (number, seq, lane, first_id, last_id, first, n)
        )
        return FormedBatch(boot, seq, wire.LANES[lane], first, n, number, first_id, last_id)

    def encode(self, batch: FormedBatch, sent_at: int, offset_ms: int | None = None) -> bytes:
        """Return the batch's payload; only `sent_at` and `offset_ms` differ between two calls."""
        rows = self._guarded(
            lambda: self._db.execute(
                "SELECT kind, payload FROM record WHERE lane = ? AND id BETWEEN ? AND ? ORDER BY id",
                (wire.LANES.index(batch.lane), batch.first_id, batch.last_id),
            ).fetchall()
        )
        header = wire.Batch(batch.boot, batch.seq, batch.first, batch.n, sent_at, batch.lane, offset_ms)
        samples, events, dropped = ([text for kind, text in rows if kind == wanted] for wanted in range(3))
        return wire.join_batch(header, samples, events, dropped)

    def acknowledge(self, keys: Iterable[tuple[str, int]]) -> int:
        """Delete the batches that the server has committed; unknown keys are ignored. Return how many there were."""
        return self._guarded(lambda: self._acknowledge(list(keys)))

    def _acknowledge(self, keys: list[tuple[str, int]]) -> int:
        known = records = size = 0
        with self._transaction():
            for boot, seq in keys:
                row = self._db.execute(
                    "SELECT number, lane, first_id, last_id FROM batch JOIN boot ON number = batch.boot"
                    " WHERE boot.boot = ? AND seq = ?",
                    (boot, seq),
                ).fetchone()
                if row is None:
                    continue
                number, span = row[0], row[1:]
                counted = self._db.execute(
                    "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM record WHERE lane = ? AND id BETWEEN ? AND ?", span
                ).fetchone()
                self._db.execute("DELETE FROM record WHERE lane = ? AND id BETWEEN ? AND ?", span)
                self._db.execute("DELETE FROM batch WHERE boot = ? AND seq = ?", (number, seq))
                known, records, size = known + 1, records + counted[0], size + counted[1]
        self.records -= records
        self.bytes -= size
        return known

    # --- small durable facts ---------------------------------------------------------------------------------

    def next_session(self) -> int:
        """Count one more connection, over all boots of this spool."""
        return self._guarded(self._next_session)

    def _next_session(self) -> int:
        with self._transaction():
            row = self._db.execute(
                "INSERT INTO fact VALUES ('session', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
                " RETURNING value"
            ).fetchall()
        return int(row[0][0])

    def keep_result(self, command_id: str, result: str, at: int) -> None:
        """Keep a command's result until it is sent, and a while longer to answer repeats of the command."""

        def work() -> None:
            with self._transaction():
                self._db.execute("INSERT OR REPLACE INTO command VALUES (?, ?, ?, 0)", (command_id, result, at))
                self._db.execute(
                    "DELETE FROM command WHERE id NOT IN (SELECT id FROM command ORDER BY at DESC LIMIT ?)",
                    (KEEP_COMMAND_RESULTS,),
                )

        self._guarded(work)

    def result_of(self, command_id: str) -> str | None:
        """Return the kept result of a command that was already carried out."""
        row = self._guarded(
            lambda: self._db.execute("SELECT result FROM command WHERE id = ?", (command_id,)).fetchone()
        )
        return None if row is None else str(row[0])

    def unsent_results(self) -> list[tuple[str, str]]:
        """Return (command id, result) not yet taken by the broker."""
        return self._guarded(
            lambda: self._db.execute("SELECT id, result FROM command WHERE sent = 0 ORDER BY at").fetchall()
        )

    def mark_result(self, command_id: str, sent: bool) -> None:
        """Note that the broker has (or must again be given) a command's result."""
        self._guarded(
            lambda: self._db.execute("UPDATE command SET sent = ? WHERE id = ?", (int(sent), command_id)).close()
        )

    def status(self) -> SpoolStatus:
        """Return depth, age and the estimate of the hours until the oldest records would be dropped."""
        row = self._guarded(lambda: self._db.execute("SELECT MIN(t) FROM record WHERE kind = 0").fetchone())
        elapsed = time.monotonic() - self._started
        rate = self._live_bytes / elapsed if elapsed > 5 else 0.0
        hours = None if rate <= 0 else round((self.max_bytes - self.bytes) / rate / 3600, 1)
        return SpoolStatus(
            self.records,
            self.bytes,
            self.max_bytes,
            row[0],
            hours,
            self.dropped_samples,
            self.write_failures,
            self.boot,
        )


def _report_runs(victims: Sequence[tuple[int, ...]]) -> list[tuple[int, wire.Dropped]]:
    """Join dropped samples (lane, id, boot, idx, kind, t, size) into (boot number, report) per unbroken run."""
    runs: list[tuple[int, wire.Dropped]] = []
    for _lane, _id, number, index, kind, t, _size in victims:
        if kind != _SAMPLE:
            continue
        if runs and runs[-1][0] == number and index == runs[-1][1].first + runs[-1][1].n:
            last = runs[-1][1]
            grown = wire.Dropped(last.first, last.n + 1, min(last.t_from, t), max(last.t_to, t), last.reason)
            runs[-1] = (number, grown)
        else:
            runs.append((number, wire.Dropped(index, 1, t, t, "spool full")))
    return runs


def peek(path: Path) -> dict[str, Any]:
    """Read a spool's depth beside the process that works with it. Raise SpoolUnavailable when there is none."""
    if not path.exists():
        raise SpoolUnavailable(f"{path}: no spool there; has the agent run yet?")
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2.0)
        try:
            count, size, oldest = db.execute("SELECT COUNT(*), COALESCE(SUM(size), 0), MIN(t) FROM record").fetchone()
            lanes = dict(db.execute("SELECT lane, COUNT(*) FROM record GROUP BY lane").fetchall())
        finally:
            db.close()
    except sqlite3.Error as error:
        raise SpoolUnavailable(f"{path}: {error}") from error
    depth = {lane: lanes.get(number, 0) for number, lane in enumerate(wire.LANES)}
    return {"records": count, "bytes": size, "oldest_t": oldest, "lanes": depth, "file_bytes": os.stat(path).st_size}
