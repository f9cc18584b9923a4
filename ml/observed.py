"""Count on how many days of each month every asset sent readings: the asset-months that false orders are divided by."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from maintenance.feedback_models import ObservedMonth

RECENT_DAYS = 40  # late data older than this is counted by the weekly pass over all
ALL_DAYS = 800  # two years of months on the page, and what the budget looks back on

_COUNT = text(
    """
INSERT INTO observed_months (asset_id, month, days, organisation_id)
SELECT b.asset_id, date_trunc('month', d.bucket AT TIME ZONE 'UTC')::date, count(DISTINCT d.bucket), a.organisation_id
FROM rollups_1d d
JOIN streams s ON s.id = d.stream_id
JOIN asset_bindings b ON b.device_id = s.device_id AND b.channel = s.channel
  AND (b.valid_from IS NULL OR b.valid_from < d.bucket + interval '1 day')
  AND (b.valid_to IS NULL OR b.valid_to > d.bucket)
JOIN assets a ON a.id = b.asset_id
WHERE d.bucket >= :since
GROUP BY 1, 2, 4
ON CONFLICT (asset_id, month) DO UPDATE SET days = excluded.days, organisation_id = excluded.organisation_id
WHERE observed_months.days <> excluded.days OR observed_months.organisation_id <> excluded.organisation_id
"""
)


def count_observed(session: Session, now: datetime) -> None:
    """Bring the counts up to date: of late, and of everything on Sundays and where nothing was counted yet."""
    counted = session.scalar(select(ObservedMonth.days).limit(1)) is not None
    days = RECENT_DAYS if counted and now.weekday() != 6 else ALL_DAYS
    since = (now - timedelta(days=days)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    session.execute(_COUNT, {"since": since})
