"""The fleet's detectors and their state: readings in, findings out, the same for live data, replay and evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from maintenance.decisions import FindingFacts
from ml.detectors import plain
from ml.detectors.data_quality import DataQualityDetector
from ml.detectors.limits import Limits, LimitsDetector
from ml.detectors.protocol import Block, Detector, Floats, Learning
from ml.detectors.residual import ResidualDetector, ResidualSettings

Rows = NDArray[np.int64]

MAX_METRICS = 256  # per asset: a million-key payload must not become a million-column matrix


@dataclass(frozen=True, slots=True)
class AssetSetup:
    """What is known of an asset before its first reading."""

    limits: Limits = field(default_factory=dict)
    residual: ResidualSettings = field(default_factory=ResidualSettings)
    prior_scale: Mapping[str, float] = field(default_factory=dict)  # peers' scale per metric, in its unit


class _Asset:
    """One asset's detectors in the order in which they see the data."""

    def __init__(self, asset: str, setup: AssetSetup) -> None:
        self.quality = DataQualityDetector(asset)
        self.limits = LimitsDetector(asset, setup.limits)
        self.residual = ResidualDetector(asset, setup.residual, setup.prior_scale)
        self.watermark = -np.inf
        self.late_rows = 0
        self.fed = 0  # rows of the last block
        self.scored: Rows = np.zeros(0, dtype=np.int64)  # which of them were scored, in time order

    def detectors(self) -> tuple[Detector, ...]:
        return (self.quality, self.limits, self.residual)


class FleetScorer:
    """Holds every asset's detectors. Not thread-safe: one scorer per worker process."""

    def __init__(self, setups: Mapping[str, AssetSetup] | None = None, default: AssetSetup | None = None) -> None:
        self._setups = dict(setups or {})
        self._default = default or AssetSetup()
        self._assets: dict[str, _Asset] = {}

    def set_up(self, asset: str, setup: AssetSetup) -> None:
        """Tell what is known of an asset; what it learned stays, limits and levels change at once."""
        self._setups[asset] = setup
        if asset in self._assets:
            kept = self.dump(asset)
            del self._assets[asset]
            self.load(asset, kept)

    def assets(self) -> tuple[str, ...]:
        return tuple(self._assets)

    def feed(self, block: Block) -> list[FindingFacts]:
        """Score rows of one asset; return new and changed findings in time order.

        Rows at or before the asset's watermark are counted as late and not scored again; values that are not
        finite are missing, a row of nothing else is no reading. Rows within the block may be unordered.
        """
        asset = self._of(block.asset)
        block = _cleaned(block, asset)
        if len(block) == 0:
            asset.residual.abnormal = []
            return []
        asset.watermark = float(block.t[-1])
        found = asset.quality.update(block)
        believed = block.with_values(np.where(asset.quality.mask, np.nan, block.values))
        found += asset.limits.update(believed)
        found += asset.residual.update(believed)
        return sorted(found, key=lambda f: (f.cleared_at or f.last_at, f.detector, f.signature))

    def alarms(self, asset: str) -> list[bool]:
        """For each row of the last block fed: did the residual model hold it for abnormal at that moment?"""
        own = self._of(asset)
        flags = np.zeros(own.fed, dtype=bool)
        flags[own.scored] = own.residual.abnormal
        return [bool(flag) for flag in flags]

    def watermark(self, asset: str) -> float:
        """Event time (epoch seconds) up to which the asset was scored; minus infinity before the first row."""
        return self._of(asset).watermark

    def late_rows(self, asset: str) -> int:
        return self._of(asset).late_rows

    def healthy_until(self, asset: str) -> float:
        """Until when somebody vouched for the asset, as far as the scored rows told; 0 when nobody did."""
        return self._of(asset).residual.healthy_until

    def learning(self, asset: str) -> Learning:
        """How far the residual model is: state, progress 0..1, and what it still waits for."""
        return self._of(asset).residual.learning()

    def rebaseline(self, asset: str, at: float) -> None:
        """The asset was repaired at `at` (epoch seconds): every detector forgets what was normal before."""
        for detector in self._of(asset).detectors():
            detector.rebaseline(at)

    def rewind(self, asset: str) -> None:
        """Let rows older than the watermark come: for a copy that goes over what came late."""
        own = self._of(asset)
        own.watermark = -np.inf
        for detector in own.detectors():
            detector.rewind()

    def expected(self, block: Block) -> Floats:
        """What the asset's model expects for each value of the block [n, m], NaN where it cannot tell."""
        return self._of(block.asset).residual.expected(block)

    def band(self, block: Block) -> Floats:
        """How far from the expected value a reading must be to count [n, m], in the metrics' units."""
        return self._of(block.asset).residual.band(block)

    def dump(self, asset: str) -> bytes:
        """The asset's whole state as bytes, without pickle; `load` continues exactly where it stopped."""
        own = self._of(asset)
        state = {detector.id: detector.state() for detector in own.detectors()}
        return plain.pack({"detectors": state, "watermark": own.watermark, "late_rows": own.late_rows})

    def load(self, asset: str, data: bytes) -> None:
        """Restore a dumped state. Raise StateUnreadable when the bytes are not one."""
        stored = plain.unpack(data)
        own = _Asset(asset, self._setups.get(asset, self._default))
        try:
            for detector in own.detectors():
                if detector.id in stored["detectors"]:
                    detector.restore(stored["detectors"][detector.id])
            own.watermark, own.late_rows = float(stored["watermark"]), int(stored["late_rows"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise plain.StateUnreadable(f"detector state of asset {asset} is incomplete: {error!r}") from error
        self._assets[asset] = own

    def state_hash(self, asset: str) -> str:
        """A short name of exactly this state, for the model store."""
        return hashlib.sha256(self.dump(asset)).hexdigest()[:16]

    def model_id(self, asset: str, regime: str = "") -> str:
        return self._of(asset).residual.model_id(regime)

    def _of(self, asset: str) -> _Asset:
        if asset not in self._assets:
            self._assets[asset] = _Asset(asset, self._setups.get(asset, self._default))
        return self._assets[asset]


def _cleaned(block: Block, asset: _Asset) -> Block:
    """Rows in order, newer than the watermark, one per time, finite or NaN, with a bounded number of metrics."""
    values = np.asarray(block.values, dtype=float)
    metrics = block.metrics
    if len(metrics) > MAX_METRICS:
        metrics, values = metrics[:MAX_METRICS], values[:, :MAX_METRICS]
    t = np.asarray(block.t, dtype=float)
    order = np.argsort(t, kind="stable")
    ordered = t[order]
    fresh = ordered > asset.watermark
    asset.late_rows += int((~fresh).sum())
    fresh[1:] &= np.diff(ordered) > 0
    # A recording may hold rows without a value; a device sends none, and silence must look the same in both.
    told = np.isfinite(values).any(axis=1) | (block.modes is not None)
    rows = order[fresh & told[order]]
    asset.fed, asset.scored = len(t), rows
    values = np.where(np.isfinite(values[rows]), values[rows], np.nan)
    modes = None if block.modes is None else block.modes[rows]
    return replace(block, t=t[rows], metrics=metrics, values=values, modes=modes)
