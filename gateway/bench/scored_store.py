"""Rows in the store to findings: the service's own scorer, in this process, beside the same rows in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.instrumentation import bind
from assets.people import add_organisation
from assets.registry import Asset, AssetModel, add_asset
from gateway.bench.machines import LEVEL, LIMITS, LIVE_STEP_S, METRICS, SPREAD, History, readings
from gateway.bench.servers import Servers
from ingest.devices import register_device
from ingest.store.schema import ensure_partitions
from ml.detectors.protocol import Floats
from ml.models import ScoringState
from ml.worker import Scorer

BATCH_SAMPLES = 50  # of a message of our agent
WARM_UP = 1  # batches of each asset before the clock starts: each asset's state is read once in a worker's life
FAULTY = 0.02  # share of the assets with a fault in their last readings

_STREAM = "INSERT INTO streams (organisation_id, device_id, channel) VALUES (:owner, :device, '') RETURNING id"
_SERIES = (
    "INSERT INTO series (organisation_id, stream_id, slot, metric, kind, states)"
    " VALUES (:owner, :stream, :slot, :metric, 'number', '{}')"
)
_BATCHES = """
INSERT INTO ingest_batches (organisation_id, device_id, boot, seq, lane, first, n, received_at, t_min, t_max, stored,
                            repeated, conflicting, quarantined, stream_ids)
SELECT :owner, d.device_id, 'bench', b.seq, 'live', 0, :samples, :now,
       to_timestamp(:start + b.seq * :span), to_timestamp(:start + b.seq * :span + :last), :samples,
       0, 0, 0, ARRAY[d.id]
FROM generate_series(:first, :until - 1) AS b(seq) CROSS JOIN streams d ORDER BY b.seq, d.id
"""


def measure(servers: Servers, known: Sequence[History], assets: int, rows: int) -> dict[str, Any]:
    """Return rows a second from the store to saved findings, and how much of it the database took."""
    batches = max(1, round(rows / assets / BATCH_SAMPLES)) + WARM_UP
    database = Database(servers.database_url, pool_size=2)
    try:
        fleet = _Fleet(database, known, assets, batches)
        scorer = Scorer(database)
        fleet.hand_over(0, WARM_UP)
        scorer.run(fleet.now)
        fleet.hand_over(WARM_UP, batches)
        database_s = servers.database_cpu_s() or 0.0
        clock, cpu = time.perf_counter(), time.process_time()
        scorer.run(fleet.now)
        wall_s, cpu_s = time.perf_counter() - clock, time.process_time() - cpu
        database_s = (servers.database_cpu_s() or 0.0) - database_s
        scored = (batches - WARM_UP) * BATCH_SAMPLES * assets
        (found,) = servers.query("SELECT count(DISTINCT asset_id) FROM findings WHERE kind = 'machine'")[0]
        return {
            "stored_assets": assets,
            "stored_rows": scored,
            "store_to_findings_rows_per_s": round(scored / wall_s),
            "store_to_findings_rows_per_cpu_s": round(scored / cpu_s),
            "store_to_findings_database_cpu_s_per_million": round(database_s / scored * 1e6, 2),
            "faulty_assets": fleet.faulty,
            "faulty_assets_found": int(found),
            "store": servers.edition,
        }
    finally:
        database.dispose()


class _Fleet:
    """Settled assets with readings in the store, of which the scorer is told part by part."""

    def __init__(self, database: Database, known: Sequence[History], assets: int, batches: int) -> None:
        self.database = database
        self.start = known[0].until + LIVE_STEP_S
        self.now = datetime.fromtimestamp(self.start + batches * BATCH_SAMPLES * LIVE_STEP_S, UTC)
        self.faulty = max(1, round(FAULTY * assets))
        for month in range(3):
            with database.as_owner() as session:
                ensure_partitions(session, self.now - timedelta(days=28 * month))
        with database.as_service() as session:
            self.owner = add_organisation(session, kind="operator", name="Benchmark", now=self.now).id
            model = AssetModel(
                organisation_id=self.owner,
                code="bench",
                name_en="bench",
                name_zh="bench",
                metrics=_limits(),
                detectors=[],
            )
            session.add(model)
            session.flush()
            streams = [self._add(session, model.id, number, known) for number in range(assets)]
            self._fill(session, streams, batches)
        with database.as_owner() as session:
            session.execute(text("ANALYZE samples"))

    def _add(self, session: Session, model_id: UUID, number: int, known: Sequence[History]) -> int:
        serial, history = f"B{number:05d}", known[number % len(known)]
        asset = Asset(
            organisation_id=self.owner, serial=serial, name=serial, asset_model_id=model_id, created_at=self.now
        )
        add_asset(session, asset, self.now)
        device, _ = register_device(session, serial, "bench", self.owner, self.now)
        bind(session, organisation_id=self.owner, device_id=device.id, channel="", asset_id=asset.id, at=None)
        values: dict[str, Any] = {"owner": self.owner, "device": device.id}
        values["stream"] = session.scalar(text(_STREAM), values)
        session.execute(
            text(_SERIES), [{**values, "slot": slot, "metric": name} for slot, name in enumerate(METRICS, 1)]
        )
        session.add(
            ScoringState(
                asset_id=asset.id, organisation_id=self.owner, model_id="bench", state=history.state,
                watermark=datetime.fromtimestamp(history.until, UTC), learning={}, updated_at=self.now,
            )
        )  # fmt: skip
        return int(values["stream"])

    def _fill(self, session: Session, streams: Sequence[int], batches: int) -> None:
        """Every asset's rows by COPY; those of the faulty ones end with a hot motor."""
        n, motor = batches * BATCH_SAMPLES, METRICS.index("motor_celsius")
        t: Floats = self.start + LIVE_STEP_S * np.arange(float(n))
        stamps = [datetime.fromtimestamp(each, UTC).isoformat() for each in t]
        driver: Any = session.connection().connection.driver_connection
        with (
            driver.cursor() as cursor,
            cursor.copy(
                "COPY samples (stream_id, measured_at, received_at, batch_id, flags, values) FROM STDIN"
            ) as copy,
        ):
            for number, stream in enumerate(streams):
                x = readings(t, 1000 + number)
                if number < self.faulty:
                    x[-20:, motor] = LEVEL[motor] + 60 * SPREAD[motor]
                for stamp, row in zip(stamps, x.round(4).tolist(), strict=True):
                    values = ",".join(map(str, row))
                    copy.write(f"{stream}\t{stamp}\t{stamp}\t1\t0\t{{{values}}}\n")

    def hand_over(self, first: int, until: int) -> None:
        """Tell the scorer of these batches of every asset, as ingest does."""
        span = BATCH_SAMPLES * LIVE_STEP_S
        values = {
            "owner": self.owner, "samples": BATCH_SAMPLES, "now": self.now, "start": self.start, "span": span,
            "last": span - LIVE_STEP_S, "first": first, "until": until,
        }  # fmt: skip
        with self.database.as_service() as session:
            session.execute(text(_BATCHES), values)


def _limits() -> dict[str, Any]:
    """The machines' limits as an asset model holds them."""
    return {
        metric: {name: getattr(of, name) for name in ("low_low", "low", "high", "high_high")} | {"rate_per_s": of.rate}
        for metric, of in LIMITS.items()
    }
