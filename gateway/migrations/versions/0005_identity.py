"""Certificates of devices, where devices connect from, suspected twins, failed claims."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0005"
down_revision = "0004"

_TIME = sa.DateTime(timezone=True)
_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_OWNED = ("device_certificates", "device_arrivals", "clone_suspicions")


def upgrade() -> None:
    """Apply."""
    _certificates()
    _arrivals()
    op.create_table(
        "claim_attempts",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_attempts")),
    )
    op.create_index("ix_claim_attempts_address", "claim_attempts", ["address", "at"])
    for table in _OWNED:
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    tables = ", ".join(_OWNED)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables}, claim_attempts TO {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {tables} TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for table in ("claim_attempts", *reversed(_OWNED)):
        op.drop_table(table)


def _certificates() -> None:
    op.create_table(
        "device_certificates",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("device_serial", sa.Text(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("issued_at", _TIME, nullable=False),
        sa.Column("not_before", _TIME, nullable=False),
        sa.Column("not_after", _TIME, nullable=False),
        sa.Column("renew_at", _TIME, nullable=False),
        sa.Column("overlap_s", sa.Double(), nullable=False),
        sa.Column("confirmed_at", _TIME),
        sa.Column("superseded_at", _TIME),
        sa.Column("retires_at", _TIME),
        sa.Column("revoked_at", _TIME),
        sa.Column("reason", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_certificates")),
        sa.UniqueConstraint("serial_number", name=op.f("uq_device_certificates_serial_number")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_device_certificates_fingerprint")),
    )
    for column in ("device_id", "key_hash", "organisation_id"):
        op.create_index(op.f(f"ix_device_certificates_{column}"), "device_certificates", [column])
    op.create_index("ix_device_certificates_not_after", "device_certificates", ["not_after"])


def _arrivals() -> None:
    op.create_table(
        "device_arrivals",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("session", sa.BigInteger(), nullable=False),
        sa.Column("first_at", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("host", _JSON, nullable=False),
        *_belongs_to_device("device_arrivals"),
        sa.PrimaryKeyConstraint("device_id", "boot", name=op.f("pk_device_arrivals")),
    )
    op.create_index(op.f("ix_device_arrivals_organisation_id"), "device_arrivals", ["organisation_id"])
    op.create_table(
        "clone_suspicions",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.Column("twins", _JSON, nullable=False),
        *_belongs_to_device("clone_suspicions"),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_clone_suspicions")),
    )
    op.create_index(op.f("ix_clone_suspicions_organisation_id"), "clone_suspicions", ["organisation_id"])


def _belongs_to_device(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{table}_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f(f"fk_{table}_device_id_devices"), ondelete="CASCADE"
        ),
    ]
