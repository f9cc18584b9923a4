"""Fresh rows of settled assets, read and scored many assets at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from ingest.store.many import Columns, Window, load_many, single_streams
from maintenance.decisions import FindingFacts
from ml.detectors.protocol import Block
from ml.known_assets import DATABASE_ERRORS
from ml.scoring import FleetScorer, Rows

log = logging.getLogger(__name__)

Places = NDArray[np.int64]

LOOK_AGAIN = timedelta(seconds=60)  # how soon it is seen that another device measures an asset too
LONGEST = timedelta(hours=1)  # of rows that wait for an asset: longer stretches are read by themselves, in bounds


@dataclass(slots=True)
class _Place:
    """Which stream measures an asset, as its columns say; None when that takes more than one."""

    stream_id: int
    columns: Columns | None
    looked_at: datetime


@dataclass(slots=True)
class Scored:
    """What was found, by asset; up to when each was read; and whose rows must be read by themselves after all."""

    found: dict[UUID, list[FindingFacts]] = field(default_factory=dict)
    until: dict[UUID, datetime] = field(default_factory=dict)
    left: set[UUID] = field(default_factory=set)
    broken: set[UUID] = field(default_factory=set)  # failed with others: their state in the bank is not to be trusted


class Together:
    """Remembers where the readings of assets are, so that a round of many needs few queries."""

    def __init__(self, fleet: FleetScorer) -> None:
        self._fleet = fleet
        self._places: dict[UUID, _Place] = {}
        self._columns: dict[Columns, Columns] = {}  # one object for all streams that look the same

    def score(
        self,
        session: Session,
        wanted: Mapping[UUID, datetime],
        now: datetime,
        alone: Callable[[Block], list[FindingFacts]],
    ) -> Scored:
        """Score the rows of these assets up to the time given for each; `alone` scores what is not quiet.

        Each of them is held by the fleet's bank, what it was scored to is not far back, and nothing but rows is to be
        told of it.
        """
        scored = Scored()
        self._look(session, wanted, now)
        groups: dict[Columns, list[tuple[UUID, Window]]] = {}
        for asset_id, until in wanted.items():
            place, after = self._places.get(asset_id), self._watermark(asset_id)
            if place is None or place.columns is None or until - after > LONGEST:
                scored.left.add(asset_id)
            else:
                groups.setdefault(place.columns, []).append((asset_id, Window(place.stream_id, after, until)))
        for columns, members in groups.items():
            self._score(session, columns, members, alone, scored)
        return scored

    def _score(
        self,
        session: Session,
        columns: Columns,
        members: Sequence[tuple[UUID, Window]],
        alone: Callable[[Block], list[FindingFacts]],
        scored: Scored,
    ) -> None:
        many = load_many(session, columns, [window for _, window in members])
        rows: Places = np.arange(len(many.of))
        if many.strange:
            ids = {members[number][0] for number in many.strange}
            scored.left |= ids
            for asset_id in ids:
                del self._places[asset_id]
            rows = np.flatnonzero(~np.isin(many.of, list(many.strange)))
        keys = [str(asset_id) for asset_id, _ in members]
        by_key = {key: asset_id for key, (asset_id, _) in zip(keys, members, strict=True)}
        modes = None if many.modes is None else many.modes[rows]
        names = columns.mode_names
        batch = Rows(keys, many.of[rows], many.t[rows], columns.metrics, many.values[rows], modes, names)
        try:
            found = self._fleet.feed_rows(batch, alone)
        except DATABASE_ERRORS:
            raise
        except Exception:
            own = {asset_id for asset_id, _ in members} - scored.left
            log.exception("%d assets could not be scored together; each is scored by itself", len(own))
            scored.broken |= own
            return
        for fact in found:
            scored.found.setdefault(by_key[fact.asset], []).append(fact)
        scored.until |= {asset_id: window.until for asset_id, window in members if asset_id not in scored.left}

    def _look(self, session: Session, asset_ids: Iterable[UUID], now: datetime) -> None:
        old = [
            asset_id
            for asset_id in asset_ids
            if (place := self._places.get(asset_id)) is None or now - place.looked_at > LOOK_AGAIN
        ]
        if not old:
            return
        found = single_streams(session, old)
        for asset_id in old:
            stream_id, columns = found.get(asset_id, (0, None))
            if columns is not None:
                columns = self._columns.setdefault(columns, columns)
            self._places[asset_id] = _Place(stream_id, columns, now)

    def _watermark(self, asset_id: UUID) -> datetime:
        return datetime.fromtimestamp(self._fleet.watermark(str(asset_id)), UTC)
