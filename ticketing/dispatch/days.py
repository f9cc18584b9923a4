"""Days of our own making, the same for the same seed: every rule of the referee occurs in some of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Lunch, Place, Problem, Shift, Technician, Visit

SKILLS = ("electrical", "hydraulic", "controls", "cooling", "mechanical")
PARTS = ("filter", "seal", "board")
HOUR = 3600
PRICES = (60.0, 200.0, 800.0)  # minutes of driving a visit left out costs, by priority


@dataclass(frozen=True, slots=True)
class Size:
    """How large a day is; None: as the seed says."""

    visits: int | None = None
    technicians: int | None = None
    days: int | None = None


def generated_day(seed: int, size: Size = Size()) -> Problem:
    """Return a day (now and then two or three days) of visits around a town; times are seconds after its midnight."""
    chance = random.Random(f"day {seed}")
    people = size.technicians or chance.randint(3, 10)
    days = size.days or chance.choice((1, 1, 1, 1, 2, 3))
    count = size.visits or round(people * days * chance.uniform(4, 12))
    places = [_place(chance) for _ in range(people + count)]
    technicians = [_technician(chance, number) for number in range(people)]
    shifts = [shift for n, each in enumerate(technicians) for shift in _shifts(chance, each, n, days)]
    visits = [_visit(chance, number, people + number, days, people) for number in range(count)]
    if chance.random() < 0.25 and count > 12 and people > 2:
        visits = _linked(chance, visits)
    if chance.random() < 0.3:
        visits = _pinned(chance, visits, shifts, technicians)
    return Problem(places, technicians, shifts, visits).validated()


def _place(chance: random.Random) -> Place:
    return Place(31.2 + chance.gauss(0, 0.12), 121.5 + chance.gauss(0, 0.14))


def _technician(chance: random.Random, number: int) -> Technician:
    skills = {skill: chance.randint(1, 5) for skill in chance.sample(SKILLS, chance.randint(1, 4))}
    parts = {part: chance.randint(0, 6) for part in PARTS}
    return Technician(f"t{number}", skills, parts, chance.choice((1.0, 1.0, 1.2)))


def _shifts(chance: random.Random, technician: Technician, home: int, days: int) -> list[Shift]:
    found = []
    begin = chance.choice((7, 8, 8, 9))
    length = chance.choice((6, 8, 9))
    lunch, overtime, homeless = chance.random() < 0.8, chance.random() < 0.4, chance.random() < 0.1
    for day in range(days):
        start = (24 * day + begin) * HOUR
        end = start + length * HOUR
        found.append(
            Shift(
                f"{technician.id}/{day}",
                technician.id,
                start,
                end,
                None if homeless else home,
                lunch=Lunch(45 * 60, start + 3 * HOUR, start + 5 * HOUR + 1800) if lunch else None,
                overtime_until=end + 2 * HOUR if overtime else None,
                overtime_per_hour=90.0 if overtime else 0.0,
            )
        )
    return found


def _visit(chance: random.Random, number: int, place: int, days: int, people: int) -> Visit:
    windows: tuple[tuple[int, int], ...] = ()
    day = 24 * HOUR * chance.randrange(days)
    if chance.random() < 0.6:
        opens = day + chance.randint(7 * 4, 15 * 4) * 900
        windows = ((opens, opens + chance.choice((1, 2, 3, 4)) * HOUR),)
        if chance.random() < 0.2:
            windows = (*windows, (windows[0][1] + HOUR, windows[0][1] + 2 * HOUR))
    skills = {chance.choice(SKILLS): chance.randint(1, 4)} if chance.random() < 0.8 else {}
    parts = {chance.choice(PARTS): 1} if chance.random() < 0.2 else {}
    late = chance.random() < 0.15
    return Visit(
        f"v{number}",
        place,
        chance.randint(15, 120) * 60,
        windows,
        skills,
        parts,
        unserved_cost=chance.choices(PRICES, (5, 3, 2))[0],
        due=day + chance.randint(9, 15) * HOUR if late else None,
        late_per_hour=30.0 if late else 0.0,
        preferred=f"t{chance.randrange(people)}" if chance.random() < 0.1 else None,
        allowed=frozenset(f"t{n}" for n in range(people) if n % 2 == number % 2) if chance.random() < 0.05 else None,
    )


def _linked(chance: random.Random, visits: list[Visit]) -> list[Visit]:
    """Let two visits begin together at one place, and a third wait for a fourth."""
    first, second, before, after = chance.sample(range(len(visits)), 4)
    both = replace(visits[first], together="pair", windows=visits[first].windows, skills={}, allowed=None, parts={})
    changed = list(visits)
    changed[first] = both
    changed[second] = replace(both, id=visits[second].id)
    changed[before] = replace(visits[before], skills={}, allowed=None)
    changed[after] = replace(visits[after], after=visits[before].id, gap_min=900, windows=(), skills={}, allowed=None)
    return changed


def _pinned(
    chance: random.Random, visits: list[Visit], shifts: list[Shift], technicians: list[Technician]
) -> list[Visit]:
    """Pin a visit to the shift of somebody who may do it, at the shift's begin."""
    skills = {each.id: each.skills for each in technicians}
    changed = list(visits)
    for number in chance.sample(range(len(visits)), min(2, len(visits))):
        visit = visits[number]
        able = [s for s in shifts if all(skills[s.technician].get(k, 0) >= n for k, n in visit.skills.items())]
        taken = {each.pinned_to for each in changed}
        able = [each for each in able if each.id not in taken]
        if not able or visit.linked or any(each.after == visit.id for each in visits):
            continue
        shift = chance.choice(able)
        free = replace(visit, windows=(), allowed=None, parts={}, pinned_to=shift.id)
        changed[number] = replace(free, pinned_start=shift.start + 2 * HOUR) if shift.home is None else free
    return changed


def current_plan(problem: Problem, seed: int) -> Plan:
    """Return a plan as a day's morning might have left it: the greedy one without some of its visits."""
    from ticketing.dispatch.solvers.greedy import greedy_plan

    chance = random.Random(f"morning {seed}")
    plan = greedy_plan(problem)
    linked = {each.id for each in problem.visits if each.linked or each.fixed}
    linked |= {each.after for each in problem.visits if each.after is not None}
    return Plan(
        {
            shift: tuple(v for v in visits if v in linked or chance.random() < 0.9)
            for shift, visits in plan.routes.items()
        }
    )
