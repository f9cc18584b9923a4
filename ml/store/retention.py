"""What the model store forgets: contents of versions that will not come back, snapshots that no order needs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import CursorResult, delete, func, or_, select, text
from sqlalchemy.orm import Session

from ml.store.tables import (
    CHALLENGER,
    CHAMPION,
    FindingSnapshot,
    LearnedState,
    ModelContent,
    ShadowFinding,
    StoredModel,
    TrainingRun,
)

KEPT_RETIRED = 5  # former champions of a name whose content stays whatever their age: to go back to
KEEP_CONTENT = timedelta(days=180)  # of other versions, since they last served or were tried
KEEP_SNAPSHOTS = timedelta(days=90)  # of findings that led to no work order; the others stay as long as the order
KEEP_SHADOW = timedelta(days=500)
KEEP_RUNS = timedelta(days=730)

# A snapshot is needed by the finding that names it while a work order came of that finding.
_SNAPSHOTS = text("""
DELETE FROM finding_snapshots s WHERE s.made_at < :before AND NOT EXISTS (
  SELECT 1 FROM findings f JOIN episode_findings e ON e.finding_id = f.id
  JOIN work_links l ON l.episode_id = e.episode_id
  WHERE f.asset_id = s.asset_id AND f.snapshot_ref = s.id::text)
""")


class Forgotten(NamedTuple):
    """How many of each were removed."""

    contents: int
    snapshots: int
    shadow_findings: int
    states: int
    runs: int


def forget_models(session: Session, now: datetime) -> Forgotten:
    """Remove what is no longer kept; cards stay for ever. Needs the service role."""
    return Forgotten(
        contents=_contents(session, now),
        snapshots=_count(session.execute(_SNAPSHOTS, {"before": now - KEEP_SNAPSHOTS})),
        shadow_findings=_count(
            session.execute(delete(ShadowFinding).where(ShadowFinding.opened_at < now - KEEP_SHADOW))
        ),
        states=_count(
            session.execute(
                delete(LearnedState).where(
                    LearnedState.model_id.in_(
                        select(StoredModel.id).where(StoredModel.state.not_in((CHAMPION, CHALLENGER)))
                    )
                )
            )
        ),
        runs=_count(session.execute(delete(TrainingRun).where(TrainingRun.started_at < now - KEEP_RUNS))),
    )


def _contents(session: Session, now: datetime) -> int:
    """Versions that serve, are pinned, are among the newest former champions, or that a kept snapshot needs, stay."""
    rank = func.row_number().over(
        partition_by=(StoredModel.organisation_id, StoredModel.name), order_by=StoredModel.state_since.desc()
    )
    former = select(StoredModel.id, rank.label("rank")).where(StoredModel.state == "retired").subquery()
    needed = select(FindingSnapshot.id).where(FindingSnapshot.model_code == StoredModel.code).exists()
    going = (
        select(StoredModel.id)
        .outerjoin(former, former.c.id == StoredModel.id)
        .where(
            StoredModel.state.not_in((CHAMPION, CHALLENGER)),
            StoredModel.pinned.is_(False),
            StoredModel.state_since < now - KEEP_CONTENT,
            or_(former.c.rank.is_(None), former.c.rank > KEPT_RETIRED),
            ~needed,
        )
    )
    return _count(session.execute(delete(ModelContent).where(ModelContent.model_id.in_(going))))


def _count(done: object) -> int:
    return done.rowcount if isinstance(done, CursorResult) else 0
