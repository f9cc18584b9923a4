"""What makes work due without a date: a limit crossed, a finding, little life left, a condition that begins to hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from assets.meter_models import Meter
from assets.registry import Asset
from maintenance.models import Finding as FindingRow
from maintenance.plans.definition import ANCHOR
from maintenance.plans.expressions import Value
from maintenance.plans.reading import Seen, load
from maintenance.plans.recurrence import to_local
from maintenance.plans.releasing import log
from maintenance.plans.tables import Occurrence, PlanAsset, PlanPackage
from maintenance.plans.triggers import SEVERITIES, Condition, Finding, RemainingLife, Threshold, Trigger
from maintenance.remaining_lives import ESTIMATE
from maintenance.remaining_lives import RemainingLife as RemainingLifeRow

BATCH = 500
DAY_S = 86_400.0
LIVES_AGE = timedelta(days=14)  # then an estimate of the life that remains counts no more
KINDS = ("threshold", "finding", "remaining_life", "expression")

# Newest value of a metric and how old it is in minutes; (days, lower bound) of the life that is left.
Metrics = Mapping[UUID, Mapping[str, tuple[Value, datetime]]]
Lives = Mapping[UUID, tuple[float, float]]

# A meter that got to its value sooner than was foreseen.
_SOONER = text("""
UPDATE plan_assets SET dirty = true WHERE state = 'active' AND NOT dirty AND id IN (
  SELECT o.plan_asset_id FROM occurrences o JOIN meters m ON m.asset_id = o.asset_id AND m.archived_at IS NULL
  JOIN plan_packages p ON p.plan_id = o.plan_id AND p.code = o.packages->0->>'code'
  WHERE o.state = 'planned' AND o.target IS NOT NULL AND (o.due_at IS NULL OR o.due_at > :now)
    AND m.kind = 'counter' AND m.total >= o.target
    AND (p.trigger->>'meter' = m.name OR p.trigger->'of' @> jsonb_build_array(jsonb_build_object('meter', m.name))))
