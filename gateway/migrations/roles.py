"""Database roles, rights and row policies, as statements for migrations."""

from __future__ import annotations

from sqlalchemy import MetaData

from assets.base.access import (
    ASSET_READ,
    CATALOGUE_ORGANISATIONS,
    CUSTOMER_READ,
    MODEL_READ,
    ORGANISATION,
    SITE_READ,
    VISIBLE_ORGANISATIONS,
    executed_policies,
    owned_policies,
)
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from assets.base.events import CHAIN_HEAD

ROLES = (APP_ROLE, SERVICE_ROLE, READER_ROLE)

# Only the service reaches these: secrets, the queue's own book-keeping, and what ingest writes at full speed.
SERVICE_ONLY = frozenset(
    {
        "credentials",
        "sign_in_failures",
        "sign_in_sessions",
        "sign_in_links",
        "customer_links",
        "customer_sessions",
        "label_keys",
        "search_entries",
        "work_search_entries",
        "api_tokens",
        "claim_attempts",
        "idempotency_keys",
        "consumer_cursors",
        "consumer_failures",
        "event_seals",
        "last_runs",
        "scoring_cursors",
        "rollups_1m",
        "rollups_15m",
        "rollups_1h",
        "rollups_1d",
        "rollup_due",
        "retention_progress",
        "report_wishes",
        "channel_deliveries",
    }
)

# What workers write and requests only read: what models are, and what findings were made from. Of `models` requests
# move the standing.
READ_ONLY = frozenset(
    {
        "models",
        "model_contents",
        "training_runs",
        "learned_states",
        "shadow_findings",
        "finding_snapshots",
        "remaining_lives",
        # What answers taught, counted by the service from rows that people changed.
        "alarm_budgets",
        "held_back",
        "observed_months",
        # Stored and read by ingest.
        "bursts",
        "planner_verdicts",
        # What the entries of movements add up to; a trigger on those writes it.
        "stock_balances",
        "stock_totals",
        # What events say of service levels, written by whoever reads the log.
        "sla_subjects",
        "sla_clocks",
        # Written by workers from what was done.
        "reports",
        # Sums and history by week, kept by a job; triggers say what changed.
        "planned_hours",
        "planned_parts",
        "forecast_marks",
        "demand_hours",
        "demand_parts",
        "capacity_weeks",
        "forecast_states",
        "staffing_gaps",
    }
)

# What requests add to and never change.
APPEND_ONLY = frozenset({"events", "stock_movements", "stock_entries", "procedure_answers", "permit_entries"})

