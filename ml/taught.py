"""What assets of one model teach a new one of their kind: summed up from stored states, kept as versions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.registry import Asset, AssetModel
from maintenance.models import Episode
from ml.detectors.plain import StateUnreadable
from ml.detectors.protocol import State
from ml.lessons import peers_name
from ml.models import ScoringState
from ml.scoring import FleetScorer
from ml.store.artefacts import seal, versions
from ml.store.tables import CHAMPION, PEERS, StoredModel
from ml.store.versions import Draft, Reason, add_model, promote

log = logging.getLogger(__name__)

MAX_PEERS = 64  # the longest known: more of them teach nothing new
MORE = 1.25  # so many times the peers before make it worth while to sum up anew
AGED = timedelta(days=30)  # or so much time
KNOWN = ("ready", "provisional")


def teach_peers(session: Session, now: datetime) -> int:
    """Sum up anew what healthy machines of each asset model know, where there are notably more of them, or time has
    passed; return how many versions came of it."""
    made = 0
    for model in session.scalars(select(AssetModel).order_by(AssetModel.id)).all():
        states = _peers(session, model)
        if not states or not _worth_while(session, model, len(states), now):
            continue
        taught = _sum_up(states)
        if not taught:
            continue
        state: State = {"taught": dict(taught)}
        card: dict[str, Any] = {
            "name": peers_name(model.code),
            "kind": PEERS,
            "asset_models": [model.code],
            "data": {"assets": len(states), "serials": sorted(serial for serial, _ in states)},
            "figures": {},
            "versions": versions(),
        }
        draft = Draft(peers_name(model.code), PEERS, f"peers-{seal(state).digest[:12]}", state, card)
        stored = add_model(session, model.organisation_id, draft, now)
        # No finding is made of it: it says how far a new machine's sensors may wander until its own data do.
        promote(session, stored, Reason("more_peers", {"assets": len(states)}), now)
        made += 1
    return made


def _peers(session: Session, model: AssetModel) -> list[tuple[str, ScoringState]]:
    """Machines whose normal state is known and that nothing is wrong with, longest known first."""
    ill = select(Episode.asset_id).where(Episode.closed_at.is_(None))
    rows = session.execute(
        select(Asset.serial, ScoringState)
        .join(ScoringState, ScoringState.asset_id == Asset.id)
        .where(
            Asset.asset_model_id == model.id,
            Asset.lifecycle == "in_service",
            ScoringState.learning["state"].astext.in_(KNOWN),
            Asset.id.not_in(ill),
        )
        .order_by(Asset.created_at, Asset.id)
        .limit(MAX_PEERS)
    )
    return [(serial, state) for serial, state in rows]


def _worth_while(session: Session, model: AssetModel, peers: int, now: datetime) -> bool:
    champion = session.scalar(
        select(StoredModel).where(
            StoredModel.organisation_id == model.organisation_id,
            StoredModel.name == peers_name(model.code),
            StoredModel.state == CHAMPION,
        )
    )
    if champion is None:
        return True
    before = int(champion.card.get("data", {}).get("assets", 0))
    return peers >= MORE * before or now - champion.state_since > AGED


def _sum_up(states: list[tuple[str, ScoringState]]) -> Mapping[str, State]:
    fleet = FleetScorer()
    for serial, row in states:
        try:
            fleet.load(str(row.asset_id), row.state)
        except StateUnreadable as error:
            log.warning("asset %s teaches nothing: %s", serial, error)
    return fleet.teach(fleet.assets())
