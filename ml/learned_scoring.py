"""Apply the stored models to assets whose time has moved on: many assets in one call of each model."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.registry import Asset, AssetModel
from ingest.store.hourly import metrics_of
from maintenance.decisions import FindingFacts
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.remaining_lives import Estimate, save_life
from ml.detectors import plain
from ml.detectors.protocol import Floats, State
from ml.features import Moments, moments_of, pace_s
from ml.life_band import COVERAGE
from ml.models import ScoringState
from ml.remaining_life import LifeModel
from ml.store.artefacts import ModelDamaged, ModelUnreadable
from ml.store.shadow import note_shadow
from ml.store.snapshots import LEARNED, Taken, store_snapshot
from ml.store.tables import CHAMPION, FAILURE, LIFE, FindingSnapshot, LearnedState, StoredModel
from ml.store.versions import ContentForgotten, load_state, serving, tell_unusable
from ml.stored_fleet import record_until, told_of
from ml.supervised import FailureModel
from ml.watching import FailureWatch

log = logging.getLogger(__name__)

FRESH = timedelta(seconds=60)  # how soon a roll-back is obeyed
MAX_DUE = 500  # assets of which it is asked what suits them in one call
MAX_SILENT = 10_000  # of them in one call
STOPPED = timedelta(days=1)  # without readings for so long: what its devices tell is all that there is
BUDGET_S = 0.5  # of one call: scoring must not wait longer; the other assets are taken in the next
RECHECK = timedelta(hours=1)  # an asset that no model suits is looked at again so often
ROLLED_UP = timedelta(minutes=70)  # until the hour in which a moment falls has ended and is rolled up
AGAIN = timedelta(minutes=30)  # where a moment was due and is not there yet
LOOKS_PER_HORIZON = 100  # an asset is due when so much of the horizon has gone by
SOON_S = (7 * 86400.0, 30 * 86400.0)  # for which the probability of a failure is told


class Moved(NamedTuple):
    """How far an asset's own time has come, and whether it is a replay."""

    until: datetime
    replayed: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """A stored model, loaded."""

    id: UUID
    organisation_id: UUID
    name: str
    champion: bool
    model: FailureModel | LifeModel

    @property
    def step(self) -> timedelta:
        words = self.model.words
        return timedelta(seconds=max(pace_s(words), words.horizon_s / LOOKS_PER_HORIZON))


class Looked(NamedTuple):
    """What a watch knew, and the moments that it then looked at: times, inputs, deviations."""

    before: State
    t: Floats
    inputs: Floats
    deviation: Floats


@dataclass(slots=True)
class Due:
    """An asset for which a look is due, with what is known of it at its own moment."""

    asset: Asset
    moved: Moved
    seen: dict[UUID, Moments] = field(default_factory=dict)  # by model


