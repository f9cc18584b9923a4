"""A fleet with plans for `forewarn bench plan`: the first of each by the application, the rest copied by SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.base.db import Database
from assets.people import add_organisation, add_person
from assets.registry import AssetModel, Customer, Site
from gateway.bench.servers import Servers
from gateway.sign_in import make_link
from maintenance.plans.library import Package, make_plan
from maintenance.plans.tables import MaintenancePlan

MODELS = 100
SITES = 50
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC", "Asia/Urumqi")
QUARTERLY = Package("3M", {"kind": "calendar", "rrule": "FREQ=MONTHLY;INTERVAL=3"})
# What a plan says, by the running number of its model or machine: each about four times a year.
OF_MODELS: tuple[tuple[tuple[Package, ...], dict[str, Any]], ...] = (
    ((QUARTERLY, Package("12M", {"kind": "calendar", "rrule": "FREQ=YEARLY"}, hierarchy=2)), {}),
    (
        (Package("W", {"kind": "calendar", "rrule": "FREQ=MONTHLY;INTERVAL=3;BYDAY=1MO"}),),
        {"blackouts": [["2026-12-24", "2027-01-03"]], "when_closed": "next"},
    ),
    (
        (Package("A", {"kind": "whichever_first", "of": [
            {"kind": "calendar", "rrule": "FREQ=DAILY;INTERVAL=90"}, {"kind": "meter", "meter": "hours", "every": 1500},
        ]}),),
        {},
    ),
    ((QUARTERLY,), {"shift": {"late_percent": 50, "late": {"percent": 10}}}),
)  # fmt: skip
OF_MACHINES: tuple[tuple[tuple[Package, ...], dict[str, Any]], ...] = (
    ((Package("F", {"kind": "calendar", "rrule": "FREQ=DAILY;INTERVAL=91"}),), {"scheduling": "floating"}),
    ((QUARTERLY,), {"seasons": ["02-01/12-31"]}),
)
STANDARD: dict[str, Any] = {
    "effectivity": {}, "skills": [], "priority": "normal", "duration_minutes": 60, "lead_days": 0, "horizon_days": 365,
    "tolerance_before": {"days": 3}, "tolerance_after": {"percent": 10}, "scheduling": "fixed", "shift": {},
    "when_closed": "keep", "seasons": [], "blackouts": [], "near_days": 0, "when_missed": "close",
    "starts": "installed", "starts_on": None, "at_minute": 480,
}  # fmt: skip

_ASSETS = """
INSERT INTO assets (id, organisation_id, serial, name, asset_model_id, customer_id, site_id, code, lifecycle,
  operation, created_at, installed_at, lifecycle_since, custom, demo, version)
SELECT gen_random_uuid(), %(owner)s, 'S' || lpad(n::text, 7, '0'), 'Machine ' || n,
  (%(models)s::uuid[])[n %% %(m)s + 1],
  %(customer)s, (%(sites)s::uuid[])[n %% %(s)s + 1], 'B' || lpad(n::text, 9, '0'), 'in_service', 'up', %(now)s,
  %(now)s::timestamptz - make_interval(days => n * 37 %% 3000), %(now)s, '{}', false, 1
FROM generate_series(0, %(count)s - 1) AS n
"""
_METERS = """
WITH made AS (INSERT INTO meters (id, organisation_id, asset_id, name, kind, unit, value, total, read_at,
    created_at, version)
  SELECT gen_random_uuid(), organisation_id, id, 'hours', 'counter', 'h', 20000, 20000, %(now)s, %(now)s, 1 FROM assets
  WHERE asset_model_id = ANY(%(models)s::uuid[]) RETURNING id, organisation_id, asset_id)
INSERT INTO meter_readings (id, organisation_id, meter_id, asset_id, at, value, total, kind, source, created_at)
SELECT gen_random_uuid(), organisation_id, made.id, asset_id, %(now)s::timestamptz - make_interval(days => 30 * k),
  20000 - 500 * k, 20000 - 500 * k, 'reading', 'manual', %(now)s
FROM made, generate_series(0, 11) AS k
"""
# A plan for each machine, after the pattern of those that the application made.
_OWN_PLANS = """
INSERT INTO maintenance_plans ({names}) SELECT {values}
FROM (SELECT id AS asset, row_number() OVER (ORDER BY serial) AS n FROM assets WHERE organisation_id = %(owner)s) AS a
JOIN maintenance_plans p ON p.id = (%(patterns)s::uuid[])[n %% %(kinds)s + 1]
"""
_OWN_PACKAGES = """
INSERT INTO plan_packages (id, organisation_id, plan_id, code, name, position, hierarchy, trigger)
SELECT gen_random_uuid(), k.organisation_id, p.id, k.code, k.name, k.position, k.hierarchy, k.trigger
FROM maintenance_plans p JOIN plan_packages k ON k.plan_id = (p.note::json->>'pattern')::uuid
WHERE p.note LIKE '{%%'
"""
_OWN_MACHINES = """
INSERT INTO plan_assets (id, organisation_id, plan_id, asset_id, chosen, state, start_on, start_totals, turns, since,
  dirty)
