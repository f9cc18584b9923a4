"""The budget of false orders: the controller as a table, over years of a simulated fleet, and on a real database."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from maintenance.budget import FEWEST_RIGHT, MOST, Counts, counts_of, factor_of, reckon, together
from maintenance.feedback_models import AlarmBudget, HeldBack, ObservedMonth
from maintenance.feedback_settings import Feedback, save_feedback
from maintenance.findings import save_findings
from maintenance.held_back import Trouble, settled
from maintenance.likeness import strength
from maintenance.models import Episode, EpisodeFinding, PredictedJob, WorkLink
from tests.maintenance.answering import answer_order, count_orders, last_finding, notice
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import World, after
from ticketing.work_orders import open_work_order

NOBODY = Counts()
_ANY = UUID(int=1)
DAY = 86400.0


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (Counts(months=6.0), "budget.no_history"),
        (Counts(months=6.0, unanswered=9), "budget.no_history"),  # nobody said that these were false
        (Counts(months=6.0, right=5), "budget.kept"),
        (Counts(months=6.0, wrong=1), "budget.kept"),  # bad luck
        (Counts(months=0.1, wrong=1), "budget.kept"),
        (Counts(months=6.0, wrong=6), "budget.over"),
        (Counts(months=6.0, dismissed=12), "budget.over"),
        (Counts(months=6.0, wrong=2, held_back=10), "budget.over"),  # success must not look like no need
    ],
)
def test_level_rises_only_for_answers_that_say_so(own: Counts, reason: str) -> None:
    factor = factor_of(own, NOBODY, 0.1)
    assert factor.reason == reason
    assert (factor.level_factor > 1.0) is (reason == "budget.over")
    assert factor.level_factor <= MOST


def test_more_false_orders_mean_more_patience_and_peers_are_believed() -> None:
    few, many = (factor_of(Counts(months=6.0, wrong=n), NOBODY, 0.1).level_factor for n in (4, 12))
    assert 1.0 < few < many
    quiet_kin = Counts(months=200.0, wrong=2, right=10)
    assert (
        factor_of(Counts(months=2.0, wrong=3), quiet_kin, 0.1).level_factor
        < factor_of(Counts(months=2.0, wrong=3), NOBODY, 0.1).level_factor
    )


def test_level_stays_below_what_confirmed_troubles_reached() -> None:
    seen = tuple(1.1 for _ in range(FEWEST_RIGHT))
    factor = factor_of(Counts(months=6.0, wrong=10, right=FEWEST_RIGHT, strengths_right=seen), NOBODY, 0.1)
    assert (factor.reason, factor.level_factor) == ("budget.limited", 1.1)


def test_strength_is_one_where_evidence_is_just_enough() -> None:
    ratio = hot_bearing(_ANY, peak=8.0, limit_open=4.0)
    limit = hot_bearing(_ANY, layer="L1", peak=-2.0, limit_open=-2.0, limit_clear=-3.0)
    odds = hot_bearing(_ANY, layer="L3", peak=0.75, limit_open=0.5)
    assert (strength(ratio), strength(limit), strength(replace(limit, peak=-1.0))) == (2.0, 1.0, 2.0)
    assert strength(odds) == pytest.approx(3.0)
    assert strength(hot_bearing(_ANY, layer="L3", peak=1.0, limit_open=0.9)) > MOST  # never out of reach


@pytest.mark.parametrize("seed", [5, 421])
def test_controller_calms_the_noisy_machines_and_keeps_the_true_alarms(seed: int) -> None:
    """Six noisy machines among 34 quiet ones, three years: false peaks thin out exponentially, true ones are larger."""
    lots = random.Random(seed)
    rates = [0.6] * 6 + [0.03] * 34
    months: list[list[Counts]] = [[] for _ in rates]
    false, uncontrolled, caught, failures = [0] * len(rates), 0, 0, 0
    for month in range(36):
        owns = [together(past[-12:]) for past in months]
        for number, rate in enumerate(rates):
            peers = together(own for other, own in enumerate(owns) if other != number)
            factor = factor_of(owns[number], peers, 0.1).level_factor
            seen = Counts(months=1.0)
            if lots.random() < rate:
                peak = 1.0 + lots.expovariate(1 / 0.3)
                passes = peak >= factor
                uncontrolled += number < 6 and month >= 12
                false[number] += passes and month >= 12
                seen = replace(seen, wrong=int(passes), held_back=int(not passes), strengths_wrong=(peak,) * passes)
            if lots.random() < 1 / 18:
                peak = 1.2 + lots.expovariate(1 / 1.5)
                failures += 1
                caught += peak >= factor
                seen = replace(seen, right=1, strengths_right=(peak,))  # whoever noticed it
            months[number].append(seen)
    assert uncontrolled / (6 * 24) > 0.5
    assert sum(false[:6]) / (6 * 24) < 0.2
    assert sum(false) / (len(rates) * 24) < 0.1  # the fleet meets the budget
    assert caught / failures > 0.95


def test_asset_that_cried_wolf_must_speak_louder_and_what_it_says_is_listed(world: World) -> None:
    with world.database.as_service() as session:
        save_feedback(session, world.operator, Feedback(audit_share=0.0))
        owner = world.asset(session).organisation_id
        session.add(ObservedMonth(asset_id=world.pump, month=date(2026, 11, 1), days=20, organisation_id=owner))
    for number in range(4):  # each of other sensors, so no suppressor knows them
        facts = hot_bearing(
            world.pump,
            first_at=after(number * DAY),
            last_at=after(number * DAY),
            signature=f"s{number}:high",
            contributions=(replace(hot_bearing(world.pump).contributions[0], metric=f"s{number}"),),
            peak=4.8,
        )
        notice(world, facts)
        notice(world, replace(facts, cleared_at=after(number * DAY + 60)), now=after(number * DAY + 60))
        if count_orders(world) <= number:
            break
        answer_order(world, "no_fault_found", after(number * DAY + 3600))
    with world.database.as_service() as session:
        factor = session.get_one(AlarmBudget, world.pump).level_factor
        budget = session.get_one(AlarmBudget, world.pump)
        assert 1.2 < factor <= MOST
        assert budget.facts["wrong"] >= 2
        assert budget.facts["reason"]["code"] == "budget.over"
        assert (own := session.get(AlarmBudget, world.other_pump)) is None or own.level_factor == 1.0
    weak = hot_bearing(world.pump, first_at=after(9 * DAY), last_at=after(9 * DAY), signature="new:high", peak=4.4,
                       contributions=(replace(hot_bearing(world.pump).contributions[0], metric="new"),))  # fmt: skip
    before = count_orders(world)
    notice(world, weak)
    assert last_finding(world)[:2] == ("watch", "over_budget")
    with world.database.as_service() as session:
        job = session.scalars(select(PredictedJob).where(PredictedJob.state == "watching")).one()
        assert job.reason_code == "over_budget"
    notice(world, replace(weak, last_at=after(9 * DAY + 60), peak=4.0 * factor + 0.1))
    assert count_orders(world) == before + 1
    with world.database.as_service() as session:  # after a year nothing is left of it
        assert reckon(session, world.asset(session), after(400 * DAY)).level_factor == 1.0


T0 = datetime(2026, 11, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("alarms", "troubles", "days", "missed"),
    [
        ([(0, 1.2)], [], 1, []),
        ([(0, 1.2), (3, 1.3)], [], 2, []),
        ([(0, 1.2)], [(5, False)], 0, [1.2]),  # a customer reported what it was about
        ([(0, 1.2), (3, 1.4)], [(5, False)], 0, [1.4]),  # one trouble, at its strongest
        ([(0, 1.2)], [(5, True)], 0, []),  # it grew, and the model's own order is counted
        ([(0, 1.2)], [(31, False)], 1, []),
        ([(6, 1.2)], [(5, False)], 1, []),  # afterwards
        ([(0, 1.2), (10, 1.1)], [(5, False), (12, False)], 0, [1.2, 1.1]),
    ],
)
def test_what_was_held_back_and_proved_right_is_no_false_alarm(
    alarms: list[tuple[int, float]], troubles: list[tuple[int, bool]], days: int, missed: list[float]
) -> None:
    told = [Trouble(T0 + timedelta(days=day), by_model) for day, by_model in troubles]
    found = settled([(T0 + timedelta(days=day), ratio) for day, ratio in alarms], told)
    assert (found.days, found.missed) == (days, missed)


def test_false_evidence_that_was_held_back_and_then_opened_counts_once() -> None:
    """It flapped at the raised level: the order of the same day is the same false alarm; one of another day is not."""
    wrong = [Trouble(T0 + timedelta(days=1, hours=6), True, right=False), Trouble(T0 + timedelta(days=9), True, False)]
    alarms = [(T0 + timedelta(days=day), 1.1) for day in (1, 4, 9)]
    assert settled(alarms, wrong).days == 1
    assert settled(alarms, []).days == 3


def test_a_held_back_finding_that_opened_an_order_later_is_counted_at_its_order(world: World) -> None:
    with world.database.as_service() as session:
        asset = world.asset(session)
        for number in range(3):
            at = after(number * 40 * DAY)
            facts = hot_bearing(world.pump, signature=f"s{number}", first_at=at, last_at=at)
            (finding,) = save_findings(session, asset.organisation_id, [facts], False, at)
            own: Any = {"organisation_id": asset.organisation_id}
            session.add(
                HeldBack(
                    **own, finding_id=finding.id, asset_id=asset.id, reason="over_budget", result="suppressed",
                    ratio=1.15, likeness=0.0, at=at,
                )
            )  # fmt: skip
            if number:
                continue
            later = at + timedelta(days=12)
            order = open_work_order(
                session, asset=asset, origin="finding", kind="machine", title_code="finding", now=later
            )
            order.outcome = "no_fault_found"
            episode = Episode(
                **own, asset_id=asset.id, key="k", kind="machine", severity="warning", opened_at=at, last_seen_at=later,
                state="open", peak=1.15, replayed=False,
            )  # fmt: skip
            session.add(episode)
            session.flush()
            session.add(EpisodeFinding(**own, episode_id=episode.id, finding_id=finding.id))
            session.add(WorkLink(**own, episode_id=episode.id, work_order_id=order.id, linked_at=later))
        session.flush()
        counts = counts_of(session, [asset.id], after(100 * DAY))[asset.id]
    assert (counts.held_back, counts.wrong) == (2, 1)


def test_missed_troubles_keep_the_level_from_rising_beyond_them(world: World) -> None:
    """Five held back troubles that customers reported: the next level stays below what they reached."""
    with world.database.as_service() as session:
        asset = world.asset(session)
        for number in range(FEWEST_RIGHT):
            at = after(number * 40 * DAY)
            facts = hot_bearing(world.pump, signature=f"s{number}", first_at=at, last_at=at)
            (finding,) = save_findings(session, asset.organisation_id, [facts], False, at)
            session.add(
                HeldBack(
                    organisation_id=asset.organisation_id, finding_id=finding.id, asset_id=asset.id,
                    reason="over_budget", result="suppressed", ratio=1.15, likeness=0.0, at=at,
                )
            )  # fmt: skip
            order = open_work_order(
                session, asset=asset, origin="request", kind="machine", title_code="request", now=at + timedelta(days=2)
            )
            order.outcome = "confirmed"
        session.flush()
        now = after(FEWEST_RIGHT * 40 * DAY)
        counts = counts_of(session, [asset.id], now)[asset.id]
    assert (counts.held_back, counts.right, counts.strengths_right) == (0, FEWEST_RIGHT, (1.15,) * FEWEST_RIGHT)
    noisy = replace(counts, months=6.0, wrong=9)
    assert factor_of(noisy, NOBODY, 0.1).level_factor == 1.15
