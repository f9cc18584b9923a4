"""Reliability over HTTP against a real database: goldens reckoned by hand, down to the events; nobody else's machines.

Seed rows 003-40 (MTBF, MTTR, availability as defined, ranked), 001-05 and 003-41 (failures by mode, model, batch and
component, as files too), 001-11 (cost a year, repair or replace), 000-08 (every figure shows its rows).

A second golden, three presses of one model over 1000 h from T0 (each in service since long before):
A: failed 100-120 (bearing, repaired by WO with 3 h of work) and 500-504 (no mode).
B: planned stop 200-210 (reason planned_maintenance), failed 900 and still down at 1000.
C: nothing.
Hours up: A 976, B 890, C 1000 = 2866; 3 failures: MTBF 955.333 h; MTTR by the clock (20 + 4 + 100) / 3 = 41.333 h;
MTTR by work 3 h of 1 repair; availability 2866 / 3000 = 95.533 %; inherent (3000 - 124) / 3000 = 95.867 %.
Pareto by mode: none 2 of 3, bearing 1 of 3; by hours: none 104 of 124.
Compliance: due at 100, 300, 500 and 900, tolerance 24 h each way: done at 110 (on time), done at 360 (late), never
(missed), cancelled (excused): 1 of 3.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from assets.base.access import Actor, Role
from assets.base.events import Event
from assets.people import add_person
from assets.registry import Asset, AssetModel, Customer, add_asset, set_operation
from gateway.api.pages import cursor_of
from maintenance.plans.tables import MaintenancePlan, Occurrence, PlanAsset
from tests.gateway.conftest import Plant
from ticketing.order_lines import LineFacts, add_line
from ticketing.people.tables import TechnicianProfile
from ticketing.visits import move_visit, schedule_visit
from ticketing.work_orders import open_work_order, transition

HOURS = 1000
NOW = T0 = LONG_AGO = datetime.min.replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def _begins_now() -> None:
    """What is still down lasts until now: the period ends when its test begins, not when all tests were read."""
    global NOW, T0, LONG_AGO
    NOW = datetime.now(UTC).replace(microsecond=0)
    T0 = NOW - timedelta(hours=HOURS)
    LONG_AGO = T0 - timedelta(days=400)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def machine(session: Session, plant: Plant, name: str, model: AssetModel | None = None, **more: Any) -> Asset:
    asset = Asset(organisation_id=plant.customer.id, serial=f"S-{name}", name=name, created_at=LONG_AGO, **more)
    asset.asset_model_id = model.id if model else None
    add_asset(session, asset, LONG_AGO)
    return asset


def down(session: Session, asset: Asset, start: float, end: float | None, reason: str | None = None) -> None:
    set_operation(session, asset, "down", at(start), "manual", reason_code=reason, source="person")
    if end is not None:
        set_operation(session, asset, "up", at(end), "manual", source="person")


def asked(hours: float = 1000.0, **more: Any) -> dict[str, Any]:
    return {"from": T0.isoformat(), "until": at(hours).isoformat(), **more}


def get(client: TestClient, path: str, params: dict[str, Any], status: int = 200) -> Any:
    answer = client.get(f"/api/v1/reliability{path}", params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_oracle_through_the_api_down_to_its_events(plant: Plant) -> None:
    """720 h, down 100-110 and 400-405: MTBF 352.5 h, MTTR 7.5 h, availability 97.917 % (003-40, 000-08)."""
    with plant.database.as_service() as session:
        asset = machine(session, plant, "Press")
        down(session, asset, 100, 110)
        down(session, asset, 400, 405)
    desk = plant.administrator()
    told = get(desk, "", asked(720))
    whole = told["whole"]
    assert whole["mtbf"]["value"] == pytest.approx(352.5)
    assert whole["mttr_clock"]["value"] == pytest.approx(7.5)
    assert 100 * whole["availability"] == pytest.approx(97.9166667)
    assert (whole["failures"], whole["mtbf"]["n"], whole["machines"]) == (2, 2, 1)
    assert told["formulas"]["mtbf"] == "hours up / failures"
    rows = get(desk, "/rows", asked(720))["items"]
    assert [(row["hours"], row["counts"]) for row in rows] == [(10.0, True), (5.0, True)]
    with plant.database.as_service() as session:
        for row in rows:
            assert [one["at"] for one in row["events"]] == [row["start"], row["end"]]
            for one in row["events"]:
                assert session.get_one(Event, one["event_id"]).kind == one["kind"] == "asset.operation_changed"


def test_an_open_failure_one_carried_in_and_none_at_all(plant: Plant) -> None:
    """Open counts to now; down at the period's start is clipped; zero failures give a bound and no number (003-40)."""
    with plant.database.as_service() as session:
        lasting, carried, quiet = (machine(session, plant, name) for name in ("Lasting", "Carried", "Quiet"))
        down(session, lasting, 990, None)
        down(session, carried, -20, 10)
    desk = plant.administrator()
    rows = {row["group"]["name"]: row for row in get(desk, "", asked(by="asset"))["items"]}
    assert (rows["Lasting"]["failures"], rows["Lasting"]["open_failures"]) == (1, 1)
    assert rows["Lasting"]["mttr_clock"]["value"] == pytest.approx(10, abs=0.1)
    assert (rows["Carried"]["failures"], rows["Carried"]["carried_in"], rows["Carried"]["failed_h"]) == (0, 1, 10.0)
    none = rows["Quiet"]["mtbf"]
    assert (none["value"], none["reason"], none["high"]) == (None, "no_failure", None)
    assert none["low"] == pytest.approx(1000 / 2.9957, rel=1e-3)
    behind = get(desk, "/rows", asked(by="asset", group=str(carried.id)))["items"]
    assert [(row["why"], row["hours"], row["counts"]) for row in behind] == [("began_before", 10.0, False)]
    assert get(desk, "/rows", asked(by="asset", group=str(quiet.id)))["items"] == []


