"""Plans through the database: made ahead, released once, confirmed by their orders, and the next dates that follow."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, update

from assets.base.errors import Invalid
from assets.base.events import Event
from assets.lifecycle import Move
from assets.lifecycle import transition as move_life
from assets.meter_models import Meter, MeterReading
from assets.meter_rules import Told
from assets.meters import add_meter, correct_reading, read_meter
from assets.registry import Asset
from maintenance.plans.library import Package
from maintenance.plans.machines import sync
from maintenance.plans.releasing import move, release_due
from maintenance.plans.tables import InspectionRound, MaintenancePlan, Occurrence, PlanAsset, PlanPackage, RoundStop
from tests.maintenance.plans.workshop import MONTHLY, QUARTERLY, Workshop, at, counts, days
from ticketing.models import WorkOrder

HALF_LATE = {"late_percent": 50, "late": {"percent": 10}}


def test_sap_packages_8_and_4_as_rows(workshop: Workshop) -> None:
    """003-35: months and quarters, the quarter covers the month."""
    workshop.plan(at(1, 1, 0), Package("1M", MONTHLY), Package("3M", QUARTERLY, hierarchy=2))
    workshop.make(at(1, 1, 0))
    rows = [row for row in workshop.rows() if row.due_on and row.due_on <= date(2027, 1, 1)]
    assert counts(rows) == {"1M": 8, "3M": 4}
    assert [[each["code"] for each in row.covered] for row in rows if row.packages[0]["code"] == "3M"] == [["1M"]] * 4


def test_sap_shift_08_09_through_a_completed_order(workshop: Workshop) -> None:
    """003-35: a quarter due 1 June, done 14 days late, half of it taken over: 8 September."""
    workshop.plan(at(3, 2), Package("3M", QUARTERLY), shift=HALF_LATE, starts_on=date(2026, 3, 1))
    workshop.day(at(5, 20))
    (row,) = workshop.rows(state="released")
    assert row.due_on == date(2026, 6, 1)
    workshop.complete(row.work_order_id, at(6, 15))
    workshop.day(at(6, 15))
    assert workshop.days("done") == ["06-01"]
    assert workshop.days()[:2] == ["09-08", "12-08"]
    assert len({each.slot for each in workshop.rows()}) == len(workshop.rows())


def test_making_again_changes_nothing_and_keeps_ids(workshop: Workshop) -> None:
    workshop.plan(at(1, 1), Package("1M", MONTHLY))
    first = workshop.make(at(1, 1))
    ids = [row.id for row in workshop.rows()]
    workshop.set_zone("Asia/Shanghai")
    again = workshop.make(at(1, 1))
    assert first.total("made") == len(ids) > 10
    assert (again.total("made"), again.total("cancelled")) == (0, 0)
    assert [row.id for row in workshop.rows()] == ids
    with workshop.database.as_service() as session:
        told = session.scalar(select(func.count()).where(Event.kind == "maintenance_plan.scheduled"))
    assert told == 2  # one summary for each run that changed something


def test_zone_change_moves_the_instant_and_not_the_local_day(workshop: Workshop) -> None:
    workshop.plan(at(1, 1), Package("1M", MONTHLY))
    workshop.make(at(1, 1))
    before = workshop.rows()
    workshop.set_zone("America/New_York")
    workshop.make(at(1, 1))
    after = workshop.rows()
    assert [row.due_on for row in after] == [row.due_on for row in before]
    local = {row.due_at.astimezone(ZoneInfo("America/New_York")).hour for row in after if row.due_at}
    assert local == {8}  # in winter and in summer


def test_month_end_and_dst_through_the_database(workshop: Workshop) -> None:
    workshop.set_zone("Europe/Berlin")
    rule = {"kind": "calendar", "rrule": "FREQ=MONTHLY;BYMONTHDAY=29;SKIP=BACKWARD"}
    workshop.plan(at(1, 1), Package("M", rule), at_minute=150)  # 02:30, which 29 March 2026 does not have
    workshop.make(at(1, 1))
    rows = workshop.rows()
    assert [f"{row.due_on:%m-%d}" for row in rows[:3]] == ["01-29", "02-28", "03-29"]
    assert rows[2].due_at == datetime(2026, 3, 29, 1, 30, tzinfo=ZoneInfo("UTC"))


def test_two_workers_release_one_order(workshop: Workshop) -> None:
    workshop.plan(at(1, 1), Package("1M", MONTHLY))
    workshop.make(at(1, 20))
    ready, errors = threading.Barrier(4), []

    def work() -> None:
        try:
            ready.wait()
            for _ in range(3):
                with workshop.database.as_service() as session:
                    release_due(session, at(1, 20))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with workshop.database.as_service() as session:
        orders = session.scalars(select(WorkOrder)).all()
    (row,) = workshop.rows(state="released")
    assert [order.id for order in orders] == [row.work_order_id]
    order = orders[0]
    assert (order.origin, order.priority, order.duration_minutes, order.origin_ref) == ("plan", "normal", 60, row.id)
    assert (order.window_from, order.window_until, order.due_at) == (row.earliest_at, row.latest_at, row.latest_at)


def test_catch_up_after_a_day_of_downtime_neither_misses_nor_doubles(workshop: Workshop) -> None:
    daily = {"kind": "calendar", "rrule": "FREQ=DAILY"}
    workshop.plan(
        at(3, 1), Package("D", daily), lead_days=0, horizon_days=3, when_missed="keep", tolerance_after={"days": 1}
    )
    workshop.day(at(3, 1))
    for hours in range(12, 48, 12):
        workshop.day(at(3, 1) + timedelta(hours=hours))
    workshop.day(at(3, 9))  # nobody ran anything for six days
    workshop.day(at(3, 9))
    released = workshop.days("released")
    assert released == [f"03-{day:02}" for day in range(2, 10)]


def test_newer_work_closes_what_nobody_did(workshop: Workshop) -> None:
    workshop.plan(at(1, 1), Package("1M", MONTHLY), lead_days=0)
    workshop.day(at(2, 2))
    workshop.day(at(3, 2))
    assert (workshop.days("missed"), workshop.days("released")) == (["02-01"], ["03-01"])
    with workshop.database.as_service() as session:
        states = list(session.scalars(select(WorkOrder.state).order_by(WorkOrder.opened_at)))
    assert states == ["cancelled", "unscheduled"]


def test_floating_counts_from_when_it_was_done(workshop: Workshop) -> None:
    workshop.plan(at(1, 1), Package("1M", MONTHLY), scheduling="floating", lead_days=5)
    workshop.day(at(1, 28))
    (row,) = workshop.rows(state="released")
    workshop.complete(row.work_order_id, at(2, 10))
    workshop.day(at(2, 10))
    assert workshop.days()[:2] == ["03-10", "04-10"]
    with workshop.database.as_service() as session:  # not done after all
        order = session.get_one(WorkOrder, row.work_order_id)
        from ticketing.work_orders import transition

        transition(session, order, "in_progress", at(2, 11), reason="not done")
    workshop.day(at(2, 11))
    assert workshop.days("released") == ["02-01"]
    assert workshop.days()[:2] == ["03-01", "04-01"]


def test_retired_asset_ends_its_plans_and_leaves_orders_to_people(workshop: Workshop) -> None:
    workshop.plan(at(11, 22), Package("1M", MONTHLY))
    workshop.day(at(12, 22))
    with workshop.database.as_service() as session:
        asset = session.get_one(Asset, workshop.world.pump)
        move_life(session, asset, Move("retired", at(12, 23), "worn out"), at(12, 23))
    workshop.day(at(12, 23))
    assert {row.state for row in workshop.rows()} == {"released", "cancelled"}
    assert [(row.state, row.reason) for row in workshop.held()] == [("ended", "retired")]
    with pytest.raises(Invalid, match="Pump PUMP-1") as raised:
        workshop.plan(at(12, 24), Package("1M", MONTHLY), code="Q")
    assert raised.value.params["code"] == "asset_retired"


def test_a_planners_date_stays_when_dates_are_made_anew(workshop: Workshop) -> None:
    workshop.plan(at(1, 1), Package("1M", MONTHLY))
    workshop.make(at(1, 1))
    with workshop.database.as_service() as session:
        row = session.get_one(Occurrence, workshop.rows()[3].id)
        move(session, row, at(5, 9), at(1, 2), workshop.world.planner, "plant is shut")
    workshop.set_zone("Asia/Shanghai")
    workshop.make(at(1, 2))
    assert workshop.days()[2:5] == ["04-01", "05-09", "06-01"]


def test_seasons_and_left_out_turns_are_rows(workshop: Workshop) -> None:
    workshop.plan(at(1, 1), Package("1M", MONTHLY), seasons=["04-01/10-31"], when_closed="skip")
    workshop.make(at(1, 1))
    assert workshop.days()[0] == "04-01"
    assert workshop.days("left_out")[:3] == ["02-01", "03-01", "11-01"]


def test_effectivity_by_model_version_and_date(workshop: Workshop) -> None:
    with workshop.database.as_service() as session:
        session.execute(update(Asset).where(Asset.id == workshop.world.pump).values(custom={"rev": "A10"}))
        session.execute(update(Asset).where(Asset.id == workshop.world.other_pump).values(custom={"rev": "A9"}))
    bounds = {"version_field": "rev", "version_from": "A10", "valid_until": "2026-06-30"}
    workshop.plan(at(1, 1), Package("1M", MONTHLY), asset_model_id=workshop.world.model, effectivity=bounds)
    workshop.make(at(1, 1))
    assert {row.asset_id for row in workshop.rows()} == {workshop.world.pump}
    assert workshop.days() == ["02-01", "03-01", "04-01", "05-01", "06-01"]


def _hours(workshop: Workshop, *readings: tuple[datetime, float]) -> None:
    with workshop.database.as_service() as session:
        asset = session.get_one(Asset, workshop.world.pump)
        meter = session.scalar(select(Meter).where(Meter.asset_id == asset.id))
        if meter is None:
            meter = add_meter(session, asset, Meter(name="hours", kind="counter", unit="h"), at(1, 1))
        for moment, value in readings:
            read_meter(session, meter, Told(value), moment, moment)


METER = {"kind": "meter", "meter": "hours", "every": 500}


def test_meter_date_is_foreseen_and_reached_sooner(workshop: Workshop) -> None:
    _hours(workshop, *[(at(1, 1) + days(10 * n), 100.0 + 100 * n) for n in range(5)])
    workshop.plan(at(2, 10), Package("500h", METER), starts_on=date(2026, 2, 10), lead_days=0)
    workshop.day(at(2, 10))
    first = workshop.rows()[0]
    assert (first.source, first.target, first.state) == ("meter", 900.0, "planned")
    assert first.due_on is not None
    assert abs((first.due_on - date(2026, 3, 22)).days) <= 2
    assert first.low_at is not None
    _hours(workshop, (at(2, 20), 901.0))
    workshop.day(at(2, 20))
    (row,) = workshop.rows(state="released")
    assert row.id == first.id


def test_too_many_turns_of_a_meter_call_nothing_off_and_are_told(workshop: Workshop) -> None:
    _hours(workshop, *[(at(1, 1) + days(10 * n), 100.0 + 100 * n) for n in range(5)])
    workshop.plan(at(2, 10), Package("500h", METER), starts_on=date(2026, 2, 10), lead_days=0)
    workshop.day(at(2, 10))
    before = [(row.id, row.due_at, row.state) for row in workshop.rows()]
    since = workshop.held()[0].since

    def every(value: float, now: datetime) -> str | None:
        with workshop.database.as_service() as session:
            session.execute(update(PlanPackage).values(trigger={**METER, "every": value}))
            session.execute(update(PlanAsset).values(dirty=True))
            sync(session, session.scalars(select(MaintenancePlan)).one(), now)
        workshop.day(now)
        (row,) = workshop.held()
        assert (row.state, row.since) == ("active", since)
        return row.reason

    assert [every(0.5, at(2, 11)), every(0.5, at(2, 12))] == ["too_many", "too_many"]
    assert [(row.id, row.due_at, row.state) for row in workshop.rows()] == before
    assert every(500, at(2, 13)) is None


@pytest.mark.parametrize("horizon", [1829, 1830])
def test_the_longest_horizon_is_made(workshop: Workshop, horizon: int) -> None:
    workshop.plan(at(3, 1), Package("1M", MONTHLY), horizon_days=horizon)
    workshop.make(at(6, 1))
    assert len(workshop.rows(state="planned")) >= 60


def test_edited_old_reading_fires_nothing(workshop: Workshop) -> None:
    """003-35: who corrects a reading of last month does not make work due that was not."""
    _hours(workshop, *[(at(1, 1) + days(10 * n), 100.0 + 20 * n) for n in range(5)])
    workshop.plan(at(2, 10), Package("500h", METER), starts_on=date(2026, 1, 1), lead_days=0)
    workshop.day(at(2, 10))
    with workshop.database.as_service() as session:
        meter = session.scalars(select(Meter)).one()
        old = session.scalars(select(MeterReading).where(MeterReading.at == at(1, 11))).one()
        correct_reading(session, meter, old, 135.0, "misread", at(2, 11))
    workshop.day(at(2, 11))
    assert workshop.rows(state="released") == []
    assert len({row.slot for row in workshop.rows(state="planned")}) == len(workshop.rows(state="planned"))


def test_pause_releases_nothing_and_owes_nothing(workshop: Workshop) -> None:
    from maintenance.plans.library import move_plan

    plan = workshop.plan(at(1, 1), Package("1M", MONTHLY), lead_days=0)
    workshop.make(at(1, 1))
    for state, day in (("paused", at(1, 15)), ("active", at(4, 15))):
        with workshop.database.as_service() as session:
            move_plan(session, session.get_one(MaintenancePlan, plan.id), state, day)
        workshop.day(day)
    assert workshop.days("released") == []
    assert workshop.days("skipped") == ["02-01", "03-01", "04-01"]
    assert workshop.days()[0] == "05-01"


def test_what_is_valid_from_a_later_day_is_made_ahead_and_released_in_time(workshop: Workshop) -> None:
    """7.1e: the forecast shows it, its lead time begins before, and its first local day is whole."""
    workshop.set_zone("Asia/Shanghai")
    bounds = {"valid_from": "2026-06-01"}
    workshop.plan(at(1, 1), Package("1M", MONTHLY), effectivity=bounds, at_minute=0, lead_days=14)
    workshop.day(at(1, 1))
    assert workshop.days()[:3] == ["06-01", "07-01", "08-01"]
    first = workshop.rows()[0]
    assert first.due_at == at(5, 31, 16)  # midnight there
    assert (workshop.release(at(5, 17, 15)), workshop.release(at(5, 17, 17))) == (0, 1)
    assert [row.id for row in workshop.rows(state="released")] == [first.id]
    assert {row.state for row in workshop.held()} == {"active"}


def test_round_goes_on_when_its_first_stop_retires(workshop: Workshop) -> None:
    """7.1f: nothing is lost, nothing doubles: an order that is out keeps its turn."""
    world = workshop.world
    with workshop.database.as_service() as session:
        route = InspectionRound(organisation_id=world.operator, code="R", name={"en": "Walk"}, created_at=at(11, 1))
        session.add(route)
        session.flush()
        for place, key in enumerate((world.pump, world.other_pump)):
            stop = RoundStop(organisation_id=world.operator, round_id=route.id, asset_id=key, position=place)
            session.add(stop)
    workshop.plan(at(11, 22), Package("1M", MONTHLY), assets=[], round_id=route.id)
    workshop.day(at(12, 22))
    before = {row.slot: row.id for row in workshop.rows()}
    assert "01-01" in workshop.days("released")
    with workshop.database.as_service() as session:
        asset = session.get_one(Asset, world.pump)
        move_life(session, asset, Move("retired", at(12, 23), "worn out"), at(12, 23))
    workshop.day(at(12, 23))
    after = workshop.rows()
    assert {row.slot: row.id for row in after if row.slot in before} == before
    assert len(after) == len({row.slot for row in after})
    assert {(row.state, row.asset_id) for row in after if row.state != "missed"} == {
        ("released", world.pump),
        ("planned", world.other_pump),
    }
    assert [(row.state, row.asset_id) for row in workshop.held()] == [("active", world.other_pump)]
    workshop.day(at(1, 25, year=2027))
    assert "02-01" in workshop.days("released")
