"""What the store's history says of slow wear and of who may open orders: learned weekly, kept as versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from ml.detectors.wear import COARSE_ROWS
from ml.learning import Say, Taught
from ml.lessons import Choice
from ml.openers import choose, passed_on, settings_for
from ml.opening_trials import can_be_tried
from ml.spread import Spread
from ml.store.artefacts import seal, versions
from ml.store.tables import CHALLENGER, OPENERS, WEAR
from ml.store.versions import (
    Draft,
    Reason,
    add_model,
    is_held,
    on_trial,
    promote_unless_held,
    serving_of,
    verify,
    went_back,
)
from ml.stored_fleet import StoredFleet
from ml.walking import Learned
from ml.wear_training import WearLessons, wear_lessons

MAX_SERIALS = 200  # on a card


@dataclass(frozen=True, slots=True)
class Openings:
    """The belief about slow wear, and the choice; each None where history does not say."""

    worn: WearLessons | None
    choice: Choice | None
    judged: StoredFleet  # on which the choice was made


def learn_openings(
    fleet: StoredFleet, taught: Taught, paces: Mapping[str, float], spread: Spread, say: Say
) -> Openings:
    """Learn both; the choice from machines alone that are read rarely: the store keeps hourly means, and how often
    readings of every second raise false alarms these do not tell."""
    worn = wear_lessons(fleet)
    coarse = fleet.only(name for name in fleet.assets if paces.get(name, 0.0) <= COARSE_ROWS)
    if not coarse.assets:
        return Openings(worn, None, coarse)
    settings = settings_for(fleet.settings.budget_per_month, fleet.settings.month_s)
    told = {} if worn is None else passed_on(worn.belief)
    made = choose(coarse, Learned(settings, taught=taught, passed_on=told), spread, say, worn)
    if made.known is None:
        return Openings(worn, None, coarse)  # too few incidents: all may open, as shipped
    choice = Choice(
        made.settings.opens, made.settings.clears, _names(made.openers), made.beside, made.known, _names(made.elsewhere)
    )
    return Openings(worn, choice, coarse)


def store_openings(
    session: Session, organisation_id: UUID, fleet: StoredFleet, openings: Openings, now: datetime
) -> Iterator[dict[str, Any]]:
    """Store both as versions; yield what came of each.

    Where the fleet shows enough for a trial (`ml.opening_trials`) the one that serves goes on until figures on what
    came afterwards say otherwise, and nothing younger is stored meanwhile. Elsewhere a version serves at once, unless
    a person went back to an older one: it was chosen on history by recall within the budget, each asset judged by
    what the others taught, and a trial would only keep it away.
    """
    if openings.worn is None:
        yield _refused(WEAR, "nothing_known_of_wear", {"assets": len(fleet.assets)})
    else:
        belief = openings.worn.belief
        figures = {"level": belief.level, "assets": len(openings.worn.without)}
        state = {"belief": belief.to_plain()}
        tried = can_be_tried(openings.judged)
        yield _store(session, organisation_id, WEAR, state, fleet, figures, now, tried=tried)
    if openings.choice is None:
        yield _refused(OPENERS, "too_few_incidents", {"incidents": len(openings.judged.incidents)})
    else:
        state = openings.choice.plain()
        figures = {"opens": openings.choice.opens}
        tried = can_be_tried(openings.judged)
        yield _store(session, organisation_id, OPENERS, state, openings.judged, figures, now, tried=tried)


def _store(
    session: Session,
    organisation_id: UUID,
    kind: str,
    state: dict[str, Any],
    fleet: StoredFleet,
    figures: dict[str, Any],
    now: datetime,
    *,
    tried: bool,
) -> dict[str, Any]:
    champion, trial = serving_of(session, organisation_id, kind), on_trial(session, organisation_id, kind)
    budget = fleet.settings.budget_per_month
    # A belief for another budget cannot be compared with this one, and was asked for by whoever changed it.
    tried = tried and champion is not None and champion.card.get("settings", {}).get("budget_per_month") == budget
    tried = tried and champion is not None and verify(session, champion).ok
    if tried and trial is not None and not is_held(trial):
        return {"what": kind, "code": "trial_goes_on", "params": {"version": trial.version}, "model_id": str(trial.id)}
    serials = sorted(fleet.serials[name] for name in fleet.assets)
    card: dict[str, Any] = {
        "name": kind,
        "kind": kind,
        "asset_models": sorted({asset.model for asset in fleet.assets.values()}),
        "data": {
            "assets": len(serials),
            "serials": serials[:MAX_SERIALS],
            "incidents": len(fleet.incidents),
            "digest": fleet.digest(),
            "whole": fleet.whole,
        },
        "figures": figures,
        "settings": {"budget_per_month": budget},
        "versions": versions(),
    }
    draft = Draft(kind, kind, f"{kind}-{seal(state).digest[:12]}", state, card)
    model = add_model(session, organisation_id, draft, now)
    if model.state == CHALLENGER and (is_held(model) or not tried or went_back(session, champion, now)):
        promote_unless_held(session, model, Reason("learned_anew", {"assets": len(serials)}), now)
    code = "held_by_rollback" if is_held(model) else "unchanged" if model.created_at != now else model.state
    return {"what": kind, "code": code, "params": {"version": model.version} | figures, "model_id": str(model.id)}


def _refused(what: str, code: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"what": what, "code": code, "params": params, "model_id": None}


def _names(openers: frozenset[str] | None) -> tuple[str, ...] | None:
    return None if openers is None else tuple(sorted(openers))
