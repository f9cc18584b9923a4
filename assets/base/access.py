"""Who may do what (role x action), and who may see which rows (row-level security policies)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from assets.base.errors import Forbidden


class Role(StrEnum):
    """Stored words; a person holds one or more in an organisation."""

    ADMINISTRATOR = "administrator"
    PLANNER = "planner"
    DISPATCHER = "dispatcher"
    TECHNICIAN = "technician"
    STOREKEEPER = "storekeeper"
    PARTNER = "partner"
    CUSTOMER = "customer"
    ANALYST = "analyst"
    DEVICE = "device"


DESK = frozenset({Role.ADMINISTRATOR, Role.PLANNER, Role.DISPATCHER})
STAFF = DESK | {Role.TECHNICIAN, Role.STOREKEEPER, Role.ANALYST}

# Action -> roles. An action that is not here is allowed to nobody.
ACTIONS: dict[str, frozenset[Role]] = {
    "organisation.manage": frozenset({Role.ADMINISTRATOR}),
    "organisation.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "customer.manage": DESK,
    "calendar.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "people.read": STAFF | {Role.PARTNER},
    "people.manage": frozenset({Role.ADMINISTRATOR}),
    "person.erase": frozenset({Role.ADMINISTRATOR}),
    "settings.manage": frozenset({Role.ADMINISTRATOR}),
    "webhook.manage": frozenset({Role.ADMINISTRATOR}),
    "notification.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "notification_channel.manage": frozenset({Role.ADMINISTRATOR}),
    "demo.remove": frozenset({Role.ADMINISTRATOR}),
    "asset.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "asset.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "asset.move": DESK | {Role.TECHNICIAN, Role.STOREKEEPER},
    "asset.retire": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "asset.transfer": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "asset.rebaseline": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "meter.read": DESK | {Role.TECHNICIAN, Role.STOREKEEPER},
    "reading.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "device.read": STAFF,
    "device.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "device.send": frozenset({Role.DEVICE}),
    "finding.read": STAFF | {Role.PARTNER},
    "predicted_job.decide": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "policy.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "alarm.acknowledge": DESK | {Role.TECHNICIAN},
    "alarm.shelve": DESK,
    "alarm.remove_from_service": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "maintenance_window.manage": DESK,
    "on_call.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "request.read": STAFF | {Role.CUSTOMER},
    "request.open": STAFF | {Role.CUSTOMER},
    "request.triage": DESK,
    "case.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "case.open": STAFF | {Role.CUSTOMER},
    "case.handle": DESK,
    "case.approve": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "case.write": STAFF | {Role.PARTNER, Role.CUSTOMER},  # into its thread
    "call.read": DESK,
    "call.work": DESK,
    "channel.manage": frozenset({Role.ADMINISTRATOR}),
    "remote_session.run": DESK | {Role.TECHNICIAN, Role.ANALYST},
    "service_type.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "service_type.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "routing.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER, Role.DISPATCHER}),
    "work_order.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "work_order.open": DESK | {Role.TECHNICIAN},
    "work_order.assign": DESK,
    "work_order.cancel": DESK,
    "work_order.review": DESK,
    "work_order.edit": DESK,
    "work_order.merge": DESK,
    "work_order.inside": STAFF | {Role.PARTNER},
    "work_order.record": DESK | {Role.TECHNICIAN, Role.PARTNER},
    "maintenance_plan.read": STAFF,
    "maintenance_plan.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "occurrence.decide": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "procedure.read": STAFF | {Role.PARTNER},
    "procedure.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "sync.write": STAFF | {Role.PARTNER},
    "evidence.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "evidence.add": DESK | {Role.TECHNICIAN, Role.PARTNER},
    "help.read": STAFF | {Role.PARTNER},
    "help.answer": DESK | {Role.STOREKEEPER},
    "visit.perform": frozenset({Role.ADMINISTRATOR, Role.DISPATCHER, Role.TECHNICIAN, Role.PARTNER}),
    "dispatch.read": STAFF | {Role.PARTNER},
    "dispatch.plan": DESK,
    "dispatch.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "dispatch.claim": frozenset({Role.TECHNICIAN, Role.PARTNER}),
    "sla.read": STAFF | {Role.PARTNER},
    "sla.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "sla.pause": DESK,
    "figure.read": DESK | {Role.ANALYST},
    "reliability.read": DESK | {Role.ANALYST, Role.PARTNER, Role.CUSTOMER},
    "forecast.read": DESK | {Role.STOREKEEPER, Role.ANALYST},
    "warranty.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "warranty.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "warranty.register": DESK | {Role.TECHNICIAN},
    "coverage.check": DESK | {Role.TECHNICIAN, Role.STOREKEEPER, Role.PARTNER},
    "coverage.override": DESK | {Role.TECHNICIAN, Role.PARTNER},
    "coverage.approve": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "contract.read": STAFF | {Role.CUSTOMER},
    "contract.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "contract.consume": DESK | {Role.TECHNICIAN},
    "customer.merge": DESK,
    "event.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "import.run": frozenset({Role.ADMINISTRATOR, Role.PLANNER, Role.STOREKEEPER}),
    "export.read": STAFF,
    "document.read": STAFF | {Role.PARTNER, Role.CUSTOMER},
    "document.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER, Role.TECHNICIAN}),
    "label.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER, Role.TECHNICIAN}),
    "filter.share": DESK | {Role.STOREKEEPER},
    "part.read": STAFF | {Role.PARTNER},
    "part.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER, Role.STOREKEEPER}),
    "stock.read": STAFF | {Role.PARTNER},
    "technician.read": STAFF | {Role.PARTNER},
    "technician.manage": DESK,
    "skill.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "team.manage": DESK,
    "shift.manage": DESK,
    "territory.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
    "absence.request": STAFF | {Role.PARTNER},
    "absence.decide": DESK,
    "timesheet.read": DESK | {Role.ANALYST},
    "timesheet.own": STAFF | {Role.PARTNER},
    "partner_application.decide": frozenset({Role.ADMINISTRATOR}),
    "stock.use": DESK | {Role.STOREKEEPER, Role.TECHNICIAN, Role.PARTNER},
    "stock.manage": frozenset({Role.ADMINISTRATOR, Role.STOREKEEPER}),
    "purchase.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER, Role.STOREKEEPER}),
    "price.read": DESK | {Role.STOREKEEPER, Role.ANALYST},
    "price.manage": frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, a service account or nobody signed in (`kind` 'public').

    `bound`: a customer in an organisation that is no customer's sees the machines of these customer records and nothing
    else that it owns.
    """

    kind: str
    organisation_id: UUID
    roles: frozenset[Role]
    person_id: UUID | None = None
    name: str = ""
    bound: frozenset[UUID] | None = None


