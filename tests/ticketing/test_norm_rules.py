"""The rules of norms, permits, standard cost, variance and promotion, without a database (003-37, 003-38)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketing.order_promotion import Answered, Done, drafted
from ticketing.procedures.costing import Price, Prices, Rate, standard_cost
from ticketing.procedures.norms import BadNorm, Norms, checked_norms, combined, norms_of
from ticketing.procedures.permits import (
    BadPermit,
    Entered,
    PermitRefused,
    check_entry,
    checked_permits,
    lacking,
    needed_by,
    replay,
)
from ticketing.procedures.steps import checked_steps
from ticketing.procedures.variance import Actual, Taken, Worked, combined_cost, compare, summed

SEAL, PULLER = UUID(int=1), UUID(int=2)
ANN, BOB = UUID(int=11), UUID(int=12)
DAY = date(2027, 3, 1)
AT = datetime(2027, 3, 1, 8, tzinfo=UTC)
KEPT = {
    "labour": [
        {"skill": "mechanic", "level": 2, "people": 2, "minutes": 60},
        {"skill": None, "level": 1, "people": 1, "minutes": 30},
    ],
    "parts": [
        {"part_id": str(SEAL), "number": "S-1", "name_en": "Seal", "name_zh": "密封", "unit": "pcs", "quantity": 2}
    ],
    "tools": [{"part_id": str(PULLER), "number": "T-1", "name_en": "Puller", "name_zh": "拉马", "minutes": 30}],
    "permits": [],
    "currency": "CNY",
}
NORMS = norms_of(KEPT)
RATES = [
    Rate("mechanic", 1, Decimal(100), "CNY", date(2026, 1, 1)),
    Rate("mechanic", 3, Decimal(200), "CNY", date(2026, 1, 1)),
    Rate(None, 1, Decimal(80), "CNY", date(2026, 1, 1)),
]
PRICES = Prices(DAY, RATES, {SEAL: Price(Decimal("45.50"), "CNY", "List")}, {PULLER: Price(Decimal(20), "CNY")})
PERMIT = {
    "code": "LOTO-1",
    "kind": "electrical",
    "name_en": "Power off",
    "name_zh": "断电",
    "lock_out": True,
    "valid_hours": 8,
    "points": [
        {"code": "Q1", "name_en": "Main switch", "name_zh": "总开关", "energy": "electrical"},
        {"code": "V1", "name_en": "Valve", "name_zh": "阀门", "energy": "hydraulic"},
    ],
    "steps": ["open"],
}


def entered(*what: tuple[str, Any, str | None]) -> list[Entered]:
    """Return entries a minute apart: (action, person, point)."""
    return [Entered(one, who, AT + timedelta(minutes=at), point) for at, (one, who, point) in enumerate(what)]


LOCKED = (("sign_on", ANN, None), ("lock", ANN, "Q1"), ("lock", ANN, "V1"), ("confirm", ANN, None))


@pytest.mark.parametrize(
    ("norms", "problem"),
    [
        ({"labour": [{"minutes": 0}]}, "minutes"),
        ({"labour": [{"minutes": 1.5}]}, "minutes"),
        ({"labour": [{"minutes": float("nan")}]}, "minutes"),
        ({"labour": [{"minutes": True}]}, "minutes"),
        ({"labour": [{"minutes": 10, "level": 6}]}, "level"),
        ({"labour": [{"minutes": 10, "people": -1}]}, "people"),
        ({"labour": [{"minutes": 10, "skill": 7}]}, "skill"),
        ({"labour": ["x"]}, "form"),
        ({"labour": {}}, None),
        ({"labour": [{"minutes": 1}] * 51}, "too_many"),
        ({"parts": [{"part_id": "nonsense"}]}, "part_id"),
        ({"parts": [{"number": "A", "quantity": 0}]}, "quantity"),
        ({"parts": [{"number": "A", "quantity": "1e999"}]}, "quantity"),
        ({"parts": [{"number": "A", "quantity": float("inf")}]}, "quantity"),
        ({"parts": [{"number": "A", "quantity": []}]}, "quantity"),
        ({"tools": [{"number": "A"}]}, "minutes"),
        ({"currency": "yuan"}, "currency"),
        ({"money": 1}, "unknown"),
        ({"permits": [{"code": ""}]}, "code"),
    ],
)
def test_a_norm_that_cannot_be_is_named(norms: dict[str, Any], problem: str | None) -> None:
    if problem is None:
        assert checked_norms(norms, [])["labour"] == []
        return
    with pytest.raises(BadNorm) as refused:
        checked_norms(norms, [])
    assert refused.value.params["problem"] == problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "magic"}, "kind"),
        ({"points": []}, "points"),
        ({"lock_out": False}, "points"),
        ({"steps": ["gone"]}, "steps"),
        ({"valid_hours": 0}, "valid_hours"),
        ({"valid_hours": True}, "valid_hours"),
        ({"name_zh": " "}, "name_zh"),
        ({"points": [PERMIT["points"][0]] * 2}, "points"),  # type: ignore[index]
        ({"points": [{**PERMIT["points"][0], "energy": "bad"}]}, "points"),  # type: ignore[index, dict-item]
    ],
)
def test_a_permit_that_cannot_be_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadPermit) as refused:
        checked_permits([{**PERMIT, **change}], ["open"])
    assert refused.value.params["problem"] == problem


def test_norms_are_summed_over_skills_and_over_procedures() -> None:
    assert (NORMS.minutes, NORMS.minutes_by_skill()) == (150, {"mechanic": 120, None: 30})
    both = combined([NORMS, NORMS])
    assert (both.minutes, both.parts[0].quantity, both.tools[0].minutes) == (300, Decimal(4), 60)
    assert norms_of(None) == norms_of({}) == Norms()
    assert not Norms().any


def test_standard_cost_is_hours_at_rates_items_at_prices_tools_by_the_hour() -> None:
    """003-37: 2 h at 100 + 0.5 h at 80 = 240; 2 × 45.50 = 91; half an hour of a tool at 20 = 10."""
    cost = standard_cost(NORMS, PRICES)
    assert {name: cost[name] for name in ("labour", "parts", "tools", "total")} == {
        "labour": 240.0,
        "parts": 91.0,
        "tools": 10.0,
        "total": 341.0,
    }
    assert (cost["currency"], cost["on"], cost["complete"]) == ("CNY", "2027-03-01", True)
    assert [line["basis"] for line in cost["lines"]] == ["labour_rate", "labour_rate", "List", "own"]


def test_what_has_no_price_is_named_and_makes_the_cost_incomplete() -> None:
    dollars = {SEAL: Price(Decimal(9), "USD")}
    cost = standard_cost(NORMS, Prices(DAY, (), dollars, {}))
    assert not cost["complete"]
    assert [(one["kind"], one["why"]) for one in cost["missing"]] == [
        ("labour", "no_rate"),
        ("labour", "no_rate"),
        ("parts", "other_currency"),
        ("tools", "no_price"),
    ]


@pytest.mark.parametrize(
    ("skill", "level", "on", "expected"),
    [
        ("mechanic", 1, DAY, 100),
        ("mechanic", 2, DAY, 100),
        ("mechanic", 5, DAY, 200),
        ("welder", 5, DAY, 80),
        (None, 1, DAY, 80),
        (None, 1, date(2025, 12, 31), None),
    ],
)
def test_the_rate_of_the_skill_and_the_highest_level_that_is_reached_counts(
    skill: str | None, level: int, on: date, expected: int | None
) -> None:
    found = Prices(on, RATES).hour(skill, level, "CNY")
    assert (found.rate if found else None) == expected


def test_a_permit_is_in_force_when_signed_locked_at_every_point_and_confirmed() -> None:
    def at(count: int) -> list[str]:
        return lacking(PERMIT, replay(entered(*LOCKED)[:count]), AT + timedelta(hours=1), ANN)

    assert [at(count) for count in range(5)] == [
        ["sign_on", "lock", "confirm"],
        ["lock", "confirm"],
        ["lock", "confirm"],
        ["confirm"],
        [],
    ]
    stands = replay(entered(*LOCKED))
    assert lacking(PERMIT, stands, AT + timedelta(hours=1), BOB) == ["sign_on"]  # everybody signs on themselves
    assert lacking(PERMIT, stands, AT + timedelta(hours=9), ANN) == ["expired"]


def test_a_lock_taken_off_undoes_the_confirmation_unless_somebody_elses_holds_the_point() -> None:
    own = (("sign_on", BOB, None), ("lock", BOB, "Q1"))
    stands = replay(entered(*LOCKED, ("unlock", ANN, "V1")))
    assert lacking(PERMIT, stands, AT + timedelta(hours=1), ANN) == ["lock", "confirm"]
    again = replay(entered(*LOCKED, *own, ("unlock", ANN, "Q1")))
    assert lacking(PERMIT, again, AT + timedelta(hours=1), ANN) == []
    off = replay(entered(*LOCKED, ("unlock", ANN, "Q1"), ("unlock", ANN, "V1"), ("sign_off", ANN, None)))
    assert (off.open, off.confirmed_at) == (False, None)


@pytest.mark.parametrize(
    ("before", "one", "why"),
    [
        ((), ("lock", ANN, "Q1"), "not_signed_on"),
        ((), ("confirm", ANN, None), "not_signed_on"),
        ((), ("sign_off", ANN, None), "not_signed_on"),
        (LOCKED[:2], ("confirm", ANN, None), "points_open"),
        (LOCKED[:1], ("lock", ANN, "Q9"), "no_such_point"),
        (LOCKED[:1], ("lock", ANN, None), "no_such_point"),
        (LOCKED, ("sign_off", ANN, None), "own_locks_on"),
        (LOCKED, ("unlock", BOB, "Q1"), "no_lock_of_theirs"),
    ],
)
def test_what_cannot_be_entered_is_refused_with_its_reason(
    before: tuple[Any, ...], one: tuple[str, Any, str | None], why: str
) -> None:
    with pytest.raises(PermitRefused) as refused:
        check_entry(PERMIT, replay(entered(*before)), entered(one)[0])
    assert refused.value.params["why"] == why


def test_only_the_desk_takes_off_somebody_elses_lock() -> None:
    stands, theirs = replay(entered(*LOCKED)), Entered("unlock", BOB, AT, "Q1", None, ANN)
    with pytest.raises(PermitRefused):
        check_entry(PERMIT, stands, theirs)
    check_entry(PERMIT, stands, theirs, desk=True)


def test_a_permit_without_steps_is_one_of_every_step() -> None:
    assert needed_by([PERMIT], "open") == [PERMIT]
    assert needed_by([PERMIT], "close") == []
    assert needed_by([{**PERMIT, "steps": []}], "close") != []


@given(st.lists(st.tuples(st.sampled_from(["sign_on", "lock", "confirm", "unlock", "sign_off"]),
                          st.sampled_from([ANN, BOB]), st.sampled_from(["Q1", "V1"])), max_size=25))  # fmt: skip
def test_whatever_is_entered_nothing_is_in_force_with_an_open_point(acts: list[tuple[str, UUID, str]]) -> None:
    accepted: list[Entered] = []
    for one in entered(*acts):
        try:
            check_entry(PERMIT, replay(accepted), one)
        except PermitRefused:
            continue
        accepted.append(one)
    stands = replay(accepted)
    if not lacking(PERMIT, stands, AT + timedelta(hours=1)):
        assert stands.on
        assert stands.confirmed_at
        assert all(stands.locks[point] for point in ("Q1", "V1"))
    for held in stands.locks.values():
        assert set(held) <= set(stands.on)  # nobody leaves a lock behind


def test_an_order_is_compared_with_its_norm_line_by_line() -> None:
    """003-37: 180 min against 150; one seal of two; a bolt that nobody planned; the puller not used."""
    bolt = UUID(int=9)
    taken = [
        Taken(SEAL, "S-1", "Seal", "密封", Decimal(1), Decimal(50)),
        Taken(bolt, "B-9", "Bolt", "螺栓", Decimal(4), Decimal(8)),
    ]
    work = [Worked(ANN, 120, Decimal(240)), Worked(BOB, 60, None)]
    found = compare(NORMS, standard_cost(NORMS, PRICES), Actual(work, 45, Decimal(75), taken))
    rows = {one.of: one for one in found.rows}
    assert {of: one.state for of, one in rows.items()} == {
        None: "more",
        "S-1": "less",
        "B-9": "extra",
        "T-1": "not_used",
    }
    # Bob's hour has no price of its own: it is one of the standard mean, 240 ÷ 150 min × 60 = 96.
    labour = rows[None]
    assert (labour.planned, labour.actual, labour.standard, labour.cost) == (150, 180, Decimal(240), Decimal(336))
    assert (labour.quantity, labour.price) == (Decimal(48), Decimal(48))  # 30 min × 1.60, and the rest
    assert (rows["S-1"].quantity, rows["S-1"].price) == (Decimal("-45.50"), Decimal("4.50"))
    assert (found.standard, found.cost, found.difference) == (Decimal(341), Decimal(394), Decimal(53))
    assert (found.travel_minutes, found.travel_cost) == (45, Decimal(75))  # apart, in no sum


def test_a_cost_that_is_not_whole_is_not_compared() -> None:
    taken = [Taken(UUID(int=9), "B-9", "Bolt", "螺栓", Decimal(4), None)]
    found = compare(NORMS, standard_cost(NORMS, PRICES), Actual((), 0, Decimal(0), taken))
    assert (found.cost, found.difference, dict(found.left_out)) == (None, None, {"parts": 1})
    bare = compare(NORMS, None, Actual())
    assert (bare.standard, dict(bare.left_out)) == (None, {"standard": 1})
    foreign = compare(NORMS, standard_cost(NORMS, PRICES), Actual(other_currency=2))
    assert foreign.difference is None


def test_orders_are_summed_with_their_n() -> None:
    cost = standard_cost(NORMS, PRICES)
    exact = [Worked(ANN, 150, Decimal(240))]
    parts = [Taken(SEAL, "S-1", "", "", Decimal(2), Decimal(91))]
    tools = [Taken(PULLER, "T-1", "", "", Decimal(30), Decimal(10))]
    good = compare(NORMS, cost, Actual(exact, 0, Decimal(0), parts, tools))
    late = compare(NORMS, cost, Actual([Worked(ANN, 300, Decimal(480))], 0, Decimal(0), parts, tools))
    unsaid = compare(NORMS, None, Actual())
    total = summed([good, late, unsaid])
    assert (good.difference, {one.state for one in good.rows}) == (Decimal(0), {"as_planned"})
    assert (total.n, total.n_labour, total.n_cost) == (3, 2, 2)
    assert (total.norm_minutes, total.minutes, total.ratio) == (300, 450, 1.5)
    assert (total.standard, total.cost) == (Decimal(682), Decimal(922))
    assert total.parts == {"as_planned": 2, "more": 0, "less": 0, "not_used": 1, "extra": 0}
    assert summed([]).ratio is None


def test_costs_of_procedures_in_several_currencies_are_not_one_cost() -> None:
    cost = standard_cost(NORMS, PRICES)
    assert combined_cost([None, None], "CNY") is None
    twice = combined_cost([cost, cost], "CNY")
    mixed = combined_cost([cost, {**cost, "currency": "EUR"}], "CNY")
    assert twice is not None
    assert mixed is not None
    assert (twice["total"], twice["complete"], mixed["complete"]) == (682.0, True, False)


def test_a_good_order_becomes_steps_and_norms_and_nothing_that_people_wrote() -> None:
    """003-38: what was answered, in its order; what was measured; items, minutes, permits; no text of anybody."""
    steps = checked_steps(
        [
            {"key": "open", "kind": "check", "title_en": "Open", "title_zh": "打开"},
            {"key": "play", "kind": "number", "title_en": "Play", "title_zh": "间隙", "unit": "mm"},
            {"key": "said", "kind": "text", "title_en": "Remark", "title_zh": "备注"},
            {"key": "more", "kind": "photo", "title_en": "Photo", "title_zh": "拍照", "required": False,
             "when": [{"step": "open", "op": "equals", "value": True}]},
            {"key": "skipped", "kind": "check", "title_en": "Skip", "title_zh": "略", "required": False},
        ]
    )  # fmt: skip
    snapshot = {"code": "A", "name_en": "Care", "name_zh": "保养", "steps": steps, "norms": {"permits": [PERMIT]}}
    answers = {"open": (True, 0), "play": (0.31, 1), "said": ("Call Mr Wang 13800001111", 0), "more": (None, 3)}
    bolt = Taken(UUID(int=9), "B-9", "Bolt", "螺栓", Decimal(4), None)
    variance = compare(Norms(), None, Actual(parts=[bolt]))
    done = Done([Answered(snapshot, answers)], ("Seal leak", "漏"), ("Replaced", "更换"), variance, {ANN: 60, BOB: 40},
                [{"skill": "mechanic", "level": 3}], 2)  # fmt: skip
    made, norms, facts = drafted(done)
    kept = checked_steps(made)
    keys = ["open", "play", "said", "more", "fit_part", "repair", "photo_of_result"]
    assert [step["key"] for step in kept] == keys
    by_key = {step["key"]: step for step in kept}
    assert (by_key["play"]["help_en"], by_key["play"]["photos"]) == ("Measured on the original: 0.31 mm", 1)
    assert (by_key["more"]["photos"], by_key["photo_of_result"]["photos"]) == (3, 2)
    assert by_key["fit_part"]["title_zh"] == "安装 螺栓（B-9）× 4"
    assert norms["labour"] == [{"skill": "mechanic", "level": 3, "people": 2, "minutes": 50}]
    assert checked_norms(norms, keys)["permits"][0]["steps"] == ["open"]
    assert facts == {"steps": 7, "answers": 4, "minutes": 100, "parts": 1, "tools": 0, "photos": 6, "permits": 1}
    assert "Wang" not in repr((made, norms))
    assert str(ANN) not in repr((made, norms))


def test_two_checklists_with_the_same_keys_become_one_procedure() -> None:
    step = {"key": "look", "kind": "check", "title_en": "Look", "title_zh": "看"}
    after = {"key": "then", "kind": "check", "title_en": "Then", "title_zh": "然后",
             "when": [{"step": "look", "op": "equals", "value": True}]}  # fmt: skip
    one = {"code": "A", "name_en": "A", "name_zh": "甲", "steps": checked_steps([step, after]), "norms": {}}
    answers = {"look": (True, 0), "then": (True, 0)}
    made, _, _ = drafted(Done([Answered(one, answers), Answered({**one, "name_en": "B"}, answers)]))
    kept = checked_steps(made)
    assert [step["key"] for step in kept] == ["look", "then", "look_2", "then_2"]
    assert [step["section_en"] for step in kept] == ["A", "A", "B", "B"]
    assert kept[3]["when"][0]["step"] == "look_2"


def test_an_order_without_anything_gives_nothing() -> None:
    assert drafted(Done()) == ([], {"labour": [], "parts": [], "tools": [], "permits": [], "currency": "CNY"}, {
        "steps": 0, "answers": 0, "minutes": 0, "parts": 0, "tools": 0, "photos": 0, "permits": 0,
    })  # fmt: skip
