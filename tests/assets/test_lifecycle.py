"""What may happen next in an asset's life, and that its history has neither gaps nor overlaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import IllegalMove, Invalid
from assets.base.events import Event, broken_links
from assets.commissioning import answer, check_answer
from assets.instrumentation import bind
from assets.lifecycle import LEGAL_MOVES, CommissioningIncomplete, Move, check_move, transition
from assets.positions import add_position, install, installations_of
from assets.registry import LIFECYCLES, OPERATIONS, Asset, AssetModel, add_asset, set_operation
from assets.states import AXES, history, state_at
from tests.assets.conftest import Tree
from tests.assets.one_database import migrated

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NUMBERS = count(1)

database = pytest.fixture(scope="module")(migrated)

# The golden table: what each row's state may become, written down once more and by hand.
GOLDEN = {
    "planned": {"in_stock", "installed", "retired"},
    "in_stock": {"installed", "retired", "scrapped"},
    "installed": {"commissioned", "in_stock", "retired"},
    "commissioned": {"in_service", "installed", "in_stock", "retired"},
    "in_service": {"installed", "in_stock", "retired"},
    "retired": {"scrapped"},
    "scrapped": set(),
}


def new_asset(session: Session, tree: Tree, lifecycle: str = "planned", model: AssetModel | None = None) -> Asset:
    asset = Asset(
        organisation_id=tree.customer.id,
        serial=f"L-{next(NUMBERS)}",
        name="Pump",
        lifecycle=lifecycle,
        asset_model_id=model.id if model else None,
        created_at=NOW,
    )
    return add_asset(session, asset, NOW)


@pytest.mark.parametrize("state", LIFECYCLES)
@pytest.mark.parametrize("to", LIFECYCLES)
def test_only_the_moves_of_the_table_are_legal(state: str, to: str) -> None:
    move = Move(to, NOW, "because")
    if to in GOLDEN[state]:
        check_move(state, move)
        return
    with pytest.raises(IllegalMove) as refused:
        check_move(state, move)
    assert set(refused.value.params["legal"]) == GOLDEN[state]  # type: ignore[call-overload]


def test_every_state_has_a_row_and_nothing_comes_back_from_the_end() -> None:
    assert set(LEGAL_MOVES) == set(LIFECYCLES)
    assert all(to in LIFECYCLES for legal in LEGAL_MOVES.values() for to in legal)
    assert not set(LEGAL_MOVES["retired"]) - {"scrapped"}
    assert LEGAL_MOVES["scrapped"] == ()


@pytest.mark.parametrize(("state", "to"), [("in_service", "in_stock"), ("in_service", "retired")])
def test_taking_a_machine_out_of_work_needs_a_reason(state: str, to: str) -> None:
    with pytest.raises(Invalid):
        check_move(state, Move(to, NOW, "  "))


def test_word_that_is_no_state_is_refused() -> None:
    with pytest.raises(Invalid):
        check_move("planned", Move("broken", NOW))


def test_machine_goes_its_way_and_leaves_everything_in_order(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        checklist = [{"key": "oil", "en": "Oil", "zh": "油", "required": True, "kind": "check"}]
        model = AssetModel(organisation_id=tree.operator.id, code="p", name_en="p", name_zh="p", checklist=checklist)
        session.add(model)
        session.flush()
        asset = new_asset(session, tree, model=model)
        place = add_position(session, organisation_id=tree.customer.id, name="left", site_id=None, now=NOW)
        hours = iter(NOW + timedelta(hours=hour) for hour in range(1, 20))
        transition(session, asset, Move("installed", at := next(hours)), at)
        assert asset.installed_at == at
        install(session, place, asset, at, at)
        bind(session, organisation_id=tree.customer.id, device_id=asset.id, channel="", asset_id=asset.id, at=at)
        with pytest.raises(CommissioningIncomplete) as refused:
            transition(session, asset, Move("commissioned", next(hours)), NOW + timedelta(days=1))
        assert refused.value.params["missing"] == ["oil"]
        answer(session, asset, model, "oil", ok=True, value=None, note=None, now=next(hours), by_id=None)
        for to in ("commissioned", "in_service", "retired"):
            transition(session, asset, Move(to, at := next(hours), "worn out"), at)
        assert [row.state for row in history(session, asset.id, "lifecycle")] == [
            "planned",
            "installed",
            "commissioned",
            "in_service",
            "retired",
        ]
        assert installations_of(session, place.id)[0].valid_to == at, "it stands nowhere any more"
        kinds = list(session.scalars(select(Event.kind).where(Event.asset_id == asset.id).order_by(Event.id)))
        assert kinds[-1] == "asset.decommissioned"
        facts = session.scalars(select(Event.payload).where(Event.kind == "asset.decommissioned")).one()
        assert facts["devices"] == [str(asset.id)]
        assert broken_links(session, asset.id) == []
        with pytest.raises(IllegalMove):
            transition(session, asset, Move("in_service", next(hours)), NOW + timedelta(days=9))


def test_move_before_the_present_state_or_to_come_is_refused(database: Database, tree: Tree) -> None:
    with database.as_service() as session:
        asset = new_asset(session, tree, "in_stock")
        for at in (NOW - timedelta(seconds=1), NOW + timedelta(days=1)):
            with pytest.raises(Invalid):
                transition(session, asset, Move("installed", at), NOW)
        assert asset.lifecycle == "in_stock"


steps = st.lists(st.tuples(st.sampled_from([*LIFECYCLES, *OPERATIONS]), st.integers(-90, 240)), min_size=1, max_size=12)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_history_is_one_line_without_gap_or_overlap(
    database: Database, tree: Tree, steps: list[tuple[str, int]]
) -> None:
    """Whatever is asked for and in whichever order: what stands is a line, and its end is what the asset is."""
    with database.as_service() as session:
        asset, clock = new_asset(session, tree), NOW
        for word, minutes in steps:
            clock = max(clock, clock + timedelta(minutes=minutes))
            at = clock + timedelta(minutes=min(minutes, 0))
            if word in OPERATIONS:
                set_operation(session, asset, word, at, "test")
                continue
            try:
                transition(session, asset, Move(word, at, "why"), clock)
            except (IllegalMove, Invalid):
                continue
        for axis in AXES:
            rows = history(session, asset.id, axis)
            assert all(early.valid_to == late.valid_from for early, late in pairwise(rows))
            assert all(row.valid_to is None or row.valid_from < row.valid_to for row in rows)
            present = asset.lifecycle if axis == "lifecycle" else asset.operation
            assert [row.state for row in rows if row.valid_to is None] == ([present] if rows else [])
            for row in rows:
                found = state_at(session, asset.id, axis, row.valid_from)
                assert found is not None
                assert found.id == row.id
        session.rollback()


@pytest.mark.parametrize(
    ("point", "ok", "value", "good"),
    [
        ({"key": "k", "kind": "check"}, True, None, True),
        ({"key": "k", "kind": "number", "minimum": 1, "maximum": 5}, True, 3, True),
        ({"key": "k", "kind": "number", "minimum": 1, "maximum": 5}, True, 0.5, False),
        ({"key": "k", "kind": "number", "minimum": 1}, False, 0.5, True),
        ({"key": "k", "kind": "number"}, True, None, False),
        ({"key": "k", "kind": "number"}, True, "three", False),
        ({"key": "k", "kind": "number"}, True, True, False),
        ({"key": "k", "kind": "number"}, True, float("nan"), False),
        ({"key": "k", "kind": "text"}, True, "A-17", True),
        ({"key": "k", "kind": "text"}, True, "  ", False),
    ],
)
def test_answer_fits_its_point(point: dict[str, object], ok: bool, value: float | str | None, good: bool) -> None:
    if good:
        check_answer(point, ok, value)
        return
    with pytest.raises(Invalid):
        check_answer(point, ok, value)
