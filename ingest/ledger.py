"""What a device says it measured against what is stored: the proof that nothing is missing, or what is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ingest.store.read import samples_table


class Gap(NamedTuple):
    """Running counts [first, first + n) of a boot that are neither stored nor given up."""

    first: int
    n: int


class BootLedger(NamedTuple):
    """One boot: expected = stored + dropped + quarantined + missing, always.

    `expected` is what the device numbered; `late`, `corrected`, `repeated` and `conflicting` are parts of `stored`:
    came more than five minutes after they were measured; had their clock put right; were there before, from another
    message; brought another value for a moment that had one (the first stays). `dropped` the device itself gave up.
    """

    boot: str
    first_seen_at: datetime
    last_seen_at: datetime
    expected: int
    stored: int
    late: int
    dropped: int
    quarantined: int
    missing: int
    gaps: list[Gap]
    repeated: int = 0
    conflicting: int = 0
    corrected: int = 0
    balanced: bool = True


class TimeGap(NamedTuple):
    """A stretch without readings of a device that does not number them, and how many would have come."""

    channel: str
    begin: datetime
    end: datetime
    n: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All boots together; of a device that does not number its samples, what its interval leads to expect of a day."""

    expected: int = 0
    stored: int = 0
    late: int = 0
    dropped: int = 0
    quarantined: int = 0
    missing: int = 0
    conflicting: int = 0
    repeated: int = 0
    corrected: int = 0
    balanced: bool = True
    since: datetime | None = None  # None: all that is known
    gaps: tuple[TimeGap, ...] = ()


MAX_GAPS = 50
PLAIN_WINDOW = timedelta(days=1)

# What was given up and came nevertheless counts as stored. Every sample of a message that was taken counts once, as
# stored or as quarantined; samples of other firmware may come without running count: these are in no range.
_LEDGER = """
WITH boots AS (
  SELECT *, int8multirange(int8range(0, highest)) - received - given_up AS open, given_up - received AS lost
  FROM device_boots WHERE device_id = :device)
SELECT boot, first_seen_at, last_seen_at, highest, stored, late, quarantined,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(received) AS r) AS received,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(lost) AS r) AS dropped,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(open) AS r) AS missing,
       repeated, conflicting, corrected,
       ARRAY(SELECT lower(r) FROM unnest(open) AS r ORDER BY 1 LIMIT :gaps) AS firsts,
       ARRAY(SELECT upper(r) - lower(r) FROM unnest(open) AS r ORDER BY lower(r) LIMIT :gaps) AS lengths
FROM boots ORDER BY last_seen_at DESC, boot LIMIT :boots
"""
_MISSING = """
SELECT b.device_id,
       sum((SELECT coalesce(sum(upper(r) - lower(r)), 0)
            FROM unnest(int8multirange(int8range(0, highest)) - received - given_up) AS r)),
       sum(quarantined)
FROM device_boots b WHERE b.device_id = ANY(:devices) GROUP BY b.device_id
"""
# By event time, so that late data closes the gap it left.
_PLAIN = """
WITH mine AS (
  SELECT t.id, t.channel, coalesce(
    (SELECT min(r.expected_interval_s) FROM series r WHERE r.stream_id = t.id), d.expected_interval_s,
    t.learned_interval_s) AS every_s
  FROM streams t JOIN devices d ON d.id = t.device_id WHERE t.device_id = :device),
rows AS (
  SELECT m.channel, m.every_s, s.measured_at, s.flags, coalesce(
           lead(s.measured_at) OVER (PARTITION BY m.id ORDER BY s.measured_at), :now) AS following
  FROM mine m JOIN {samples} s ON s.stream_id = m.id AND s.measured_at >= :since AND s.measured_at <= :now)
SELECT channel, measured_at, following,
       greatest(round(extract(epoch FROM following - measured_at) / every_s) - 1, 0)::bigint AS n
FROM rows WHERE every_s > 0 AND extract(epoch FROM following - measured_at) > 1.5 * every_s
"""
_PLAIN_COUNTS = """
SELECT count(*) AS stored, count(*) FILTER (WHERE (s.flags & 1) <> 0) AS late,
       count(*) FILTER (WHERE (s.flags & 2) <> 0) AS corrected
FROM streams t JOIN {samples} s ON s.stream_id = t.id AND s.measured_at >= :since AND s.measured_at <= :now
WHERE t.device_id = :device
"""
_PLAIN_BATCHES = """
SELECT coalesce(sum(repeated), 0), coalesce(sum(conflicting), 0) FROM ingest_batches
WHERE device_id = :device AND boot IS NULL AND received_at >= :since
"""
# A sample of which one value was refused is stored, and has a row in quarantine all the same: of a message that has
# its batch, no more samples are set aside than the batch has lost.
_PLAIN_ASIDE = """
SELECT coalesce(sum(least(q.samples, b.lost)), 0)::bigint
FROM (SELECT received_at, sum(samples) AS samples FROM quarantine
      WHERE device_id = :device AND boot IS NULL AND received_at >= :since GROUP BY received_at) AS q
LEFT JOIN (SELECT received_at, sum(quarantined) AS lost FROM ingest_batches
           WHERE device_id = :device AND boot IS NULL AND received_at >= :since AND lane = 'live'
           GROUP BY received_at) AS b USING (received_at)
"""


