"""Tables of warranty: versions of terms, days that count, cards, replaced parts, verdicts and their overrides."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Date, ForeignKey, Index, Sequence, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Executed, Identified, Owned, Versioned

CARD_NUMBERS = Sequence("warranty_card_numbers", metadata=Base.metadata)


class WarrantyTerms(Identified, Owned, Base):
    """One version of terms, never changed: a change is the next version. `clauses` as `clauses.read_clauses` checks."""

    __tablename__ = "warranty_terms"

    code: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    regions: Mapped[list[Any]] = mapped_column(default=list)
    sold_from: Mapped[date | None] = mapped_column(Date)
    sold_to: Mapped[date | None] = mapped_column(Date)
    precedence: Mapped[int] = mapped_column(default=0)
    payer: Mapped[str] = mapped_column(Text)
    # False: a purchase date from a label's registration counts only when somebody has confirmed the card.
    claims_count: Mapped[bool] = mapped_column(default=True)
    clauses: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    withdrawn_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("organisation_id", "code", "version"),)


class WarrantyFacts(Owned, Versioned, Base):
    """Days that the periods begin with, as somebody recorded them; what is not known is null."""

    __tablename__ = "warranty_facts"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    produced_on: Mapped[date | None] = mapped_column(Date)
    invoiced_on: Mapped[date | None] = mapped_column(Date)
    purchased_on: Mapped[date | None] = mapped_column(Date)
    delivered_on: Mapped[date | None] = mapped_column(Date)
    installed_on: Mapped[date | None] = mapped_column(Date)
    commissioned_on: Mapped[date | None] = mapped_column(Date)
    registered_on: Mapped[date | None] = mapped_column(Date)
    region: Mapped[str | None] = mapped_column(Text)


class WarrantyCard(Identified, Owned, Versioned, Base):
    """An asset's electronic warranty card: since when, under which versions of which terms. `proof` is personal."""

    __tablename__ = "warranty_cards"

    number: Mapped[str] = mapped_column(Text, unique=True)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    state: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)  # label or desk
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date | None] = mapped_column(Date)
    purchased_on: Mapped[date | None] = mapped_column(Date)
    proof: Mapped[str | None] = mapped_column(Text)
    terms: Mapped[list[Any]] = mapped_column(default=list)  # [{id, code, version}]
    issued_at: Mapped[datetime]
    issued_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("uq_warranty_cards_asset", "asset_id", unique=True, postgresql_where=text("state <> 'revoked'")),
        Index("ix_warranty_cards_ends", "ends_on", "id"),
    )


class WarrantyRegistration(Identified, Owned, Base):
    """What somebody sent from a label's page; all of it is personal. `matched`: how the customer was found."""

    __tablename__ = "warranty_registrations"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    card_id: Mapped[UUID | None] = mapped_column(ForeignKey("warranty_cards.id", ondelete="SET NULL"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    name: Mapped[str] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    purchased_on: Mapped[date | None] = mapped_column(Date)
    proof: Mapped[str | None] = mapped_column(Text)
    matched: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    address_hash: Mapped[str] = mapped_column(Text)  # where it came from, to bound how many come
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_warranty_registrations_address", "address_hash", "created_at"),
        Index("ix_warranty_registrations_state", "state", "id"),
    )


class PartReplacement(Identified, Owned, Base):
    """A part put in for another; whether warranty paid for it decides what the new one has. Never changed."""

    __tablename__ = "part_replacements"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    component: Mapped[str | None] = mapped_column(Text)
    part_item: Mapped[str | None] = mapped_column(Text)
    serial: Mapped[str | None] = mapped_column(Text)
    replaced_serial: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]
    meters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    covered: Mapped[bool | None]
    work_order_id: Mapped[UUID | None]  # a room above, hence no foreign key
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_part_replacements_asset", "asset_id", "at"),)


class CoverageCheck(Identified, Executed, Base):
    """The verdicts on the lines of a work order, with what they were made from. The newest of an order counts."""

    __tablename__ = "coverage_checks"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    work_order_id: Mapped[UUID] = mapped_column()  # a room above, hence no foreign key
    fault_at: Mapped[datetime | None]
    region: Mapped[str | None] = mapped_column(Text)
    meters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    lines: Mapped[list[Any]] = mapped_column(default=list)
    verdicts: Mapped[list[Any]] = mapped_column(default=list)
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    checked_at: Mapped[datetime]
    checked_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (Index("ix_coverage_checks_order", "work_order_id", "id"),)


class CoverageOverride(Identified, Executed, Base):
    """Somebody wants another verdict on a line; it holds when another person has approved it."""

    __tablename__ = "coverage_overrides"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    work_order_id: Mapped[UUID] = mapped_column()
    line_id: Mapped[str] = mapped_column(Text)
    computed: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(Text)
    payer: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    requested_at: Mapped[datetime]
    requested_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    decision_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_coverage_overrides_order", "work_order_id", "line_id"),
        Index("ix_coverage_overrides_state", "state", "id"),
        Index(
            "uq_coverage_overrides_waiting",
            "work_order_id",
            "line_id",
            unique=True,
            postgresql_where=text("state = 'requested'"),
        ),
    )


class CustomerMerge(Identified, Owned, Base):
    """One customer record put into another: what moved, and what it was before, so that it can be undone."""

    __tablename__ = "customer_merges"

    kept_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    merged_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    because: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    moved: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {table: [row ids]}
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)  # personal: what the kept record said
    merged_at: Mapped[datetime]
    merged_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    undone_at: Mapped[datetime | None]
    undone_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    undo_reason: Mapped[str | None] = mapped_column(Text)