SELECT gen_random_uuid(), p.organisation_id, p.id, a.id, true, 'active',
  a.installed_at::date, '{}', '{}', %(now)s, true
FROM maintenance_plans p JOIN assets a ON a.id = (p.note::json->>'asset')::uuid WHERE p.note LIKE '{%%'
"""


@dataclass(frozen=True)
class Fleet:
    """What there is, and who looks at it."""

    owner: UUID
    plans: list[UUID]  # of models: to be activated by the application
    sites: list[UUID]
    link: str
    now: datetime


def fill(servers: Servers, machines: int) -> Fleet:
    """Fill an empty database; plans of models are drafts still, those of single machines active and taken up."""
    now = datetime.now(UTC).replace(microsecond=0)
    database = Database(servers.database_url, pool_size=1)
    try:
        fleet, facts, patterns = _first(database, now, min(MODELS, max(4, machines // 10)))
    finally:
        database.dispose()
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        connection.execute(_ASSETS, {**facts, "count": machines})
        connection.execute(_METERS, {"now": now, "models": facts["models"][2::4]})
        _own_plans(connection, fleet, patterns)
        connection.execute("RESET ROLE")
        connection.execute("VACUUM ANALYZE")
    return fleet


def _first(database: Database, now: datetime, models: int) -> tuple[Fleet, dict[str, Any], list[UUID]]:
    with database.as_service() as session:
        owner = add_organisation(session, kind="operator", name="Benchmark", now=now)
        customer = Customer(organisation_id=owner.id, number="C1", name="Customer")
        session.add(customer)
        session.flush()
        sites = [
            Site(
                organisation_id=owner.id, customer_id=customer.id, name=f"Plant {n}", time_zone=ZONES[n % len(ZONES)],
                region=f"Region {n % 5}",
            )
            for n in range(SITES)
        ]  # fmt: skip
        kinds = [AssetModel(organisation_id=owner.id, code=f"M{n}", name_en=f"Model {n}", name_zh=f"型号 {n}")
                 for n in range(models)]  # fmt: skip
        session.add_all([*sites, *kinds])
        session.flush()
        plans = [
            _plan(session, owner.id, f"MP-{n:03}-{turn}", OF_MODELS[(n + turn) % 4], kind.id, now)
            for n, kind in enumerate(kinds)
            for turn in (0, 1)
        ]
        patterns = [_plan(session, owner.id, f"PATTERN-{n}", each, None, now)
                    for n, each in enumerate(OF_MACHINES)]  # fmt: skip
        person = add_person(
            session, organisation_id=owner.id, name="Planner", email="p@bench.example", roles=[Role.PLANNER], now=now
        )
        link = make_link(session, person.id, now)
        facts = {
            "owner": owner.id, "customer": customer.id, "now": now, "models": [each.id for each in kinds], "m": models,
            "sites": [each.id for each in sites], "s": SITES,
        }  # fmt: skip
        return Fleet(owner.id, plans, facts["sites"], link, now), facts, patterns  # type: ignore[arg-type]


def _plan(
    session: Session, owner: UUID, code: str, how: tuple[tuple[Package, ...], dict[str, Any]],
    model: UUID | None, now: datetime,
) -> UUID:  # fmt: skip
    name = {"en": f"Service {code}", "zh": f"保养 {code}"}
    values = {**STANDARD, "code": code, "name": name, "asset_model_id": model, **how[1]}
    return make_plan(session, owner, values, how[0], now).id


def _own_plans(connection: psycopg.Connection[Any], fleet: Fleet, patterns: list[UUID]) -> None:
    """One plan for each machine; what it is of stands in its note."""
    own = {
        "id": "gen_random_uuid()",
        "code": "'OWN-' || n",
        "note": "json_build_object('asset', asset, 'pattern', p.id)::text",
        "state": "'active'",
    }
    names = [column.name for column in MaintenancePlan.__table__.columns]
    values = [own.get(name, f"p.{name}") for name in names]
    statement = _OWN_PLANS.format(names=", ".join(names), values=", ".join(values))
    facts = {"owner": fleet.owner, "patterns": patterns, "kinds": len(patterns), "now": fleet.now}
    connection.execute(statement.encode(), facts)
    connection.execute(_OWN_PACKAGES)
    connection.execute(_OWN_MACHINES, {"now": fleet.now})


def days_of(now: datetime) -> dict[str, str]:
    """Return the days that pages ask for."""
    spans = {"today": 0, "month_on": 31, "year_on": 365}
    return {name: (now + timedelta(days=count)).date().isoformat() for name, count in spans.items()}
