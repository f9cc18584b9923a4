"""Calendar rules (RFC 5545 RRULE, RFC 7529 SKIP) over local days; pure, dateutil does the reckoning."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, rrule, rrulestr

from assets.base.errors import Invalid

MAX_LENGTH = 500
SEARCH_YEARS = (
    60  # a rule that does not occur in so many years never does: the calendar repeats after 28, or 40 over 2100
)
MOST_A_DAY = 24
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_PART = re.compile(r"([A-Z-]+)=([A-Z0-9+,:TZ-]+)")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SKIPS = ("OMIT", "BACKWARD", "FORWARD")


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked rule. Days that a month does not have are left out (`skip` OMIT, as RFC 5545 says) or moved."""

    text: str
    skip: str = "OMIT"

    def __str__(self) -> str:
        return self.text if self.skip == "OMIT" else f"{self.text};SKIP={self.skip}"


def parse_rule(text: str, anchor: datetime, *, field: str = "rrule") -> Rule:
    """Return a checked rule. Raises Invalid that names the part: unknown, faster than a day, never occurring.

    `anchor`: local moment from which it counts (DTSTART), without a zone.
    """
    word = text.strip().upper().removeprefix("RRULE:")
    if not word or len(word) > MAX_LENGTH:
        raise Invalid(f"a rule has 1 to {MAX_LENGTH} characters", field=field)
    parts: dict[str, str] = {}
    for piece in word.split(";"):
        found = _PART.fullmatch(piece)
        if found is None or found[1] in parts:
            raise Invalid(f"cannot read {piece!r} in the rule, or it stands there twice", field=field, part=piece)
        parts[found[1]] = found[2]
    skip = parts.pop("SKIP", "OMIT")
    if skip not in _SKIPS:
        raise Invalid("SKIP is OMIT, BACKWARD or FORWARD", field=field, part=f"SKIP={skip}")
    _check_parts(parts, skip, field)
    if re.fullmatch(r"\d{8}", parts.get("UNTIL", "")):
        parts["UNTIL"] += "T235959"  # a day is meant with all its hours
    rule = Rule(";".join(f"{name}={value}" for name, value in parts.items()), skip)
    made = _made(rule, anchor, field)
    if not _occurs(made, parts, anchor):
        raise Invalid(f"the rule does not occur within {SEARCH_YEARS} years", field=field, code="never_occurs")
    return rule


def _check_parts(parts: dict[str, str], skip: str, field: str) -> None:
    frequency = parts.get("FREQ")
    if frequency not in _FREQUENCIES:
        reason = "FREQ is one of YEARLY, MONTHLY, WEEKLY, DAILY (several times a day: DAILY with BYHOUR)"
        raise Invalid(reason, field=field, part=f"FREQ={frequency}")
    for name in ("BYSECOND", "BYMINUTE"):
        if name in parts and not re.fullmatch(r"\d{1,2}", parts[name]):
            raise Invalid(f"{name} is one number here", field=field, part=f"{name}={parts[name]}")
    if len(parts.get("BYHOUR", "0").split(",")) > MOST_A_DAY:
        raise Invalid(f"at most {MOST_A_DAY} times a day", field=field, part="BYHOUR")
    if parts.get("UNTIL", "").endswith("Z"):
        raise Invalid("UNTIL is a local day or time here, without Z", field=field, part=f"UNTIL={parts['UNTIL']}")
    interval = parts.get("INTERVAL", "1")
    if not re.fullmatch(r"[1-9]\d{0,3}", interval):
        raise Invalid("INTERVAL is 1 to 9999", field=field, part=f"INTERVAL={interval}")
    if skip != "OMIT":
        wrong = set(parts) - {
            "FREQ",
            "INTERVAL",
            "COUNT",
            "UNTIL",
            "BYMONTH",
            "BYMONTHDAY",
            "BYHOUR",
            "BYMINUTE",
            "WKST",
        }
        if (
            wrong
            or frequency not in ("YEARLY", "MONTHLY")
            or not re.fullmatch(r"\d{1,2}", parts.get("BYMONTHDAY", "1"))
        ):
            reason = "SKIP goes with MONTHLY or YEARLY and one day of the month"
            raise Invalid(reason, field=field, part=f"SKIP={skip}")


