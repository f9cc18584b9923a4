"""Years of work for `forewarn bench load`: what the application made once, copied to many machines, people and days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from assets.registry import Asset
from gateway.bench.copies import Copies, quoted, read_row, read_work, values_table

CUSTOMERS = 200
PER_TEAM = 20  # technicians
SHIFT_H = 12
SKILLS = ("PUMP", "COMP", "COLD", "FAN", "ELEC", "PLC")
A_DAY, DAYS = 4, 2  # visits that a technician has planned
WAITING = 20  # orders of a team that nobody is planned for
TRIAGE = 500  # cases that nobody has looked at
YEARS = 2.0  # how long the work of the past took
_WORDS = (
    "(ARRAY['离心泵机械密封漏水','空压机排气温度高','冷水机组报警停机','数控机床主轴异响'])[n % 4 + 1] || ' ' || "
    "(ARRAY['leaking at the seal','discharge temperature high','tripped on alarm','spindle noise'])[n % 4 + 1]"
    " || ' ' || substr(md5(n::text), 1, 6)"
)


@dataclass(frozen=True)
class Size:
    """How much there is."""

    assets: int = 20_000
    orders: int = 100_000
    dispatchers: int = 50
    phones: int = 500

    @property
    def teams(self) -> int:
        """Return how many teams the technicians make."""
        return max(1, -(-self.phones // PER_TEAM))


@dataclass(frozen=True)
class Member:
    """Somebody who will sign in: with the token of a one-time link, in a team."""

    id: UUID
    team: UUID
    link: str


@dataclass(frozen=True)
class World:
    """What the users of the benchmark need to know."""

    dispatchers: Sequence[Member]
    technicians: Sequence[Member]
    rows: dict[str, int]


def copy_all(
    connection: psycopg.Connection[Any],
    size: Size,
    customers: Sequence[tuple[Any, ...]],
    teams: Sequence[UUID],
    technicians: Sequence[Member],
    asset: Asset,
    firsts: dict[str, UUID],
    now: datetime,
) -> None:
    names = "k, organisation_id, customer_id, site_id, latitude, longitude"
    for name, columns, rows in (
        ("made_customers", names, customers),
        ("made_teams", "k, id", list(enumerate(teams))),
        ("made_people", "k, id", [(k, each.id) for k, each in enumerate(technicians)]),
    ):
        connection.execute(values_table(name, columns, rows).encode())
    owner = {
        asset.organisation_id: "c.organisation_id", asset.customer_id: "c.customer_id", asset.site_id: "c.site_id"
    }  # fmt: skip
    _copy_assets(connection, size, asset, {k: v for k, v in owner.items() if k is not None})
    known: dict[UUID, str] = {
        asset.id: "a.id", asset.organisation_id: "a.organisation_id", teams[0]: "t.id", technicians[0].id: "p.id",
        **({asset.customer_id: "a.customer_id"} if asset.customer_id else {}),
        **({asset.site_id: "a.site_id"} if asset.site_id else {}),
    }  # fmt: skip
    planned = size.phones * A_DAY * DAYS
    counts = {"new": TRIAGE, "waiting": WAITING * size.teams, "scheduled": planned}
    counts["closed"] = max(0, size.orders - counts["waiting"] - planned)
    offset = 0
    for stage, count in counts.items():
        original = read_work(connection, firsts[stage], known)
        _how(stage, size, count, offset, now).make(connection, original, offset + 1, offset + 1 + count)
        offset += count


def _copy_assets(connection: psycopg.Connection[Any], size: Size, asset: Asset, known: dict[UUID, str]) -> None:
    columns = {
        ("assets", "serial"): "'BENCH-' || n", ("assets", "name"): "(ARRAY['离心泵 Pump','空压机 Compressor',"
        "'冷水机 Chiller','风机 Fan'])[n % 4 + 1] || ' ' || n", ("assets", "code"): "'B' || lpad(n::text, 9, '0')",
        ("assets", "latitude_deg"): "c.latitude + (n % 97) / 9700.0",
        ("assets", "longitude_deg"): "c.longitude + (n % 89) / 8900.0",
    }  # fmt: skip
    how = Copies(
        source=f"JOIN made_customers c ON c.k = n % {CUSTOMERS}",
        origin=asset.created_at,
        opened=f"({quoted(asset.created_at)} - make_interval(secs => n))",
        columns=columns,
    )
    how.make(connection, read_row(connection, "assets", asset.id, known), 1, size.assets)
    connection.execute(
        f"CREATE TEMP TABLE made_assets AS SELECT row_number() OVER (PARTITION BY c.k % {size.teams} ORDER BY a.id) - 1"
        f" AS k, c.k % {size.teams} AS area, a.id, a.organisation_id, a.customer_id, a.site_id"
        " FROM assets a JOIN made_customers c USING (site_id)".encode()
    )
    connection.execute("CREATE INDEX ON made_assets (area, k)")
    connection.execute("ANALYZE made_assets")


def _how(stage: str, size: Size, count: int, offset: int, now: datetime) -> Copies:
    """Return how copies of a piece of work differ: machine, people, and when."""
    technician = f"JOIN made_people p ON p.k = n % {size.phones}" if stage in ("scheduled", "closed") else ""
    area = f"(n % {size.phones}) % {size.teams}" if technician else f"n % {size.teams}"
    count_there = f"(SELECT count(*) FROM made_assets o WHERE o.area = {area})"
    source = (
        f"JOIN made_teams t ON t.k = {area} {technician} CROSS JOIN LATERAL (SELECT * FROM made_assets m"
        f" WHERE m.area = {area} AND m.k = (n * 37 + n / 7) % {count_there}) a"
    )
    if stage == "closed":
        apart_s = YEARS * 365 * 86400 / max(1, count)
        opened = f"({quoted(now)} - make_interval(secs => ({offset + count + 1} - n) * {apart_s}))"
    else:
        opened = f"({quoted(now)} - make_interval(secs => 7200 + n * 7 % 86400))"
    letters = "lpad(n::text, 7, '0')"
    columns = {
        ("cases", "number"): f"'CS-9{letters[:0]}' || {letters}", ("requests", "number"): f"'RQ-9' || {letters}",
        ("work_orders", "number"): f"'WO-9' || {letters}", ("requests", "tracking_code"): "md5('t' || n)",
        ("cases", "title"): _WORDS, ("cases", "text"): _WORDS, ("requests", "text"): _WORDS,
        ("work_orders", "title_text"): _WORDS, ("work_orders", "required_skills"):
        f"jsonb_build_array(jsonb_build_object('skill', (ARRAY{list(SKILLS)})[{_skill(technician)}], 'level', 1))",
        ("cases", "priority"): _priority("n"), ("work_orders", "priority"): _priority("n"),
    }  # fmt: skip
    if stage == "scheduled":
        columns |= _planned(size, offset, now)
    return Copies(source=source, origin=now - timedelta(hours=6), opened=opened, columns=columns)


def _skill(technician: str) -> str:
    """Return the place of a skill in the list; whoever is planned has it."""
    return f"p.k % {len(SKILLS)} + 1" if technician else f"n % {len(SKILLS)} + 1"


def _priority(number: str) -> str:
    return f"(ARRAY['low','normal','normal','normal','high','urgent'])[{number} * 7 % 6 + 1]"


def _planned(size: Size, offset: int, now: datetime) -> dict[tuple[str, str], str]:
    """Return a technician's hours: so many visits a day, with the way between them."""
    begins = (now - timedelta(hours=2)).replace(minute=0) + timedelta(minutes=30)
    turn = f"((n - {offset + 1}) / {size.phones})"
    gap = (SHIFT_H * 60 - 90) // A_DAY
    start = f"({quoted(begins)} + make_interval(days => {turn} / {A_DAY}, mins => {turn} % {A_DAY} * {gap}))"
    end = f"({start} + make_interval(mins => 75))"
    return {
        ("visits", "planned_start"): start, ("visits", "planned_end"): end, ("visits", "scheduled_at"): start,
    }  # fmt: skip


def finish(connection: psycopg.Connection[Any], consumers: Sequence[str]) -> dict[str, int]:
    """Let consumers begin behind what was copied, and the planner know it. Return how many rows there are."""
    end = connection.execute("SELECT xid, id FROM events ORDER BY xid DESC, id DESC LIMIT 1").fetchone()
    assert end is not None
    for consumer in consumers:
        connection.execute(
            "INSERT INTO consumer_cursors (name, xid, event_id, failures) VALUES (%s, %s, %s, 0)"
            " ON CONFLICT (name) DO UPDATE SET xid = excluded.xid, event_id = excluded.event_id",
            [consumer, *end],
        )
    rows = {}
    for table in ("assets", "cases", "requests", "work_orders", "visits", "events", "sla_clocks"):
        found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        rows[table] = found[0] if found else 0
    connection.execute("RESET ROLE")
    connection.execute("VACUUM ANALYZE")
    return rows
