"""Golden rows: days and months, leap days, time zones, beginnings, repairs that prolong.

The rules: the day on which a period begins is not counted; its last day is the corresponding day of the last month, or
the month's last day where there is none, and counts whole, where the machine stands (Civil Code of China, art. 201 to
203; the same in German and English practice). A fault on the very day of beginning is covered.
"""

from __future__ import annotations

from tests.assets.warranty.golden import Row

# begins on | period | zone | fault at | verdict
_EDGES = """
2023-03-10 | 12m | Asia/Shanghai | 2023-03-09T23:59:59+08:00 | out not_begun
2023-03-10 | 12m | Asia/Shanghai | 2023-03-10T00:00:00+08:00 | in
2023-03-10 | 12m | Asia/Shanghai | 2024-03-10T00:00:00+08:00 | in
2023-03-10 | 12m | Asia/Shanghai | 2024-03-10T23:59:59+08:00 | in
2023-03-10 | 12m | Asia/Shanghai | 2024-03-11T00:00:00+08:00 | out expired
2023-03-10 | 12m | Asia/Shanghai | 2024-03-10T15:59:59+00:00 | in
2023-03-10 | 12m | Asia/Shanghai | 2024-03-10T16:00:00+00:00 | out expired
2023-03-10 | 12m | UTC | 2024-03-10T16:00:00+00:00 | in
2023-03-10 | 12m | America/Los_Angeles | 2024-03-11T06:59:59+00:00 | in
2023-03-10 | 12m | America/Los_Angeles | 2024-03-11T07:00:00+00:00 | out expired
2023-03-10 | 12m | Pacific/Kiritimati | 2024-03-10T10:00:00+00:00 | out expired
2023-03-10 | 12m | Pacific/Kiritimati | 2024-03-10T09:59:59+00:00 | in
2023-03-10 | 12m | Pacific/Kiritimati | 2023-03-09T10:00:00+00:00 | in
2023-03-10 | 12m | Pacific/Pago_Pago | 2024-03-11T10:59:59+00:00 | in
2023-03-26 | 12m | Europe/Berlin | 2024-03-26T23:59:59+01:00 | in
2023-10-29 | 6m | Europe/Berlin | 2024-04-29T21:59:59+00:00 | in
2023-10-29 | 6m | Europe/Berlin | 2024-04-29T22:00:00+00:00 | out expired
2023-01-31 | 1m | UTC | 2023-02-28T23:59:59+00:00 | in
2023-01-31 | 1m | UTC | 2023-03-01T00:00:00+00:00 | out expired
2024-01-31 | 1m | UTC | 2024-02-29T23:59:59+00:00 | in
2024-01-31 | 1m | UTC | 2024-03-01T00:00:00+00:00 | out expired
2023-01-30 | 1m | UTC | 2023-02-28T12:00:00+00:00 | in
2023-01-28 | 1m | UTC | 2023-03-01T00:00:00+00:00 | out expired
2023-03-31 | 1m | UTC | 2023-04-30T23:59:59+00:00 | in
2023-03-31 | 1m | UTC | 2023-05-01T00:00:00+00:00 | out expired
2023-08-31 | 6m | UTC | 2024-02-29T23:59:59+00:00 | in
2022-08-31 | 6m | UTC | 2023-02-28T23:59:59+00:00 | in
2022-08-31 | 6m | UTC | 2023-03-01T00:00:00+00:00 | out expired
2024-02-29 | 12m | UTC | 2025-02-28T23:59:59+00:00 | in
2024-02-29 | 12m | UTC | 2025-03-01T00:00:00+00:00 | out expired
2024-02-29 | 48m | UTC | 2028-02-29T23:59:59+00:00 | in
2024-02-29 | 48m | UTC | 2028-03-01T00:00:00+00:00 | out expired
2023-02-28 | 12m | UTC | 2024-02-28T23:59:59+00:00 | in
2023-02-28 | 12m | UTC | 2024-02-29T00:00:00+00:00 | out expired
2024-02-29 | 1m | UTC | 2024-03-29T23:59:59+00:00 | in
2024-02-29 | 1m | UTC | 2024-03-30T00:00:00+00:00 | out expired
2023-12-31 | 2m | UTC | 2024-02-29T12:00:00+00:00 | in
2022-12-31 | 2m | UTC | 2023-02-28T12:00:00+00:00 | in
2022-12-31 | 2m | UTC | 2023-03-01T00:00:00+00:00 | out expired
1999-12-31 | 2m | UTC | 2000-02-29T23:59:59+00:00 | in
2023-12-15 | 1m | UTC | 2024-01-15T23:59:59+00:00 | in
2023-03-10 | 7d | Asia/Shanghai | 2023-03-17T23:59:59+08:00 | in
2023-03-10 | 7d | Asia/Shanghai | 2023-03-18T00:00:00+08:00 | out expired
2023-03-10 | 15d | Asia/Shanghai | 2023-03-25T23:59:59+08:00 | in
2023-03-10 | 15d | Asia/Shanghai | 2023-03-26T00:00:00+08:00 | out expired
2024-02-25 | 7d | UTC | 2024-03-03T23:59:59+00:00 | in
2023-02-25 | 7d | UTC | 2023-03-04T23:59:59+00:00 | in
2024-02-25 | 7d | UTC | 2024-03-04T00:00:00+00:00 | out expired
2023-12-28 | 7d | UTC | 2024-01-04T23:59:59+00:00 | in
2023-03-10 | 1d | UTC | 2023-03-11T23:59:59+00:00 | in
2023-03-10 | 1d | UTC | 2023-03-12T00:00:00+00:00 | out expired
2024-02-28 | 1d | UTC | 2024-02-29T23:59:59+00:00 | in
2023-03-10 | 365d | UTC | 2024-03-09T23:59:59+00:00 | in
2023-03-10 | 365d | UTC | 2024-03-10T00:00:00+00:00 | out expired
"""

