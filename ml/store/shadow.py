"""Champion and challenger side by side on the same machines and months; figures alone decide who serves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from maintenance.decisions import FindingFacts
from maintenance.feedback_settings import feedback_for
from ml import figures
from ml.store.tables import (
    CHALLENGER,
    CHAMPION,
    FAILURE,
    OPENERS,
    WEAR,
    LearnedState,
    ShadowFinding,
    StoredModel,
)
from ml.store.versions import Reason, get_model, is_held, promote, promote_unless_held, reject, verify
from ml.stored_fleet import settings_of, told_of
from ml.training_set import HISTORY, Asset, Incident, Settings, Span

log = logging.getLogger(__name__)

ENOUGH_MONTHS = 30.0  # asset-months: fewer cannot tell 0.1 false orders a month from none
ENOUGH_INCIDENTS = 5
LONGEST_TRIAL = timedelta(days=400)
LONGEST_REPLAYED = timedelta(days=180)  # of what is learned anew each week and tried on history alone
TRIED = (FAILURE, WEAR, OPENERS)
MAX_ORDERS = 500  # listed to people

CAUGHT, LATE, IGNORED, FALSE, OPEN = "caught", "late", "ignored", "false", "open"


@dataclass(frozen=True, slots=True)
class Score:
    """R@b of one model: incidents that could be caught, and orders that were false, over asset-months."""

    incidents: int
    caught: int
    late: int
    false: int
    orders: int
    asset_months: float

    @property
    def recall(self) -> float | None:
        return self.caught / self.incidents if self.incidents else None

    @property
    def false_rate(self) -> float | None:
        return self.false / self.asset_months if self.asset_months > 0 else None

    def plain(self) -> dict[str, Any]:
        return {
            "recall": self.recall,
            "caught": self.caught,
            "incidents": self.incidents,
            "late": self.late,
            "false": self.false,
            "orders": self.orders,
            "false_per_asset_month": self.false_rate,
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """One order that a model would have opened, and what it was."""

    asset_id: UUID
    opened_at: datetime
    cleared_at: datetime | None
    by: str
    judged: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both on the same assets and time; `verdict` says what follows."""

    challenger: StoredModel
    champion: StoredModel | None
    since: datetime | None
    until: datetime
    budget_per_month: float
    scores: Mapping[str, Score]
    orders: tuple[Judged, ...]
    verdict: Reason

    @property
    def enough(self) -> bool:
        return self.verdict.code != "not_enough_yet"


@dataclass(frozen=True)
class _Period:
    """What figures ask of a fleet, without readings."""

    settings: Settings
    assets: Mapping[str, Asset]
    incidents: Sequence[Incident]
    events: Sequence[Any] = ()

    def telemetry(self, asset: str) -> Any:
        raise LookupError(f"the readings of {asset} are not here")


def note_shadow(session: Session, organisation_id: UUID, model_id: UUID, facts: Sequence[FindingFacts]) -> None:
    """Remember what a model noticed, whatever comes of it; the same again changes nothing."""
    last = {(fact.asset, fact.first_at): fact for fact in facts}
    if not last:
        return
    statement = insert(ShadowFinding).values(
        [
            {
                "id": uuid7(),
                "organisation_id": organisation_id,
                "model_id": model_id,
                "asset_id": UUID(asset),
                "opened_at": first_at,
                "last_at": fact.last_at,
                "cleared_at": fact.cleared_at,
                "peak": fact.peak,
            }
            for (asset, first_at), fact in last.items()
        ]
    )
    changed: dict[str, Any] = {name: statement.excluded[name] for name in ("last_at", "cleared_at")}
    changed["peak"] = func.greatest(ShadowFinding.peak, statement.excluded.peak)
    session.execute(statement.on_conflict_do_update(index_elements=["model_id", "asset_id", "opened_at"], set_=changed))


