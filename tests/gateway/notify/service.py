"""What the tests of notifications share: a plant with people and a customer, the worker's jobs, real receivers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

from sqlalchemy import select
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.consumers import run_consumer
from assets.people import Person, add_person
from assets.registry import Asset, Customer, Site, add_asset
from gateway.notify.models import Notification
from gateway.notify.outbox import send_waiting
from gateway.notify.telling import FOLLOWS_RULES
from gateway.settings import Settings
from tests.gateway.conftest import PASSWORD, Plant
from ticketing.models import Visit, WorkOrder
from ticketing.visits import schedule_visit
from ticketing.work_orders import open_work_order

NOW = datetime.now(UTC).replace(microsecond=0)
NETWORKS = "127.0.0.0/8"


def later(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


class Receiver(ThreadingHTTPServer):
    """Keeps what it was sent, answers as it is told, and can look at the world while somebody waits for the answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = 201
        self.meanwhile: Any = None

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        if self.server.meanwhile is not None:
            self.server.meanwhile()
        self.send_response(self.server.answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


class Service:
    """A plant with a pump at a customer's site, a technician, and the worker's jobs at any moment."""

    def __init__(self, plant: Plant) -> None:
        self.plant, self.database = plant, plant.database
        self.desk = plant.administrator()
        self.ada = plant.client()
        assert self.ada.post("/api/v1/sign-in", json={"email": "ada@example.com", "password": PASSWORD}).is_success
        with self.database.as_service() as session:
            owner = plant.operator.id
            self.tom = add_person(
                session, organisation_id=owner, name="Tom", roles=[Role.TECHNICIAN], now=NOW, email="tom@example.org",
                language="zh",
            )  # fmt: skip
            site = Site(organisation_id=owner, name="Mill", address="1 River Road", time_zone="Asia/Shanghai")
            site.latitude_deg, site.longitude_deg = 31.2, 121.5
            customer = Customer(organisation_id=owner, number="C-1", name="Riverside", email="rita@riverside.example")
            session.add_all([site, customer])
            session.flush()
            self.site, self.customer = site, customer
            pump = Asset(organisation_id=owner, serial="P-1", name="Pump", site_id=site.id, created_at=NOW)
            pump.customer_id = customer.id
            self.pump = add_asset(session, pump, NOW)

    def rule(self, **facts: Any) -> dict[str, Any]:
        """Make a rule over HTTP."""
        body = {"name": "Mine", "ways": ["page"], "recipients": [{"to": "person", "id": str(self.tom.id)}], **facts}
        answer = self.desk.post("/api/v1/notification-rules", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def order(self, at: datetime = NOW, **facts: Any) -> WorkOrder:
        """Open an order on the pump."""
        with self.database.as_service() as session:
            pump = session.get_one(Asset, self.pump.id)
            return open_work_order(
                session, asset=pump, origin="manual", kind="general", title_code="manual", now=at,
                title_text=facts.pop("title", "Leak"), **facts,
            )  # fmt: skip

    def visit(self, order: WorkOrder, who: Person, begins: datetime, at: datetime = NOW, hours: float = 1) -> Visit:
        """Plan somebody's visit."""
        with self.database.as_service() as session:
            planned = (begins, begins + timedelta(hours=hours))
            person = session.get_one(Person, who.id)
            return schedule_visit(session, session.get_one(WorkOrder, order.id), person, at, planned=planned)

    def follow(self, at: datetime = NOW) -> None:
        """Let the rules read the log."""
        while run_consumer(self.database, FOLLOWS_RULES, at):
            pass

    def send(self, at: datetime, smtp_url: str | None = None) -> int:
        """Send what is due."""
        settings = Settings(smtp_url=smtp_url, public_url="https://fw.example", webhook_networks=NETWORKS)
        return send_waiting(self.database, settings, at)

    def rows(self, **where: Any) -> list[Notification]:
        """The outbox, oldest first."""
        with self.database.as_service() as session:
            query = select(Notification).order_by(Notification.id)
            for name, value in where.items():
                query = query.where(getattr(Notification, name) == value)
            return list(session.scalars(query))

    def get(self, path: str, client: TestClient | None = None, **asked: Any) -> Any:
        """Ask, and expect an answer."""
        answer = (client or self.desk).get(f"/api/v1{path}", params=asked)
        assert answer.is_success, answer.text
        return answer.json()

    def set_visit(self, visit_id: UUID, **values: Any) -> None:
        """Change a visit behind everybody's back."""
        with self.database.as_service() as session:
            row = session.get_one(Visit, visit_id)
            for name, value in values.items():
                setattr(row, name, value)
