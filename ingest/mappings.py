"""Mappings: made, changed and removed, each with a broker account of its own; which one reads a topic."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.base.ids import CODE_ALPHABET
from assets.instrumentation import Binding, asset_of_serial, bind
from edge_agent.wire import ROOT
from ingest.devices import register_device, set_password
from ingest.identity import revoke_device
from ingest.mapping_models import HeardMessage, Mapping
from ingest.mapping_rules import Rules
from ingest.models import Device
from ingest.passwords import new_password
from ingest.topic_filters import covers, is_filter, overlaps, rank

DEVICE_MODEL = "mapping"  # of the devices that stand for mappings
RESERVED = ("forewarn", "spBv1.0")  # first levels that are read otherwise
_DEVICE_LEAVES = (
    "telemetry", "senml", "waveform", "status", "describe", "config/reported", "command/+/result", "time", "ack",
)  # fmt: skip
MAX_MAPPINGS = 200  # per organisation; each is a subscription and is looked at for new topics
MAX_HEARD = 10  # messages kept of each
MAX_NAME_CHARS = 120


class FilterTaken(Conflict):
    """Another mapping reads some of these topics, in a way that leaves open which of the two is meant."""

    code = "filter_taken"


def parse_rules(body: object) -> Rules:
    """Return the rules of a mapping. Raise Invalid, naming the first place that is wrong."""
    try:
        return Rules.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise Invalid(f"rules: {place}: {message}"[:500], field=f"rules.{place}"[:200]) from error


def dump_rules(rules: Rules) -> dict[str, Any]:
    """Return rules as they are stored: without what nobody said."""
    return rules.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


def check_filter(topic_filter: str) -> None:
    """Raise Invalid for a filter that no mapping may have."""
    if not is_filter(topic_filter):
        raise Invalid("no topic filter: + and # stand for whole levels, # only last", field="topic_filter")
    first = topic_filter.split("/")[0]
    if first in RESERVED or any(covers(topic_filter, f"{root}/#") for root in RESERVED):
        raise Invalid(f"{' and '.join(RESERVED)} are read otherwise: name other topics", field="topic_filter")
    if any(overlaps(topic_filter, f"{ROOT}/+/{leaf}") for leaf in _DEVICE_LEAVES):
        raise Invalid(f"this filter holds topics of devices, {ROOT}/…", field="topic_filter")


def create_mapping(
    session: Session, name: str, topic_filter: str, rules: Rules, organisation_id: UUID, now: datetime
) -> tuple[Mapping, Device, str]:
    """Make a mapping, switched off, with its device and the password of its broker account.

    Raises Invalid for a filter that no mapping may have, FilterTaken when another mapping's is in the way.
    """
    check_filter(topic_filter)
    _check_others(session, topic_filter, organisation_id, None)
    count = session.scalar(select(func.count()).select_from(Mapping).where(Mapping.organisation_id == organisation_id))
    if (count or 0) >= MAX_MAPPINGS:
        raise Conflict(f"an organisation has at most {MAX_MAPPINGS} mappings")
    device, _ = register_device(session, _account_name(name), DEVICE_MODEL, organisation_id, now)
    device.claim_code_hash, device.claim_expires_at, device.claimed_at = None, None, now
    password = new_password()
    set_password(session, device, password)
    mapping = Mapping(
        organisation_id=organisation_id,
        name=_checked_name(name),
        topic_filter=topic_filter,
        device_id=device.id,
        rules=dump_rules(rules),
        created_at=now,
    )
    mapping.enabled, mapping.version = False, 1
    mapping.received = mapping.stored = mapping.problems = 0
    session.add(mapping)
    session.flush()
    _give_asset(session, mapping, rules, now)
    _note(session, mapping, "mapping.created", now)
    return mapping, device, password


def change_mapping(
    session: Session,
    mapping: Mapping,
    now: datetime,
    *,
    name: str | None = None,
    topic_filter: str | None = None,
    rules: Rules | None = None,
    enabled: bool | None = None,
) -> None:
    """Change what is given; in force within a second. Raises as `create_mapping`."""
    if topic_filter is not None and topic_filter != mapping.topic_filter:
        check_filter(topic_filter)
        _check_others(session, topic_filter, mapping.organisation_id, mapping.id)
        mapping.topic_filter = topic_filter
    if name is not None:
        mapping.name = _checked_name(name)
    if rules is not None:
        mapping.rules = dump_rules(rules)
        _give_asset(session, mapping, rules, now)
    if enabled is not None:
        mapping.enabled = enabled
    mapping.version += 1
    session.flush()
    _note(session, mapping, "mapping.changed", now)


def delete_mapping(session: Session, mapping: Mapping, now: datetime) -> None:
    """Remove a mapping and close its account; its device stays, switched off, with all that was measured."""
    device = session.get(Device, mapping.device_id)
    _note(session, mapping, "mapping.deleted", now)
    session.delete(mapping)
    session.flush()
    if device is not None:
        device.password_hash = None
        revoke_device(session, device, "its mapping was deleted", now)


def renew_password(session: Session, mapping: Mapping) -> str:
    """Give a mapping's account a new password; the old one is refused from now on."""
    password = new_password()
    set_password(session, session.get_one(Device, mapping.device_id), password)
    return password


