"""Predicted jobs that wait for a decision: how likely each is to become work in which week, and what it would take."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from assets.registry import Asset, Site
from maintenance.desk.putting_off import LIVE
from maintenance.desk.tables import DeskDecision
from maintenance.forecasts.needs import ANY, LOWEST, Norm, read_norm
from maintenance.forecasts.planned import Where
from maintenance.forecasts.weeks import MAX_WEEKS, WEEK, begins, monday, weeks_from
from maintenance.models import PredictedJob
from maintenance.remaining_lives import ESTIMATE, RemainingLife

USUAL_WEEKS = 4  # without an estimate of remaining life a job is decided on within so many weeks
MAX_JOBS = 5000
DEFAULT_MINUTES = 120.0  # where no norm and no past order says how long

_NORMS = text("""
SELECT DISTINCT ON (j.id) j.id, to_jsonb(v) -> 'norms' AS norms, p.id AS procedure_id
FROM predicted_jobs j JOIN assets a ON a.id = j.asset_id
JOIN procedure_links l ON (l.asset_model_id IS NULL OR l.asset_model_id = a.asset_model_id)
  AND l.service_type_id IS NULL
  AND (l.failure_mode_id IS NULL OR l.failure_mode_id IN (SELECT m.id FROM failure_modes m WHERE m.code = j.key))
  AND num_nonnulls(l.failure_mode_id, l.asset_model_id) > 0
JOIN procedures p ON p.id = l.procedure_id AND p.retired_at IS NULL
JOIN procedure_versions v ON v.procedure_id = p.id AND v.state = 'published'
WHERE j.id = ANY(CAST(:jobs AS uuid[])) AND l.failure_mode_id IS NOT NULL
ORDER BY j.id, l.asset_model_id IS NULL, p.code
""")


@dataclass(frozen=True, slots=True)
class Predicted:
    """One job: its probability in each week that was asked for, what it takes, and why (life, usual share)."""

    id: UUID
    asset_id: UUID
    asset_name: str
    site_id: UUID | None
    key: str
    basis: str  # remaining_life | usual
    chances: tuple[float, ...]
    labour: Mapping[tuple[str, int], float]
    parts: Mapping[UUID, Decimal]


def chances(points: Sequence[tuple[float, float]], at: datetime, now: datetime, weeks: Sequence[date]) -> list[float]:
    """Return the probability of failing in each week, of a machine that has not failed by now.

    `points`: (seconds after `at`, probability of failing within them); between them in a straight line. What is said
    to have happened before now falls into the first week that has not ended.
    """
    known = sorted((max(0.0, span), min(1.0, max(0.0, chance))) for span, chance in points if math.isfinite(span))
    xs, ys = [0.0], [0.0]
    for span, chance in known:
        if span > xs[-1]:
            xs.append(span)
            ys.append(max(chance, ys[-1]))
        elif span == xs[-1] and span > 0:
            ys[-1] = max(chance, ys[-1])
    if len(xs) == 1:
        return [0.0] * len(weeks)

    def by(moment: datetime) -> float:
        span = (moment - at).total_seconds()
        if span >= xs[-1]:
            return ys[-1]
        if span <= 0:
            return 0.0
        place = bisect_right(xs, span)
        share = (span - xs[place - 1]) / (xs[place] - xs[place - 1])
        return ys[place - 1] + share * (ys[place] - ys[place - 1])

    gone = by(now)
    if gone >= 1.0:  # it was to have failed by now: any day
        return [1.0 if begins(week) <= now < begins(week + WEEK) else 0.0 for week in weeks]
    found = []
    for week in weeks:
        start, end = max(begins(week), now), begins(week + WEEK)
        found.append(max(0.0, by(end) - by(start)) / (1 - gone) if end > now else 0.0)
    return found


def life_points(life: Any) -> list[tuple[float, float]]:
    """Return what an estimate says as points; without its curve, of the middle and the interval."""
    if life.p_within:
        return [(float(span), float(chance)) for span, chance in life.p_within]
    found = []
    share = life.coverage if life.coverage is not None and 0 < life.coverage < 1 else 0.8
    for span, chance in ((life.low_s, (1 - share) / 2), (life.life_s, 0.5), (life.high_s, (1 + share) / 2)):
        if span is not None and math.isfinite(span):
            found.append((float(span), chance))
    return found


def usual_chances(share: float, created: datetime, now: datetime, weeks: Sequence[date]) -> list[float]:
    """Return the share of such jobs that become work, spread over the weeks in which that is usually decided."""
    until = max(created + WEEK * USUAL_WEEKS, now + WEEK)
    whole = (until - now).total_seconds()
    found = []
    for week in weeks:
        start, end = max(begins(week), now), min(begins(week + WEEK), until)
        found.append(share * max(0.0, (end - start).total_seconds()) / whole)
    return found


def put_off(found: Sequence[float], weeks: Sequence[date], until: datetime) -> list[float]:
    """Return chances of a job that was put off: what lies before the week of its day counts in that week."""
    week = monday(until.astimezone(UTC).date())
    before = sum(chance for each, chance in zip(weeks, found, strict=True) if each < week)
    return [
        0.0 if each < week else chance + (before if each == week else 0.0)
        for each, chance in zip(weeks, found, strict=True)
    ]


def load(
    session: Session, now: datetime, weeks: Sequence[date], where: Where, mean_minutes: float | None
) -> list[Predicted]:
    """Return the open predicted jobs that the reader sees, without those that their plan's work counts already."""
    query = (
        select(PredictedJob, Asset.name, Asset.site_id, RemainingLife)
        .join(Asset, Asset.id == PredictedJob.asset_id)
        .outerjoin(RemainingLife, RemainingLife.asset_id == PredictedJob.asset_id)
        .where(PredictedJob.state == "watching", ~_merged().exists())
    )
    if where.organisation_ids is not None:
        query = query.where(PredictedJob.organisation_id.in_(where.organisation_ids))
    if where.site_id is not None:
        query = query.where(Asset.site_id == where.site_id)
    if where.region is not None:
        query = query.where(Asset.site_id.in_(select(Site.id).where(Site.region == where.region)))
    rows = session.execute(query.order_by(PredictedJob.id).limit(MAX_JOBS)).all()
    if not rows:
        return []
    share = accepted_share(session)
    norms = _norms(session, [row[0].id for row in rows])
    beside = Counter(row[0].asset_id for row in rows)
    waits = _waits(session, [row[0].id for row in rows])
    lead = [week for week in weeks_from(now.date(), MAX_WEEKS) if week < weeks[0]]  # put off from before into these
    ahead = [*lead, *weeks]
    made = []
    for job, name, site_id, life in rows:
        if life is not None and life.state == ESTIMATE and life_points(life):
            # A machine fails once: several jobs of it share the chance.
            found = [each / beside[job.asset_id] for each in chances(life_points(life), life.at, now, ahead)]
            basis = "remaining_life"
        else:
            found, basis = usual_chances(share, job.created_at, now, ahead), "usual"
        if job.id in waits:
            found = put_off(found, ahead, waits[job.id])
        found = found[len(lead) :]
        norm = norms.get(job.id, Norm())
        labour: Mapping[tuple[str, int], float] = {key: float(spent) for key, spent in norm.labour.items()}
        if not labour:
            labour = {(ANY, LOWEST): mean_minutes if mean_minutes is not None else DEFAULT_MINUTES}
        made.append(Predicted(job.id, job.asset_id, name, site_id, job.key, basis, tuple(found), labour, norm.parts))
    return made


