"""Cases, service types, triage, threads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import MODEL_READ, OWNED, owned_policies, row_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.case_tables import CASES, create_cases
from gateway.migrations.columns import JSON, key
from ticketing.cases.policies import CASE_READ, CHILD_READ, MESSAGE_INSERT, MESSAGE_READ

revision = "0019"
down_revision = "0018"

_READ = {
    "service_types": MODEL_READ,
    "service_type_versions": MODEL_READ,
    "cases": CASE_READ,
    "case_children": CHILD_READ,
}
_ADDED = ("customer_id", "case_id", "first_case_id", "service_type_id", "service_version_id")
# Who an analyst does not need to know: contacts, and what people typed into forms.
_CASE_HIDDEN = frozenset({"contact", "answers"})

# Each request that is there becomes a case of its own, under its own id; the work it led to becomes a child.
_CASES_OF_REQUESTS = """
INSERT INTO cases (id, number, state, asset_id, customer_id, site_id, title, text, answers, contact, channel, origin,
  priority, organisation_id, desk_organisation_id, opened_at, closed_at, resolution, resolution_note, distinct_from,
  demo)
SELECT r.id, 'CS-' || lpad(nextval('case_numbers')::text, 6, '0'),
  CASE r.state WHEN 'accepted' THEN 'in_progress' WHEN 'done' THEN 'closed' ELSE r.state END,
  r.asset_id, a.customer_id, a.site_id, left(split_part(r.text, E'\\n', 1), 120), r.text, '{}', r.contact, r.channel,
  'request', 'normal', r.organisation_id,
  coalesce((SELECT d.id FROM organisations d WHERE d.id = ANY (o.ancestors) AND d.kind <> 'customer'
    ORDER BY array_position(o.ancestors, d.id) DESC LIMIT 1), r.organisation_id),
  r.created_at, CASE WHEN r.state IN ('done', 'rejected') THEN coalesce(r.decided_at, r.created_at) END,
  CASE r.state WHEN 'done' THEN 'work_done' END, r.decision_reason, '[]', r.demo
FROM requests r JOIN organisations o ON o.id = r.organisation_id LEFT JOIN assets a ON a.id = r.asset_id
ORDER BY r.created_at, r.id
"""
_CHILDREN_OF_REQUESTS = """
INSERT INTO case_children (id, case_id, kind, subject_id, number, title, state, details, organisation_id,
  executing_organisation_id, opened_at, closed_at, outcome)
SELECT r.id, r.id, 'work_order', w.id, w.number, coalesce(w.title_text, w.number),
  CASE WHEN w.state = 'cancelled' THEN 'cancelled' WHEN w.state IN ('completed', 'documented', 'closed') THEN 'done'
    ELSE 'open' END,
  '{}', r.organisation_id, w.executing_organisation_id, w.opened_at,
  CASE WHEN w.state IN ('completed', 'documented', 'closed', 'cancelled')
    THEN coalesce(w.closed_at, w.work_done_at, w.opened_at) END, w.outcome
FROM requests r JOIN work_orders w ON w.id = r.work_order_id
"""


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SEQUENCE case_numbers")
    op.execute(f"GRANT USAGE ON SEQUENCE case_numbers TO {APP_ROLE}, {SERVICE_ROLE}")
    create_cases()
    _requests()
    for table in CASES:
        if table == "thread_messages":
            statements = row_policies(table, read=MESSAGE_READ, insert=MESSAGE_INSERT, update=OWNED, delete=OWNED)
        else:
            statements = owned_policies(table, read=_READ.get(table, OWNED))
        for statement in statements:
            op.execute(sa.text(statement))
    _rights()
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # the row policies show the login role nobody's rows
    op.execute(sa.text(_CASES_OF_REQUESTS))
    op.execute("UPDATE requests SET case_id = id, first_case_id = id")
    op.execute(_CHILDREN_OF_REQUESTS)
    op.execute("RESET ROLE")


def downgrade() -> None:
    """Take back. Requests without an asset go: before, there was no place for them."""
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
    op.execute("DELETE FROM requests WHERE asset_id IS NULL")
    op.execute("RESET ROLE")
    for column in (*_ADDED, "answers"):
        op.execute(f"ALTER TABLE requests DROP COLUMN {column} CASCADE")
    op.alter_column("requests", "asset_id", nullable=False)
    for table in reversed(CASES):
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP SEQUENCE case_numbers")


def _requests() -> None:
    op.alter_column("requests", "asset_id", nullable=True)
    for column in _ADDED:
        op.add_column("requests", sa.Column(column, sa.Uuid(), nullable=True))
    op.add_column("requests", sa.Column("answers", JSON, server_default=sa.text("'{}'"), nullable=False))
    for column, of in (
        ("customer_id", "customers"),
        ("case_id", "cases"),
        ("service_type_id", "service_types"),
        ("service_version_id", "service_type_versions"),
    ):
        constraint = key("requests", column, of)
        op.create_foreign_key(str(constraint.name), "requests", of, [column], ["id"], ondelete="SET NULL")
        op.create_index(op.f(f"ix_requests_{column}"), "requests", [column])


def _rights() -> None:
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(CASES)} TO {APP_ROLE}, {SERVICE_ROLE}")
    open_to_reader = [table for table in CASES if table != "cases"]
    op.execute(f"GRANT SELECT ON {', '.join(open_to_reader)} TO {READER_ROLE}")
    columns = [each["name"] for each in sa.inspect(op.get_bind()).get_columns("cases")]
    op.execute(f"GRANT SELECT ({', '.join(sorted(set(columns) - _CASE_HIDDEN))}) ON cases TO {READER_ROLE}")
    op.execute(f"GRANT SELECT ({', '.join(_ADDED)}) ON requests TO {READER_ROLE}")
