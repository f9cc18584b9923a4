"""One organisation whose history cannot be read stops no other from learning."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from ml import training
from ml.store.tables import TrainingRun
from ml.stored_fleet import StoredFleet, stored_fleet
from tests.ml.stored import NOW, Machines


def test_history_that_cannot_be_read_fails_its_own_training_alone(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [Machines(database_url) for _ in range(2)]
    try:
        for number, machines in enumerate(both):
            machines.add(f"P-{number}", machines.add_model("pump"))
        bad, good = sorted(each.owner for each in both)

        def fails(session: Session, organisation_id: UUID, now: datetime, budget: float) -> StoredFleet:
            if organisation_id == bad:
                raise ValueError("a row that nobody expected")
            return stored_fleet(session, organisation_id, now, budget)

        monkeypatch.setattr(training, "stored_fleet", fails)
        assert len(training.train_models(both[0].database, NOW)) == 2
        with both[0].database.as_service() as session:
            runs = {run.organisation_id: run for run in session.scalars(select(TrainingRun))}
            assert [outcome["code"] for outcome in runs[bad].outcomes] == ["failed"]
            assert "failed" not in {outcome["code"] for outcome in runs[good].outcomes}
            assert all(run.finished_at for run in runs.values())
    finally:
        for machines in both:
            machines.close()


def test_a_trial_that_fails_keeps_nothing_that_was_learned_from_being_stored(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = Machines(database_url)

    def fails(*_: object) -> None:
        raise ValueError("a version that nobody expected")

    try:
        machines.add("P-1", machines.add_model("pump"))
        monkeypatch.setattr(training, "replay", fails)
        training.train_models(machines.database, NOW)
        with machines.database.as_service() as session:
            run = session.scalars(select(TrainingRun)).one()
            assert run.finished_at
            told = {outcome["what"]: outcome["code"] for outcome in run.outcomes}
        assert told["trials"] == "failed"
        assert told["all"] == "too_few_assets"
        assert told["wear"] == "nothing_known_of_wear"
    finally:
        machines.close()
