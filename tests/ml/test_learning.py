from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from maintenance import decisions
from maintenance.decisions import policy_of_recording
from ml import boosting, few_failures, remaining_life, supervised
from ml.desk import Desk, openings
from ml.detectors import plain
from ml.detectors.protocol import Floats
from ml.evaluation import evaluate
from ml.families import families
from ml.features import Record, Vocabulary, growth, moments_of, vocabulary
from ml.fusion import Fusion
from ml.learning import Ledger, Taught, train_all
from ml.life_band import band_of
from ml.remaining_life import LifeModel
from ml.spread import ClusterUnreachable, Spread
from ml.supervised import FailureModel, Lesson, affordable
from ml.training_set import Asset, Event, Incident, Settings, Span
from ml.watching import FailureWatch
from tests.ml.recorded import onset_fleet

HOUR_S = 3600.0
START = 1_704_067_200.0
RULES = Settings("mills", True, 50 * HOUR_S, 5 * HOUR_S, 20 * HOUR_S, 108_000.0, 0.0, 0.2, False)


class Mills:
    """A training set in memory: machines read hourly that wear out in their last sixty hours."""

    def __init__(self, count: int = 20, rules: Settings = RULES, failing: bool = True) -> None:
        rng = np.random.default_rng(5)
        self.settings = rules
        self.assets: dict[str, Asset] = {}
        self.incidents: list[Incident] = []
        self.events: list[Event] = []
        self._readings: dict[str, tuple[Floats, pd.DataFrame]] = {}
        for i in range(count):
            name, hours = f"m{i:02d}", 110 + int(rng.integers(0, 50))
            t = START + HOUR_S * np.arange(hours)
            wear = np.clip((np.arange(hours) - (hours - 60)) / 60, 0, 1)[:, None] ** 2 * failing
            values = np.array([10.0, 20.0]) + 0.3 * rng.normal(size=(hours, 2)) + wear * np.array([6.0, 3.0])
            self._readings[name] = t, pd.DataFrame(values, columns=["pressure_bar", "heat_celsius"])
            self.assets[name] = Asset(name, "mill", "history", "", (Span(t[0], t[-1], t[0], 0.0),))
            if failing:
                self.incidents.append(Incident(name, "worn", None, None, float(t[-1]), float(t[-1])))

    def telemetry(self, asset: str) -> tuple[Floats, tuple[str, ...], pd.DataFrame]:
        t, frame = self._readings[asset]
        return t, tuple(frame.columns), frame

    def record(self, asset: str) -> Record:
        t, _, frame = self.telemetry(asset)
        return Record(self.assets[asset], t, frame)


@pytest.fixture(scope="module")
def mills() -> Mills:
    return Mills()


@pytest.fixture(scope="module")
def taught(mills: Mills) -> Taught:
    return train_all(mills)


@pytest.fixture(scope="module")
def lesson(mills: Mills, taught: Taught) -> Lesson:
    """What the failure model was learned from."""
    words = taught.failures[0].words
    seen = tuple(moments_of(mills.record(name), words) for name in mills.assets)
    failed = tuple(np.array([incident.failed], dtype=float) for incident in mills.incidents)
    return Lesson(("mill",), "", words, seen, failed)


def test_wear_is_learned_from_any_training_set(taught: Taught) -> None:
    (failure,), (life,) = taught.failures, taught.lives
    assert taught.refused == ()
    assert failure.recall >= 0.9
    assert failure.false_rate <= 0.2
    assert life.figures["rmse_s"] < 25 * HOUR_S
    assert 0.8 <= life.figures["coverage"] <= 1.0
    assert failure.card()["data"]["assets"] == 20


