"""Which machines a plan is for: by date, serial, version; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from assets.base.errors import Invalid

_ENDED = ("retired", "scrapped")
_RUNS = ("commissioned", "in_service")


@dataclass(frozen=True, slots=True)
class Machine:
    """What of a machine decides."""

    serial: str
    version: str | None
    lifecycle: str
    in_service_on: date | None


@dataclass(frozen=True, slots=True)
class Effectivity:
    """Bounds, all within; None: no bound. Serials and versions are compared as people read them: A9 before A10."""

    valid_from: date | None = None
    valid_until: date | None = None
    serial_from: str | None = None
    serial_until: str | None = None
    serials: Sequence[str] = ()
    versions: Sequence[str] = ()
    version_from: str | None = None
    version_until: str | None = None


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that orders numbers inside words by their value, without regard to case."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
        for part in re.findall(r"\d{1,300}|\D+", text)
    )


def check(effectivity: Effectivity) -> None:
    """Raise Invalid for bounds that hold nothing."""
    since, until = effectivity.valid_from, effectivity.valid_until
    if since is not None and until is not None and until < since:
        raise Invalid("the end lies before the beginning", field="valid_until", value=until.isoformat())
    for name in ("serial", "version"):
        low, high = getattr(effectivity, f"{name}_from"), getattr(effectivity, f"{name}_until")
        if low is not None and high is not None and natural(high) < natural(low):
            raise Invalid("the end lies before the beginning", field=f"{name}_until", value=high)


def why_not(effectivity: Effectivity, machine: Machine, on: date) -> str | None:
    """Return why a plan does not hold for a machine on a day, or None when it does.

    Reasons: retired, not_in_service, too_early, too_late, serial, version, version_unknown.
    """
    if machine.lifecycle in _ENDED:
        return "retired"
    if machine.lifecycle not in _RUNS:
        return "not_in_service"
    if effectivity.valid_from is not None and on < effectivity.valid_from:
        return "too_early"
    if effectivity.valid_until is not None and on > effectivity.valid_until:
        return "too_late"
    if not _serial_fits(effectivity, machine.serial):
        return "serial"
    return _version(effectivity, machine.version)


def _serial_fits(effectivity: Effectivity, serial: str) -> bool:
    if effectivity.serials and serial in effectivity.serials:
        return True
    if effectivity.serial_from is None and effectivity.serial_until is None:
        return not effectivity.serials
    key = natural(serial)
    low = effectivity.serial_from is None or natural(effectivity.serial_from) <= key
    return low and (effectivity.serial_until is None or key <= natural(effectivity.serial_until))


def _version(effectivity: Effectivity, version: str | None) -> str | None:
    bounded = effectivity.version_from is not None or effectivity.version_until is not None
    if not effectivity.versions and not bounded:
        return None
    if version is None:
        return "version_unknown"
    if version in effectivity.versions:
        return None
    key = natural(version)
    low = effectivity.version_from is None or natural(effectivity.version_from) <= key
    high = effectivity.version_until is None or key <= natural(effectivity.version_until)
    return None if bounded and low and high else "version"