EDGES = [
    Row(f"{begins} {period} {zone} {at}", want, [f"c parts {period} from=invoice"], at=at, zone=zone,
        dates=f"invoice={begins}")
    for begins, period, zone, at, want in (
        [cell.strip() for cell in line.split("|")] for line in _EDGES.strip().splitlines()
    )
]  # fmt: skip

_CAP = "c parts 12m from=commissioning latest=delivery+6m"
_FIRST = "c parts 12m from=invoice/production+3m"

BEGINNINGS = [
    Row("the first fact that is known counts", "out expired", [_FIRST], at="2024-03-11",
        dates="invoice=2023-03-10 production=2023-03-01"),
    Row("without an invoice production and three months", "in", [_FIRST], at="2024-06-01",
        dates="production=2023-03-01"),
    Row("and not a day longer", "out expired", [_FIRST], at="2024-06-02", dates="production=2023-03-01"),
    Row("three months after the last of November end in February", "in", [_FIRST], at="2024-02-28",
        dates="production=2022-11-30"),
    Row("the day after", "out expired", [_FIRST], at="2024-02-29", dates="production=2022-11-30"),
    Row("days after production", "in", ["c parts 12m from=production+90d"], at="2024-05-30",
        dates="production=2023-03-01"),
    Row("days after production, the day after", "out expired", ["c parts 12m from=production+90d"], at="2024-05-31",
        dates="production=2023-03-01"),
    Row("a fault before the period begins", "out not_begun", ["c parts 12m from=production+90d"], at="2023-05-29",
        dates="production=2023-03-01"),
    Row("commissioned before the latest beginning", "out expired", [_CAP], at="2024-04-02",
        dates="delivery=2023-03-01 commissioning=2023-04-01"),
    Row("commissioned late: it began at the latest day", "in", [_CAP], at="2024-09-01",
        dates="delivery=2023-03-01 commissioning=2024-01-01"),
    Row("commissioned late: it ends by the latest day", "out expired", [_CAP], at="2024-09-02",
        dates="delivery=2023-03-01 commissioning=2024-01-01"),
    Row("never commissioned: certainly over after the latest end", "out expired", [_CAP], at="2024-09-02",
        dates="delivery=2023-03-01"),
    Row("not known when commissioned: before the latest end it is open", "check commissioning", [_CAP], at="2024-09-01",
        dates="delivery=2023-03-01"),
    Row("commissioned, delivery not known: over in any case", "out expired", [_CAP], at="2024-04-02",
        dates="commissioning=2023-04-01"),
    Row("commissioned, delivery not known: it may have begun earlier", "check delivery", [_CAP], at="2024-04-01",
        dates="commissioning=2023-04-01"),
    Row("registration", "in", ["c parts 12m from=registration"], at="2024-03-10", dates="registration=2023-03-10"),
    Row("purchase", "out expired", ["c parts 12m from=purchase"], at="2024-03-11", dates="purchase=2023-03-10"),
    Row("installation", "in", ["c parts 12m from=installation"], at="2024-03-10", dates="installation=2023-03-10"),
    Row("delivery", "in", ["c parts 12m from=delivery"], at="2024-03-10", dates="delivery=2023-03-10"),
]  # fmt: skip

_LONGER = "c parts 12m stays from=invoice"

STAYS = [
    Row("ten days in the workshop make it ten days longer", "in", [_LONGER], at="2024-03-20",
        stays=[("2023-06-01", "2023-06-11")]),
    Row("and not a day more", "out expired", [_LONGER], at="2024-03-21", stays=[("2023-06-01", "2023-06-11")]),
    Row("a clause that says nothing of it is not longer", "out expired", ["c parts 12m from=invoice"], at="2024-03-11",
        stays=[("2023-06-01", "2023-06-11")]),
    Row("two stays add up", "in", [_LONGER], at="2024-03-25",
        stays=[("2023-06-01", "2023-06-11"), ("2023-08-01", "2023-08-06")]),
    Row("stays that overlap count once", "out expired", [_LONGER], at="2024-03-26",
        stays=[("2023-06-01", "2023-06-11"), ("2023-06-05", "2023-06-16")]),
    Row("in and out on one day is no day", "out expired", [_LONGER], at="2024-03-11", stays=[("2023-06-01",
        "2023-06-01")]),
    Row("a stay after the end does not bring it back", "out expired", [_LONGER], at="2024-05-01",
        stays=[("2024-04-01", "2024-04-30")]),
    Row("a stay within what the first one added", "in", [_LONGER], at="2024-03-25",
        stays=[("2023-06-01", "2023-06-11"), ("2024-03-15", "2024-03-20")]),
]  # fmt: skip

ROWS = [*EDGES, *BEGINNINGS, *STAYS]