@lru_cache(maxsize=4096)
def _made(rule: Rule, anchor: datetime, field: str = "rrule") -> rrule:
    """Return dateutil's rule. Raises Invalid with its words."""
    text = rule.text
    if rule.skip != "OMIT":
        text = _with_skip(rule, anchor)
    try:
        made = rrulestr(text, dtstart=anchor)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise Invalid(f"cannot read the rule: {error}", field=field, part=rule.text) from None
    assert isinstance(made, rrule)
    return made


def _with_skip(rule: Rule, anchor: datetime) -> str:
    """Say BACKWARD in the words of RFC 5545: the last of the days 28 to n that a month has. FORWARD is done later."""
    parts = dict(piece.split("=", 1) for piece in rule.text.split(";"))
    day = int(parts.pop("BYMONTHDAY", str(anchor.day)))
    if not 1 <= day <= 31:
        raise Invalid("a day of the month is 1 to 31", field="rrule", part=f"BYMONTHDAY={day}")
    if parts["FREQ"] == "YEARLY":
        parts.setdefault("BYMONTH", str(anchor.month))
    if day <= 28:
        parts["BYMONTHDAY"] = str(day)
    else:
        # What BYSETPOS counts is the set of a month: so each month gives one day.
        if parts["FREQ"] == "YEARLY" and parts.get("INTERVAL", "1") == "1":
            parts["FREQ"] = "MONTHLY"
        elif parts["FREQ"] == "YEARLY" and "," in parts["BYMONTH"]:
            raise Invalid("SKIP with several months goes with each year only", field="rrule", part=rule.text)
        parts["BYMONTHDAY"] = ",".join(str(each) for each in range(28, day + 1))
        parts["BYSETPOS"] = "-1"
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _occurs(made: rrule, parts: dict[str, str], anchor: datetime) -> bool:
    """Return whether it ever does, in bounded time: dateutil seeks for half a minute what a daily rule never gives."""
    if made._freq == DAILY and set(parts) - {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYHOUR", "BYMINUTE"}:
        yearly = {
            name: value for name, value in parts.items() if name not in ("INTERVAL", "COUNT", "UNTIL", "BYSETPOS")
        }
        every = rrulestr(";".join(f"{n}={v}" for n, v in (yearly | {"FREQ": "YEARLY"}).items()), dtstart=anchor)
        interval = int(parts.get("INTERVAL", "1"))
        limit = anchor + timedelta(days=366 * SEARCH_YEARS)
        until = made._until
        for moment in every:
            if moment > limit or (until is not None and moment > until):
                return False
            if (moment.date() - anchor.date()).days % interval == 0:
                return True
        return False
    first = next(iter(made), None)
    return first is not None and first <= anchor + timedelta(days=366 * SEARCH_YEARS)


def moments(rule: Rule, anchor: datetime, *, after: datetime | None = None) -> Iterator[datetime]:
    """Yield the local moments of a rule in order, each once; `after`: only later ones, however old the anchor is."""
    if rule.skip == "OMIT":
        step = _step(rule.text)
        if step is not None:
            yield from _stepped(*step, anchor, after)
            return
        if after is not None and after >= anchor:
            yield from _made(rule, _aligned(rule.text, anchor, after)).xafter(after)
            return
    made = _made(rule, anchor)
    last: datetime | None = None
    for moment in made.xafter(after) if after is not None and rule.skip == "OMIT" else made:
        found = _forward(rule, anchor, moment) if rule.skip == "FORWARD" else moment
        if (after is not None and found <= after) or (last is not None and found <= last):
            continue
        last = found
        yield found


@lru_cache(maxsize=4096)
def _parts(text: str) -> dict[str, str]:
    return dict(piece.split("=", 1) for piece in text.split(";"))


@lru_cache(maxsize=4096)
def _step(text: str) -> tuple[str, int] | None:
    """Return frequency and interval of a rule that says nothing else: its moments need no search."""
    parts = _parts(text)
    return None if set(parts) - {"FREQ", "INTERVAL", "WKST"} else (parts["FREQ"], int(parts.get("INTERVAL", "1")))


def is_steady(rule: Rule) -> bool:
    """Return whether a rule that can be read for one anchor can be read for every other."""
    if rule.skip != "OMIT":
        return False
    parts = _parts(rule.text)
    return _step(rule.text) is not None or not ({"COUNT", "UNTIL", "INTERVAL"} & set(parts) or parts["FREQ"] == "DAILY")


def _stepped(frequency: str, interval: int, anchor: datetime, after: datetime | None) -> Iterator[datetime]:
    behind = after is not None and after >= anchor
    try:
        if frequency in ("DAILY", "WEEKLY"):
            step = timedelta(days=interval * (7 if frequency == "WEEKLY" else 1))
            moment = anchor + step * ((after - anchor) // step + 1) if behind and after is not None else anchor
            while True:
                yield moment
                moment += step
        months = interval * (12 if frequency == "YEARLY" else 1)
        first = anchor.year * 12 + anchor.month - 1
        if behind and after is not None:
            first += (after.year * 12 + after.month - 1 - first) // months * months
        for month in range(first, 9999 * 12 + 12, months):
            if anchor.day > 28 and anchor.day > monthrange(month // 12, month % 12 + 1)[1]:
                continue
            moment = anchor.replace(year=month // 12, month=month % 12 + 1)
            if not behind or (after is not None and moment > after):
                yield moment
    except OverflowError:  # the calendar of the computer ends with the year 9999
        return


def _aligned(text: str, anchor: datetime, after: datetime) -> datetime:
    """Return a later anchor that gives the same moments after one: nobody walks through the years before."""
    parts = _parts(text)
    frequency, interval = parts["FREQ"], int(parts.get("INTERVAL", "1"))
    dated = {"BYDAY", "BYMONTHDAY"} & set(parts)
    if "COUNT" in parts:
        return anchor
    if frequency == "MONTHLY" and dated:
        passed = (after.year - anchor.year) * 12 + after.month - anchor.month
        month = anchor.year * 12 + anchor.month - 1 + passed // interval * interval
        return anchor.replace(year=month // 12, month=month % 12 + 1, day=1)
    if frequency == "YEARLY" and dated and "BYMONTH" in parts:
        year = anchor.year + (after.year - anchor.year) // interval * interval
        return anchor.replace(year=year, month=1, day=1)
    if frequency == "WEEKLY" and "BYDAY" in parts:
        begins = _WEEKDAYS.index(parts.get("WKST", "MO"))
        monday = anchor - timedelta(days=(anchor.weekday() - begins) % 7)
        step = timedelta(days=7 * interval)
        return monday + step * ((after - monday) // step)
    return anchor


def _forward(rule: Rule, anchor: datetime, moment: datetime) -> datetime:
    """Move what a month does not have to the first of the next."""
    parts = dict(piece.split("=", 1) for piece in rule.text.split(";"))
    day = int(parts.get("BYMONTHDAY", str(anchor.day)))
    return moment if moment.day == day or day <= 28 else moment + timedelta(days=1)


def first_after(rule: Rule, anchor: datetime, after: datetime) -> datetime | None:
    """Return the first local moment strictly later, or None when the rule has ended."""
    return next(iter(islice(moments(rule, anchor, after=after), 1)), None)


def uncounted(rule: Rule) -> tuple[Rule, int | None]:
    """Return a rule without its COUNT, and that: what counts anew from each turn has to count turns itself."""
    parts = dict(_parts(rule.text))
    count = parts.pop("COUNT", None)
    if count is None:
        return rule, None
    return Rule(";".join(f"{name}={value}" for name, value in parts.items()), rule.skip), int(count)


def counted_from(rule: Rule, anchor: datetime, after: datetime) -> datetime | None:
    """Return the first local moment later than `after` of a rule that counts from when work was done.

    Done on the 31st, monthly work comes at the end of a shorter month: nobody chose that day, so it leaves none out.
    """
    step = _step(rule.text) if rule.skip == "OMIT" and anchor.day > 28 else None
    if step is not None and step[0] in ("MONTHLY", "YEARLY"):
        rule = Rule(rule.text, "BACKWARD")
    return first_after(rule, anchor, after)


def to_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time: in a gap of spring as much later, in autumn's double hour the first."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def to_local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the local time of a moment, without its zone."""
    return moment.astimezone(zone).replace(tzinfo=None)


def local(day: date, hour: time = time(0)) -> datetime:
    """Return a local moment without a zone."""
    return datetime.combine(day, hour)