# What an analyst does not need: secrets, and what identifies people.
HIDDEN_FROM_READER = {
    "devices": frozenset({"password_hash", "claim_code_hash"}),
    "events": frozenset({"personal", "salt"}),
    "people": frozenset({"email", "phone"}),
    "customers": frozenset({"email", "phone"}),
    "requests": frozenset({"contact", "tracking_code", "answers"}),
    "cases": frozenset({"contact", "answers"}),
    "warranty_cards": frozenset({"proof"}),
    "warranty_registrations": frozenset({"name", "phone", "email", "proof", "address_hash"}),
    "customer_merges": frozenset({"before"}),
    "technician_profiles": frozenset({"home_address", "home_latitude_deg", "home_longitude_deg"}),
    "absences": frozenset({"reason", "note", "decision_reason"}),
    "appointment_offers": frozenset({"token"}),
    "reports": frozenset({"facts", "signed_name"}),
    "evidence": frozenset(
        {"latitude_deg", "longitude_deg", "accuracy_m", "exif_latitude_deg", "exif_longitude_deg"}
        | {"file_name", "caption", "removed_reason"}
    ),
    "evidence_chunks": frozenset({"content"}),
    "signatures": frozenset({"name", "picture"}),
    "sync_operations": frozenset({"payload", "result", "digest", "device"}),
    "channels": frozenset({"secret", "previous_secret", "previous_until", "password", "settings", "progress", "error"}),
    "calls": frozenset({"number", "e164", "external_id", "agent", "note", "recording_url"}),
    "mail_messages": frozenset(
        {"message_id", "in_reply_to", "references", "address", "name", "subject", "folded", "error"}
    ),
    "case_files": frozenset({"file_name", "content", "thumbnail"}),
    "webhook_endpoints": frozenset({"url", "secret", "previous_secret"}),
    "notifications": frozenset({"address", "params", "texts", "dedupe_key", "error"}),
    "notification_channels": frozenset({"url", "error"}),
    "notification_contacts": frozenset({"address", "token"}),
    "push_subscriptions": frozenset({"endpoint", "p256dh", "auth", "device"}),
    "calendar_feeds": frozenset({"token_hash"}),
    "partner_applications": frozenset(
        {"contact_name", "email", "phone", "address", "message", "confirmation_hash", "address_hash"}
    ),
}


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
    """Return the statements that make the functions which look past the row policies, with the service's rights."""
    functions = {
        "forewarn_visible_organisations()": VISIBLE_ORGANISATIONS,
        "forewarn_catalogue_organisations()": CATALOGUE_ORGANISATIONS,
        "forewarn_chain_head(uuid)": CHAIN_HEAD,
    }
    owned = [f"ALTER FUNCTION {name} OWNER TO {SERVICE_ROLE}" for name in functions]
    return [
        *functions.values(),
        f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}",
        *owned,
        f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}",
    ]


_WIDER_READ = {"assets": ASSET_READ, "sites": SITE_READ, "customers": CUSTOMER_READ, "asset_models": MODEL_READ}


def policies(metadata: MetaData) -> list[str]:
    """Return the row policies of every table that belongs to an organisation."""
    statements: list[str] = []
    for table in metadata.sorted_tables:
        if table.name == "organisations":
            statements += owned_policies(table.name, read=ORGANISATION, own=ORGANISATION)
        elif table.name in _WIDER_READ:
            statements += owned_policies(table.name, read=_WIDER_READ[table.name])
        elif "executing_organisation_id" in table.columns:
            statements += executed_policies(table.name)
        elif "organisation_id" in table.columns:
            statements += owned_policies(table.name)
    return statements


def rights(metadata: MetaData) -> list[str]:
    """Return the rights of the three roles on tables and sequences."""
    tables = {table.name: table for table in metadata.sorted_tables}
    shared = [name for name in tables if name not in SERVICE_ONLY]
    readable = [name for name in shared if name not in HIDDEN_FROM_READER]
    statements = [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {SERVICE_ROLE}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(shared)} TO {APP_ROLE}",
        f"GRANT SELECT ON {', '.join(readable)} TO {READER_ROLE}",
        # The log is append-only; the service may only erase what is personal, and the demo's rows.
        f"REVOKE UPDATE, DELETE ON events FROM {APP_ROLE}",
        f"REVOKE UPDATE ON events, event_seals FROM {SERVICE_ROLE}",
        f"GRANT UPDATE (personal, salt) ON events TO {SERVICE_ROLE}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APP_ROLE}, {SERVICE_ROLE}",
    ]
    for name in sorted(HIDDEN_FROM_READER.keys() & tables.keys()):
        hidden = HIDDEN_FROM_READER[name]
        columns = ", ".join(f'"{column}"' for column in sorted(set(tables[name].columns.keys()) - hidden))
        statements.append(f"GRANT SELECT ({columns}) ON {name} TO {READER_ROLE}")
    queue = "procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers, procrastinate_workers"
    return [
        *statements,
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {queue} TO {SERVICE_ROLE}",
        # Requests enqueue; only workers take jobs and change them.
        f"GRANT SELECT, INSERT ON procrastinate_jobs, procrastinate_events TO {APP_ROLE}",
    ]