class LearnedScorer:
    """One per worker process; models are loaded once and looked up anew each minute."""

    def __init__(self) -> None:
        self._serving: list[Serving] = []
        self._loaded_at: datetime | None = None
        self._broken: set[UUID] = set()
        self._next: dict[UUID, datetime] = {}  # asset -> its own time from which a look is due
        self._silent_after: UUID | None = None  # machines up to this one were looked at, of those without readings

    def run(self, session: Session, moved: Mapping[UUID, Moved], now: datetime) -> int:
        """Look at the assets that are due among those that moved; return how many findings were saved."""
        self._refresh(session, now)
        if not self._serving:
            return 0
        due = [asset for asset, each in moved.items() if self._is_due(asset, each)]
        ready = self._ready(session, {asset: moved[asset] for asset in due[:MAX_DUE]}, now)
        saved = 0
        for each in self._serving:
            chosen = [one for one in ready if each.id in one.seen and len(one.seen[each.id].t)]
            if not chosen:
                continue
            if isinstance(each.model, FailureModel):
                saved += _watch(session, each, each.model, chosen, now)
            elif each.champion:
                _estimate(session, each, each.model, chosen, now)
        return saved

    def run_silent(self, session: Session, now: datetime) -> int:
        """Look at the machines that send logs and no readings; return how many findings were saved."""
        self._refresh(session, now)
        page = silent_assets(session, self._serving, now, self._silent_after)
        saved = self.run(session, page, now)
        if not any(self._is_due(asset, each) for asset, each in page.items()):  # else its rest comes next
            self._silent_after = max(page) if len(page) == MAX_SILENT else None
        return saved

    def _is_due(self, asset: UUID, moved: Moved) -> bool:
        return moved.until >= self._next.get(asset, moved.until)

    # ------------------------------------------------------------------ models

    def _refresh(self, session: Session, now: datetime) -> None:
        if self._loaded_at is not None and now - self._loaded_at < FRESH:
            return
        self._loaded_at = now
        known = {each.id: each for each in self._serving}
        fresh: list[Serving] = []
        for row in serving(session, (FAILURE, LIFE)):
            if row.id in known and known[row.id].champion == (row.state == CHAMPION):
                fresh.append(known[row.id])
            elif (loaded := self._load(session, row, now)) is not None:
                fresh.append(loaded)
        if {each.id for each in fresh} != set(known):
            self._next.clear()
        self._serving = fresh

    def _load(self, session: Session, row: StoredModel, now: datetime) -> Serving | None:
        """A model whose hash is wrong is not used, and says so; the others go on."""
        try:
            model = model_of(row.kind, load_state(session, row))
        except (ModelDamaged, ModelUnreadable, ContentForgotten) as error:
            if row.id not in self._broken:
                self._broken.add(row.id)
                log.error("model %s version %d is not used: %s", row.name, row.version, error)
                tell_unusable(session, row, error, now)
            return None
        if model is None:
            return None
        return Serving(row.id, row.organisation_id, row.name, row.state == CHAMPION, model)

    # ------------------------------------------------------------------ assets

    def _ready(self, session: Session, moved: Mapping[UUID, Moved], now: datetime) -> list[Due]:
        """Load what is known of the assets, for the models that suit each."""
        if not moved:
            return []
        rows = session.execute(
            select(Asset, AssetModel)
            .join(AssetModel, AssetModel.id == Asset.asset_model_id)
            .where(Asset.id.in_(list(moved)))
            .order_by(Asset.id)
        ).all()
        metrics = metrics_of(session, list(moved))
        suited = [(asset, model, self._suiting(asset, model, metrics.get(asset.id, ()))) for asset, model in rows]
        suits = {asset.id for asset, _, models in suited if models}
        for asset_id, each in moved.items():
            if asset_id not in suits:
                self._next[asset_id] = each.until + RECHECK
        told = told_of(session, list(suits), now)
        ready: list[Due] = []
        begun = time.monotonic()
        for asset, model, models in suited:
            if not models:
                continue
            if time.monotonic() - begun > BUDGET_S:
                break  # still due
            until = moved[asset.id].until
            record = record_until(session, asset, model.code, until, told[asset.id].work)
            one = Due(asset, moved[asset.id])
            by_words: dict[str, Moments] = {}
            for serves in models:
                key = repr(serves.model.words)
                if key not in by_words:
                    by_words[key] = moments_of(record, serves.model.words)
                one.seen[serves.id] = by_words[key]
            self._next[asset.id] = _next_look(one, models)
            ready.append(one)
        return ready

    def _suiting(self, asset: Asset, model: AssetModel, metrics: Sequence[str]) -> list[Serving]:
        allowed = not model.detectors or "supervised" in model.detectors
        return [
            each
            for each in self._serving
            if each.organisation_id == model.organisation_id
            and (allowed or isinstance(each.model, LifeModel))
            and each.model.suits(model.code, metrics)
        ]


