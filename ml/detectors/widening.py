"""Make room for metrics that come later than others, without touching what is known of those."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.detectors.protocol import Floats


def together(known: tuple[str, ...], told: tuple[str, ...], behind: bool = False) -> tuple[str, ...]:
    """The metrics known and those told now: in the order told where all are, as a fleet's bank needs it.

    `behind`: the known ones keep their places.
    """
    if not behind and set(known) <= set(told):
        return told
    return tuple(dict.fromkeys((*known, *told)))


def places(known: Sequence[str], metrics: Sequence[str]) -> list[int]:
    """Where each of the known metrics stands among `metrics`."""
    return [metrics.index(metric) for metric in known]


def widened(values: Floats, at: Sequence[int], size: int, fill: float) -> Floats:
    """The same [..., m] in columns `at` of [..., size], `fill` in the others."""
    out = np.full((*values.shape[:-1], size), fill, dtype=values.dtype)
    out[..., list(at)] = values
    return out


def widened_or_none(values: Floats | None, at: Sequence[int], size: int, fill: float) -> Floats | None:
    return None if values is None else widened(values, at, size, fill)
