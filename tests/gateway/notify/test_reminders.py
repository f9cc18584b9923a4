"""Reminders before and after dates: written once, moved, called off, by any number of workers. Row 002-23."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from assets.registry import Asset
from gateway.clock import TIMETABLE
from gateway.jobs import JOBS
from gateway.notify.reminders import keep_all
from gateway.notify.rule_models import NotificationReminder, NotificationRule
from tests.gateway.conftest import Plant
from tests.gateway.notify.service import NOW, Service, later
from ticketing.models import Visit, WorkOrder
from ticketing.visit_plans import plan_visit

HOUR, DAY = 60, 1440


@pytest.fixture
def service(plant: Plant) -> Service:
    return Service(plant)


def remind(service: Service, on: str, minutes: int, **more: Any) -> UUID:
    made = service.rule(name="Remind", reminder={"on": on, "minutes": minutes, "time_zone": "UTC"}, **more)
    with service.database.as_service() as session:  # it was there before what the test is about
        session.get_one(NotificationRule, UUID(made["id"])).changed_at = NOW - timedelta(days=3)
    return UUID(made["id"])


def reminders(service: Service) -> list[tuple[str, Any]]:
    with service.database.as_service() as session:
        found = session.scalars(select(NotificationReminder).order_by(NotificationReminder.id))
        return [(row.state, row.due_at) for row in found]


def told(service: Service) -> list[str]:
    return [row.dedupe_key for row in service.rows(channel="page") if row.code == "rule"]


def test_visit_is_reminded_of_once_moves_with_its_date_and_ends_with_it(service: Service) -> None:
    remind(service, "visit.planned_start", -2 * HOUR, recipients=[{"to": "technician"}])
    order = service.order()
    visit = service.visit(order, service.tom, later(10 * HOUR))
    keep_all(service.database, later(1))
    assert reminders(service) == [("waiting", later(8 * HOUR))]
    with service.database.as_service() as session:
        row = session.get_one(Visit, visit.id)
        planned = (later(12 * HOUR), later(13 * HOUR))
        plan_visit(session, session.get_one(WorkOrder, order.id), row, later(2), planned=planned)
    assert keep_all(service.database, later(8 * HOUR)) == 0, "it moved"
    assert reminders(service) == [("waiting", later(10 * HOUR))]
    workers = [threading.Thread(target=keep_all, args=(service.database, later(10 * HOUR))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    keep_all(service.database, later(10 * HOUR + 5))
    assert len(told(service)) == 1, "once, however many workers there are"
    (shown,) = service.rows(channel="page", code="rule")
    assert shown.person_id == service.tom.id
    assert shown.texts is not None
    assert order.number in shown.texts["zh"]["subject"]
    service.set_visit(visit.id, planned_start=later(20 * HOUR), planned_end=later(21 * HOUR))
    keep_all(service.database, later(11 * HOUR))
    assert reminders(service) == [("waiting", later(18 * HOUR))], "a new date is reminded of anew"
    service.set_visit(visit.id, state="cancelled")
    keep_all(service.database, later(19 * HOUR))
    assert reminders(service) == [("cancelled", later(18 * HOUR))]
    assert len(told(service)) == 1


def test_what_was_due_while_nobody_ran_is_told_unless_its_day_is_over(service: Service) -> None:
    remind(service, "work_order.due_at", -6 * HOUR)
    remind(service, "work_order.due_at", DAY)
    service.order(due_at=later(HOUR))
    keep_all(service.database, later(2))  # the first look comes five hours late
    assert len(told(service)) == 1
    assert sorted(state for state, _ in reminders(service)) == ["told", "waiting"]
    service.order(due_at=later(2 * HOUR))
    keep_all(service.database, later(3 * HOUR))  # and this one after the date itself
    assert len(told(service)) == 1, "nobody is told 'in six hours' afterwards"
    keep_all(service.database, later(DAY + HOUR))
    keep_all(service.database, later(DAY + 2 * HOUR))
    assert len(told(service)) == 3, "a day after each"


def test_rule_that_is_new_tells_nothing_of_before_and_one_that_is_gone_nothing_more(service: Service) -> None:
    made = service.rule(name="New", reminder={"on": "work_order.due_at", "minutes": -2 * HOUR})
    service.order(due_at=later(HOUR))
    service.order(due_at=later(5 * DAY))
    keep_all(service.database, later(1))
    assert [state for state, _ in reminders(service)] == ["missed", "waiting"]
    with service.database.as_service() as session:
        session.execute(delete(NotificationRule).where(NotificationRule.id == UUID(made["id"])))
    keep_all(service.database, later(6 * DAY))
    assert told(service) == []


def test_any_date_of_an_asset_can_be_followed_by_the_workers_own_job(service: Service) -> None:
    remind(service, "asset.custom.next_service", -7 * DAY)
    with service.database.as_service() as session:
        day = (NOW + timedelta(days=7)).date()
        session.get_one(Asset, service.pump.id).custom = {"next_service": day.isoformat()}
        other = Asset(organisation_id=service.plant.operator.id, serial="P-2", name="Other", created_at=NOW, code="X1")
        other.custom = {"next_service": "soon"}
        session.add(other)
    assert "keep_reminders" in TIMETABLE
    JOBS["keep_reminders"](service.database, NOW.replace(hour=9))
    assert len(told(service)) == 1
    assert service.rows(channel="page", code="rule")[0].asset_id == service.pump.id
