"""Layer 0: a device that fell silent, as a finding on the asset that it measures."""

from __future__ import annotations

from datetime import datetime, timedelta

from maintenance.decisions import FindingFacts

GRACE = timedelta(minutes=5)  # reboots and short network cuts are nobody's work
MODEL_ID = "presence@1"


def silent_device(
    asset: str, signature: str, last_seen_at: datetime, cleared_at: datetime | None, now: datetime
) -> FindingFacts:
    """Return the finding that a device, or one channel of it, is silent since then; `cleared_at` once it is back."""
    silent_s = ((cleared_at or now) - last_seen_at).total_seconds()
    return FindingFacts(
        asset=asset,
        detector="presence",
        layer="L0",
        signature=signature,
        kind="connection",
        first_at=last_seen_at,
        last_at=cleared_at or now,
        cleared_at=cleared_at,
        score=silent_s,
        peak=silent_s,
        confidence=1.0,
        limit_open=GRACE.total_seconds(),
        limit_clear=0.0,
        contributions=(),
        regime="",
        model_id=MODEL_ID,
        learning=False,
        severity="warning",
    )
