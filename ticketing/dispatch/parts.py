"""Smaller problems out of a large one: some shifts, some visits, and only the places they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Problem, Shift, Visit

SHIFTS_TOGETHER = 24  # shifts of one part
VISITS_PER_SHIFT = 24  # visits worth considering for one shift: about three times what one can do
MOST_VISITS = 600  # of one part: what a search handles in seconds


def restricted(problem: Problem, shifts: Iterable[str], visits: Iterable[str]) -> Problem:
    """Return a problem of some shifts and visits, with a matrix of its own."""
    wanted_shifts = [problem.shift_by_id[each] for each in shifts]
    wanted_visits = [problem.visit_by_id[each] for each in visits]
    places = sorted(
        {p for s in wanted_shifts for p in (s.home, s.finish) if p is not None} | {v.place for v in wanted_visits}
    )
    number = {place: new for new, place in enumerate(places)}
    technicians = list(dict.fromkeys(each.technician for each in wanted_shifts))
    known = {each.id for each in wanted_visits}
    return replace(
        problem,
        places=[problem.places[each] for each in places] if problem.places else (),
        technicians=[problem.technician_by_id[each] for each in technicians],
        shifts=[_moved(each, number) for each in wanted_shifts],
        visits=[
            replace(each, place=number[each.place], after=each.after if each.after in known else None)
            for each in wanted_visits
        ],
        matrix=problem.between(places, places) if places else np.zeros((0, 0), dtype=np.int64),
    )


def _moved(shift: Shift, number: Mapping[int, int]) -> Shift:
    return replace(
        shift,
        home=number[shift.home] if shift.home is not None else None,
        finish=number[shift.finish] if shift.finish is not None else None,
    )


def split(problem: Problem, current: Plan | None) -> list[Problem]:
    """Return parts of a large problem: shifts that lie together, with the visits nearest to them that are worth most.

    Visits beyond what a part can do in any case are in none; so the work is bounded whatever the number of visits.
    """
    groups = _shift_groups(problem)
    group_of = {shift.id: number for number, group in enumerate(groups) for shift in group}
    visits: list[list[Visit]] = [[] for _ in groups]
    nearest = _nearest_groups(problem, groups)
    planned = current.shift_of if current is not None else {}
    together: dict[str, int] = {}
    for number, visit in enumerate(problem.visits):
        at = group_of.get(visit.pinned_to or planned.get(visit.id, ""))
        link = visit.together or visit.after
        if at is None:
            at = together.get(link, nearest[number]) if link is not None else nearest[number]
        if at < 0:
            continue
        if link is not None:
            together.setdefault(link, at)
        together.setdefault(visit.id, at)
        visits[at].append(visit)
    return [
        restricted(problem, [s.id for s in group], [v.id for v in _worth_most(problem, group, mine, planned)])
        for group, mine in zip(groups, visits, strict=True)
    ]


def _shift_groups(problem: Problem) -> list[list[Shift]]:
    """Return shifts in groups that lie together, halved across the longer side; a technician stays whole."""
    by_technician: dict[str, list[Shift]] = {}
    for shift in problem.shifts:
        by_technician.setdefault(shift.technician, []).append(shift)
    teams = list(by_technician.values())
    if not problem.places:  # a matrix alone has no map: in the order given
        size = max(1, SHIFTS_TOGETHER // max(1, max(map(len, teams), default=1)))
        return [[s for team in teams[n : n + size] for s in team] for n in range(0, len(teams), size)]
    found: list[list[Shift]] = []
    waiting = [teams]
    while waiting:
        group = waiting.pop()
        if len(group) <= 1 or sum(map(len, group)) <= SHIFTS_TOGETHER:
            if group:
                found.append([shift for team in group for shift in team])
            continue
        points = [_point(problem, team[0]) for team in group]
        spread = [max(p[axis] for p in points) - min(p[axis] for p in points) for axis in (0, 1)]
        axis = 0 if spread[0] >= spread[1] else 1
        ordered = [
            team for _, _, team in sorted((p[axis], n, t) for n, (p, t) in enumerate(zip(points, group, strict=True)))
        ]
        waiting += [ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]]
    return found


def _point(problem: Problem, shift: Shift) -> tuple[float, float]:
    if shift.home is None:
        return (0.0, 0.0)
    place = problem.places[shift.home]
    return place.lat, place.lon


def _nearest_groups(problem: Problem, groups: list[list[Shift]]) -> list[int]:
    """Return for every visit the group with the nearest technician who may do it; -1 when nobody may."""
    from ticketing.dispatch.indexed import fitting_shifts

    place_of = sorted({v.place for v in problem.visits})
    row = {place: number for number, place in enumerate(place_of)}
    homes = [shift for group in groups for shift in group]
    group_of = [number for number, group in enumerate(groups) for _ in group]
    column = {shift.id: number for number, shift in enumerate(homes)}
    far = np.zeros((len(place_of), len(homes)), dtype=np.int64)
    for number, shift in enumerate(homes):
        if shift.home is not None:
            far[:, number] = problem.between([shift.home], place_of)[0]
    homeless = [number for number, shift in enumerate(homes) if shift.home is None]
    if homeless and len(homeless) < len(homes):  # without a home one is neither near nor far
        far[:, homeless] = np.median(np.delete(far, homeless, axis=1), axis=1).astype(np.int64)[:, None]
    nearest = []
    known: dict[int, list[int]] = {}  # the lists of fitting shifts are shared between visits of a kind
    for visit, ways in zip(problem.visits, fitting_shifts(problem), strict=True):
        columns = known.get(id(ways))
        if columns is None:
            columns = known[id(ways)] = [column[problem.shifts[way].id] for way in ways]
        nearest.append(group_of[columns[int(far[row[visit.place], columns].argmin())]] if columns else -1)
    return nearest


def _worth_most(problem: Problem, shifts: list[Shift], visits: list[Visit], planned: Mapping[str, str]) -> list[Visit]:
    """Return the visits of a part worth considering: pinned and planned ones, then by price for the time they take."""
    most = min(MOST_VISITS, VISITS_PER_SHIFT * len(shifts))
    if len(visits) <= most:
        return visits
    homes = [shift.home for shift in shifts if shift.home is not None]
    roads = [0] * len(visits)
    if homes:
        roads = problem.between(homes, [each.place for each in visits]).min(axis=0).tolist()

    def worth(number: int) -> tuple[bool, float]:
        visit = visits[number]
        kept = visit.fixed or visit.id in planned
        return not kept, -visit.unserved_cost / (visit.seconds + 0.5 * roads[number] + 60)

    return [visits[number] for number in sorted(range(len(visits)), key=worth)[:most]]
