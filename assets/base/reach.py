"""How far an actor sees: the functions behind the row policies of assets, sites and customers, made for large trees."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Uuid, literal_column, or_, text
from sqlalchemy.orm import Session

from assets.base.db import APP_ROLE

# The actor's own organisation first: a scan of one's own rows ends its search in the array at once.
VISIBLE_ORGANISATIONS = """
CREATE OR REPLACE FUNCTION forewarn_visible_organisations() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT coalesce(array_agg(id ORDER BY cardinality(ancestors), id), '{}') FROM public.organisations
  WHERE ancestors @> ARRAY[nullif(current_setting('forewarn.organisation_id', true), '')::uuid]
$$
"""

# Orders of other owners that the actor's organisations carry out, open or closed within 30 days. The owners of order
# and asset must agree: otherwise a row of one's own that names somebody else's asset would open it.
_ORDERED = """
  FROM public.work_orders w JOIN public.assets a ON a.id = w.asset_id AND a.organisation_id = w.organisation_id
  WHERE w.executing_organisation_id = ANY (mine.ids) AND w.organisation_id <> ALL (mine.ids)
  AND (w.closed_at IS NULL OR w.closed_at > now() - interval '30 days')
"""


def _reached(name: str, column: str, table: str) -> str:
    """Return the function that tells which rows of a table an executor or a bound customer sees besides their own."""
    more = f"""JOIN public.{table} t ON t.id = a.{column} AND t.organisation_id = a.organisation_id"""
    return f"""
CREATE OR REPLACE FUNCTION {name}() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT coalesce(array_agg(DISTINCT x.id), '{{}}') FROM (SELECT forewarn_visible_organisations() AS ids) AS mine
  CROSS JOIN LATERAL (
    SELECT t.id {_ORDERED.replace("WHERE", more + " WHERE", 1)}
    UNION ALL SELECT t.id FROM public.assets a {more} WHERE a.customer_id = ANY (forewarn_bound_customers())
  ) AS x
$$
"""


# A customer's person in an organisation that is no customer's: the records that bear their address, and nothing else.
BOUND_CUSTOMERS = """
CREATE OR REPLACE FUNCTION forewarn_bound_customers() RETURNS uuid[] LANGUAGE sql STABLE AS $$
  SELECT coalesce(string_to_array(nullif(current_setting('forewarn.customer_ids', true), ''), ',')::uuid[], '{}')
$$
"""
FUNCTIONS = {
    "forewarn_visible_organisations()": VISIBLE_ORGANISATIONS,
    "forewarn_bound_customers()": BOUND_CUSTOMERS,
    "forewarn_reached_assets()": _reached("forewarn_reached_assets", "id", "assets"),
    "forewarn_reached_sites()": _reached("forewarn_reached_sites", "site_id", "sites"),
    "forewarn_reached_customers()": _reached("forewarn_reached_customers", "customer_id", "customers"),
}

# An IN over a set is hashed once per statement, so that two thousand organisations cost a row no more than one does;
# `= ANY (array)` would go along the array for every row.
_WITHIN = "organisation_id IN (SELECT unnest(forewarn_visible_organisations()))"
READ = {
    table: f"{_WITHIN} OR id = ANY ((SELECT forewarn_reached_{table}())::uuid[])"
    for table in ("assets", "sites", "customers")
}
MOST_NARROW = 32  # organisations: as many are written into a query, so that it uses the index on them

_MINE = text(
    f"SELECT CASE WHEN current_user = '{APP_ROLE}'"
    f" THEN (forewarn_visible_organisations())[1:{MOST_NARROW + 1}] ELSE '{{}}' END"
)
S = TypeVar("S")  # a select of any columns


def narrowed(session: Session, statement: S, table: str) -> S:
    """Return the statement with what the actor sees as a condition, where that is little: the policy has no index.

    `table`: assets, sites or customers, under its own name in the statement. It leaves out nothing that is visible.
    """
    mine: list[UUID] | None = session.scalar(_MINE)
    if not mine or len(mine) > MOST_NARROW:
        return statement
    reached = session.scalar(text(f"SELECT forewarn_reached_{table}()"))
    asked: Any = statement
    of_mine = literal_column(f"{table}.organisation_id", Uuid()).in_(mine)
    within = or_(of_mine, literal_column(f"{table}.id", Uuid()).in_(reached)) if reached else of_mine
    narrowed_down: S = asked.where(within)
    return narrowed_down
