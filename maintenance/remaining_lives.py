"""Remaining life as models last saw it, one row an asset: an estimate with its interval, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Owned

ESTIMATE, NO_ESTIMATE = "estimate", "no_estimate"


class RemainingLife(Owned, Base):
    """The newest estimate of an asset; `p_within` is [[seconds, probability of failing within them], …].

    `state` is estimate or no_estimate; `reason` is a code where there is none. `at` is the data's own time.
    """

    __tablename__ = "remaining_lives"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    reason_params: Mapped[dict[str, Any]]
    life_s: Mapped[float | None]
    low_s: Mapped[float | None]
    high_s: Mapped[float | None]
    coverage: Mapped[float | None]
    p_within: Mapped[list[Any]]
    model_id: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model says of an asset at one moment; without `life_s` it says why in `reason`."""

    at: datetime
    life_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    coverage: float | None = None
    p_within: tuple[tuple[float, float], ...] = ()
    reason: str = ""
    reason_params: Mapping[str, object] = field(default_factory=dict)
    model_id: str | None = None


def save_life(session: Session, organisation_id: UUID, asset_id: UUID, seen: Estimate, now: datetime) -> None:
    """Keep the estimate unless a younger one is there."""
    values: dict[str, Any] = {
        "organisation_id": organisation_id,
        "at": seen.at,
        "state": NO_ESTIMATE if seen.life_s is None else ESTIMATE,
        "reason": seen.reason,
        "reason_params": dict(seen.reason_params),
        "life_s": seen.life_s,
        "low_s": seen.low_s,
        "high_s": seen.high_s,
        "coverage": seen.coverage,
        "p_within": [list(pair) for pair in seen.p_within],
        "model_id": seen.model_id,
        "updated_at": now,
    }
    statement = insert(RemainingLife).values(asset_id=asset_id, **values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["asset_id"], set_=values, where=RemainingLife.at <= statement.excluded.at
        )
    )
