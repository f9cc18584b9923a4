"""Remind before and after dates: written once each, moved when the date moves, and gone when it is gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.calendars import Calendar, WorkingTime, add_working_time, calendar_of
from assets.base.db import Database
from assets.base.errors import Invalid
from assets.base.ids import uuid7
from gateway.notify.dates import CUSTOM, SOURCES, Dated, dated, dated_now, source_of
from gateway.notify.facts import load_facts
from gateway.notify.hours import zone_name
from gateway.notify.rule_models import NotificationReminder, NotificationRule
from gateway.notify.rules import holds
from gateway.notify.telling import tell

AHEAD = timedelta(days=32)  # so far ahead reminders stand in the table
LATE = timedelta(days=1)  # after a stall what was due so long ago is still told
MAX_EACH = 5_000  # dates of one rule
BATCH = 100
MAX_MINUTES = 2 * 366 * 24 * 60
DAY = 24 * 60
_WORKING_DAY_SHARE = 6  # a working minute may take so many minutes of the clock, weekends and nights included
_LONG_CLOSED = timedelta(days=16)  # and holidays on top


def check_reminder(reminder: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what date a rule follows. Raises Invalid."""
    if not reminder:
        return None
    on = str(reminder.get("on") or "")
    if source_of(on) is None:
        raise Invalid("no such date", field="reminder.on", allowed=[*sorted(SOURCES), f"asset.{CUSTOM}FIELD"])
    minutes = reminder.get("minutes")
    if not isinstance(minutes, int) or isinstance(minutes, bool) or abs(minutes) > MAX_MINUTES:
        raise Invalid("minutes before (negative) or after, at most two years", field="reminder.minutes")
    kept: dict[str, Any] = {"on": on, "minutes": minutes}
    if reminder.get("calendar_id"):
        kept["calendar_id"] = str(UUID(str(reminder["calendar_id"])))
    if reminder.get("clock"):
        try:
            kept["clock"] = time.fromisoformat(str(reminder["clock"])).strftime("%H:%M")
        except ValueError:
            raise Invalid('a clock time such as "08:00"', field="reminder.clock") from None
    kept["time_zone"] = zone_name(reminder.get("time_zone"), "reminder.time_zone")
    return kept


def moment_of(reminder: Mapping[str, Any], at: date | datetime) -> datetime:
    """Return a date as a moment: a day begins at the reminder's clock (08:00) in its zone."""
    if isinstance(at, datetime):
        return at
    clock = time.fromisoformat(reminder.get("clock") or "08:00")
    return datetime.combine(at, clock, ZoneInfo(reminder["time_zone"])).astimezone(UTC)


