"""What people may change of an order: how it is planned, and what was found, also after it was closed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import IllegalMove, Invalid
from assets.registry import Asset
from ticketing.models import WorkOrder
from ticketing.order_log import log_order
from ticketing.order_states import MAX_CODE, MAX_NOTE, MAX_TITLE, OPEN_STATES, OUTCOMES, bounded, worded
from ticketing.procedures.matching import attach_matching
from ticketing.words import PRIORITIES, one_of

MAX_SKILLS = 20
MAX_LEVEL = 5
MAX_DURATION = 60 * 24 * 60  # minutes: sixty days of one order
PLANNED = (
    "title_text",
    "priority",
    "required_skills",
    "duration_minutes",
    "window_from",
    "window_until",
    "due_at",
    "team_id",
    "service_type_id",
)
_FOUND = ("outcome", "outcome_note", "repair_code")


def checked_plan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what planning needs of an order as columns, for opening and for editing one.

    Whether team and service type exist is the caller's business. Raises Invalid, which names the field.
    """
    kept = dict(values)
    if unknown := sorted(kept.keys() - set(PLANNED)):
        raise Invalid(f"there is no {unknown[0]} to change", field=unknown[0])
    if "title_text" in kept:
        kept["title_text"] = worded("title_text", kept["title_text"], MAX_TITLE)
    if "priority" in kept:
        one_of("priority", kept["priority"], PRIORITIES)
    if "required_skills" in kept:
        kept["required_skills"] = checked_skills(kept["required_skills"])
    minutes = kept.get("duration_minutes")
    if minutes is not None and not 0 < minutes <= MAX_DURATION:
        raise Invalid(f"1 to {MAX_DURATION} minutes", field="duration_minutes", least=1, most=MAX_DURATION)
    begins, ends = kept.get("window_from"), kept.get("window_until")
    if begins is not None and ends is not None and not begins < ends:
        raise Invalid("the window ends after it begins", field="window_until")
    return kept


def checked_skills(skills: Any) -> list[dict[str, Any]]:
    """Return required skills, one of each, with the highest level that was asked for. Raises Invalid."""
    if not isinstance(skills, list) or len(skills) > MAX_SKILLS:
        raise Invalid(f"required_skills is a list of at most {MAX_SKILLS}", field="required_skills", limit=MAX_SKILLS)
    levels: dict[str, int] = {}
    for one in skills:
        code, level = (one.get("skill"), one.get("level", 1)) if isinstance(one, Mapping) else (None, None)
        if not isinstance(code, str) or not 1 <= len(code.strip()) <= MAX_CODE:
            raise Invalid("each skill has its code", field="required_skills")
        if isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= MAX_LEVEL:
            raise Invalid(f"a level is from 1 to {MAX_LEVEL}", field="required_skills", least=1, most=MAX_LEVEL)
        levels[code.strip()] = max(level, levels.get(code.strip(), 0))
    return [{"skill": code, "level": level} for code, level in levels.items()]


def edit_order(
    session: Session, order: WorkOrder, changes: Mapping[str, Any], now: datetime, *, by: Actor | None = None
) -> WorkOrder:
    """Change how an order is planned; the event keeps before and after. Changing nothing writes nothing.

    Raises Invalid, or IllegalMove when its work is done.
    """
    if order.state not in OPEN_STATES:
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="edited", legal=[])
    now_has = {name: getattr(order, name) for name in ("window_from", "window_until")}
    kept = checked_plan(dict(changes) | {k: v for k, v in now_has.items() if k not in changes and v is not None})
    kept = {name: kept[name] for name in changes}
    before, after = _changed(order, kept)
    if not after:
        return order
    for name, value in kept.items():
        setattr(order, name, value)
    session.flush()
    log_order(session, order, "work_order.edited", now, by, {"before": before, "after": after})
    if "service_type_id" in after and order.service_type_id is not None:
        _attach(session, order, now, by)
    return order


def edit_result(
    session: Session,
    order: WorkOrder,
    changes: Mapping[str, Any],
    now: datetime,
    *,
    by: Actor | None = None,
    reason: str | None = None,
) -> WorkOrder:
    """Change what was found and done; after closing it is an amendment and needs its reason.

    Raises Invalid, or IllegalMove for an order that was cancelled or has no work done.
    """
    kept = {name: value for name, value in changes.items() if name in _FOUND}
    if "outcome" in kept:
        one_of("outcome", kept["outcome"] or "", OUTCOMES)
    for name, most in (("outcome_note", MAX_NOTE), ("repair_code", MAX_CODE)):
        if name in kept:
            kept[name] = bounded(name, (kept[name] or "").strip(), most)
    if order.state == "cancelled" or (order.outcome is None and order.state not in ("in_progress", "on_hold")):
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="edited", legal=[])
    said = worded("reason", reason, 1000) if order.state == "closed" else bounded("reason", reason, 1000)
    before, after = _changed(order, kept)
    if not after:
        return order
    for name, value in kept.items():
        setattr(order, name, value)
    session.flush()
    kind = "work_order.amended" if order.state == "closed" else "work_order.result_edited"
    facts = {"before": before, "after": after, "reason": said, "outcome": order.outcome}
    log_order(session, order, kind, now, by, facts)
    return order


def _attach(session: Session, order: WorkOrder, now: datetime, by: Actor | None) -> None:
    modes = (order.noticed or {}).get("failure_modes", [])
    asset = session.get(Asset, order.asset_id)
    if asset is None:
        return
    attach_matching(
        session,
        asset=asset,
        subject_kind="work_order",
        subject_id=order.id,
        failure_modes=[mode["code"] for mode in modes if mode.get("code")],
        service_type_id=order.service_type_id,
        now=now,
        by=by,
    )


def _changed(order: WorkOrder, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what differs, as before and as after, in the form of events."""
    differing = [name for name, value in values.items() if getattr(order, name) != value]
    return {name: _plain(getattr(order, name)) for name in differing}, {
        name: _plain(values[name]) for name in differing
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
