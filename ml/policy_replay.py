"""Replay a policy on history before it is enabled: what it would have opened, and how much of that was true."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, any_, func, select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.failure_modes import FailureMode, failure_modes_for, fitting_mode
from assets.people import Organisation
from assets.registry import Asset, AssetModel
from maintenance.alarm_models import AlarmHold, MaintenanceWindow
from maintenance.decisions import Policy, grouping_key
from maintenance.findings import facts_of
from maintenance.models import Episode, EpisodeFinding, Finding, PolicyRow, PredictedJob, WorkLink
from maintenance.noticed import title
from maintenance.policies import check_settings, combined, rows_for
from maintenance.windows import span_at, windows_for
from ml.policy_walk import Answered, Held, Seen, Walk, Walked, WouldBe
from ticketing.models import WorkOrder

Verdict = Literal["true", "false", "unknown"]

LONGEST = timedelta(days=366)
MAX_FINDINGS = 50_000  # some seconds; a year of a busy fleet
MONTH_S = 30.4375 * 86400
HORIZON = timedelta(days=30)  # a failure that people met so soon after is what the order would have been about
TYPICAL_ANSWER = timedelta(days=1)  # until there are answered orders to learn from
TRUE_OUTCOMES = frozenset({"confirmed", "wrong_mode", "prevented"})
FALSE_OUTCOMES = frozenset({"no_fault_found"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy that is not in force yet; `replaces` is the saved row whose place it takes."""

    organisation_id: UUID
    name: str
    settings: Mapping[str, Any]
    asset_model_id: UUID | None = None
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A would-be order with what is known to have been there, and why that is known (code and parameters)."""

    order: WouldBe
    verdict: Verdict
    why: tuple[str, dict[str, Any]]
    real: WorkOrder | None
    also: bool  # the other policies would have opened one for the same evidence


@dataclass(slots=True)
class Outcome:
    """What one set of policies gives over the time."""

    orders: list[Judged] = field(default_factory=list)
    held_back: Counter[str] = field(default_factory=Counter)
    watched: int = 0

    def count(self, verdict: str) -> int:
        return sum(judged.verdict == verdict for judged in self.orders)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The draft beside what is in force, over the same findings; `titles` by finding."""

    assets: dict[UUID, Asset]
    exposed: int
    months: float
    findings: int
    draft: Outcome
    in_force: Outcome
    titles: dict[str, tuple[str, dict[str, Any]]]
    modes: dict[str, FailureMode]


def replay(session: Session, draft: Draft, since: datetime, until: datetime) -> Replayed:
    """Live through [since, until) twice: with the draft, and with what is in force. Nothing is written.

    Known findings are decided anew as they were known at each moment, with maintenance windows, holds and work in
    progress as they were. What only a person's answer could have changed stays as it was. Raises Invalid.
    """
    check_settings(draft.settings)
    if not timedelta(0) < until - since <= LONGEST:
        raise Invalid(f"a replay covers up to {LONGEST.days} days", field="from", limit=LONGEST.days)
    about = _about(draft, until)
    exposed, months = _exposure(session, about, since, until)
    by_asset = _findings(session, about, since, until)
    history = _History.load(session, list(by_asset), since, until)
    result = Replayed({}, exposed, months, sum(map(len, by_asset.values())), Outcome(), Outcome(), {}, {})
    row = _row(draft)
    for asset_id, rows in by_asset.items():
        asset = session.get_one(Asset, asset_id)
        result.assets[asset_id] = asset
        seen = _seen(session, asset, rows, result)
        above, standing = rows_for(session, asset)
        others = [one for one in standing if one.id != draft.replaces]
        walks = []
        for rows_of_policy in ([*others, row], standing):
            policies = combined(above, rows_of_policy)
            walks.append(_walk(session, asset, policies, seen, history, until))
        drafted, standing_now = walks
        _add(result.draft, asset_id, drafted, standing_now, history)
        _add(result.in_force, asset_id, standing_now, drafted, history)
    return result


def _row(draft: Draft) -> PolicyRow:
    """A row that is never stored."""
    return PolicyRow(
        organisation_id=draft.organisation_id,
        name=draft.name,
        asset_model_id=draft.asset_model_id,
        settings=dict(draft.settings),
        enabled=True,
    )


def _about(draft: Draft, until: datetime) -> Select[UUID, datetime]:
    """Return the query of the assets that the draft is about, with when they came."""
    owners = select(Organisation.id).where(any_(Organisation.ancestors) == draft.organisation_id)
    about = select(Asset.id, Asset.created_at).where(
        Asset.organisation_id.in_(owners), Asset.lifecycle.not_in(("planned", "in_stock")), Asset.created_at < until
    )
    return about if draft.asset_model_id is None else about.where(Asset.asset_model_id == draft.asset_model_id)


def _exposure(session: Session, about: Select[UUID, datetime], since: datetime, until: datetime) -> tuple[int, float]:
    """Return how many assets there were, and for how many months in all."""
    there = about.subquery()
    there_s = func.sum(func.extract("epoch", until - func.greatest(there.c.created_at, since)))
    count, seconds = session.execute(select(func.count(), there_s).select_from(there)).one()
    return count, float(seconds or 0.0) / MONTH_S


