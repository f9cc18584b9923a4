"""Failure modes of asset models over HTTP: what they are called and what tells them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.base.errors import NotFound
from assets.failure_modes import MAX_MATCHES, MAX_WORD, FailureMode, add_failure_mode, check_matches
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["failure-modes"])

# A code is part of an episode's key, so it is a word.
Code = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str | None, Field(min_length=1, max_length=500)]
Rank = Annotated[int, Field(ge=0, le=10_000)]
Word = Annotated[str | None, Field(min_length=1, max_length=MAX_WORD)]


class TellingWords(BaseModel):
    """Evidence that tells the mode: all the words that are given must fit."""

    metric: Word = None
    signature: Word = None
    detector: Word = None


class FailureModeItem(BaseModel):
    """A failure mode; of several that fit the one with the lowest rank counts."""

    id: UUID
    asset_model_id: UUID | None
    code: str
    name_en: str
    name_zh: str
    mechanism_en: str | None
    mechanism_zh: str | None
    matches: list[TellingWords]
    rank: int


class FailureModes(BaseModel):
    """A page of failure modes."""

    items: list[FailureModeItem]
    next: str | None = None


class NewFailureMode(BaseModel):
    """A failure mode of a model, or (without one) of any."""

    asset_model_id: UUID | None = None
    code: Code
    name_en: Name
    name_zh: Name
    mechanism_en: Words = None
    mechanism_zh: Words = None
    matches: Annotated[list[TellingWords], Field(max_length=MAX_MATCHES)] = []
    rank: Rank = 100


class FailureModeChange(BaseModel):
    """What is to change; the rest stays, the code always."""

    name_en: Name | None = None
    name_zh: Name | None = None
    mechanism_en: Words = None
    mechanism_zh: Words = None
    matches: Annotated[list[TellingWords] | None, Field(max_length=MAX_MATCHES)] = None
    rank: Rank | None = None


@router.get("/failure-modes", operation_id="list_failure_modes")
def list_failure_modes(
    here: Here, asset_model_id: UUID | None = None, limit: Limit = 100, after: After = None
) -> FailureModes:
    """List failure modes; of one model with those for any."""
    here.require("asset.read")
    query = select(FailureMode).order_by(FailureMode.id).limit(limit + 1)
    if asset_model_id is not None:
        query = query.where(or_(FailureMode.asset_model_id == asset_model_id, FailureMode.asset_model_id.is_(None)))
    if after is not None:
        query = query.where(FailureMode.id > id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return FailureModes(
        items=[_item(mode) for mode in page], next=cursor_of(page[-1].id) if len(found) > limit else None
    )


@router.post("/failure-modes", operation_id="create_failure_mode", status_code=201)
def create_failure_mode(body: NewFailureMode, here: Here) -> FailureModeItem:
    """Add a failure mode of one's own organisation."""
    here.require("policy.manage")
    matches = [match.model_dump(exclude_none=True) for match in body.matches]
    mode = FailureMode(
        organisation_id=here.actor.organisation_id, **body.model_dump(exclude={"matches"}), matches=matches
    )
    return _item(add_failure_mode(here.session, mode))


@router.patch("/failure-modes/{mode_id}", operation_id="change_failure_mode")
def change_failure_mode(mode_id: UUID, body: FailureModeChange, here: Here) -> FailureModeItem:
    """Change a failure mode; evidence stays with the episode that it began in."""
    here.require("policy.manage")
    mode = _mode(here, mode_id)
    for name in body.model_fields_set - {"matches"}:
        value = getattr(body, name)
        if value is not None or name.startswith("mechanism"):
            setattr(mode, name, value)
    if body.matches is not None:
        mode.matches = check_matches(match.model_dump(exclude_none=True) for match in body.matches)
    here.session.flush()
    return _item(mode)


@router.delete("/failure-modes/{mode_id}", operation_id="delete_failure_mode", status_code=204)
def delete_failure_mode(mode_id: UUID, here: Here) -> None:
    """Remove a failure mode; its episodes keep their key."""
    here.require("policy.manage")
    here.session.delete(_mode(here, mode_id))
    here.session.flush()


def _mode(here: Context, mode_id: UUID) -> FailureMode:
    mode = here.session.scalar(select(FailureMode).where(FailureMode.id == mode_id).with_for_update())
    if mode is None:
        raise NotFound("no such failure mode", kind="failure_mode")
    return mode


def _item(mode: FailureMode) -> FailureModeItem:
    return FailureModeItem(
        id=mode.id,
        asset_model_id=mode.asset_model_id,
        code=mode.code,
        name_en=mode.name_en,
        name_zh=mode.name_zh,
        mechanism_en=mode.mechanism_en,
        mechanism_zh=mode.mechanism_zh,
        matches=[TellingWords(**match) for match in mode.matches],
        rank=mode.rank,
    )
