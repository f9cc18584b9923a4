"""Skills: levels, expiry and what is missing (003-18, 003-19)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assets.base.errors import Invalid
from ticketing.people.skills import HeldSkill, Lacking, check_required, lacking, moments

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIER, LATER = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
HV3 = HeldSkill("HV", 3)


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        ([HV3], []),
        ([HeldSkill("HV", 2)], [Lacking("HV", 3, "level", 2)]),
        ([], [Lacking("HV", 3, "absent")]),
        ([HeldSkill("COLD", 5)], [Lacking("HV", 3, "absent")]),
        ([HeldSkill("HV", 5, None, EARLIER)], [Lacking("HV", 3, "expired", 5, EARLIER)]),
        ([HeldSkill("HV", 5, LATER)], [Lacking("HV", 3, "not_yet", 5)]),
        ([HeldSkill("HV", 5, None, EARLIER), HV3], []),  # another organisation's skill of the same code
        ([HeldSkill("HV", 3, EARLIER, LATER)], []),
    ],
)
def test_what_somebody_lacks(held: list[HeldSkill], missing: list[Lacking]) -> None:
    assert lacking(held, [{"skill": "HV", "level": 3}], NOON) == missing


def test_a_skill_that_expires_before_the_visit_ends_does_not_count() -> None:
    held = [HeldSkill("HV", 3, None, datetime(2026, 11, 22, 16, tzinfo=UTC))]
    assert lacking(held, [{"skill": "HV", "level": 3}], NOON, datetime(2026, 11, 22, 16, tzinfo=UTC)) == []
    [late] = lacking(held, [{"skill": "HV", "level": 3}], NOON, datetime(2026, 11, 22, 17, tzinfo=UTC))
    assert late.why == "expired"


def test_days_are_those_of_the_persons_zone_both_included() -> None:
    begins, ends = moments(date(2026, 11, 1), date(2026, 11, 30), ZoneInfo("Asia/Shanghai"))
    assert (begins, ends) == (datetime(2026, 10, 31, 16, tzinfo=UTC), datetime(2026, 11, 30, 16, tzinfo=UTC))
    assert moments(None, None, ZoneInfo("UTC")) == (None, None)


def test_the_same_skill_twice_is_asked_for_at_its_higher_level() -> None:
    assert check_required([{"skill": "HV"}, {"skill": "HV", "level": 4}, {"skill": "HV", "level": 2}]) == {"HV": 4}


@pytest.mark.parametrize(
    "required",
    [["HV"], [{"level": 1}], [{"skill": ""}], [{"skill": "HV", "level": 6}], [{"skill": "HV", "level": True}],
     [{"skill": "HV", "level": 2.0}], [{"skill": "HV", "level": "3"}], [{"skill": 7}], [{"skill": "HV"}] * 21],
)  # fmt: skip
def test_what_is_no_list_of_skills_is_refused(required: list[Any]) -> None:
    with pytest.raises(Invalid):
        check_required(required)
