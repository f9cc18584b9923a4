"""A year of readings made by the database itself, its rollups, and how fast ranges of it are read."""

from __future__ import annotations

import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.instrumentation import bind
from assets.people import add_organisation
from assets.registry import Asset, add_asset
from gateway.bench.servers import Servers
from ingest.devices import register_device
from ingest.rollups import mark_span, run_rollups
from ingest.store.schema import ensure_partitions
from ingest.store.stretch import read_stretch

METRICS = 10
DAYS = 365
MOST_PER_STREAM = 30_000_000  # values a year of one stream: a row every ten seconds
POINTS = (300, 1000)
RAW_SCANS = 3
SEED = 20

_FILL = """
INSERT INTO samples (stream_id, measured_at, received_at, batch_id, flags, quality, values)
SELECT :stream, t, t, 1, 0, NULL, ARRAY[{values}]
FROM (SELECT :since + i * make_interval(secs => :step) AS t, i FROM generate_series(0, :rows - 1) AS i) AS made
"""
_RAW = """
SELECT date_bin(make_interval(secs => :bucket), measured_at, 'epoch'), min(values[:slot]), max(values[:slot]),
       avg(values[:slot]), count(values[:slot])
FROM samples WHERE stream_id = :stream AND measured_at >= :since AND measured_at < :until GROUP BY 1 ORDER BY 1
"""

# A table without partitions is no tree.
_SIZE = """
SELECT greatest(pg_total_relation_size(CAST(:name AS regclass)),
                (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(CAST(:name AS regclass))))
"""


