"""Presence: who is there, said once, with its reason; a dead gateway is one thing that happened."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.events import Event
from edge_agent.wire import Status, encode_status
from ingest.adoption import adopt_channels
from ingest.control import handle_control
from ingest.intervals import learn_intervals
from ingest.listeners import beat
from ingest.messages import Message
from ingest.models import Device, Stream
from ingest.presence import FLAPS, Facts, Presence, Verdict, damp, judge, judge_channel
from ingest.roll_call import presence_of_assets, update_presence
from ingest.store.base import Connection
from ingest.writer import Writer, prepare
from maintenance.episodes import decide_pending
from ml.presence import watch_devices
from tests.ingest.support import add_device

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
S = timedelta(seconds=1)
LONG_AGO = NOW - timedelta(days=2)


def ago(seconds: float) -> datetime:
    return NOW - seconds * S


# ---- the rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "word", "code"),
    [
        (Facts(), "unknown", "never_heard"),
        (Facts(heard_at=ago(60), online=True), "online", "connected"),
        (Facts(heard_at=ago(600), online=True), "stale", "silent"),
        (Facts(ago(5), ago(5), interval_s=10, online=True), "online", "reporting"),
        # Keep-alives and status say that it is connected; they are no telemetry.
        (Facts(ago(300), ago(300), ago(1), 10, online=True), "stale", "silent_while_connected"),
        (Facts(ago(1), ago(300), ago(1), 10, online=True), "stale", "repeats_only"),
        (Facts(ago(40), ago(40), interval_s=10, online=True), "degraded", "late"),
        (Facts(ago(5), ago(5), interval_s=10, online=True, problems=["x"]), "degraded", "device_problems"),
        (Facts(ago(5), ago(5), interval_s=10, frozen=["a"]), "degraded", "frozen_sensors"),
        (Facts(ago(5), ago(5), interval_s=10, frozen=["a"], all_frozen=True), "stale", "frozen"),
        (Facts(ago(5), ago(5), interval_s=10, online=False), "offline", "connection_ended"),
        (Facts(ago(2000), ago(2000), interval_s=10), "offline", "silent"),
        (Facts(ago(5), ago(5), gateway="offline"), "unknown", "behind_gateway"),
        # Sleeping: declared, or so rare that it need not stay connected.
        (Facts(ago(1000), ago(1000), interval_s=1800, online=False), "sleeping", "next_reading_due"),
        (Facts(ago(1000), ago(1000), sleep_s=600), "sleeping", "next_reading_due"),
        (Facts(ago(10), ago(10), sleep_s=600), "online", "reporting"),
        (Facts(ago(2000), ago(2000), sleep_s=600, online=None), "degraded", "late"),
        (Facts(ago(9000), ago(9000), sleep_s=600, online=None), "offline", "silent"),
    ],
)
def test_verdict_by_table(facts: Facts, word: str, code: str) -> None:
    found = judge(facts, NOW)
    assert found is not None
    assert (found.word, found.code) == (word, code)


def test_nobody_is_called_silent_by_somebody_who_just_began_to_listen() -> None:
    silent = Facts(ago(3600), ago(3600), interval_s=10, online=True)
    assert judge(silent, NOW, NOW - 5 * S) is None
    assert judge(silent, NOW, NOW - 120 * S) == judge(silent, NOW)


def channel(fresh_s: float, seen_s: float, gateway: str, gateway_s: float = 1.0) -> Facts:
    return Facts(
        ago(seen_s), ago(fresh_s), None, 10, gateway=gateway, gateway_serial="G", gateway_seen_at=ago(gateway_s)
    )


@pytest.mark.parametrize(
    ("facts", "word", "code"),
    [
        (channel(5, 5, "online"), "online", "reporting"),
        (channel(5, 5, "stale"), "unknown", "behind_gateway"),
        (Facts(fresh_at=None, gateway="online"), "unknown", "never_heard"),
        # Silent for long, but so is its gateway: that one is judged first.
        (channel(400, 400, "online", 390), "degraded", "late"),
        (channel(400, 400, "online"), "stale", "silent_behind_gateway"),
        (channel(400, 1, "online"), "stale", "repeats_only"),
        (channel(4000, 4000, "sleeping"), "sleeping", "behind_gateway"),
    ],
)
def test_verdict_on_a_channel_by_table(facts: Facts, word: str, code: str) -> None:
    found = judge_channel(facts, NOW)
    assert found is not None
    assert (found.word, found.code) == (word, code)


def test_flapping_is_one_word_until_it_is_calm_or_really_gone() -> None:
    online, offline = Verdict(Presence.ONLINE, "reporting"), Verdict(Presence.OFFLINE, "connection_ended")
    flips = [NOW - 60 * i * S for i in range(FLAPS)]
    assert damp(online, NOW, flips[1:], False, NOW) == online
    for raw in (online, offline):
        assert damp(raw, NOW, flips, False, NOW).code == "flapping"
    assert damp(offline, ago(400), flips, True, NOW) == offline, "gone for more than five minutes"
    assert damp(online, NOW, flips[4:], True, NOW).code == "flapping", "still not calm"
    assert damp(online, NOW, flips, True, NOW + timedelta(minutes=11)) == online


# ---- with a database ------------------------------------------------------------------------------------------------


class World:
    """A gateway with sub-devices, written as ingest would."""

    def __init__(self, url: str) -> None:
        self.device_id = add_device(url, "G-1")
        self.database = Database(url)
        self.connection: Connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET ROLE forewarn_service")
        self.writer = Writer()
        self.seq = 0

    def say(self, at: datetime, channels: list[str], t: datetime | None = None, value: float = 1.0) -> None:
        t_ms = int((t or at).timestamp() * 1000)
        samples = [{"t": t_ms, "values": {"a": value}} | ({"asset": each} if each else {}) for each in channels]
        body = {"boot": "b", "seq": self.seq, "n": len(samples), "samples": samples}
        self.seq += 1
        message = Message("forewarn/v1/G-1/telemetry", json.dumps(body).encode(), int(at.timestamp() * 1e6))
        self.writer.write(self.connection, [prepare(message)])
        unbound = self.writer.take_unbound()
        with self.database.as_service() as session:
            for device_id, names in unbound.items():
                adopt_channels(session, device_id, names, at)

    def status(self, at: datetime, online: bool, session_no: int, boot: str = "b", retained: bool = False) -> None:
        payload = encode_status(Status(online, boot, session_no, 0))
        with self.database.as_service() as session:
            message = Message("forewarn/v1/G-1/status", payload, int(at.timestamp() * 1e6), retained)
            assert handle_control(session, message) is None

    def look(self, now: datetime) -> int:
        with self.database.as_service() as session:
            return update_presence(session, now)

    def work(self, now: datetime) -> None:
        """What the worker does each few seconds."""
        self.look(now)
        with self.database.as_service() as session:
            watch_devices(session, now, LONG_AGO)
        with self.database.as_service() as session:
            while decide_pending(session, now):
                pass

    def beat(self, since: datetime, at: datetime) -> None:
        with self.database.as_service() as session:
            beat(session, "worker", since, at)

    def words(self) -> dict[str, str]:
        rows = self.connection.execute("SELECT channel, presence FROM streams").fetchall()
        found = dict(rows)
        row = self.connection.execute("SELECT presence FROM devices WHERE serial = 'G-1'").fetchone()
        assert row is not None
        return found | {"gateway": row[0]}

    def count(self, sql: str) -> int:
        row = self.connection.execute(sql).fetchone()
        assert row is not None
        return int(row[0])

    def close(self) -> None:
        self.connection.close()
        self.database.dispose()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    yield made
    made.close()


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    with world.database.as_service() as opened:
        yield opened


def test_trap_33_a_dead_gateway_with_100_sub_devices_is_one_alarm(world: World) -> None:
    names = [f"P-{i}" for i in range(100)]
    begin = ago(3600)
    world.status(begin, True, 1)
    world.say(begin, names)
    world.work(begin + 5 * S)
    assert set(world.words().values()) == {"online"}
    world.status(begin + 60 * S, False, 1)  # its last will
    for minutes in (1, 2, 4, 6, 8, 20, 29):
        world.work(begin + timedelta(minutes=minutes) + 5 * S)
    words = world.words()
    assert words.pop("gateway") == "offline"
    assert set(words.values()) == {"unknown"}
    assert world.count("SELECT count(*) FROM findings") == 1
    assert world.count("SELECT count(*) FROM episodes WHERE kind = 'connection'") == 1
    assert world.count("SELECT count(*) FROM work_orders") == 1
    assert world.count("SELECT count(*) FROM events WHERE kind = 'device.presence_changed'") == 2
    back = begin + timedelta(minutes=31)
    world.status(back, True, 2)
    world.say(back, names)
    world.work(back + 5 * S)
    assert set(world.words().values()) == {"online"}
    assert world.count("SELECT count(*) FROM findings WHERE cleared_at IS NULL") == 0
    assert world.count("SELECT count(*) FROM work_orders") == 1


def test_trap_33_a_gateway_that_dies_without_a_word_is_one_alarm_too(world: World) -> None:
    names = [f"P-{i}" for i in range(5)]
    begin = ago(3600)
    for i in range(10):
        world.say(begin + 10 * i * S, names)
    world.work(begin + 95 * S)
    for minutes in (2, 3, 4, 6, 8, 10, 16, 39):
        world.work(begin + timedelta(minutes=minutes))
    assert world.words()["gateway"] == "offline"
    assert world.count("SELECT count(*) FROM findings") == 1
    assert world.count("SELECT count(*) FROM findings WHERE signature = 'device:G-1'") == 1


def test_trap_34_activity_of_one_sub_device_never_refreshes_anothers(world: World, session: Session) -> None:
    world.say(ago(800), ["P-1", "P-2"])
    for seconds in range(780, 0, -20):
        world.say(ago(seconds), ["P-2"])
    world.work(NOW)
    assert world.words() == {"P-1": "stale", "P-2": "online", "gateway": "online"}
    rows = session.execute(select(Stream.channel, Stream.last_received_at, Stream.fresh_at)).all()
    assert {channel: (heard, fresh) for channel, heard, fresh in rows}["P-1"] == (ago(800), ago(800))
    assert world.count("SELECT count(*) FROM findings WHERE signature = 'device:G-1/P-1'") == 1
    assert world.count("SELECT count(*) FROM findings") == 1
    reason = session.scalar(select(Stream.presence_reason).where(Stream.channel == "P-1"))
    assert reason is not None
    assert (reason["code"], reason["params"]["gateway"]) == ("silent_behind_gateway", "G-1")


def test_trap_34_status_messages_are_no_telemetry(world: World, session: Session) -> None:
    world.status(ago(1000), True, 1)
    world.say(ago(1000), [""])
    for seconds in range(960, 0, -60):
        world.status(ago(seconds), True, 1)
    world.work(NOW)
    assert world.words()["gateway"] == "stale"
    device = session.scalars(select(Device)).one()
    assert (device.last_seen_at, device.last_heard_at) == (ago(1000), ago(60))
    assert device.presence_reason is not None
    assert device.presence_reason["code"] == "silent_while_connected"


def test_trap_30_a_value_sent_again_keeps_its_time_and_is_stale(world: World, session: Session) -> None:
    first = ago(600)
    for seconds in range(600, 0, -10):
        world.say(ago(seconds), ["", "P-1"], t=first)
    assert world.count("SELECT count(*) FROM samples") == 2
    assert session.scalars(select(Stream.latest_at).distinct()).all() == [first]
    world.work(NOW)
    assert world.words() == {"": "unknown", "P-1": "unknown", "gateway": "stale"}
    device = session.scalars(select(Device)).one()
    assert device.presence_reason is not None
    assert device.presence_reason["code"] == "repeats_only"


def test_trap_27_a_last_will_of_an_earlier_connection_is_ignored(world: World) -> None:
    world.status(ago(100), True, 7)
    world.status(ago(50), True, 8)
    world.say(ago(5), [""])
    world.status(ago(2), False, 7)  # the broker noticed late that the old connection was dead
    world.work(NOW)
    assert world.words()["gateway"] == "online"


def test_trap_27_what_the_broker_kept_while_ingest_was_away_is_believed_of_a_later_connection(world: World) -> None:
    world.status(ago(1000), True, 7)
    world.say(ago(5), [""])
    world.status(ago(2), False, 9, boot="c", retained=True)
    world.work(NOW)
    assert world.words()["gateway"] == "offline"
    world.status(NOW, True, 10, boot="c", retained=True)
    world.work(NOW + 5 * S)
    assert world.words()["gateway"] == "online"


def test_flapping_is_counted_and_one_alarm(world: World, session: Session) -> None:
    begin = ago(3600)
    world.status(begin, True, 1)
    for i in range(12):
        at = begin + 40 * i * S
        world.say(at, ["P-1"])
        world.status(at + 20 * S, False, i + 1)
        world.work(at + 25 * S)
        world.status(at + 38 * S, True, i + 2)
        world.work(at + 39 * S)
    device = session.scalars(select(Device)).one()
    assert device.presence == "degraded"
    assert device.presence_reason is not None
    assert device.presence_reason["code"] == "flapping"
    assert world.count("SELECT count(*) FROM events WHERE kind = 'device.presence_changed'") <= FLAPS + 2
    assert world.count("SELECT count(*) FROM findings") == 1
    assert world.count("SELECT count(*) FROM work_orders") == 1
    calm = begin + 40 * 12 * S
    for i in range(0, 80, 2):
        world.say(calm + 10 * i * S, ["P-1"])
    world.work(calm + 790 * S)
    assert world.words()["gateway"] == "online"
    assert world.count("SELECT count(*) FROM findings WHERE cleared_at IS NULL") == 0


def test_while_nobody_listens_nothing_changes(world: World) -> None:
    world.say(ago(600), [""])
    world.beat(ago(6000), ago(700))
    assert world.look(ago(590)) == 0, "the only listener is not connected"
    world.beat(ago(6000), ago(595))
    assert world.look(ago(590)) == 1
    assert world.look(NOW) == 0
    world.beat(ago(10), NOW)  # connected again ten seconds ago
    assert world.look(NOW) == 0
    assert world.words()["gateway"] == "online"
    world.beat(ago(10), NOW + 600 * S)
    assert world.look(NOW + 600 * S) == 1
    assert world.words()["gateway"] != "online"


def test_interval_is_learned_from_what_comes(world: World, session: Session) -> None:
    for i in range(30):  # every ten minutes a message with ten readings
        for k in range(10):
            world.say(ago(600 * (30 - i)), ["P-1"], t=ago(600 * (30 - i) + 60 * (9 - k)))
        world.say(ago(600 * (30 - i)), [""])
    assert learn_intervals(session, NOW) == 2
    assert learn_intervals(session, NOW) == 0, "not looked at again so soon"
    assert dict(session.execute(select(Stream.channel, Stream.learned_interval_s)).all()) == {"P-1": 600, "": 600}
    update_presence(session, NOW + 900 * S)
    assert session.scalars(select(Device.presence)).one() == "online"


def test_presence_of_an_asset_is_that_of_what_measures_it(world: World, session: Session) -> None:
    world.say(ago(800), ["P-1", "P-2"])
    for seconds in range(780, 0, -20):
        world.say(ago(seconds), ["P-2"])
    world.work(NOW)
    ids: dict[str, UUID] = dict(session.execute(text("SELECT serial, id FROM assets")).all())
    assert presence_of_assets(session, list(ids.values())) == {ids["P-1"]: ["stale"], ids["P-2"]: ["online"]}


def test_devices_behind_a_gateway_device_are_unknown_when_it_is_gone(world: World, session: Session) -> None:
    world.say(ago(5), [""])
    gateway = session.scalars(select(Device)).one()
    others = [_device(session, gateway, f"D-{i}") for i in range(3)]
    others[1].gateway_id = others[0].id
    others[0].gateway_id, others[2].gateway_id = gateway.id, gateway.id
    session.flush()
    assert update_presence(session, NOW) == 4
    gateway.online = False
    session.flush()
    assert update_presence(session, NOW + 5 * S) == 4
    session.expire_all()
    assert {each.presence for each in others} == {"unknown"}
    kinds = session.scalars(select(Event.kind).where(Event.kind == "device.presence_changed")).all()
    assert len(kinds) == 5, "of four that came, and of the gateway that went"


def _device(session: Session, like: Device, serial: str) -> Device:
    made = Device(serial=serial, organisation_id=like.organisation_id, created_at=NOW, last_seen_at=ago(1))
    session.add(made)
    session.flush()
    return made


def test_ten_thousand_devices_cost_little_and_only_changes_are_written(world: World, session: Session) -> None:
    fill: dict[str, Any] = {"now": NOW - 2 * S}
    session.execute(
        text(
            "INSERT INTO devices (id, organisation_id, serial, model, credentials_version, presence, presence_since,"
            " presence_raw, presence_reason, last_seen_at, online, expected_interval_s, status, describe, demo,"
            " created_at) SELECT gen_random_uuid(), organisation_id, 'X-' || i, '', 0, 'online', :now, 'online',"
            " '{\"code\": \"reporting\", \"params\": {}}', :now, true, 10, '{}', '{}', false, :now"
            " FROM devices, generate_series(1, 10000) i WHERE serial = 'G-1'"
        ),
        fill,
    )
    session.execute(
        text(
            "INSERT INTO streams (organisation_id, device_id, channel, fresh_at, last_received_at, latest_at)"
            " SELECT organisation_id, id, '', :now, :now, :now FROM devices WHERE serial LIKE 'X-%'"
        ),
        fill,
    )
    seconds = []
    for _ in range(3):  # once without being disturbed by what else the machine does
        begun = time.perf_counter()
        assert update_presence(session, NOW) == 0
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 2.0
