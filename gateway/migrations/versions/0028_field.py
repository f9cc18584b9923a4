"""Evidence, signatures, calls from the field, and the log of operations."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from assets.base.access import executed_policies, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import JSON, TIME, key, primary

revision = "0028"
down_revision = "0027"

_EXECUTED = ("evidence", "evidence_chunks", "signatures", "help_requests")
# Where somebody was, what they wrote, and who signed, is no business of analysts.
_TOLD = {
    "evidence": "id, organisation_id, executing_organisation_id, subject_kind, subject_id, work_order_id, case_id, "
    "asset_id, run_id, step_key, state, size_bytes, received_bytes, declared_sha256, content, picture, thumbnail, "
    "media_type, width, height, captured_at, exif_captured_at, differs, public, created_at, created_by, received_at, "
    "problem, removed_at, removed_by",
    "evidence_chunks": "id, organisation_id, executing_organisation_id, evidence_id, start",
    "signatures": "id, organisation_id, executing_organisation_id, report_id, work_order_id, content_hash, revision, "
    "signed_at, received_at, taken_by",
    "sync_operations": "id, organisation_id, person_id, kind, subject_kind, subject_id, work_order_id, base_version, "
    "made_at, clock_offset_ms, happened_at, received_at, state, seen_at, seen_by",
}
_LIST = sa.text("'[]'::jsonb")
_OBJECT = sa.text("'{}'::jsonb")
_NO = sa.text("false")


def upgrade() -> None:
    """Apply."""
    _evidence()
    _chunks()
    _signatures()
    _help_requests()
    _sync_operations()
    _columns()
    for table in _EXECUTED:
        for statement in executed_policies(table):
            op.execute(sa.text(statement))
    for statement in owned_policies("sync_operations"):
        op.execute(sa.text(statement))
    every = ", ".join((*_EXECUTED, "sync_operations"))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON help_requests TO {READER_ROLE}")
    for table, columns in _TOLD.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for column in ("failure_mode", "failure_cause"):
        op.drop_column("work_orders", column)
    for way in ("in", "out"):
        for name in ("accuracy_m", "far", "without"):
            op.drop_column("visits", f"checked_{way}_{name}")
    for table in ("sync_operations", "help_requests", "signatures", "evidence_chunks", "evidence"):
        op.drop_table(table)


def _text(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), **more)


def _evidence() -> None:
    op.create_table(
        "evidence",
        _text("subject_kind", nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Uuid()) for name in ("work_order_id", "case_id", "asset_id", "run_id")),
        _text("step_key"),
        _text("state", nullable=False),
        _text("file_name"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _text("declared_sha256", nullable=False),
        *(_text(name) for name in ("content", "picture", "thumbnail", "media_type")),
        *(sa.Column(name, sa.Integer()) for name in ("width", "height")),
        sa.Column("captured_at", TIME, nullable=False),
        *(sa.Column(name, sa.Float()) for name in ("latitude_deg", "longitude_deg", "accuracy_m")),
        _text("exif_captured_at"),
        *(sa.Column(name, sa.Float()) for name in ("exif_latitude_deg", "exif_longitude_deg")),
        sa.Column("differs", JSON, server_default=_LIST, nullable=False),
        _text("caption", server_default=sa.text("''"), nullable=False),
        sa.Column("public", sa.Boolean(), server_default=_NO, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("received_at", TIME),
        _text("problem"),
        sa.Column("removed_at", TIME),
        sa.Column("removed_by", sa.Uuid()),
        _text("removed_reason"),
        *_executed("evidence"),
        key("evidence", "work_order_id", "work_orders", "CASCADE"),
        key("evidence", "case_id", "cases", "CASCADE"),
        key("evidence", "created_by", "people", "SET NULL"),
        key("evidence", "removed_by", "people", "SET NULL"),
        sa.CheckConstraint("received_bytes >= 0 AND received_bytes <= size_bytes", name=op.f("ck_evidence_so_far")),
    )
    looked_up = ("subject_id", "work_order_id", "case_id", "asset_id", "content", "picture", "thumbnail", "created_by")
    _indexes("evidence", *looked_up)
    op.create_index("ix_evidence_waiting", "evidence", ["created_at"], postgresql_where=sa.text("state = 'waiting'"))


def _chunks() -> None:
    op.create_table(
        "evidence_chunks",
        sa.Column("evidence_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        *_executed("evidence_chunks"),
        key("evidence_chunks", "evidence_id", "evidence", "CASCADE"),
        sa.UniqueConstraint("evidence_id", "start", name=op.f("uq_evidence_chunks_evidence_id_start")),
    )
    _indexes("evidence_chunks")


def _signatures() -> None:
    op.create_table(
        "signatures",
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ("report_id", "work_order_id")),
        _text("content_hash", nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        _text("name", nullable=False),
        _text("picture"),
        *(sa.Column(name, TIME, nullable=False) for name in ("signed_at", "received_at")),
        sa.Column("taken_by", sa.Uuid()),
        *_executed("signatures"),
        key("signatures", "report_id", "reports", "CASCADE"),
        key("signatures", "work_order_id", "work_orders", "CASCADE"),
        key("signatures", "taken_by", "people", "SET NULL"),
    )
    _indexes("signatures", "report_id", "work_order_id", "picture", "taken_by")


def _help_requests() -> None:
    op.create_table(
        "help_requests",
        sa.Column("work_order_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid()),
        *(_text(name, nullable=False) for name in ("what", "text")),
        sa.Column("lines", JSON, server_default=_LIST, nullable=False),
        sa.Column("urgent", sa.Boolean(), server_default=_NO, nullable=False),
        _text("state", nullable=False),
        *(sa.Column(name, TIME, nullable=False) for name in ("opened_at", "received_at")),
        *(sa.Column(name, TIME) for name in ("taken_at", "done_at")),
        *(sa.Column(name, sa.Uuid()) for name in ("opened_by", "taken_by", "done_by")),
        _text("answer"),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        *_executed("help_requests"),
        key("help_requests", "work_order_id", "work_orders", "CASCADE"),
        key("help_requests", "visit_id", "visits", "SET NULL"),
        *(key("help_requests", name, "people", "SET NULL") for name in ("opened_by", "taken_by", "done_by")),
    )
    _indexes("help_requests", "work_order_id")
    alive = sa.text("state IN ('open', 'taken')")
    op.create_index("ix_help_requests_open", "help_requests", ["state", "id"], postgresql_where=alive)


def _sync_operations() -> None:
    name = "sync_operations"
    op.create_table(
        name,
        sa.Column("person_id", sa.Uuid(), nullable=False),
        *(_text(column, nullable=False) for column in ("device", "kind", "subject_kind")),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("base_version", sa.Integer()),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("clock_offset_ms", sa.BigInteger()),
        *(sa.Column(column, TIME, nullable=False) for column in ("happened_at", "received_at")),
        _text("state", nullable=False),
        sa.Column("result", JSON, server_default=_OBJECT, nullable=False),
        sa.Column("seen_at", TIME),
        sa.Column("seen_by", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(name, "organisation_id", "organisations"),
        key(name, "person_id", "people", "CASCADE"),
        key(name, "seen_by", "people", "SET NULL"),
        primary(name),
    )
    _indexes(name, "organisation_id")
    for short, column in (("person", "person_id"), ("subject", "subject_id"), ("work_order", "work_order_id")):
        op.create_index(f"ix_sync_operations_{short}", name, [column, "id"])
    unseen = sa.text("state <> 'applied' AND seen_at IS NULL")
    op.create_index("ix_sync_operations_open", name, ["id"], postgresql_where=unseen)


def _columns() -> None:
    for column in ("failure_mode", "failure_cause"):
        op.add_column("work_orders", _text(column))
    for way in ("in", "out"):
        op.add_column("visits", sa.Column(f"checked_{way}_accuracy_m", sa.Float()))
        op.add_column("visits", sa.Column(f"checked_{way}_far", sa.Boolean()))
        op.add_column("visits", _text(f"checked_{way}_without"))


def _executed(table: str) -> tuple[Any, ...]:
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("executing_organisation_id", sa.Uuid()),
        key(table, "organisation_id", "organisations"),
        key(table, "executing_organisation_id", "organisations"),
        primary(table),
    )


def _indexes(table: str, *columns: str) -> None:
    more = ("organisation_id", "executing_organisation_id") if table in _EXECUTED else ()
    for column in (*columns, *more):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
