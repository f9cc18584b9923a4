"""What a reading adds to a meter's total."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.base.errors import Invalid
from assets.meter_rules import MeterFacts, RunsBackwards, Standing, Told, after, check_meter, guess_rollover, totals

COUNTER, ODOMETER, GAUGE = MeterFacts("counter"), MeterFacts("counter", 1000.0), MeterFacts("gauge")

# (meter, before, told) -> standing after, or the error.
GOLDEN: list[tuple[MeterFacts, Standing | None, Told, Standing | type[Invalid]]] = [
    (COUNTER, None, Told(120), Standing(120, 120)),
    (COUNTER, Standing(120, 120), Told(150), Standing(150, 150)),
    (COUNTER, Standing(120, 120), Told(120), Standing(120, 120)),
    (COUNTER, Standing(120, 120), Told(119), RunsBackwards),
    (COUNTER, Standing(120, 500), Told(130), Standing(130, 510)),
    (COUNTER, Standing(4750.2, 4750.2), Told(5000), Standing(5000, 5000)),  # and not a hair more
    (COUNTER, Standing(120, 120), Told(5, "reset", None, "board changed"), Standing(5, 120)),
    (COUNTER, Standing(120, 120), Told(5, "reset"), Invalid),
    (COUNTER, Standing(120, 120), Told(5, "rollover"), Invalid),  # nobody said where it rolls over
    (COUNTER, Standing(120, 120), Told(125, "replacement", 10, "broken"), Standing(10, 125)),
    (COUNTER, Standing(120, 120), Told(125, "replacement", 10), Invalid),
    (COUNTER, Standing(120, 120), Told(125, "replacement", None, "broken"), Invalid),
    (COUNTER, Standing(120, 120), Told(100, "replacement", 0, "broken"), RunsBackwards),
    (COUNTER, None, Told(125, "replacement", 0, "broken"), Standing(0, 125)),
    (COUNTER, None, Told(-1), Invalid),
    (COUNTER, None, Told(float("nan")), Invalid),
    (COUNTER, None, Told(float("inf")), Invalid),
    (COUNTER, None, Told(1e16), Invalid),
    (COUNTER, None, Told(1, "guess"), Invalid),
    (ODOMETER, Standing(990, 990), Told(15, "rollover"), Standing(15, 1015)),
    (ODOMETER, Standing(990, 990), Told(995, "rollover"), Invalid),
    (ODOMETER, Standing(990, 990), Told(15), RunsBackwards),
    (ODOMETER, None, Told(1000), Invalid),
    (ODOMETER, Standing(15, 1015), Told(40), Standing(40, 1040)),
    (GAUGE, Standing(12, 12), Told(9.5), Standing(9.5, 9.5)),
    (GAUGE, Standing(12, 12), Told(-3), Standing(-3, -3)),
    (GAUGE, Standing(12, 12), Told(3, "rollover"), Invalid),
    (GAUGE, Standing(3, 3), Told(2.8, "replacement", 12, "new tyre"), Standing(12, 12)),
]


@pytest.mark.parametrize(("meter", "before", "told", "expected"), GOLDEN)
def test_reading_moves_the_meter_as_the_table_says(
    meter: MeterFacts, before: Standing | None, told: Told, expected: Standing | type[Invalid]
) -> None:
    if isinstance(expected, Standing):
        assert after(meter, before, told) == expected
        return
    with pytest.raises(expected):
        after(meter, before, told)


@given(st.lists(st.tuples(st.integers(0, 900), st.sampled_from(["run", "run", "replace", "reset"])), max_size=40))
def test_total_is_all_that_the_machine_ran(runs: list[tuple[int, str]]) -> None:
    """A machine runs; its dial rolls over, is swapped and reset: the total knows how far it ran, all the same."""
    shown, ran, told = 0.0, 0.0, [Told(0)]
    for distance, what in runs:
        ran += distance
        rolls = shown + distance >= 1000
        shown = (shown + distance) % 1000
        told.append(Told(shown, "rollover" if rolls else "reading"))
        if what == "replace":
            told.append(Told(shown, "replacement", 7.0, "broken"))
            shown = 7.0
        elif what == "reset":
            told.append(Told(0.0, "reset", None, "power"))
            shown = 0.0
    standings = list(totals(ODOMETER, None, told))
    assert standings[-1].total == pytest.approx(ran)
    assert all(early.total <= late.total for early, late in pairwise(standings))


@pytest.mark.parametrize(
    ("before", "value", "plain"), [(990, 10, True), (950, 99, True), (500, 10, False), (990, 400, False)]
)
def test_telemetry_rolls_over_only_from_the_last_tenth_to_the_first(before: float, value: float, plain: bool) -> None:
    assert guess_rollover(ODOMETER, Standing(before, before), value) is plain
    assert not guess_rollover(COUNTER, Standing(before, before), value)


@pytest.mark.parametrize(
    "wrong", [MeterFacts("clock"), MeterFacts("gauge", 10), MeterFacts("counter", 0), MeterFacts("counter", -1)]
)
def test_meter_that_cannot_be_is_refused(wrong: MeterFacts) -> None:
    with pytest.raises(Invalid):
        check_meter(wrong)
