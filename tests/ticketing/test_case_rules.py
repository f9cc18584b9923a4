"""Rules of cases as tables: forms, workflows, routing, how a case ends, and what may be the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from ticketing.cases.children import resolution_of
from ticketing.cases.duplicates import LIKELY, likeness, similar_words
from ticketing.cases.forms import MAX_MATCHED, AnswersRefused, FormRefused, check_answers, check_form
from ticketing.cases.routing import Asked, route
from ticketing.cases.seeds import SEEDS
from ticketing.cases.workflow import (
    WorkflowRefused,
    approval_ahead,
    check_stage_move,
    check_workflow,
    stages_of,
)
from ticketing.requests import state_in


def form(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


BROKEN_FORMS = [
    (form(when={"type": "strin"}), "/properties/when/type"),
    (form(count={"type": "integer", "minimum": "3"}), "/properties/count/minimum"),
    (form(choice={"enum": 5}), "/properties/choice/enum"),
    (form(deep={"type": "object", "properties": {"in": {"type": "objec"}}}), "/properties/deep/properties/in/type"),
    (form() | {"required": ["missing"]}, "/required/0"),
    (form() | {"required": "all"}, "/required"),
    ({"type": "array"}, "/type"),
    ({"properties": {}}, "/type"),
    (form(code={"pattern": "("}), "/properties/code/pattern"),
    (form(code={"pattern": "(a+)+$"}), "/properties/code/pattern"),
    (form(code={"pattern": "(a|aa)*$"}), "/properties/code/pattern"),
    (form(code={"pattern": "a*a*a*a*b"}), "/properties/code/pattern"),
    (form(other={"$ref": "https://example.com/form.json"}), "/properties/other/$ref"),
    (form(other={"$ref": "#/$defs/none"}), "/properties/other/$ref"),
    (form(loop={"$ref": "#/$defs/a"}) | {"$defs": {"a": {"$ref": "#/$defs/a"}}}, "/properties/loop/$ref"),
    (form(**{f"field_{index}": {"type": "string"} for index in range(61)}), "/properties"),
    ({"type": "object", "properties": {"a~b/c": {"type": 7}}}, "/properties/a~0b~1c/type"),
]


@pytest.mark.parametrize(("schema", "place"), BROKEN_FORMS)
def test_a_broken_form_is_refused_with_the_place_of_its_error(schema: dict[str, Any], place: str) -> None:
    """Seed rows 002-11, 003-03."""
    with pytest.raises(FormRefused) as refused:
        check_form(schema)
    assert refused.value.params["path"] == place


ASKED = form(
    subject={"type": "string", "maxLength": 20},
    serial={"type": "string", "pattern": "^[A-Z]{2}[0-9]+$"},
    people={"type": "integer", "minimum": 1},
    day={"type": "string", "format": "date"},
) | {"required": ["subject"]}


@pytest.mark.parametrize(
    ("answers", "faults"),
    [
        ({"subject": "Noise"}, []),
        ({"subject": "噪音", "serial": "AB12", "people": 3, "day": "2026-11-22"}, []),
        ({}, [("/subject", "required")]),
        ({"subject": "x" * 21}, [("/subject", "maxLength")]),
        ({"subject": "x", "people": 0, "serial": "1"}, [("/people", "minimum"), ("/serial", "pattern")]),
        ({"subject": "x", "people": True}, [("/people", "type")]),
        ({"subject": "x", "day": "2026-02-30"}, [("/day", "format")]),
        ({"subject": "x", "more": 1}, [("", "additionalProperties")]),
    ],
)
def test_answers_are_refused_with_the_place_of_every_fault(
    answers: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    if not faults:
        assert check_answers(check_form(ASKED), answers) == answers
        return
    with pytest.raises(AnswersRefused) as refused:
        check_answers(ASKED, answers)
    errors: Any = refused.value.params["errors"]
    assert [(each["path"], each["rule"]) for each in errors] == faults


def test_fields_are_asked_in_the_order_in_which_they_were_written() -> None:
    written = form(zebra={"type": "string"}, ant={"type": "string"}, cat={"type": "string"})
    assert check_form(written)["order"] == ["zebra", "ant", "cat"]
    assert check_form(written | {"order": ["cat", "gone", 7, "cat"]})["order"] == ["cat", "zebra", "ant"]


def test_what_is_missing_is_no_fault_while_the_desk_still_asks() -> None:
    assert check_answers(ASKED, {"people": 2}, partly=True) == {"people": 2}


def test_no_pattern_takes_long_on_what_a_customer_types() -> None:
    slowest = check_form(form(code={"type": "string", "pattern": "a*a*a*b"}))
    began = time.process_time()
    for words in ("a" * MAX_MATCHED, "a" * 30_000):
        with pytest.raises(AnswersRefused):
            check_answers(slowest, {"code": words})
    assert time.process_time() - began < 5


def test_eleven_service_types_are_there_in_both_languages_and_sound() -> None:
    """Seed rows 001-06, 002-11, 002-12, 004-03: each with its form, workflow and settlement rule."""
    assert {seed.code for seed in SEEDS} == {
        "consultation",
        "complaint",
        "installation",
        "commissioning",
        "training",
        "urgent_repair",
        "maintenance",
        "inspection_round",
        "return_exchange",
        "delivery",
        "survey",
    }
    for seed in SEEDS:
        assert check_form(seed.form)["properties"]
        assert stages_of(check_workflow(seed.workflow))
        assert seed.settlement_rule
        for name, field in seed.form["properties"].items():
            assert field["title_en"], (seed.code, name)
            assert field["title_zh"] != field["title_en"], (seed.code, name)
            options = field.get("enum") or field.get("items", {}).get("enum", [])
            chosen = field if "enum" in field else field.get("items", {})
            assert len(options) == len(chosen.get("enum_en", options)) == len(chosen.get("enum_zh", options))
        assert all("一" <= each[0] <= "鿿" for each in (seed.name[1], seed.about[1]))


def stage(code: str, *following: str, **more: Any) -> dict[str, Any]:
    return {"code": code, "name_en": code.title(), "name_zh": f"阶段{code}", "next": list(following), **more}


WAY = {"stages": [stage("in", "look"), stage("look", "pay", "end"), stage("pay", "end", approval=True), stage("end")]}


@pytest.mark.parametrize(
    ("stages", "place"),
    [
        ([], "/stages"),
        ("none", "/stages"),
        ([stage("a", "b")], "/stages/0/next/0"),
        ([stage("a"), stage("a")], "/stages/1/code"),
        ([stage("a"), stage("b")], "/stages/1"),
        ([stage("a", "b"), stage("b", "a")], "/stages/0/next"),
        ([stage("a", children=["dance"])], "/stages/0/children/0"),
        ([stage("a") | {"name_zh": ""}], "/stages/0/name_zh"),
        ([stage("a") | {"colour": "red"}], "/stages/0/colour"),
        ([stage("a", approval="yes")], "/stages/0/approval"),
        (["a"], "/stages/0"),
    ],
)
def test_a_broken_workflow_is_refused_with_the_place_of_its_error(stages: Any, place: str) -> None:
    """Seed row 002-12."""
    with pytest.raises(WorkflowRefused) as refused:
        check_workflow({"stages": stages})
    assert refused.value.params["path"] == place


def test_stages_follow_the_workflow_and_none_is_skipped() -> None:
    """Seed row 001-13."""
    assert check_stage_move(check_workflow(WAY), "in", "look").code == "look"
    with pytest.raises(Exception, match="after in comes look, not end") as refused:
        check_stage_move(WAY, "in", "end")
    assert refused.value.params["legal"] == ["look"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("at", "ahead"), [("in", False), ("look", False), ("pay", True), ("end", False), (None, False)]
)
def test_an_approval_stands_in_the_way_only_where_no_other_way_leads(at: str | None, ahead: bool) -> None:
    assert approval_ahead(WAY, at) is ahead


@pytest.mark.parametrize(
    ("children", "resolution"),
    [
        ([], None),
        ([("work_order", "open", None)], None),
        ([("work_order", "done", "confirmed"), ("shipment", "open", None)], None),
        ([("work_order", "done", "confirmed"), ("shipment", "done", None)], "work_done"),
        ([("work_order", "done", "confirmed"), ("work_order", "cancelled", None)], "work_done"),
        ([("work_order", "cancelled", None)], None),
        ([("shipment", "done", None)], "delivered"),
        ([("quality_analysis", "done", None)], "answered"),
        ([("remote_diagnosis", "done", "fixed_remotely")], "fixed_remotely"),
        ([("work_order", "done", "fixed_remotely"), ("remote_diagnosis", "done", "fixed_remotely")], "fixed_remotely"),
        ([("remote_diagnosis", "done", "no_fault")], "no_fault"),
        ([("remote_diagnosis", "done", "visit_needed")], None),
        ([("remote_diagnosis", "done", "unreachable")], None),
        ([("remote_diagnosis", "done", "visit_needed"), ("visit", "done", "completed")], "work_done"),
    ],
)
def test_a_case_ends_by_its_children(children: list[tuple[str, str, str | None]], resolution: str | None) -> None:
    assert resolution_of(children) == resolution


@pytest.mark.parametrize(
    ("case", "request_state", "order", "after"),
    [
        ("in_progress", "new", None, "new"),
        ("in_progress", "accepted", "in_progress", "accepted"),
        ("in_progress", "accepted", "cancelled", "new"),
        ("in_progress", "accepted", "completed", "accepted"),
        ("closed", "accepted", "completed", "done"),
        ("closed", "new", None, "done"),
        ("rejected", "new", None, "rejected"),
        ("closed", "rejected", None, "rejected"),
        ("in_progress", "done", "in_progress", "accepted"),
        ("in_progress", "done", None, "new"),
        ("merged", "accepted", None, "accepted"),
    ],
)
def test_a_request_is_where_its_case_is(case: str, request_state: str, order: str | None, after: str) -> None:
    assert state_in(case, request_state, order) == after


@dataclass(frozen=True)
class Rule:
    """A routing rule."""

    name: str
    service_type_id: UUID | None = None
    region: str | None = None
    territory_id: UUID | None = None
    customer_id: UUID | None = None
    active: bool = True


REPAIR, TRAINING, EAST, DAIRY = uuid4(), uuid4(), uuid4(), uuid4()
RULES = [
    Rule("off", active=False),
    Rule("dairy", customer_id=DAIRY),
    Rule("repair in Shanghai", REPAIR, "上海"),
    Rule("repair in the east", REPAIR, territory_id=EAST),
    Rule("training", TRAINING),
    Rule("south", region="South"),
]


@pytest.mark.parametrize(
    ("asked", "queue"),
    [
        (Asked(REPAIR, address="上海市浦东新区 1 号"), "repair in Shanghai"),
        (Asked(REPAIR, region="上海"), "repair in Shanghai"),
        (Asked(REPAIR, territories=(EAST,)), "repair in the east"),
        (Asked(REPAIR, region="South "), "south"),
        (Asked(REPAIR, region="southern"), None),
        (Asked(TRAINING, region="上海"), "training"),
        (Asked(REPAIR, customer_id=DAIRY), "dairy"),
        (Asked(), None),
        (Asked(address="1 South Street"), "south"),
    ],
)
def test_cases_are_routed_by_type_region_territory_and_customer(asked: Asked, queue: str | None) -> None:
    """Seed row 003-03: type × region → queue."""
    found = route(RULES, asked)
    assert (found.name if found else None) == queue


@pytest.mark.parametrize(
    ("one", "other", "hours", "facts", "likely"),
    [
        ("The pump is loud", "Pump very loud since today", 2, {"same_asset": True}, True),
        ("水泵有异响，轴承发热", "轴承发热，水泵异响", 30, {"same_asset": True}, True),
        ("The pump is loud", "Please train our people", 300, {"same_asset": True}, False),
        ("The pump is loud", "The pump is loud", 1, {"same_asset": False}, False),
        ("The pump is loud", "The pump is loud!", 1, {"same_asset": False, "asset_known": False}, True),
        ("The pump is loud", "Where is my invoice?", 1, {"same_asset": False, "asset_known": False}, False),
        ("The pump is loud", "The pump is loud", 24 * 15, {"same_asset": True}, False),
    ],
)
def test_likely_duplicates_are_of_one_machine_alike_in_words_and_near_in_time(
    one: str, other: str, hours: int, facts: dict[str, bool], likely: bool
) -> None:
    found = likeness(one, other, apart=timedelta(hours=hours), **{"same_asset": False, **facts})
    assert (found.score >= LIKELY) is likely, found


def test_words_are_compared_in_chinese_as_in_english() -> None:
    assert similar_words("轴承发热", "轴承发热") == 1
    assert similar_words("ＰＵＭＰ loud", "pump LOUD") == 1
    assert similar_words("", "") == 0