def _next_look(one: Due, models: Sequence[Serving]) -> datetime:
    """When the next moment of a model is to be there."""
    looks = []
    for serves in models:
        t = one.seen[serves.id].t
        newest = datetime.fromtimestamp(float(t[-1]), UTC) if len(t) else one.moved.until
        looks.append(newest + serves.step + ROLLED_UP)
    return max(min(looks), one.moved.until + AGAIN)


def _watch(session: Session, each: Serving, model: FailureModel, chosen: Sequence[Due], now: datetime) -> int:
    """Look at the fresh moments of all assets in one call of the model; return how many findings were saved."""
    states = _states(session, each.id, [one.asset.id for one in chosen])
    watches = [_resumed(one, each, model, states.get(one.asset.id)) for one in chosen]
    fresh = [one.seen[each.id].t > watch.watermark for one, watch in zip(chosen, watches, strict=True)]
    inputs = [model.inputs(one.seen[each.id])[rows] for one, rows in zip(chosen, fresh, strict=True)]
    p = model.probability(np.vstack(inputs)) if sum(map(len, inputs)) else np.zeros(0)
    parts = np.split(p, np.cumsum([len(x) for x in inputs])[:-1])
    saved = 0
    for one, watch, rows, x, own in zip(chosen, watches, fresh, inputs, parts, strict=True):
        seen = one.seen[each.id]
        deviation = seen.deviation[rows] if len(seen.deviation) else seen.deviation
        looked = Looked(watch.state(), seen.t[rows], x, deviation)
        facts = watch.take(looked.t, own, x, deviation)
        _keep_state(session, each, one, watch, states.get(one.asset.id), looked.t)
        note_shadow(session, one.asset.organisation_id, each.id, facts)
        if each.champion and facts:
            _save(session, one, model, looked, facts, now)
            saved += len(facts)
    return saved


def _resumed(one: Due, each: Serving, model: FailureModel, state: LearnedState | None) -> FailureWatch:
    """The watch where it stopped; one that begins does so with the present: history is no news."""
    watch, seen = FailureWatch(str(one.asset.id), model), one.seen[each.id]
    if state is not None:
        watch.restore(plain.unpack(state.state))
    elif len(seen.t) > 1:
        watch.watermark = float(seen.t[-2])
    return watch


def _save(
    session: Session, one: Due, model: FailureModel, looked: Looked, facts: Sequence[FindingFacts], now: datetime
) -> None:
    """Save the findings with what they were made from; those of a replay are decided at their own moments."""
    last = {(fact.signature, fact.first_at): fact for fact in facts}
    for fact in facts:
        moment = fact.cleared_at or fact.last_at
        replayed = one.moved.replayed
        [row] = save_findings(
            session,
            one.asset.organisation_id,
            [fact],
            replayed=replayed,
            now=now,
            watermark=moment if replayed else None,
        )
        if row.snapshot_ref is None:
            state: State = {
                "before": looked.before,
                "t": looked.t,
                "inputs": looked.inputs,
                "deviation": looked.deviation,
            }
            about = {"moments": len(looked.t), "since": float(looked.t[0]), "until": float(looked.t[-1])}
            kept = last[fact.signature, fact.first_at]
            taken = Taken(fact.asset, LEARNED, state, kept, len(looked.t), about, model_code=model.id)
            row.snapshot_ref = str(store_snapshot(session, one.asset.organisation_id, taken, now).id)
            session.flush()
        if replayed:
            decide_pending(session, now)


def silent_assets(
    session: Session, serving_now: Sequence[Serving], now: datetime, after: UUID | None = None
) -> dict[UUID, Moved]:
    """The next assets of which nothing is measured, or nothing any more, for models that read logs alone: their time
    is the clock's."""
    codes = {code for each in serving_now if not each.model.words.metrics for code in each.model.family}
    if not codes:
        return {}
    found = (
        select(Asset.id)
        .join(AssetModel, AssetModel.id == Asset.asset_model_id)
        .outerjoin(ScoringState, ScoringState.asset_id == Asset.id)
        .where(AssetModel.code.in_(codes), Asset.lifecycle == "in_service")
        .where(or_(ScoringState.asset_id.is_(None), ScoringState.watermark < now - STOPPED))
        .order_by(Asset.id)
        .limit(MAX_SILENT)
    )
    if after is not None:
        found = found.where(Asset.id > after)
    return dict.fromkeys(session.scalars(found), Moved(now, False))


