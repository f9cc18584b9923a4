"""Assets: known by their serial number within an owner; new ones begin their life on the timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.ids import new_code
from assets.imports.bulk_events import Happened, append_events
from assets.imports.fields import Field
from assets.imports.kinds import asset_sql as sql
from assets.imports.kinds.base import Kind, Origin, pages
from assets.imports.kinds.sites import CUSTOMER, resolve_customers
from assets.imports.stage import Stage
from assets.places import move
from assets.registry import Asset, Site
from assets.tree import DEPTH, set_parent

_LIFECYCLES = {
    "planned": ("计划", "计划中", "规划"),
    "in_stock": ("in stock", "在库", "库存"),
    "installed": ("已安装", "安装"),
    "commissioned": ("已调试", "已投运", "调试"),
    "in_service": ("in service", "在用", "使用中", "运行"),
    "retired": ("已退役", "退役", "停用"),
    "scrapped": ("已报废", "报废"),
}


class Assets(Kind):
    """Assets by serial number."""

    name, en, zh = "assets", "Assets", "设备"
    key = ("serial",)
    custom = True
    fields = (
        Field(
            "serial",
            "Serial number",
            "序列号",
            required=True,
            most=120,
            also=("serial", "serial no", "sn", "s/n", "设备序列号", "出厂编号", "机号"),
        ),
        Field("name", "Name", "名称", also=("asset", "asset name", "machine", "设备名称", "设备")),
        Field("model", "Model code", "型号", "reference", most=120, also=("model", "type", "型号代码", "设备型号")),
        CUSTOMER,
        Field("site", "Site", "站点", "reference", also=("site name", "location", "站点名称", "地点", "安装地点")),
        Field(
            "parent",
            "Part of (serial)",
            "所属设备序列号",
            "reference",
            most=120,
            also=("parent", "parent serial", "上级设备", "上级序列号"),
        ),
        Field("lifecycle", "Lifecycle", "生命周期", "choice", choices=_LIFECYCLES, also=("state", "status", "状态")),
        Field("installed_at", "Installed", "安装日期", "date", also=("installed on", "installation date", "安装时间")),
        Field("latitude_deg", "Latitude", "纬度", "number", low=-90, high=90, also=("lat",)),
        Field("longitude_deg", "Longitude", "经度", "number", low=-180, high=180, also=("lon", "lng")),
    )

    def check(self, session: Session, stage: Stage, origin: Origin) -> None:
        """References must be there, of the same owner; what is known moves by the rules of its life, not by a file."""
        session.execute(text("CREATE INDEX ON import_rows (f_serial)"))
        resolve_customers(session, stage, origin)
        session.execute(text(sql.FIND))
        stage.refuse(session, sql.SEVERAL, "serial", "several_assets")
        session.execute(text(sql.OWNER_OF_FOUND))
        stage.refuse(session, sql.OTHER_CUSTOMER, "customer", "other_customer")
        stage.refuse_repeats(session, ["organisation_id", "f_serial"], "serial")
        stage.refuse(session, "r.found IS NULL AND r.f_name IS NULL", "name", "required")
        stage.refuse(session, sql.NO_MODEL, "model", "unknown_model")
        stage.refuse(session, sql.NO_SITE, "site", "unknown_site")
        stage.refuse(session, "r.f_parent = r.f_serial", "parent", "own_parent")
        stage.refuse(session, sql.NO_PARENT, "parent", "unknown_parent")
        stage.refuse(session, sql.OTHER_LIFECYCLE, "lifecycle", "lifecycle_moves")
        stage.refuse(
            session,
            sql.NOT_YET,
            "installed_at",
            "in_future",
            now=origin.now,
        )
        stage.refuse(session, sql.ENDED_PART, "parent", "ended_part")
        half = "(r.f_latitude_deg IS NULL) <> (r.f_longitude_deg IS NULL) AND r.verdict IS DISTINCT FROM 'faulty'"
        stage.refuse(session, half, "latitude_deg", "half_a_place")
        self._refuse_loops(session, stage)
        for statement in sql.RESOLVE:
            session.execute(text(statement))
        stage.settle(session, sql.THERE, sql.SAME)

    def _refuse_loops(self, session: Session, stage: Stage) -> None:
        """Nothing is a part of itself, through whatever it is a part of."""
        if "parent" not in stage.names:
            return
        rows = session.execute(text(sql.PARENTS)).all()
        parents: dict[UUID, UUID] = {row.id: row.parent for row in rows}
        numbers: dict[UUID, int] = {row.id: row.n for row in rows if row.n is not None}
        for asset, number in sorted(numbers.items(), key=lambda each: each[1]):
            above, depth = parents.get(asset), 1
            while above is not None and above != asset and depth <= DEPTH:
                above, depth = parents.get(above), depth + 1
            if above is not None:
                code = "loop" if above == asset else "too_deep"
                stage.refuse(session, "r.n = :n", "parent", code, n=number)

    def write(self, session: Session, stage: Stage, origin: Origin, first: int, last: int) -> None:
        """Store one chunk with its events."""
        span = {"first": first, "last": last, "now": origin.now}
        new = session.execute(text(sql.NEW), span).all()
        if new:
            codes = {"n": [row.n for row in new], "code": [new_code() for _ in new]}
            session.execute(text(sql.INSERT), span | codes)
            session.execute(text(sql.BEGIN_LIVES), span)
            session.execute(text(sql.MODEL_METERS), span)
        by = ("person" if origin.actor.person_id else "system", origin.actor.person_id)
        append_events(
            session,
            [
                Happened(
                    origin.now,
                    "asset.registered",
                    row.organisation_id,
                    "asset",
                    row.id,
                    row.id,
                    {"serial": row.serial, "name": row.name, "lifecycle": row.lifecycle, "file": origin.file_name},
                    *by,
                )
                for row in new
            ],
            new=True,
        )
        changed = session.execute(text(sql.CHANGED), span).all()
        if not changed:
            return
        session.execute(text(sql.UPDATE), span)
        told = [
            Happened(
                origin.now,
                "asset.imported",
                row.organisation_id,
                "asset",
                row.id,
                row.id,
                {"fields": [name for name in row.fields if name], "file": origin.file_name},
                *by,
            )
            for row in changed
        ]
        append_events(session, told, new=False)
        self._move(session, origin, span)

    def _move(self, session: Session, origin: Origin, span: dict[str, Any]) -> None:
        for asset_id, site_id in session.execute(text(sql.MOVED), span).all():
            asset, site = session.get_one(Asset, asset_id), session.get_one(Site, site_id)
            move(
                session,
                asset,
                site=site,
                person=None,
                place=None,
                reason=None,
                at=origin.now,
                now=origin.now,
                by_id=origin.actor.person_id,
            )

    def finish(self, session: Session, stage: Stage, origin: Origin) -> None:
        """Put parts where they belong: what they are a part of may have stood further down in the file."""
        if "parent" not in stage.names:
            return
        for asset_id, parent_id in session.execute(text(sql.PLACED)).all():
            set_parent(session, session.get_one(Asset, asset_id), session.get_one(Asset, parent_id))

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield assets by serial number."""
        yield from pages(session, sql.EXPORT, len(self.fields))
