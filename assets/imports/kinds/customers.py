"""Customers: known by their number; each has an organisation of its own, which owns its assets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.db import APP_ROLE, SERVICE_ROLE
from assets.imports.fields import Field
from assets.imports.kinds.base import Kind, Origin, pages
from assets.imports.stage import Stage

_SAME = [("name", "r.f_name"), ("phone", "r.f_phone"), ("email", "r.f_email")]


class Customers(Kind):
    """Customers by number."""

    name, en, zh = "customers", "Customers", "客户"
    key = ("number",)
    fields = (
        Field("number", "Customer number", "客户编号", required=True, most=60, also=("customer no", "number", "编号")),
        Field(
            "name", "Name", "客户名称", required=True, also=("customer", "customer name", "客户", "名称", "公司名称")
        ),
        Field("phone", "Phone", "电话", most=60, also=("telephone", "联系电话", "手机")),
        Field("email", "E-mail", "电子邮箱", most=320, also=("mail", "邮箱")),
    )

    def check(self, session: Session, stage: Stage, origin: Origin) -> None:
        """A number is one customer's, in every organisation."""
        stage.refuse_repeats(session, ["f_number"], "number")
        session.execute(text("UPDATE import_rows SET f_email = lower(f_email) WHERE f_email IS NOT NULL"))
        stage.refuse(
            session, "r.f_email IS NOT NULL AND r.f_email !~ '^[^@[:space:]]+@[^@[:space:]]+$'", "email", "email"
        )
        session.execute(
            text(
                "UPDATE import_rows r SET found = c.id, organisation_id = c.organisation_id FROM customers c"
                " WHERE c.number = r.f_number"
            )
        )
        _as_service(session)  # a number of a customer that the actor does not see
        taken = session.execute(
            text(
                "SELECT array_agg(r.n) FROM import_rows r JOIN customers c ON c.number = r.f_number"
                " WHERE r.found IS NULL"
            )
        ).scalar()
        session.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))
        stage.refuse(session, "r.n = ANY (CAST(:taken AS int[]))", "number", "taken", taken=taken or [])
        stage.settle(session, "customers", _SAME)

    def write(self, session: Session, stage: Stage, origin: Origin, first: int, last: int) -> None:
        """A new customer's organisation stands below the importer's own."""
        span = {"first": first, "last": last, "parent": origin.actor.organisation_id, "now": origin.now}
        _as_service(session)
        session.execute(
            text(
                "INSERT INTO organisations (id, parent_id, kind, name, ancestors, demo, created_at)"
                " SELECT r.id, o.id, 'customer', r.f_name, o.ancestors || r.id, false, :now"
                " FROM import_rows r, organisations o WHERE o.id = :parent AND r.verdict = 'insert'"
                " AND r.n >= :first AND r.n < :last"
            ),
            span,
        )
        session.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))
        session.execute(
            text(
                "INSERT INTO customers (id, organisation_id, number, name, phone, email, demo)"
                " SELECT gen_random_uuid(), r.id, r.f_number, r.f_name, r.f_phone, r.f_email, false FROM import_rows r"
                " WHERE r.verdict = 'insert' AND r.n >= :first AND r.n < :last"
            ),
            span,
        )
        session.execute(
            text(
                "UPDATE customers c SET name = coalesce(r.f_name, c.name), phone = coalesce(r.f_phone, c.phone),"
                " email = coalesce(r.f_email, c.email), version = c.version + 1 FROM import_rows r"
                " WHERE c.id = r.found AND r.verdict = 'update' AND r.n >= :first AND r.n < :last"
            ),
            span,
        )

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield customers by number."""
        yield from pages(session, "SELECT number, name, phone, email FROM customers ORDER BY number", 4)


def _as_service(session: Session) -> None:
    session.execute(text(f"GRANT SELECT ON import_rows TO {SERVICE_ROLE}"))
    session.execute(text(f"SET LOCAL ROLE {SERVICE_ROLE}"))