def compare(session: Session, challenger: StoredModel, now: datetime) -> Comparison:
    """Judge champion and challenger by what each would have opened since both watch."""
    champion = session.scalar(
        select(StoredModel).where(
            StoredModel.organisation_id == challenger.organisation_id,
            StoredModel.name == challenger.name,
            StoredModel.state == CHAMPION,
        )
    )
    budget = feedback_for(session, challenger.organisation_id).budget_per_month
    models = {CHALLENGER: challenger} | ({CHAMPION: champion} if champion else {})
    watched = _watched(session, [model.id for model in models.values()])
    period = _period(session, watched, now, budget)
    scores: dict[str, Score] = {}
    orders: list[Judged] = []
    for by, model in models.items():
        rows = _orders(session, model.id, watched)
        scores[by], judged = _score(period, rows, by, now)
        orders += judged
    orders.sort(key=lambda each: each.opened_at, reverse=True)
    since = min((begin for begin, _ in watched.values()), default=None)
    verdict = _verdict(scores, budget, challenger, now)
    return Comparison(challenger, champion, since, now, budget, scores, tuple(orders[:MAX_ORDERS]), verdict)


def settle_trials(session: Session, now: datetime) -> int:
    """Promote or reject the challengers that have been compared enough; return how many.

    One that cannot be judged stays on trial and stops no other's.
    """
    settled = 0
    waiting = select(StoredModel).where(StoredModel.state == CHALLENGER, StoredModel.kind.in_(TRIED))
    for challenger in session.scalars(waiting.order_by(StoredModel.id)).all():
        name, version = challenger.name, challenger.version
        try:
            with session.begin_nested():
                settled += _settle(session, challenger, now)
        except SQLAlchemyError:
            raise
        except Exception:
            log.exception("model %s version %d cannot be judged", name, version)
    return settled


def _settle(session: Session, challenger: StoredModel, now: datetime) -> int:
    if challenger.kind != FAILURE and is_held(challenger):
        return 0  # it waits for a person, not for figures
    if (problem := verify(session, challenger).problem) is not None:
        # It never scores: waiting for its trial would keep every younger version of its name away.
        reject(session, challenger, Reason("unusable", {"problem": problem}), now)
        return 1
    found = compare(session, challenger, now)
    if not found.enough:
        return 0
    if found.verdict.code in PROMOTES and challenger.kind != FAILURE:
        promote_unless_held(session, challenger, found.verdict, now)
    elif found.verdict.code in PROMOTES:
        promote(session, challenger, found.verdict, now)
    else:
        reject(session, challenger, found.verdict, now)
    return 1


PROMOTES = frozenset({"recall_not_lower"})


def _verdict(scores: Mapping[str, Score], budget: float, challenger: StoredModel, now: datetime) -> Reason:
    """Promoted only where recall is not lower at the same budget."""
    new, old = scores[CHALLENGER], scores.get(CHAMPION)
    params: dict[str, object] = {"budget": budget, "asset_months": round(new.asset_months, 2)}
    params |= {f"challenger_{name}": value for name, value in new.plain().items()}
    params |= {f"champion_{name}": value for name, value in (old.plain() if old else {}).items()}
    if new.asset_months < ENOUGH_MONTHS or new.incidents < ENOUGH_INCIDENTS or new.false_rate is None:
        longest = LONGEST_TRIAL if challenger.kind == FAILURE else LONGEST_REPLAYED
        if now - challenger.state_since > longest:
            return Reason("trial_too_long", params)
        needed = {"needed_months": ENOUGH_MONTHS, "needed_incidents": ENOUGH_INCIDENTS}
        return Reason("not_enough_yet", params | needed)
    if new.false_rate > budget:
        return Reason("over_budget", params)
    if old is not None and (old.recall or 0.0) > (new.recall or 0.0):
        return Reason("recall_lower", params)
    return Reason("recall_not_lower", params)


