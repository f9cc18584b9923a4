"""A technician's phone in a real browser, before a server that comes and goes."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import select

from assets.base.access import Actor, Role
from assets.base.consumers import run_consumer
from assets.base.db import Database
from assets.base.events import Event
from assets.documents.archive import add_document, add_revision
from assets.documents.store import DiskFiles
from assets.people import Person, add_organisation, add_person
from assets.registry import Asset, add_asset
from gateway.app import DIST
from gateway.reports.writing import write_waiting
from gateway.sign_in import make_link
from tests.journeys.conftest import free_port, wait_for
from ticketing.evidence.tables import Evidence, Signature
from ticketing.models import Visit, WorkOrder
from ticketing.order_procedures import attach_procedure
from ticketing.procedures.library import create_procedure, publish
from ticketing.procedures.models import ProcedureAnswer, ProcedureRun
from ticketing.reports.wanted import REPORTS_FOLLOW_WORK
from ticketing.work_orders import open_work_order

FREE = "/work-orders?open=true&assignee=nobody&limit=100"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
WITHIN_MS = 60_000
SERVE = """
import pathlib, sys
import gateway.app, gateway.main
gateway.app.DIST = pathlib.Path(sys.argv[1])
sys.exit(gateway.main.main(["api"]))
"""


@dataclass
class Plant:
    """A database with two technicians and a pump, and the server that comes and goes before it."""

    database: Database
    url: str
    data: Path
    port: int = field(default_factory=free_port)
    pages: Path = DIST
    process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Run `forewarn api` until it answers."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FOREWARN_")}
        environment |= {"FOREWARN_DATABASE_URL": self.url, "FOREWARN_HTTP": f"127.0.0.1:{self.port}"}
        environment["FOREWARN_DATA"] = str(self.data)
        self.process = subprocess.Popen([sys.executable, "-c", SERVE, str(self.pages)], env=environment)
        wait_for(self._answers, 120, "the server answers")

    def kill(self) -> None:
        """Take the server away without a farewell."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base}/healthz", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def sign_in_link(self, name: str) -> str:
        """Return a one-time address for somebody."""
        with self.database.as_service() as session:
            person = session.scalars(select(Person).where(Person.name == name)).one()
            token = make_link(session, person.id, datetime.now(UTC))
        return f"{self.base}/m/sign-in?token={token}"

    def new_order(self, title: str) -> UUID:
        """Open work that nobody has taken."""
        now = datetime.now(UTC)
        with self.database.as_service() as session:
            pump = session.scalars(select(Asset)).one()
            facts: dict[str, Any] = {"kind": "machine", "title_code": "manual", "title_text": title}
            return open_work_order(session, asset=pump, origin="manual", now=now, **facts).id

    def order(self, order_id: UUID) -> WorkOrder:
        """Return how the work order stands on the server."""
        with self.database.as_service() as session:
            found = session.get_one(WorkOrder, order_id)
            session.expunge(found)
        return found

    def happened(self, order_id: UUID) -> list[str]:
        """Return the kinds of what the log says about an order, oldest first."""
        with self.database.as_service() as session:
            rows = select(Event.kind).where(Event.subject_id == order_id).order_by(Event.id)
            return list(session.scalars(rows))

    def visits(self, order_id: UUID) -> int:
        """Return how many visits an order has."""
        with self.database.as_service() as session:
            return len(list(session.scalars(select(Visit).where(Visit.work_order_id == order_id))))

    def give_manual(self, title: str, text: bytes) -> UUID:
        """Add a document to the pump; return the pump's id."""
        now, files = datetime.now(UTC), DiskFiles(self.data)
        with self.database.as_service() as session:
            pump = session.scalars(select(Asset)).one()
            actor = Actor("person", pump.organisation_id, frozenset({Role.ADMINISTRATOR}))
            document = add_document(session, title=title, kind="manual", actor=actor, now=now, asset=pump)
            content, size = files.put(io.BytesIO(text), 1000)
            facts: dict[str, Any] = {"file_name": "manual.txt", "note": None}
            add_revision(session, files, document, content, size, actor=actor, now=now, **facts)
            return pump.id

    def attach(self, order_id: UUID, checklist: dict[str, Any]) -> None:
        """Give an order a published checklist."""
        now = datetime.now(UTC)
        with self.database.as_service() as session:
            order = session.get_one(WorkOrder, order_id)
            made = create_procedure(session, organisation_id=order.organisation_id, now=now, **checklist)
            publish(session, made, now)
            attach_procedure(session, order, made, now)

    def photos(self, order_id: UUID) -> list[str]:
        """Return how an order's photos stand."""
        with self.database.as_service() as session:
            return list(session.scalars(select(Evidence.state).where(Evidence.work_order_id == order_id)))

    def answers(self, order_id: UUID) -> Counter[str]:
        """Return how often each step was answered."""
        mine = select(ProcedureAnswer.step_key).join(ProcedureRun, ProcedureRun.id == ProcedureAnswer.run_id)
        with self.database.as_service() as session:
            return Counter(session.scalars(mine.where(ProcedureRun.subject_id == order_id)))

    def signatures(self, order_id: UUID) -> list[str]:
        """Return who signed an order's reports."""
        with self.database.as_service() as session:
            return list(session.scalars(select(Signature.name).where(Signature.work_order_id == order_id)))

    def write_reports(self) -> None:
        """Do what a worker does with what has happened."""
        now = datetime.now(UTC) + timedelta(seconds=5)
        run_consumer(self.database, REPORTS_FOLLOW_WORK, now)
        write_waiting(self.database, DiskFiles(self.data), now, mail=False)


