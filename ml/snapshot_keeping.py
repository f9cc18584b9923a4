"""Keep beside each new finding what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from maintenance.decisions import FindingFacts
from maintenance.models import Finding
from ml.store.snapshots import store_snapshot
from ml.tapes import Tapes


def keep_snapshots(
    session: Session,
    organisation_id: UUID,
    tapes: Tapes,
    facts: Sequence[FindingFacts],
    rows: Sequence[Finding],
    now: datetime,
) -> None:
    """Store the snapshots of these findings' beginnings and name them in the rows, given in the same order."""
    for fact, row in zip(facts, rows, strict=True):
        taken = tapes.taken(fact) if row.snapshot_ref is None else None
        if taken is not None:
            row.snapshot_ref = str(store_snapshot(session, organisation_id, taken, now).id)
    session.flush()
