"""Load the starter set of asset models by the same rules as an import."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.imports.kinds.base import Origin
from assets.imports.kinds.models import AssetModels, FailureModes, Metrics
from assets.imports.starting import MACHINES, Machine
from assets.registry import AssetModel


def present_codes(session: Session, origin: Origin) -> set[str]:
    """Return the codes of the set that the organisation has already."""
    found = select(AssetModel.code).where(AssetModel.organisation_id == origin.actor.organisation_id)
    return set(session.scalars(found.where(AssetModel.code.in_([each.code for each in MACHINES]))))


def load_starter(session: Session, origin: Origin, codes: Iterable[str] | None = None) -> dict[str, int]:
    """Store the set, or the named ones; what somebody changed since is left as it is. Raises Invalid.

    Return how many models came in and how many were there.
    """
    known = {each.code: each for each in MACHINES}
    wanted = list(dict.fromkeys(codes)) if codes is not None else list(known)
    if set(wanted) - set(known):
        raise Invalid("no such model in the starter set", field="codes", allowed=list(known))
    there = present_codes(session, origin)
    for code in wanted:
        if code not in there:
            _store(session, known[code], origin)
    return {"inserted": len(set(wanted) - there), "updated": 0, "unchanged": len(set(wanted) & there)}


def _store(session: Session, machine: Machine, origin: Origin) -> None:
    about = {"code": machine.code, "name_en": machine.en, "name_zh": machine.zh, "manufacturer": None}
    AssetModels().store(session, about, origin)
    session.flush()
    for metric in machine.metrics:
        Metrics().store(
            session,
            _values(
                Metrics.fields,
                model=machine.code,
                metric=metric.name,
                unit=metric.unit,
                label_en=metric.en,
                label_zh=metric.zh,
                role=metric.role,
                expected_interval_s=metric.interval_s,
            ),
            origin,
        )
    measured = {metric.name for metric in machine.metrics}
    for rank, mode in enumerate(machine.modes):
        told = _values(
            FailureModes.fields,
            model=machine.code,
            code=mode.code,
            name_en=mode.en,
            name_zh=mode.zh,
            mechanism_en=mode.mechanism_en,
            mechanism_zh=mode.mechanism_zh,
            metrics=", ".join(each for each in mode.metrics.split(", ") if each in measured),
            rank=10 * (rank + 1),
        )
        FailureModes().store(session, told, origin)


def _values(fields: Sequence[Any], **told: Any) -> dict[str, Any]:
    return {each.name: told.get(each.name) for each in fields}