@pytest.fixture
def presses(plant: Plant) -> Plant:
    """The second golden."""
    with plant.database.as_service() as session:
        ann = add_person(session, organisation_id=plant.operator.id, name="Ann", roles=[Role.TECHNICIAN], now=LONG_AGO)
        profile = TechnicianProfile(organisation_id=plant.operator.id, person_id=ann.id, cost_per_hour=100)
        model = AssetModel(organisation_id=plant.operator.id, code="P-1", name_en="Press", name_zh="压力机")
        session.add_all([profile, model])
        session.flush()
        first = machine(session, plant, "A", model, custom={"batch": "B7", "replacement_price": 9000})
        second = machine(session, plant, "B", model, custom={"production_month": "2024-05"})
        machine(session, plant, "C", model)
        down(session, first, 100, 120)
        down(session, first, 500, 504)
        down(session, second, 200, 210, "planned_maintenance")
        down(session, second, 900, None)
        hands = Actor("person", plant.operator.id, frozenset({Role.TECHNICIAN}), ann.id)
        order = open_work_order(
            session, asset=first, origin="manual", kind="general", title_code="manual", now=at(101), by=hands
        )
        visit = schedule_visit(session, order, ann, at(102), by=hands)
        for state, hours in (("in_progress", 110.0), ("on_break", 111.0), ("in_progress", 112.0), ("completed", 114.0)):
            move_visit(session, order, visit, state, at(hours), by=hands, outcome="confirmed")
        order.failure_mode = "bearing"
        facts = LineFacts(kind="labour", minutes=180, person_id=ann.id, visit_id=visit.id, day=at(110).date())
        add_line(session, order, facts, at(115), by=hands)
        transition(session, order, "closed", at(130), by=plant.actor(plant.operator))
        nothing = open_work_order(
            session, asset=first, origin="request", kind="general", title_code="manual", now=at(600), by=hands
        )
        visit = schedule_visit(session, nothing, ann, at(600), by=hands)
        for state, hours in (("in_progress", 600.0), ("completed", 600.5)):
            move_visit(session, nothing, visit, state, at(hours), by=hands, outcome="no_fault_found")
    return plant


def test_a_fleet_reckoned_by_hand(presses: Plant) -> None:
    """The second golden; an order that found no fault is no failure, its half hour stops the machine (001-05)."""
    told = get(presses.administrator(), "", asked(by="failure_mode"))
    whole = told["whole"]
    assert whole["up_h"] == pytest.approx(2866 - 0.5, abs=0.01)
    assert whole["failures"] == 3
    assert whole["mtbf"]["value"] == pytest.approx((2866 - 0.5) / 3, abs=0.01)
    assert whole["mttr_clock"]["value"] == pytest.approx(124 / 3, abs=0.01)
    assert (whole["mttr_work"]["value"], whole["mttr_work"]["n"]) == (pytest.approx(3.0), 1)
    assert whole["availability_inherent"] == pytest.approx(1 - 124 / 3000, abs=1e-4)
    assert told["left_out"]["no_fault_found"] == 1
    groups = {row["group"]["id"]: row for row in told["items"]}
    assert {key: row["failures"] for key, row in groups.items()} == {"bearing": 1, None: 2}
    assert groups["bearing"]["mtbf"]["value"] == pytest.approx(2865.5, abs=0.01)
    bearing = get(presses.administrator(), "/rows", asked(by="failure_mode", group="bearing"))["items"]
    assert [(row["asset"]["name"], row["hours"], row["work_h"]) for row in bearing] == [("A", 20.0, 3.0)]
    assert {one["kind"] for one in bearing[0]["evidence"]} == {"state", "work_order"}
    assert "work_order.completed" in {one["kind"] for one in bearing[0]["events"]}
    batches = {
        row["group"]["id"]: row["failures"] for row in get(presses.administrator(), "", asked(by="batch"))["items"]
    }
    assert batches == {"B7": 2, "2024-05": 1, None: 0}


