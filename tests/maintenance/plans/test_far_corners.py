"""Plans at their corners, on the real database: meters that go on, rounds, withdrawn procedures, calendars (7.1)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from assets.base.calendars import Calendar
from assets.base.errors import Invalid
from assets.base.events import Event
from assets.base.holiday_days import as_exceptions, holiday_days
from assets.meter_models import Meter
from assets.meter_rules import RunsBackwards, Told
from assets.meters import add_meter, read_meter
from assets.registry import Asset
from maintenance.plans.library import Package, move_plan
from maintenance.plans.settling import settle_next
from maintenance.plans.tables import InspectionRound, MaintenancePlan, PlanAsset, RoundStop
from tests.maintenance.plans.workshop import MONTHLY, Workshop, at, days
from ticketing.procedures.library import create_procedure, publish, withdraw
from ticketing.procedures.runs import runs_of

STEPS = [{"key": "look", "kind": "check", "title_en": "Look", "title_zh": "看"}]


def hours(workshop: Workshop, *told: tuple[datetime, Told], rollover_at: float | None = None) -> None:
    """Read the pump's counter, which is made first."""
    with workshop.database.as_service() as session:
        asset = workshop.world.asset(session)
        meter = session.scalar(select(Meter).where(Meter.asset_id == asset.id))
        if meter is None:
            counter = Meter(name="hours", kind="counter", unit="h", rollover_at=rollover_at)
            meter = add_meter(session, asset, counter, at(1, 1))
        for moment, each in told:
            read_meter(session, meter, each, moment, moment)


def steady(first: float) -> list[tuple[datetime, Told]]:
    """Ten hours a day for forty days."""
    return [(at(1, 1) + days(10 * n), Told(first + 100.0 * n)) for n in range(5)]


def test_meter_that_rolls_over_and_is_replaced_goes_on_counting(workshop: Workshop) -> None:
    """The plan's grid is of totals: neither 9,999 → 0 nor a new counter that begins at 0 makes or loses a turn."""
    hours(workshop, *steady(9400.0), rollover_at=10_000)
    every = Package("A", {"kind": "meter", "meter": "hours", "every": 500})
    workshop.plan(at(2, 10), every, starts_on=date(2026, 1, 1), lead_days=0)
    workshop.day(at(2, 10))
    first = workshop.rows(state="planned")[0]
    assert (first.target, first.due_on) == (9900.0, date(2026, 2, 20))
    hours(workshop, (at(2, 25), Told(50.0, "rollover")))  # shows 50, has run 10,050
    workshop.day(at(2, 25))
    assert [row.target for row in workshop.rows(state="released")] == [9900.0]
    told = Told(10_100 - 10_000.0, "replacement", 0.0, "the old one broke")
    hours(workshop, (at(3, 1), told), (at(3, 2), Told(10.0)))
    workshop.day(at(3, 2))
    assert [row.target for row in workshop.rows(state="released")] == [9900.0]
    assert workshop.rows(state="planned")[0].target == 10_400.0


def test_meter_that_runs_backwards_is_refused_and_fires_nothing(workshop: Workshop) -> None:
    hours(workshop, *steady(100.0))
    once = {"kind": "meter", "meter": "hours", "at": 700}
    race = [{"kind": "calendar", "rrule": "FREQ=MONTHLY"}, {"kind": "meter", "meter": "hours", "every": 2000}]
    workshop.plan(at(2, 10), Package("ONCE", once), starts_on=date(2026, 1, 1), lead_days=0)
    workshop.plan(
        at(2, 10), Package("R", {"kind": "whichever_first", "of": race}), code="RACE", starts_on=date(2026, 2, 1)
    )
    with pytest.raises(RunsBackwards):
        hours(workshop, (at(2, 11), Told(90.0)))
    workshop.day(at(2, 11))
    assert [row.slot for row in workshop.rows(state="released")] == []
    assert workshop.rows(slot="ONCE@m:700")[0].due_on == date(2026, 3, 2)
    # Of a month and 2,000 hours the month comes first; done early, both count anew from there.
    assert workshop.rows(slot="R@s:1")[0].due_on == date(2026, 3, 1)
    workshop.day(at(2, 20))
    workshop.complete(workshop.rows(slot="R@s:1")[0].work_order_id, at(2, 21))
    workshop.day(at(2, 21))
    assert workshop.rows(slot="R@s:2")[0].due_on == date(2026, 3, 21)
    hours(workshop, (at(2, 28), Told(705.0)))
    workshop.day(at(2, 28))
    workshop.day(at(6, 1))
    assert len(workshop.rows(slot="ONCE@m:700")) == 1


