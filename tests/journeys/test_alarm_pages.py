"""In a real browser: a policy is replayed before it is switched on; an alarm is acknowledged, shelved and explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Running, wait_for
from tests.journeys.test_three_views import DESK, PHONE, _assert_fits, _break, _choose, _sign_in, browser, opened

__all__ = ["browser"]  # the fixture, for this module too

pytestmark = [pytest.mark.journey, pytest.mark.timeout(420)]

PLANNER = "planner@demo.forewarn.example"
CHILLER = "DEMO-CHIL-301"  # no other journey works on it
WITHIN_MS = 60_000
ALARM_S = 180
SAVED = re.compile(r"/policies/[0-9a-f-]{36}$")
RULES = ("/policies", "/policies/windows", "/policies/on-call", "/policies/suppressors", "/policies/feedback")
MODELS = ("/models", "/models/store", "/models/training")
PLACES = ("/alarms", "/alarms?view=held", "/alarms?view=over", *RULES, *MODELS)


@pytest.fixture
def desk(service: Running, browser: Browser) -> Iterator[Page]:
    """A planner's desk in English."""
    with opened(browser, DESK, "en-GB") as page:
        page.set_default_timeout(WITHIN_MS)
        _sign_in(page, service.link_for(PLANNER), "Sign in")
        _choose(page, "en", "EN")
        yield page


def _alarm(service: Running) -> dict[str, Any] | None:
    episodes = service.desk.get("/api/v1/episodes?open=true")["items"]
    return next((one for one in episodes if one["asset"]["serial"] == CHILLER), None)


def _policy(service: Running, name: str) -> dict[str, Any] | None:
    return next((one for one in service.desk.get("/api/v1/policies")["items"] if one["name"] == name), None)


def test_policy_is_replayed_on_history_before_it_is_switched_on(service: Running, desk: Page) -> None:
    name = f"Patient computers {token_hex(3)}"
    desk.goto(f"{service.base}/policies/new")
    desk.get_by_label("Name").fill(name)
    desk.get_by_role("combobox", name="For").click()
    desk.get_by_role("option", name="Computer").click()
    desk.get_by_role("button", name="Set: Wait before opening").click()
    desk.get_by_label("Wait before opening", exact=True).fill("10")
    desk.get_by_role("button", name="Save", exact=True).click()
    desk.wait_for_url(SAVED)
    expect(desk.get_by_role("heading", name=name)).to_be_visible(timeout=WITHIN_MS)
    expect(desk.get_by_role("button", name="Switch on")).to_be_disabled()
    desk.get_by_role("button", name="Replay", exact=True).click()
    expect(desk.get_by_test_id("replay")).to_contain_text("Would have opened", timeout=WITHIN_MS)
    desk.get_by_role("button", name="Switch on").click()
    expect(desk.get_by_role("button", name="Switch off")).to_be_visible(timeout=WITHIN_MS)

    stored = _policy(service, name)
    assert stored is not None
    assert (stored["enabled"], stored["settings"]["on_delay_s"]) == (True, 600)
    assert stored["last_replay"]["work_orders"] >= 0
    # A change of what is in force has to be replayed too.
    desk.get_by_label("Wait before opening", exact=True).fill("20")
    expect(desk.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    desk.get_by_role("button", name="Replay", exact=True).click()
    expect(desk.get_by_role("button", name="Save", exact=True)).to_be_enabled(timeout=WITHIN_MS)
    _assert_fits(desk)
    desk.get_by_role("button", name="Remove", exact=True).click()
    desk.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    desk.wait_for_url(re.compile(r"/policies$"))
    assert _policy(service, name) is None


def test_alarm_is_explained_acknowledged_shelved_and_taken_back(service: Running, desk: Page) -> None:
    asset = _break(service, CHILLER, "refrigerant_leak")
    alarm = wait_for(lambda: _alarm(service), ALARM_S, "the chiller's alarm")
    desk.goto(f"{service.base}/alarms")
    card = desk.locator("article").filter(has_text=asset["name"])
    if "acknowledge" in alarm["legal"]:
        card.get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text("Acknowledged by", timeout=WITHIN_MS)
    card.get_by_role("button", name="Shelve").click()
    desk.get_by_role("dialog").get_by_label("Reason").fill("The part comes tomorrow")
    desk.get_by_role("dialog").get_by_role("button", name="Shelve", exact=True).click()
    expect(card).to_contain_text("The part comes tomorrow", timeout=WITHIN_MS)
    card.get_by_role("button", name="Take off the shelf").click()
    expect(card.get_by_role("button", name="Shelve")).to_be_visible(timeout=WITHIN_MS)
    card.get_by_role("button", name="Details").click()
    expect(card).to_contain_text("Evidence", timeout=WITHIN_MS)

    desk.goto(f"{service.base}/assets/{asset['id']}")
    desk.get_by_role("button", name="Why?").first.click()
    expect(desk.locator("ul.lines li").first).to_be_visible(timeout=WITHIN_MS)
    expect(desk.get_by_text("Remaining life", exact=True)).to_be_visible()


def test_pages_of_rules_and_models_fit_the_desk_in_english_and_the_phone_in_chinese(
    service: Running, desk: Page
) -> None:
    for size, language, name in ((DESK, "en", "EN"), (PHONE, "zh-CN", "中文")):
        desk.set_viewport_size({"width": size[0], "height": size[1]})
        desk.goto(f"{service.base}/policies")
        _choose(desk, language, name)
        for path in PLACES:
            desk.goto(service.base + path)
            expect(desk.locator("h1").first).to_be_visible(timeout=WITHIN_MS)
            expect(desk.locator("[aria-busy=true]")).to_have_count(0, timeout=WITHIN_MS)
            expect(desk.get_by_role("alert")).to_have_count(0)  # nothing failed to load
            _assert_fits(desk)
