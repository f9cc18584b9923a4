"""Asset-months from readings: days with rows, by month, whoever measures the machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import select

from gateway.jobs import tend_feedback
from maintenance.feedback_models import ObservedMonth
from tests.ml.stored import NOW, Machines

FIRST = (NOW - timedelta(days=50)).replace(day=1, hour=0, minute=0, second=0)  # the first of a month that is over
DAY = 86400.0


@pytest.fixture
def machines(database_url: str) -> Iterator[Machines]:
    made = Machines(database_url)
    yield made
    made.close()


def days(machines: Machines, serial: str) -> dict[str, int]:
    tend_feedback(machines.database, NOW)
    with machines.database.as_service() as session:
        rows = session.scalars(select(ObservedMonth).where(ObservedMonth.asset_id == machines.ids[serial]))
        return {f"{row.month:%Y-%m}": row.days for row in rows}


def tell(machines: Machines, serial: str, since: datetime, count: int) -> None:
    t = since.timestamp() + np.arange(4 * count) * DAY / 4
    machines.tell(serial, t, {"pressure_bar": np.full(len(t), 4.0)})
    machines.roll_up(datetime.now(UTC))


def test_days_with_readings_are_counted_once_and_late_ones_are_added(machines: Machines) -> None:
    machines.add("busy", None, FIRST)
    machines.add("silent", None, FIRST)
    second = (FIRST + timedelta(days=32)).replace(day=1)
    whole = (second - FIRST).days
    tell(machines, "busy", FIRST, whole + 2)
    assert days(machines, "busy") == {f"{FIRST:%Y-%m}": whole, f"{second:%Y-%m}": 2}
    assert days(machines, "silent") == {}
    tell(machines, "busy", second + timedelta(days=10), 3)  # what came late
    assert days(machines, "busy") == {f"{FIRST:%Y-%m}": whole, f"{second:%Y-%m}": 5}
