"""What a new database needs before anybody can sign in: the operator's organisation and one administrator."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.instrumentation import bind
from assets.people import Organisation, Person, add_organisation, add_person, root_organisation
from assets.registry import Asset, AssetModel, add_asset
from gateway.sign_in import make_link, people_with_role
from ingest.devices import register_device, set_password
from ingest.models import Device
from ingest.passwords import new_password
from ticketing.cases.service_types import ensure_service_types

HOST_METRICS: dict[str, dict[str, object]] = {
    "cpu_percent": {"unit": "%", "label_en": "CPU load", "label_zh": "处理器负载", "role": "control"},
    "load_1min": {"unit": "1", "label_en": "Load average, 1 min", "label_zh": "1 分钟平均负载", "role": "control"},
    "memory_used_percent": {
        "unit": "%",
        "label_en": "Memory used",
        "label_zh": "已用内存",
        "role": "health",
        "high": 95,
        "high_high": 99,
    },
    "disk_used_percent": {
        "unit": "%",
        "label_en": "Disk used",
        "label_zh": "已用磁盘",
        "role": "health",
        "high": 95,
        "high_high": 98,
    },
    "cpu_temperature_celsius": {
        "unit": "Cel",
        "label_en": "CPU temperature",
        "label_zh": "处理器温度",
        "role": "health",
        "high": 90,
        "high_high": 100,
    },
    "network_receive_bytes_per_s": {
        "unit": "By/s",
        "label_en": "Network received",
        "label_zh": "网络接收",
        "role": "control",
    },
    "network_transmit_bytes_per_s": {
        "unit": "By/s",
        "label_en": "Network sent",
        "label_zh": "网络发送",
        "role": "control",
    },
    "uptime_s": {"unit": "s", "label_en": "Uptime", "label_zh": "运行时间", "role": "control"},
}
HOST_CHECKS = [
    {"signature": "disk_used_percent", "en": "Free disk space or add storage.", "zh": "清理磁盘空间或增加存储。"},
    {"signature": "memory_used_percent", "en": "Find the process that holds the memory.", "zh": "找出占用内存的进程。"},
    {"signature": "cpu_temperature_celsius", "en": "Clean fans and air inlets.", "zh": "清洁风扇和进风口。"},
]


@dataclass(frozen=True)
class Identity:
    """What an agent on this machine needs to connect."""

    serial: str
    model: str
    password: str


def ensure_operator(session: Session, now: datetime, name: str = "My service company") -> tuple[Organisation, Person]:
    """Return the operator's organisation and its first administrator, made when missing."""
    operator = root_organisation(session) or add_organisation(session, kind="operator", name=name, now=now)
    ensure_service_types(session, operator.id, now)
    administrators = people_with_role(session, Role.ADMINISTRATOR)
    own = [person for person in administrators if not person.demo]
    if own:
        return operator, own[0]
    person = add_person(session, organisation_id=operator.id, name="Administrator", roles=[Role.ADMINISTRATOR], now=now)
    return operator, person


def first_link(session: Session, person: Person, base_url: str, now: datetime, page: str = "/sign-in") -> str:
    """Return a fresh one-time sign-in address for a person."""
    return f"{base_url}{page}?token={make_link(session, person.id, now)}"


def ensure_host(session: Session, operator: Organisation, now: datetime) -> Identity | None:
    """Make this computer an asset with a device of its own; None when its agent already has an identity."""
    serial = f"host-{socket.gethostname()}"[:60]
    if device_by_serial(session, serial):
        return None
    model = _computer(session, operator)
    asset = Asset(
        organisation_id=operator.id,
        serial=serial,
        name=socket.gethostname(),
        asset_model_id=model.id,
        lifecycle="in_service",
        installed_at=datetime.fromtimestamp(os.stat("/etc").st_ctime, UTC),
        created_at=now,
    )
    add_asset(session, asset, now)
    return provision(session, operator, asset, "computer", now)


def _computer(session: Session, operator: Organisation) -> AssetModel:
    """The asset model of computers; there already when this one was renamed."""
    known = select(AssetModel).where(AssetModel.organisation_id == operator.id, AssetModel.code == "computer")
    model = session.scalar(known)
    if model is None:
        model = AssetModel(
            organisation_id=operator.id,
            code="computer",
            name_en="Computer",
            name_zh="计算机",
            metrics=HOST_METRICS,
            checks=HOST_CHECKS,
            repair_codes=[],
            detectors=["limits"],  # what people start on a computer is no fault of the computer
        )
        session.add(model)
        session.flush()
    return model


def provision(session: Session, owner: Organisation, asset: Asset, model: str, now: datetime) -> Identity:
    """Register a device named like its asset, bound to it since ever, with a password of its own."""
    device, _ = register_device(
        session, serial=asset.serial, model=model, organisation_id=owner.id, now=now, demo=asset.demo
    )
    bind(session, organisation_id=owner.id, device_id=device.id, channel="", asset_id=asset.id, at=None)
    return identify(session, device, now)


def identify(session: Session, device: Device, now: datetime) -> Identity:
    """Give a device of this machine's own a new password, without the detour of a claim code."""
    password = new_password()
    set_password(session, device, password)
    device.claim_code_hash, device.claimed_at = None, device.claimed_at or now
    return Identity(device.serial, device.model, password)


def device_by_serial(session: Session, serial: str) -> Device | None:
    """Return the device with this serial number."""
    return session.scalar(select(Device).where(Device.serial == serial))