class Plant:
    """A number of assets with a year of readings each, read as one of its people."""

    def __init__(self, database: Database, until: datetime) -> None:
        self.database = database
        self.until = until
        self.since = until - timedelta(days=DAYS)
        self.assets: list[tuple[UUID, int]] = []
        with database.as_service() as session:
            self.owner = add_organisation(session, kind="operator", name="Benchmark", now=until).id
        self.actor = Actor("person", self.owner, frozenset({Role.ADMINISTRATOR}))
        for month in range(DAYS // 28 + 1):
            with database.as_owner() as session:
                ensure_partitions(session, self.since + timedelta(days=28 * month))

    def add(self, rows: int) -> None:
        """Add an asset with so many rows of METRICS values, evenly over the year, and make their rollups due."""
        number = len(self.assets)
        with self.database.as_service() as session:
            asset = Asset(organisation_id=self.owner, serial=f"B{number}", name=f"B{number}", created_at=self.until)
            add_asset(session, asset, self.until)
            device, _ = register_device(session, f"B{number}", "bench", self.owner, self.until)
            bind(
                session,
                organisation_id=self.owner,
                device_id=device.id,
                channel="",
                asset_id=asset.id,
                at=None,
            )
            stream = _add_stream(session, self.owner, device.id)
            values = ", ".join(f"50 + 40 * sin(i * {0.001 * (k + 1)}) + random()" for k in range(METRICS))
            step_s = DAYS * 86400 / rows
            made = {"stream": stream, "since": self.since, "step": step_s, "rows": rows}
            session.execute(text(_FILL.format(values=values)), made)
            mark_span(session, [stream], self.since, self.until - timedelta(microseconds=1))
        self.assets.append((asset.id, stream))

    def roll_up(self) -> float:
        """Compute what is due; return how many seconds it took."""
        begun = time.perf_counter()
        while not run_rollups(self.database, self.until + timedelta(days=2), budget_s=60).finished:
            pass
        with self.database.as_owner() as session:
            session.execute(text("ANALYZE samples, rollups_1m, rollups_15m, rollups_1h, rollups_1d"))
        return time.perf_counter() - begun

    def read(self, chance: random.Random) -> float:
        """Read about a year of any metric of any asset as a page would; return the milliseconds it took."""
        asset_id, _ = chance.choice(self.assets)
        metric, points = f"metric_{chance.randrange(METRICS)}", chance.choice(POINTS)
        # Not on the border of any bucket, so that both ends come from finer levels.
        since = self.since + timedelta(seconds=chance.uniform(0, 5 * 86400))
        begun = time.perf_counter()
        with self.database.as_actor(self.actor) as session:
            found = read_stretch(session, asset_id, metric, since, self.until, points)
        took_ms = (time.perf_counter() - begun) * 1000
        if found is None or not points / 3 < len(found.points) <= points:
            raise AssertionError("the answer is not a year")
        return took_ms

    def scan(self, chance: random.Random) -> float:
        """The same answer from the rows themselves."""
        _, stream = chance.choice(self.assets)
        values = {"stream": stream, "slot": chance.randint(1, METRICS), "bucket": DAYS * 86400 / POINTS[0]}
        begun = time.perf_counter()
        with self.database.as_service() as session:
            session.execute(text(_RAW), values | {"since": self.since, "until": self.until}).all()
        return (time.perf_counter() - begun) * 1000


def measure(servers: Servers, rows: int, queries: int) -> dict[str, Any]:
    """Fill half of the table and measure, fill the other half and measure again; `rows` counts values."""
    database = Database(servers.database_url, pool_size=1)
    try:
        until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        plant = Plant(database, until)
        half = max(1, -(-rows // (2 * MOST_PER_STREAM)))
        each = rows // (2 * half * METRICS)
        figures: dict[str, Any] = {"rows": each * METRICS * 2 * half, "store": servers.edition}
        seconds, rolled_s, rolled_cpu_s = 0.0, 0.0, 0.0
        for prefix in ("half_", ""):
            begun = time.perf_counter()
            for _ in range(half):
                plant.add(each)
            seconds += time.perf_counter() - begun
            before = _cpu_s(servers)
            rolled_s += plant.roll_up()
            rolled_cpu_s += _cpu_s(servers) - before
            figures |= _quantiles(plant, queries, prefix)
        chance = random.Random(SEED)
        figures["raw_scan_p50_ms"] = round(statistics.median(plant.scan(chance) for _ in range(RAW_SCANS)), 1)
        figures["fill_s"], figures["rollups_s"] = round(seconds, 1), round(rolled_s, 1)
        figures["rollups_cpu_s_per_million"] = round(rolled_cpu_s / (figures["rows"] / 1e6), 3)
        return figures | _sizes(database, figures["rows"])
    finally:
        database.dispose()


def _quantiles(plant: Plant, queries: int, prefix: str) -> dict[str, float]:
    chance = random.Random(SEED)
    for _ in range(5):
        plant.read(chance)
    took = sorted(plant.read(chance) for _ in range(queries))
    return {
        f"{prefix}p50_ms": round(statistics.median(took), 1),
        f"{prefix}p99_ms": round(took[min(len(took) - 1, int(len(took) * 0.99))], 1),
    }


def _sizes(database: Database, values: int) -> dict[str, float]:
    """Bytes on disk, indexes included, per value of the readings."""
    found = {}
    with database.as_owner() as session:
        for table in ("samples", "rollups_1m", "rollups_15m", "rollups_1h", "rollups_1d"):
            size = session.scalar(text(_SIZE), {"name": table})
            found[f"{table}_bytes_per_value"] = round(float(size or 0) / values, 2)
    return found


def _cpu_s(servers: Servers) -> float:
    return time.process_time() + (servers.database_cpu_s() or 0.0)


def _add_stream(session: Session, owner: UUID, device_id: UUID) -> int:
    values = {"owner": owner, "device": device_id}
    insert = "INSERT INTO streams (organisation_id, device_id, channel) VALUES (:owner, :device, '') RETURNING id"
    stream = int(session.scalars(text(insert), values).one())
    session.execute(
        text(
            "INSERT INTO series (organisation_id, stream_id, slot, metric, unit, kind, states)"
            " SELECT :owner, :stream, slot, 'metric_' || (slot - 1), NULL, 'number', '{}'"
            " FROM generate_series(1, :metrics) AS slot"
        ),
        {"owner": owner, "stream": stream, "metrics": METRICS},
    )
    return stream
