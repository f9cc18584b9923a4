"""The technician's view in a real browser while the network and the server are really away."""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Request, expect
from sqlalchemy import select, update

from assets.people import Person
from gateway.app import DIST
from gateway.sign_in import SignInSession
from tests.journeys.conftest import wait_for
from tests.journeys.phone import (
    FREE,
    WITHIN_MS,
    Plant,
    browser,
    drafted,
    finish,
    kept_offline,
    lose_network,
    phone,
    plant,
    press,
    regain_network,
    signed_in,
)
from ticketing.field import accept
from ticketing.models import WorkOrder
from ticketing.work_orders import transition

__all__ = ["browser", "phone", "plant"]  # fixtures

# No mark `journey`: it needs no shared service, so it may run beside those that do.
pytestmark = pytest.mark.timeout(240)


def test_work_done_without_a_network_arrives_once(plant: Plant, phone: BrowserContext) -> None:
    order = plant.new_order("Bearing is loud")
    page = signed_in(plant, phone)
    page.goto(f"{plant.base}/m/work/{order}")
    expect(page.get_by_text("Bearing is loud")).to_be_visible()
    kept_offline(page, f"/work-orders/{order}")
    kept_offline(page, FREE)

    lose_network(plant, phone)
    page.goto(f"{plant.base}/m/available")
    expect(page.get_by_text("Bearing is loud")).to_be_visible()
    page.goto(f"{plant.base}/m/work/{order}")
    for action in ("Accept", "Start work"):
        press(page, action)
    expect(page.get_by_text("Waiting for the network: Accept, Start work, Check in.", exact=False)).to_be_visible()
    page.reload()
    finish(page, "Bearing replaced")
    expect(page.locator("main").get_by_text("Fault confirmed")).to_be_visible()
    page.goto(f"{plant.base}/m")
    page.reload()
    expect(page.get_by_text("4 waiting for the network", exact=False)).to_be_visible()
    assert plant.order(order).state == "unscheduled"

    regain_network(plant, phone)
    wait_for(lambda: plant.order(order).state == "completed", 60, "the work has arrived")
    expect(page.get_by_text("waiting for the network", exact=False)).to_have_count(0)
    done = plant.order(order)
    assert (done.outcome, done.outcome_note) == ("confirmed", "Bearing replaced")
    assert plant.happened(order).count("work_order.completed") == 1
    assert plant.visits(order) == 1


def test_half_written_form_outlives_a_reload_without_a_network(plant: Plant, phone: BrowserContext) -> None:
    order = plant.new_order("Seal leaks")
    page = signed_in(plant, phone)
    page.goto(f"{plant.base}/m/work/{order}")
    press(page, "Accept")
    press(page, "Start work")
    wait_for(lambda: plant.order(order).state == "in_progress", 60, "the work has begun")
    kept_offline(page, f"/work-orders/{order}", '"state":"in_progress"')
    lose_network(plant, phone)
    press(page, "Finish")
    page.get_by_role("radio").filter(has_text="A different fault").click()
    page.get_by_label("Note").fill("It was the gasket")
    drafted(page, "It was the gasket", "wrong_mode")
    page.reload()
    press(page, "Finish")
    expect(page.get_by_label("Note")).to_have_value("It was the gasket")
    expect(page.get_by_role("radio", checked=True)).to_contain_text("A different fault")


def test_refused_work_is_kept_with_its_reason_until_the_person_decides(plant: Plant, phone: BrowserContext) -> None:
    order = plant.new_order("Filter is clogged")
    page = signed_in(plant, phone)
    page.goto(f"{plant.base}/m/work/{order}")
    expect(page.get_by_text("Filter is clogged")).to_be_visible()
    kept_offline(page, f"/work-orders/{order}")
    lose_network(plant, phone)
    for action in ("Accept", "Start work"):
        press(page, action)
    finish(page, "Filter replaced at 10:40")
    with plant.database.as_service() as session:
        other = session.scalars(select(Person).where(Person.name == "Zhang Min")).one()
        accept(session, session.get_one(WorkOrder, order), other, datetime.now(UTC))
    regain_network(plant, phone)

    page.get_by_text("1 not accepted", exact=False).click()
    expect(page.get_by_text("Zhang Min has this job now.", exact=False)).to_be_visible()
    page.reload()
    expect(page.get_by_text("Filter replaced at 10:40", exact=False)).to_be_visible()
    expect(page.get_by_text("Held back")).to_have_count(3)  # the start, the arrival and the finish
    assert plant.order(order).state == "scheduled"

    with plant.database.as_service() as session:  # the planner gives the job back
        transition(session, session.get_one(WorkOrder, order), "unscheduled", datetime.now(UTC))
        session.execute(update(WorkOrder).where(WorkOrder.id == order).values(assignee_id=None))
    press(page, "Try again")
    wait_for(lambda: plant.order(order).state == "completed", 60, "the work has arrived after all")
    assert plant.order(order).outcome_note == "Filter replaced at 10:40"
    expect(page.get_by_text("Everything has been sent.").first).to_be_visible()


