"""Nobody reads another organisation's readings: over any route, by any name in SQL, in any edition of the store."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from assets.base.access import Role
from assets.base.db import APP_ROLE
from assets.instrumentation import bind
from assets.people import Organisation, add_organisation
from assets.registry import Asset, add_asset
from ingest.devices import register_device
from ingest.messages import Message
from ingest.rollups import run_rollups
from ingest.writer import Writer, prepare
from tests.gateway.conftest import Plant
from tests.ingest.support import batch, query
from ticketing.models import WorkOrder

NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = "xyzzy"  # in every name that belongs to the victim
VALUE = 424242.125  # every number that it measures
# An endless stream of ids without contents, which has tests of its own.
ENDLESS = {"/api/v1/events"}


@pytest.fixture(params=["postgresql", pytest.param("timescaledb", marks=pytest.mark.timescale)])
def database_url(request: pytest.FixtureRequest) -> str:
    prefix = "" if request.param == "postgresql" else "timescale_"
    make, template = f"make_{prefix}database", f"{prefix}migrated_template"
    url: str = request.getfixturevalue(make)(request.getfixturevalue(template))
    return url


class Victim:
    """A customer's machine with readings, of which some are in rollups already and some are not."""

    def __init__(self, plant: Plant, url: str) -> None:
        self.plant, self.url = plant, url
        with plant.database.as_service() as session:
            owner = plant.customer.id
            asset = Asset(organisation_id=owner, serial=f"D{SECRET}", name=f"N{SECRET}", created_at=NOW)
            add_asset(session, asset, NOW)
            device, _ = register_device(session, f"D{SECRET}", "m", owner, NOW)
            bind(session, organisation_id=owner, device_id=device.id, channel="", asset_id=asset.id, at=None)
            operator = session.merge(plant.operator)
            self.neighbour = add_organisation(session, kind="customer", name="Neighbour", now=NOW, parent=operator)
        self.asset_id, self.device_id = asset.id, device.id
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET ROLE forewarn_service")
            writer, now_us = Writer(), int(NOW.timestamp()) * 1_000_000
            for seq, age in enumerate((10 * 86400, 3 * 86400, 7200, 5)):
                values = {f"m{SECRET}": VALUE, "state": f"s{SECRET}"}
                samples = [{"t": now_us // 1000 - age * 1000 - i * 60_000, "values": values} for i in range(20)]
                message = Message(f"forewarn/v1/D{SECRET}/telemetry", batch("b", seq, samples), now_us)
                writer.write(connection, [prepare(message)])
        run_rollups(plant.database, NOW, budget_s=60)

    def strangers(self) -> dict[str, Organisation]:
        """Organisations that the victim is none of the business of."""
        return {"stranger": self.plant.stranger, "partner": self.plant.partner, "neighbour": self.neighbour}

    def ids(self) -> list[str]:
        """Every id that a row of the victim's has in any table, and that a path may take."""
        found: set[str] = set()
        statement = (
            "SELECT c.table_name FROM information_schema.columns c JOIN information_schema.columns i"
            " USING (table_schema, table_name) WHERE c.table_schema = 'public' AND c.column_name = 'organisation_id'"
            " AND i.column_name = 'id' AND i.data_type = 'uuid'"
            " AND table_name IN (SELECT relname FROM pg_class WHERE relkind IN ('r', 'p'))"
        )
        for (table,) in query(self.url, statement):
            rows = query(self.url, f"SELECT id FROM {table} WHERE organisation_id = %s", self.plant.customer.id)
            found |= {str(row[0]) for row in rows}
        return sorted(found)


@pytest.fixture
def victim(plant: Plant, database_url: str) -> Victim:
    return Victim(plant, database_url)


def reading_requests(victim: Victim) -> list[tuple[str, dict[str, Any]]]:
    """Every GET of the API, with the victim's ids and names wherever it takes some."""
    span = {"from": (NOW - timedelta(days=20)).isoformat(), "to": NOW.isoformat()}
    known = {"metric": f"m{SECRET}", "serial": f"D{SECRET}", "asset_id": str(victim.asset_id), "q": SECRET}
    ids = victim.ids()
    requests = []
    for path, methods in victim.plant.app.openapi()["paths"].items():
        if "get" not in methods or path in ENDLESS:
            continue
        taken = {each["name"] for each in methods["get"].get("parameters", ()) if each["in"] == "query"}
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        of_them = {"asset_id": [str(victim.asset_id)], "device_id": [str(victim.device_id)], "serial": [f"D{SECRET}"]}
        for filled in of_them.get(names[0], ids) if names else [""]:
            address = path
            for name in names:
                address = address.replace(f"{{{name}}}", filled)
            everything = {name: value for name, value in (span | known).items() if name in taken}
            requests.append((address, everything))
            if needed := {"asset_id", "q"} & everything.keys():
                requests.append((address, {name: value for name, value in everything.items() if name not in needed}))
    return requests


def tells(body: str) -> bool:
    return SECRET in body or "424242" in body


def test_no_route_tells_another_organisation(victim: Victim) -> None:
    requests = reading_requests(victim)
    owner = victim.plant.client(victim.plant.token(victim.plant.customer))
    telling = [(path, wanted) for path, wanted in requests if tells(owner.get(path, params=wanted).text)]
    # What its owner is shown proves that the requests ask for the right thing.
    shown = {path.replace(str(victim.asset_id), "{asset}") for path, _ in telling}
    readings = {f"/api/v1/assets/{{asset}}/readings{end}" for end in ("", "/export")}
    assert shown >= readings | {"/api/v1/overview", "/api/v1/assets", "/api/v1/assets/{asset}"}
    for name, organisation in victim.strangers().items():
        client = victim.plant.client(victim.plant.token(organisation))
        for path, wanted in telling:
            answer = client.get(path, params=wanted)
            # Paths and parameters come back in messages of what was not found.
            body = answer.text if answer.status_code == 200 else ""
            assert not tells(body), (name, path)
            assert answer.status_code < 500, (name, path)
    for role, end in itertools.product((Role.CUSTOMER, Role.ANALYST, Role.PARTNER), ("", "/export")):
        client = victim.plant.client(victim.plant.token(victim.neighbour, role))
        wanted = {"metric": f"m{SECRET}", "from": (NOW - timedelta(days=20)).isoformat()}
        assert client.get(f"/api/v1/assets/{victim.asset_id}/readings{end}", params=wanted).status_code == 404
    nobody = victim.plant.client()
    for path, wanted in telling:
        assert nobody.get(path, params=wanted).status_code == 401, path


_RELATIONS = """
SELECT n.nspname, c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
GROUP BY 1, 2 HAVING bool_or(a.attname IN ('stream_id', 'organisation_id', 'asset_id', 'device_id'))
"""


def as_application(url: str, organisation_id: UUID) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(APP_ROLE)))
    connection.execute("SELECT set_config('forewarn.organisation_id', %s, false)", [str(organisation_id)])
    return connection


