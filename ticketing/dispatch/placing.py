"""From a plan to the hours of visits: what keeps its own, and what the database would not take. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ticketing.dispatch.loading import Loaded
from ticketing.dispatch.plan import Plan
from ticketing.dispatch.reading import Job
from ticketing.dispatch.timing import settled


@dataclass(frozen=True, slots=True)
class Place:
    """Who does a visit, and when."""

    technician_id: UUID
    start: datetime
    end: datetime
    travel_minutes: int | None
    position: int | None


Hours = tuple[UUID, datetime, datetime]


def place_all(loaded: Loaded, plan: Plan) -> dict[str, Place]:
    """Return where and when the visits of a plan are, so that all of them can be written.

    What the plan would put into hours that are taken stays as it was, and without hours when it had none: the referee
    counts what is left of begun work, the database its planned hours.
    """
    placed = _placed(loaded, plan)
    standing = {
        job.id: (job.technician_id, job.planned_start, job.planned_end)
        for job in (*loaded.jobs.values(), *loaded.untouched)
        if job.technician_id is not None and job.planned_start is not None and job.planned_end is not None
    }
    wanted: dict[str, Hours | None] = {}
    for key, job in loaded.jobs.items():
        place = placed.get(key)
        if changes(loaded, job, place):
            wanted[key] = (place.technician_id, place.start, place.end) if place is not None else None
    for key in refused(standing, wanted):
        if (hours := standing.get(key)) is None:
            placed.pop(key, None)
        else:
            placed[key] = Place(*hours, None, None)
    return placed


def changes(loaded: Loaded, job: Job, place: Place | None) -> bool:
    """Return whether somebody has to be told. What is under way, late or pinned never changes."""
    if job.begun or (job.planned_start is not None and job.stands(loaded.days.now)):
        return False
    if place is None:
        return job.visit_id is not None and job.planned_start is not None
    return (place.technician_id, place.start, place.end) != (job.technician_id, job.planned_start, job.planned_end)


def refused(standing: Mapping[str, Hours], wanted: Mapping[str, Hours | None]) -> set[str]:
    """Return which of the wanted hours have to be given up so that nobody is in two places.

    `standing` are all hours as they are; None in `wanted` ends some. New ones go first, then the later ones; with
    nothing wanted at all there is what is there, so this ends.
    """
    left = dict(wanted)
    gone: set[str] = set()
    while True:
        after = {key: hours for key, hours in standing.items() if key not in left}
        after |= {key: hours for key, hours in left.items() if hours is not None}
        clash = _clash(after, left)
        if clash is None:
            return gone
        worse = max((key for key in clash if key in left), key=lambda key: (key not in standing, after[key][1], key))
        gone.add(worse)
        del left[worse]


def _clash(after: Mapping[str, Hours], wanted: Mapping[str, Hours | None]) -> tuple[str, str] | None:
    """Return two visits of one person that overlap, at least one of them wanted."""
    last: dict[UUID, list[str]] = {}
    for key, (person, start, _) in sorted(after.items(), key=lambda each: each[1][1]):
        open_ones = [other for other in last.get(person, ()) if after[other][2] > start]
        for other in open_ones:
            if key in wanted or other in wanted:
                return other, key
        last[person] = [*open_ones, key]
    return None


def _placed(loaded: Loaded, plan: Plan) -> dict[str, Place]:
    days = loaded.days
    starts = {
        key: days.seconds(job.planned_start)
        for key, job in loaded.jobs.items()
        if job.planned_start is not None and job.planned_start >= days.now
    }
    # Only who stays with the same person on the same day keeps the hour.
    same = {key: value for key, value in starts.items() if loaded.current.shift_of.get(key) == plan.shift_of.get(key)}
    found: dict[str, Place] = {}
    for shift_id, drive in settled(loaded.problem, plan, same).items():
        person = UUID(loaded.problem.shift_by_id[shift_id].technician)
        free = days.now - timedelta(days=366)
        for position, stop in enumerate(drive.stops):
            job = loaded.jobs[stop.visit]
            start, travel = days.moment(stop.start), round(stop.travel_seconds / 60)
            if job.stands(days.now) and job.planned_start is not None and job.planned_end is not None:
                found[stop.visit] = Place(person, job.planned_start, job.planned_end, travel, position)
                free = max(free, job.planned_end)
                continue
            if stop.visit in same and stop.start == same[stop.visit] and job.planned_start is not None:
                start = job.planned_start
            # The solver counts whole seconds: what was planned at a fraction of one ends a little later than it thinks.
            start = max(start, free)
            free = end = start + timedelta(seconds=job.seconds)
            found[stop.visit] = Place(person, start, end, travel, position)
    return found
