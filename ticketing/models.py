"""Tables of what is done: work orders, visits and requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Sequence, Text, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Executed, Identified, Owned

# Human numbers may have gaps (a rolled-back order keeps its number); they never repeat.
WORK_ORDER_NUMBERS = Sequence("work_order_numbers", metadata=Base.metadata)
REQUEST_NUMBERS = Sequence("request_numbers", metadata=Base.metadata)


class WorkOrder(Identified, Executed, Base):
    """Work on one asset. Why it exists: `origin` and `origin_ref` (an id in a room above, hence no foreign key).

    The title is a code with parameters, rendered in the reader's language; `title_text` is what a person wrote.
    `noticed` is a snapshot of the finding that opened it, None for other origins. `required_skills` holds
    {skill: code, level: least level} each. `hold_reason` and `cannot_complete_reason` hold only while the state does.
    """

    __tablename__ = "work_orders"

    number: Mapped[str] = mapped_column(Text, unique=True)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id"), index=True)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id"), index=True)
    origin: Mapped[str] = mapped_column(Text)
    origin_ref: Mapped[UUID | None] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(Text)
    title_code: Mapped[str] = mapped_column(Text)
    title_params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    title_text: Mapped[str | None] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime]
    since: Mapped[datetime | None]
    scheduled_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    work_done_at: Mapped[datetime | None]
    documented_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    outcome: Mapped[str | None] = mapped_column(Text)
    outcome_note: Mapped[str | None] = mapped_column(Text)
    repair_code: Mapped[str | None] = mapped_column(Text)
    failure_mode: Mapped[str | None] = mapped_column(Text)  # what people found; the cause is of failure_words.CAUSES
    failure_cause: Mapped[str | None] = mapped_column(Text)
    noticed: Mapped[dict[str, Any] | None]
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id", ondelete="SET NULL"), index=True)
    service_type_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("service_types.id", ondelete="SET NULL"), index=True
    )
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id", ondelete="SET NULL"), index=True)
    # What planning needs: who can do it, how long it takes, in [window_from, window_until) and by when.
    required_skills: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    duration_minutes: Mapped[int | None]
    window_from: Mapped[datetime | None]
    window_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    hold_reason: Mapped[str | None] = mapped_column(Text)
    cannot_complete_reason: Mapped[str | None] = mapped_column(Text)
    review_state: Mapped[str] = mapped_column(Text, default="none", server_default="none")
    review_reason: Mapped[str | None] = mapped_column(Text)
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    # Where it comes from: split off, or a follow-up of what was found; and where its work went on.
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="SET NULL"), index=True)
    parent_relation: Mapped[str | None] = mapped_column(Text)
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="SET NULL"), index=True)
    reopened_no: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    # Counts how often the work began anew (sent back, reopened, tried again): visits of earlier rounds decide nothing.
    round: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    replayed: Mapped[bool] = mapped_column(default=False)
    demo: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column()

    __table_args__ = (
        Index("ix_work_orders_state", "state", "id"),
        Index("ix_work_orders_open", "asset_id", postgresql_where=text("closed_at IS NULL")),
        Index("ix_work_orders_site_opened", "site_id", "opened_at"),  # a site's day is counted before an order opens
    )
    # Two edits of the same version cannot both win.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


# A technician is in one place at a time. What has ended, or has no planned time, stands in nobody's way.
LIVE_AND_PLANNED = (
    "state IN ('scheduled', 'travelling', 'in_progress', 'on_break') "
    "AND planned_start IS NOT NULL AND planned_end IS NOT NULL"
)


class Visit(Identified, Executed, Base):
    """One technician's trip for a work order; visits move their order (`ticketing.visits.work_order_state`).

    Planned for [planned_start, planned_end); without them it is done when its technician comes to it. Who is checked
    in stood so many metres from the asset.
    """

    __tablename__ = "visits"

    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    technician_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    state: Mapped[str] = mapped_column(Text)
    scheduled_at: Mapped[datetime | None]
    travelling_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    planned_start: Mapped[datetime | None]
    planned_end: Mapped[datetime | None]
    pinned: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # plans leave it where it is
    travel_minutes: Mapped[int | None]
    position_in_route: Mapped[int | None]
    appointment_id: Mapped[UUID | None] = mapped_column(index=True)
    cannot_complete_reason: Mapped[str | None] = mapped_column(Text)
    round: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    break_since: Mapped[datetime | None]
    break_seconds: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    checked_in_at: Mapped[datetime | None]
    checked_in_latitude_deg: Mapped[float | None]
    checked_in_longitude_deg: Mapped[float | None]
    checked_in_distance_m: Mapped[float | None]
    checked_in_accuracy_m: Mapped[float | None]
    checked_in_far: Mapped[bool | None]  # further away than the positions' accuracy explains
    checked_in_without: Mapped[str | None] = mapped_column(Text)  # why there is no place
    checked_out_at: Mapped[datetime | None]
    checked_out_latitude_deg: Mapped[float | None]
    checked_out_longitude_deg: Mapped[float | None]
    checked_out_distance_m: Mapped[float | None]
    checked_out_accuracy_m: Mapped[float | None]
    checked_out_far: Mapped[bool | None]  # further away than the positions' accuracy explains
    checked_out_without: Mapped[str | None] = mapped_column(Text)  # why there is no place
    version: Mapped[int] = mapped_column()

    __table_args__ = (
        ExcludeConstraint(
            ("technician_id", "="),
            (func.tstzrange(text("planned_start"), text("planned_end")), "&&"),
            name="visits_never_overlap",
            using="gist",
            where=text(LIVE_AND_PLANNED),
            # Checked at once; whoever exchanges the times of several visits asks for the check at the end.
            deferrable=True,
            initially="IMMEDIATE",
        ),
        CheckConstraint("planned_start < planned_end", name="planned_forward"),
        Index("ix_visits_planned", "planned_start"),
        Index("ix_visits_unplanned", "scheduled_at", postgresql_where=text("planned_start IS NULL")),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Request(Identified, Owned, Base):
    """What somebody asked for about an asset. `contact` is personal: {name, phone, email}.

    Several requests may lead to one work order; the link stands here alone. Each belongs to a case; one that came
    by phone or mail may not know its asset yet. `answers`: what the form of its service type asked for.
    """

    __tablename__ = "requests"

    number: Mapped[str] = mapped_column(Text, unique=True)
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id"), index=True)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id", ondelete="SET NULL"), index=True)
    # Stays when cases are merged: what was said before in the other case was not said to this sender.
    first_case_id: Mapped[UUID | None]
    service_type_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("service_types.id", ondelete="SET NULL"), index=True
    )
    service_version_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("service_type_versions.id", ondelete="SET NULL"), index=True
    )
    answers: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    channel: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    contact: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(Text)
    # Opens one request's progress to whoever holds the link, and nothing else; stored plain to send the link again.
    tracking_code: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None] = mapped_column(Text)
    work_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="SET NULL"), index=True)
    demo: Mapped[bool] = mapped_column(default=False)
