"""Positions: places where assets are swapped, and what stands there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, RowKind, pages
from assets.positions import Position, add_position, install, installations_of
from assets.registry import Asset, Site


class Positions(RowKind):
    """Positions by name."""

    name, en, zh = "positions", "Positions", "安装位置"
    key = ("name",)
    fields = (
        Field("name", "Position", "安装位置", required=True, also=("name", "名称", "位置")),
        Field("site", "Site", "站点", "reference", also=("site name", "站点名称")),
        Field("serial", "Serial number", "序列号", "reference", most=120, also=("serial", "asset", "设备序列号")),
        Field("installed_at", "Installed", "安装日期", "date", also=("installed on", "since")),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store a position; with a serial number that asset stands there from then on."""
        site = self._site(session, values["site"]) if values["site"] else None
        owner = site.organisation_id if site else origin.actor.organisation_id
        there = session.scalar(
            select(Position).where(Position.organisation_id == owner, Position.name == values["name"])
        )
        verdict = "unchanged"
        if there is None:
            there = add_position(
                session,
                organisation_id=owner,
                name=values["name"],
                site_id=site.id if site else None,
                now=origin.now,
            )
            verdict = "insert"
        if values["serial"] and self._install(session, there, values["serial"], values["installed_at"], origin):
            verdict = verdict if verdict == "insert" else "update"
        return verdict

    def _site(self, session: Session, name: str) -> Site:
        found = list(session.scalars(select(Site).where(Site.name == name).limit(2)))
        if len(found) != 1:
            raise Invalid(f"{'no' if not found else 'more than one'} site {name!r}", field="site")
        return found[0]

    def _install(
        self, session: Session, position: Position, serial: str, since: datetime | None, origin: Origin
    ) -> bool:
        wanted = select(Asset).where(Asset.serial == serial, Asset.organisation_id == position.organisation_id)
        asset = session.scalar(wanted)
        if asset is None:
            raise Invalid(f"no asset with serial number {serial!r}", field="serial")
        standing = next((each for each in installations_of(session, position.id) if each.valid_to is None), None)
        if standing is not None and standing.asset_id == asset.id:
            return False
        install(session, position, asset, since or origin.now, origin.now)
        return True

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield positions by name, with what stands there now."""
        statement = (
            "SELECT p.name, s.name, a.serial, i.valid_from FROM positions p LEFT JOIN sites s ON s.id = p.site_id"
            " LEFT JOIN installations i ON i.position_id = p.id AND i.valid_to IS NULL"
            " LEFT JOIN assets a ON a.id = i.asset_id ORDER BY p.name, p.id"
        )
        yield from pages(session, statement, 4)
