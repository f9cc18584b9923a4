"""A training set made of what the store holds: hourly means, logs, and what finished work orders taught."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from sqlalchemy import ARRAY, Uuid, any_, literal, select, text
from sqlalchemy.orm import Session

from assets.failure_modes import FailureMode
from assets.registry import Asset as AssetRow
from assets.registry import AssetModel
from ingest.store.hourly import load_hours
from maintenance.models import Episode
from ml.detectors.protocol import Floats
from ml.features import Record
from ml.models import Label
from ml.told import work_done
from ml.training_set import HISTORY, Asset, Event, Incident, Settings, Span
from ticketing.models import WorkOrder

DAY_S = 86400.0
HORIZON_S, MIN_LEAD_S, OPEN_S, MONTH_S = 30 * DAY_S, DAY_S, 7 * DAY_S, 30 * DAY_S  # the product's defaults
BUDGET_PER_MONTH = 0.1
FAULTS = frozenset({"confirmed", "wrong_mode", "prevented"})  # outcomes that say: something was really wrong
SAME_S = DAY_S  # orders on one machine that follow each other so closely are about one failure
MAX_ASSETS = 400  # learned from at once: those that failed first, then the youngest
MAX_VALUES = 50_000_000  # of all assets together: 400 MB
MAX_EVENTS = 20_000  # of one asset's log, the youngest

# A machine that went down while the order was open failed then, whoever noticed.
_DOWN = text("""
SELECT asset_id, at FROM events WHERE kind = 'asset.operation_changed' AND payload->>'to' = 'down'
  AND asset_id = ANY(:assets) ORDER BY asset_id, at
""")
_LOG = text("""
SELECT e.at, e.code FROM device_events e
JOIN asset_bindings b ON b.device_id = e.device_id AND b.channel = e.channel
  AND (b.valid_from IS NULL OR b.valid_from <= e.at) AND (b.valid_to IS NULL OR b.valid_to > e.at)
WHERE b.asset_id = :asset AND e.active AND e.at <= :until AND e.code <> 'known_healthy'
ORDER BY e.at DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Told:
    """What finished work says of one asset: failures, and what was done when."""

    incidents: tuple[Incident, ...] = ()
    work: tuple[Event, ...] = ()


@dataclass(frozen=True)
class StoredFleet:
    """The assets of one organisation's models up to `until`, with all that was read of them."""

    settings: Settings
    assets: Mapping[str, Asset]
    incidents: Sequence[Incident]
    events: Sequence[Event]
    until: datetime
    readings: Mapping[str, tuple[Floats, tuple[str, ...], pd.DataFrame]] = field(default_factory=dict)
    serials: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True  # False: more assets were there than are learned from

    def telemetry(self, asset: str) -> tuple[Floats, tuple[str, ...], pd.DataFrame]:
        """Hourly means, each at the time at which its hour ended."""
        return self.readings[asset]

    def blind(self, asset: str) -> StoredFleet:
        """The fleet with this asset alone and without anybody's incidents: nobody can look at what is not there."""
        own = [event for event in self.events if event.asset == asset]
        only = {asset: self.assets[asset]}
        return replace(self, assets=only, incidents=(), events=own, readings={asset: self.readings[asset]})

    def only(self, names: Iterable[str]) -> StoredFleet:
        """The fleet with these assets alone."""
        kept = set(names)
        return replace(
            self,
            assets={name: asset for name, asset in self.assets.items() if name in kept},
            incidents=[incident for incident in self.incidents if incident.asset in kept],
            events=[event for event in self.events if event.asset in kept],
            readings={name: each for name, each in self.readings.items() if name in kept},
        )

    def digest(self) -> str:
        """SHA-256 over everything that is learned from: equal digests mean equal lessons."""
        content = hashlib.sha256()
        for name in sorted(self.assets):
            t, metrics, frame = self.readings[name]
            content.update(repr((name, self.assets[name], metrics)).encode())
            content.update(np.ascontiguousarray(t).tobytes())
            content.update(np.ascontiguousarray(frame.to_numpy(dtype=float)).tobytes())
        content.update(repr((self.settings, list(self.incidents), list(self.events))).encode())
        return content.hexdigest()


