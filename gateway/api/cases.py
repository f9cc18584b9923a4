"""Cases over HTTP: open, list, change, claim, move along, approve."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import Role
from assets.base.errors import Conflict, Invalid
from assets.registry import Asset, Customer
from gateway.api.case_rows import CaseDetail, Cases, case_detail, case_items
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, locked, named
from gateway.api.pages import After, Limit
from gateway.api.sla_rows import SlaFilter, sla_condition
from gateway.api.sorting import By, Order, Sort, id_of, moment_of, rank_column
from ticketing.cases.cases import OPEN_STATES, get_case, log_case, move_case, open_case, workflow_of
from ticketing.cases.claims import check_free, claim, release
from ticketing.cases.forms import check_answers
from ticketing.cases.routing import executor_of, route_case
from ticketing.cases.service_types import version_in_force
from ticketing.cases.sides import require_staff
from ticketing.cases.stages import approve, ask_approval, send_back, set_stage
from ticketing.cases.tables import Case, ServiceType, ServiceTypeVersion
from ticketing.cases.words import MAX_NOTE, MAX_TEXT, MAX_TITLE, words
from ticketing.cases.workflow import approval_ahead, stages_of
from ticketing.finding import holding
from ticketing.people.tables import Team
from ticketing.requests import MAX_CONTACT, follow_case, open_request
from ticketing.words import PRIORITIES, one_of

router = APIRouter(prefix="/api/v1", tags=["cases"])


SORTS = {
    "created": By(Case.id, id_of),
    "number": By(Case.number),
    "title": By(Case.title),
    "opened": By(Case.opened_at, moment_of),
    "state": By(Case.state),
    "priority": By(rank_column(Case.priority, PRIORITIES), int),
}


class NewCase(BaseModel):
    """A case that somebody opens; `request`: with a request of the sender, who gets a link to follow it."""

    asset_id: UUID | None = None
    customer_id: UUID | None = None
    service_type_id: UUID | None = None
    title: str | None = Field(default=None, max_length=MAX_TITLE)
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    answers: dict[str, Any] | None = None
    channel: str = "desk"
    priority: str | None = None
    region: str | None = Field(default=None, max_length=100)
    contact_name: str | None = Field(default=None, max_length=MAX_CONTACT)
    contact_phone: str | None = Field(default=None, max_length=MAX_CONTACT)
    contact_email: str | None = Field(default=None, max_length=MAX_CONTACT)


class CaseChange(BaseModel):
    """What the desk corrects; what is left out stays."""

    asset_id: UUID | None = None
    customer_id: UUID | None = None
    service_type_id: UUID | None = None
    answers: dict[str, Any] | None = None
    title: str | None = Field(default=None, min_length=1, max_length=MAX_TITLE)
    priority: str | None = None
    region: str | None = Field(default=None, max_length=100)
    team_id: UUID | None = None
    queue: str | None = Field(default=None, max_length=100)


class ClaimBody(BaseModel):
    """For whom and how long; the actor and half an hour when left out."""

    person_id: UUID | None = None
    minutes: int = Field(default=30, ge=1, le=720)


class CaseMove(BaseModel):
    """Where to; closing needs a resolution, rejecting a reason."""

    to: str
    reason: str | None = Field(default=None, max_length=MAX_NOTE)
    resolution: str | None = None


class StageMove(BaseModel):
    """Which stage comes next."""

    to: str = Field(max_length=40)


class CaseNote(BaseModel):
    """A note; what is asked for, or why not."""

    note: str | None = Field(default=None, max_length=MAX_NOTE)


@router.get("/cases", operation_id="list_cases")
def list_cases(
    here: Here,
    state: str | None = None,
    open: bool | None = None,
    asset_id: UUID | None = None,
    customer_id: UUID | None = None,
    service_type_id: UUID | None = None,
    team_id: UUID | None = None,
    number: str | None = None,
    q: str | None = None,
    sla: SlaFilter | None = None,
    sort: Sort = None,
    limit: Limit = 50,
    after: After = None,
) -> Cases:
    """List cases, newest first; `open=true` only those that nobody has ended."""
    here.require("case.read")
    order = Order.of(sort, SORTS, "-created", Case.id)
    query = select(Case, order.column)
    if state is not None:
        query = query.where(Case.state == state)
    if open is not None:
        query = query.where(Case.state.in_(OPEN_STATES) if open else Case.state.not_in(OPEN_STATES))
    for column, value in (
        (Case.asset_id, asset_id),
        (Case.customer_id, customer_id),
        (Case.service_type_id, service_type_id),
        (Case.team_id, team_id),
        (Case.number, number),
    ):
        if value is not None:
            query = query.where(column == value)
    if q and q.strip():
        query = query.where(holding(here.session, "case", q, here.actor))
    if sla is not None:
        query = query.where(sla_condition("case", Case.id, sla, here.now))
    page, more = order.rows(here.session, query, limit, after)
    return Cases(items=case_items(here, page), next=more)


@router.post("/cases", operation_id="create_case", status_code=201)
def create_case(body: NewCase, here: Here) -> CaseDetail:
    """Open a case. With somebody to write back to it gets a request too, which they follow by a link."""
    here.require("case.open")
    asset = named(here, Asset, body.asset_id, "asset_id")
    customer = named(here, Customer, body.customer_id, "customer_id")
    kind = named(here, ServiceType, body.service_type_id, "service_type_id")
    contact = {"name": body.contact_name, "phone": body.contact_phone, "email": body.contact_email}
    owner = asset.organisation_id if asset else customer.organisation_id if customer else here.actor.organisation_id
    case = open_case(
        here.session,
        organisation_id=owner,
        channel="portal" if here.actor.roles <= {Role.CUSTOMER} else body.channel,
        text=body.text,
        title=body.title,
        now=here.now,
        by=here.actor,
        asset=asset,
        customer=customer,
        service_type=kind,
        contact={name: value.strip() for name, value in contact.items() if value and value.strip()},
        answers=body.answers,
        origin="manual",
        priority=body.priority,
        region=body.region,
    )
    if any(case.contact.values()):
        open_request(
            here.session,
            channel="desk" if case.channel == "finding" else case.channel,
            text=body.text,
            contact=contact,
            now=here.now,
            asset=asset,
            customer=customer,
            organisation_id=owner,
            by=here.actor,
            service_type=kind,
            case=case,
        )
    return case_detail(here, case)


@router.get("/cases/{case_id}", operation_id="get_case")
def get_one_case(case_id: UUID, here: Here) -> CaseDetail:
    """Show one case with all that it led to."""
    here.require("case.read")
    return case_detail(here, get_case(here.session, case_id))


@router.patch("/cases/{case_id}", operation_id="change_case")
def change_case(case_id: UUID, body: CaseChange, here: Here, if_match: IfMatch = None) -> CaseDetail:
    """Correct a case: name its machine, change its type, send it to another team."""
    case = handled_case(here, case_id, if_match)
    if case.state not in OPEN_STATES:
        raise Conflict(f"{case.number} is {case.state}", what="case_ended", state=case.state)
    sent = body.model_dump(exclude_unset=True)
    _change_what(here, case, sent)
    _change_where(here, case, sent)
    if "title" in sent:
        case.title = words("title", sent["title"], MAX_TITLE) or case.title
    if sent.get("priority") is not None:
        case.priority = one_of("priority", sent["priority"], PRIORITIES)
    case.version += 1
    here.session.flush()
    log_case(here.session, case, "case.edited", here.now, here.actor, {"fields": sorted(sent)}, internal=True)
    return case_detail(here, case)


@router.post("/cases/{case_id}/claim", operation_id="claim_case")
def claim_case(case_id: UUID, here: Here, body: ClaimBody | None = None) -> CaseDetail:
    """Claim a case; of two at once one wins, and the other learns who and until when (409 claim_taken)."""
    return _claimed(here, case_id, body or ClaimBody(), force=False)


@router.post("/cases/{case_id}/take-over", operation_id="take_over_case")
def take_over_case(case_id: UUID, here: Here, body: ClaimBody | None = None) -> CaseDetail:
    """Take a case over from whoever has claimed it."""
    return _claimed(here, case_id, body or ClaimBody(), force=True)


@router.post("/cases/{case_id}/release", operation_id="release_case")
def release_case(case_id: UUID, here: Here) -> CaseDetail:
    """Give a case back to the queue."""
    here.require("case.handle")
    case = get_case(here.session, case_id, lock=True)
    require_staff(here.session, case, here.actor)
    return case_detail(here, release(here.session, case, here.now, by=here.actor))


@router.post("/cases/{case_id}/transitions", operation_id="move_case")
def move_one_case(case_id: UUID, body: CaseMove, here: Here, if_match: IfMatch = None) -> CaseDetail:
    """Move a case; 409 names the legal moves, or what is still under way."""
    case = handled_case(here, case_id, if_match)
    if body.to == "waiting_approval":
        ask_approval(here.session, case, body.reason, here.now, by=here.actor)
    elif case.state == "waiting_approval" and body.to == "in_progress":
        raise Invalid("an approval is given or sent back, by /approve or /send-back", field="to")
    else:
        move_case(here.session, case, body.to, here.now, by=here.actor, reason=body.reason, resolution=body.resolution)
    follow_case(here.session, case, here.now)
    return case_detail(here, case)


@router.post("/cases/{case_id}/stage", operation_id="set_case_stage")
def set_case_stage(case_id: UUID, body: StageMove, here: Here, if_match: IfMatch = None) -> CaseDetail:
    """Go on to the next stage of the service type's workflow; none is skipped."""
    case = handled_case(here, case_id, if_match)
    return case_detail(here, set_stage(here.session, case, body.to, here.now, by=here.actor))


