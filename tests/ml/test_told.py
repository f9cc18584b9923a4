"""Events of devices and work on a machine reach its detectors in the service as they do in an evaluation: once, in
order of time, whatever restarts, and late ones too."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from assets.base.events import append_event
from assets.registry import Asset
from maintenance.decisions import FindingFacts
from maintenance.findings import facts_of
from ml.detectors.residual import ResidualSettings
from ml.detectors.wear import WearDetector
from ml.evaluation import stamp
from ml.labels import store_label
from ml.models import ScoringState
from ml.recorded_fleet import read_fleet
from ml.walking import Learned, walk_asset
from ml.worker import Scorer
from tests.ml.recorded import table
from tests.ml.stored import NOW, SAMPLES, Machines
from ticketing.models import WorkOrder
from ticketing.work_orders import open_work_order

HOUR_S, DAY_S = 3600.0, 86400.0
DAYS = 110
METRICS = ("vibration_mm_s", "bearing_temperature_celsius", "motor_current_ampere", "pressure_bar", "load_percent")
START = (NOW.timestamp() - (DAYS + 2) * DAY_S) // DAY_S * DAY_S
SERVICED, REPAIRED = START + 40.25 * DAY_S, START + 84.5 * DAY_S
Work = tuple[float, str, str | None]  # when, outcome, repair code


def recording() -> tuple[np.ndarray, np.ndarray]:
    """Hourly rows of a machine that a service shifts, that wears out, is repaired, and wears again."""
    rng = np.random.default_rng(11)
    t = START + np.arange(0, DAYS * DAY_S, HOUR_S)
    day = (t - START) / DAY_S
    wear = np.clip((day - 60) / 24, 0, 1) ** 1.5 * (t < REPAIRED) + np.clip((day - 95) / 14, 0, 1) ** 1.5
    load = 60 + 15 * np.sin(2 * np.pi * t / DAY_S) + 5 * rng.normal(size=len(t))
    shift = 1.0 * (t > SERVICED)
    values = np.column_stack([
        1.5 + 0.01 * load + 0.1 * rng.normal(size=len(t)) + 0.6 * wear + 0.3 * shift,
        40 + 0.2 * load + rng.normal(size=len(t)) + 6 * wear + 2.5 * shift,
        20 + 0.1 * load + 0.3 * rng.normal(size=len(t)) + wear + 0.9 * shift,
        4 - 0.01 * load + 0.02 * rng.normal(size=len(t)),
        load,
    ])  # fmt: skip
    return t, np.round(values, 4)


def errors() -> list[tuple[float, str]]:
    """Now and then an error, many as the wear goes on."""
    often = [START + day * DAY_S + 1200 for day in np.arange(66, 84, 0.4)]
    return [(round(at), "E7") for at in sorted([*(START + DAY_S * np.arange(3.3, 60, 9)), *often])]


WORK: tuple[Work, ...] = ((SERVICED, "planned", None), (REPAIRED, "confirmed", "R1"))


def evaluated(folder: Path, t: np.ndarray, values: np.ndarray) -> list[FindingFacts]:
    """What the walk of the evaluation finds in the same record."""
    (folder / "telemetry").mkdir(parents=True)
    (folder / "fleet.json").write_text(
        '{"name": "told", "protocol": "failure", "horizon_s": 2592000, "min_lead_s": 86400, "open_s": 604800,'
        ' "month_s": 2592000, "budget_per_month": 0.1}'
    )
    spans = [("m", "mill", "score", stamp(t[0]), stamp(t[-1]), "", "", "")]
    table(
        folder / "assets.csv", "asset,model,role,observed_from,observed_until,healthy_until,score_from,asset_group",
        spans,
    )  # fmt: skip
    rows = [[stamp(at), *row] for at, row in zip(t, values, strict=True)]
    table(folder / "m.csv", ",".join(("t", *METRICS)), rows)
    (folder / "telemetry" / "m.csv.gz").write_bytes(gzip.compress((folder / "m.csv").read_bytes()))
    log = [("m", stamp(at), "error", code, "") for at, code in errors()]
    log += [("m", stamp(at), "maintenance", f"repair {code}" if code else "service", "") for at, _, code in WORK]
    table(folder / "events.csv", "asset,t,kind,code,component", log)
    fleet = read_fleet(folder)
    asset = fleet.assets["m"]
    return walk_asset(fleet.blind("m"), asset, Learned(ResidualSettings())).found


@pytest.fixture
def mill(database_url: str) -> Iterator[Machines]:
    machines = Machines(database_url)
    machines.add("m", machines.add_model("mill"), created_at=datetime.fromtimestamp(START, UTC))
    yield machines
    machines.close()


def answer(machines: Machines, work: Work) -> None:
    """An order on the machine, finished at its time with an outcome; the consumer makes its label."""
    at, outcome, code = datetime.fromtimestamp(work[0], UTC), work[1], work[2]
    with machines.database.as_service() as session:
        asset = session.scalars(select(Asset).where(Asset.id == machines.ids["m"])).one()
        order = open_work_order(session, asset=asset, origin="request", kind="machine", title_code="request", now=at)
        order.state, order.outcome, order.repair_code, order.work_done_at = "completed", outcome, code, at
        session.flush()
        consume(session, order, "work_order.completed")


def consume(session: Session, order: WorkOrder, kind: str) -> None:
    """Let the consumer of labels see what happened to the order, twice as it may."""
    event = append_event(
        session, kind, at=NOW, organisation_id=order.organisation_id, subject_kind="work_order", subject_id=order.id,
        asset_id=order.asset_id,
    )  # fmt: skip
    store_label(session, event, NOW)
    store_label(session, event, NOW)


def live(
    machines: Machines,
    t: np.ndarray,
    values: np.ndarray,
    told: Sequence[tuple[float, str]],
    done: Sequence[Work],
    *,
    restart: bool = False,
) -> list[FindingFacts]:
    """The same record through writer, store and scorer, in messages as they would come."""
    work = list(done)
    for number, start in enumerate(range(0, len(t), SAMPLES // 2)):
        rows = slice(start, start + SAMPLES // 2)
        since, until = (t[start - 1] if start else 0.0), t[rows][-1]
        while work and work[0][0] <= until:
            answer(machines, work.pop(0))
        own = [event for event in told if since < event[0] <= until]
        columns = {name: values[rows, j] for j, name in enumerate(METRICS)}
        machines.tell("m", t[rows], columns, events=own)
        if restart and number % 2:
            machines.scorer = Scorer(machines.database)  # what was not saved is scored again
        machines.scorer.run(NOW + number * timedelta(seconds=6))
    return [facts_of(row) for row in machines.findings()]


def last_words(found: Sequence[FindingFacts]) -> list[FindingFacts]:
    """The last word on each finding, whoever it is about; peaks and scores to what the database keeps."""
    last = {(fact.detector, fact.signature, fact.first_at): replace(fact, asset="") for fact in found}
    return [last[key] for key in sorted(last, key=str)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[FindingFacts]:
    return last_words(evaluated(tmp_path_factory.mktemp("told") / "fleet", *recording()))


@pytest.mark.parametrize("restart", [False, True])
def test_live_findings_are_those_of_the_evaluation(mill: Machines, expected: list[FindingFacts], restart: bool) -> None:
    assert any(fact.detector == "wear" and fact.kind == "machine" for fact in expected)
    assert last_words(live(mill, *recording(), errors(), WORK, restart=restart)) == expected


def test_what_is_told_changes_what_is_found(mill: Machines, expected: list[FindingFacts]) -> None:
    """The promise above is not empty."""
    assert last_words(live(mill, *recording(), [], [])) != expected


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds after START of what the slow tracker was told, in order."""
    told: list[float] = []
    monkeypatch.setattr(WearDetector, "happened", lambda self, event: told.append(event.t - START))
    return told


