"""Save what detectors noticed: one row per finding, updated while it lasts, with an event at its begin and end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.events import append_event
from assets.base.ids import uuid7
from maintenance.decisions import Contribution, FindingFacts
from maintenance.models import Finding

CHUNK = 500  # rows per statement: stays far below PostgreSQL's 65,535 parameters
MAX_CONTRIBUTIONS = 12  # sorted, top first: nobody reads the thirteenth
LATE = timedelta(hours=1)  # older evidence stands on the timeline where it happened

Key = tuple[UUID, str, str, datetime]

# What a later sight of the same finding may change.
_CHANGING = (
    "last_at",
    "cleared_at",
    "score",
    "peak",
    "confidence",
    "limit_open",
    "limit_clear",
    "contributions",
    "regime",
    "model_id",
    "learning",
    "severity",
    "kind",
    "layer",
)


def save_findings(
    session: Session,
    organisation_id: UUID,
    facts: Sequence[FindingFacts],
    replayed: bool,
    now: datetime,
    *,
    watermark: datetime | None = None,
    snapshot_ref: str | None = None,
) -> list[Finding]:
    """Insert or update findings by (asset, detector, signature, first_at); return their rows in the given order.

    Saving the same facts twice changes nothing; older facts never undo younger ones. `watermark` is how far the
    asset's replayed telemetry had been read; without it the youngest time in the facts counts.
    """
    saved: dict[Key, Finding] = {}
    for begin in range(0, len(facts), CHUNK):
        chunk = {_key(fact): fact for fact in facts[begin : begin + CHUNK]}  # the last of equal keys wins
        values = {
            key: _values(organisation_id, fact, replayed, now, watermark) | {"snapshot_ref": snapshot_ref}
            for key, fact in chunk.items()
        }
        known = _locked(session, list(chunk))
        fresh = _insert(session, {key: value for key, value in values.items() if key not in known})
        # Another one may have been quicker: what is not ours to insert is there by now.
        known |= _locked(session, [key for key in chunk if key not in known]) if len(known) < len(chunk) else {}
        for key, row in known.items():
            saved[key] = row
            if key in fresh:
                _log(session, row, "finding.opened", row.last_at, now, first=True)
                if row.cleared_at is not None:
                    _log(session, row, "finding.cleared", row.cleared_at, now)
            else:
                _update(session, row, values[key], now)
        session.flush()
    return [saved[_key(fact)] for fact in facts]


def hold_decisions(rows: Sequence[Finding], until: datetime) -> None:
    """Let nothing be decided about these before `until`, unless they change again: what follows is about to be read."""
    for row in rows:
        row.decided_revision, row.next_decision_at = row.revision, until


def facts_of(row: Finding) -> FindingFacts:
    """Return a stored finding as the pure functions see it."""
    return FindingFacts(
        asset=str(row.asset_id),
        detector=row.detector,
        layer=row.layer,
        signature=row.signature,
        kind=row.kind,
        first_at=row.first_at,
        last_at=row.last_at,
        cleared_at=row.cleared_at,
        score=row.score,
        peak=row.peak,
        confidence=row.confidence,
        limit_open=row.limit_open,
        limit_clear=row.limit_clear,
        contributions=tuple(Contribution(**share) for share in row.contributions),
        regime=row.regime,
        model_id=row.model_id,
        learning=row.learning,
        severity=row.severity,
    )


def _key(fact: FindingFacts) -> Key:
    return UUID(fact.asset), fact.detector, fact.signature, fact.first_at


def _values(
    organisation_id: UUID, fact: FindingFacts, replayed: bool, now: datetime, watermark: datetime | None
) -> dict[str, Any]:
    youngest = max(fact.last_at, fact.cleared_at or fact.last_at)
    return {
        "organisation_id": organisation_id,
        "asset_id": UUID(fact.asset),
        "detector": fact.detector,
        "layer": fact.layer,
        "signature": fact.signature,
        "kind": fact.kind,
        "first_at": fact.first_at,
        "last_at": fact.last_at,
        "cleared_at": fact.cleared_at,
        "score": _finite(fact.score),
        "peak": _finite(fact.peak),
        "confidence": _finite(fact.confidence),
        "limit_open": _finite(fact.limit_open),
        "limit_clear": _finite(fact.limit_clear),
        "contributions": [_contribution(share) for share in fact.contributions[:MAX_CONTRIBUTIONS]],
        "regime": fact.regime,
        "model_id": fact.model_id,
        "learning": fact.learning,
        "severity": fact.severity,
        "replayed": replayed,
        "watermark": max(watermark or youngest, youngest) if replayed else now,
        "saved_at": now,
    }


def _insert(session: Session, values: dict[Key, dict[str, Any]]) -> set[Key]:
    rows = [{"id": uuid7(), "revision": 1, "decided_revision": 0} | value for value in values.values()]
    if not rows:
        return set()
    statement = insert(Finding).on_conflict_do_nothing(index_elements=["asset_id", "detector", "signature", "first_at"])
    returned = session.execute(
        statement.returning(Finding.asset_id, Finding.detector, Finding.signature, Finding.first_at), rows
    )
    return {(asset_id, detector, signature, first_at) for asset_id, detector, signature, first_at in returned}


def _locked(session: Session, keys: list[Key]) -> dict[Key, Finding]:
    columns = tuple_(Finding.asset_id, Finding.detector, Finding.signature, Finding.first_at)
    found = select(Finding).where(columns.in_(keys)).order_by(Finding.id).with_for_update()
    rows = session.scalars(found, execution_options={"populate_existing": True})
    return {(row.asset_id, row.detector, row.signature, row.first_at): row for row in rows}


def _update(session: Session, row: Finding, values: dict[str, Any], now: datetime) -> None:
    if values["last_at"] < row.last_at:
        return
    values = values | {"peak": max(row.peak, values["peak"])}
    if all(getattr(row, name) == values[name] for name in _CHANGING):
        row.watermark, row.saved_at = max(row.watermark, values["watermark"]), now
        return
    ended = row.cleared_at is None and values["cleared_at"] is not None
    for name in (*_CHANGING, "watermark", "saved_at"):
        setattr(row, name, values[name])
    row.revision += 1
    if ended:
        _log(session, row, "finding.cleared", values["cleared_at"], now)


def _log(
    session: Session, row: Finding, kind: str, event_time: datetime, now: datetime, *, first: bool = False
) -> None:
    append_event(
        session,
        kind,
        at=event_time if row.replayed or now - event_time > LATE else now,
        organisation_id=row.organisation_id,
        subject_kind="finding",
        subject_id=row.id,
        asset_id=row.asset_id,
        actor_kind="model",
        payload={
            "detector": row.detector,
            "layer": row.layer,
            "signature": row.signature,
            "kind": row.kind,
            "severity": row.severity,
            "first_at": row.first_at.isoformat(),
            "model_id": row.model_id,
            "learning": row.learning,
            "replayed": row.replayed,
        },
        first=first,
    )


def _contribution(share: Contribution) -> dict[str, Any]:
    numbers = {
        "expected": share.expected if share.expected is not None and math.isfinite(share.expected) else None,
        "seen": share.seen if share.seen is not None and math.isfinite(share.seen) else None,
        "deviation": _finite(share.deviation),
        "share": _finite(share.share),
    }
    return asdict(share) | numbers


def _finite(value: float) -> float:
    """JSON and pages know no infinity: a score beyond all bounds is a very large one."""
    if math.isnan(value):
        return 0.0
    return max(-1e12, min(1e12, float(value)))
