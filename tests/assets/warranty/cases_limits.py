"""Golden rows: meters, kinds of lines, components, causes, exclusions, regions."""

from __future__ import annotations

from assets.warranty.facts import Reading
from tests.assets.warranty.golden import Row, terms

_H = "c parts 24m from=invoice meter=hours:2000"

METERS = [
    Row("below the limit", "in", [_H], meters={"hours": 1999.9}),
    Row("the limit itself still counts", "in", [_H], meters={"hours": 2000}),
    Row("above the limit", "out meter_exceeded", [_H], meters={"hours": 2000.1}),
    Row("above the limit, though the date would do", "out meter_exceeded", [_H], meters={"hours": 2500},
        at="2023-03-11"),
    Row("below the limit, but too late: whichever comes first", "out expired", [_H], meters={"hours": 10},
        at="2025-03-11"),
    Row("both over: the date is named", "out expired", [_H], meters={"hours": 9999}, at="2025-03-11"),
    Row("no reading", "check meter:hours", [_H]),
    Row("no reading, but over by date in any case", "out expired", [_H], at="2025-03-11"),
    Row("a reading of another meter helps nothing", "check meter:hours", [_H], meters={"starts": 5}),
    Row("a meter alone ends it", "in", ["c parts from=invoice meter=hours:2000"], meters={"hours": 1}, at="2040-01-01"),
    Row("a meter alone, exceeded", "out meter_exceeded", ["c parts from=invoice meter=hours:2000"],
        meters={"hours": 2001}),
    Row("a meter alone still begins with the date", "out not_begun", ["c parts from=invoice meter=hours:2000"],
        meters={"hours": 1}, at="2023-03-09"),
    Row("two meters, both below", "in", ["c parts 24m from=invoice meter=hours:2000,starts:500"],
        meters={"hours": 100, "starts": 500}),
    Row("two meters, one above", "out meter_exceeded", ["c parts 24m from=invoice meter=hours:2000,starts:500"],
        meters={"hours": 100, "starts": 501}),
    Row("two meters, one above and one not known", "out meter_exceeded",
        ["c parts 24m from=invoice meter=hours:2000,starts:500"], meters={"starts": 501}),
    Row("two meters, one below and one not known", "check meter:hours",
        ["c parts 24m from=invoice meter=hours:2000,starts:500"], meters={"starts": 499}),
    Row("readings on both sides of the fault below the limit", "in", [_H], meters={"hours": Reading(1800, 1990)}),
    Row("the reading before is above already", "out meter_exceeded", [_H], meters={"hours": Reading(2010, 2400)}),
    Row("the limit lies between the two readings", "check meter:hours", [_H], meters={"hours": Reading(1900, 2100)}),
    Row("no reading after the fault", "check meter:hours", [_H], meters={"hours": Reading(1900, None)}),
    Row("no reading after it, but above before", "out meter_exceeded", [_H], meters={"hours": Reading(2001, None)}),
]  # fmt: skip

_ALL = "c labour,parts,travel 12m from=invoice"

SCOPES = [
    Row("labour under parts alone", "out scope", ["c parts 12m from=invoice"], line="labour"),
    Row("travel under parts and labour", "out scope", ["c labour,parts 12m from=invoice"], line="travel"),
    Row("labour under labour", "in", ["c labour 12m from=invoice"], line="labour"),
    Row("travel under all", "in", [_ALL], line="travel"),
    Row("parts under all", "in", [_ALL], line="part"),
    Row("parts two years, labour one: parts", "in p", ["p parts 24m from=invoice", "l labour 12m from=invoice"],
        at="2024-06-01"),
    Row("parts two years, labour one: labour", "out expired", ["p parts 24m from=invoice", "l labour 12m from=invoice"],
        line="labour", at="2024-06-01"),
]  # fmt: skip

_MOTOR = "c parts 12m from=invoice comp=motor"

COMPONENTS = [
    Row("the component", "in", [_MOTOR], line="part comp=motor"),
    Row("a part of the component", "in", [_MOTOR], line="part comp=motor/bearing"),
    Row("a part of a part of it", "in", [_MOTOR], line="part comp=motor/bearing/cage"),
    Row("another component", "out component", [_MOTOR], line="part comp=pump"),
    Row("a name that only begins alike", "out component", [_MOTOR], line="part comp=motorway"),
    Row("the whole of which it is a part", "out component", ["c parts 12m from=invoice comp=motor/bearing"],
        line="part comp=motor"),
    Row("capitals do not matter", "in", [_MOTOR], line="part comp=Motor/Bearing"),
    Row("no component told", "check component", [_MOTOR], line="part"),
    Row("no component told, but over in any case", "out expired", [_MOTOR], line="part", at="2024-03-11"),
    Row("a clause for all components needs none", "in", ["c parts 12m from=invoice"], line="part"),
    Row("a part item of the list", "in", ["c parts 12m from=invoice item=SE-1,SE-2"], line="part item=SE-2"),
    Row("another item", "out component", ["c parts 12m from=invoice item=SE-1,SE-2"], line="part item=SE-3"),
    Row("the item is not told", "check part_item", ["c parts 12m from=invoice item=SE-1"], line="part comp=seal"),
    Row("in the list of items, though not of components", "in", ["c parts 12m from=invoice comp=motor item=SE-1"],
        line="part comp=pump item=SE-1"),
    Row("longer for the motor", "in m", ["c parts 12m from=invoice", "m parts 60m from=invoice comp=motor"],
        line="part comp=motor", at="2026-01-01"),
    Row("longer for the motor, not for the rest", "out expired",
        ["c parts 12m from=invoice", "m parts 60m from=invoice comp=motor"], line="part comp=pump", at="2026-01-01"),
    Row("longer for the motor: which component?", "check component",
        ["c parts 12m from=invoice", "m parts 60m from=invoice comp=motor"], line="part", at="2026-01-01"),
    Row("within the first year the component does not matter", "in c",
        ["c parts 12m from=invoice", "m parts 60m from=invoice comp=motor"], line="part"),
]  # fmt: skip

