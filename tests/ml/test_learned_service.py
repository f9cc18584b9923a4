"""The service learns from finished work, applies what it learned live, and can say and repeat why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select, text

from assets.base.events import Event
from gateway.supervise.postgres import EmbeddedPostgres
from maintenance.models import Finding
from maintenance.remaining_lives import RemainingLife
from ml.detectors.wear_belief import WearBelief
from ml.lessons import Choice
from ml.reproduction import IDENTICAL, reproduce
from ml.store.tables import CHAMPION, ModelContent, ShadowFinding, StoredModel, TrainingRun
from ml.store.versions import load_state, verify
from ml.stored_fleet import stored_fleet
from ml.training import train_models
from ml.worker import Scorer
from tests.conftest import _database_maker
from tests.ml.histories import STEP_S, add_history, answer, past, wearing
from tests.ml.stored import NOW, Machines

HISTORIES = 20


@pytest.fixture(scope="module")
def trained(cluster: EmbeddedPostgres, empty_template: str, migrated_template: str) -> Iterator[Machines]:
    """Pumps that wore out, two that did not, and the models learned from them; one pump wears out now."""
    makers = _database_maker(cluster, empty_template)
    machines = Machines(next(makers)(migrated_template))
    pump = machines.add_model("pump")
    for i in range(HISTORIES):
        add_history(machines, f"P-{i}", pump, 60 + 2 * (i % 9), past(3 + 4 * i), seed=i)
    for i in range(2):
        machines.add(f"well-{i}", pump, created_at=past(200))
        t = np.arange(past(200).timestamp(), NOW.timestamp(), STEP_S)
        machines.tell(f"well-{i}", t, wearing(t, NOW.timestamp() + 1e9, seed=900 + i), lane="backfill")
    answer(machines, "well-0", past(20), past(19), outcome="no_fault_found")
    machines.roll_up()
    machines.skip()
    train_models(machines.database, NOW)
    machines.add("ill", pump, created_at=past(90))
    machines.add("fine", pump, created_at=past(22))
    t = np.arange(past(90).timestamp(), past(1).timestamp(), STEP_S)
    machines.tell("ill", t, wearing(t, (NOW + timedelta(days=8)).timestamp(), seed=77))
    t = np.arange(past(22).timestamp(), past(1).timestamp(), STEP_S)
    machines.tell("fine", t, wearing(t, (NOW + timedelta(days=900)).timestamp(), seed=78))
    machines.roll_up()
    machines.scorer = Scorer(machines.database)
    machines.work()
    last = np.arange(past(1).timestamp(), NOW.timestamp() - 3600, STEP_S)
    machines.tell("ill", last, wearing(last, (NOW + timedelta(days=8)).timestamp(), seed=79))
    machines.tell("fine", last, wearing(last, (NOW + timedelta(days=900)).timestamp(), seed=80))
    machines.roll_up()
    machines.work()
    yield machines
    machines.close()
    next(makers, None)


def test_the_training_set_is_what_finished_work_says(trained: Machines) -> None:
    with trained.database.as_service() as session:
        fleet = stored_fleet(session, trained.owner, NOW)
    assert len(fleet.incidents) == HISTORIES, "no fault found is no failure"
    failed = {i.asset: i.failed for i in fleet.incidents}
    assert failed[str(trained.ids["P-3"])] == past(15).timestamp()
    t, metrics, frame = fleet.telemetry(str(trained.ids["P-3"]))
    assert len(t) == len(frame) > 180
    assert metrics == tuple(frame.columns)
    assert t[-1] <= past(15).timestamp() + 3600
    healthy = fleet.assets[str(trained.ids["well-1"])].spans[-1].end
    assert healthy == NOW.timestamp() - fleet.settings.horizon_s, "how the last month ends nobody knows yet"


def test_models_are_stored_with_cards_that_say_what_they_learned_from(trained: Machines) -> None:
    with trained.database.as_service() as session:
        models = {model.kind: model for model in session.scalars(select(StoredModel))}
        run = session.scalars(select(TrainingRun)).one()
        assert set(models) == {"failure", "life", "wear", "openers"}
        for model in models.values():
            assert (model.state, model.version) == (CHAMPION, 1)
            assert verify(session, model).ok
            assert len(model.card["data"]["digest"]) == 64
            assert model.card["versions"]["numpy"] == np.__version__
            assert model.card["asset_models"] == ["pump"]
            assert model.card["figures"]
        assert run.finished_at is not None
        assert {outcome["code"] for outcome in run.outcomes} == {CHAMPION}
        assert run.incidents == HISTORIES


def test_what_history_says_of_wear_and_of_who_opens_reaches_the_worker(trained: Machines) -> None:
    setup = trained.scorer._known[trained.ids["ill"]].setup
    with trained.database.as_service() as session:
        stored = {each.kind: load_state(session, each) for each in session.scalars(select(StoredModel))}
    belief = WearBelief.from_plain(setup.taught["wear"])
    assert belief.digest() == WearBelief.from_plain(stored["wear"]["belief"]).digest()
    assert any(name.startswith("pump/") for name in belief.sensors)
    assert setup.asset_type == "pump"
    choice = Choice.from_plain(stored["openers"])
    assert setup.openers == choice.of("pump", has_model=True)
    assert setup.residual.opens == choice.opens


def test_what_wears_out_is_found_and_what_is_well_is_not(trained: Machines) -> None:
    found = [finding for finding in trained.findings() if finding.layer == "L3"]
    assert {finding.asset_id for finding in found} == {trained.ids["ill"]}
    [finding] = found
    assert finding.score >= finding.limit_open
    assert finding.contributions[0]["metric"] in ("vibration_mm_s", "temperature_celsius")
    order = next(order for order in trained.orders() if order.asset_id == trained.ids["ill"] and order.noticed)
    assert order.noticed is not None
    assert finding.decision is not None


def test_a_finding_of_a_stored_model_is_made_again_bit_for_bit(trained: Machines) -> None:
    [finding] = [finding for finding in trained.findings() if finding.layer == "L3"]
    with trained.database.as_service() as session:
        outcome = reproduce(session, session.get_one(Finding, finding.id))
    assert (outcome.code, outcome.differences) == (IDENTICAL, ())


def test_remaining_life_has_an_interval_where_wear_is_seen_and_a_reason_where_not(trained: Machines) -> None:
    with trained.database.as_service() as session:
        ill, fine = (session.get_one(RemainingLife, trained.ids[name]) for name in ("ill", "fine"))
        assert ill.state == "estimate"
        assert ill.low_s is not None
        assert ill.low_s <= (ill.life_s or 0) <= (ill.high_s or 0)
        assert 0 < (ill.life_s or 0) < 25 * 86400
        assert ill.p_within[0][1] <= ill.p_within[1][1] <= 1
        assert (fine.state, fine.reason, fine.life_s) == ("no_estimate", "no_degradation_seen", None)


def test_what_a_champion_noticed_is_noted_for_comparisons(trained: Machines) -> None:
    with trained.database.as_service() as session:
        noted = session.scalars(select(ShadowFinding)).all()
    assert {row.asset_id for row in noted} == {trained.ids["ill"]}


def test_a_model_with_a_wrong_hash_is_not_used_and_says_so(trained: Machines) -> None:
    damage = "UPDATE model_contents SET content = set_byte(content, 100, (get_byte(content, 100) + 1) % 256)"
    with trained.database.as_owner() as session:
        session.execute(text("ALTER TABLE model_contents NO FORCE ROW LEVEL SECURITY"))
        session.execute(text(damage))
    try:
        trained.scorer = Scorer(trained.database)
        trained.tell("fine", np.array([NOW.timestamp() - 1800]), {"pressure_bar": np.array([6.0])})
        trained.work()
        with trained.database.as_service() as session:
            models = session.scalars(select(StoredModel)).all()
            assert {verify(session, model).problem for model in models} == {"wrong_hash"}
            told = session.scalars(select(Event).where(Event.kind == "model.unusable")).all()
            assert {event.subject_id for event in told} == {model.id for model in models}
            assert session.scalar(select(func.count()).select_from(ModelContent)) == 4
    finally:
        with trained.database.as_owner() as session:
            session.execute(text(damage.replace("+ 1", "+ 255")))
