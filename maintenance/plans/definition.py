"""A plan as people write it, checked at the door and turned into rules; pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from assets.base.errors import Invalid
from maintenance.plans.days import Blackout, Days, check_when_closed, season
from maintenance.plans.due import MAX_HORIZON_DAYS, Package, Rules, check_count
from maintenance.plans.effectivity import Effectivity
from maintenance.plans.effectivity import check as check_effectivity
from maintenance.plans.recurrence import is_steady
from maintenance.plans.scheduling import SCHEDULING, Shift, Tolerance, check_shift
from maintenance.plans.triggers import Calendar, Meter, Threshold, Trigger, WhicheverFirst, read_trigger
from ticketing.words import PRIORITIES, one_of, words

STARTS = ("installed", "commissioned", "on")
WHEN_MISSED = ("close", "keep")
MAX_PACKAGES = 20
MAX_SPANS = 50
MAX_LIST = 500
MAX_NEAR_DAYS = 366
ANCHOR = datetime.combine(date(2026, 1, 1), time())  # any moment will do to check a rule that no machine has yet


@dataclass(frozen=True)
class PackageSpec:
    """A package as it is stored."""

    code: str
    trigger: Mapping[str, Any]
    hierarchy: int = 1
    text: str = ""

    def read(self, anchor: datetime) -> Trigger:
        """Return its trigger for machines that begin at a moment. Raises Invalid when it never occurs from there."""
        return _trigger(self.text, anchor)


@dataclass(frozen=True)
class Definition:
    """What decides when work is due."""

    packages: Sequence[PackageSpec]
    days: Days
    before: Tolerance
    after: Tolerance
    shift: Shift
    near_days: int
    floating: bool
    at_minute: int
    meters: frozenset[str] = field(default_factory=frozenset)

    def rules(self, anchor: datetime) -> Rules:
        """Return the rules for machines that begin at a local moment; packages that never occur from there are left."""
        found = []
        for each in self.packages:
            try:
                trigger = each.read(anchor)
            except Invalid:
                continue
            found.append(Package(each.code, trigger, each.hierarchy, self.floating))
        return Rules(found, self.days, self.before, self.after, self.near_days)

    def start(self, day: date) -> datetime:
        """Return the local moment from which a machine counts."""
        return datetime.combine(day, time()) + timedelta(minutes=self.at_minute)


def _trigger(text: str, anchor: datetime) -> Trigger:
    return _steady(text) or _read(text, anchor)


@lru_cache(maxsize=20_000)
def _read(text: str, anchor: datetime) -> Trigger:
    return read_trigger(json.loads(text), anchor)


@lru_cache(maxsize=20_000)
def _steady(text: str) -> Trigger | None:
    """Return a trigger that reads alike from wherever a machine counts; None for one that has to be read for each."""
    try:
        trigger = read_trigger(json.loads(text), ANCHOR)
    except Invalid:
        return None
    parts = trigger.parts if isinstance(trigger, WhicheverFirst) else (trigger,)
    return trigger if all(is_steady(part.rule) for part in parts if isinstance(part, Calendar)) else None


def read_definition(plan: Any, packages: Sequence[Any], is_working: Any = None) -> Definition:
    """Return the definition of a stored plan and its packages (rows, or anything with their names)."""
    specs = [
        PackageSpec(each.code, each.trigger, each.hierarchy, json.dumps(each.trigger, sort_keys=True))
        for each in packages
    ]
    blackouts = [Blackout(date.fromisoformat(first), date.fromisoformat(last)) for first, last in plan.blackouts]
    days = Days([season(text) for text in plan.seasons], blackouts, is_working, plan.when_closed)
    return Definition(
        specs,
        days,
        tolerance(plan.tolerance_before, "tolerance_before"),
        tolerance(plan.tolerance_after, "tolerance_after"),
        shift_of(plan.shift),
        plan.near_days,
        plan.scheduling == "floating",
        plan.at_minute,
        meters_of([each.read(ANCHOR) for each in specs if _readable(each)]),
    )


def _readable(spec: PackageSpec) -> bool:
    try:
        spec.read(ANCHOR)
    except Invalid:
        return False
    return True


def meters_of(triggers: Sequence[Trigger]) -> frozenset[str]:
    """Return the names of the meters that triggers ask."""
    found: set[str] = set()
    for trigger in triggers:
        if isinstance(trigger, Meter):
            found.add(trigger.meter)
        elif isinstance(trigger, WhicheverFirst):
            found |= {part.meter for part in trigger.parts if isinstance(part, Meter)}
        elif isinstance(trigger, Threshold) and trigger.source == "meter":
            found.add(trigger.name)
        elif not isinstance(trigger, Calendar) and hasattr(trigger, "expression"):
            found |= {name for word, name in trigger.expression.asks if word in ("meter", "since_done") and name}
    return frozenset(found)


def tolerance(told: Mapping[str, Any], name: str) -> Tolerance:
    """Return {"days": n} or {"percent": n} as a tolerance; nothing is none. Raises Invalid."""
    for key, value in told.items():
        if key not in ("days", "percent"):
            raise Invalid("a tolerance is in days or percent", field=f"{name}.{key}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Invalid("a number is missing", field=f"{name}.{key}")
        if not 0 <= value <= 3660:
            raise Invalid("a tolerance is 0 to 3660", field=f"{name}.{key}", value=value)
    if len(told) > 1:
        raise Invalid("a tolerance is either in days or in percent", field=name)
    return Tolerance(told.get("days"), told.get("percent")) if told else Tolerance(0)


def shift_of(told: Mapping[str, Any]) -> Shift:
    """Return {"late_percent", "early_percent", "late": {…}, "early": {…}} as a shift. Raises Invalid."""
    for key in told:
        if key not in ("late_percent", "early_percent", "late", "early"):
            raise Invalid(f"unknown field {key!r}", field=f"shift.{key}")
    shares = []
    for key in ("late_percent", "early_percent"):
        value = told.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Invalid("a number is missing", field=f"shift.{key}")
        shares.append(float(value))
    late, early = (tolerance(told.get(key) or {}, f"shift.{key}") for key in ("late", "early"))
    made = Shift(shares[0], shares[1], late, early)
    check_shift(made)
    return made


def effectivity_of(told: Mapping[str, Any]) -> Effectivity:
    """Return a stored effectivity; "version_field" says where the version stands. Raises Invalid."""
    known = {each.name for each in fields(Effectivity)}
    values: dict[str, Any] = {}
    for key, value in told.items():
        if key == "version_field":
            words("effectivity.version_field", value, 100)
            continue
        if key not in known:
            raise Invalid(f"unknown field {key!r}", field=f"effectivity.{key}", allowed=sorted(known))
        if value is None:
            continue
        values[key] = _bound(key, value)
    made = Effectivity(**values)
    check_effectivity(made)
    return made


def _bound(key: str, value: Any) -> Any:
    if key.startswith("valid_"):
        return _day(value, f"effectivity.{key}")
    if key in ("serials", "versions"):
        if not isinstance(value, list) or len(value) > MAX_LIST or not all(isinstance(each, str) for each in value):
            raise Invalid(f"a list of at most {MAX_LIST} texts", field=f"effectivity.{key}")
        return tuple(value)
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise Invalid("a text is missing", field=f"effectivity.{key}")
    return value.strip()


def _day(value: Any, name: str) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise Invalid("there is no such day", field=name, value=str(value)) from None


def check_definition(plan: Any, packages: Sequence[Any]) -> Definition:
    """Check all that a plan says that needs no database. Raises Invalid that names the place."""
    _check_words(plan)
    if not 0 <= plan.lead_days <= 730:
        raise Invalid("0 to 730 days", field="lead_days", value=plan.lead_days)
    if not 1 <= plan.horizon_days <= MAX_HORIZON_DAYS:
        raise Invalid("a horizon is at most five years", field="horizon_days", limit=MAX_HORIZON_DAYS)
    if not 0 <= plan.at_minute < 24 * 60:
        raise Invalid("a minute of the day is 0 to 1439", field="at_minute", value=plan.at_minute)
    if not 0 <= plan.near_days <= MAX_NEAR_DAYS:
        raise Invalid(f"0 to {MAX_NEAR_DAYS} days", field="near_days", value=plan.near_days)
    if (plan.starts == "on") != (plan.starts_on is not None):
        raise Invalid('a day belongs to "on", and to it alone', field="starts_on")
    effectivity_of(plan.effectivity)
    for name in ("seasons", "blackouts"):
        if len(getattr(plan, name)) > MAX_SPANS:
            raise Invalid(f"at most {MAX_SPANS}", field=name, limit=MAX_SPANS)
    _check_blackouts(plan.blackouts)
    if plan.shift and plan.scheduling != "fixed":
        raise Invalid("only fixed dates are shifted: floating ones move by the whole difference", field="shift")
    _check_packages(plan, packages)
    return read_definition(plan, packages)


def _check_words(plan: Any) -> None:
    words("code", plan.code, 80)
    if not isinstance(plan.name, Mapping) or not (plan.name.get("en") or plan.name.get("zh")):
        raise Invalid("a plan has a name in English or Chinese", field="name")
    one_of("scheduling", plan.scheduling, SCHEDULING)
    one_of("starts", plan.starts, STARTS)
    one_of("when_missed", plan.when_missed, WHEN_MISSED)
    one_of("priority", plan.priority, PRIORITIES)
    check_when_closed(plan.when_closed)


def _check_blackouts(blackouts: Sequence[Any]) -> None:
    for place, each in enumerate(blackouts):
        name = f"blackouts[{place}]"
        if not isinstance(each, Sequence) or isinstance(each, str) or len(each) != 2:
            raise Invalid("a blackout is two days", field=name)
        if _day(each[1], name) < _day(each[0], name):
            raise Invalid("the end lies before the beginning", field=name)


def _check_packages(plan: Any, packages: Sequence[Any]) -> None:
    if not 1 <= len(packages) <= MAX_PACKAGES:
        raise Invalid(f"a plan has 1 to {MAX_PACKAGES} packages", field="packages", limit=MAX_PACKAGES)
    anchor = datetime.combine(plan.starts_on, time()) if plan.starts_on is not None else ANCHOR
    codes: set[str] = set()
    for place, each in enumerate(packages):
        here = f"packages[{place}]"
        code = words(f"{here}.code", each.code, 40)
        if code in codes or "@" in each.code or "+" in each.code:
            raise Invalid("each package has a code of its own, without @ and +", field=f"{here}.code", value=code)
        codes.add(each.code)
        if not 1 <= each.hierarchy <= 99:
            raise Invalid("a hierarchy is 1 to 99", field=f"{here}.hierarchy", value=each.hierarchy)
        trigger = read_trigger(each.trigger, anchor, path=f"{here}.trigger")
        check_count(each.code, trigger, anchor, plan.horizon_days + plan.near_days)
        if plan.round_id is not None and not isinstance(trigger, Calendar):
            raise Invalid("a round goes by the calendar", field=f"{here}.trigger.kind")
