"""In a real browser: the desk sees trouble, a technician on a phone solves it, a customer reports and follows."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.journeys.conftest import Running, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.timeout(420)]

WITHIN_MS = 60_000  # a busy machine draws a page slowly
DESK, PHONE = (1440, 900), (390, 844)
COMPRESSOR = "DEMO-COMP-201"
PLANNER, TECHNICIAN = "planner@demo.forewarn.example", "liwei@demo.forewarn.example"
SIGN_IN = {"en": "Sign in", "zh-CN": "登录"}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
RAW_KEY = re.compile(r"\b[a-z_]+\.[a-z_]+\.[a-z_.]+\b")  # a text that was not found shows its key


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as playwright:
        found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()


@contextmanager
def opened(browser: Browser, size: tuple[int, int], locale: str) -> Iterator[Page]:
    """A page in a fresh profile; any error that its scripts raise fails the test."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale=locale)
    page = context.new_page()
    page.set_default_timeout(WITHIN_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    _assert_fits(page)
    assert errors == []
    context.close()


def _assert_fits(page: Page) -> None:
    """Nothing sticks out sideways, and no text key shows instead of its text."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width + 1
    words = [word for word in RAW_KEY.findall(page.inner_text("body")) if "example" not in word]
    assert words == []


def _sign_in(page: Page, link: str, action: str) -> None:
    page.goto(link)
    page.get_by_role("button", name=action, exact=True).click()
    page.wait_for_url(lambda url: "sign-in" not in url)


def _break(service: Running, serial: str, fault: str) -> dict[str, Any]:
    """Let a simulated machine wear within half a minute; return its asset card."""
    device = next(d for d in service.desk.get("/api/v1/devices")["items"] if d["serial"] == serial)
    arguments = {"fault": fault, "precursor_seconds": 30}
    body = {"name": "inject_fault", "arguments": arguments, "expires_in_s": 60}
    service.desk.post(f"/api/v1/devices/{device['id']}/commands", body)
    cards = service.desk.get(f"/api/v1/assets?serial={serial}")["items"]
    return next(card for card in cards if card["serial"] == serial)


def test_trouble_goes_from_the_desk_to_the_technician_and_back(service: Running, browser: Browser) -> None:
    """Seed rows 000-01, 001-13: nothing is typed twice on the way."""
    with opened(browser, DESK, "en-GB") as desk:
        _sign_in(desk, service.link_for(PLANNER), "Sign in")
        asset = _break(service, COMPRESSOR, "filter_clogging")
        # Nobody reloads the page: the change comes by itself.
        card = desk.locator("article, .card, a").filter(has_text=asset["name"]).filter(has_text=re.compile(r"WO-\d+"))
        expect(card.first).to_be_visible(timeout=120_000)
        order = wait_for(lambda: _open_order(service), 60, "the compressor's order")
        desk.goto(f"{service.base}/work-orders/{order['id']}")
        for words in ("What was noticed", "Expected", "Seen", "Suggested checks", "Why: seen and expected"):
            expect(desk.get_by_text(words, exact=True).first).to_be_visible()
        expect(desk.locator("canvas").first).to_be_visible()
        desk.get_by_text("中文", exact=True).first.click()
        desk.goto(f"{service.base}/planner")
        expect(desk.get_by_role("heading", name="预测作业")).to_be_visible()
        desk.get_by_text("已开工单", exact=True).first.click()
        expect(desk.get_by_text(asset["name"]).first).to_be_visible()

    for language, name in (("zh-CN", "中文"), ("en", "EN")):
        with opened(browser, DESK, language) as page:
            _sign_in(page, service.link_for(PLANNER), SIGN_IN[language])
            _choose(page, language, name)
            _look_at_every_page(page, service, asset["id"], order["id"])
            page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            _look_at_every_page(page, service, asset["id"], order["id"])

    with opened(browser, PHONE, "en-GB") as phone:
        _look_around_on_the_phone(phone, service, order["id"])
    with opened(browser, PHONE, "zh-CN") as phone:
        _finish_on_the_phone(phone, service, order["id"])
        # What is done is kept on the phone and sent from there: until then this browser must live.
        done = wait_for(lambda: _finished(service, order["id"]), 60, "the outcome on the desk")
        expect(phone.locator(".waiting")).to_have_count(0)
    assert (done["outcome"], done["repair_code"]) == ("confirmed", "filter_replaced")


def _look_at_every_page(page: Page, service: Running, asset: str, order: str) -> None:
    paths = ("/", f"/assets/{asset}", "/work-orders", f"/work-orders/{order}", "/planner", "/requests", "/devices")
    formats = ("/devices/bulk", "/devices/mappings", "/devices/mappings/new", "/devices/sparkplug")
    for path in (*paths, "/devices/connect", *formats, "/people"):
        page.goto(service.base + path)
        expect(page.locator("h1").first).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        page.wait_for_timeout(150)  # charts are drawn after their data has come
        _assert_fits(page)


def _choose(page: Page, language: str, name: str) -> None:
    """Click always: a person's stored language may arrive after the page, a chosen one stays."""
    page.get_by_role("button", name=name, exact=True).first.click()
    expect(page.locator("html")).to_have_attribute("lang", language)


def _open_order(service: Running) -> dict[str, Any] | None:
    orders = service.desk.get("/api/v1/work-orders?origin=finding")["items"]
    mine = (o for o in orders if o["asset"]["serial"] == COMPRESSOR and o["state"] == "unscheduled")
    return next(mine, None)


def _finished(service: Running, order: str) -> dict[str, Any] | None:
    found: dict[str, Any] = service.desk.get(f"/api/v1/work-orders/{order}")
    return found if found["outcome"] else None


def _look_around_on_the_phone(phone: Page, service: Running, order: str) -> None:
    """The technician's part in English, up to the button that accepts."""
    _sign_in(phone, service.link_for(TECHNICIAN), "Sign in")
    _choose(phone, "en", "EN")
    for path in ("/m", "/m/available", "/m/me"):
        phone.goto(service.base + path)
        expect(phone.locator("main h1").first).to_be_visible()
        _assert_fits(phone)
    licences = phone.get_by_role("link", name="Licences").get_attribute("href")
    assert "react-dom" in phone.request.get(f"{service.base}{licences}").text()
    phone.goto(f"{service.base}/m/work/{order}")
    expect(phone.get_by_role("button", name="Accept", exact=True)).to_be_visible()


def _finish_on_the_phone(phone: Page, service: Running, order: str) -> None:
    _sign_in(phone, service.link_for(TECHNICIAN), "登录")
    _choose(phone, "zh-CN", "中文")
    phone.get_by_text("可接工单").first.click()
    phone.locator(f"a[href$='/work/{order}']").first.click()
    for action in ("接单", "开始作业", "完成"):
        phone.get_by_role("button", name=action, exact=True).click()
    phone.get_by_role("radio").filter(has_text="故障属实").click()
    actions = phone.get_by_role("radiogroup", name="处理措施")
    expect(actions).to_be_visible()
    wanted = actions.get_by_role("radio").filter(has_text="更换空气过滤器")
    if wanted.count() == 0:  # not among the likely ones
        actions.locator("button.more").click()
        phone.locator("input[aria-label='处理措施']").click()
        phone.get_by_role("option", name="更换空气过滤器").click()
    elif wanted.get_attribute("aria-checked") != "true":  # what the finding suggests is chosen already
        wanted.click()
    phone.get_by_label("备注").fill("滤芯堵塞，已更换")
    phone.get_by_role("button", name="完成作业", exact=True).click()
    expect(phone.get_by_text("故障属实").first).to_be_visible()


def test_customer_reports_a_fault_and_follows_it(service: Running, browser: Browser) -> None:
    with opened(browser, PHONE, "en-GB") as customer:
        customer.goto(service.customer_page() + "?lang=en")
        expect(customer.get_by_role("heading", name="Report a fault")).to_be_visible()
        customer.locator("textarea").fill("It rattles <b>loudly</b> since this morning")
        customer.get_by_role("button", name="Send the report").click()
        customer.wait_for_url("**/requests/**")
        tracking = customer.url
        expect(customer.locator("li[aria-current='step']")).to_contain_text("Received")
        _assert_fits(customer)

        report = next(r for r in service.desk.get("/api/v1/requests")["items"] if r["state"] == "new")
        assert report["text"] == "It rattles <b>loudly</b> since this morning"
        service.desk.post(f"/api/v1/requests/{report['id']}/accept")
        for language, received, planned in (("en", "Received", "Planned"), ("zh", "已收到", "已安排")):
            customer.goto(f"{tracking.partition('?')[0]}?lang={language}")
            expect(customer.locator("li.past")).to_contain_text(received)
            expect(customer.locator("li[aria-current='step']")).to_contain_text(planned)
            _assert_fits(customer)
        customer.goto(service.customer_page() + "?lang=zh")
        expect(customer.get_by_text("报修").first).to_be_visible()


def test_unknown_label_gets_a_friendly_page(service: Running, browser: Browser) -> None:
    with opened(browser, PHONE, "en-GB") as customer:
        answer = customer.goto(f"{service.base}/a/NOSUCHCODE?lang=en")
        assert answer is not None
        assert answer.status == 404
        expect(customer.locator("h1")).to_be_visible()
