"""Figures of service agree with a month that was reckoned by hand.

Seed rows 001-15 (response, execution and service durations), 002-09 (same-day resolution or a record of it).

All times are Shanghai's. March 2026, seen on 10 April:

| order | reported | acted on | there | worked | done | what |
|---|---|---|---|---|---|---|
| A | 2nd 09:00 | 09:30 | 11:00 | 11–12, 12:30–14 | 2nd 14:00 | Ann |
| B | 2nd 16:00 | 3rd 08:00 | 3rd 10:00 | 10–11 (Bob), 4th 09–12 (Ann) | 4th 12:00 | two visits |
| C | 10th 08:00 | 08:15 | 09:00 | 09–10 | 10th 10:00 | bearing; Ann; comes back as D |
| D | 20th 08:00 | 09:00 | | | | bearing again, same asset; estimate 4 h; waits for Ann |
| E | 5th 08:00 | 08:00 | 13:00 | 13–15 | 5th 15:00 | planned; Bob |
| F | 25th 09:00 | 09:00 | 09:30 | 09:30–10 | 25th 10:00 | seal; Ann; 30 days are not over |
| G | 28th 09:00 | | | | | motor, F's asset; cancelled at 10:00 |
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import count
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import pytest

from ticketing.figures.asking import Asked, By, Key, place
from ticketing.figures.definitions import FIGURES, ClockFacts, Order, Parameters
from ticketing.figures.definitions import count as part_of
from ticketing.figures.facts import OrderFacts, replay
from ticketing.figures.loading import Scope, modes_of, owners_of
from ticketing.figures.summing import Period, Summed, period_end, period_start, summed
from ticketing.models import WorkOrder
from ticketing.sla.marks import Happened

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 4, 10, 12, tzinfo=SHANGHAI)
MARCH = Scope(datetime(2026, 3, 1, tzinfo=SHANGHAI), datetime(2026, 4, 1, tzinfo=SHANGHAI))


def key(name: str) -> UUID:
    return uuid5(UUID(int=7), name)


def march(day: int, hour: float = 0) -> datetime:
    return datetime(2026, 3, day, tzinfo=SHANGHAI) + timedelta(hours=hour)


ANN, BOB = key("Ann"), key("Bob")
EVENTS = count(1)


def happened(
    name: str, kind: str, at: datetime, subject: str | None = None, person: bool = True, **facts: str
) -> Happened:
    about = key(subject or name)
    return Happened(next(EVENTS), at, kind, kind.partition(".")[0], about, facts, person)


def visit(name: str, visit_name: str, *turns: tuple[str, datetime]) -> list[Happened]:
    return [happened(name, "visit.state_changed", at, visit_name, to=to) for to, at in turns]


def opened(name: str, at: datetime, acted: datetime | None) -> list[Happened]:
    events = [happened(name, "work_order.opened", at, person=False)]
    if acted is not None:
        events.append(happened(name, "work_order.assigned", acted, person_id="x"))
    return events


def done(name: str, at: datetime) -> list[Happened]:
    return [happened(name, "work_order.completed", at, **{"from": "in_progress", "to": "completed"})]


HISTORY: dict[str, list[Happened]] = {
    "A": [
        *opened("A", march(2, 9), march(2, 9.5)),
        *visit("A", "a1", ("travelling", march(2, 10)), ("in_progress", march(2, 11)), ("on_break", march(2, 12)),
               ("in_progress", march(2, 12.5)), ("completed", march(2, 14))),
        *done("A", march(2, 14)),
    ],
    "B": [
        *opened("B", march(2, 16), march(3, 8)),
        *visit("B", "b1", ("in_progress", march(3, 10)), ("partially_completed", march(3, 11))),
        *visit("B", "b2", ("in_progress", march(4, 9)), ("completed", march(4, 12))),
        *done("B", march(4, 12)),
    ],
    "C": [
        *opened("C", march(10, 8), march(10, 8.25)),
        *visit("C", "c1", ("in_progress", march(10, 9)), ("completed", march(10, 10))),
        *done("C", march(10, 10)),
    ],
    "D": opened("D", march(20, 8), march(20, 9)),
    "E": [
        *opened("E", march(5, 8), march(5, 8)),
        *visit("E", "e1", ("in_progress", march(5, 13)), ("completed", march(5, 15))),
        *done("E", march(5, 15)),
    ],
    "F": [
        *opened("F", march(25, 9), march(25, 9)),
        *visit("F", "f1", ("in_progress", march(25, 9.5)), ("completed", march(25, 10))),
        *done("F", march(25, 10)),
    ],
    "G": [
        *opened("G", march(28, 9), None),
        happened("G", "work_order.cancelled", march(28, 10), **{"from": "unscheduled", "to": "cancelled"}),
    ],
}  # fmt: skip


def order(name: str, asset: str, origin: str = "request", modes: str = "", outcome: str | None = "confirmed",
          technicians: dict[str, UUID] | None = None, minutes: int | None = None, assignee: UUID | None = None,
          clocks: tuple[ClockFacts, ...] = ()) -> Order:  # fmt: skip
    return Order(
        id=key(name), number=name, origin=origin, priority="normal", outcome=outcome, asset_id=key(asset),
        modes=frozenset(modes.split()), time_zone=SHANGHAI, facts=replay(key(name), HISTORY[name]), minutes=minutes,
        assignee_id=assignee, customer_id=key("Dairy" if asset == "one" else "Brewery"), model_id=key("P100"),
        technicians={key(visit): person for visit, person in (technicians or {}).items()}, clocks=clocks,
    )  # fmt: skip


ORDERS = [
    order("A", "one", technicians={"a1": ANN}, clocks=(ClockFacts("response", march(2, 9.5), True, 1800, 3600),)),
    order("B", "two", technicians={"b1": BOB, "b2": ANN},
          clocks=(ClockFacts("response", march(2, 17), False, 3600, 3600),)),
    order("C", "three", modes="bearing", technicians={"c1": ANN}),
    order("D", "three", modes="bearing", outcome=None, minutes=240, assignee=ANN),
    order("E", "one", origin="plan", outcome="planned", technicians={"e1": BOB}),
    order("F", "four", modes="seal", technicians={"f1": ANN}),
    order("G", "four", origin="manual", modes="motor", outcome=None),
]  # fmt: skip


def reckoned(by: By = "none", period: Period = "none", scope: Scope = MARCH) -> dict[str, dict[Key, Summed]]:
    asked = Asked(scope, by, period, SHANGHAI, Parameters())
    parts = place(ORDERS, ORDERS, asked, NOW, tuple(FIGURES))
    return {figure: {group: summed(figure, found) for group, found in those.items()} for figure, those in parts.items()}


@pytest.mark.parametrize(
    ("figure", "n", "value", "median", "p90"),
    [
        ("reaction_time", 6, (0.5 + 16 + 0.25 + 1 + 0 + 0) / 6, 0.375, 8.5),
        ("response_time", 5, (2 + 18 + 1 + 5 + 0.5) / 5, 2, 12.8),
        ("execution_time", 5, (2.5 + 4 + 1 + 2 + 0.5) / 5, 2, 3.4),
        ("total_time", 5, (5 + 44 + 2 + 7 + 1) / 5, 5, 29.2),
        ("first_time_fix", 3, 100 / 3, None, None),  # A; not B, which took two visits, nor C, which came back
        ("same_day", 5, 80, None, None),  # all but B
        ("same_day_record", 6, 500 / 6, None, None),  # all but B
        ("sla_response", 2, 50, None, None),
        ("sla_closing", 0, None, None, None),
        ("backlog_orders", 1, 1, None, None),  # D
        ("backlog_weeks", 1, 0.1, None, None),  # 4 h of 40
    ],
)
def test_month_reckoned_by_hand(
    figure: str, n: int, value: float | None, median: float | None, p90: float | None
) -> None:
    found = reckoned()[figure].get((None, None)) or summed(figure, [])
    assert found.n == n
    assert (found.value, found.median, found.p90) == (
        pytest.approx(value) if value is not None else None,
        pytest.approx(median) if median is not None else None,
        pytest.approx(p90) if p90 is not None else None,
    )


def test_what_is_left_out_says_why() -> None:
    assert reckoned()["first_time_fix"][None, None].left_out == {"too_early": 1}  # F


def test_order_of_two_technicians_counts_for_both() -> None:
    found = reckoned("technician")["response_time"]
    assert found[str(ANN), None].value == pytest.approx((2 + 18 + 1 + 0.5) / 4)
    assert found[str(BOB), None].value == pytest.approx((18 + 5) / 2)
    assert reckoned("technician")["backlog_weeks"][str(ANN), None].value == pytest.approx(0.1)


def test_groups_and_periods() -> None:
    by_customer = reckoned("customer")["total_time"]
    assert by_customer[str(key("Dairy")), None].value == pytest.approx((5 + 7) / 2)
    by_week = reckoned(period="week")["total_time"]
    assert {start: one.value for (_, start), one in by_week.items()} == {
        date(2026, 3, 2): pytest.approx((5 + 44 + 7) / 3), date(2026, 3, 9): 2, date(2026, 3, 23): 1}  # fmt: skip
    waiting = {start: one.value for (_, start), one in reckoned(period="week")["backlog_orders"].items()}
    assert waiting == {date(2026, 3, 16): 1, date(2026, 3, 23): 1, date(2026, 3, 30): 1}


def test_every_value_names_the_events_it_was_counted_from() -> None:
    asked = Asked(MARCH, zone=SHANGHAI)
    every = {event.id: event for events in HISTORY.values() for event in events}
    for figure in FIGURES:
        if figure.startswith("sla_"):
            continue
        for counted in place(ORDERS, ORDERS, asked, NOW, [figure])[figure][None, None]:
            assert counted.moments, figure
            for _, moment in counted.moments:
                assert every[moment.event_id].at == moment.at


def test_late_events_change_what_was_reckoned_and_their_order_of_arrival_does_not() -> None:
    facts = replay(key("A"), HISTORY["A"])
    assert replay(key("A"), list(reversed(HISTORY["A"]))) == facts
    assert facts.execution == timedelta(hours=2.5)


def test_reopened_order_is_open_again_and_was_not_fixed_the_first_time() -> None:
    again = [
        *HISTORY["C"],
        happened("C", "work_order.reopened", march(12, 9), **{"from": "closed", "to": "unscheduled"}),
    ]
    facts = replay(key("C"), again)
    assert (facts.done, facts.reopened, facts.is_open(march(13))) == (None, 1, True)
    finished = replay(key("C"), [*again, *done("C", march(14, 9))])
    assert finished.done is not None
    assert finished.done.at == march(14, 9)
    assert isinstance(finished, OrderFacts)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", date(2026, 3, 31), date(2026, 4, 1)),
        ("week", date(2026, 3, 30), date(2026, 4, 6)),
        ("month", date(2026, 3, 1), date(2026, 4, 1)),
        ("quarter", date(2026, 1, 1), date(2026, 4, 1)),
        ("year", date(2026, 1, 1), date(2027, 1, 1)),
    ],
)
def test_periods_begin_and_end_where_the_reader_is(period: Period, start: date, end: date) -> None:
    assert period_start(march(31, 23), period, SHANGHAI) == start
    assert period_end(start, period) == end


NOTICED = {"failure_modes": [{"key": "vibration", "code": None}, {"key": "heat", "code": "bearing"}]}


@pytest.mark.parametrize(
    ("said", "outcome", "noticed", "modes"),
    [
        ("seal", "confirmed", NOTICED, {"seal"}),  # who was there knows better
        (None, "confirmed", NOTICED, {"key:vibration", "bearing"}),
        (None, "wrong_mode", NOTICED, set()),
        ("seal", "wrong_mode", NOTICED, {"seal"}),
        (None, None, {"failure_modes": [{"key": None, "code": None}, "rubbish"]}, set()),
        (None, None, None, set()),
    ],
)
def test_what_failed_is_what_was_found_else_what_was_noticed(
    said: str | None, outcome: str | None, noticed: dict[str, object] | None, modes: set[str]
) -> None:
    assert modes_of(WorkOrder(failure_mode=said, outcome=outcome, noticed=noticed)) == modes


@pytest.mark.parametrize(
    ("first", "again", "value"),
    [
        ("bearing", "bearing", 0),
        ("bearing", "seal motor", 1),
        ("bearing", "", 0),  # nobody said: it may be the same
        ("bearing", "key:vibration", 0),  # an alarm without a code may be the bearing
        ("key:heat", "key:vibration", 1),
        ("bearing", "seal key:vibration", 0),
    ],
)
def test_only_what_is_certainly_another_failure_is_no_return(first: str, again: str, value: int) -> None:
    one, other = order("C", "three", modes=first), order("D", "three", modes=again, outcome=None)
    found = part_of("first_time_fix", one, [one, other], NOW, Parameters())
    assert found is not None
    assert found.value == value


def test_events_count_for_the_order_its_visits_and_the_requests_that_it_answers() -> None:
    asked, of_case = (
        WorkOrder(id=key(name), origin="request", origin_ref=key(ref)) for name, ref in (("A", "R1"), ("B", "case"))
    )
    owners = owners_of([asked, of_case], {key("a1"): key("A")}, {key("R1"): key("A"), key("R2"): key("B")})
    assert {name: owners.get(key(name)) for name in ("A", "a1", "R1", "B", "R2")} == {
        "A": [key("A")], "a1": [key("A")], "R1": [key("A")], "B": [key("B")], "R2": [key("B")],
    }  # fmt: skip
