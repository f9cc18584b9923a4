"""What the phone reads: its day, where to go, what fixed this before, what to pick; calls for help (003-22, 004-15)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from assets.base.consumers import run_consumer
from assets.base.errors import Invalid
from assets.base.events import Event
from assets.failure_modes import FailureMode
from gateway.api import field_day
from tests.ticketing.field import ARRIVED, Field, minutes, op
from tests.ticketing.world import World
from ticketing.distances import Fix, checked_fix, distance_to, metres_between
from ticketing.failure_words import Past, picks
from ticketing.help_requests import HELP_ENDS_WITH_WORK
from ticketing.models import Visit, WorkOrder

MUNICH, VIENNA = (48.137, 11.575), (48.208, 16.373)


def test_a_distance_is_that_of_the_great_circle_and_far_is_what_accuracy_does_not_explain() -> None:
    assert metres_between(MUNICH, VIENNA) == pytest.approx(355_600, rel=0.01)
    assert metres_between((0, 179.9), (0, -179.9)) == pytest.approx(22_239, rel=0.01)
    assert metres_between((90, 0), (90, 120)) == pytest.approx(0, abs=0.01)
    north = Fix(MUNICH[0] + 0.0045, MUNICH[1])  # 500 m
    found = distance_to(north, MUNICH)
    assert found is not None
    assert (round(found.metres), found.far) == (500, True)
    for fix, around, far in ((Fix(*MUNICH), 0, False), (Fix(MUNICH[0] + 0.0045, MUNICH[1], 400), 0, False)):
        known = distance_to(fix, MUNICH, around)
        assert known is not None
        assert known.far is far
    assert distance_to(north, MUNICH, 300.0) is not None
    assert distance_to(north, None) is None
    for bad in (Fix(91, 0), Fix(0, 181), Fix(float("nan"), 0), Fix(0, 0, -1)):
        with pytest.raises(Invalid):
            checked_fix(bad)


def test_picks_show_what_was_noticed_first_then_what_was_most_frequent() -> None:
    modes = {"seal": ("Seal", "密封"), "bearing": ("Bearing", "轴承"), "belt": ("Belt", "皮带")}
    actions = {"replace": ("Replaced", "更换"), "adjust": ("Adjusted", "调整")}
    past = [
        Past("bearing", "wear", "replace", "confirmed", 3, here=1),
        Past("bearing", "loose", "adjust", "confirmed", 5),
        Past("belt", "wear", "adjust", "confirmed", 2),
    ]
    told = picks(modes, actions, past, ["seal"])
    assert [each["code"] for each in told["failure_modes"]] == ["seal", "bearing", "belt"]
    assert told["suggested"] == {"failure_mode": "seal", "cause": None, "action": None, "why": "finding"}
    told = picks(modes, actions, past, ["unheard", "belt"])
    assert told["suggested"] == {"failure_mode": "belt", "cause": "wear", "action": "adjust", "why": "finding"}
    told = picks(modes, actions, past)
    assert told["suggested"] == {"failure_mode": "bearing", "cause": "loose", "action": "adjust", "why": "frequency"}
    assert [each["code"] for each in told["failure_modes"][0]["causes"][:2]] == ["loose", "wear"]
    assert told["failure_modes"][0]["causes"][1]["actions"][0] == {
        "code": "replace",
        "name_en": "Replaced",
        "name_zh": "更换",
        "count": 3,
    }
    assert picks(modes, actions, [])["suggested"]["failure_mode"] is None


def test_the_day_comes_in_one_answer_and_then_only_what_changed(field: Field, world: World) -> None:
    """003-22: list, map and calendar from the same answer."""
    with world.database.as_service() as session:
        pump = world.asset(session)
        pump.latitude_deg, pump.longitude_deg, pump.location_accuracy_m = *MUNICH, 10.0
    first, second = field.order(world.ann), field.order(world.ann, world.other_pump)
    start = ARRIVED + timedelta(hours=2)
    body = {"work_order_id": first, "technician_id": str(world.ann.person_id), "planned_start": start.isoformat()}
    field.ask(world.planner, "POST", "/visits", body, 201)
    field.order(world.bob)
    day = field.ask(world.ann, "GET", "/sync/changes")
    assert (day["whole"], sorted(day["order_ids"])) == (True, sorted([first, second]))
    assert sorted(each["id"] for each in day["orders"]) == sorted([first, second])
    (visit,) = day["visits"]
    assert (visit["work_order_id"], visit["asset_serial"], visit["state"]) == (first, "PUMP-1", "scheduled")
    assert visit["place"] == {
        "latitude_deg": MUNICH[0],
        "longitude_deg": MUNICH[1],
        "accuracy_m": 10.0,
        "source": "asset",
    }
    assert {"confirmed", "no_fault_found"} <= set(day["words"]["outcomes"])
    assert sorted(day["picks"]) == sorted([first, second])
    quiet = field.ask(world.ann, "GET", f"/sync/changes?since={day['since']}")
    assert (quiet["whole"], quiet["orders"], quiet["order_ids"]) == (False, [], day["order_ids"])
    field.send(world.ann, op("help.request", second, what="help", text="stuck"))
    fresh = field.ask(world.ann, "GET", f"/sync/changes?since={quiet['since']}")
    assert [each["id"] for each in fresh["orders"]] == [second]
    assert [each["text"] for each in fresh["help"]] == ["stuck"]
    assert field.ask(world.partner, "GET", "/sync/changes")["order_ids"] == []
    field.ask(world.stranger, "GET", "/sync/changes", None, 403)
    field.ask(world.ann, "GET", "/sync/changes?since=x", None, 422)


def test_order_of_a_planned_visit_is_there_however_many_newer_orders_there_are(
    field: Field, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_day, "MAX_ORDERS", 2)
    first, _, newest = (field.order(world.ann) for _ in range(3))
    start = ARRIVED + timedelta(hours=2)
    body = {"work_order_id": first, "technician_id": str(world.ann.person_id), "planned_start": start.isoformat()}
    field.ask(world.planner, "POST", "/visits", body, 201)
    day = field.ask(world.ann, "GET", "/sync/changes")
    assert day["order_ids"] == [first, newest]
    assert [each["work_order_id"] for each in day["visits"]] == [first]


def test_who_checks_in_far_away_is_flagged_and_not_refused(field: Field, world: World) -> None:
    """001-19: check-in and check-out with the distance to the machine."""
    with world.database.as_service() as session:
        pump = world.asset(session)
        pump.latitude_deg, pump.longitude_deg = MUNICH
    order = field.order(world.ann)
    near = {"latitude_deg": MUNICH[0], "longitude_deg": MUNICH[1] + 0.001, "accuracy_m": 8}
    far = {"latitude_deg": VIENNA[0], "longitude_deg": VIENNA[1], "accuracy_m": 8}
    begin = op("visit.move", order, to="in_progress", place=near)
    end = op("order.finish", order, outcome="confirmed", place=far)
    results = field.send(world.ann, begin, end)
    assert [each["state"] for each in results] == ["applied", "applied"]
    told = results[1]["answer"]["visit"]
    assert (round(told["checked_in_distance_m"]), told["checked_in_far"]) == (74, False)
    assert (told["checked_out_far"], told["checked_out_distance_m"] > 350_000) == (True, True)
    with world.database.as_service() as session:
        log = session.scalars(select(Event.payload).where(Event.kind == "visit.checked_out")).one()
        assert log["far"] is True
        assert "latitude_deg" not in log
    other = field.order(world.ann)
    blind = op("visit.check_in", other, why_no_place="denied")
    assert [each["state"] for each in field.send(world.ann, op("order.accept", other), blind)] == ["applied"] * 2
    with world.database.as_service() as session:
        visit = session.scalars(select(Visit).where(Visit.work_order_id == UUID(other))).one()
        assert (visit.checked_in_without, visit.checked_in_distance_m, visit.checked_in_far) == ("denied", None, None)


def test_what_fixed_this_the_last_time_counts_what_the_reader_may_see(field: Field, world: World) -> None:
    """003-26: on this machine first, then on others of its model."""
    with world.database.as_service() as session:
        modes = [("seal_leak", "Seal leaks", "密封泄漏"), ("bearing_worn", "Bearing worn", "轴承磨损")]
        for code, en, zh in modes:
            told = {"code": code, "name_en": en, "name_zh": zh, "asset_model_id": world.model}
            session.add(FailureMode(organisation_id=world.operator, matches=[], **told))
    field.now = minutes(60)
    done = {"outcome": "confirmed", "failure_mode": "bearing_worn", "cause": "wear", "repair_code": "bearing_replaced"}
    for asset, more in ((world.pump, {}), (world.pump, {}), (world.other_pump, {"cause": "loose"})):
        order = field.order(world.ann, asset)
        finish = op("order.finish", order, minutes(60), **(done | more), note="as always")
        results = field.send(world.ann, op("visit.move", order, minutes(60), to="in_progress"), finish)
        assert results[1]["state"] == "applied", results
    field.now = ARRIVED
    order = field.order(world.ann)
    with world.database.as_service() as session:
        row = session.get_one(WorkOrder, UUID(order))
        row.noticed = {"failure_modes": [{"key": "k", "code": "bearing_worn", "name_en": "B", "name_zh": "轴"}]}
    fixes = field.ask(world.ann, "GET", f"/work-orders/{order}/last-fixes")
    assert fixes["basis"] == "failure_mode"
    assert [(one["cause"]["code"], one["count"], one["here"]) for one in fixes["items"]] == [
        ("wear", 2, 2),
        ("loose", 1, 0),
    ]
    assert fixes["items"][0]["action"] == {
        "code": "bearing_replaced",
        "name_en": "Bearing replaced",
        "name_zh": "更换轴承",
    }
    assert fixes["items"][0]["last_note"] == "as always"
    picked = field.ask(world.ann, "GET", f"/work-orders/{order}/outcome-picks")
    assert picked["suggested"] == {
        "failure_mode": "bearing_worn",
        "cause": "wear",
        "action": "bearing_replaced",
        "why": "finding",
    }
    field.ask(world.client, "GET", f"/work-orders/{order}/last-fixes", None, 403)
    field.ask(world.partner, "GET", f"/assets/{world.pump}/last-fixes", None, 404)


def test_a_call_for_help_is_seen_taken_and_answered(field: Field, world: World) -> None:
    order = field.order(world.ann)
    lines = [{"part_number": "SEAL-9", "quantity": 2}]
    calls = [
        op("help.request", order, what="help", text="too heavy"),
        op("help.request", order, what="parts", text="", lines=lines, urgent=True),
    ]
    keys = [each["answer"]["help_request_id"] for each in field.send(world.ann, *calls)]
    listed = field.ask(world.planner, "GET", "/help-requests")["items"]
    assert [each["id"] for each in listed] == [keys[1], keys[0]]  # urgent ones first
    assert (listed[0]["lines"][0]["part_number"], listed[0]["opened_by"]["name"]) == ("SEAL-9", "Ann")
    path = f"/help-requests/{keys[1]}"
    assert field.ask(world.planner, "POST", f"{path}/take")["taken_by"]["name"] == "Paula"
    field.ask(world.bob, "POST", f"{path}/take", None, 403)
    field.ask(world.stranger, "GET", "/help-requests", None, 403)
    assert field.ask(world.partner, "GET", "/help-requests")["items"] == []
    assert field.ask(world.planner, "POST", f"{path}/done", {"answer": "on the van at noon"})["state"] == "done"
    (refused,) = field.send(world.ann, op("help.withdraw", order, help_request_id=keys[1]))
    assert refused["problem"]["code"] == "illegal_move"
    assert field.send(world.ann, op("help.withdraw", order, help_request_id=keys[0]))[0]["state"] == "applied"
    assert field.ask(world.planner, "GET", "/help-requests")["items"] == []


def test_nobody_waits_at_a_machine_whose_work_has_ended(field: Field, world: World) -> None:
    ended, going_on = field.order(world.ann), field.order(world.ann)
    for order in (ended, going_on):
        field.send(world.ann, op("help.request", order, what="help", text="too heavy"))
    field.ask(world.planner, "POST", f"/work-orders/{ended}/transitions", {"to": "cancelled", "reason": "sold"})
    for _ in range(2):  # harmless twice
        run_consumer(world.database, HELP_ENDS_WITH_WORK, field.now + timedelta(seconds=5))
    waiting = field.ask(world.planner, "GET", "/help-requests")["items"]
    assert [each["work_order_id"] for each in waiting] == [going_on]
