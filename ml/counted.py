"""Count the stored readings beyond a limit that an alarm is about: what was sent twice is stored, and counts, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ingest.store.read import load_block
from maintenance.models import Episode, EpisodeFinding, Finding

DETECTOR = "limits"
SIDES = {"high": 1.0, "high_high": 1.0, "low": -1.0, "low_low": -1.0}
SETTLED = timedelta(seconds=60)  # rows of the same moment may come so much later, by another device or another way
EACH = timedelta(seconds=14)
SHARE = 0.02  # an alarm that lasts long is counted seldom: its count costs as many rows as it is long
LATELY = timedelta(days=1)
EPISODES = 20  # per run
ROWS = 20_000  # per load
MOST_ROWS = 400_000  # of one alarm; beyond that its count stands still


def count_readings(session: Session, now: datetime) -> int:
    """Bring the counts of alarms up to date whose evidence moved since; return how many. Needs the service role."""
    moved = (
        select(Episode, func.min(Finding.first_at))
        .join(EpisodeFinding, EpisodeFinding.episode_id == Episode.id)
        .join(Finding, Finding.id == EpisodeFinding.finding_id)
        .where(
            Finding.detector == DETECTOR,
            # An old alarm only when its readings came late (see `count_again`).
            or_(Episode.closed_at.is_(None), Episode.closed_at > now - LATELY, Episode.readings.is_not(None)),
            or_(Episode.readings_counted_to.is_(None), Finding.saved_at > Episode.readings_counted_to - SETTLED),
        )
        .group_by(Episode.id)
        .order_by(Episode.readings_counted_to.nulls_first(), Episode.id)
        .limit(10 * EPISODES)
    )
    counted = 0
    for episode, first_at in session.execute(moved).all():
        if counted >= EPISODES:
            break
        pause = max(EACH, SHARE * (episode.last_seen_at - first_at))
        if episode.readings_counted_to is None or now - episode.readings_counted_to >= pause:
            episode.readings, episode.readings_counted_to = _beyond(session, episode), now
            counted += 1
    session.flush()
    return counted


def count_again(session: Session, asset_id: UUID, since: datetime, until: datetime) -> None:
    """Readings of this stretch came late: the alarms over it are counted anew."""
    over = select(Episode).where(
        Episode.asset_id == asset_id, Episode.readings.is_not(None), Episode.last_seen_at >= since
    )
    for episode in session.scalars(over):
        if episode.opened_at <= until + timedelta(days=1):  # it was opened some time after its evidence began
            episode.readings_counted_to = None
    session.flush()


def _beyond(session: Session, episode: Episode) -> int | None:
    """Return how many distinct readings were beyond a limit from the first evidence to the last; None without one."""
    levels, first_at, last_at = _levels(session, episode.id)
    if not levels:
        return None
    total, rows, after = 0, 0, first_at - timedelta(microseconds=1)
    while rows < MOST_ROWS:
        block = load_block(session, episode.asset_id, after, last_at, limit=ROWS)
        if len(block.t) == 0:
            break
        for metric, sign, level in levels:
            if metric in block.metrics:
                seen = np.asarray(block.values)[:, list(block.metrics).index(metric)]
                total += int(np.count_nonzero(sign * seen >= level))  # NaN is beyond nothing
        rows += len(block.t)
        if len(block.t) < ROWS:
            break
        after = datetime.fromtimestamp(float(block.t[-1]), first_at.tzinfo)
    return total


def _levels(session: Session, episode_id: UUID) -> tuple[Sequence[tuple[str, float, float]], datetime, datetime]:
    """Return (metric, sign, level) once per metric and direction, the milder limit, and the stretch of the evidence."""
    found = (
        select(Finding.signature, Finding.limit_open, Finding.first_at, Finding.last_at)
        .join(EpisodeFinding, EpisodeFinding.finding_id == Finding.id)
        .where(EpisodeFinding.episode_id == episode_id, Finding.detector == DETECTOR)
    )
    milder: dict[tuple[str, float], float] = {}
    times: list[datetime] = []
    for signature, level, first_at, last_at in session.execute(found):
        metric, _, side = signature.rpartition(":")
        times += [first_at, last_at]
        if side in SIDES:
            key = (metric, SIDES[side])
            milder[key] = min(level, milder.get(key, level))
    return [(metric, sign, level) for (metric, sign), level in milder.items()], min(times), max(times)
