"""What assets of the same type teach each other: the rows that somebody vouched for, up to the moment of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ml.detectors import registry
from ml.detectors.protocol import Block, Detector, State
from ml.detectors.registry import DETECTORS
from ml.detectors.residual import ResidualSettings
from ml.recorded_fleet import RecordedFleet
from ml.scoring import AssetSetup
from ml.supervised import folds
from ml.training_set import HISTORY, Asset
from ml.walking import blocks

MAX_PEERS = 64  # the nearest in name: more of them teach nothing new
MAX_ROWS = 4096  # of one peer
MORE = 1.25  # times the rows: then it is worth looking at them again


def taught_by_peers(fleet: RecordedFleet, settings: ResidualSettings) -> dict[str, Mapping[str, State]]:
    """For each asset what its peers taught by the end of its own vouched time, by detector.

    Looked at are the rows of peers that were vouched for until then, and all rows of history assets that never had
    an incident; of scored assets nothing else, and nobody's incidents.
    """
    ill = {incident.asset for incident in fleet.incidents}
    by_model: dict[str, list[Asset]] = {}
    for _, asset in sorted(fleet.assets.items()):
        by_model.setdefault(asset.model, []).append(asset)
    taught: dict[str, Mapping[str, State]] = {}
    for assets in by_model.values():
        if len(assets) < 2:
            continue
        learners: dict[str, tuple[Detector, ...]] = {}
        rows_of: dict[str, int] = {}
        well = [asset for asset in assets if asset.role == HISTORY and asset.name not in ill]
        for asset in assets:
            learners[asset.name], rows_of[asset.name] = _vouched(fleet, asset, asset in well, settings)
        taught |= _each_by_the_others(well, learners)
        lesson: Mapping[str, State] | None = None
        rows = 0
        for asset in sorted((a for a in assets if a not in well), key=lambda a: a.spans[0].healthy_until):
            peers = _before(asset, assets)
            if set(peers) <= {asset.name}:
                continue
            seen = sum(rows_of[name] for name in peers)
            if lesson is None or seen >= MORE * rows or seen < rows:
                lesson, rows = registry.teach([learners[name] for name in peers]), seen
            taught[asset.name] = lesson
    return taught


def _each_by_the_others(
    well: Sequence[Asset], learners: Mapping[str, tuple[Detector, ...]]
) -> dict[str, Mapping[str, State]]:
    """For history assets of which all rows teach: what the others of them teach, so that nobody judges itself."""
    taught: dict[str, Mapping[str, State]] = {}
    for part in folds(len(well)):
        others = [asset.name for i, asset in enumerate(well) if i not in part][:MAX_PEERS]
        if others:
            lesson = registry.teach([learners[name] for name in others])
            taught |= {well[i].name: lesson for i in part}
    return taught


def _before(asset: Asset, assets: Sequence[Asset]) -> tuple[str, ...]:
    """Who was vouched for by the time at which this asset is on its own: history, and others whose start was earlier.

    The asset itself is among them, so that machines that start together share what they teach.
    """
    now = asset.spans[0].healthy_until
    known = [a.name for a in assets if a.spans[0].healthy_until <= now or (a.role == HISTORY and asset.role != HISTORY)]
    if len(known) <= MAX_PEERS:
        return tuple(known)
    history = {a.name for a in assets if a.role == HISTORY}
    return tuple(sorted(sorted(known, key=lambda name: (name not in history, name))[:MAX_PEERS]))


def _vouched(
    fleet: RecordedFleet, asset: Asset, always: bool, settings: ResidualSettings
) -> tuple[tuple[Detector, ...], int]:
    """The asset's detectors after its vouched rows of the first stretch (all, if it was always well), and how many."""
    t, metrics, frame = fleet.telemetry(asset.name)
    until = np.inf if always else asset.spans[0].healthy_until
    detectors = registry.create(asset.name, AssetSetup(residual=settings, asset_type=asset.model), _teaching())
    total = 0
    for block in blocks(asset, t, metrics, frame):
        rows = min(int(np.searchsorted(block.t, until, side="right")), MAX_ROWS - total)
        total += rows
        if rows:
            part: Block = replace(block.rows(0, rows), healthy_until=float(block.t[rows - 1]))
            for detector in detectors:
                detector.update(part)
        if rows < len(block):
            break
    return detectors, total


def _teaching() -> tuple[registry.Entry, ...]:
    return tuple(entry for entry in DETECTORS if entry.teach is not None)
