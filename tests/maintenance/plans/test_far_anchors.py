"""Rules that began long ago give what dateutil gives by walking through all the years, without the walk (7.7a)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.plans.recurrence import Rule, local, moments

RULES = (
    "FREQ=DAILY", "FREQ=DAILY;INTERVAL=90", "FREQ=WEEKLY;INTERVAL=6", "FREQ=MONTHLY", "FREQ=MONTHLY;INTERVAL=3",
    "FREQ=YEARLY", "FREQ=YEARLY;INTERVAL=3", "FREQ=MONTHLY;BYDAY=1MO", "FREQ=MONTHLY;INTERVAL=5;BYDAY=-1FR,2TU",
    "FREQ=MONTHLY;BYMONTHDAY=-1,31", "FREQ=MONTHLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU",
    "FREQ=WEEKLY;INTERVAL=3;BYHOUR=6,18",
    "FREQ=YEARLY;INTERVAL=2;BYMONTH=3,9;BYMONTHDAY=15", "FREQ=YEARLY;BYMONTH=11;BYDAY=2TH", "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=MONTHLY;BYDAY=1MO;COUNT=200", "FREQ=MONTHLY;BYDAY=1MO;UNTIL=20240301", "FREQ=DAILY;BYDAY=MO,WE",
    "FREQ=MONTHLY;BYMONTH=2,3;BYMONTHDAY=29", "FREQ=YEARLY;BYMONTH=5",
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(RULES),
    st.datetimes(local(date(1995, 1, 1)), local(date(2026, 12, 31))).map(
        lambda at: at.replace(second=0, microsecond=0)
    ),
    st.integers(-400, 9000),
)
def test_moments_after_a_day_are_those_of_dateutil(text: str, anchor: datetime, days: int) -> None:
    after = anchor + timedelta(days=days)
    expected = list(islice(rrulestr(text, dtstart=anchor).xafter(after), 6))
    assert list(islice(moments(Rule(text), anchor, after=after), 6)) == expected


@pytest.mark.parametrize("text", ["FREQ=MONTHLY", "FREQ=DAILY", "FREQ=YEARLY"])
def test_end_of_the_calendar_ends_a_rule(text: str) -> None:
    assert len(list(moments(Rule(text), local(date(9998, 12, 31))))) in (2, 8, 366)
