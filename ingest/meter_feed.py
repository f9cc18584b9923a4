"""Telemetry tells meters what they show, and whether an asset is up or down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.conversion import conversion
from assets.base.errors import RuleError
from assets.meter_models import Meter
from assets.meter_rules import RunsBackwards, Standing, Told, guess_rollover
from assets.meters import facts_of, read_meter, refuse
from assets.registry import ENDED, Asset, AssetModel, set_operation
from assets.states import open_interval
from ingest.store.read import Latest, latest_values

BATCH = 500  # meters, or assets, of one round
STEP = timedelta(minutes=15)  # of two readings of one meter: a history of years stays small
MOST_EVENTS = 200  # changes of state in one round


def feed_meters(session: Session, now: datetime) -> int:
    """Read every meter that telemetry feeds, when it is due; return how many readings were stored."""
    due = (
        select(Meter)
        .join(Asset, Asset.id == Meter.asset_id)
        .where(Meter.metric.is_not(None), Meter.archived_at.is_(None), Asset.lifecycle.not_in(ENDED))
        .where((Meter.fed_until.is_(None)) | (Meter.fed_until <= now - STEP))
        .order_by(Meter.fed_until.nulls_first(), Meter.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=Meter)
    )
    meters = session.scalars(due).all()
    latest = _by_metric(latest_values(session, sorted({meter.asset_id for meter in meters}))) if meters else {}
    return sum(_feed(session, meter, latest.get((meter.asset_id, meter.metric or "")), now) for meter in meters)


def _feed(session: Session, meter: Meter, told: Latest | None, now: datetime) -> bool:
    meter.fed_until = now
    value = _in_unit(told, meter.unit)
    if told is None or value is None or told.t > now or (meter.read_at is not None and told.t <= meter.read_at):
        return False
    facts, before = facts_of(meter), _standing(meter)
    rolled = before is not None and value < before.shown and guess_rollover(facts, before, value)
    try:
        with session.begin_nested():
            read_meter(
                session, meter, Told(value, "rollover" if rolled else "reading"), told.t, now, source="telemetry"
            )
    except RunsBackwards:
        refuse(session, meter, value, told.t, "runs_backwards", now)
        return False
    except RuleError as error:
        refuse(session, meter, value, told.t, error.code, now)
        return False
    return True


def tell_operation(session: Session, now: datetime) -> int:
    """Set assets up or down by the metric that their model names; return how many changed.

    What a person said stays until a person says otherwise; of degraded the alarms are the judges.
    """
    watched = (
        select(Asset.id, AssetModel.operation_rule)
        .join(AssetModel, AssetModel.id == Asset.asset_model_id)
        .where(AssetModel.operation_rule.is_not(None), Asset.lifecycle.in_(("installed", "commissioned", "in_service")))
        .order_by(Asset.id)
    )
    rules = {row[0]: row[1] for row in session.execute(watched)}
    changed, keys = 0, list(rules)
    for begin in range(0, len(keys), BATCH):
        latest = _by_metric(latest_values(session, keys[begin : begin + BATCH]))
        for asset_id in keys[begin : begin + BATCH]:
            told = latest.get((asset_id, rules[asset_id]["metric"]))
            if told is not None and told.t <= now and changed < MOST_EVENTS:
                changed += _tell(session, asset_id, rules[asset_id], told)
    return changed


def _tell(session: Session, asset_id: UUID, rule: Mapping[str, Any], told: Latest) -> bool:
    state = state_told(rule, told.value)
    if state is None:
        return False
    asset = session.scalar(select(Asset).where(Asset.id == asset_id).with_for_update())
    if asset is None or asset.operation == state or (state == "up" and asset.operation == "degraded"):
        return False
    present = open_interval(session, asset.id, "operation")
    if present is not None and (present.source == "person" or told.t <= present.valid_from):
        return False
    return set_operation(session, asset, state, told.t, f"telemetry:{rule['metric']}={told.value}", source="telemetry")


def state_told(rule: Mapping[str, Any], value: float | str | bool | None) -> str | None:
    """Return 'down' or 'up' when the rule names the value, None when it does not."""
    for state in ("down", "up"):
        if any(_same(value, named) for named in rule.get(state, ())):
            return state
    return None


def _same(value: float | str | bool | None, named: float | str | bool) -> bool:
    if isinstance(value, str) or isinstance(named, str):
        return value == named
    return value is not None and float(value) == float(named)


def _by_metric(found: Mapping[UUID, Iterable[Latest]]) -> dict[tuple[UUID, str], Latest]:
    return {(asset_id, each.metric): each for asset_id, latest in found.items() for each in latest}


def _in_unit(told: Latest | None, unit: str) -> float | None:
    if told is None or isinstance(told.value, str | bool) or told.value is None or told.quality == "bad":
        return None
    value = float(told.value)
    if told.unit and told.unit != unit:
        by = conversion(told.unit, unit)
        if by is None:
            return None
        value = value * by.factor + by.offset
    return value if math.isfinite(value) else None


def _standing(meter: Meter) -> Standing | None:
    return Standing(meter.value, meter.total) if meter.value is not None and meter.total is not None else None
