"""Versions are immutable, checked before they are read, and only figures or a person move them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from assets.base.errors import IllegalMove, NotFound
from assets.base.events import Event, broken_links
from ml.store.artefacts import MAX_BYTES, ModelDamaged, ModelUnreadable, seal, unseal
from ml.store.retention import KEEP_CONTENT, KEEP_SNAPSHOTS, KEPT_RETIRED, forget_models
from ml.store.shadow import compare, settle_trials
from ml.store.tables import LearnedState, ModelContent, ShadowFinding, StoredModel
from ml.store.versions import (
    ContentForgotten,
    Draft,
    Reason,
    add_model,
    load_state,
    previous_champion,
    promote,
    roll_back,
    verify,
)
from ml.stored_fleet import stored_fleet
from ml.training import store_taught
from tests.ml.histories import DAY, answer, past
from tests.ml.stored import NOW, Machines

NAME = "failure:pump:any"


@pytest.fixture
def machines(database_url: str) -> Iterator[Machines]:
    made = Machines(database_url)
    yield made
    made.close()


def draft(number: float, kind: str = "failure", **figures: float) -> Draft:
    state = {"weights": np.array([number, 1.0]), "level": 0.5, "words": ["a", "b"]}
    card: dict[str, Any] = {"asset_models": ["pump"], "figures": figures, "data": {}}
    return Draft(NAME, kind, f"supervised-{number:g}", state, card)


def add(session: Session, machines: Machines, number: float, days: float = 0.0) -> StoredModel:
    return add_model(session, machines.owner, draft(number), NOW + timedelta(days=days))


def states(session: Session) -> list[str]:
    return list(session.scalars(select(StoredModel.state).order_by(StoredModel.version)))


def test_equal_states_are_equal_bytes_and_come_back_as_they_were() -> None:
    one, other = seal(dict(draft(1).state)), seal(dict(draft(1).state))
    assert one == other
    back = unseal(one.content, one.digest)
    assert back["weights"].tolist() == [1.0, 1.0]
    assert (back["level"], back["words"]) == (0.5, ["a", "b"])


def test_other_bytes_are_refused_before_anything_of_them_is_read() -> None:
    sealed = seal(dict(draft(1).state))
    with pytest.raises(ModelDamaged, match="not read"):
        unseal(b"not even an archive", sealed.digest)
    changed = bytearray(sealed.content)
    changed[len(changed) // 2] ^= 1
    with pytest.raises(ModelDamaged):
        unseal(bytes(changed), sealed.digest)


def test_right_bytes_of_an_unknown_format_are_named_unreadable() -> None:
    import hashlib

    with pytest.raises(ModelUnreadable):
        unseal(b"something else", hashlib.sha256(b"something else").hexdigest())


def test_an_array_of_objects_is_never_loaded() -> None:
    import hashlib
    import io

    content = io.BytesIO()
    np.savez(content, header=np.array([{"a": 1}], dtype=object))
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    with pytest.raises(ModelUnreadable):
        unseal(content.getvalue(), digest)


def test_a_model_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        seal({"huge": np.zeros(MAX_BYTES // 8 + 1)})


def test_the_first_version_serves_and_the_next_is_on_trial(machines: Machines) -> None:
    with machines.database.as_service() as session:
        first = add(session, machines, 1)
        second = add(session, machines, 2, days=7)
        assert (first.state, second.state, second.parent_id) == ("champion", "challenger", first.id)
        assert add(session, machines, 2, days=8).id == second.id, "the same content is no new version"
        third = add(session, machines, 3, days=14)
        assert states(session) == ["champion", "rejected", "challenger"]
        assert third.version == 3


def test_weekly_training_leaves_a_trial_the_time_that_it_takes(machines: Machines) -> None:
    def train(number: float, days: float) -> str:
        made = draft(number)
        model = SimpleNamespace(id=made.code, name=made.name, state=lambda: made.state, card=lambda: made.card)
        taught: Any = SimpleNamespace(failures=(model,), lives=(), refused=())
        with machines.database.as_service() as session:
            fleet = stored_fleet(session, machines.owner, NOW)
            [told] = store_taught(session, machines.owner, fleet, taught, NOW + timedelta(days=days))
        return str(told["code"])

    assert [train(week, 7 * week) for week in range(4)] == ["champion", "challenger", "trial_goes_on", "trial_goes_on"]
    with machines.database.as_service() as session:
        assert states(session) == ["champion", "challenger"]


def test_nobody_may_change_what_is_stored(machines: Machines) -> None:
    with machines.database.as_service() as session:
        add(session, machines, 1)
    for change in (
        "UPDATE model_contents SET content = 'x'",
        "UPDATE models SET digest = 'x'",
        "UPDATE models SET card = '{}'",
        "UPDATE finding_snapshots SET content = 'x'",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), machines.database.as_service() as session:
            session.execute(text(change))


def test_one_call_brings_the_version_before_back(machines: Machines) -> None:
    with machines.database.as_service() as session:
        first = add(session, machines, 1)
        second = add(session, machines, 2)
        promote(session, second, Reason("recall_not_lower"), NOW)
        assert states(session) == ["retired", "champion"]
        assert previous_champion(session, machines.owner, NAME).id == first.id
        roll_back(session, first, "false alarms since Monday", NOW + DAY)
        assert states(session) == ["champion", "retired"]
        assert roll_back(session, first, "again", NOW + DAY).state == "champion", "twice changes nothing"
        assert load_state(session, first)["weights"][0] == 1.0
        told = session.scalars(select(Event).where(Event.subject_id == first.id).order_by(Event.id)).all()
        assert [event.payload["state"] for event in told] == ["champion", "retired", "champion"]
        assert told[-1].payload["reason"]["params"]["reason"] == "false alarms since Monday"
        assert broken_links(session, first.id) == []
        with pytest.raises(NotFound, match="no earlier version"):
            previous_champion(session, machines.owner, NAME)


def test_what_never_served_or_is_forgotten_does_not_come_back(machines: Machines) -> None:
    with machines.database.as_service() as session:
        first, second = add(session, machines, 1), add(session, machines, 2)
        with pytest.raises(IllegalMove):
            roll_back(session, second, "why not", NOW)
        promote(session, second, Reason("recall_not_lower"), NOW)
        session.execute(text("DELETE FROM model_contents WHERE model_id = :id"), {"id": first.id})
        assert verify(session, first).problem == "content_forgotten"
        with pytest.raises(ContentForgotten):
            roll_back(session, first, "too late", NOW)
        assert states(session) == ["retired", "champion"]


def test_retention_forgets_contents_and_keeps_cards_what_serves_and_what_one_may_go_back_to(machines: Machines) -> None:
    with machines.database.as_service() as session:
        for number in range(KEPT_RETIRED + 4):
            model = add(session, machines, number, days=number)
            if number:
                promote(session, model, Reason("recall_not_lower"), NOW + timedelta(days=number))
        oldest = session.scalars(select(StoredModel).order_by(StoredModel.version)).first()
        assert oldest is not None
        oldest.pinned = True
        session.flush()
        assert forget_models(session, NOW).contents == 0
        assert forget_models(session, NOW + KEEP_CONTENT + 100 * DAY).contents == 2
        kept = set(session.scalars(select(StoredModel.version).join(ModelContent)))
        assert kept == {1, *range(4, KEPT_RETIRED + 5)}
        assert session.scalar(select(func.count()).select_from(StoredModel)) == KEPT_RETIRED + 4


def test_snapshots_of_findings_without_an_order_are_forgotten_the_others_stay(machines: Machines) -> None:
    machines.add("P-1", machines.add_model("pump", {"pressure_bar": {"high": 80.0}}))
    t = NOW.timestamp() - 600 + 10.0 * np.arange(60)
    machines.tell("P-1", t, {"pressure_bar": np.where(np.arange(60) > 30, 95.0, 50.0)})
    machines.work()
    with machines.database.as_service() as session:
        made = session.scalar(text("SELECT count(*) FROM finding_snapshots"))
        assert made
        assert forget_models(session, NOW + 2 * KEEP_SNAPSHOTS).snapshots == made - 1
        session.execute(text("DELETE FROM work_links"))
        assert forget_models(session, NOW + 2 * KEEP_SNAPSHOTS).snapshots == 1


def trial(
    machines: Machines, session: Session, caught: dict[str, int], false: dict[str, int], assets: int = 20
) -> StoredModel:
    """A champion and a challenger that watched pumps for 130 days in which each failed once; return the latter."""
    pair = {"champion": add(session, machines, 1), "challenger": add(session, machines, 2)}
    for number in range(assets):
        asset = machines.ids[f"P-{number}"]
        for by, model in pair.items():
            _watched(session, machines, model.id, asset)
            if number < caught[by]:
                _order(session, machines, model.id, asset, past(70))
            if number < false[by]:
                _order(session, machines, model.id, asset, past(45))
    session.flush()
    return pair["challenger"]


def _watched(session: Session, machines: Machines, model: UUID, asset: UUID) -> None:
    session.add(
        LearnedState(
            organisation_id=machines.owner,
            model_id=model,
            asset_id=asset,
            watched_since=past(130),
            watched_to=NOW,
            state=b"",
        )
    )


def _order(session: Session, machines: Machines, model: UUID, asset: UUID, at: Any) -> None:
    session.add(
        ShadowFinding(
            organisation_id=machines.owner,
            model_id=model,
            asset_id=asset,
            opened_at=at,
            last_at=at + DAY,
            cleared_at=at + 2 * DAY,
            peak=0.9,
        )
    )


@pytest.fixture
def pumps(machines: Machines) -> Machines:
    model = machines.add_model("pump")
    for number in range(20):
        machines.add(f"P-{number}", model, created_at=past(200))
        answer(machines, f"P-{number}", past(60), past(59))
    return machines


def test_a_damaged_challenger_makes_room_for_the_next_one(machines: Machines) -> None:
    with machines.database.as_service() as session:
        add(session, machines, 1)
        broken = add(session, machines, 2).id
    with machines.database.as_owner() as session:
        session.execute(text("ALTER TABLE model_contents NO FORCE ROW LEVEL SECURITY"))
        session.execute(text("UPDATE model_contents SET content = 'x' WHERE model_id = :id"), {"id": broken})
    with machines.database.as_service() as session:
        assert settle_trials(session, NOW) == 1
        assert session.get_one(StoredModel, broken).state_reason == {
            "code": "unusable",
            "params": {"problem": "wrong_hash"},
        }
        assert add(session, machines, 3).state == "challenger"
        assert settle_trials(session, NOW) == 0


def test_a_challenger_that_misses_no_more_at_the_same_budget_takes_over(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        challenger = trial(pumps, session, {"champion": 10, "challenger": 14}, {"champion": 1, "challenger": 1})
        found = compare(session, challenger, NOW)
        new, old = found.scores["challenger"], found.scores["champion"]
        assert (new.caught, new.incidents, old.caught, new.false) == (14, 20, 10, 1)
        assert new.asset_months == pytest.approx(20 * (130 - 30 - 31) / 30, rel=0.05)
        assert settle_trials(session, NOW) == 1
        assert states(session) == ["retired", "champion"]


@pytest.mark.parametrize(
    ("caught", "false", "why"),
    [
        ({"champion": 14, "challenger": 10}, {"champion": 1, "challenger": 0}, "recall_lower"),
        ({"champion": 10, "challenger": 20}, {"champion": 1, "challenger": 12}, "over_budget"),
    ],
)
def test_a_challenger_that_does_worse_is_rejected(
    pumps: Machines, caught: dict[str, int], false: dict[str, int], why: str
) -> None:
    with pumps.database.as_service() as session:
        challenger = trial(pumps, session, caught, false)
        assert settle_trials(session, NOW) == 1
        assert challenger.state_reason["code"] == why
        assert states(session) == ["champion", "rejected"]


def test_with_too_few_failures_nothing_is_decided(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        challenger = trial(pumps, session, {"champion": 0, "challenger": 4}, {"champion": 0, "challenger": 0}, assets=4)
        assert settle_trials(session, NOW) == 0
        assert compare(session, challenger, NOW).verdict.code == "not_enough_yet"
        assert states(session) == ["champion", "challenger"]


def test_orders_that_time_has_not_answered_yet_count_neither_way(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        challenger = trial(pumps, session, {"champion": 0, "challenger": 0}, {"champion": 0, "challenger": 0})
        _order(session, pumps, challenger.id, pumps.ids["P-0"], past(5))
        session.flush()
        found = compare(session, challenger, NOW)
        assert [order.judged for order in found.orders] == ["open"]
        assert found.scores["challenger"].false == 0
