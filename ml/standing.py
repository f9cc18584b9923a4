"""The rule by which one sensor's past tells that it froze rather than rests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEAST_RUN = 30  # equal readings in a row
TIMES = 20  # as many as the longest run so far
LEAST_CHANGES = 60  # before standing still is news
HISTORY = 5_000  # readings looked at; a run that fills them shows no past to compare with


def standing_since(values: Sequence[float] | NDArray[np.float64]) -> int | None:
    """Return where the sensor froze, as an index into its readings, oldest first; None: it did not, or cannot be told.

    Not for what rests by its nature: what has seldom changed (switches, setpoints), what has stood as long before
    (coarse steps), what only counts up, and what came to rest at nothing or at an end of its range, as a machine does
    that is switched off.
    """
    x = np.asarray(values, dtype=np.float64)
    steps = np.flatnonzero(np.diff(x) != 0)
    if len(steps) < LEAST_CHANGES:
        return None
    begin = int(steps[-1]) + 1
    before, value = x[:begin], x[-1]
    runs = np.diff(np.concatenate([[-1], steps]))
    if len(x) - begin < max(LEAST_RUN, TIMES * int(runs.max())):
        return None
    sizes = np.diff(before)
    if value == 0 or not before.min() < value < before.max() or (sizes >= 0).all() or (sizes <= 0).all():
        return None
    if abs(value - before[-1]) > np.abs(sizes).max():  # it leapt to where it stands
        return None
    return begin
