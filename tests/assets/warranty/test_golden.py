"""The golden table: each row's verdict as the rules lead to it, without a database."""

from __future__ import annotations

import pytest

from tests.assets.warranty import cases_dates, cases_limits, cases_parts
from tests.assets.warranty.golden import Row, in_words, verdict_of, wanted

ROWS = [*cases_dates.ROWS, *cases_limits.ROWS, *cases_parts.ROWS]


def test_the_table_has_its_two_hundred_rows() -> None:
    names = [row.name for row in ROWS]
    assert len(names) >= 200
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_verdict_is_the_one_of_the_table(row: Row) -> None:
    verdict = verdict_of(row)
    assert in_words(verdict, row.want) == wanted(row.want)
    if row.remedies is not None:
        assert set(verdict.remedies) == set(row.remedies.split())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_verdict_says_why(row: Row) -> None:
    verdict = verdict_of(row)
    if verdict.verdict == "needs_check":
        assert verdict.missing
        assert verdict.payers == ()
    else:
        assert verdict.missing == ()
        assert sum(payer.share_percent for payer in verdict.payers) == 100
    if verdict.verdict == "in" and verdict.override is None:
        assert verdict.decided is not None
        assert verdict.decided.clause.text_en
        assert verdict.decided.clause.text_zh
    if verdict.verdict == "out" and verdict.override is None:
        assert verdict.reason
