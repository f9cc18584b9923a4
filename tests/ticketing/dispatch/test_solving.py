"""Plans are whole, never worse than the one in force, and no solver can hurt."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.ticketing.dispatch.small import HOUR, MINUTE, on_a_line, visit
from ticketing.dispatch import solving
from ticketing.dispatch.days import Size, current_plan, generated_day
from ticketing.dispatch.indexed import Indexed
from ticketing.dispatch.packing import packed
from ticketing.dispatch.plan import Plan, check
from ticketing.dispatch.problem import Problem, ProblemRefused, Shift, Technician
from ticketing.dispatch.reasons import CODES
from ticketing.dispatch.repair import repaired
from ticketing.dispatch.search import Search
from ticketing.dispatch.solvers import base
from ticketing.dispatch.solvers.base import SOLVERS, Task, solver_named
from ticketing.dispatch.solvers.greedy import greedy_plan
from ticketing.dispatch.solvers.running import run_solver
from ticketing.dispatch.solving import choose_lanes, solve
from ticketing.dispatch.wire import pack, unpack


@pytest.mark.parametrize("seed", range(10))
def test_a_generated_day_breaks_no_rule_and_every_visit_left_out_has_its_reason(seed: int) -> None:
    """003-15: skill, time and space are hard constraints of automatic dispatch."""
    problem = generated_day(seed)
    current = current_plan(problem, seed) if seed % 3 == 0 else None
    result = solve(problem, 0.4, current, seed)
    assert check(problem, result.plan, current).violations == ()
    assert set(result.reasons) == set(result.checked.unassigned)
    assert {each.code for each in result.reasons.values()} <= set(CODES)
    assert result.checked.cost <= check(problem, greedy_plan(problem, None, current), current).cost + 1e-6
    if current is not None:
        assert result.checked.rank <= check(problem, current, current).rank


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_every_solver_plans_a_plain_day_whole(name: str) -> None:
    """One suite for all of the kind: on a plain day the referee finds nothing that a solver overlooked."""
    problem = on_a_line([visit(f"v{n}", n + 1, skills={"gas": 1} if n % 2 else {"power": 1}) for n in range(6)])
    solver = solver_named(name)
    plans: list[Plan] = []
    solver.solve(problem, Task(time.monotonic() + 1.0, level=1), plans.append)
    judged = min((check(problem, each) for each in plans), key=lambda each: each.rank)
    assert judged.violations == ()
    assert judged.unassigned == ()


def test_a_solver_in_its_own_process_brings_the_same_plan() -> None:
    problem = on_a_line([visit("a", 3), visit("b", 5)])
    outcome = run_solver("greedy", problem, Task(time.monotonic() + 60))
    assert outcome.plans == (greedy_plan(problem),)
    assert outcome.note == ""


@pytest.mark.parametrize("how", ["crash", "rubbish"])
def test_what_a_solver_said_before_it_went_wrong_counts(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNRULY", how)
    task = Task(time.monotonic() + 60)
    outcome = run_solver("greedy", on_a_line([visit("a")]), task, module="tests.ticketing.dispatch.unruly")
    assert [each.routes for each in outcome.plans] == [{"ann": ("a",)}]
    assert bool(outcome.note) == (how == "crash")


def test_a_solver_that_hangs_is_killed_at_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNRULY", "hang")
    task = Task(time.monotonic() + 0.5)
    outcome = run_solver("greedy", on_a_line([visit("a")]), task, module="tests.ticketing.dispatch.unruly")
    assert outcome.note == "killed at its time limit"


def test_without_any_solver_installed_there_is_a_plan_and_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(base.SOLVERS, "vroom", "no_such_package")
    with pytest.raises(ImportError):
        solver_named("vroom")
    monkeypatch.setattr(solving, "choose_lanes", lambda *_: [(solving.Leg("no_such_solver"),)] * 2)
    result = solve(on_a_line([visit("a", skills={"gas": 1})]), 60.0)
    assert result.plan.shift_of == {"a": "ann"} or result.plan.shift_of == {"a": "bob"}
    assert "no_such_solver" in result.tried[0].note


def test_the_plan_in_force_stays_when_nothing_better_is_found() -> None:
    """Minimal disruption: a move that saves less than it costs to tell everybody is not made."""
    problem = on_a_line([visit("a", 1, skills={"gas": 1})])
    current = Plan({"bob": ("a",)})
    assert solve(problem, 0.3, current).plan.shift_of == {"a": "bob"}


def test_what_is_pinned_or_begun_stays_where_it_is() -> None:
    visits = [
        visit("begun", 5, pinned_to="bob", started_at=8 * HOUR),
        visit("pinned", 2, pinned_to="bob", pinned_start=13 * HOUR),
        *[visit(f"v{n}", n + 1) for n in range(8)],
    ]
    problem = on_a_line(visits)
    result = solve(problem, 0.4)
    stops = {stop.visit: stop for stop in result.checked.stops["bob"]}
    assert result.checked.violations == ()
    assert result.plan.routes["bob"][0] == "begun"
    assert stops["begun"].start == 8 * HOUR
    assert stops["pinned"].start == 13 * HOUR


def test_what_is_pinned_against_the_rules_is_kept_and_named_and_spoils_nothing_else() -> None:
    visits = [visit("pinned", 9, pinned_to="bob", pinned_start=8 * HOUR), visit("free", 1)]
    result = solve(on_a_line(visits), 0.4)
    assert [(each.code, each.visit) for each in result.checked.violations] == [("pinned", "pinned")]
    assert result.plan.shift_of == {"pinned": "bob", "free": "ann"}


def test_linked_visits_are_planned_together_or_not_at_all() -> None:
    visits = [
        visit("a", 3, together="lift"),
        visit("b", 3, together="lift"),
        visit("first", 2),
        visit("second", 2, after="first", gap_min=HOUR, gap_max=3 * HOUR),
        *[visit(f"v{n}", n + 1) for n in range(6)],
    ]
    result = solve(on_a_line(visits), 0.5)
    assert result.checked.violations == ()
    starts = {stop.visit: stop for stops in result.checked.stops.values() for stop in stops}
    assert starts["a"].start == starts["b"].start
    assert starts["second"].start >= starts["first"].finish + HOUR
    alone = on_a_line(visits, [Shift("ann", "ann", 8 * HOUR, 16 * HOUR, 0)], [Technician("ann")])
    lonely = solve(alone, 0.4)
    assert lonely.checked.violations == ()
    assert lonely.reasons["a"].code == lonely.reasons["b"].code == "together_impossible"


def test_a_search_is_the_same_for_the_same_seed_and_steps() -> None:
    problem = generated_day(3, Size(40, 4, 1))
    found = []
    for _ in range(2):
        search = Search(Indexed(problem), {}, seed=5)
        search.fill()
        search.run(lambda: 0.0, steps=100)
        found.append(search.routes())
    assert found[0] == found[1]


def test_choosing_among_all_routes_met_keeps_every_rule_and_costs_no_more() -> None:
    problem = generated_day(4, Size(40, 4, 1))
    plain = [each for each in problem.visits if not each.linked]
    problem = Problem(problem.places, problem.technicians, problem.shifts, plain)
    search = Search(Indexed(problem), {}, seed=1)
    search.fill()
    search.run(lambda: 0.0, steps=150)
    before = check(problem, search.indexed.plan(search.routes()))
    routes = packed(search, 5.0)
    if routes is not None:
        search.restart(routes)
    after = check(problem, search.indexed.plan(search.routes()))
    assert after.violations == ()
    assert after.cost <= before.cost + 1e-6


def test_a_problem_survives_the_way_to_a_solver() -> None:
    problem = generated_day(7)
    again, options = unpack(pack(problem, {"seed": 3}))
    assert options == {"seed": 3}
    assert list(again.visits) == list(problem.visits)
    assert list(again.shifts) == list(problem.shifts)
    assert (again.travel == problem.travel).all()


@pytest.mark.parametrize(
    ("problem", "solvers"),
    [
        (on_a_line([visit("a")]), {"pyvrp", "search"}),
        (on_a_line([visit("a", together="x"), visit("b", together="x")]), {"ortools", "search"}),
        (on_a_line([visit("a", due=0, late_per_hour=1.0)]), {"ortools", "search"}),
        (generated_day(1, Size(40, 4, 1)), {"vroom", "search", "ortools"}),
        (on_a_line([]), set()),
    ],
)
def test_the_kind_of_day_chooses_its_solvers(problem: Problem, solvers: set[str]) -> None:
    assert {leg.solver for lane in choose_lanes(problem, 10.0) for leg in lane} <= solvers


def test_nothing_to_do_and_nobody_to_do_it_are_answers() -> None:
    empty = Problem((), (), (), (), on_a_line([]).matrix)
    assert solve(empty, 0.2).plan.shift_of == {}
    nobody = Problem((), (), (), [visit("a")], on_a_line([]).matrix)
    assert solve(nobody, 0.2).reasons["a"].code == "no_technician"
    with pytest.raises(ProblemRefused):
        solve(replace(nobody, visits=[visit("a", 99)]), 0.2)


def test_a_crowded_day_is_split_and_bounded() -> None:
    """Far more visits than anybody can do: the dearest and nearest are planned, the others told why not."""
    problem = generated_day(11, Size(visits=1500, technicians=4, days=1))
    plain = [replace(each, parts={}) for each in problem.visits if not each.linked]
    problem = Problem(problem.places, problem.technicians, problem.shifts, plain)
    result = solve(problem, 0.5)
    assert result.checked.violations == ()
    assert len(result.plan.shift_of) > 10
    assert set(result.reasons) == set(result.checked.unassigned)


def test_a_technician_without_a_home_is_planned_too() -> None:
    shift = Shift("ann", "ann", 8 * HOUR, 16 * HOUR, None)
    result = solve(on_a_line([visit(f"v{n}", n + 1, seconds=30 * MINUTE) for n in range(5)], [shift]), 0.4)
    assert result.checked.violations == ()
    assert result.checked.unassigned == ()


def test_what_breaks_a_rule_is_taken_out_with_all_that_hangs_on_it() -> None:
    visits = [visit("late", 1, windows=((0, HOUR),)), visit("after", 2, after="late"), visit("fine", 1)]
    problem = on_a_line([*visits, visit("pinned", 9, pinned_to="bob", pinned_start=8 * HOUR)])
    broken = check(problem, Plan({"ann": ("late", "after", "fine"), "bob": ("pinned",)}))
    mended = repaired(problem, broken)
    assert mended.plan.shift_of == {"fine": "ann", "pinned": "bob"}
    assert [each.visit for each in mended.violations] == ["pinned"]


def test_lunch_is_not_taken_while_another_technician_waits() -> None:
    """Seed 669 once had lunch before a visit that somebody on another route waited for, and made that one late."""
    problem = generated_day(669)
    assert check(problem, greedy_plan(problem)).violations == ()
