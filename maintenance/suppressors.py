"""Suppressors: evidence that was found to be nothing opens no work for a while, unless it grows or the lot says so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from assets.registry import Asset
from maintenance.batch import batch_of, batch_with, forget
from maintenance.decisions import SELF_EVIDENT_LAYERS, FindingFacts, Policy
from maintenance.feedback_models import HeldBack, Suppressor
from maintenance.feedback_settings import feedback_for
from maintenance.findings import facts_of
from maintenance.guarded import Guarded
from maintenance.likeness import ALIKE, likeness, strength
from maintenance.models import Finding

SIGNATURE, BUDGET = "suppressed_signature", "over_budget"
SUPPRESSED, AUDITED, BROKE_THROUGH = "suppressed", "audited", "broke_through"

SEVERITIES = ("info", "warning", "critical")
MOST_ACTIVE = 200  # per asset, newest first: more are looked at by nobody


@dataclass(frozen=True, slots=True)
class Match:
    """A suppressor that knows a finding's evidence, how alike they are, and how strong the evidence is."""

    suppressor: Suppressor
    likeness: float
    ratio: float

    @property
    def outgrown(self) -> bool:
        """The evidence is clearly stronger than what was found to be nothing."""
        return self.ratio >= self.suppressor.breaks_at


def is_alike(facts: FindingFacts, shares: Sequence[dict[str, Any]], known: Suppressor) -> float:
    """Return how alike a finding and a suppressor are; 0 when they differ in detector, kind, regime or sensors."""
    if (facts.detector, facts.kind, facts.regime) != (known.detector, known.kind, known.regime):
        return 0.0
    if facts.signature == known.signature and not (shares and known.contributions):
        return 1.0
    alike = likeness(shares, known.contributions)
    return alike if alike >= ALIKE else 0.0


def best_match(facts: FindingFacts, shares: Sequence[dict[str, Any]], known: Sequence[Suppressor]) -> Match | None:
    """Return the suppressor that holds a finding back; one that it outgrew only when no other holds it."""
    if facts.severity == "critical":  # nobody is made deaf to danger
        return None
    ratio = strength(facts)
    found = [
        Match(one, alike, ratio)
        for one in known
        if (alike := is_alike(facts, shares, one)) and _rank(facts.severity) <= _rank(one.severity)
    ]
    return max(found, key=lambda match: (not match.outgrown, match.likeness), default=None)


def suppressed(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Guard: hold back what an active suppressor of the asset knows; let some of it through at random."""
    match = best_match(facts_of(finding), finding.contributions, active(session, asset.id, moment))
    if match is None:
        return None
    known = match.suppressor
    result = BROKE_THROUGH if match.outgrown else _result(session, asset, finding, known, moment)
    note_held_back(session, finding, SIGNATURE, result, match.ratio, moment, known.id, match.likeness)
    if result != SUPPRESSED:
        return None
    # A replay has its own clock: there, news alone asks again.
    left_s = None if finding.replayed else (known.expires_at - moment).total_seconds()
    return Guarded(SIGNATURE, _params(match), again_s=left_s)


def no_news(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Guard: what a planner lately took from the watch list does not come back to it as new evidence of the same."""
    only_watched = (finding.learning and finding.layer not in SELF_EVIDENT_LAYERS) or (
        finding.confidence < policy.min_confidence
    )
    if not only_watched:
        return None
    said_no = [one for one in active(session, asset.id, moment) if one.origin == "dismissed"]
    match = best_match(facts_of(finding), finding.contributions, said_no)
    return None if match is None or match.outgrown else Guarded(SIGNATURE, _params(match))


def active(session: Session, asset_id: UUID, moment: datetime) -> Sequence[Suppressor]:
    """Return the asset's suppressors in force, newest first."""
    if (batch := batch_of(session, asset_id)) is not None and asset_id not in batch.suppressed:
        return []
    in_force = select(Suppressor).where(
        Suppressor.asset_id == asset_id, Suppressor.ended_at.is_(None), Suppressor.expires_at > moment
    )
    return session.scalars(in_force.order_by(Suppressor.created_at.desc()).limit(MOST_ACTIVE)).all()


def is_audited(session: Session, finding_id: UUID) -> bool:
    """Return whether this finding was let through at random."""
    if (batch := batch_with(session, finding_id)) is not None and finding_id not in batch.held_back:
        return False
    drawn = select(HeldBack.id).where(HeldBack.finding_id == finding_id, HeldBack.result == AUDITED)
    return session.scalar(drawn.limit(1)) is not None


def drawn(lot: str, share: float) -> bool:
    """Return whether a lot is drawn: the same answer whoever asks, and whenever."""
    return int.from_bytes(hashlib.sha256(lot.encode()).digest()[:8], "big") / 2**64 < share


def note_held_back(
    session: Session,
    finding: Finding,
    reason: str,
    result: str,
    ratio: float,
    moment: datetime,
    suppressor_id: UUID | None = None,
    alike: float = 1.0,
) -> None:
    """Keep a row of it; a finding that is decided again keeps its first moment and, once audited, its lot."""
    forget(session, finding.asset_id)
    values = {"result": result, "ratio": ratio, "suppressor_id": suppressor_id, "likeness": alike}
    statement = insert(HeldBack).values(
        id=uuid7(),
        organisation_id=finding.organisation_id,
        finding_id=finding.id,
        asset_id=finding.asset_id,
        reason=reason,
        at=moment,
        **values,
    )
    statement = statement.on_conflict_do_update(
        index_elements=["finding_id", "reason"], set_=values, where=HeldBack.result != AUDITED
    )
    session.execute(statement)


def _result(session: Session, asset: Asset, finding: Finding, known: Suppressor, moment: datetime) -> str:
    before = select(HeldBack.result).where(HeldBack.finding_id == finding.id, HeldBack.reason == SIGNATURE)
    if (result := session.scalar(before)) is not None:
        return result
    share = feedback_for(session, asset.organisation_id).audit_share
    # One lot a day: evidence that flaps a hundred times draws once, or it would soon be let through for certain.
    return AUDITED if drawn(f"{known.id}:{moment.date()}", share) else SUPPRESSED


def _params(match: Match) -> dict[str, Any]:
    known = match.suppressor
    return {
        "suppressor_id": str(known.id),
        "origin": known.origin,
        "work_order_id": str(known.work_order_id) if known.work_order_id else None,
        "likeness": round(match.likeness, 3),
        "ratio": round(match.ratio, 3),
        "breaks_at": round(known.breaks_at, 3),
        "expires_at": known.expires_at.isoformat(),
    }


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0
