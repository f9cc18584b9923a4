"""How an organisation plans: its mode, what things are worth, and which organisations its board is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, case, cast, func, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.people import Organisation
from ticketing.dispatch.tables import MODES, DispatchSettings
from ticketing.work_orders import StaleVersion

PARTS = ("van", "depot")
# In minutes of driving: what leaving an order out costs; hours that it usually may take; what each hour beyond costs.
WORTH = {"low": 300.0, "normal": 600.0, "high": 1_500.0, "urgent": 6_000.0}
USUAL_HOURS = {"low": 168.0, "normal": 72.0, "high": 24.0, "urgent": 4.0}
LATE_PER_HOUR = {"low": 0.5, "normal": 2.0, "high": 10.0, "urgent": 60.0}
WEIGHTS = {"moved": 30.0, "not_preferred": 15.0, "per_level_over": 0.0}
MAX_WEIGHT = 100_000.0
BOUNDS = {"horizon_days": (1, 31), "solve_seconds": (1, 60), "moves_allowed": (0, 20), "window_minutes": (30, 480)}


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of an organisation, or what holds where nobody set any."""

    organisation_id: UUID
    mode: str = "proposal"
    parts: str = "van"
    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    horizon_days: int = 7
    solve_seconds: int = 10
    moves_allowed: int = 2
    window_minutes: int = 120
    version: int = 0


def rules_of(session: Session, organisation_id: UUID) -> Rules:
    """Return how an organisation plans."""
    row = session.scalar(select(DispatchSettings).where(DispatchSettings.organisation_id == organisation_id))
    return Rules(organisation_id) if row is None else read_rules(row)


def read_rules(row: DispatchSettings) -> Rules:
    """Return the rules that a row holds."""
    weights = WEIGHTS | {name: float(value) for name, value in row.weights.items() if name in WEIGHTS}
    return Rules(
        row.organisation_id, row.mode, row.parts, weights, row.horizon_days, row.solve_seconds, row.moves_allowed,
        row.window_minutes, row.version,
    )  # fmt: skip


def rules_above(session: Session, organisation_id: UUID) -> Rules:
    """Return the rules of the nearest organisation, itself or above, that set any; for those who do not see its row."""
    of = session.get(Organisation, organisation_id)
    above = list(reversed(of.ancestors)) if of is not None else [organisation_id]
    rows = session.scalars(select(DispatchSettings).where(DispatchSettings.organisation_id.in_(above)))
    found = {row.organisation_id: row for row in rows}
    nearest = next((found[each] for each in above if each in found), None)
    return read_rules(nearest) if nearest is not None else Rules(above[-1])


def set_rules(
    session: Session,
    organisation_id: UUID,
    changes: Mapping[str, Any],
    now: datetime,
    *,
    version: int | None,
    by: Actor,
) -> Rules:
    """Change how an organisation plans. Raises Invalid, and StaleVersion when somebody else did meanwhile."""
    _check(changes)
    row = session.scalar(
        select(DispatchSettings).where(DispatchSettings.organisation_id == organisation_id).with_for_update()
    )
    current = Rules(organisation_id) if row is None else read_rules(row)
    if version is not None and version != current.version:
        told = {name: getattr(current, name) for name in changes}
        raise StaleVersion(
            "the settings changed meanwhile",
            expected=version,
            version=current.version,
            yours=dict(changes),
            current=told,
        )
    values = {name: changes.get(name, getattr(current, name)) for name in ("mode", "parts", *BOUNDS)}
    weights = dict(current.weights) | {name: float(value) for name, value in changes.get("weights", {}).items()}
    if row is None:
        row = DispatchSettings(organisation_id=organisation_id, weights=weights, version=1, **values)
        session.add(row)
    else:
        row.version += 1
        row.weights = weights
        for name, value in values.items():
            setattr(row, name, value)
    if row.mode in ("unattended", "nearest"):
        row.wanted_at = now  # what waits already is planned too
    session.flush()
    append_event(
        session, "dispatch_settings.changed", at=now, organisation_id=organisation_id, subject_kind="dispatch_settings",
        subject_id=row.id, actor_kind=by.kind, actor_id=by.person_id, payload={"mode": row.mode},
    )  # fmt: skip
    return read_rules(row)


def below(organisation_id: UUID) -> Select[UUID]:
    """Return the query for the ids of an organisation and all below it."""
    above = cast([organisation_id], ARRAY(Uuid))
    return select(Organisation.id).where(Organisation.ancestors.op("@>")(above))


def scope_of(session: Session, organisation_id: UUID) -> list[UUID]:
    """Return the organisation and all below it: those whose orders and people its board shows."""
    return list(session.scalars(below(organisation_id)))


def want_plan(session: Session, organisation_ids: set[UUID], now: datetime) -> None:
    """Say that something changed for those who let plans be made without being asked.

    Who sends the nearest looks at once; a plan that is put off after failures stays put off.
    """
    above = select(func.unnest(Organisation.ancestors)).where(Organisation.id.in_(organisation_ids))
    waits = case(
        (DispatchSettings.mode == "nearest", func.least(DispatchSettings.wanted_at, now)),  # of NULL and now: now
        else_=func.coalesce(DispatchSettings.wanted_at, now),
    )
    session.execute(
        update(DispatchSettings)
        .where(DispatchSettings.mode.in_(("unattended", "nearest")), DispatchSettings.organisation_id.in_(above))
        .values(wanted_at=waits)
        .execution_options(synchronize_session=False)
    )


def _check(changes: Mapping[str, Any]) -> None:
    if changes.get("mode", "off") not in MODES:
        raise Invalid(f"a mode is one of {', '.join(MODES)}", field="mode", allowed=list(MODES))
    if changes.get("parts", "van") not in PARTS:
        raise Invalid(f"one of {', '.join(PARTS)}", field="parts", allowed=list(PARTS))
    for name, (least, most) in BOUNDS.items():
        if name in changes and not least <= changes[name] <= most:
            raise Invalid(f"{least} to {most}", field=name, least=least, most=most)
    for name, value in changes.get("weights", {}).items():
        if name not in WEIGHTS or not 0 <= value <= MAX_WEIGHT:
            raise Invalid(f"weights are {', '.join(WEIGHTS)}, 0 to {MAX_WEIGHT:.0f}", field="weights")
