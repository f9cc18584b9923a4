"""Make a stored finding again from its snapshot and compare: the same to the last bit, or which fields differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from maintenance.decisions import FindingFacts
from maintenance.findings import facts_of
from maintenance.models import Finding
from ml import tapes
from ml.detectors import plain
from ml.store import snapshots
from ml.store.artefacts import ModelDamaged, ModelUnreadable, versions
from ml.store.records import RecordUnknown
from ml.store.tables import FindingSnapshot
from ml.store.versions import ContentForgotten

IDENTICAL, DIFFERS, OTHER_VERSIONS = "identical", "differs", "other_versions"
NO_SNAPSHOT, SNAPSHOT_DAMAGED, MODEL_MISSING = "no_snapshot", "snapshot_damaged", "model_missing"
# What never changes while a finding lasts: it must be the same in the row as in the snapshot.
_LASTING = ("detector", "layer", "signature", "kind", "first_at", "regime", "limit_clear")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that came out otherwise."""

    field: str
    stored: Any
    recomputed: Any


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What making a finding again gave; `code` says it in a word."""

    code: str
    differences: tuple[Difference, ...] = ()
    versions_stored: Mapping[str, str] = field(default_factory=dict)
    versions_here: Mapping[str, str] = field(default_factory=dict)

    @property
    def reproduced(self) -> bool:
        return self.code == IDENTICAL


def snapshot_of(session: Session, finding: Finding) -> FindingSnapshot | None:
    """Return what the finding was made from; None where nothing was kept, or no longer is."""
    try:
        return session.get(FindingSnapshot, UUID(finding.snapshot_ref)) if finding.snapshot_ref else None
    except ValueError:
        return None


def reproduce(session: Session, finding: Finding) -> Reproduction:
    """Make the finding again from its snapshot, with the very functions that made it."""
    row = snapshot_of(session, finding)
    if row is None:
        return Reproduction(NO_SNAPSHOT)
    here, there = versions(), {str(name): str(value) for name, value in row.versions.items()}
    try:
        state, stored = snapshots.open_snapshot(row)
        again = _again(session, row, state, stored)
    except ContentForgotten:
        return Reproduction(MODEL_MISSING, (), there, here)
    except (snapshots.SnapshotDamaged, ModelDamaged, ModelUnreadable, plain.StateUnreadable, RecordUnknown):
        return Reproduction(SNAPSHOT_DAMAGED, (), there, here)
    differences = _differences(stored, again, finding)
    if not differences:
        return Reproduction(IDENTICAL, (), there, here)
    return Reproduction(DIFFERS if here == there else OTHER_VERSIONS, differences, there, here)


def _again(
    session: Session, row: FindingSnapshot, state: Mapping[str, Any], stored: FindingFacts
) -> FindingFacts | None:
    if row.kind == snapshots.LEARNED:
        from ml.learned_scoring import replay_learned

        return replay_learned(session, row, dict(state), stored)
    return tapes.replay(stored.asset, dict(state), stored)


def _differences(stored: FindingFacts, again: FindingFacts | None, finding: Finding) -> tuple[Difference, ...]:
    if again is None:
        return (Difference("finding", stored.signature, None),)
    plain_stored, plain_again = plain.facts_to_plain(stored) or {}, plain.facts_to_plain(again) or {}
    found = [Difference(name, plain_stored[name], plain_again[name]) for name in snapshots.differing(stored, again)]
    # The row itself: what lasts must still be what was seen; all of it while nothing has changed it since.
    row = facts_of(finding)
    for name in _LASTING:
        if not snapshots.same(getattr(row, name), getattr(stored, name)):
            found.append(Difference(name, getattr(row, name), getattr(stored, name)))
    return tuple(found)
