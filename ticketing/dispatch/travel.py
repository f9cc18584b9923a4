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


def travel_seconds(
    places: Sequence[Point], speed_kmh: float, detour: float, others: Sequence[Point] | None = None
) -> NDArray[np.int64]:
    """Return whole seconds from each place to each other one (or to each of `others`)."""
    lat = np.array([each.lat for each in places], dtype=np.float64)
    lon = np.array([each.lon for each in places], dtype=np.float64)
    to_lat = lat if others is None else np.array([each.lat for each in others], dtype=np.float64)
    to_lon = lon if others is None else np.array([each.lon for each in others], dtype=np.float64)
    km = great_circle_km(lat[:, None], lon[:, None], to_lat[None, :], to_lon[None, :])
    seconds: NDArray[np.int64] = np.rint(km * (detour * 3600.0 / speed_kmh)).astype(np.int64)
    return seconds
