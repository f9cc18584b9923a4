"""Figures of service over HTTP: each drills to its orders and events, as a list and as a file; nobody else's count.

Seed rows 001-15, 001-28 and 002-09.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

from openpyxl import load_workbook

from assets.base.access import Actor, Role
from assets.base.events import Event
from assets.people import add_person
from assets.registry import Asset, Customer, Site, add_asset
from tests.gateway.conftest import Plant
from ticketing.visits import move_visit, schedule_visit
from ticketing.work_orders import open_work_order, transition

NOW = datetime.now(UTC).replace(microsecond=0)
BEGUN = (NOW - timedelta(days=40)).replace(hour=8, minute=0, second=0)


def after(hours: float) -> datetime:
    return BEGUN + timedelta(hours=hours)


def live_a_day(plant: Plant) -> str:
    """One order from report to closing: there after 2 h, 1.5 h of work with a break, done after 4 h."""
    with plant.database.as_service() as session:
        person = add_person(session, organisation_id=plant.operator.id, name="Ann", roles=[Role.TECHNICIAN], now=NOW)
        hands = Actor("person", plant.operator.id, frozenset({Role.TECHNICIAN}), person.id)
        customer = Customer(organisation_id=plant.customer.id, number="C-1", name="Dairy")
        site = Site(organisation_id=plant.customer.id, name="Hall", time_zone="UTC")
        session.add_all([customer, site])
        session.flush()
        asset = Asset(organisation_id=plant.customer.id, serial="S-1", name="Press", created_at=NOW, site_id=site.id)
        asset.customer_id = customer.id
        add_asset(session, asset, NOW)
        order = open_work_order(
            session, asset=asset, origin="manual", kind="general", title_code="manual", now=BEGUN, by=hands
        )
        visit = schedule_visit(session, order, person, after(1), by=hands)
        for state, hours in (("in_progress", 2), ("on_break", 3), ("in_progress", 3.5), ("completed", 4)):
            move_visit(session, order, visit, state, after(hours), by=hands, outcome="confirmed")
        transition(session, order, "closed", after(30), by=plant.actor(plant.operator))
        return order.number


def test_figures_drill_down_to_orders_and_events(plant: Plant) -> None:
    number = live_a_day(plant)
    desk = plant.administrator()
    span = {"from": (BEGUN - timedelta(days=1)).isoformat(), "until": NOW.isoformat(), "by": "technician"}
    told = desk.get("/api/v1/service-figures", params=span).json()
    assert [row["group"]["name"] for row in told["items"]] == ["Ann"]
    values = {each["figure"]: each for each in told["items"][0]["values"]}
    assert {name: (values[name]["value"], values[name]["n"]) for name in values if values[name]["n"]} == {
        "reaction_time": (1.0, 1),
        "response_time": (2.0, 1),
        "execution_time": (1.5, 1),
        "total_time": (4.0, 1),
        "first_time_fix": (100.0, 1),
        "same_day": (100.0, 1),
        "same_day_record": (100.0, 1),
    }
    group = told["items"][0]["group"]["id"]
    for figure in values:
        rows = desk.get(f"/api/v1/service-figures/{figure}/rows", params=span | {"group": group}).json()
        assert rows["kind"]["formula"]
        assert rows["figure"]["value"] == values[figure]["value"]
        with plant.database.as_service() as session:
            for row in rows["items"]:
                assert row["order"]["number"] == number
                for moment in row["moments"]:
                    event = session.get_one(Event, moment["event_id"])
                    assert (event.at, event.kind) == (datetime.fromisoformat(moment["at"]), moment["kind"])
    worked = desk.get("/api/v1/service-figures/execution_time/rows", params=span).json()["items"][0]
    assert [one["what"] for one in worked["moments"]] == ["began", "stopped", "began", "stopped"]


def test_figures_are_written_as_csv_and_xlsx(plant: Plant) -> None:
    number = live_a_day(plant)
    desk = plant.administrator()
    span = {"from": (BEGUN - timedelta(days=1)).isoformat(), "until": NOW.isoformat(), "by": "customer"}
    text = desk.get("/api/v1/service-figures/export", params=span).content.decode("utf-8-sig")
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(text))}
    assert (rows["total_time"]["group"], rows["total_time"]["value"], rows["total_time"]["n"]) == ("Dairy", "4", "1")
    assert rows["total_time"]["formula"] == "mean(done - reported)"
    answer = desk.get("/api/v1/service-figures/total_time/export", params=span | {"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    found = list(sheet.iter_rows(values_only=True))
    assert found[0][0] == "number"
    assert (found[1][0], found[1][4]) == (number, 4)
    assert "event" in str(found[1][6])


def test_figures_count_what_the_reader_sees_and_refuse_what_makes_no_sense(plant: Plant) -> None:
    live_a_day(plant)
    span = {"from": (BEGUN - timedelta(days=1)).isoformat(), "until": NOW.isoformat()}
    stranger = plant.client(plant.token(plant.stranger))
    assert stranger.get("/api/v1/service-figures", params=span).json()["items"] == []
    rows = stranger.get("/api/v1/service-figures/total_time/rows", params=span).json()
    assert (rows["items"], rows["figure"]["value"]) == ([], None)
    customer = plant.client(plant.token(plant.customer, Role.CUSTOMER))
    assert customer.get("/api/v1/service-figures", params=span).status_code == 403
    desk = plant.administrator()
    for wrong in (
        {"from": NOW.isoformat(), "until": BEGUN.isoformat()},
        {"from": "1999-01-01T00:00:00Z", "until": NOW.isoformat()},
        {"time_zone": "Mars/Olympus"},
        {"by": "weather"},
        {"repeat_days": "0"},
    ):
        assert desk.get("/api/v1/service-figures", params=wrong).status_code == 422, wrong
    assert desk.get("/api/v1/service-figures/luck/rows").status_code == 422
    assert desk.get("/api/v1/service-figures/total_time/rows", params={"after": "nonsense"}).status_code == 422
