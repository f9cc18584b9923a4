"""Areas on the map as GeoJSON: checked, measured, and asked whether a place lies within. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from shapely import Point, prepare
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.validation import explain_validity

from assets.base.errors import Invalid

MAX_POINTS = 5000  # a province's outline in some detail
EARTH_RADIUS_KM = 6371.0088
_PLACE = re.compile(r"\[(-?[\d.eE+-]+)\s+(-?[\d.eE+-]+)\]")


@dataclass(frozen=True, slots=True)
class Area:
    """A checked area: its GeoJSON with closed rings, its bounds in degrees, its size."""

    polygon: dict[str, Any]
    west_deg: float
    south_deg: float
    east_deg: float
    north_deg: float
    area_km2: float


def read_area(given: Any) -> Area:
    """Check a GeoJSON Polygon or MultiPolygon (a Feature of one too); WGS-84, longitude first.

    Raises Invalid, which names the place (`latitude_deg`, `longitude_deg`) where an outline crosses itself.
    """
    geometry = given.get("geometry") if isinstance(given, dict) and given.get("type") == "Feature" else given
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        raise _invalid("an area is a GeoJSON Polygon or MultiPolygon")
    kind, coordinates = str(geometry["type"]), geometry.get("coordinates")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not polygons:
        raise _invalid("an area has at least one outline")
    rings = [[_ring(ring) for ring in _rings(polygon)] for polygon in polygons]
    if sum(len(ring) for polygon in rings for ring in polygon) > MAX_POINTS:
        raise _invalid(f"an area has at most {MAX_POINTS} points")
    plain = {"type": kind, "coordinates": rings[0] if kind == "Polygon" else rings}
    found = _shape(plain)
    _check_valid(found)
    west, south, east, north = found.bounds
    if east - west > 180:
        raise _invalid("an area that crosses longitude 180° is given as two polygons")
    return Area(plain, west, south, east, north, sum(_km2(polygon) for polygon in rings))


def contains(polygon: dict[str, Any], latitude_deg: float, longitude_deg: float) -> bool:
    """Return whether a place lies in a checked area or on its edge."""
    area = _shape(polygon)
    prepare(area)
    return bool(area.covers(Point(longitude_deg, latitude_deg)))


def _rings(polygon: Any) -> list[Any]:
    if not isinstance(polygon, list) or not polygon:
        raise _invalid("an area has at least one outline")
    return polygon


def _ring(ring: Any) -> list[list[float]]:
    """Return an outline of numbers that ends where it began."""
    if not isinstance(ring, list) or len(ring) > MAX_POINTS:
        raise _invalid(f"an outline is a list of at most {MAX_POINTS} places")
    places = [_place(place) for place in ring]
    if places and places[0] != places[-1]:
        places.append(list(places[0]))
    if len({tuple(place) for place in places}) < 3:
        raise _invalid("an outline has at least three places")
    return places


def _place(place: Any) -> list[float]:
    if not isinstance(place, list) or len(place) < 2:
        raise _invalid("a place is [longitude, latitude]")
    numbers = place[:2]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in numbers):
        raise _invalid("a place is [longitude, latitude]")
    longitude, latitude = numbers
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # nan is neither
        raise _invalid(f"{str(longitude)[:20]}, {str(latitude)[:20]} is no longitude and latitude")
    return [float(longitude), float(latitude)]


def _shape(polygon: dict[str, Any]) -> Polygon | MultiPolygon:
    try:
        return shape(polygon)
    except (ShapelyError, ValueError, TypeError) as error:
        raise _invalid("the area cannot be read") from error


def _check_valid(area: Polygon | MultiPolygon) -> None:
    said = explain_validity(area)
    if said == "Valid Geometry":
        return
    place = _PLACE.search(said)
    what = said.partition("[")[0].strip().lower()
    if place is None:
        raise _invalid(f"the outline is not valid: {what}")
    longitude, latitude = float(place[1]), float(place[2])
    crosses = "the outline crosses itself" if "self-intersection" in what else f"the outline is not valid: {what}"
    raise _invalid(f"{crosses} at {latitude:.5f}, {longitude:.5f}", longitude, latitude)


def _invalid(text: str, longitude: float | None = None, latitude: float | None = None) -> Invalid:
    place = {}
    if longitude is not None and latitude is not None and math.isfinite(longitude) and math.isfinite(latitude):
        place = {"longitude_deg": longitude, "latitude_deg": latitude}
    return Invalid(text, field="polygon", **place)


def _km2(polygon: Sequence[Sequence[Sequence[float]]]) -> float:
    """Return the size of an outline without its holes, on a sphere (Chamberlain and Duquette, 2007)."""
    outer, *holes = (abs(_ring_km2(ring)) for ring in polygon)
    return max(outer - sum(holes), 0.0)


def _ring_km2(ring: Sequence[Sequence[float]]) -> float:
    total = 0.0
    for (from_longitude, from_latitude), (longitude, latitude) in pairwise(ring):
        turned = math.radians(longitude - from_longitude)
        total += turned * (2 + math.sin(math.radians(from_latitude)) + math.sin(math.radians(latitude)))
    return total * EARTH_RADIUS_KM**2 / 2
