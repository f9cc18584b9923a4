"""Milestones to the customer, the way on the tracking page, opting out. Rows 000-13, 000-14, 003-42, 004-13."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from assets.registry import Asset
from gateway.notify.models import Notification
from tests.gateway.conftest import Plant
from tests.gateway.notify.service import NOW, Service, later
from tests.gateway.test_on_call import mailbox
from ticketing.intake import accept_request
from ticketing.models import Request, Visit, WorkOrder
from ticketing.requests import open_request
from ticketing.visit_plans import plan_visit
from ticketing.visits import move_visit

PAGE = {"accept": "text/html", "accept-language": "en"}


@pytest.fixture
def service(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv("FOREWARN_SMTP_URL", "smtp://127.0.0.1:1?from=desk@example.org")
    return Service(plant)


def report(service: Service, **contact: str) -> tuple[Request, WorkOrder]:
    """Somebody reports a leak, and the desk accepts it."""
    with service.database.as_service() as session:
        pump = session.get_one(Asset, service.pump.id)
        request = open_request(session, asset=pump, channel="portal", text="It leaks", contact=contact, now=NOW)
        order = accept_request(session, request, NOW)
        return request, order


def sent(service: Service, code: str) -> list[Notification]:
    return [row for row in service.rows() if row.code == code]


def move(service: Service, visit: Visit, to: str, at: float, **more: str) -> None:
    with service.database.as_service() as session:
        row = session.get_one(Visit, visit.id)
        move_visit(session, session.get_one(WorkOrder, row.work_order_id), row, to, later(at), **more)


def test_customer_hears_each_milestone_once_and_follows_the_way(service: Service) -> None:
    request, order = report(service, name="Rita", email="rita@mill.example")
    service.follow()
    (received,) = sent(service, "milestone_received")
    assert (received.address, received.channel, received.language) == ("rita@mill.example", "email", None)

    visit = service.visit(order, service.tom, later(24 * 60), NOW)
    service.follow(later(0))
    with service.database.as_service() as session:  # the planner changes their mind, twice, within a minute
        for hour in (26, 25):
            row = session.get_one(Visit, visit.id)
            planned = (later(hour * 60), later(hour * 60 + 60))
            plan_visit(session, session.get_one(WorkOrder, order.id), row, later(1), planned=planned)
    service.follow(later(1))
    plans = sent(service, "milestone_planned")
    assert [row.state for row in plans].count("waiting") == 1, [row.state for row in plans]
    with mailbox() as (smtp_url, mails):
        service.send(later(10), smtp_url)
        assert len([mail for mail in mails if "rita@mill.example" in mail]) == 2
        whole = "\n".join(mails).replace("=\n", "")
        assert f"/requests/{request.tracking_code}" in whole.replace("=3D", "=")
        assert "List-Unsubscribe:" in whole
        assert "Tom" not in whole

    public = TestClient(service.plant.app)
    page = public.get(f"/a/{service.pump.code}/requests/{request.tracking_code}", headers=PAGE)
    assert 'id="way"' in page.text
    assert "Tom" not in page.text
    move(service, visit, "travelling", 24 * 60)
    service.follow(later(24 * 60))
    assert [row.address for row in sent(service, "milestone_on_the_way")] == ["rita@mill.example"]
    page = public.get(f"/a/{service.pump.code}/requests/{request.tracking_code}", headers=PAGE)
    assert "on the way" in page.text
    assert not re.search(r"31\.2|121\.5", page.text), "never where the technician is"
    move(service, visit, "in_progress", 25 * 60)
    move(service, visit, "completed", 26 * 60, outcome="confirmed")
    service.follow(later(26 * 60))
    service.follow(later(26 * 60))
    assert len(sent(service, "milestone_done")) == 1
    page = public.get(f"/a/{service.pump.code}/requests/{request.tracking_code}", headers=PAGE)
    assert 'id="way"' not in page.text


def test_plan_that_is_called_off_before_it_was_told_is_not_told(service: Service) -> None:
    _, order = report(service, email="rita@mill.example")
    visit = service.visit(order, service.tom, later(24 * 60), NOW)
    service.follow()
    assert [row.state for row in sent(service, "milestone_planned")] == ["waiting"]
    move(service, visit, "cancelled", 1)
    service.follow(later(1))
    assert [(row.state, row.error) for row in sent(service, "milestone_planned")] == [("cancelled", "called off")]


def test_who_opts_out_hears_no_more_and_may_come_back(service: Service) -> None:
    report(service, email="rita@mill.example")
    service.follow()
    (received,) = sent(service, "milestone_received")
    public = TestClient(service.plant.app)
    link = received.params["opt_out"]
    shown = public.get(link, headers=PAGE)
    assert "r…@mill.example" in shown.text
    assert sent(service, "milestone_received")[0].state == "waiting", "looking is not asking"
    gone = public.post(link, data={"messages": "off"}, headers=PAGE)
    assert gone.status_code == 200
    assert sent(service, "milestone_received")[0].state == "cancelled"
    report(service, email="rita@mill.example")
    service.follow()
    assert len(sent(service, "milestone_received")) == 1
    public.post(link, data={"messages": "on"})
    report(service, email="rita@mill.example")
    service.follow()
    assert len(sent(service, "milestone_received")) == 2
    assert public.get("/a/notifications/" + "x" * 30).status_code == 404
    assert public.get(link.replace(link[-4:], "abcd")).status_code == 404
