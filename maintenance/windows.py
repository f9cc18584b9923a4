"""Maintenance windows: planned work, in which nothing opens for the assets that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from assets.base.calendars import working_time
from assets.base.errors import Invalid
from assets.people import Organisation
from assets.registry import Asset
from assets.tree import ancestors_of
from maintenance.alarm_models import MaintenanceWindow
from maintenance.batch import LOOK_BACK, batch_of
from maintenance.decisions import Policy
from maintenance.guarded import Guarded
from maintenance.models import Finding

REASON = "maintenance_window"
LOOK_AGAIN_S = 3600.0  # windows are changed by people; a change wakes what it held back, this is for the rest


class Span(NamedTuple):
    """One stretch of a window."""

    start: datetime
    end: datetime


def check_window(window: MaintenanceWindow) -> None:
    """Raise Invalid unless the window has an end or hours, in order, and at most one scope."""
    scopes = [window.asset_id, window.site_id, window.asset_model_id]
    if sum(scope is not None for scope in scopes) > 1:
        raise Invalid("a window is about one asset, one site, one model, or all", field="asset_id")
    if window.ends_at is not None and window.ends_at <= window.starts_at:
        raise Invalid("a window ends after it begins", field="ends_at")
    if window.hours is None and window.ends_at is None:
        raise Invalid("a window without hours needs an end", field="ends_at")
    calendar = working_time(window.hours or {}, window.time_zone)
    if window.hours is not None and not any(calendar.hours.values()):
        raise Invalid("hours name at least one span", field="hours")


def span_at(window: MaintenanceWindow, moment: datetime, grace_s: float = 0.0) -> Span | None:
    """Return the stretch of the window that holds at a moment, or ended at most `grace_s` before; None outside."""
    since = moment - timedelta(seconds=grace_s)
    for span in _spans(window, since):
        if span.start > moment:
            return None
        if span.end > since:
            return span
    return None


def next_span(window: MaintenanceWindow, moment: datetime) -> Span | None:
    """Return the stretch that holds now or comes next; None when the window is over."""
    return next(iter(_spans(window, moment)), None)


def _spans(window: MaintenanceWindow, after: datetime) -> Iterable[Span]:
    """Yield stretches that end after a moment, in order, cut to the window's own begin and end."""
    last = window.ends_at or datetime.max.replace(tzinfo=UTC)
    if last <= after:
        return
    if window.hours is None:
        yield Span(window.starts_at, last)
        return
    for start, end in working_time(window.hours, window.time_zone).spans(max(after, window.starts_at)):
        if start >= last:
            return
        cut = Span(max(start, window.starts_at), min(end, last))
        if cut.start < cut.end:
            yield cut


def windows_for(session: Session, asset: Asset, since: datetime, until: datetime) -> list[MaintenanceWindow]:
    """Return the windows that are about an asset and may hold between two moments."""
    owner = session.get(Organisation, asset.organisation_id)
    above = list(owner.ancestors) if owner else [asset.organisation_id]
    everything = and_(
        MaintenanceWindow.asset_id.is_(None),
        MaintenanceWindow.site_id.is_(None),
        MaintenanceWindow.asset_model_id.is_(None),
    )
    found = select(MaintenanceWindow).where(
        MaintenanceWindow.organisation_id.in_(above),
        MaintenanceWindow.starts_at < until,
        or_(MaintenanceWindow.ends_at.is_(None), MaintenanceWindow.ends_at > since),
        or_(
            everything,
            MaintenanceWindow.asset_id.in_([asset.id, *ancestors_of(session, asset)]),
            MaintenanceWindow.site_id == asset.site_id,
            MaintenanceWindow.asset_model_id == asset.asset_model_id,
        ),
    )
    return list(session.scalars(found.order_by(MaintenanceWindow.id)))


def in_window(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Guard: work on the asset is planned now; what began in it may also find its feet for a while after."""
    if policy.settle_s < LOOK_BACK.total_seconds() and (batch := batch_of(session, asset.id)) and not batch.windows:
        return None
    grace = timedelta(seconds=policy.settle_s)
    for window in windows_for(session, asset, moment - grace, moment + timedelta(microseconds=1)):
        span = span_at(window, moment, policy.settle_s)
        if span is None or (moment >= span.end and not span.start <= finding.first_at < span.end):
            continue
        ends = span.end if moment < span.end else span.end + grace
        params = {"window": window.name, "window_id": str(window.id), "until": span.end.isoformat()}
        return Guarded(REASON, params, again_s=min(LOOK_AGAIN_S, (ends - moment).total_seconds()))
    return None


def assets_in_windows(session: Session, assets: Sequence[Asset], moment: datetime) -> set[UUID]:
    """Return those of the assets for which a window holds."""
    any_now = select(MaintenanceWindow.id).where(
        MaintenanceWindow.starts_at <= moment,
        or_(MaintenanceWindow.ends_at.is_(None), MaintenanceWindow.ends_at > moment),
    )
    if session.scalar(any_now.limit(1)) is None:
        return set()
    just_after = moment + timedelta(microseconds=1)
    return {
        asset.id
        for asset in assets
        if any(span_at(window, moment) for window in windows_for(session, asset, moment, just_after))
    }


def wake_held_by(session: Session, window_id: UUID, now: datetime) -> None:
    """Let what a window held back be decided anew: it was changed, ended or removed."""
    session.execute(
        update(Finding)
        .where(
            Finding.cleared_at.is_(None),
            Finding.decision_reason == REASON,
            Finding.decision_params["window_id"].astext == str(window_id),
        )
        .values(next_decision_at=now)
        .execution_options(synchronize_session=False)
    )
