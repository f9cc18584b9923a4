"""Seconds of driving between places: great circle, a detour factor, a mean speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_KM = 6371.0088


class Point(Protocol):
    """Anything with WGS-84 degrees."""

    @property
    def lat(self) -> float: ...
    @property
    def lon(self) -> float: ...


def great_circle_km(
    lat: NDArray[np.float64], lon: NDArray[np.float64], other_lat: NDArray[np.float64], other_lon: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the haversine distance of arrays that broadcast, in kilometres; degrees in."""
    a, b = np.radians(lat), np.radians(other_lat)
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(other_lon - lon) / 2) ** 2
    km: NDArray[np.float64] = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return km


def degrees(places: Sequence[Point]) -> NDArray[np.float64]:
    """Return latitude and longitude of places, one row each."""
    return np.array([(each.lat, each.lon) for each in places], dtype=np.float64).reshape(len(places), 2)


def travel_seconds(
    places: NDArray[np.float64], others: NDArray[np.float64], speed_kmh: float, detour: float
) -> NDArray[np.int64]:
    """Return whole seconds from each place to each of the others, both as `degrees` returns them."""
    km = great_circle_km(places[:, None, 0], places[:, None, 1], others[None, :, 0], others[None, :, 1])
    seconds: NDArray[np.int64] = np.rint(km * (detour * 3600.0 / speed_kmh)).astype(np.int64)
    return seconds
