"""Machines in a real store that wore out, were reported and repaired: what training learns from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import select

from assets.base.ids import uuid7
from assets.registry import Asset
from ml.models import Label
from tests.ml.stored import NOW, Machines
from ticketing.work_orders import open_work_order

STEP_S = 8 * 3600.0
DAY = timedelta(days=1)
METRICS = ("pressure_bar", "vibration_mm_s", "temperature_celsius")


def wearing(t: np.ndarray, failed: float, seed: int) -> dict[str, np.ndarray]:
    """Readings of a machine that wears out over its last 40 days: vibration first, temperature follows."""
    rng = np.random.default_rng(seed)
    load = rng.normal(size=len(t))
    wear = np.clip(1 - (failed - t) / (40 * 86400.0), 0, 1.2)
    return {
        "pressure_bar": 6 + 0.2 * load + 0.05 * rng.normal(size=len(t)),
        "vibration_mm_s": 2 + 0.3 * load + 4 * wear + 0.15 * rng.normal(size=len(t)),
        "temperature_celsius": 55 + 2 * load + 10 * wear**2 + 0.8 * rng.normal(size=len(t)),
    }


def add_history(machines: Machines, serial: str, model_id: object, days: float, failed: datetime, seed: int) -> None:
    """A machine that ran for so many days until it failed, was reported and repaired a day later."""
    begin = failed - timedelta(days=days)
    machines.add(serial, model_id, created_at=begin)  # type: ignore[arg-type]
    t = np.arange(begin.timestamp(), failed.timestamp(), STEP_S)
    machines.tell(serial, t, wearing(t, failed.timestamp(), seed), lane="backfill")
    answer(machines, serial, failed, failed + DAY)


def answer(machines: Machines, serial: str, reported: datetime, repaired: datetime, outcome: str = "confirmed") -> None:
    """A customer's report on the machine, answered with an outcome."""
    with machines.database.as_service() as session:
        asset = session.scalars(select(Asset).where(Asset.id == machines.ids[serial])).one()
        order = open_work_order(
            session, asset=asset, origin="request", kind="machine", title_code="request", now=reported
        )
        order.state, order.outcome, order.work_done_at = "closed", outcome, repaired
        session.flush()
        session.add(
            Label(
                id=uuid7(),
                organisation_id=asset.organisation_id,
                work_order_id=order.id,
                asset_id=asset.id,
                kind="machine",
                origin="request",
                outcome=outcome,
                starts_at=reported,
                ends_at=repaired,
                created_at=repaired,
            )
        )


def past(days: float) -> datetime:
    """So many days before NOW."""
    return NOW.astimezone(UTC) - timedelta(days=days)
