"""The detectors of an asset in the order in which they see the data; a new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml.detectors.banks.limits import LimitsBank
from ml.detectors.banks.protocol import Bank, Layout
from ml.detectors.banks.quality import QualityBank
from ml.detectors.banks.residual import ResidualBank
from ml.detectors.banks.wear import WearBank
from ml.detectors.data_quality import DataQualityDetector
from ml.detectors.limits import LimitsDetector
from ml.detectors.protocol import Detector, State
from ml.detectors.residual import ResidualDetector
from ml.detectors.setup import AssetSetup
from ml.detectors.teaching import teach_residual
from ml.detectors.wear import WearDetector


@dataclass(frozen=True, slots=True)
class Entry:
    """`create` makes the detector of one asset; `teach` sums up what the detectors of peers learned, as plain state:
    a new peer finds it in `setup.taught[id]`. None where peers teach nothing. `bank` makes the place for many quiet
    detectors of this kind; without one, assets with this detector stay on a path of their own. What counts rows
    (`by_rows`) is made once more for metrics that come in a rhythm of their own, see `ml.rhythms`."""

    id: str
    create: Callable[[str, AssetSetup], Detector]
    bank: Callable[[Layout], Bank] | None = None
    teach: Callable[[Sequence[Detector]], State] | None = None
    by_rows: bool = False


# Order matters: what a detector with a `mask` does not believe is hidden from those after it.
DETECTORS: tuple[Entry, ...] = (
    Entry("data_quality", lambda asset, setup: DataQualityDetector(asset), QualityBank, by_rows=True),
    Entry("limits", lambda asset, setup: LimitsDetector(asset, setup.limits), LimitsBank),
    Entry(
        "residual",
        lambda asset, setup: ResidualDetector(asset, setup.residual, taught=setup.taught.get("residual")),
        ResidualBank,
        teach_residual,
        by_rows=True,
    ),
    Entry("wear", WearDetector, WearBank),
)


def create(asset: str, setup: AssetSetup, entries: Sequence[Entry] = DETECTORS) -> tuple[Detector, ...]:
    """Return the asset's detectors in order. Raise ValueError where one calls itself otherwise than its entry."""
    made = tuple(entry.create(asset, setup) for entry in entries)
    for entry, detector in zip(entries, made, strict=True):
        if detector.id != entry.id:
            raise ValueError(f"detector {detector.id!r} is registered as {entry.id!r}")
    return made


def teach(peers: Iterable[Sequence[Detector]], entries: Sequence[Entry] = DETECTORS) -> Mapping[str, State]:
    """Sum up what the detectors of these peers know, by detector id, for `AssetSetup.taught`."""
    by_id: dict[str, list[Detector]] = {}
    for detectors in peers:
        for detector in detectors:
            by_id.setdefault(detector.id, []).append(detector)
    return {
        entry.id: entry.teach(by_id[entry.id]) for entry in entries if entry.teach is not None and entry.id in by_id
    }
