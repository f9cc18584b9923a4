"""How far somebody stood from a machine, and whether that is far given how well both places are known."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, cos, isfinite, radians, sin, sqrt

from assets.base.errors import Invalid

EARTH_M = 6_371_008.8  # mean radius, IUGG
NEAR_M = 200.0  # a plant's yard: who stands there is on site
MAX_ACCURACY_M = 100_000.0


@dataclass(frozen=True, slots=True)
class Fix:
    """A position as a phone measured it, WGS 84."""

    latitude_deg: float
    longitude_deg: float
    accuracy_m: float | None = None


@dataclass(frozen=True, slots=True)
class Distance:
    """Metres to the machine; `far`: more than both positions' accuracy explains."""

    metres: float
    far: bool


def metres_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance of two (latitude, longitude) in degrees (haversine formula)."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(radians, each)) for each in (one, other))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_M * asin(sqrt(min(1.0, half)))


def distance_to(fix: Fix, machine: tuple[float, float] | None, accuracy_m: float | None = None) -> Distance | None:
    """Return how far a machine is; None when nobody knows where it stands. `accuracy_m`: of the machine's place."""
    if machine is None:
        return None
    metres = metres_between((fix.latitude_deg, fix.longitude_deg), machine)
    return Distance(round(metres, 1), metres > NEAR_M + (fix.accuracy_m or 0) + (accuracy_m or 0))


def checked_fix(fix: Fix, field: str = "place") -> Fix:
    """Return the position. Raises Invalid for one that is nowhere on Earth."""
    if not (isfinite(fix.latitude_deg) and -90 <= fix.latitude_deg <= 90):
        raise Invalid("a latitude between -90 and 90 degrees", field=f"{field}.latitude_deg")
    if not (isfinite(fix.longitude_deg) and -180 <= fix.longitude_deg <= 180):
        raise Invalid("a longitude between -180 and 180 degrees", field=f"{field}.longitude_deg")
    if fix.accuracy_m is not None and not (isfinite(fix.accuracy_m) and 0 <= fix.accuracy_m <= MAX_ACCURACY_M):
        raise Invalid(f"an accuracy of 0 to {MAX_ACCURACY_M:.0f} m", field=f"{field}.accuracy_m")
    return fix