def model_of(kind: str, state: State) -> FailureModel | LifeModel | None:
    """Return the model of a stored kind; None for kinds that are not applied here. Raise ModelUnreadable."""
    try:
        if kind == FAILURE:
            return FailureModel.from_state(state)
        return LifeModel.from_state(state) if kind == LIFE else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelUnreadable(f"a {kind} model of another version: {error!r}") from error


def replay_learned(session: Session, row: FindingSnapshot, state: State, stored: FindingFacts) -> FindingFacts | None:
    """Make a supervised finding again from its features and the stored model.

    Raise ContentForgotten when the model is gone, ModelDamaged when it is not the one that was stored.
    """
    code = row.model_code
    found = session.scalars(select(StoredModel).where(StoredModel.code == code).order_by(StoredModel.version)).first()
    if found is None:
        raise ContentForgotten(f"no model {code!r}", name=code)
    model = model_of(found.kind, load_state(session, found))
    if not isinstance(model, FailureModel):
        raise ModelUnreadable(f"{code!r} makes no findings")
    watch = FailureWatch(stored.asset, model)
    watch.restore(state["before"])
    inputs: Floats = state["inputs"]
    key = (stored.signature, stored.first_at)
    facts = watch.take(state["t"], model.probability(inputs), inputs, state["deviation"])
    return next((fact for fact in reversed(facts) if (fact.signature, fact.first_at) == key), None)


def _states(session: Session, model_id: UUID, assets: Sequence[UUID]) -> dict[UUID, LearnedState]:
    found = select(LearnedState).where(LearnedState.model_id == model_id, LearnedState.asset_id.in_(assets))
    return {row.asset_id: row for row in session.scalars(found)}


def _keep_state(
    session: Session, each: Serving, one: Due, watch: FailureWatch, row: LearnedState | None, t: Floats
) -> None:
    until = datetime.fromtimestamp(watch.watermark, UTC) if np.isfinite(watch.watermark) else one.moved.until
    content = plain.pack(watch.state())
    if row is None:
        since = datetime.fromtimestamp(float(t[0]), UTC) if len(t) else until
        session.add(
            LearnedState(
                organisation_id=one.asset.organisation_id,
                model_id=each.id,
                asset_id=one.asset.id,
                watched_since=since,
                watched_to=until,
                state=content,
            )
        )
    else:
        row.watched_to, row.state = max(row.watched_to, until), content


def _estimate(session: Session, each: Serving, model: LifeModel, chosen: Sequence[Due], now: datetime) -> None:
    """Save the remaining life of each asset at its newest moment; one call of the model for all."""
    seen = [one.seen[each.id] for one in chosen]
    t = np.array([float(moments.t[-1]) for moments in seen])
    inputs = np.vstack([model.inputs(moments)[-1:] for moments in seen])
    for one, told in zip(chosen, model.estimate(t, inputs), strict=True):
        within: tuple[tuple[float, float], ...] = ()
        if told.life_s is not None:
            within = tuple((seconds, min(1.0, model.fails_within(told.life_s, seconds))) for seconds in SOON_S)
        estimate = Estimate(
            at=datetime.fromtimestamp(told.t, UTC),
            life_s=told.life_s,
            low_s=told.low_s,
            high_s=told.high_s,
            coverage=COVERAGE,
            p_within=within,
            reason=told.reason,
            model_id=model.id,
        )
        save_life(session, one.asset.organisation_id, one.asset.id, estimate, now)
