"""The commands `forewarn device …`: add, list, revoke, reinstate, rotate, and many at once from a file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.settings import Settings
    from ingest.models import Device

Answer = tuple[dict[str, Any], str]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `device` with its own commands."""
    device = commands.add_parser("device", help="devices")
    device_commands = device.add_subparsers(dest="device_command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = device_commands.add_parser(name, help=text)
        command.add_argument("--data", type=Path)
        command.add_argument("--json", action="store_true")
        return command

    one = add("add", "register a device, print its claim code")
    one.add_argument("--serial", required=True)
    one.add_argument("--model", required=True)
    one.add_argument("--asset", metavar="NAME", help="name of the asset it measures; its serial when left out")
    many = add("bulk", "register the devices of a CSV file (columns serial, model, asset), each with a claim code")
    many.add_argument("file", type=Path, metavar="FILE")
    many.add_argument("--dry-run", action="store_true", help="say what would happen")
    many.add_argument("--labels", type=Path, metavar="HTML", help="write a page of labels with QR codes to print")
    add("list", "all devices with their identity")
    for name, text in (
        ("revoke", "switch a device off: refused and thrown out within seconds"),
        ("reinstate", "switch a revoked device on again"),
        ("rotate", "have a device make a new key now; with a password: print a new claim code"),
    ):
        command = add(name, text)
        command.add_argument("serial")
        if name == "revoke":
            command.add_argument("--reason", default="")


def run(options: argparse.Namespace, settings: Settings, database_url: Callable[[Settings], str]) -> int:
    """Carry out one command; return its exit code."""
    from assets.base.db import Database
    from assets.base.errors import RuleError
    from assets.people import root_organisation

    database = Database(database_url(settings), pool_size=1)
    try:
        with database.as_service() as session:
            operator = root_organisation(session)
            if operator is None:
                print("forewarn: the database is empty: run `forewarn up` once.", file=sys.stderr)
                return 1
            body, text = _COMMANDS[options.device_command](session, operator.id, options, settings)
    except RuleError as error:
        print(f"forewarn: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"forewarn: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        database.dispose()
    print(json.dumps(body, ensure_ascii=False, default=str) if options.json else text)
    return 1 if body.get("errors") else 0


def _add(session: Session, operator_id: UUID, options: argparse.Namespace, settings: Settings) -> Answer:
    from gateway.connect import asset_for_device, connect_device

    now = datetime.now(UTC)
    asset = asset_for_device(session, operator_id, options.serial, options.asset, now)
    device, code = connect_device(session, options.serial, options.model, operator_id, asset, now)
    text = f"{code}\nOn the device:  forewarn-edge claim {code} --server {settings.base_url}"
    return {"serial": device.serial, "claim_code": code, "expires_at": str(device.claim_expires_at)}, text


def _bulk(session: Session, operator_id: UUID, options: argparse.Namespace, settings: Settings) -> Answer:
    from gateway.provisioning import labels, provision

    outcome = provision(session, operator_id, options.file.read_bytes(), datetime.now(UTC), dry_run=options.dry_run)
    if options.labels and not options.dry_run:
        options.labels.write_text(labels(outcome.created, settings.base_url), encoding="utf-8")
    lines = [f"{each.claim_code or '-':12} {each.serial}" for each in outcome.created]
    lines += [f"row {each.row}, {each.column}: {each.code} {each.params or ''}".rstrip() for each in outcome.errors]
    lines.append(
        f"{len(outcome.created)} {'would be ' if options.dry_run else ''}registered, {len(outcome.unchanged)}"
        f" there already, {len(outcome.errors)} wrong"
    )
    body = {
        "created": [asdict(each) for each in outcome.created],
        "unchanged": [{"row": each.number, "serial": each.serial} for each in outcome.unchanged],
        "errors": [asdict(each) for each in outcome.errors],
        "dry_run": options.dry_run,
    }
    return body, "\n".join(lines)


def _list(session: Session, operator_id: UUID, options: argparse.Namespace, settings: Settings) -> Answer:
    from sqlalchemy import select

    from ingest.identity_models import CloneSuspicion, DeviceCertificate
    from ingest.models import Device

    certificates = {
        each.device_id: each
        for each in session.scalars(
            select(DeviceCertificate)
            .where(DeviceCertificate.revoked_at.is_(None), DeviceCertificate.superseded_at.is_(None))
            .order_by(DeviceCertificate.issued_at)
        )
    }
    twins = set(session.scalars(select(CloneSuspicion.device_id)))
    items = []
    for device in session.scalars(select(Device).order_by(Device.serial)):
        certificate = certificates.get(device.id)
        items.append(
            {
                "serial": device.serial,
                "model": device.model,
                "mode": "certificate" if certificate else "password" if device.password_hash else None,
                "not_after": certificate.not_after if certificate else None,
                "presence": device.presence,
                "revoked_at": device.disabled_at,
                "clone_suspected": device.id in twins,
            }
        )
    lines = [
        f"{item['serial']:24} {item['mode'] or 'unclaimed':12} {item['presence']:9}"
        + (f" until {item['not_after']:%Y-%m-%d}" if item["not_after"] else "")
        + (" REVOKED" if item["revoked_at"] else "")
        + (" CLONED?" if item["clone_suspected"] else "")
        for item in items
    ]
    return {"items": items}, "\n".join(lines)


def _revoke(session: Session, operator_id: UUID, options: argparse.Namespace, settings: Settings) -> Answer:
    from ingest.identity import revoke_device

    device = _device(session, options.serial)
    revoke_device(session, device, options.reason, datetime.now(UTC))
    return {"serial": device.serial, "revoked_at": device.disabled_at}, f"{device.serial} is revoked."


def _reinstate(session: Session, operator_id: UUID, options: argparse.Namespace, settings: Settings) -> Answer:
    from ingest.identity import reinstate_device

    device = _device(session, options.serial)
    reinstate_device(session, device, datetime.now(UTC))
    return {"serial": device.serial, "revoked_at": None}, f"{device.serial} may connect again."


def _rotate(session: Session, operator_id: UUID, options: argparse.Namespace, settings: Settings) -> Answer:
    from ingest.devices import renew_claim
    from ingest.identity import live_certificates, rotate_device

    device, now = _device(session, options.serial), datetime.now(UTC)
    if device.password_hash is not None and not live_certificates(session, device.id):
        code = renew_claim(session, device, now)
        text = f"{code}\nOn the device:  forewarn-edge claim {code} --server {settings.base_url} --force"
        return {"serial": device.serial, "mode": "password", "claim_code": code}, text
    rotate_device(session, device, now)
    text = f"{device.serial} is asked for a new key; the present one holds until it is there."
    return {"serial": device.serial, "mode": "certificate", "claim_code": None}, text


def _device(session: Session, serial: str) -> Device:
    from sqlalchemy import select

    from assets.base.errors import NotFound
    from ingest.models import Device

    device = session.scalar(select(Device).where(Device.serial == serial))
    if device is None:
        raise NotFound(f"no device {serial!r}")
    return device


_COMMANDS: dict[str, Callable[[Session, UUID, argparse.Namespace, Settings], Answer]] = {
    "add": _add,
    "bulk": _bulk,
    "list": _list,
    "revoke": _revoke,
    "reinstate": _reinstate,
    "rotate": _rotate,
}