def settings_of(name: str, budget_per_month: float | None = BUDGET_PER_MONTH) -> Settings:
    """The rules by which the service's own work orders are judged."""
    return Settings(name, True, HORIZON_S, MIN_LEAD_S, OPEN_S, MONTH_S, 0.0, budget_per_month, per_kind=False)


def stored_fleet(
    session: Session, organisation_id: UUID, now: datetime, budget_per_month: float | None = BUDGET_PER_MONTH
) -> StoredFleet:
    """Return all that can be learned from about the assets whose models belong to this organisation.

    An asset's record ends a horizon ago, or at its last failure: of the time since nobody knows yet how it ends.
    """
    found = session.execute(
        select(AssetRow, AssetModel.code)
        .join(AssetModel, AssetModel.id == AssetRow.asset_model_id)
        .where(AssetModel.organisation_id == organisation_id, AssetRow.lifecycle != "scrapped")
        .order_by(AssetRow.created_at.desc(), AssetRow.id)
    ).all()
    told = told_of(session, [row.id for row, _ in found], now)
    failed = [pair for pair in found if told[pair[0].id].incidents]
    rest = [pair for pair in found if not told[pair[0].id].incidents]
    chosen = [*failed, *rest][:MAX_ASSETS]
    values = 0
    readings: dict[str, tuple[Floats, tuple[str, ...], pd.DataFrame]] = {}
    assets: dict[str, Asset] = {}
    incidents: list[Incident] = []
    events: list[Event] = []
    serials: dict[str, str] = {}
    for row, code in chosen:
        own = told[row.id]
        known_until = now.timestamp() - HORIZON_S
        failures = [i.failed for i in own.incidents if i.failed is not None]
        end = max([known_until, *failures])
        begin = begin_of(session, row)
        if begin is None or begin >= end or values > MAX_VALUES:
            continue
        name = str(row.id)
        readings[name] = _hours(session, name, end)
        values += readings[name][2].size
        assets[name] = Asset(name, code, HISTORY, str(row.site_id or ""), (Span(begin, end, begin, 0.0),))
        incidents += own.incidents
        events += log_of(session, row.id, datetime.fromtimestamp(end, UTC), own.work)
        serials[name] = row.serial
    incidents = [i for i in incidents if i.asset in assets]
    events.sort(key=lambda e: (e.t, e.asset, e.kind, e.code, e.component))
    settings = settings_of(str(organisation_id), budget_per_month)
    whole = len(chosen) == len(found) and values <= MAX_VALUES
    return StoredFleet(settings, assets, incidents, events, now, readings, serials, whole)


def record_until(session: Session, row: AssetRow, model_code: str, until: datetime, work: Sequence[Event]) -> Record:
    """Return one asset's record as it is known at a moment of its own time: the same as in training."""
    begin = begin_of(session, row)
    end = until.timestamp()
    span = Span(end if begin is None else min(begin, end), end, end, 0.0)
    asset = Asset(str(row.id), model_code, HISTORY, str(row.site_id or ""), (span,))
    t, _, frame = _hours(session, asset.name, end)
    return Record(asset, t, frame, log_of(session, row.id, until, work))


def told_of(session: Session, assets: Sequence[UUID], now: datetime) -> dict[UUID, Told]:
    """Return what finished work orders say of these assets; the answers to replays are left out."""
    down: dict[UUID, list[float]] = {}
    for asset_id, at in session.execute(_DOWN, {"assets": list(assets)}):
        down.setdefault(asset_id, []).append(at.timestamp())
    incidents: dict[UUID, list[Incident]] = {asset: [] for asset in assets}
    work: dict[UUID, list[Event]] = {asset: [] for asset in assets}
    for row in _labels(session, assets):
        label, order = row.Label, row.WorkOrder
        component = _component(row.AssetModel, label.repair_code)
        if code := work_done(label.outcome, label.repair_code):
            at, name = label.ends_at.timestamp(), component or label.repair_code or code
            work[label.asset_id].append(Event(str(label.asset_id), at, "maintenance", code, name))
        if label.outcome in FAULTS and order.kind in ("machine", "general"):
            kind = row.mode or component or "failure"
            incidents[label.asset_id].append(_incident(label, order, kind, down.get(label.asset_id, [])))
    return {
        asset: Told(
            tuple(_merged(sorted(incidents[asset], key=lambda i: (i.failed or 0.0, i.kind)))),
            tuple(sorted(work[asset], key=lambda e: e.t)),
        )
        for asset in assets
    }


