"""Which promise holds, and what events mean for clocks: tables without a database.

Seed rows 001-06, 001-07 and 004-22 (service types and customers make the difference).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from assets.base.holiday_days import HolidayDay, as_exceptions, holiday_days
from assets.base.open_time import OpenTime
from ticketing.sla.clock import ClockState, Target, clock
from ticketing.sla.marks import Happened, marks_of
from ticketing.sla.policies import ContractRow, PolicyRow, TargetRow, Work, choose, promises
from ticketing.sla.telling import turn_of

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def key(name: str) -> UUID:
    return uuid5(UUID(int=3), name)


ROOT, REGION = key("root"), key("region")


def policy(name: str, owner: UUID = ROOT, precedence: int = 0, **match: list[str] | None) -> PolicyRow:
    asked: Any = None if "linked" in match else match
    targets = (TargetRow("response", "any", 60), TargetRow("response", "urgent", 15))
    return PolicyRow(key(name), owner, name, asked, precedence, None, {"parts": ["response"]}, targets, START)


def work(priority: str = "normal", **values: Any) -> Work:
    return Work("work_order", priority, (ROOT, REGION), START, **values)


VIP, PUMPS = key("VIP"), key("pumps")
ALL = policy("all")
OF_VIP = policy("of vip", customer_ids=[str(VIP)])
OF_URGENT = policy("of urgent", priorities=["urgent"])
OF_REGION = policy("of region", REGION)
FIRST = policy("first", precedence=1, asset_model_ids=[str(PUMPS)])
LINKED = policy("linked", linked=None)
OTHERS = policy("others", key("elsewhere"))
EVERY = [ALL, OF_VIP, OF_URGENT, LINKED, OTHERS]


@pytest.mark.parametrize(
    ("policies", "asked", "name"),
    [
        (EVERY, work(), "all"),
        (EVERY, work(customer_id=VIP), "of vip"),
        (EVERY, work("urgent"), "of urgent"),
        (EVERY, work("urgent", customer_id=VIP), "of vip"),  # whose it is weighs more than how urgent it is
        ([*EVERY, OF_REGION], work(), "of region"),  # the nearest owner's
        ([*EVERY, FIRST], work(customer_id=VIP, asset_model_id=PUMPS), "first"),
        (EVERY, work(linked_policy_id=LINKED.id), "linked"),
        (EVERY, work(linked_policy_id=LINKED.id, customer_id=VIP), "of vip"),
        ([LINKED, OTHERS], work(), None),
        ([], work(), None),
    ],
)
def test_the_most_particular_policy_holds(policies: list[PolicyRow], asked: Work, name: str | None) -> None:
    found = choose(reversed(policies), asked)
    assert (found.name if found else None) == name


def contract(name: str, precedence: int = 0, last: date = date(2026, 12, 31), **hours: dict[str, float]) -> ContractRow:
    times = [{"priority": priority, **each} for priority, each in hours.items()]
    return ContractRow(key(name), precedence, times, START, date(2026, 1, 1), last, "Asia/Shanghai")


GOLD = contract("gold", normal={"respond_h": 2}, urgent={"respond_h": 0.5})


@pytest.mark.parametrize(
    ("contracts", "priority", "minutes", "source"),
    [
        ([GOLD], "normal", 120, "contract"),  # though the policy says one hour: it is what was agreed
        ([GOLD], "urgent", 30, "contract"),
        ([GOLD], "high", 60, "policy"),  # the contract's time for normal work is longer than the policy's
        ([contract("short", normal={"respond_h": 0.5})], "high", 30, "contract"),
        ([GOLD], "low", 60, "policy"),
        ([contract("over", last=date(2026, 3, 1), normal={"respond_h": 2})], "normal", 60, "policy"),
        ([GOLD, contract("first", 1, normal={"respond_h": 3})], "normal", 180, "contract"),
        ([contract("other", normal={"restore_h": 3})], "normal", 60, "policy"),
        ([], "urgent", 15, "policy"),
    ],
)
def test_contract_goes_before_policy(contracts: list[ContractRow], priority: str, minutes: int, source: str) -> None:
    found = promises(ALL, contracts, work(priority))["response"]
    assert (found.amount, found.source) == (timedelta(minutes=minutes), source)
    assert found.pausing == {"parts"}


def test_contract_alone_is_promised_and_warned_about() -> None:
    found = promises(None, [GOLD], work())
    assert set(found) == {"response"}
    assert [each["percent"] for each in found["response"].warnings] == [50, 80, 100]
    assert promises(None, [], work()) == {}


# ---- events -> clocks ----------------------------------------------------------------------------------------------

ORDER, CASE, OTHER = key("order"), key("case"), key("other order")


def event(hours: float, kind: str, subject: UUID = ORDER, **payload: Any) -> Happened:
    at = START + timedelta(hours=hours)
    return Happened(int(hours * 100), at, kind, kind.partition(".")[0], subject, payload, True)


def moved(hours: float, to: str, before: str = "in_progress", subject: UUID = ORDER, **more: Any) -> Happened:
    kinds = {"completed": "completed", "closed": "closed", "cancelled": "cancelled"}
    return event(hours, f"work_order.{kinds.get(to, 'state_changed')}", subject, to=to, **{"from": before}, **more)


OPENED = event(0, "work_order.opened")
CASE_OPENED = event(0, "case.opened", CASE)


def shown(kind: str, events: list[Happened], name: str, hours: float = 20) -> ClockState | None:
    subject = CASE if kind == "case" else ORDER
    target = Target(timedelta(hours=5), frozenset({"parts", "customer", "approval"}))
    return clock(marks_of(kind, subject, events)[name], target, OpenTime(None), START + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("kind", "events", "name", "state", "used"),
    [
        ("work_order", [OPENED, event(1, "work_order.assigned", person_id="p")], "response", "met", 1),
        ("work_order", [OPENED, event(1, "work_order.assigned", person_id=None)], "response", "breached", 20),
        ("work_order", [OPENED, moved(2, "scheduled")], "response", "met", 2),
        ("work_order", [OPENED, event(1, "visit.state_changed", OTHER, to="travelling"), moved(1, "in_progress"),
                        event(3, "visit.state_changed", OTHER, to="in_progress")], "arrival", "met", 3),
        ("work_order", [OPENED, moved(2, "in_progress")], "arrival", "met", 2),  # from afar: there is no visit
        ("work_order", [OPENED, moved(2, "on_hold", reason_code="parts"), moved(12, "in_progress"),
                        moved(13, "completed")], "restoration", "met", 3),
        ("work_order", [OPENED, moved(2, "on_hold", reason_code="weather"), moved(12, "in_progress"),
                        moved(13, "completed")], "restoration", "missed", 13),
        ("work_order", [OPENED, event(1, "work_order.priority_raised", **{"from": "low", "to": "high"}),
                        moved(2, "completed")], "restoration", "met", 2),
        ("work_order", [OPENED, moved(1, "completed"), moved(2, "closed", "completed"),
                        event(10, "work_order.reopened", to="unscheduled", **{"from": "closed"}),
                        moved(12, "completed")], "restoration", "met", 3),
        ("work_order", [OPENED, moved(1, "completed"), moved(1.5, "documented", "completed"),
                        event(2, "work_order.sent_back", to="in_progress", **{"from": "documented"}),
                        moved(9, "completed")], "restoration", "met", 1),  # papers alone
        ("work_order", [OPENED, moved(1, "cancelled", "unscheduled")], "closing", "cancelled", 1),
        ("work_order", [OPENED, moved(1, "cannot_complete"), moved(2, "closed", "cannot_complete")],
         "restoration", "cancelled", 2),
        ("work_order", [event(-2, "request.opened", OTHER), OPENED, moved(1, "completed")], "restoration", "met", 3),
        ("case", [CASE_OPENED, event(1, "case.claimed", CASE)], "response", "met", 1),
        ("case", [CASE_OPENED, event(1, "case.waiting", CASE, to="waiting_customer"),
                  event(11, "case.resumed", CASE, to="in_progress"), event(12, "case.closed", CASE)],
         "restoration", "met", 2),
        # A case waits when none of its open orders can go on.
        ("case", [CASE_OPENED, OPENED, event(0, "work_order.opened", OTHER), moved(1, "on_hold", reason_code="parts"),
                  moved(3, "on_hold", subject=OTHER, reason_code="parts"), moved(13, "in_progress"),
                  event(14, "case.closed", CASE)], "closing", "met", 4),
        ("case", [CASE_OPENED, event(2, "case.rejected", CASE)], "restoration", "cancelled", 2),
        ("case", [CASE_OPENED, event(2, "case.merged", CASE)], "closing", "cancelled", 2),
    ],
)  # fmt: skip
def test_events_move_clocks(kind: str, events: list[Happened], name: str, state: str, used: float) -> None:
    found = shown(kind, events, name)
    assert found is not None
    assert (found.state, found.used / timedelta(hours=1)) == (state, used)


@pytest.mark.parametrize(
    ("minutes", "paused", "turn", "again"),
    [(0, False, 0, 60), (59, False, 0, 60), (60, False, 1, 120), (130, False, 2, None), (900, False, 2, None),
     (130, True, 0, None)],
)  # fmt: skip
def test_warnings_are_repeated_so_often_and_no_more(minutes: int, paused: bool, turn: int, again: int | None) -> None:
    rule = {"repeat_minutes": 60, "repeats": 2}
    found = turn_of(START, START + timedelta(minutes=minutes), rule, paused=paused)
    assert found == (turn, START + timedelta(minutes=again) if again else None)


def test_shifted_working_day_has_the_hours_of_the_day_it_makes_up_for() -> None:
    days = [HolidayDay(date(2026, 2, 20), "off"), HolidayDay(date(2026, 2, 14), "work", date(2026, 2, 20))]
    hours = {"0": [["08:00", "17:00"]], "4": [["08:00", "12:00"]]}
    exceptions, names = as_exceptions(days, hours, {"2026-02-20": [["09:00", "10:00"]]})
    assert exceptions == {"2026-02-14": [["08:00", "12:00"]]}
    assert names == {"2026-02-14": "work"}
    known = {each.day: each.works_for for each in holiday_days("CN", [2026])}
    assert known[date(2026, 2, 14)] == date(2026, 2, 20)
