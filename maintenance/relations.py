"""Alarms that another asset's alarm explains: of the whole for its parts, of one part for the others beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.registry import Asset
from assets.tree import ancestors_of, siblings_of
from maintenance.decisions import Policy
from maintenance.guarded import Guarded
from maintenance.models import Episode, EpisodeFinding, Finding

PARENT, NEIGHBOUR = "parent_alarm", "neighbour_alarm"
RETRY_S = 30.0  # how soon to look whether the other alarm still stands
SEVERITIES = ("info", "warning", "critical")  # rising


def parent_alarm(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Guard: what the asset is a part of has an alarm that explains this one, and is no less grave.

    A lost connection explains silence and odd sensors below it as long as it lasts; trouble of a machine explains
    only that of its parts which begins near to it, so that a fault that lasts for weeks hides nothing.
    """
    if policy.parent_s <= 0 or asset.parent_id is None:
        return None
    above = ancestors_of(session, asset)
    near = timedelta(seconds=policy.parent_s)
    for episode, began_at in _open_episodes(session, above, finding):
        lost = episode.kind == "connection" and finding.kind in ("connection", "sensor")
        cascade = episode.kind == finding.kind == "machine" and abs(finding.first_at - began_at) <= near
        if lost or cascade:
            return _explained(session, PARENT, episode)
    return None


def neighbour_alarm(
    session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime
) -> Guarded | None:
    """Guard: the same alarm began on another part of the same whole at almost the same time: one cause, one order."""
    if policy.neighbour_s <= 0 or asset.parent_id is None:
        return None
    # Two parts are decided at once by two workers: neither sees the other's alarm before it is committed.
    alone = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:p, 12))")
    if not session.scalar(alone, {"p": str(asset.parent_id)}):
        return Guarded("neighbours_busy", again_s=1.0)
    near = timedelta(seconds=policy.neighbour_s)
    for episode, began_at in _open_episodes(session, siblings_of(session, asset), finding, alike=True):
        if abs(finding.first_at - began_at) <= near:
            return _explained(session, NEIGHBOUR, episode)
    return None


def _open_episodes(
    session: Session, asset_ids: Sequence[UUID], finding: Finding, *, alike: bool = False
) -> list[tuple[Episode, datetime]]:
    """Return open episodes of these assets that are no less grave, with the begin of each of their findings."""
    if not asset_ids:
        return []
    grave = SEVERITIES[SEVERITIES.index(finding.severity) :] if finding.severity in SEVERITIES else SEVERITIES
    found = (
        select(Episode, Finding.first_at)
        .join(EpisodeFinding, EpisodeFinding.episode_id == Episode.id)
        .join(Finding, Finding.id == EpisodeFinding.finding_id)
        .where(
            Episode.asset_id.in_(asset_ids),
            Episode.closed_at.is_(None),
            Episode.state == "open",
            Episode.replayed == finding.replayed,
            Episode.severity.in_(grave),
        )
        .order_by(Finding.first_at, Episode.id)
        .limit(1000)
    )
    if alike:
        found = found.where(Episode.kind == finding.kind, Finding.detector == finding.detector)
        if finding.kind != "connection":  # a connection's signature names the device, which is another one each
            found = found.where(Finding.signature == finding.signature)
    return [(episode, began_at) for episode, began_at in session.execute(found)]


def _explained(session: Session, reason: str, episode: Episode) -> Guarded:
    other = session.get_one(Asset, episode.asset_id)
    params = {"episode": str(episode.id), "asset_name": other.name, "asset_serial": other.serial}
    return Guarded(reason, params, again_s=RETRY_S)
