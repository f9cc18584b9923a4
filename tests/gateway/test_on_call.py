"""A critical alarm at night asks one person after the other until somebody acknowledges it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_string
from typing import Any

import pytest
from sqlalchemy import select

from assets.base.access import Role
from assets.base.consumers import run_consumer
from assets.base.db import Database
from assets.people import Person, actor_of, add_organisation, add_person
from assets.registry import Asset, add_asset
from gateway.clock import TIMETABLE
from gateway.jobs import JOBS
from gateway.notify.models import Notification
from gateway.notify.outbox import PAUSES, send_waiting
from gateway.notify.telling import FOLLOWS_RULES
from gateway.settings import Settings
from gateway.wiring import CONSUMERS
from maintenance.acknowledgements import acknowledge
from maintenance.alarm_models import Escalation, MaintenanceWindow, OnCallList
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.holds import hold_alarm
from maintenance.models import Episode
from maintenance.on_call import check_list, escalate, is_on_call, place
from tests.maintenance.evidence import hot_bearing
from ticketing.models import WorkOrder
from ticketing.work_orders import assign

NIGHT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)  # a Wednesday
OFFICE = {str(day): [["08:00", "17:00"]] for day in range(5)}
TAKEN = next(consumer for consumer in CONSUMERS if consumer.name == "maintenance.acknowledgements")


class Service:
    """A pump, three people on call, and the jobs that ask them."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        with self.database.as_service() as session:
            owner = add_organisation(session, kind="operator", name="Operator", now=NIGHT).id
            asset = Asset(organisation_id=owner, serial="P-1", name="Pump", operation="up", created_at=NIGHT)
            self.owner, self.pump = owner, add_asset(session, asset, NIGHT).id
            self.people = [
                add_person(
                    session,
                    organisation_id=owner,
                    name=name,
                    roles=[Role.PLANNER],
                    now=NIGHT,
                    email=f"{name.lower()}@example.org",
                    language=language,
                ).id
                for name, language in (("Ann", "en"), ("Bo", "zh"), ("Cy", "en"))
            ]
            on_call = OnCallList(
                organisation_id=owner,
                name="Nights",
                min_severity="critical",
                working_hours=OFFICE,
                time_zone="Europe/Berlin",
                steps=[{"person_id": str(person), "wait_s": 300} for person in self.people],
            )
            check_list(on_call)
            session.add(on_call)

    def notice(self, at: datetime, severity: str = "critical", replayed: bool = False) -> None:
        with self.database.as_service() as session:
            facts = hot_bearing(self.pump, first_at=at, last_at=at, severity=severity)
            save_findings(session, self.owner, [facts], replayed, at)
            decide_pending(session, at)

    def tick(self, at: datetime) -> list[str]:
        """Ask whoever is due; return the names of all who were told so far, in order."""
        with self.database.as_service() as session:
            escalate(session, at)
        while run_consumer(self.database, FOLLOWS_RULES, at):
            pass
        with self.database.as_service() as session:
            told = (
                select(Person.name)
                .join(Notification, Notification.person_id == Person.id)
                .where(Notification.channel == "page", Notification.code == "alarm_escalated")
                .order_by(Notification.id)
            )
            return list(session.scalars(told))

    def acknowledge(self, at: datetime) -> None:
        with self.database.as_service() as session:
            acknowledge(session, session.scalars(select(Episode)).one(), at)

    def state(self) -> list[str]:
        with self.database.as_service() as session:
            return list(session.scalars(select(Escalation.state).order_by(Escalation.id)))


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    made = Service(database_url)
    yield made
    made.database.dispose()


def later(minutes: float) -> datetime:
    return NIGHT + timedelta(minutes=minutes)


def test_a_critical_alarm_at_night_goes_round_the_list_until_somebody_acknowledges_it(service: Service) -> None:
    service.notice(NIGHT)
    assert service.tick(later(0)) == ["Ann"]
    assert service.tick(later(1)) == ["Ann"], "she has five minutes"
    assert service.tick(later(5)) == ["Ann", "Bo"]
    assert service.tick(later(10)) == ["Ann", "Bo", "Cy"]
    assert service.tick(later(15)) == ["Ann", "Bo", "Cy", "Ann"], "and round again"
    service.acknowledge(later(17))
    assert service.tick(later(60)) == ["Ann", "Bo", "Cy", "Ann"]
    assert service.state() == ["acknowledged"]


def test_the_workers_own_jobs_ask_and_tell(service: Service) -> None:
    service.notice(NIGHT)
    for name in ("count_evidence", "escalate_alarms", "consume_events", "send_notifications"):
        assert name in TIMETABLE
        JOBS[name](service.database, later(1))
    assert service.tick(later(2)) == ["Ann"]
    assert service.state() == ["running"]


def test_who_left_is_passed_over(service: Service) -> None:
    with service.database.as_service() as session:
        session.get_one(Person, service.people[0]).disabled_at = NIGHT
    service.notice(NIGHT)
    assert service.tick(later(0)) == ["Bo"]
    assert service.tick(later(5)) == ["Bo", "Cy"]
    assert service.tick(later(10)) == ["Bo", "Cy", "Bo"]


def test_taking_up_the_work_acknowledges_its_alarm(service: Service) -> None:
    service.notice(NIGHT)
    assert service.tick(later(0)) == ["Ann"]
    with service.database.as_service() as session:
        order, ann = session.scalars(select(WorkOrder)).one(), session.get_one(Person, service.people[0])
        assign(session, order, ann, later(2), by=actor_of(session, ann))
    run_consumer(service.database, TAKEN, later(2))
    assert service.tick(later(20)) == ["Ann"]
    with service.database.as_service() as session:
        episode = session.scalars(select(Episode)).one()
        assert (episode.acknowledged_by_id, episode.acknowledged_at) == (service.people[0], later(2))


