"""Which stretch of time is read from which level: whole buckets that are true, the rest from finer ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Times are microseconds since 1970 UTC; a span is [from, to). Level 0 are the readings themselves.
Span = tuple[int, int]


class Part(NamedTuple):
    """A span to be read from one level."""

    level: int
    begin: int
    end: int


class Known(NamedTuple):
    """What is known of one series at its levels, the readings first.

    `widths`: length of a bucket (1 for readings); `due`: spans whose buckets are not true at this level;
    `kept_from`: from when on the level has what there was.
    """

    widths: Sequence[int]
    due: Sequence[Sequence[Span]]
    kept_from: Sequence[int]


def parts_of(known: Known, level: int, begin: int, end: int) -> list[Part]:
    """Return the parts, in time order, that together tell of [begin, end), from `level` or finer.

    Where a finer level was forgotten the next coarser one that still has it takes its place, in whole buckets.
    """
    return sorted(_parts(known, level, begin, end), key=lambda part: part.begin)


def _parts(known: Known, level: int, begin: int, end: int) -> list[Part]:
    if begin >= end:
        return []
    kept = known.kept_from[level]
    if begin < kept and level + 1 < len(known.widths):
        coarser = known.widths[level + 1]
        border = min(-(-min(kept, end) // coarser) * coarser, max(end, kept))
        older = _outward(known, level + 1, begin, min(border, end))
        return older + _parts(known, level, max(begin, min(border, end)), end)
    if level == 0:
        return [Part(0, begin, end)]
    width = known.widths[level]
    first, last = -(-begin // width) * width, end // width * width
    if first >= last:
        return _parts(known, level - 1, begin, end)
    true = subtract((first, last), known.due[level])
    rest = subtract((begin, end), true)
    found = [Part(level, *span) for span in true]
    for span in rest:
        found += _parts(known, level - 1, *span)
    return found


def _outward(known: Known, level: int, begin: int, end: int) -> list[Part]:
    """Whole buckets that touch [begin, end), from this level or a coarser one, since no finer one has them."""
    if begin >= end:
        return []
    if begin < known.kept_from[level] and level + 1 < len(known.widths):
        return _parts_above(known, level, begin, end)
    width = known.widths[level]
    return [Part(level, begin // width * width, -(-end // width) * width)]


def _parts_above(known: Known, level: int, begin: int, end: int) -> list[Part]:
    coarser = known.widths[level + 1]
    border = min(-(-known.kept_from[level] // coarser) * coarser, end)
    return _outward(known, level + 1, begin, border) + _outward(known, level, border, end)


def subtract(span: Span, cuts: Iterable[Span]) -> list[Span]:
    """Return what is left of a span without the cuts."""
    left, at = [], span[0]
    for begin, end in sorted(cuts):
        if end <= at:
            continue
        if begin >= span[1]:
            break
        if begin > at:
            left.append((at, begin))
        at = max(at, end)
    if at < span[1]:
        left.append((at, span[1]))
    return left


def widen(spans: Iterable[Span], width: int) -> list[Span]:
    """Return the spans grown to whole buckets."""
    return [(begin // width * width, -(-end // width) * width) for begin, end in spans]


def after(spans: Iterable[Span], moment: int) -> list[Span]:
    """Return what of the spans lies at or after a moment."""
    return [(max(begin, moment), end) for begin, end in spans if end > moment]
