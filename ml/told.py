"""What an asset's detectors are told beside its readings: events of its devices, and work that people did on it.

Each is told once, in order of time between the rows; what came late is told at once. How far that went is kept with
the detectors' state, so that both survive a restart together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from json import dumps
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from ingest.store.happened import LONG_AGO, Happened, Place, Seen
from ml.detectors.protocol import Block, Event
from ml.detectors.repairs import REPAIR
from ml.models import ScoringState

Work = Mapping[str, Any]  # as it waits in `scoring_states.untold`: id, at (epoch seconds), code, repaired

APPROVED = "approved"  # stands for a repair code where a person approved a new reference
SERVICE = "service"  # code of work that left no repair code
WORKED = frozenset({"confirmed", "wrong_mode", "prevented", "planned", "sensor_fault"})  # somebody's hands were on it
MAX_XID = 2**62
MAX_UNTOLD = 100  # pieces of work that wait for an asset's next reading, the youngest

_UNTOLD = text("SELECT asset_id, untold FROM scoring_states WHERE asset_id = ANY(:assets) AND untold <> '[]'::jsonb")
_PUT = text("""
UPDATE scoring_states SET untold = (
  SELECT jsonb_agg(e ORDER BY n) FROM (
    SELECT e, n FROM jsonb_array_elements(untold || CAST(:work AS jsonb)) WITH ORDINALITY AS u(e, n)
    ORDER BY n DESC LIMIT :most) AS kept)
WHERE asset_id = :asset
""")
_TAKE = text("""
UPDATE scoring_states SET untold = (
  SELECT coalesce(jsonb_agg(e ORDER BY n), '[]'::jsonb)
  FROM jsonb_array_elements(untold) WITH ORDINALITY AS u(e, n) WHERE NOT (e->>'id') = ANY(:ids))
WHERE asset_id = :asset
""")


def device_event(happened: Happened) -> Event:
    """Return a device's event; a machine that says that it was maintained is believed."""
    kind, _, rest = happened.text.partition(" ")
    if happened.severity == "info" and kind == "maintenance":
        component = rest.removeprefix(happened.code).strip()
        return Event(happened.at.timestamp(), "maintenance", happened.code, component)
    return Event(happened.at.timestamp(), "error", happened.code)


def seen_by(state: ScoringState) -> Seen:
    """Return which events the stored detectors were told of; of states from before this was kept, all."""
    if state.events_batch is None:
        return Seen(state.watermark, Place(MAX_XID, 0))
    return Seen(state.events_until or LONG_AGO, Place(state.events_xid or 0, state.events_batch))


def work_done(outcome: str | None, repair_code: str | None) -> str | None:
    """Return the code of the work that an order's answer means for the machine; None where nobody touched it."""
    if repair_code:
        return f"repair {repair_code}"
    return SERVICE if outcome in WORKED else None


def put_work(session: Session, asset_id: UUID, label_id: UUID, done_at: datetime, code: str) -> None:
    """Let the asset's detectors hear of work with its next readings; before any state there is nobody to tell."""
    _put(
        session,
        asset_id,
        {"id": f"{label_id}:{code}", "at": done_at.timestamp(), "code": code, "repaired": code != SERVICE},
    )


def put_approval(session: Session, asset_id: UUID, at: datetime) -> None:
    """Let the asset's detectors begin anew from `at` as after a repair: somebody said that its normal has changed."""
    _put(session, asset_id, {"id": APPROVED, "at": at.timestamp(), "code": APPROVED, "repaired": True})


def _put(session: Session, asset_id: UUID, work: Work) -> None:
    session.execute(_PUT, {"asset": asset_id, "work": dumps([work]), "most": MAX_UNTOLD})


def take_back(session: Session, asset_id: UUID, label_id: UUID, code: str) -> None:
    """The work did not happen after all; what was told of it stays told."""
    session.execute(_TAKE, {"asset": asset_id, "ids": [f"{label_id}:{code}"]})


def untold_work(session: Session, assets: Sequence[UUID]) -> dict[UUID, list[Work]]:
    """Return the work that the detectors of these assets have not been told of."""
    return {row[0]: list(row[1]) for row in session.execute(_UNTOLD, {"assets": list(assets)})} if assets else {}


def work_event(work: Work) -> Event:
    return Event(float(work["at"]), REPAIR if work["repaired"] else "maintenance", str(work["code"]))


def note_told(session: Session, asset_id: UUID, told: Iterable[Work]) -> None:
    """The asset's state, which is saved in the same transaction, knows of this work."""
    session.execute(_TAKE, {"asset": asset_id, "ids": [str(work["id"]) for work in told]})


def with_events(blocks: Iterable[Block], events: Sequence[Event]) -> Iterator[tuple[Block, list[Event]]]:
    """Each block with the events up to its last row, the last block with all that are left."""
    waiting, parts = sorted(events, key=lambda event: event.t), list(blocks)
    for number, block in enumerate(parts, 1):
        now = [event for event in waiting if number == len(parts) or event.t <= block.t[-1]]
        waiting = waiting[len(now) :]
        yield block, now


def no_rows(asset: str) -> Block:
    """A block that holds nothing: to tell what happened to an asset whose next readings are not there yet."""
    return Block(asset, np.zeros(0), (), np.zeros((0, 0)))
