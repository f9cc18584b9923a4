"""A sensor that is alone in its device and repeats one value for longer than it ever did: frozen under fresh times.

Where a machine has several sensors, those that move show that it runs (`data_quality`). A single one has only its own
past: so this rule is strict, and says nothing where standing still may be what the machine does. Where all of several
freeze at once it is the same: see `still_together`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from ml.standing import HISTORY, standing_since
from ml.still_together import StillTogether

RECENT = 500  # readings looked at to see whether a frozen sensor moves again
MOST_LOOKS = 200  # histories read in one turn
EVERY = timedelta(seconds=20)
NEWS = timedelta(hours=1)  # who had none since is silent rather than frozen

_LONE = """
SELECT t.id, r.id AS series_id, r.slot, r.frozen_since, t.latest[r.slot] AS value, t.latest_at,
       r.frozen_since IS NOT NULL AND EXISTS (
         SELECT FROM findings f JOIN asset_bindings b ON b.asset_id = f.asset_id AND b.valid_to IS NULL
         WHERE b.device_id = t.device_id AND b.channel = t.channel AND f.detector = 'data_quality'
           AND f.cleared_at IS NULL AND f.signature = r.metric || '\\:frozen') AS is_found
FROM streams t
JOIN (SELECT stream_id, min(id) AS id FROM series WHERE kind = 'number' GROUP BY stream_id HAVING count(*) = 1) one
  ON one.stream_id = t.id
JOIN series r ON r.id = one.id
WHERE t.fresh_at > :since AND t.latest_at IS NOT NULL
ORDER BY t.id
"""
_READINGS = """
SELECT measured_at, values[:slot] AS value FROM samples
WHERE stream_id = :stream AND values[:slot] IS NOT NULL AND measured_at >= :since ORDER BY measured_at DESC LIMIT :most
"""


@dataclass(slots=True)
class _Watched:
    """Since when a series has its value, as far as was seen, and when its past is looked at (again)."""

    value: float
    since: datetime
    look_at: datetime


class Stillness:
    """Marks frozen sensors that are alone in their stream, or froze with all others of it."""

    def __init__(self) -> None:
        self._watched: dict[int, _Watched] = {}
        self._together = StillTogether()
        self._last: datetime | None = None

    def mark(self, session: Session, now: datetime) -> int:
        """Note at the series which of them froze, or move again; return how many changed. Needs the service role."""
        if self._last is not None and timedelta() <= now - self._last < EVERY:
            return 0
        self._last = now
        changed, looks = self._together.mark(session, now - NEWS), 0
        seen: dict[int, _Watched] = {}
        for row in session.execute(text(_LONE), {"since": now - NEWS}).all():
            if row.value is None:
                continue
            if row.frozen_since is not None:
                if not row.is_found and _moves(session, row.id, row.slot, row.frozen_since):
                    changed += _write(session, row.series_id, None)
                continue
            known = self._watched.get(row.series_id)
            if known is None or known.value != row.value:
                known = _Watched(row.value, row.latest_at, row.latest_at)
            elif row.latest_at > known.look_at and looks < MOST_LOOKS:
                looks += 1
                since = _frozen_since(session, row.id, row.slot)
                if since is not None:
                    changed += _write(session, row.series_id, since)
                # Ever more rarely: what stands still for a day is not looked at each minute.
                known.look_at = row.latest_at + (row.latest_at - known.since) / 4
            seen[row.series_id] = known
        self._watched = seen
        return changed


def _frozen_since(session: Session, stream: int, slot: int) -> datetime | None:
    rows = _readings(session, stream, slot, None, HISTORY)[::-1]
    begin = standing_since([value for _, value in rows])
    return rows[begin][0] if begin is not None else None


def _moves(session: Session, stream: int, slot: int, since: datetime) -> bool:
    return len({value for _, value in _readings(session, stream, slot, since, RECENT)}) > 1


def _readings(
    session: Session, stream: int, slot: int, since: datetime | None, most: int
) -> list[tuple[datetime, float]]:
    bound = {"stream": stream, "slot": slot, "since": since, "most": most}
    sql = _READINGS if since is not None else _READINGS.replace("AND measured_at >= :since", "")
    return [(row[0], row[1]) for row in session.execute(text(sql), bound)]


def _write(session: Session, series: int, since: datetime | None) -> int:
    session.execute(text("UPDATE series SET frozen_since = :since WHERE id = :id"), {"id": series, "since": since})
    return 1
