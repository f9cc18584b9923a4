"""Tables of written reports, of reports that wait to be written, and of the rules that ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Executed, Identified, Owned

TEMPLATES = ("service_report", "job_sheet", "commissioning_protocol")
FOR_CUSTOMERS = frozenset({"service_report", "commissioning_protocol"})


class Report(Identified, Executed, Base):
    """One revision of a report: facts, their hash, and by language the file that says them.

    `files`: {"en": {"document_id", "revision", "sha256"}}. A signature is bound to `content_hash`; `signature_file` is
    its picture by SHA-256. `mail_state`: none, waiting, sent or failed.
    """

    __tablename__ = "reports"

    template: Mapped[str] = mapped_column(Text)
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    number: Mapped[str] = mapped_column(Text)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    content_hash: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]]
    files: Mapped[dict[str, Any]] = mapped_column(default=dict)
    event_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    signed_name: Mapped[str | None] = mapped_column(Text)
    signed_at: Mapped[datetime | None]
    signature_file: Mapped[str | None] = mapped_column(Text)
    mail_state: Mapped[str] = mapped_column(Text, default="none", server_default="none")
    mail_tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    mail_next_at: Mapped[datetime | None]
    mail_error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("subject_id", "template", "revision"),
        Index("ix_reports_mail", "mail_next_at", postgresql_where=text("mail_state = 'waiting'")),
    )


class ReportWish(Identified, Owned, Base):
    """A report that an event asks for; `state` is waiting, done or failed."""

    __tablename__ = "report_wishes"

    event_id: Mapped[int] = mapped_column(BigInteger)
    template: Mapped[str] = mapped_column(Text)
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    languages: Mapped[list[Any]]
    mail: Mapped[bool]
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime]
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("event_id", "template"),
        Index("ix_report_wishes_waiting", "next_try_at", postgresql_where=text("state = 'waiting'")),
    )


class DocumentRule(Identified, Owned, Base):
    """What an organisation, and those below it, want of a template: on which events, in which languages, by e-mail."""

    __tablename__ = "document_rules"

    template: Mapped[str] = mapped_column(Text)
    moments: Mapped[list[Any]]
    languages: Mapped[list[Any]]
    mail: Mapped[bool]
    enabled: Mapped[bool]
    changed_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("organisation_id", "template"),)
