"""One asset's detectors along its rows: those of its usual rows, and of each rhythm of its own beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from maintenance.decisions import FindingFacts
from ml.cuts import Ints, columns_of, names_of, narrowed, ordered, stretches, within
from ml.detectors.banks.protocol import Moment
from ml.detectors.protocol import (
    Block,
    Bools,
    Detector,
    Event,
    Expecting,
    Floats,
    State,
)
from ml.rhythms import LONG, STEADY, Rhythm
from ml.track import Part, Seen, Track

LATE_S = 900.0  # how far behind the asset's newest row a metric with a rhythm of its own may come: a burst is read late
PARTS = 16  # of an asset; metrics of further rhythms stay among the others
RECENT = 20  # usual rows, whose steps tell how often they come
PROBE_ROWS = 8  # of a new rhythm, after which it shows whether it is one
NO_MODE = ("nan", "?")

MakePart = Callable[[], Sequence[Detector]]


class Asset(Track):
    """All that is held of one asset. `make_part` makes the detectors of a rhythm of its own."""

    def __init__(self, detectors: Sequence[Detector], by_rows: frozenset[str], make_part: MakePart) -> None:
        super().__init__(detectors)
        self.by_rows, self._make_part = by_rows, make_part
        self.late_rows = 0
        self.moment = Moment(-np.inf, 0.0, None)
        self.metrics: tuple[str, ...] = ()  # of the last block's usual rows
        self.marks: Bools = np.zeros(0, dtype=bool)  # per row of the last block
        self.rhythm = Rhythm()
        self.recent: Floats = np.zeros(0)  # times of the last usual rows
        self.parts: list[Part] = []

    # ------------------------------------------------------------------ rows in

    def feed(self, block: Block, events: Sequence[Event]) -> list[FindingFacts]:
        """Score the rows; findings in the order in which they were seen."""
        total = len(block)
        block, rows = ordered(block)
        fresh = self.unscored(block)
        taken = fresh.any(axis=1) | (block.t > self.watermark) & ~np.isfinite(block.values).any(axis=1)
        self.late_rows += int((~taken).sum())
        block, rows = narrowed(block, taken, fresh), rows[taken]
        self.marks = np.zeros(total, dtype=bool)
        untold, found, start = sorted(events, key=lambda event: event.t), list[FindingFacts](), 0
        while start < len(block):
            stop = self._same_until(block, start)
            now = [event for event in untold if stop == len(block) or event.t <= block.t[stop - 1]]
            untold = untold[len(now) :]
            more, marks = self._piece(block.rows(start, stop), now)
            found += more
            self.marks[rows[start:stop]] |= marks
            start = stop
        for event in untold:
            self._all_hear(event)
        return found

    def unscored(self, block: Block) -> Bools:
        """Which values [n, m] are there and not yet scored: each rhythm stands at a time of its own.

        Of rows older than the asset's newest these are values of a rhythm of its own, or of metrics never told before,
        and no older than LATE_S.
        """
        there = np.isfinite(block.values)
        newer = block.t > self.watermark
        if newer.all() and not self.parts:
            return there
        told = self.rhythm.told(block.metrics)
        # Where there is no place for another rhythm, nothing would note what was scored of it.
        may_begin = self.rhythm.rows >= STEADY and len(self.parts) < PARTS
        usual = newer[:, None] | ~told[None, :] if may_begin else newer[:, None] & True
        fresh = np.broadcast_to(usual, there.shape).copy()
        for part in self.parts:
            fresh[:, columns_of(block, part.metrics)] = (block.t > part.watermark)[:, None]
        return there & fresh & (block.t > self.watermark - LATE_S)[:, None]

    def belated(self, block: Block) -> Block | None:
        """Of rows that were read once more, those values that are older than the newest row and not yet scored."""
        block, _ = ordered(block)
        late = self.unscored(block) & (block.t <= self.watermark)[:, None]
        rows = np.asarray(late.any(axis=1))
        if not rows.any():
            return None
        usual = self.rhythm.told(block.metrics) & ~self._apart(block)
        return narrowed(self._with_modes(block, _there(block, usual)), rows, late)

    def _apart(self, block: Block) -> Bools:
        """The columns that are in a rhythm of their own."""
        columns = np.zeros(len(block.metrics), dtype=bool)
        for part in self.parts:
            columns |= columns_of(block, part.metrics)
        return columns

    def _same_until(self, block: Block, start: int) -> int:
        """Settle whose the metrics of row `start` are; return up to where the rows are of the same ones.

        Whether a metric came before is known by each row, so it does not matter how rows are cut into blocks.
        """
        there = np.isfinite(block.values[start:])
        if not self.parts and self.rhythm.rows < STEADY:  # what comes now is usual
            early = STEADY - self.rhythm.rows
            unseen = ~there[:early].any(axis=0) & ~self.rhythm.told(block.metrics)
            alone = np.flatnonzero(there[early:, unseen].any(axis=1))
            return start + early + int(alone[0]) if len(alone) else len(block)
        new = ~self.rhythm.told(block.metrics) & ~self._apart(block)
        if not new.any():
            return len(block)
        first = np.flatnonzero(there[:, new].any(axis=1))
        if not len(first):
            return len(block)
        if first[0] > 0:
            return start + int(first[0])
        self._meet(block, float(block.t[start]), there[0], new)
        later = np.flatnonzero(there[1:, new & ~there[0]].any(axis=1))
        return start + 1 + int(later[0]) if len(later) else len(block)

    def _meet(self, block: Block, t: float, there: Bools, new: Bools) -> None:
        """Metrics come for the first time: with whom do they come?"""
        names = tuple(metric for metric, yes in zip(block.metrics, there & new, strict=True) if yes)
        beside = {metric for metric, yes in zip(block.metrics, there & ~new, strict=True) if yes}
        for part in self.parts:
            beside -= set(part.metrics)
        if beside and t > self.watermark:
            return  # with the usual rows
        for part in self.parts:
            if any(there[columns_of(block, part.metrics)]):
                part.metrics = (*part.metrics, *names)
                return
        self._part(names, np.zeros(0))

    def _part(self, metrics: tuple[str, ...], probe: Floats | None) -> None:
        if len(self.parts) < PARTS:
            self.parts.append(Part(self._make_part(), metrics, probe))

    def _piece(self, block: Block, events: Sequence[Event]) -> Seen:
        """Score rows in which the same metrics are of the same rhythm, up to one that shows another."""
        found: list[FindingFacts] = []
        marks = np.zeros(len(block), dtype=bool)
        start = 0
        while start < len(block):
            rest = block.rows(start, len(block)) if start else block
            rest = rest.rows(0, self._probe_until(rest))
            rows, columns = self._usual(rest)
            usual = np.flatnonzero(rows)
            counted = (
                self.rhythm.take(names_of(rest, columns), np.isfinite(rest.values[usual][:, columns]))
                if len(usual) else 0
            )  # fmt: skip
            length = len(rest) if counted == len(usual) else int(usual[counted - 1]) + 1
            last = start + length == len(block)
            now = [event for event in events if last or event.t <= rest.t[length - 1]]
            events = events[len(now) :]
            more, marks[start : start + length] = self._walk(rest.rows(0, length), rows[:length], columns, now)
            found += more
            found += self._look_for_rhythms(rest, columns, int(usual[counted - 1]) if counted else None)
            start += length
        return found, marks

    def _probe_until(self, block: Block) -> int:
        """Rows up to and with the one at which a new rhythm has shown whether it is one."""
        stop = len(block)
        for part in self.parts:
            if part.probe is not None:
                places, _ = _part_of(block, part)
                if len(places) >= PROBE_ROWS - part.rows:
                    stop = min(stop, int(places[PROBE_ROWS - part.rows - 1]) + 1)
        return stop

    def _usual(self, block: Block) -> tuple[Bools, Bools]:
        """The rows and columns of the usual rhythm."""
        columns = np.ones(len(block.metrics), dtype=bool)
        if self.metrics and block.metrics != self.metrics:  # what was never told is not new to them until it comes
            columns = columns_of(block, self.metrics) | self.rhythm.told(block.metrics)
            new = block.values[:, ~columns]
            if np.isfinite(new).any():
                columns[~columns] = np.isfinite(new).any(axis=0)
        columns &= ~self._apart(block)
        if columns.all():
            return block.t > self.watermark, columns
        there = np.isfinite(block.values)
        rows = there[:, columns].any(axis=1)
        if block.modes is not None:
            rows |= ~there.any(axis=1)
        return rows & (block.t > self.watermark), columns

    def _walk(self, block: Block, rows: Bools, columns: Bools, events: Sequence[Event]) -> Seen:
        """Let the usual detectors and those of each rhythm see their rows; the hours and limits are of all rows."""
        own = None if columns.all() and rows.all() else (rows, columns)
        block = block if own is None else self._with_modes(block, rows)
        parts = [_part_of(block, part) for part in self.parts]
        found: list[FindingFacts] = []
        marks = np.zeros(len(block), dtype=bool)
        for start, stop, event in stretches(block, events):
            if stop > start:
                part = block if stop - start == len(block) else block.rows(start, stop)
                more, marks[start:stop] = self.update(
                    part, None if own is None else (rows[start:stop], columns), self.by_rows
                )
                found += more
            if event is not None:
                self.happened(event)
        for each, (places, seen) in zip(self.parts, parts, strict=True):
            more, marked = each.walk(seen, events)
            found += self.heeded(more)
            marks[places] |= marked
        usual = np.flatnonzero(rows)
        if len(usual):
            self._stand(block, usual, columns)
        return found, marks

    def _with_modes(self, block: Block, rows: Bools) -> Block:
        """A burst tells no mode: it is that of the row before it."""
        if block.modes is None:
            return block
        names, modes = block.mode_names, block.modes.copy()
        nothing = np.array([name in NO_MODE for name in names] + [True], dtype=bool)
        silent = ~rows & nothing[np.where((modes >= 0) & (modes < len(names)), modes, len(names))]
        if not silent.any():
            return block
        before = np.maximum.accumulate(np.where(silent, -1, np.arange(len(modes))))
        if (before < 0).any() and self.moment.mode is not None:
            names = names if self.moment.mode in names else (*names, self.moment.mode)
            modes[before < 0] = names.index(self.moment.mode)
        modes[before >= 0] = modes[before[before >= 0]]
        return replace(block, modes=modes, mode_names=names)

    def _stand(self, block: Block, usual: Ints, columns: Bools) -> None:
        """Note where the asset stands after these rows."""
        previous = float(block.t[usual[-2]]) if len(usual) > 1 else self.moment.t
        mode = None
        if block.modes is not None:
            code = int(block.modes[usual[-1]])
            mode = block.mode_names[code] if 0 <= code < len(block.mode_names) else "?"
        self.watermark = float(block.t[usual[-1]])
        self.recent = np.concatenate([self.recent, block.t[usual[-RECENT:]]])[-RECENT:]
        self.moment, self.metrics = Moment(self.watermark, self.watermark - previous, mode), names_of(block, columns)

    def _look_for_rhythms(self, block: Block, columns: Bools, row: int | None) -> list[FindingFacts]:
        """Part what comes seldom from the others, and take back what comes as often as they do.

        Return what was open of it and ends, since other detectors go on with it.
        """
        found: list[FindingFacts] = []
        if row is not None and len(self.parts) < PARTS:
            rare = self.rhythm.seldom(names_of(block, columns), np.isfinite(block.values[row][columns]))
            if rare:
                self.rhythm.drop(rare)
                found += self.let_go(rare, self.by_rows)
                self._part(rare, None)
        usual = float(np.median(np.diff(self.recent))) if len(self.recent) > 1 else self.moment.step_s
        for part in list(self.parts):
            if part.probe is None or len(part.probe) < PROBE_ROWS:
                continue
            if float(np.median(np.diff(part.probe))) >= LONG * usual:
                part.probe = None
            else:
                self.parts.remove(part)
                self.rhythm.know(part.metrics)
                found += self.heeded(part.let_go(part.metrics, self.by_rows))
        return found

    def _all_hear(self, event: Event) -> None:
        self.happened(event)
        for part in self.parts:
            part.happened(event)

    # ------------------------------------------------------------------ what others ask

    def hears(self, event: Event) -> None:
        """Tell an event that comes without rows."""
        self._all_hear(event)

    def stands_at(self) -> float:
        """Up to when its rows were scored; of an asset whose usual rows stopped, somewhat before the newest."""
        return max([self.watermark, *(part.watermark - LATE_S for part in self.parts)])

    def ask(self, block: Block, of: Callable[[Expecting, Block], Floats]) -> Floats:
        """What the detector that speaks for each of the rhythms says of its values [n, m]."""
        if self.expecting is None:
            return np.full(block.values.shape, np.nan)
        if not self.parts:
            return of(self.expecting, block)
        columns = ~self._apart(block)
        block = self._with_modes(block, _there(block, columns))
        out = np.full(block.values.shape, np.nan)
        out[:, columns] = of(self.expecting, within(block, np.ones(len(block), dtype=bool), columns))
        for part in self.parts:
            own = columns_of(block, part.metrics)
            if part.expecting is not None and own.any():
                out[:, own] = of(part.expecting, within(block, np.ones(len(block), dtype=bool), own))
        return out

    def rewind(self) -> None:
        """Let rows older than the watermark come."""
        super().rewind()
        for part in self.parts:
            part.rewind()

    def parts_state(self) -> list[State]:
        return [
            {
                "metrics": list(p.metrics), "probe": p.probe, "rows": p.rows, "watermark": p.watermark,
                "detectors": p.state(),
            }
            for p in self.parts
        ]  # fmt: skip

    def restore_parts(self, stored: Sequence[State], rhythm: State | None, recent: Floats) -> None:
        self.rhythm = Rhythm() if rhythm is None else Rhythm.from_state(rhythm)
        self.recent, self.parts = np.array(recent, dtype=float), []
        for each in stored:
            part = Part(self._make_part(), tuple(each["metrics"]), each["probe"])
            part.rows, part.watermark = int(each["rows"]), float(each["watermark"])
            part.restore(each["detectors"])
            self.parts.append(part)


def _part_of(block: Block, part: Part) -> tuple[Ints, Block]:
    """The rows of a rhythm, and where in the block they are; metrics in the order in which they were met."""
    columns = columns_of(block, part.metrics)
    rows = np.isfinite(block.values[:, columns]).any(axis=1) & (block.t > part.watermark)
    return np.flatnonzero(rows), within(block, rows, columns)


def _there(block: Block, columns: Bools) -> Bools:
    """The rows in which one of these columns has a value."""
    return np.asarray(np.isfinite(block.values[:, columns]).any(axis=1))