def _findings(
    session: Session, about: Select[UUID, datetime], since: datetime, until: datetime
) -> dict[UUID, list[Finding]]:
    found = (
        select(Finding)
        .where(
            Finding.asset_id.in_(select(about.subquery().c.id)),
            Finding.first_at < until,
            func.coalesce(Finding.cleared_at, Finding.last_at) >= since,
        )
        .order_by(Finding.first_at, Finding.id)
        .limit(MAX_FINDINGS + 1)
    )
    rows = session.scalars(found).all()
    if len(rows) > MAX_FINDINGS:
        raise Invalid(f"more than {MAX_FINDINGS} findings: choose a shorter time", field="from", limit=MAX_FINDINGS)
    by_asset: dict[UUID, list[Finding]] = defaultdict(list)
    for row in rows:
        by_asset[row.asset_id].append(row)
    return by_asset


def _seen(session: Session, asset: Asset, rows: Sequence[Finding], result: Replayed) -> list[Seen]:
    modes = failure_modes_for(session, asset)
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    seen = []
    for row in rows:
        facts = facts_of(row)
        mode = fitting_mode(modes, row.detector, row.signature) if row.kind == "machine" else None
        if mode is not None:
            result.modes[str(row.id)] = mode
        result.titles[str(row.id)] = title(row, model)
        seen.append(Seen(str(row.id), facts, grouping_key(facts, mode.code if mode else "")))
    return seen


def _walk(
    session: Session,
    asset: Asset,
    policies: dict[str, Policy],
    seen: Sequence[Seen],
    history: _History,
    until: datetime,
) -> Walked:
    windows = windows_for(session, asset, seen[0].facts.first_at - timedelta(days=1), until)
    done = _answers(history, asset.id)
    return Walk(policies, _held(history, asset, windows), done).live([_cut(one, until) for one in seen])


def _cut(seen: Seen, until: datetime) -> Seen:
    """Nothing is known of what came after the end."""
    facts = seen.facts
    ended = facts.cleared_at if facts.cleared_at is not None and facts.cleared_at < until else None
    return Seen(seen.id, replace(facts, last_at=min(facts.last_at, until), cleared_at=ended), seen.key)


def _held(history: _History, asset: Asset, windows: Sequence[MaintenanceWindow]) -> Held:
    work = history.other_work.get(asset.id, [])
    holds = history.holds.get(asset.id, [])

    def held(key: str, moment: datetime, began: datetime, policy: Policy) -> tuple[str, datetime | None] | None:
        for started, ended in work:
            if started <= moment and (ended is None or moment < ended):
                return "asset_paused", ended
        for window in windows:
            span = span_at(window, moment, policy.settle_s)
            if span is not None and (moment < span.end or span.start <= began < span.end):
                return "maintenance_window", max(span.end, moment) + timedelta(seconds=policy.settle_s)
        for hold in holds:
            ends = min((end for end in (hold.until, hold.ended_at) if end is not None), default=None)
            if hold.key in (None, key) and hold.since <= moment and (ends is None or moment < ends):
                return hold.kind, ends
        return None

    return held


def _answers(history: _History, asset_id: UUID) -> Answered:
    """When people would have been done: as they were with the real order of that trouble, else as they mostly are."""
    real = history.orders.get(asset_id, [])
    never = datetime.max.replace(tzinfo=UTC)

    def answered(opened_at: datetime, ended_at: datetime | None, key: str) -> datetime:
        for order in real:
            finished = order.work_done_at or order.closed_at or never
            # It was there while the would-be order had evidence.
            if history.is_about(order, key) and order.opened_at <= (ended_at or never) and opened_at < finished:
                return finished
        return never if ended_at is None else max(opened_at + history.typical_answer, ended_at)

    return answered


def _add(outcome: Outcome, asset_id: UUID, mine: Walked, other: Walked, history: _History) -> None:
    outcome.held_back.update(mine.held_back)
    outcome.watched += len(mine.watched)
    known = {finding for order in other.orders for finding in order.findings}
    for order in mine.orders:
        if order.opened_at >= history.since:
            outcome.orders.append(history.judge(asset_id, order, bool(order.findings & known)))