def begin_of(session: Session, row: AssetRow) -> float | None:
    """Return when the asset's record begins: its first reading or log entry; None when it never told anything."""
    first = session.scalar(
        text("""
        SELECT least(
          (SELECT min(r.bucket) FROM asset_bindings b
             JOIN streams t ON t.device_id = b.device_id AND t.channel = b.channel
             CROSS JOIN LATERAL (SELECT bucket FROM rollups_1h WHERE stream_id = t.id
                                 AND bucket >= coalesce(b.valid_from - interval '1 hour', '-infinity')
                                 ORDER BY bucket LIMIT 1) r WHERE b.asset_id = :asset),
          (SELECT min(e.at) FROM asset_bindings b
             JOIN device_events e ON e.device_id = b.device_id AND e.channel = b.channel WHERE b.asset_id = :asset))
        """),
        {"asset": row.id},
    )
    return first.timestamp() if isinstance(first, datetime) else None


def log_of(session: Session, asset_id: UUID, until: datetime, work: Sequence[Event]) -> list[Event]:
    """Return the asset's log in order of time: what its devices told, and what was done."""
    rows = session.execute(_LOG, {"asset": asset_id, "until": until, "limit": MAX_EVENTS})
    errors = [Event(str(asset_id), at.timestamp(), "error", code, "") for at, code in rows]
    done = [event for event in work if event.t <= until.timestamp()]
    return sorted([*errors, *done], key=lambda e: (e.t, e.kind, e.code))


def _hours(session: Session, asset: str, end: float) -> tuple[Floats, tuple[str, ...], pd.DataFrame]:
    t, metrics, values = load_hours(session, UUID(asset), None, datetime.fromtimestamp(end, UTC))
    return np.asarray(t, dtype=float), metrics, pd.DataFrame(values, columns=list(metrics))


def _labels(session: Session, assets: Sequence[UUID]) -> Iterator[Any]:
    yield from session.execute(
        select(Label, WorkOrder, AssetModel, FailureMode.code.label("mode"))
        .join(WorkOrder, WorkOrder.id == Label.work_order_id)
        .join(AssetRow, AssetRow.id == Label.asset_id)
        .join(AssetModel, AssetModel.id == AssetRow.asset_model_id)
        .outerjoin(Episode, Episode.id == Label.episode_id)
        .outerjoin(FailureMode, FailureMode.id == Episode.failure_mode_id)
        .where(Label.asset_id == any_(literal(list(assets), ARRAY(Uuid))), WorkOrder.replayed.is_(False))
        .order_by(Label.ends_at, Label.id)
    )


def _component(model: AssetModel, repair_code: str | None) -> str:
    for known in model.repair_codes if repair_code else ():
        if known.get("code") == repair_code:
            return str(known.get("component") or "")
    return ""


def _incident(label: Label, order: WorkOrder, kind: str, down: Sequence[float]) -> Incident:
    """The failure is the moment at which the machine went down, or somebody reported it; where the models were
    first and it never failed, the moment at which work on it began."""
    begin, end = label.starts_at.timestamp(), label.ends_at.timestamp()
    stopped = next((at for at in down if begin <= at <= end), None)
    if order.origin != "finding":
        reported = (order.since or order.opened_at).timestamp()
        failed = reported if stopped is None else min(stopped, reported)
    else:
        failed = stopped if stopped is not None else (order.started_at or label.ends_at).timestamp()
    failed = min(failed, end)
    return Incident(str(label.asset_id), kind, min(begin, failed), None, failed, end)


def _merged(incidents: Sequence[Incident]) -> Iterator[Incident]:
    """Several orders on one failure are one incident: the first of them, until the last repair."""
    last: Incident | None = None
    for each in incidents:
        if last is not None and (each.failed or 0.0) <= (last.repaired or 0.0) + SAME_S:
            repaired = max(last.repaired or 0.0, each.repaired or 0.0)
            last = Incident(last.asset, last.kind, last.onset, None, last.failed, repaired)
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last