def some(machines: Machines, since: float, until: float, events: Sequence[float] = ()) -> None:
    """Readings each ten seconds between two moments after START, and errors."""
    t = START + np.arange(since, until, 10.0)
    machines.tell("m", t, {"pressure_bar": 4 + 0.1 * np.sin(t)}, events=[(START + at, "E1") for at in events])


def test_each_event_is_told_once_also_when_it_comes_late(mill: Machines, heard: list[float]) -> None:
    some(mill, 0, 600, events=[-5000, 95, 1005])
    mill.scorer.run(NOW)
    assert heard == [-5000, 95], "not before readings have come so far"
    some(mill, 600, 1200)
    mill.scorer.run(NOW)
    assert heard == [-5000, 95, 1005]
    some(mill, 0, 0, events=[300, 1500])  # a message without readings
    mill.scorer.run(NOW)
    assert heard == [-5000, 95, 1005, 300], "what is late is told at once, what is early waits"
    some(mill, 1200, 1800)
    mill.scorer.run(NOW)
    mill.scorer.run(NOW)
    assert heard == [-5000, 95, 1005, 300, 1500]


def test_a_restart_tells_what_the_stored_state_has_not_heard(mill: Machines, heard: list[float]) -> None:
    some(mill, 0, 600, events=[95])
    mill.scorer.run(NOW)  # saved
    some(mill, 600, 700, events=[45, 655])
    mill.scorer.run(NOW)  # not saved: too soon
    assert heard == [95, 45, 655]
    mill.scorer = Scorer(mill.database)
    some(mill, 700, 800, events=[705])
    mill.scorer.run(NOW)
    assert heard == [95, 45, 655, 45, 655, 705]
    mill.scorer.run(NOW + timedelta(minutes=1))
    some(mill, 800, 900)
    mill.scorer.run(NOW + timedelta(minutes=2))  # saved
    mill.scorer = Scorer(mill.database)
    some(mill, 900, 1000)
    mill.scorer.run(NOW + timedelta(minutes=2))
    assert heard[6:] == []


