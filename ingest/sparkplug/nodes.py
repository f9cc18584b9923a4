"""Edge nodes in memory and in the database: whom the host knows, and what it wrote of them last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as Transaction

from assets.people import root_organisation
from ingest.models import Device, Stream
from ingest.presence import MAX_FLIPS
from ingest.sparkplug.models import SparkplugChannel, SparkplugNode
from ingest.sparkplug.names import NodeKey
from ingest.sparkplug.readings import Names
from ingest.sparkplug.session import Session

MAX_NODES = 5000  # of one host
MAX_STRANGERS = 1000  # nodes that nobody registered, as listed for registration


@dataclass(slots=True)
class Known:
    """A registered node."""

    id: UUID
    device_id: UUID
    organisation_id: UUID
    serial: str
    session: Session
    names: dict[str, Names] = field(default_factory=dict)  # of the channels that have sent something
    online: bool | None = None
    since: datetime | None = None
    heard_at: datetime | None = None
    is_changed: bool = False
    channels: dict[str, tuple[bool, datetime]] = field(default_factory=dict)  # of devices that came or went

    def take_change(self) -> Change:
        """Return what is to be written, and count from nought again."""
        session, channels = self.session, self.channels
        names = {channel: dict(each.given) for channel, each in self.names.items() if each.is_new}
        for channel in names:
            self.names[channel].is_new = False
        change = Change(
            self, self.online, self.since, self.heard_at, session.last_bd_seq, session.rebirths, session.gaps,
            channels, names,
        )  # fmt: skip
        self.is_changed, self.channels, session.rebirths, session.gaps = False, {}, 0, 0
        return change


class Change(NamedTuple):
    """What happened to a node since it was written last."""

    node: Known
    online: bool | None
    since: datetime | None
    heard_at: datetime | None
    bd_seq: int | None
    rebirths: int
    gaps: int
    channels: dict[str, tuple[bool, datetime]]
    names: dict[str, dict[str, str]]


@dataclass(slots=True)
class Stranger:
    """A node that sends and is not registered."""

    refused: int
    heard_at: datetime


def stamp(transaction: Transaction) -> tuple[int, datetime | None]:
    """Return what changes whenever nodes are registered or removed; cheap enough to ask every second."""
    row = transaction.execute(
        select(func.count(SparkplugNode.device_id), func.max(Device.created_at)).join(
            Device, Device.id == SparkplugNode.device_id
        )
    ).one()
    return row[0], row[1]


def registered(transaction: Transaction) -> dict[NodeKey, tuple[SparkplugNode, str]]:
    """Return all registered nodes with their serials."""
    rows = transaction.execute(
        select(SparkplugNode, Device.serial)
        .join(Device, Device.id == SparkplugNode.device_id)
        .order_by(SparkplugNode.id)
        .limit(MAX_NODES)
    )
    return {NodeKey(node.group_id, node.node_id): (node, serial) for node, serial in rows}


def read_names(transaction: Transaction, node_id: UUID, channel: str) -> Names:
    """Return what a channel's metrics were called so far."""
    found = transaction.scalar(
        select(SparkplugChannel.names).where(SparkplugChannel.node_id == node_id, SparkplugChannel.channel == channel)
    )
    return Names({str(original): str(name) for original, name in (found or {}).items()})


def host_away(transaction: Transaction) -> None:
    """Whether nodes are there is not known: births and deaths of some time have been missed."""
    known = select(SparkplugNode.device_id).where(SparkplugNode.device_id.is_not(None))
    transaction.execute(update(SparkplugNode).where(SparkplugNode.online.is_(True)).values(online=None))
    transaction.execute(update(SparkplugChannel).where(SparkplugChannel.online.is_(True)).values(online=None))
    transaction.execute(update(Device).where(Device.id.in_(known), Device.online.is_(True)).values(online=None))
    transaction.execute(update(Stream).where(Stream.device_id.in_(known), Stream.online.is_(True)).values(online=None))


def write_change(transaction: Transaction, change: Change) -> None:
    """Write what happened to a node and its devices."""
    node = change.node
    values: dict[str, Any] = {
        "online": change.online,
        "bd_seq": change.bd_seq,
        "last_heard_at": func.greatest(SparkplugNode.last_heard_at, change.heard_at),
        "rebirths": SparkplugNode.rebirths + change.rebirths,
        "gaps": SparkplugNode.gaps + change.gaps,
    }
    if change.online is not None:
        values["born_at" if change.online else "died_at"] = change.since
    transaction.execute(update(SparkplugNode).where(SparkplugNode.id == node.id).values(values))
    _note_presence(transaction, change)
    for channel in sorted(change.channels.keys() | change.names.keys()):
        _write_channel(transaction, change, channel)


def _note_presence(transaction: Transaction, change: Change) -> None:
    device = transaction.get(Device, change.node.device_id, with_for_update=True, populate_existing=True)
    if device is None:
        return
    if change.online is not None and device.online is not None and device.online != change.online:
        device.presence_flips = [*(device.presence_flips or ()), change.since][-MAX_FLIPS:]
    device.online = change.online
    if change.heard_at is not None:
        device.last_heard_at = max(device.last_heard_at or change.heard_at, change.heard_at)
    transaction.flush()


def _write_channel(transaction: Transaction, change: Change, channel: str) -> None:
    node, values = change.node, dict[str, Any]()
    if channel in change.channels:
        values["online"], values["since"] = change.channels[channel]
    if channel in change.names:
        values["names"] = change.names[channel]
    row = {"node_id": node.id, "channel": channel, "organisation_id": node.organisation_id, "names": {}}
    if transaction.scalar(select(SparkplugNode.id).where(SparkplugNode.id == node.id)) is None:
        return  # removed just now
    statement = insert(SparkplugChannel).values({**row, **values})
    transaction.execute(statement.on_conflict_do_update(index_elements=["node_id", "channel"], set_=values))
    if channel and "online" in values:
        transaction.execute(
            update(Stream)
            .where(Stream.device_id == node.device_id, Stream.channel == channel)
            .values(online=values["online"])
        )


def write_strangers(transaction: Transaction, strangers: Iterable[tuple[NodeKey, Stranger]]) -> None:
    """List nodes that nobody registered; they belong to the operator, so that somebody sees them."""
    owner = root_organisation(transaction)
    if owner is None:
        return
    listed = transaction.scalar(select(func.count()).where(SparkplugNode.device_id.is_(None))) or 0
    for key, stranger in strangers:
        seen = {"refused": SparkplugNode.refused + stranger.refused, "last_heard_at": stranger.heard_at}
        where = (SparkplugNode.group_id == key.group, SparkplugNode.node_id == key.node)
        found = transaction.execute(update(SparkplugNode).where(*where).values(seen).returning(SparkplugNode.id))
        if found.first() is not None or listed >= MAX_STRANGERS:
            continue
        listed += 1
        transaction.add(
            SparkplugNode(
                organisation_id=owner.id,
                group_id=key.group,
                node_id=key.node,
                created_at=stranger.heard_at,
                last_heard_at=stranger.heard_at,
                rebirths=0,
                gaps=0,
                refused=stranger.refused,
            )
        )
        transaction.flush()
