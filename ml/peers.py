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
from ml.training_set import HISTORY, Asset
from ml.walking import blocks

MAX_PEERS = 64  # the nearest in name: more of them teach nothing new
MAX_ROWS = 4096  # of one peer


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
        learners = {asset.name: _vouched(fleet, asset, asset.role == HISTORY and asset.name not in ill, settings)
                    for asset in assets}  # fmt: skip
        known: dict[tuple[str, ...], Mapping[str, State]] = {}
        for asset in assets:
            peers = _before(asset, assets)
            if peers not in known and len(peers) > (asset.name in peers):
                known[peers] = registry.teach([learners[name] for name in peers if learners[name]])
            if peers in known:
                taught[asset.name] = known[peers]
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


def _vouched(fleet: RecordedFleet, asset: Asset, always: bool, settings: ResidualSettings) -> tuple[Detector, ...]:
    """The asset's detectors after its vouched rows of the first stretch; of an asset that was always well, all."""
    t, metrics, frame = fleet.telemetry(asset.name)
    until = np.inf if always else asset.spans[0].healthy_until
    detectors = registry.create(asset.name, AssetSetup(residual=settings, asset_type=asset.model), _teaching())
    for block in blocks(asset, t, metrics, frame):
        rows = int(np.searchsorted(block.t, until, side="right"))
        rows = min(rows, MAX_ROWS)
        if rows:
            part: Block = replace(block.rows(0, rows), healthy_until=float(block.t[rows - 1]))
            for detector in detectors:
                detector.update(part)
        if rows < len(block):
            break
    return detectors


def _teaching() -> tuple[registry.Entry, ...]:
    return tuple(entry for entry in DETECTORS if entry.teach is not None)
