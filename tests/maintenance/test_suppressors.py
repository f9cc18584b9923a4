"""Suppressors on a real database: a no makes the same evidence dull for a while, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from assets.base.errors import Conflict
from maintenance.decisions import Contribution, FindingFacts
from maintenance.feedback import end_expired, get_suppressor, lift, prolong
from maintenance.feedback_models import HeldBack, PlannerVerdict, Suppressor
from maintenance.feedback_settings import Feedback, save_feedback
from maintenance.models import PredictedJob
from maintenance.predicted_jobs import accept_job, dismiss_job
from maintenance.suppressors import best_match, drawn
from ml.models import Label
from tests.maintenance.answering import answer_order, consume, count_orders, last_finding, notice, orders, send_back
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import World, after

HOUR, DAY = 3600.0, 86400.0
COLD_SEAL = (Contribution("seal_pressure_bar", 4.0, 2.0, -7.0, 1.0, "residual_low"),)


def bearing(world: World, at: float, **more: Any) -> FindingFacts:
    return hot_bearing(world.pump, first_at=after(at), last_at=after(at), **more)


def come_and_go(world: World, facts: FindingFacts) -> None:
    notice(world, facts)
    end = facts.last_at + timedelta(seconds=30)
    notice(world, replace(facts, cleared_at=end), now=end)


@pytest.fixture
def nothing_found(world: World) -> World:
    """The pump's bearing looked hot, somebody went there and found nothing. No lot is drawn."""
    set_feedback(world, audit_share=0.0)
    come_and_go(world, bearing(world, 0))
    answer_order(world, "no_fault_found", after(HOUR))
    return world


def set_feedback(world: World, **more: Any) -> None:
    with world.database.as_service() as session:
        save_feedback(session, world.operator, Feedback(**more))


def suppressors(world: World) -> list[Suppressor]:
    with world.database.as_service() as session:
        return list(session.scalars(select(Suppressor).order_by(Suppressor.id)))


def test_evidence_found_to_be_nothing_opens_no_second_order(nothing_found: World) -> None:
    world = nothing_found
    (known,) = suppressors(world)
    assert (known.origin, known.expires_at) == ("no_fault_found", after(HOUR) + timedelta(days=60))
    for day in range(1, 6):  # in other proportions, but the same sensors the same way
        shares = (Contribution("bearing_temperature_celsius", 61.0, 77.0, 5.0, 0.7, "residual_high"),
                  Contribution("vibration_mm_s", 2.1, 3.2, 2.5, 0.3, "residual_high"))  # fmt: skip
        come_and_go(world, bearing(world, day * DAY, contributions=shares, signature=f"other:{day}"))
    assert count_orders(world) == 1
    with world.database.as_service() as session:
        held = session.scalars(select(HeldBack)).all()
        assert [(row.result, row.suppressor_id) for row in held] == [("suppressed", known.id)] * 5


def test_lasting_evidence_says_why_nothing_opens(nothing_found: World) -> None:
    notice(nothing_found, bearing(nothing_found, 2 * DAY))
    action, reason, params = last_finding(nothing_found)
    assert (action, reason) == ("suppress", "suppressed_signature")
    assert params["suppressor_id"] == str(suppressors(nothing_found)[0].id)
    assert params["ratio"] == 1.5
    assert params["breaks_at"] == 2.25


SUPPRESSOR = Suppressor(
    detector="residual",
    kind="machine",
    regime="",
    signature="bearing_temperature_celsius:high",
    severity="warning",
    contributions=[
        {"metric": "bearing_temperature_celsius", "deviation": 6.2, "share": 0.8, "note": "residual_high"},
        {"metric": "vibration_mm_s", "deviation": 2.0, "share": 0.2, "note": "residual_high"},
    ],
    peak_ratio=1.5,
    breaks_at=2.25,
)
OPPOSITE = (Contribution("bearing_temperature_celsius", 61.0, 40.5, -6.2, 0.8, "residual_low"),)


