"""Judging models by what people found: tables of an asset's orders, and what became of each failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ml.performance import LATE, MISSED, PREEMPTED, Job, failures

START = datetime(2026, 6, 1, tzinfo=UTC)
END = START + timedelta(days=120)
PUMP = UUID(int=1)


def day(days: float) -> datetime:
    return START + timedelta(days=days)


def noticed(number: int, opened: float, ended: float | None, outcome: str | None = "confirmed") -> Job:
    """An order that a model opened."""
    return Job(
        id=UUID(int=number),
        number=f"WO-{number}",
        asset_id=PUMP,
        asset_model_id=None,
        origin="finding",
        kind="machine",
        state="completed" if ended is not None else "unscheduled",
        opened_at=day(opened),
        ended_at=None if ended is None else day(ended),
        outcome=outcome,
        repair_code=None,
        detector="residual",
        model_id="residual-1",
    )


def reported(number: int, opened: float, ended: float, outcome: str = "confirmed") -> Job:
    """An order that people asked for."""
    job = noticed(number, opened, ended, outcome)
    return replace(job, origin="request", kind="general", detector=None, model_id=None, reported_at=day(opened))


def told(*jobs: Job, reports: list[tuple[float, Job | None]] | None = None) -> list[tuple[int, str, float | None]]:
    """Return each failure as (order that tells it, fate, lead in days)."""
    known = {PUMP: [(day(at), job.id if job else None) for at, job in reports or []]}
    found = failures(jobs, known, END)
    return [(one.job.id.int, one.fate, None if one.lead_s is None else one.lead_s / 86400) for one in found]


def test_trouble_repaired_before_anybody_noticed_is_preempted() -> None:
    assert told(noticed(1, 10, 14)) == [(1, PREEMPTED, 4)]


def test_trouble_that_people_reported_days_after_the_model_is_preempted_once() -> None:
    model, people = noticed(1, 10, 20), reported(2, 17, 20)
    assert told(model, people) == [(1, PREEMPTED, 7)]


@pytest.mark.parametrize("order", [None, "own"], ids=["unlinked", "into the model's order"])
def test_report_within_a_day_makes_it_late(order: str | None) -> None:
    model = noticed(1, 10, 12)
    assert told(model, reports=[(10.5, model if order else None)]) == [(1, LATE, 0.5)]


def test_people_first_is_a_miss_whatever_the_model_says_then() -> None:
    assert told(reported(1, 10, 15), noticed(2, 11, 15)) == [(1, MISSED, None)]
    model = noticed(2, 11, 15)
    assert told(model, reports=[(10, model)]) == [(2, MISSED, None)]  # their request joined the model's order


def test_open_order_that_nobody_answered_yet_saw_it_coming() -> None:
    assert told(noticed(1, 10, None, None), reported(2, 15, 16)) == [(2, PREEMPTED, 5)]
    assert told(noticed(1, 10, None, None), reported(2, 50, 51)) == [(2, MISSED, None)]  # too long before


def test_a_no_helped_nobody_and_a_repair_belongs_to_its_own_trouble() -> None:
    assert told(noticed(1, 10, 11, "no_fault_found"), reported(2, 15, 16)) == [(2, MISSED, None)]
    assert told(noticed(1, 10, 12), reported(2, 20, 21)) == [(1, PREEMPTED, 2), (2, MISSED, None)]


def test_order_about_a_sensor_saves_no_machine() -> None:
    assert told(replace(noticed(1, 10, 12, "sensor_fault"), kind="sensor")) == []


@pytest.mark.parametrize(
    ("kind", "outcome", "state", "verdict"),
    [
        ("machine", "confirmed", "completed", "right"),
        ("machine", "wrong_mode", "completed", "right"),
        ("machine", "prevented", "completed", "right"),
        ("machine", "no_fault_found", "completed", "wrong"),
        ("machine", "sensor_fault", "completed", "wrong"),
        ("sensor", "sensor_fault", "completed", "right"),
        ("sensor", "no_fault_found", "completed", "wrong"),
        ("machine", "planned", "completed", "neutral"),
        ("machine", "unknown", "completed", "neutral"),
        ("machine", None, "unscheduled", "unanswered"),
        ("machine", None, "cancelled", "neutral"),
    ],
)
def test_outcome_says_whether_the_order_was_right(kind: str, outcome: str | None, state: str, verdict: str) -> None:
    assert replace(noticed(1, 1, 2, outcome), kind=kind, state=state).verdict == verdict
