"""Tables of the model store: models with their cards, their content, training runs, shadow scores, snapshots."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned

CHAMPION = "champion"  # its findings count
CHALLENGER = "challenger"  # scores in the shadow: its findings are only noted
RETIRED = "retired"  # was champion; a roll-back makes it champion again
REJECTED = "rejected"  # was challenger and did not do better
FAILURE, LIFE, PEERS, WEAR, OPENERS = "failure", "life", "peers", "wear", "openers"  # kinds of models
STATES = (CHAMPION, CHALLENGER, RETIRED, REJECTED)


class StoredModel(Identified, Owned, Base):
    """One version of a trained model and its card.

    All but `state`, `state_since`, `state_reason` and `pinned` never change: no role has the right to.
    `digest` is the SHA-256 of the content, `code` the short name by which findings refer to it.
    """

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text, index=True)
    digest: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    card: Mapped[dict[str, Any]]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("models.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(Text)
    state_since: Mapped[datetime]
    state_reason: Mapped[dict[str, Any]]
    pinned: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        UniqueConstraint("organisation_id", "name", "version"),
        # The database itself refuses two champions of one name.
        Index(
            "uq_models_champion", "organisation_id", "name", unique=True, postgresql_where=text("state = 'champion'")
        ),
        Index(
            "uq_models_challenger",
            "organisation_id",
            "name",
            unique=True,
            postgresql_where=text("state = 'challenger'"),
        ),
    )


class ModelContent(Owned, Base):
    """The bytes of a model: written once, never changed, forgotten by retention while the card stays."""

    __tablename__ = "model_contents"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class TrainingRun(Identified, Owned, Base):
    """One try to learn from what the store holds; `outcomes` say for each model what came of it and why."""

    __tablename__ = "training_runs"

    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    asset_models: Mapped[list[Any]]
    assets: Mapped[int] = mapped_column(default=0)
    incidents: Mapped[int] = mapped_column(default=0)
    outcomes: Mapped[list[Any]]

    __table_args__ = (Index("ix_training_runs_started_at", "started_at"),)


class LearnedState(Owned, Base):
    """How far a model has watched an asset: plain arrays, and the moment up to which it looked."""

    __tablename__ = "learned_states"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True, index=True)
    watched_since: Mapped[datetime]
    watched_to: Mapped[datetime]
    state: Mapped[bytes] = mapped_column(LargeBinary)


class ShadowFinding(Identified, Owned, Base):
    """What a champion or challenger would have opened, whatever policies made of it: the ground of comparisons."""

    __tablename__ = "shadow_findings"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    opened_at: Mapped[datetime]
    last_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
    peak: Mapped[float]

    __table_args__ = (UniqueConstraint("model_id", "asset_id", "opened_at"),)


class FindingSnapshot(Identified, Owned, Base):
    """What a finding was made from: enough to make it again, to the last bit. Findings name it in `snapshot_ref`.

    `model_code` is the model of the store that it needs beside the content, None when the content holds all.
    `about` says in words and numbers what the model had learned from; `versions` are those of the libraries.
    """

    __tablename__ = "finding_snapshots"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    model_code: Mapped[str | None] = mapped_column(Text)
    rows: Mapped[int]
    digest: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    about: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]

    __table_args__ = (Index("ix_finding_snapshots_made_at", "made_at"),)
