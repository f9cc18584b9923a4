"""Database roles, rights and row policies, as statements for migrations."""

from __future__ import annotations

from sqlalchemy import MetaData

from assets.base.access import (
    ASSET_VISIBILITY,
    SITE_VISIBILITY,
    VISIBLE_ORGANISATIONS,
    executed_policies,
    organisation_policies,
    owned_policies,
    row_policies,
)
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

ROLES = (APP_ROLE, SERVICE_ROLE, READER_ROLE)

# Only the service reaches these: secrets, the queue's own book-keeping, and what ingest writes at full speed.
SERVICE_ONLY = frozenset(
    {
        "credentials",
        "sign_in_failures",
        "sign_in_sessions",
        "sign_in_links",
        "api_tokens",
        "idempotency_keys",
        "consumer_cursors",
        "consumer_failures",
        "event_seals",
        "last_runs",
        "scoring_cursors",
    }
)


def create_roles() -> list[str]:
    """Return the statements that make the roles, which belong to the whole server and may be there already."""
    statements = [
        f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        for role in ROLES
    ]
    # The login role changes into them; without INHERIT it has their rights only while it is one of them.
    grants = [f"GRANT {role} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE" for role in ROLES]
    return [*statements, *grants, f"GRANT USAGE ON SCHEMA public TO {', '.join(ROLES)}"]


def visible_organisations() -> list[str]:
    """Return the statements that make the function all row policies ask."""
    return [
        VISIBLE_ORGANISATIONS,
        f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}",
        f"ALTER FUNCTION forewarn_visible_organisations() OWNER TO {SERVICE_ROLE}",
        f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}",
    ]


def policies(metadata: MetaData) -> list[str]:
    """Return the row policies of every table that belongs to an organisation."""
    statements: list[str] = []
    for table in metadata.sorted_tables:
        columns = set(table.columns.keys())
        if table.name == "organisations":
            statements += organisation_policies()
        elif table.name == "assets":
            statements += row_policies(table.name, ASSET_VISIBILITY)
        elif table.name == "sites":
            statements += row_policies(table.name, SITE_VISIBILITY)
        elif "executing_organisation_id" in columns:
            statements += executed_policies(table.name)
        elif "organisation_id" in columns:
            statements += owned_policies(table.name)
    return statements


def rights(metadata: MetaData) -> list[str]:
    """Return the rights of the three roles on tables and sequences."""
    tables = [table.name for table in metadata.sorted_tables]
    shared = [name for name in tables if name not in SERVICE_ONLY]
    appendable = ("events", "event_seals")  # the log is append-only for everybody but erasure by the owner
    statements = [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {SERVICE_ROLE}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(shared)} TO {APP_ROLE}",
        f"GRANT SELECT ON {', '.join(shared)} TO {READER_ROLE}",
        f"REVOKE UPDATE, DELETE ON {', '.join(appendable)} FROM {APP_ROLE}",
        f"REVOKE UPDATE ON {', '.join(appendable)} FROM {SERVICE_ROLE}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APP_ROLE}, {SERVICE_ROLE}",
    ]
    queue = "procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers, procrastinate_workers"
    return [*statements, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {queue} TO {APP_ROLE}, {SERVICE_ROLE}"]
