"""Which machines a plan holds: those of its model within its effectivity, those that were chosen, or a round's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, any_, func, insert, literal, select, update
from sqlalchemy.orm import Session, aliased

from assets.base.errors import Invalid
from assets.base.events import Event
from assets.base.ids import uuid7
from assets.people import Organisation
from assets.registry import ENDED, Asset, Site
from assets.states import StateInterval
from maintenance.plans.definition import effectivity_of
from maintenance.plans.effectivity import Machine, why_not
from maintenance.plans.reading import zone_of
from maintenance.plans.recurrence import to_local
from maintenance.plans.tables import TOO_MANY, MaintenancePlan, Occurrence, PlanAsset, PlanPackage, RoundStop

ASSET_KINDS = frozenset(
    {
        "asset.registered",
        "asset.imported",
        "asset.installed",
        "asset.lifecycle_changed",
        "asset.decommissioned",
        "asset.transferred",
        "asset.moved",
        "asset.handed_over",
        "asset.changed",
    }
)
METER_KINDS = frozenset({"meter.reading", "meter.replaced", "meter.corrected"})
MAX_CHOSEN = 1000
STEP = 2000  # machines of a plan that are looked at together
_RUNS = ("commissioned", "in_service")
_OF_PLAN = ("active", "waiting", "paused")


def choose(session: Session, plan: MaintenancePlan, asset_ids: Iterable[UUID], now: datetime) -> None:
    """Hold exactly these machines. Raises Invalid for one that is not there, or retired, by its name."""
    wanted = list(dict.fromkeys(asset_ids))
    if len(wanted) > MAX_CHOSEN:
        raise Invalid(f"at most {MAX_CHOSEN} machines; more go by their model", field="asset_ids", limit=MAX_CHOSEN)
    assets = {asset.id: asset for asset in session.scalars(select(Asset).where(Asset.id.in_(wanted)))}
    for key in wanted:
        asset = assets.get(key)
        if asset is None:
            raise Invalid("no such asset", field="asset_ids", asset_id=str(key))
        if asset.lifecycle in ENDED:
            text = f"{asset.name} ({asset.serial}) is {asset.lifecycle}: nothing is planned for it any more"
            raise Invalid(text, field="asset_ids", asset_id=str(key), name=asset.name, code="asset_retired")
    rows = {row.asset_id: row for row in session.scalars(select(PlanAsset).where(PlanAsset.plan_id == plan.id))}
    for key in wanted:
        row = rows.get(key)
        if row is None:
            session.add(_row(plan, key, now, chosen=True))
        else:
            row.chosen = True
            if row.state == "ended":
                row.state, row.reason, row.since = "waiting", None, now
    gone = [row.id for key, row in rows.items() if row.chosen and key not in assets and row.state != "ended"]
    session.flush()
    end_rows(session, gone, "not_chosen", now)


def _row(plan: MaintenancePlan, asset_id: UUID, now: datetime, *, chosen: bool) -> PlanAsset:
    return PlanAsset(
        organisation_id=plan.organisation_id, plan_id=plan.id, asset_id=asset_id, chosen=chosen, state="waiting",
        since=now, start_totals={}, turns={}, dirty=True,
    )  # fmt: skip


def sync(session: Session, plan: MaintenancePlan, now: datetime, only: UUID | None = None) -> None:
    """Let machines come to a plan and go from it, by what they are now; `only`: just look at this one."""
    if plan.state not in ("active", "paused"):
        return
    if plan.round_id is not None:
        only = None  # what becomes of one stop can make another the first
    after = sync_step(session, plan, now, None, only=only)
    while after is not None:
        after = sync_step(session, plan, now, after)
    while let_go(session, plan, now, only=only) == STEP:
        pass


def sync_step(
    session: Session,
    plan: MaintenancePlan,
    now: datetime,
    after: UUID | None,
    *,
    only: UUID | None = None,
    since: datetime | None = None,
    anew: bool = False,
) -> UUID | None:
    """Look at some of a plan's machines; return where to go on, None at the end.

    What is valid from a later day on is taken up at once: its work is made ahead, from that day.

    `since`: the plan begins, or goes on after a pause, at that moment. `anew`: what it says has changed.
    """
    effectivity = effectivity_of(plan.effectivity)
    valid_from, effectivity = effectivity.valid_from, replace(effectivity, valid_from=None)
    if plan.round_id is not None and after is None:
        _hang_on(session, plan)
    chosen = select(PlanAsset.asset_id).where(PlanAsset.plan_id == plan.id, PlanAsset.chosen)
    assets = candidates(session, plan, chosen, STEP, only=only, after=after)
    held = select(PlanAsset).where(PlanAsset.plan_id == plan.id, PlanAsset.asset_id.in_(list(assets)))
    rows = {row.asset_id: row for row in session.scalars(held)}
    begin = starts(session, plan, assets)
    named = str(plan.effectivity.get("version_field") or "version")
    new: list[dict[str, Any]] = []
    ended: dict[str, list[UUID]] = {}
    for asset, zone in assets.values():
        today = to_local(now, zone_of(zone)).date()
        why = _why_not(plan, effectivity, asset, named, today)
        row = rows.get(asset.id)
        if row is not None and row.start_totals and valid_from is not None and today < valid_from:
            row.start_totals, row.dirty = {}, True  # what meters show when it begins counts, not what they show before
        begins = begin.get(asset.id)
        if plan.round_id is not None and plan.starts != "on" and row is not None:
            begins = row.start_on or begins  # its dates stay when another stop becomes the first
        if row is not None and anew:
            row.dirty = True
        if why is not None:
            if row is not None and row.state in _OF_PLAN:
                _leave(row, why, ended)
        elif row is None:
            new.append(_new(plan, asset.id, begins, since or now))
        elif row.state != "ended" or not row.chosen or row.reason != "not_chosen":
            _take(row, begins, "waiting" if begins is None else plan.state, now, since)
    session.flush()
    if new:
        session.execute(insert(PlanAsset), new)
    for reason, keys in ended.items():
        end_rows(session, keys, reason, now)
    return max(assets) if len(assets) == STEP else None


def _new(plan: MaintenancePlan, asset_id: UUID, begins: date | None, since: datetime) -> dict[str, Any]:
    return {
        "id": uuid7(), "organisation_id": plan.organisation_id, "plan_id": plan.id, "asset_id": asset_id,
        "chosen": False, "state": "waiting" if begins is None else plan.state, "start_on": begins, "start_totals": {},
        "turns": {}, "since": since, "dirty": True,
    }  # fmt: skip


def _take(row: PlanAsset, begins: date | None, state: str, now: datetime, since: datetime | None) -> None:
    """Bring a machine that a plan holds up to what holds now; one that was away owes nothing of that time."""
    if row.state == "ended" or row.reason not in (None, TOO_MANY):
        row.since = now
    elif since is not None and row.state in ("waiting", "paused"):
        row.since = since
    if row.start_on != begins:
        row.start_on, row.dirty = begins, True
        row.start_totals = {}
    if row.state != state:
        row.state, row.reason, row.dirty = state, None, True


def let_go(session: Session, plan: MaintenancePlan, now: datetime, *, only: UUID | None = None) -> int:
    """End some of the machines that a plan does not name any more; return of how many."""
    chosen = select(PlanAsset.asset_id).where(PlanAsset.plan_id == plan.id, PlanAsset.chosen)
    named = _named(plan, chosen).where(Asset.id == PlanAsset.asset_id).correlate(PlanAsset)
    gone = select(PlanAsset.id).where(
        PlanAsset.plan_id == plan.id, PlanAsset.state.in_(_OF_PLAN), ~named.with_only_columns(Asset.id).exists()
    )
    if only is not None:
        gone = gone.where(PlanAsset.asset_id == only)
    keys = session.scalars(gone.limit(STEP)).all()
    end_rows(session, keys, "not_of_plan", now)
    return len(keys)


def _hang_on(session: Session, plan: MaintenancePlan) -> None:
    """Let a round go on with its first stop in life: its row moves there, and with it all that is planned.

    So an order that is out keeps its turn, and what was done still counts.
    """
    held = select(PlanAsset).where(PlanAsset.plan_id == plan.id, PlanAsset.state.in_(_OF_PLAN), ~PlanAsset.chosen)
    rows = session.scalars(held.limit(2).with_for_update(), execution_options={"populate_existing": True}).all()
    lead = session.scalar(_named(plan, ()))
    if len(rows) != 1 or lead is None or lead.lifecycle in ENDED or rows[0].asset_id == lead.id:
        return
    row = rows[0]
    if session.scalar(select(PlanAsset.id).where(PlanAsset.plan_id == plan.id, PlanAsset.asset_id == lead.id)):
        return  # it was the first before: that row is taken up again
    row.asset_id, row.dirty = lead.id, True
    open_ones = update(Occurrence).where(
        Occurrence.plan_asset_id == row.id,
        Occurrence.state.in_(("planned", "left_out", "cancelled")),
        Occurrence.work_order_id.is_(None),
    )
    session.execute(open_ones.values(asset_id=lead.id))
    session.flush()


def _leave(row: PlanAsset, why: str, ended: dict[str, list[UUID]]) -> None:
    """What waits to begin, or for its days, stays waiting; the rest ends."""
    if why in ("not_in_service", "too_early") and row.state == "waiting" and row.reason == why:
        return
    ended.setdefault(why, []).append(row.id)


def _why_not(plan: MaintenancePlan, effectivity: Any, asset: Asset, named: str, on: date) -> str | None:
    version = asset.custom.get(named)
    facts = Machine(asset.serial, None if version is None else str(version), asset.lifecycle, None)
    return why_not(effectivity, facts, on)


def candidates(
    session: Session,
    plan: MaintenancePlan,
    chosen: Any,
    most: int,
    *,
    only: UUID | None = None,
    after: UUID | None = None,
) -> dict[UUID, tuple[Asset, str | None]]:
    """Return the first machines of the plan's organisation and below that its model, a round or a person names."""
    found = _named(plan, chosen).outerjoin(Site, Site.id == Asset.site_id).add_columns(Site.time_zone)
    if only is not None:
        found = found.where(Asset.id == only)
    if after is not None:
        found = found.where(Asset.id > after)
    return {asset.id: (asset, zone) for asset, zone in session.execute(found.order_by(Asset.id).limit(most))}


