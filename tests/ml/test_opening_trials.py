"""What the weekly training learns of wear and openers is tried on what came after it, before it serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ml.detectors.wear_belief import template
from ml.lessons import Choice
from ml.opening_trials import Lesson, Trial, can_be_tried, note_replayed, replay, trials_of
from ml.openings import Openings, store_openings
from ml.spread import Spread
from ml.store import shadow
from ml.store.shadow import compare, settle_trials
from ml.store.tables import OPENERS, WEAR, ShadowFinding, StoredModel
from ml.store.versions import Draft, Reason, add_model, promote, roll_back
from ml.stored_fleet import HORIZON_S, StoredFleet, settings_of
from ml.training_set import HISTORY, Asset, Event, Incident, Span
from ml.wear_training import WearLessons
from tests.ml.histories import answer, past
from tests.ml.stored import NOW, Machines

PUMPS, DAYS, FAILED = 4, 150.0, 40.0
HEARS, DEAF = template(), replace(template(), level=template().level + 50)
MADE = past(110)  # the challenger
EVERYBODY = Choice(8.0, 4.8, None, True, None, None)
SILENT = replace(EVERYBODY, openers=())


def hours(seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """A pump each two hours until a horizon ago; it wears for 35 days and fails FAILED days ago."""
    rng = np.random.default_rng(seed)
    end = NOW.timestamp() - HORIZON_S
    t = np.arange(past(DAYS).timestamp(), end, 7200.0)
    left = past(FAILED).timestamp() - t
    wear = np.where(left > 0, np.clip(1 - left / (35 * 86400.0), 0, 1), 0.0)
    load = 60 + 15 * np.sin(2 * np.pi * t / 86400) + 5 * rng.normal(size=len(t))
    values = {
        "vibration_mm_s": 2 + 0.02 * load + 3 * wear + 0.15 * rng.normal(size=len(t)),
        "bearing_temperature_celsius": 40 + 0.3 * load + 12 * wear + 0.8 * rng.normal(size=len(t)),
        "pressure_bar": 4 + 0.02 * load + 0.05 * rng.normal(size=len(t)),
        "load_percent": load,
    }
    return t, pd.DataFrame(values)


@pytest.fixture
def pumps(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    monkeypatch.setattr(shadow, "ENOUGH_MONTHS", 5.0)
    monkeypatch.setattr(shadow, "ENOUGH_INCIDENTS", 3)
    machines = Machines(database_url)
    model = machines.add_model("pump")
    for number in range(PUMPS):
        machines.add(f"P-{number}", model, created_at=past(DAYS))
        answer(machines, f"P-{number}", past(FAILED), past(FAILED - 1))
    yield machines
    machines.close()


@pytest.fixture
def fleet(pumps: Machines) -> StoredFleet:
    """The same as the weekly training would read it, without the way through the database."""
    assets, incidents, events, readings = {}, [], [], {}
    for number in range(PUMPS):
        name = str(pumps.ids[f"P-{number}"])
        t, frame = hours(number)
        assets[name] = Asset(name, "pump", HISTORY, "", (Span(t[0], t[-1], t[0], 0.0),))
        incidents.append(Incident(name, "wear", None, None, past(FAILED).timestamp(), past(FAILED - 1).timestamp()))
        events.append(Event(name, past(FAILED - 1).timestamp(), "maintenance", "replaced", "bearing"))
        readings[name] = (t, tuple(frame.columns), frame)
    serials = {name: name for name in assets}
    return StoredFleet(settings_of("pumps"), assets, incidents, events, NOW, readings, serials)


def store(session: Session, machines: Machines, kind: str, content: object) -> StoredModel:
    state = {"belief": content.to_plain()} if kind == WEAR else content.plain()  # type: ignore[attr-defined]
    card = {"asset_models": ["pump"], "settings": {"budget_per_month": 0.1}}
    return add_model(session, machines.owner, Draft(kind, kind, kind, state, card), MADE)


def run(session: Session, machines: Machines, fleet: StoredFleet) -> None:
    """What the weekly training does with trials."""
    replayed = replay(fleet, trials_of(session, machines.owner), frozenset(), Spread())
    note_replayed(session, machines.owner, replayed)
    settle_trials(session, NOW)


@pytest.mark.parametrize(
    ("kind", "first", "second", "states", "why"),
    [
        (WEAR, DEAF, HEARS, ["retired", "champion"], "recall_not_lower"),
        (WEAR, HEARS, DEAF, ["champion", "rejected"], "recall_lower"),
        (OPENERS, EVERYBODY, SILENT, ["champion", "rejected"], "recall_lower"),
    ],
)
def test_what_was_learned_serves_only_if_it_misses_no_more_afterwards(
    pumps: Machines, fleet: StoredFleet, kind: str, first: object, second: object, states: list[str], why: str
) -> None:
    with pumps.database.as_service() as session:
        store(session, pumps, kind, first)
        tried = store(session, pumps, kind, second)
        run(session, pumps, fleet)
        found = select(StoredModel.state).where(StoredModel.kind == kind).order_by(StoredModel.version)
        assert list(session.scalars(found)) == states, tried.state_reason
        assert tried.state_reason["code"] == why
        params = tried.state_reason["params"]
        assert {params["champion_incidents"], params["challenger_incidents"]} == {PUMPS}
        assert abs(params["champion_caught"] - params["challenger_caught"]) >= PUMPS // 2
        since = session.scalar(select(func.min(ShadowFinding.opened_at)))
        assert since is not None
        assert since >= MADE


def test_a_trial_is_replayed_anew_each_week_and_says_the_same(pumps: Machines, fleet: StoredFleet) -> None:
    with pumps.database.as_service() as session:
        store(session, pumps, WEAR, HEARS)
        tried = store(session, pumps, WEAR, replace(HEARS, level=HEARS.level + 0.01))
        trials = trials_of(session, pumps.owner)
        assert [(each.challenger, each.since) for each in trials] == [(tried.id, MADE)]
        seen, replayed = [], replay(fleet, trials, frozenset(), Spread())
        for _ in range(2):
            note_replayed(session, pumps.owner, replayed)
            seen.append({by: score.plain() for by, score in compare(session, tried, NOW).scores.items()})
        assert seen[0] == seen[1]


def test_nothing_before_the_trial_counts(fleet: StoredFleet) -> None:
    lesson, other = Lesson(HEARS.to_plain()), Lesson(DEAF.to_plain())
    ids = [UUID(int=n) for n in (1, 2)]
    late = past(FAILED - 2)
    (found,) = replay(fleet, [Trial(ids[0], ids[1], late, (lesson, other))], frozenset(), Spread())
    assert all(t >= late.timestamp() for opened in found.opened[ids[0]].values() for t in opened)
    assert not any(found.opened[ids[1]].values())


def test_a_trial_is_judged_beside_what_was_known_when_it_began(pumps: Machines) -> None:
    """A belief that learned from the months by which a choice is judged would have looked ahead."""
    with pumps.database.as_service() as session:
        known = store(session, pumps, WEAR, HEARS)
        store(session, pumps, OPENERS, EVERYBODY)
        store(session, pumps, OPENERS, SILENT)
        (before,) = trials_of(session, pumps.owner)
        assert [each.belief for each in before.lessons] == [HEARS.to_plain()] * 2
        state = {"belief": DEAF.to_plain()}
        card = {"asset_models": ["pump"], "settings": {"budget_per_month": 0.1}}
        younger = add_model(session, pumps.owner, Draft(WEAR, WEAR, "younger", state, card), MADE + timedelta(days=7))
        promote(session, younger, Reason("learned_anew"), MADE + timedelta(days=7))
        (after,) = [each for each in trials_of(session, pumps.owner) if each.since == MADE]
        assert known.state == "retired"
        assert [each.belief for each in after.lessons] == [HEARS.to_plain()] * 2


def test_a_trial_that_cannot_be_judged_stops_no_other(pumps: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    with pumps.database.as_service() as session:
        for kind, first, second in ((WEAR, HEARS, DEAF), (OPENERS, EVERYBODY, SILENT)):
            store(session, pumps, kind, first)
            store(session, pumps, kind, second)
        asked = []

        def fails(_: Session, challenger: StoredModel, __: object) -> None:
            asked.append(challenger.kind)
            raise ZeroDivisionError("a period that nobody expected")

        monkeypatch.setattr(shadow, "compare", fails)
        assert settle_trials(session, NOW) == 0
        assert sorted(asked) == sorted([WEAR, OPENERS])


def lessons(level: float) -> WearLessons:
    return WearLessons(replace(HEARS, level=HEARS.level + level), {}, {})


def test_a_fleet_that_shows_little_takes_what_it_learned_at_once(
    pumps: Machines, fleet: StoredFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not can_be_tried(fleet)
    with pumps.database.as_service() as session:
        for week, (level, code) in enumerate([(0.0, "champion"), (0.1, "champion")]):
            now = NOW + timedelta(days=7 * week)
            outcome, _ = store_openings(session, pumps.owner, fleet, Openings(lessons(level), None, fleet), now)
            assert outcome["code"] == code
    monkeypatch.setattr("ml.opening_trials.ENOUGH_MONTHS", 5.0)
    monkeypatch.setattr("ml.opening_trials.ENOUGH_INCIDENTS", 3)
    assert can_be_tried(fleet)
    with pumps.database.as_service() as session:
        codes = []
        for week, level in enumerate((0.2, 0.3), start=2):
            now = NOW + timedelta(days=7 * week)
            outcome, _ = store_openings(session, pumps.owner, fleet, Openings(lessons(level), None, fleet), now)
            codes.append(outcome["code"])
        assert codes == ["challenger", "trial_goes_on"]
        stricter = replace(fleet, settings=settings_of("pumps", 0.05))
        at = NOW + timedelta(days=40)
        outcome, _ = store_openings(session, pumps.owner, stricter, Openings(lessons(0.4), None, stricter), at)
        assert outcome["code"] == "champion", "who changes the budget has asked for it"
        first = session.scalars(select(StoredModel).where(StoredModel.version == 1)).one()
        roll_back(session, first, "too quiet", at)
        held, _ = store_openings(session, pumps.owner, fleet, Openings(lessons(0.5), None, fleet), at)
        assert held["code"] == "held_by_rollback"
        assert trials_of(session, pumps.owner) == []
