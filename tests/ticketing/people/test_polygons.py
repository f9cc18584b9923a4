"""Areas on the map: what is accepted, what is refused and where, and what lies within (004-29)."""

from __future__ import annotations

from typing import Any

import pytest

from assets.base.errors import Invalid
from ticketing.people.polygons import contains, read_area

SQUARE = [[121.0, 31.0], [122.0, 31.0], [122.0, 32.0], [121.0, 32.0], [121.0, 31.0]]
HOLE = [[121.4, 31.4], [121.6, 31.4], [121.6, 31.6], [121.4, 31.6], [121.4, 31.4]]
BOW_TIE = [[121.0, 31.0], [122.0, 32.0], [122.0, 31.0], [121.0, 32.0], [121.0, 31.0]]


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def test_a_polygon_has_bounds_and_the_size_that_it_has_on_the_globe() -> None:
    area = read_area(polygon(SQUARE))
    assert (area.west_deg, area.south_deg, area.east_deg, area.north_deg) == (121, 31, 122, 32)
    assert area.area_km2 == pytest.approx(111.19 * 111.19 * 0.8526, rel=0.01)  # cos(31.5°)
    assert read_area(polygon(SQUARE, HOLE)).area_km2 == pytest.approx(area.area_km2 * 0.96, rel=0.01)


def test_a_polygon_that_crosses_itself_is_refused_with_the_place() -> None:
    with pytest.raises(Invalid) as refused:
        read_area(polygon(BOW_TIE))
    assert refused.value.params["latitude_deg"] == pytest.approx(31.5)
    assert refused.value.params["longitude_deg"] == pytest.approx(121.5)
    assert "crosses itself at 31.50000, 121.50000" in str(refused.value)


@pytest.mark.parametrize(
    ("latitude", "longitude", "inside"),
    [(31.2, 121.2, True), (31.5, 121.5, False), (31.0, 121.5, True), (30.9, 121.5, False), (32.0, 122.0, True)],
    ids=["inside", "in the hole", "on the edge", "below", "at the corner"],
)
def test_a_place_lies_within_or_not(latitude: float, longitude: float, inside: bool) -> None:
    assert contains(read_area(polygon(SQUARE, HOLE)).polygon, latitude, longitude) is inside


def test_an_open_outline_is_closed_and_a_feature_is_unwrapped() -> None:
    area = read_area({"type": "Feature", "geometry": polygon(SQUARE[:-1])})
    assert area.polygon == polygon(SQUARE)


def test_islands_are_one_area() -> None:
    east = [[x + 2, y] for x, y in SQUARE]
    area = read_area({"type": "MultiPolygon", "coordinates": [[SQUARE], [east]]})
    assert contains(area.polygon, 31.5, 123.5)
    assert not contains(area.polygon, 31.5, 122.5)


@pytest.mark.parametrize(
    "given",
    [
        None, "everywhere", [], {}, {"type": "Point", "coordinates": [1, 2]}, {"type": "Polygon"}, polygon(),
        polygon([]), polygon([[1, 2]]), polygon([[1, 2], [1, 2], [1, 2], [1, 2]]), polygon([[1, "2"], [2, 3], [3, 4]]),
        polygon([[181, 0], [0, 1], [1, 1]]), polygon([[0, 91], [0, 1], [1, 1]]),
        polygon([[float("nan"), 1], [1, 2], [2, 1]]),
        polygon([[10**400, 1], [1, 2], [2, 1]]), polygon([[True, 1], [1, 2], [2, 1]]),
        polygon([[0, 0], [1, 1], [2, 2]]),
        polygon([[-179, 0], [179, 0], [179, 1], [-179, 1]]), polygon(SQUARE, [[x + 5, y] for x, y in HOLE]),
        {"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}, polygon([[n / 1000, 1] for n in range(6000)]),
        {"type": "MultiPolygon", "coordinates": SQUARE}, polygon({"0": [1, 2]}),
    ],
)  # fmt: skip
def test_what_is_no_area_is_refused(given: Any) -> None:
    with pytest.raises(Invalid) as refused:
        read_area(given)
    assert refused.value.params["field"] == "polygon"
