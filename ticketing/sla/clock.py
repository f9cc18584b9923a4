"""What a service level's clock shows at a moment, from nothing but what happened, a target and a calendar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from assets.base.open_time import OpenTime

What = Literal["start", "stop", "reopen", "cancel", "pause", "resume"]

AT_RISK = 80  # percent
MEANWHILE = "done"  # between an end and its reopening nobody was waiting; it pauses every clock
_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that happened to a clock. `key` names the pause that is begun or ended, so that pauses may overlap."""

    at: datetime
    what: What
    reason: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """How long the clock may run, and which reasons pause it."""

    amount: timedelta
    pausing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time with the reason that pauses the clock in it; no `end`: until somebody ends it."""

    start: datetime
    end: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class ClockState:
    """What a clock shows.

    used + paused + outside (the calendar's hours) is the time since `started_at`, to now or to `finished_at`.
    `due_at` of a paused clock is as if it went on now; None when the calendar never opens long enough. `breached_at`:
    when the target was used up, None as long as it is not.
    """

    state: Literal["running", "at_risk", "breached", "paused", "met", "missed", "cancelled"]
    started_at: datetime
    due_at: datetime | None
    breached_at: datetime | None
    finished_at: datetime | None
    used: timedelta
    paused: timedelta
    outside: timedelta
    left: timedelta
    percent: float
    is_paused: bool


class Course:
    """The course of one clock: from when to when it ran, and where it was paused."""

    def __init__(self, marks: Iterable[Mark], target: Target, calendar: OpenTime) -> None:
        self.target, self._calendar = target, calendar
        # What is of one moment keeps the order in which it was told.
        ordered = sorted(marks, key=lambda mark: mark.at)
        started = [mark.at for mark in ordered if mark.what == "start"]
        self.started_at = started[0] if started else None
        self.finished_at: datetime | None = None
        self.cancelled = False
        self.stretches: list[Stretch] = []
        if self.started_at is not None:
            self._read(ordered)

    def _read(self, ordered: Sequence[Mark]) -> None:
        standing: dict[str, Mark] = {}
        for mark in ordered:
            if self.cancelled:
                break
            if mark.what == "stop" and self.finished_at is None:
                self.finished_at = mark.at
            elif mark.what == "cancel":
                # What was done already stays done.
                self.cancelled = self.finished_at is None
                self.finished_at = self.finished_at or mark.at
            elif mark.what == "reopen" and self.finished_at is not None:
                self.stretches.append(Stretch(self.finished_at, mark.at, MEANWHILE))
                self.finished_at = None
            elif mark.what in ("pause", "resume"):
                begun = standing.pop(mark.key, None)
                if begun is not None:
                    self.stretches.append(Stretch(begun.at, mark.at, begun.reason))
                if mark.what == "pause":
                    standing[mark.key] = mark
        self.stretches += [Stretch(mark.at, None, mark.reason) for mark in standing.values()]
        self.stretches.sort(key=lambda each: (each.start, each.reason, each.end is None, each.end or each.start))

    def pauses(self) -> list[Stretch]:
        """Return the stretches that pause this clock, as they were told; they may overlap."""
        return [each for each in self.stretches if each.reason == MEANWHILE or each.reason in self.target.pausing]

    def gaps(self, until: datetime, open_end: datetime | None = None) -> list[tuple[datetime, datetime]]:
        """Return when the clock was paused, between its start and `until`: apart from each other, in order.

        Pauses without an end are taken to end at `open_end` (left out: at `until`).
        """
        assert self.started_at is not None
        merged: list[tuple[datetime, datetime]] = []
        for each in self.pauses():
            start, end = max(each.start, self.started_at), min(each.end or open_end or until, until)
            if end <= start:
                continue
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def used(self, until: datetime) -> tuple[timedelta, timedelta]:
        """Return the open time that ran, and the open time that was paused, from the start to a moment."""
        assert self.started_at is not None
        whole = self._calendar.between(self.started_at, until)
        paused = sum((self._calendar.between(start, end) for start, end in self.gaps(until)), _ZERO)
        return whole - paused, paused

    def moment(self, amount: timedelta, now: datetime) -> datetime | None:
        """Return when the clock has used, or will have used, so much; pauses without an end are taken to end now."""
        assert self.started_at is not None
        begin, left = self.started_at, amount
        known = max([now, *(each.end for each in self.stretches if each.end is not None)])
        for start, end in self.gaps(known, now):
            room = self._calendar.between(begin, start)
            if room >= left:
                break
            begin, left = end, left - room
        return self._calendar.after(begin, left)

    def reached(self, amount: timedelta, now: datetime) -> datetime | None:
        """Return when so much was used up, or will be if nothing else happens; None when that cannot be told.

        It cannot while a pause stands of which nobody knows the end, nor after the clock has ended with less.
        """
        until = now if self.finished_at is None else max(min(self.finished_at, now), self.started_at or now)
        if self.used(until)[0] >= amount:
            return self.moment(amount, now)
        waits = any(each.end is None and each.start <= now for each in self.pauses())
        return None if waits or self.finished_at is not None else self.moment(amount, now)

    def is_paused(self, now: datetime) -> bool:
        """Return whether something pauses the clock at a moment, open or not."""
        return any(each.start <= now and (each.end is None or now < each.end) for each in self.pauses())


def clock(events: Iterable[Mark], target: Target, calendar: OpenTime, now: datetime) -> ClockState | None:
    """Return what a clock shows now; None when it has not started. Pure: the same events give the same answer."""
    return state_of(Course(events, target, calendar), now)


def state_of(course: Course, now: datetime) -> ClockState | None:
    """Return what the clock of a course shows now."""
    started = course.started_at
    if started is None or started > now:
        return None
    finished = course.finished_at if course.finished_at is not None and course.finished_at <= now else None
    until = max(finished or now, started)
    used, paused = course.used(until)
    amount = course.target.amount
    is_paused = finished is None and course.is_paused(now)
    over = used >= amount if finished is None else used > amount
    due = course.moment(amount, now)
    percent = 100.0 * (used / amount)
    return ClockState(
        state=_word(course, finished is not None, over, is_paused, percent),
        started_at=started,
        due_at=due,
        breached_at=due if over else None,
        finished_at=finished,
        used=used,
        paused=paused,
        outside=(until - started) - used - paused,
        left=amount - used,
        percent=percent,
        is_paused=is_paused,
    )


def _word(
    course: Course, finished: bool, over: bool, is_paused: bool, percent: float
) -> Literal["running", "at_risk", "breached", "paused", "met", "missed", "cancelled"]:
    if finished:
        return "cancelled" if course.cancelled else "missed" if over else "met"
    if over:
        return "breached"
    if is_paused:
        return "paused"
    return "at_risk" if percent >= AT_RISK else "running"
