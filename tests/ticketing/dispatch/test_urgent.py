"""Reasons are true, the best technician is explained, emergencies and illness change as little as they can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ticketing.dispatch.small import HOUR, MINUTE, on_a_line, visit
from ticketing.dispatch.days import generated_day
from ticketing.dispatch.explaining import explain
from ticketing.dispatch.plan import Plan, check
from ticketing.dispatch.problem import Problem, Shift, Technician, Visit
from ticketing.dispatch.reasons import reasons
from ticketing.dispatch.solvers.greedy import greedy_plan
from ticketing.dispatch.urgent import insert, nearest_idle, replan_without


def reason_of(problem: Problem, plan: Plan, name: str) -> str:
    return reasons(problem, plan, check(problem, plan))[name].code


@pytest.mark.parametrize(
    ("code", "left_out", "routes"),
    [
        ("no_skill", visit("a", skills={"ice": 1}), {}),
        ("no_skill", visit("a", skills={"gas": 4}), {}),
        ("no_skill", visit("a", skills={"gas": 3, "power": 5}), {}),
        ("not_allowed", visit("a", skills={"gas": 3}, allowed=frozenset({"bob"})), {}),
        ("no_parts", visit("a", parts={"seal": 2}), {}),
        ("no_shift", visit("a", windows=((18 * HOUR, 20 * HOUR),)), {}),
        ("window_impossible", visit("a", seconds=9 * HOUR), {}),
        ("out_of_reach", visit("a", 11, seconds=5 * HOUR), {}),
        ("capacity", visit("a", seconds=2 * HOUR), {"ann": ("full1",), "bob": ("full2",)}),
        ("too_dear", visit("a", 11, unserved_cost=1.0), {}),
    ],
)
def test_a_visit_left_out_has_the_reason_that_holds(
    code: str, left_out: Visit, routes: dict[str, tuple[str, ...]]
) -> None:
    """Every unassigned visit has its reason, proved on the routes."""
    full = [visit("full1", seconds=7 * HOUR), visit("full2", seconds=7 * HOUR)]
    assert reason_of(on_a_line([left_out, *full]), Plan(routes), "a") == code


def test_parts_that_went_into_other_visits_are_a_reason() -> None:
    people = [Technician("ann", parts={"seal": 1})]
    shifts = [Shift("ann", "ann", 8 * HOUR, 16 * HOUR, 0)]
    problem = on_a_line([visit("a", parts={"seal": 1}), visit("b", parts={"seal": 1})], shifts, people)
    assert reason_of(problem, Plan({"ann": ("b",)}), "a") == "parts_taken"


def test_reasons_agree_with_the_referee_on_generated_days() -> None:
    """Out of reach: no fitting shift can do it even alone. Capacity: no position in any route is without violation."""
    seen: set[str] = set()
    for seed in range(6):
        problem = generated_day(seed)
        visits = [each for each in problem.visits if not each.linked and not each.fixed]
        problem = Problem(problem.places, problem.technicians, problem.shifts, visits)
        plan = greedy_plan(problem)
        checked = check(problem, plan)
        for name, reason in list(reasons(problem, plan, checked).items())[:12]:
            seen.add(reason.code)
            alone = [not check(problem, Plan({s.id: (name,)})).violations for s in problem.shifts]
            if reason.code in ("capacity", "too_dear", "parts_taken"):
                assert any(alone), (seed, name, reason)
            else:
                assert not any(alone), (seed, name, reason)
            if reason.code == "capacity":
                shift = reason.shifts[0]
                route = plan.routes.get(shift, ())
                for position in range(len(route) + 1):
                    longer = Plan({shift: (*route[:position], name, *route[position:])})
                    assert [v for v in check(problem, longer).violations if v.code != "parts"], (seed, name, shift)
    assert "capacity" in seen


def test_the_top_three_technicians_come_with_what_they_cost() -> None:
    """Why this technician: cheapest first, then those who may not, with the rule that stands against."""
    people = [Technician("near", {"gas": 2}), Technician("far", {"gas": 2}), Technician("wrong", {"ice": 5})]
    shifts = [
        Shift("near", "near", 8 * HOUR, 16 * HOUR, 2),
        Shift("far", "far", 8 * HOUR, 16 * HOUR, 9),
        Shift("wrong", "wrong", 8 * HOUR, 16 * HOUR, 1),
    ]
    problem = on_a_line([visit("a", 3, skills={"gas": 1}, preferred="near"), visit("b", 4)], shifts, people)
    found = explain(problem, Plan({"near": ("a", "b")}), "a")
    assert [each.shift for each in found] == ["near", "far", "wrong"]
    assert found[0].cost == 0.0  # on the way to b
    assert found[1].parts["travel"] == 120.0
    assert found[1].parts["preference"] == 15.0
    assert [each.code for each in found[2].violations] == ["skill"]


def test_an_emergency_goes_where_nobody_has_to_move() -> None:
    visits = [visit("a", 1), visit("b", 8), visit("now", 2, unserved_cost=5_000)]
    problem = on_a_line(visits)
    current = Plan({"ann": ("a",), "bob": ("b",)})
    result = insert(problem, current, "now", 0.2)
    assert result.solver == "direct"
    assert result.plan.routes == {"ann": ("a",), "bob": ("now", "b")}  # on bob's way


def test_an_emergency_displaces_cheaper_work_and_nothing_else() -> None:
    people = [Technician("ann"), Technician("bob")]
    visits = [
        visit("cheap", 1, seconds=6 * HOUR, unserved_cost=50),
        visit("dear", 1, seconds=6 * HOUR, unserved_cost=5_000),
        visit("now", 2, seconds=3 * HOUR, unserved_cost=5_000),
    ]
    problem = on_a_line(visits, None, people)
    result = insert(problem, Plan({"ann": ("cheap",), "bob": ("dear",)}), "now", 0.3)
    assert result.checked.violations == ()
    assert result.plan.shift_of == {"dear": "bob", "now": "ann"}
    assert result.reasons["cheap"].code == "capacity"


def test_somebody_falls_ill_and_the_others_keep_their_visits() -> None:
    visits = [visit(f"v{n}", n + 1) for n in range(4)]
    visits[1] = replace(visits[1], pinned_to="bob")
    problem = on_a_line(visits)
    result = replan_without(problem, Plan({"ann": ("v0", "v2"), "bob": ("v1", "v3")}), ["bob"], 0.3)
    assert result.checked.violations == ()
    assert set(result.plan.routes) == {"ann"}
    assert {"v0", "v2"} <= set(result.plan.routes["ann"])


def test_the_nearest_who_is_idle_is_first_and_those_at_work_are_not_asked() -> None:
    """004-39, 004-44: the nearest who may do it, by travel time from where they are now."""
    problem = on_a_line([visit("a", 1), visit("now", 2, skills={"gas": 1}), visit("ice", 2, skills={"ice": 1})])
    plan = Plan({"ann": ("a",)})
    at_work = nearest_idle(problem, plan, "now", 8 * HOUR + 30 * MINUTE)
    assert [each.technician for each in at_work] == ["bob"]
    later = nearest_idle(problem, plan, "now", 10 * HOUR)
    assert [(each.technician, each.start) for each in later] == [
        ("ann", 10 * HOUR + 10 * MINUTE),
        ("bob", 10 * HOUR + 20 * MINUTE),
    ]
    assert nearest_idle(problem, plan, "now", 10 * HOUR, places={"bob": 2})[0].technician == "bob"
    assert nearest_idle(problem, plan, "ice", 10 * HOUR) == []
    assert nearest_idle(problem, plan, "now", 20 * HOUR) == []
