"""The referee names what a plan breaks and prices what it does not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.ticketing.dispatch.small import HOUR, MINUTE, on_a_line, visit
from ticketing.dispatch.days import generated_day
from ticketing.dispatch.indexed import Indexed
from ticketing.dispatch.plan import Plan, check
from ticketing.dispatch.problem import FAR, Lunch, Problem, ProblemRefused, Shift, Technician
from ticketing.dispatch.routes import Router

DAY = Shift("ann", "ann", 8 * HOUR, 16 * HOUR, 0)
NOON = Lunch(45 * MINUTE, 11 * HOUR, 13 * HOUR)


def codes(problem: Problem, **routes: tuple[str, ...]) -> list[str]:
    return [each.code for each in check(problem, Plan(routes)).violations]


@pytest.mark.parametrize(
    ("name", "problem", "route", "expected"),
    [
        ("all is well", on_a_line([visit("a", skills={"gas": 3})]), ("a",), []),
        ("a skill that nobody has", on_a_line([visit("a", skills={"ice": 1})]), ("a",), ["skill"]),
        ("a level too low", on_a_line([visit("a", skills={"gas": 4})]), ("a",), ["skill"]),
        ("outside the territory", on_a_line([visit("a", allowed=frozenset({"bob"}))]), ("a",), ["not_allowed"]),
        ("too early is waited for", on_a_line([visit("a", windows=((9 * HOUR, 10 * HOUR),))]), ("a",), []),
        ("too late", on_a_line([visit("a", windows=((0, 8 * HOUR),))]), ("a",), ["window"]),
        ("the second window", on_a_line([visit("a", windows=((0, HOUR), (9 * HOUR, 10 * HOUR)))]), ("a",), []),
        ("not home in time", on_a_line([visit("a", 6, seconds=7 * HOUR)]), ("a",), ["shift"]),
        ("one visit twice", on_a_line([visit("a")]), ("a", "a"), ["twice"]),
        ("a visit nobody knows", on_a_line([visit("a")]), ("a", "z"), ["unknown_visit"]),
        ("no such part on the van", on_a_line([visit("a", parts={"seal": 1})]), ("a",), ["parts"]),
        ("pinned and left out", on_a_line([visit("a", pinned_to="ann")]), (), ["pinned"]),
        ("pinned to another", on_a_line([visit("a", pinned_to="bob")]), ("a",), ["pinned"]),
        ("later than pinned", on_a_line([visit("a", pinned_to="ann", pinned_start=8 * HOUR)]), ("a",), ["pinned"]),
        ("begun wherever", on_a_line([visit("a", 9, pinned_to="ann", started_at=7 * HOUR)]), ("a",), []),
        ("half of a pair", on_a_line([visit("a", together="x"), visit("b", together="x")]), ("a",), ["together"]),
        (
            "a pair alone",
            on_a_line([visit("a", together="x"), visit("b", together="x")]),
            ("a", "b"),
            ["together", "sequence"],
        ),
        ("nobody went before", on_a_line([visit("a"), visit("b", after="a")]), ("b",), ["sequence"]),
        ("lunch at the stop", on_a_line([visit("a", seconds=4 * HOUR)], [replace(DAY, lunch=NOON)]), ("a",), []),
        (
            "no time for lunch",
            on_a_line([visit("a", seconds=6 * HOUR, pinned_to="ann", started_at=8 * HOUR)], [replace(DAY, lunch=NOON)]),
            ("a",),
            ["lunch"],
        ),
        ("a day too long", on_a_line([visit("a")], [replace(DAY, max_seconds=HOUR)]), ("a",), ["duration"]),
        ("waiting is no work", on_a_line([visit("a")], [replace(DAY, max_seconds=80 * MINUTE)]), ("a",), []),
    ],
)
def test_every_rule_has_its_name(name: str, problem: Problem, route: tuple[str, ...], expected: list[str]) -> None:
    """003-15: time, space and skill are hard rules; 003-17: parts that are not on the van are named."""
    found = codes(problem, ann=route)
    assert list(dict.fromkeys(found)) == expected, name


def test_waiting_for_a_window_shortens_nothing_but_the_day() -> None:
    late = on_a_line([visit("a", windows=((12 * HOUR, 13 * HOUR),))], [replace(DAY, max_seconds=80 * MINUTE)])
    assert codes(late, ann=("a",)) == []


def test_cost_parts_are_what_the_day_costs() -> None:
    people = [Technician("ann", rate=2.0)]
    shift = replace(DAY, end=9 * HOUR, overtime_until=12 * HOUR, overtime_per_hour=60.0)
    visits = [
        visit("a", 3, due=8 * HOUR, late_per_hour=10.0, preferred="bob"),
        visit("b", unserved_cost=77.0),
    ]
    problem = on_a_line(visits, [shift], people)
    found = check(problem, Plan({"ann": ("a",)}), Plan({"bob": ("a",)}))
    assert found.violations == ()
    assert found.parts == pytest.approx(
        {"travel": 120.0, "unserved": 77.0, "overtime": 60.0, "lateness": 5.0, "moved": 30.0, "preference": 15.0}
    )
    assert found.cost == pytest.approx(sum(found.parts.values()))


def test_two_technicians_begin_together_when_the_later_one_is_there() -> None:
    problem = on_a_line([visit("a", 6, together="lift"), visit("b", 6, together="lift"), visit("c", 1)])
    found = check(problem, Plan({"ann": ("a",), "bob": ("c", "b")}))
    assert found.violations == ()
    starts = {stop.visit: stop.start for stops in found.stops.values() for stop in stops}
    assert starts["a"] == starts["b"] == 10 * HOUR


def test_a_visit_waits_for_the_one_before_it_on_another_route() -> None:
    problem = on_a_line([visit("a", 1), visit("b", 1, after="a", gap_min=HOUR, gap_max=2 * HOUR)])
    found = check(problem, Plan({"ann": ("a",), "bob": ("b",)}))
    assert found.violations == ()
    assert found.stops["bob"][0].start == found.stops["ann"][0].finish + HOUR


def test_visits_that_wait_for_each_other_are_refused_and_do_not_hang() -> None:
    problem = on_a_line([visit("a", after="b"), visit("b", after="a")])
    assert "sequence" in codes(problem, ann=("a",), bob=("b",))


def test_a_technician_without_a_home_begins_and_ends_at_the_visits() -> None:
    problem = on_a_line([visit("a", 3), visit("b", 5)], [replace(DAY, home=None)])
    found = check(problem, Plan({"ann": ("a", "b")}))
    assert found.violations == ()
    assert found.parts["travel"] == 20.0


def test_an_empty_plan_costs_what_is_left_undone() -> None:
    problem = on_a_line([visit("a", unserved_cost=5.0)])
    assert check(problem, Plan()).cost == 5.0


@pytest.mark.parametrize(
    ("code", "visits", "shifts"),
    [
        ("visit_twice", [visit("a"), visit("a")], [DAY]),
        ("place_unknown", [visit("a", 99)], [DAY]),
        ("window_ends_before_it_starts", [visit("a", windows=((2, 1),))], [DAY]),
        ("pinned_to_unknown_shift", [visit("a", pinned_to="eve")], [DAY]),
        ("shift_ends_before_it_starts", [], [replace(DAY, end=0)]),
        ("technician_unknown", [], [replace(DAY, technician="eve")]),
        ("lunch_longer_than_its_window", [], [replace(DAY, lunch=Lunch(HOUR, 0, 1))]),
        ("after_itself", [visit("a", after="a")], [DAY]),
        ("duration_impossible", [visit("a", seconds=FAR)], [DAY]),
    ],
)
def test_a_problem_that_contradicts_itself_is_refused(code: str, visits: list, shifts: list) -> None:  # type: ignore[type-arg]
    with pytest.raises(ProblemRefused) as refused:
        on_a_line(visits, shifts)
    assert refused.value.code == code


def test_the_search_judges_routes_as_the_referee_does() -> None:
    """Two implementations, thousands of random routes: the same verdict and the same cost."""
    compared = feasible = 0
    for seed in range(30):
        problem = generated_day(seed)
        chance = random.Random(seed)
        visits = [each for each in problem.visits if not each.linked and not each.fixed]
        problem = Problem(problem.places, problem.technicians, problem.shifts, visits)
        indexed = Indexed(problem)
        router = Router(indexed)
        for _ in range(60):
            shift = chance.choice(problem.shifts)
            ids = [each.id for each in chance.sample(visits, min(len(visits), chance.randint(1, 4)))]
            starts = {each.id: each.windows[0][0] if each.windows else 0 for each in visits}
            ids.sort(key=lambda each: starts[each])
            found = check(problem, Plan({shift.id: tuple(ids)}))
            broken = any(each.code in ("window", "lunch", "shift", "overtime") for each in found.violations)
            route = router.route(indexed.shift_number[shift.id], tuple(indexed.visit_number[each] for each in ids))
            assert (route is None) == broken, (seed, shift.id, ids)
            compared += 1
            if route is not None:
                feasible += 1
                parts = sum(found.parts[each] for each in ("travel", "overtime", "lateness", "preference"))
                assert route.cost / problem.seconds_per_cost == pytest.approx(parts), (seed, shift.id, ids)
    assert compared == 1800
    assert 200 < feasible < 1700


def test_a_place_that_the_search_promises_is_one_and_others_are_none() -> None:
    """What fits in constant time fits when the whole route is driven again, at every position."""
    for seed in range(12):
        problem = generated_day(100 + seed)
        visits = [each for each in problem.visits if not each.linked and not each.fixed]
        problem = Problem(problem.places, problem.technicians, problem.shifts, visits)
        indexed = Indexed(problem)
        router = Router(indexed)
        chance = random.Random(seed)
        for way in range(len(indexed.ways)):
            route = router.route(way, ())
            for visit_number in chance.sample(range(len(visits)), min(12, len(visits))):
                if route is None or visit_number in route.visits:
                    continue
                added, where = router.best(route, visit_number)
                longer = [
                    router.route(way, (*route.visits[:p], visit_number, *route.visits[p:]))
                    for p in range(len(route.visits) + 1)
                ]
                costs = [each.cost - route.cost for each in longer if each is not None]
                assert (where >= 0) == bool(costs)
                if costs:
                    assert added == pytest.approx(min(costs))
                    route = longer[where]
