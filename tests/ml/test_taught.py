"""Machines of one kind teach a new one how far its sensors may wander, through versions of the model store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select, text

from assets.registry import AssetModel
from ml.lessons import Lessons
from ml.store.tables import StoredModel
from ml.taught import AGED, teach_peers
from ml.worker import Scorer
from tests.ml.stored import NOW, Machines


@pytest.fixture
def pumps(database_url: str) -> Iterator[Machines]:
    """Three pumps that have been watched for two hours."""
    machines = Machines(database_url)
    pump = machines.add_model("pump")
    t = NOW.timestamp() - 7200 + 10.0 * np.arange(700)
    readings = {}
    for number in range(3):
        machines.add(f"P-{number}", pump)
        rng = np.random.default_rng(number)
        load = rng.normal(size=len(t))
        readings[f"P-{number}"] = {m: 50 + load + 0.3 * rng.normal(size=len(t)) for m in ("a_bar", "b_bar")}
    for part, now in ((slice(0, 600), NOW), (slice(600, 700), NOW + timedelta(minutes=20))):
        for serial, columns in readings.items():
            machines.tell(serial, t[part], {name: column[part] for name, column in columns.items()})
        machines.work(now)
    yield machines
    machines.close()


def lessons_of(machines: Machines, lessons: Lessons, after: timedelta = timedelta(0)) -> object:
    with machines.database.as_service() as session:
        model = session.scalars(select(AssetModel)).one()
        return lessons.of(session, model, NOW + after).get("residual")


def test_peers_teach_a_new_machine_of_their_kind(pumps: Machines) -> None:
    lessons = Lessons()
    assert lessons_of(pumps, lessons) is None
    with pumps.database.as_service() as session:
        assert teach_peers(session, NOW) == 1
        assert teach_peers(session, NOW) == 0, "nothing new to say"
        stored = session.scalars(select(StoredModel)).one()
        assert (stored.kind, stored.state, stored.card["data"]["serials"]) == (
            "peers",
            "champion",
            ["P-0", "P-1", "P-2"],
        )
    taught = lessons_of(pumps, lessons, timedelta(hours=1))
    assert isinstance(taught, dict)
    assert set(taught["scale"]) == {"a_bar", "b_bar"}
    assert all(value > 0 for value in taught["scale"].values())
    pumps.scorer = Scorer(pumps.database)
    pumps.add("P-new", None)
    with pumps.database.as_service() as session:
        session.execute(text("UPDATE assets SET asset_model_id = (SELECT id FROM asset_models) WHERE serial = 'P-new'"))
    pumps.tell(
        "P-new", NOW.timestamp() - 10.0 * np.arange(30)[::-1], {m: np.full(30, 50.0) for m in ("a_bar", "b_bar")}
    )
    pumps.work()
    known = pumps.scorer._known[pumps.ids["P-new"]]
    assert known.setup.taught["residual"]["scale"] == taught["scale"]


def test_what_peers_taught_is_summed_up_anew_in_time_and_a_damaged_sum_teaches_nothing(pumps: Machines) -> None:
    with pumps.database.as_service() as session:
        teach_peers(session, NOW)
        assert teach_peers(session, NOW + AGED + timedelta(days=1)) == 1
        states = set(session.scalars(select(StoredModel.state)))
        assert states <= {"champion", "retired"}
    with pumps.database.as_owner() as session:
        session.execute(text("ALTER TABLE model_contents NO FORCE ROW LEVEL SECURITY"))
        session.execute(text("UPDATE model_contents SET content = content || 'x'"))
    assert lessons_of(pumps, Lessons()) is None
