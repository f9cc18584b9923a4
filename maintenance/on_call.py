"""A grave alarm outside working hours asks one person after the other until somebody acknowledges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.calendars import is_open, working_time
from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.base.ids import uuid7
from assets.people import Organisation, Person
from assets.registry import Asset
from maintenance.alarm_models import Escalation, OnCallList
from maintenance.holds import hold_of, standing_holds
from maintenance.models import Episode
from maintenance.windows import assets_in_windows

SEVERITIES = ("info", "warning", "critical")  # rising
SHORTEST_WAIT_S, LONGEST_WAIT_S = 60, 86_400
MAX_STEPS = 20
BATCH = 200
HELD_S = 60.0  # how soon to look again at an alarm that was put aside meanwhile


def check_list(on_call: OnCallList) -> None:
    """Raise Invalid unless the list has people with bounded waits, hours that can be read, and a known severity."""
    if on_call.min_severity not in SEVERITIES:
        raise Invalid("no such severity", field="min_severity", allowed=list(SEVERITIES))
    if not 1 <= len(on_call.steps) <= MAX_STEPS:
        raise Invalid(f"a list has 1 to {MAX_STEPS} steps", field="steps", limit=MAX_STEPS)
    for step in on_call.steps:
        if not SHORTEST_WAIT_S <= int(step["wait_s"]) <= LONGEST_WAIT_S:
            raise Invalid(f"a step waits {SHORTEST_WAIT_S} to {LONGEST_WAIT_S} seconds", field="steps")
    working_time(on_call.working_hours, on_call.time_zone)


def is_on_call(on_call: OnCallList, moment: datetime) -> bool:
    """Does the list hold now? Outside working hours; without any hours, or with `always`, at every time."""
    return on_call.always or not is_open(working_time(on_call.working_hours, on_call.time_zone), moment)


def place(asked: int, steps: int) -> tuple[int, int]:
    """Return round and step (both from 0) of the next to be asked, after so many."""
    return divmod(asked, max(1, steps))


def escalate(session: Session, now: datetime) -> int:
    """Begin what is grave and unseen, and ask the next person where the last has not answered; return how many."""
    lists = list(session.scalars(select(OnCallList).where(OnCallList.enabled).order_by(OnCallList.id)))
    if lists:
        _begin(session, lists, now)
    due = (
        select(Escalation)
        .where(Escalation.state == "running", Escalation.next_at <= now)
        .order_by(Escalation.next_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    running = session.scalars(due, execution_options={"populate_existing": True}).all()
    asked = sum(_ask_next(session, escalation, now) for escalation in running)
    session.flush()
    return asked


def _begin(session: Session, lists: Sequence[OnCallList], now: datetime) -> None:
    lowest = min(SEVERITIES.index(on_call.min_severity) for on_call in lists)
    running = exists().where(Escalation.episode_id == Episode.id, Escalation.state == "running")
    unseen = (
        select(Episode, Asset)
        .join(Asset, Asset.id == Episode.asset_id)
        .where(
            Episode.closed_at.is_(None),
            Episode.state == "open",
            Episode.acknowledged_at.is_(None),
            ~Episode.replayed,  # the past wakes nobody
            Episode.severity.in_(SEVERITIES[lowest:]),
            ~running,
        )
        .order_by(Episode.severity, Episode.id)  # critical comes first in the alphabet too
        .limit(BATCH)
    )
    found = session.execute(unseen).all()
    put_aside = _put_aside(session, [(episode, asset) for episode, asset in found], now)
    for episode, asset in found:
        on_call = None if episode.id in put_aside else _list_for(session, lists, episode, asset, now)
        if on_call is None:
            continue
        values = {
            "id": uuid7(),
            "organisation_id": episode.organisation_id,
            "episode_id": episode.id,
            "on_call_list_id": on_call.id,
            "state": "running",
            "asked": 0,
            "started_at": now,
            "next_at": now,
        }
        session.execute(insert(Escalation).values(values).on_conflict_do_nothing())


def _list_for(
    session: Session, lists: Sequence[OnCallList], episode: Episode, asset: Asset, now: datetime
) -> OnCallList | None:
    """Return the most particular list that holds for the alarm: the nearest owner's, then site and model."""
    owner = session.get(Organisation, asset.organisation_id)
    above = list(owner.ancestors) if owner else [asset.organisation_id]
    fitting = [
        on_call
        for on_call in lists
        if on_call.organisation_id in above
        and on_call.site_id in (None, asset.site_id)
        and on_call.asset_model_id in (None, asset.asset_model_id)
        and SEVERITIES.index(episode.severity) >= SEVERITIES.index(on_call.min_severity)
        and on_call.steps
        and is_on_call(on_call, now)
    ]
    return min(
        fitting,
        key=lambda one: (
            -above.index(one.organisation_id),
            (one.site_id is None) + (one.asset_model_id is None),
            one.name,
        ),
        default=None,
    )


def _put_aside(session: Session, alarms: Sequence[tuple[Episode, Asset]], now: datetime) -> set[UUID]:
    """Return the episodes that a person or a rule put aside: these ring nobody."""
    holds = standing_holds(session, [asset.id for _, asset in alarms], now) if alarms else []
    planned = assets_in_windows(session, list({asset.id: asset for _, asset in alarms}.values()), now)
    return {episode.id for episode, asset in alarms if hold_of(holds, episode) or asset.id in planned}


def _ask_next(session: Session, escalation: Escalation, now: datetime) -> bool:
    episode = session.get_one(Episode, escalation.episode_id, populate_existing=True)
    on_call = session.get_one(OnCallList, escalation.on_call_list_id)
    if episode.closed_at is not None or episode.acknowledged_at is not None or not (on_call.enabled and on_call.steps):
        escalation.state = "acknowledged" if episode.acknowledged_at is not None else "ended"
        escalation.next_at, escalation.ended_at = None, now
        return False
    asset = session.get_one(Asset, episode.asset_id)
    if _put_aside(session, [(episode, asset)], now):
        escalation.next_at = now + timedelta(seconds=HELD_S)
        return False
    for _ in on_call.steps:  # whoever left meanwhile is passed over at once
        round_no, step_no = place(escalation.asked, len(on_call.steps))
        step = on_call.steps[step_no]
        escalation.asked += 1
        escalation.next_at = now + timedelta(seconds=float(step["wait_s"]))
        person = session.get(Person, UUID(str(step["person_id"])))
        if person is not None and person.disabled_at is None:
            _log(session, episode, on_call, person, {"step": step_no, "round": round_no}, now)
            return True
    return False


def _log(
    session: Session, episode: Episode, on_call: OnCallList, person: Person, where: Mapping[str, Any], now: datetime
) -> None:
    append_event(
        session,
        "episode.escalated",
        at=now,
        organisation_id=episode.organisation_id,
        subject_kind="episode",
        subject_id=episode.id,
        asset_id=episode.asset_id,
        payload={
            "key": episode.key,
            "kind": episode.kind,
            "severity": episode.severity,
            "person_id": str(person.id),
            "list": on_call.name,
            "of": len(on_call.steps),
            **where,
        },
    )
