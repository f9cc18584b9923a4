"""Registering edge nodes: each becomes a device with an account at the broker that may be nothing but this node."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from ingest.devices import register_device, set_password
from ingest.models import Device
from ingest.passwords import new_password
from ingest.sparkplug.models import SparkplugNode
from ingest.sparkplug.names import (
    DEVICE_VERBS,
    MAX_ID_CHARS,
    NAMESPACE,
    NODE_VERBS,
    NodeKey,
    Verb,
    is_id,
    serial_of,
)
from ingest.sparkplug.nodes import MAX_NODES

MODEL = "Sparkplug B"


Access = Literal["read", "write", "deny"]


class Registered(NamedTuple):
    """A new node, its device, and the password that is told once."""

    node: SparkplugNode
    device: Device
    password: str


def register_node(
    session: Session, key: NodeKey, organisation_id: UUID, now: datetime, *, serial: str | None = None, model: str = ""
) -> Registered:
    """Register an edge node with a device of its own. Raises Invalid and Conflict."""
    for field, name in (("group_id", key.group), ("node_id", key.node)):
        if not is_id(name) or key.group == "STATE":
            raise Invalid(f"a {field} has 1 to {MAX_ID_CHARS} printable characters without / + #", field=field)
    # Heard of before, it is listed for the operator; whoever registers it takes it over.
    session.execute(text("SELECT forewarn_forget_stranger(:group, :node)"), {"group": key.group, "node": key.node})
    count = session.scalar(select(func.count(SparkplugNode.device_id))) or 0
    if count >= MAX_NODES:
        raise Conflict(f"one host reads at most {MAX_NODES} edge nodes", most=MAX_NODES)
    device, _ = register_device(session, serial or serial_of(key), model or MODEL, organisation_id, now)
    device.claim_code_hash = device.claim_expires_at = None  # it has its password already
    device.claimed_at = now
    device.describe = {"sparkplug": {"group": key.group, "node": key.node}}
    password = new_password()
    set_password(session, device, password)
    node = SparkplugNode(group_id=key.group, node_id=key.node, created_at=now, rebirths=0, gaps=0, refused=0)
    node.organisation_id, node.device_id = organisation_id, device.id
    try:
        with session.begin_nested():
            session.add(node)
    except IntegrityError as error:
        detail = f"the edge node {key.group}/{key.node} is registered already"
        raise Conflict(detail, group=key.group, node=key.node) from error
    return Registered(node, device, password)


def forget_node(session: Session, node: SparkplugNode) -> None:
    """Take a node off the list; its device stays with its readings, but may connect no more."""
    device = session.get(Device, node.device_id) if node.device_id is not None else None
    if device is not None:
        device.password_hash = None
        device.credentials_version += 1
        device.online = None
    session.execute(delete(SparkplugNode).where(SparkplugNode.id == node.id))
    session.flush()


def sparkplug_rights(session: Session) -> Iterator[tuple[str, Access, str]]:
    """Yield (account, read or write or deny, filter): a node may be itself and read what is meant for it, no more."""
    rows = session.execute(
        select(Device.serial, SparkplugNode.group_id, SparkplugNode.node_id)
        .join(Device, Device.id == SparkplugNode.device_id)
        .where(Device.disabled_at.is_(None))
        .order_by(Device.serial)
    )
    for serial, group, node in rows:
        yield serial, "deny", "forewarn/#"
        yield from ((serial, "write", f"{NAMESPACE}/{group}/{verb}/{node}") for verb in NODE_VERBS)
        yield from ((serial, "write", f"{NAMESPACE}/{group}/{verb}/{node}/+") for verb in DEVICE_VERBS)
        yield serial, "read", f"{NAMESPACE}/{group}/{Verb.NCMD}/{node}"
        yield serial, "read", f"{NAMESPACE}/{group}/{Verb.DCMD}/{node}/+"
        yield serial, "read", f"{NAMESPACE}/STATE/+"
