"""Row-level security: who sees and changes which rows, in every table that belongs to an organisation."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Column, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.db import APP_ROLE, READER_ROLE, Database
from assets.base.events import append_event
from assets.people import Organisation
from assets.registry import Asset, AssetModel, Customer, Site
from gateway.migrations.roles import APPEND_ONLY, HIDDEN_FROM_READER, READ_ONLY, SERVICE_ONLY
from gateway.models import metadata
from tests.gateway.conftest import Plant
from ticketing.models import Visit, WorkOrder

# Derived, so that a new table without a policy fails here.
TENANT_TABLES = sorted(t.name for t in metadata.tables.values() if "organisation_id" in t.columns)
SHARED_TABLES = sorted(set(TENANT_TABLES) - SERVICE_ONLY)
NOW = datetime.now(UTC)
NUMBERS = count(100)
DUMMIES: dict[str, Any] = {
    "UUID": uuid4,
    "TEXT": lambda: uuid4().hex,
    "BOOLEAN": lambda: False,
    "TIMESTAMP": lambda: NOW,
    "DATE": NOW.date,
    "JSONB": lambda: "{}",
    "BYTEA": lambda: uuid4().bytes,
    "INT8MULTIRANGE": lambda: "{}",
}


# Rows of anything break the tables' own checks, which are no concern of the policies.
WITHOUT_CHECKS = """
DO $$ DECLARE found record; BEGIN
  FOR found IN SELECT conrelid::regclass AS name, conname FROM pg_constraint
    WHERE contype = 'c' AND conrelid <> 0 AND connamespace = 'public'::regnamespace AND conislocal LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', found.name, found.conname);
  END LOOP;
