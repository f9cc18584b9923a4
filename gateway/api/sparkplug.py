"""Sparkplug edge nodes: who is registered, who was only heard of, what their metrics are called here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy import select, tuple_

from assets.base.errors import Invalid, NotFound
from assets.instrumentation import bind
from assets.registry import Asset
from gateway.api.deps import Context, Here, no_store
from gateway.api.identity import public_broker
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.connect import asset_for_device
from gateway.settings import Settings
from ingest.devices import set_password
from ingest.models import Device, Stream
from ingest.passwords import new_password
from ingest.sparkplug.models import SparkplugChannel, SparkplugNode
from ingest.sparkplug.names import MAX_ID_CHARS, NAMESPACE, NodeKey, state_topic
from ingest.sparkplug.registration import forget_node, register_node

router = APIRouter(prefix="/api/v1", tags=["sparkplug"])


class SparkplugDevice(BaseModel):
    """The device that a node is here."""

    id: UUID
    serial: str
    presence: str
    presence_since: datetime | None


class SparkplugSubDevice(BaseModel):
    """A device of a node; `online` as the node said last, None: nobody knows, since the host was away."""

    channel: str
    online: bool | None
    since: datetime | None
    presence: str
    metrics: int


class SparkplugNodeItem(BaseModel):
    """An edge node. `device` None: heard of, not registered; `refused` messages of it were set aside so far.

    `gaps`: times that messages were missing; `rebirths`: times that it was asked for its births.
    """

    id: UUID
    group_id: str
    node_id: str
    device: SparkplugDevice | None
    online: bool | None
    created_at: datetime
    last_heard_at: datetime | None
    born_at: datetime | None
    died_at: datetime | None
    gaps: int
    rebirths: int
    refused: int
    devices: list[SparkplugSubDevice]


class SparkplugNodePage(BaseModel):
    """One page of nodes by group and name, with what a node must be told to find this host."""

    items: list[SparkplugNodeItem]
    next: str | None
    host_id: str
    state_topic: str


class SparkplugMetric(BaseModel):
    """A metric as the node names it, and as it is named here."""

    channel: str
    original: str
    metric: str


class SparkplugNodeDetail(SparkplugNodeItem):
    """A node with the names of all its metrics."""

    metrics: list[SparkplugMetric]


class NewSparkplugNode(BaseModel):
    """A node to register, and what the node itself measures: an asset that is there, or a new one."""

    group_id: str = Field(min_length=1, max_length=MAX_ID_CHARS)
    node_id: str = Field(min_length=1, max_length=MAX_ID_CHARS)
    serial: str | None = Field(default=None, min_length=1, max_length=64)
    model: str = Field(default="", max_length=120)
    asset_id: UUID | None = None
    asset_name: str | None = Field(default=None, min_length=1, max_length=200)


class SparkplugAccount(BaseModel):
    """What a node needs to connect; the password is shown this once."""

    username: str
    password: str
    broker: str
    namespace: str
    host_id: str


class RegisteredSparkplugNode(BaseModel):
    """A registered node with its account."""

    node: SparkplugNodeItem
    account: SparkplugAccount


@router.get("/sparkplug-nodes", operation_id="list_sparkplug_nodes")
def list_sparkplug_nodes(
    here: Here, registered: bool | None = None, limit: Limit = 100, after: After = None
) -> SparkplugNodePage:
    """List nodes by group and name; `registered=false`: those that were heard of and that nobody registered."""
    here.require("device.read")
    key = tuple_(SparkplugNode.group_id, SparkplugNode.node_id)
    statement = select(SparkplugNode).order_by(SparkplugNode.group_id, SparkplugNode.node_id).limit(limit + 1)
    if registered is not None:
        has_device = SparkplugNode.device_id.is_not(None)
        statement = statement.where(has_device if registered else ~has_device)
    if after:
        group, node = read_cursor(after, str, str)
        statement = statement.where(key > tuple_(group, node))
    rows = list(here.session.scalars(statement))
    page = rows[:limit]
    host_id = here.settings.sparkplug_host_id
    return SparkplugNodePage(
        items=_items(here, page),
        next=cursor_of(page[-1].group_id, page[-1].node_id) if len(rows) > limit else None,
        host_id=host_id,
        state_topic=state_topic(host_id),
    )


@router.post(
    "/sparkplug-nodes", operation_id="create_sparkplug_node", status_code=201, dependencies=[Depends(no_store)]
)
def create_sparkplug_node(body: NewSparkplugNode, here: Here) -> RegisteredSparkplugNode:
    """Register a node, heard of before or not, and give out its account at the broker."""
    here.require("device.manage")
    key = NodeKey(body.group_id.strip(), body.node_id.strip())
    asset = _asset_for(here, body)
    owner = asset.organisation_id if asset else here.actor.organisation_id
    made = register_node(here.session, key, owner, here.now, serial=body.serial, model=body.model)
    if asset is None and body.asset_name:
        here.require("asset.manage")
        asset = asset_for_device(here.session, owner, made.device.serial, body.asset_name, here.now)
    if asset is not None:
        bind(here.session, organisation_id=owner, device_id=made.device.id, channel="", asset_id=asset.id, at=None)
    return RegisteredSparkplugNode(
        node=_items(here, [made.node])[0], account=_account(here.settings, made.device.serial, made.password)
    )


@router.get("/sparkplug-nodes/{node_id}", operation_id="get_sparkplug_node")
def get_sparkplug_node(node_id: UUID, here: Here) -> SparkplugNodeDetail:
    """One node with the names of its metrics."""
    here.require("device.read")
    node = _node(here, node_id)
    channels = here.session.scalars(
        select(SparkplugChannel).where(SparkplugChannel.node_id == node.id).order_by(SparkplugChannel.channel)
    )
    return SparkplugNodeDetail(
        **_items(here, [node])[0].model_dump(),
        metrics=[
            SparkplugMetric(channel=each.channel, original=original, metric=str(metric))
            for each in channels
            for original, metric in sorted(each.names.items())
        ],
    )


@router.post(
    "/sparkplug-nodes/{node_id}/password", operation_id="renew_sparkplug_password", dependencies=[Depends(no_store)]
)
def renew_sparkplug_password(node_id: UUID, here: Here) -> SparkplugAccount:
    """Give a node a new password; the old one is refused within seconds."""
    here.require("device.manage")
    node = _node(here, node_id)
    device = here.session.get(Device, node.device_id) if node.device_id else None
    if device is None:
        raise Invalid("this edge node is not registered", field="node_id")
    password = new_password()
    set_password(here.session, device, password)
    return _account(here.settings, device.serial, password)


@router.delete("/sparkplug-nodes/{node_id}", operation_id="delete_sparkplug_node", status_code=204)
def delete_sparkplug_node(node_id: UUID, here: Here) -> Response:
    """Take a node off the list: its account goes, its device stays with its readings."""
    here.require("device.manage")
    forget_node(here.session, _node(here, node_id))
    return Response(status_code=204)


def _node(here: Context, node_id: UUID) -> SparkplugNode:
    node = here.session.get(SparkplugNode, node_id)
    if node is None:
        raise NotFound("no such edge node")
    return node


def _asset_for(here: Context, body: NewSparkplugNode) -> Asset | None:
    if body.asset_id is None:
        return None
    asset = here.session.get(Asset, body.asset_id)
    if asset is None:
        raise Invalid("no such asset", field="asset_id")
    return asset


def _account(settings: Settings, username: str, password: str) -> SparkplugAccount:
    return SparkplugAccount(
        username=username,
        password=password,
        broker=public_broker(settings),
        namespace=NAMESPACE,
        host_id=settings.sparkplug_host_id,
    )


def _items(here: Context, nodes: Sequence[SparkplugNode]) -> list[SparkplugNodeItem]:
    device_ids = [node.device_id for node in nodes if node.device_id is not None]
    devices = {
        device.id: SparkplugDevice(
            id=device.id, serial=device.serial, presence=device.presence, presence_since=device.presence_since
        )
        for device in here.session.scalars(select(Device).where(Device.id.in_(device_ids)))
    }
    presence: dict[tuple[UUID, str], str] = {
        (device_id, channel): word
        for device_id, channel, word in here.session.execute(
            select(Stream.device_id, Stream.channel, Stream.presence).where(Stream.device_id.in_(device_ids))
        )
    }
    below: dict[UUID, list[SparkplugChannel]] = {}
    channels = select(SparkplugChannel).where(
        SparkplugChannel.node_id.in_([node.id for node in nodes]), SparkplugChannel.channel != ""
    )
    for row in here.session.scalars(channels.order_by(SparkplugChannel.channel)):
        below.setdefault(row.node_id, []).append(row)
    return [
        SparkplugNodeItem(
            id=node.id,
            group_id=node.group_id,
            node_id=node.node_id,
            device=devices.get(node.device_id) if node.device_id else None,
            online=node.online,
            created_at=node.created_at,
            last_heard_at=node.last_heard_at,
            born_at=node.born_at,
            died_at=node.died_at,
            gaps=node.gaps,
            rebirths=node.rebirths,
            refused=node.refused,
            devices=[
                SparkplugSubDevice(
                    channel=row.channel,
                    online=row.online,
                    since=row.since,
                    presence=presence.get((node.device_id, row.channel), "unknown") if node.device_id else "unknown",
                    metrics=len(row.names),
                )
                for row in below.get(node.id, [])
            ],
        )
        for node in nodes
    ]
