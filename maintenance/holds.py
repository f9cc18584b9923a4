"""Alarms that people put aside: shelved for a while, or out of service until they are put back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.registry import Asset
from maintenance.alarm_models import AlarmHold
from maintenance.alarm_states import OUT_OF_SERVICE, SHELVED
from maintenance.batch import batch_of
from maintenance.decisions import Policy
from maintenance.guarded import Guarded
from maintenance.models import Episode, Finding
from maintenance.troubles import key_of

KINDS = (SHELVED, OUT_OF_SERVICE)
LONGEST_SHELF = timedelta(days=7)  # what must stay away longer is taken out of service, where it is reviewed
MAX_REASON = 1000
MAX_KEY = 300


def hold_alarm(
    session: Session,
    asset: Asset,
    kind: str,
    reason: str,
    now: datetime,
    *,
    key: str | None = None,
    until: datetime | None = None,
    by: Actor | None = None,
) -> AlarmHold:
    """Put an alarm of the asset aside; without `key` all of them. A standing hold of the same is replaced.

    Raises Invalid for a shelf without an end or beyond the longest, an end that is past, or no reason.
    """
    words = reason.strip()
    if kind not in KINDS:
        raise Invalid(f"a hold is one of: {', '.join(KINDS)}", field="kind", allowed=list(KINDS))
    if not 1 <= len(words) <= MAX_REASON:
        raise Invalid(f"reason has 1 to {MAX_REASON} characters", field="reason", limit=MAX_REASON)
    if key is not None and not 1 <= len(key) <= MAX_KEY:
        raise Invalid(f"key has 1 to {MAX_KEY} characters", field="key", limit=MAX_KEY)
    if kind == SHELVED and (until is None or until - now > LONGEST_SHELF):
        raise Invalid(f"a shelf ends within {LONGEST_SHELF.days} days", field="until", limit=LONGEST_SHELF.days)
    if until is not None and until <= now:
        raise Invalid("the end is past", field="until")
    for standing in standing_holds(session, [asset.id], now):
        if standing.key == key and standing.kind == kind:
            standing.ended_at = now
    hold = AlarmHold(
        organisation_id=asset.organisation_id,
        asset_id=asset.id,
        key=key,
        kind=kind,
        since=now,
        until=until,
        reason=words,
        by_id=by.person_id if by else None,
    )
    session.add(hold)
    session.flush()
    _log(session, hold, f"alarm.{kind}", now, by)
    return hold


def end_hold(session: Session, hold: AlarmHold, now: datetime, *, by: Actor | None = None) -> AlarmHold:
    """Let the alarm speak again; what it holds back is decided anew. Ending twice changes nothing."""
    if hold.ended_at is not None:
        return hold
    hold.ended_at = now
    session.flush()
    _log(session, hold, "alarm.unshelved" if hold.kind == SHELVED else "alarm.returned_to_service", now, by)
    wake(session, [hold.asset_id], (SHELVED, OUT_OF_SERVICE), now)
    return hold


def standing_holds(session: Session, asset_ids: Sequence[UUID], moment: datetime) -> list[AlarmHold]:
    """Return the holds of these assets that stand, out of service before shelved."""
    standing = select(AlarmHold).where(
        AlarmHold.asset_id.in_(asset_ids),
        AlarmHold.ended_at.is_(None),
        or_(AlarmHold.until.is_(None), AlarmHold.until > moment),
    )
    return sorted(session.scalars(standing), key=lambda hold: (hold.kind != OUT_OF_SERVICE, hold.since))


def hold_of(holds: Sequence[AlarmHold], episode: Episode) -> AlarmHold | None:
    """Return the hold that covers an episode, if any."""
    mine = (hold for hold in holds if hold.asset_id == episode.asset_id and hold.key in (None, episode.key))
    return next(mine, None)


def out_of_service(
    session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime
) -> Guarded | None:
    """Guard: a person took the alarm out of service."""
    return _held(session, asset, finding, moment, OUT_OF_SERVICE)


def shelved(session: Session, asset: Asset, finding: Finding, policy: Policy, moment: datetime) -> Guarded | None:
    """Guard: a person shelved the alarm; evidence of an open episode goes on being counted."""
    return _held(session, asset, finding, moment, SHELVED)


def wake(session: Session, asset_ids: Sequence[UUID], reasons: Sequence[str], now: datetime) -> None:
    """Let what was held back for these reasons be decided anew."""
    session.execute(
        update(Finding)
        .where(Finding.asset_id.in_(asset_ids), Finding.cleared_at.is_(None), Finding.decision_reason.in_(reasons))
        .values(next_decision_at=now)
        .execution_options(synchronize_session=False)
    )


def _held(session: Session, asset: Asset, finding: Finding, moment: datetime, kind: str) -> Guarded | None:
    if (batch := batch_of(session, asset.id)) is not None and asset.id not in batch.on_hold:
        return None
    holds = [hold for hold in standing_holds(session, [asset.id], moment) if hold.kind == kind]
    if not holds:
        return None
    key = key_of(session, asset, finding)
    hold = next((hold for hold in holds if hold.key in (None, key)), None)
    if hold is None:
        return None
    until = hold.until.isoformat() if hold.until else None
    left_s = (hold.until - moment).total_seconds() if hold.until else None
    return Guarded(kind, {"until": until, "because": hold.reason, "hold_id": str(hold.id)}, again_s=left_s)


def _log(session: Session, hold: AlarmHold, kind: str, now: datetime, by: Actor | None) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=hold.organisation_id,
        subject_kind="asset",
        subject_id=hold.asset_id,
        asset_id=hold.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"key": hold.key, "until": hold.until.isoformat() if hold.until else None, "reason": hold.reason},
    )
