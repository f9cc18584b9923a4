"""What fixed this the last time, and the three picks for what was found: failure mode, cause, action."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from assets.base.errors import NotFound
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import seen
from ticketing.failure_words import CAUSES, action_words, named, picks
from ticketing.models import WorkOrder
from ticketing.past_fixes import Fix, fixes_of, likely_fixes, mode_words, noticed_modes, repair_codes_of
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["work orders"])

PAST_FOR_PICKS = 200  # different outcomes; the rest was rare


class CodeWords(BaseModel):
    """A code with its names."""

    code: str
    name_en: str
    name_zh: str


class CountedWords(CodeWords):
    """A code with its names, and how often it was picked on machines like this."""

    count: int


class CausePick(CountedWords):
    """A cause, and what was done about it."""

    actions: list[CountedWords]


class ModePick(CountedWords):
    """A failure mode, and why it came about; `noticed`: the finding names it."""

    noticed: bool
    causes: list[CausePick]


class SuggestedPick(BaseModel):
    """What the form is filled with; `why`: finding or frequency."""

    failure_mode: str | None
    cause: str | None
    action: str | None
    why: str | None


class OutcomePicks(BaseModel):
    """Three levels at most: what was noticed first, then what was most frequent."""

    suggested: SuggestedPick
    failure_modes: list[ModePick]


class LastFix(BaseModel):
    """Something that was found and done: how often, how often on this machine, and when last."""

    failure_mode: CodeWords | None
    cause: CodeWords | None
    action: CodeWords | None
    outcome: str
    count: int
    here: int
    last_at: datetime
    last_order_id: UUID
    last_number: str
    last_note: str | None


class LastFixes(BaseModel):
    """What fixed this the last time. `basis`: the same failure mode, any on this model, or nothing is known."""

    items: list[LastFix]
    basis: str
    next: str | None = None


@router.get("/work-orders/{work_order_id}/outcome-picks", operation_id="get_outcome_picks")
def outcome_picks(work_order_id: UUID, here: Here) -> OutcomePicks:
    """Failure modes with causes and actions to pick from, and what to suggest."""
    here.require("work_order.inside")
    order = get_work_order(here.session, work_order_id)
    return picks_for(here, order, _asset(here, order))


@router.get("/work-orders/{work_order_id}/last-fixes", operation_id="list_last_fixes")
def last_fixes(work_order_id: UUID, here: Here) -> LastFixes:
    """What fixed what this order is about, on this machine and on others of its model."""
    here.require("work_order.inside")
    order = get_work_order(here.session, work_order_id)
    asset = _asset(here, order)
    found, basis = likely_fixes(here.session, order, asset)
    return LastFixes(items=fix_items(here, asset, found), basis=basis)


@router.get("/assets/{asset_id}/last-fixes", operation_id="list_asset_last_fixes")
def last_fixes_of_asset(
    asset_id: UUID, here: Here, failure_mode: Annotated[str | None, Query(max_length=100)] = None
) -> LastFixes:
    """What was found and done on a machine and on others of its model."""
    here.require("work_order.inside")
    asset = seen(here, Asset, asset_id, "asset")
    found = fixes_of(here.session, asset, failure_mode=(failure_mode or "").replace("\0", "") or None)
    basis = "none" if not found else "failure_mode" if failure_mode else "asset_model"
    return LastFixes(items=fix_items(here, asset, found), basis=basis)


def picks_for(here: Context, order: WorkOrder, asset: Asset) -> OutcomePicks:
    """Return the picks for an order's outcome."""
    actions = action_words(repair_codes_of(here.session, asset))
    modes = mode_words(here.session, asset)
    past = [each.past for each in fixes_of(here.session, asset, but=order.id, limit=PAST_FOR_PICKS)]
    return OutcomePicks.model_validate(picks(modes, actions, past, noticed_modes(order)))


def fix_items(here: Context, asset: Asset, fixes: list[Fix]) -> list[LastFix]:
    """Return fixes with their names."""
    if not fixes:
        return []
    modes, actions = mode_words(here.session, asset), action_words(repair_codes_of(here.session, asset))
    return [
        LastFix(
            failure_mode=_words(named(each.past.failure_mode, modes)),
            cause=_words(named(each.past.cause, CAUSES)),
            action=_words(named(each.past.action, actions)),
            outcome=each.past.outcome,
            count=each.past.count,
            here=each.past.here,
            last_at=each.last_at,
            last_order_id=each.last_order_id,
            last_number=each.last_number,
            last_note=each.last_note,
        )
        for each in fixes
    ]


def _words(told: dict[str, str] | None) -> CodeWords | None:
    return CodeWords(**told) if told else None


def _asset(here: Context, order: WorkOrder) -> Asset:
    asset = here.session.get(Asset, order.asset_id)
    if asset is None:
        raise NotFound("no such asset", kind="asset")
    return asset
