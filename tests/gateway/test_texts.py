"""The server's own texts: complete in both languages, and the reader's language found."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import texts
from gateway.pages.customer import LOOKS, STEPS
from ticketing.work_orders import OUTCOMES

HOLES = re.compile(r"\{(\w+?)(?:_en|_zh)?\}")  # what has a name in each language is one hole
SOURCES = [*Path(texts.__file__).parent.joinpath("pages").rglob("*.py"), Path(texts.__file__)]
TEMPLATES = list(Path(texts.__file__).parent.joinpath("pages", "templates").glob("*.html"))


def test_both_languages_have_the_same_texts() -> None:
    assert set(texts.catalogue("en")) == set(texts.catalogue("zh"))


def test_a_text_has_the_same_holes_in_both_languages() -> None:
    for code, english in texts.catalogue("en").items():
        assert sorted(HOLES.findall(english)) == sorted(HOLES.findall(texts.catalogue("zh")[code])), code


def test_every_text_that_a_template_names_exists() -> None:
    asked = {code for path in TEMPLATES for code in re.findall(r"t\('([a-z_.]+[a-z_])'", path.read_text())}
    assert asked
    assert asked <= set(texts.catalogue("en"))


def test_every_state_step_and_outcome_has_its_text() -> None:
    wanted = [f"page.state.{state}{more}" for state in LOOKS for more in ("", ".more")]
    wanted += [f"tracking.step.{step}{more}" for step in STEPS for more in ("", ".more")]
    wanted += [f"page.outcome.{outcome}" for outcome in OUTCOMES]
    assert [code for code in wanted if not texts.has(code)] == []


def test_parameters_fill_the_holes() -> None:
    assert texts.text("en", "page.noticed.above_limit", metric="Oil") == "Oil is above its limit."
    assert texts.text("zh", "page.noticed.above_limit", metric="油温") == "油温超过上限。"


def test_an_unknown_code_is_shown_readably() -> None:
    assert texts.text("zh", "page.outcome.brand_new") == "brand new"


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "language"),
    [
        (None, None, None, "en"),
        (None, None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "fr-FR,en;q=0.5,zh;q=0.9", "zh"),
        (None, None, "fr", "en"),
        (None, None, "zh;q=0,en", "en"),
        (None, None, "zh;q=nonsense", "en"),
        (None, "en", "zh-CN", "en"),
        ("zh", "en", "en", "zh"),
        ("klingon", None, "zh", "zh"),
    ],
)
def test_language_is_asked_else_remembered_else_accepted(
    asked: str | None, remembered: str | None, accepted: str | None, language: str
) -> None:
    assert texts.choose_language(asked, remembered, accepted) == language


def test_moments_are_written_in_the_sites_time_zone() -> None:
    at = datetime(2026, 11, 21, 22, 5, tzinfo=UTC)
    assert texts.moment("en", at, texts.zone_of("Asia/Shanghai")) == "22 Nov 2026, 06:05"
    assert texts.moment("zh", at, texts.zone_of("Asia/Shanghai")) == "2026年11月22日 06:05"
    assert texts.day("en", at, texts.zone_of("no/such zone")) == "21 November 2026"


def test_a_span_says_its_date_once_where_it_is_one_day() -> None:
    opens, closes = datetime(2026, 11, 25, 7, tzinfo=UTC), datetime(2026, 11, 25, 9, tzinfo=UTC)
    assert texts.span("en", opens, closes, UTC) == "25 Nov 2026, 07:00 – 09:00"
    assert texts.span("zh", opens, closes, UTC) == "2026年11月25日 07:00 – 09:00"
    later = closes + timedelta(days=1)
    assert texts.span("en", opens, later, UTC) == "25 Nov 2026, 07:00 – 26 Nov 2026, 09:00"
