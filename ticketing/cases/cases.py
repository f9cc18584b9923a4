"""Cases: opened by whatever channel, moved along the one table of legal moves, closed with a resolution."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import service_rights
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from assets.base.ids import uuid7
from assets.registry import Asset, Customer
from ticketing.cases.forms import check_answers
from ticketing.cases.routing import route_case
from ticketing.cases.service_types import version_in_force
from ticketing.cases.sides import desk_of
from ticketing.cases.tables import Case, CaseChild, ServiceType, ServiceTypeVersion
from ticketing.cases.words import CHANNELS, MAX_NOTE, MAX_TEXT, MAX_TITLE, ORIGINS, RESOLUTIONS, title_of, words
from ticketing.cases.workflow import approval_ahead, stages_of
from ticketing.numbers import next_number
from ticketing.words import PRIORITIES, one_of

# State -> what a person may make of it. A merged case lives on in another one.
LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "new": ("in_progress", "waiting_customer", "waiting_approval", "closed", "rejected"),
    "in_progress": ("waiting_customer", "waiting_approval", "closed", "rejected"),
    "waiting_customer": ("in_progress", "waiting_approval", "closed", "rejected"),
    "waiting_approval": ("in_progress", "rejected"),
    "closed": ("in_progress",),
    "rejected": ("in_progress",),
    "merged": (),
}
OPEN_STATES = ("new", "in_progress", "waiting_customer", "waiting_approval")
ENDED = ("closed", "rejected", "merged")
_WAITING = {"waiting_customer": "customer", "waiting_approval": "approval"}
MAX_OPEN = 200  # of one asset: the customer's page needs no sign-in, so a flood must end somewhere


def open_case(
    session: Session,
    *,
    organisation_id: UUID,
    channel: str,
    text: str,
    now: datetime,
    by: Actor | None = None,
    asset: Asset | None = None,
    customer: Customer | None = None,
    service_type: ServiceType | None = None,
    contact: Mapping[str, Any] | None = None,
    answers: Mapping[str, Any] | None = None,
    title: str | None = None,
    origin: str = "request",
    origin_ref: UUID | None = None,
    priority: str | None = None,
    region: str | None = None,
) -> Case:
    """Open a case of an organisation and route it to a team or queue.

    `answers` fit the form of the service type's version in force. Raises Invalid, AnswersRefused, Conflict.
    """
    said = words("text", text, MAX_TEXT) or ""
    one_of("channel", channel, CHANNELS)
    one_of("origin", origin, ORIGINS)
    if asset is not None and _open_on(session, asset.id) >= MAX_OPEN:
        raise Conflict("too many cases are open on this asset", what="too_many_cases", limit=MAX_OPEN)
    version = version_in_force(session, service_type)
    given = check_answers(version.form, dict(answers)) if version and answers is not None else {}
    case = Case(
        id=uuid7(),
        organisation_id=organisation_id,
        desk_organisation_id=desk_of(session, organisation_id),
        number=next_number(session, "CS"),
        state="new",
        service_type_id=service_type.id if service_type else None,
        service_version_id=version.id if version else None,
        asset_id=asset.id if asset else None,
        customer_id=customer.id if customer else asset.customer_id if asset else None,
        site_id=asset.site_id if asset else None,
        title=words("title", title, MAX_TITLE, empty=True) or title_of(said),
        text=said,
        answers=given,
        contact=dict(contact or {}),
        channel=channel,
        origin=origin,
        origin_ref=origin_ref,
        priority=one_of("priority", priority or (version.priority if version else "normal"), PRIORITIES),
        region=words("region", region, 100, empty=True),
        opened_at=now,
        opened_by_id=by.person_id if by else None,
        stage=next((stage.code for stage in stages_of(version.workflow)), None) if version else None,
        reopened_count=0,
        distinct_from=[],
        demo=asset.demo if asset else False,
    )
    rule_id = route_case(session, case)
    if priority:
        case.priority = priority  # what a person said outweighs a rule
    session.add(case)
    session.flush()
    facts = {"channel": channel, "priority": case.priority, "service_type": service_type.code if service_type else None}
    log_case(session, case, "case.opened", now, by, facts, {"text": said, "contact": case.contact}, first=True)
    if case.team_id or case.queue:
        route_facts = {"team_id": str(case.team_id) if case.team_id else None, "queue": case.queue}
        log_case(
            session,
            case,
            "case.routed",
            now,
            None,
            route_facts | {"rule_id": str(rule_id) if rule_id else None},
            internal=True,
        )
    return case


def get_case(session: Session, case_id: UUID, *, lock: bool = False) -> Case:
    """Return the case, locked when asked. Raises NotFound."""
    case = session.get(Case, case_id, with_for_update=lock or None, populate_existing=lock)
    if case is None:
        raise NotFound("no such case", kind="case")
    return case


def living(session: Session, case: Case) -> Case:
    """Return the case, or the one that it was put into."""
    for _ in range(20):
        kept = session.get(Case, case.merged_into_id) if case.merged_into_id else None
        if kept is None:
            break
        case = kept
    return case


def legal_moves(case: Case) -> list[str]:
    """Return the states that may come next."""
    return list(LEGAL_MOVES[case.state])


def move_case(
    session: Session,
    case: Case,
    to: str,
    now: datetime,
    *,
    by: Actor | None = None,
    reason: str | None = None,
    resolution: str | None = None,
) -> Case:
    """Move a case; moving to the present state changes nothing.

    Closing needs a resolution and no open child, rejecting a reason. Raises IllegalMove that names the legal moves.
    """
    if to == case.state:
        return case
    _check_move(session, case, to, reason, resolution)
    before, case.state = case.state, to
    note = words("reason", reason, MAX_NOTE, empty=True)
    facts: dict[str, Any] = {"from": before, "to": to, "note": note}
    if to in ENDED:
        case.closed_at, case.resolution_note = now, note
        case.resolution = one_of("resolution", resolution, RESOLUTIONS) if resolution else None
        case.claimed_by_id = case.claimed_at = case.claim_expires_at = None
        facts |= {"resolution": case.resolution, "reason": note}
        _finish_stage(session, case)
    elif before in ENDED:
        case.closed_at = case.resolution = case.resolution_note = None
        case.approved_stage = None
        case.reopened_count += 1
    elif to in _WAITING:
        facts["reason"] = _WAITING[to]
    case.version += 1
    session.flush()
    log_case(session, case, _event_of(before, to), now, by, facts, internal="waiting_approval" in (before, to))
    return case


def open_children(session: Session, case: Case) -> list[CaseChild]:
    """Return what is still under way."""
    wanted = select(CaseChild).where(CaseChild.case_id == case.id, CaseChild.state == "open")
    return list(session.scalars(wanted.order_by(CaseChild.opened_at, CaseChild.id)))


def workflow_of(session: Session, case: Case) -> dict[str, Any] | None:
    """Return the workflow of the version that the case was opened under."""
    with service_rights(session):  # a partner sees the case, and no catalogue of an operator that is not above it
        version = session.get(ServiceTypeVersion, case.service_version_id) if case.service_version_id else None
    return version.workflow if version else None


def log_case(
    session: Session,
    case: Case,
    kind: str,
    now: datetime,
    by: Actor | None,
    facts: dict[str, Any] | None = None,
    personal: dict[str, Any] | None = None,
    *,
    first: bool = False,
    internal: bool = False,
) -> None:
    """Append an event of the case; it stands on the timeline of its asset. An internal one the desk alone sees."""
    written = partial(
        append_event,
        session,
        kind,
        at=now,
        subject_kind="case",
        subject_id=case.id,
        asset_id=case.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"number": case.number, **(facts or {})},
        personal={key: value for key, value in (personal or {}).items() if value} or None,
        first=first,
    )
    if internal:
        with service_rights(session):  # a customer who opens a case does not see the desk that it is sent to
            written(organisation_id=case.desk_organisation_id)
    else:
        written(organisation_id=case.organisation_id, executing_organisation_id=case.executing_organisation_id)


def _check_move(session: Session, case: Case, to: str, reason: str | None, resolution: str | None) -> None:
    legal = list(LEGAL_MOVES[case.state])
    if to not in legal:
        text = f"{case.number} is {case.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
        raise IllegalMove(text, state=case.state, to=to, legal=legal)
    if to == "rejected" and not (reason or "").strip():
        raise Invalid("rejecting needs a reason; the sender reads it", field="reason")
    if to == "closed" and resolution not in RESOLUTIONS:
        raise Invalid("closing needs a resolution", field="resolution", allowed=list(RESOLUTIONS))
    if to == "closed" and approval_ahead(workflow_of(session, case), case.stage, case.approved_stage):
        text = f"{case.number} needs an approval before it is closed"
        raise Conflict(text, what="approval", stage=case.stage)
    if to in ENDED and (left := open_children(session, case)):
        numbers = [child.number for child in left[:20]]
        raise Conflict(f"still under way: {', '.join(numbers)}", what="open_children", children=numbers)


def _event_of(before: str, to: str) -> str:
    if to in ENDED:
        return f"case.{to}"
    if before in ENDED:
        return "case.reopened"
    return "case.waiting" if to in _WAITING else "case.resumed"


def _finish_stage(session: Session, case: Case) -> None:
    """What is done stands at its workflow's end, if there is one end only."""
    ends = [stage.code for stage in stages_of(workflow_of(session, case)) if not stage.next]
    if case.state == "closed" and len(ends) == 1:
        case.stage = ends[0]


def _open_on(session: Session, asset_id: UUID) -> int:
    counted = select(func.count()).where(Case.asset_id == asset_id, Case.closed_at.is_(None))
    return session.scalar(counted) or 0
