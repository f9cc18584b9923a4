"""Measure searching 100,000 cases, requests and work orders each: `python -m tests.gateway.measure_work_search [ROWS]`.

Starts a PostgreSQL of its own in a folder of its own, and removes both.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psycopg
from psycopg import sql
from sqlalchemy import text
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.db import Database
from assets.people import add_organisation
from assets.registry import Asset, add_asset
from gateway.app import make_app
from gateway.migrate import upgrade
from gateway.settings import Settings
from gateway.sign_in import make_token
from gateway.supervise.postgres import EXTENSIONS, OWNER, EmbeddedPostgres
from ticketing.cases.cases import open_case
from ticketing.requests import open_request
from ticketing.work_orders import open_work_order

STEP, MACHINES, CUSTOMERS, TIMES = 10_000, 2_000, 200, 5
_WORDS = """(ARRAY['离心泵机械密封漏水','空压机排气温度高','冷水机组报警停机','数控机床主轴异响',
  '锅炉给水泵振动大','电梯门关不上'])[n % 6 + 1] || ' ' || (ARRAY['leaking at the seal','discharge temperature high',
  'tripped on alarm','spindle noise','vibration too high','door does not close'])[n % 6 + 1]
  || ' ' || md5(n::text) || (n % 1000) || '号'"""
# A first row is copied with an id, a number, words and a machine of its own; ids follow time, as the product's do.
_COPY = """
INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(t) || jsonb_build_object(
  'number', '{letters}-9' || lpad(n::text, 6, '0'),
  'id', (lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex({part}00000000 + n), 12, '0'))::uuid,
  'asset_id', a.id, 'organisation_id', a.organisation_id, '{words}', {said}{more}))).*
FROM (SELECT * FROM {table} ORDER BY number LIMIT 1) t, generate_series(CAST(:first AS int), CAST(:last AS int)) n
JOIN (SELECT id, organisation_id, row_number() OVER (ORDER BY id) - 1 AS k FROM assets) a ON a.k = n % :machines
"""
COPIES = (
    ("cases", "CS", 1, "text", ", 'title', left(md5((n + 7)::text), 6) || ' 第' || n || '次报修'"),
    ("requests", "RQ", 2, "text", ", 'tracking_code', md5('t' || n)"),
    ("work_orders", "WO", 3, "title_text", ""),
)
ASKED = (
    *("离心泵", "漏水", "水", "机", "主轴异响 7号", "异响", "报警停机 冷水", "号", "漏水机械", "不存在的词", "123号"),
    *("SN0001234", "sn00", "leaking", "seal", "a", "zzz", "vibration high", "nothing9", "c4ca4238", "离心泵 seal"),
    *("CS-9005", "WO-9012345", "RQ-901", "第77777次"),
)


def fill(database: Database, rows: int) -> tuple[str, str]:
    """Fill the tables; return tokens of the desk and of one customer."""
    now = datetime.now(UTC)
    with database.as_service() as session:
        desk = add_organisation(session, kind="operator", name="Desk", now=now)
        owners = [
            add_organisation(session, kind="customer", name=f"客户 {n}", now=now, parent=desk) for n in range(CUSTOMERS)
        ]
        for n in range(MACHINES):
            name = ("离心泵", "螺杆压缩机", "Chiller", "风机")[n % 4]
            owner = owners[n % CUSTOMERS].id
            made = Asset(organisation_id=owner, serial=f"SN{n:07}", name=f"{name} {n}", created_at=now)
            asset = add_asset(session, made, now)
        case = open_case(session, organisation_id=owner, channel="desk", text="x", title="x", now=now, asset=asset)
        contact = {"name": "Li"}
        open_request(
            session, asset=asset, case=case, channel="desk", text="x", contact=contact, now=now, organisation_id=owner
        )
        open_work_order(
            session, asset=asset, origin="manual", kind="general", title_code="manual", title_text="x", now=now
        )
        desk_token = make_token(session, desk.id, Role.ADMINISTRATOR, now)
        own_token = make_token(session, owner, Role.CUSTOMER, now)
    for table, letters, part, words, more in COPIES:
        copy = _COPY.format(table=table, letters=letters, part=part, words=words, said=_WORDS, more=more)
        for first in range(0, rows, STEP):
            about = {"first": first, "last": min(first + STEP, rows) - 1, "machines": MACHINES}
            with database.as_service() as session:
                session.execute(text(copy), about)
    return desk_token, own_token


def timed(client: TestClient, path: str, asked: dict[str, str]) -> list[float]:
    """Ask once unseen, then several times; return milliseconds."""
    times = []
    for _ in range(TIMES + 1):
        began = time.monotonic()
        answer = client.get(f"/api/v1{path}", params=asked)
        times.append((time.monotonic() - began) * 1000)
        assert answer.status_code == 200, answer.text
    print(f"  {median(times[1:]):7.0f} {max(times[1:]):7.0f} ms {len(answer.json()['items']):4} {asked['q']}")
    return times[1:]


def measure(url: str, rows: int) -> None:
    """Fill, ask all paths all words, print medians, 95th percentiles and the longest."""
    database = Database(url, pool_size=3)
    began = time.monotonic()
    tokens = fill(database, rows)
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    print(f"filled in {time.monotonic() - began:.0f} s")
    app = make_app(Settings(database_url=url, data=Path(tempfile.mkdtemp())), database)
    for who, token in zip(("desk", "customer"), tokens, strict=True):
        client = TestClient(app, headers={"Authorization": f"Bearer {token}"})
        for path in ("/search?kinds=case,request,work_order", "/cases", "/requests", "/work-orders"):
            print(who, path)
            name, _, kinds = path.partition("?kinds=")
            more = {"kinds": kinds} if kinds else {}
            every = sorted(each for said in ASKED for each in timed(client, name, {"q": said, "limit": "50"} | more))
            most = every[int(len(every) * 0.95)]
            print(f"{who} {path}: p50 {median(every):.0f} p95 {most:.0f} max {every[-1]:.0f} ms")
    database.dispose()


def main() -> None:
    """Run with as many rows of each kind as the argument says."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="forewarn-measure-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "cluster") as server:
            with psycopg.connect(server.superuser_url, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE measured OWNER {}").format(sql.Identifier(OWNER)))
            with psycopg.connect(server.url_of("measured", user="postgres"), autocommit=True) as connection:
                for name in EXTENSIONS:
                    connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))
            upgrade(server.url_of("measured"))
            measure(server.url_of("measured"), rows)


if __name__ == "__main__":
    main()
