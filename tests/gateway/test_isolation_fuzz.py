"""Nobody reads or changes another organisation's rows over any operation of the API, whatever ids they send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import gateway
from assets.base.access import Role
from assets.people import add_organisation
from gateway.models import metadata
from tests.gateway.conftest import Plant
from tests.gateway.isolation import SECRET, Rows, Tried, Walk, fill_tables, try_all
from tests.gateway.test_access_rows import WITHOUT_CHECKS

OPENAPI = Path(gateway.__file__).parent / "web" / "openapi.json"  # as served, by a test of its own
OWNED = sorted(table.name for table in metadata.sorted_tables if "organisation_id" in table.columns)
# What an asker sends along and keeps as their own, word for word: an offline booking that cannot be carried out.
KEPT_AS_SENT = {"stock_conflicts"}
# Public doors that a telephone system or mail server knocks at: whoever has no secret to sign with is unknown there.
SIGNED = {"post /api/v1/calls/inbound/{channel_id}", "post /api/v1/mail/inbound/{channel_id}"}
# What belongs to the machine and its owner, not to an order.
CLOSED = {
    "assets",
    "asset_models",
    "sites",
    "customers",
    "meters",
    "components",
    "documents",
    "warranty_cards",
    "devices",
}
CLOSED |= {"contracts", "parts", "stock_locations", "people", "positions", "findings", "episodes", "state_intervals"}


@pytest.fixture
def superuser(plant: Plant, superuser_url: str, database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that no policy and no foreign key holds back."""
    url = superuser_url.rpartition("/")[0] + "/" + database_url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(WITHOUT_CHECKS)
        yield connection


@pytest.fixture
def victim(plant: Plant, superuser: psycopg.Connection[Any]) -> Rows:
    return fill_tables(superuser, plant.customer.id)


def walk_over(ids: dict[str, str], serial: str = SECRET, about: tuple[str, ...] = ()) -> Walk:
    words = {"serial": serial, "q": SECRET, "number": "1", "key": "1", "format": "csv", "from": "2026-01-01T00:00:00Z"}
    return Walk(json.loads(OPENAPI.read_text()), ids, words, about)


def rows_of(connection: psycopg.Connection[Any], victim: Rows) -> dict[str, list[str]]:
    """Every row of the victim's, as text."""
    found = {}
    for name in OWNED:
        statement = sql.SQL("SELECT t::text FROM {} t WHERE organisation_id = %s ORDER BY 1").format(
            sql.Identifier(name)
        )
        found[name] = [str(row[0]) for row in connection.execute(statement, [victim.organisation_id])]
    return found


def naming(connection: psycopg.Connection[Any], victim: Rows) -> set[str]:
    """Tables in which a row of somebody else names one of the victim's."""
    pattern = "|".join(sorted({*victim.ids.values(), str(victim.organisation_id)}))
    found = set()
    for name in OWNED:
        statement = sql.SQL("SELECT count(*) FROM {} t WHERE organisation_id <> %s AND t::text ~ %s").format(
            sql.Identifier(name)
        )
        counted = connection.execute(statement, [victim.organisation_id, pattern]).fetchone()
        if counted and counted[0]:
            found.add(name)
    return found


def assert_nothing_told(tried: list[Tried]) -> None:
    for each in tried:
        assert each.status < 500, (each.operation, each.body[:300])
        assert not each.tables, (each.operation, each.body[:300])
        if each.operation in SIGNED:
            assert each.status in (401, 415, 422), (each.operation, each.status, each.body[:300])
        elif "_id}" in each.operation and not each.operation.startswith("get "):
            # 415 and 422: a file is asked for, or a word is none of those allowed, before anything is looked up
            assert each.status in (403, 404, 415, 422), (each.operation, each.status, each.body[:300])


# seed:004-05
def test_a_stranger_reads_and_changes_nothing_of_a_victim_with_rows_in_every_table(
    plant: Plant, victim: Rows, superuser: psycopg.Connection[Any]
) -> None:
    before = rows_of(superuser, victim)
    assert not [name for name, rows in before.items() if not rows]
    tried = try_all(plant.app, plant.token(plant.stranger), walk_over(victim.ids))
    assert_nothing_told(tried)
    # A body that no schema takes would hide what is behind it.
    unread = {each.operation for each in tried if each.status == 422 and "_id}" in each.operation}
    assert len(unread) < len(tried) / 20, sorted(unread)
    assert rows_of(superuser, victim) == before
    assert naming(superuser, victim) <= KEPT_AS_SENT


