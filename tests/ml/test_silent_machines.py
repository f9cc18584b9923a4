"""Machines that send a log and no readings: learned from, and looked at each day while they live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from sqlalchemy.orm import Session

from assets import registry
from gateway.supervise.postgres import EmbeddedPostgres
from ml import learned_scoring
from ml.features import GRID_PER_HORIZON, Record, Vocabulary, moments_of, pace_s, vocabulary
from ml.learned_scoring import Due, LearnedScorer, Moved, silent_assets
from ml.models import ScoringState
from ml.training import train_models
from ml.training_set import Asset, Event, Span
from tests.conftest import _database_maker
from tests.ml.histories import DAY, answer, past
from tests.ml.stored import NOW, Machines

DAY_S = 86400.0
HORIZON_S = 30 * DAY_S
WARNED_DAYS = 12.0  # before it fails a machine tells E7 now and then


def log_of(seed: int, begin: datetime, end: datetime, failed: datetime) -> list[tuple[float, str]]:
    """Everyday errors at random, and E7 twice a day or so while the machine is about to fail."""
    rng = np.random.default_rng(seed)
    everyday = rng.uniform(begin.timestamp(), end.timestamp(), rng.poisson((end - begin) / DAY / 6))
    warned = failed.timestamp() - WARNED_DAYS * DAY_S + np.arange(0, WARNED_DAYS, 0.5) * DAY_S
    told = [(begin.timestamp(), "E0"), *((float(t), f"E{1 + i % 3}") for i, t in enumerate(everyday))]
    return sorted([*told, *((float(t), "E7") for t in warned if t < end.timestamp())])


@pytest.fixture(scope="module")
def presses(cluster: EmbeddedPostgres, empty_template: str, migrated_template: str) -> Iterator[Machines]:
    """Presses that failed and some that did not, what was learned from them, one that tells E7 now and one that is
    well."""
    makers = _database_maker(cluster, empty_template)
    machines = Machines(next(makers)(migrated_template))
    press = machines.add_model("press")
    for i in range(24):
        failed = past(40 + i)
        begin = failed - timedelta(days=60 + 37 * i % 150)  # an age says nothing
        machines.add(f"X-{i}", press, created_at=begin)
        machines.tell(f"X-{i}", np.zeros(0), {}, log_of(i, begin, failed, failed), lane="backfill")
        answer(machines, f"X-{i}", failed, failed + DAY)
    for name, seed, failed in (("ill", 91, NOW + 4 * DAY), ("fine", 92, NOW + 900 * DAY)):
        machines.add(name, press, created_at=past(100))
        machines.tell(name, np.zeros(0), {}, log_of(seed, past(100), NOW, failed))
    machines.skip()
    train_models(machines.database, NOW)
    yield machines
    machines.close()
    next(makers, None)


def looked_at(machines: Machines, scorer: LearnedScorer, now: datetime) -> list[tuple[str, datetime]]:
    """Which machines findings are about after a look at this moment, and since when."""
    with machines.database.as_service() as session:
        scorer.run_silent(session, now)
    names = {asset: name for name, asset in machines.ids.items()}
    return [(names[found.asset_id], found.first_at) for found in machines.findings() if found.layer == "L3"]


def test_a_machine_whose_log_alone_shows_trouble_is_found_within_a_day(presses: Machines) -> None:
    scorer, begins = LearnedScorer(), NOW + 4 * DAY - timedelta(days=WARNED_DAYS)
    found: list[tuple[str, datetime]] = []
    for hours in range(-24, 24 * 6, 8):  # from before it tells E7 for the first time up to now
        found = looked_at(presses, scorer, begins + timedelta(hours=hours))
        if found:
            break
    assert [name for name, _ in found] == ["ill"]
    # A few of these errors must have come before they mean anything: a look each day, not each fifth.
    assert found[0][1] - begins <= 3.5 * DAY
    assert found[0][1] <= begins + timedelta(hours=hours)


def test_a_look_at_the_same_moment_adds_nothing(presses: Machines) -> None:
    first = looked_at(presses, LearnedScorer(), NOW)
    assert looked_at(presses, LearnedScorer(), NOW) == first
    assert {name for name, _ in first} == {"ill"}


def test_a_machine_that_stopped_sending_readings_is_looked_at_by_its_log(presses: Machines) -> None:
    ill = presses.ids["ill"]
    for stopped, seen in ((NOW - timedelta(hours=2), False), (NOW - 20 * DAY, True)):
        with presses.database.as_service() as session:
            owner = session.get_one(registry.Asset, ill).organisation_id
            state = ScoringState(asset_id=ill, organisation_id=owner, model_id="", state=b"", watermark=stopped)
            state.updated_at = stopped
            session.add(state)
            session.flush()
            scorer = LearnedScorer()
            scorer._refresh(session, NOW)
            assert (ill in silent_assets(session, scorer._serving, NOW)) is seen
            session.rollback()


def test_all_silent_machines_get_their_turn_however_many_there_are(
    presses: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned_scoring, "MAX_SILENT", 5)
    scorer = LearnedScorer()
    asked: list[UUID] = []
    ready = LearnedScorer._ready

    def noting(self: LearnedScorer, session: Session, moved: Mapping[UUID, Moved], now: datetime) -> list[Due]:
        asked.extend(moved)
        return ready(self, session, moved, now)

    monkeypatch.setattr(LearnedScorer, "_ready", noting)
    quiet = 0
    while quiet < len(presses.ids) / 5 + 2:  # each call looks at one machine at least, until a whole round asks none
        before = len(asked)
        looked_at(presses, scorer, NOW)
        quiet = quiet + 1 if len(asked) == before else 0
    assert set(asked) == set(presses.ids.values())
    for _ in range(len(presses.ids) // 5 + 2):
        looked_at(presses, scorer, NOW + timedelta(hours=1))
    assert len(asked) == before, "nothing new can be seen an hour later"


def a_record(days: float, horizon_s: float = HORIZON_S) -> tuple[Record, Vocabulary]:
    asset = Asset("m1", "press", "history", "", (Span(0.0, days * DAY_S, 0.0, 0.0),))
    record = Record(asset, np.zeros(0), pd.DataFrame(), [Event("m1", 3600.0, "error", "E1", "")])
    return record, vocabulary([record], horizon_s)


def test_a_log_is_looked_at_each_day() -> None:
    record, words = a_record(90)
    seen = moments_of(record, words)
    assert pace_s(words) == DAY_S
    assert np.diff(seen.t).tolist() == [DAY_S] * 90


def test_short_horizons_are_looked_at_six_times() -> None:
    _, words = a_record(90, 2 * DAY_S)
    assert pace_s(words) == 2 * DAY_S / GRID_PER_HORIZON


def test_a_history_of_many_machines_is_looked_at_less_often_but_never_too_seldom() -> None:
    record, _ = a_record(3650)
    paces = [pace_s(vocabulary([record] * count, HORIZON_S)) for count in (1, 200, 3000)]
    assert paces[0] == DAY_S
    assert DAY_S < paces[1] < HORIZON_S / GRID_PER_HORIZON
    assert paces[2] == HORIZON_S / GRID_PER_HORIZON


def test_models_of_before_keep_their_name_and_their_pace() -> None:
    _, words = a_record(90)
    stored = words.state()
    del stored["grid_s"]
    old = Vocabulary.from_state(stored)
    assert "grid_s" not in old.state()
    assert pace_s(old) == HORIZON_S / GRID_PER_HORIZON
    assert Vocabulary.from_state(words.state()) == words
