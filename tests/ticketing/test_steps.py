"""What a step and an answer may be, as tables (003-23, 003-37: checklists with limits, photos and conditions)."""

from __future__ import annotations

from typing import Any

import pytest

from assets.base.errors import Invalid
from ticketing.procedures.steps import BadStep, asked, checked_answer, checked_steps, missing


def step(key: str = "a", kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"key": key, "kind": kind, "title_en": "Do it", "title_zh": "做", **more}


def choices(*values: str, out: str = "") -> list[dict[str, Any]]:
    return [{"value": each, "en": each, "zh": each, "out_of_limit": each == out} for each in values]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([step(key="A b")], "key"),
        ([step(key=1)], "key"),  # type: ignore[arg-type]
        ([step(), step()], "repeated"),
        ([step(kind="riddle")], "kind"),
        ([step(title_zh=" ")], "title_zh"),
        ([step(title_en="x" * 301)], "title_en"),
        ([step(colour="red")], "unknown"),
        ([step(required="yes")], "required"),
        ([step(kind="number", low=5, high=4)], "low"),
        ([step(kind="number", low=float("nan"))], "low"),
        ([step(kind="number", high=True)], "high"),
        ([step(low=1)], "low"),
        ([step(kind="photo", photos=0)], "photos"),
        ([step(photos=99)], "photos"),
        ([step(kind="choice", choices=choices("one"))], "choices"),
        ([step(kind="choice", choices=choices("one", "one"))], "choices"),
        ([step("b", when=[{"step": "a", "op": "answered"}])], "when"),
        ([step("b", when=[{"step": "b", "op": "answered"}])], "when"),
        ([step("a"), step("b", when=[{"step": "a", "op": "above", "value": 3}])], "when"),
        ([step("a", "check"), step("b", when=[{"step": "a", "op": "equals", "value": "yes"}])], "when"),
        ([step("a"), step("b", when=[{"step": "a", "op": "resembles"}])], "when"),
        ([step(follow_up={"title_en": "x", "title_zh": "x"})], "follow_up"),
        ([step(kind="check", follow_up={"title_en": "x", "title_zh": "x", "priority": "soon"})], "follow_up"),
        ([step(f"s{each}") for each in range(201)], "too_many"),
    ],
)
def test_steps_that_cannot_be_kept_are_refused_by_name(steps: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(BadStep) as refused:
        checked_steps(steps)
    assert refused.value.params["problem"] == problem


def test_checking_twice_changes_nothing() -> None:
    once = checked_steps([step("a", "number", low=1, unit="mm"), step("b", "choice", choices=choices("x", "y"))])
    assert checked_steps(once) == once


@pytest.mark.parametrize(
    ("one", "value", "photos", "kept", "out"),
    [
        (step(), " fine ", 0, "fine", False),
        (step(kind="number", low=1, high=2), 1, 0, 1, False),
        (step(kind="number", low=1, high=2), 2, 0, 2, False),
        (step(kind="number", low=1, high=2), 2.001, 0, 2.001, True),
        (step(kind="number", high=2, decimals=1), 2.04, 0, 2.0, True),  # measured above, whatever rounding says
        (step(kind="number", low=0), -1e-9, 0, -1e-9, True),
        (step(kind="meter"), 1200, 0, 1200, False),
        (step(kind="check"), True, 0, True, False),
        (step(kind="check"), False, 0, False, True),
        (step(kind="choice", choices=choices("ok", "worn", out="worn")), "worn", 0, "worn", True),
        (step(kind="choice", multiple=True, choices=choices("a", "b", "c")), ["c", "a"], 0, ["a", "c"], False),
        (step(kind="photo", photos=2), None, 2, None, False),
        (step(kind="signature"), "Lee", 1, "Lee", False),
    ],
)
def test_an_answer_is_kept_and_judged_by_its_limits(
    one: dict[str, Any], value: Any, photos: int, kept: Any, out: bool
) -> None:
    (made,) = checked_steps([one])
    assert checked_answer(made, value, ["id"] * photos) == (kept, out)


@pytest.mark.parametrize(
    ("one", "value", "photos"),
    [
        (step(), "", 0),
        (step(), None, 0),
        (step(), 5, 0),
        (step(), "x" * 4001, 0),
        (step(kind="number"), "5", 0),
        (step(kind="number"), True, 0),
        (step(kind="number"), float("inf"), 0),
        (step(kind="number"), 1e300, 0),
        (step(kind="number", photos=1), 5, 0),
        (step(kind="check"), "true", 0),
        (step(kind="choice", choices=choices("a", "b")), "c", 0),
        (step(kind="choice", choices=choices("a", "b")), ["a"], 0),
        (step(kind="choice", multiple=True, choices=choices("a", "b")), [], 0),
        (step(kind="choice", multiple=True, choices=choices("a", "b")), [["a"]], 0),
        (step(kind="photo", photos=2), None, 1),
        (step(kind="signature"), "Lee", 0),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(one: dict[str, Any], value: Any, photos: int) -> None:
    (made,) = checked_steps([one])
    with pytest.raises(Invalid):
        checked_answer(made, value, ["id"] * photos)


CHAIN = [
    step("leak", "check"),
    step("size", "number", high=5, when=[{"step": "leak", "op": "equals", "value": False}]),
    step("tank", "photo", when=[{"step": "size", "op": "out_of_limit"}]),
    step("note", required=False),
]


@pytest.mark.parametrize(
    ("answers", "shown", "left"),
    [
        ({}, ["leak", "note"], ["leak"]),
        ({"leak": (True, False)}, ["leak", "note"], []),
        ({"leak": (False, True)}, ["leak", "size", "note"], ["size"]),
        ({"leak": (False, True), "size": (4, False)}, ["leak", "size", "note"], []),
        ({"leak": (False, True), "size": (9, True)}, ["leak", "size", "tank", "note"], ["tank"]),
        # What was answered before the first answer was corrected counts no more, nor what hung on it.
        ({"leak": (True, False), "size": (9, True)}, ["leak", "note"], []),
    ],
)
def test_earlier_answers_decide_what_is_asked(
    answers: dict[str, tuple[Any, bool]], shown: list[str], left: list[str]
) -> None:
    steps = checked_steps(CHAIN)
    assert [one["key"] for one in asked(steps, answers)] == shown
    assert missing(steps, answers) == left
