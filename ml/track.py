"""Detectors along rows of one rhythm, and where in time they stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maintenance.decisions import FindingFacts
from ml.cuts import hidden, stretches, within
from ml.detectors.protocol import (
    Block,
    Bools,
    Detector,
    Doubting,
    Event,
    Expecting,
    Floats,
    Listening,
    Marking,
    Overruling,
    Parting,
    State,
)
from ml.detectors.repairs import is_repair

Seen = tuple[list[FindingFacts], Bools]  # what was found, and which rows were marked


class Track:
    """Detectors in the order in which they see the data, which of them can do what, and where in time they stand."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self.detectors = tuple(detectors)
        self.doubting = {detector.id: detector for detector in self.detectors if isinstance(detector, Doubting)}
        self.marking = {detector.id: detector for detector in self.detectors if isinstance(detector, Marking)}
        self.listening = [detector for detector in self.detectors if isinstance(detector, Listening)]
        self.overruling = [detector for detector in self.detectors if isinstance(detector, Overruling)]
        self.expecting = next((detector for detector in self.detectors if isinstance(detector, Expecting)), None)
        self.watermark = -np.inf

    def update(self, block: Block, own: tuple[Bools, Bools] | None, by_rows: frozenset[str]) -> Seen:
        """Let every detector see the rows; what one does not believe is hidden from those after it.

        `own` are the rows and columns of the block that those see who count rows; None: all.
        """
        found: list[FindingFacts] = []
        marks = np.zeros(len(block), dtype=bool)
        for detector in self.detectors:
            part = None if own is None or detector.id not in by_rows else own
            if part is not None and not part[0].any():
                continue
            found += detector.update(block if part is None else within(block, *part))
            if (doubting := self.doubting.get(detector.id)) is not None and doubting.mask.any():
                block = block.with_values(hidden(block.values, doubting.mask, part))
            if (marking := self.marking.get(detector.id)) is not None:
                marks[slice(None) if part is None else part[0]] |= np.asarray(marking.abnormal, dtype=bool)
        return self.heeded(found), marks

    def heeded(self, found: Sequence[FindingFacts]) -> list[FindingFacts]:
        """Those that no detector of the asset knows better."""
        return [finding for finding in found if not any(each.overrules(finding) for each in self.overruling)]

    def happened(self, event: Event) -> None:
        """A repair moves what is normal for every detector; other events are for those that listen."""
        if is_repair(event):
            for detector in self.detectors:
                detector.rebaseline(event.t)
            return
        for listening in self.listening:
            listening.happened(event)

    def let_go(self, metrics: Sequence[str], by_rows: frozenset[str]) -> list[FindingFacts]:
        """Others judge these metrics from now on, but for those detectors that do not count rows."""
        own = [each for each in self.detectors if isinstance(each, Parting) and each.id in by_rows]
        return self.heeded([finding for each in own for finding in each.let_go(metrics)])

    def rewind(self) -> None:
        self.watermark = -np.inf
        for detector in self.detectors:
            detector.rewind()

    def state(self) -> State:
        return {detector.id: detector.state() for detector in self.detectors}

    def restore(self, states: State) -> None:
        for detector in self.detectors:
            if detector.id in states:
                detector.restore(states[detector.id])


class Part(Track):
    """A rhythm of its own: its metrics, and detectors that count their rows alone."""

    def __init__(self, detectors: Sequence[Detector], metrics: tuple[str, ...], probe: Floats | None) -> None:
        super().__init__(detectors)
        self.metrics = metrics
        self.probe = probe  # times of its first rows; None once it has shown its rhythm
        self.rows = 0

    def walk(self, block: Block, events: Sequence[Event]) -> Seen:
        """Score its rows, each event told after the last row before it."""
        found: list[FindingFacts] = []
        marks = np.zeros(len(block), dtype=bool)
        for start, stop, event in stretches(block, events):
            if stop > start:
                more, marks[start:stop] = self.update(block.rows(start, stop), None, frozenset())
                found += more
            if event is not None:
                self.happened(event)
        if len(block):
            self.watermark = max(self.watermark, float(block.t[-1]))
        self.rows += len(block)
        if self.probe is not None:
            self.probe = np.concatenate([self.probe, block.t])
        # That nothing came for long is told of the asset, not of one of its rhythms.
        return [each for each in found if each.kind != "connection"], marks
