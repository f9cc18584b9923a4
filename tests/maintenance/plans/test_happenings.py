"""What makes work due without a date, on the real database: limits, findings, conditions, little life left (7.1a)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from assets.meter_models import Meter
from assets.meter_rules import Told
from assets.meters import add_meter, read_meter
from maintenance.models import Finding
from maintenance.plans.happenings import watch
from maintenance.plans.library import Package
from maintenance.remaining_lives import Estimate, save_life
from tests.maintenance.plans.workshop import Workshop, at

RAW: Mapping[str, Any] = {
    "detector": "limit", "layer": "limits", "signature": "bearing:high", "kind": "limit", "first_at": at(12, 2),
    "last_at": at(12, 2), "score": 2.0, "peak": 2.0, "confidence": 0.9, "limit_open": 1.0, "limit_clear": 0.5,
    "contributions": [], "regime": "", "model_id": "", "learning": False, "replayed": False, "watermark": at(12, 2),
    "saved_at": at(12, 2),
}  # fmt: skip


def look(workshop: Workshop, now: datetime) -> list[str]:
    """Look once, as the job does; return the slots that are open."""
    with workshop.database.as_service() as session:
        assert watch(session, now) is None
    return [row.slot for row in workshop.rows() if row.state in ("planned", "released")]


def read(workshop: Workshop, name: str, value: float, now: datetime) -> None:
    """Read a gauge of the pump, which is made first."""
    with workshop.database.as_service() as session:
        asset = workshop.world.asset(session)
        meter = session.query(Meter).filter_by(asset_id=asset.id, name=name).one_or_none()
        if meter is None:
            meter = add_meter(session, asset, Meter(name=name, kind="gauge", unit="mm"), now - timedelta(hours=1))
        read_meter(session, meter, Told(value), now, now)


def test_threshold_is_due_once_for_each_crossing_and_only_after_it_was_back(workshop: Workshop) -> None:
    limit = {"kind": "threshold", "meter": "wear", "at_least": 5.0, "clear": 3.0}
    workshop.plan(at(12, 1), Package("T", limit))
    read(workshop, "wear", 4.0, at(12, 2))
    assert look(workshop, at(12, 2)) == []
    read(workshop, "wear", 5.5, at(12, 3))
    assert look(workshop, at(12, 3)) == look(workshop, at(12, 4)) == ["T@x:1"]
    workshop.day(at(12, 4))
    workshop.complete(workshop.rows(state="released")[0].work_order_id, at(12, 5))
    workshop.follow(at(12, 5))
    assert look(workshop, at(12, 6)) == []  # done, though the gauge still shows it: nothing has crossed since
    read(workshop, "wear", 2.0, at(12, 7))
    assert look(workshop, at(12, 7)) == []
    read(workshop, "wear", 6.0, at(12, 8))
    assert look(workshop, at(12, 8)) == ["T@x:2"]


def test_finding_grave_enough_is_due_once(workshop: Workshop) -> None:
    workshop.plan(at(12, 1), Package("C", {"kind": "finding", "severity": "critical", "key": "bearing:high"}))
    with workshop.database.as_service() as session:
        asset = workshop.world.asset(session)
        for severity, detector in (("warning", "trend"), ("critical", "limit")):
            raw = {**RAW, "detector": detector}
            session.add(Finding(organisation_id=asset.organisation_id, asset_id=asset.id, severity=severity, **raw))
    found = look(workshop, at(12, 3))
    assert len(found) == 1
    assert found[0].startswith("C@f:")
    assert look(workshop, at(12, 4)) == found


def test_expression_and_remaining_life_are_due_when_they_begin_to_hold(workshop: Workshop) -> None:
    workshop.plan(at(12, 1), Package("E", {"kind": "expression", "text": 'meter("wear") > 5 and month == 12'}))
    life = {"kind": "remaining_life", "below_days": 30, "cautious": True}
    workshop.plan(at(12, 1), Package("L", life), code="LIFE")
    read(workshop, "wear", 6.0, at(12, 2))
    estimate = Estimate(at(12, 2), 90 * 86_400.0, 40 * 86_400.0, 150 * 86_400.0, 0.8)
    with workshop.database.as_service() as session:
        asset = workshop.world.asset(session)
        save_life(session, asset.organisation_id, asset.id, estimate, at(12, 2))
    assert look(workshop, at(12, 3)) == ["E@x:1"]
    # Eleven days later the lower bound has run down below thirty days; a month later nobody believes the estimate.
    assert sorted(look(workshop, at(12, 13))) == ["E@x:1", "L@x:1"]
    told = workshop.rows(slot="L@x:1")[0].evidence
    assert told is not None
    assert round(told["remaining_life_days"], 6) == 29.0


def test_nothing_happens_before_the_day_from_which_a_plan_is_valid(workshop: Workshop) -> None:
    limit = {"kind": "threshold", "meter": "wear", "at_least": 5.0}
    workshop.plan(at(12, 1), Package("T", limit), effectivity={"valid_from": "2026-12-10"})
    read(workshop, "wear", 6.0, at(12, 2))
    assert look(workshop, at(12, 9, 23)) == []
    assert look(workshop, at(12, 10, 1)) == ["T@x:1"]
