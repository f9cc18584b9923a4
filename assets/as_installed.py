"""Build parts into assets and take them out, and tell what was installed at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.components import DEPTH, Component
from assets.registry import ENDED, Asset

MAX_ROWS = 5000  # of one tree in one answer
TREE_LOCK = 7_301_951  # two moves at once could close a loop that neither sees

_INSTALLED = text("""
WITH RECURSIVE tree AS (
  SELECT c.id, c.child_asset_id, 1 AS depth, ARRAY[c.id] AS path FROM components c
  WHERE c.asset_id = :asset AND c.valid_from <= :at AND (c.valid_to IS NULL OR c.valid_to > :at)
  UNION ALL
  SELECT c.id, c.child_asset_id, tree.depth + 1, tree.path || c.id
  FROM components c JOIN tree ON c.asset_id = tree.child_asset_id
  WHERE tree.depth < :most AND c.valid_from <= :at AND (c.valid_to IS NULL OR c.valid_to > :at))
SELECT id, depth FROM tree ORDER BY path LIMIT :rows
""")

# Whether `child` is above the whole at some moment of the stretch: each step keeps the time that the steps share.
_ABOVE = text("""
WITH RECURSIVE above AS (
  SELECT c.asset_id AS id, greatest(c.valid_from, :since) AS since,
         least(c.valid_to, cast(:until AS timestamptz)) AS until, 1 AS depth
  FROM components c WHERE c.child_asset_id = :whole AND (c.valid_to IS NULL OR c.valid_to > :since)
    AND (cast(:until AS timestamptz) IS NULL OR c.valid_from < :until)
  UNION ALL
  SELECT c.asset_id, greatest(c.valid_from, above.since), least(c.valid_to, above.until), above.depth + 1
  FROM components c JOIN above ON c.child_asset_id = above.id
  WHERE above.depth < :most AND (c.valid_to IS NULL OR c.valid_to > above.since)
    AND (above.until IS NULL OR c.valid_from < above.until))
SELECT coalesce(max(depth), 0) AS depth, coalesce(bool_or(id = :child), false) AS loop FROM above
""")
_BELOW = text("""
WITH RECURSIVE below AS (
  SELECT c.child_asset_id AS id, 1 AS depth FROM components c
  WHERE c.asset_id = :child AND c.child_asset_id IS NOT NULL AND (c.valid_to IS NULL OR c.valid_to > :since)
  UNION ALL
  SELECT c.child_asset_id, below.depth + 1 FROM components c JOIN below ON c.asset_id = below.id
  WHERE below.depth < :most AND c.child_asset_id IS NOT NULL AND (c.valid_to IS NULL OR c.valid_to > :since))
