"""Turn bursts of fast sensors into readings: features at the burst's own time, which all that follows sees as usual."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.conversion import conversion
from assets.base.events import append_event
from assets.instrumentation import asset_bindings
from assets.registry import Asset, AssetModel
from ingest.burst_models import READ, REFUSED, WAITING, Burst
from ingest.direct import accept_together
from ingest.formats.decoded import Unreadable
from ingest.formats.waveform import Waveform, read_waveform
from ingest.models import Device
from ingest.store.read import load_block, sources_of
from ml.vibration import Bearing, features, features_of_any

log = logging.getLogger(__name__)

AT_ONCE = 20  # of a transaction: at most 20 MiB and about a second
SPEED_NEAR = timedelta(minutes=10)  # a shaft's speed older or younger than this says nothing of the burst
CLIPPED = 0.001  # share of samples at the rails from which amplitudes are doubtful
ACCELERATION = "[g]"


class Unfit(Exception):
    """Nothing can be read out of a burst; the code says why."""


def read_bursts(session: Session, now: datetime) -> int:
    """Read what waits, oldest first; return how many. In the caller's transaction, which must have the service role.

    Doing it again is harmless: readings are known by series and time, and the first value stays.
    """
    waiting = select(Burst).where(Burst.state == WAITING).order_by(Burst.received_at, Burst.id)
    bursts = session.scalars(waiting.limit(AT_ONCE).with_for_update(skip_locked=True)).all()
    told: list[tuple[Burst, Asset | None, str, bytes]] = []
    for burst in bursts:
        burst.read_at, asset = now, _asset_of(session, burst)
        try:
            told.append((burst, asset, *_read(session, burst, asset)))
        except Unfit as error:
            _refuse(session, burst, asset, str(error), now)
        except (ValueError, ArithmeticError, MemoryError) as error:
            log.exception("burst %s could not be read", burst.id)
            _refuse(session, burst, asset, type(error).__name__, now)
    stored = accept_together(session, [(serial, payload) for *_, serial, payload in told], _us(now)) if told else []
    for (burst, asset, *_), accepted in zip(told, stored, strict=True):
        burst.state = READ
        if accepted.problems:
            _refuse(session, burst, asset, accepted.problems[0], now)
    session.flush()
    return len(bursts)


def _read(session: Session, burst: Burst, asset: Asset | None) -> tuple[str, bytes]:
    """Return the device's serial, and the burst's features as a payload that it might have sent itself."""
    device = session.get_one(Device, burst.device_id)
    if burst.content is None:
        raise Unfit("content_gone")
    try:
        wave = read_waveform(burst.content, device.serial, _us(burst.received_at))
    except Unreadable as error:
        raise Unfit(str(error.reason)) from error
    about = _about(session, asset, burst.point)
    found, units = features_by_metric(wave, _speed_of(session, wave, burst, asset, about), _bearing(about))
    sample: dict[str, Any] = {"ts": wave.t_us / 1000, "values": found, "units": units}
    if wave.channel:
        sample["asset"] = wave.channel
    if wave.clipped > CLIPPED:
        sample["quality"] = dict.fromkeys(found, "uncertain")
    burst.features = found
    return device.serial, json.dumps(sample).encode()


def features_by_metric(
    wave: Waveform, speed_hz: float | None, bearing: Bearing | None
) -> tuple[dict[str, float], dict[str, str]]:
    """The features of a burst under the names of metrics, and the units of those whose names do not tell them."""
    into = conversion(wave.unit, ACCELERATION)
    if into is not None:
        told = features(wave.values * into.factor, wave.sample_hz, speed_hz, bearing)
        unit = ACCELERATION
    else:
        told = features_of_any(wave.values, wave.sample_hz, speed_hz, bearing)
        unit = wave.unit
    if speed_hz is not None:
        told["speed_hz"] = speed_hz
    named = {f"{wave.point}_{name}": round(value, 9) for name, value in told.items() if np.isfinite(value)}
    units = {f"{wave.point}_{name}": unit for name in ("rms", "peak", "envelope_rms") if name in told}
    return named, units


def _bearing(about: Mapping[str, Any]) -> Bearing | None:
    told = about.get("bearing")
    if not told:
        return None
    return Bearing(
        int(told["elements"]), float(told["element_diameter"]), float(told["pitch_diameter"]),
        float(np.deg2rad(told.get("contact_angle_degrees", 0.0))),
    )  # fmt: skip


def _about(session: Session, asset: Asset | None, point: str) -> Mapping[str, Any]:
    """What the asset's model says of the measuring point: bearing, speed."""
    model = session.get(AssetModel, asset.asset_model_id) if asset and asset.asset_model_id else None
    return model.metrics.get(point) or {} if model else {}


def _speed_of(
    session: Session, wave: Waveform, burst: Burst, asset: Asset | None, about: Mapping[str, Any]
) -> float | None:
    """Turns a second: as the burst says, as measured nearest to it, or as the model says it always turns."""
    if wave.speed_hz:
        return wave.speed_hz
    measured = _measured_speed(session, burst, asset, about.get("speed_metric"))
    return measured if measured is not None else about.get("speed_hz")


def _measured_speed(session: Session, burst: Burst, asset: Asset | None, metric: str | None) -> float | None:
    if metric is None or asset is None:
        return None
    sources = sources_of(session, asset.id, metric)
    unit = next((source.unit for source in reversed(sources) if source.unit), "/min")
    into = conversion(unit, "Hz")
    if not sources or into is None:
        return None
    begin, end = burst.started_at - SPEED_NEAR, burst.started_at + SPEED_NEAR
    rows = load_block(session, asset.id, begin, end, sources=sources)
    if metric not in rows.metrics:
        return None
    told = rows.values[:, rows.metrics.index(metric)]
    known = np.flatnonzero(np.isfinite(told) & (told > 0))
    if not len(known):
        return None
    nearest = known[np.abs(rows.t[known] - burst.started_at.timestamp()).argmin()]
    return float(told[nearest] * into.factor)


def _asset_of(session: Session, burst: Burst) -> Asset | None:
    """What the channel measured when the burst began."""
    bound = asset_bindings.c
    found = select(Asset).join(asset_bindings, bound.asset_id == Asset.id)
    found = found.where(bound.device_id == burst.device_id, bound.channel == burst.channel)
    found = found.where(or_(bound.valid_from.is_(None), bound.valid_from <= burst.started_at))
    found = found.where(or_(bound.valid_to.is_(None), bound.valid_to > burst.started_at))
    return session.scalars(found.order_by(Asset.id).limit(1)).first()


def _refuse(session: Session, burst: Burst, asset: Asset | None, code: str, now: datetime) -> None:
    burst.state, burst.reason = REFUSED, {"code": code, "params": {}}
    append_event(
        session,
        "burst.refused",
        at=now,
        organisation_id=burst.organisation_id,
        subject_kind="burst",
        subject_id=burst.id,
        asset_id=asset.id if asset and asset.organisation_id == burst.organisation_id else None,
        payload={"device_id": str(burst.device_id), "name": burst.name, "point": burst.point, "reason": code},
    )


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