def _named(plan: MaintenancePlan, chosen: Any) -> Select[Any]:
    found = (
        select(Asset)
        .join(Organisation, Organisation.id == Asset.organisation_id)
        .where(literal(plan.organisation_id) == any_(Organisation.ancestors))
    )
    if plan.round_id is not None:
        stop = aliased(Asset)
        first = select(stop.id).join(RoundStop, RoundStop.asset_id == stop.id)
        first = first.where(RoundStop.round_id == plan.round_id).order_by(stop.lifecycle.in_(ENDED), RoundStop.position)
        return found.where(Asset.id == first.limit(1).scalar_subquery())
    if plan.asset_model_id is not None:
        return found.where(Asset.asset_model_id == plan.asset_model_id)
    return found.where(Asset.id.in_(chosen))


def how_many(session: Session, plan: MaintenancePlan, most: int) -> int:
    """Count the machines that a plan names or holds, up to a number."""
    chosen = select(PlanAsset.asset_id).where(PlanAsset.plan_id == plan.id, PlanAsset.chosen)
    named = _named(plan, chosen).with_only_columns(Asset.id).limit(most).subquery()
    held = select(PlanAsset.id).where(PlanAsset.plan_id == plan.id, PlanAsset.state != "ended").limit(most).subquery()
    counts = [session.scalar(select(func.count()).select_from(each)) or 0 for each in (named, held)]
    return max(counts)


