"""The benchmark of queries, small: a year is read from rollups alone, and no more of it when the table doubles."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from assets.base.db import Database
from gateway.bench.servers import Servers
from gateway.bench.year import METRICS, Plant, measure
from ingest.store.stretch import read_stretch

ROWS = 2000  # of an asset, so one every four hours


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, pool_size=2)
    yield made
    made.dispose()


def touched(database: Database, plant: Plant) -> tuple[int, int]:
    """Read the year of one metric; return the rows read of the readings and of the rollups."""
    counted = (
        "SELECT coalesce(sum(idx_tup_fetch + seq_tup_read) FILTER (WHERE relname LIKE :name), 0)"
        " FROM pg_stat_xact_user_tables"
    )
    with database.as_actor(plant.actor) as session:

        def rows() -> list[int]:  # of earlier transactions too, as long as these have not been handed on
            return [int(session.scalar(text(counted), {"name": name}) or 0) for name in ("samples%", "rollups_%")]

        before = rows()
        found = read_stretch(session, plant.assets[0][0], "metric_3", plant.since, plant.until, 300)
        of_readings, of_rollups = (now - then for now, then in zip(rows(), before, strict=True))
    assert found is not None
    assert found.resolution == "1d"
    assert sum(point.count for point in found.points) == ROWS
    return of_readings, of_rollups


def test_year_is_read_from_rollups_only_and_costs_the_same_when_the_table_doubles(database: Database) -> None:
    plant = Plant(database, datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    plant.add(ROWS)
    plant.roll_up()
    before = touched(database, plant)
    for _ in range(2):
        plant.add(ROWS)
    plant.roll_up()
    assert plant.read(random.Random(1)) > 0
    after = touched(database, plant)
    assert before[0] == after[0] == 0
    assert after[1] == before[1] <= 800


def test_benchmark_tells_its_figures_beside_the_scan(database_url: str, tmp_path: Path) -> None:
    found = measure(Servers(tmp_path, database_url, "mqtt://unused", "x"), 2 * METRICS * 500, 3)
    assert found.keys() >= {"rows", "p50_ms", "p99_ms", "raw_scan_p50_ms", "half_p99_ms"}
    assert found["rows"] == 2 * METRICS * 500
