"""What a round found in live rows, kept until it is saved, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from maintenance.decisions import FindingFacts
from maintenance.findings import hold_decisions, save_findings
from ml.known_assets import Known
from ml.snapshot_keeping import keep_snapshots
from ml.tapes import Tapes

BACKLOG = timedelta(minutes=15)  # rows so old are what waited on a device: more of them, and the present, will follow
HOLD = timedelta(seconds=60)  # meanwhile nothing is decided: what ended in the past opens no order for the present


class Found:
    """Findings of a round, by the owner of their assets."""

    def __init__(self) -> None:
        self._by_owner: dict[UUID, list[tuple[Known, list[FindingFacts], datetime]]] = {}

    def keep(self, known: Known, found: Sequence[FindingFacts], watermark: datetime) -> None:
        """Put what rows up to this time gave by."""
        if facts := known.allowed(found):
            self._by_owner.setdefault(known.organisation_id, []).append((known, facts, watermark))

    def save(self, session: Session, tapes: Tapes, now: datetime) -> bool:
        """Save what was put by; return whether there was anything."""
        kept, self._by_owner = self._by_owner, {}
        for owner, parts in kept.items():
            facts = [fact for _, own, _ in parts for fact in own]
            taken = [fact for known, own, _ in parts for fact in known.weighed(own)]
            rows = save_findings(session, owner, taken, replayed=False, now=now)
            keep_snapshots(session, owner, tapes, facts, rows, now)
            old = {known.key for known, _, watermark in parts if now - watermark > BACKLOG}
            hold_decisions([row for row in rows if str(row.asset_id) in old], now + HOLD)
        return bool(kept)