def _watched(session: Session, models: Sequence[UUID]) -> dict[UUID, tuple[datetime, datetime]]:
    """From when to when all of these models have watched each asset."""
    rows = session.execute(
        select(
            LearnedState.asset_id,
            func.max(LearnedState.watched_since),
            func.min(LearnedState.watched_to),
            func.count(),
        )
        .where(LearnedState.model_id.in_(models))
        .group_by(LearnedState.asset_id)
    )
    return {asset: (since, until) for asset, since, until, count in rows if count == len(models) and since < until}


def _period(
    session: Session, watched: Mapping[UUID, tuple[datetime, datetime]], now: datetime, budget: float
) -> _Period:
    assets = {
        str(asset): Asset(
            str(asset), "", HISTORY, "", (Span(begin.timestamp(), end.timestamp(), begin.timestamp(), 0.0),)
        )
        for asset, (begin, end) in watched.items()
    }
    incidents = [i for told in told_of(session, list(watched), now).values() for i in told.incidents]
    return _Period(settings_of("shadow", budget), assets, incidents)


def _orders(
    session: Session, model_id: UUID, watched: Mapping[UUID, tuple[datetime, datetime]]
) -> dict[str, list[ShadowFinding]]:
    found = select(ShadowFinding).where(ShadowFinding.model_id == model_id)
    by_asset: dict[str, list[ShadowFinding]] = {}
    for row in session.scalars(found.order_by(ShadowFinding.opened_at)):
        span = watched.get(row.asset_id)
        if span is not None and span[0] <= row.opened_at <= span[1]:
            by_asset.setdefault(str(row.asset_id), []).append(row)
    return by_asset


def _score(
    period: _Period, rows: Mapping[str, Sequence[ShadowFinding]], by: str, now: datetime
) -> tuple[Score, list[Judged]]:
    """Orders of the last horizon that nothing has answered yet are neither right nor wrong, nor is their time."""
    settled_until = now.timestamp() - period.settings.horizon_s
    incidents = caught = late = false = orders = 0
    healthy_s = 0.0
    judged: list[Judged] = []
    for name, asset in period.assets.items():
        known = figures.windows(period, name)
        span = asset.spans[0]
        marks = {
            row.opened_at.timestamp(): _mark(known, row.opened_at.timestamp(), settled_until)
            for row in rows.get(name, ())
        }
        tally = figures.judge(period, name, None, [t for t, mark in marks.items() if mark != OPEN])
        incidents += tally.incidents
        caught += len(tally.leads)
        late += tally.late
        false += tally.false
        orders += tally.orders
        healthy_s += _healthy_s(known, span.start, min(span.end, settled_until))
        for row in rows.get(name, ()):
            mark = marks[row.opened_at.timestamp()]
            judged.append(Judged(row.asset_id, row.opened_at, row.cleared_at, by, mark))
    return Score(incidents, caught, late, false, orders, healthy_s / period.settings.month_s), judged


def _mark(known: Sequence[figures.Window], t: float, settled_until: float) -> str:
    for window in known:
        if window.start <= t <= window.catch_until:
            return CAUGHT
        if window.catch_until < t <= window.late_until:
            return LATE
        if window.late_until < t <= window.cleared:
            return IGNORED
    return FALSE if t <= settled_until else OPEN


def _healthy_s(known: Sequence[figures.Window], begin: float, end: float) -> float:
    ill = sum(max(0.0, min(window.cleared, end) - max(window.start, begin)) for window in known)
    return max(0.0, end - begin - ill)


def model_and_rival(session: Session, model_id: UUID) -> StoredModel:
    """Return the challenger of the model's name when the model is a champion, else the model itself."""
    model = get_model(session, model_id)
    if model.state != CHAMPION:
        return model
    rival = session.scalar(
        select(StoredModel).where(
            StoredModel.organisation_id == model.organisation_id,
            StoredModel.name == model.name,
            StoredModel.state == CHALLENGER,
        )
    )
    return rival or model