def due_at(reminder: Mapping[str, Any], at: date | datetime, calendar: WorkingTime | None = None) -> datetime | None:
    """Return when to remind of a date.

    Whole days are days of the zone's calendar, whatever its clocks do; with `clock` at that hour. With a calendar only
    its open time counts; None when it never opens long enough.
    """
    base, minutes = moment_of(reminder, at), int(reminder["minutes"])
    if calendar is not None:
        return _working(calendar, base, minutes)
    if minutes % DAY or (minutes == 0 and not reminder.get("clock")):
        return base + timedelta(minutes=minutes)
    local = base.astimezone(ZoneInfo(reminder["time_zone"]))
    clock = time.fromisoformat(reminder["clock"]) if reminder.get("clock") else local.time()
    day = local.date() + timedelta(days=minutes // DAY)
    return datetime.combine(day, clock, local.tzinfo).astimezone(UTC)


def _working(calendar: WorkingTime, base: datetime, minutes: int) -> datetime | None:
    if minutes >= 0:
        return add_working_time(calendar, base, timedelta(minutes=minutes))
    left = timedelta(minutes=-minutes)
    begin = base - _LONG_CLOSED - left * _WORKING_DAY_SHARE
    spans = []
    for opens, closes in calendar.spans(begin):
        if opens >= base:
            break
        spans.append((max(opens, begin), min(closes, base)))
    last = base  # spans may overlap: no minute counts twice
    for opens, closes in sorted(spans, key=lambda span: span[1], reverse=True):
        end = min(closes, last)
        if opens >= end:
            continue
        if end - opens >= left:
            return end - left
        left -= end - opens
        last = opens
    return None


def keep_all(database: Database, now: datetime) -> int:
    """Bring the reminders of all rules up to their dates, and tell those that are due; return how many were told."""
    with database.as_service() as session:
        rules = session.scalars(
            select(NotificationRule.id)
            .where(NotificationRule.enabled, NotificationRule.reminder.is_not(None))
            .order_by(NotificationRule.id)
        ).all()
    for rule_id in rules:
        with database.as_service() as session:
            follow_dates(session, rule_id, now)
    told = 0
    while True:
        with database.as_service() as session:
            handled, some = tell_due(session, now)
        told += some
        if handled < BATCH:
            return told


def follow_dates(session: Session, rule_id: UUID, now: datetime) -> None:
    """Bring one rule's reminders up to the dates that there are; another worker that does the same is let do it."""
    rule = session.scalar(
        select(NotificationRule).where(NotificationRule.id == rule_id).with_for_update(skip_locked=True)
    )
    if rule is None or not rule.enabled or not rule.reminder:
        return
    calendar = _calendar(session, rule)
    reach = timedelta(minutes=abs(rule.reminder["minutes"])) * (_WORKING_DAY_SHARE if calendar else 1)
    reach += _LONG_CLOSED if calendar else LATE
    found = dated(session, rule.reminder["on"], rule.organisation_id, now - reach - LATE, now + reach + AHEAD, MAX_EACH)
    held = {
        row.subject_id: row
        for row in session.scalars(select(NotificationReminder).where(NotificationReminder.rule_id == rule.id))
    }
    for each in found:
        due = due_at(rule.reminder, each.at, calendar)
        if due is not None and now - LATE <= due <= now + AHEAD:
            _keep(session, rule, held.pop(each.key, None), each, due, now)
        elif each.key in held and held[each.key].state != "waiting":
            held.pop(each.key)
    for row in held.values():
        if row.state == "waiting":
            row.state = "cancelled"


def _keep(
    session: Session,
    rule: NotificationRule,
    row: NotificationReminder | None,
    each: Dated,
    due: datetime,
    now: datetime,
) -> None:
    assert rule.reminder is not None
    at = moment_of(rule.reminder, each.at)
    state = "missed" if _too_late(rule, at, due, now) else "waiting"
    if row is None:
        values = {
            "id": uuid7(),
            "organisation_id": rule.organisation_id,
            "rule_id": rule.id,
            "subject_kind": rule.reminder["on"],
            "subject_id": each.key,
            "date_at": at,
            "due_at": due,
            "state": state,
        }
        session.execute(insert(NotificationReminder).values(values).on_conflict_do_nothing())
    elif row.date_at != at or row.state == "cancelled":
        if row.date_at == at and row.told_at is not None:
            row.state = "told"  # it was away for a while, and has been told of
            return
        row.date_at, row.due_at, row.state, row.told_at = at, due, state, None
    elif row.state == "waiting" and row.due_at != due:
        row.due_at, row.state = due, state


def _too_late(rule: NotificationRule, at: datetime, due: datetime, now: datetime) -> bool:
    """What was due before the rule was made is told to nobody, nor 'tomorrow' after the day."""
    before = rule.reminder is not None and rule.reminder["minutes"] < 0
    return due < max(rule.changed_at, now - LATE) or (before and at <= now)


def tell_due(session: Session, now: datetime) -> tuple[int, int]:
    """Tell what is due, at most one batch; return how many were looked at and how many were told."""
    rows = session.scalars(
        select(NotificationReminder)
        .where(NotificationReminder.state == "waiting", NotificationReminder.due_at <= now)
        .order_by(NotificationReminder.due_at, NotificationReminder.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    return len(rows), sum(_tell(session, row, now) for row in rows)


def _tell(session: Session, row: NotificationReminder, now: datetime) -> bool:
    rule = session.get_one(NotificationRule, row.rule_id)
    each = dated_now(session, row.subject_kind, row.subject_id) if rule.enabled and rule.reminder else None
    if each is None or rule.reminder is None:
        row.state = "cancelled"
        return False
    at = moment_of(rule.reminder, each.at)
    if at != row.date_at:  # it moved between two looks: the next one writes when it is due
        row.date_at, row.due_at = at, due_at(rule.reminder, each.at, _calendar(session, rule)) or at
        return False
    if rule.reminder["minutes"] < 0 and at <= now:
        row.state = "missed"
        return False
    row.state, row.told_at = "told", now
    facts = load_facts(
        session,
        kind=f"reminder.{row.subject_kind}",
        subject_kind=each.subject_kind,
        subject_id=each.subject_id,
        organisation_id=each.organisation_id,
        executor_id=each.executor_id,
        asset_id=each.asset_id,
        payload=each.payload,
    )
    facts.date_at = at
    if holds(rule.conditions, facts.about):
        tell(session, rule, facts, f"reminder:{rule.id}:{row.subject_id}:{at.isoformat()}", None, now)
    return True


def _calendar(session: Session, rule: NotificationRule) -> WorkingTime | None:
    key = (rule.reminder or {}).get("calendar_id")
    row = session.get(Calendar, UUID(key)) if key else None
    return calendar_of(row) if row is not None else None