@pytest.mark.parametrize(
    ("other", "held"),
    [
        ({}, True),
        ({"contributions": COLD_SEAL, "signature": "seal_pressure_bar:low"}, False),
        ({"contributions": OPPOSITE, "signature": "bearing_temperature_celsius:low"}, False),
        ({"regime": "summer"}, False),
        ({"peak": 8.9}, True),
        ({"peak": 9.1}, False),  # half as strong again
        ({"severity": "critical"}, False),  # nobody is made deaf to danger
        ({"detector": "limits", "layer": "L1"}, False),
        ({"kind": "sensor"}, False),
    ],
    ids=["same", "sensors", "opposite", "regime", "louder", "grown", "critical", "detector", "kind"],
)
def test_only_the_same_evidence_is_held_back(other: dict[str, Any], held: bool) -> None:
    facts = hot_bearing(UUID(int=1), **other)
    match = best_match(facts, [asdict(share) for share in facts.contributions], [SUPPRESSOR])
    assert (match is not None and not match.outgrown) is held


def test_the_same_on_another_machine_opens_and_what_grows_breaks_through(nothing_found: World) -> None:
    facts = bearing(nothing_found, 2 * DAY)
    notice(nothing_found, facts)
    assert count_orders(nothing_found) == 1
    notice(nothing_found, replace(facts, asset=str(nothing_found.other_pump)))
    assert count_orders(nothing_found) == 2
    notice(nothing_found, replace(facts, last_at=after(2 * DAY + HOUR), peak=11.0, score=11.0))
    assert count_orders(nothing_found) == 3


def test_a_no_does_not_hold_for_ever(nothing_found: World) -> None:
    come_and_go(nothing_found, bearing(nothing_found, 58 * DAY))
    assert count_orders(nothing_found) == 1
    facts = bearing(nothing_found, 59 * DAY)
    notice(nothing_found, facts)
    assert count_orders(nothing_found) == 1
    notice(nothing_found, replace(facts, last_at=after(61 * DAY)))
    assert count_orders(nothing_found) == 2
    with nothing_found.database.as_service() as session:
        assert end_expired(session, after(61 * DAY)) == 1
    assert suppressors(nothing_found)[0].ended_reason == "expired"


def test_lifted_suppressor_lets_lasting_evidence_open(nothing_found: World) -> None:
    world = nothing_found
    notice(world, bearing(world, 2 * DAY))
    now = after(2 * DAY + 60)
    with world.database.as_actor(world.planner) as session:
        known = get_suppressor(session, suppressors(world)[0].id)
        prolong(session, known, 90, now, by=world.planner)
        lift(session, known, "the vendor warns of this bearing", now, by=world.planner)
        with pytest.raises(Conflict):
            lift(session, known, "again", now, by=world.planner)
    notice(world, replace(bearing(world, 2 * DAY), last_at=now), now=now)
    assert count_orders(world) == 2
    consume(world, now)  # the same event once more does not revive what a person lifted
    assert [one.ended_reason for one in suppressors(world)] == ["lifted"]


def test_trouble_that_is_confirmed_or_repaired_ends_what_was_said_before(nothing_found: World) -> None:
    world = nothing_found
    notice(world, bearing(world, 2 * DAY, peak=12.0))
    answer_order(world, "confirmed", after(2 * DAY + HOUR))
    notice(world, bearing(world, 4 * DAY, contributions=COLD_SEAL, signature="seal:low"))
    answer_order(world, "no_fault_found", after(4 * DAY + HOUR))
    notice(world, bearing(world, 6 * DAY, peak=12.0))  # strong: two wrong orders in a week raised the level
    answer_order(world, "confirmed", after(6 * DAY + HOUR), repair_code="bearing_replaced")
    assert [one.ended_reason for one in suppressors(world)] == ["confirmed", "repaired"]


def test_outcome_that_is_corrected_takes_its_lessons_back(nothing_found: World) -> None:
    world = nothing_found
    send_back(world, after(2 * HOUR))
    assert [one.ended_reason for one in suppressors(world)] == ["withdrawn"]
    with world.database.as_service() as session:
        assert session.scalars(select(Label)).all() == []
    answer_order(world, "confirmed", after(3 * HOUR))
    with world.database.as_service() as session:
        label = session.scalars(select(Label)).one()
        assert (label.outcome, label.kind, label.origin) == ("confirmed", "machine", "finding")
    send_back(world, after(4 * HOUR))
    answer_order(world, "no_fault_found", after(5 * HOUR))
    (known,) = suppressors(world)
    assert (known.ended_at, known.created_at) == (None, after(5 * HOUR))


