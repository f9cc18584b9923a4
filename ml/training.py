"""Learn from what the store holds, once a week: each model becomes a version, each refusal a reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.ids import uuid7
from assets.registry import Asset, AssetModel
from ingest.store.hourly import rows_an_hour
from maintenance.feedback_settings import feedback_for
from ml.detectors.protocol import State
from ml.learning import Taught, train_all
from ml.opening_trials import families_of, note_replayed, replay, trials_of
from ml.openings import learn_openings, store_openings
from ml.spread import Spread
from ml.store.artefacts import versions
from ml.store.life_trials import settle_life
from ml.store.shadow import settle_trials
from ml.store.tables import FAILURE, LIFE, TrainingRun
from ml.store.versions import Draft, add_model, on_trial
from ml.stored_fleet import StoredFleet, stored_fleet

log = logging.getLogger(__name__)

ABANDONED = timedelta(hours=12)  # a run that has no end after so long was cut off
MAX_SERIALS = 200  # on a card


class Trained(Protocol):
    """What a finished model of any kind can tell of itself."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    def state(self) -> State: ...

    def card(self) -> dict[str, Any]: ...


def train_models(database: Database, now: datetime, spread: Spread | None = None) -> list[UUID]:
    """Train for each organisation that has asset models; return the runs. Reads and writes in short transactions."""
    with database.as_service() as session:
        wanted = select(AssetModel.organisation_id).join(Asset, Asset.asset_model_id == AssetModel.id).distinct()
        organisations = list(session.scalars(wanted))
    return [_train(database, organisation, now, spread or Spread()) for organisation in sorted(organisations)]


def _train(database: Database, organisation_id: UUID, now: datetime, spread: Spread) -> UUID:
    run_id = uuid7()
    try:
        with database.as_service() as session:
            fleet = stored_fleet(session, organisation_id, now, feedback_for(session, organisation_id).budget_per_month)
            paces = {name: rows_an_hour(session, UUID(name)) for name in fleet.assets}
            models, sizes = _asset_models(session, fleet), (len(fleet.assets), len(fleet.incidents))
            _begin(session, run_id, organisation_id, now, models, *sizes)
        taught = train_all(fleet, spread, _say)
        openings = learn_openings(fleet, taught, paces, spread, _say)
        outcomes = _try_out(database, organisation_id, openings.judged, now, spread)
        with database.as_service() as session:
            outcomes += store_taught(session, organisation_id, fleet, taught, now)
            outcomes += store_openings(session, organisation_id, fleet, openings, now)
            _finish(session, run_id, now, outcomes)
    except Exception:  # the next organisation's turn comes all the same
        log.exception("training for organisation %s failed", organisation_id)
        with database.as_service() as session:
            if session.get(TrainingRun, run_id) is None:  # not even its history could be read
                _begin(session, run_id, organisation_id, now, [], 0, 0)
            _finish(session, run_id, now, [{"what": "all", "code": "failed", "params": {}, "model_id": None}])
    return run_id


def _try_out(
    database: Database, organisation_id: UUID, judged: StoredFleet, now: datetime, spread: Spread
) -> list[dict[str, Any]]:
    """Replay what is on trial and let figures decide; what cannot be tried keeps nothing that was learned from being
    stored."""
    try:
        with database.as_service() as session:
            trials, families = trials_of(session, organisation_id), families_of(session, organisation_id)
        replayed = replay(judged, trials, families, spread)
        with database.as_service() as session:
            note_replayed(session, organisation_id, replayed)
            settle_trials(session, now)
    except Exception:
        log.exception("trials of organisation %s failed", organisation_id)
        return [{"what": "trials", "code": "failed", "params": {}, "model_id": None}]
    return []


def _begin(
    session: Session,
    run_id: UUID,
    organisation_id: UUID,
    now: datetime,
    asset_models: list[dict[str, Any]],
    assets: int,
    incidents: int,
) -> None:
    run = TrainingRun(
        id=run_id,
        organisation_id=organisation_id,
        started_at=now,
        asset_models=asset_models,
        assets=assets,
        incidents=incidents,
        outcomes=[],
    )
    session.add(run)
    session.flush()


def _say(line: str) -> None:
    log.info("%s", line)


def store_taught(
    session: Session, organisation_id: UUID, fleet: StoredFleet, taught: Taught, now: datetime
) -> Iterator[dict[str, Any]]:
    """Store each model as a version; yield what came of each, and of what was refused."""
    digest = fleet.digest()
    trained: list[tuple[str, Trained]] = [(FAILURE, m) for m in taught.failures] + [(LIFE, m) for m in taught.lives]
    for kind, each in trained:
        trial = on_trial(session, organisation_id, each.name) if kind == FAILURE else None
        if trial is not None:
            # A trial takes months: a younger version each week would end every one before it could be judged.
            yield {
                "what": each.name,
                "code": "trial_goes_on",
                "params": {"version": trial.version},
                "model_id": str(trial.id),
            }
            continue
        draft = Draft(each.name, kind, each.id, each.state(), card_of(each, fleet, digest))
        model = add_model(session, organisation_id, draft, now)
        if kind == LIFE:
            settle_life(session, model, now)
        code = "unchanged" if model.created_at != now else model.state
        params = {"version": model.version} | plain_json(model.card.get("figures", {}))
        yield {"what": each.name, "code": code, "params": params, "model_id": str(model.id)}
    for refused in taught.refused:
        params = plain_json(refused.params)
        yield {"what": refused.what, "code": refused.code, "params": params, "model_id": None}


def card_of(model: Trained, fleet: StoredFleet, digest: str) -> dict[str, Any]:
    """Return the model's card: what it says of itself, what it learned from, and with which libraries."""
    card: dict[str, Any] = plain_json(model.card())
    family = set(card.get("asset_models", ()))
    serials = sorted(fleet.serials[name] for name, asset in fleet.assets.items() if asset.model in family)
    data = card.get("data", {}) | {
        "digest": digest,
        "serials": serials[:MAX_SERIALS],
        "rows": sum(len(fleet.readings[name][0]) for name, asset in fleet.assets.items() if asset.model in family),
        "whole": fleet.whole,
    }
    settings = fleet.settings
    rules = {
        "horizon_s": settings.horizon_s,
        "min_lead_s": settings.min_lead_s,
        "open_s": settings.open_s,
        "budget_per_month": settings.budget_per_month,
    }
    return card | {"data": data, "settings": rules, "versions": versions(), "code": model.id}


def _finish(session: Session, run_id: UUID, now: datetime, outcomes: list[dict[str, Any]]) -> None:
    run = session.get_one(TrainingRun, run_id)
    run.outcomes, run.finished_at = outcomes, now
    session.flush()


def _asset_models(session: Session, fleet: StoredFleet) -> list[dict[str, Any]]:
    codes = {asset.model for asset in fleet.assets.values()}
    found = session.scalars(select(AssetModel).where(AssetModel.code.in_(codes)).order_by(AssetModel.code))
    return [{"id": str(m.id), "code": m.code, "name_en": m.name_en, "name_zh": m.name_zh} for m in found]


def plain_json(value: Any) -> Any:
    """Return the value as JSON knows it: no numpy, no infinity."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain_json(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
