"""Findings of a replay are decided as they would have been when they were news."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from assets.registry import Asset
from maintenance.decisions import FindingFacts, open_moment
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.policies import policies_for
from ml.snapshot_keeping import keep_snapshots
from ml.tapes import Tapes

TELL_AGAIN = timedelta(seconds=30)  # how often a lasting finding is decided anew, in its own time


def live_again(session: Session, asset_id: UUID, facts: Sequence[FindingFacts], tapes: Tapes, now: datetime) -> None:
    """Decide a replay's findings one by one, each at its own moment.

    A round of a fast replay holds hours: trouble that began and ended in it would otherwise only be seen ended.
    """
    asset = session.get_one(Asset, asset_id)
    policies = policies_for(session, asset)
    told: dict[tuple[str, str, datetime], datetime] = {}
    last = {(fact.detector, fact.signature, fact.first_at): at for at, fact in enumerate(facts)}
    for at, fact in enumerate(facts):
        key = (fact.detector, fact.signature, fact.first_at)
        is_news = key not in told or at == last[key] or fact.cleared_at is not None
        due = open_moment(fact, policies.get(fact.kind, policies["machine"]))
        if not is_news and not told[key] < due <= fact.last_at and fact.last_at - told[key] < TELL_AGAIN:
            continue
        told[key] = fact.last_at
        moment = fact.cleared_at or fact.last_at
        rows = save_findings(session, asset.organisation_id, [fact], replayed=True, now=now, watermark=moment)
        keep_snapshots(session, asset.organisation_id, tapes, [fact], rows, now)
        decide_pending(session, now)  # once: what has to wait says so and is taken up again with later facts
