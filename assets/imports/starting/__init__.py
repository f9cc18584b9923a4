"""A starter set of asset models: common machines with what is measured on them and how they fail."""

from __future__ import annotations

from assets.imports.starting.flow import FLOW
from assets.imports.starting.motion import MOTION
from assets.imports.starting.parts import Machine

MACHINES: tuple[Machine, ...] = (*FLOW, *MOTION)

__all__ = ["MACHINES", "Machine"]