END $$
"""


@pytest.fixture
def superuser(plant: Plant, superuser_url: str, database_url: str) -> Any:
    """A connection that no policy and no foreign key holds back."""
    url = superuser_url.rpartition("/")[0] + "/" + database_url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(WITHOUT_CHECKS)
        yield connection


def dummy(column: Column[Any]) -> Any:
    kind = column.type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    return "{}" if kind.endswith("[]") else DUMMIES.get(kind.partition(" ")[0], partial(next, NUMBERS))()


def insert_row(connection: Any, table: Table, organisation_id: UUID, **values: Any) -> None:
    """Insert a row of an organisation, with anything in its other columns."""
    filled = {
        column.name: dummy(column)
        for column in table.columns
        if not column.nullable and column.identity is None and column.server_default is None
    }
    filled |= {"organisation_id": organisation_id} | values
    names = sql.SQL(", ").join(map(sql.Identifier, filled))
    places = sql.SQL(", ").join(sql.Placeholder() * len(filled))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table.name), names, places)
    connection.execute(statement, list(filled.values()))


def owners(session: Session, table: str) -> set[UUID]:
    return set(session.scalars(text(f"SELECT organisation_id FROM {table}")))


@pytest.fixture
def rows(plant: Plant, superuser: Any) -> Plant:
    """A row of the customer and one of the stranger in every table."""
    for name in TENANT_TABLES:
        for organisation in (plant.customer, plant.stranger):
            insert_row(superuser, metadata.tables[name], organisation.id)
    return plant


def test_every_tenant_table_forces_row_level_security(superuser: Any) -> None:
    by_column = "SELECT table_name FROM information_schema.columns c JOIN pg_class k ON k.relname = c.table_name"
    by_column += " WHERE c.table_schema = 'public' AND c.column_name = 'organisation_id' AND k.relkind IN ('r', 'p')"
    found = {row[0] for row in superuser.execute(by_column)}
    assert found == set(TENANT_TABLES)
    forced = {
        row[0] for row in superuser.execute("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
    }
    assert forced == found | {"organisations"}


def test_roles_cannot_get_past_the_policies(superuser: Any) -> None:
    query = "SELECT rolname, rolsuper OR rolbypassrls OR rolcanlogin FROM pg_roles WHERE rolname LIKE 'forewarn\\_%'"
    assert dict(superuser.execute(query).fetchall()) == {
        "forewarn_app": False,
        "forewarn_service": False,
        "forewarn_reader": False,
    }
    login = superuser.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'forewarn'").fetchone()
    assert login == (False,)


def test_each_organisation_sees_its_own_rows_and_those_below(rows: Plant) -> None:
    """000-15: the tree of operator, partners and customers; a parent sees below itself, siblings do not."""
    sees: dict[str, tuple[Organisation, set[UUID]]] = {
        "operator": (rows.operator, {rows.customer.id}),
        "customer": (rows.customer, {rows.customer.id}),
        "partner": (rows.partner, set()),
        "stranger": (rows.stranger, {rows.stranger.id}),
    }
    own = {"people", "memberships"}  # the operator's administrator is there already
    for name, (organisation, expected) in sees.items():
        with rows.database.as_actor(rows.actor(organisation)) as session:
            for table in SHARED_TABLES:
                more = {rows.operator.id} if table in own and name == "operator" else set()
                assert (name, table, owners(session, table)) == (name, table, expected | more)


def test_nobody_changes_or_removes_rows_of_others(rows: Plant) -> None:
    with rows.database.as_actor(rows.actor(rows.partner)) as session:
        for table in sorted(set(SHARED_TABLES) - APPEND_ONLY - READ_ONLY):
            changed = session.execute(text(f"UPDATE {table} SET organisation_id = :o"), {"o": rows.partner.id})
            removed = session.execute(text(f"DELETE FROM {table}"))
            assert (table, changed.rowcount, removed.rowcount) == (table, 0, 0)  # type: ignore[attr-defined]


def test_requests_change_no_model_and_no_snapshot(rows: Plant) -> None:
    for table in sorted(READ_ONLY):
        for change in (f"UPDATE {table} SET organisation_id = organisation_id", f"DELETE FROM {table}"):
            with (
                pytest.raises(DBAPIError, match="permission denied"),
                rows.database.as_actor(rows.actor(rows.operator)) as session,
            ):
                session.execute(text(change))


def test_nobody_adds_rows_to_others(plant: Plant, superuser: Any) -> None:
    superuser.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(APP_ROLE)))
    superuser.execute("SELECT set_config('forewarn.organisation_id', %s, false)", [str(plant.customer.id)])
    for table in SHARED_TABLES:
        refused = "permission denied" if table in READ_ONLY else "row-level security"
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=refused):
            insert_row(superuser, metadata.tables[table], plant.stranger.id)


def test_nobody_gives_rows_away(rows: Plant) -> None:
    for table in ("devices", "assets", "findings", "sites"):
        with (
            pytest.raises(DBAPIError, match="row-level security"),
            rows.database.as_actor(rows.actor(rows.customer)) as session,
        ):
            session.execute(text(f"UPDATE {table} SET organisation_id = :o"), {"o": rows.stranger.id})


def test_secrets_are_out_of_reach_of_requests(rows: Plant) -> None:
    for table in sorted(SERVICE_ONLY):
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            rows.database.as_actor(rows.actor(rows.operator)) as session,
        ):
            session.execute(text(f"SELECT 1 FROM {table}"))


def test_login_role_without_an_actor_sees_nothing(rows: Plant) -> None:
    with rows.database.as_owner() as session:
        for table in [*TENANT_TABLES, "organisations"]:
            assert (table, session.scalar(text(f"SELECT count(*) FROM {table}"))) == (table, 0)


def test_commit_in_mid_request_ends_in_nothing_seen(rows: Plant) -> None:
    with rows.database.as_actor(rows.actor(rows.customer)) as session:
        session.commit()
        with pytest.raises(InvalidRequestError):
            session.execute(text("SELECT 1"))
    with rows.database.engine.connect() as connection:
        connection.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))
        setting = text("SELECT set_config('forewarn.organisation_id', :o, true)")
        connection.execute(setting, {"o": str(rows.customer.id)})
        assert connection.scalar(text("SELECT count(*) FROM assets")) == 1
        connection.commit()
        assert connection.scalar(text("SELECT count(*) FROM assets")) == 0


def test_actor_does_not_outlive_its_transaction_on_a_pooled_connection(rows: Plant, database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    with database.as_actor(rows.actor(rows.customer)) as session:
        assert len(owners(session, "assets")) == 1
    with database.as_owner() as session:
        assert owners(session, "assets") == set()
        assert session.scalar(text("SELECT current_user")) == "forewarn"
    database.dispose()


@pytest.mark.parametrize("organisation_id", [UUID(int=0), uuid4()])
def test_actor_of_no_known_organisation_sees_nothing(rows: Plant, organisation_id: UUID) -> None:
    with rows.database.as_actor(Actor("public", organisation_id, frozenset())) as session:
        for table in [*SHARED_TABLES, "organisations"]:
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


def test_service_sees_every_organisation(rows: Plant) -> None:
    with rows.database.as_service() as session:
        for table in TENANT_TABLES:
            assert owners(session, table) >= {rows.customer.id, rows.stranger.id}


# ---- the executor of a work order -----------------------------------------------------------------------------------


class Work:
    """The customer's pump on its site, with a work order that the partner carries out."""

    def __init__(self, plant: Plant) -> None:
        owner = plant.customer.id
        with plant.database.as_service() as session:
            self.contact = Customer(organisation_id=owner, number="C1", name="Dairy", phone="+44 1")
            session.add(self.contact)
            session.flush()
            self.site = Site(organisation_id=owner, name="Plant 1", customer_id=self.contact.id)
            self.other_site = Site(organisation_id=owner, name="Plant 2")
            session.add_all([self.site, self.other_site])
            session.flush()
            self.asset, self.other = (
                Asset(
                    organisation_id=owner,
                    serial=serial,
                    name=serial,
                    site_id=site.id,
                    customer_id=self.contact.id,
                    created_at=NOW,
                )
                for serial, site in (("P-1", self.site), ("P-2", self.other_site))
            )
            session.add_all([self.asset, self.other])
            session.flush()
            self.order = self.make_order(owner, self.asset.id, plant.partner.id)
            session.add(self.order)

    def make_order(self, owner: UUID, asset_id: UUID, executor: UUID | None) -> WorkOrder:
        """An open work order."""
        return WorkOrder(
            organisation_id=owner,
            executing_organisation_id=executor,
            number=uuid4().hex,
            asset_id=asset_id,
            origin="manual",
            kind="general",
            title_code="manual",
            priority="normal",
            state="scheduled",
            opened_at=NOW,
        )


