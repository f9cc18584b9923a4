"""Row policies whose cost does not grow with the organisations, regions of sites, an index for who is below whom."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

from assets.base import access
from assets.base.db import SERVICE_ROLE
from assets.base.reach import FUNCTIONS, READ
from assets.search.sql import LIST_FUNCTIONS

revision = "0024"
down_revision = "0023"

_BEFORE = {"assets": access.ASSET_READ, "sites": access.SITE_READ, "customers": access.CUSTOMER_READ}


def upgrade() -> None:
    """Apply."""
    op.add_column("sites", sa.Column("region", sa.Text(), nullable=True))
    op.create_index("ix_organisations_ancestors", "organisations", ["ancestors"], postgresql_using="gin")
    _as_service([*FUNCTIONS.values(), *LIST_FUNCTIONS.values()])
    for table, condition in READ.items():
        op.execute(sa.text(f"ALTER POLICY tenant_read ON {table} USING ({condition})"))


def downgrade() -> None:
    """Take back."""
    for table, condition in _BEFORE.items():
        op.execute(sa.text(f"ALTER POLICY tenant_read ON {table} USING ({condition})"))
    _as_service([access.VISIBLE_ORGANISATIONS])
    made = [*FUNCTIONS, *LIST_FUNCTIONS]
    _as_service(f"DROP FUNCTION {name}" for name in reversed(made) if name not in access.VISIBLE_ORGANISATIONS)
    op.drop_index("ix_organisations_ancestors", "organisations")
    op.drop_column("sites", "region")


def _as_service(statements: Iterable[str]) -> None:
    """The functions look past the row policies with the service's rights, so it owns them."""
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}")
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
    for statement in statements:
        op.execute(sa.text(statement))
    op.execute("RESET ROLE")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}")
