"""Tables of contracts: what they are, which assets they hold for, what they include, and what was used."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Date, ForeignKey, Index, Numeric, Sequence, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned

CONTRACT_NUMBERS = Sequence("contract_numbers", metadata=Base.metadata)


class Contract(Identified, Owned, Versioned, Base):
    """A service contract: its owner is who has it, the provider who serves. Both first and last day count."""

    __tablename__ = "contracts"

    provider_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    number: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date] = mapped_column(Date)
    time_zone: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    cancelled_on: Mapped[date | None] = mapped_column(Date)  # its last day
    precedence: Mapped[int] = mapped_column(default=0)
    clauses: Mapped[list[Any]] = mapped_column(default=list)
    response_times: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("provider_organisation_id", "number"),
        Index("ix_contracts_ends", "ends_on", "id"),
    )


class ContractAsset(Identified, Owned, Base):
    """A contract holds for an asset."""

    __tablename__ = "contract_assets"

    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contracts.id", ondelete="CASCADE"))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)

    __table_args__ = (UniqueConstraint("contract_id", "asset_id"),)


class Entitlement(Identified, Owned, Base):
    """What a contract includes in each of its periods: visits, parts, hours or an amount of money."""

    __tablename__ = "entitlements"

    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contracts.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    quantity: Mapped[Decimal] = mapped_column(Numeric(14, 3))
    period: Mapped[str] = mapped_column(Text)
    carries_over: Mapped[bool] = mapped_column(default=False)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("contract_id", "key"),)


class EntitlementEntry(Identified, Owned, Base):
    """One entry of the ledger, never changed: what was reserved, used, given back or corrected.

    `turn` counts how often a line's entry was undone: the same line can be used again after that, and only then.
    """

    __tablename__ = "entitlement_entries"

    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contracts.id", ondelete="CASCADE"))
    entitlement_id: Mapped[UUID] = mapped_column(ForeignKey("entitlements.id", ondelete="CASCADE"))
    provider_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    period_start: Mapped[date] = mapped_column(Date)
    kind: Mapped[str] = mapped_column(Text)
    quantity: Mapped[Decimal] = mapped_column(Numeric(14, 3))
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="SET NULL"))
    work_order_id: Mapped[UUID | None]  # a room above, hence no foreign key
    line_id: Mapped[str | None] = mapped_column(Text)
    turn: Mapped[int] = mapped_column(default=0)
    undoes_id: Mapped[UUID | None] = mapped_column(ForeignKey("entitlement_entries.id", ondelete="CASCADE"))
    reason: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]
    created_at: Mapped[datetime]
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("ix_entitlement_entries_period", "entitlement_id", "period_start"),
        Index("ix_entitlement_entries_contract", "contract_id", "id"),
        Index("ix_entitlement_entries_order", "work_order_id", "line_id"),
        Index(
            "uq_entitlement_entries_undone", "undoes_id", unique=True, postgresql_where=text("undoes_id IS NOT NULL")
        ),
        Index(
            "uq_entitlement_entries_line",
            "entitlement_id",
            "work_order_id",
            "line_id",
            "kind",
            "turn",
            unique=True,
            postgresql_where=text("line_id IS NOT NULL AND kind IN ('reserve', 'consume')"),
        ),
    )
