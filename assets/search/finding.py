"""Find assets, customers, sites, models and documents by what people remember of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, func, literal_column, select, text, true
from sqlalchemy.orm import Session

MATCHES = ("serial", "serial_start", "name", "name_start", "name_part", "text")
MAX_WORDS = 10
MOST_LISTED = 2000  # ids that are handed over; more are put together where they are needed
MOST_OF_ALL = 10_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """One thing found; `place` orders: 0 an exact serial number or number, then beginnings, names, texts."""

    kind: str
    id: UUID
    title: str
    place: int
    match: str
    title_zh: str | None = None
    subtitle: str | None = None
    asset_id: UUID | None = None
    serial: str | None = None


def find(session: Session, asked: str, kinds: Sequence[str], limit: int, *, public_only: bool = False) -> list[Found]:
    """Return what was found of each kind, at most `limit` of each, best first; `public_only`: of documents."""
    said = asked.replace("\0", "").strip()[:200]
    if not said:
        return []
    searches = KINDS | {"document": _rows("document", _PUBLIC_DOCUMENT)} if public_only else KINDS
    found = [each for kind in kinds for each in searches[kind](session, said, limit)]
    return sorted(found, key=lambda each: each.place)


def like_patterns(asked: str) -> list[str]:
    """Return a pattern for each word: all of them must be there."""
    words = asked.split()[:MAX_WORDS]
    escaped = [each.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for each in words]
    return [f"%{each}%" for each in escaped] or [""]


def matching(session: Session, asked: str) -> ColumnElement[bool]:
    """Return the condition on `assets` under which one holds every word of what was asked, for lists with `q`."""
    said = asked.replace("\0", "").strip()[:200]
    if not said:
        return true()
    few = session.scalar(text("SELECT forewarn_search_ids(:asked, :most)"), {"asked": said, "most": MOST_LISTED})
    asset_id = literal_column("assets.id", Uuid())
    if few is not None:
        return asset_id == any_(bindparam(None, few, ARRAY(Uuid)))
    return asset_id.in_(select(func.unnest(func.forewarn_search_ids(said, MOST_OF_ALL))))


def _assets(session: Session, asked: str, limit: int) -> list[Found]:
    # Twice as many: an asset of an order whose executor may no longer see it falls out below. Two questions: of a
    # function's answer the planner knows no size, and would read all assets to join it.
    hits = session.execute(
        text("SELECT found, place FROM forewarn_search_assets(:asked, :most)"), {"asked": asked, "most": limit * 2}
    ).all()
    rows = session.execute(
        text(
            "SELECT a.id, a.serial, a.name, c.name AS customer, s.name AS site, f.place"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:places AS int[])) AS f(found, place)"
            " JOIN LATERAL (SELECT * FROM assets WHERE id = f.found OFFSET 0) a ON true"
            " LEFT JOIN customers c ON c.id = a.customer_id LEFT JOIN sites s ON s.id = a.site_id"
            " ORDER BY f.place, a.serial, a.id LIMIT :limit"
        ),
        {"ids": [hit.found for hit in hits], "places": [hit.place for hit in hits], "limit": limit},
    )
    return [
        Found(
            "asset",
            row.id,
            row.name,
            row.place,
            MATCHES[row.place],
            subtitle=" · ".join(each for each in (row.serial, row.customer, row.site) if each),
            asset_id=row.id,
            serial=row.serial,
        )
        for row in rows
    ]


_STATEMENTS = {
    "customer": (
        "SELECT id, name AS title, NULL AS zh, number AS subtitle, CASE WHEN lower(number) = lower(:exact) THEN 0"
        " WHEN lower(name) = lower(:exact) THEN 2 WHEN name ILIKE :start OR number ILIKE :start THEN 3 ELSE 4 END"
        " AS place FROM customers WHERE merged_into_id IS NULL AND concat_ws(' ', number, name) ILIKE ALL (:patterns)"
    ),
    "site": (
        "SELECT id, name AS title, NULL AS zh, address AS subtitle, CASE WHEN lower(name) = lower(:exact) THEN 2"
        " WHEN name ILIKE :start THEN 3 ELSE 4 END AS place FROM sites"
        " WHERE concat_ws(' ', name, address) ILIKE ALL (:patterns)"
    ),
    "asset_model": (
        "SELECT id, name_en AS title, name_zh AS zh, concat_ws(' · ', code, manufacturer) AS subtitle,"
        " CASE WHEN lower(code) = lower(:exact) THEN 1 WHEN lower(:exact) IN (lower(name_en), lower(name_zh)) THEN 2"
        " ELSE 4 END AS place FROM asset_models"
        " WHERE concat_ws(' ', code, name_en, name_zh, manufacturer) ILIKE ALL (:patterns)"
    ),
    "document": (
        "SELECT d.id, d.title, NULL AS zh, (SELECT r.file_name FROM document_revisions r WHERE r.document_id = d.id"
        " AND r.revision = d.latest) AS subtitle, CASE WHEN lower(d.title) = lower(:exact) THEN 2"
        " WHEN d.title ILIKE :start THEN 3 ELSE 4 END AS place FROM documents d"
        " WHERE d.archived_at IS NULL AND d.title ILIKE ALL (:patterns)"
    ),
}
_PUBLIC_DOCUMENT = f"{_STATEMENTS['document']} AND d.public"


def _rows(kind: str, statement: str | None = None) -> Callable[[Session, str, int], list[Found]]:
    def search(session: Session, asked: str, limit: int) -> list[Found]:
        patterns = like_patterns(asked)
        values: dict[str, Any] = {
            "exact": asked,
            "start": patterns[0][1:] if len(patterns) == 1 else "",
            "patterns": patterns,
            "limit": limit,
        }
        found = session.execute(
            text(f"{statement or _STATEMENTS[kind]} ORDER BY place, title, id LIMIT :limit"), values
        )
        return [
            Found(
                kind,
                row.id,
                row.title,
                row.place,
                "number" if row.place < 2 else "name",
                title_zh=row.zh,
                subtitle=row.subtitle,
            )
            for row in found
        ]

    return search


KINDS: dict[str, Callable[[Session, str, int], list[Found]]] = {
    "asset": _assets,
    **{kind: _rows(kind) for kind in _STATEMENTS},
}
