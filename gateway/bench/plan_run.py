"""One fleet of `forewarn bench plan`: made ahead, made again, ticks, pages, and the ceilings of the same rows."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import select, text

from assets.base.db import Database
from gateway.bench.load_http import Client
from gateway.bench.load_run import HOST, server_of
from gateway.bench.plan_fill import Fleet, days_of, fill
from gateway.bench.plan_pages import PAGES
from gateway.bench.servers import Servers
from gateway.forecast_jobs import keep_forecasts
from gateway.plan_jobs import make_occurrences, release_occurrences, settle_plans
from maintenance.plans.library import move_plan
from maintenance.plans.making import make_all, wanted_rows
from maintenance.plans.reading import load
from maintenance.plans.tables import MaintenancePlan, PlanAsset

TICKS = 5
DUE = 10  # pieces of work that come due between two ticks: six times as many as 1.2 million a year are on average
_DUE = """
WITH d AS (UPDATE occurrences SET release_at = '{now}' WHERE id IN (
  SELECT id FROM occurrences WHERE state = 'planned' ORDER BY release_at LIMIT {count}) RETURNING 1)
SELECT count(*) FROM d
"""
CHANGED = 200  # machines of plans that changed between two ticks: some hundred orders done and meters read in 10 s
ASKS = 3
SAMPLE = 20_000  # machines of plans whose rules are reckoned in memory


def measure(servers: Servers, machines: int, processes: int) -> dict[str, Any]:
    """Fill, measure, and return the figures."""
    filled = time.monotonic()
    fleet = fill(servers, machines)
    figures: dict[str, Any] = {"machines": machines, "fill_s": _since(filled)}
    database = Database(servers.database_url, pool_size=2)
    try:
        figures |= _taken_up(database, fleet)
        plans, rows = servers.query("SELECT count(*), count(DISTINCT plan_id) FROM plan_assets")[0]
        figures |= {"plans": plans, "definitions": rows}
        figures["made_s"] = _timed(lambda: _make(servers, fleet.now, processes))
        made = servers.query("SELECT count(*) FROM occurrences")[0][0]
        figures |= {"occurrences": made, "occurrences_a_plan": round(made / plans, 2)}
        _dirty(servers, "true")
        figures["regenerated_s"] = _timed(lambda: _make(servers, fleet.now + timedelta(minutes=1), processes))
        assert servers.query("SELECT count(*) FROM occurrences")[0][0] == made
        servers.query("UPDATE maintenance_plans SET at_minute = at_minute + 60 RETURNING 1")
        _dirty(servers, "true")
        figures["every_date_moved_s"] = _timed(lambda: _make(servers, fleet.now + timedelta(minutes=2), processes))
        figures |= _ticks(servers, database, fleet)
        figures |= _ceilings(servers, database, fleet.now)
        figures["weeks_summed_s"] = _timed(lambda: keep_forecasts(database, fleet.now))
    finally:
        database.dispose()
    print(figures, file=sys.stderr, flush=True)  # the rest may still fail
    try:
        figures |= asyncio.run(_pages(servers, fleet))
    except RuntimeError as error:  # the server did not come up: what was measured is told all the same
        figures |= {"page_s": None, "pages_failed": {"server": str(error)[-500:] or "not ready in time"}}
    left = servers.query("SELECT count(*) - count(DISTINCT (plan_asset_id, slot)) FROM occurrences")[0][0]
    return figures | {"doubled": left, "processes": processes, "load_average": [round(x, 1) for x in os.getloadavg()]}


def _since(began: float) -> float:
    return round(time.monotonic() - began, 2)


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return _since(began)


def _taken_up(database: Database, fleet: Fleet) -> dict[str, Any]:
    """Activate all plans of models: what the requests take, and the job that they leave it to."""
    slowest, began = 0.0, time.monotonic()
    for key in fleet.plans:
        one = time.monotonic()
        with database.as_service() as session:
            move_plan(session, session.get_one(MaintenancePlan, key), "active", fleet.now)
        slowest = max(slowest, time.monotonic() - one)
    asked = _since(began)
    return {
        "slowest_activation_s": round(slowest, 3),
        "taken_up_s": round(asked + _timed(lambda: settle_plans(database, fleet.now)), 2),
    }


def _make(servers: Servers, now: datetime, processes: int) -> None:
    """Make what waits as workers do, in so many processes."""
    code = (
        "import sys;from datetime import datetime;from assets.base.db import Database;"
        "from maintenance.plans.making import make_all;"
        "make_all(Database(sys.argv[1], pool_size=2), datetime.fromisoformat(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, servers.database_url, now.isoformat()]
    running = [subprocess.Popen(command) for _ in range(processes)]
    if any([each.wait() for each in running]):  # noqa: C419  # all of them are waited for
        raise RuntimeError("a process that made occurrences failed")
    database = Database(servers.database_url, pool_size=1)
    make_all(database, now)
    database.dispose()


def _dirty(servers: Servers, which: str) -> None:
    servers.query(f"WITH d AS (UPDATE plan_assets SET dirty = true WHERE {which} RETURNING 1) SELECT count(*) FROM d")
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("ANALYZE plan_assets")
        connection.execute("ANALYZE occurrences")


def _ticks(servers: Servers, database: Database, fleet: Fleet) -> dict[str, Any]:
    """Ticks as the clock gives them: some machines changed, some work has come due."""
    times, idle, released = [], [], 0
    for tick in range(1, TICKS + 1):
        now = fleet.now + timedelta(minutes=5, seconds=10 * tick)
        servers.query(
            "WITH d AS (UPDATE plan_assets SET dirty = true WHERE id IN (SELECT id FROM plan_assets"
            f" WHERE state = 'active' ORDER BY md5(id::text || '{tick}') LIMIT {CHANGED}) RETURNING 1)"
            " SELECT count(*) FROM d"
        )
        servers.query(_DUE.format(now=now.isoformat(), count=DUE))
        before = servers.query("SELECT count(*) FROM work_orders")[0][0]
        began = time.monotonic()
        make_occurrences(database, now)
        release_occurrences(database, now)
        times.append(_since(began))
        released += servers.query("SELECT count(*) FROM work_orders")[0][0] - before
        began = time.monotonic()
        make_occurrences(database, now)
        release_occurrences(database, now)
        idle.append(_since(began))
    return {
        "tick_s": max(times),
        "tick_changed": CHANGED,
        "ticks_s": times,
        "released": released,
        "idle_tick_s": max(idle),
    }


def _ceilings(servers: Servers, database: Database, now: datetime) -> dict[str, Any]:
    """The same rows by COPY into a table with the same indexes; the rules alone, in memory."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        buffer = io.BytesIO()
        connection.execute("SET ROLE forewarn_service")
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY (SELECT * FROM occurrences) TO STDOUT (FORMAT BINARY)") as copy,
        ):
            for block in copy:
                buffer.write(block)
        connection.execute("RESET ROLE")
        connection.execute("CREATE TABLE twins (LIKE occurrences INCLUDING ALL)")
        began = time.monotonic()
        with connection.cursor() as cursor, cursor.copy("COPY twins FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(buffer.getbuffer())
        copied = _since(began)
        connection.execute("DROP TABLE twins")
    with database.as_service() as session:
        rows = list(session.scalars(select(PlanAsset).order_by(text("md5(plan_assets.id::text)")).limit(SAMPLE)))
        seen = load(session, rows)
        began = time.monotonic()
        made = sum(len(wanted_rows(each, now)) for each in seen)
        took = time.monotonic() - began
        session.rollback()
    every = servers.query("SELECT count(*) FROM plan_assets")[0][0]
    return {"ceiling_copy_s": copied, "ceiling_rules_s": round(took * every / max(1, len(seen)), 2), "rules_rows": made}


async def _pages(servers: Servers, fleet: Fleet) -> dict[str, Any]:
    """Ask for pages as a planner; the slowest of some answers each."""
    place = {**days_of(fleet.now), "plan_id": str(fleet.plans[0]), "site_id": str(fleet.sites[0])}
    place["asset_id"] = str(servers.query("SELECT id FROM assets LIMIT 1")[0][0])
    found: dict[str, Any] = {}
    with server_of(servers, 1) as server:
        client = Client(HOST, server.port, "10.0.0.1")
        answer = await client.ask("POST", "/api/v1/sign-in/link", {"token": fleet.link})
        client.cookie = answer.cookie
        for name, address in PAGES:
            found[name] = [each async for each in _asked(client, address.format(**place))]
        client.close()
    slowest = {name: max((took for took, _ in each), default=None) for name, each in found.items()}
    failed = {name: each[0][1] for name, each in found.items() if each[0][1] != 200}
    return {"page_s": max(filter(None, slowest.values())), "pages_s": slowest, "pages_failed": failed}


async def _asked(client: Client, address: str) -> Any:
    for _ in range(ASKS):
        began = time.monotonic()
        answer = await client.ask("GET", address)
        yield round(time.monotonic() - began, 3), answer.status