def _merged() -> Select[Any]:
    """That a job of the query around it waits for planned work, which counts by itself."""
    same = DeskDecision.asset_id == PredictedJob.asset_id, DeskDecision.key == PredictedJob.key
    return select(DeskDecision.id).where(*LIVE, *same, DeskDecision.occurrence_id.is_not(None)).correlate(PredictedJob)


def _waits(session: Session, keys: list[UUID]) -> dict[UUID, datetime]:
    """Return until when jobs were put off."""
    same = (DeskDecision.asset_id == PredictedJob.asset_id) & (DeskDecision.key == PredictedJob.key)
    found = select(PredictedJob.id, func.max(DeskDecision.until)).join(DeskDecision, same)
    found = found.where(*LIVE, DeskDecision.until.is_not(None), PredictedJob.id.in_(keys)).group_by(PredictedJob.id)
    return {key: until for key, until in session.execute(found) if until is not None}


def accepted_share(session: Session) -> float:
    """Return the share of decided jobs that became work; Jeffreys' prior keeps it off 0 and 1."""
    decided = select(PredictedJob.state, func.count()).where(PredictedJob.state != "watching")
    counts = {state: int(count) for state, count in session.execute(decided.group_by(PredictedJob.state))}
    became = counts.get("opened", 0) + counts.get("done", 0)
    return float((became + 0.5) / (became + counts.get("dismissed", 0) + 1))


def _norms(session: Session, keys: list[UUID]) -> dict[UUID, Norm]:
    return {row.id: read_norm(row.norms) for row in session.execute(_NORMS, {"jobs": keys})}


def median_week(job: Predicted, weeks: Sequence[date]) -> date | None:
    """Return the Monday by which the job is more likely than not to have come; None: rather not in these weeks."""
    total = 0.0
    for week, chance in zip(weeks, job.chances, strict=True):
        total += chance
        if total >= 0.5:
            return week
    return None