@pytest.fixture
def work(plant: Plant) -> Work:
    return Work(plant)


def seen(session: Session) -> dict[str, int]:
    tables = ("work_orders", "assets", "sites", "customers")
    return {table: session.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables}


def close(plant: Plant, days_ago: float) -> None:
    with plant.database.as_service() as session:
        session.execute(text("UPDATE work_orders SET closed_at = :t"), {"t": NOW - timedelta(days=days_ago)})


def test_executor_sees_the_order_its_asset_site_and_contact(plant: Plant, work: Work) -> None:
    with plant.database.as_actor(plant.actor(plant.partner)) as session:
        assert seen(session) == {"work_orders": 1, "assets": 1, "sites": 1, "customers": 1}
        assert session.get(Asset, work.other.id) is None
        assert session.get(Site, work.other_site.id) is None


@pytest.mark.parametrize(("days", "visible"), [(29, 1), (31, 0)])
def test_executor_sees_them_until_thirty_days_after_closing(plant: Plant, work: Work, days: int, visible: int) -> None:
    close(plant, days)
    with plant.database.as_actor(plant.actor(plant.partner)) as session:
        expected = {"work_orders": 1, "assets": visible, "sites": visible, "customers": visible}
        assert seen(session) == expected


def test_another_partner_sees_nothing_of_it(plant: Plant, work: Work) -> None:
    with plant.database.as_actor(plant.actor(plant.stranger)) as session:
        assert seen(session) == dict.fromkeys(("work_orders", "assets", "sites", "customers"), 0)


@pytest.mark.parametrize("table", ["assets", "sites", "customers"])
def test_executor_looks_but_does_not_touch(plant: Plant, work: Work, table: str) -> None:
    with plant.database.as_actor(plant.actor(plant.partner)) as session:
        assert session.execute(text(f"UPDATE {table} SET name = 'mine'")).rowcount == 0  # type: ignore[attr-defined]
        assert session.execute(text(f"DELETE FROM {table}")).rowcount == 0  # type: ignore[attr-defined]


def test_executor_moves_the_order_and_adds_visits_and_events(plant: Plant, work: Work) -> None:
    shared: dict[str, Any] = {"organisation_id": plant.customer.id, "executing_organisation_id": plant.partner.id}
    with plant.database.as_actor(plant.actor(plant.partner, Role.PARTNER)) as session:
        session.get_one(WorkOrder, work.order.id).state = "in_progress"
        session.add(Visit(**shared, work_order_id=work.order.id, state="in_progress"))
        append_event(session, "visit.state_changed", at=NOW, subject_kind="visit", subject_id=uuid4(), **shared)
    with plant.database.as_actor(plant.actor(plant.customer)) as session:
        assert session.get_one(WorkOrder, work.order.id).state == "in_progress"
        assert session.scalar(text("SELECT count(*) FROM visits")) == 1
        assert session.scalar(text("SELECT count(*) FROM events")) == 1


def test_executor_does_not_remove_the_order(plant: Plant, work: Work) -> None:
    with plant.database.as_actor(plant.actor(plant.partner)) as session:
        assert session.execute(text("DELETE FROM work_orders")).rowcount == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("owner", ["partner", "customer"])
def test_forged_order_opens_no_asset(plant: Plant, work: Work, owner: str) -> None:
    """Somebody who knows an asset's id claims to work on it."""
    forged = work.make_order(getattr(plant, owner).id, work.other.id, plant.partner.id)
    with suppress(DBAPIError), plant.database.as_actor(plant.actor(plant.partner)) as session:
        session.add(forged)
    with plant.database.as_actor(plant.actor(plant.partner)) as session:
        assert session.get(Asset, work.other.id) is None


