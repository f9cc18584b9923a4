"""Positions: places where assets are swapped, and what stands there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.bulk import among, insert_objects
from assets.base.errors import Invalid, RuleError
from assets.base.ids import uuid7
from assets.imports.bulk_events import Happened, append_events
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, pages
from assets.imports.kinds.bulk import BulkKind, Rows
from assets.positions import Installation, Position, add_position, install, installations_of
from assets.registry import Asset, Site


@dataclass(slots=True)
class _Known:
    """What rows refer to: sites by name, and by owner and name positions, by owner and serial assets."""

    sites: dict[str, list[tuple[UUID, UUID]]] = field(default_factory=dict)
    positions: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    assets: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    stood: set[UUID] = field(default_factory=set)  # positions and assets with any stretch
    standing: dict[UUID, UUID] = field(default_factory=dict)  # position -> what stands there

    def owner(self, values: Mapping[str, Any], origin: Origin) -> UUID:
        """Return whose position a row tells of; its site is known."""
        return self.sites[values["site"]][0][1] if values["site"] else origin.actor.organisation_id


class Positions(BulkKind):
    """Positions by name."""

    name, en, zh = "positions", "Positions", "安装位置"
    key = ("name",)
    # Each position and each asset in one row only: no row takes away what another one put there.
    candidates = """
    SELECT n FROM (
      SELECT r.n, r.f_serial, count(*) OVER (PARTITION BY coalesce(s.owner, :own), r.f_name) AS names,
        count(*) OVER (PARTITION BY coalesce(s.owner, :own), r.f_serial) AS serials
      FROM import_rows r LEFT JOIN (
        SELECT name, (array_agg(organisation_id))[1] AS owner FROM sites GROUP BY name HAVING count(*) = 1
      ) s ON s.name = r.f_site) c
    WHERE names = 1 AND (f_serial IS NULL OR serials = 1)
    """
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

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Judge rows of positions and assets where nothing stood; a swap goes one by one."""
        known = self._known(session, rows, origin)
        said: dict[int, str | RuleError] = {}
        for number, values in rows:
            verdict = self._verdict(known, values, origin)
            if verdict is not None:
                said[number] = verdict
        return said

    def _verdict(self, known: _Known, values: Mapping[str, Any], origin: Origin) -> str | RuleError | None:
        if values["site"] and len(known.sites.get(values["site"], ())) != 1:
            return _not_one_site(values["site"], len(known.sites.get(values["site"], ())))
        owner = known.owner(values, origin)
        there = known.positions.get((owner, values["name"]))
        if not values["serial"]:
            return "unchanged" if there else "insert"
        asset = known.assets.get((owner, values["serial"]))
        if asset is None:
            return _no_asset(values["serial"])
        if there is not None and known.standing.get(there) == asset:
            return "unchanged"
        touched = asset in known.stood or (there is not None and there in known.stood)
        if touched or (values["installed_at"] or origin.now) > origin.now:
            return None
        return "update" if there else "insert"

    def _known(self, session: Session, rows: Rows, origin: Origin, *, lock: bool = False) -> _Known:
        known = _Known()
        names = {values["site"] for _, values in rows if values["site"]}
        for name, site, owner in session.execute(
            select(Site.name, Site.id, Site.organisation_id).where(among(Site.name, names))
        ):
            known.sites.setdefault(name, []).append((site, owner))
        owners = {origin.actor.organisation_id, *(each[1] for found in known.sites.values() for each in found)}
        positions = select(Position.organisation_id, Position.name, Position.id).order_by(Position.id)
        positions = positions.where(among(Position.name, {values["name"] for _, values in rows}))
        serials = {values["serial"] for _, values in rows if values["serial"]}
        assets = select(Asset.organisation_id, Asset.serial, Asset.id).order_by(Asset.id)
        assets = assets.where(among(Asset.serial, serials))
        if lock:  # positions first, then assets, as `install` does
            positions, assets = positions.with_for_update(), assets.with_for_update()
        # Both are compared with the owners here: a condition on them would be asked of each row of these owners.
        known.positions = {(owner, name): each for owner, name, each in session.execute(positions) if owner in owners}
        known.assets = {(owner, name): each for owner, name, each in session.execute(assets) if owner in owners}
        at, of = list(known.positions.values()), list(known.assets.values())
        stretches = select(Installation.position_id, Installation.asset_id, Installation.valid_to)
        stretches = stretches.where(or_(among(Installation.position_id, at), among(Installation.asset_id, of)))
        for position, asset, until in session.execute(stretches.order_by(Installation.valid_from)):
            known.stood |= {position, asset}
            if until is None:
                known.standing[position] = asset
        return known

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Add positions, and what stands there, with the events of the assets."""
        known = self._known(session, rows, origin, lock=True)
        sound = [each for each in rows if self._verdict(known, each[1], origin) in ("insert", "update")]
        made, installed, told = [], [], []
        for _, values in sound:
            owner = known.owner(values, origin)
            if (owner, values["name"]) not in known.positions:
                site = known.sites[values["site"]][0][0] if values["site"] else None
                known.positions[owner, values["name"]] = place = uuid7()
                about = {"organisation_id": owner, "name": values["name"], "site_id": site, "created_at": origin.now}
                made.append(Position(id=place, **about))
            if values["serial"]:
                position, asset = known.positions[owner, values["name"]], known.assets[owner, values["serial"]]
                at = values["installed_at"] or origin.now
                installed.append(
                    Installation(organisation_id=owner, position_id=position, asset_id=asset, valid_from=at)
                )
                said = {"position_id": str(position), "position": values["name"]}
                told.append(Happened(at, "asset.installed", owner, "asset", asset, asset, said))
        insert_objects(session, made)
        insert_objects(session, installed)
        append_events(session, told, new=False)
        stored = {number for number, _ in sound}
        return [each for each in rows if each[0] not in stored]

    def _site(self, session: Session, name: str) -> Site:
        found = list(session.scalars(select(Site).where(Site.name == name).limit(2)))
        if len(found) != 1:
            raise _not_one_site(name, len(found))
        return found[0]

    def _install(
        self, session: Session, position: Position, serial: str, since: datetime | None, origin: Origin
    ) -> bool:
        wanted = select(Asset).where(Asset.serial == serial, Asset.organisation_id == position.organisation_id)
        asset = session.scalar(wanted)
        if asset is None:
            raise _no_asset(serial)
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


def _not_one_site(name: str, found: int) -> Invalid:
    return Invalid(f"{'more than one' if found else 'no'} site {name!r}", field="site")


def _no_asset(serial: str) -> Invalid:
    return Invalid(f"no asset with serial number {serial!r}", field="serial")
