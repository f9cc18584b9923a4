"""Which tiles the maps show, where an address was set."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.api.deps import Here

router = APIRouter(prefix="/api/v1", tags=["assets"])


class Tiles(BaseModel):
    """Raster tiles of 256 pixels; `datum` gcj02: shifted, and so are the points put on them."""

    address: str
    attribution: str
    datum: Literal["wgs84", "gcj02"]


class MapSettings(BaseModel):
    """`tiles` null: maps show the bundled outlines alone."""

    tiles: Tiles | None


@router.get("/map-settings", operation_id="get_map_settings")
def get_map_settings(here: Here) -> MapSettings:
    """What maps are drawn on."""
    here.require("asset.read")
    known = here.settings
    if known.map_tiles is None:
        return MapSettings(tiles=None)
    return MapSettings(tiles=Tiles(address=known.map_tiles, attribution=known.map_attribution, datum=known.map_datum))
