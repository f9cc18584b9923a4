"""Measure lists, search and overview with 100,000 assets: `python -m tests.gateway.measure_lists [--rows N] [PATH…]`.

Starts a PostgreSQL of its own in a folder of its own, and removes both; with `--url` it takes a migrated database,
fills it when it is empty, and leaves it. Each path is asked over HTTP as the operator and as one of 2,000 customers.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

from sqlalchemy import select, text
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.db import Database
from assets.people import Organisation
from gateway.app import make_app
from gateway.settings import Settings
from gateway.sign_in import make_token
from tests.gateway.measure_imports import Bench, own_server

TIMES = 15
# A device each, most of them heard; every hundredth machine has something open, every fiftieth was never taught.
FILL = (
    """INSERT INTO devices (id, organisation_id, serial, model, credentials_version, presence, status, describe, demo,
      created_at) SELECT gen_random_uuid(), organisation_id, 'D-' || serial, 'x', 1,
      CASE WHEN right(serial, 1) = '7' THEN 'offline' ELSE 'online' END, '{}', '{}', false, now() FROM assets""",
    """INSERT INTO bindings (id, organisation_id, asset_id, device_id, channel, valid_from)
    SELECT gen_random_uuid(), a.organisation_id, a.id, d.id, '', now() - interval '1 day'
    FROM assets a JOIN devices d ON d.serial = 'D-' || a.serial""",
    """INSERT INTO streams (device_id, channel, organisation_id, presence, latest_at)
    SELECT id, '', organisation_id, presence, now() FROM devices""",
    """INSERT INTO scoring_states (asset_id, organisation_id, model_id, state, watermark, learning, updated_at)
    SELECT id, organisation_id, 'm', '', now(), jsonb_build_object('state', CASE WHEN serial LIKE '%50' THEN 'learning'
      ELSE 'ready' END), now() FROM assets""",
    """INSERT INTO episodes (id, organisation_id, asset_id, key, kind, severity, opened_at, last_seen_at, state, count,
      peak, recurrence_no, replayed) SELECT gen_random_uuid(), organisation_id, id, 'k', 'alarm', 'warning', now(),
      now(), 'open', 1, 1, 0, false FROM assets WHERE serial LIKE '%00'""",
)
PATHS = (
    "/overview",
    "/assets",
    "/assets?limit=50&after={deep}",
    "/assets?sort=name",
    "/assets?sort=-installed_at",
    "/assets?lifecycle=in_service",
    "/assets?parent_id=none",
    "/assets?q=离心",
    "/assets?q=SN0050123",
    "/search?q=SN0050123",
    "/search?q=离心泵",
    "/search?q=泵 9999",
    "/search?q=C000123",
    "/search?q=nothing",
    "/customers",
    "/customers?sort=name",
    "/sites",
    "/positions",
    "/map/assets",
)


def fill(database: Database, bench: Bench, rows: int) -> None:
    """Import the assets, then give each a device and a state."""
    bench.ready("positions", rows)  # rests on as many assets
    for statement in FILL:
        with database.as_service() as session:
            session.execute(text(statement))
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def tokens(database: Database) -> dict[str, str]:
    """Return tokens of the operator and of one customer."""
    now = datetime.now(UTC)
    with database.as_service() as session:
        wanted = select(Organisation.id).order_by(text("cardinality(ancestors)"), Organisation.id)
        found: list[UUID] = list(session.scalars(wanted.limit(20)))
        return {
            "operator": make_token(session, found[0], Role.ADMINISTRATOR, now),
            "customer": make_token(session, found[10], Role.CUSTOMER, now),
        }


def ask(client: TestClient, path: str) -> None:
    """Ask one path some times; print median, 95th percentile and the longest."""
    times = []
    for _ in range(TIMES + 1):
        began = time.monotonic()
        answer = client.get("/api/v1" + path)
        times.append((time.monotonic() - began) * 1000)
        if answer.status_code != 200:
            print(f"{answer.status_code} {path} {answer.text[:200]}")
            return
    times = sorted(times[1:])
    size = len(answer.content) // 1024
    print(
        f"{median(times):6.0f} {times[int(len(times) * 0.95)]:6.0f} {times[-1]:6.0f} ms {size:5} KB  {path}", flush=True
    )


def measure(url: str, options: argparse.Namespace) -> None:
    """Fill where nothing is, then ask all paths."""
    database = Database(url, pool_size=3)
    with tempfile.TemporaryDirectory(prefix="forewarn-measure-") as folder:
        began = time.monotonic()
        bench = Bench(url, Path(folder), argparse.Namespace(rows=options.rows, xlsx=False))
        with database.as_service() as session:
            many = session.scalar(text("SELECT count(*) FROM assets")) or 0
        if not many:
            fill(database, bench, options.rows)
            print(f"filled in {time.monotonic() - began:.0f} s")
        app = make_app(Settings(database_url=url, data=Path(folder)), database)
        print("median, p95, longest of", TIMES)
        for who, token in tokens(database).items():
            client = TestClient(app, headers={"Authorization": f"Bearer {token}"})
            deep = client.get("/api/v1/assets?limit=500").json().get("next")
            print(f"as the {who}, load {os.getloadavg()[0]:.1f}")
            for path in options.paths or PATHS:
                ask(client, path.replace("{deep}", str(deep)))
        bench.database.dispose()
    database.dispose()


def main() -> None:
    """Run."""
    about = argparse.ArgumentParser(description=__doc__)
    about.add_argument("paths", nargs="*", metavar="PATH", help="such as /overview; all when left out")
    about.add_argument("--rows", type=int, default=100_000)
    about.add_argument("--url", help="a migrated database")
    options = about.parse_args()
    if options.url:
        measure(options.url, options)
    else:
        with own_server() as url:
            measure(url, options)


if __name__ == "__main__":
    main()
