"""Policies over HTTP: planners edit them, and replay a draft on history before it is enabled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field
from sqlalchemy import select, update

from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import append_event
from assets.registry import AssetModel
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.findings import AssetOfFinding
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from maintenance.decisions import Policy
from maintenance.models import PolicyRow
from maintenance.policies import DEFAULTS, KINDS, NULLABLE, SWITCHES, WORDS, check_settings, highest
from ml.policy_replay import Draft, Judged, Outcome, Replayed, replay
from ticketing.work_orders import StaleVersion

router = APIRouter(prefix="/api/v1", tags=["policies"])

MAX_SHOWN = 500  # orders of a replay on one page; the figures count all
FIELDS = (
    "on_delay_s",
    "off_delay_s",
    "cool_down_s",
    "settle_s",
    "known_s",
    "late_s",
    "open_s",
    "min_confidence",
    "join_open_order",
    "parent_s",
    "neighbour_s",
    "suppress_regimes",
)

Name = Annotated[str, Field(min_length=1, max_length=100)]
IfMatch = Annotated[str | None, Header(description="version of the policy that the change is based on")]


class ModelRef(BaseModel):
    """The asset model that a policy is about."""

    id: UUID
    code: str
    name_en: str
    name_zh: str


class ReplaySummary(BaseModel):
    """What the last replay gave, with the settings that it was made with."""

    model_config = {"populate_by_name": True}

    at: datetime
    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    work_orders: int
    true: int
    false: int
    unknown: int
    settings: dict[str, Any]


class PolicyItem(BaseModel):
    """One policy: what its settings leave out is as the policies before it, and at last the defaults, say."""

    id: UUID
    name: str
    asset_model: ModelRef | None
    settings: dict[str, Any]
    enabled: bool
    version: int
    updated_at: datetime | None
    last_replay: ReplaySummary | None


class FieldItem(BaseModel):
    """One setting that a policy may have."""

    name: str
    kind: Literal["seconds", "number", "switch", "words"]
    low: float | None
    high: float | None
    nullable: bool
    default: Any


class Policies(BaseModel):
    """A page of policies, with what a policy may set and the defaults per kind of trouble."""

    items: list[PolicyItem]
    next: str | None = None
    defaults: dict[str, dict[str, Any]]
    fields: list[FieldItem]


class PolicyBody(BaseModel):
    """All of a policy; settings by name, and under `kinds` the same for one kind of trouble."""

    name: Name
    asset_model_id: UUID | None = None
    settings: dict[str, Any] = {}
    enabled: bool = False


class ReplayBody(BaseModel):
    """A draft to replay; with `policy_id` it takes the place of that policy."""

    policy_id: UUID | None = None
    name: Name = "draft"
    asset_model_id: UUID | None = None
    settings: dict[str, Any]
    since: Moment = Field(alias="from")
    until: Moment = Field(alias="to")


class OutcomeItem(BaseModel):
    """What one set of policies gives: would-be orders by what is known to have been there."""

    work_orders: int
    true: int
    false: int
    unknown: int
    held_back: dict[str, int]
    watched: int
    false_per_asset_month: float | None


class CodeItem(BaseModel):
    """A text as code and parameters."""

    code: str
    params: dict[str, Any]


class RealOrder(BaseModel):
    """The real order that tells what was there."""

    id: UUID
    number: str
    outcome: str | None


class ModeName(BaseModel):
    """A failure mode in words."""

    code: str
    name_en: str
    name_zh: str


class WouldBeOrder(BaseModel):
    """A work order that would have been opened."""

    asset: AssetOfFinding
    kind: str
    key: str
    failure_mode: ModeName | None
    opened_at: datetime
    title: CodeItem
    signature: str
    severity: str
    reopened: bool
    verdict: Literal["true", "false", "unknown"]
    why: CodeItem
    work_order: RealOrder | None
    also: bool


class ReplayResult(BaseModel):
    """The draft beside what is in force. `lost`: what is in force would have opened and the draft would not."""

    model_config = {"populate_by_name": True}

    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    assets: int
    asset_months: float
    findings: int
    draft: OutcomeItem
    in_force: OutcomeItem
    orders: list[WouldBeOrder]
    lost: list[WouldBeOrder]


@router.get("/policies", operation_id="list_policies")
def list_policies(here: Here, limit: Limit = 100, after: After = None) -> Policies:
    """List policies of one's organisation and those below it."""
    here.require("finding.read")
    query = select(PolicyRow).order_by(PolicyRow.id).limit(limit + 1)
    if after is not None:
        query = query.where(PolicyRow.id > id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return Policies(
        items=_items(here, page),
        next=cursor_of(page[-1].id) if len(found) > limit else None,
        defaults={kind: _plain(DEFAULTS[kind]) for kind in KINDS},
        fields=[_field(name) for name in FIELDS],
    )


@router.post("/policies", operation_id="create_policy", status_code=201)
def create_policy(body: PolicyBody, here: Here) -> PolicyItem:
    """Make a policy; it stands still until it is enabled."""
    here.require("policy.manage")
    row = PolicyRow(organisation_id=here.actor.organisation_id)
    _fill(here, row, body)
    here.session.add(row)
    here.session.flush()
    _log(here, row, "policy.created")
    return _items(here, [row])[0]


@router.put("/policies/{policy_id}", operation_id="replace_policy")
def replace_policy(policy_id: UUID, body: PolicyBody, here: Here, if_match: IfMatch = None) -> PolicyItem:
    """Replace a policy; in force with the next decision."""
    here.require("policy.manage")
    row = _locked(here, policy_id, if_match)
    with here.session.no_autoflush:
        _fill(here, row, body)
    here.session.flush()
    _log(here, row, "policy.changed")
    return _items(here, [row])[0]


@router.post("/policies/{policy_id}/enable", operation_id="enable_policy")
def enable_policy(policy_id: UUID, here: Here, if_match: IfMatch = None) -> PolicyItem:
    """Put a policy in force."""
    return _switch(here, _locked(here, policy_id, if_match), True)


@router.post("/policies/{policy_id}/disable", operation_id="disable_policy")
def disable_policy(policy_id: UUID, here: Here, if_match: IfMatch = None) -> PolicyItem:
    """Take a policy out of force; it stays to be edited."""
    return _switch(here, _locked(here, policy_id, if_match), False)


@router.delete("/policies/{policy_id}", operation_id="delete_policy", status_code=204)
def delete_policy(policy_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a policy."""
    here.require("policy.manage")
    row = _locked(here, policy_id, if_match)
    _log(here, row, "policy.removed")
    here.session.delete(row)
    here.session.flush()


@router.post("/policies/replay", operation_id="replay_policy")
def replay_policy(body: ReplayBody, here: Here) -> ReplayResult:
    """Live through a past time again with a draft: what it would have opened, and how much of that was true."""
    here.require("policy.manage")
    row = _locked(here, body.policy_id, None) if body.policy_id else None
    draft = Draft(
        organisation_id=row.organisation_id if row else here.actor.organisation_id,
        name=body.name,
        settings=body.settings,
        asset_model_id=body.asset_model_id,
        replaces=row.id if row else None,
    )
    replayed = replay(here.session, draft, body.since, min(body.until, here.now))
    result = _result(body.since, min(body.until, here.now), replayed)
    if row is not None:
        told = {
            "at": here.now.isoformat(),
            "from": body.since.isoformat(),
            "to": min(body.until, here.now).isoformat(),
            "settings": body.settings,
            **result.draft.model_dump(include={"work_orders", "true", "false", "unknown"}),
        }
        # Not an edit: the version that the planner's page holds stays good.
        note = update(PolicyRow).where(PolicyRow.id == row.id).values(last_replay=told)
        here.session.execute(note.execution_options(synchronize_session=False))
    return result


def _fill(here: Context, row: PolicyRow, body: PolicyBody) -> None:
    check_settings(body.settings)
    if body.asset_model_id is not None and here.session.get(AssetModel, body.asset_model_id) is None:
        raise NotFound("no such asset model", kind="asset_model")
    same = select(PolicyRow.id).where(PolicyRow.organisation_id == row.organisation_id, PolicyRow.name == body.name)
    if (other := here.session.scalar(same)) is not None and other != row.id:
        raise Conflict(f"there is a policy {body.name!r} already", name=body.name)
    row.name, row.asset_model_id, row.settings = body.name, body.asset_model_id, body.settings
    row.enabled, row.updated_at = body.enabled, here.now


def _switch(here: Context, row: PolicyRow, enabled: bool) -> PolicyItem:
    here.require("policy.manage")
    if row.enabled != enabled:
        row.enabled, row.updated_at = enabled, here.now
        here.session.flush()
        _log(here, row, "policy.enabled" if enabled else "policy.disabled")
    return _items(here, [row])[0]


def _locked(here: Context, policy_id: UUID, if_match: str | None) -> PolicyRow:
    row = here.session.scalar(select(PolicyRow).where(PolicyRow.id == policy_id).with_for_update())
    if row is None:
        raise NotFound("no such policy", kind="policy")
    expected = (if_match or "").strip().strip('"')
    if expected and not expected.isdecimal():
        raise Invalid("If-Match holds a version number", field="If-Match")
    if expected and int(expected) != row.version:
        raise StaleVersion(f"the policy is at version {row.version}", expected=int(expected), version=row.version)
    return row


def _items(here: Context, rows: Sequence[PolicyRow]) -> list[PolicyItem]:
    wanted = {row.asset_model_id for row in rows if row.asset_model_id}
    models = {
        model.id: ModelRef(id=model.id, code=model.code, name_en=model.name_en, name_zh=model.name_zh)
        for model in here.session.scalars(select(AssetModel).where(AssetModel.id.in_(wanted)))
    }
    return [
        PolicyItem(
            id=row.id,
            name=row.name,
            asset_model=models.get(row.asset_model_id) if row.asset_model_id else None,
            settings=row.settings,
            enabled=row.enabled,
            version=row.version,
            updated_at=row.updated_at,
            last_replay=ReplaySummary.model_validate(row.last_replay) if row.last_replay else None,
        )
        for row in rows
    ]


def _plain(policy: Policy) -> dict[str, Any]:
    return {name: list(value) if name in WORDS else value for name, value in asdict(policy).items() if name != "id"}


def _field(name: str) -> FieldItem:
    default = _plain(DEFAULTS["machine"])[name]
    if name in SWITCHES:
        return FieldItem(name=name, kind="switch", low=None, high=None, nullable=False, default=default)
    if name in WORDS:
        return FieldItem(name=name, kind="words", low=None, high=None, nullable=False, default=default)
    kind: Literal["seconds", "number"] = "seconds" if name.endswith("_s") else "number"
    return FieldItem(name=name, kind=kind, low=0.0, high=highest(name), nullable=name in NULLABLE, default=default)


def _result(since: datetime, until: datetime, replayed: Replayed) -> ReplayResult:
    lost = [judged for judged in replayed.in_force.orders if not judged.also]
    return ReplayResult(
        **{"from": since, "to": until},
        assets=replayed.exposed,
        asset_months=round(replayed.months, 3),
        findings=replayed.findings,
        draft=_outcome(replayed.draft, replayed.months),
        in_force=_outcome(replayed.in_force, replayed.months),
        orders=_would_be(replayed.draft.orders, replayed),
        lost=_would_be(lost, replayed),
    )


def _outcome(outcome: Outcome, months: float) -> OutcomeItem:
    false = outcome.count("false")
    return OutcomeItem(
        work_orders=len(outcome.orders),
        true=outcome.count("true"),
        false=false,
        unknown=outcome.count("unknown"),
        held_back=dict(outcome.held_back),
        watched=outcome.watched,
        false_per_asset_month=round(false / months, 4) if months > 0 else None,
    )


def _would_be(orders: Sequence[Judged], replayed: Replayed) -> list[WouldBeOrder]:
    newest = sorted(orders, key=lambda one: (one.order.opened_at, one.order.first), reverse=True)[:MAX_SHOWN]
    return [_would_be_order(judged, replayed) for judged in newest]


def _would_be_order(judged: Judged, replayed: Replayed) -> WouldBeOrder:
    order, real = judged.order, judged.real
    asset = replayed.assets[UUID(order.asset)]
    mode = replayed.modes.get(order.first)
    title, params = replayed.titles[order.first]
    return WouldBeOrder(
        asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
        kind=order.kind,
        key=order.key,
        failure_mode=ModeName(code=mode.code, name_en=mode.name_en, name_zh=mode.name_zh) if mode else None,
        opened_at=order.opened_at,
        title=CodeItem(code=title, params=params),
        signature=order.signature,
        severity=order.severity,
        reopened=order.reopened,
        verdict=judged.verdict,
        why=CodeItem(code=judged.why[0], params=judged.why[1]),
        work_order=RealOrder(id=real.id, number=real.number, outcome=real.outcome) if real else None,
        also=judged.also,
    )


def _log(here: Context, row: PolicyRow, kind: str) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="policy",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"name": row.name, "settings": row.settings, "enabled": row.enabled},
    )