def test_chinese_holidays_with_shifted_working_days_and_serials(workshop: Workshop) -> None:
    """调休: Sunday 2026-02-15 is worked, the week after is Spring Festival; only pumps of these serials are held."""
    with workshop.database.as_service() as session:
        office = {str(day): [["08:00", "17:00"]] for day in range(5)}
        calendar = Calendar(
            organisation_id=workshop.world.operator, name="Shop", time_zone="Asia/Shanghai", hours=office
        )
        found = as_exceptions(holiday_days("CN", [2026]), office, {})
        calendar.exceptions = dict(found[0])
        session.add(calendar)
        session.flush()
        key = calendar.id
    daily = Package("D", {"kind": "calendar", "rrule": "FREQ=DAILY"})
    workshop.plan(
        at(2, 12), daily, asset_model_id=workshop.world.model, calendar_id=key, when_closed="skip",
        effectivity={"serial_from": "PUMP-1", "serial_until": "PUMP-1"}, horizon_days=20, lead_days=0,
    )  # fmt: skip
    workshop.make(at(2, 12))
    worked = dict(found[0])
    assert worked["2026-02-17"] == []
    open_days = workshop.days()
    assert "02-17" not in open_days
    shifted = [day for day, spans in worked.items() if spans and date.fromisoformat(day).weekday() >= 5]
    inside = [day[5:] for day in shifted if "2026-02-13" <= day <= "2026-03-04"]
    assert inside
    assert set(inside) <= set(open_days)
    assert {row.asset_id for row in workshop.rows()} == {workshop.world.pump}


def test_round_has_a_checklist_per_stop_and_a_withdrawn_procedure_is_told(workshop: Workshop) -> None:
    """004-43: one order for the whole round, each stop with its own procedure; what was withdrawn is left and said."""
    with workshop.database.as_service() as session:
        pump = workshop.world.asset(session)
        second = Asset(
            organisation_id=pump.organisation_id, serial="PUMP-3", name="Pump 3", asset_model_id=pump.asset_model_id,
            site_id=pump.site_id, lifecycle="in_service", created_at=pump.created_at,
        )  # fmt: skip
        session.add(second)
        procedures = [
            create_procedure(
                session, organisation_id=workshop.world.operator, code=f"SOP-{n}", name_en="Look", name_zh="看",
                steps=STEPS, now=at(1, 1),
            )
            for n in (1, 2, 3)
        ]  # fmt: skip
        for each in procedures:
            publish(session, each, at(1, 1))
        walk = InspectionRound(
            organisation_id=pump.organisation_id, code="R", name={"en": "Round"}, created_at=at(1, 1)
        )
        session.add(walk)
        session.flush()
        for place, (asset, procedure) in enumerate([(pump, 0), (second, 1), (pump, 2)]):
            session.add(
                RoundStop(
                    organisation_id=pump.organisation_id, round_id=walk.id, asset_id=asset.id, position=place,
                    procedure_id=procedures[procedure].id, minutes=10,
                )
            )  # fmt: skip
        session.flush()
        withdraw(session, procedures[2], "wrong torque", at(1, 2))
        key, second_id = walk.id, second.id
    workshop.plan(at(1, 1), Package("1M", MONTHLY), assets=[], round_id=key, lead_days=0)
    workshop.day(at(2, 2))
    (row,) = workshop.rows(state="released")
    assert row.work_order_id is not None
    with workshop.database.as_service() as session:
        runs = runs_of(session, row.work_order_id)
        assert [run.asset_id for run in runs] == [workshop.world.pump, second_id]
        told = session.scalars(select(Event).where(Event.kind == "occurrence.without_procedure")).one()
        assert (told.subject_id, told.payload["procedures"]) == (row.id, "SOP-3")


