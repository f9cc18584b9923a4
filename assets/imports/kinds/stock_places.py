"""Places of the stock: known by their code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.bulk import among, insert_objects
from assets.base.errors import Invalid, RuleError
from assets.base.ids import uuid7
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, pages
from assets.imports.kinds.bulk import BulkKind, Rows
from assets.stock.places import MAX_DEPTH, StockLocation, add_location, allow_place, settings_of
from assets.stock.words import MADE_BY_ITSELF, MADE_BY_PEOPLE, PERSONAL

_KNOWN = text("""
WITH RECURSIVE named AS (
  SELECT id, code, name, kind, parent_id FROM stock_locations
  WHERE organisation_id = :own AND code = ANY (CAST(:codes AS text[]))
), above AS (
  SELECT id, parent_id, 1 AS depth FROM named
  UNION ALL
  SELECT a.id, l.parent_id, a.depth + 1 FROM above a JOIN stock_locations l ON l.id = a.parent_id WHERE a.depth < 10
)
SELECT n.code, n.name, n.kind, p.code AS parent, (SELECT max(depth) FROM above WHERE id = n.id) AS depth
FROM named n LEFT JOIN stock_locations p ON p.id = n.parent_id
""")


@dataclass(frozen=True, slots=True)
class _Place:
    """A place as it is, or will be after the rows above; `depth` 1 is the top. Unsure: it goes by itself."""

    name: str
    kind: str
    parent: str | None
    depth: int
    sure: bool = True


class StockLocations(BulkKind):
    """Warehouses, bins and vans by code."""

    name, en, zh = "stock_locations", "Stock locations", "库位"
    key = ("code",)
    action = "stock.manage"
    read_action = "stock.read"
    candidates = "SELECT n FROM import_rows"
    rest_follows = True
    fields = (
        Field("code", "Location code", "库位编码", required=True, most=120, also=("code", "location", "库位")),
        Field("name", "Location name", "库位名称", required=True, also=("name", "名称")),
        Field(
            "kind",
            "Location kind",
            "库位类型",
            "choice",
            required=True,
            choices={
                "warehouse": ("仓库",),
                "bin": ("货位", "储位"),
                "van": ("服务车", "车辆"),
                "quarantine": ("隔离区",),
                "repair_shop": ("维修车间",),
            },
            also=("kind", "类型"),
        ),
        Field("parent", "Inside of (code)", "上级库位", "reference", most=120, also=("parent", "warehouse")),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store a place of the importer's own; its kind stays once it is there."""
        there = self._find(session, values["code"], origin)
        parent = self._find(session, values["parent"], origin) if values["parent"] else None
        if values["parent"] and parent is None:
            raise _no_place(values["parent"])
        if there is None:
            add_location(session, _made(values, parent.id if parent else None, origin))
            return "insert"
        if there.kind != values["kind"] or (parent is not None and parent.id != there.parent_id):
            raise _stays()
        if there.name == values["name"]:
            return "unchanged"
        there.name = values["name"]
        return "update"

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Follow the file downwards: a place lies in one of the books or of a row above. Another name goes by itself.

        `memory` holds places by code.
        """
        mode = settings_of(session, origin.actor.organisation_id).mode
        codes = {code for _, values in rows for code in (values["code"], values["parent"]) if code} - memory.keys()
        found = session.execute(_KNOWN, {"own": origin.actor.organisation_id, "codes": list(codes)})
        memory |= {row.code: _Place(row.name, row.kind, row.parent, row.depth) for row in found}
        said: dict[int, str | RuleError] = {}
        for number, values in rows:
            verdict = _verdict(memory, values, mode)
            if verdict is not None:
                said[number] = verdict
            if verdict == "insert" or (verdict is None and values["code"] not in memory):
                outer = memory.get(values["parent"])
                depth = outer.depth + 1 if outer else 1
                known = _Place(values["name"], values["kind"], values["parent"], depth, sure=verdict == "insert")
                memory[values["code"]] = known
            elif verdict is None and values["code"] in memory:
                there = memory[values["code"]]
                memory[values["code"]] = _Place(there.name, there.kind, there.parent, there.depth, sure=False)
        return said

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Add new places, each below what lies above it in the file."""
        session.execute(text("SELECT pg_advisory_xact_lock(7301956)"))  # as who moves a place, see `check_location`
        codes = {code for _, values in rows for code in (values["code"], values["parent"]) if code}
        own = StockLocation.organisation_id == origin.actor.organisation_id
        there = {
            code: each
            for code, each in session.execute(
                select(StockLocation.code, StockLocation.id).where(own, among(StockLocation.code, codes))
            )
        }
        left, added = [], []
        for number, values in rows:
            outer = there.get(values["parent"]) if values["parent"] else None
            if values["code"] in there or (values["parent"] and outer is None):
                left.append((number, values))
                continue
            made = _made(values, outer, origin)
            made.id = uuid7()
            added.append(made)
            there[made.code] = made.id
        insert_objects(session, added)
        return left

    def _find(self, session: Session, code: str, origin: Origin) -> StockLocation | None:
        return session.scalar(
            select(StockLocation).where(
                StockLocation.organisation_id == origin.actor.organisation_id, StockLocation.code == code
            )
        )

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield places by code, what holds others first."""
        statement = (
            "SELECT l.code, l.name, l.kind, p.code FROM stock_locations l LEFT JOIN stock_locations p"
            " ON p.id = l.parent_id WHERE l.kind IN ('warehouse', 'bin', 'van', 'quarantine', 'repair_shop')"
            " ORDER BY l.parent_id IS NOT NULL, l.code, l.id"
        )
        yield from pages(session, statement, 4)


def _verdict(memory: Mapping[str, _Place], values: Mapping[str, Any], mode: str) -> str | RuleError | None:
    """Return what the row will do; None: it goes by itself, after what lies above it."""
    parent, there = values["parent"], memory.get(values["code"])
    outer = memory.get(parent) if parent else None
    if parent and outer is None:
        return _no_place(parent)
    if there is not None:
        if not there.sure:
            return None
        if there.kind != values["kind"] or (parent and parent != there.parent):
            return _stays()
        return "unchanged" if there.name == values["name"] else None
    if outer is not None and (not outer.sure or outer.depth >= MAX_DEPTH):
        return None
    if outer is not None and (outer.kind in MADE_BY_ITSELF or outer.kind in PERSONAL):
        return None
    if values["kind"] not in MADE_BY_PEOPLE or values["kind"] == "person" or (values["kind"] == "bin" and not parent):
        return None
    try:
        allow_place(mode, StockLocation(code=values["code"], kind=values["kind"]))
    except RuleError:
        return None
    return "insert"


def _made(values: Mapping[str, Any], parent_id: UUID | None, origin: Origin) -> StockLocation:
    return StockLocation(
        organisation_id=origin.actor.organisation_id,
        code=values["code"],
        name=values["name"],
        kind=values["kind"],
        parent_id=parent_id,
        created_at=origin.now,
    )


def _no_place(code: str) -> Invalid:
    return Invalid(f"no location {code!r}", field="parent")


def _stays() -> Invalid:
    return Invalid("kind and place of a location stay as they are", field="kind")
