"""The fleet's detectors and their state: readings in, findings out, the same for live data, replay and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors import plain, registry
from ml.detectors.banks.fleet import FleetBank, Rows
from ml.detectors.banks.protocol import Moment
from ml.detectors.protocol import Block, Event, Floats, Learning, State
from ml.detectors.registry import DETECTORS, Entry
from ml.detectors.repairs import REPAIR
from ml.detectors.setup import AssetSetup
from ml.tracks import Asset

__all__ = ["AssetSetup", "FleetScorer", "Rows"]

MAX_METRICS = 256  # per asset: a million-key payload must not become a million-column matrix


class FleetScorer:
    """Holds every asset's detectors. Not thread-safe: one scorer per worker process."""

    def __init__(
        self,
        setups: Mapping[str, AssetSetup] | None = None,
        default: AssetSetup | None = None,
        detectors: Sequence[Entry] = DETECTORS,
        bank: bool = True,
    ) -> None:
        """`bank` keeps settled assets together, where `feed_rows` scores them at once; it changes no finding."""
        self._setups = dict(setups or {})
        self._default = default or AssetSetup()
        self._entries = tuple(detectors)
        self._assets: dict[str, Asset] = {}  # those that are not in the bank
        self._bank = FleetBank(self._entries if bank else ())

    def set_up(self, asset: str, setup: AssetSetup) -> None:
        """Tell what is known of an asset; what it learned stays, limits and levels change at once."""
        if self._setups.get(asset) == setup:
            return
        known = asset in self._assets or asset in self._bank
        kept = self.dump(asset) if known else b""
        self._setups[asset] = setup
        if known:
            self.load(asset, kept)

    def forget(self, asset: str) -> None:
        """Drop all that is held of the asset."""
        if asset in self._bank:
            self._bank.remove(asset)
        self._assets.pop(asset, None)
        self._setups.pop(asset, None)

    def assets(self) -> tuple[str, ...]:
        return (*self._assets, *self._bank.assets())

    def is_held(self, asset: str) -> bool:
        """Is the asset settled and quiet, in the bank?"""
        return asset in self._bank

    def is_settled(self, asset: str) -> bool:
        """Has it learned, so that its state hardly changes? One with rhythms of its own stays out of the bank."""
        return asset in self._bank or (self.has_rhythms(asset) and self.learning(asset).state == "ready")

    def held(self) -> int:
        """How many of the assets are settled and quiet, in the bank."""
        return len(self._bank)

    def bytes_per_asset(self) -> float:
        """Bytes of state for each asset in the bank."""
        return self._bank.bytes_per_asset()

    def feed_rows(self, rows: Rows, alone: Callable[[Block], list[FindingFacts]] | None = None) -> list[FindingFacts]:
        """Score rows of many assets; the findings, and what comes after, are those of `feed` for each asset.

        Settled assets advance together, a row of each at a time; an asset that is not quiet is scored by itself, by
        `alone` where it is given: it must feed the block.
        """
        done, found = self._bank.feed(rows)
        left = np.flatnonzero(~done)
        left = left[np.argsort(rows.of[left], kind="stable")]
        for part in np.split(left, np.flatnonzero(np.diff(rows.of[left])) + 1) if len(left) else ():
            asset = rows.assets[rows.of[part[0]]]
            modes = None if rows.modes is None else rows.modes[part]
            block = Block(asset, rows.t[part], rows.metrics, rows.values[part], modes, rows.mode_names)
            found += (alone or self.feed)(replace(block, healthy_until=self.healthy_until(asset)))
        return found

    def feed(self, block: Block, events: Sequence[Event] = ()) -> list[FindingFacts]:
        """Score rows of one asset; return new and changed findings in time order.

        Rows at or before the asset's watermark are counted as late and not scored again, but for metrics with a rhythm
        of their own (`ml.rhythms`): each of these stands at its own newest row. Values that are not finite are missing,
        a row of nothing else is no reading. Rows within the block may be unordered. Each event is told after the last
        row before it; events after the last row are told at once.
        """
        asset = self._taken(block.asset)
        before = asset.watermark
        found = asset.feed(_bounded(block), events)
        self._marked = (block.asset, asset.marks)  # the asset may leave for the bank, what was asked last stays
        if asset.watermark > before:
            self._settle(block.asset)
        return sorted(found, key=lambda f: (f.cleared_at or f.last_at, f.detector, f.signature))

    def belated(self, block: Block) -> Block | None:
        """Of stored rows up to the asset's watermark, those values that `feed` would take all the same.

        These are of metrics with a rhythm of their own, which stand at a time of their own.
        """
        return self._of(block.asset).belated(_bounded(block))

    def has_rhythms(self, asset: str) -> bool:
        """Does it have metrics that come in a rhythm of their own?"""
        return asset in self._assets and bool(self._assets[asset].parts)

    def alarms(self, asset: str) -> list[bool]:
        """For each row of the last block fed: did a detector hold it for abnormal at that moment?"""
        marks = self._marked[1] if self._marked[0] == asset else self._of(asset).marks
        return [bool(mark) for mark in marks]

    def watermark(self, asset: str) -> float:
        """Event time (epoch seconds) up to which the asset was scored; minus infinity before the first row."""
        if asset in self._bank:
            return self._bank.watermark(asset)
        return self._of(asset).stands_at()

    def late_rows(self, asset: str) -> int:
        return self._of(asset).late_rows

    def healthy_until(self, asset: str) -> float:
        """Until when somebody vouched for the asset, as far as the scored rows told; 0 when nobody did."""
        expecting = self._of(asset).expecting
        return expecting.healthy_until if expecting is not None else 0.0

    def learning(self, asset: str) -> Learning:
        """How far the model that speaks for the asset is: state, progress 0..1, and what it still waits for."""
        own = self._of(asset)
        speaker = next((detector for detector in own.detectors if detector is own.expecting), None)
        return speaker.learning() if speaker is not None else Learning("ready", 1.0)

    def learnings(self, asset: str) -> dict[str, Learning]:
        """How far each detector is, by its id."""
        return {detector.id: detector.learning() for detector in self._of(asset).detectors}

    def waiting(self, asset: str, detectors: Collection[str] = ()) -> tuple[str, ...]:
        """Metrics that are told, and no part yet of what some of its models (of `detectors`; none: all) learned."""
        own = self._of(asset)
        everyone = [each for track in (own, *own.parts) for each in track.detectors]
        asked = [each.learning() for each in everyone if not detectors or each.id in detectors]
        return tuple(sorted({metric for learning in asked for metric in learning.waiting}))

    def teach(self, assets: Iterable[str]) -> Mapping[str, State]:
        """Sum up what these assets taught, for the `taught` of a peer's setup."""
        known = [asset for asset in assets if asset in self._assets or asset in self._bank]
        peers = [self._of(asset).detectors for asset in known]
        return registry.teach(peers, self._entries)

    def rebaseline(self, asset: str, at: float) -> None:
        """The asset was repaired at `at` (epoch seconds): every detector forgets what was normal before."""
        self.happened(asset, Event(at, REPAIR, ""))

    def happened(self, asset: str, event: Event) -> None:
        """Tell an event that comes without rows; the same as `feed` does between them."""
        self._taken(asset).hears(event)

    def rewind(self, asset: str) -> None:
        """Let rows older than the watermark come: for a copy that goes over what came late."""
        self._taken(asset).rewind()

    def expected(self, block: Block) -> Floats:
        """What the asset's model expects for each value of the block [n, m], NaN where it cannot tell."""
        return self._of(block.asset).ask(block, lambda detector, part: detector.expected(part))

    def band(self, block: Block) -> Floats:
        """How far from the expected value a reading must be to count [n, m], in the metrics' units."""
        return self._of(block.asset).ask(block, lambda detector, part: detector.band(part))

    def dump(self, asset: str) -> bytes:
        """The asset's whole state as bytes, without pickle; `load` continues exactly where it stopped."""
        own = self._of(asset)
        stands = {"step_s": own.moment.step_s, "mode": own.moment.mode, "metrics": list(own.metrics)}
        rhythms = {"rhythm": own.rhythm.state(), "parts": own.parts_state(), "recent": own.recent}
        return plain.pack(
            {"detectors": own.state(), "watermark": own.watermark, "late_rows": own.late_rows, **stands, **rhythms}
        )

    def load(self, asset: str, data: bytes) -> None:
        """Restore a dumped state. Raise StateUnreadable when the bytes are not one."""
        stored = plain.unpack(data)
        own = self._new(asset)
        try:
            own.restore(stored["detectors"])
            own.watermark, own.late_rows = float(stored["watermark"]), int(stored["late_rows"])
            own.moment = Moment(own.watermark, float(stored.get("step_s", 0.0)), stored.get("mode"))
            own.metrics = tuple(stored.get("metrics", ()))
            own.restore_parts(stored.get("parts", ()), stored.get("rhythm"), stored.get("recent", ()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise plain.StateUnreadable(f"detector state of asset {asset} is incomplete: {error!r}") from error
        if asset in self._bank:
            self._bank.remove(asset)
        self._assets[asset] = own
        self._settle(asset)

    def model_id(self, asset: str, regime: str = "") -> str:
        expecting = self._of(asset).expecting
        return expecting.model_id(regime) if expecting is not None else "none"

    def _of(self, asset: str) -> Asset:
        """The asset's detectors, to look at: those of an asset in the bank are a copy."""
        if asset in self._bank:
            return self._copied(asset)
        if asset not in self._assets:
            self._assets[asset] = self._new(asset)
        return self._assets[asset]

    def _taken(self, asset: str) -> Asset:
        """The asset's detectors, to change: out of the bank."""
        own = self._of(asset)
        if asset in self._bank:
            self._bank.remove(asset)
            self._assets[asset] = own
        return own

    def _copied(self, asset: str) -> Asset:
        states, moment, late_rows, rhythm = self._bank.look_up(asset)
        own = self._new(asset)
        own.restore(dict(states))
        own.watermark, own.late_rows = moment.t, late_rows
        own.moment, own.metrics, own.rhythm = moment, rhythm.metrics, rhythm
        return own

    def _settle(self, asset: str) -> None:
        """Let the asset into the bank if it is settled and quiet."""
        own = self._assets[asset]
        setup = self._setups.get(asset, self._default)
        if own.parts:
            return
        if self.learning(asset).state == "ready" and self._bank.admit(
            asset, own.detectors, setup, own.rhythm, own.metrics, own.moment, own.late_rows
        ):
            del self._assets[asset]

    def _new(self, asset: str) -> Asset:
        setup, counting = self._setups.get(asset, self._default), [entry for entry in self._entries if entry.by_rows]
        # What peers taught is of the usual rows.
        own = partial(registry.create, asset, replace(setup, taught={}), counting)
        return Asset(registry.create(asset, setup, self._entries), frozenset(entry.id for entry in counting), own)


def _bounded(block: Block) -> Block:
    """With a bounded number of metrics."""
    values = np.asarray(block.values, dtype=float)
    if len(block.metrics) <= MAX_METRICS:
        return replace(block, t=np.asarray(block.t, dtype=float), values=values)
    return replace(block, metrics=block.metrics[:MAX_METRICS], values=values[:, :MAX_METRICS])
