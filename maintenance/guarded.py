"""What a guard answers: a finding that would lead to work is held back, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from assets.registry import Asset
from maintenance.decisions import SUPPRESS, Policy
from maintenance.models import Finding


@dataclass(frozen=True, slots=True)
class Guarded:
    """A finding is held back: `reason` is a code with parameters, rendered in the reader's language at the edges.

    `action` is what is decided instead: `suppress`, or `watch` to put it on the planner's list. `again_s` asks to
    look again after so many seconds without news; None: only news is looked at.
    """

    reason: str
    params: dict[str, Any] = field(default_factory=dict)
    action: str = SUPPRESS
    again_s: float | None = None


# (session, asset, finding, policy, moment): `moment` is the asset's own, for replayed evidence its watermark. The
# asset's lock is held. A guard writes nothing that would be wrong if a later guard answers too.
Guard = Callable[[Session, Asset, Finding, Policy, datetime], Guarded | None]
