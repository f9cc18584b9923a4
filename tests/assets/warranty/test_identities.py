"""One spelling for phones, addresses and names."""

from __future__ import annotations

from datetime import date

import pytest

from assets.base.errors import Invalid
from assets.warranty.clauses import read_clauses
from assets.warranty.identities import normal_email, normal_name, normal_phone, same_phone
from assets.warranty.periods import moved
from tests.assets.warranty.golden import written


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("138 0013 8000", "+8613800138000"),
        ("138-0013-8000", "+8613800138000"),
        ("+86 138 0013 8000", "+8613800138000"),
        ("0086 13800138000", "+8613800138000"),
        ("86 13800138000", "+8613800138000"),
        ("１３８００１３８０００", "+8613800138000"),
        ("(021) 5555-1234", "02155551234"),
        ("021-5555 1234 转 802", "02155551234"),
        ("021 5555 1234 ext. 802", "02155551234"),
        ("+44 (0)20 7946 0018", "+4402079460018"),
        ("+1 415 555 2671", "+14155552671"),
        ("95566", "95566"),
        ("1234", None),
        ("1234567890123456", None),
        ("call me", None),
        ("", None),
        (None, None),
    ],
)
def test_phone_numbers_have_one_spelling(typed: str | None, stored: str | None) -> None:
    assert normal_phone(typed) == stored


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("13800138000", "+86 138 0013 8000", True),
        ("+862155551234", "021-55551234", True),
        ("+862155551234", "5555 1234", False),  # that number is in every city
        ("+862155551234", "+862155551235", False),
        ("+862155551234", "+442155551234", False),
        ("13800138000", "13800138001", False),
        ("5551234", "555 12 34", True),
        ("5551234", "15551234", False),
        ("x", "x", False),
    ],
)
def test_numbers_are_compared_with_and_without_their_country(one: str, other: str, same: bool) -> None:
    assert same_phone(one, other) is same
    assert same_phone(other, one) is same


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Ann@Example.COM ", "ann@example.com"),
        ("a.b+c@例子.公司.cn", "a.b+c@例子.公司.cn"),
        ("nobody", None),
        ("a@b", None),
        ("a b@c.de", None),
        ("a@b.c", None),
        ("a@" + "b" * 260 + ".de", None),
    ],
)
def test_addresses_have_one_spelling(typed: str, stored: str | None) -> None:
    assert normal_email(typed) == stored


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Dairy North Ltd.", "DAIRY  NORTH", True),
        ("北方乳业有限公司", "北方 乳业", True),
        ("北方乳业股份有限公司", "北方乳业", True),
        ("李 雷", "李雷", True),
        ("李雷", "韩梅梅", False),
        ("Ann Lee", "Annlee", False),
    ],
)
def test_names_are_compared_without_their_forms(one: str, other: str, same: bool) -> None:
    assert (normal_name(one) == normal_name(other)) is same


@pytest.mark.parametrize(
    ("clause", "field"),
    [
        ("c 12m from=invoice", "clauses.0.scope"),
        ("c parts 12m", "clauses.0.begins"),
        ("c parts from=invoice", "clauses.0.months"),
        ("c parts 12m 7d from=invoice", "clauses.0.days"),
        ("c parts 12m from=birthday", "clauses.0.begins.0.fact"),
        ("c parts 0m from=invoice", "clauses.0.months"),
        ("c parts 12m from=invoice cause=magic", "clauses.0.causes"),
        ("c parts 12m from=invoice cause=wear cause!=wear", "clauses.0.causes"),
        ("c parts 12m from=invoice meter=hours:0", "clauses.0.meters.0.limit"),
        ("c parts 12m from=invoice meter=hours:nan", "clauses.0.meters.0.limit"),
        ("c parts 12m from=invoice share=101", "clauses.0.share_percent"),
        ("c parts 12m from=invoice new=maybe", "clauses.0.replacement.rule"),
        ("c parts 12m from=invoice new=restart:3m:90d", "clauses.0.replacement.days"),
        ("c bolts 12m from=invoice", "clauses.0.scope"),
        ("!x", "clauses.0.causes"),
        ("!x cause=wear from=invoice", "clauses.0.begins"),
        ("!x cause!=wear", "clauses.0.causes_excluded"),
        ("?r 7d from=invoice", "clauses.0.remedies"),
    ],
)
def test_a_clause_that_nobody_could_judge_is_refused_by_field(clause: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_clauses([written(clause)])
    assert refused.value.params["field"] == field


def test_nonsense_in_place_of_clauses_is_refused() -> None:
    good = written("c parts 12m from=invoice")
    nonsense: list[object] = [
        None,
        {},
        "x",
        [None],
        [[]],
        [good, good],
        [good] * 101,
        [{**good, "months": True}],
        [{**good, "text_zh": "\0"}],
        [{**good, "region": ["CN"]}],  # it would restrict nothing
        [{**good, "begins": [{"fact": "invoice", "plus": 1}]}],
        [{**good, "begins": [1]}],
        [{**good, "components": [1]}],
    ]
    for each in nonsense:
        with pytest.raises(Invalid):
            read_clauses(each)


def test_periods_end_with_the_calendar() -> None:
    assert moved(date(9999, 12, 1), 600, 0) == date.max
    assert moved(date(9999, 12, 30), 0, 365) == date.max