SELECT coalesce(max(depth), 0) FROM below
""")


@dataclass(frozen=True)
class Part:
    """What is built in: an asset, or an item by its number and serial; `place` is where in the whole."""

    child: Asset | None = None
    item_number: str | None = None
    serial: str | None = None
    lot: str | None = None
    name: str | None = None
    quantity: float = 1.0
    place: str | None = None


class AlreadyInstalled(Conflict):
    """The part is in an asset at that moment, or its place is taken; params: `component_id`, `asset_id`, `since`."""

    code = "already_installed"


def build_in(
    session: Session,
    whole: Asset,
    part: Part,
    at: datetime,
    now: datetime,
    *,
    replaces: Component | None = None,
    work_order_id: UUID | None = None,
    by_id: UUID | None = None,
    quiet: bool = False,
) -> Component:
    """Record that a part is in the whole from `at` on, until what is already known to come next there or of it.

    `replaces` is taken out at that moment; `quiet` leaves the event to the caller. The same part at the same place
    again is the row that is there. Raises Invalid for nothing, a moment to come, another owner or a loop,
    AlreadyInstalled for a part or place that is taken, Conflict for a whole or part whose life has ended.
    """
    _check(whole, part, at, now)
    _lock(session, whole, part)
    if replaces is not None and replaces.valid_to is None:
        take_out(session, replaces, at, now, reason="replaced", work_order_id=work_order_id, by_id=by_id)
    there = _standing(session, _same_part(whole, part), at)
    if there is not None:
        if there.asset_id == whole.id and there.place == part.place:
            return there
        raise AlreadyInstalled("this part is built in elsewhere: take it out there first", **_where(there))
    occupant = _standing(session, _same_place(whole, part), at)
    if occupant is not None:
        raise AlreadyInstalled(f"{part.place} is taken", **_where(occupant))
    following = (_next(session, _same_part(whole, part), at), _next(session, _same_place(whole, part), at))
    until = min((begins for begins in following if begins is not None), default=None)
    if part.child is not None:
        _check_loop(session, whole, part.child, at, until)
    made = Component(
        organisation_id=whole.organisation_id,
        asset_id=whole.id,
        child_asset_id=part.child.id if part.child else None,
        item_number=part.item_number,
        serial=part.child.serial if part.child else part.serial,
        lot=part.lot,
        name=part.name or (part.child.name if part.child else None),
        quantity=part.quantity,
        place=part.place,
        valid_from=at,
        valid_to=until,
        installed_work_order_id=work_order_id,
        by_id=by_id,
    )
    session.add(made)
    if part.child is not None and until is None:
        part.child.parent_id = whole.id
    session.flush()
    if not quiet:
        _log(session, "component.installed", made, at, by_id, {"work_order_id": _text(work_order_id)})
    return made


def take_out(
    session: Session,
    component: Component,
    at: datetime,
    now: datetime,
    *,
    reason: str | None = None,
    work_order_id: UUID | None = None,
    by_id: UUID | None = None,
    quiet: bool = False,
) -> bool:
    """Record that a part left its asset; False when it had already. Raises Invalid for a time to come, or before."""
    if at > now:
        raise Invalid("a part is removed when it is gone, not before", field="at")
    if component.valid_to is not None:
        return False
    if at < component.valid_from:
        began = component.valid_from.isoformat()
        raise Invalid(f"it was built in at {began}", field="at", since=began)
    component.valid_to = at
    component.removed_reason, component.removed_work_order_id = reason, work_order_id
    if component.child_asset_id is not None:
        child = session.get(Asset, component.child_asset_id)
        if child is not None and child.parent_id == component.asset_id:
            child.parent_id = None
    session.flush()
    if not quiet:
        facts = {"reason": reason, "work_order_id": _text(work_order_id)}
        _log(session, "component.removed", component, at, by_id, facts)
    if component.valid_from == at:
        session.delete(component)  # it was never in
        session.flush()
    return True


def installed_at(session: Session, asset_id: UUID, at: datetime) -> list[tuple[Component, int]]:
    """Return all that was in the asset at a moment with its depth, wholes before their parts."""
    values = {"asset": asset_id, "at": at, "most": DEPTH, "rows": MAX_ROWS}
    rows = session.execute(_INSTALLED, values).all()
    found = {c.id: c for c in session.scalars(select(Component).where(Component.id.in_([row[0] for row in rows])))}
    return [(found[row[0]], row[1]) for row in rows if row[0] in found]


def components_of(session: Session, asset_id: UUID, *, past: bool = False) -> Sequence[Component]:
    """Return what is directly in the asset, with `past` also what was."""
    found = select(Component).where(Component.asset_id == asset_id)
    if not past:
        found = found.where(Component.valid_to.is_(None))
    return session.scalars(found.order_by(Component.valid_from.desc(), Component.id.desc()).limit(MAX_ROWS)).all()


def whole_of(session: Session, asset_id: UUID) -> Component | None:
    """Return the row by which an asset is a part of another now; None for one that stands alone."""
    found = select(Component).where(Component.child_asset_id == asset_id, Component.valid_to.is_(None))
    return session.scalar(found)


def lock_tree(session: Session) -> None:
    """Let one transaction at a time move assets into one another."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TREE_LOCK})