def test_pareto_bad_actors_and_the_life_curve(presses: Plant) -> None:
    """Shares of all failures (003-41); too few failures for a bad actor or a fit say so."""
    desk = presses.administrator()
    bars = get(desk, "/pareto", asked())
    assert [(bar["group"]["id"], bar["value"]) for bar in bars["items"]] == [(None, 2.0), ("bearing", 1.0)]
    assert (bars["n"], bars["items"][-1]["cumulative"]) == (3, 1.0)
    hours = get(desk, "/pareto", asked(measure="hours"))["items"]
    assert hours[0]["share"] == pytest.approx(104 / 124, abs=1e-3)
    ranked = get(desk, "/bad-actors", asked())["items"]
    assert [each["asset"]["name"] for each in ranked] == ["A", "B", "C"]
    assert not any(each["bad_actor"] for each in ranked)
    assert ranked[0]["expected"] == pytest.approx(1 * 975.5 / 1890, abs=1e-3)  # 1 failure of the others in 1890 h up
    curve = get(desk, "/weibull", asked())
    assert (curve["failures"], curve["censored"], len(curve["points"])) == (3, 2, 3)
    assert curve["fit"] is not None
    few = get(desk, "/weibull", asked(failure_mode="bearing"))
    assert (few["fit"], few["reason"], few["failures"]) == (None, "too_few_failures", 1)
    assert few["trend"]["verdict"] == "too_few"


def test_costs_and_the_interval_say_what_they_rest_on(presses: Plant) -> None:
    """3.5 h at 100, the look that found nothing too, and 24 h down at 50 on A (001-11); what is missing is named."""
    desk = presses.administrator()
    told = get(desk, "/costs", asked(downtime_cost_per_hour=50))
    spent = {row["asset"]["name"]: row for row in told["items"]}
    totals = {name: sum(year["total"] for year in row["years"]) for name, row in spent.items()}
    assert totals == {"A": pytest.approx(350 + 24 * 50), "B": pytest.approx(100 * 50, abs=5)}
    kinds: dict[str, float] = {}
    for year in spent["A"]["years"]:
        for kind, amount in year["by_kind"].items():
            kinds[kind] = kinds.get(kind, 0) + amount
    assert kinds == {"labour": pytest.approx(350), "downtime": pytest.approx(1200)}
    rows = get(desk, "/costs/rows", asked(asset_id=spent["A"]["asset"]["id"], downtime_cost_per_hour=50))["items"]
    assert sum(row["amount"] for row in rows) == pytest.approx(totals["A"], abs=0.01)  # 000-08: down to its rows
    assert all(row["events"] for row in rows)
    assert {row["kind"]: row["work_order"] is not None for row in rows} == {"labour": True, "downtime": False}
    get(desk, "/costs/rows", asked(), 422)
    choice = spent["A"]["choice"]
    assert (choice["verdict"], choice["reason"], choice["price"]) == ("unknown", "too_few_years", 9000)
    get(desk, "/intervals", asked(), 422)
    model = get(desk, "", asked(by="model"))["items"][0]["group"]["id"]
    assert get(desk, "/intervals", asked(asset_model_id=model))["reason"] == "no_costs"
    answer = get(desk, "/intervals", asked(asset_model_id=model, planned_cost=100, failure_cost=5000))
    assert answer["reason"] in ("failures_are_random", "early_failures", "no_gain")
    assert answer["to_failure"]["cost_per_year"] > 0


