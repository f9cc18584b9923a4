"""Walk one asset through its recorded time: detectors and decisions, with nothing that the service would not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from maintenance import decisions
from maintenance.decisions import FindingFacts
from ml import features
from ml.desk import Desk, Order
from ml.detectors import protocol
from ml.detectors.protocol import Block, Floats, State
from ml.detectors.registry import DETECTORS, Entry
from ml.detectors.residual import ResidualSettings
from ml.features import numeric, record_of
from ml.learning import Taught
from ml.remaining_life import LifeEstimate
from ml.result_files import reason
from ml.scoring import AssetSetup, FleetScorer
from ml.supervised import FailureModel, policy_of
from ml.training_set import Asset, Event, TrainingSet
from ml.watching import DETECTOR, FailureWatch

BLOCK_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Learned:
    """What history taught: models, what detectors pass on per asset model, how eager to be, and who may open orders.

    `openers` names the detectors whose findings may open orders (None: all), `elsewhere` those that may on asset
    models that are not `known` from history; `beside` says whether they may also do so on assets that a failure
    model speaks for.
    """

    settings: ResidualSettings
    taught: Taught = field(default_factory=Taught)
    passed_on: Mapping[str, Mapping[str, State]] = field(default_factory=dict)
    by_peers: Mapping[str, Mapping[str, State]] = field(default_factory=dict)  # by asset, see `ml.peers`
    openers: frozenset[str] | None = None
    beside: bool = True
    known: frozenset[str] | None = None  # asset models; None: no difference is made
    elsewhere: frozenset[str] | None = None
    detectors: tuple[Entry, ...] = DETECTORS

    def only(self, asset: Asset) -> Learned:
        """The same without what concerns other assets alone."""
        mine = {name: taught for name, taught in self.by_peers.items() if name == asset.name}
        return replace(self, by_peers=mine)

    def setup(self, asset: Asset) -> AssetSetup:
        """What the detectors of one asset are told before its first reading."""
        taught = {**self.passed_on.get("", {}), **self.passed_on.get(asset.model, {})}
        taught |= self.by_peers.get(asset.name, {})
        return AssetSetup(residual=self.settings, asset_type=asset.model, taught=taught)

    def models(self, asset: Asset, metrics: Sequence[str]) -> list[FailureModel]:
        return [model for model in self.taught.failures if model.suits(asset.model, metrics)]

    def may_open(self, finding: FindingFacts, asset: Asset, has_model: bool) -> bool:
        if finding.detector == DETECTOR or finding.kind != "machine":
            return True
        openers = self.openers if self.known is None or asset.model in self.known else self.elsewhere
        return (self.beside or not has_model) and (openers is None or finding.detector in openers)


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walk through one asset's time gave; `alarms` holds one entry for each row."""

    found: list[FindingFacts]
    alarms: list[tuple[float, bool]]
    has_model: bool
    metrics: tuple[str, ...] = ()


def walk_asset(fleet: TrainingSet, asset: Asset, learned: Learned) -> Walk:
    """The asset's telemetry and log through detectors and failure models; findings in order of time."""
    t, metrics, frame = fleet.telemetry(asset.name)
    scorer = FleetScorer(default=learned.setup(asset), detectors=learned.detectors)
    found: list[FindingFacts] = []
    alarms: list[tuple[float, bool]] = []
    cut = list(blocks(asset, t, metrics, frame))
    untold = [_told(event) for event in fleet.events if event.asset == asset.name]
    for block in cut:
        now = [event for event in untold if event.t <= block.t[-1]]
        untold = untold[len(now) :]
        found += scorer.feed(block, now)
        alarms.extend(zip(block.t.tolist(), scorer.alarms(asset.name), strict=True))
    models = learned.models(asset, numeric(frame))
    found += predicted(fleet, asset, models)
    return Walk(sorted(found, key=lambda f: f.cleared_at or f.last_at), alarms, bool(models), metrics)


def _told(event: Event) -> protocol.Event:
    return protocol.Event(event.t, event.kind, event.code, event.component)


def predicted(fleet: TrainingSet, asset: Asset, models: Sequence[FailureModel]) -> list[FindingFacts]:
    """Findings of the failure models along the asset's life."""
    found: list[FindingFacts] = []
    record = record_of(fleet, asset)
    seen: dict[features.Vocabulary, features.Moments] = {}
    for model in models:
        if model.words not in seen:
            seen[model.words] = features.moments_of(record, model.words)
        found += FailureWatch(asset.name, model).update(seen[model.words])
    return found


def orders_of(fleet: TrainingSet, asset: Asset, walk: Walk, learned: Learned) -> tuple[list[Order], list[Order]]:
    """The machine orders and the sensor orders that the walk's findings lead to."""
    policy = policy_of(fleet.settings)
    desks = {"": Desk(asset.name, policy)}
    machine: list[Order] = []
    sensor: list[Order] = []
    for finding in walk.found:
        if not learned.may_open(finding, asset, walk.has_model):
            continue
        # Where orders must name the component, each has its own desk.
        named = finding.detector == DETECTOR and fleet.settings.per_kind
        component = finding.signature.partition(":")[0] if named else ""
        desk = desks.setdefault(component, Desk(asset.name, policy))
        if desk.take(finding).action == decisions.OPEN:
            order = Order(asset.name, finding.last_at.timestamp(), component or finding.kind, reason(finding))
            (machine if finding.kind == "machine" else sensor).append(order)
    return machine, sensor


def life_at(fleet: TrainingSet, asset: Asset, learned: Learned, at: float) -> LifeEstimate | None:
    """The remaining life as told by all that was known at `at`; None where no model speaks about the asset."""
    record = record_of(fleet, asset)
    known = record.t <= at
    record = replace(
        record, t=record.t[known], frame=record.frame[known], events=[e for e in record.events if e.t <= at]
    )
    for model in learned.taught.lives:
        if model.suits(asset.model, numeric(record.frame)):
            seen = features.moments_of(record, model.words)
            if len(seen.t):
                return model.estimate(seen.t[-1:], model.inputs(seen)[-1:])[0]
    return None


def blocks(asset: Asset, t: Floats, metrics: tuple[str, ...], frame: pd.DataFrame) -> Iterator[Block]:
    """The asset's rows, span by span, in blocks; a text column is its operating mode."""
    if len(t) == 0:
        return
    texts = [m for m in metrics if not pd.api.types.is_numeric_dtype(frame[m])]
    numbers = tuple(m for m in metrics if m not in texts)
    modes: np.ndarray[Any, np.dtype[np.int64]] | None = None
    names: tuple[str, ...] = ()
    if texts:
        joined = frame[texts[0]].astype(str) if len(texts) == 1 else frame[texts].astype(str).agg("/".join, axis=1)
        codes, found = pd.factorize(joined)
        modes, names = codes.astype(np.int64), tuple(str(name) for name in found)
    values = frame[list(numbers)].to_numpy(dtype=float)
    done = -1  # runs may share the row at which one ends and the next begins
    for span in asset.spans:
        rows = np.flatnonzero((t >= span.start) & (t <= span.end))
        rows = rows[rows > done]
        done = max(done, int(rows[-1])) if len(rows) else done
        for start, stop in pairwise([*range(0, len(rows), BLOCK_ROWS), len(rows)]):
            part = rows[start:stop]
            yield Block(
                asset.name, t[part], numbers, values[part], None if modes is None else modes[part], names,
                healthy_until=span.healthy_until,
            )  # fmt: skip