@pytest.fixture
def plant(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    database, now = Database(database_url, pool_size=4), datetime.now(UTC)
    with database.as_service() as session:
        operator = add_organisation(session, kind="operator", name="Operator", now=now)
        for name in ("Li Wei", "Zhang Min"):
            email = name.replace(" ", ".").lower() + "@example.com"
            roles = [Role.TECHNICIAN]
            add_person(session, organisation_id=operator.id, name=name, email=email, roles=roles, now=now)
        pump = Asset(organisation_id=operator.id, serial="P-7", name="Feed pump 7", created_at=now)
        add_asset(session, pump, now)
    made = Plant(database, database_url, tmp_path_factory.mktemp("data"))
    try:
        made.start()
        yield made
    finally:
        made.kill()
        database.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as playwright:
        found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    context.set_default_timeout(WITHIN_MS)
    yield context
    context.close()


def signed_in(plant: Plant, phone: BrowserContext, name: str = "Li Wei", action: str = "Sign in") -> Page:
    """Sign somebody in on the phone and wait until it could lose the network."""
    page = phone.pages[0] if phone.pages else phone.new_page()
    page.goto(plant.sign_in_link(name))
    page.get_by_role("button", name=action, exact=True).click()
    page.wait_for_url(lambda url: "sign-in" not in url)
    expect(page.locator("main h1")).to_be_visible()
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    return page


def lose_network(plant: Plant, phone: BrowserContext) -> None:
    plant.kill()
    phone.set_offline(True)


def regain_network(plant: Plant, phone: BrowserContext) -> None:
    plant.start()
    phone.set_offline(False)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def finish(page: Page, note: str) -> None:
    press(page, "Finish")
    page.get_by_role("radio").filter(has_text="Fault confirmed").click()
    page.get_by_label("Note").fill(note)
    press(page, "Finish the job")


_READ = """(table) => new Promise((done) => {
    const opening = indexedDB.open("forewarn-field");
    opening.onsuccess = () => {
        const asked = opening.result.transaction(table).objectStore(table).getAll();
        asked.onsuccess = () => { opening.result.close(); done(asked.result.map((one) => JSON.stringify(one))); };
    };
})"""


def kept_offline(page: Page, path: str, words: str = "") -> None:
    """Wait until the phone has kept an answer, with these words in it, for reading without a network."""

    def is_kept() -> bool:
        return any(f'"path":"{path}"' in one and words in one for one in page.evaluate(_READ, "kept"))

    wait_for(is_kept, 60, f"kept on the phone: {path} {words}")


def drafted(page: Page, *words: str) -> None:
    """Wait until the phone has kept a half-written form with all of these words."""
    wait_for(
        lambda: any(all(word in one for word in words) for one in page.evaluate(_READ, "drafts")), 60, f"draft {words}"
    )
