"""A victim with a row in every table, and every operation of the API tried on those rows with bodies of its schema."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from psycopg import Connection, sql
from sqlalchemy import Column, Table, Uuid
from sqlalchemy.dialects import postgresql

from gateway.models import metadata
from tests.gateway.test_access_rows import dummy

SECRET = "xyzzy"  # in every text that belongs to the victim, followed by the name of its table
METHODS = ("get", "post", "put", "patch", "delete")
# What a parameter is called where that is not the table's singular.
TABLE_OF = {
    "model": "asset_models",
    "file": "case_files",
    "webhook": "webhook_endpoints",
    "delivery": "webhook_deliveries",
    "mode": "failure_modes",
    "book": "price_books",
    "price_book": "price_books",
    "order": "purchase_orders",
    "transfer": "stock_transfers",
    "window": "maintenance_windows",
    "repair": "repair_orders",
    "node": "sparkplug_nodes",
    "duty": "old_part_duties",
    "list": "on_call_lists",
    "job": "predicted_jobs",
    "filter": "saved_filters",
    "conflict": "stock_conflicts",
    "location": "stock_locations",
    "serial": "stock_serials",
    "card": "warranty_cards",
    "terms": "warranty_terms",
    "hold": "alarm_holds",
    "import": "import_runs",
    "person": "people",
    "reservation": "stock_reservations",
    "override": "coverage_overrides",
    "merge": "customer_merges",
    "level": "stock_levels",
    "lot": "stock_lots",
    "movement": "stock_movements",
    "registration": "warranty_registrations",
    "reading": "meter_readings",
    "from_location": "stock_locations",
    "to_location": "stock_locations",
    "parent": "assets",
    "technician": "people",
    "help": "help_requests",
    "operation": "sync_operations",
    "round": "inspection_rounds",
    "draft": "desk_drafts",
    "decision": "desk_decisions",
    "cost": "desk_costs",
}
# Endless streams and what ends the session that asks.
LEFT_OUT = frozenset({"/api/v1/events", "/api/v1/sign-out"})


@dataclass(frozen=True)
class Tried:
    """One request of somebody who is not the victim, and what came back."""

    operation: str
    status: int
    body: str
    sent: str

    @property
    def told(self) -> str:
        """The answer without what the asker had sent themselves."""
        left = self.body
        for word in {each for each in json.loads(self.sent) if isinstance(each, str)}:
            left = left.replace(word, "")
        return left

    @property
    def tables(self) -> set[str]:
        """The tables of the victim's of which the answer tells something."""
        return set(re.findall(f"{SECRET}_([a-z_]+)_", self.told))


@dataclass
class Rows:
    """The victim's row in every table that has an organisation, by table; rows point at one another."""

    organisation_id: UUID
    ids: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)


def fill_tables(connection: Connection[Any], organisation_id: UUID) -> Rows:
    """Insert one row of the organisation into every table of tenants; the connection checks no foreign keys."""
    tables = [table for table in metadata.sorted_tables if "organisation_id" in table.columns]
    rows = Rows(organisation_id, {"organisations": str(organisation_id)})
    for table in tables:
        if "id" in table.columns and isinstance(table.columns["id"].type, Uuid):
            rows.ids[table.name] = str(uuid4())
    for table in tables:
        values = {column.name: _value(column, rows) for column in table.columns if column.computed is None}
        values["organisation_id"] = organisation_id
        if table.name in rows.ids:
            values["id"] = rows.ids[table.name]
        filled = {name: value for name, value in values.items() if value is not None}
        _insert(connection, table, filled)
        rows.values[table.name] = filled
    return rows


def _value(column: Column[Any], rows: Rows) -> Any:
    if column.identity is not None or column.name in ("executing_organisation_id", "merged_into_id"):
        return None
    for key in column.foreign_keys:
        referred = key.column.table.name
        if referred == "organisations":
            return rows.organisation_id
        return rows.ids.get(referred, dummy(column) if not column.nullable else None)
    kind = column.type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    if kind == "TEXT":
        return f"{SECRET}_{column.table.name}_{secrets.token_hex(6).upper()}"
    if column.nullable or column.server_default is not None:
        return None
    return dummy(column)


def _insert(connection: Connection[Any], table: Table, values: dict[str, Any]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    places = sql.SQL(", ").join(sql.Placeholder() * len(values))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table.name), names, places)
    connection.execute(statement, list(values.values()))


