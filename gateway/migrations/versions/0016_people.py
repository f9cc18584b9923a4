"""Skills, territories, shifts, absences, teams."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import MODEL_READ, OWNED, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.people_skills import SKILLS, create_skills
from gateway.migrations.people_times import TIMES, create_times
from gateway.migrations.roles import HIDDEN_FROM_READER

revision = "0016"
down_revision = "0015"

# Organisations below an operator read what its skills and shifts are; their people have them too.
_SHARED = frozenset({"skills", "shifts"})


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    create_skills()
    create_times()
    tables = (*SKILLS, *TIMES)
    for table in tables:
        for statement in owned_policies(table, read=MODEL_READ if table in _SHARED else OWNED):
            op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {APP_ROLE}, {SERVICE_ROLE}")
    inspector = sa.inspect(op.get_bind())
    for table in tables:
        hidden = HIDDEN_FROM_READER.get(table, frozenset())
        columns = ", ".join(str(each["name"]) for each in inspector.get_columns(table) if each["name"] not in hidden)
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {READER_ROLE}" if hidden else _whole(table))


def downgrade() -> None:
    """Take back."""
    for table in reversed((*SKILLS, *TIMES)):
        op.drop_table(table)


def _whole(table: str) -> str:
    return f"GRANT SELECT ON {table} TO {READER_ROLE}"
