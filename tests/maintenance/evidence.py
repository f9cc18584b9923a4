"""Findings for tests: a hot bearing, a frozen sensor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from maintenance.decisions import Contribution, FindingFacts
from tests.ticketing.world import NOW

SIGNATURE = "bearing_temperature_celsius:high"


def hot_bearing(asset: UUID, **more: Any) -> FindingFacts:
    """Return a machine finding that began at NOW, changed as asked."""
    facts = FindingFacts(
        asset=str(asset),
        detector="residual",
        layer="L2",
        signature=SIGNATURE,
        kind="machine",
        first_at=NOW,
        last_at=NOW,
        cleared_at=None,
        score=6.0,
        peak=6.0,
        confidence=0.9,
        limit_open=4.0,
        limit_clear=2.0,
        contributions=(
            Contribution("bearing_temperature_celsius", 61.0, 78.5, 6.2, 0.8, "residual_high"),
            Contribution("vibration_mm_s", 2.1, 3.0, 2.0, 0.2, "residual_high"),
        ),
        regime="",
        model_id="residual-1",
        learning=False,
        severity="warning",
    )
    return replace(facts, **more)


def frozen_sensor(asset: UUID, metric: str = "vibration_mm_s", **more: Any) -> FindingFacts:
    """Return a sensor finding."""
    contributions = (Contribution(metric, None, 2.0, 0.0, 1.0, "frozen"),)
    return hot_bearing(
        asset,
        **{
            "detector": "data_quality",
            "layer": "L0",
            "signature": f"{metric}:frozen",
            "kind": "sensor",
            "contributions": contributions,
        }
        | more,
    )
