"""What stands between evidence and work: failure modes, shelves, windows, the asset tree, work in progress."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.consumers import run_consumer
from assets.base.errors import IllegalMove, Invalid
from assets.base.events import Event
from assets.failure_modes import FailureMode, add_failure_mode
from assets.registry import Asset, add_asset
from assets.tree import ancestors_of, set_parent
from maintenance.acknowledgements import acknowledge
from maintenance.alarm_models import MaintenanceWindow
from maintenance.holds import end_hold, hold_alarm
from maintenance.models import Episode, EpisodeFinding, Finding
from maintenance.windows import check_window, next_span, span_at, wake_held_by
from tests.maintenance.evidence import frozen_sensor, hot_bearing
from tests.maintenance.test_episodes import OUTCOMES, decide_all, finish_order, notice, orders, set_policy
from tests.ticketing.world import NOW, World, after
from ticketing import field
from ticketing.models import WorkOrder

VIBRATION = {"signature": "vibration_mm_s:high", "detector": "limits", "layer": "L1"}


def add_modes(world: World) -> None:
    with world.database.as_service() as session:
        for code, match in (("overheating", {"metric": "bearing_temperature_celsius"}), ("wear", VIBRATION)):
            words = {name: word for name, word in match.items() if name != "layer"}
            mode = FailureMode(
                organisation_id=world.operator, asset_model_id=world.model, code=code, name_en=code, name_zh=code
            )
            mode.matches = [words]
            add_failure_mode(session, mode)


def episodes(session: Session) -> list[Episode]:
    return list(session.scalars(select(Episode).order_by(Episode.id)))


def reason_of(world: World, signature: str | None = None) -> str | None:
    with world.database.as_service() as session:
        found = select(Finding.decision_reason).order_by(Finding.id.desc()).limit(1)
        return session.scalar(found.where(Finding.signature == signature) if signature else found)


def part_of(world: World, serial: str, parent: UUID, owner: UUID | None = None) -> UUID:
    with world.database.as_service() as session:
        whole = session.get_one(Asset, parent)
        asset = Asset(
            organisation_id=owner or whole.organisation_id,
            serial=serial,
            name=serial,
            asset_model_id=world.model,
            operation="up",
            created_at=NOW,
        )
        add_asset(session, asset, NOW)
        set_parent(session, asset, whole)
        return asset.id


def test_second_failure_mode_is_attached_to_the_open_order_and_closes_with_it(world: World) -> None:
    add_modes(world)
    notice(world, hot_bearing(world.pump))
    notice(world, hot_bearing(world.pump, **VIBRATION, first_at=after(60), last_at=after(60), severity="critical"))
    notice(world, hot_bearing(world.pump, **VIBRATION, first_at=after(60), last_at=after(90), severity="critical"))
    with world.database.as_service() as session:
        (order,) = orders(session)
        hot, worn = episodes(session)
        assert (hot.key, worn.key) == ("machine:overheating", "machine:wear")
        assert (order.noticed or {})["evidence_count"] == 2
        assert [mode["code"] for mode in (order.noticed or {})["failure_modes"]] == ["overheating", "wear"]
        assert order.priority == "urgent", "the graver trouble counts"
        kinds = session.scalars(select(Event.kind).where(Event.subject_id == order.id)).all()
        assert kinds.count("work_order.trouble_added") == 1
    finish_order(world, after(600))
    with world.database.as_service() as session:
        assert {(episode.state, episode.outcome) for episode in episodes(session)} == {("closed", "confirmed")}


def test_each_failure_mode_has_its_own_order_where_the_policy_says_so(world: World) -> None:
    add_modes(world)
    set_policy(world, join_open_order=False)
    for number in range(3):
        at = after(60 * number)
        notice(world, hot_bearing(world.pump, last_at=at))
        notice(world, hot_bearing(world.pump, **VIBRATION, first_at=after(1), last_at=after(1 + 60 * number)))
    with world.database.as_service() as session:
        assert len(orders(session)) == len(episodes(session)) == 2, "one open order per asset and failure mode"


def test_evidence_stays_with_its_episode_when_failure_modes_change(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    add_modes(world)
    notice(world, hot_bearing(world.pump, last_at=after(60), peak=9.0))
    with world.database.as_service() as session:
        (episode,) = episodes(session)
        assert (episode.key, episode.count, episode.peak) == ("machine", 1, 9.0)


def test_evidence_between_two_looks_is_counted(world: World) -> None:
    short = [
        hot_bearing(world.pump, first_at=after(at), last_at=after(at + 5), cleared_at=after(at + 8)) for at in (0, 20)
    ]
    notice(world, *short, now=after(60))
    with world.database.as_service() as session:
        assert episodes(session) == [], "what is over opens nothing"
    notice(world, hot_bearing(world.pump, first_at=after(61), last_at=after(61)))
    notice(world, hot_bearing(world.pump, first_at=after(70), last_at=after(75), cleared_at=after(78)), now=after(80))
    with world.database.as_service() as session:
        (episode,) = episodes(session)
        (order,) = orders(session)
        assert (episode.count, episode.last_seen_at) == (4, after(75))
        assert (order.noticed or {})["evidence_count"] == 4


def test_late_evidence_of_a_closed_episode_amends_it_and_calls_nobody(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    finish_order(world, after(600))
    late = hot_bearing(
        world.pump, signature="vibration_mm_s:high", first_at=after(30), last_at=after(50), cleared_at=after(55)
    )
    notice(world, late, now=after(900))
    notice(world, late, now=after(901))
    with world.database.as_service() as session:
        (episode,) = episodes(session)
        assert (episode.state, episode.count, len(orders(session))) == ("closed", 2, 1)
        assert len(session.scalars(select(EpisodeFinding.finding_id)).all()) == 2


def test_shelved_alarm_opens_nothing_until_the_shelf_ends(world: World) -> None:
    with world.database.as_service() as session:
        hold_alarm(session, world.asset(session), "shelved", "known", NOW, key="machine", until=after(3600))
    notice(world, hot_bearing(world.pump))
    notice(world, frozen_sensor(world.pump, first_at=after(1), last_at=after(60)))
    with world.database.as_service() as session:
        assert [order.kind for order in orders(session)] == ["sensor"], "only what was shelved is silent"
    assert reason_of(world, hot_bearing(world.pump).signature) == "shelved"
    decide_all(world, after(3601))
    with world.database.as_service() as session:
        assert [order.kind for order in orders(session)] == ["sensor", "machine"]


def test_ending_a_hold_lets_the_alarm_speak_at_once(world: World) -> None:
    with world.database.as_service() as session:
        hold = hold_alarm(session, world.asset(session), "out_of_service", "spare parts", NOW)
    notice(world, hot_bearing(world.pump))
    assert reason_of(world) == "out_of_service"
    with world.database.as_service() as session:
        end_hold(session, session.get_one(type(hold), hold.id), after(30))
    assert decide_all(world, after(30)) == 1
    with world.database.as_service() as session:
        assert len(orders(session)) == 1


def test_shelving_an_open_alarm_goes_on_counting_its_evidence(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    with world.database.as_service() as session:
        hold_alarm(session, world.asset(session), "shelved", "we know", after(1), key="machine", until=after(3600))
    notice(world, hot_bearing(world.pump, first_at=after(100), last_at=after(120)))
    with world.database.as_service() as session:
        (episode,) = episodes(session)
        assert (episode.count, episode.last_seen_at) == (2, after(120))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "asleep", "until": after(60)},
        {"kind": "shelved"},
        {"kind": "shelved", "until": after(8 * 86400)},
        {"kind": "out_of_service", "until": NOW},
        {"kind": "out_of_service", "reason": " "},
    ],
)
def test_holds_that_make_no_sense_are_refused(world: World, wrong: dict[str, Any]) -> None:
    facts = {"reason": "x"} | wrong
    with world.database.as_service() as session:
        asset = world.asset(session)
        with pytest.raises(Invalid):
            hold_alarm(session, asset, now=NOW, **facts)


def window(world: World, begins: datetime, ends: datetime | None, **more: Any) -> MaintenanceWindow:
    made = MaintenanceWindow(
        organisation_id=world.operator, name="Overhaul", starts_at=begins, ends_at=ends, **{"time_zone": "UTC"} | more
    )
    check_window(made)
    with world.database.as_service() as session:
        session.add(made)
    return made


def test_nothing_opens_in_a_maintenance_window_nor_for_what_began_in_it_until_it_has_settled(world: World) -> None:
    window(world, after(-60), after(600), asset_id=world.pump)
    notice(world, hot_bearing(world.pump, severity="critical"))
    assert reason_of(world) == "maintenance_window"
    notice(world, hot_bearing(world.pump, last_at=after(700), severity="critical"))
    assert reason_of(world) == "maintenance_window", "the machine finds its feet"
    decide_all(world, after(901))
    with world.database.as_service() as session:
        assert len(orders(session)) == 1


def test_windows_are_about_an_asset_with_its_parts_a_site_a_model_or_all(world: World) -> None:
    part = part_of(world, "MOTOR-1", world.pump)
    with world.database.as_service() as session:
        site = world.asset(session).site_id
    scopes: list[dict[str, Any]] = [{"asset_id": world.pump}, {"site_id": site}, {"asset_model_id": world.model}, {}]
    for number, scope in enumerate(scopes):
        made = window(world, after(-60), after(3600), **scope)
        asset = part if "asset_id" in scope else world.pump
        begin = after(number)
        notice(world, hot_bearing(asset, first_at=begin, last_at=begin))
        assert reason_of(world) == "maintenance_window", scope
        with world.database.as_service() as session:
            assert orders(session) == []
            session.delete(session.get_one(MaintenanceWindow, made.id))
    with world.database.as_service() as session:
        wake_held_by(session, made.id, after(10))
    assert decide_all(world, after(10)) == 1, "a removed window wakes what it held back"
    with world.database.as_service() as session:
        assert len(orders(session)) == 1


def test_recurring_windows_know_weekdays_nights_and_daylight_saving() -> None:
    hours = {"6": [["22:00", "02:00"]]}  # Sunday night in Berlin; the clocks go back on 25 October 2026
    made = MaintenanceWindow(
        name="n", starts_at=after(-400 * 86400), ends_at=None, hours=hours, time_zone="Europe/Berlin"
    )
    check_window(made)
    inside = datetime.fromisoformat("2026-10-25T23:30:00+00:00")
    span = span_at(made, inside)
    assert span is not None
    assert (span.start.isoformat(), span.end.isoformat()) == ("2026-10-25T21:00:00+00:00", "2026-10-26T01:00:00+00:00")
    assert span_at(made, inside - timedelta(hours=4)) is None
    coming = next_span(made, inside + timedelta(hours=2))
    assert coming is not None
    assert coming.start == span.start + timedelta(days=7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ends_at": None},
        {"ends_at": after(-1)},
        {"hours": {}},
        {"hours": {"7": [["08:00", "09:00"]]}},
        {"hours": {"1": [["08:00"]]}},
        {"hours": {"1": [["late", "later"]]}},
        {"time_zone": "Europe/Atlantis"},
    ],
)
def test_windows_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    facts: dict[str, Any] = {"name": "n", "starts_at": NOW, "ends_at": after(60), "time_zone": "UTC"} | wrong
    with pytest.raises(Invalid):
        check_window(MaintenanceWindow(**facts))


def test_alarm_of_the_whole_explains_those_of_its_parts_while_it_stands(world: World) -> None:
    parts = [part_of(world, f"PART-{number}", world.pump) for number in range(3)]
    notice(world, hot_bearing(world.pump))
    for part in parts:
        notice(world, hot_bearing(part, first_at=after(60), last_at=after(61), severity="warning"))
    with world.database.as_service() as session:
        assert len(orders(session)) == 1
        held = session.scalars(select(Finding).where(Finding.decision_reason == "parent_alarm")).all()
        assert {(row.decision_params or {})["asset_serial"] for row in held} == {"PUMP-1"}
        assert len(held) == 3
    notice(world, hot_bearing(parts[0], first_at=after(70), last_at=after(71), severity="critical"))
    with world.database.as_service() as session:
        assert len(orders(session)) == 2, "what is graver is not hidden"
    finish_first(world, after(600))
    decide_all(world, after(700))
    with world.database.as_service() as session:
        told = {order.asset_id for order in orders(session)}
    assert set(parts[:1]) < told, "evidence that lasts when the whole is repaired speaks for itself"


def finish_first(world: World, now: datetime) -> None:
    with world.database.as_service() as session:
        order, ann = orders(session)[0], world.person(session, world.ann)
        field.start(session, order, ann, now)
        field.finish(session, order, ann, now, outcome="confirmed")
    run_consumer(world.database, OUTCOMES, now)


def test_trouble_of_the_whole_that_lasts_hides_nothing_that_begins_later(world: World) -> None:
    part = part_of(world, "PART-1", world.pump)
    notice(world, hot_bearing(world.pump))
    notice(world, hot_bearing(part, first_at=after(7200), last_at=after(7201)))
    with world.database.as_service() as session:
        assert len(orders(session)) == 2


def test_lost_connection_of_the_whole_explains_silence_below_it_for_as_long_as_it_lasts(world: World) -> None:
    part = part_of(world, "PART-1", world.pump)
    lost = {"detector": "presence", "layer": "L0", "kind": "connection", "contributions": ()}
    notice(world, hot_bearing(world.pump, **lost, signature="device:G", last_at=after(100)))
    notice(world, hot_bearing(part, **lost, signature="device:D", first_at=after(9000), last_at=after(9100)))
    assert reason_of(world, "device:D") == "parent_alarm"
    notice(world, hot_bearing(part, first_at=after(9100), last_at=after(9101)))
    with world.database.as_service() as session:
        assert [order.kind for order in orders(session)] == ["connection", "machine"]


def test_same_alarm_on_neighbours_at_once_is_one_order(world: World) -> None:
    parts = [part_of(world, f"PART-{number}", world.pump) for number in range(4)]
    for seconds, part in enumerate(parts[:3]):
        notice(world, hot_bearing(part, first_at=after(seconds), last_at=after(seconds + 1)))
    notice(world, hot_bearing(parts[3], first_at=after(600), last_at=after(601)))
    with world.database.as_service() as session:
        assert [order.asset_id for order in orders(session)] == [parts[0], parts[3]]
        assert session.scalars(select(Finding.decision_reason).order_by(Finding.id)).all() == [
            "evidence_persists", "neighbour_alarm", "neighbour_alarm", "evidence_persists",
        ]  # fmt: skip


def test_nothing_new_opens_while_people_work_on_what_was_noticed(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    with world.database.as_service() as session:
        (order,) = orders(session)
        field.start(session, order, world.person(session, world.ann), after(60))
    notice(world, frozen_sensor(world.pump, first_at=after(70), last_at=after(100)))
    assert reason_of(world) == "work_in_progress"
    with world.database.as_service() as session:
        order = session.get_one(WorkOrder, order.id)
        field.finish(session, order, world.person(session, world.ann), after(200), outcome="confirmed")
    notice(world, frozen_sensor(world.pump, first_at=after(70), last_at=after(300)))
    assert reason_of(world) == "settling"
    decide_all(world, after(501))
    with world.database.as_service() as session:
        assert [order.kind for order in orders(session)] == ["machine", "sensor"]


def test_acknowledging_is_once_and_only_while_there_is_an_alarm(world: World) -> None:
    notice(world, hot_bearing(world.pump))
    with world.database.as_service() as session:
        (episode,) = episodes(session)
        acknowledge(session, episode, after(10), by=world.planner)
        acknowledge(session, episode, after(20), by=world.ann)
        assert (episode.acknowledged_at, episode.acknowledged_by_id) == (after(10), world.planner.person_id)
    notice(world, hot_bearing(world.pump, last_at=after(60), severity="critical"))
    with world.database.as_service() as session:
        (episode,) = episodes(session)
        assert episode.acknowledged_at is None, "what became graver wants to be seen again"
    finish_order(world, after(600))
    with world.database.as_service() as session, pytest.raises(IllegalMove):
        acknowledge(session, episodes(session)[0], after(700), by=world.planner)


def test_asset_tree_has_no_loops_and_one_owner(world: World) -> None:
    part = part_of(world, "PART-1", world.pump)
    small = part_of(world, "SMALL-1", part)
    with world.database.as_service() as session:
        whole, leaf, stranger = (session.get_one(Asset, key) for key in (world.pump, small, world.other_pump))
        assert ancestors_of(session, leaf) == [part, world.pump]
        for asset, parent in ((whole, leaf), (whole, whole), (stranger, whole)):
            with pytest.raises(Invalid):
                set_parent(session, asset, parent)
