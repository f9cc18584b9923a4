"""What is known of an asset before its first reading: its type's data, what peers taught, how eager to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ml.detectors.limits import Limits
from ml.detectors.protocol import State
from ml.detectors.residual import ResidualSettings


@dataclass(frozen=True, slots=True)
class AssetSetup:
    """One asset's setup; every detector takes from it what it needs and ignores the rest."""

    limits: Limits = field(default_factory=dict)
    residual: ResidualSettings = field(default_factory=ResidualSettings)
    asset_type: str = ""  # "" where it is not known
    openers: tuple[str, ...] | None = None  # detectors whose machine findings may open orders; None: all
    taught: Mapping[str, State] = field(default_factory=dict)  # by detector id: what its peers taught, see `registry`