def test_every_alarm_is_let_through_when_the_share_is_all(world: World) -> None:
    set_feedback(world, audit_share=1.0)
    come_and_go(world, bearing(world, 0))
    answer_order(world, "no_fault_found", after(HOUR))
    notice(world, bearing(world, 2 * DAY))
    with world.database.as_service() as session:
        assert len(orders(session)) == 2
        assert (orders(session)[-1].noticed or {})["audit"] is True
        assert session.scalars(select(HeldBack)).one().result == "audited"


def test_about_two_percent_are_drawn_and_always_the_same(world: World) -> None:
    lots = [f"lot:{number}" for number in range(20_000)]
    chosen = [lot for lot in lots if drawn(lot, 0.02)]
    assert 300 < len(chosen) < 500
    assert all(drawn(lot, 0.02) for lot in chosen)
    assert not any(drawn(lot, 0.0) for lot in lots)


def test_planners_no_is_kept_and_holds_for_a_week(world: World) -> None:
    come_and_go_watched(world, 0)
    with world.database.as_actor(world.planner) as session:
        dismiss_job(session, watching(session), "runs in", after(10), by=world.planner)
    consume(world, after(20))
    consume(world, after(30))  # twice is harmless
    with world.database.as_service() as session:
        verdict = session.scalars(select(PlannerVerdict)).one()
        assert (verdict.verdict, verdict.reason, verdict.by_id) == ("dismiss", "runs in", world.planner.person_id)
    notice(world, bearing(world, DAY, learning=True))  # does not come back to the list
    assert last_finding(world)[:2] == ("suppress", "suppressed_signature")
    notice(world, replace(bearing(world, DAY, learning=True), last_at=after(8 * DAY)), now=after(8 * DAY))
    assert last_finding(world)[:2] == ("watch", "learning")


def test_planners_yes_is_kept_too(world: World) -> None:
    come_and_go_watched(world, 0)
    with world.database.as_actor(world.planner) as session:
        accept_job(session, watching(session), after(10), by=world.planner)
    consume(world, after(20))
    with world.database.as_service() as session:
        assert session.scalars(select(PlannerVerdict)).one().verdict == "accept"
        assert session.scalars(select(Suppressor)).all() == []


def come_and_go_watched(world: World, at: float) -> None:
    notice(world, bearing(world, at, learning=True))


def watching(session: Any) -> PredictedJob:
    found: PredictedJob = session.scalars(select(PredictedJob).where(PredictedJob.state == "watching")).one()
    return found


def test_order_keeps_the_similar_past_ones_and_what_was_found(world: World) -> None:
    come_and_go(world, bearing(world, 0))
    first = answer_order(world, "confirmed", after(HOUR), repair_code="bearing_replaced")
    come_and_go(world, bearing(world, 2 * DAY, contributions=COLD_SEAL, signature="seal:low"))
    answer_order(world, "confirmed", after(2 * DAY + HOUR), repair_code="seal_replaced")
    notice(world, bearing(world, 40 * DAY))
    with world.database.as_service() as session:
        kept = (orders(session)[-1].noticed or {})["similar"]
        assert [one["number"] for one in kept] == [first.number]
        assert (kept[0]["outcome"], kept[0]["repair_code"], kept[0]["same_asset"]) == (
            "confirmed", "bearing_replaced", True,
        )  # fmt: skip
        assert kept[0]["similarity"] > 0.99


def test_past_orders_of_other_customers_are_not_kept(world: World) -> None:
    notice(world, replace(bearing(world, 0), asset=str(world.other_pump)))
    answer_order(world, "confirmed", after(HOUR))
    notice(world, bearing(world, 2 * DAY))
    with world.database.as_service() as session:
        assert (orders(session)[-1].noticed or {})["similar"] == []
