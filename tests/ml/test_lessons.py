"""What was learned reaches an asset's detectors from the store: the belief about wear, who opens orders, the budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.registry import Asset, AssetModel
from gateway.wording import words
from ingest.store.hourly import rows_an_hour
from maintenance.decisions import WATCH, Policy, decide
from maintenance.feedback_settings import Feedback, save_feedback
from ml.detectors.setup import AssetSetup
from ml.detectors.wear import COARSE_ROWS
from ml.detectors.wear_belief import WearBelief, template
from ml.lessons import FRESH, Choice, Lessons, weighed
from ml.store.tables import CHALLENGER, CHAMPION, OPENERS, REJECTED, RETIRED, WEAR, StoredModel
from ml.store.versions import (
    HELD,
    HOLD,
    Draft,
    Reason,
    add_model,
    is_held,
    previous_champion,
    promote,
    promote_unless_held,
    roll_back,
)
from tests.maintenance.evidence import hot_bearing
from tests.ml.stored import NOW, Machines

CAREFUL = Choice(11.0, 6.6, ("limits", "wear"), True, frozenset({"pump"}), ("limits",))


@pytest.fixture
def pumps(database_url: str) -> Iterator[Machines]:
    """A pump that is read each hour, one that is read each ten seconds, and a fan."""
    machines = Machines(database_url)
    pump, fan = machines.add_model("pump"), machines.add_model("fan")
    begin = NOW.timestamp() // 3600 * 3600 - 30 * 3600
    for serial, model, step in (("slow", pump, 3600.0), ("fast", pump, 10.0), ("fan", fan, 3600.0)):
        machines.add(serial, model)
        t = np.arange(begin, begin + 4 * 3600 if step < 60 else begin + 28 * 3600, step)
        machines.tell(serial, t, {"pressure_bar": 4 + 0.1 * np.sin(t)})
    machines.roll_up()
    yield machines
    machines.close()


def keep(session: Session, machines: Machines, kind: str, state: dict[str, Any]) -> StoredModel:
    """Store a version as the weekly training does, and let it serve."""
    draft = Draft(kind, kind, kind, state, {"asset_models": ["pump"]})
    model = add_model(session, machines.owner, draft, NOW)
    if model.state == CHALLENGER:
        promote(session, model, Reason("learned_anew", {}), NOW)
    return model


def setup_of(session: Session, machines: Machines, lessons: Lessons, serial: str, after: timedelta) -> AssetSetup:
    asset = session.get_one(Asset, machines.ids[serial])
    return lessons.setup(session, session.get(AssetModel, asset.asset_model_id), asset, NOW + after)


def belief(level: float) -> WearBelief:
    return replace(template(), level=level)


def digest_of(setup: AssetSetup) -> str | None:
    return WearBelief.from_plain(setup.taught["wear"]).digest() if "wear" in setup.taught else None


def test_the_belief_that_serves_is_told_and_one_that_is_taken_back_gives_way(pumps: Machines) -> None:
    lessons = Lessons()
    with pumps.database.as_service() as session:
        at_first = setup_of(session, pumps, lessons, "slow", timedelta(0))
        assert (at_first.asset_type, digest_of(at_first)) == ("pump", None), "what is shipped serves"
        keep(session, pumps, WEAR, {"belief": belief(1.0).to_plain()})
        keep(session, pumps, WEAR, {"belief": belief(2.0).to_plain()})
        told = setup_of(session, pumps, lessons, "slow", 2 * FRESH)
        assert digest_of(told) == belief(2.0).digest()
        assert setup_of(session, pumps, lessons, "fan", 2 * FRESH).taught is told.taught, "one object for all"
        roll_back(session, previous_champion(session, pumps.owner, WEAR), "too quiet", NOW)
        again = setup_of(session, pumps, lessons, "slow", 4 * FRESH)
        assert digest_of(again) == belief(1.0).digest()


def learn(session: Session, machines: Machines, level: float, now: datetime) -> StoredModel:
    """Store a belief about wear as the weekly training does."""
    draft = Draft(WEAR, WEAR, WEAR, {"belief": belief(level).to_plain()}, {"asset_models": ["pump"]})
    model = add_model(session, machines.owner, draft, now)
    if model.state == CHALLENGER:
        promote_unless_held(session, model, Reason("learned_anew", {"assets": 2}), now)
    return model


def test_what_is_learned_anew_waits_while_a_roll_back_stands(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        first, second = learn(session, pumps, 1.0, NOW), learn(session, pumps, 2.0, NOW)
        assert (first.state, second.state) == (RETIRED, CHAMPION)
        roll_back(session, first, "too quiet", NOW)
        third = learn(session, pumps, 3.0, NOW + timedelta(days=7))
        fourth = learn(session, pumps, 4.0, NOW + timedelta(days=14))
        assert learn(session, pumps, 4.0, NOW + timedelta(days=21)) is fourth
        assert [each.state for each in (first, second, third, fourth)] == [CHAMPION, RETIRED, REJECTED, CHALLENGER]
        assert is_held(fourth)
        assert fourth.state_reason["params"] == {"version": 1, "until": (NOW + HOLD).date().isoformat()}
        assert "went back to version 1" in words("model.reason.", HELD, fourth.state_reason["params"]).en
        assert learn(session, pumps, 4.0, NOW + HOLD).state == CHAMPION
        assert first.state == RETIRED


def test_a_person_lets_it_serve_earlier(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        first, second = learn(session, pumps, 1.0, NOW), learn(session, pumps, 2.0, NOW)
        roll_back(session, first, "too quiet", NOW)
        third = learn(session, pumps, 3.0, NOW)
        assert roll_back(session, third, "looked at it", NOW).state == CHAMPION
        assert learn(session, pumps, 4.0, NOW).state == CHAMPION
        roll_back(session, second, "back", NOW)
        fifth = learn(session, pumps, 5.0, NOW)
        assert is_held(fifth)
        newest = session.scalars(select(StoredModel).where(StoredModel.version == 4)).one()
        roll_back(session, newest, "and forward again", NOW)
        assert learn(session, pumps, 6.0, NOW).state == CHAMPION


@pytest.mark.parametrize("damage", ["content || 'x'", "decode('00', 'hex')"])
def test_a_damaged_belief_is_not_told(pumps: Machines, damage: str) -> None:
    with pumps.database.as_service() as session:
        keep(session, pumps, WEAR, {"belief": belief(1.0).to_plain()})
    with pumps.database.as_owner() as session:
        session.execute(text("ALTER TABLE model_contents NO FORCE ROW LEVEL SECURITY"))
        session.execute(text(f"UPDATE model_contents SET content = {damage}"))
    with pumps.database.as_service() as session:
        assert digest_of(setup_of(session, pumps, Lessons(), "slow", timedelta(0))) is None


def test_a_belief_for_other_features_is_not_told(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        keep(session, pumps, WEAR, {"belief": belief(1.0).to_plain() | {"names": ["other"]}})
        assert digest_of(setup_of(session, pumps, Lessons(), "slow", timedelta(0))) is None


def test_who_opens_is_told_of_machines_that_are_read_rarely(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        assert rows_an_hour(session, pumps.ids["slow"]) == 1
        assert rows_an_hour(session, pumps.ids["fast"]) > 300 > COARSE_ROWS
        assert rows_an_hour(session, UUID(int=1)) == 0
        keep(session, pumps, OPENERS, CAREFUL.plain())
        lessons = Lessons()
        slow, fast, fan = (setup_of(session, pumps, lessons, each, timedelta(0)) for each in ("slow", "fast", "fan"))
    assert (slow.openers, slow.residual.opens, slow.residual.clears) == (("limits", "wear"), 11.0, 6.6)
    assert (fast.openers, fast.residual.opens) == (None, 8.0)
    assert fan.openers == ("limits",), "a model that history does not know"


def test_the_choice_is_kept_as_it_was_made() -> None:
    assert Choice.from_plain(CAREFUL.plain()) == CAREFUL
    everybody = Choice(8.0, 5.0, None, False, None, None)
    assert Choice.from_plain(everybody.plain()) == everybody
    assert (everybody.of("pump", has_model=True), everybody.of("pump", has_model=False)) == ((), None)


def test_what_may_open_no_order_goes_to_the_watch_list() -> None:
    found = hot_bearing(UUID(int=1), detector="residual")
    assert weighed(found, None) is found
    assert weighed(found, ("residual",)) is found
    assert weighed(replace(found, kind="sensor"), ()).confidence == found.confidence
    limit = replace(found, detector="limits", layer="L1")
    assert weighed(limit, ("wear",)) is limit is weighed(limit, ()), "a limit that somebody set opens as it did"
    doubted = decide(weighed(found, ("wear",)), Policy(), (), NOW)
    assert (doubted.action, doubted.reason) == (WATCH, "low_confidence")


def test_the_budget_of_an_organisation_sets_the_level_of_its_detectors(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        usual = setup_of(session, pumps, Lessons(), "slow", timedelta(0))
        assert usual.residual.patience_s == 300 * 86400.0
        save_feedback(session, pumps.owner, Feedback(budget_per_month=0.01))
        strict = setup_of(session, pumps, Lessons(), "slow", timedelta(0))
        assert strict.residual.patience_s == pytest.approx(3000 * 86400.0)
        save_feedback(session, pumps.owner, Feedback(budget_per_month=1.0))
        loose = setup_of(session, pumps, Lessons(), "slow", timedelta(0))
        levels = [WearBelief.from_plain(each.taught["wear"]).level for each in (strict, loose)]
        assert levels[0] > template().level > levels[1]
        keep(session, pumps, WEAR, {"belief": belief(1.5).to_plain()})
        learned = setup_of(session, pumps, Lessons(), "slow", timedelta(0))
        assert digest_of(learned) == belief(1.5).digest(), "it was learned with the budget"


def test_the_workers_detectors_know_what_is_in_force(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        keep(session, pumps, WEAR, {"belief": belief(1.5).to_plain()})
        keep(session, pumps, OPENERS, CAREFUL.plain())
        assert {row.name for row in session.scalars(select(StoredModel))} == {WEAR, OPENERS}
    pumps.work()
    known = pumps.scorer._known[pumps.ids["slow"]].setup
    assert (known.asset_type, known.openers, digest_of(known)) == ("pump", ("limits", "wear"), belief(1.5).digest())
