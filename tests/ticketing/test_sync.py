"""POST /sync: once, in order, whole or not at all, at the time it happened (001-13, 001-14)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from assets.base.events import Event
from assets.base.ids import uuid7
from tests.ticketing.field import ARRIVED, Field, minutes, op
from tests.ticketing.world import World
from ticketing.help_models import HelpRequest
from ticketing.models import Visit, WorkOrder
from ticketing.order_models import WorkOrderLine
from ticketing.sync.tables import SyncOperation


def states(results: list[dict[str, Any]]) -> list[str]:
    return [each["state"] for each in results]


def visit_of(world: World, order: str) -> Visit:
    with world.database.as_service() as session:
        return session.scalars(select(Visit).where(Visit.work_order_id == UUID(order))).one()


def test_a_day_done_without_network_is_recorded_when_it_happened(field: Field, world: World) -> None:
    field.now = minutes(200)
    order = field.order(world.ann)
    field.now = ARRIVED
    done = [
        op("order.accept", order, minutes(120)),
        op("visit.move", order, minutes(110), to="travelling"),
        op("visit.move", order, minutes(80), to="in_progress", place={"latitude_deg": 48.1, "longitude_deg": 11.5}),
        op("visit.move", order, minutes(60), to="on_break"),
        op("visit.move", order, minutes(50), to="in_progress"),
        op("line.add", order, minutes(40), kind="expense", category="parking", amount=4.5, currency="EUR"),
        op("note.add", order, minutes(30), text="the seal weeps"),
        op("order.finish", order, minutes(20), outcome="confirmed", note="greased", documented=True, cause="wear"),
    ]
    results = field.send(world.ann, *done)
    assert states(results) == ["applied"] * 8, results
    assert results[-1]["answer"]["work_order"]["state"] == "documented"
    assert [datetime.fromisoformat(each["happened_at"]) for each in results] == [
        datetime.fromisoformat(each["made_at"]) for each in done
    ]
    visit = visit_of(world, order)
    assert (visit.travelling_at, visit.started_at, visit.finished_at) == (minutes(110), minutes(80), minutes(20))
    assert (visit.checked_in_at, visit.break_seconds) == (minutes(80), 600)
    with world.database.as_service() as session:
        row = session.get_one(WorkOrder, UUID(order))
        assert (row.work_done_at, row.failure_cause) == (minutes(20), "wear")
        kept = session.scalars(select(SyncOperation).order_by(SyncOperation.id)).all()
        assert [(each.state, each.received_at, each.happened_at) for each in kept] == [
            ("applied", ARRIVED, datetime.fromisoformat(each["made_at"])) for each in done
        ]
        told = session.scalars(select(Event.at).where(Event.kind == "work_order.completed")).one()
        assert told == minutes(20)


def test_the_same_operation_again_is_answered_as_the_first_time_and_changes_nothing(field: Field, world: World) -> None:
    order = field.order(world.ann)
    done = [
        op("visit.move", order, to="in_progress"),
        op("line.add", order, kind="travel", minutes=30),
        op("visit.move", order, to="travelling"),  # not legal any more
    ]
    first = field.send(world.ann, *done)
    assert states(first) == ["applied", "applied", "refused"]
    assert first[2]["problem"]["params"]["legal"] == ["on_break", "completed", "partially_completed", "cannot_complete"]
    field.send(world.ann, op("visit.move", order, to="on_break"))
    field.now = ARRIVED + timedelta(minutes=5)
    again = field.send(world.ann, *done)
    assert [{**each, "repeated": False} for each in again] == first
    assert all(each["repeated"] for each in again)
    with world.database.as_service() as session:
        assert session.scalar(select(func.count()).select_from(WorkOrderLine)) == 1
    other = dict(done[1], payload={"kind": "travel", "minutes": 31})
    (reused,) = field.send(world.ann, other)
    assert (reused["state"], reused["problem"]["code"]) == ("refused", "operation_reused")
    (stolen,) = field.send(world.bob, done[1])
    assert (stolen["state"], stolen["problem"]["code"], stolen["answer"]) == ("refused", "operation_reused", None)


def test_the_same_batch_from_many_threads_at_once_is_done_once(field: Field, world: World) -> None:
    order = field.order(world.ann)
    done = [
        op("visit.move", order, to="in_progress"),
        op("line.add", order, kind="travel", minutes=30),
        op("help.request", order, what="help", text="too heavy for one"),
        op("order.finish", order, outcome="confirmed"),
    ]
    field.client(world.ann)
    barrier, answers, threads = threading.Barrier(4), [], []

    def phone() -> None:
        barrier.wait(60)
        answers.append(field.send(world.ann, *done))

    for _ in range(4):
        threads.append(threading.Thread(target=phone))
        threads[-1].start()
    for thread in threads:
        thread.join(60)
    assert [states(each) for each in answers] == [["applied"] * 4] * 4
    for index in range(4):
        assert sorted(each[index]["repeated"] for each in answers) == [False, True, True, True]
        assert all({**each[index], "repeated": None} == {**answers[0][index], "repeated": None} for each in answers)
    with world.database.as_service() as session:
        travel = select(func.count()).select_from(WorkOrderLine).where(WorkOrderLine.kind == "travel")
        assert session.scalar(travel) == 1
        assert session.scalar(select(func.count()).select_from(HelpRequest)) == 1
        completed = select(func.count()).select_from(Event).where(Event.kind == "work_order.completed")
        assert session.scalar(completed) == 1


def test_a_bad_operation_holds_up_what_depends_on_it_and_nothing_else(field: Field, world: World) -> None:
    mine, other = field.order(world.ann), field.order(world.ann)
    note = op("note.add", mine, text="nobody opens")
    bad = op("order.finish", mine, outcome="confirmed")  # never begun
    later = op("order.document", mine)
    independent = op("visit.move", other, to="in_progress")
    explicit = op("note.add", other, text="after it", after=bad["id"])
    results = field.send(world.ann, bad, later, note, independent, explicit)
    assert states(results) == ["refused", "held", "applied", "applied", "held"]
    assert (results[0]["problem"]["status"], results[0]["problem"]["code"]) == (409, "illegal_move")
    assert results[1]["held_by"] == results[4]["held_by"] == bad["id"]
    # Held is not decided: what replaces the bad one lets it go on, under its own id.
    start, finish = op("visit.move", mine, to="in_progress"), op("order.finish", mine, outcome="confirmed")
    assert states(field.send(world.ann, start, finish, later)) == ["applied"] * 3
    (shown,) = field.ask(world.planner, "GET", "/sync/operations?state=refused&unseen=true")["items"]
    assert (shown["id"], shown["person"]["name"], shown["payload"]) == (bad["id"], "Ann", {"outcome": "confirmed"})
    field.ask(world.planner, "POST", f"/sync/operations/{bad['id']}/seen", {})
    assert field.ask(world.planner, "GET", "/sync/operations?state=refused&unseen=true")["items"] == []


def test_a_refused_operation_leaves_nothing_half_done(field: Field, world: World) -> None:
    order = field.order(world.ann)
    field.send(world.ann, op("visit.move", order, to="in_progress"))
    place = {"latitude_deg": 48.1, "longitude_deg": 11.5}
    bad = op("order.finish", order, outcome="confirmed", cause="wear", note="done", place=place, why_no_place=7)
    (result,) = field.send(world.ann, bad)
    assert (result["state"], result["problem"]["status"]) == ("refused", 422)
    visit = visit_of(world, order)
    assert (visit.state, visit.checked_out_at, visit.finished_at) == ("in_progress", None, None)
    with world.database.as_service() as session:
        row = session.get_one(WorkOrder, UUID(order))
        assert (row.state, row.outcome, row.failure_cause, row.outcome_note) == ("in_progress", None, None, None)


def test_what_cannot_have_happened_then_is_refused(field: Field, world: World) -> None:
    days, ahead = timedelta(days=3), timedelta(hours=2)
    for made, offset_ms, happened in (
        (ARRIVED + timedelta(minutes=10), None, ARRIVED),  # a clock that is a little ahead
        (ARRIVED + ahead, None, None),
        (ARRIVED + ahead, -7_200_000, ARRIVED),  # two hours ahead, and measured so
        (ARRIVED - days, None, None),  # before the order was there
        (ARRIVED - days, 3 * 86_400_000 - 60_000, minutes(1)),
    ):
        field.now = minutes(30)
        order = field.order(world.ann)
        field.now = ARRIVED
        (result,) = field.send(world.ann, op("visit.move", order, made, to="travelling", clock_offset_ms=offset_ms))
        if happened is not None:
            assert visit_of(world, order).travelling_at == happened
            continue
        problem = result["problem"]
        assert (result["state"], problem["code"]) == ("refused", "implausible_time")
        assert datetime.fromisoformat(problem["params"]["earliest"]) == minutes(30)
        assert datetime.fromisoformat(problem["params"]["latest"]) == ARRIVED


def test_a_clock_that_is_wrong_by_days_is_counted_from_what_it_says_now(field: Field, world: World) -> None:
    field.now = minutes(30)
    order = field.order(world.ann)
    field.now = ARRIVED
    wrong = timedelta(days=400)
    move = op("visit.move", order, minutes(10) - wrong, to="travelling")
    (result,) = field.send(world.ann, move, sent_at=(ARRIVED - wrong).isoformat())
    assert result["state"] == "applied"
    assert visit_of(world, order).travelling_at == minutes(10)


def test_a_stale_operation_is_a_conflict_that_shows_both_and_ones_own_moves_are_not_stale(
    field: Field, world: World
) -> None:
    order = field.order(world.ann)
    base = field.ask(world.ann, "GET", f"/work-orders/{order}")["version"]
    mine = [op("visit.move", order, to=to, base_version=base) for to in ("travelling", "in_progress")]
    assert states(field.send(world.ann, *mine)) == ["applied", "applied"]
    field.ask(world.planner, "PATCH", f"/work-orders/{order}", {"priority": "urgent"})
    (result,) = field.send(world.ann, op("order.finish", order, outcome="confirmed", base_version=base))
    assert (result["state"], result["problem"]["status"]) == ("conflict", 412)
    assert (result["yours"]["outcome"], result["current"]["priority"]) == ("confirmed", "urgent")
    (anyhow,) = field.send(world.ann, op("order.finish", order, outcome="confirmed"))
    assert anyhow["state"] == "applied"


def test_answers_commute_the_one_given_last_counts(field: Field, world: World) -> None:
    procedure = {"code": "SOP-1", "name_en": "Check", "name_zh": "检查"}
    made = field.ask(world.planner, "POST", "/procedures", procedure, 201)
    step = {"key": "play", "kind": "number", "title_en": "Play", "title_zh": "间隙"}
    field.ask(world.planner, "PUT", f"/procedures/{made['id']}/draft", {"steps": [step]})
    field.ask(world.planner, "POST", f"/procedures/{made['id']}/publish", {})
    field.now = minutes(60)
    order = field.order(world.ann)
    told = {"procedure_id": made["id"]}
    run = field.ask(world.ann, "POST", f"/work-orders/{order}/procedures", told, 201)["id"]
    field.now = ARRIVED
    late = op("procedure.answer", order, minutes(5), run_id=run, step="play", value=0.3)
    early = op("procedure.answer", order, minutes(20), run_id=run, step="play", value=0.9)
    assert states(field.send(world.ann, late)) == states(field.send(world.ann, early)) == ["applied"]
    (shown,) = field.ask(world.ann, "GET", f"/work-orders/{order}/procedures")["items"]
    assert shown["answers"]["play"]["value"] == 0.3
    foreign = op("procedure.answer", order, run_id=run, step="play", value=1, evidence_ids=[str(uuid7())])
    assert field.send(world.ann, foreign)[0]["problem"]["params"]["field"] == "evidence_ids"


def test_the_batch_is_bounded_and_the_operation_at_fault_is_named(field: Field, world: World) -> None:
    order = field.order(world.ann)
    client = field.client(world.ann)
    many = {"device": "phone", "operations": [op("note.add", order, text="x")] * 201}
    assert client.post("/api/v1/sync", json=many).status_code == 422
    large = op("note.add", order, text="x" * 600_000)
    answer = client.post("/api/v1/sync", json={"device": "phone", "operations": [op("order.accept", order), large]})
    assert answer.status_code == 422
    assert "operations.1.payload" in answer.text
    empty = b'{"device": "phone", "operations": []}'
    json_type = {"content-type": "application/json"}
    huge = client.post("/api/v1/sync", content=empty + b" " * 2 * 1024 * 1024, headers=json_type)
    assert (huge.status_code, huge.json()["code"]) == (413, "too_large")
    odd = [
        op("order.eat", order),
        op("order.accept", order, of="meter"),
        op("note.add", order, text="\0"),
        op("note.add", order, text=7),
        op("visit.move", uuid7(), of="visit", to="travelling"),
        op("help.request", order, what="parts", lines=[{}]),
    ]
    results = field.send(world.ann, *odd)
    assert [each["problem"]["status"] for each in results] == [422, 422, 422, 422, 404, 422]
    with world.database.as_service() as session:
        assert session.scalar(select(func.count()).select_from(SyncOperation)) == len(odd)


def test_others_cannot_reach_into_the_work(field: Field, world: World) -> None:
    order = field.order(world.ann)
    field.send(world.ann, op("order.accept", order))
    visit = str(visit_of(world, order).id)
    reach: list[Callable[[], dict[str, Any]]] = [
        lambda: op("order.accept", order),
        lambda: op("visit.move", order, to="in_progress"),
        lambda: op("visit.move", visit, of="visit", to="in_progress"),
        lambda: op("note.add", order, text="mine"),
        lambda: op("line.add", order, kind="travel", minutes=5),
        lambda: op("asset.locate", world.pump, of="asset", latitude_deg=1.0, longitude_deg=1.0),
    ]
    for actor, expected in ((world.partner, {403, 404}), (world.bob, {403, 409})):
        results = field.send(actor, *(make() for make in (reach if actor is world.partner else reach[:5])))
        assert {each["state"] for each in results} <= {"refused", "held"}
        assert {each["problem"]["status"] for each in results if each["problem"]} <= expected, results
    field.ask(world.stranger, "POST", "/sync", {"device": "x", "operations": []}, 403)
    assert field.ask(world.bob, "GET", f"/sync/operations?work_order_id={order}")["items"] != []
    assert all(
        each["person"]["name"] == "Bob"
        for each in field.ask(world.bob, "GET", f"/sync/operations?work_order_id={order}")["items"]
    )


def test_work_put_on_hold_in_the_field_says_for_what_and_beginning_again_ends_it(field: Field, world: World) -> None:
    order = field.order(world.ann)
    begun = [op("visit.move", order, minutes(9), to="in_progress"), op("visit.move", order, minutes(8), to="on_break")]
    held = op("order.hold", order, minutes(7), reason_code="parts", reason="the seal comes tomorrow")
    assert states(field.send(world.ann, *begun, held)) == ["applied"] * 3
    seen = field.ask(world.planner, "GET", f"/work-orders/{order}")
    assert (seen["state"], seen["hold_reason"]) == ("on_hold", "parts")
    (nothing,) = field.send(world.ann, op("order.hold", field.order(world.ann), minutes(6)))
    assert (nothing["state"], nothing["problem"]["status"]) == ("refused", 422)  # for what is always said
    (again,) = field.send(world.ann, op("visit.move", order, minutes(5), to="in_progress"))
    assert again["answer"]["work_order"]["state"] == "in_progress"
    assert field.ask(world.planner, "GET", f"/work-orders/{order}")["hold_reason"] is None
