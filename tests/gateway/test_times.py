"""Times that no page sends: without a zone, of no year, in a crafted cursor. No operation fails on any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from gateway.api.pages import cursor_of
from tests.gateway.conftest import Plant
from tests.gateway.isolation import Walk, fill_tables
from tests.gateway.test_access_rows import WITHOUT_CHECKS

ODD = {
    "date-time": ("2026-05-04T10:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    "date": ("0001-01-01", "9999-12-31"),
}
KEY = str(uuid4())
CURSORS = tuple(cursor_of(at, KEY) for at in ("2026-05-04T10:00:00", "0001-01-01T00:00:00+14:00", "0001-01-01"))


@pytest.fixture
def superuser(plant: Plant, superuser_url: str, database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that no policy and no foreign key holds back."""
    url = superuser_url.rpartition("/")[0] + "/" + database_url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(WITHOUT_CHECKS)
        yield connection


def asked_for(parameter: dict[str, Any]) -> tuple[str, ...]:
    """Return the odd values of a parameter: those of times and cursors."""
    if parameter["name"] == "after":
        return CURSORS
    schema = parameter["schema"]
    formats = {each.get("format") for each in (schema, *schema.get("anyOf", ()))}
    return next((ODD[each] for each in ODD if each in formats), ())


def odd_requests(document: dict[str, Any], ids: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each operation that reads at one address, with one odd value."""
    walk = Walk(document, ids, {"from": "2026-05-01T00:00:00Z", "format": "csv", "serial": "x"})
    seen, turn = set(), 0
    for operation, _, address, query, _ in walk.requests(("get",)):
        if operation in seen:
            continue
        seen.add(operation)
        path = operation.partition(" ")[2]
        for parameter in document["paths"][path]["get"].get("parameters", ()):
            if parameter["in"] == "query" and (values := asked_for(parameter)):
                turn += 1  # one after the other: each parameter has one of them, each of them is tried on many
                yield address, query | {parameter["name"]: values[turn % len(values)]}


def test_no_operation_fails_on_an_odd_time(plant: Plant, superuser: psycopg.Connection[Any]) -> None:
    rows = fill_tables(superuser, plant.customer.id)
    requests = list(odd_requests(plant.app.openapi(), rows.ids))
    assert len(requests) > 80
    broken = asyncio.run(_broken(plant, requests))
    assert broken == []


async def _broken(plant: Plant, requests: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any], str]]:
    transport = httpx.ASGITransport(plant.app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {plant.token()}"}
    broken = []
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
        for address, query in requests:
            answer = await client.get(address, params=query)
            # A list that cannot show the rows of no sense that fill the tables fails without the odd value too.
            if answer.status_code >= 500 and (await client.get(address, params=_plain(query))).status_code < 500:
                broken.append((address, query, answer.text[:200]))
    return broken


def _plain(query: dict[str, Any]) -> dict[str, Any]:
    usual = {"date-time": "2026-05-04T10:00:00Z", "date": "2026-05-04"}
    known = {odd: usual[kind] for kind, values in ODD.items() for odd in values}
    return {name: known.get(value, value) for name, value in query.items() if name != "after"}