_NO_MISUSE = "c parts 12m from=invoice cause!=misuse,accident"
_MADE = "c parts 12m from=invoice cause=manufacturing,material"

CAUSES = [
    Row("an excluded cause", "out cause_excluded", [_NO_MISUSE], line="part cause=misuse"),
    Row("a cause that is not excluded", "in", [_NO_MISUSE], line="part cause=wear"),
    Row("no cause told", "check cause", [_NO_MISUSE], line="part"),
    Row("cause 'unknown' is no cause", "check cause", [_NO_MISUSE], line="part cause=unknown"),
    Row("no cause told, but over in any case", "out expired", [_NO_MISUSE], line="part", at="2024-03-11"),
    Row("no cause told, and none asked", "in", ["c parts 12m from=invoice"], line="part"),
    Row("an included cause", "in", [_MADE], line="part cause=material"),
    Row("a cause that is not included", "out cause_not_included", [_MADE], line="part cause=wear"),
    Row("included causes, none told", "check cause", [_MADE], line="part"),
    Row("another clause covers wear", "in w", [_MADE, "w parts 3m from=invoice cause=wear"], line="part cause=wear",
        at="2023-05-01"),
    Row("the other clause is over", "out expired", [_MADE, "w parts 3m from=invoice cause=wear"],
        line="part cause=wear"),
    Row("covered whatever the cause", "in all", [_MADE, "all parts 3m from=invoice"], line="part", at="2023-05-01"),
]  # fmt: skip

_C = "c labour,parts,travel 12m from=invoice"

EXCLUSIONS = [
    Row("an exclusion by cause", "out excluded_by_clause", [_C, "!x cause=misuse"], line="part cause=misuse"),
    Row("an exclusion of another cause", "in", [_C, "!x cause=misuse"], line="part cause=material"),
    Row("an exclusion by cause, no cause told", "check cause", [_C, "!x cause=misuse"], line="part"),
    Row("consumables are excluded by their component", "out excluded_by_clause", [_C, "!x comp=filter,belt"],
        line="part comp=belt"),
    Row("a part of an excluded component", "out excluded_by_clause", [_C, "!x comp=filter"],
        line="part comp=filter/mesh"),
    Row("not excluded", "in", [_C, "!x comp=filter,belt"], line="part comp=seal"),
    Row("excluded components, none told", "check component", [_C, "!x comp=filter"], line="part"),
    Row("excluded by item", "out excluded_by_clause", [_C, "!x item=OIL-5"], line="part item=OIL-5"),
    Row("component and cause must both hold: both do", "out excluded_by_clause", [_C, "!x comp=seal cause=wear"],
        line="part comp=seal cause=wear"),
    Row("component and cause must both hold: one does", "in", [_C, "!x comp=seal cause=wear"],
        line="part comp=seal cause=material"),
    Row("component holds, cause not told", "check cause", [_C, "!x comp=seal cause=wear"], line="part comp=seal"),
    Row("cause not told, component does not hold", "in", [_C, "!x comp=seal cause=wear"], line="part comp=motor"),
    Row("an exclusion for travel alone: travel", "out excluded_by_clause", [_C, "!x travel region=CN-65"],
        line="travel",
        region="CN-65"),
    Row("an exclusion for travel alone: parts", "in", [_C, "!x travel region=CN-65"], line="part", region="CN-65"),
    Row("an exclusion holds in its own terms alone", "in d",
        [terms("A", _C, "!x cause=wear"), terms("B", "d parts 12m from=invoice")], line="part cause=wear"),
    Row("over and excluded: over comes first", "out expired", [_C, "!x cause=misuse"], line="part cause=misuse",
        at="2024-03-11"),
    Row("the cause does not matter when it is over", "out expired", [_C, "!x cause=misuse"], line="part",
        at="2024-03-11"),
]  # fmt: skip

_CN = "c parts 12m from=invoice region=CN"

REGIONS = [
    Row("the country", "in", [_CN], region="CN"),
    Row("a province of it", "in", [_CN], region="CN-31"),
    Row("another country", "out region", [_CN], region="DE"),
    Row("a region whose name only begins alike", "out region", [_CN], region="CNX"),
    Row("a clause for a province, fault elsewhere in the country", "out region",
        ["c parts 12m from=invoice region=CN-31"],
        region="CN-44"),
    Row("a clause for a province, only the country known", "out region", ["c parts 12m from=invoice region=CN-31"],
        region="CN"),
    Row("one of several", "in", ["c parts 12m from=invoice region=AT,CH,DE"], region="CH"),
    Row("region not known", "check region", [_CN], region=None),
    Row("region not known, none asked", "in", ["c parts 12m from=invoice"], region=None),
    Row("region not known, but over in any case", "out expired", [_CN], region=None, at="2024-03-11"),
    Row("small letters", "in", [_CN], region="cn-31"),
    Row("terms for a region, and this is another", "out region", [terms("A", "c parts 12m from=invoice",
        regions=("DE",))]),
    Row("terms for this region", "in", [terms("A", "c parts 12m from=invoice", regions=("CN",))]),
    Row("in another region shorter", "out expired",
        ["c parts 24m from=invoice region=CN", "d parts 12m from=invoice region=DE"], region="DE", at="2024-06-01"),
]  # fmt: skip

ROWS = [*METERS, *SCOPES, *COMPONENTS, *CAUSES, *EXCLUSIONS, *REGIONS]
