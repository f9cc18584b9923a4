"""Alarms as the API shows them: episodes with their state, who has seen them, holds, escalation and work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from assets.base.access import may
from assets.failure_modes import FailureMode
from assets.people import Person
from assets.registry import Asset, AssetModel
from gateway.api.deps import Context
from gateway.api.findings import AssetOfFinding, WorkOrderOfEpisode
from gateway.api.work_order_rows import NoticedContribution
from maintenance.alarm_models import AlarmHold, Escalation, OnCallList
from maintenance.alarm_states import Alarm, alarm_state, legal_operations
from maintenance.holds import hold_of, standing_holds
from maintenance.models import Episode, EpisodeFinding, Finding, WorkLink
from maintenance.noticed import contribution_in_words
from maintenance.on_call import place
from maintenance.windows import assets_in_windows
from ticketing.models import WorkOrder

MAX_CONTRIBUTIONS = 3  # what a line in a list has room for
ACTION_OF_OPERATION = {
    "acknowledge": "alarm.acknowledge",
    "shelve": "alarm.shelve",
    "unshelve": "alarm.shelve",
}


class PersonRef(BaseModel):
    """A person."""

    id: UUID
    name: str


class FailureModeRef(BaseModel):
    """The failure mode that the evidence tells."""

    id: UUID
    code: str
    name_en: str
    name_zh: str


class HoldRef(BaseModel):
    """Why the alarm is silent: a person put it aside."""

    id: UUID
    kind: str
    since: datetime
    until: datetime | None
    reason: str
    by: PersonRef | None


class EscalationRef(BaseModel):
    """How far along the on-call list the alarm is; `step` and `round` of the last person asked, from 1."""

    state: str
    list: str
    step: int
    of: int
    round: int
    started_at: datetime
    next_at: datetime | None


class EpisodeItem(BaseModel):
    """One trouble of one asset. `count`: how often evidence began; `readings`: distinct readings beyond a limit.

    `signature`, `layer` and `contributions` are those of the evidence that was strongest beyond its own limit.
    """

    id: UUID
    asset: AssetOfFinding
    key: str
    kind: str
    severity: str
    signature: str
    layer: str
    contributions: list[NoticedContribution]
    opened_at: datetime
    last_seen_at: datetime
    cleared_at: datetime | None
    closed_at: datetime | None
    state: str
    alarm_state: str
    acknowledged_at: datetime | None
    acknowledged_by: PersonRef | None
    failure_mode: FailureModeRef | None
    hold: HoldRef | None
    escalation: EscalationRef | None
    legal: list[str]
    count: int
    readings: int | None
    peak: float
    recurrence_no: int
    outcome: str | None
    replayed: bool
    work_order: WorkOrderOfEpisode | None


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a page of episodes, loaded at once."""

    assets: dict[UUID, Asset]
    people: dict[UUID, Person]
    modes: dict[UUID, FailureMode]
    orders: dict[UUID, WorkOrder]
    strongest: dict[UUID, Finding]
    models: dict[UUID, AssetModel]
    escalations: dict[UUID, tuple[Escalation, OnCallList]]
    holds: Sequence[AlarmHold]
    planned: set[UUID]


def episode_items(here: Context, episodes: Sequence[Episode]) -> list[EpisodeItem]:
    """Return a page of episodes as items."""
    around = _around(here, episodes)
    return [_item(here, episode, around) for episode in episodes if episode.asset_id in around.assets]


def people_refs(here: Context, ids: Iterable[UUID | None]) -> dict[UUID, PersonRef]:
    """Return people by id, as far as the reader may see them."""
    return {key: PersonRef(id=key, name=person.name) for key, person in _people(here, ids).items()}


def _around(here: Context, episodes: Sequence[Episode]) -> _Around:
    session, ids = here.session, [episode.id for episode in episodes]
    assets = {
        asset.id: asset
        for asset in session.scalars(select(Asset).where(Asset.id.in_({episode.asset_id for episode in episodes})))
    }
    holds = standing_holds(session, list(assets), here.now)
    wanted = {episode.failure_mode_id for episode in episodes if episode.failure_mode_id}
    modes = session.scalars(select(FailureMode).where(FailureMode.id.in_(wanted)))
    return _Around(
        assets=assets,
        people=_people(here, [*(episode.acknowledged_by_id for episode in episodes), *(hold.by_id for hold in holds)]),
        modes={mode.id: mode for mode in modes},
        orders=_orders(here, ids),
        strongest=_strongest(here, ids),
        models=_models(here, assets.values()),
        escalations=_escalations(here, ids),
        holds=holds,
        planned=assets_in_windows(session, list(assets.values()), here.now),
    )


def _people(here: Context, ids: Iterable[UUID | None]) -> dict[UUID, Person]:
    wanted = {key for key in ids if key is not None}
    if not wanted or not may(here.actor, "people.read"):
        return {}
    return {person.id: person for person in here.session.scalars(select(Person).where(Person.id.in_(wanted)))}


