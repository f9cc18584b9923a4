"""Try a newly learned belief or choice beside the one that serves: both replay what came after it was learned.

Nothing is scored twice while it happens: what detectors of machines read once an hour would have said follows from the
stored hourly means, so the weekly training replays them under both versions and notes what each would have opened.
Neither has seen anything after the challenger was made; `ml.store.shadow` judges them as it judges failure models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from ml.lessons import UNREADABLE, Choice, belief_of
from ml.openers import settings_for
from ml.spread import Spread
from ml.store.shadow import ENOUGH_INCIDENTS, ENOUGH_MONTHS
from ml.store.tables import (
    CHALLENGER,
    CHAMPION,
    FAILURE,
    OPENERS,
    RETIRED,
    WEAR,
    LearnedState,
    ShadowFinding,
    StoredModel,
)
from ml.store.versions import is_held, load_state
from ml.stored_fleet import HORIZON_S, StoredFleet
from ml.training_set import Asset
from ml.walking import Learned, orders_of, walk_asset

DAY_S = 86400.0
TRIAL_S = 90 * DAY_S  # a fleet that shows too little in so long is one on which no trial would ever end
MOST = 120  # machines replayed: at three walks of a year of hours each, some minutes of one core
KINDS = (WEAR, OPENERS)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A belief about wear and a choice of openers, as detectors would be told them; None: as shipped."""

    belief: Mapping[str, Any] | None = None
    choice: Choice | None = None

    def learned(self, budget: float | None, month_s: float) -> Learned:
        settings = settings_for(budget, month_s)
        told = {"": {"wear": dict(self.belief)}} if self.belief is not None else {}
        if self.choice is None:
            return Learned(settings, passed_on=told)
        made = self.choice
        return Learned(
            replace(settings, opens=made.opens, clears=made.clears),
            passed_on=told,
            openers=None if made.openers is None else frozenset(made.openers),
            beside=made.beside,
            known=made.known,
            elsewhere=None if made.elsewhere is None else frozenset(made.elsewhere),
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """Two versions of one name, and the lessons in which they alone differ."""

    champion: UUID
    challenger: UUID
    since: datetime  # when the challenger was made
    lessons: tuple[Lesson, Lesson]  # the champion's, the challenger's


@dataclass(frozen=True, slots=True)
class Replayed:
    """What both versions of a trial would have opened: by version and asset, in epoch seconds; until when, by asset."""

    trial: Trial
    opened: Mapping[UUID, Mapping[str, Sequence[float]]]
    until: Mapping[str, float]


def trials_of(session: Session, organisation_id: UUID) -> list[Trial]:
    """Return what is on trial. A version that cannot be read is in none: nobody can say what it would have done."""
    standing = select(StoredModel).where(
        StoredModel.organisation_id == organisation_id,
        StoredModel.kind.in_(KINDS),
        StoredModel.state.in_((CHAMPION, CHALLENGER)),
    )
    by = {(model.kind, model.state): model for model in session.scalars(standing)}
    read = {key: content for key, model in by.items() if (content := _read(session, model)) is not None}
    trials = []
    for kind in KINDS:
        challenger = by.get((kind, CHALLENGER))
        if challenger is None or is_held(challenger) or not {(kind, CHAMPION), (kind, CHALLENGER)} <= read.keys():
            continue
        served = {each: read.get((each, CHAMPION)) for each in KINDS}
        for each in KINDS:
            champion = by.get((each, CHAMPION))
            if each != kind and champion is not None and champion.created_at > challenger.created_at:
                served[each] = _served_before(session, champion, challenger.created_at)
        tried = served | {kind: read[kind, CHALLENGER]}
        both = (Lesson(served[WEAR], served[OPENERS]), Lesson(tried[WEAR], tried[OPENERS]))
        trials.append(Trial(by[kind, CHAMPION].id, challenger.id, challenger.created_at, both))
    return trials


def _served_before(session: Session, champion: StoredModel, since: datetime) -> Any:
    """What was known when the trial began of the other lesson: the one that serves is younger and has learned from
    what the trial is judged by. None, as shipped, where there was none."""
    earlier = select(StoredModel).where(
        StoredModel.organisation_id == champion.organisation_id,
        StoredModel.name == champion.name,
        StoredModel.state == RETIRED,
        StoredModel.created_at <= since,
    )
    model = session.scalars(earlier.order_by(StoredModel.version.desc()).limit(1)).first()
    return None if model is None else _read(session, model)


def _read(session: Session, model: StoredModel) -> Any:
    try:
        state = load_state(session, model)
        return belief_of(state) if model.kind == WEAR else Choice.from_plain(state)
    except UNREADABLE:
        return None


def families_of(session: Session, organisation_id: UUID) -> frozenset[str]:
    """The asset models that a failure model speaks for."""
    serving = select(StoredModel.card["asset_models"]).where(
        StoredModel.organisation_id == organisation_id, StoredModel.kind == FAILURE, StoredModel.state == CHAMPION
    )
    return frozenset(code for codes in session.scalars(serving) for code in codes or ())


def replay(fleet: StoredFleet, trials: Sequence[Trial], families: frozenset[str], spread: Spread) -> list[Replayed]:
    """Walk the fleet's machines under each lesson of the trials; what came before a trial is walked and not counted."""
    if not trials:
        return []
    budget, month_s = fleet.settings.budget_per_month, fleet.settings.month_s
    lessons = list(dict.fromkeys(_key(each) for trial in trials for each in trial.lessons))
    by_key = {_key(each): each for trial in trials for each in trial.lessons}
    ways = [by_key[key].learned(budget, month_s) for key in lessons]
    assets = _some(fleet.assets.values())
    walked = spread.map(_orders, [(fleet.blind(a.name), a, ways, a.model in families) for a in assets])
    found = []
    for trial in trials:
        opened: dict[UUID, dict[str, Sequence[float]]] = {}
        for version, lesson in zip((trial.champion, trial.challenger), trial.lessons, strict=True):
            number = lessons.index(_key(lesson))
            opened[version] = {
                asset.name: [t for t in orders[number] if t >= trial.since.timestamp()]
                for asset, orders in zip(assets, walked, strict=True)
            }
        found.append(Replayed(trial, opened, {asset.name: asset.spans[-1].end for asset in assets}))
    return found


def _key(lesson: Lesson) -> tuple[int, int]:
    """Lessons of the same contents are walked once; the contents are kept alive by the trials."""
    return id(lesson.belief), id(lesson.choice)


def _some(assets: Iterable[Asset]) -> list[Asset]:
    """At most MOST of them, from each asset model in turn, whatever became of them."""
    by_model: dict[str, list[Asset]] = {}
    for asset in sorted(assets, key=lambda each: each.name):
        by_model.setdefault(asset.model, []).append(asset)
    ranked = [(rank, asset.name, asset) for group in by_model.values() for rank, asset in enumerate(group)]
    return [asset for _, _, asset in sorted(ranked, key=lambda each: each[:2])[:MOST]]


def _orders(fleet: StoredFleet, asset: Asset, ways: Sequence[Learned], has_model: bool) -> list[list[float]]:
    """When each way would have opened machine orders on the asset."""
    opened = []
    for way in ways:
        walk = replace(walk_asset(fleet, asset, way), has_model=has_model)
        opened.append([order.opened_at for order in orders_of(fleet, asset, walk, way)[0]])
    return opened


def note_replayed(session: Session, organisation_id: UUID, replayed: Sequence[Replayed]) -> None:
    """Put what was replayed in place of what was noted of these versions before."""
    for each in replayed:
        versions = list(each.opened)
        session.execute(delete(ShadowFinding).where(ShadowFinding.model_id.in_(versions)))
        session.execute(delete(LearnedState).where(LearnedState.model_id.in_(versions)))
    for each in replayed:
        since = each.trial.since
        for version, by_asset in each.opened.items():
            states, rows = [], []
            for name, opened in by_asset.items():
                until = datetime.fromtimestamp(each.until[name], UTC)
                if until <= since:
                    continue
                own = {"model_id": version, "asset_id": UUID(name), "organisation_id": organisation_id}
                states.append(own | {"watched_since": since, "watched_to": until, "state": b""})
                rows += [own | _shadow(t) for t in dict.fromkeys(opened)]
            if states:
                session.execute(insert(LearnedState), states)
            if rows:
                session.execute(insert(ShadowFinding), rows)


def _shadow(t: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(t, UTC)
    return {"id": uuid7(), "opened_at": at, "last_at": at, "cleared_at": None, "peak": 0.0}


def can_be_tried(fleet: StoredFleet) -> bool:
    """True where the last months showed as much as a trial needs; elsewhere it would only keep lessons from serving."""
    known_until = fleet.until.timestamp() - HORIZON_S
    begin = known_until - TRIAL_S
    watched_s = sum(
        max(0.0, min(span.end, known_until) - max(span.start, begin))
        for asset in fleet.assets.values()
        for span in asset.spans
    )
    failed = sum(1 for each in fleet.incidents if each.failed is not None and begin <= each.failed <= known_until)
    return watched_s / fleet.settings.month_s >= ENOUGH_MONTHS and failed >= ENOUGH_INCIDENTS
