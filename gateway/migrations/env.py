"""Alembic's door: the connection is handed over by gateway.migrate."""

from __future__ import annotations

from alembic import context

from gateway.migrate import ours
from gateway.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=ours,
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