def test_forged_asset_opens_no_site_and_no_customer(plant: Plant, work: Work) -> None:
    with plant.database.as_actor(plant.actor(plant.stranger)) as session:
        session.add(
            Asset(
                organisation_id=plant.stranger.id,
                serial="X",
                name="X",
                site_id=work.site.id,
                customer_id=work.contact.id,
                created_at=NOW,
            )
        )
    with plant.database.as_actor(plant.actor(plant.stranger)) as session:
        assert seen(session) == {"work_orders": 0, "assets": 1, "sites": 0, "customers": 0}


def test_customers_and_partners_read_the_type_catalogue_of_their_operator(plant: Plant) -> None:
    with plant.database.as_service() as session:
        for organisation in (plant.operator, plant.stranger):
            session.add(AssetModel(organisation_id=organisation.id, code="P", name_en="Pump", name_zh="泵"))
    for organisation in (plant.operator, plant.customer, plant.partner, plant.stranger):
        with plant.database.as_actor(plant.actor(organisation)) as session:
            expected = plant.stranger.id if organisation is plant.stranger else plant.operator.id
            assert owners(session, "asset_models") == {expected}
    with plant.database.as_actor(plant.actor(plant.customer)) as session:
        changed = session.execute(text("UPDATE asset_models SET code = 'mine'"))
        assert changed.rowcount == 0  # type: ignore[attr-defined]


# ---- readings and outside readers -----------------------------------------------------------------------------------


@pytest.fixture
def readings(plant: Plant, superuser: Any) -> Plant:
    """A reading of the customer's pump and one of the stranger's."""
    for number, organisation in enumerate((plant.customer, plant.stranger), 1):
        ids = {name: uuid4() for name in ("asset", "device")}
        owner, tables = organisation.id, metadata.tables
        insert_row(superuser, tables["assets"], owner, id=ids["asset"], serial=organisation.name)
        insert_row(superuser, tables["devices"], owner, id=ids["device"])
        insert_row(superuser, tables["bindings"], owner, asset_id=ids["asset"], device_id=ids["device"], channel="")
        statement = "INSERT INTO streams (organisation_id, device_id, channel) VALUES (%s, %s, '') RETURNING id"
        stream = superuser.execute(statement, [owner, ids["device"]]).fetchone()[0]
        insert_row(superuser, tables["series"], owner, stream_id=stream, slot=1, metric="temperature_celsius")
        superuser.execute("INSERT INTO samples VALUES (%s, now(), now(), 1, 0, NULL, %s)", [stream, [20.0 + number]])
    return plant


def test_readings_are_reached_only_through_their_streams(readings: Plant) -> None:
    values = {"operator": [[21.0]], "customer": [[21.0]], "stranger": [[22.0]], "partner": []}
    for name, expected in values.items():
        with readings.database.as_actor(readings.actor(getattr(readings, name))) as session:
            assert list(session.scalars(text("SELECT values FROM stream_samples"))) == expected
    for table in ("samples", "samples_default", "readings_v1"):
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            readings.database.as_actor(readings.actor(readings.operator)) as session,
        ):
            session.execute(text(f"SELECT 1 FROM {table}"))


def test_reader_sees_everything_through_the_views_that_stay(readings: Plant, superuser: Any) -> None:
    for organisation in (readings.customer, readings.stranger):
        asset = superuser.execute("SELECT id FROM assets WHERE organisation_id = %s", [organisation.id]).fetchone()[0]
        for table in ("work_orders", "findings", "episodes"):
            insert_row(superuser, metadata.tables[table], organisation.id, asset_id=asset)
    with readings.database.engine.connect() as connection:
        connection.execute(text(f"SET ROLE {READER_ROLE}"))
        for view in ("readings_v1", "findings_v1", "episodes_v1", "work_orders_v1"):
            assert (view, connection.scalar(text(f"SELECT count(*) FROM {view}"))) == (view, 2)
        serials = connection.scalars(text("SELECT asset_serial FROM readings_v1 ORDER BY value"))
        assert list(serials) == ["Customer", "Stranger"]
        connection.rollback()


@pytest.mark.parametrize(
    ("table", "column"), [(t, c) for t, hidden in HIDDEN_FROM_READER.items() for c in sorted(hidden)]
)
def test_reader_sees_neither_secrets_nor_personal_data(plant: Plant, table: str, column: str) -> None:
    with plant.database.engine.connect() as connection:
        connection.execute(text(f"SET ROLE {READER_ROLE}"))
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text(f'SELECT "{column}" FROM {table}'))


@pytest.mark.parametrize(
    "statement", ["UPDATE assets SET name = ''", "DELETE FROM assets", "SELECT 1 FROM credentials"]
)
def test_reader_only_reads(plant: Plant, statement: str) -> None:
    with plant.database.engine.connect() as connection:
        connection.execute(text(f"SET ROLE {READER_ROLE}"))
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text(statement))
