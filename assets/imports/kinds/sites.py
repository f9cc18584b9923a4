"""Sites: known by their customer and name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.imports.fields import Field
from assets.imports.kinds.base import Kind, Origin, pages
from assets.imports.stage import Stage

_SAME = [
    ("address", "r.f_address"),
    ("time_zone", "r.f_time_zone"),
    ("latitude_deg", "r.f_latitude_deg"),
    ("longitude_deg", "r.f_longitude_deg"),
]
CUSTOMER = Field(
    "customer",
    "Customer number",
    "客户编号",
    "reference",
    most=60,
    also=("customer", "customer no", "客户"),
    hint_en="The number of a customer that is here already",
    hint_zh="已存在的客户的编号",
)


class Sites(Kind):
    """Sites by customer and name."""

    name, en, zh = "sites", "Sites", "站点"
    key = ("customer", "name")
    fields = (
        CUSTOMER,
        Field("name", "Site", "站点", required=True, also=("name", "site name", "名称", "站点名称", "地点")),
        Field("address", "Address", "地址", most=500),
        Field("time_zone", "Time zone", "时区", most=60, hint_en="Such as Asia/Shanghai", hint_zh="例如 Asia/Shanghai"),
        Field("latitude_deg", "Latitude", "纬度", "number", low=-90, high=90, also=("lat",)),
        Field("longitude_deg", "Longitude", "经度", "number", low=-180, high=180, also=("lon", "lng", "long")),
    )

    def check(self, session: Session, stage: Stage, origin: Origin) -> None:
        """A site belongs to its customer's organisation, else to the importer's own."""
        resolve_customers(session, stage, origin)
        zones = sorted(available_timezones())
        stage.refuse(session, "NOT r.f_time_zone = ANY (CAST(:zones AS text[]))", "time_zone", "time_zone", zones=zones)
        half = "(r.f_latitude_deg IS NULL) <> (r.f_longitude_deg IS NULL) AND r.verdict IS DISTINCT FROM 'faulty'"
        stage.refuse(session, half, "latitude_deg", "half_a_place")
        stage.refuse_repeats(session, ["organisation_id", "f_name"], "name")
        find_sites(session, "f_name")
        stage.settle(session, "sites", _SAME)

    def write(self, session: Session, stage: Stage, origin: Origin, first: int, last: int) -> None:
        """Store one chunk."""
        span = {"first": first, "last": last}
        session.execute(
            text(
                "INSERT INTO sites (id, organisation_id, customer_id, name, address, time_zone, latitude_deg,"
                " longitude_deg, demo) SELECT r.id, r.organisation_id, (SELECT c.id FROM customers c"
                " WHERE c.number = r.f_customer), r.f_name, r.f_address, coalesce(r.f_time_zone, 'UTC'),"
                " r.f_latitude_deg, r.f_longitude_deg, false FROM import_rows r"
                " WHERE r.verdict = 'insert' AND r.n >= :first AND r.n < :last"
            ),
            span,
        )
        session.execute(
            text(
                "UPDATE sites s SET address = coalesce(r.f_address, s.address),"
                " time_zone = coalesce(r.f_time_zone, s.time_zone),"
                " latitude_deg = coalesce(r.f_latitude_deg, s.latitude_deg),"
                " longitude_deg = coalesce(r.f_longitude_deg, s.longitude_deg), version = s.version + 1"
                " FROM import_rows r WHERE s.id = r.found AND r.verdict = 'update'"
                " AND r.n >= :first AND r.n < :last"
            ),
            span,
        )

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield sites by customer and name."""
        statement = (
            "SELECT c.number, s.name, s.address, s.time_zone, s.latitude_deg, s.longitude_deg FROM sites s"
            " LEFT JOIN customers c ON c.id = s.customer_id ORDER BY c.number NULLS FIRST, s.name, s.id"
        )
        yield from pages(session, statement, 6)


def resolve_customers(session: Session, stage: Stage, origin: Origin) -> None:
    """Set each row's owner: its customer's organisation, else the importer's own."""
    stage.refuse(
        session,
        "r.f_customer IS NOT NULL AND NOT EXISTS (SELECT 1 FROM customers c WHERE c.number = r.f_customer)",
        "customer",
        "unknown_customer",
    )
    session.execute(
        text(
            "UPDATE import_rows r SET organisation_id = CASE WHEN r.f_customer IS NULL THEN CAST(:own AS uuid)"
            " ELSE (SELECT c.organisation_id FROM customers c WHERE c.number = r.f_customer) END"
        ),
        {"own": origin.actor.organisation_id},
    )


def find_sites(session: Session, column: str) -> None:
    """Set `found` to the owner's site of that name, the oldest of several."""
    session.execute(
        text(
            f"UPDATE import_rows r SET found = s.id FROM (SELECT DISTINCT ON (organisation_id, name) id,"
            f' organisation_id, name FROM sites ORDER BY organisation_id, name, id) s WHERE s.name = r."{column}"'
            " AND s.organisation_id = r.organisation_id"
        )
    )