def test_artefact_survives_bytes_to_the_last_bit(mills: Mills, taught: Taught) -> None:
    (failure,), (life,) = taught.failures, taught.lives
    again = FailureModel.from_state(plain.unpack(plain.pack(failure.state())))
    same_life = LifeModel.from_state(plain.unpack(plain.pack(life.state())))
    seen = moments_of(mills.record("m03"), failure.words)
    assert (again.id, same_life.id) == (failure.id, life.id)
    assert (again.probability(again.inputs(seen)) == failure.probability(failure.inputs(seen))).all()
    assert same_life.estimate(seen.t, same_life.inputs(seen)) == life.estimate(seen.t, life.inputs(seen))


def test_learning_twice_gives_the_same_model(lesson: Lesson) -> None:
    (fusion, trees), (same_fusion, same_trees) = supervised.fit(lesson), supervised.fit(lesson)
    assert (fusion.directions == same_fusion.directions).all()
    assert plain.pack(trees.state()) == plain.pack(same_trees.state())


def test_features_look_back_only(mills: Mills, taught: Taught) -> None:
    model = taught.failures[0]
    whole, cut = mills.record("m01"), 70
    part = replace(whole, t=whole.t[:cut], frame=whole.frame[:cut])
    seen, early = moments_of(whole, model.words), moments_of(part, model.words)
    assert (model.probability(model.inputs(seen))[:cut] == model.probability(model.inputs(early))).all()


def test_findings_do_not_depend_on_how_moments_are_cut(mills: Mills, taught: Taught) -> None:
    model = taught.failures[0]
    record = mills.record("m02")
    at_once = FailureWatch("m02", model).update(moments_of(record, model.words))
    watch = FailureWatch("m02", model)
    step_by_step = []
    for rows in (40, 90, 97, len(record.t)):
        later = FailureWatch("m02", model)
        later.restore(plain.unpack(plain.pack(watch.state())))
        part = replace(record, t=record.t[:rows], frame=record.frame[:rows])
        step_by_step += later.update(moments_of(part, model.words))
        watch = later
    assert step_by_step == at_once
    assert at_once[0].contributions[0].metric in ("pressure_bar", "heat_celsius")
    assert at_once[0].contributions[0].expected is not None


def test_healthy_machine_gets_no_estimate_and_a_dying_one_does(mills: Mills, taught: Taught) -> None:
    life = taught.lives[0]
    seen = moments_of(mills.record("m04"), life.words)
    told = life.estimate(seen.t, life.inputs(seen))
    assert told[30].life_s is None
    assert told[30].reason == remaining_life.NOT_SEEN
    last = told[-5]
    assert last.life_s is not None
    assert last.low_s is not None
    assert last.high_s is not None
    assert last.low_s <= last.life_s <= last.high_s
    assert life.fails_within(last.life_s, 40 * HOUR_S) > life.fails_within(last.life_s, HOUR_S)


def test_machine_that_tells_little_is_unlike_history(mills: Mills, taught: Taught) -> None:
    life = taught.lives[0]
    silent = mills.record("m05")
    silent = replace(silent, frame=silent.frame * np.nan)
    seen = moments_of(silent, life.words)
    assert {e.reason for e in life.estimate(seen.t, life.inputs(seen))} == {remaining_life.UNLIKE}


@pytest.mark.parametrize(
    ("training", "codes"),
    [
        (Mills(0), {"too_few_assets"}),
        (Mills(6), {"too_few_incidents", "too_few_histories"}),
        (Mills(5, failing=False), {"too_few_incidents", "too_few_histories"}),
    ],
)
def test_refusal_says_why(training: Mills, codes: set[str]) -> None:
    taught = train_all(training)
    assert {each.code for each in taught.refused} == codes
    assert taught.failures == ()


def test_training_set_of_one_class_is_refused() -> None:
    mills = Mills(6)
    words = vocabulary([mills.record(name) for name in mills.assets], 400 * HOUR_S)  # everything is within it
    seen = tuple(moments_of(mills.record(name), words) for name in mills.assets)
    failed = tuple(np.sort(np.append(s.t[1:5], s.t[-1] + 1.0)) for s in seen)
    refused = supervised.refuse(Lesson(("mill",), "", words, seen, failed))
    assert refused is not None
    assert refused.code == "one_class"


