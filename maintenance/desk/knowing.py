"""What is known of a predicted job now: how strong its evidence is, what is left of the machine's life, the risk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from maintenance.clocks import asset_moment
from maintenance.desk.chances import Chance, Unknown, first_known, from_curve, from_interval
from maintenance.desk.waiting import Known
from maintenance.findings import facts_of
from maintenance.likeness import strength
from maintenance.models import Finding
from maintenance.remaining_lives import ESTIMATE, RemainingLife


def known_of(session: Session, finding: Finding, wait_s: float, now: datetime) -> Known:
    """Return what is known of a job by its finding, with the risk of failing within the wait."""
    moment = asset_moment(session, finding.asset_id, now, replayed=finding.replayed)
    return known_by(finding, session.get(RemainingLife, finding.asset_id), wait_s, moment)


def known_by(finding: Finding, life: RemainingLife | None, wait_s: float, moment: datetime) -> Known:
    """Return the same of rows that are there; `moment` is the asset's own."""
    told = life_chance(life, wait_s, moment)
    low = None
    if life is not None and life.state == ESTIMATE and life.low_s is not None:
        low = max(life.low_s - _since(life, moment), 0.0)
    risk = told.p if isinstance(told, Chance) else None
    return Known(strength(facts_of(finding)), finding.severity, low, risk, {"wait_s": wait_s})


def life_chance(life: RemainingLife | None, wait_s: float, moment: datetime) -> Chance | Unknown:
    """Return the chance of failing within the wait by what a model last said of the asset: its risks, its interval."""
    if life is None:
        return Unknown("no_life")
    if life.state != ESTIMATE:
        return Unknown("model_says_none", {"code": life.reason, **life.reason_params})
    since = _since(life, moment)
    return first_known(
        [
            from_curve(life.p_within, since, wait_s),
            from_interval(life.life_s, life.low_s, life.high_s, life.coverage, since, wait_s),
        ]
    )


def kept(known: Known) -> dict[str, Any]:
    """Return it as a decision keeps it."""
    return {
        "strength": known.strength,
        "severity": known.severity,
        "life_low_s": known.life_low_s,
        "risk": known.risk,
        "wait_s": known.extra.get("wait_s"),
    }


def of_kept(facts: Mapping[str, Any]) -> Known:
    """Return what a decision kept."""
    extra = {} if facts.get("wait_s") is None else {"wait_s": facts["wait_s"]}
    life, risk = facts.get("life_low_s"), facts.get("risk")
    return Known(float(facts.get("strength", 0.0)), str(facts.get("severity", "info")), life, risk, extra)


def _since(life: RemainingLife, moment: datetime) -> float:
    return max((moment - life.at).total_seconds(), 0.0)