""")


@dataclass
class Known:
    """What is known of machines now."""

    meters: Mapping[tuple[UUID, str], Meter]
    findings: Mapping[UUID, Sequence[FindingRow]]
    assets: Mapping[UUID, Asset]
    metrics: Metrics = field(default_factory=dict)
    lives: Lives = field(default_factory=dict)


def watch_meters(session: Session, now: datetime) -> None:
    """Let what a meter reached ahead of its forecast be made anew."""
    session.execute(_SOONER, {"now": now})


def watch(
    session: Session,
    now: datetime,
    after: UUID | None = None,
    *,
    metrics: Callable[[Session, Sequence[UUID]], Metrics] | None = None,
    lives: Callable[[Session, Sequence[UUID]], Lives] | None = None,
) -> UUID | None:
    """Look at a batch of machines whose plans wait for something to happen; return where to go on, None at the end."""
    asks = select(PlanPackage.plan_id).where(PlanPackage.trigger["kind"].astext.in_(KINDS))
    found = select(PlanAsset).where(PlanAsset.state == "active", PlanAsset.plan_id.in_(asks)).order_by(PlanAsset.id)
    if after is not None:
        found = found.where(PlanAsset.id > after)
    rows = session.scalars(found.limit(BATCH).with_for_update(), execution_options={"populate_existing": True}).all()
    if not rows:
        return None
    keys = [row.asset_id for row in rows]
    known = _known(session, keys)
    known.metrics = metrics(session, keys) if metrics is not None else {}
    known.lives = lives(session, keys) if lives is not None else lives_of(session, keys, now)
    for each in load(session, rows):
        _look(session, each, known, now)
    session.flush()
    return rows[-1].id if len(rows) == BATCH else None


def lives_of(session: Session, keys: Sequence[UUID], now: datetime) -> Lives:
    """Return the life that models said remains, less what has passed since; what is too old says nothing."""
    found = select(RemainingLifeRow).where(
        RemainingLifeRow.asset_id.in_(keys),
        RemainingLifeRow.state == ESTIMATE,
        RemainingLifeRow.life_s.is_not(None),
        RemainingLifeRow.at > now - LIVES_AGE,
    )
    lives: dict[UUID, tuple[float, float]] = {}
    for row in session.scalars(found):
        passed = max((now - row.at).total_seconds(), 0.0)
        life = row.life_s or 0.0
        low = life if row.low_s is None else row.low_s
        lives[row.asset_id] = (max(life - passed, 0.0) / DAY_S, max(low - passed, 0.0) / DAY_S)
    return lives


def _known(session: Session, keys: Sequence[UUID]) -> Known:
    meters = session.scalars(select(Meter).where(Meter.asset_id.in_(keys), Meter.archived_at.is_(None)))
    findings: dict[UUID, list[FindingRow]] = {}
    lasting = select(FindingRow).where(
        FindingRow.asset_id.in_(keys), FindingRow.cleared_at.is_(None), FindingRow.learning.is_(False)
    )
    for row in session.scalars(lasting.order_by(FindingRow.first_at)):
        findings.setdefault(row.asset_id, []).append(row)
    assets = {asset.id: asset for asset in session.scalars(select(Asset).where(Asset.id.in_(keys)))}
    return Known({(meter.asset_id, meter.name): meter for meter in meters}, findings, assets)


def _look(session: Session, each: Seen, known: Known, now: datetime) -> None:
    if each.since > now:
        return
    turns = {code: dict(told) for code, told in each.row.turns.items()}
    for package in each.definition.packages:
        if package.trigger.get("kind") not in KINDS:
            continue
        trigger = package.read(ANCHOR)
        past = turns.setdefault(package.code, {})
        if isinstance(trigger, Finding):
            for row in known.findings.get(each.row.asset_id, ()):
                if _fits(trigger, row) and row.last_at >= each.since:
                    _add(session, each, package.code, f"f:{row.id}", now, {"finding_id": str(row.id), "kind": row.kind})
            continue
        holds, clears, seen = _holds(trigger, each, package.code, known, now)
        if holds and not past.get("crossed"):
            past["crossings"] = int(past.get("crossings", 0)) + 1
            past["crossed"] = True
            _add(session, each, package.code, f"x:{past['crossings']}", now, seen)
        elif clears and past.get("crossed"):
            past["crossed"] = False
    kept = {code: told for code, told in turns.items() if told}
    if kept != each.row.turns:
        each.row.turns = kept


def _fits(trigger: Finding, row: FindingRow) -> bool:
    if row.severity not in SEVERITIES or SEVERITIES.index(row.severity) < SEVERITIES.index(trigger.severity):
        return False
    return trigger.key is None or trigger.key in (row.kind, row.signature)


def _holds(trigger: Trigger, each: Seen, code: str, known: Known, now: datetime) -> tuple[bool, bool, dict[str, Any]]:
    """Return whether it holds, whether it is over, and what was seen."""
    asset_id = each.row.asset_id
    if isinstance(trigger, Threshold):
        value = _value_of(trigger, asset_id, known)
        if value is None:
            return False, False, {}
        return trigger.crossed(value), trigger.cleared(value), {trigger.source: trigger.name, "value": value}
    if isinstance(trigger, RemainingLife):
        life = known.lives.get(asset_id)
        if life is None:
            return False, False, {}
        left = life[1] if trigger.cautious else life[0]
        return left < trigger.below_days, left >= trigger.below_days, {"remaining_life_days": left}
    assert isinstance(trigger, Condition)
    found = trigger.expression.holds(lambda word, name: _fact(word, name, each, code, known, now))
    return found is True, found is False, {"expression": trigger.expression.text}


def _value_of(trigger: Threshold, asset_id: UUID, known: Known) -> float | None:
    if trigger.source == "metric":
        found = known.metrics.get(asset_id, {}).get(trigger.name)
        return float(found[0]) if found is not None and isinstance(found[0], int | float) else None
    meter = known.meters.get((asset_id, trigger.name))
    if meter is None:
        return None
    return meter.total if meter.kind == "counter" else meter.value


def _fact(word: str, name: str | None, each: Seen, code: str, known: Known, now: datetime) -> Value:
    asset = known.assets[each.row.asset_id]
    past = each.row.turns.get(code, {})
    local = to_local(now, each.zone)
    if name is not None:
        return _asked(word, name, each, past, known, now)
    if word == "days_since_done":
        last = past.get("last_done")
        return (local - datetime.fromisoformat(last)) / timedelta(days=1) if last else None
    if word == "days_in_service":
        begins = each.row.start_on
        return float((local.date() - begins).days) if begins is not None else None
    if word in ("remaining_life_days", "remaining_life_low_days"):
        life = known.lives.get(asset.id)
        return None if life is None else life[0 if word == "remaining_life_days" else 1]
    lasting = [row for row in known.findings.get(asset.id, ()) if row.severity in SEVERITIES]
    if word == "open_findings":
        return float(len(lasting))
    if word == "severity":
        return max((row.severity for row in lasting), key=SEVERITIES.index, default="none")
    if word == "month":
        return float(local.month)
    if word == "version":
        version = asset.custom.get(str(each.plan.effectivity.get("version_field") or "version"))
        return None if version is None else str(version)
    return str(getattr(asset, word)) if word in ("lifecycle", "operation") else None


def _asked(word: str, name: str, each: Seen, past: Mapping[str, Any], known: Known, now: datetime) -> Value:
    asset_id = each.row.asset_id
    if word in ("meter", "since_done"):
        meter = known.meters.get((asset_id, name))
        total = None if meter is None else meter.total if meter.kind == "counter" else meter.value
        if word == "meter" or total is None:
            return total
        last = past.get("last_totals", {}).get(name, each.row.start_totals.get("start", {}).get(name))
        return None if last is None else total - float(last)
    if word == "field":
        value = known.assets[asset_id].custom.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    newest = known.metrics.get(asset_id, {}).get(name)
    if newest is None:
        return None
    if word == "age_of":
        return (now - newest[1]) / timedelta(minutes=1)
    value = newest[0]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _add(session: Session, each: Seen, code: str, slot: str, now: datetime, seen: Mapping[str, Any]) -> None:
    """Add an occurrence once; while one of this package is open, what else is found belongs to it."""
    mine = select(Occurrence.id).where(
        Occurrence.plan_asset_id == each.row.id,
        Occurrence.source == "condition",
        Occurrence.state.in_(("planned", "released")),
        Occurrence.packages[0]["code"].astext == code,
    )
    if session.scalar(mine.limit(1)) is not None:
        return
    local = to_local(now, each.zone)
    after = each.definition.after.of(0)
    made = session.scalar(
        insert(Occurrence)
        .values(
            id=uuid7(), organisation_id=each.row.organisation_id, plan_id=each.row.plan_id, plan_asset_id=each.row.id,
            asset_id=each.row.asset_id, slot=f"{code}@{slot}", packages=[{"code": code, "slot": slot}], covered=[],
            source="condition", state="planned", due_at=now, due_on=local.date(), earliest_at=now,
            latest_at=now + timedelta(days=after), release_at=now, evidence=dict(seen),
        )
        .on_conflict_do_nothing(index_elements=["plan_asset_id", "slot"])
        .returning(Occurrence.id)
    )  # fmt: skip
    if made is not None:
        log(session, session.get_one(Occurrence, made), "occurrence.happened", now, None, dict(seen))