def may(actor: Actor, action: str) -> bool:
    """Return whether one of the actor's roles allows the action."""
    return bool(ACTIONS.get(action, frozenset()) & actor.roles)


def require(actor: Actor, action: str) -> None:
    """Raise Forbidden unless the actor may do this."""
    if not may(actor, action):
        raise Forbidden(f"{action} needs one of: {', '.join(sorted(ACTIONS.get(action, ())))}", action=action)


# ---- row-level security -------------------------------------------------------------------------------------------

# Runs as the service role: as anybody else its own look at `organisations` would ask the policy that asks it.
VISIBLE_ORGANISATIONS = """
CREATE OR REPLACE FUNCTION forewarn_visible_organisations() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT coalesce(array_agg(id), '{}') FROM public.organisations
  WHERE ancestors @> ARRAY[nullif(current_setting('forewarn.organisation_id', true), '')::uuid]
$$
"""

# The type catalogue is shared downwards: customers and partners below an operator read its asset models.
CATALOGUE_ORGANISATIONS = """
CREATE OR REPLACE FUNCTION forewarn_catalogue_organisations() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT coalesce((SELECT ancestors FROM public.organisations
                   WHERE id = nullif(current_setting('forewarn.organisation_id', true), '')::uuid), '{}')
$$
"""

# A scalar sub-select is evaluated once per statement; a bare call would run for every row.
VISIBLE = "((SELECT forewarn_visible_organisations())::uuid[])"
OWNED = f"organisation_id = ANY ({VISIBLE})"
EXECUTED = f"({OWNED} OR executing_organisation_id = ANY ({VISIBLE}))"
ORGANISATION = f"id = ANY ({VISIBLE})"

# The executor sees the asset, site and contact of its order while it is open and 30 days after. The owners must
# agree: otherwise a row of one's own that names somebody else's asset or site would open it.
ASSET_READ = f"""
{OWNED} OR EXISTS (
  SELECT 1 FROM work_orders w WHERE w.asset_id = assets.id AND w.organisation_id = assets.organisation_id
  AND w.executing_organisation_id = ANY ({VISIBLE})
  AND (w.closed_at IS NULL OR w.closed_at > now() - interval '30 days'))
"""
SITE_READ = f"""
{OWNED} OR EXISTS (
  SELECT 1 FROM assets a WHERE a.site_id = sites.id AND a.organisation_id = sites.organisation_id)
"""
CUSTOMER_READ = f"""
{OWNED} OR EXISTS (
  SELECT 1 FROM assets a WHERE a.customer_id = customers.id AND a.organisation_id = customers.organisation_id)
"""
MODEL_READ = f"{OWNED} OR organisation_id = ANY ((SELECT forewarn_catalogue_organisations())::uuid[])"


def row_policies(table: str, *, read: str, insert: str, update: str, delete: str) -> list[str]:
    """Return the statements that force row-level security on a table, with a condition for each command."""
    # The login role too: after a commit in mid-request it finds no actor set, and so sees nothing.
    to = "TO forewarn_app, CURRENT_USER"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant_read ON {table} FOR SELECT {to} USING ({read})",
        f"CREATE POLICY tenant_insert ON {table} FOR INSERT {to} WITH CHECK ({insert})",
        f"CREATE POLICY tenant_update ON {table} FOR UPDATE {to} USING ({update}) WITH CHECK ({update})",
        f"CREATE POLICY tenant_delete ON {table} FOR DELETE {to} USING ({delete})",
        f"CREATE POLICY service ON {table} TO forewarn_service USING (true) WITH CHECK (true)",
        f"CREATE POLICY reader ON {table} FOR SELECT TO forewarn_reader USING (true)",
    ]


def owned_policies(table: str, *, read: str = OWNED, own: str = OWNED) -> list[str]:
    """Changed by the owner and its ancestors; `read` may let others look."""
    return row_policies(table, read=read, insert=own, update=own, delete=own)


def executed_policies(table: str) -> list[str]:
    """Read and moved along by the executor too, who adds visits and events but no work, and removes nothing."""
    insert = OWNED if table == "work_orders" else EXECUTED
    return row_policies(table, read=EXECUTED, insert=insert, update=EXECUTED, delete=OWNED)