def starts(
    session: Session, plan: MaintenancePlan, assets: Mapping[UUID, tuple[Asset, str | None]]
) -> dict[UUID, date | None]:
    """Return from which local day each machine counts; nothing for one that has not begun."""
    if plan.starts == "on":
        return dict.fromkeys(assets, plan.starts_on)
    moments: dict[UUID, datetime] = {}
    if plan.starts == "commissioned":
        first = (
            select(StateInterval.asset_id, func.min(StateInterval.valid_from))
            .where(StateInterval.axis == "lifecycle", StateInterval.state.in_(_RUNS))
            .where(StateInterval.asset_id.in_(list(assets)))
            .group_by(StateInterval.asset_id)
        )
        moments = {key: at for key, at in session.execute(first)}
    found: dict[UUID, date | None] = {}
    for key, (asset, zone) in assets.items():
        at = moments.get(key) if plan.starts == "commissioned" else asset.installed_at
        if at is None and asset.lifecycle in _RUNS:
            at = asset.lifecycle_since or asset.created_at
        found[key] = None if at is None else to_local(at, zone_of(zone)).date()
    return found


def end_rows(session: Session, keys: Iterable[UUID], reason: str, now: datetime) -> None:
    """End machines of plans: what is only planned is cancelled, an order that is out is left to a person."""
    ids = list(keys)
    if not ids:
        return
    state = "waiting" if reason in ("not_in_service", "too_early") else "ended"
    session.execute(update(PlanAsset).where(PlanAsset.id.in_(ids)).values(state=state, reason=reason, dirty=True))
    gone = update(Occurrence).where(Occurrence.plan_asset_id.in_(ids), Occurrence.state.in_(("planned", "left_out")))
    session.execute(gone.values(state="cancelled", reason=reason, closed_at=now))


def follow_asset(session: Session, event: Event, now: datetime) -> None:
    """Look at an asset anew: plans of its model, plans that chose it, rounds that begin there."""
    asset = session.get(Asset, event.subject_id, populate_existing=True)
    if asset is None:
        return
    held = select(PlanAsset.plan_id).where(PlanAsset.asset_id == asset.id)
    plans = select(MaintenancePlan).where(
        MaintenancePlan.state.in_(("active", "paused")),
        MaintenancePlan.id.in_(held)
        | ((MaintenancePlan.asset_model_id == asset.asset_model_id) & MaintenancePlan.asset_model_id.is_not(None)),
    )
    for plan in session.scalars(plans).all():
        sync(session, plan, now, asset.id)
    zone = event.kind in ("asset.moved", "asset.installed", "asset.changed")
    if zone:  # another site may have another zone
        session.execute(update(PlanAsset).where(PlanAsset.asset_id == asset.id).values(dirty=True))


def follow_meter(session: Session, event: Event, now: datetime) -> None:
    """Make anew what a meter that was read or corrected decides."""
    if event.asset_id is not None:
        mark_meters(session, event.asset_id)


def mark_meters(session: Session, asset_id: UUID) -> None:
    """Mark plans of an asset that ask a meter."""
    asks = select(PlanPackage.plan_id).where(
        PlanPackage.trigger["kind"].astext.in_(("meter", "whichever_first")), PlanPackage.plan_id == PlanAsset.plan_id
    )
    marked = update(PlanAsset).where(PlanAsset.asset_id == asset_id, PlanAsset.state == "active", asks.exists())
    session.execute(marked.values(dirty=True))