def test_planned_work_is_kept_late_missed_or_excused(presses: Plant) -> None:
    """1 of 3: on time; late; missed; what was cancelled is excused; what is not yet due is not counted."""
    with presses.database.as_service() as session:
        asset = machine(session, presses, "Planned")
        plan = MaintenancePlan(
            organisation_id=presses.customer.id, code="PL-1", name={}, priority="normal", lead_days=7,
            horizon_days=365, scheduling="fixed", when_closed="keep", when_missed="close", starts="installed",
            created_at=LONG_AGO, changed_at=LONG_AGO,
        )  # fmt: skip
        session.add(plan)
        session.flush()
        member = PlanAsset(organisation_id=presses.customer.id, plan_id=plan.id, asset_id=asset.id, since=LONG_AGO)
        session.add(member)
        session.flush()
        day = timedelta(days=1)
        turns = [(100, "done", 110), (300, "done", 360), (500, "missed", 0), (900, "cancelled", 0), (995, "planned", 0)]
        for slot, (due, state, done) in enumerate(turns):
            row = Occurrence(
                organisation_id=presses.customer.id, plan_id=plan.id, plan_asset_id=member.id, asset_id=asset.id,
                slot=f"s:{slot}", packages=["A"], source="calendar", state=state, due_at=at(due),
                earliest_at=at(due) - day, latest_at=at(due) + day, done_at=at(done) if done else None,
            )  # fmt: skip
            session.add(row)
    desk = presses.administrator()
    told = get(desk, "/compliance", asked(by="plan"))
    assert told["whole"]["value"] == pytest.approx(1 / 3)
    counted = {"early": 0, "excused": 1, "late": 1, "missed": 1, "not_yet_due": 1, "on_time": 1}
    assert counted | told["whole"]["by_verdict"] == counted
    assert [row["group"]["name"] for row in told["items"]] == ["PL-1"]
    rows = get(desk, "/compliance/rows", asked(by="plan", group=str(plan.id)))["items"]
    assert [row["verdict"] for row in rows] == ["on_time", "late", "missed", "excused", "not_yet_due"]


def test_everybody_counts_only_machines_that_they_see(presses: Plant) -> None:
    """Customer: its own; stranger and partner without work: none, in every table; costs are for the desk."""
    with presses.database.as_service() as session:
        record = Customer(organisation_id=presses.customer.id, number="C-9", name="Dairy")
        session.add(record)
        other = Asset(organisation_id=presses.operator.id, serial="X", name="Ours", created_at=LONG_AGO)
        add_asset(session, other, LONG_AGO)
        down(session, other, 10, 20)
    owner = presses.client(presses.token(presses.customer, Role.CUSTOMER))
    assert get(owner, "", asked())["whole"]["failures"] == 3
    assert {row["asset"]["name"] for row in get(owner, "/rows", asked())["items"]} == {"A", "B"}
    assert get(presses.administrator(), "", asked())["whole"]["failures"] == 4
    get(owner, "/costs", asked(), 403)
    get(owner, "/costs/rows", asked(), 403)
    get(owner, "/intervals", asked(asset_id=str(UUID(int=1))), 403)
    stranger = presses.client(presses.token(presses.stranger))
    partner = presses.client(presses.token(presses.partner, Role.PARTNER))
    for client in (stranger, partner):
        assert get(client, "", asked())["whole"]["machines"] == 0
        for path in ("/rows", "/pareto", "/bad-actors", "/compliance", "/compliance/rows"):
            assert get(client, path, asked())["items"] == [], path
        assert get(client, "/weibull", asked())["machines"] == 0
    technician = presses.client(presses.token(presses.operator, Role.TECHNICIAN))
    get(technician, "", asked(), 403)


def test_tables_are_written_as_files_and_nonsense_is_refused_by_name(presses: Plant) -> None:
    desk = presses.administrator()
    text = desk.get("/api/v1/reliability/export", params=asked(by="model")).content.decode("utf-8-sig")
    lines = [row for row in csv.DictReader(io.StringIO(text)) if row["group"] == "Press" and row["figure"] == "mtbf"]
    assert (lines[0]["n"], lines[0]["formula"]) == ("3", "hours up / failures")
    tables = ("figures", "rows", "weibull", "bad_actors", "pareto", "compliance", "compliance_rows", "costs")
    for table in tables:
        answer = desk.get("/api/v1/reliability/export", params=asked(table=table, format="xlsx"))
        assert answer.status_code == 200, table
        sheet = load_workbook(io.BytesIO(answer.content)).active
        assert sheet is not None
        headings = [cell.value for cell in next(sheet.iter_rows(max_row=1))]
        assert len(set(headings)) == len(headings) == sheet.max_column, table
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("", {"from": NOW.isoformat(), "until": T0.isoformat()}, "from"),
        ("", {"from": "1700-01-01T00:00:00Z"}, "from"),
        ("/pareto", asked(by="none"), "by"),
        ("/export", asked(table="costs", by="model"), "by"),
        ("/rows", asked(after="nonsense"), "after"),
        ("/rows", asked(after=cursor_of("2026-01-01T00:00:00", "x")), "after"),
        ("/intervals", asked(), "asset_model_id"),
    ]
    for path, params, field in wrong:
        assert get(desk, path, params, 422)["params"]["field"] == field, path
    for path, params in (("", asked(by="weather")), ("/costs", asked(interest=1)), ("/rows", asked(limit=0))):
        get(desk, path, params, 422)