def test_a_scorer_takes_up_what_another_process_did_meanwhile(mill: Machines, heard: list[float]) -> None:
    some(mill, 0, 600, events=[95])
    mill.scorer.run(NOW)  # saved
    some(mill, 600, 700, events=[45])
    Scorer(mill.database).run(NOW)  # not saved: too soon
    some(mill, 700, 800)
    mill.scorer.run(NOW)
    assert heard == [95, 45, 45], "its detectors as they are stored were not told of what came late to the other"


def _no_database(*_: object, **__: object) -> None:
    raise OperationalError("SELECT", {}, Exception("the connection is lost"))


def test_a_round_that_fails_is_told_again_to_detectors_as_they_were_stored(
    mill: Machines, heard: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    some(mill, 0, 600)
    mill.scorer.run(NOW)
    some(mill, 600, 900, events=[655])
    with monkeypatch.context() as broken:
        broken.setattr("ml.worker.load_block", _no_database)
        with pytest.raises(OperationalError):
            mill.scorer.run(NOW)
    answer(mill, (START + 700, "planned", None))
    mill.scorer.run(NOW)
    assert heard == [655, 700]
    with mill.database.as_service() as session:
        assert session.scalar(select(ScoringState.untold)) == []


def test_work_that_was_sent_back_in_time_is_not_told(mill: Machines, heard: list[float]) -> None:
    some(mill, 0, 600)
    mill.scorer.run(NOW)
    answer(mill, (START + 700, "planned", None))
    answer(mill, (START + 800, "no_fault_found", None))  # somebody looked, nobody touched it
    with mill.database.as_service() as session:
        order = session.scalars(select(WorkOrder).order_by(WorkOrder.opened_at)).first()
        assert order is not None
        order.state = "assigned"
        session.flush()
        consume(session, order, "work_order.state_changed")
    some(mill, 600, 1200)
    mill.scorer.run(NOW)
    assert heard == []
