"""Demo customers, people and machines; everything here is marked as demo and removed together."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.base.events import Event
from assets.base.units import unit_of_metric
from assets.documents.store import FileStore
from assets.failure_modes import FailureMode, add_failure_mode
from assets.instrumentation import asset_bindings, bind
from assets.people import Organisation, Person, add_organisation, add_person
from assets.registry import Asset, AssetModel, Customer, Site, add_asset
from gateway.demo_failure_modes import FAILURE_MODES
from gateway.demo_models import MODELS
from gateway.demo_papers import load_files, load_meters, load_papers
from gateway.demo_people import load_people
from gateway.demo_plans import load_plans
from gateway.demo_service import load_service
from gateway.demo_stock import load_stock
from gateway.demo_warranty import UNDER_CONTRACT, load_contract, load_terms
from gateway.first_run import Identity, device_by_serial, identify, provision
from ingest.commands import send_command
from ingest.devices import register_device
from ingest.models import Device
from maintenance.decisions import policy_of_recording
from maintenance.models import PolicyRow
from ticketing.models import WorkOrder

BACKFILL_DAYS = 30
FIRST_FAULT_S = 15  # after going live: the precursor then takes PRECURSOR_S, so work opens in about two minutes
PRECURSOR_S = 90
REPAIR_EXPIRES_S = 24 * 3600


@dataclass(frozen=True)
class _Machine:
    serial: str
    name: str
    kind: str
    site: str
    seed: int
    first_fault: str = ""  # the fault to show soon after the first start


_CUSTOMERS = {
    "Riverside Foods": ("Riverside Foods, plant 1", "12 Mill Lane", 51.4545, -2.5879, "Europe/London"),
    "Harbour Hospital": ("Harbour Hospital, energy centre", "1 Quay Road", 51.5074, -0.1278, "Europe/London"),
}
_MACHINES = (
    _Machine("DEMO-PUMP-101", "Feed pump 1", "pump", "Riverside Foods", 11, "bearing_wear"),
    _Machine("DEMO-PUMP-102", "Feed pump 2", "pump", "Riverside Foods", 12),
    _Machine("DEMO-COMP-201", "Packaging line compressor", "compressor", "Riverside Foods", 21),
    _Machine("DEMO-CHIL-301", "Operating theatre chiller", "chiller", "Harbour Hospital", 31),
    _Machine("DEMO-FAN-302", "Supply air fan, ward block", "fan", "Harbour Hospital", 32),
)
_PEOPLE = (
    ("Paula Planner", "planner@demo.forewarn.example", [Role.PLANNER, Role.DISPATCHER], "en"),
    ("Tom Technician", "tom@demo.forewarn.example", [Role.TECHNICIAN], "en"),
    ("Li Wei 李伟", "liwei@demo.forewarn.example", [Role.TECHNICIAN], "zh"),
    ("Sam Storekeeper", "store@demo.forewarn.example", [Role.STOREKEEPER], "en"),
)
_CUSTOMER_PERSON = ("Rita Rivers", "rita@riverside.demo.forewarn.example")
# Mail and telephone, so that reports are mailed, sign-in by link works and a caller is known: names and numbers that
# nobody can have.
_REACHED = {
    "Riverside Foods": (_CUSTOMER_PERSON[1], "+44 117 496 0101"),
    "Harbour Hospital": ("energy@harbour.demo.forewarn.example", "+44 20 7946 0202"),
}


def load(
    session: Session, operator: Organisation, now: datetime, files: FileStore | None = None
) -> Iterator[tuple[Identity, str]]:
    """Make what is missing of the demo; yield each new machine's identity and its agent's sensor table.

    Without a store of files there are no documents.
    """
    if session.scalar(select(Asset.id).where(Asset.serial == _MACHINES[0].serial)):
        return
    people = {
        name: _person(session, operator, name, email, roles, language, now) for name, email, roles, language in _PEOPLE
    }
    sites = {name: _customer(session, operator, number, name, now) for number, name in enumerate(_CUSTOMERS, 1)}
    first = next(iter(sites.values()))
    _person(session, first[0], *_CUSTOMER_PERSON, [Role.CUSTOMER], "en", now)
    models = {kind: _model(session, operator, kind, now) for kind in MODELS}
    assets: dict[str, Asset] = {}
    for machine in _MACHINES:
        owner, customer, site = sites[machine.site]
        asset = Asset(
            organisation_id=owner.id,
            serial=machine.serial,
            name=machine.name,
            asset_model_id=models[machine.kind].id,
            customer_id=customer.id,
            site_id=site.id,
            lifecycle="in_service",
            installed_at=now - timedelta(days=400 + 50 * machine.seed % 300),
            created_at=now,
            demo=True,
        )
        assets[machine.serial] = add_asset(session, asset, now)
        if machine.kind == UNDER_CONTRACT:
            load_contract(session, operator, customer, asset, now)
        load_meters(session, asset, now)
        load_papers(session, asset, customer, site, now)
        yield provision(session, owner, asset, machine.kind, now), _sensor(machine)
    load_stock(session, operator, people, models, now)
    load_people(session, operator, people, now)
    owners, zones = (
        {name: site[0] for name, site in sites.items()},
        {name: each[4] for name, each in _CUSTOMERS.items()},
    )
    load_service(session, operator, owners, zones, models["pump"], now)
    load_plans(session, operator, assets, now)
    if files is not None:
        load_files(session, files, first[2], assets, now)


def _person(
    session: Session, owner: Organisation, name: str, email: str, roles: list[Role], language: str, now: datetime
) -> Person:
    return add_person(
        session, organisation_id=owner.id, name=name, email=email, roles=roles, language=language, now=now, demo=True
    )


def _customer(
    session: Session, operator: Organisation, number: int, name: str, now: datetime
) -> tuple[Organisation, Customer, Site]:
    site_name, address, latitude, longitude, zone = _CUSTOMERS[name]
    organisation = add_organisation(session, kind="customer", name=name, parent=operator, now=now, demo=True)
    customer = Customer(organisation_id=organisation.id, number=f"DEMO-C{number:03}", name=name, demo=True)
    customer.email, customer.phone = _REACHED[name]
    session.add(customer)
    session.flush()
    site = Site(
        organisation_id=organisation.id,
        customer_id=customer.id,
        name=site_name,
        address=address,
        time_zone=zone,
        latitude_deg=latitude,
        longitude_deg=longitude,
        demo=True,
    )
    session.add(site)
    session.flush()
    return organisation, customer, site


def _model(session: Session, operator: Organisation, kind: str, now: datetime) -> AssetModel:
    model = AssetModel(organisation_id=operator.id, code=f"demo-{kind}", demo=True, **MODELS[kind])
    session.add(model)
    session.flush()
    for code, en, zh, metrics in FAILURE_MODES[kind]:
        mode = FailureMode(organisation_id=operator.id, asset_model_id=model.id, code=code, name_en=en, name_zh=zh)
        mode.matches, mode.demo = [{"metric": metric} for metric in metrics], True
        add_failure_mode(session, mode)
    load_terms(session, operator, kind, model, now)
    return model


def _sensor(machine: _Machine) -> str:
    lines = [
        "[[sensors]]",
        'driver = "simulator"',
        "interval_seconds = 1",
        f'machine = "{machine.kind}"',
        f"seed = {machine.seed}",
        f"backfill_days = {BACKFILL_DAYS}",
        "backfill_interval_seconds = 600",
    ]
    if machine.first_fault:
        lines += [
            f'fault = "{machine.first_fault}"',
            f"first_fault_after_seconds = {FIRST_FAULT_S}",
            f"precursor_seconds = {PRECURSOR_S}",
        ]
    return "\n".join(lines) + "\n"


def was_removed(session: Session) -> bool:
    """Return whether somebody removed the demo: it must not come back with the next start."""
    return session.scalar(select(Event.id).where(Event.kind == "demo.removed").limit(1)) is not None


def customer_code(session: Session) -> str | None:
    """Return the QR code of the demo machine that fails first."""
    return session.scalar(select(Asset.code).where(Asset.serial == _MACHINES[0].serial))


def repair_simulated_machine(session: Session, event: Event, now: datetime) -> None:
    """Tell a simulated machine that its work order was finished with a repair code (consumer)."""
    order = session.get(WorkOrder, event.subject_id)
    if order is None or not order.repair_code:
        return
    asset = session.get(Asset, order.asset_id)
    if asset is None or not asset.demo:
        return
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    known = {code["code"]: code.get("component", "") for code in (model.repair_codes if model else [])}
    for device in _devices_of(session, asset.id):
        arguments = {
            "code": order.repair_code,
            "component": known.get(order.repair_code, ""),
            "work_order": order.number,
        }
        send_command(session, device, "repair", arguments, expires_in_s=REPAIR_EXPIRES_S, now=now)


def _devices_of(session: Session, asset_id: UUID) -> list[Device]:
    bindings = asset_bindings.c
    bound = select(bindings.device_id).where(bindings.asset_id == asset_id, bindings.valid_to.is_(None))
    return list(session.scalars(select(Device).where(Device.id.in_(bound), Device.demo)))


# ---- recorded fleets ------------------------------------------------------------------------------------------------


def fleet_serial(folder: Path) -> str:
    """Return the serial of the device that replays a recorded fleet."""
    name = re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-")
    return f"replay-{name}"[:60]


def load_fleet(session: Session, operator: Organisation, folder: Path, now: datetime) -> Identity:
    """Register a recorded fleet's assets behind one device with a sub-device each; repeatable."""
    serial, meta = fleet_serial(folder), json.loads((folder / "fleet.json").read_text())
    device = device_by_serial(session, serial)
    if device is None:
        device, _ = register_device(
            session, serial=serial, model="replay", organisation_id=operator.id, now=now, demo=True
        )
    with (folder / "assets.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    models: dict[str, AssetModel] = {}
    for row in rows:
        name = row["asset"].strip()
        asset = _recorded_asset(session, operator, folder, name)
        if asset is None:
            serial = f"{name} ({folder.resolve().name})" if _is_taken(session, operator, name) else name
            model = models.setdefault(row["model"], _fleet_model(session, operator, folder, row, meta))
            asset = Asset(
                organisation_id=operator.id,
                serial=serial,
                name=name,
                asset_model_id=model.id,
                lifecycle="in_service",
                created_at=now,
                custom=_recorded(folder, meta),
                demo=True,
            )
            add_asset(session, asset, now)
        bind(session, organisation_id=operator.id, device_id=device.id, channel=name, asset_id=asset.id, at=None)
    return identify(session, device, now)


def _recorded_asset(session: Session, operator: Organisation, folder: Path, name: str) -> Asset | None:
    """Return the asset that stands for this recording; never one of another fleet, let alone a real machine."""
    known = select(Asset).where(Asset.organisation_id == operator.id, Asset.demo, Asset.name == name)
    folder_of = Asset.custom["folder"].astext
    return session.scalar(known.where(folder_of == folder.resolve().name))


def _is_taken(session: Session, operator: Organisation, serial: str) -> bool:
    taken = select(Asset.id).where(Asset.organisation_id == operator.id, Asset.serial == serial)
    return session.scalar(taken) is not None


def _recorded(folder: Path, meta: dict[str, Any]) -> dict[str, Any]:
    """What the fleet's own settings say of each asset: where it is from, and the false-alarm budget as patience."""
    about: dict[str, Any] = {"recorded_fleet": meta.get("name", folder.name), "about": meta.get("about", "")}
    about["folder"] = folder.resolve().name
    if budget := meta.get("budget_per_month"):
        about["patience_s"] = float(meta.get("month_s", 30 * 86400)) / float(budget)
    return about


def _fleet_policy(session: Session, model: AssetModel, meta: dict[str, Any]) -> None:
    """Give the recorded fleet's orders the same patience as in its evaluation."""
    policy = policy_of_recording(
        model.code, float(meta.get("open_s", 7 * 86400)), float(meta.get("persistence_hint_s") or 0.0)
    )
    settings = asdict(policy)
    del settings["id"]
    session.add(
        PolicyRow(
            organisation_id=model.organisation_id,
            name=f"replay: {model.code}",
            asset_model_id=model.id,
            settings=settings,
            enabled=True,
        )
    )


def _fleet_model(
    session: Session, operator: Organisation, folder: Path, row: dict[str, str], meta: dict[str, Any]
) -> AssetModel:
    # With the fleet's name: another fleet's assets of the same type have other metrics and another patience.
    code = f"recorded-{fleet_serial(folder).removeprefix('replay-')}-{row['model']}"[:80]
    found = session.scalar(select(AssetModel).where(AssetModel.organisation_id == operator.id, AssetModel.code == code))
    if found:
        return found
    label = row["model"].replace("_", " ")
    model = AssetModel(
        organisation_id=operator.id,
        code=code,
        name_en=f"{label} (recorded)",
        name_zh=f"{label}（录制）",
        manufacturer=str(meta.get("source", ""))[:200],
        metrics={metric: _recorded_metric(metric) for metric in _columns(folder, row["asset"])},
        checks=[],
        repair_codes=[],
        demo=True,
    )
    session.add(model)
    session.flush()
    _fleet_policy(session, model, meta)
    return model


def _columns(folder: Path, asset: str) -> list[str]:
    path = folder / "telemetry" / f"{asset}.csv.gz"
    if not path.exists():
        return []
    with gzip.open(path, "rt", newline="") as file:
        return [name for name in next(csv.reader(file), []) if name != "t"]


def _recorded_metric(metric: str) -> dict[str, Any]:
    label = metric.replace("_", " ")
    return {"unit": unit_of_metric(metric), "label_en": label, "label_zh": label, "role": "health"}