@dataclass(slots=True)
class _History:
    """What people did and found in that time, by asset."""

    since: datetime
    orders: dict[UUID, list[WorkOrder]]  # that models opened
    met: dict[UUID, list[WorkOrder]]  # confirmed failures, whoever opened the order
    keys: dict[UUID, set[str]]  # the troubles of each order
    by_finding: dict[str, WorkOrder]
    dismissed: dict[str, str]
    other_work: dict[UUID, list[tuple[datetime, datetime | None]]]
    holds: dict[UUID, list[AlarmHold]]
    typical_answer: timedelta

    @classmethod
    def load(cls, session: Session, assets: Sequence[UUID], since: datetime, until: datetime) -> _History:
        rows = session.scalars(
            select(WorkOrder)
            .where(WorkOrder.asset_id.in_(assets), WorkOrder.opened_at < until + HORIZON)
            .order_by(WorkOrder.opened_at, WorkOrder.id)
        ).all()
        orders, met, other = defaultdict(list), defaultdict(list), defaultdict(list)
        for row in rows:
            if row.origin == "finding":
                orders[row.asset_id].append(row)
            elif row.started_at is not None:
                other[row.asset_id].append((row.started_at, row.work_done_at or row.closed_at))
            if row.outcome in TRUE_OUTCOMES:
                met[row.asset_id].append(row)
        answered = [row for row in rows if row.origin == "finding" and row.outcome is not None]
        took_s = [(row.work_done_at - row.opened_at).total_seconds() for row in answered if row.work_done_at]
        holds: dict[UUID, list[AlarmHold]] = defaultdict(list)
        for hold in session.scalars(select(AlarmHold).where(AlarmHold.asset_id.in_(assets), AlarmHold.since < until)):
            holds[hold.asset_id].append(hold)
        return cls(
            since,
            orders,
            met,
            _keys_of_orders(session, assets),
            _orders_of_findings(session, assets),
            _dismissals(session, assets),
            other,
            holds,
            timedelta(seconds=median(took_s)) if took_s else TYPICAL_ANSWER,
        )

    def is_about(self, order: WorkOrder, key: str) -> bool:
        """Does the order see to this trouble? Failure modes may have been told apart differently then."""
        keys = self.keys.get(order.id, set())
        return key in keys or (key.startswith("machine") and any(one.startswith("machine") for one in keys))

    def judge(self, asset_id: UUID, order: WouldBe, also: bool) -> Judged:
        """Return what is known to have been there: by the real order of the same evidence, else by what followed."""
        real = self._real(order)
        outcome = real.outcome if real else None
        if real is not None and outcome is not None:
            params = {"outcome": outcome, "number": real.number}
            if outcome in TRUE_OUTCOMES or (outcome == "sensor_fault" and order.kind == "sensor"):
                return Judged(order, "true", ("real_order", params), real, also)
            if outcome in FALSE_OUTCOMES or outcome == "sensor_fault":
                return Judged(order, "false", ("real_order", params), real, also)
        for met in self.met.get(asset_id, []) if order.kind == "machine" else []:
            if order.opened_at <= met.opened_at <= order.opened_at + HORIZON:
                days = round((met.opened_at - order.opened_at).total_seconds() / 86400, 1)
                return Judged(order, "true", ("failure_followed", {"number": met.number, "days": days}), met, also)
        said_no = next((self.dismissed[one] for one in sorted(order.findings) if one in self.dismissed), None)
        if said_no is not None:
            return Judged(order, "false", ("dismissed", {"reason": said_no}), real, also)
        return Judged(order, "unknown", ("unanswered", {}) if real else ("never_looked_at", {}), real, also)

    def _real(self, order: WouldBe) -> WorkOrder | None:
        """Of several real orders with the same evidence the one that was open then, else the first that says most."""
        found = {o.id: o for one in order.findings if (o := self.by_finding.get(one)) is not None}
        return min(
            found.values(),
            key=lambda o: (o.outcome is None, abs((o.opened_at - order.opened_at).total_seconds()), o.number),
            default=None,
        )


def _keys_of_orders(session: Session, assets: Sequence[UUID]) -> dict[UUID, set[str]]:
    linked = select(WorkLink.work_order_id, Episode.key).join(Episode, Episode.id == WorkLink.episode_id)
    keys: dict[UUID, set[str]] = defaultdict(set)
    for order_id, key in session.execute(linked.where(Episode.asset_id.in_(assets))):
        keys[order_id].add(key)
    return keys


def _orders_of_findings(session: Session, assets: Sequence[UUID]) -> dict[str, WorkOrder]:
    linked = (
        select(EpisodeFinding.finding_id, WorkOrder, Finding.first_at)
        .join(Episode, Episode.id == EpisodeFinding.episode_id)
        .join(WorkLink, WorkLink.episode_id == Episode.id)
        .join(WorkOrder, WorkOrder.id == WorkLink.work_order_id)
        .join(Finding, Finding.id == EpisodeFinding.finding_id)
        .where(Episode.asset_id.in_(assets))
        .order_by(WorkOrder.opened_at, WorkOrder.id)
    )
    orders: dict[str, WorkOrder] = {}
    for finding_id, order, first_at in session.execute(linked):
        key = str(finding_id)
        # A reopened episode has several orders: evidence belongs to the one that was not done when it began.
        done_at = order.work_done_at or order.closed_at
        if key not in orders and (done_at is None or first_at <= done_at):
            orders[key] = order
    return orders


def _dismissals(session: Session, assets: Sequence[UUID]) -> dict[str, str]:
    said_no = select(PredictedJob.finding_id, PredictedJob.dismiss_reason).where(
        PredictedJob.asset_id.in_(assets), PredictedJob.state == "dismissed"
    )
    return {str(finding_id): reason or "" for finding_id, reason in session.execute(said_no)}