def _orders(here: Context, episodes: list[UUID]) -> dict[UUID, WorkOrder]:
    linked = (
        select(WorkLink.episode_id, WorkOrder)
        .join(WorkOrder, WorkOrder.id == WorkLink.work_order_id)
        .where(WorkLink.episode_id.in_(episodes))
        .order_by(WorkLink.linked_at, WorkOrder.id)
    )
    return {episode_id: order for episode_id, order in here.session.execute(linked)}  # the newest comes last


def _strongest(here: Context, episodes: list[UUID]) -> dict[UUID, Finding]:
    found = (
        select(EpisodeFinding.episode_id, Finding)
        .join(Finding, Finding.id == EpisodeFinding.finding_id)
        .where(EpisodeFinding.episode_id.in_(episodes))
        .ext(distinct_on(EpisodeFinding.episode_id))
        .order_by(
            EpisodeFinding.episode_id,
            (Finding.peak / func.nullif(Finding.limit_open, 0)).desc().nulls_last(),
            Finding.first_at,
            Finding.id,
        )
    )
    return {episode_id: finding for episode_id, finding in here.session.execute(found)}


def _models(here: Context, assets: Iterable[Asset]) -> dict[UUID, AssetModel]:
    wanted = {asset.asset_model_id for asset in assets if asset.asset_model_id}
    return {model.id: model for model in here.session.scalars(select(AssetModel).where(AssetModel.id.in_(wanted)))}


def _escalations(here: Context, episodes: list[UUID]) -> dict[UUID, tuple[Escalation, OnCallList]]:
    found = (
        select(Escalation, OnCallList)
        .join(OnCallList, OnCallList.id == Escalation.on_call_list_id)
        .where(Escalation.episode_id.in_(episodes))
        .order_by(Escalation.id)
    )
    return {escalation.episode_id: (escalation, on_call) for escalation, on_call in here.session.execute(found)}


def _item(here: Context, episode: Episode, around: _Around) -> EpisodeItem:
    asset = around.assets[episode.asset_id]
    hold = hold_of(around.holds, episode) if episode.closed_at is None else None
    alarm = Alarm(
        closed=episode.closed_at is not None,
        evidence_lasts=episode.state == "open",
        acknowledged=episode.acknowledged_at is not None,
        held=hold.kind if hold else None,
        by_design=asset.id in around.planned,
    )
    order = around.orders.get(episode.id)
    mode = around.modes.get(episode.failure_mode_id) if episode.failure_mode_id else None
    strongest = around.strongest.get(episode.id)
    model = around.models.get(asset.asset_model_id) if asset.asset_model_id else None
    return EpisodeItem(
        id=episode.id,
        asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
        key=episode.key,
        kind=episode.kind,
        severity=episode.severity,
        signature=strongest.signature if strongest else "",
        layer=strongest.layer if strongest else "",
        contributions=[
            NoticedContribution(**contribution_in_words(share, model))
            for share in (strongest.contributions if strongest else [])[:MAX_CONTRIBUTIONS]
        ],
        opened_at=episode.opened_at,
        last_seen_at=episode.last_seen_at,
        cleared_at=episode.cleared_at,
        closed_at=episode.closed_at,
        state=episode.state,
        alarm_state=alarm_state(alarm),
        acknowledged_at=episode.acknowledged_at,
        acknowledged_by=_ref(around.people, episode.acknowledged_by_id),
        failure_mode=FailureModeRef(id=mode.id, code=mode.code, name_en=mode.name_en, name_zh=mode.name_zh)
        if mode
        else None,
        hold=_hold(around.people, hold) if hold else None,
        escalation=_escalation(*around.escalations[episode.id]) if episode.id in around.escalations else None,
        legal=[one for one in legal_operations(alarm) if may(here.actor, ACTION_OF_OPERATION[one])],
        count=episode.count,
        readings=episode.readings,
        peak=episode.peak,
        recurrence_no=episode.recurrence_no,
        outcome=episode.outcome,
        replayed=episode.replayed,
        work_order=WorkOrderOfEpisode(id=order.id, number=order.number, state=order.state) if order else None,
    )


def _ref(people: dict[UUID, Person], key: UUID | None) -> PersonRef | None:
    person = people.get(key) if key else None
    return PersonRef(id=person.id, name=person.name) if person else None


def _hold(people: dict[UUID, Person], hold: AlarmHold) -> HoldRef:
    by = _ref(people, hold.by_id)
    return HoldRef(id=hold.id, kind=hold.kind, since=hold.since, until=hold.until, reason=hold.reason, by=by)


def _escalation(escalation: Escalation, on_call: OnCallList) -> EscalationRef:
    round_no, step_no = place(max(0, escalation.asked - 1), len(on_call.steps))
    asked = escalation.asked > 0
    return EscalationRef(
        state=escalation.state,
        list=on_call.name,
        step=step_no + 1 if asked else 0,
        of=len(on_call.steps),
        round=round_no + 1 if asked else 0,
        started_at=escalation.started_at,
        next_at=escalation.next_at,
    )