def test_no_table_view_partition_or_chunk_tells_another_organisation(victim: Victim) -> None:
    """Derived from the catalogue, so that whatever is added is asked too."""
    streams = [row[0] for row in query(victim.url, "SELECT id FROM streams")]
    belongs = {"stream_id": streams, "organisation_id": [victim.plant.customer.id],
               "asset_id": [victim.asset_id], "device_id": [victim.device_id]}  # fmt: skip
    relations = query(victim.url, _RELATIONS)
    assert {"samples", "stream_samples", "rollups_1d", "stream_rollups_1d"} <= {row[1] for row in relations}
    answered = set()
    for organisation in victim.strangers().values():
        with as_application(victim.url, organisation.id) as connection:
            for schema, name, columns in relations:
                for column in belongs.keys() & set(columns):
                    statement = sql.SQL("SELECT count(*) FROM {} WHERE {} = ANY (%s)").format(
                        sql.Identifier(schema, name), sql.Identifier(column)
                    )
                    try:
                        counted = connection.execute(statement, [belongs[column]]).fetchone()
                    except psycopg.errors.InsufficientPrivilege:
                        continue
                    answered.add(name)
                    assert counted == (0,), (schema, name, column)
    assert {"stream_samples", "stream_rollups_1m", "stream_rollup_due", "streams", "series"} <= answered
    assert not {name for name in answered if name.startswith(("samples", "rollups_", "_hyper", "rollup_due"))}
    assert_conditions_learn_nothing(victim)
    assert_owners_see_theirs(victim)


_LEAKS = (
    "1 / (CASE WHEN {array}[1] = 424242.125 THEN 0 ELSE 1 END) > 0",
    "({array}[1]::text || 'x')::float8 > 0",
    "CAST({array}::text AS integer) > 0",
)


def assert_conditions_learn_nothing(victim: Victim) -> None:
    """A condition that is evaluated on hidden rows before the policy would betray them by failing."""
    views = {"stream_samples": "values"} | {f"stream_rollups_{size}": "maxs" for size in ("1m", "15m", "1h", "1d")}
    for organisation in victim.strangers().values():
        with as_application(victim.url, organisation.id) as connection:
            for (view, array), leak, end in itertools.product(views.items(), _LEAKS, ("", "ORDER BY 1, 2 LIMIT 2")):
                statement = f"SELECT count(*) FROM (SELECT * FROM {view} WHERE {leak.format(array=array)} {end}) AS s"
                assert connection.execute(statement.encode()).fetchone() == (0,)


def assert_owners_see_theirs(victim: Victim) -> None:
    for organisation in (victim.plant.customer, victim.plant.operator):
        with as_application(victim.url, organisation.id) as connection:
            for view in ("stream_samples", "stream_rollups_1m", "stream_rollups_15m", "stream_rollups_1h"):
                assert connection.execute(f"SELECT count(*) > 0 FROM {view}").fetchone() == (True,), view


def test_executor_of_an_order_sees_the_machine_and_not_its_readings(plant: Plant, database_url: str) -> None:
    """An order opens asset, site and contact to its executor; measured values stay with their owner."""
    victim = Victim(plant, database_url)
    with victim.plant.database.as_service() as session:
        session.add(
            WorkOrder(
                organisation_id=victim.plant.customer.id, executing_organisation_id=victim.plant.partner.id,
                number="W1", asset_id=victim.asset_id, origin="manual", kind="machine", priority="normal",
                state="in_progress",
                opened_at=NOW, since=NOW, title_code="x", title_params={}, version=1, replayed=False, demo=False,
            )
        )  # fmt: skip
    client = victim.plant.client(victim.plant.token(victim.plant.partner, Role.PARTNER))
    wanted = {"metric": f"m{SECRET}", "from": (NOW - timedelta(days=20)).isoformat()}
    assert client.get(f"/api/v1/assets/{victim.asset_id}").status_code == 200
    assert client.get(f"/api/v1/assets/{victim.asset_id}/readings", params=wanted).status_code == 404
    exported = client.get(f"/api/v1/assets/{victim.asset_id}/readings/export", params=wanted)
    assert "424242" not in exported.text
