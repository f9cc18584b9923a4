"""Rules of notification as tables: what they are about, what they may say, when they are quiet. Rows 001-27, 004-20."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from assets.base.calendars import working_time
from assets.base.errors import Invalid
from gateway.notify.chat import check_channel_url
from gateway.notify.contacts import phone_number
from gateway.notify.hours import check_digest, check_quiet, digest_at, loud_at, quiet_until
from gateway.notify.reminders import check_reminder, due_at
from gateway.notify.rules import About, check_conditions, check_recipients, check_ways, fits, next_try
from gateway.notify.templates import check_template, check_templates, fill

A, B = (UUID(int=number) for number in (1, 2))


@dataclass
class Rule:
    kinds: list[Any]
    conditions: dict[str, Any] = field(default_factory=dict)


def about(kind: str = "visit.state_changed", *words: str, **known: Any) -> About:
    return About(kind=kind, words=words, **known)


@pytest.mark.parametrize(
    ("rule", "what", "expected"),
    [
        (Rule(["visit.state_changed"]), about(), True),
        (Rule(["visit.*"]), about(), True),
        (
            Rule(["visit.state_changed.travelling"]),
            about("visit.state_changed", "visit.state_changed.travelling"),
            True,
        ),
        (
            Rule(["visit.state_changed.travelling"]),
            about("visit.state_changed", "visit.state_changed.completed"),
            False,
        ),
        (Rule(["work_order.*"]), about(), False),
        (Rule(["visit.*"], {"priorities": ["urgent"]}), about(priority="urgent"), True),
        (Rule(["visit.*"], {"priorities": ["urgent"]}), about(priority="low"), False),
        (Rule(["visit.*"], {"priorities": ["urgent"]}), about(), False),
        (Rule(["visit.*"], {"customers": [str(A)], "regions": ["North"]}), about(customer_id=A, region="North"), True),
        (Rule(["visit.*"], {"customers": [str(A)], "regions": ["North"]}), about(customer_id=A, region="South"), False),
        (Rule(["visit.*"], {"teams": [str(A)]}), about(team_id=A), True),
        (Rule(["visit.*"], {"service_types": [str(A)]}), about(service_type_id=B), False),
        (Rule(["visit.*"], {"asset_models": [str(B)]}), about(asset_model_id=B), True),
        (Rule(["visit.*"], {"organisations": [str(A)]}), about(organisation_ids=frozenset({A, B})), True),
        (Rule(["visit.*"], {"severities": ["critical"]}), about(severity="warning"), False),
    ],
)
def test_rule_is_about_its_kinds_when_all_conditions_hold(rule: Rule, what: About, expected: bool) -> None:
    assert fits(rule, what) is expected


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("{number} {nmber}", 10),
        ("{asset.__class__}", 1),
        ("{number!r}", 1),
        ("{number:>9999999}", 1),
        ("open {", 6),
        ("close }", 7),
        ("{}", 1),
    ],
)
def test_template_that_cannot_be_filled_is_refused_with_its_place(template: str, place: int) -> None:
    with pytest.raises(Invalid) as refused:
        check_template(template, "templates.en.body", 200)
    assert refused.value.params["field"] == "templates.en.body"
    assert refused.value.params["at"] == place
    assert f"character {place}" in str(refused.value)


def test_template_takes_words_as_they_are_and_leaves_out_what_nobody_knows() -> None:
    said = fill("{{x}} {number}: {title} {team}{link}", {"number": "W-7", "title": "{link} {number}"})
    assert said == "{x} W-7: {link} {number} {link}"
    kept = check_templates({"en": {"subject": " {number} ", "body": ""}, "zh": {}})
    assert kept == {"en": {"subject": "{number}"}}
    with pytest.raises(Invalid):
        check_templates({"fr": {"subject": "x"}})
    with pytest.raises(Invalid):
        check_templates({"en": {"subject": "x" * 201}})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHT = {"from": "22:00", "until": "07:00", "time_zone": "Asia/Shanghai"}  # 14:00 to 23:00 UTC
ALL_DAY = {"from": "00:00", "until": "00:00", "time_zone": "UTC"}
BERLIN = {"from": "22:00", "until": "07:00", "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (NIGHT, "2026-03-02T13:59:59", None),
        (NIGHT, "2026-03-02T14:00:00", "2026-03-02T23:00:00"),
        (NIGHT, "2026-03-02T22:59:59", "2026-03-02T23:00:00"),
        (NIGHT, "2026-03-02T23:00:00", None),
        (NIGHT | {"days": [6]}, "2026-03-01T20:00:00", "2026-03-01T23:00:00"),  # Sunday's night into Monday
        (NIGHT | {"days": [6]}, "2026-03-02T20:00:00", None),
        (BERLIN, "2026-03-29T02:00:00", "2026-03-29T05:00:00"),  # clocks go forward: 7 o'clock is 5 UTC
        (ALL_DAY | {"days": [5]}, "2026-03-07T12:00:00", "2026-03-08T00:00:00"),
    ],
)  # fmt: skip
def test_quiet_holds_in_its_own_zone(quiet: dict[str, Any], now: str, until: str | None) -> None:
    checked = check_quiet(quiet)
    assert quiet_until(checked, at(now)) == (at(until) if until else None)


def test_message_waits_until_neither_person_nor_rule_is_quiet() -> None:
    lunch = check_quiet({"from": "07:00", "until": "08:30", "time_zone": "Asia/Shanghai"})
    assert loud_at([check_quiet(NIGHT), lunch, None], at("2026-03-02T20:00:00")) == at("2026-03-03T00:30:00")
    always = check_quiet({"from": "00:00", "until": "00:00"})
    assert loud_at([always], at("2026-03-02T20:00:00")) > at("2026-03-09T00:00:00"), "never for ever"
    for wrong in ({"from": "25:00", "until": "07:00"}, NIGHT | {"time_zone": "Nowhere"}, NIGHT | {"days": [7]}):
        with pytest.raises(Invalid):
            check_quiet(wrong)


@pytest.mark.parametrize(
    ("digest", "now", "due"),
    [
        ({"every": "hour"}, "2026-03-02T13:20:05", "2026-03-02T14:00:00"),
        ({"every": "day", "at": "08:00", "time_zone": "Asia/Shanghai"}, "2026-03-01T23:59:00", "2026-03-02T00:00:00"),
        ({"every": "day", "at": "08:00", "time_zone": "Asia/Shanghai"}, "2026-03-02T00:00:00", "2026-03-03T00:00:00"),
    ],
)
def test_digest_goes_out_at_its_moment(digest: dict[str, Any], now: str, due: str) -> None:
    checked = check_digest(digest)
    assert checked is not None
    assert digest_at(checked, at(now)) == at(due)


def test_what_failed_is_tried_ever_later_and_then_given_up() -> None:
    now = at("2026-03-02T00:00:00")
    waits = [(next_try(tries, now) or now) - now for tries in range(1, 6)]
    assert waits == [*(timedelta(seconds=each) for each in (30, 120, 600, 1800)), timedelta(0)]


OFFICE = working_time({str(day): [["08:00", "12:00"], ["13:00", "17:00"]] for day in range(5)}, "Asia/Shanghai")
DAY = 1440
IN_BERLIN = {"time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("reminder", "of", "due"),
    [
        ({"minutes": -60}, at("2026-03-02T10:00:00"), "2026-03-02T09:00:00"),
        ({"minutes": 90}, at("2026-03-02T10:00:00"), "2026-03-02T11:30:00"),
        ({"minutes": 0}, at("2026-03-02T10:00:00"), "2026-03-02T10:00:00"),
        # The day before at 18:00 in Berlin, over the night when the clocks go forward.
        ({"minutes": -DAY, "clock": "18:00", **IN_BERLIN}, at("2026-03-29T10:00:00"), "2026-03-28T17:00:00"),
        ({"minutes": -DAY, "time_zone": "Europe/Berlin"}, at("2026-03-29T10:00:00"), "2026-03-28T11:00:00"),
        ({"minutes": -30 * DAY, "time_zone": "Asia/Shanghai"}, date(2026, 3, 31), "2026-03-01T00:00:00"),
        ({"minutes": 7 * DAY, "clock": "09:30", "time_zone": "UTC"}, date(2026, 12, 28), "2027-01-04T09:30:00"),
        # Four working hours before Monday 10:00 in Shanghai: two of Monday, two of Friday afternoon.
        ({"minutes": -240, "office": True}, at("2026-03-02T02:00:00"), "2026-02-27T07:00:00"),
        ({"minutes": 240, "office": True}, at("2026-02-27T08:00:00"), "2026-03-02T03:00:00"),
    ],
)  # fmt: skip
def test_reminder_is_due_before_or_after_its_date(reminder: dict[str, Any], of: Any, due: str) -> None:
    calendar = OFFICE if reminder.pop("office", False) else None
    checked = check_reminder({"on": "visit.planned_start", **reminder})
    assert checked is not None
    assert due_at(checked, of, calendar) == at(due)


@pytest.mark.parametrize(
    "call",
    [
        lambda: check_reminder({"on": "visit.password", "minutes": 1}),
        lambda: check_reminder({"on": "visit.planned_start", "minutes": "x"}),
        lambda: check_reminder({"on": "visit.planned_start", "minutes": 10**9}),
        lambda: check_conditions({"colour": ["red"]}),
        lambda: check_conditions({"priorities": ["very"]}),
        lambda: check_conditions({"teams": ["no id"]}),
        lambda: check_recipients([{"to": "everybody"}]),
        lambda: check_recipients([{"to": "person"}]),
        lambda: check_recipients([{"to": "role", "role": "device"}]),
        lambda: check_ways(["pigeon"]),
        lambda: check_ways([]),
        lambda: check_ways(["channel:x"]),
    ],
)
def test_rule_that_means_nothing_is_refused(call: Any) -> None:
    with pytest.raises(Invalid):
        call()


@pytest.mark.parametrize(
    ("url", "purpose", "service"),
    [
        ("wecombot://693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa", "group", "wecombot"),
        ("dingtalk://secretsecret@" + "a" * 32, "group", "dingtalk"),
        ("feishu://" + "a" * 40, "group", "feishu"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", "group", "slack"),
        ("jsons://example.com/hook", "group", "jsons"),
        ("json://example.com/sms?:to={phone}", "sms", "json"),
    ],
)
def test_channel_of_a_known_service_is_taken(url: str, purpose: str, service: str) -> None:
    assert check_channel_url(url, purpose) == service


@pytest.mark.parametrize(
    ("url", "purpose"),
    [
        ("syslog://localhost", "group"),
        ("mailto://user:pass@example.com", "group"),
        ("file:///etc/passwd", "group"),
        ("windows://", "group"),
        ("json://127.0.0.1/x", "group"),
        ("json://[::1]/x", "group"),
        ("json://localhost/x", "group"),
        ("json://169.254.169.254/latest", "group"),
        ("json://10.0.0.1", "group"),
        ("json://%31%32%37.0.0.1/x", "group"),
        ("workflows://host/x/y?template=/etc/passwd", "group"),
        ("wecombot://", "group"),
        ("nonsense", "group"),
        ("json://example.com/x", "sms"),
        ("json://example.com/{phone}", "group"),
    ],
)
def test_channel_elsewhere_is_refused_without_saying_its_address_again(url: str, purpose: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_channel_url(url, purpose)
    assert "passwd" not in str(refused.value)
    assert refused.value.params["field"] == "url"


def test_telephone_number_is_digits_alone() -> None:
    typed = ["+49 (171) 23-45", "138 0013 8000", "+", "call me", "1" * 30, None, "+1;rm"]
    assert [phone_number(each) for each in typed] == ["+491712345", "13800138000", None, None, None, None, None]
