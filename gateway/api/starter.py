"""The starter set of asset models over HTTP: what is in it, and taking it in."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from assets.imports.kinds.base import Origin
from assets.imports.starter import load_starter, present_codes
from assets.imports.starting import MACHINES
from gateway.api.deps import Context, Here

router = APIRouter(prefix="/api/v1", tags=["imports"])


class StarterModel(BaseModel):
    """A model of the set; `present`: the organisation has it."""

    code: str
    name_en: str
    name_zh: str
    metrics: int
    failure_modes: int
    present: bool


class StarterSet(BaseModel):
    """The whole set."""

    items: list[StarterModel]
    next: str | None = None


class Wanted(BaseModel):
    """Which ones; all when left out."""

    codes: list[str] | None = Field(default=None, max_length=100)


class Loaded(BaseModel):
    """How many models came in, and how many were there."""

    inserted: int
    updated: int
    unchanged: int


@router.get("/starter-models", operation_id="list_starter_models")
def list_starter_models(here: Here) -> StarterSet:
    """Common machines, ready to be taken in."""
    here.require("asset.read")
    there = present_codes(here.session, _origin(here))
    return StarterSet(
        items=[
            StarterModel(
                code=each.code,
                name_en=each.en,
                name_zh=each.zh,
                metrics=len(each.metrics),
                failure_modes=len(each.modes),
                present=each.code in there,
            )
            for each in MACHINES
        ]
    )


@router.post("/starter-models", operation_id="load_starter_models", status_code=201)
def load_starter_models(body: Wanted, here: Here) -> Loaded:
    """Take models in; those that are there stay as they are."""
    here.require("asset.manage")
    return Loaded(**load_starter(here.session, _origin(here), body.codes))


def _origin(here: Context) -> Origin:
    return Origin(here.actor, here.now, "starter set")
