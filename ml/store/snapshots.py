"""What a finding was made from, stored once beside it, and what making it again from that gives."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from maintenance.decisions import FindingFacts
from ml.detectors import plain
from ml.detectors.protocol import Block, Event, State
from ml.store.artefacts import versions
from ml.store.tables import FindingSnapshot

DETECTORS = "detectors"  # the detectors' state before, and the rows that they then read
LEARNED = "learned"  # the features of some moments, for a model of the store
LEVEL = 3  # of compression: a third of the time of the usual one, a few bytes more
MAX_UNPACKED = 256 * 2**20  # what a few MB may unpack to: more is not one of ours


class SnapshotDamaged(ValueError):
    """The stored bytes are not those that were stored, or not readable."""


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of one call and the events told with them."""

    block: Block
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot before it is stored. `fact` is what the finding looked like when it was taken."""

    asset: str
    kind: str
    state: State
    fact: FindingFacts
    rows: int
    about: Mapping[str, Any]
    model_code: str | None = None


def store_snapshot(session: Session, organisation_id: UUID, taken: Taken, now: datetime) -> FindingSnapshot:
    """Store it; the finding's `snapshot_ref` is to be its id."""
    content = zlib.compress(plain.pack({**taken.state, "fact": plain.facts_to_plain(taken.fact)}), LEVEL)
    row = FindingSnapshot(
        id=uuid7(),
        organisation_id=organisation_id,
        asset_id=UUID(taken.asset),
        kind=taken.kind,
        model_code=taken.model_code,
        rows=taken.rows,
        digest=hashlib.sha256(content).hexdigest(),
        content=content,
        about=dict(taken.about),
        versions=versions(),
        made_at=now,
    )
    session.add(row)
    session.flush()
    return row


def open_snapshot(row: FindingSnapshot) -> tuple[State, FindingFacts]:
    """Return the stored state and the finding as it was. Raise SnapshotDamaged; the hash is checked first."""
    if hashlib.sha256(row.content).hexdigest() != row.digest:
        raise SnapshotDamaged("wrong_hash")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(row.content, MAX_UNPACKED)
        if unpacker.unconsumed_tail:
            raise SnapshotDamaged("too_large")
        state = plain.unpack(content)
        fact = plain.facts_from_plain(state.pop("fact"))
    except (zlib.error, plain.StateUnreadable, KeyError, TypeError, ValueError) as error:
        raise SnapshotDamaged("unreadable") from error
    if fact is None:
        raise SnapshotDamaged("unreadable")
    return state, fact


def steps_to_plain(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [
        {
            "t": np.asarray(step.block.t, dtype=float),
            "metrics": list(step.block.metrics),
            "values": np.asarray(step.block.values, dtype=float),
            "modes": step.block.modes,
            "mode_names": list(step.block.mode_names),
            "healthy_until": step.block.healthy_until,
            "events": [[event.t, event.kind, event.code, event.component] for event in step.events],
        }
        for step in steps
    ]


def steps_from_plain(asset: str, stored: Sequence[Mapping[str, Any]]) -> list[Step]:
    return [
        Step(
            Block(
                asset,
                each["t"],
                tuple(each["metrics"]),
                each["values"],
                each["modes"],
                tuple(each["mode_names"]),
                each["healthy_until"],
            ),
            tuple(Event(float(t), kind, code, component) for t, kind, code, component in each["events"]),
        )
        for each in stored
    ]


def same(one: object, other: object) -> bool:
    """Equal to the last bit: NaN equals NaN, and 0.0 is not -0.0."""
    if isinstance(one, float) and isinstance(other, float):
        return np.float64(one).tobytes() == np.float64(other).tobytes()
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if hasattr(one, "__dataclass_fields__") and type(one) is type(other):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))  # type: ignore[arg-type]
    return type(one) is type(other) and one == other


def differing(stored: FindingFacts, again: FindingFacts) -> list[str]:
    """Return the fields that are not equal to the last bit."""
    return [f.name for f in fields(stored) if not same(getattr(stored, f.name), getattr(again, f.name))]
