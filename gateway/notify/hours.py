"""When a message may go out: hours of quiet of a person and of a rule, and the moments of a digest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assets.base.errors import Invalid

Hours = Mapping[str, Any]
DIGESTS = ("hour", "day")


def check_quiet(quiet: Hours | None, where: str = "quiet") -> dict[str, Any] | None:
    """Return hours of quiet, {from, until, time_zone, days}; days are those they begin on. Raises Invalid."""
    if not quiet:
        return None
    days = quiet.get("days") or list(range(7))
    if not all(isinstance(day, int) and 0 <= day <= 6 for day in days):
        raise Invalid("days are 0 (Monday) to 6", field=f"{where}.days")
    kept = {name: _clock(quiet.get(name), f"{where}.{name}") for name in ("from", "until")}
    return {**kept, "time_zone": zone_name(quiet.get("time_zone"), f"{where}.time_zone"), "days": sorted(set(days))}


def check_digest(digest: Hours | None, where: str = "digest") -> dict[str, Any] | None:
    """Return when messages are gathered, {every: hour} or {every: day, at, time_zone}. Raises Invalid."""
    if not digest:
        return None
    every = digest.get("every")
    if every not in DIGESTS:
        raise Invalid("every hour or every day", field=f"{where}.every", allowed=list(DIGESTS))
    if every == "hour":
        return {"every": every}
    zone = zone_name(digest.get("time_zone"), f"{where}.time_zone")
    return {"every": every, "at": _clock(digest.get("at") or "08:00", f"{where}.at"), "time_zone": zone}


def zone_name(name: Any, where: str) -> str:
    """Return the name of a time zone, UTC for none. Raises Invalid."""
    try:
        return ZoneInfo(str(name or "UTC")).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f"no time zone {name!r}", field=where) from None


def quiet_until(quiet: Hours | None, now: datetime) -> datetime | None:
    """Return when the quiet that holds at a moment ends, None when there is none. From 00:00 to 00:00 is all day."""
    if not quiet:
        return None
    zone = ZoneInfo(quiet["time_zone"])
    begins, ends = time.fromisoformat(quiet["from"]), time.fromisoformat(quiet["until"])
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if day.weekday() not in quiet["days"]:
            continue
        start = datetime.combine(day, begins, zone).astimezone(UTC)
        last = day + timedelta(days=1) if ends <= begins else day
        end = datetime.combine(last, ends, zone).astimezone(UTC)
        if start <= now < end:
            return end
    return None


def loud_at(hours: list[Hours | None], now: datetime) -> datetime:
    """Return the first moment from now on at which none of several quiets holds, within eight days."""
    at = now
    for _ in range(30):
        ends = [end for end in (quiet_until(each, at) for each in hours) if end is not None]
        if not ends or at - now > timedelta(days=8):
            return at
        at = max(ends)
    return at


def digest_at(digest: Hours, now: datetime) -> datetime:
    """Return when the digest that gathers this moment goes out."""
    if digest["every"] == "hour":
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    zone = ZoneInfo(digest["time_zone"])
    day = now.astimezone(zone).date()
    for offset in range(3):
        at = datetime.combine(day + timedelta(days=offset), time.fromisoformat(digest["at"]), zone).astimezone(UTC)
        if at > now:
            return at
    return now + timedelta(days=1)


def _clock(value: Any, where: str) -> str:
    try:
        read = time.fromisoformat(str(value))
    except ValueError:
        raise Invalid('a clock time such as "22:00"', field=where) from None
    if read.tzinfo is not None:
        raise Invalid("clock times have no zone of their own", field=where)
    return read.strftime("%H:%M")
