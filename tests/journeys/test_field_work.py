"""A technician's job on the phone with a network that comes and goes: checklist, photo, signature."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.journeys.conftest import wait_for
from tests.journeys.phone import (
    Plant,
    browser,
    finish,
    kept_offline,
    lose_network,
    phone,
    plant,
    press,
    regain_network,
    signed_in,
)

__all__ = ["browser", "phone", "plant"]  # fixtures

pytestmark = pytest.mark.timeout(240)

CHECKLIST: dict[str, Any] = {
    "code": "PUMP-INSP",
    "name_en": "Pump inspection",
    "name_zh": "泵检查",
    "steps": [
        {"key": "hot", "kind": "number", "unit": "°C", "high": 80, "title_en": "Bearing", "title_zh": "轴承"},
        {"key": "plate", "kind": "photo", "photos": 1, "title_en": "Type plate", "title_zh": "铭牌"},
    ],
}


MANUAL = "Loosen the four bolts crosswise."
_PAPERS = "async () => (await (await caches.open('forewarn-papers')).keys()).length"


def photo_in(folder: Path) -> Path:
    """A picture as large as a phone's camera makes it."""
    path = folder / "photo.jpg"
    Image.effect_noise((3000, 2000), 40).convert("RGB").save(path, quality=85)
    return path


def test_checklist_photo_and_signature_survive_a_lost_network_and_arrive_once(
    plant: Plant, phone: BrowserContext, tmp_path: Path
) -> None:
    """Seed rows 000-12, 001-17, 003-26, 003-27, 004-26: SOP with photos in the field, signed by the customer."""
    order = plant.new_order("Yearly inspection")
    plant.attach(order, CHECKLIST)
    pump = plant.give_manual("Pump manual", MANUAL.encode())
    page = signed_in(plant, phone)
    page.goto(f"{plant.base}/m/work/{order}")
    for action in ("Accept", "Start work"):
        press(page, action)
    wait_for(lambda: plant.order(order).state == "in_progress", 60, "the work has begun")
    kept_offline(page, f"/work-orders/{order}/procedures", "Type plate")
    kept_offline(page, f"/assets/{pump}/warranty")
    wait_for(lambda: page.evaluate(_PAPERS) == 1, 60, "the manual is on the phone")
    lose_network(plant, phone)
    page.goto(f"{plant.base}/m/work/{order}/machine")  # 003-26: what covers the machine, its papers
    expect(page.get_by_role("heading", name="Covered")).to_be_visible()
    manual = page.get_by_role("link", name="Pump manual")
    expect(manual).to_have_attribute("href", re.compile("^blob:"))
    assert page.evaluate("(url) => fetch(url).then((file) => file.text())", manual.get_attribute("href")) == MANUAL

    page.goto(f"{plant.base}/m/work/{order}/checklist")
    page.get_by_label("Bearing").fill("92,5")
    expect(page.get_by_role("alert")).to_contain_text("Out of limits. Allowed: ≤ 80 °C")
    press(page, "Save")
    press(page, "Finish")
    expect(page.get_by_text("Cannot be finished yet: a required photo is missing.")).to_be_visible()
    expect(page.get_by_role("button", name="Finish the job")).to_be_disabled()
    press(page, "To the checklist")
    page.get_by_test_id("camera").set_input_files(photo_in(tmp_path))
    press(page, "Save")
    expect(page.get_by_text("This checklist is complete.")).to_be_visible()
    page.reload()  # all of it outlives that
    expect(page.get_by_text("This checklist is complete.")).to_be_visible()
    finish(page, "Bearing replaced")
    regain_network(plant, phone)

    wait_for(lambda: plant.order(order).state == "completed", 60, "the work has arrived")
    wait_for(lambda: plant.photos(order) == ["kept"], 60, "the photo has arrived whole")
    assert plant.answers(order) == {"hot": 1, "plate": 1}
    plant.write_reports()
    page.goto(f"{plant.base}/m/work/{order}/report")
    press(page, "Let the customer sign")
    page.get_by_label("Name of who signs").fill("Rita Riverside")
    phone.set_offline(True)
    draw(page)
    press(page, "Confirm signature")
    expect(page.get_by_text("The signature of Rita Riverside is kept on this phone", exact=False)).to_be_visible()
    phone.set_offline(False)
    expect(page.get_by_text("Signed by Rita Riverside", exact=False)).to_be_visible()
    assert plant.happened(order).count("work_order.completed") == 1
    assert plant.signatures(order) == ["Rita Riverside"]


def draw(page: Page) -> None:
    """Sign with a finger."""
    field = page.get_by_role("img", name="Sign here with the finger")
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 30, box["y"] + 40)
    page.mouse.down()
    for step in range(40):
        page.mouse.move(box["x"] + 30 + step * 5, box["y"] + 40 + (step % 7) * 6)
    page.mouse.up()
