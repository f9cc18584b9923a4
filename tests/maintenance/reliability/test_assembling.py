"""What becomes a failure, a stop or an unseen stretch: rules as a table, hours from T0 (seed rows 003-40, 001-05)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest

from maintenance.reliability.assembling import Known, Silence, State, Work, assemble, in_service
from maintenance.reliability.lives import FAILURE, PLANNED, UNSEEN
from maintenance.reliability.plotting import points
from maintenance.reliability.weibull import Spell

T0 = datetime(2026, 6, 1, tzinfo=UTC)
SPACE = UUID(int=7)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def key(name: str) -> UUID:
    return uuid5(SPACE, name)


def down(begin: float, end: float | None, reason: str | None = None) -> State:
    return State(key(f"{begin}"), "down", reason, at(begin), None if end is None else at(end))


def work(
    outcome: str | None, begin: float | None, end: float | None, origin: str = "manual", noticed: float = 0
) -> Work:
    ends = None if end is None else at(end)
    return Work(key(f"w{begin}"), "WO-1", origin, outcome, "seal", at(noticed), at(begin) if begin else None, ends, 1.0)


F, P, U = FAILURE, PLANNED, UNSEEN
Stops = list[tuple[str, float, float | None]]
TABLE: list[tuple[str, list[State], list[Work], Stops]] = [
    ("a breakdown", [down(10, 20)], [], [(F, 10, 20)]),
    ("no demand is no failure", [down(10, 20, "no_demand")], [], [(P, 10, 20)]),
    ("waiting for parts goes on with it", [down(10, 20), down(20, 30, "waiting_for_parts")], [], [(F, 10, 30)]),
    ("a repair in the failure adds its evidence", [down(10, 20)], [work("confirmed", 12, 18, noticed=11)],
     [(F, 10, 20), (P, 12, 18)]),
    ("a repair later is the same failure", [down(10, 20)], [work("confirmed", 50, 55, noticed=15)],
     [(F, 10, 20), (P, 50, 55)]),
    ("a repair without a state is the failure", [], [work("wrong_mode", 50, 55, noticed=45)], [(F, 50, 55)]),
    ("a new failure long after", [down(10, 20)], [work("confirmed", 50, 55, noticed=45)], [(F, 10, 20), (F, 50, 55)]),
    ("no fault found", [], [work("no_fault_found", 50, 55)], [(P, 50, 55)]),
    ("prevented", [], [work("prevented", 50, 55, "finding")], [(P, 50, 55)]),
    ("a plan", [], [work("confirmed", 50, 55, "plan")], [(P, 50, 55)]),
    ("down for planned work only", [down(49, 56)], [work("planned", 50, 55, "plan")], [(P, 49, 56), (P, 50, 55)]),
    ("down for planned work, called a breakdown", [down(49, 56, "breakdown")], [work("planned", 50, 55, "plan")],
     [(F, 49, 56), (P, 50, 55)]),
    ("nobody began", [], [work("confirmed", None, 55)], []),
    ("not decided", [], [work(None, 50, None)], [(P, 50, None)]),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_what_counts_as_a_failure(row: tuple[str, list[State], list[Work], Stops]) -> None:
    _, states, works, wanted = row
    found = assemble(Known(key("m"), at(-100), at(-100), operation=states, works=works))
    assert found is not None
    told = [(stop.kind, stop.start, stop.end) for stop in found.life.stops]
    hours = [(kind, at(begin), None if end is None else at(end)) for kind, begin, end in wanted]
    assert sorted(told, key=str) == sorted(hours, key=str)


def test_the_mode_and_the_orders_stand_at_the_failure() -> None:
    repair = work("confirmed", 12, 18, noticed=11)
    found = assemble(Known(key("m"), at(-100), at(-100), operation=[down(10, 20)], works=[repair]))
    assert found is not None
    stop = next(stop for stop in found.life.stops if stop.kind == FAILURE)
    assert (stop.failure_mode, found.orders[at(10)]) == ("seal", (repair,))
    assert [kind for kind, _ in stop.evidence] == ["state", "work_order"]


def test_what_was_left_out_says_why() -> None:
    works = [
        work("no_fault_found", 1, 2),
        work("confirmed", None, 55),
        work(None, 50, None),
        work("planned", 60, 61, "plan"),
    ]
    found = assemble(Known(key("m"), at(-100), works=works))
    assert found is not None
    assert dict(found.left_out) == {"no_fault_found": 1, "work_not_recorded": 1, "not_decided": 1}


def life(*rows: tuple[str, float]) -> list[State]:
    return [State(key(f"{name}{begin}"), name, None, at(begin), None) for name, begin in rows]


SERVICE: list[tuple[str, list[State], float | None, tuple[float, float | None] | None]] = [
    ("nothing told: since it was recorded", [], None, (0, None)),
    ("nothing told: since it was installed", [], -50, (-50, None)),
    ("since commissioned", life(("planned", 0), ("installed", 5), ("commissioned", 9)), 5, (9, None)),
    ("installed only", life(("installed", 5)), None, (5, None)),
    ("recorded in service, installed before", life(("in_service", 0)), -50, (-50, None)),
    ("retired", life(("in_service", 0), ("retired", 70)), None, (0, 70)),
    ("never came to work", life(("planned", 0)), None, None),
]  # fmt: skip


@pytest.mark.parametrize("row", SERVICE, ids=lambda row: row[0])
def test_from_when_to_when_a_machine_is_exposed(
    row: tuple[str, list[State], float | None, tuple[float, float | None] | None],
) -> None:
    _, states, installed, wanted = row
    known = Known(key("m"), at(0), at(installed) if installed is not None else None, lifecycle=states)
    found = in_service(known)
    assert found == (None if wanted is None else (at(wanted[0]), None if wanted[1] is None else at(wanted[1])))


def test_silence_and_time_in_stock_are_not_seen() -> None:
    states = [
        State(key("a"), "in_service", None, at(0), at(50)),
        State(key("b"), "in_stock", None, at(50), at(80)),
        State(key("c"), "in_service", None, at(80), None),
    ]
    known = Known(key("m"), at(0), lifecycle=states, silences=[Silence(key("s"), at(10), at(12))])
    found = assemble(known)
    assert found is not None
    assert [(stop.kind, stop.start, stop.end) for stop in found.life.stops] == [
        (U, at(10), at(12)),
        (U, at(50), at(80)),
    ]


def test_points_of_a_curve_follow_the_product_limit() -> None:
    """Ages 1 (failed), 2 (lasts), 3 (failed, seen from 2 on), 4 (failed): at risk 3, 2 and 1."""
    found = points([Spell(1, True), Spell(2, False), Spell(3, True, 2.0), Spell(4, True)])
    assert [(point.age, point.at_risk) for point in found] == [(1, 3), (3, 2), (4, 1)]
    assert [point.share for point in found] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