def test_what_can_never_be_is_refused_by_name(workshop: Workshop) -> None:
    never = Package("N", {"kind": "calendar", "rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"})
    for package, horizon, field in (
        (never, 365, "packages[0].trigger.rrule"),
        (Package("M", MONTHLY), 50 * 366, "horizon_days"),
    ):
        with pytest.raises(Invalid) as raised:
            workshop.plan(at(1, 1), package, horizon_days=horizon)
        assert raised.value.params["field"] == field
    with workshop.database.as_service() as session:
        session.execute(update(Asset).where(Asset.id == workshop.world.pump).values(lifecycle="retired"))
    with pytest.raises(Invalid) as raised:
        workshop.plan(at(1, 1), Package("M", MONTHLY))
    assert raised.value.params["code"] == "asset_retired"


def test_machines_that_come_back_are_planned_again_and_owe_nothing(workshop: Workshop) -> None:
    plan = workshop.plan(at(1, 1), Package("1M", MONTHLY), asset_model_id=workshop.world.model, lead_days=0)
    workshop.make(at(1, 1))

    def turn(lifecycle: str, now: datetime) -> None:
        from maintenance.plans.machines import sync

        with workshop.database.as_service() as session:
            mine = update(Asset).where(Asset.id == workshop.world.pump)
            session.execute(mine.values(lifecycle=lifecycle))
            sync(session, session.get_one(MaintenancePlan, plan.id), now, workshop.world.pump)
        workshop.day(now)

    turn("in_stock", at(1, 10))
    assert workshop.rows(asset_id=workshop.world.pump, state="planned") == []
    turn("in_service", at(4, 10))
    back = [f"{row.due_on:%m-%d}" for row in workshop.rows(asset_id=workshop.world.pump, state="planned")]
    assert back[0] == "05-01"
    assert workshop.rows(asset_id=workshop.world.pump, state="released") == []


def test_a_large_plan_follows_in_steps_and_the_newest_word_counts(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7.7: the request only says what is wanted; a job takes the machines up, however often it begins anew."""
    for place in ("maintenance.plans.settling.AT_ONCE", "maintenance.plans.machines.STEP"):
        monkeypatch.setattr(place, 1)
    monkeypatch.setattr("maintenance.plans.settling.STEP", 1)
    plan = workshop.plan(at(1, 1), Package("1M", MONTHLY), asset_model_id=workshop.world.model)
    assert workshop.held() == []

    def states() -> list[str]:
        with workshop.database.as_service() as session:
            found = select(PlanAsset.state).where(PlanAsset.plan_id == plan.id).order_by(PlanAsset.asset_id)
            return list(session.scalars(found))

    def step(count: int = 20) -> None:
        for _ in range(count):
            with workshop.database.as_service() as session:
                if not settle_next(session, at(1, 2)):
                    return

    step(1)
    assert states() == ["active"]
    for word, expected in (("paused", "paused"), ("active", "active"), ("ended", "ended")):
        with workshop.database.as_service() as session:
            move_plan(session, session.get_one(MaintenancePlan, plan.id), word, at(1, 2))
        step()
        assert set(states()) == {expected}
    with workshop.database.as_service() as session:
        assert session.get_one(MaintenancePlan, plan.id).settling is None


def test_zone_that_changes_its_law_moves_instants_and_makes_none_twice(workshop: Workshop) -> None:
    """A country gives up summer time: the local day and hour stay, the row keeps its id, no second one appears."""
    workshop.set_zone("Europe/Berlin")
    workshop.plan(at(1, 1), Package("1M", MONTHLY))
    workshop.make(at(1, 1))
    before = {row.slot: (row.id, row.due_at) for row in workshop.rows()}
    workshop.set_zone("Etc/GMT-1")  # Berlin's winter hour all year round
    workshop.make(at(1, 1))
    after = {row.slot: (row.id, row.due_at) for row in workshop.rows()}
    assert {slot: key for slot, (key, _) in after.items()} == {slot: key for slot, (key, _) in before.items()}
    july = "1M@c:2026-07-01"
    then = before[july][1]
    assert then is not None
    assert after[july][1] == then + timedelta(hours=1)
