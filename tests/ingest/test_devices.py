"""Identity, presence, status, commands and the ledger of devices."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Conflict, Invalid
from assets.base.events import Event
from assets.people import add_organisation
from edge_agent.wire import Describe, Metric, Status, SubDevice, encode_describe, encode_status
from gateway.supervise.postgres import EmbeddedPostgres
from ingest.commands import publish_commands, send_command
from ingest.control import handle_control
from ingest.devices import (
    ClaimFailed,
    broker_credentials,
    claim_device,
    credentials_stamp,
    register_device,
    renew_claim,
)
from ingest.identity import revoke_device
from ingest.ledger import device_ledger, missing_samples
from ingest.messages import Message
from ingest.models import Device, DeviceCommand, Series, Stream
from ingest.passwords import hash_password, verify_password
from ingest.presence import Presence, presence_of
from ingest.roll_call import update_presence
from tests.conftest import TestBroker, _database_maker
from tests.ingest.support import PASSWORD, IngestProcess, Publisher, add_device, batch, now_ms, query, wait_until

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1e6)


@pytest.fixture(scope="module")
def shared_database(cluster: EmbeddedPostgres, empty_template: str, migrated_template: str) -> Iterator[Database]:
    """One database for all tests of this file that commit nothing."""
    for make in _database_maker(cluster, empty_template):
        database = Database(make(migrated_template))
        yield database
        database.dispose()


@pytest.fixture
def session(shared_database: Database) -> Iterator[Session]:
    """A transaction that is rolled back at the end."""
    with suppress(_RollBack), shared_database.as_service() as opened:
        yield opened
        raise _RollBack


class _RollBack(Exception):
    pass


@pytest.fixture
def organisation_id(session: Session) -> UUID:
    return add_organisation(session, kind="operator", name="Operator", now=NOW).id


@pytest.fixture
def device(session: Session, organisation_id: UUID) -> Device:
    return register_device(session, "D-1", "pump", organisation_id, NOW)[0]


def say(session: Session, leaf: str, payload: bytes, *, at: datetime = NOW, retained: bool = False) -> str | None:
    return handle_control(session, Message(f"forewarn/v1/D-1/{leaf}", payload, int(at.timestamp() * 1e6), retained))


# ---- identity -------------------------------------------------------------------------------------------------------


def test_claim_code_works_once_and_gives_a_password_that_the_broker_knows(
    session: Session, organisation_id: UUID
) -> None:
    device, code = register_device(session, "D-1", "pump", organisation_id, NOW)
    assert broker_credentials(session) == {}
    before = credentials_stamp(session)
    claimed = claim_device(session, f" {code[:5].lower()}-{code[5:]} ", "pi", NOW + timedelta(hours=23))
    assert (claimed.serial, claimed.model) == ("D-1", "pump")
    assert verify_password(claimed.password, broker_credentials(session)["D-1"])
    assert credentials_stamp(session) != before
    with pytest.raises(ClaimFailed, match="used already"):
        claim_device(session, code, "pi", NOW)
    assert device.hostname == "pi"
    kinds = session.scalars(select(Event.kind).where(Event.subject_id == device.id).order_by(Event.id))
    assert list(kinds) == ["device.registered", "device.claimed"]


def test_claim_code_expires_and_can_be_renewed(session: Session, organisation_id: UUID) -> None:
    device, code = register_device(session, "D-1", "", organisation_id, NOW)
    late = NOW + timedelta(hours=24)
    with pytest.raises(ClaimFailed, match="expired"):
        claim_device(session, code, "pi", late)
    fresh = renew_claim(session, device, late)
    with pytest.raises(ClaimFailed, match="no device waits"):
        claim_device(session, code, "pi", late)
    assert claim_device(session, fresh, "pi", late).serial == "D-1"


@pytest.mark.parametrize("serial", ["", "a/b", "a+", "#", "a:b", "x" * 65, " a", "forewarn-service"])
def test_serial_that_no_topic_can_carry_is_refused(session: Session, organisation_id: UUID, serial: str) -> None:
    with pytest.raises(Invalid):
        register_device(session, serial, "", organisation_id, NOW)


def test_serial_is_registered_once(session: Session, device: Device) -> None:
    with pytest.raises(Conflict):
        register_device(session, "D-1", "", device.organisation_id, NOW)


def test_switched_off_device_loses_its_account_at_the_broker(session: Session, device: Device) -> None:
    device.password_hash = hash_password("x")
    session.flush()
    before = credentials_stamp(session)
    revoke_device(session, device, "lost", NOW)
    assert broker_credentials(session) == {}
    assert credentials_stamp(session) != before


@pytest.mark.parametrize("hashed", [None, "", "x", "$7$x$y$z", "$7$0$AA==$AA==", "$6$101$AA==$AA==", "$7$101$?$?"])
def test_nothing_verifies_against_what_is_no_hash(hashed: str | None) -> None:
    assert not verify_password("", hashed)


# ---- presence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent_s", "interval_s", "online", "gateway", "word"),
    [
        (None, 10, True, None, "unknown"),
        (5, 10, True, None, "online"),
        (29, 10, None, None, "online"),
        (31, 10, True, None, "degraded"),
        (61, 10, True, None, "stale"),
        (100_000, 10, True, None, "stale"),
        (5, 10, False, None, "offline"),
        (901, 10, None, None, "offline"),
        (500, 10, None, None, "stale"),
        (5, None, True, None, "online"),
        (3000, 1800, False, None, "sleeping"),
        (6000, 1800, False, None, "offline"),
        (5, 10, True, "offline", "unknown"),
        (5, 10, True, "stale", "unknown"),
        (5, 10, True, "online", "online"),
    ],
)
def test_presence_by_table(
    silent_s: float | None, interval_s: float | None, online: bool | None, gateway: str | None, word: str
) -> None:
    seen = NOW - timedelta(seconds=silent_s) if silent_s is not None else None
    assert presence_of(seen, interval_s, online, gateway, NOW) == word


def test_device_that_reports_a_problem_is_degraded() -> None:
    assert presence_of(NOW, 10, True, None, NOW, has_problems=True) == Presence.DEGRADED


def test_presence_changes_are_events_and_only_changes(session: Session, device: Device) -> None:
    say(session, "status", encode_status(Status(True, "b", 1, 0)))
    assert update_presence(session, NOW) == 1
    assert update_presence(session, NOW + timedelta(seconds=1)) == 0
    assert update_presence(session, NOW + timedelta(hours=1)) == 1
    payloads = session.scalars(select(Event.payload).where(Event.kind == "device.presence_changed").order_by(Event.id))
    assert [(payload["from"], payload["to"]) for payload in payloads] == [("unknown", "online"), ("online", "stale")]


def test_stale_last_will_does_not_mark_a_live_device_offline(session: Session, device: Device) -> None:
    say(session, "status", encode_status(Status(True, "b", 7, 0)))
    say(session, "status", encode_status(Status(False, "b", 6, 0)))
    assert device.online is True
    say(session, "status", encode_status(Status(False, "older-boot", 9, 0)))
    assert device.online is True
    say(session, "status", encode_status(Status(False, "b", 7, 0)))
    assert device.online is False


def test_retained_status_is_no_sign_of_life(session: Session, device: Device) -> None:
    say(session, "status", encode_status(Status(True, "b", 1, 0, "0.3.1")), retained=True)
    assert (device.online, device.last_seen_at, device.agent_version) == (True, None, "0.3.1")


@pytest.mark.parametrize(
    ("leaf", "payload"),
    [
        ("status", b"no"),
        ("status", b'{"online": 1}'),
        ("status", b'{"online": true, "spool": {"a": "\\u0000"}}'),
        ("status", b'{"online": true, "spool": {"a": NaN}}'),
        ("describe", b'{"metrics": 3}'),
        ("command/42/result", b'{"outcome": "done"}'),
        ("elsewhere", b"{}"),
    ],
)
def test_bad_control_message_is_named(session: Session, device: Device, leaf: str, payload: bytes) -> None:
    assert say(session, leaf, payload)
    assert device.online is None


def test_describe_makes_series_with_units_kinds_and_interval(session: Session, device: Device) -> None:
    described = Describe(
        "compressor",
        "0.3.1",
        [Metric("pressure", "bar", "gauge", 5.0), Metric("mode", "1", "state", 30.0)],
        [SubDevice("P-7", "pump", [Metric("running", "1", "boolean")])],
    )
    for _ in range(2):
        assert say(session, "describe", encode_describe(described)) is None
    rows = session.execute(
        select(Stream.channel, Series.metric, Series.unit, Series.kind)
        .join(Series, Series.stream_id == Stream.id)
        .order_by(Stream.id, Series.slot)
    ).all()
    assert [tuple(row) for row in rows] == [
        ("", "pressure", "bar", "number"),
        ("", "mode", "1", "text"),
        ("P-7", "running", "1", "boolean"),
    ]
    assert device.expected_interval_s == 5.0


@pytest.mark.parametrize("interval_s", [1e300, -5.0, 0.0])
def test_interval_that_cannot_be_is_not_believed_and_stops_no_presence(
    session: Session, device: Device, interval_s: float
) -> None:
    assert (
        say(session, "describe", encode_describe(Describe("m", "1", [Metric("a", interval_seconds=interval_s)])))
        is None
    )
    assert device.expected_interval_s is None
    assert session.scalars(select(Series.expected_interval_s)).all() == [None]
    device.last_seen_at = NOW
    session.flush()
    for seconds in (0, 1):
        update_presence(session, NOW + timedelta(seconds=seconds))
    assert device.presence == "online"


# ---- commands -------------------------------------------------------------------------------------------------------


def test_command_is_sent_once_resent_when_the_device_comes_back_and_ends_with_its_result(
    session: Session, device: Device
) -> None:
    sent: list[tuple[str, dict[str, object]]] = []

    def publish(topic: str, payload: bytes) -> bool:
        sent.append((topic, json.loads(payload)))
        return True

    command = send_command(session, device, "repair", {"part": "bearing"}, 60, NOW)
    assert publish_commands(session, publish, NOW) == 1
    assert publish_commands(session, publish, NOW) == 0
    assert sent[0][0] == f"forewarn/v1/D-1/command/{command.id}"
    assert sent[0][1]["name"] == "repair"
    say(session, "status", encode_status(Status(True, "b", 2, 0)), at=NOW + timedelta(seconds=10))
    assert publish_commands(session, publish, NOW + timedelta(seconds=10)) == 1
    say(session, f"command/{command.id}/result", b'{"outcome": "done", "at": 1}', at=NOW + timedelta(seconds=11))
    session.refresh(command)
    assert command.result is not None
    assert (command.result["outcome"], command.finished_at) == ("done", NOW + timedelta(seconds=11))


def test_command_that_found_no_connection_waits_and_then_expires(session: Session, device: Device) -> None:
    command = send_command(session, device, "repair", {}, 60, NOW)
    assert publish_commands(session, lambda *_: False, NOW) == 0
    assert command.sent_at is None
    publish_commands(session, lambda *_: True, NOW + timedelta(seconds=60))
    assert command.result == {"outcome": "expired", "text": ""}


def test_result_of_another_devices_command_is_refused(session: Session, device: Device) -> None:
    other, _ = register_device(session, "D-2", "", device.organisation_id, NOW)
    command = send_command(session, other, "repair", {}, 60, NOW)
    assert say(session, f"command/{command.id}/result", b'{"outcome": "done"}')
    assert command.finished_at is None


# ---- over the broker ------------------------------------------------------------------------------------------------


def test_status_command_and_clock_work_over_the_broker(database_url: str, broker: TestBroker) -> None:
    device_id = add_device(database_url, "DV-1")
    url = broker.add_device("DV-1", PASSWORD)
    with IngestProcess(database_url, broker.url), Publisher(url, "DV-1") as publisher:
        publisher.wait_for_ingest()
        publisher.send("status", encode_status(Status(True, "boot", 1, now_ms())), retain=True)
        wait_until(lambda: query(database_url, "SELECT online FROM devices") == [(True,)])
        before = now_ms()
        publisher.send("time", b'{"sent_at": 12}')
        wait_until(lambda: any(topic.endswith("time/reply") for topic, _ in publisher.answers))
        reply = json.loads(next(payload for topic, payload in publisher.answers if topic.endswith("time/reply")))
        assert reply["sent_at"] == 12
        assert before <= reply["server_at"] <= now_ms()
        database = Database(database_url)
        with database.as_service() as session:
            device = session.get(Device, device_id)
            assert device is not None
            send_command(session, device, "repair", {"x": 1}, 60, datetime.now(UTC))
        begun = time.monotonic()
        wait_until(lambda: any("/command/" in topic for topic, _ in publisher.answers))
        assert time.monotonic() - begun < 2
        topic = next(topic for topic, _ in publisher.answers if "/command/" in topic)
        publisher.send(topic.partition("DV-1/")[2] + "/result", b'{"outcome": "done", "at": 5, "text": "ok"}')
        wait_until(lambda: query(database_url, "SELECT result->>'outcome' FROM device_commands") == [("done",)])
        with database.as_service() as session:
            assert session.scalar(select(DeviceCommand.finished_at)) is not None
        database.dispose()


def test_ledger_reconciles_stored_late_dropped_quarantined_and_missing(database_url: str, broker: TestBroker) -> None:
    device_id = add_device(database_url, "DV-2")
    url = broker.add_device("DV-2", PASSWORD)
    t = now_ms()
    with IngestProcess(database_url, broker.url), Publisher(url, "DV-2") as publisher:
        publisher.wait_for_ingest()
        good = [{"t": t + i, "values": {"a": i}} for i in range(10)]
        late = [{"t": t - 400_000 + i, "values": {"a": i}} for i in range(5)]
        bad = [{"t": t + 20 + i, "values": {"a": [1]}} for i in range(3)]
        dropped = [{"first": 30, "n": 10, "from": t, "to": t, "reason": "spool full"}]
        for seq, (first, samples, more) in enumerate(
            [(0, good, {}), (10, late, {}), (15, bad, {}), (45, good[:5], {"dropped": dropped})]
        ):
            payload = batch("b", seq, [{**each, "t": each["t"] + seq * 100} for each in samples], first, **more)
            publisher.send_batch("b", seq, payload)
            publisher.send_batch("b", seq, payload)
        publisher.send_until_acknowledged()
    database = Database(database_url)
    with database.as_service() as session:
        (ledger,) = [row for row in device_ledger(session, device_id) if row.boot == "b"]
        assert (ledger.expected, ledger.stored, ledger.late) == (50, 20, 5)
        assert (ledger.dropped, ledger.quarantined, ledger.missing) == (10, 3, 17)
        assert ledger.expected == ledger.stored + ledger.dropped + ledger.quarantined + ledger.missing
        assert [tuple(gap) for gap in ledger.gaps] == [(18, 12), (40, 5)]
        assert missing_samples(session, [device_id]) == {device_id: (17, 3)}
    database.dispose()