def test_models_that_tell_the_same_things_are_one_family(mills: Mills) -> None:
    records = [mills.record(name) for name in ("m00", "m01")]
    other = replace(records[1], asset=replace(records[1].asset, model="mill-2"))
    pump = replace(
        records[1],
        asset=replace(records[1].asset, model="pump"),
        frame=records[1].frame.rename(columns=lambda c: "p" + c),
    )
    assert [family.models for family in families([pump, other, records[0]])] == [("mill", "mill-2"), ("pump",)]


def test_model_speaks_only_about_assets_that_tell_what_it_knows(taught: Taught) -> None:
    model = taught.failures[0]
    assert model.suits("mill", ("pressure_bar", "heat_celsius"))
    assert model.suits("mill", ("pressure_bar",))
    assert model.suits("other", ("pressure_bar", "heat_celsius"))
    assert not model.suits("other", ("pressure_bar",))
    assert not model.suits("mill", ("speed_rpm",))


def test_error_log_alone_can_be_learned_from() -> None:
    rules = replace(RULES, per_kind=True, budget_per_month=0.5)
    logs = Mills(24, rules)
    logs._readings = {name: (t[:0], pd.DataFrame()) for name, (t, _) in logs._readings.items()}
    for incident in logs.incidents:
        assert incident.failed is not None
        logs.events += [
            Event(incident.asset, incident.failed - hours * HOUR_S, "error", "E7", "") for hours in (30, 20)
        ]
        logs.events.append(Event(incident.asset, START, "maintenance", "replaced", "worn"))
    logs.events.sort(key=lambda e: e.t)
    taught = train_all(logs)
    (model,) = taught.failures
    assert (model.kind, model.recall >= 0.8) == ("worn", True)
    assert {refused.code for refused in taught.refused} == {"nothing_measured"}


def test_growth_of_vibration_is_learned_from_three_failures() -> None:
    rules = replace(RULES, budget_per_month=1.0)
    mills = Mills(3, rules)
    for name, (t, frame) in mills._readings.items():
        left = np.arange(len(t))[::-1]
        level = 0.5 * np.where(left < 12, 6.0, 1.0) + 0.02 * np.random.default_rng(1).normal(size=len(t))
        mills._readings[name] = t, frame.assign(vibration_rms_g=level)
    (model,) = train_all(mills).failures
    assert (model.recall, model.false_rate, model.incidents) == (1.0, 0.0, 3)
    found = FailureWatch("m00", model).update(moments_of(mills.record("m00"), model.words))
    assert len([f for f in found if f.first_at == f.last_at]) == 1
    assert model.level == few_failures.LEVEL


def test_one_shock_is_no_growth() -> None:
    asset = Asset("b", "bearing", "history", "", (Span(0.0, 4e5, 0.0, 0.0),))
    level = np.full(100, 0.5)
    level[70] = 9.0
    record = Record(asset, 3600.0 * np.arange(100), pd.DataFrame({"vibration_rms_g": level}))
    words = Vocabulary(("vibration_rms_g",), (), (), ("bearing",), 50 * HOUR_S, 0.0, (1.0,))
    assert np.nanmax(growth(record, words, record.t)) < 0.1


def test_trees_say_what_the_fitted_model_says_and_why() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 5))
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 4] = 1.0
    y = np.nan_to_num(x[:, 0]) * 2 + rng.normal(size=400) * 0.1
    trees = boosting.fit_value(x, y)
    model = HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.08, random_state=boosting.SEED, **boosting._SHAPE
    )
    with threadpool_limits(1):
        model.fit(x[:, :4], y)
    assert np.abs(trees.predict(x) - model.predict(x[:, :4])).max() < 1e-9
    shares = trees.contributions(x[7])
    assert trees.base + trees.value[:, 0].sum() + shares.sum() == pytest.approx(float(trees.predict(x[7:8])[0]))
    assert np.argmax(np.abs(shares)) == 0


