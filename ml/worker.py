"""The scorer of the service: reads fresh rows in the order in which they were stored, saves findings and state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.registry import Asset, AssetModel
from ingest.store.happened import LONG_AGO, Happened, Heard, Place, events_after, events_in, heard_of
from ingest.store.read import Source, known_healthy, load_block, sources_of_many
from maintenance.decisions import FindingFacts
from ml.blocks import block_of, blocks_of
from ml.detectors.protocol import Block, Event
from ml.found import Found
from ml.known_assets import DATABASE_ERRORS, Known, Troubled
from ml.late import note_late
from ml.learned_scoring import LearnedScorer, Moved
from ml.lessons import Lessons
from ml.models import ScoringCursor, ScoringState
from ml.replayed import live_again
from ml.scoring import FleetScorer
from ml.state_keeping import moment_of, restore_state, save_state
from ml.tapes import Tapes
from ml.together import Together
from ml.told import (
    Work,
    device_event,
    no_rows,
    note_told,
    untold_work,
    with_events,
    work_event,
)
from ml.touched import SMALL_LAG, Touched, touched_by
from ml.tracks import LATE_S

log = logging.getLogger(__name__)

T = TypeVar("T")

NAME = "scoring"
BATCHES, SAMPLES = 2_000, 20_000  # ingested per transaction at most: findings show while a backlog is scored
ROUNDS = 100  # then the job gives its place back
ROWS = 20_000  # rows of one asset per load: bounds memory to a few MB
KEEP_STATE = timedelta(seconds=15)  # state is saved this often; after a crash the rows since then are scored again
KEEP_HELD = timedelta(minutes=10)  # of settled assets, whose state hardly changes: a few rows more to score again
SAVES = 200  # of these per round, so that a fleet that started together does not save together
SETUP_AGE = timedelta(seconds=60)  # how soon changed limits of a model are seen
HELD_SETUP_AGE = timedelta(minutes=10)  # of settled assets, where their model did not change
LATE = timedelta(seconds=LATE_S)  # by so much may come behind what has a rhythm of its own
MODES = timedelta(seconds=60)  # a row before what came late tells the machine's mode

_WAITING = text(
    "SELECT xid, id, stream_ids, t_min, t_max, lane, stored FROM ingest_batches"
    " WHERE (xid, id) > (:xid, :id) AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    " ORDER BY xid, id LIMIT :limit"
)
_MODELS = text("SELECT id, md5(metrics::text || detectors::text) FROM asset_models")


class Scorer:
    """One per worker process, run by one job at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._troubled = Troubled()
        self._forget_all()

    def _forget_all(self) -> None:
        self._fleet = FleetScorer()
        self._tapes = Tapes()
        self._learned = LearnedScorer()
        self._lessons = Lessons(tells=True)
        self._known: dict[UUID, Known] = {}
        self._together = Together(self._fleet)
        self._models: dict[UUID, str] = {}
        self._models_at: datetime | None = None
        self._upto = Place(0, 0)  # the last batch of the round
        self._heard = Heard(set(), set())
        self._work: dict[UUID, list[Work]] = {}
        self._found = Found()
        self._aside: set[UUID] = set()  # of the round's assets, those that failed or wait after having failed

    def run(self, now: datetime) -> bool:
        """Score everything that waits; return whether a finding was saved."""
        found = False
        for _ in range(ROUNDS):
            try:
                with self.database.as_service() as session:
                    more, saved = self._round(session, now)
            except Exception:
                self._forget_all()  # what was fed in vain is fed again, to detectors as they are stored
                raise
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
        if self._known and Place(cursor.xid, cursor.batch_id) != self._upto:
            self._forget_all()  # another process scored meanwhile: what it told its detectors, ours never heard
        batches = session.execute(_WAITING, {"xid": cursor.xid, "id": cursor.batch_id, "limit": BATCHES}).all()
        if not batches:
            return False, False
        enough = int(np.searchsorted(np.cumsum([batch.stored for batch in batches]), SAMPLES)) + 1
        more, batches = enough < len(batches) or len(batches) == BATCHES, batches[:enough]
        self._upto = Place(batches[-1].xid, batches[-1].id)
        assets = touched_by(session, batches)
        self._aside = {asset_id for asset_id in assets if self._troubled.waits(asset_id, now)}
        self._look_ahead(session, assets, now)
        self._tell_late(session, [batch.id for batch in batches], now)
        done, broken = self._score_together(session, assets, now)
        left = [asset_id for asset_id in assets if asset_id not in done and asset_id not in self._aside]
        sources, saved = sources_of_many(session, left), False
        for asset_id in left:
            own = assets[asset_id], sources.get(asset_id, []), now
            saved = bool(self._apart(asset_id, now, self._score, session, asset_id, *own)) or saved
            if asset_id not in self._aside:
                self._troubled.recovered(asset_id)
        if broken & self._aside:
            self._troubled.release(broken)
        saved = self._found.save(session, self._tapes, now) or saved
        saved = self._apply_learned(session, assets, now) or saved
        self._tapes.clear()
        cursor.xid, cursor.batch_id = batches[-1].xid, batches[-1].id
        return more, saved

    def _apart(self, asset_id: UUID, now: datetime, step: Callable[..., T], *given: Any) -> T | None:
        """Do what concerns one asset alone; where it fails the asset is put aside, and the others go on.

        It is tried again with its next rows, from its stored state: what is skipped now is read then.
        """
        try:
            return step(*given)
        except DATABASE_ERRORS:
            raise
        except Exception:
            log.exception("asset %s: scoring failed, the others go on; tried again with its next rows", asset_id)
            self._troubled.note(asset_id, now)
            self._aside.add(asset_id)
            self._drop(asset_id)
            return None

    def _drop(self, asset_id: UUID) -> None:
        """Forget one asset: its detectors are made again from what is stored."""
        self._known.pop(asset_id, None)
        self._tapes.drop(str(asset_id))
        self._fleet.forget(str(asset_id))

    def _look_ahead(self, session: Session, assets: Mapping[UUID, Touched], now: datetime) -> None:
        """Read in a few queries what making each of the assets ready would ask for one by one."""
        if self._models_at is None or now - self._models_at > SETUP_AGE:
            models = {row[0]: row[1] for row in session.execute(_MODELS)}
            changed = {id_ for id_, digest in models.items() if self._models.get(id_) != digest}
            for known in self._known.values():
                if known.model in changed:
                    known.set_up_at = LONG_AGO
            self._models, self._models_at = models, now
        due = [asset_id for asset_id in assets if self._is_due(asset_id, now)]
        fresh = [asset_id for asset_id in due if asset_id not in self._known]
        # Kept alive until the round ends, so that `session.get` finds them without asking.
        self._ahead = [
            *(session.scalars(select(Asset).where(Asset.id.in_(due))).all() if due else ()),
            *(session.scalars(select(AssetModel).where(AssetModel.id.in_(_models_of(due)))).all() if due else ()),
            *(session.scalars(select(ScoringState).where(ScoringState.asset_id.in_(fresh))).all() if fresh else ()),
        ]

    def _is_due(self, asset_id: UUID, now: datetime) -> bool:
        known = self._known.get(asset_id)
        if known is None:
            return True
        return now - known.set_up_at > (HELD_SETUP_AGE if self._fleet.is_held(known.key) else SETUP_AGE)

    def _score_together(
        self, session: Session, assets: Mapping[UUID, Touched], now: datetime
    ) -> tuple[set[UUID], set[UUID]]:
        """Score the settled assets; return which are done, and which failed together and are to be scored alone."""
        ready = self._ready(session, assets, now)
        self._listen(session, ready, assets, now)
        wanted: dict[UUID, datetime] = {}
        for asset_id, known in ready.items():
            touched, until = assets[asset_id], assets[asset_id].ready_until()
            if touched.replayed or not self._fleet.is_held(known.key) or self._is_told_more(asset_id, until):
                continue
            if self._troubled.is_alone(asset_id, now):
                continue
            if touched.since.timestamp() > self._fleet.watermark(known.key):
                wanted[asset_id] = until
        scored = self._together.score(session, wanted, now, lambda block: self._feed_alone(block, now))
        done = scored.until.keys() - self._aside
        for asset_id in done:
            self._tapes.forget(str(asset_id))  # the rows that the bank took are on no tape
        for asset_id in scored.found.keys() & done:
            self._keep(asset_id, scored.found[asset_id], scored.until[asset_id])
        old = [asset_id for asset_id in done if now - self._known[asset_id].saved_at > KEEP_HELD]
        for asset_id in old[:SAVES]:
            self._apart(asset_id, now, self._save, session, asset_id, self._known[asset_id], now)
        if scored.broken:
            self._begin_again(session, scored.broken, assets, now)
        return done, scored.broken

    def _ready(self, session: Session, wanted: Iterable[UUID], now: datetime) -> dict[UUID, Known]:
        """Make these assets ready, but for those that are put aside."""
        return {
            asset_id: known
            for asset_id in wanted
            if asset_id not in self._aside
            and (known := self._apart(asset_id, now, self._prepare, session, asset_id, now))
        }

    def _begin_again(self, session: Session, broken: set[UUID], assets: Mapping[UUID, Touched], now: datetime) -> None:
        """Their stacked state may be half advanced: take the stored one, to be scored each by itself."""
        self._troubled.keep_alone(broken, now)
        for asset_id in broken:
            self._drop(asset_id)
        self._look_ahead(session, {asset_id: assets[asset_id] for asset_id in broken}, now)
        self._ready(session, broken, now)
        self._listen(session, {each: self._known[each] for each in assets if each in self._known}, assets, now)

    def _listen(
        self, session: Session, ready: Mapping[UUID, Known], assets: Mapping[UUID, Touched], now: datetime
    ) -> None:
        """Find out in two queries of which assets something is to be told that is no reading."""
        wanted = {asset_id: (known.seen, assets[asset_id].ready_until()) for asset_id, known in ready.items()}
        scored_to = [at for known in ready.values() if (at := moment_of(self._fleet.watermark(known.key)))]
        self._heard = heard_of(session, wanted, min(scored_to, default=now))
        self._work = untold_work(session, list(ready))

    def _is_told_more(self, asset_id: UUID, until: datetime) -> bool:
        due = any(work["at"] <= until.timestamp() for work in self._work.get(asset_id, ()))
        return due or asset_id in self._heard.vouched or asset_id in self._heard.happened

    def _tell_late(self, session: Session, batches: Sequence[int], now: datetime) -> None:
        """Events that came after younger ones were told are told at once; assets not known here yet are told what they
        missed when they are restored."""
        for asset_id, happened in groupby(events_in(session, batches), key=lambda each: each.asset_id):
            known = self._known.get(asset_id)
            if known is not None:
                late = [each for each in happened if each.at <= known.seen]
                self._apart(asset_id, now, self._tell, known, late, now)

    def _tell(self, known: Known, happened: Sequence[Happened], now: datetime) -> None:
        if happened:
            self._tapes.feed(
                self._fleet, no_rows(known.key), known.setup, now.timestamp(), [device_event(each) for each in happened]
            )

    def _due(self, session: Session, asset_id: UUID, known: Known, until: datetime) -> tuple[list[Event], list[Work]]:
        """What is to be told with rows up to `until`, and the work among it."""
        work = [each for each in self._work.get(asset_id, ()) if each["at"] <= until.timestamp()]
        self._work[asset_id] = [each for each in self._work.get(asset_id, ()) if each not in work]
        events = [work_event(each) for each in work]
        if asset_id in self._heard.happened:
            happened = events_after(session, asset_id, known.seen, until, self._upto)
            known.seen = happened[-1].at if happened else known.seen
            events += [device_event(each) for each in happened]
        return events, work

    def _feed_alone(self, block: Block, now: datetime) -> list[FindingFacts]:
        """Score what is not quiet; the rows that the bank took were on no tape."""
        if self._fleet.is_held(block.asset):
            self._tapes.forget(block.asset)
        asset_id = UUID(block.asset)
        return self._apart(asset_id, now, self._feed, block, self._known[asset_id], now) or []

    def _keep(self, asset_id: UUID, found: Sequence[FindingFacts], watermark: datetime) -> None:
        self._found.keep(self._known[asset_id], found, watermark)

    def _score(
        self, session: Session, asset_id: UUID, touched: Touched, sources: Sequence[Source], now: datetime
    ) -> bool:
        """Score one asset by itself; return whether a finding of a replay was saved."""
        known = self._prepare(session, asset_id, now)
        if known is None:
            return False
        key, saved, told = known.key, False, list[Work]()
        until, replayed = touched.ready_until(), touched.replayed
        scored_to = moment_of(self._fleet.watermark(key))
        if scored_to is not None and not replayed:
            self._catch_up(session, known, touched, sources, scored_to, now)
        after = scored_to
        while True:
            readings = load_block(session, asset_id, after, until, limit=ROWS, sources=sources)
            if len(readings.t) == 0:
                break
            watermark = datetime.fromtimestamp(float(readings.t[-1]), UTC)
            vouched = after is None or asset_id in self._heard.vouched
            healthy = known_healthy(session, asset_id, after, watermark) if vouched else []
            blocks = blocks_of(key, readings, healthy, self._fleet.healthy_until(key))
            events, work = self._due(session, asset_id, known, watermark)
            told += work
            found = [fact for block, own in with_events(blocks, events) for fact in self._feed(block, known, now, own)]
            if not replayed:
                self._keep(asset_id, found, watermark)
            elif facts := known.allowed(found):
                live_again(session, asset_id, known.weighed(facts), self._tapes, now)
                saved = True
            if len(readings.t) < ROWS:
                break
            after = watermark
        if told or now - known.saved_at > (KEEP_HELD if self._fleet.is_settled(key) else KEEP_STATE):
            self._save(session, asset_id, known, now)
        if told:
            note_told(session, asset_id, told)
        return saved

    def _catch_up(
        self, session: Session, known: Known, touched: Touched, sources: Sequence[Source], scored_to: datetime,
        now: datetime,
    ) -> None:  # fmt: skip
        """Score what came behind the asset's watermark in a rhythm of its own; what else came late is gone over."""
        asset_id, oldest = UUID(known.key), scored_to - LATE
        back, known.look_back, scored = known.look_back, False, set[datetime]()
        since = oldest if back else max(touched.since, oldest)
        if since <= scored_to:
            readings = load_block(session, asset_id, since - MODES, scored_to, limit=ROWS, sources=sources)
            late = self._fleet.belated(block_of(known.key, readings))
            if late is not None:
                late = replace(late, healthy_until=self._fleet.healthy_until(known.key))
                self._keep(asset_id, self._feed(late, known, now), scored_to)
                scored = set() if back else {datetime.fromtimestamp(t, UTC) for t in late.t.tolist()}
        rest = touched.late_since(scored_to, scored)
        if rest is not None and scored_to - rest > SMALL_LAG:
            self._note_late(session, asset_id, known, rest, min(touched.ready_until(), scored_to), now)

    def _note_late(
        self, session: Session, asset_id: UUID, known: Known, since: datetime, until: datetime, now: datetime
    ) -> None:
        """Rows came that are older than what was scored: their stretch is gone over by `ml.late`."""
        if not note_late(session, asset_id, since, until, now):
            self._save(session, asset_id, known, now)
            note_late(session, asset_id, since, until, now)

    def _prepare(self, session: Session, asset_id: UUID, now: datetime) -> Known | None:
        """Make the asset's detectors ready: restored, with the limits of its model, past its last repair."""
        known = self._known.get(asset_id)
        if known is None or self._is_due(asset_id, now):
            asset = session.get(Asset, asset_id)
            if asset is None:
                return None
            model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
            key, setup = str(asset_id), self._lessons.setup(session, model, asset, now)
            self._fleet.set_up(key, setup)
            seen, missed = (known.seen, []) if known else self._restore(session, asset_id)
            stored = None if known else session.get(ScoringState, asset_id)
            # Where nothing is stored, at once: work is told to what is stored.
            saved_at = known.saved_at if known else stored.updated_at if stored else LONG_AGO
            if known and known.setup.taught is setup.taught and known.setup == setup:
                setup = known.setup  # the same object: tapes go on
            detectors = frozenset(model.detectors if model else ())
            back = known.look_back if known else not self._fleet.is_held(key)
            known = Known(key, asset.organisation_id, detectors, now, saved_at, setup, asset.asset_model_id, seen, back)
            self._known[asset_id] = known
            self._tell(known, missed, now)
        return known

    def _apply_learned(self, session: Session, assets: Mapping[UUID, Touched], now: datetime) -> bool:
        """Let the stored models look at assets whose time moved on; their trouble must not stop the detectors."""
        moved = {
            asset_id: Moved(scored_to, touched.replayed)
            for asset_id, touched in assets.items()
            if asset_id in self._known and (scored_to := moment_of(self._fleet.watermark(str(asset_id)))) is not None
        }
        try:
            with session.begin_nested():
                return self._learned.run(session, moved, now) > 0
        except Exception:
            log.exception("stored models could not be applied")
            return False

    def _feed(self, block: Block, known: Known, now: datetime, events: Sequence[Event] = ()) -> list[FindingFacts]:
        """Score rows and remember what begins from them."""
        return self._tapes.feed(self._fleet, block, known.setup, now.timestamp(), events)

    def _restore(self, session: Session, asset_id: UUID) -> tuple[datetime, list[Happened]]:
        """Load what the asset's detectors knew; return up to when they were told events, and those that they missed."""
        return restore_state(session, self._fleet, asset_id, self._upto)

    def _save(self, session: Session, asset_id: UUID, known: Known, now: datetime) -> None:
        save_state(session, self._fleet, asset_id, known, self._upto, now)


def _models_of(assets: Sequence[UUID]) -> Any:
    return select(Asset.asset_model_id).where(Asset.id.in_(assets), Asset.asset_model_id.is_not(None))
