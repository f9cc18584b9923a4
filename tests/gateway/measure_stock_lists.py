"""Measure the lists of the stock room with 100,000 rows each: `python -m tests.gateway.measure_stock_lists URL`.

The database is a migrated one of its own; it is filled, and stays so.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

from sqlalchemy import text
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.db import Database
from assets.people import add_organisation
from gateway.app import make_app
from gateway.settings import Settings
from gateway.sign_in import make_token

ROWS = 100_000
# 1,000 places, 100,000 items and movements of a line each; the trigger books every one of them.
FILL = (
    """INSERT INTO stock_locations (id, organisation_id, code, name, kind, active, created_at, version)
    SELECT gen_random_uuid(), :o, 'W' || n, 'Warehouse ' || n, CASE n WHEN 0 THEN 'supplier' ELSE 'warehouse' END,
           true, now(), 1 FROM generate_series(0, 1000) n""",
    """INSERT INTO parts (id, organisation_id, number, name_en, name_zh, kind, unit, decimals, tracking,
                          old_part_return, active, search_text, search_pairs, created_at, version)
    SELECT gen_random_uuid(), :o, number, en, zh, 'part', 'pcs', 0, 'none', false, true, words,
           ARRAY(SELECT DISTINCT substr(word, i, 2) FROM unnest(string_to_array(words, ' ')) word,
                 generate_series(1, greatest(length(word) - 1, 1)) i), now(), 1
    FROM (SELECT *, lower(number || ' ' || en || ' ' || zh) AS words FROM (
      SELECT 'P-' || lpad(n::text, 6, '0') AS number,
             (ARRAY['Seal', 'Filter', 'Bearing', 'Valve'])[n % 4 + 1] || ' size ' || n AS en,
             (ARRAY['密封圈', '滤清器', '轴承座', '电磁阀'])[n % 4 + 1] || n AS zh
      FROM generate_series(1, :n) n) named) searched""",
    """INSERT INTO stock_movements (id, organisation_id, kind, occurred_at, received_at, offline)
    SELECT gen_random_uuid(), :o, 'receipt', now() - n * interval '1 minute', now(), false
    FROM generate_series(1, :n) n""",
    *(
        f"""INSERT INTO stock_entries (id, organisation_id, movement_id, line, part_id, location_id, quantity)
    SELECT gen_random_uuid(), :o, m.id, 1, p.id, CASE side WHEN -1 THEN s.id ELSE l.id END, side * 5
    FROM (SELECT id, row_number() OVER () AS n FROM stock_movements WHERE organisation_id = :o) m
    JOIN (SELECT id, row_number() OVER () AS n FROM parts WHERE organisation_id = :o) p USING (n)
    JOIN (SELECT id, row_number() OVER () - 1 AS k FROM stock_locations
          WHERE organisation_id = :o AND kind = 'warehouse') l ON l.k = n % 1000
    CROSS JOIN (SELECT id FROM stock_locations WHERE organisation_id = :o AND kind = 'supplier') s
    CROSS JOIN (VALUES (-1), (1)) sides (side) WHERE n % 20 = {part}"""
        for part in range(20)
    ),
    """INSERT INTO stock_levels (id, organisation_id, location_id, part_id, minimum, maximum)
    SELECT gen_random_uuid(), :o, location_id, part_id, CASE WHEN random() < 0.1 THEN 8 ELSE 2 END, 10
    FROM stock_balances WHERE organisation_id = :o AND floored""",
)


def fill(database: Database, owner: UUID) -> float:
    """Fill the tables; return the seconds it took."""
    began = time.monotonic()
    for statement in FILL:
        with database.as_service() as session:
            session.execute(text(statement), {"o": owner, "n": ROWS})
        with database.engine.connect() as connection:  # the next statement is planned with what is there now
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    return time.monotonic() - began


def main() -> None:
    """Fill, ask each list ten times, print the median and the longest."""
    database = Database(sys.argv[1], pool_size=3)
    now = datetime.now(UTC)
    with database.as_service() as session:
        owner = add_organisation(session, kind="operator", name="Big", now=now).id
        token = make_token(session, owner, Role.ADMINISTRATOR, now)
    print(f"filled in {fill(database, owner):.1f} s")
    app = make_app(Settings(database_url=sys.argv[1], data=Path(tempfile.mkdtemp())), database)
    client = TestClient(app, headers={"Authorization": f"Bearer {token}"})
    part = client.get("/api/v1/parts?q=P-050000").json()["items"][0]["id"]
    place = client.get("/api/v1/stock-locations?code=W77").json()["items"][0]["id"]
    deep = client.get("/api/v1/parts?limit=500").json()["next"]
    for path in (
        "/parts",
        f"/parts?after={deep}",
        "/parts?q=轴承座",
        "/parts?q=bearing 99998",
        "/parts?q=nothing",
        "/stock-balances",
        "/stock-balances?q=密封",
        f"/stock-balances?location_id={place}",
        f"/stock-balances?part_id={part}",
        "/stock-balances?below_minimum=true",
        "/stock-movements",
        "/stock-movements?q=滤清器",
        f"/stock-movements?part_id={part}",
        f"/stock-movements?location_id={place}",
        "/replenishment-proposals",
        "/stock-levels",
    ):
        times = []
        for _ in range(10):
            began = time.monotonic()
            answer = client.get("/api/v1" + path)
            times.append((time.monotonic() - began) * 1000)
            assert answer.status_code == 200, answer.text
        print(f"{median(times):7.0f} {max(times):7.0f} ms  {len(answer.json()['items']):4} {path}")
    database.dispose()


if __name__ == "__main__":
    main()
