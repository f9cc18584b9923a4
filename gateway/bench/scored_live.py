"""From a reading at the broker to a work order: the real roles ingest and worker, a fleet that reads once a second."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from assets.base.db import Database
from assets.instrumentation import bind
from assets.people import add_organisation
from assets.registry import Asset, AssetModel, add_asset
from gateway.bench.publishing import Connection
from gateway.bench.servers import IngestProcesses, Servers
from ingest import mqtt5
from ingest.devices import register_device

HOT, HEALTHY, LIMIT = 120.0, 60.0, 105.0  # degrees of a motor
APART_S = 1.0  # between one machine's fault and the next one's
WARM_UP_S, READY_S, LATEST_S = 3.0, 90.0, 60.0
LOOK_S = 0.02  # how often it is looked for new work orders: no figure is finer than this

_ORDERS = "SELECT a.serial FROM work_orders w JOIN assets a ON a.id = w.asset_id WHERE a.serial LIKE 'L%%'"


def measure(servers: Servers, orders: int) -> dict[str, Any]:
    """Return how long it took from the reading that completes the evidence (2 of 3 above the limit) to the order."""
    serials = [f"L{number:04d}" for number in range(orders)]
    _add(servers, serials)
    ingest = IngestProcesses(servers)
    ingest.start()
    try:
        with _worker(servers):
            taken = _run(servers, serials)
    finally:
        ingest.stop()
    late = np.array(sorted(taken.values())) if taken else np.array([np.nan])
    return {
        "work_orders": len(taken),
        "work_orders_expected": orders,
        "readings_per_s_meanwhile": orders,
        "p50_reading_to_work_order_s": round(float(np.quantile(late, 0.5)), 2),
        "p99_reading_to_work_order_s": round(float(np.quantile(late, 0.99)), 2),
        "worst_reading_to_work_order_s": round(float(late[-1]), 2),
    }


def _add(servers: Servers, serials: list[str]) -> None:
    now = datetime.now(UTC)
    database = Database(servers.database_url, pool_size=1)
    try:
        with database.as_service() as session:
            owner = add_organisation(session, kind="operator", name="Benchmark", now=now).id
            limits = {"motor_celsius": {"high_high": LIMIT}}
            model = AssetModel(organisation_id=owner, code="live", name_en="live", name_zh="live", metrics=limits)
            session.add(model)
            session.flush()
            for serial in serials:
                asset = Asset(
                    organisation_id=owner, serial=serial, name=serial, asset_model_id=model.id, created_at=now
                )
                add_asset(session, asset, now)
                device, _ = register_device(session, serial, "bench", owner, now)
                bind(session, organisation_id=owner, device_id=device.id, channel="", asset_id=asset.id, at=None)
    finally:
        database.dispose()


@contextmanager
def _worker(servers: Servers) -> Iterator[None]:
    """The role `worker` in a process of its own."""
    environment = {
        **os.environ,
        "FOREWARN_DATABASE_URL": servers.database_url,
        "FOREWARN_BROKER_URL": servers.broker_url,
    }
    with (servers.folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.main", "worker"], env=environment, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Machine:
    """One device that tells its motor's temperature once a second."""

    def __init__(self, serial: str, at: float) -> None:
        self.serial, self.next_at = serial, at
        self.hot_from = np.inf
        self.hot: list[float] = []  # when its first hot readings were made
        self._seq = 0

    def packet(self, now: float, number: int) -> bytes:
        """Return the message with what it reads now."""
        self.next_at += 1.0
        is_hot = now >= self.hot_from
        if is_hot and len(self.hot) < 2:
            self.hot.append(now)
        t = round(now * 1000)
        sample = {"t": t, "m": t - 1_700_000_000_000, "values": {"motor_celsius": HOT if is_hot else HEALTHY}}
        body = {
            "boot": "live", "seq": self._seq, "first": self._seq, "n": 1, "sent_at": t, "offset_ms": 1, "lane": "live",
            "samples": [sample],
        }  # fmt: skip
        self._seq += 1
        return mqtt5.publish(f"forewarn/v1/{self.serial}/telemetry", orjson.dumps(body), number % 65_535 + 1)


def _run(servers: Servers, serials: list[str]) -> dict[str, float]:
    """Publish, let one machine after another get hot, and note when its work order is there; seconds by serial."""
    connection = Connection(servers.broker_url, "forewarn-bench-live")
    begun = time.time()
    machines = {serial: _Machine(serial, begun + number / len(serials)) for number, serial in enumerate(serials)}
    taken: dict[str, float] = {}
    sent, next_look, ready = 0, 0.0, False
    until = begun + READY_S
    while time.time() < until and len(taken) < len(machines):
        now = time.time()
        due = [machine for machine in machines.values() if machine.next_at <= now]
        connection.send([machine.packet(now, sent + place) for place, machine in enumerate(due)])
        sent += len(due)
        connection.receive(LOOK_S / 2)
        if now < next_look:
            continue
        next_look = now + (LOOK_S if ready else 0.5)
        if not ready and servers.query("SELECT FROM scoring_states"):
            ready, until = True, now + WARM_UP_S + APART_S * len(machines) + LATEST_S
            for number, machine in enumerate(machines.values()):
                machine.hot_from = now + WARM_UP_S + APART_S * number
        for (serial,) in servers.query(_ORDERS) if ready else ():
            machine = machines[serial]
            if serial not in taken and len(machine.hot) == 2:
                taken[serial] = time.time() - machine.hot[1]
    connection.close()
    return taken