@router.post("/cases/{case_id}/ask-approval", operation_id="ask_case_approval")
def ask_case_approval(case_id: UUID, body: CaseNote, here: Here) -> CaseDetail:
    """Ask somebody who may approve; the case waits in their list."""
    case = handled_case(here, case_id)
    return case_detail(here, ask_approval(here.session, case, body.note, here.now, by=here.actor))


@router.post("/cases/{case_id}/approve", operation_id="approve_case")
def approve_case(case_id: UUID, here: Here, body: CaseNote | None = None) -> CaseDetail:
    """Approve; whoever asked does not."""
    case = _approvable(here, case_id)
    return case_detail(here, approve(here.session, case, here.now, by=here.actor, note=body.note if body else None))


@router.post("/cases/{case_id}/send-back", operation_id="send_back_case")
def send_back_case(case_id: UUID, body: CaseNote, here: Here) -> CaseDetail:
    """Send it back to the desk with what is missing."""
    case = _approvable(here, case_id)
    return case_detail(here, send_back(here.session, case, body.note or "", here.now, by=here.actor))


@router.post("/cases/{case_id}/route", operation_id="route_case")
def route_one_case(case_id: UUID, here: Here) -> CaseDetail:
    """Route a case anew by the rules, such as after its type or place was corrected."""
    case = handled_case(here, case_id)
    rule_id = route_case(here.session, case)
    case.version += 1
    facts = {"team_id": str(case.team_id) if case.team_id else None, "queue": case.queue}
    facts["rule_id"] = str(rule_id) if rule_id else None
    log_case(here.session, case, "case.routed", here.now, here.actor, facts, internal=True)
    return case_detail(here, case)


