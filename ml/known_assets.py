"""What the scorer holds of an asset between rounds, and of which assets it keeps away because they failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from maintenance.decisions import FindingFacts
from ml.detectors.setup import AssetSetup
from ml.lessons import weighed

DATABASE_ERRORS = (SQLAlchemyError, psycopg.Error)  # are no single asset's: they end a round, which is done again

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=10)  # of an asset that failed more than once
ALONE = timedelta(minutes=10)  # assets that failed together, and none of them by itself, stay apart for so long


@dataclass(slots=True)
class Known:
    """What the scorer holds of an asset between rounds."""

    key: str
    organisation_id: UUID
    detectors: frozenset[str]
    set_up_at: datetime
    saved_at: datetime
    setup: AssetSetup
    model: UUID | None
    seen: datetime  # of its devices' events, those up to this time have been told
    look_back: bool = False  # just restored: what came late since then is in the store, and not in the state

    def allowed(self, found: Sequence[FindingFacts]) -> list[FindingFacts]:
        """Those of the detectors that the asset's model lets speak."""
        return [fact for fact in found if not self.detectors or fact.detector in self.detectors]

    def weighed(self, facts: Sequence[FindingFacts]) -> list[FindingFacts]:
        """The same as people should take them: what history says opens too many false orders goes to the watch list."""
        return [weighed(fact, self.setup.openers) for fact in facts]


@dataclass(slots=True)
class _Trouble:
    times: int  # failed in a row
    until: datetime  # left alone until then


class Troubled:
    """Assets whose scoring failed: tried again with their next rows, ever more rarely while they go on failing."""

    def __init__(self) -> None:
        self._troubles: dict[UUID, _Trouble] = {}
        self._alone: dict[UUID, datetime] = {}

    def note(self, asset_id: UUID, now: datetime) -> None:
        known = self._troubles.get(asset_id)
        times = known.times + 1 if known else 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(times - 2, 20)) if times > 1 else timedelta()
        self._troubles[asset_id] = _Trouble(times, now + wait)

    def recovered(self, asset_id: UUID) -> None:
        self._troubles.pop(asset_id, None)

    def waits(self, asset_id: UUID, now: datetime) -> bool:
        """Is it too soon to try again?"""
        known = self._troubles.get(asset_id)
        return known is not None and now < known.until

    def keep_alone(self, asset_ids: Iterable[UUID], now: datetime) -> None:
        """They failed together: score each by itself for a while."""
        self._alone |= dict.fromkeys(asset_ids, now + ALONE)

    def release(self, asset_ids: Iterable[UUID]) -> None:
        """It was found out whose trouble it was: these may be scored with others again."""
        for asset_id in asset_ids:
            self._alone.pop(asset_id, None)

    def is_alone(self, asset_id: UUID, now: datetime) -> bool:
        """Must it be scored by itself, so that others do not fail with it?"""
        return asset_id in self._troubles or now < self._alone.get(asset_id, now)