def test_an_executor_of_long_ago_sees_the_order_and_nothing_of_the_machine(
    plant: Plant, victim: Rows, superuser: psycopg.Connection[Any]
) -> None:
    """The order itself stays theirs to read; its asset, site and contact are closed after 30 days."""
    ended = datetime.now(UTC) - timedelta(days=31)
    superuser.execute("UPDATE work_orders SET executing_organisation_id = %s, closed_at = %s, opened_at = %s",
                      [plant.partner.id, ended, ended])  # fmt: skip
    client = plant.client(plant.token(plant.partner))
    reads = try_all(plant.app, plant.token(plant.partner), walk_over(victim.ids), ("get",))
    assert not [(each.operation, each.tables) for each in reads if each.tables & CLOSED]
    assert not {each.operation for each in reads if each.status == 200 and "{asset_id}" in each.operation}
    superuser.execute("UPDATE work_orders SET closed_at = %s", [datetime.now(UTC) - timedelta(days=29)])
    opened = client.get("/api/v1/assets", params={"q": SECRET})
    assert len(opened.json()["items"]) == 1


def test_customers_and_neighbours_read_nothing_of_each_other(
    plant: Plant, victim: Rows, superuser: psycopg.Connection[Any]
) -> None:
    with plant.database.as_service() as session:
        operator = session.merge(plant.operator)
        neighbour = add_organisation(session, kind="customer", name="Neighbour", now=datetime.now(UTC), parent=operator)
    tried = try_all(plant.app, plant.token(neighbour), walk_over(victim.ids), ("get",))
    assert_nothing_told(tried)
    assert not {each.operation for each in tried if each.status == 200 and "_id}" in each.operation}
    few = walk_over(victim.ids, about=("asset_id",))
    assert_nothing_told(try_all(plant.app, plant.token(neighbour, Role.CUSTOMER), few, ("get",)))


def test_a_seller_sees_nothing_of_what_became_of_the_machine_and_a_buyer_nothing_of_before(plant: Plant) -> None:
    with plant.database.as_service() as session:
        operator = session.merge(plant.operator)
        buyer = add_organisation(session, kind="customer", name="Buyer", now=datetime.now(UTC), parent=operator)
    desk = plant.administrator()
    seller, new_owner = (plant.client(plant.token(each)) for each in (plant.customer, buyer))
    asset = desk.post(
        "/api/v1/assets",
        json={"serial": "S-1", "name": "Pump", "organisation_id": str(plant.customer.id), "lifecycle": "in_service"},
    ).json()["id"]
    text = {"asset_id": asset, "text": f"{SECRET}_seller_A"}
    request = seller.post("/api/v1/requests", json=text)
    assert request.status_code == 201, request.text
    answer = desk.post(
        f"/api/v1/assets/{asset}/transfer", json={"organisation_id": str(buyer.id), "reason": "sold to the buyer"}
    )
    assert answer.status_code in (200, 201), answer.text
    meter = new_owner.post(
        f"/api/v1/assets/{asset}/meters", json={"name": f"{SECRET}_buyer_A", "kind": "counter", "unit": "h"}
    )
    assert meter.status_code == 201, meter.text
    assert new_owner.patch(f"/api/v1/assets/{asset}", json={"name": f"{SECRET}_buyer_B"}).status_code == 200
    mine = {"assets": asset, "meters": meter.json()["id"], "requests": request.json()["id"]}
    sold = try_all(
        plant.app, plant.token(plant.customer), walk_over(mine, "S-1", ("asset_id", "meter_id", "request_id")), ("get",)
    )
    assert not {(each.operation, each.body) for each in sold if "buyer" in each.tables}
    assert not {each.operation for each in sold if each.status == 200 and "{asset_id}" in each.operation}
    bought = try_all(
        plant.app, plant.token(buyer), walk_over(mine, "S-1", ("asset_id", "meter_id", "request_id")), ("get",)
    )
    assert not {(each.operation, each.body) for each in bought if "seller" in each.tables}
    assert {each.operation for each in bought if "buyer" in each.tables}
    for path, method in (("", "patch"), ("/meters", "post"), ("/transfer", "post"), ("/lifecycle-moves", "post")):
        refused = seller.request(
            method, f"/api/v1/assets/{asset}{path}", json={"name": "x", "kind": "counter", "unit": "h"}
        )
        assert refused.status_code in (403, 404, 405, 422), (path, refused.text)
