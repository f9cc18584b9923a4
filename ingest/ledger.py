"""What a device says it measured against what is stored: the proof that nothing is missing, or what is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session


class Gap(NamedTuple):
    """Running counts [first, first + n) of a boot that are neither stored nor given up."""

    first: int
    n: int


class BootLedger(NamedTuple):
    """One boot: expected = stored + dropped + quarantined + missing; `late` of the stored ones came late."""

    boot: str
    first_seen_at: datetime
    last_seen_at: datetime
    expected: int
    stored: int
    late: int
    dropped: int
    quarantined: int
    missing: int
    gaps: list[Gap]


MAX_GAPS = 50

# What was given up and came nevertheless counts as stored. Samples without a running count (other firmware) only
# appear in the counters, so those are the measure where no ranges are.
_LEDGER = """
WITH boots AS (
  SELECT *, int8multirange(int8range(0, highest)) - received - given_up AS open, given_up - received AS lost
  FROM device_boots WHERE device_id = :device)
SELECT boot, first_seen_at, last_seen_at, highest, late, quarantined,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(received) AS r),
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(lost) AS r),
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(open) AS r),
       ARRAY(SELECT lower(r) FROM unnest(open) AS r ORDER BY 1 LIMIT :gaps),
       ARRAY(SELECT upper(r) - lower(r) FROM unnest(open) AS r ORDER BY lower(r) LIMIT :gaps)
FROM boots ORDER BY last_seen_at DESC LIMIT :boots
"""
_MISSING = """
SELECT b.device_id,
       sum((SELECT coalesce(sum(upper(r) - lower(r)), 0)
            FROM unnest(int8multirange(int8range(0, highest)) - received - given_up) AS r))::bigint,
       sum(quarantined)::bigint
FROM device_boots b WHERE b.device_id = ANY(:devices) GROUP BY b.device_id
"""


def device_ledger(session: Session, device_id: UUID, *, boots: int = 20) -> list[BootLedger]:
    """Return the ledger of a device's latest boots, newest first."""
    rows = session.execute(text(_LEDGER), {"device": device_id, "gaps": MAX_GAPS, "boots": boots})
    return [_ledger_row(*row) for row in rows]


def _ledger_row(
    boot: str,
    first_seen_at: datetime,
    last_seen_at: datetime,
    highest: int,
    late: int,
    quarantined: int,
    received: int,
    dropped: int,
    missing: int,
    firsts: Sequence[int],
    lengths: Sequence[int],
) -> BootLedger:
    set_aside = min(quarantined, received)
    return BootLedger(
        boot=boot,
        first_seen_at=first_seen_at,
        last_seen_at=last_seen_at,
        expected=highest,
        stored=received - set_aside,
        late=late,
        dropped=dropped,
        quarantined=set_aside,
        missing=missing,
        gaps=[Gap(first, n) for first, n in zip(firsts, lengths, strict=True)],
    )


def missing_samples(session: Session, device_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return (missing, quarantined) samples over all boots of each device."""
    rows = session.execute(text(_MISSING), {"devices": list(device_ids)})
    return {device_id: (int(missing), int(quarantined)) for device_id, missing, quarantined in rows}
