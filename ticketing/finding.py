"""Find cases, requests and work orders by number and by what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, func, literal_column, select, text, true
from sqlalchemy.orm import Session

from assets.base.access import STAFF, Actor
from assets.search.finding import MATCHES, MOST_LISTED, MOST_OF_ALL, Found

TABLES = {"case": "cases", "request": "requests", "work_order": "work_orders"}
MAX_ASKED = 200
MAX_SUBTITLE = 200

_HITS = text("SELECT kind, found, place FROM forewarn_search_work(:asked, :kinds, :notes, :most)")
_TITLES = {"case": "t.title", "request": "split_part(t.text, E'\\n', 1)", "work_order": "t.title_text"}
# Under the row policies of whoever asks: what the function let through too much falls out here.
_ROWS = """
SELECT t.id, t.number, left({title}, :longest) AS title, f.place, a.id AS asset_id, a.name, a.serial
FROM unnest(CAST(:ids AS uuid[]), CAST(:places AS int[])) AS f(found, place)
JOIN LATERAL (SELECT * FROM {table} WHERE id = f.found OFFSET 0) t ON true
LEFT JOIN LATERAL (SELECT * FROM assets WHERE id = t.asset_id OFFSET 0) a ON true
ORDER BY f.place, t.id DESC LIMIT :limit
"""


def find_work(session: Session, asked: str, kinds: Sequence[str], limit: int, actor: Actor) -> list[Found]:
    """Return what of these kinds holds every word, numbers first, then titles, the newest first; notes only for staff.

    What others own is found by whoever carries it out.
    """
    said = _said(asked)
    if not said or not kinds:
        return []
    about = {"asked": said, "kinds": [*kinds], "notes": _reads_notes(actor), "most": limit * 2}
    hits = session.execute(_HITS, about).all()
    found: list[Found] = []
    for kind in kinds:
        places = {hit.found: hit.place for hit in hits if hit.kind == kind}
        found += _found(session, kind, places, limit) if places else []
    return found


def holding(session: Session, kind: str, asked: str | None, actor: Actor) -> ColumnElement[bool]:
    """Return the condition on the kind's table under which a row holds every word, for lists with `q`."""
    said = _said(asked or "")
    if not said:
        return true()
    about = {"asked": said, "kind": kind, "notes": _reads_notes(actor)}
    few = session.scalar(
        text("SELECT forewarn_search_work_ids(:asked, :kind, :notes, :most)"), about | {"most": MOST_LISTED}
    )
    row_id = literal_column(f"{TABLES[kind]}.id", Uuid())
    if few is not None:
        return row_id == any_(bindparam(None, few, ARRAY(Uuid)))
    every = func.forewarn_search_work_ids(said, kind, _reads_notes(actor), MOST_OF_ALL)
    return row_id.in_(select(func.unnest(every)))


def _said(asked: str) -> str:
    return asked.replace("\0", "").strip()[:MAX_ASKED]


def _reads_notes(actor: Actor) -> bool:
    """Customers and partners find nothing by what the desk writes for itself."""
    return bool(actor.roles & STAFF)


def _found(session: Session, kind: str, places: dict[UUID, int], limit: int) -> list[Found]:
    statement = _ROWS.format(title=_TITLES[kind], table=TABLES[kind])
    about = {"ids": [*places], "places": [*places.values()], "limit": limit, "longest": MAX_SUBTITLE}
    return [
        Found(
            kind,
            row.id,
            row.number,
            row.place,
            "number" if row.place < 2 else MATCHES[row.place],
            subtitle=" · ".join(each for each in (row.title, row.name, row.serial) if each),
            asset_id=row.asset_id,
            serial=row.serial,
        )
        for row in session.execute(text(statement), about)
    ]
