"""What may happen next in an asset's life, and what follows from it inside this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.as_installed import take_out, whole_of
from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.base.events import append_event
from assets.commissioning import missing_answers
from assets.instrumentation import Binding, asset_bindings
from assets.positions import leave_positions
from assets.registry import ENDED, LIFECYCLES, Asset, AssetModel, set_operation
from assets.states import change_state, check_moment

# State -> states that may come next. A retired asset never comes back: what is repaired and sold again keeps its
# serial number and is taken into stock before it is retired.
LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "planned": ("in_stock", "installed", "retired"),
    "in_stock": ("installed", "retired", "scrapped"),
    "installed": ("commissioned", "in_stock", "retired"),
    "commissioned": ("in_service", "installed", "in_stock", "retired"),
    "in_service": ("installed", "in_stock", "retired"),
    "retired": ("scrapped",),
    "scrapped": (),
}
# The states in which an asset stands where it works; back from there it needs a reason.
AT_WORK = frozenset({"installed", "commissioned", "in_service"})
NEEDS_REASON = frozenset({"in_stock", "retired", "scrapped"})


class CommissioningIncomplete(Conflict):
    """The checklist has points without a good answer; params: `missing`, their keys."""

    code = "commissioning_incomplete"


@dataclass(frozen=True)
class Move:
    """A move that somebody asks for; `at` is when it happened."""

    to: str
    at: datetime
    reason: str | None = None
    by_id: UUID | None = None


def legal_moves(lifecycle: str) -> list[str]:
    """Return what may come next."""
    return list(LEGAL_MOVES.get(lifecycle, ()))


def check_move(state: str, move: Move) -> None:
    """Raise Invalid for a word that is no state or a reason that is missing, IllegalMove for what may not come next."""
    if move.to not in LIFECYCLES:
        raise Invalid(f"a lifecycle is one of: {', '.join(LIFECYCLES)}", field="to", allowed=list(LIFECYCLES))
    if move.to not in LEGAL_MOVES.get(state, ()):
        legal = legal_moves(state)
        next_ones = ", ".join(legal) or "nothing: its life has ended"
        raise IllegalMove(f"after {state} may come {next_ones}", state=state, to=move.to, legal=legal)
    if state in AT_WORK and move.to in NEEDS_REASON and not (move.reason or "").strip():
        raise Invalid(f"{move.to} needs a reason", field="reason")


def transition(session: Session, asset: Asset, move: Move, now: datetime) -> None:
    """Move the asset, which the caller has locked, along its life.

    Taken out of its place, its stay at a position ends; retired or scrapped, its channels measure nothing any more, and
    the event `asset.decommissioned` lets the rooms above close what is open. Raises Invalid, IllegalMove and
    CommissioningIncomplete.
    """
    check_move(asset.lifecycle, move)
    check_moment(session, asset, "lifecycle", move.at, now)
    if move.to in ("commissioned", "in_service"):
        _check_commissioned(session, asset)
    before = asset.lifecycle
    asset.lifecycle = move.to
    asset.lifecycle_since = change_state(
        session, asset, "lifecycle", move.to, move.at, cause=move.reason, source="person", by_id=move.by_id
    )
    if move.to == "installed":
        asset.installed_at = move.at
    if move.to not in AT_WORK:
        leave_positions(session, asset, move.at, now)
        whole = whole_of(session, asset.id)
        if whole is not None:
            take_out(session, whole, max(move.at, whole.valid_from), now, reason=move.reason, by_id=move.by_id)
    _log(session, asset, "asset.lifecycle_changed", move, {"from": before, "to": move.to, "reason": move.reason})
    if move.to in ENDED and before not in ENDED:
        _decommission(session, asset, before, move, now)
    session.flush()


def _check_commissioned(session: Session, asset: Asset) -> None:
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    missing = missing_answers(session, asset, model)
    if missing:
        raise CommissioningIncomplete(f"not done yet: {', '.join(missing)}", missing=missing)


def _decommission(session: Session, asset: Asset, before: str, move: Move, now: datetime) -> None:
    devices = list(
        session.scalars(
            select(asset_bindings.c.device_id)
            .where(asset_bindings.c.asset_id == asset.id, asset_bindings.c.valid_to.is_(None))
            .distinct()
        )
    )
    end_bindings(session, asset, move.at)
    set_operation(session, asset, "unknown", move.at, f"lifecycle:{move.to}", source="person", by_id=move.by_id)
    facts = {"from": before, "to": move.to, "reason": move.reason, "devices": sorted(str(key) for key in devices)}
    _log(session, asset, "asset.decommissioned", move, facts)


def end_bindings(session: Session, asset: Asset, at: datetime) -> list[Binding]:
    """Let no channel measure the asset itself from `at` on; return the bindings that ended, or never held."""
    bound = list(session.scalars(select(Binding).where(Binding.asset_id == asset.id, Binding.valid_to.is_(None))))
    for binding in bound:
        if binding.valid_from is not None and binding.valid_from >= at:
            session.delete(binding)
        else:
            binding.valid_to = at
    session.flush()
    return bound


def _log(session: Session, asset: Asset, kind: str, move: Move, payload: Mapping[str, Any]) -> None:
    append_event(
        session,
        kind,
        at=move.at,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if move.by_id else "system",
        actor_id=move.by_id,
        payload=dict(payload),
    )
