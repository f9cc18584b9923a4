"""How fast and how small readings are in other layouts than ours: `python -m gateway.bench.layouts [--values N]`.

Rows come from the database itself, in pieces of a commit each, so that what is compared is the table and nothing else.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import psycopg

from gateway.bench.servers import bench_servers
from gateway.settings import Settings

METRICS = 10
PIECE = 100_000  # values a commit

# Layout -> (table, key or None, values of one piece from moment :lo to :hi, what makes a repeat harmless)
LAYOUTS: dict[str, tuple[str, str]] = {
    "narrow, key": (
        "series_id int NOT NULL, t timestamptz NOT NULL, received timestamptz NOT NULL, value float8,"
        " PRIMARY KEY (series_id, t)",
        "SELECT s, t, t, v FROM rows, generate_series(1, {metrics}) s",
    ),
    "narrow, no key": (
        "series_id int NOT NULL, t timestamptz NOT NULL, received timestamptz NOT NULL, value float8",
        "SELECT s, t, t, v FROM rows, generate_series(1, {metrics}) s",
    ),
    "narrow, batch id, brin": (
        "series_id int NOT NULL, t timestamptz NOT NULL, batch bigint NOT NULL, value float8",
        "SELECT s, t, 1, v FROM rows, generate_series(1, {metrics}) s",
    ),
    "array, key": (
        "stream_id int NOT NULL, t timestamptz NOT NULL, received timestamptz NOT NULL, batch bigint NOT NULL,"
        ' flags smallint NOT NULL, quality smallint[], "values" float8[] NOT NULL, PRIMARY KEY (stream_id, t)',
        "SELECT 1, t, t, 1, 0, NULL::smallint[], ARRAY[{values}] FROM rows",
    ),
    "array, batch id, no key": (
        'stream_id int NOT NULL, t timestamptz NOT NULL, batch bigint NOT NULL, "values" float8[] NOT NULL',
        "SELECT 1, t, 1, ARRAY[{values}] FROM rows",
    ),
    "columns, key": (
        "stream_id int NOT NULL, t timestamptz NOT NULL, received timestamptz NOT NULL, {columns},"
        " PRIMARY KEY (stream_id, t)",
        "SELECT 1, t, t, {values} FROM rows",
    ),
}
_ROWS = (
    "WITH rows AS (SELECT 'epoch'::timestamptz + i * interval '1 s' AS t, 50 + 40 * sin(i * 0.01) + random() AS v"
    " FROM generate_series(%s::int, %s::int) AS i)"
)


def measure(url: str, values: int) -> list[dict[str, Any]]:
    """Return for each layout values/s, bytes/value, and how long a day of one metric takes to read."""
    found = []
    with psycopg.connect(url, autocommit=True) as connection:
        for name, (table, select) in LAYOUTS.items():
            parts = {
                "metrics": METRICS,
                "values": ", ".join(["v"] * METRICS),
                "columns": ", ".join(f"m{i} float8" for i in range(METRICS)),
            }
            connection.execute("DROP TABLE IF EXISTS bench_layout")
            connection.execute(f"CREATE TABLE bench_layout ({table.format(**parts)})".encode())
            if "brin" in name:
                connection.execute("CREATE INDEX ON bench_layout USING brin (t)")
            seconds = _fill(connection, select.format(**parts), values)
            found.append({"layout": name, "values_per_s": round(values / seconds), **_read(connection, name, values)})
        connection.execute("DROP TABLE bench_layout")
    return found


def _fill(connection: psycopg.Connection[Any], select: str, values: int) -> float:
    rows = PIECE // METRICS
    begun = time.perf_counter()
    for start in range(0, values // METRICS, rows):
        statement = f"INSERT INTO bench_layout {_ROWS} {select}"
        connection.execute(statement.encode(), (start, start + rows - 1))
    return time.perf_counter() - begun


def _read(connection: psycopg.Connection[Any], name: str, values: int) -> dict[str, float]:
    connection.execute("VACUUM ANALYZE bench_layout")
    size = connection.execute("SELECT pg_total_relation_size('bench_layout')").fetchone()
    column, where = {
        "narrow": ("value", "series_id = 3"),
        "array": ('"values"[3]', "stream_id = 1"),
        "column": ("m2", "stream_id = 1"),
    }[name.split(",")[0].removesuffix("s")]
    statement = f"SELECT min({column}), max({column}) FROM bench_layout WHERE {where} AND t >= %s AND t < %s"
    middle = values // METRICS // 2
    begun = time.perf_counter()
    span = (_moment(middle), _moment(middle + 3600))
    for _ in range(5):
        connection.execute(statement.encode(), span).fetchall()
    took = (time.perf_counter() - begun) / 5
    return {"bytes_per_value": round((size or (0,))[0] / values, 1), "hour_of_one_metric_ms": round(took * 1000, 2)}


def _moment(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(second))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one JSON object per layout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=2_000_000)
    options = parser.parse_args(arguments)
    with bench_servers(Settings().model_copy(update={"broker_url": "mqtt://unused"})) as servers:
        for row in measure(servers.database_url, options.values):
            print(json.dumps(row))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
