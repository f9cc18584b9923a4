"""Remove the demo: every row of it, and whatever people did with it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.orm import Session

from assets.base.events import append_event
from assets.people import Organisation
from assets.registry import Asset
from gateway.models import metadata
from ingest.models import Device
from ingest.store.rollup_schema import LEVELS

# In this order: what refers to something goes before it. `:assets`, `:devices` and `:organisations` are the demo's.
_REMOVE = (
    "DELETE FROM work_links WHERE work_order_id IN (SELECT id FROM work_orders WHERE asset_id = ANY(:assets))",
    "DELETE FROM labels WHERE asset_id = ANY(:assets)",
    "DELETE FROM predicted_jobs WHERE asset_id = ANY(:assets)",
    "DELETE FROM episodes WHERE asset_id = ANY(:assets)",
    "DELETE FROM findings WHERE asset_id = ANY(:assets)",
    "DELETE FROM requests WHERE asset_id = ANY(:assets)",
    "DELETE FROM work_orders WHERE asset_id = ANY(:assets)",
    "DELETE FROM scoring_states WHERE asset_id = ANY(:assets)",
    "DELETE FROM samples WHERE stream_id IN (SELECT id FROM streams WHERE device_id = ANY(:devices))",
    *(
        f"DELETE FROM {level.table} WHERE stream_id IN (SELECT id FROM streams WHERE device_id = ANY(:devices))"
        for level in LEVELS
    ),
    "DELETE FROM ingest_batches WHERE device_id = ANY(:devices)",
    "DELETE FROM quarantine WHERE device_id = ANY(:devices)",
    "DELETE FROM bindings WHERE device_id = ANY(:devices)",
    "DELETE FROM devices WHERE id = ANY(:devices)",
    "DELETE FROM events WHERE asset_id = ANY(:assets) OR subject_id = ANY(:devices)"
    " OR organisation_id = ANY(:organisations)",
    # What people of their own made with the help of the demo stays, without it.
    "UPDATE assets SET parent_id = NULL WHERE parent_id = ANY(:assets)",
    "DELETE FROM assets WHERE id = ANY(:assets)",
    "UPDATE asset_models SET demo = false WHERE demo AND id IN (SELECT asset_model_id FROM assets)",
    "UPDATE assets SET site_id = NULL WHERE site_id IN (SELECT id FROM sites WHERE demo)",
    "UPDATE work_orders SET site_id = NULL WHERE site_id IN (SELECT id FROM sites WHERE demo)",
    "DELETE FROM maintenance_plans WHERE code LIKE 'DEMO-%' AND id NOT IN (SELECT plan_id FROM plan_assets)",
    "DELETE FROM procedures WHERE demo",
    "DELETE FROM labour_rates WHERE demo",
    "DELETE FROM asset_models WHERE demo",
    "DELETE FROM sites WHERE demo",
    "DELETE FROM customers WHERE demo",
    "DELETE FROM quarantine WHERE organisation_id = ANY(:organisations)",
    "DELETE FROM retention_policies WHERE organisation_id = ANY(:organisations)",
    "DELETE FROM people WHERE demo OR organisation_id = ANY(:organisations)",
    # What the operator's own people have or follow is the operator's by now.
    "UPDATE skills SET demo = false WHERE demo AND id IN (SELECT skill_id FROM person_skills)",
    "UPDATE shifts SET demo = false WHERE demo AND id IN (SELECT shift_id FROM shift_assignments)",
    "UPDATE teams SET demo = false WHERE demo AND id IN (SELECT team_id FROM team_members)",
    *(f"DELETE FROM {table} WHERE demo" for table in ("territories", "teams", "shifts", "skills", "work_centres")),
)


def _remove_organisations(session: Session, organisations: list[UUID]) -> None:
    """Remove the organisations with all that is still theirs, whatever table a person put it in."""
    for table in reversed(metadata.sorted_tables):
        if table.name == "events":  # gone already, and nobody changes one
            continue
        executor = table.c.get("executing_organisation_id")
        if executor is not None:  # work of others that they were to carry out stays, with its owner
            session.execute(update(table).where(executor.in_(organisations)).values({executor.name: None}))
        owner = table.c.get("organisation_id")
        if owner is not None:
            session.execute(delete(table).where(owner.in_(organisations)))
    session.execute(delete(Organisation).where(Organisation.demo))


def remove(session: Session, operator_id: UUID, actor_id: UUID | None, now: datetime) -> int:
    """Remove every demo row; return how many assets went. Needs the service role: it crosses organisations."""
    organisations = list(session.scalars(select(Organisation.id).where(Organisation.demo)))
    # A demo customer takes along everything of theirs, marked or not.
    assets = list(session.scalars(select(Asset.id).where(or_(Asset.demo, Asset.organisation_id.in_(organisations)))))
    devices = session.scalars(select(Device.id).where(or_(Device.demo, Device.organisation_id.in_(organisations))))
    values = {"assets": assets, "devices": list(devices), "organisations": organisations}
    for statement in _REMOVE:
        session.execute(text(statement), values)
    _remove_organisations(session, organisations)
    append_event(
        session,
        "demo.removed",
        at=now,
        organisation_id=operator_id,
        subject_kind="organisation",
        subject_id=operator_id,
        actor_kind="person" if actor_id else "system",
        actor_id=actor_id,
        payload={"assets": len(assets)},
    )
    return len(assets)
