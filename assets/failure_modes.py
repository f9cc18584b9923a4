"""Failure modes: the ways in which assets of a model fail (ISO 14224), and what tells each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.base.errors import Conflict, Invalid
from assets.people import Organisation
from assets.registry import Asset, AssetModel

MATCH_WORDS = ("metric", "signature", "detector")
MAX_MATCHES = 50
MAX_WORD = 200
MAX_MODES = 200  # per owner and model: a table that people keep by hand


class FailureMode(Identified, Owned, Base):
    """One way in which assets of a model fail; without a model, assets of any.

    `matches`: [{metric, signature, detector}], each with at least one of these words. Of several modes that fit, the
    one with the lowest `rank` counts.
    """

    __tablename__ = "failure_modes"

    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    code: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    mechanism_en: Mapped[str | None] = mapped_column(Text)
    mechanism_zh: Mapped[str | None] = mapped_column(Text)
    matches: Mapped[list[Any]] = mapped_column(default=list)
    rank: Mapped[int] = mapped_column(default=100)
    demo: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index(
            "uq_failure_modes_code",
            "organisation_id",
            "asset_model_id",
            "code",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )


def check_matches(matches: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the matches as they are stored. Raises Invalid when one names nothing, or something unknown."""
    checked = []
    for match in matches:
        words = {name: str(word).strip() for name, word in match.items() if word is not None}
        if not words or not set(words) <= set(MATCH_WORDS) or not all(0 < len(w) <= MAX_WORD for w in words.values()):
            allowed = list(MATCH_WORDS)
            raise Invalid(f"a match names one or more of: {', '.join(allowed)}", field="matches", allowed=allowed)
        checked.append(words)
    if len(checked) > MAX_MATCHES:
        raise Invalid(f"at most {MAX_MATCHES} matches", field="matches", limit=MAX_MATCHES)
    return checked


def add_failure_mode(session: Session, mode: FailureMode) -> FailureMode:
    """Store a failure mode. Raises Conflict when the owner has its code for this model, Invalid beyond the bound."""
    mode.matches = check_matches(mode.matches)
    if mode.asset_model_id is not None and session.get(AssetModel, mode.asset_model_id) is None:
        raise Invalid("no such asset model", field="asset_model_id")
    alike = select(FailureMode.code).where(
        FailureMode.organisation_id == mode.organisation_id,
        FailureMode.asset_model_id.is_not_distinct_from(mode.asset_model_id),
    )
    codes = set(session.scalars(alike))
    if mode.code in codes:
        raise Conflict(f"there is a failure mode {mode.code!r} already", failure_mode=mode.code)
    if len(codes) >= MAX_MODES:
        raise Invalid(f"at most {MAX_MODES} failure modes of one model", field="code", limit=MAX_MODES)
    session.add(mode)
    session.flush()
    return mode


def failure_modes_for(session: Session, asset: Asset) -> list[FailureMode]:
    """Return the failure modes that may fit the asset, the most particular first.

    The owner's own count before those of the organisations above it, a model's before those for any model.
    """
    owner = session.get(Organisation, asset.organisation_id)
    ancestors = list(owner.ancestors) if owner else [asset.organisation_id]
    found = select(FailureMode).where(
        FailureMode.organisation_id.in_(ancestors),
        or_(FailureMode.asset_model_id.is_(None), FailureMode.asset_model_id == asset.asset_model_id),
    )
    return sorted(
        session.scalars(found),
        key=lambda m: (m.asset_model_id is None, -ancestors.index(m.organisation_id), m.rank, m.code),
    )


def fitting_mode(modes: Iterable[FailureMode], detector: str, signature: str) -> FailureMode | None:
    """Return the first mode that one of its matches tells; None: the default mode.

    A signature reads `metric:direction@regime`; a match's signature is its beginning, part by part, or all of it.
    """
    return next((m for m in modes if any(_fits(match, detector, signature) for match in m.matches)), None)


def _fits(match: Mapping[str, str], detector: str, signature: str) -> bool:
    if "detector" in match and match["detector"] != detector:
        return False
    if "metric" in match and match["metric"] != signature.partition(":")[0]:
        return False
    wanted = match.get("signature", "")
    return not wanted or signature == wanted or signature.startswith((f"{wanted}:", f"{wanted}@"))
