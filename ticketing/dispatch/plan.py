"""The referee: drive a plan through its day, name what it breaks and say what it costs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ticketing.dispatch.driving import Drive, Stop, drive_route
from ticketing.dispatch.problem import Problem, Shift, Visit

VIOLATIONS = (
    "skill",  # the technician lacks a skill or its level
    "not_allowed",  # not one of those who may go there
    "window",  # work begins after the last window
    "lunch",  # lunch ends after its window
    "shift",  # home after the shift's end
    "overtime",  # home after the last moment of overtime
    "duration",  # longer on the road than the shift may last
    "parts",  # more parts than the van carries
    "pinned",  # a pinned visit elsewhere, later, or left out
    "twice",  # one visit in two places
    "together",  # a group torn, or one technician twice in it
    "sequence",  # before or too long after the visit it follows
    "unknown_visit",
    "unknown_shift",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who visits what, in which order; everything else follows from driving it."""

    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def shift_of(self) -> dict[str, str]:
        """Return the shift of every visit in the plan."""
        return {visit: shift for shift, visits in self.routes.items() for visit in visits}


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a plan breaks; `code` is one of VIOLATIONS."""

    code: str
    shift: str = ""
    visit: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Checked:
    """A plan after the referee: cost by parts, violations, and the times of every stop."""

    plan: Plan
    cost: float
    parts: dict[str, float]
    violations: tuple[Violation, ...]
    drives: dict[str, Drive]
    unassigned: tuple[str, ...]

    @property
    def stops(self) -> dict[str, tuple[Stop, ...]]:
        """Return the timed stops of every shift."""
        return {shift: drive.stops for shift, drive in self.drives.items()}

    @property
    def lunches(self) -> dict[str, tuple[int, int]]:
        """Return when each shift that has lunch has it."""
        return {shift: drive.lunch for shift, drive in self.drives.items() if drive.lunch is not None}

    @property
    def rank(self) -> tuple[int, float]:
        """Return what plans are ordered by: fewer violations first, then less cost."""
        return len(self.violations), self.cost


def check(problem: Problem, plan: Plan, current: Plan | None = None) -> Checked:
    """Return the plan's times, cost and violations; `current` is the plan that is in force, if there is one."""
    violations: list[Violation] = []
    routes = _known_routes(problem, plan, violations)
    served = {visit.id for visits in routes.values() for visit in visits}
    violations += _fitness(problem, routes)
    violations += _parts_short(problem, routes)
    violations += _promises(problem, routes, served)
    drives, timing = _drive_all(problem, routes)
    violations += timing
    parts = _cost_parts(problem, routes, drives, served, current)
    unassigned = tuple(each.id for each in problem.visits if each.id not in served)
    return Checked(plan, round(sum(parts.values()), 6), parts, tuple(violations), drives, unassigned)


def _known_routes(problem: Problem, plan: Plan, violations: list[Violation]) -> dict[str, list[Visit]]:
    seen: set[str] = set()
    routes: dict[str, list[Visit]] = {}
    for shift, visits in plan.routes.items():
        if shift not in problem.shift_by_id:
            violations.append(Violation("unknown_shift", shift))
            continue
        kept = routes.setdefault(shift, [])
        for visit in visits:
            if visit not in problem.visit_by_id:
                violations.append(Violation("unknown_visit", shift, visit))
            elif visit in seen:
                violations.append(Violation("twice", shift, visit))
            else:
                seen.add(visit)
                kept.append(problem.visit_by_id[visit])
    return routes


def unfit(problem: Problem, shift: Shift, visit: Visit) -> Violation | None:
    """Return why this technician may not do this visit at any time, or None."""
    technician = problem.technician_by_id[shift.technician]
    if visit.started_at is not None and visit.pinned_to == shift.id:
        return None
    for skill, level in visit.skills.items():
        if technician.skills.get(skill, 0) < level:
            return Violation("skill", shift.id, visit.id, f"{skill} {technician.skills.get(skill, 0)} < {level}")
    if visit.allowed is not None and technician.id not in visit.allowed:
        return Violation("not_allowed", shift.id, visit.id, technician.id)
    if visit.pinned_to is not None and visit.pinned_to != shift.id:
        return Violation("pinned", shift.id, visit.id, f"belongs to {visit.pinned_to}")
    return None


def _fitness(problem: Problem, routes: Mapping[str, Sequence[Visit]]) -> Iterable[Violation]:
    for shift, visits in routes.items():
        for visit in visits:
            if (found := unfit(problem, problem.shift_by_id[shift], visit)) is not None:
                yield found


def _parts_short(problem: Problem, routes: Mapping[str, Sequence[Visit]]) -> Iterable[Violation]:
    used: dict[str, Counter[str]] = defaultdict(Counter)
    for shift, visits in routes.items():
        technician = problem.technician_by_id[problem.shift_by_id[shift].technician]
        for visit in visits:
            for part, quantity in visit.parts.items():
                used[technician.id][part] += quantity
                if used[technician.id][part] > technician.parts.get(part, 0):
                    detail = f"{part}: {used[technician.id][part]} > {technician.parts.get(part, 0)}"
                    yield Violation("parts", shift, visit.id, detail)


