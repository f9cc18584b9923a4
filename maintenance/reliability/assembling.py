"""Put a machine's life together out of its states, the work on it and its silences: what was a failure; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from maintenance.reliability.lives import FAILURE, PLANNED, UNSEEN, Life, Stop

FAILED = frozenset({"confirmed", "wrong_mode"})  # outcomes that say: it had failed
CORRECTIVE = frozenset({"finding", "request", "manual"})
# Why a machine stood still that had not failed; any other reason, or none, is a failure until planned work explains it.
NO_FAILURE = frozenset({"planned_maintenance", "changeover", "no_supply", "no_demand", "other"})
AT_WORK = frozenset({"installed", "commissioned", "in_service"})
ENDED = frozenset({"retired", "scrapped"})


@dataclass(frozen=True, slots=True)
class State:
    """A stretch of one axis of states."""

    id: UUID
    state: str
    reason: str | None
    begin: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Work:
    """An order on the machine itself. `noticed`: since when it was known; `begin` None: nobody began."""

    id: UUID
    number: str
    origin: str
    outcome: str | None
    mode: str | None
    noticed: datetime
    begin: datetime | None
    end: datetime | None
    work_h: float | None = None
    components: tuple[str, ...] = ()

    @property
    def repaired(self) -> bool:
        """Whether it repaired a failure: corrective, and its outcome says so."""
        return self.origin in CORRECTIVE and self.outcome in FAILED


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody heard the machine."""

    id: UUID
    begin: datetime
    end: datetime | None


@dataclass(slots=True)
class Known:
    """All that is known of one machine, in any order."""

    asset_id: UUID
    created_at: datetime
    installed_at: datetime | None = None
    lifecycle: list[State] = field(default_factory=list)
    operation: list[State] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)


@dataclass(slots=True)
class Assembled:
    """A life, the orders behind each failure by its beginning, and what was left out and why."""

    life: Life
    orders: dict[datetime, tuple[Work, ...]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Open:
    begin: datetime
    end: datetime | None
    evidence: list[tuple[str, str]]
    works: list[Work]


def assemble(known: Known) -> Assembled | None:
    """Return the life of a machine; None when it never came to work.

    Each stretch down is a failure unless its reason or the work in it says that it was planned. An order that repaired
    a failure belongs to the one that lasted between its notice and its end, however late the repair; where none was
    recorded its own work is the failure. Any other work is a stop that is no failure.
    """
    span = in_service(known)
    if span is None:
        return None
    begin, end = span
    found = Assembled(Life(known.asset_id, begin, end))
    failures, stops = _downs(known)
    for work in sorted(known.works, key=lambda each: (each.begin or each.noticed, str(each.id))):
        stop = _worked(work, failures, found.left_out)
        if stop is not None:
            stops.append(stop)
    for failure in _merged(failures):
        modes = [work.mode for work in failure.works if work.repaired and work.mode]
        modes += [work.mode for work in failure.works if work.mode]
        mode, evidence = next(iter(modes), None), tuple(dict.fromkeys(failure.evidence))
        stops.append(Stop(failure.begin, failure.end, FAILURE, mode, evidence))
        found.orders[failure.begin] = tuple(dict.fromkeys(failure.works))
    stops += [Stop(each.begin, each.end, UNSEEN, None, (("finding", str(each.id)),)) for each in known.silences]
    stops += [
        Stop(row.begin, row.end, UNSEEN, None, (("state", str(row.id)),))
        for row in known.lifecycle
        if row.state not in AT_WORK | ENDED and row.begin >= begin
    ]
    found.life = Life(known.asset_id, begin, end, tuple(sorted(stops, key=lambda stop: (stop.start, stop.kind))))
    return found


def in_service(known: Known) -> tuple[datetime, datetime | None] | None:
    """Return from when to when it was exposed: commissioned, else installed, else known; until it was retired.

    None when it never came to work.
    """
    rows = sorted(known.lifecycle, key=lambda row: row.begin)
    if not rows:
        return known.installed_at or known.created_at, None
    first = next((row for row in rows if row.state in ("commissioned", "in_service")), None)
    first = first or next((row for row in rows if row.state == "installed"), None)
    ended = rows[-1].begin if rows[-1].state in ENDED else None
    if first is None:
        # Recorded only as it went: it worked from when it was installed.
        return (known.installed_at, ended) if ended and known.installed_at and known.installed_at < ended else None
    begin = first.begin
    if first is rows[0] and known.installed_at is not None:
        begin = min(begin, known.installed_at)
    return begin, ended


def _downs(known: Known) -> tuple[list[_Open], list[Stop]]:
    """Return stretches down as failures and as other stops; those that touch under one kind belong together."""
    failures: list[_Open] = []
    stops: list[Stop] = []
    for row in known.operation:
        if row.state != "down":
            continue
        if row.reason in NO_FAILURE or (row.reason in (None, "unknown") and _explained(row, known.works)):
            stops.append(Stop(row.begin, row.end, PLANNED, None, (("state", str(row.id)),)))
        else:
            failures.append(_Open(row.begin, row.end, [("state", str(row.id))], []))
    return _merged(failures), stops


def _explained(row: State, works: Iterable[Work]) -> bool:
    """Whether nothing but planned work was done on it while it was down."""
    worked = [each for each in works if each.begin is not None and each.outcome != "no_fault_found"]
    during = [each for each in worked if each.begin and _meet(each.begin, each.end, row.begin, row.end)]
    planned = [work for work in during if work.origin not in CORRECTIVE or work.outcome in ("planned", "prevented")]
    return bool(during) and len(planned) == len(during)


def _worked(work: Work, failures: list[_Open], left_out: Counter[str]) -> Stop | None:
    """Add an order to the failure that it repaired, or make it one; return its own stop where it is none."""
    own = None
    if work.begin is not None:
        own = Stop(work.begin, work.end, PLANNED, None, (("work_order", str(work.id)),))
    if not work.repaired:
        if work.origin in CORRECTIVE:
            left_out[work.outcome or "not_decided"] += 1
            about = _about(work, failures) if work.outcome is None else []
            for failure in about[-1:]:
                failure.evidence.append(("work_order", str(work.id)))
                failure.works.append(work)
        return own
    about = _about(work, failures)
    if about:
        about[-1].evidence.append(("work_order", str(work.id)))
        about[-1].works.append(work)
        return own
    if work.begin is None:
        left_out["work_not_recorded"] += 1
        return None
    failures.append(_Open(work.begin, work.end, [("work_order", str(work.id))], [work]))
    return None


def _about(work: Work, failures: Sequence[_Open]) -> list[_Open]:
    """Return the failures that lasted at some moment from when it was noticed until the work was done, oldest first."""
    begin = min(work.noticed, work.begin or work.noticed)
    return sorted(
        (each for each in failures if _meet(begin, work.end, each.begin, each.end)), key=lambda each: each.begin
    )


def _meet(begin: datetime, end: datetime | None, other_begin: datetime, other_end: datetime | None) -> bool:
    return (other_end is None or begin <= other_end) and (end is None or other_begin <= end)


def _merged(failures: Iterable[_Open]) -> list[_Open]:
    """Failures that overlap or touch are one."""
    found: list[_Open] = []
    for each in sorted(failures, key=lambda one: one.begin):
        last = found[-1] if found else None
        if last is not None and (last.end is None or each.begin <= last.end):
            last.end = None if last.end is None or each.end is None else max(last.end, each.end)
            last.evidence += each.evidence
            last.works += each.works
        else:
            found.append(_Open(each.begin, each.end, list(each.evidence), list(each.works)))
    return found