def handled_case(here: Context, case_id: UUID, if_match: str | None = None) -> Case:
    """Return a case locked for the desk. Raises Forbidden for others, ClaimTaken while somebody else has claimed it."""
    here.require("case.handle")
    case = locked(here, Case, case_id, "case", if_match)
    require_staff(here.session, case, here.actor)
    check_free(here.session, case, here.now, by=here.actor)
    return case


def _approvable(here: Context, case_id: UUID) -> Case:
    here.require("case.approve")
    case = locked(here, Case, case_id, "case")
    require_staff(here.session, case, here.actor)
    return case


def _claimed(here: Context, case_id: UUID, body: ClaimBody, *, force: bool) -> CaseDetail:
    here.require("case.handle")
    case = get_case(here.session, case_id)
    require_staff(here.session, case, here.actor)
    minutes = timedelta(minutes=body.minutes)
    claim(here.session, case_id, here.now, by=here.actor, person_id=body.person_id, life=minutes, force=force)
    return case_detail(here, case)


def _change_what(here: Context, case: Case, sent: dict[str, Any]) -> None:
    """Asset, customer and type: an asset of somebody else would show them the case."""
    if "asset_id" in sent:
        asset = named(here, Asset, sent["asset_id"], "asset_id")
        if asset is not None and asset.organisation_id != case.organisation_id:
            raise Conflict("this asset belongs to another owner; open a case there", what="case_owner")
        case.asset_id = asset.id if asset else None
        case.site_id = asset.site_id if asset else case.site_id
        case.customer_id = (asset.customer_id if asset else None) or case.customer_id
    if "customer_id" in sent:
        customer = named(here, Customer, sent["customer_id"], "customer_id")
        case.customer_id = customer.id if customer else None
    if sent.get("service_type_id") is not None and sent["service_type_id"] != case.service_type_id:
        kind = named(here, ServiceType, sent["service_type_id"], "service_type_id")
        version = version_in_force(here.session, kind)
        _check_approval_stays(here, case, version)
        case.service_type_id, case.service_version_id = sent["service_type_id"], version.id if version else None
        case.stage = next((stage.code for stage in stages_of(version.workflow)), None) if version else None
        case.answers, case.approved_stage = {}, None
    if sent.get("answers") is not None:
        # Under the version that the case was opened under: a newer one may ask for less, and for no approval.
        version = here.session.get(ServiceTypeVersion, case.service_version_id) if case.service_version_id else None
        case.answers = check_answers(version.form if version else {}, sent["answers"], partly=True)


def _check_approval_stays(here: Context, case: Case, version: ServiceTypeVersion | None) -> None:
    """Another type is no way round an approval: only who may approve takes one away, and none that is waited for."""
    if case.state == "waiting_approval":
        raise Conflict(f"{case.number} waits for approval", what="approval", stage=case.stage)
    first = next((stage.code for stage in stages_of(version.workflow)), None) if version else None
    asked = approval_ahead(workflow_of(here.session, case), case.stage, case.approved_stage)
    if asked and not approval_ahead(version.workflow if version else None, first):
        here.require("case.approve")


def _change_where(here: Context, case: Case, sent: dict[str, Any]) -> None:
    before = (case.team_id, case.queue)
    if "team_id" in sent:
        team = named(here, Team, sent["team_id"], "team_id")
        case.team_id = team.id if team else None
        case.executing_organisation_id = executor_of(case, team)
    if "queue" in sent:
        case.queue = words("queue", sent["queue"], 100, empty=True)
    if "region" in sent:
        case.region = words("region", sent["region"], 100, empty=True)
    if before != (case.team_id, case.queue):
        facts = {"team_id": str(case.team_id) if case.team_id else None, "queue": case.queue}
        log_case(here.session, case, "case.routed", here.now, here.actor, facts, internal=True)
