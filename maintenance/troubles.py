"""Which trouble of its asset a finding belongs to: the failure mode that it tells, and the key of its episode."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.failure_modes import FailureMode, failure_modes_for, fitting_mode
from assets.registry import Asset
from maintenance.batch import Batch, batch_of
from maintenance.decisions import grouping_key
from maintenance.findings import facts_of
from maintenance.models import Episode, EpisodeFinding, Finding


def trouble_of(session: Session, asset: Asset, finding: Finding) -> tuple[str, FailureMode | None]:
    """Return the key of the finding's episode, and its failure mode (None: the default mode).

    Evidence stays with the episode that it began in, also when the table of failure modes changes meanwhile.
    """
    batch = batch_of(session, asset.id)
    if batch is not None and finding.id in batch.asset_of:
        return _known_trouble(session, asset, finding, batch)
    linked = (
        select(Episode)
        .join(EpisodeFinding, EpisodeFinding.episode_id == Episode.id)
        .where(EpisodeFinding.finding_id == finding.id)
        .order_by(Episode.id.desc())
        .limit(1)
    )
    if (episode := session.scalar(linked)) is not None:
        known = session.get(FailureMode, episode.failure_mode_id) if episode.failure_mode_id else None
        return episode.key, known
    return _new_trouble(finding, lambda: failure_modes_for(session, asset))


def _known_trouble(session: Session, asset: Asset, finding: Finding, batch: Batch) -> tuple[str, FailureMode | None]:
    """The same out of what was read ahead."""
    if (episode := batch.linked.get(finding.id)) is not None:
        known = session.get(FailureMode, episode.failure_mode_id) if episode.failure_mode_id else None
        return episode.key, known
    alike = (asset.organisation_id, asset.asset_model_id)
    if alike not in batch.modes and finding.kind == "machine":
        batch.modes[alike] = failure_modes_for(session, asset)
    return _new_trouble(finding, lambda: batch.modes[alike])


def _new_trouble(finding: Finding, modes: Callable[[], list[FailureMode]]) -> tuple[str, FailureMode | None]:
    if finding.kind != "machine":
        return grouping_key(facts_of(finding)), None
    mode = fitting_mode(modes(), finding.detector, finding.signature)
    return grouping_key(facts_of(finding), mode.code if mode else ""), mode


def key_of(session: Session, asset: Asset, finding: Finding) -> str:
    """Return the key of the finding's episode."""
    return trouble_of(session, asset, finding)[0]