def test_expired_session_keeps_the_work_until_its_person_signs_in(plant: Plant, phone: BrowserContext) -> None:
    order = plant.new_order("Belt is worn")
    page = signed_in(plant, phone)
    page.goto(f"{plant.base}/m/work/{order}")
    expect(page.get_by_text("Belt is worn")).to_be_visible()
    lose_network(plant, phone)
    press(page, "Accept")
    with plant.database.as_service() as session:
        session.execute(update(SignInSession).values(expires_at=datetime.now(UTC) - timedelta(minutes=1)))
    regain_network(plant, phone)
    expect(page.get_by_text("Your session has ended.", exact=False)).to_be_visible()
    assert plant.order(order).assignee_id is None

    page = signed_in(plant, phone, "Zhang Min")  # another person's phone call: not their work
    page.goto(f"{plant.base}/m/unsent")
    expect(page.get_by_text("From Li Wei", exact=False)).to_be_visible()
    time.sleep(1)
    assert plant.order(order).assignee_id is None

    signed_in(plant, phone)
    wait_for(lambda: plant.order(order).state == "scheduled", 60, "the work of the one who did it has arrived")
    assert plant.happened(order).count("work_order.assigned") == 1


def test_two_tabs_send_what_waits_once(plant: Plant, phone: BrowserContext) -> None:
    orders = [plant.new_order(f"Job {number}") for number in range(4)]
    page = signed_in(plant, phone)
    posted: list[str] = []

    def keep_ids(request: Request) -> None:
        if request.url.endswith("/sync") and request.post_data:
            posted.extend(one["id"] for one in json.loads(request.post_data)["operations"])

    phone.on("request", keep_ids)
    page.goto(f"{plant.base}/m/available")
    expect(page.get_by_text("Job 3")).to_be_visible()
    lose_network(plant, phone)
    for _ in orders:
        page.get_by_role("button", name="Accept", exact=True).first.click()
    expect(page.get_by_text("4 waiting for the network", exact=False)).to_be_visible()
    other = phone.new_page()
    other.goto(f"{plant.base}/m")
    expect(other.get_by_text("4 waiting for the network", exact=False)).to_be_visible()
    posted.clear()
    regain_network(plant, phone)
    wait_for(lambda: all(plant.order(o).state == "scheduled" for o in orders), 60, "all have arrived")
    for tab in (page, other):
        expect(tab.get_by_text("waiting for the network", exact=False)).to_have_count(0)
    # By a tab; the worker may have the rest.
    assert len(posted) == len(set(posted))
    assert [plant.visits(order) for order in orders] == [1, 1, 1, 1]


def test_new_version_is_offered_and_keeps_what_waits(plant: Plant, phone: BrowserContext, tmp_path: Path) -> None:
    order = plant.new_order("Coupling is worn")
    page = signed_in(plant, phone)
    page.goto(f"{plant.base}/m/work/{order}")
    expect(page.get_by_text("Coupling is worn")).to_be_visible()
    lose_network(plant, phone)
    press(page, "Accept")
    plant.pages = Path(shutil.copytree(DIST, tmp_path / "pages"))
    with (plant.pages / "m" / "sw.js").open("a") as worker:
        worker.write("\n// the next version\n")
    regain_network(plant, phone)
    page.evaluate("navigator.serviceWorker.getRegistration('/m').then((found) => found.update())")
    expect(page.get_by_text("A new version is ready.")).to_be_visible(timeout=WITHIN_MS)
    wait_for(lambda: plant.order(order).state == "scheduled", 60, "what waited has arrived")
    expect(page.get_by_text("waiting for the network", exact=False)).to_have_count(0)  # banners stand still now
    page.evaluate("window.beforeUpdate = true")
    press(page, "Update")
    page.wait_for_function("window.beforeUpdate === undefined")
    expect(page.get_by_text("A new version is ready.")).to_have_count(0)
    expect(page.get_by_text("Coupling is worn")).to_be_visible()


def test_technicians_view_can_be_installed(plant: Plant) -> None:
    with urllib.request.urlopen(f"{plant.base}/m/sw.js") as worker:
        assert worker.headers["Content-Type"].startswith("text/javascript")
        assert worker.headers["Service-Worker-Allowed"] == "/m"
        assert worker.headers["Cache-Control"] == "no-cache"
    for name in ("manifest.webmanifest", "manifest.zh.webmanifest", "icon-192.png", "icon-512.png"):
        with urllib.request.urlopen(f"{plant.base}/m/{name}") as answer:
            assert "html" not in answer.headers["Content-Type"]
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{plant.base}/m/no-such-file.js")