def mapping_accounts(session: Session) -> list[tuple[str, str]]:
    """Return (user name, topic filter) of every mapping, ordered; those switched off too: they are listened to."""
    rows = session.execute(
        select(Device.serial, Mapping.topic_filter)
        .join(Device, Device.id == Mapping.device_id)
        .where(Device.disabled_at.is_(None))
        .order_by(Device.serial)
    )
    return [(serial, topic_filter) for serial, topic_filter in rows]


def widest(filters: Iterable[str]) -> list[str]:
    """Return the filters that no other one covers: a broker sends a message once for each that matches."""
    kept: list[str] = []
    for each in sorted(set(filters), key=rank, reverse=True):
        if not any(covers(wide, each) for wide in kept):
            kept.append(each)
    return sorted(kept)


def keep_heard(
    session: Session, mapping_id: UUID, owner: UUID, messages: Sequence[tuple[str, bytes, datetime]]
) -> None:
    """Keep the last messages of a mapping, whose row the caller holds, and let the oldest go."""
    for topic, payload, received_at in messages[-MAX_HEARD:]:
        session.add(
            HeardMessage(
                organisation_id=owner, mapping_id=mapping_id, topic=topic, payload=payload, received_at=received_at
            )
        )
    session.flush()
    mine = HeardMessage.mapping_id == mapping_id
    newest = select(HeardMessage.id).where(mine).order_by(HeardMessage.id.desc()).limit(MAX_HEARD)
    session.execute(delete(HeardMessage).where(mine, HeardMessage.id.not_in(newest)))


def _check_others(session: Session, topic_filter: str, organisation_id: UUID, mapping_id: UUID | None) -> None:
    """Within an organisation the more specific of two filters wins; anything less clear is refused."""
    session.execute(text("SELECT pg_advisory_xact_lock(7301949)"))  # two at once must not both find room
    for other_id, owner, other in session.execute(text("SELECT * FROM forewarn_mapping_filters()")):
        if other_id == mapping_id or not overlaps(topic_filter, other):
            continue
        if owner != organisation_id:
            raise FilterTaken("another organisation's mapping reads some of these topics", field="topic_filter")
        if other == topic_filter or not (covers(other, topic_filter) or covers(topic_filter, other)):
            raise FilterTaken(
                f"the mapping of {other!r} reads some of these topics too: make one of the two filters the narrower",
                field="topic_filter",
                other=other,
            )


def _give_asset(session: Session, mapping: Mapping, rules: Rules, now: datetime) -> None:
    """What rules name no asset for is measured by the mapping's device itself: it needs one to be seen under."""
    device_id, owner = mapping.device_id, mapping.organisation_id
    known = select(Binding.id).where(Binding.device_id == device_id, Binding.channel == "").limit(1)
    if rules.asset is not None or session.scalar(known) is not None:
        return
    serial = session.get_one(Device, device_id).serial
    asset = asset_of_serial(session, owner, serial, mapping.name, now, False)
    bind(session, organisation_id=owner, device_id=device_id, channel="", asset_id=asset.id, at=None)


def _account_name(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30]
    end = "".join(secrets.choice(CODE_ALPHABET) for _ in range(6)).lower()
    return f"mapping-{slug}-{end}" if slug else f"mapping-{end}"


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise Invalid(f"a name has 1 to {MAX_NAME_CHARS} characters", field="name")
    return name


def _note(session: Session, mapping: Mapping, kind: str, now: datetime) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=mapping.organisation_id,
        subject_kind="mapping",
        subject_id=mapping.id,
        payload={"name": mapping.name, "topic_filter": mapping.topic_filter, "enabled": mapping.enabled},
    )