def _promises(problem: Problem, routes: Mapping[str, Sequence[Visit]], served: set[str]) -> Iterable[Violation]:
    """Yield what is pinned and left out, groups that are torn, visits whose predecessor nobody does."""
    for visit in problem.visits:
        if visit.fixed and visit.id not in served:
            yield Violation("pinned", visit.pinned_to or "", visit.id, "left out")
        if visit.after is not None and visit.id in served and visit.after not in served:
            yield Violation("sequence", "", visit.id, f"{visit.after} is not planned")
    members = groups(problem)
    technician_of = {v.id: problem.shift_by_id[s].technician for s, visits in routes.items() for v in visits}
    for group, visits in members.items():
        there = [each.id for each in visits if each.id in served]
        if there and len(there) < len(visits):
            yield Violation("together", "", there[0], f"{group}: {len(there)} of {len(visits)}")
        if len({technician_of[each] for each in there}) < len(there):
            yield Violation("together", "", there[0], f"{group}: one technician twice")


def groups(problem: Problem) -> dict[str, list[Visit]]:
    """Return the visits that have to begin together, by group."""
    found: dict[str, list[Visit]] = {}
    for visit in problem.visits:
        if visit.together is not None:
            found.setdefault(visit.together, []).append(visit)
    return found


def _drive_all(problem: Problem, routes: Mapping[str, Sequence[Visit]]) -> tuple[dict[str, Drive], list[Violation]]:
    """Drive every route; visits that wait for another route are driven again until nobody has to wait longer."""
    linked = {each.id for visits in routes.values() for each in visits if each.linked}
    release: dict[str, int] = {}
    drives = {shift: drive_route(problem, shift, visits, release) for shift, visits in routes.items()}
    settled = not linked
    for _ in range(2 * len(linked) + 1):
        later = _later_releases(problem, drives, linked, release)
        if not later:
            settled = True
            break
        release.update(later)
        for shift, visits in routes.items():
            if any(each.id in later for each in visits):
                drives[shift] = drive_route(problem, shift, visits, release)
    violations = [
        Violation(breach.code, shift, breach.visit, breach.detail)
        for shift, drive in drives.items()
        for breach in drive.breaches
    ]
    if not settled:
        violations.append(Violation("sequence", "", min(linked), "visits wait for each other for ever"))
    stops = {stop.visit: stop for drive in drives.values() for stop in drive.stops}
    for visit in (problem.visit_by_id[each] for each in sorted(linked)):
        before = stops.get(visit.after or "")
        if before is not None and visit.gap_max is not None and stops[visit.id].start > before.finish + visit.gap_max:
            violations.append(Violation("sequence", "", visit.id, f"later than {visit.gap_max} s after {visit.after}"))
    return drives, violations


def _later_releases(
    problem: Problem, drives: Mapping[str, Drive], linked: set[str], release: Mapping[str, int]
) -> dict[str, int]:
    stops = {stop.visit: stop for drive in drives.values() for stop in drive.stops}
    latest: dict[str, int] = {}
    for visit_id in linked:
        visit = problem.visit_by_id[visit_id]
        if visit.together is not None:
            latest[visit.together] = max(latest.get(visit.together, 0), stops[visit_id].start)
    later: dict[str, int] = {}
    for visit_id in linked:
        visit = problem.visit_by_id[visit_id]
        wanted = latest.get(visit.together, 0) if visit.together is not None else 0
        if visit.after in stops:
            wanted = max(wanted, stops[visit.after].finish + visit.gap_min)
        if wanted > max(release.get(visit_id, 0), stops[visit_id].start):
            later[visit_id] = wanted
    return later


def _cost_parts(
    problem: Problem,
    routes: Mapping[str, Sequence[Visit]],
    drives: Mapping[str, Drive],
    served: set[str],
    current: Plan | None,
) -> dict[str, float]:
    parts = dict.fromkeys(("travel", "unserved", "overtime", "lateness", "moved", "preference"), 0.0)
    before = current.shift_of if current is not None else {}
    for shift_id, visits in routes.items():
        shift, drive = problem.shift_by_id[shift_id], drives[shift_id]
        technician = problem.technician_by_id[shift.technician]
        parts["travel"] += drive.travel_seconds * technician.rate / problem.seconds_per_cost
        parts["overtime"] += drive.overtime_seconds * shift.overtime_per_hour / 3600
        for visit, stop in zip(visits, drive.stops, strict=True):
            if visit.due is not None:
                parts["lateness"] += max(0, stop.start - visit.due) * visit.late_per_hour / 3600
            parts["preference"] += dislike(problem, shift, visit)
            if before.get(visit.id, shift_id) != shift_id:
                parts["moved"] += problem.weights.moved
    for visit in problem.visits:
        if visit.id not in served:
            parts["unserved"] += visit.unserved_cost
            if visit.id in before:
                parts["moved"] += problem.weights.moved
    return parts


def dislike(problem: Problem, shift: Shift, visit: Visit) -> float:
    """Return what it costs that this technician does this visit, wherever and whenever."""
    weights, cost = problem.weights, 0.0
    if visit.preferred is not None and visit.preferred != shift.technician:
        cost += weights.not_preferred
    if weights.per_level_over:
        skills = problem.technician_by_id[shift.technician].skills
        cost += weights.per_level_over * sum(max(0, skills.get(s, 0) - level) for s, level in visit.skills.items())
    return cost
