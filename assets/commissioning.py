"""The commissioning checklist: what an asset model asks for before its assets go into service, and what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.base.errors import Invalid, NotFound
from assets.base.events import append_event
from assets.registry import Asset, AssetModel

MAX_TEXT = 2000


class CommissioningAnswer(Identified, Owned, Base):
    """The newest answer to one point of the checklist; earlier ones stand on the timeline."""

    __tablename__ = "commissioning_answers"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Text)
    ok: Mapped[bool]
    value: Mapped[dict[str, Any] | None]  # {"value": number or text}
    note: Mapped[str | None] = mapped_column(Text)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("asset_id", "key"),)


def answers_of(session: Session, asset_id: UUID) -> dict[str, CommissioningAnswer]:
    """Return the newest answers by the key of their point."""
    found = select(CommissioningAnswer).where(CommissioningAnswer.asset_id == asset_id)
    return {answer.key: answer for answer in session.scalars(found)}


def missing_answers(session: Session, asset: Asset, model: AssetModel | None) -> list[str]:
    """Return the keys of required points without a good answer, in the order of the checklist."""
    points = model.checklist if model else []
    if not points:
        return []
    answers = answers_of(session, asset.id)
    return [
        point["key"]
        for point in points
        if point.get("required", True) and not (point["key"] in answers and answers[point["key"]].ok)
    ]


def answer(
    session: Session,
    asset: Asset,
    model: AssetModel | None,
    key: str,
    *,
    ok: bool,
    value: float | str | None,
    note: str | None,
    now: datetime,
    by_id: UUID | None,
) -> CommissioningAnswer:
    """Store what was found at one point; the same answer again changes nothing.

    Raises NotFound for a point that the model does not have, Invalid for a value that the point does not take or that
    is out of its limits while said to be good.
    """
    point = next((each for each in (model.checklist if model else []) if each["key"] == key), None)
    if point is None:
        raise NotFound("the checklist of this model has no such point", kind="checklist_point")
    checked = check_answer(point, ok, value)
    stored = {"value": checked} if checked is not None else None
    known = answers_of(session, asset.id).get(key)
    if known is not None and (known.ok, known.value, known.note) == (ok, stored, note):
        return known
    if known is None:
        known = CommissioningAnswer(organisation_id=asset.organisation_id, asset_id=asset.id, key=key)
        session.add(known)
    known.ok, known.value, known.note, known.by_id, known.at = ok, stored, note, by_id, now
    session.flush()
    append_event(
        session,
        "asset.commissioning_answered",
        at=now,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload={"key": key, "en": point["en"], "zh": point["zh"], "ok": ok, "value": checked, "note": note},
    )
    return known


def check_answer(point: Mapping[str, Any], ok: bool, value: float | str | None) -> float | str | None:
    """Return the value as it is stored. Raises Invalid."""
    kind = point.get("kind", "check")
    if kind == "check":
        return None
    if value is None:
        if ok:
            raise Invalid(f"{point['key']} asks for a {kind}", field="value")
        return None
    if kind == "text":
        text = str(value).strip()
        if not text or len(text) > MAX_TEXT:
            raise Invalid(f"a text of at most {MAX_TEXT} characters", field="value", limit=MAX_TEXT)
        return text
    if isinstance(value, str | bool) or not math.isfinite(value):
        raise Invalid(f"{point['key']} asks for a number", field="value")
    low, high = point.get("minimum"), point.get("maximum")
    if ok and ((low is not None and value < low) or (high is not None and value > high)):
        raise Invalid("the value is out of its limits, so the point is not good", field="value", low=low, high=high)
    return value
