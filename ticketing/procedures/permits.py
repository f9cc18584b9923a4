"""Safety permits and lock-out: what a version demands, where a permit stands, what may be entered; no database here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from assets.base.errors import Conflict, IllegalMove, Invalid

KINDS = (
    "electrical",
    "hot_work",
    "confined_space",
    "work_at_height",
    "lifting",
    "line_breaking",
    "pressure",
    "chemical",
    "radiation",
    "excavation",
    "cold_work",
    "other",
)
ENERGIES = (
    "electrical",
    "mechanical",
    "hydraulic",
    "pneumatic",
    "thermal",
    "chemical",
    "steam",
    "gravity",
    "stored",
    "other",
)
ACTIONS = ("sign_on", "lock", "confirm", "unlock", "sign_off")
MAX_PERMITS = 20
MAX_POINTS = 50
MAX_HOURS = 168
MAX_NAME = 200
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class BadPermit(Invalid):
    """A permit cannot be kept; params: `index`, `problem`."""

    code = "bad_permit"


class PermitMissing(Conflict):
    """No step yet; params: `permit`, `name_en`, `name_zh`, `step`, `missing` (sign_on, expired, lock, confirm)."""

    code = "permit_missing"


class PermitRefused(IllegalMove):
    """This cannot be entered now; params: `permit`, `action`, `why`, and of IllegalMove."""

    code = "permit_refused"


class PermitOpen(IllegalMove):
    """Somebody is still signed on or a lock is on; params: `permits` [{code, name_en, name_zh, people, locks}]."""

    code = "permit_open"


@dataclass(frozen=True, slots=True)
class Entered:
    """One thing that somebody did; `of`: whose lock was taken off, when it was not their own."""

    action: str
    person: UUID | None
    at: datetime
    point: str | None = None
    number: str | None = None
    of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody's lock at a point."""

    person: UUID | None
    at: datetime
    number: str | None


@dataclass(slots=True)
class Standing:
    """Who is signed on since when, whose locks are where, and since when it is confirmed that nothing moves."""

    on: dict[UUID | None, datetime] = field(default_factory=dict)
    locks: dict[str, dict[UUID | None, Lock]] = field(default_factory=dict)
    confirmed_at: datetime | None = None
    confirmed_by: UUID | None = None

    @property
    def open(self) -> bool:
        """Whether somebody is on or a lock is on."""
        return bool(self.on) or any(self.locks.values())

    def unlocked(self, permit: Mapping[str, Any]) -> list[str]:
        """Points that have no lock."""
        return [point["code"] for point in permit["points"] if not self.locks.get(point["code"])]


def checked_permits(permits: Any, steps: Sequence[str]) -> list[dict[str, Any]]:
    """Return permits in the one form in which they are stored. Raises BadPermit."""
    if not isinstance(permits, list) or len(permits) > MAX_PERMITS:
        raise BadPermit(f"at most {MAX_PERMITS} permits", index=0, problem="too_many")
    kept: list[dict[str, Any]] = []
    for at, one in enumerate(permits):
        if not isinstance(one, Mapping):
            raise _bad(at, "form", "a permit is an object")
        code = _code(at, one.get("code"))
        if code in {other["code"] for other in kept}:
            raise _bad(at, "repeated", f"{code} is there twice")
        kept.append(_permit(at, code, one, steps))
    return kept


def replay(entries: Sequence[Entered]) -> Standing:
    """Return where a permit stands after what was entered, in the order in which it happened."""
    stands = Standing()
    for one in entries:
        match one.action:
            case "sign_on":
                stands.on[one.person] = one.at
            case "lock" if one.point:
                stands.locks.setdefault(one.point, {})[one.person] = Lock(one.person, one.at, one.number)
            case "confirm":
                stands.confirmed_at, stands.confirmed_by = one.at, one.person
            case "unlock" if one.point:
                held = stands.locks.get(one.point, {})
                held.pop(one.of or one.person, None)
                if not held:  # the point may be switched on again: whatever was confirmed holds no more
                    stands.confirmed_at = stands.confirmed_by = None
            case _:
                stands.on.pop(one.person, None)
        if not stands.open:
            stands.confirmed_at = stands.confirmed_by = None
    return stands


def lacking(permit: Mapping[str, Any], stands: Standing, at: datetime, person: UUID | None = None) -> list[str]:
    """Return what is missing before work may begin at a moment; `person`: who has to be signed on themselves.

    sign_on, expired, lock, confirm; nothing when the permit is in force.
    """
    hours = permit["valid_hours"]
    signed = {who: since for who, since in stands.on.items() if person is None or who == person}
    fresh = [since for since in signed.values() if hours is None or since + timedelta(hours=hours) >= at]
    missing = [] if fresh else ["expired" if signed else "sign_on"]
    if permit["lock_out"]:
        if stands.unlocked(permit):
            missing.append("lock")
        if stands.confirmed_at is None:
            missing.append("confirm")
    return missing


