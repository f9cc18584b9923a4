"""What is known of a device's time: how often it reports, its clock, its ledger in one line, its channels."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.instrumentation import asset_bindings
from assets.registry import Asset
from ingest.formats.decoded import Reason
from ingest.ledger import Totals, device_totals
from ingest.models import Device, DeviceBoot, Quarantined, Series, Stream

MOST_CHANNELS = 2000


class ReasonOf(BaseModel):
    """Why something is as it is: a code with its parameters."""

    code: str
    params: dict[str, Any]


class Interval(BaseModel):
    """How often something reports; `origin` says how that is known: declared or learned."""

    seconds: float
    origin: str


class ClockFacts(BaseModel):
    """A device's clock: `offset_ms` is ours minus its own; counts of samples put right, and held until it is known."""

    offset_ms: int | None
    measured_at: datetime | None
    last_event_at: datetime | None
    corrected: int
    flagged: int


class TimeGapRow(BaseModel):
    """A stretch without readings, and how many would have come."""

    channel: str
    begin: datetime
    end: datetime
    n: int


class LedgerTotals(BaseModel):
    """expected = stored + dropped + quarantined + missing. `since` is set where the device numbers nothing: then the
    last day is counted by its interval; `gaps` are of that kind."""

    expected: int
    stored: int
    late: int
    dropped: int
    quarantined: int
    missing: int
    conflicting: int
    repeated: int
    corrected: int
    balanced: bool
    since: datetime | None
    gaps: list[TimeGapRow]


class ChannelAsset(BaseModel):
    """The asset that a channel measures now."""

    id: UUID
    name: str


class ChannelItem(BaseModel):
    """A sub-device: its own presence, when it was last heard of, what it measures, which of its sensors stand still."""

    channel: str
    asset: ChannelAsset | None
    presence: str
    presence_since: datetime | None
    presence_reason: ReasonOf | None
    last_seen_at: datetime | None
    latest_at: datetime | None
    expected_interval: Interval | None
    frozen: list[str]


def reason_of(stored: dict[str, Any] | None) -> ReasonOf | None:
    """Return a stored reason."""
    return ReasonOf(code=str(stored.get("code", "")), params=stored.get("params") or {}) if stored else None


def interval_of(declared_s: float | None, learned_s: float | None) -> Interval | None:
    """What is declared holds, else what was learned."""
    if declared_s:
        return Interval(seconds=declared_s, origin="declared")
    return Interval(seconds=learned_s, origin="learned") if learned_s else None


def device_interval(session: Session, device: Device) -> Interval | None:
    """Return how often the device reports anything."""
    learned = select(func.min(Stream.learned_interval_s)).where(Stream.device_id == device.id)
    return interval_of(device.sleep_s or device.expected_interval_s, session.scalar(learned))


def clock_facts(session: Session, device: Device) -> ClockFacts:
    """Return what is known of the device's clock."""
    corrected = select(func.coalesce(func.sum(DeviceBoot.corrected), 0)).where(DeviceBoot.device_id == device.id)
    held = select(func.coalesce(func.sum(Quarantined.samples), 0)).where(
        Quarantined.device_id == device.id, Quarantined.reason == Reason.ABSURD_TIME
    )
    latest = select(func.max(Stream.latest_at)).where(Stream.device_id == device.id)
    return ClockFacts(
        offset_ms=device.clock_offset_ms,
        measured_at=device.clock_measured_at,
        last_event_at=session.scalar(latest),
        corrected=int(session.scalar(corrected) or 0),
        flagged=int(session.scalar(held) or 0),
    )


def ledger_totals(session: Session, device: Device, now: datetime) -> LedgerTotals:
    """Return the device's ledger in one line."""
    totals: Totals = device_totals(session, device.id, now)
    gaps = [TimeGapRow(**gap._asdict()) for gap in totals.gaps]
    names = set(LedgerTotals.model_fields) - {"gaps"}
    return LedgerTotals(**{name: getattr(totals, name) for name in names}, gaps=gaps)


def channels_of(session: Session, device: Device) -> list[ChannelItem]:
    """Return the device's sub-devices by name."""
    bound = asset_bindings.c
    rows = session.execute(
        select(Stream, Asset.id, Asset.name)
        .outerjoin(
            asset_bindings,
            (bound.device_id == Stream.device_id) & (bound.channel == Stream.channel) & bound.valid_to.is_(None),
        )
        .outerjoin(Asset, Asset.id == bound.asset_id)
        .where(Stream.device_id == device.id, Stream.channel != "")
        .order_by(Stream.channel)
        .limit(MOST_CHANNELS)
    ).all()
    ids = [stream.id for stream, _, _ in rows]
    declared: dict[int, float] = {}
    frozen: dict[int, list[str]] = {}
    series = select(Series.stream_id, Series.metric, Series.expected_interval_s, Series.frozen_since)
    for stream_id, metric, every_s, since in session.execute(series.where(Series.stream_id.in_(ids))):
        if every_s:
            declared[stream_id] = min(every_s, declared.get(stream_id, every_s))
        if since is not None:
            frozen.setdefault(stream_id, []).append(metric)
    return [
        ChannelItem(
            channel=stream.channel,
            asset=ChannelAsset(id=asset_id, name=name) if asset_id else None,
            presence=stream.presence,
            presence_since=stream.presence_since,
            presence_reason=reason_of(stream.presence_reason),
            last_seen_at=stream.last_received_at,
            latest_at=stream.latest_at,
            expected_interval=interval_of(declared.get(stream.id), stream.learned_interval_s),
            frozen=sorted(frozen.get(stream.id, [])),
        )
        for stream, asset_id, name in rows
    ]
