"""A person's calendar equals the board; whoever lacks the address sees nothing. Row 003-22."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from icalendar import Calendar
from starlette.testclient import TestClient

from assets.people import Person
from tests.gateway.conftest import Plant
from tests.gateway.notify.service import NOW, Service, later

DAY = 1440


@pytest.fixture
def service(plant: Plant) -> Service:
    return Service(plant)


def read(public: TestClient, url: str) -> dict[str, Any]:
    answer = public.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/calendar")
    return {str(event["uid"]): event for event in Calendar.from_ical(answer.content).walk("VEVENT")}


def test_feed_holds_what_the_board_shows_of_the_person(service: Service) -> None:
    with service.database.as_service() as session:
        ada = session.get_one(Person, service.plant.ada.id)
    order = service.order(title="Leak; at the seal, left\\right")
    visits = [service.visit(order, ada, later(DAY)), service.visit(service.order(), ada, later(2 * DAY), hours=2)]
    service.visit(service.order(), service.tom, later(DAY))
    off = service.visit(service.order(), ada, later(3 * DAY))
    service.set_visit(off.id, state="cancelled")
    done = service.visit(service.order(), ada, later(-2 * DAY))
    service.set_visit(done.id, state="completed")

    made = service.ada.post("/api/v1/calendar-feeds")
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    url = made.json()["url"].removeprefix(service.plant.app.state.settings.base_url)
    public = TestClient(service.plant.app)
    events = read(public, url)

    board = service.get(
        "/dispatch/board", service.desk, **{"from": later(-3 * DAY).isoformat(), "until": later(9 * DAY).isoformat()}
    )
    shown = {
        f"visit-{each['id']}@forewarn": (each["planned_start"], each["planned_end"])
        for each in board["visits"]
        if each["technician_id"] == str(ada.id)
    }
    live = {
        uid: tuple(event[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in ("dtstart", "dtend"))
        for uid, event in events.items()
        if event["status"] == "CONFIRMED"
    }
    assert live == shown
    assert len(live) == 3
    called_off = events[f"visit-{off.id}@forewarn"]
    assert called_off["status"] == "CANCELLED"
    event = events[f"visit-{visits[0].id}@forewarn"]
    assert event["location"] == "Mill, 1 River Road"
    assert "Leak; at the seal, left\\right" in event["description"]
    assert event["geo"].latitude == pytest.approx(31.2)
    assert event["dtstart"].dt == later(DAY)

    tag = public.get(url).headers["etag"]
    assert public.get(url, headers={"If-None-Match": tag}).status_code == 304
    service.set_visit(visits[0].id, planned_start=later(DAY + 60), planned_end=later(DAY + 120))
    moved = read(public, url)[f"visit-{visits[0].id}@forewarn"]
    assert moved["sequence"] > event["sequence"]
    assert moved["dtstart"].dt == later(DAY) + timedelta(hours=1)
    assert public.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_address_is_secret_renewed_and_ended(service: Service) -> None:
    public = TestClient(service.plant.app)
    base = service.plant.app.state.settings.base_url
    first = service.ada.post("/api/v1/calendar-feeds").json()["url"].removeprefix(base)
    assert read(public, first) == {}
    (held,) = service.get("/calendar-feeds", service.ada)["items"]
    assert held["read_at"]
    assert "url" not in held
    second = service.ada.post("/api/v1/calendar-feeds").json()["url"].removeprefix(base)
    assert public.get(first).status_code == 404
    assert service.desk.post("/api/v1/calendar-feeds").status_code == 403, "a token is nobody"
    stranger = service.plant.client(service.plant.token(service.plant.stranger))
    assert stranger.delete(f"/api/v1/calendar-feeds/{held['id']}").status_code == 403
    with service.database.as_service() as session:
        session.get_one(Person, service.plant.ada.id).disabled_at = NOW
    assert public.get(second).status_code == 404, "who has left has no calendar"
    with service.database.as_service() as session:
        session.get_one(Person, service.plant.ada.id).disabled_at = None
    assert service.ada.delete(f"/api/v1/calendar-feeds/{held['id']}").status_code == 204
    assert public.get(second).status_code == 404
    statuses = {public.get("/api/v1/calendar-feeds/" + "x" * 40 + ".ics").status_code for _ in range(150)}
    assert statuses == {404, 429}, "whoever guesses is slowed down"