def check_entry(permit: Mapping[str, Any], stands: Standing, one: Entered, *, desk: bool = False) -> None:
    """Raise PermitRefused when this cannot be entered as things stand; `desk`: may take another's lock off."""
    why = _refusal(permit, stands, one, desk)
    if why is not None:
        text = f"{permit['code']}: {one.action} is refused, {why}"
        params = {"permit": permit["code"], "action": one.action, "why": why, "reason": f"permit_{why}"}
        raise PermitRefused(text, state="open" if stands.open else "off", to=one.action, legal=[], **params)


def needed_by(permits: Sequence[Mapping[str, Any]], step: str) -> list[Mapping[str, Any]]:
    """Return the permits that a step needs: those that name it, and those that name none."""
    return [permit for permit in permits if not permit["steps"] or step in permit["steps"]]


def _refusal(permit: Mapping[str, Any], stands: Standing, one: Entered, desk: bool) -> str | None:
    if one.action == "sign_on":
        return None
    if one.action in ("lock", "unlock", "confirm"):
        if not permit["lock_out"]:
            return "no_lock_out"
        if one.action != "confirm" and one.point not in {point["code"] for point in permit["points"]}:
            return "no_such_point"
    if one.action == "unlock":
        if (one.of or one.person) not in stands.locks.get(one.point or "", {}):
            return "no_lock_of_theirs"
        return None if one.of in (None, one.person) or desk else "not_their_lock"
    if one.person not in stands.on:
        return "not_signed_on"
    if one.action == "confirm" and stands.unlocked(permit):
        return "points_open"
    if one.action == "sign_off" and any(one.person in held for held in stands.locks.values()):
        return "own_locks_on"
    return None


def _permit(at: int, code: str, one: Mapping[str, Any], steps: Sequence[str]) -> dict[str, Any]:
    kind, lock_out, hours = one.get("kind", "other"), one.get("lock_out", False), one.get("valid_hours")
    if kind not in KINDS:
        raise _bad(at, "kind", f"kind is one of {', '.join(KINDS)}")
    if not isinstance(lock_out, bool):
        raise _bad(at, "lock_out", "lock_out is true or false")
    if hours is not None and (isinstance(hours, bool) or not isinstance(hours, int) or not 1 <= hours <= MAX_HOURS):
        raise _bad(at, "valid_hours", f"valid_hours is a whole number from 1 to {MAX_HOURS}")
    named = one.get("steps") or []
    if not isinstance(named, list) or any(key not in steps for key in named):
        raise _bad(at, "steps", "a permit names steps of this version")
    points = one.get("points") or []
    if not isinstance(points, list) or len(points) > MAX_POINTS or (lock_out and not points):
        raise _bad(at, "points", f"a lock-out has 1 to {MAX_POINTS} isolation points")
    if points and not lock_out:
        raise _bad(at, "points", "isolation points belong to a lock-out")
    kept: list[dict[str, Any]] = []
    for point in points:
        kept.append(_point(at, point, {other["code"] for other in kept}))
    return {
        "code": code,
        "kind": kind,
        **_names(at, one),
        "lock_out": lock_out,
        "valid_hours": hours,
        "steps": list(dict.fromkeys(named)),
        "points": kept,
    }


def _point(at: int, point: Any, taken: set[str]) -> dict[str, Any]:
    if not isinstance(point, Mapping):
        raise _bad(at, "points", "a point is an object")
    code = _code(at, point.get("code"))
    if code in taken:
        raise _bad(at, "points", f"{code} is there twice")
    energy = point.get("energy", "other")
    if energy not in ENERGIES:
        raise _bad(at, "points", f"energy is one of {', '.join(ENERGIES)}")
    return {"code": code, **_names(at, point), "energy": energy}


def _names(at: int, one: Mapping[str, Any]) -> dict[str, str]:
    kept = {}
    for name in ("name_en", "name_zh"):
        value = one.get(name)
        if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME:
            raise _bad(at, name, f"{name} is a text of 1 to {MAX_NAME} characters")
        kept[name] = value.strip()
    return kept


def _code(at: int, value: Any) -> str:
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise _bad(at, "code", "a code has letters, digits, dots and dashes, at most 40")
    return value


def _bad(at: int, problem: str, words: str) -> BadPermit:
    return BadPermit(f"permit {at + 1}: {words}", index=at, problem=problem)