def device_ledger(session: Session, device_id: UUID, *, boots: int = 20) -> list[BootLedger]:
    """Return the ledger of a device's latest boots, newest first."""
    rows = session.execute(text(_LEDGER), {"device": device_id, "gaps": MAX_GAPS, "boots": boots})
    return [_ledger_row(row) for row in rows]


def _ledger_row(row: Any) -> BootLedger:
    taken = row.stored + row.quarantined
    unnumbered = max(0, taken - row.received)
    expected = row.highest + unnumbered
    return BootLedger(
        boot=row.boot,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        expected=expected,
        stored=row.stored,
        late=row.late,
        dropped=row.dropped,
        quarantined=row.quarantined,
        missing=row.missing,
        gaps=[Gap(first, n) for first, n in zip(row.firsts, row.lengths, strict=True)],
        repeated=row.repeated,
        conflicting=row.conflicting,
        corrected=row.corrected,
        balanced=expected == row.stored + row.dropped + row.quarantined + row.missing,
    )


def device_totals(session: Session, device_id: UUID, now: datetime) -> Totals:
    """Return a device's ledger in one line; of a device that numbers nothing, of the last day by its interval."""
    boots = device_ledger(session, device_id, boots=10_000)
    if any(boot.expected for boot in boots):
        return _sum(boots)
    return _plain_totals(session, device_id, now)


def _sum(boots: Iterable[BootLedger]) -> Totals:
    names = ("expected", "stored", "late", "dropped", "quarantined", "missing", "conflicting", "repeated", "corrected")
    listed = list(boots)
    return Totals(
        **{name: sum(getattr(boot, name) for boot in listed) for name in names},
        balanced=all(boot.balanced for boot in listed),
    )


def _plain_totals(session: Session, device_id: UUID, now: datetime) -> Totals:
    source = samples_table(session)
    since = now - PLAIN_WINDOW
    values = {"device": device_id, "since": since, "now": now}
    stored, late, corrected = session.execute(text(_PLAIN_COUNTS.format(samples=source)), values).one()
    repeated, conflicting = session.execute(text(_PLAIN_BATCHES), values).one()
    aside = session.scalar(text(_PLAIN_ASIDE), values) or 0
    gaps = [TimeGap(*row) for row in session.execute(text(_PLAIN.format(samples=source)), values)]
    missing = sum(gap.n for gap in gaps)
    return Totals(
        expected=stored + aside + missing,
        stored=stored,
        late=late,
        quarantined=aside,
        missing=missing,
        conflicting=conflicting,
        repeated=repeated,
        corrected=corrected,
        since=since,
        gaps=tuple(sorted(gaps, key=lambda gap: gap.begin, reverse=True)[:MAX_GAPS]),
    )


def missing_samples(session: Session, device_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return (missing, quarantined) samples over all boots of each device."""
    rows = session.execute(text(_MISSING), {"devices": list(device_ids)})
    return {device_id: (int(missing), int(quarantined)) for device_id, missing, quarantined in rows}
