"""Go over what came late: older rows than what was scored amend the history of findings, and open no order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import CursorResult, func, or_, select, text
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.registry import Asset, AssetModel
from ingest.store.happened import events_after, events_missed, newest_place
from ingest.store.read import known_healthy, load_block
from maintenance.decisions import FindingFacts
from maintenance.findings import save_findings
from maintenance.models import Finding
from ml.blocks import blocks_of
from ml.counted import count_again
from ml.detectors.plain import StateUnreadable
from ml.detectors.setup import AssetSetup
from ml.lessons import Lessons, weighed
from ml.models import ScoringState
from ml.scoring import FleetScorer
from ml.told import device_event, seen_by, with_events

log = logging.getLogger(__name__)

WAIT = timedelta(seconds=20)  # after the first late row: its fellows come with it
LOOK_BACK = timedelta(hours=1)  # of what is stored before, so that a fault that was cut in two is one again
ASSETS = 10  # per transaction
ROWS = 20_000
MOST_ROWS = 400_000  # of one asset in one go, some days of a reading a second; older ones are left as they are

_NOTE = text("""
UPDATE scoring_states SET late_from = least(late_from, :since), late_until = greatest(late_until, :until),
  late_noted_at = coalesce(late_noted_at, :now) WHERE asset_id = :asset
""")


def note_late(session: Session, asset_id: UUID, since: datetime, until: datetime, now: datetime) -> bool:
    """Remember that rows of this stretch came late; False when the asset has no stored state yet."""
    values = {"asset": asset_id, "since": since, "until": until, "now": now}
    done = session.execute(_NOTE, values)
    return isinstance(done, CursorResult) and done.rowcount > 0


def amend_history(database: Database, now: datetime) -> int:
    """Score the stretches of which rows came late; return how many findings were saved or amended."""
    saved, lessons = 0, Lessons()
    while True:
        with database.as_service() as session:
            due = select(ScoringState).where(ScoringState.late_noted_at < now - WAIT).limit(ASSETS)
            states = session.scalars(due.order_by(ScoringState.late_noted_at).with_for_update(skip_locked=True)).all()
            for state in states:
                saved += _amend(session, state, lessons, now)
        if len(states) < ASSETS:
            return saved


def _amend(session: Session, state: ScoringState, lessons: Lessons, now: datetime) -> int:
    since, until = state.late_from, state.late_until
    state.late_from = state.late_until = state.late_noted_at = None
    asset = session.get(Asset, state.asset_id)
    if since is None or until is None or asset is None:
        return 0
    count_again(session, asset.id, since, until)
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    setup = lessons.setup(session, model, asset, now)
    facts = [fact for fact in _ended(_found(session, setup, state, since, until), until) if _is_told_late(fact)]
    allowed = model.detectors if model and model.detectors else None
    amended = [
        fitted
        for fact in facts
        if (allowed is None or fact.detector in allowed)
        and (fitted := _fitted(session, asset.id, weighed(fact, setup.openers), now))
    ]
    if amended:
        save_findings(session, asset.organisation_id, amended, replayed=False, now=now)
        log.info("asset %s: %d findings in what came late", asset.serial, len(amended))
    return len(amended)


def _found(
    session: Session, setup: AssetSetup, state: ScoringState, since: datetime, until: datetime
) -> list[FindingFacts]:
    """Score the stretch with a copy of what the asset's detectors know now; the copy is thrown away."""
    key = str(state.asset_id)
    fleet = FleetScorer(default=setup)
    try:
        fleet.load(key, state.state)
    except StateUnreadable:
        return []
    fleet.rewind(key)
    found: list[FindingFacts] = []
    seen, newest_batch = seen_by(state), newest_place(session)
    events = [device_event(each) for each in events_missed(session, state.asset_id, seen, newest_batch)]
    after, rows = since - LOOK_BACK, 0
    while rows < MOST_ROWS:
        readings = load_block(session, state.asset_id, after, until, limit=ROWS)
        if len(readings.t) == 0:
            break
        newest = datetime.fromtimestamp(float(readings.t[-1]), UTC)
        healthy = known_healthy(session, state.asset_id, after, newest)
        last = [device_event(each) for each in events_after(session, state.asset_id, seen.until, newest, newest_batch)]
        seen, events = seen._replace(until=max(seen.until, newest)), [*events, *last]
        for block, own in with_events(blocks_of(key, readings, healthy, fleet.healthy_until(key)), events):
            found += fleet.feed(block, own)
        events = []
        rows += len(readings.t)
        after = newest
        if len(readings.t) < ROWS:
            break
    return found


def _ended(found: Sequence[FindingFacts], until: datetime) -> list[FindingFacts]:
    """Return the last word on each finding; what still lasted at the end is taken up by what was scored before."""
    last = {(fact.detector, fact.signature, fact.first_at): fact for fact in found}
    return [
        fact if fact.cleared_at is not None else replace(fact, cleared_at=max(until, fact.last_at))
        for fact in last.values()
    ]


def _is_told_late(fact: FindingFacts) -> bool:
    """Gaps are what late rows close, not what they tell."""
    return fact.kind != "connection" and not fact.learning


def _fitted(session: Session, asset_id: UUID, fact: FindingFacts, now: datetime) -> FindingFacts | None:
    """Return the finding as a part of the one that is known of this stretch, if any; None while that one lasts."""
    same = select(Finding).where(
        Finding.asset_id == asset_id,
        Finding.detector == fact.detector,
        Finding.signature == fact.signature,
        Finding.first_at <= fact.cleared_at,
        or_(Finding.cleared_at.is_(None), func.coalesce(Finding.cleared_at, now) >= fact.first_at),
    )
    known = session.scalars(same.order_by(Finding.first_at).limit(1)).first()
    if known is None:
        return fact
    if known.cleared_at is None or known.last_at >= fact.last_at:
        return None
    return replace(fact, first_at=known.first_at, peak=max(fact.peak, known.peak))