@pytest.mark.parametrize("why", ["warning", "replayed", "office hours", "shelved", "window"])
def test_what_wakes_nobody(service: Service, why: str) -> None:
    at = datetime(2026, 11, 18, 10, 0, tzinfo=UTC) if why == "office hours" else NIGHT
    service.notice(at, severity="warning" if why == "warning" else "critical", replayed=why == "replayed")
    with service.database.as_service() as session:
        if why == "shelved":
            pump = session.get_one(Asset, service.pump)
            hold_alarm(session, pump, "shelved", "we know", at, until=at + timedelta(hours=1))
        if why == "window":
            ends = at + timedelta(hours=1)
            session.add(
                MaintenanceWindow(organisation_id=service.owner, name="w", starts_at=at, ends_at=ends, time_zone="UTC")
            )
    assert service.tick(at + timedelta(seconds=1)) == []
    if why in ("shelved", "window"):
        assert service.tick(at + timedelta(minutes=61)) == ["Ann"], "it speaks when that is over"


def test_an_alarm_that_nobody_saw_by_day_escalates_when_night_comes(service: Service) -> None:
    afternoon = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)
    service.notice(afternoon)
    assert service.tick(afternoon) == []
    assert service.tick(datetime(2026, 11, 18, 16, 1, tzinfo=UTC)) == ["Ann"], "17:01 in Berlin"


def test_night_is_outside_the_hours_in_the_lists_own_zone_and_place_counts_rounds() -> None:
    on_call = OnCallList(working_hours=OFFICE, time_zone="Asia/Shanghai", always=False)
    assert is_on_call(on_call, datetime(2026, 11, 18, 23, 59, tzinfo=UTC))  # 07:59 on Thursday
    assert not is_on_call(on_call, datetime(2026, 11, 19, 0, 0, tzinfo=UTC))
    assert is_on_call(on_call, datetime(2026, 11, 21, 4, 0, tzinfo=UTC)), "Saturday"
    assert [place(asked, 3) for asked in (0, 2, 3, 7)] == [(0, 0), (0, 2), (1, 0), (2, 1)]


class _Mailbox(socketserver.StreamRequestHandler):
    """Just enough of an SMTP server: takes what it is given."""

    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(b"220 test\r\n")
        body: list[str] | None = None
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if body is not None:
                if line == ".":
                    server.received.append("\n".join(body))
                    body = None
                    self.wfile.write(b"250 ok\r\n")
                else:
                    body.append(line)
            elif line.upper() == "DATA":
                body = []
                self.wfile.write(b"354 go on\r\n")
            elif line.upper() == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@contextmanager
def mailbox() -> Iterator[tuple[str, list[str]]]:
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mailbox)
    server.received, server.daemon_threads = [], True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"smtp://127.0.0.1:{server.server_address[1]}?from=forewarn@example.org", server.received
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def test_each_person_gets_a_mail_in_their_language_once(service: Service) -> None:
    service.notice(NIGHT)
    service.tick(later(0))
    service.tick(later(5))
    with mailbox() as (url, received):
        settings = Settings(smtp_url=url, public_url="https://plant.example")
        assert send_waiting(service.database, settings, later(6)) == 2
        assert send_waiting(service.database, settings, later(7)) == 0
    assert "To: ann@example.org" in received[0]
    assert "https://plant.example/alarms/" in received[0].replace("=\n", "")
    assert "To: bo@example.org" in received[1]


def test_a_mail_that_cannot_be_sent_is_tried_again_and_then_said_to_have_failed(service: Service) -> None:
    service.notice(NIGHT)
    service.tick(later(0))
    settings = Settings(smtp_url="smtp://127.0.0.1:1")
    at = later(1)
    for pause in (*PAUSES, 0):
        assert send_waiting(service.database, settings, at) == 0
        at += timedelta(seconds=pause + 1)
    with service.database.as_service() as session:
        mail = session.scalars(select(Notification).where(Notification.channel == "email")).one()
        assert (mail.state, mail.tries, mail.next_try_at) == ("failed", 5, None)
        assert "Refused" in (mail.error or "")


def test_a_notification_without_words_does_not_hold_up_the_one_behind_it(service: Service) -> None:
    service.notice(NIGHT)
    service.tick(later(0))
    service.tick(later(5))
    with service.database.as_service() as session:
        mails = select(Notification).where(Notification.channel == "email").order_by(Notification.next_try_at)
        first = session.scalars(mails).first()
        assert first is not None
        first.texts, first.params, key = None, {**first.params, "due_at": "no moment"}, first.id
    with mailbox() as (url, received):
        assert send_waiting(service.database, Settings(smtp_url=url), later(6)) == 1
    assert len(received) == 1
    body = message_from_string(received[0]).get_payload(decode=True)
    assert isinstance(body, bytes)
    assert f"{Settings().base_url}/alarms/".encode() in body  # a link is whole without a public address too
    with service.database.as_service() as session:
        broken = session.get_one(Notification, key)
        assert (broken.state, broken.tries) == ("waiting", 1)


def test_without_a_mail_server_the_page_still_tells(service: Service) -> None:
    service.notice(NIGHT)
    assert service.tick(later(0)) == ["Ann"]
    send_waiting(service.database, Settings(smtp_url=None), later(1))
    with service.database.as_service() as session:
        states = {row.channel: row.state for row in session.scalars(select(Notification))}
    assert states == {"page": "sent", "email": "failed"}
