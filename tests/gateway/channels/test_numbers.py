"""A number is the same in every usual spelling (002-01, 003-12)."""

from __future__ import annotations

import pytest

from ticketing.channels.numbers import Home, e164, same_number, tail

BEIJING = Home("86", "10")


@pytest.mark.parametrize(
    "spelled",
    [
        "13800138000",
        "+86 138 0013 8000",
        "0086-138-0013-8000",
        "8613800138000",
        "１３８ ００１３ ８０００",
        "013800138000",
        "tel:+86-13800138000",
        "sip:13800138000@pbx.example",
        "13800138000 / 13900139000",
        "138.0013.8000 ext. 5",
    ],
)
def test_mobile_is_one_number_in_every_spelling(spelled: str) -> None:
    assert e164(spelled, BEIJING) == "+8613800138000"


@pytest.mark.parametrize(
    "spelled",
    ["010-62781234", "(010) 6278-1234转8001", "+86 (0)10 6278 1234", "+86 010 62781234", "62781234", "6278 1234 x12"],
)
def test_fixed_line_is_one_number_with_and_without_area_and_extension(spelled: str) -> None:
    assert e164(spelled, BEIJING) == "+861062781234"


@pytest.mark.parametrize(
    ("spelled", "home", "number"),
    [
        ("(212) 555-0100", Home("1"), "+12125550100"),
        ("1-212-555-0100", Home("1"), "+12125550100"),
        ("011 44 20 7946 0958", Home("1"), "+442079460958"),
        ("020 7946 0958", Home("44"), "+442079460958"),
        ("+44 (0)20 7946 0958", BEIJING, "+442079460958"),
        ("030 901820", Home("49"), "+4930901820"),
        ("400-810-8888", BEIJING, "+864008108888"),
        ("95588", BEIJING, "+8695588"),
        ("anonymous", BEIJING, None),
        ("", BEIJING, None),
        ("000", BEIJING, None),
        ("+123456789012345678", BEIJING, None),
        ("call me", BEIJING, None),
        (None, BEIJING, None),
    ],
)
def test_numbers_of_other_homes(spelled: str | None, home: Home, number: str | None) -> None:
    assert e164(spelled, home) == number


def test_number_without_its_area_is_likely_and_another_area_is_not() -> None:
    assert same_number("62781234", "010-62781234") == "likely"
    assert same_number("021-62781234", "010-62781234") is None
    assert same_number("010 6278 1234", "+861062781234") == "exact"


def test_what_is_looked_for_is_the_same_in_every_spelling() -> None:
    assert {tail(e164(each, BEIJING)) for each in ("(010) 6278-1234转8001", "62781234")} == {"2781234"}
    assert tail("95588") is None