def _check(whole: Asset, part: Part, at: datetime, now: datetime) -> None:
    if at > now:
        raise Invalid("a part is built in when it is there, not before", field="at")
    if part.child is None and not part.item_number and not part.serial:
        raise Invalid("a part is an asset, or has an item number or a serial", field="item_number")
    if not part.quantity > 0:
        raise Invalid("a quantity is above zero", field="quantity")
    if (part.child is not None or part.serial) and part.quantity != 1:
        raise Invalid("what has a serial number is one piece", field="quantity")
    if whole.lifecycle in ENDED and (whole.lifecycle_since is None or at >= whole.lifecycle_since):
        raise Conflict(f"nothing is built into a {whole.lifecycle} asset", lifecycle=whole.lifecycle)
    if part.child is not None and part.child.organisation_id != whole.organisation_id:
        raise Invalid("an asset and what it is a part of belong to the same organisation", field="asset_id")
    if part.child is not None and part.child.lifecycle in ENDED:
        raise Conflict(f"a {part.child.lifecycle} asset is built in no more", lifecycle=part.child.lifecycle)
    if part.child is not None and part.child.id == whole.id:
        raise Invalid("an asset cannot be a part of itself", field="asset_id")


def _lock(session: Session, whole: Asset, part: Part) -> None:
    """The tree, then the whole, then the serial number: always in this order, so that nobody waits in a ring."""
    if part.child is not None:
        lock_tree(session)
    session.execute(select(Asset.id).where(Asset.id == whole.id).with_for_update())
    if part.serial:
        key = f"{whole.organisation_id}:{part.item_number}:{part.serial}"
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:k, 11))"), {"k": key})


def _check_loop(session: Session, whole: Asset, child: Asset, since: datetime, until: datetime | None) -> None:
    values = {"whole": whole.id, "child": child.id, "since": since, "until": until, "most": DEPTH}
    above, loop = session.execute(_ABOVE, values).one()
    if loop:
        raise Invalid("an asset cannot be a part of itself", field="asset_id")
    below = session.scalar(_BELOW, {"child": child.id, "since": since, "most": DEPTH}) or 0
    if above + 2 + below > DEPTH:
        raise Invalid(f"the tree has at most {DEPTH} levels", field="asset_id", limit=DEPTH)


def _same_part(whole: Asset, part: Part) -> ColumnElement[bool] | None:
    if part.child is not None:
        return Component.child_asset_id == part.child.id
    if not part.serial:
        return None  # pieces without a serial number cannot be told apart
    return (
        (Component.organisation_id == whole.organisation_id)
        & (Component.serial == part.serial)
        & Component.item_number.is_not_distinct_from(part.item_number)
        & Component.child_asset_id.is_(None)
    )


def _same_place(whole: Asset, part: Part) -> ColumnElement[bool] | None:
    return (Component.asset_id == whole.id) & (Component.place == part.place) if part.place else None


def _standing(session: Session, which: ColumnElement[bool] | None, at: datetime) -> Component | None:
    if which is None:
        return None
    holds = (Component.valid_from <= at) & (Component.valid_to.is_(None) | (Component.valid_to > at))
    return session.scalar(select(Component).where(which, holds).limit(1))


def _next(session: Session, which: ColumnElement[bool] | None, at: datetime) -> datetime | None:
    if which is None:
        return None
    return session.scalar(
        select(Component.valid_from).where(which, Component.valid_from > at).order_by(Component.valid_from).limit(1)
    )


def _where(there: Component) -> dict[str, str]:
    return {
        "component_id": str(there.id),
        "asset_id": str(there.asset_id),
        "place": there.place or "",
        "since": there.valid_from.isoformat(),
    }


def _text(key: UUID | None) -> str | None:
    return str(key) if key else None


def _log(session: Session, kind: str, part: Component, at: datetime, by_id: UUID | None, facts: dict[str, Any]) -> None:
    about = {
        "component_id": str(part.id),
        "child_asset_id": _text(part.child_asset_id),
        "item_number": part.item_number,
        "serial": part.serial,
        "lot": part.lot,
        "name": part.name,
        "place": part.place,
        "quantity": part.quantity,
    }
    append_event(
        session,
        kind,
        at=at,
        organisation_id=part.organisation_id,
        subject_kind="asset",
        subject_id=part.asset_id,
        asset_id=part.asset_id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload=about | facts,
    )