@settings(max_examples=60, deadline=None)
@given(
    p=st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.7, 0.9]), min_size=1, max_size=60),
    open_h=st.sampled_from([3, 20, 48]),
)
def test_quick_openings_are_those_of_a_desk(p: list[float], open_h: int) -> None:
    policy = policy_of_recording("test", open_h * HOUR_S, 0.0)
    t = START + HOUR_S * np.arange(len(p))
    model = _stub(0.6)
    watch = FailureWatch("a", model)
    desk = Desk("a", policy)
    opened = []
    for finding in watch.take(t, np.array(p), np.zeros((len(p), 2)), np.zeros((len(p), 0))):
        if desk.take(finding).action == decisions.OPEN:
            opened.append(finding.last_at.timestamp())
    values = np.array(p)
    assert openings(t, values >= 0.6, values < supervised.CLEAR_SHARE * 0.6, policy) == opened


def _stub(level: float) -> FailureModel:
    """A model whose probability is given from outside."""
    words = Vocabulary((), (), (), (), 1.0)
    trees = few_failures._tree(0, 2.0)
    usual = np.zeros(2)
    return FailureModel(("x",), "", words, Fusion(np.zeros((0, 0))), trees, usual, level, 0.0, 0.0, 0, 0, 0.0, 0.0)


def test_bands_cover_assets_never_seen_as_often_as_they_say() -> None:
    rng = np.random.default_rng(11)

    def asset() -> tuple[Floats, Floats]:
        truth = np.arange(120.0, 0.0, -1.0)
        return truth * np.exp(0.25 * rng.normal()), truth  # errors of one asset hang together

    predicted, truth = zip(*(asset() for _ in range(60)), strict=True)
    band = band_of(predicted, truth, 1000.0)
    inside = []
    for _ in range(300):
        guess, life = asset()
        row = int(rng.integers(20, 110))
        low, high = guess[row] + band.quantiles(float(guess[row]), (0.05, 0.95))
        inside.append(low <= life[row] <= high)
    assert 0.84 <= np.mean(inside) <= 0.97


def test_budget_is_proved_or_approached_with_care() -> None:
    assert affordable(0, 20.0, 0.1)
    assert not affordable(2, 20.0, 0.1)
    assert affordable(12, 200.0, 0.1)
    assert not affordable(19, 200.0, 0.1)
    assert not affordable(1, 1.0, 0.1)
    assert affordable(10**6, 1.0, None)


def test_two_processes_learn_what_one_does(lesson: Lesson) -> None:
    tasks = [(lesson, [0, 1]), (lesson, [2, 3])]
    alone, spread = (Spread(jobs).map(supervised.fit_and_judge, tasks) for jobs in (1, 2))
    assert all(
        (a == b).all() for one, other in zip(alone, spread, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.journey
def test_two_workers_of_a_cluster_learn_and_walk_what_one_process_does(lesson: Lesson, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    tasks = [(lesson, [0, 1]), (lesson, [2, 3])]
    alone = Spread().map(supervised.fit_and_judge, tasks)
    folder = onset_fleet(tmp_path / "fleet", assets=2, rows=1000)
    figures = evaluate(folder, tmp_path / "alone")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        spread = Spread(cluster=cluster.scheduler_address)
        learned = spread.map(supervised.fit_and_judge, tasks)
        assert evaluate(folder, tmp_path / "spread", spread=spread) == figures
    assert all(
        (a == b).all() for one, other in zip(alone, learned, strict=True) for a, b in zip(one, other, strict=True)
    )
    for name in ("work_orders.csv", "points.csv"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "spread" / name).read_bytes()


def test_cluster_that_does_not_answer_is_named() -> None:
    with pytest.raises(ClusterUnreachable, match=r"127\.0\.0\.1:9"):
        Spread(cluster="tcp://127.0.0.1:9", patience_s=1.0).map(abs, [(1,), (2,)])


def test_ledger_holds_no_readings() -> None:
    with pytest.raises(LookupError):
        Ledger(RULES, {}, ()).telemetry("m00")
