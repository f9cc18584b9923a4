"""Tables of cases: service types and their versions, cases with children, threads, routing, remote diagnosis."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Sequence, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Executed, Identified, Owned, Versioned

CASE_NUMBERS = Sequence("case_numbers", metadata=Base.metadata)

_PERSON = "people.id"


class ServiceType(Identified, Owned, Versioned, Base):
    """One kind of service that an organisation offers, read by all below it.

    What it asks and does stands in its versions; `procedure_id` and `sla_policy_id` are those of the one in force.
    """

    __tablename__ = "service_types"

    code: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    name_zh: Mapped[str] = mapped_column(Text)
    description_en: Mapped[str | None] = mapped_column(Text)
    description_zh: Mapped[str | None] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(default=True)
    public: Mapped[bool] = mapped_column(default=True)  # customers may choose it
    position: Mapped[int] = mapped_column(default=0)
    latest: Mapped[int] = mapped_column(default=0)
    procedure_id: Mapped[UUID | None]
    sla_policy_id: Mapped[UUID | None]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("organisation_id", "code"),)


class ServiceTypeVersion(Identified, Owned, Base):
    """What a service type asks (JSON Schema), how it goes (stages), and what applies; never changed once written."""

    __tablename__ = "service_type_versions"

    service_type_id: Mapped[UUID] = mapped_column(ForeignKey("service_types.id", ondelete="CASCADE"))
    version: Mapped[int]
    form: Mapped[dict[str, Any]] = mapped_column(default=dict)
    workflow: Mapped[dict[str, Any]] = mapped_column(default=dict)
    priority: Mapped[str] = mapped_column(Text, default="normal")
    duration_minutes: Mapped[int | None]
    required_skills: Mapped[list[Any]] = mapped_column(default=list)
    procedure_id: Mapped[UUID | None]
    sla_policy_id: Mapped[UUID | None]
    price_part_id: Mapped[UUID | None] = mapped_column(ForeignKey("parts.id", ondelete="SET NULL"), index=True)
    settlement_rule: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"))

    __table_args__ = (UniqueConstraint("service_type_id", "version"),)


class Case(Identified, Executed, Versioned, Base):
    """What somebody needs, until all that it led to is done. `contact` is personal: {name, phone, email}.

    `desk_organisation_id` is whose desk looks after it: internal notes belong to that one. `team_id` has no foreign
    key: a team may end while its cases stay. The claim is a lock that expires.
    """

    __tablename__ = "cases"

    number: Mapped[str] = mapped_column(Text, unique=True)
    state: Mapped[str] = mapped_column(Text)
    stage: Mapped[str | None] = mapped_column(Text)
    service_type_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("service_types.id", ondelete="SET NULL"), index=True
    )
    service_version_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("service_type_versions.id", ondelete="SET NULL"), index=True
    )
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="SET NULL"), index=True)
    title: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    answers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    contact: Mapped[dict[str, Any]] = mapped_column(default=dict)
    channel: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text)
    origin_ref: Mapped[UUID | None] = mapped_column(index=True)
    priority: Mapped[str] = mapped_column(Text)
    region: Mapped[str | None] = mapped_column(Text)
    team_id: Mapped[UUID | None] = mapped_column(index=True)
    queue: Mapped[str | None] = mapped_column(Text)
    desk_organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    claimed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"), index=True)
    claimed_at: Mapped[datetime | None]
    claim_expires_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    opened_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"))
    first_reply_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    approval_asked_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"))
    approval_note: Mapped[str | None] = mapped_column(Text)
    approved_stage: Mapped[str | None] = mapped_column(Text)  # the present stage, once it was approved
    resolution: Mapped[str | None] = mapped_column(Text)
    resolution_note: Mapped[str | None] = mapped_column(Text)
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id", ondelete="SET NULL"), index=True)
    # Cases that somebody said are not the same as this one, so that nobody is asked again.
    distinct_from: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'"))
    reopened_count: Mapped[int] = mapped_column(default=0, server_default=sql("0"))
    demo: Mapped[bool] = mapped_column(default=False, server_default=sql("false"))

    __table_args__ = (
        Index("ix_cases_state", "state", "id"),
        Index("ix_cases_open", "organisation_id", "asset_id", postgresql_where=sql("closed_at IS NULL")),
    )


class CaseChild(Identified, Executed, Versioned, Base):
    """Something that a case led to: a work order or visit (by `subject_id`), a shipment, an analysis, a session.

    `executing_organisation_id` opens the case to a partner while the child is open and 30 days after.
    """

    __tablename__ = "case_children"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID | None] = mapped_column(index=True)
    number: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    outcome: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    opened_at: Mapped[datetime]
    opened_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"))
    closed_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("case_id", "kind", "subject_id"),)


class ThreadMessage(Identified, Executed, Base):
    """One message of a case's thread. A public one belongs to the case's owner, an internal one to the desk.

    `first_case_id` stays when cases are merged: whoever follows a link reads what was said to them, no more.
    """

    __tablename__ = "thread_messages"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"))
    first_case_id: Mapped[UUID]
    request_id: Mapped[UUID | None] = mapped_column(ForeignKey("requests.id", ondelete="SET NULL"), index=True)
    visibility: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    author_kind: Mapped[str] = mapped_column(Text)
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"))
    attachments: Mapped[list[Any]] = mapped_column(default=list)
    channel: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]

    __table_args__ = (
        Index("ix_thread_messages_case", "case_id", "id"),
        UniqueConstraint("case_id", "external_id"),
    )


class ThreadRead(Identified, Owned, Base):
    """How far a person has read a case's thread; belongs to the reader's organisation."""

    __tablename__ = "thread_reads"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"), index=True)
    message_id: Mapped[UUID]
    read_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("case_id", "person_id"),)


class RemoteSession(Identified, Owned, Versioned, Base):
    """Looking at a machine's telemetry from the desk: what was looked at, what was seen, what was advised.

    Belongs to the desk's organisation. `finding_id` has no foreign key: findings live in a room above.
    """

    __tablename__ = "remote_sessions"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    finding_id: Mapped[UUID | None] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(Text)
    looks: Mapped[list[Any]] = mapped_column(default=list)
    snapshot: Mapped[dict[str, Any] | None]
    advised: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime]
    started_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"))
    ended_at: Mapped[datetime | None]
    ended_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"))

    __table_args__ = (Index("uq_remote_sessions_open", "case_id", unique=True, postgresql_where=sql("state = 'open'")),)


class RoutingRule(Identified, Owned, Versioned, Base):
    """Which team or queue takes a case; the first rule by `position` that fits. None in a condition: any."""

    __tablename__ = "routing_rules"

    position: Mapped[int]
    service_type_id: Mapped[UUID | None] = mapped_column(ForeignKey("service_types.id", ondelete="CASCADE"), index=True)
    region: Mapped[str | None] = mapped_column(Text)
    territory_id: Mapped[UUID | None]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    team_id: Mapped[UUID | None]
    queue: Mapped[str | None] = mapped_column(Text)
    priority: Mapped[str | None] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(default=True)
