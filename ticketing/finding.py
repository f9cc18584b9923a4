"""Find work orders by number and by what they are about."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.search.finding import Found, like_patterns

_FIND = """
SELECT w.id, w.number, w.title_text, w.state, a.id AS asset_id, a.name, a.serial,
  CASE WHEN lower(w.number) = lower(:exact) THEN 0 WHEN w.number ILIKE :start THEN 1 ELSE 4 END AS place
FROM work_orders w LEFT JOIN assets a ON a.id = w.asset_id
WHERE w.number ILIKE :start OR w.title_text ILIKE ALL (:patterns)
ORDER BY place, w.opened_at DESC LIMIT :limit
"""


def find_work_orders(session: Session, asked: str, limit: int) -> list[Found]:
    """Return the work orders whose number begins so, or whose title holds every word."""
    patterns = like_patterns(asked.replace("\0", "").strip()[:200])
    if patterns == [""]:
        return []
    start = patterns[0][1:] if len(patterns) == 1 else ""
    rows = session.execute(text(_FIND), {"exact": asked.strip(), "start": start, "patterns": patterns, "limit": limit})
    return [
        Found(
            "work_order",
            row.id,
            row.number,
            row.place,
            "number" if row.place < 2 else "text",
            subtitle=" · ".join(each for each in (row.title_text, row.name, row.serial) if each),
            asset_id=row.asset_id,
            serial=row.serial,
        )
        for row in rows
    ]
