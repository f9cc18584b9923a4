"""Send a recorded fleet through wire format, database and scorer as a replay does, and ask what it led to."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
from sqlalchemy import select

from assets.base.db import Database
from assets.people import add_organisation
from assets.registry import Asset
from edge_agent import wire
from edge_agent.config import Config
from edge_agent.recording import Recording
from edge_agent.replay import CHUNK, Clock, Replay
from gateway.demo import fleet_serial, load_fleet
from ingest.control import handle_control
from ingest.messages import Message
from ingest.writer import Writer, prepare
from maintenance.episodes import decide_pending
from ml.evaluation import evaluate
from ml.recorded_fleet import read_telemetry
from ml.worker import Scorer
from ticketing.models import WorkOrder

SPEED = 100_000.0
Orders = list[tuple[str, str, float]]  # asset, kind, recorded epoch seconds


def evaluated(folder: Path, out: Path) -> Orders:
    """The orders of the evaluation."""
    evaluate(folder, out)
    found = []
    for name, kind in (("work_orders", "machine"), ("sensor_orders", "sensor")):
        with (out / f"{name}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                found.append((row["asset"], kind, datetime.fromisoformat(row["opened_at"]).timestamp()))
    return sorted(found)


def replayed(url: str, folder: Path, spool: Path, batches_per_round: int = 7) -> Orders:
    """The orders of a replay through the service's own code, at the recorded times of what they were opened on."""
    serial = fleet_serial(folder)
    replay = Replay(Config(serial, "replay", "mqtt://127.0.0.1:1", serial, "p", spool), [folder], SPEED)
    database, begin = Database(url), time.time() - 60.0
    try:
        with database.as_service() as session:
            operator = add_organisation(session, kind="operator", name="Operator", now=_now())
            load_fleet(session, operator, folder, _now())
            described = wire.encode_describe(replay.describe())
            assert handle_control(session, _message(serial, "describe", described)) is None
        scorer, writer, sent_at = Scorer(database), Writer(), {}
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET ROLE forewarn_service")
            for recording in replay.recordings:
                clock = Clock.beginning(begin, recording.length_s, SPEED)
                sent_at[recording.asset] = np.array([t / 1000 for t in _put_in(replay, recording, clock)])
                for number, payload in enumerate(_batches(replay)):
                    writer.write(connection, [prepare(_message(serial, "telemetry", payload))])
                    if number % batches_per_round == 0:
                        scorer.run(_now())
                scorer.run(_now())
        with database.as_service() as session:
            decide_pending(session, _now())
            opened = session.execute(
                select(Asset.serial, WorkOrder.kind, WorkOrder.opened_at)
                .join(Asset, Asset.id == WorkOrder.asset_id)
                .where(WorkOrder.replayed)
            ).all()
    finally:
        database.dispose()
        replay.spool.close()
    return sorted((asset, kind, _recorded(folder, asset, sent_at[asset], at.timestamp())) for asset, kind, at in opened)


def _now() -> datetime:
    return datetime.now(UTC)


def _message(serial: str, leaf: str, payload: bytes) -> Message:
    return Message(f"forewarn/v1/{serial}/{leaf}", payload, time.time_ns() // 1000)


def _put_in(replay: Replay, recording: Recording, clock: Clock) -> list[int]:
    samples: list[wire.Sample] = []
    events: list[wire.DeviceEvent] = []
    sent: list[int] = []
    for moment in recording.moments():
        replay._add(recording, clock, moment, samples, events)
        if len(samples) >= CHUNK:
            sent += _store(replay, samples, events)
            samples, events = [], []
    return sent + _store(replay, samples, events)


def _store(replay: Replay, samples: list[wire.Sample], events: list[wire.DeviceEvent]) -> list[int]:
    replay.spool.append((), events, lane="replay")
    replay.spool.append(samples, (), lane="replay")
    return [sample.t for sample in samples]


def _batches(replay: Replay) -> Iterator[bytes]:
    while made := replay.spool.form(background=True):
        for batch in made:
            yield replay.spool.encode(batch, time.time_ns() // 1_000_000)
            replay.spool.acknowledge([batch.key])


def _recorded(folder: Path, asset: str, sent_at: np.ndarray, at: float) -> float:
    """The recorded time of the row that was sent with the time `at`."""
    t, _metrics, frame = read_telemetry(folder / "telemetry" / f"{asset}.csv.gz")
    told = t[frame.notna().any(axis=1).to_numpy()]
    assert len(told) == len(sent_at)
    return float(told[min(np.searchsorted(sent_at, at - 0.0005), len(told) - 1)])
