"""What every detector takes and gives: a block of one asset's readings in, findings out, state as plain arrays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from maintenance.decisions import FindingFacts

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Strings = NDArray[np.str_]
State = dict[str, Any]  # numbers, texts, lists, dictionaries and arrays only: see `ml.detectors.plain`


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one asset in time order: `t` epoch seconds [n], `values` [n, m] with NaN where missing.

    `modes` holds the explicit operating mode of each row as a code, or is None; `mode_names` names the codes
    (-1 is unknown). `healthy_until` is the epoch second up to which the rows are known to be healthy, if anybody
    said so (commissioning); 0 when nobody did.
    """

    asset: str
    t: Floats
    metrics: tuple[str, ...]
    values: Floats
    modes: NDArray[np.int64] | None = None
    mode_names: tuple[str, ...] = ()
    healthy_until: float = 0.0

    def __len__(self) -> int:
        return len(self.t)

    def rows(self, start: int, stop: int) -> Block:
        """The block's rows [start, stop)."""
        modes = None if self.modes is None else self.modes[start:stop]
        return Block(
            self.asset,
            self.t[start:stop],
            self.metrics,
            self.values[start:stop],
            modes,
            self.mode_names,
            self.healthy_until,
        )

    def with_values(self, values: Floats) -> Block:
        return Block(self.asset, self.t, self.metrics, values, self.modes, self.mode_names, self.healthy_until)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the asset at `t` (epoch seconds) and is no reading: an error code, a service."""

    t: float
    kind: str  # error, maintenance, or repair: see `repairs`
    code: str
    component: str = ""


@dataclass(frozen=True, slots=True)
class Learning:
    """How far a detector is for one asset, and what it still waits for (text codes with numbers)."""

    state: str  # learning, provisional, ready
    progress: float  # 0..1
    missing: Mapping[str, float] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()  # metrics told since the reference was frozen: no part of it yet


class Detector(Protocol):
    """One way of noticing trouble on one asset; a new one is one file here and one line in `registry`."""

    id: str
    layer: str

    def update(self, block: Block) -> list[FindingFacts]:
        """Take the next rows, return new and changed findings in time order; how rows are cut into blocks must
        not change what is found."""
        ...

    def learning(self) -> Learning: ...

    def rebaseline(self, at: float) -> None:
        """Forget what was normal before `at` (epoch seconds): the asset was repaired."""
        ...

    def rewind(self) -> None:
        """Forget where in time it stood, so that older rows may come; what it learned stays."""
        ...

    def state(self) -> State: ...

    def restore(self, state: State) -> None: ...


@runtime_checkable
class Doubting(Protocol):
    """A detector that tells which values of the last block [n, m] are not to be believed by those after it."""

    mask: Bools


@runtime_checkable
class Marking(Protocol):
    """A detector that tells for each row of the last block whether the asset looks abnormal at that moment."""

    abnormal: list[bool]


@runtime_checkable
class Overruling(Protocol):
    """A detector that knows better than another one's finding: it is not told."""

    def overrules(self, finding: FindingFacts) -> bool: ...


@runtime_checkable
class Parting(Protocol):
    """A detector that is told which metrics others judge from now on: what is open of these ends, and is returned."""

    def let_go(self, metrics: Collection[str]) -> list[FindingFacts]: ...


@runtime_checkable
class Listening(Protocol):
    """A detector that wants to hear of events; they come in order of time, between the rows."""

    def happened(self, event: Event) -> None: ...


@runtime_checkable
class Expecting(Protocol):
    """A detector that can tell what each value should be, and how far off it must be to count, as [n, m].

    The first one of an asset also speaks for it where one model is asked for: model id, learning state.
    """

    healthy_until: float  # epoch seconds up to which somebody vouched for the asset, 0 when nobody did

    def expected(self, block: Block) -> Floats: ...

    def band(self, block: Block) -> Floats: ...

    def model_id(self, mode: str = "") -> str: ...


def moment(t: float) -> datetime:
    """Aware UTC time of epoch seconds."""
    return datetime.fromtimestamp(float(t), UTC)
