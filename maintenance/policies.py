"""Policies: how patient to be, by organisation, asset model and kind of trouble, over sane defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.people import Organisation
from assets.registry import Asset
from maintenance.decisions import Policy
from maintenance.models import PolicyRow

KINDS = ("machine", "sensor", "connection")
NAMES = frozenset(field.name for field in fields(Policy)) - {"id"}
NULLABLE = frozenset({"open_s"})
SWITCHES = frozenset({"join_open_order"})
WORDS = frozenset({"suppress_regimes"})
MAX_SECONDS = 366 * 86400.0
MAX_WORDS, MAX_WORD = 50, 200

# Detectors already ask for k of n samples, so a machine's trouble waits no longer; a reading that came in must be
# a work order within 10 s. Sensors and links recover by themselves more often.
DEFAULTS: dict[str, Policy] = {
    "machine": Policy(id="default"),
    "sensor": Policy(id="default", on_delay_s=10.0, off_delay_s=300.0),
    "connection": Policy(id="default", on_delay_s=60.0, off_delay_s=300.0),
}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise Invalid unless these are settings of a policy: its numbers, and under `kinds` the same per kind."""
    for name, value in settings.items():
        if name == "kinds":
            if not isinstance(value, Mapping) or not set(value) <= set(KINDS):
                raise Invalid(f"kinds are {', '.join(KINDS)}", field="kinds", allowed=list(KINDS))
            for inner in value.values():
                if not isinstance(inner, Mapping):
                    raise Invalid("each kind holds settings by name", field="kinds")
                if "kinds" in inner:
                    raise Invalid("a kind has no kinds of its own", field="kinds")
                check_settings(inner)
        elif name not in NAMES:
            raise Invalid(f"a policy has no {name!r}", field=name, allowed=sorted(NAMES))
        else:
            _check_value(name, value)


def _check_value(name: str, value: object) -> None:
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise Invalid(f"{name} is true or false", field=name)
    elif name in WORDS:
        words = isinstance(value, list | tuple) and all(isinstance(w, str) and 0 < len(w) <= MAX_WORD for w in value)
        if not words or len(value) > MAX_WORDS:  # type: ignore[arg-type]
            raise Invalid(f"{name} is a list of at most {MAX_WORDS} words", field=name)
    elif not (_is_number(value) or (value is None and name in NULLABLE)):
        raise Invalid(f"{name} is a number from 0 to {highest(name):.0f}", field=name)
    elif name == "min_confidence" and value > 1:  # type: ignore[operator]
        raise Invalid(f"{name} is a number from 0 to 1", field=name)


def highest(name: str) -> float:
    """Return the largest number that a setting may be."""
    return 1.0 if name == "min_confidence" else MAX_SECONDS


def policies_for(session: Session, asset: Asset) -> dict[str, Policy]:
    """Return the policy of each kind of trouble for an asset."""
    above, rows = rows_for(session, asset)
    return combined(above, rows)


def rows_for(session: Session, asset: Asset) -> tuple[list[UUID], list[PolicyRow]]:
    """Return the owner with what stands above it, root first, and the enabled rows that are about the asset."""
    owner = session.get(Organisation, asset.organisation_id)
    above = list(owner.ancestors) if owner else [asset.organisation_id]
    rows = select(PolicyRow).where(
        PolicyRow.enabled,
        PolicyRow.organisation_id.in_(above),
        or_(PolicyRow.asset_model_id.is_(None), PolicyRow.asset_model_id == asset.asset_model_id),
    )
    return above, list(session.scalars(rows))


def combined(above: Sequence[UUID], rows: Sequence[PolicyRow]) -> dict[str, Policy]:
    """Return the policy of each kind of trouble out of rows.

    Rows of the owner's ancestors count first, then the owner's; in each, those for all models before those for one.
    """
    ranked = sorted(rows, key=lambda row: (above.index(row.organisation_id), row.asset_model_id is not None, row.name))
    policies = dict(DEFAULTS)
    for row in ranked:
        for kind in KINDS:
            policies[kind] = _over(policies[kind], row, kind)
    return policies


def _over(policy: Policy, row: PolicyRow, kind: str) -> Policy:
    settings = {name: value for name, value in row.settings.items() if name in NAMES}
    settings |= {name: value for name, value in row.settings.get("kinds", {}).get(kind, {}).items() if name in NAMES}
    settings |= {name: tuple(settings[name]) for name in WORDS & set(settings)}
    return replace(policy, id=row.name, **settings)


def _is_number(value: object) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value) and 0 <= value <= MAX_SECONDS  # type: ignore[operator, arg-type]
