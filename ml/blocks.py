"""An asset's stored readings and its type, in the form in which detectors take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from assets.registry import Asset, AssetModel
from ingest.store.read import Readings
from ml.detectors.limits import MetricLimits
from ml.detectors.protocol import Block
from ml.detectors.residual import ResidualSettings
from ml.scoring import AssetSetup

LIMITS = ("low_low", "low", "high", "high_high")
DEADBAND = 0.02  # share of a limit that a value must come back by before the finding ends


def asset_setup(
    model: AssetModel | None, asset: Asset | None = None, residual: ResidualSettings | None = None
) -> AssetSetup:
    """Return what the type's data and the asset's own say before its first reading; `ml.lessons` adds what was
    learned."""
    limits: dict[str, MetricLimits] = {}
    for metric, about in (model.metrics if model else {}).items():
        levels = {name: float(about[name]) for name in LIMITS if about.get(name) is not None}
        rate = about.get("rate_per_s")
        if levels or rate is not None:
            deadband = DEADBAND * max((abs(level) for level in levels.values()), default=0.0)
            limits[metric] = MetricLimits.from_mapping(levels | {"rate": rate, "deadband": deadband})
    patience_s = asset.custom.get("patience_s") if asset else None
    residual = residual or ResidualSettings()
    if patience_s:
        residual = replace(residual, patience_s=float(patience_s))
    return AssetSetup(limits=limits, residual=residual, asset_type=model.code if model else "")


def block_of(asset: str, readings: Readings) -> Block:
    return Block(
        asset=asset,
        t=readings.t,
        metrics=readings.metrics,
        values=readings.values,
        modes=readings.modes,
        mode_names=readings.mode_names,
    )


def blocks_of(
    asset: str, readings: Readings, healthy: Sequence[tuple[float, float]], healthy_until: float = 0.0
) -> Iterator[Block]:
    """Cut the rows where a stretch begins that somebody vouched for, so that each block knows until when.

    `healthy_until` is what holds before the first of these stretches.
    """
    whole = block_of(asset, readings)
    cuts = [0, *(int(np.searchsorted(readings.t, begin)) for begin, _ in healthy), len(whole)]
    ends = [healthy_until, *(end for _, end in healthy)]
    for (start, stop), end in zip(pairwise(cuts), ends, strict=True):
        if stop > start:
            yield replace(whole.rows(start, stop), healthy_until=end)
