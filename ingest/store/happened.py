"""What the devices of assets told beside readings: events in order of time, each for one reader once.

Which ones a reader has seen of an asset is a `Seen`: those up to a time, in batches up to one, in commit order. Later
ones are found by their time; those that came late, by the batch that they came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.events import OLDEST_RUNNING
from edge_agent.wire import KNOWN_HEALTHY

LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
MAX_EVENTS = 20_000  # of one asset at once, the youngest
VOUCHED_BEFORE = timedelta(days=1)  # as in `known_healthy`


class Place(NamedTuple):
    """A batch's place in the order of commits."""

    xid: int
    batch: int


class Seen(NamedTuple):
    """Seen are an asset's events at or before `until`, in batches up to `place`."""

    until: datetime = LONG_AGO
    place: Place = Place(0, 0)


class Happened(NamedTuple):
    """One event of a device that measured the asset at the time."""

    asset_id: UUID
    at: datetime
    code: str
    severity: str
    text: str
    place: Place


class Heard(NamedTuple):
    """Of which assets something is to be read that is no sample."""

    vouched: set[UUID]
    happened: set[UUID]


_OURS = """
JOIN device_events e ON e.device_id = b.device_id AND e.channel = b.channel
  AND (b.valid_from IS NULL OR b.valid_from <= e.at) AND (b.valid_to IS NULL OR b.valid_to > e.at)
"""
_HEARD = text(f"""
SELECT b.asset_id, bool_or(e.code = :healthy), bool_or(e.code <> :healthy)
FROM unnest(CAST(:assets AS uuid[]), CAST(:seen AS timestamptz[]), CAST(:until AS timestamptz[]))
  AS w(asset_id, seen, until)
JOIN asset_bindings b ON b.asset_id = w.asset_id
{_OURS} AND e.at > least(w.seen, :vouched)
WHERE (e.code = :healthy AND e.at > :vouched) OR (e.code <> :healthy AND e.active AND e.at > w.seen AND e.at <= w.until)
GROUP BY 1
""")
_COLUMNS = "b.asset_id, e.at, e.code, e.severity, e.text, coalesce(i.xid, 0), e.batch_id"
_FRESH = text(f"""
SELECT {_COLUMNS} FROM asset_bindings b {_OURS} AND e.at > :seen AND e.at <= :until
LEFT JOIN ingest_batches i ON i.id = e.batch_id
WHERE b.asset_id = :asset AND e.active AND e.code <> :healthy
  AND (coalesce(i.xid, 0), e.batch_id) <= (:xid, :batch)
ORDER BY e.at DESC, e.id DESC LIMIT :limit
""")
_MISSED = text(f"""
SELECT {_COLUMNS} FROM asset_bindings b {_OURS} AND e.at <= :seen
JOIN ingest_batches i ON i.id = e.batch_id
WHERE b.asset_id = :asset AND e.active AND e.code <> :healthy
  AND (i.xid, i.id) > (:seen_xid, :seen_batch) AND (i.xid, i.id) <= (:xid, :batch)
ORDER BY e.at DESC, e.id DESC LIMIT :limit
""")
_CAME = text(f"""
SELECT {_COLUMNS} FROM asset_bindings b {_OURS} AND e.batch_id = ANY(:batches)
JOIN ingest_batches i ON i.id = e.batch_id
WHERE e.active AND e.code <> :healthy ORDER BY b.asset_id, e.at, e.id
""")


def heard_of(session: Session, wanted: Mapping[UUID, tuple[datetime, datetime]], vouched_since: datetime) -> Heard:
    """Return which of the assets somebody may have vouched for, and which have events within the stretch after what
    was seen of each, up to the time given for it."""
    values = {
        "assets": list(wanted),
        "seen": [seen for seen, _ in wanted.values()],
        "until": [until for _, until in wanted.values()],
        "vouched": vouched_since - VOUCHED_BEFORE,
        "healthy": KNOWN_HEALTHY,
    }
    rows = session.execute(_HEARD, values).all() if wanted else []
    return Heard({row[0] for row in rows if row[1]}, {row[0] for row in rows if row[2]})


def events_after(session: Session, asset_id: UUID, seen: datetime, until: datetime, upto: Place) -> list[Happened]:
    """Return the asset's events with seen < at <= until, of batches up to `upto`, in order of time."""
    values = {"asset": asset_id, "seen": seen, "until": until, "xid": upto.xid, "batch": upto.batch}
    return _read(session, _FRESH, values)


def events_missed(session: Session, asset_id: UUID, seen: Seen, upto: Place) -> list[Happened]:
    """Return what came after it was looked for: events no younger than what was seen, in batches since then."""
    values = {"asset": asset_id, "seen": seen.until, "xid": upto.xid, "batch": upto.batch}
    return _read(session, _MISSED, values | {"seen_xid": seen.place.xid, "seen_batch": seen.place.batch})


def events_in(session: Session, batches: Sequence[int]) -> Iterable[Happened]:
    """Return all events that came in these batches, asset by asset in order of time."""
    rows = session.execute(_CAME, {"batches": list(batches), "healthy": KNOWN_HEALTHY})
    return [_happened(row) for row in rows]


def newest_place(session: Session) -> Place:
    """Return the place before which nothing more will be committed."""
    return Place(int(session.scalar(text(f"SELECT {OLDEST_RUNNING}")) or 0), 0)


def _read(session: Session, statement: Any, values: Mapping[str, Any]) -> list[Happened]:
    rows = session.execute(statement, {**values, "healthy": KNOWN_HEALTHY, "limit": MAX_EVENTS}).all()
    return [_happened(row) for row in reversed(rows)]


def _happened(row: Any) -> Happened:
    asset_id, at, code, severity, words, xid, batch = row
    return Happened(asset_id, at, code, severity, words, Place(xid, batch))
