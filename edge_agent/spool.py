"""The queue on disk: every sample is durable here before it is sent, and deleted only when the server has it."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent import boot_id, clock, wire
from edge_agent.spool_checks import DROPPED, EVENT, SAMPLE, checksum, intact_texts
from edge_agent.spool_file import SpoolCorrupt, SpoolError, SpoolInUse, SpoolUnavailable, SpoolWriteFailed
from edge_agent.spool_notes import SpoolNotes

__all__ = [
    "FormedBatch",
    "Spool",
    "SpoolCorrupt",
    "SpoolError",
    "SpoolInUse",
    "SpoolStatus",
    "SpoolUnavailable",
    "SpoolWriteFailed",
    "peek",
]

log = logging.getLogger(__name__)

RECORD_OVERHEAD_BYTES = 48  # key, row header and page slack of one record, counted into the bound
BATCH_BYTES = 256 * 1024  # well under wire.MAX_BATCH_BYTES, so that eight in flight fit a small computer's memory
MIN_MAX_BYTES = 4 * 1024 * 1024  # room for a full window of batches, which are never dropped

_LIVE = 0
_INSERT = "INSERT INTO record (lane, id, boot, idx, kind, t, payload, crc, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


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


@dataclass(frozen=True, slots=True)
class _Room:
    """What making room has changed: records gone, reports written, samples among the gone, bytes freed."""

    victims: int = 0
    reports: int = 0
    samples: int = 0
    bytes: int = 0


class Spool(SpoolNotes):
    """Records in two kinds of lanes, live before backfill and replay, bounded in bytes.

    A batch once formed keeps its (boot, seq) and its content until it is acknowledged, also over a crash.
    """

    def __init__(self, path: Path, max_bytes: int, batch_bytes: int = BATCH_BYTES) -> None:
        self.max_bytes = max(max_bytes, MIN_MAX_BYTES)
        self.batch_bytes = batch_bytes
        self.dropped_samples = 0
        self.damaged: set[tuple[str, int]] = set()  # batches of which a record was damaged; bounded by the window
        self.born = clock.monotonic_ms()  # samples tell their `m` from here on
        self._started = time.monotonic()
        self._live_bytes = 0  # appended to the live lane since the start, for the estimate of hours left
        super().__init__(path)

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
            one(
                "INSERT INTO boot (number, boot, next_seq, next_index, os_boot, born) VALUES (?, ?, 1, 0, ?, ?)",
                (number, self.boot, clock.OS_BOOT, self.born),
            )
        self._number = int(number)

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
        parts = [(SAMPLE, sample.t, wire.encode_sample(sample)) for sample in samples]
        parts += [(EVENT, event.t, wire.encode_event(event)) for event in events]
        return self._guarded(lambda: self._append(wire.LANES.index(lane), parts))

    def _append(self, lane: int, parts: Sequence[tuple[int, int, str]]) -> int:
        first, rows, size = self._next_index, [], 0
        index = first
        for offset, (kind, t, payload) in enumerate(parts):
            row_size = len(payload.encode()) + RECORD_OVERHEAD_BYTES
            crc = checksum(self._number, index, kind, payload)
            rows.append((lane, self._next_id + offset, self._number, index, kind, t, payload, crc, row_size))
            index += kind == SAMPLE
            size += row_size
        with self._transaction():
            made = self._make_room(size, self._next_id + len(rows))
            self._db.executemany(_INSERT, rows)
            self._db.execute("UPDATE boot SET next_index = ? WHERE number = ?", (index, self._number))
        self._next_id += len(rows) + made.reports
        self._next_index = index
        self.records += len(rows) + made.reports - made.victims
        self.bytes += size - made.bytes
        if made.victims:
            self.dropped_samples += made.samples
            log.warning("spool %s is full: dropped its %d oldest samples", self.path, made.samples)
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
            self._db.execute(_INSERT, row)
            self._db.execute("UPDATE boot SET next_index = ? WHERE number = ?", (self._next_index + n, self._number))
        self._next_id += 1
        self._next_index += n
        self.records += 1
        self.bytes += row[-1]
        self.dropped_samples += n

    @staticmethod
    def _dropped_row(
        row_id: int, number: int, report: wire.Dropped
    ) -> tuple[int, int, int, int, int, int, str, int, int]:
        payload = wire.encode_dropped(report)
        size = len(payload) + RECORD_OVERHEAD_BYTES
        crc = checksum(number, report.first, DROPPED, payload)
        return (_LIVE, row_id, number, report.first, DROPPED, report.t_to, payload, crc, size)

    def _make_room(self, size: int, next_id: int) -> _Room:
        """Drop the oldest records, background lanes first, and put reports of them under ids from next_id on.

        Batches already formed stay: a window of them is small, and their content must not change.
        """
        excess = self.bytes + size - self.max_bytes
        if excess <= 0:
            return _Room()
        excess += self.max_bytes // 50  # in steps of 2 %, not record by record
        victims: list[tuple[int, ...]] = []
        for lane in (2, 1, 0):
            cursor = self._db.execute(
                "SELECT lane, id, boot, idx, kind, t, size FROM record WHERE lane = ? AND id > ? AND kind != ?"
                " ORDER BY id",
                (lane, self._formed_to[lane], DROPPED),
            )
            for row in cursor:
                if excess <= 0:
                    break
                victims.append(row)
                excess -= row[-1]
        runs = _report_runs(victims)
        earlier = self._last_report()
        if runs and earlier is not None and _continues(earlier[1:], runs[0]):
            runs[0] = (runs[0][0], _joined(earlier[2], runs[0][1]))
            victims.append(earlier[0])  # replaced by the longer report
        reports = [self._dropped_row(next_id + offset, number, report) for offset, (number, report) in enumerate(runs)]
        self._db.executemany("DELETE FROM record WHERE lane = ? AND id = ?", [row[:2] for row in victims])
        self._db.executemany(_INSERT, reports)
        samples = sum(row[4] == SAMPLE for row in victims)
        freed = sum(row[-1] for row in victims) - sum(row[-1] for row in reports)
        return _Room(len(victims), len(reports), samples, freed)

    def _last_report(self) -> tuple[tuple[int, ...], int, wire.Dropped] | None:
        """Return the newest report of drops that is in no batch yet: (record, boot number, report)."""
        row = self._db.execute(
            "SELECT lane, id, boot, idx, kind, t, size, CAST(payload AS BLOB), crc FROM record"
            " WHERE lane = ? AND id > ? AND kind = ? ORDER BY id DESC LIMIT 1",
            (_LIVE, self._formed_to[_LIVE], DROPPED),
        ).fetchone()
        if row is None:
            return None
        texts, damaged = intact_texts([(*row[2:6], *row[7:])])  # a damaged report is not continued
        if damaged:
            return None
        body = json.loads(texts[DROPPED][0])
        report = wire.Dropped(body["first"], body["n"], body["from"], body["to"], body["reason"])
        return row[:7], row[2], report

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

    def has_background(self) -> bool:
        """Return whether backfill or replay waits, formed or not."""
        row = self._guarded(lambda: self._db.execute("SELECT 1 FROM record WHERE lane > 0 LIMIT 1").fetchone())
        return row is not None

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
            is_gap = kind == SAMPLE and n > 0 and index != first + n
            if boot != number or is_gap or (total and total + size > max_bytes):
                break
            if kind == SAMPLE:
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

    def encode(
        self, batch: FormedBatch, sent_at: int, offset_ms: int | None = None, clock_age_ms: int | None = None
    ) -> bytes:
        """Return the batch's payload; only what it tells of the clock differs between two calls.

        The offset is told for samples of this run of the operating system alone: before, the clock may have stood
        elsewhere. Their `zero_at` is kept from then.
        """
        rows = self._guarded(
            lambda: self._db.execute(
                "SELECT boot, idx, kind, t, CAST(payload AS BLOB), crc FROM record"
                " WHERE lane = ? AND id BETWEEN ? AND ? ORDER BY id",
                (wire.LANES.index(batch.lane), batch.first_id, batch.last_id),
            ).fetchall()
        )
        texts, damaged = intact_texts(rows)
        if damaged:
            log.error("spool %s: %d damaged records in batch %d", self.path, damaged, batch.seq)
            self.damaged.add(batch.key)
        zero_at, is_of_now = self._clock_of(batch.number)
        told = (offset_ms, zero_at, clock_age_ms) if is_of_now else (None, zero_at, None)
        header = wire.Batch(batch.boot, batch.seq, batch.first, batch.n, sent_at, batch.lane, *told)
        return wire.join_batch(header, *texts)

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
        if kind != SAMPLE:
            continue
        run = (number, wire.Dropped(index, 1, t, t, "spool full"))
        if runs and _continues(runs[-1], run):
            runs[-1] = (number, _joined(runs[-1][1], run[1]))
        else:
            runs.append(run)
    return runs


def _continues(earlier: tuple[int, wire.Dropped], later: tuple[int, wire.Dropped]) -> bool:
    (number, before), (later_number, after) = earlier, later
    return number == later_number and after.first == before.first + before.n and before.reason == after.reason


def _joined(a: wire.Dropped, b: wire.Dropped) -> wire.Dropped:
    return wire.Dropped(a.first, a.n + b.n, min(a.t_from, b.t_from), max(a.t_to, b.t_to), a.reason)


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
    return {"records": count, "bytes": size, "oldest_t": oldest, "lanes": depth, "file_bytes": path.stat().st_size}
