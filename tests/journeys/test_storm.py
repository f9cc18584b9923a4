"""The alarm storm: whatever one asset or a whole gateway does, people get one thing to do for one trouble."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from assets.base.access import Role
from assets.base.consumers import Consumer, run_consumer
from assets.base.db import Database
from assets.failure_modes import FailureMode
from assets.instrumentation import bind
from assets.people import Person, add_person
from assets.registry import Asset, AssetModel, add_asset
from edge_agent.wire import Status, encode_status
from ingest.adoption import adopt_channels
from ingest.control import handle_control
from ingest.messages import Message
from ingest.roll_call import update_presence
from ingest.writer import Writer, prepare
from maintenance.alarm_models import MaintenanceWindow
from maintenance.episodes import decide_pending
from maintenance.models import Episode, EpisodeFinding, Finding, WorkLink
from maintenance.outcomes import KINDS, close_episode
from ml.counted import count_readings
from ml.late import amend_history
from ml.presence import watch_devices
from ml.worker import Scorer
from tests.conftest import TestBroker
from tests.ingest.support import PASSWORD, IngestProcess, Publisher, add_device, batch, wait_until
from ticketing import field
from ticketing.models import WorkOrder

HOT, COOL, LIMIT = 95.0, 50.0, 80.0
STEP_MS = 250
FLAPS, ABOVE, BELOW = 50, 200, 88  # 10,000 readings above the limit in an hour
BATCH = 200
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)
OUTCOMES = Consumer("maintenance.outcomes", KINDS, close_episode)


class Plant:
    """A machine behind a real broker and ingest, and the worker's jobs at moments of the test's choosing."""

    def __init__(self, url: str) -> None:
        device_id = add_device(url, "M-1")
        self.database = Database(url)
        self.scorer = Scorer(self.database)
        self.now = BEGIN
        with self.database.as_service() as session:
            owner = session.connection().exec_driver_sql("SELECT organisation_id FROM devices").scalar_one()
            limits = {"temperature_celsius": {"high": LIMIT}, "vibration_mm_s": {"high": 7.1}}
            model = AssetModel(organisation_id=owner, code="M", name_en="Machine", name_zh="机器", metrics=limits)
            session.add(model)
            session.flush()
            asset = Asset(
                organisation_id=owner, serial="A-1", name="Machine", asset_model_id=model.id, created_at=BEGIN
            )
            add_asset(session, asset, BEGIN)
            bind(session, organisation_id=owner, device_id=device_id, channel="", asset_id=asset.id, at=None)
            for code, metric in (("overheating", "temperature_celsius"), ("bearing_wear", "vibration_mm_s")):
                names = {"name_en": code, "name_zh": code}
                match = [{"metric": metric}]
                session.add(
                    FailureMode(organisation_id=owner, asset_model_id=model.id, code=code, matches=match, **names)
                )
            self.owner, self.asset_id = owner, asset.id
            self.ann = add_person(session, organisation_id=owner, name="Ann", roles=[Role.TECHNICIAN], now=BEGIN).id

    def work(self, until: datetime) -> None:
        """What the worker does, as if it were then."""
        self.now = max(self.now, until)
        wait_until(self._has_scored_all, 60)
        amend_history(self.database, self.now)
        with self.database.as_service() as session:
            while decide_pending(session, self.now):
                pass

    def _has_closed_all(self) -> bool:
        run_consumer(self.database, OUTCOMES, self.now)
        return all(episode.closed_at is not None for episode in self.episodes())

    def _has_scored_all(self) -> bool:
        """A transaction that still runs anywhere keeps the youngest batches from being read."""
        self.scorer.run(self.now)
        left = "SELECT count(*) FROM ingest_batches WHERE (xid, id) > (SELECT xid, batch_id FROM scoring_cursors)"
        with self.database.as_service() as session:
            return not session.connection().exec_driver_sql(left).scalar_one()

    def episodes(self) -> list[Episode]:
        with self.database.as_service() as session:
            return list(session.scalars(select(Episode).order_by(Episode.id)))

    def orders(self) -> list[WorkOrder]:
        with self.database.as_service() as session:
            return list(session.scalars(select(WorkOrder).order_by(WorkOrder.id)))

    def finish_order(self) -> None:
        with self.database.as_service() as session:
            order = session.scalars(select(WorkOrder).order_by(WorkOrder.id.desc()).limit(1)).one()
            person = session.get_one(Person, self.ann)
            field.start(session, order, person, self.now)
            field.finish(session, order, person, self.now, outcome="confirmed")
        wait_until(self._has_closed_all, 60)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    made = Plant(database_url)
    yield made
    made.database.dispose()


@pytest.fixture
def own_broker(own_folder: Path) -> Iterator[TestBroker]:
    """A broker that the test may stop."""
    broker = TestBroker(own_folder / "storm-broker")
    broker.start()
    yield broker
    broker.stop()


def flapping() -> list[dict[str, Any]]:
    """An hour across the limit and back, in order."""
    samples = []
    for number in range(FLAPS * (ABOVE + BELOW)):
        hot = number % (ABOVE + BELOW) < ABOVE
        at = int(BEGIN.timestamp() * 1000) + number * STEP_MS
        samples.append({"t": at, "values": {"temperature_celsius": (HOT if hot else COOL) + number % 7 / 10}})
    return samples


def steady(begin: datetime, seconds: int, **values: float) -> list[dict[str, Any]]:
    start = int(begin.timestamp() * 1000)
    return [{"t": start + 1000 * second, "values": values} for second in range(seconds)]


def send_storm(plant: Plant, broker: TestBroker, publisher: Publisher) -> None:
    """The hour in batches: shuffled, half of them twice, a fifth again under another number, the broker restarted."""
    dice = random.Random(18)
    samples = flapping()
    batches = [samples[at : at + BATCH] for at in range(0, len(samples), BATCH)]
    numbered = list(enumerate(batches))
    for window in range(0, len(numbered), 6):
        part = numbered[window : window + 6]
        dice.shuffle(part)
        for seq, chunk in part:
            mixed = dice.sample(chunk, len(chunk))
            publisher.send_batch("storm", seq, batch("storm", seq, mixed, first=seq * BATCH))
            if dice.random() < 0.5:
                publisher.send("telemetry", batch("storm", seq, mixed, first=seq * BATCH))
            if dice.random() < 0.2:
                publisher.send_batch("again", seq, batch("again", seq, chunk))
            if dice.random() < 0.1:  # the worker looks in the middle of it
                publisher.send_until_acknowledged()
                plant.work(_end_of(chunk) + timedelta(seconds=1))
        if window == len(numbered) // 12 * 6:
            broker.stop()
            broker.start()
    publisher.send_until_acknowledged(120)


def _end_of(chunk: list[dict[str, Any]]) -> datetime:
    return datetime.fromtimestamp(chunk[-1]["t"] / 1000, UTC)


def test_a_storm_from_one_asset_is_one_episode_and_one_work_order(
    plant: Plant, own_broker: TestBroker, database_url: str
) -> None:
    url = own_broker.add_device("M-1", PASSWORD)
    last_hot = _end_of(flapping()[:-BELOW])
    with IngestProcess(database_url, own_broker.url), Publisher(url, "M-1") as publisher:
        publisher.wait_for_ingest()
        send_storm(plant, own_broker, publisher)
        end = BEGIN + timedelta(hours=1)
        for seconds in (1, 31, 62):
            plant.work(end + timedelta(seconds=seconds))
        _one_episode_and_order(plant, last_hot)

        def tell(boot: str, samples: list[dict[str, Any]]) -> datetime:
            publisher.send_batch(boot, 1, batch(boot, 1, samples))
            publisher.send_until_acknowledged()
            return _end_of(samples) + timedelta(seconds=1)

        # A second failure mode is attached to the order that there is.
        plant.work(tell("second", steady(end + timedelta(minutes=2), 30, vibration_mm_s=9.0)))
        hot, worn = plant.episodes()
        (order,) = plant.orders()
        assert (hot.key, worn.key) == ("machine:overheating", "machine:bearing_wear")
        assert [mode["code"] for mode in (order.noticed or {})["failure_modes"]] == ["overheating", "bearing_wear"]
        assert (order.noticed or {})["evidence_count"] == hot.count + worn.count

        # Within the cool-down a recurrence reopens the episode; its order says of which one it is the recurrence.
        plant.work(tell("calm", steady(end + timedelta(minutes=3), 30, vibration_mm_s=2.0)))
        plant.finish_order()
        assert {episode.outcome for episode in plant.episodes()} == {"confirmed"}
        again = end + timedelta(minutes=20)
        plant.work(tell("recurrence", steady(again, 30, temperature_celsius=HOT)))
        hot, worn = plant.episodes()
        assert (hot.state, hot.recurrence_no, worn.state) == ("open", 1, "closed")
        first, second = plant.orders()
        assert (second.noticed or {})["recurrence_of"] == first.number
        assert hot.last_seen_at == again + timedelta(seconds=29)

        # Nothing new opens while the asset is in maintenance.
        plant.work(tell("cool", steady(again + timedelta(minutes=1), 200, temperature_celsius=COOL)))
        plant.finish_order()
        window = MaintenanceWindow(
            organisation_id=plant.owner,
            name="Overhaul",
            asset_id=plant.asset_id,
            starts_at=again + timedelta(minutes=10),
            ends_at=again + timedelta(minutes=40),
            time_zone="UTC",
        )
        with plant.database.as_service() as session:
            session.add(window)
        plant.work(tell("maintenance", steady(again + timedelta(minutes=20), 60, temperature_celsius=HOT)))
        plant.work(tell("stopped", steady(again + timedelta(minutes=22), 60, temperature_celsius=COOL)))
        plant.work(again + timedelta(minutes=50))
        assert [episode.state for episode in plant.episodes()] == ["closed", "closed"]
        assert len(plant.orders()) == 2


def _one_episode_and_order(plant: Plant, last_hot: datetime) -> None:
    (episode,) = plant.episodes()
    (order,) = plant.orders()
    with plant.database.as_service() as session:
        while count_readings(session, plant.now + timedelta(minutes=5)):
            pass
        episode = session.get_one(Episode, episode.id)
        findings = session.scalars(select(Finding).where(Finding.asset_id == plant.asset_id)).all()
        linked = session.scalars(select(EpisodeFinding.finding_id)).all()
        assert session.scalars(select(WorkLink.work_order_id)).all() == [order.id]
    assert episode.readings == FLAPS * ABOVE, "each reading above the limit counts once"
    assert episode.count == len(linked) == len(findings)
    assert episode.last_seen_at == last_hot
    assert min(finding.first_at for finding in findings) == BEGIN
    assert (episode.state, episode.recurrence_no) == ("cleared", 0)
    assert (order.state, (order.noticed or {})["evidence_count"]) == ("unscheduled", episode.count)


def test_the_loss_of_a_gateway_with_200_assets_is_one_alarm(database_url: str) -> None:
    add_device(database_url, "G-1")
    database, scorer, writer = Database(database_url), Scorer(Database(database_url)), Writer()
    names = [f"P-{number}" for number in range(200)]
    now = datetime.now(UTC) - timedelta(hours=1)

    def say(at: datetime, seq: int) -> None:
        t = int(at.timestamp() * 1000)
        body = {"boot": "b", "seq": seq, "n": len(names), "samples": [
            {"t": t, "asset": name, "values": {"pressure_bar": 3.0}} for name in names
        ]}  # fmt: skip
        message = Message("forewarn/v1/G-1/telemetry", json.dumps(body).encode(), int(at.timestamp() * 1e6))
        writer.write(connection, [prepare(message)])
        with database.as_service() as session:
            for device_id, channels in writer.take_unbound().items():
                adopt_channels(session, device_id, channels, at)

    def status(at: datetime, online: bool, session_no: int) -> None:
        with database.as_service() as session:
            payload = encode_status(Status(online, "b", session_no, 0))
            assert (
                handle_control(session, Message("forewarn/v1/G-1/status", payload, int(at.timestamp() * 1e6))) is None
            )

    def work(at: datetime) -> None:
        with database.as_service() as session:
            update_presence(session, at)
        with database.as_service() as session:
            watch_devices(session, at, at - timedelta(days=1))
        with database.as_service() as session:
            while decide_pending(session, at):
                pass

    def counted(sql: str) -> int:
        row = connection.execute(sql).fetchone()
        assert row is not None
        return int(row[0])

    try:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("SET ROLE forewarn_service")
            status(now, True, 1)
            for seq in range(3):
                say(now + timedelta(seconds=10 * seq), seq)
            work(now + timedelta(seconds=25))
            assert counted("SELECT count(*) FROM assets") >= 200
            status(now + timedelta(minutes=1), False, 1)  # its last will
            for minutes in (2, 7, 15, 29):
                work(now + timedelta(minutes=minutes))
            assert counted("SELECT count(*) FROM episodes") == counted("SELECT count(*) FROM work_orders") == 1
            back = now + timedelta(minutes=30)
            status(back, True, 2)
            for seq in range(3, 5):
                say(back + timedelta(seconds=10 * seq), seq)
            scorer.run(back + timedelta(seconds=50))  # the gap in the readings of all 200 is no news either
            work(back + timedelta(seconds=55))
            assert counted("SELECT count(*) FROM episodes") == counted("SELECT count(*) FROM work_orders") == 1
            assert counted("SELECT count(*) FROM findings WHERE cleared_at IS NULL") == 0
    finally:
        database.dispose()
        scorer.database.dispose()
