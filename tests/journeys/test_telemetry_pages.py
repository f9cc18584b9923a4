"""In a real browser: a foreign message becomes a reading, devices come from a file, readings leave as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from paho.mqtt import MQTTException, publish
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Running, wait_for
from tests.journeys.test_three_views import DESK, PHONE, _assert_fits, _choose, _sign_in, browser, opened

__all__ = ["browser"]  # the fixture, for this module too

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

PLANNER = "planner@demo.forewarn.example"
WITHIN_MS = 60_000


@pytest.fixture
def desk(service: Running, browser: Browser) -> Iterator[Page]:
    """A planner's desk in English; files are saved the way that every browser can."""
    with opened(browser, DESK, "en-GB") as page:
        page.add_init_script("delete window.showSaveFilePicker")
        _sign_in(page, service.link_for(PLANNER), "Sign in")
        _choose(page, "en", "EN")
        yield page


def _port(service: Running) -> int:
    found = re.search(r"^(?:listener|port) (\d+)", (service.data / "mosquitto" / "mosquitto.conf").read_text(), re.M)
    assert found
    return int(found.group(1))


def _send(service: Running, account: list[str], topic: str, message: dict[str, Any]) -> None:
    auth: Any = {"username": account[0], "password": account[1]}
    publish.single(topic, json.dumps(message), qos=1, hostname="127.0.0.1", port=_port(service), auth=auth)


def test_foreign_message_is_tried_in_the_page_then_read(service: Running, desk: Page) -> None:
    house = f"boilers-{token_hex(3)}"
    topic = f"{house}/b1/data"
    desk.goto(f"{service.base}/devices/mappings/new")
    desk.get_by_label("Name").fill(house)
    desk.get_by_label("Topics").fill(f"{house}/+/data")
    desk.get_by_label("Message", exact=True).last.fill('{"temp": 61.2, "pressure": {"bar": 3.1}}')
    for path in ("temp", "pressure.bar"):
        desk.get_by_role("button", name=re.compile(f"^{re.escape(path)}")).click()
    desk.get_by_label("Unit").first.fill("Cel")
    expect(desk.get_by_text("2 readings come out of this message.")).to_be_visible(timeout=WITHIN_MS)
    desk.get_by_label("Path").nth(1).fill("pressure[")
    expect(desk.get_by_text("values.1.path", exact=False)).to_be_visible(timeout=WITHIN_MS)
    desk.get_by_label("Path").nth(1).fill("pressure.bar")
    desk.get_by_label("Unit").nth(1).fill("bar")
    desk.get_by_role("button", name="Create", exact=True).click()
    expect(desk.get_by_text("The password is shown only now.")).to_be_visible(timeout=WITHIN_MS)
    account = desk.locator("[role=dialog] dd .mono").all_inner_texts()
    desk.get_by_role("button", name="I have kept the password").click()
    desk.wait_for_url(re.compile(r"/devices/mappings/[0-9a-f-]{36}$"))
    expect(desk.get_by_role("switch")).to_be_disabled()  # nothing was tried on it yet

    wait_for(lambda: _accepted(service, account, topic), 60, "the broker knows the mapping's account")
    expect(desk.get_by_text(topic).first).to_be_visible(timeout=WITHIN_MS)
    desk.get_by_role("switch").click()
    expect(desk.get_by_role("switch")).to_be_checked(timeout=WITHIN_MS)
    wait_for(lambda: _read(service, account, topic), 60, "a message has become readings")
    _assert_fits(desk)
    desk.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    _choose(desk, "zh-CN", "中文")
    expect(desk.get_by_text("用样例试用")).to_be_visible()
    _assert_fits(desk)


def _accepted(service: Running, account: list[str], topic: str) -> bool:
    try:
        _send(service, account, topic, {"temp": 60.5, "pressure": {"bar": 3.2}})
    except (MQTTException, OSError):  # an account that is not there yet; a broker that is just restarted for it
        return False
    return True


def _read(service: Running, account: list[str], topic: str) -> bool:
    if not _accepted(service, account, topic):
        return False
    mappings = service.desk.get("/api/v1/mappings")["items"]
    return any(topic.startswith(mapping["name"]) and mapping["stored"] > 0 for mapping in mappings)


def test_devices_come_from_a_file_once_every_row_is_right(service: Running, desk: Page) -> None:
    one, two = f"file-{token_hex(3)}-1", f"file-{token_hex(3)}-2"
    desk.goto(f"{service.base}/devices/bulk")
    paste = desk.get_by_label("or paste it here")
    paste.fill(f"serial,model,asset\n{one},CR-32,Pump\n,CR-32,\n{one},CR-32,\n")
    expect(desk.get_by_text("2 mistakes")).to_be_visible(timeout=WITHIN_MS)
    expect(desk.get_by_text("It stands in row 2 already")).to_be_visible()
    expect(desk.get_by_role("button", name="Register 1 device")).to_be_disabled()
    paste.fill(f"serial,model,asset\n{one},CR-32,Pump\n{two},CR-32,\n")
    desk.get_by_role("button", name="Register 2 devices").click()
    expect(desk.get_by_text("2 devices registered")).to_be_visible(timeout=WITHIN_MS)
    with desk.expect_download() as saved:
        desk.get_by_role("button", name="Download the claim codes").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["serial", one, two]
    desk.goto(f"{service.base}/claim/{lines[1].partition(',')[2]}")
    expect(desk.get_by_text("forewarn-edge claim", exact=False)).to_be_visible()


def test_device_is_revoked_and_let_in_again(service: Running, desk: Page) -> None:
    facts = {"serial": f"to-revoke-{token_hex(3)}", "model": "", "asset_name": "To revoke"}
    device = service.desk.post("/api/v1/devices", facts)
    desk.goto(f"{service.base}/devices/{device['device']['id']}")
    for words in ("Ledger of readings", "Presence", "Identity"):
        expect(desk.get_by_role("heading", name=words)).to_be_visible(timeout=WITHIN_MS)
    desk.get_by_role("button", name="Revoke", exact=True).click()
    desk.get_by_label("Reason").fill("stolen")
    desk.locator("[role=dialog]").get_by_role("button", name="Revoke", exact=True).click()
    desk.get_by_role("button", name="Let it in again").click(timeout=WITHIN_MS)
    expect(desk.get_by_role("button", name="Revoke", exact=True)).to_be_visible(timeout=WITHIN_MS)


def test_readings_leave_as_csv_and_parquet(service: Running, desk: Page) -> None:
    serial = "DEMO-PUMP-101"
    asset = next(a for a in service.desk.get(f"/api/v1/assets?serial={serial}")["items"] if a["serial"] == serial)
    desk.goto(f"{service.base}/assets/{asset['id']}")
    desk.get_by_role("button", name="Export", exact=True).click()
    for kind, beginning in (("CSV", b"asset_serial,metric"), ("Parquet", b"PAR1")):
        desk.get_by_text(kind, exact=True).click()
        with desk.expect_download(timeout=60_000) as saved:
            desk.get_by_role("button", name="Download", exact=True).click()
        assert saved.value.suggested_filename.endswith(f".{kind.lower()}")
        assert Path(saved.value.path()).read_bytes().startswith(beginning)
        expect(desk.get_by_text("Done.", exact=False)).to_be_visible()
