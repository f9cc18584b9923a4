"""Notice two devices that use one identity: a boot that was gone comes back while another one is there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from edge_agent.wire import MAX_NAME_CHARS, Status
from ingest.identity import note
from ingest.identity_models import CloneSuspicion, DeviceArrival
from ingest.models import Device

KEPT_BOOTS = 20  # per device; a twin shows within a few
WINDOW = timedelta(days=1)  # so long after the last sign of a twin the suspicion stands
PLAIN_RETURNS = 2  # statuses of two connections may be read in the wrong order once, by two workers


def note_arrival(session: Session, device: Device, status: Status, now: datetime) -> None:
    """Note a live status that says 'online', before the device's own row changes.

    One computer never goes back to an earlier boot: X, then Y, then X again is two computers. It is certain when X has
    connected anew in between (its session counter went on, past Y's); else it counts from the second time on.
    """
    if (device.boot, device.session) == (status.boot, status.session):
        return
    arrival = session.get(DeviceArrival, (device.id, status.boot))
    if arrival is None:
        arrival = DeviceArrival(
            organisation_id=device.organisation_id,
            device_id=device.id,
            boot=status.boot,
            session=status.session,
            first_at=now,
            last_at=now,
            returns=0,
        )
        session.add(arrival)
        _forget_oldest(session, device)
        is_back = False
    else:
        other = session.get(DeviceArrival, (device.id, device.boot)) if device.boot else None
        is_back = device.boot != status.boot and other is not None and other.first_at >= arrival.first_at
        arrival.returns += is_back
        is_certain = status.session > arrival.session and (other is None or status.session >= other.session)
        is_back = is_back and (is_certain or arrival.returns >= PLAIN_RETURNS)
        arrival.session = max(arrival.session, status.session)
    arrival.last_at = now
    arrival.host = {key: str(value)[:MAX_NAME_CHARS] for key, value in list(status.host.items())[:8]}
    session.flush()
    if is_back:
        _suspect(session, device, now)


def _suspect(session: Session, device: Device, now: datetime) -> None:
    """Name both in one alarm; while they go on, only the time of the last sign moves."""
    recent = session.scalars(
        select(DeviceArrival)
        .where(DeviceArrival.device_id == device.id, DeviceArrival.last_at > now - WINDOW)
        .order_by(DeviceArrival.last_at.desc())
        .limit(2)
    )
    twins: list[Any] = [{"boot": each.boot, "last_at": each.last_at.isoformat(), **each.host} for each in recent]
    suspicion = session.get(CloneSuspicion, device.id)
    if suspicion is not None:
        suspicion.last_at, suspicion.twins = now, twins
        return
    session.add(
        CloneSuspicion(device_id=device.id, organisation_id=device.organisation_id, since=now, last_at=now, twins=twins)
    )
    payload: dict[str, object] = {"serial": device.serial, "addresses": addresses(twins), "twins": twins}
    note(session, device, "device.clone_suspected", now, payload)


def addresses(twins: list[Any]) -> list[str]:
    """Return where the twins connect from, with the hardware that tells them apart where they say it."""
    named = []
    for twin in twins:
        address, hardware = twin.get("address") or "?", twin.get("hardware")
        named.append(f"{address} ({hardware})" if hardware else address)
    return named


def end_suspicions(session: Session, now: datetime) -> int:
    """End suspicions without a sign for a day, each with an event; forget old boots. Return how many ended."""
    over = session.execute(
        select(CloneSuspicion, Device)
        .join(Device, Device.id == CloneSuspicion.device_id)
        .where(CloneSuspicion.last_at < now - WINDOW)
    ).all()
    for suspicion, device in over:
        session.delete(suspicion)
        note(session, device, "device.clone_cleared", now, {"serial": device.serial})
    session.execute(delete(DeviceArrival).where(DeviceArrival.last_at < now - timedelta(days=30)))
    return len(over)


def clear_suspicion(session: Session, device: Device) -> None:
    """A new identity was given out: whatever was seen before says nothing any more."""
    session.execute(delete(CloneSuspicion).where(CloneSuspicion.device_id == device.id))
    session.execute(delete(DeviceArrival).where(DeviceArrival.device_id == device.id))


def _forget_oldest(session: Session, device: Device) -> None:
    kept = (
        select(DeviceArrival.boot)
        .where(DeviceArrival.device_id == device.id)
        .order_by(DeviceArrival.last_at.desc())
        .limit(KEPT_BOOTS)
    )
    session.execute(delete(DeviceArrival).where(DeviceArrival.device_id == device.id, DeviceArrival.boot.not_in(kept)))
