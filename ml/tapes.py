"""Remember what an asset's detectors knew and then read, so that a finding can be made again from just that."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors.protocol import Block, Event, State
from ml.detectors.registry import DETECTORS, Entry
from ml.detectors.setup import AssetSetup
from ml.scoring import FleetScorer
from ml.store import records
from ml.store import snapshots as stored
from ml.store.snapshots import Step, Taken

log = logging.getLogger(__name__)

SLICE_ROWS = 2_000  # rows fed at once: what a snapshot holds is at most twice as much
STEPS = 32  # calls on one tape: the state is taken anew about once in so many
ASSETS = 1_000  # tapes held, some 50 kB each; assets beyond are scored without one, and their findings say so
TAKEN, TAKEN_S = 30, 3600.0  # snapshots of one asset in so much time: the next of a flapping signal say nothing new
IDLE_S = 300.0  # a tape that was not written to for so long makes room, in the clock of the caller

Key = tuple[str, str, datetime]


@dataclass(slots=True)
class _Tape:
    state: bytes
    setup: AssetSetup
    used_at: float
    steps: list[Step] = field(default_factory=list)
    rows: int = 0


class Tapes:
    """Feeds a fleet's detectors and keeps the last of what they read, asset by asset."""

    def __init__(self, detectors: Sequence[Entry] = DETECTORS) -> None:
        self._detectors = tuple(detectors)
        self._tapes: dict[str, _Tape] = {}
        self._open: dict[str, set[Key]] = {}
        self._taken: dict[tuple[str, Key], Taken] = {}
        self._times: dict[str, list[float]] = {}  # when snapshots of an asset were taken lately

    def feed(
        self, fleet: FleetScorer, block: Block, setup: AssetSetup, clock: float, events: Sequence[Event] = ()
    ) -> list[FindingFacts]:
        """Score the rows as `fleet.feed` would; what begins is remembered with all that it came from.

        `setup` is what the asset was set up with, `clock` any rising number of seconds.
        """
        found: list[FindingFacts] = []
        for step in _slices(block, events):
            tape = self._tape(fleet, block.asset, setup, clock)
            if tape is not None:
                tape.steps.append(step)
                tape.rows += len(step.block)
            facts = fleet.feed(step.block, step.events)
            self._note(fleet, block.asset, tape, facts, clock)
            found += facts
        return found

    def taken(self, fact: FindingFacts) -> Taken | None:
        """Return the snapshot of a finding that began in what was fed; once, after having made the finding again
        from it: a snapshot that would not give the finding is not worth keeping."""
        snapshot = self._taken.pop((fact.asset, _key(fact)), None)
        if snapshot is None:
            return None
        try:
            again = replay(snapshot.asset, snapshot.state, snapshot.fact, self._detectors)
        except Exception:  # one asset's trouble: the findings of the others are to be saved
            log.exception("asset %s: finding %s cannot be made again", fact.asset, fact.signature)
            return None
        if again is None or stored.differing(snapshot.fact, again):
            log.warning("asset %s: finding %s cannot be made again, no snapshot is kept", fact.asset, fact.signature)
            return None
        return snapshot

    def forget(self, asset: str) -> None:
        """The detectors' state changes otherwise than by reading rows: what is on the tape no longer leads to it."""
        self._tapes.pop(asset, None)

    def drop(self, asset: str) -> None:
        """The asset begins again from what is stored: what it found since is found again, and taken again."""
        self.forget(asset)
        self._open.pop(asset, None)

    def clear(self) -> None:
        """Drop snapshots that nobody asked for."""
        self._taken.clear()

    def _tape(self, fleet: FleetScorer, asset: str, setup: AssetSetup, clock: float) -> _Tape | None:
        tape = self._tapes.get(asset)
        if tape is not None and tape.rows < SLICE_ROWS and len(tape.steps) < STEPS and tape.setup is setup:
            tape.used_at = clock
            return tape
        if tape is None and len(self._tapes) >= ASSETS:
            idle = [name for name, each in self._tapes.items() if clock - each.used_at > IDLE_S]
            for name in idle:
                del self._tapes[name]
            if not idle:
                return None
        self._tapes[asset] = _Tape(fleet.dump(asset), setup, clock)
        return self._tapes[asset]

    def _note(
        self, fleet: FleetScorer, asset: str, tape: _Tape | None, facts: Sequence[FindingFacts], clock: float
    ) -> None:
        if not facts and asset not in self._open:
            return
        known = self._open.setdefault(asset, set())
        last = {_key(fact): fact for fact in facts}
        for key, fact in last.items():
            if key not in known and tape is not None and self._may_take(asset, clock):
                self._taken[asset, key] = _take(fleet, tape, fact)
            if fact.cleared_at is None:
                known.add(key)
            else:
                known.discard(key)
        if not known:
            del self._open[asset]

    def _may_take(self, asset: str, clock: float) -> bool:
        lately = [at for at in self._times.get(asset, ()) if clock - at < TAKEN_S]
        allowed = len(lately) < TAKEN
        self._times[asset] = [*lately, clock] if allowed else lately
        return allowed


def replay(asset: str, state: State, fact: FindingFacts, detectors: Sequence[Entry] = DETECTORS) -> FindingFacts | None:
    """Feed the snapshot's rows to detectors in the snapshot's state; return the finding as it comes out.

    None when it does not come out at all. Raise ValueError where the state cannot be read.
    """
    setup = records.from_plain(state["setup"])
    if not isinstance(setup, AssetSetup):
        raise ValueError("the snapshot holds no setup")
    fleet = FleetScorer(setups={asset: setup}, detectors=detectors)
    fleet.load(asset, state["before"].tobytes())
    again: FindingFacts | None = None
    for step in stored.steps_from_plain(asset, state["steps"]):
        for each in fleet.feed(step.block, step.events):
            if _key(each) == _key(fact):
                again = each
    return again


def _take(fleet: FleetScorer, tape: _Tape, fact: FindingFacts) -> Taken:
    state: State = {
        "before": np.frombuffer(tape.state, dtype=np.uint8),
        "setup": records.to_plain(tape.setup),
        "steps": stored.steps_to_plain(tape.steps),
    }
    learning = fleet.learnings(fact.asset).get(fact.detector)
    read = [step.block for step in tape.steps if len(step.block)]
    about = {
        "learning": learning.state if learning else None,
        "progress": round(learning.progress, 3) if learning else None,
        "since": float(read[0].t[0]) if read else None,
        "until": float(read[-1].t[-1]) if read else None,
    }
    return Taken(fact.asset, stored.DETECTORS, state, fact, tape.rows, about)


def _key(fact: FindingFacts) -> Key:
    return fact.detector, fact.signature, fact.first_at


def _slices(block: Block, events: Sequence[Event]) -> Iterator[Step]:
    """Cut long blocks; each event goes with the rows up to the first one after it."""
    waiting = sorted(events, key=lambda event: event.t)
    for start in range(0, len(block), SLICE_ROWS):
        part = block.rows(start, start + SLICE_ROWS) if len(block) > SLICE_ROWS else block
        last = start + SLICE_ROWS >= len(block)
        told = [event for event in waiting if last or event.t <= float(np.max(part.t))]
        waiting = waiting[len(told) :]
        yield Step(replace(part, t=np.array(part.t), values=np.array(part.values)), tuple(told))
    if len(block) == 0:
        yield Step(block, tuple(waiting))
