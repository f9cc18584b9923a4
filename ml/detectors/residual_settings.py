"""The levels and patience of the residual model, with its fixed numbers and their reasons."""

from __future__ import annotations

from dataclasses import dataclass

LEARN_SPAN_S = 590.0  # with LEARN_ROWS the evidence that ends learning: ten minutes at 10 s are enough
KNOWN_HEALTHY_ROWS = 20  # fewer are enough when somebody vouched for them
STANDING_ROWS = 5  # vouched rows, to see where an asset stands whose peers taught the rest
LOUD_ROWS = 6  # of a chunk: single alarms are usual with many variables and no reason not to learn
GROWTH = 1.25  # of what is known, before many variables are looked at again
GAP_S, GAP_ROWS, STEPS_KEPT = 590.0, 20.0, 20  # a longer silence is a gap; longer than all learned from: a new start
SETTLED_EVIDENCE, SETTLED_SPAN_S = 40.0, 7 * 86400.0
DOUBT = 8.0  # independent samples: with so few, trouble must stand out twice as far to be believed
SETTLE_S, SETTLE_STEPS, SETTLE_MAX_S = 60.0, 1.5, 1800.0  # after a change of mode
SETTLE_AFTER_REPAIR_S = 600.0  # temperatures of a machine that starts again need some minutes
FOUNDED_SPAN_S = 86400.0  # relations learned over a day of cycles survive a repair
TELL_ROWS = 60  # rows for which a lasting finding is told again row by row; later once per chunk


@dataclass(frozen=True, slots=True)
class ResidualSettings:
    """Levels in sigma of the asset's own held-out residuals; k of n rows open, `quiet_rows` below `clears` end."""

    opens: float = 8.0
    clears: float = 5.0
    alarms: float = 5.0  # a single row this far off is called abnormal: a mark on the chart, not a work order
    k: int = 2
    n: int = 3
    quiet_rows: int = 10
    patience_s: float = 300 * 86400.0  # one false work order in this time is acceptable: 0.1 per asset-month