class Walk:
    """Every operation of an API as one client tries it, with the victim's ids wherever a path or a body takes one."""

    def __init__(
        self, document: dict[str, Any], ids: dict[str, str], words: dict[str, str], about: tuple[str, ...] = ()
    ) -> None:
        """`about`: of paths with parameters only those with one of these."""
        self.document, self.ids, self.words, self.about = document, ids, words, about

    def id_of(self, name: str) -> str | None:
        """The victim's id that a parameter or property of this name asks for."""
        stem = name.removesuffix("_ids").removesuffix("_id")
        for table in (TABLE_OF.get(stem, ""), f"{stem}s", f"{stem[:-1]}ies", f"{stem}es", stem):
            if table in self.ids:
                return self.ids[table]
        return None

    def requests(self, methods: tuple[str, ...] = METHODS) -> Iterator[tuple[str, str, str, dict[str, Any], Any]]:
        """Yield (operation, method, address, query, body)."""
        for path, operations in self.document["paths"].items():
            if path in LEFT_OUT or (
                "{" in path and self.about and not any(f"{{{each}}}" in path for each in self.about)
            ):
                continue
            for method in methods:
                if method in operations:
                    yield from self._of(path, method, operations[method])

    def _of(
        self, path: str, method: str, operation: dict[str, Any]
    ) -> Iterator[tuple[str, str, str, dict[str, Any], Any]]:
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        asked = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
        query = {each["name"]: value for each in asked if (value := self._asked(each)) is not None}
        body = self._body(operation)
        known = self.id_of(names[0]) or self.ids.get(self._collection(path)) if names else None
        every = [known] if known else sorted(set(self.ids.values()))
        for first in every if names and names[0].endswith("_id") else [None]:
            address = path
            for position, name in enumerate(names):
                filled = first if position == 0 and first else self._filling(name)
                address = address.replace(f"{{{name}}}", str(filled))
            yield f"{method} {path}", method, address, query, body

    @staticmethod
    def _collection(path: str) -> str:
        """The table that a path names before its first parameter: /remote-sessions/{session_id}."""
        return path.partition("/{")[0].rpartition("/")[2].replace("-", "_")

    def _filling(self, name: str) -> str:
        return self.id_of(name) or (str(uuid4()) if name.endswith("_id") else self.words.get(name, SECRET))

    def _asked(self, parameter: dict[str, Any]) -> Any:
        name = parameter["name"]
        if name.endswith("_id"):
            return self.id_of(name)
        if name in self.words:
            return self.words[name]
        return self.make(parameter["schema"], name) if parameter.get("required") else None

    def _body(self, operation: dict[str, Any]) -> Any:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return self.make(content["schema"], "") if content else None

    def make(self, schema: dict[str, Any], name: str) -> Any:
        """Return a value that the schema takes; ids are the victim's, also those that may be left out."""
        if "$ref" in schema:
            return self.make(self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], name)
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                return self.make(schema[several][0], name)
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        match schema.get("type"):
            case "object":
                needed = set(schema.get("required", ()))
                known = schema.get("properties", {})
                wanted = {each for each in known if each in needed or each.endswith(("_id", "_ids"))}
                return {each: self.make(known[each], each) for each in sorted(wanted)}
            case "array":
                return [self.make(schema["items"], name) for _ in range(max(1, schema.get("minItems", 1)))]
            case "integer" | "number":
                return max(1, schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
            case "boolean":
                return True
            case "null":
                return None
        return self._text(schema, name)

    def _text(self, schema: dict[str, Any], name: str) -> str:
        written: dict[str, Callable[[], str]] = {
            "uuid": lambda: self.id_of(name) or str(uuid4()),
            "date-time": lambda: "2026-05-04T10:00:00Z",
            "date": lambda: "2026-05-04",
        }
        if schema.get("format") in written:
            return str(written[schema["format"]]())
        if "email" in name or "@" in schema.get("pattern", ""):
            return "a@example.com"
        return "Asia/Shanghai" if name == "time_zone" else ("1" * max(1, schema.get("minLength", 1)))


def try_all(app: FastAPI, token: str, walk: Walk, methods: tuple[str, ...] = METHODS) -> list[Tried]:
    """Send every request, one after the other; return what came back."""
    return asyncio.run(_try_all(app, token, walk, methods))


async def _try_all(app: FastAPI, token: str, walk: Walk, methods: tuple[str, ...]) -> list[Tried]:
    # One event loop for all: a test client makes one for each request, which takes longer than the request.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {token}"}
    tried = []
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
        for operation, method, address, query, body in walk.requests(methods):
            answer = await client.request(method, address, params=query, json=body)
            sent = [*address.split("/"), *map(str, query.values()), *_words(body)]
            tried.append(Tried(operation, answer.status_code, answer.text, json.dumps(sent)))
    return tried


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _words(each)
    elif isinstance(value, list):
        for each in value:
            yield from _words(each)
    elif isinstance(value, str) and len(value) > 8:
        yield value
