"""What supervised models learn from: assets, their readings, log and failures, whoever holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from ml.detectors.protocol import Floats

HISTORY = "history"  # the role of an asset that may be learned from in full


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of observation; nothing before `score_from` is judged, rows up to `healthy_until` are healthy."""

    start: float
    end: float
    score_from: float
    healthy_until: float


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset; `spans` are the stretches in which it was observed, in order of time, at least one."""

    name: str
    model: str
    role: str  # history or score
    group: str
    spans: tuple[Span, ...]
    age_years: float | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """A failure (`failed`, epoch seconds) of one kind; `repaired` is the end of its repair."""

    asset: str
    kind: str
    onset: float | None
    established: float | None
    failed: float | None
    repaired: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an asset's log: an error that the device told, or work that was done on a component."""

    asset: str
    t: float
    kind: str  # error or maintenance
    code: str
    component: str


@dataclass(frozen=True, slots=True)
class Settings:
    """By which rules work orders are judged: horizon, least lead, how long a wrong order stays open, the budget."""

    name: str
    on_failure: bool
    horizon_s: float
    min_lead_s: float
    open_s: float
    month_s: float
    persistence_hint_s: float
    budget_per_month: float | None
    per_kind: bool
    hard_kinds: tuple[str, ...] = ()


class TrainingSet(Protocol):
    """A fleet with known failures. Recorded fleets are one as they are; the service makes one of its store.

    `telemetry` returns times [n] in epoch seconds and in order, metric names, and the frame of values [n, m]
    (NaN where missing; a column of texts is an operating mode); all empty where nothing was measured. `events` are
    in order of time and may begin before an asset's first span. Incidents of assets of another role than history
    may be missing and are never learned from.
    """

    @property
    def settings(self) -> Settings: ...

    @property
    def assets(self) -> Mapping[str, Asset]: ...

    @property
    def incidents(self) -> Sequence[Incident]: ...

    @property
    def events(self) -> Sequence[Event]: ...

    def telemetry(self, asset: str) -> tuple[Floats, tuple[str, ...], pd.DataFrame]: ...


class Walkable(TrainingSet, Protocol):
    """One whose assets may be walked through their time, each on a copy that holds nothing to look ahead at."""

    def blind(self, asset: str) -> Walkable:
        """The set with this asset alone and without anybody's incidents: nobody can look at what is not there."""
        ...


def history(training: TrainingSet) -> list[Asset]:
    """The assets that may be learned from in full, by name."""
    return [a for _, a in sorted(training.assets.items()) if a.role == HISTORY]
