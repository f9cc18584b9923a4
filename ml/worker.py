"""The scorer of the service: reads fresh rows in the order in which they were stored, saves findings and state."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.registry import Asset, AssetModel
from ingest.store.read import known_healthy, load_block
from maintenance.decisions import FindingFacts, open_moment
from maintenance.episodes import decide_pending
from maintenance.findings import hold_decisions, save_findings
from maintenance.policies import policies_for
from ml.blocks import asset_setup, blocks_of
from ml.detectors.plain import StateUnreadable
from ml.detectors.protocol import Block, Learning
from ml.detectors.setup import AssetSetup
from ml.late import note_late
from ml.learned_scoring import LearnedScorer, Moved
from ml.models import ScoringCursor, ScoringState
from ml.scoring import FleetScorer
from ml.snapshot_keeping import keep_snapshots
from ml.tapes import Tapes
from ml.taught import Lessons
from ml.together import Together

log = logging.getLogger(__name__)

NAME = "scoring"
BATCHES, SAMPLES = 2_000, 20_000  # ingested per transaction at most: findings show while a backlog is scored
ROUNDS = 100  # then the job gives its place back
ROWS = 20_000  # rows of one asset per load: bounds memory to a few MB
KEEP_STATE = timedelta(seconds=15)  # state is saved this often; after a crash the rows since then are scored again
KEEP_HELD = timedelta(minutes=10)  # of settled assets, whose state hardly changes: a few rows more to score again
SAVES = 200  # of these per round, so that a fleet that started together does not save together
SETUP_AGE = timedelta(seconds=60)  # how soon changed limits of a model are seen
HELD_SETUP_AGE = timedelta(minutes=10)  # of settled assets, where their model did not change
SMALL_LAG = timedelta(seconds=10)  # devices of one asset differ by so much; what they are late by is not gone over
BACKLOG = timedelta(minutes=15)  # rows so old are what waited on a device: more of them, and the present, will follow
HOLD = timedelta(seconds=60)  # meanwhile nothing is decided: what ended in the past opens no order for the present
TELL_AGAIN = timedelta(seconds=30)  # how often a lasting finding of a replay is decided anew, in its own time

_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)

_WAITING = text(
    "SELECT xid, id, stream_ids, t_min, t_max, lane, stored FROM ingest_batches"
    " WHERE (xid, id) > (:xid, :id) AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    " ORDER BY xid, id LIMIT :limit"
)
# A stream measures whatever it is bound to at the time of the data.
_BOUND = text(
    "SELECT DISTINCT t.id, b.asset_id FROM streams t"
    " JOIN asset_bindings b ON b.device_id = t.device_id AND b.channel = t.channel WHERE t.id = ANY(:streams)"
)


_REPAIRED = text("SELECT asset_id FROM scoring_states WHERE asset_id = ANY(:assets) AND rebaseline_after IS NOT NULL")
_MODELS = text("SELECT id, md5(metrics::text || detectors::text) FROM asset_models")


class Touched(NamedTuple):
    """Rows of an asset that came: from when to when, and whether they are a replay.

    `slowest` is how far the slowest of its devices has come: the others wait for it a little.
    """

    since: datetime
    until: datetime
    replayed: bool
    slowest: datetime

    def joined(self, other: Touched) -> Touched:
        """Both together."""
        replayed = self.replayed or other.replayed
        slowest = min(self.slowest, other.slowest)
        return Touched(min(self.since, other.since), max(self.until, other.until), replayed, slowest)

    def ready_until(self) -> datetime:
        """Return up to when to score now."""
        return self.until if self.replayed else max(self.slowest, self.until - SMALL_LAG)


@dataclass(slots=True)
class _Known:
    """What the scorer holds of an asset between rounds."""

    key: str
    organisation_id: UUID
    detectors: frozenset[str]
    set_up_at: datetime
    saved_at: datetime
    setup: AssetSetup
    model: UUID | None


class Scorer:
    """One per worker process, run by one job at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._fleet = FleetScorer()
        self._tapes = Tapes()
        self._learned = LearnedScorer()
        self._lessons = Lessons()
        self._known: dict[UUID, _Known] = {}
        self._together = Together(self._fleet)
        self._models: dict[UUID, str] = {}
        self._models_at: datetime | None = None

    def run(self, now: datetime) -> bool:
        """Score everything that waits; return whether a finding was saved."""
        found = False
        for _ in range(ROUNDS):
            with self.database.as_service() as session:
                more, saved = self._round(session, now)
            found = found or saved
            if not more:
                break
        return found

    def _round(self, session: Session, now: datetime) -> tuple[bool, bool]:
        """Score what waits, within bounds; return whether more waits, and whether a finding was saved."""
        cursor = session.get(ScoringCursor, NAME, with_for_update=True)
        if cursor is None:
            cursor = ScoringCursor(name=NAME, xid=0, batch_id=0)
            session.add(cursor)
            session.flush()
        batches = session.execute(_WAITING, {"xid": cursor.xid, "id": cursor.batch_id, "limit": BATCHES}).all()
        if not batches:
            return False, False
        enough = int(np.searchsorted(np.cumsum([batch.stored for batch in batches]), SAMPLES)) + 1
        more, batches = enough < len(batches) or len(batches) == BATCHES, batches[:enough]
        assets = self._touched(session, batches)
        self._look_ahead(session, assets, now)
        saved, done = self._score_together(session, assets, now)
        for asset_id, touched in assets.items():
            if asset_id not in done:
                saved = self._score(session, asset_id, touched, now) or saved
        saved = self._apply_learned(session, assets, now) or saved
        self._tapes.clear()
        cursor.xid, cursor.batch_id = batches[-1].xid, batches[-1].id
        return more, saved

    def _touched(self, session: Session, batches: Iterable[Any]) -> dict[UUID, Touched]:
        """Return for each asset from when to when it has rows, and whether these are a replay."""
        streams: dict[int, Touched] = {}
        for batch in batches:
            for stream in batch.stream_ids if batch.t_max else ():
                new = Touched(batch.t_min, batch.t_max, batch.lane == "replay", batch.t_max)
                both = new.joined(streams.get(stream, new))
                streams[stream] = both._replace(slowest=both.until)
        assets: dict[UUID, Touched] = {}
        for stream, asset_id in session.execute(_BOUND, {"streams": list(streams)}):
            assets[asset_id] = streams[stream].joined(assets.get(asset_id, streams[stream]))
        return assets

    def _look_ahead(self, session: Session, assets: Mapping[UUID, Touched], now: datetime) -> None:
        """Read in a few queries what making each of the assets ready would ask for one by one."""
        if self._models_at is None or now - self._models_at > SETUP_AGE:
            models = {row[0]: row[1] for row in session.execute(_MODELS)}
            changed = {id_ for id_, digest in models.items() if self._models.get(id_) != digest}
            for known in self._known.values():
                if known.model in changed:
                    known.set_up_at = _LONG_AGO
            self._models, self._models_at = models, now
        due = [asset_id for asset_id in assets if self._is_due(asset_id, now)]
        fresh = [asset_id for asset_id in due if asset_id not in self._known]
        # Kept alive until the round ends, so that `session.get` finds them without asking.
        self._ahead = [
            *(session.scalars(select(Asset).where(Asset.id.in_(due))).all() if due else ()),
            *(session.scalars(select(AssetModel).where(AssetModel.id.in_(_models_of(due)))).all() if due else ()),
            *(session.scalars(select(ScoringState).where(ScoringState.asset_id.in_(fresh))).all() if fresh else ()),
        ]
        for asset_id in session.scalars(_REPAIRED, {"assets": list(assets)}).all():
            if asset_id in self._known:
                self._rebaseline(session, asset_id)

    def _is_due(self, asset_id: UUID, now: datetime) -> bool:
        known = self._known.get(asset_id)
        if known is None:
            return True
        return now - known.set_up_at > (HELD_SETUP_AGE if self._fleet.is_held(known.key) else SETUP_AGE)

    def _score_together(
        self, session: Session, assets: Mapping[UUID, Touched], now: datetime
    ) -> tuple[bool, set[UUID]]:
        """Score the settled assets; return whether a finding was saved, and which assets are done."""
        wanted: dict[UUID, datetime] = {}
        for asset_id, touched in assets.items():
            known = self._prepare(session, asset_id, now)
            if known is None or touched.replayed or not self._fleet.is_held(known.key):
                continue
            late = self._fleet.watermark(known.key) - touched.since.timestamp() > SMALL_LAG.total_seconds()
            if not late:
                wanted[asset_id] = touched.ready_until()
        scored = self._together.score(session, wanted, now, lambda block: self._feed_alone(block, now))
        saved = False
        for asset_id, found in scored.found.items():
            saved = self._keep(session, asset_id, found, scored.until[asset_id], now) or saved
        old = [asset_id for asset_id in scored.until if now - self._known[asset_id].saved_at > KEEP_HELD]
        for asset_id in {*old[:SAVES], *scored.found}:
            self._save(session, asset_id, self._known[asset_id], now)
        return saved, set(scored.until)

    def _feed_alone(self, block: Block, now: datetime) -> list[FindingFacts]:
        """Score what is not quiet; the rows that the bank took were on no tape."""
        if self._fleet.is_held(block.asset):
            self._tapes.forget(block.asset)
        return self._feed(block, self._known[UUID(block.asset)], now)

    def _keep(
        self, session: Session, asset_id: UUID, found: Sequence[FindingFacts], watermark: datetime, now: datetime
    ) -> bool:
        """Save findings of live rows; return whether there were any."""
        known = self._known[asset_id]
        facts = [fact for fact in found if not known.detectors or fact.detector in known.detectors]
        if not facts:
            return False
        found_rows = save_findings(session, known.organisation_id, facts, replayed=False, now=now)
        keep_snapshots(session, known.organisation_id, self._tapes, facts, found_rows, now)
        if now - watermark > BACKLOG:
            hold_decisions(found_rows, now + HOLD)
        return True

    def _score(self, session: Session, asset_id: UUID, touched: Touched, now: datetime) -> bool:
        known = self._prepare(session, asset_id, now)
        if known is None:
            return False
        key, saved = known.key, False
        until, replayed = touched.ready_until(), touched.replayed
        scored_to = _moment(self._fleet.watermark(key))
        if scored_to is not None and not replayed and scored_to - touched.since > SMALL_LAG:
            self._note_late(session, asset_id, known, touched.since, min(until, scored_to), now)
        while True:
            after = _moment(self._fleet.watermark(key))
            readings = load_block(session, asset_id, after, until, limit=ROWS)
            if len(readings.t) == 0:
                break
            watermark = datetime.fromtimestamp(float(readings.t[-1]), UTC)
            healthy = known_healthy(session, asset_id, after, watermark)
            blocks = blocks_of(key, readings, healthy, self._fleet.healthy_until(key))
            found = [fact for block in blocks for fact in self._feed(block, known, now)]
            if not replayed:
                saved = self._keep(session, asset_id, found, watermark, now) or saved
            elif facts := [fact for fact in found if not known.detectors or fact.detector in known.detectors]:
                self._live_again(session, asset_id, facts, now)
                saved = True
            if len(readings.t) < ROWS:
                break
        if saved or now - known.saved_at > KEEP_STATE:
            self._save(session, asset_id, known, now)
        return saved

    def _note_late(
        self, session: Session, asset_id: UUID, known: _Known, since: datetime, until: datetime, now: datetime
    ) -> None:
        """Rows came that are older than what was scored: their stretch is gone over by `ml.late`."""
        if not note_late(session, asset_id, since, until, now):
            self._save(session, asset_id, known, now)
            note_late(session, asset_id, since, until, now)

    def _live_again(self, session: Session, asset_id: UUID, facts: Sequence[FindingFacts], now: datetime) -> None:
        """Decide a replay's findings one by one, each at its own moment.

        A round of a fast replay holds hours: trouble that began and ended in it would otherwise only be seen ended.
        """
        asset = session.get_one(Asset, asset_id)
        policies = policies_for(session, asset)
        told: dict[tuple[str, str, datetime], datetime] = {}
        last = {(fact.detector, fact.signature, fact.first_at): at for at, fact in enumerate(facts)}
        for at, fact in enumerate(facts):
            key = (fact.detector, fact.signature, fact.first_at)
            is_news = key not in told or at == last[key] or fact.cleared_at is not None
            due = open_moment(fact, policies.get(fact.kind, policies["machine"]))
            if not is_news and not told[key] < due <= fact.last_at and fact.last_at - told[key] < TELL_AGAIN:
                continue
            told[key] = fact.last_at
            moment = fact.cleared_at or fact.last_at
            rows = save_findings(session, asset.organisation_id, [fact], replayed=True, now=now, watermark=moment)
            keep_snapshots(session, asset.organisation_id, self._tapes, [fact], rows, now)
            decide_pending(session, now)  # once: what has to wait says so and is taken up again with later facts

    def _prepare(self, session: Session, asset_id: UUID, now: datetime) -> _Known | None:
        """Make the asset's detectors ready: restored, with the limits of its model, past its last repair."""
        known = self._known.get(asset_id)
        if known is None or self._is_due(asset_id, now):
            asset = session.get(Asset, asset_id)
            if asset is None:
                return None
            model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
            key, setup = str(asset_id), asset_setup(model, asset)
            setup = replace(setup, taught=self._lessons.of(session, model, now))
            self._fleet.set_up(key, setup)
            if known is None:
                self._restore(session, asset_id)
                self._rebaseline(session, asset_id)
            elif known.setup.taught is setup.taught and known.setup == setup:
                setup = known.setup  # the same object: tapes go on
            saved_at = known.saved_at if known else now
            detectors = frozenset(model.detectors if model else ())
            known = _Known(key, asset.organisation_id, detectors, now, saved_at, setup, asset.asset_model_id)
            self._known[asset_id] = known
        return known

    def _apply_learned(self, session: Session, assets: Mapping[UUID, Touched], now: datetime) -> bool:
        """Let the stored models look at assets whose time moved on; their trouble must not stop the detectors."""
        moved = {
            asset_id: Moved(scored_to, touched.replayed)
            for asset_id, touched in assets.items()
            if (scored_to := _moment(self._fleet.watermark(str(asset_id)))) is not None
        }
        try:
            with session.begin_nested():
                return self._learned.run(session, moved, now) > 0
        except Exception:
            log.exception("stored models could not be applied")
            return False

    def _feed(self, block: Block, known: _Known, now: datetime) -> list[FindingFacts]:
        """Score rows and remember what begins from them."""
        return self._tapes.feed(self._fleet, block, known.setup, now.timestamp())

    def _restore(self, session: Session, asset_id: UUID) -> None:
        row = session.get(ScoringState, asset_id)
        if row is None:
            return
        try:
            self._fleet.load(str(asset_id), row.state)
        except StateUnreadable as error:
            # Learn anew from the stored readings rather than stop scoring this asset.
            log.error("asset %s: %s; it learns anew", asset_id, error)

    def _rebaseline(self, session: Session, asset_id: UUID) -> None:
        row = session.get(ScoringState, asset_id)
        if row is not None and row.rebaseline_after is not None:
            self._fleet.rebaseline(str(asset_id), row.rebaseline_after.timestamp())
            self._tapes.forget(str(asset_id))
            row.rebaseline_after = None

    def _save(self, session: Session, asset_id: UUID, known: _Known, now: datetime) -> None:
        key = str(asset_id)
        learning = self._fleet.learning(key)
        if known.detectors and "residual" not in known.detectors:
            learning = Learning("ready", 1.0)  # limits need nothing of the asset's past
        values: dict[str, Any] = {
            "organisation_id": known.organisation_id,
            "model_id": self._fleet.model_id(key),
            "state": self._fleet.dump(key),
            "watermark": _moment(self._fleet.watermark(key)) or now,
            "learning": {
                "state": learning.state,
                "progress": round(learning.progress, 3),
                "missing": {name: round(float(number), 3) for name, number in learning.missing.items()},
            },
            "updated_at": now,
        }
        session.execute(
            insert(ScoringState)
            .values(asset_id=asset_id, **values)
            .on_conflict_do_update(index_elements=["asset_id"], set_=values)
        )
        known.saved_at = now


def _models_of(assets: Sequence[UUID]) -> Any:
    return select(Asset.asset_model_id).where(Asset.id.in_(assets), Asset.asset_model_id.is_not(None))


def _moment(t: float) -> datetime | None:
    return datetime.fromtimestamp(t, UTC) if np.isfinite(t) else None
