"""Golden rows: parts put in for others, overlapping cover, contracts, versions, claims, demands, overrides.

The machine was invoiced on 2023-03-10; a year of cover ends on 2024-03-10, two years on 2025-03-10.
"""

from __future__ import annotations

from assets.warranty.facts import Override
from tests.assets.warranty.golden import Row, contract, put, terms

_INHERIT = "c parts 12m from=invoice new=inherit"
_RESTART = "c parts 12m from=invoice new=restart"
_DAYS = "c parts 12m from=invoice new=restart:90d"
_LONGER = "c parts 12m from=invoice new=longer:90d"
_PAID = "c parts 12m from=invoice new=restart:90d:paid"
_HOURS = "c parts 12m from=invoice meter=hours:2000 new=restart"
_SEAL = "part comp=seal"

REPLACED = [
    Row("inherits the remainder", "in", [_INHERIT], _SEAL, "2024-03-10", parts=[put("2024-01-10")]),
    Row("inherits no more than the remainder", "out expired", [_INHERIT], _SEAL, "2024-03-11",
        parts=[put("2024-01-10")]),
    Row("restarts: a year from the replacement", "in", [_RESTART], _SEAL, "2025-01-10", parts=[put("2024-01-10")]),
    Row("restarts: the day after", "out expired", [_RESTART], _SEAL, "2025-01-11", parts=[put("2024-01-10")]),
    Row("restarts with a term of its own, shorter than the remainder", "out expired", [_DAYS], _SEAL, "2023-09-01",
        parts=[put("2023-05-01")]),
    Row("restarts with a term of its own, last day", "in", [_DAYS], _SEAL, "2023-07-30", parts=[put("2023-05-01")]),
    Row("restarts with a term of its own, the day after", "out expired", [_DAYS], _SEAL, "2023-07-31",
        parts=[put("2023-05-01")]),
    Row("the longer of both: the remainder", "in", [_LONGER], _SEAL, "2024-03-10", parts=[put("2023-05-01")]),
    Row("the longer of both: the remainder is over", "out expired", [_LONGER], _SEAL, "2024-03-11",
        parts=[put("2023-05-01")]),
    Row("the longer of both: the new term", "in", [_LONGER], _SEAL, "2024-05-30", parts=[put("2024-03-01")]),
    Row("the longer of both: the new term is over", "out expired", [_LONGER], _SEAL, "2024-05-31",
        parts=[put("2024-03-01")]),
    Row("a chain that restarts twice", "in", [_RESTART], _SEAL, "2025-12-01",
        parts=[put("2024-01-10"), put("2024-12-01")]),
    Row("a chain that restarts twice, over", "out expired", [_RESTART], _SEAL, "2025-12-02",
        parts=[put("2024-01-10"), put("2024-12-01")]),
    Row("a chain that inherits stays with the machine", "out expired", [_INHERIT], _SEAL, "2024-03-11",
        parts=[put("2023-06-01"), put("2024-03-09")]),
    Row("a chain of the longer: the first new term reaches on", "in", [_LONGER], _SEAL, "2024-05-30",
        parts=[put("2024-03-01"), put("2024-03-02", covered=False)]),
    Row("a chain in any order of telling", "in", [_RESTART], _SEAL, "2025-12-01",
        parts=[put("2024-12-01"), put("2024-01-10")]),
    Row("another component was replaced", "out expired", [_RESTART], "part comp=motor", "2024-06-01",
        parts=[put("2024-01-10")]),
    Row("a part put in after the fault says nothing", "out expired", [_RESTART], _SEAL, "2024-03-11",
        parts=[put("2024-03-12")]),
    Row("a part put in at the very moment of the fault is the repair", "out expired", [_RESTART], _SEAL, "2024-03-12",
        parts=[put("2024-03-12")]),
    Row("the customer paid for it: no term of its own", "out expired", [_RESTART], _SEAL, "2024-06-01",
        parts=[put("2024-01-10", covered=False)]),
    Row("the customer paid for it: the remainder is the machine's", "in", [_RESTART], _SEAL, "2024-03-10",
        parts=[put("2024-01-10", covered=False)]),
    Row("the customer paid, and the clause grants it", "in", [_PAID], _SEAL, "2024-08-30",
        parts=[put("2024-06-01", covered=False)]),
    Row("the customer paid, and the clause grants it no longer", "out expired", [_PAID], _SEAL, "2024-08-31",
        parts=[put("2024-06-01", covered=False)]),
    Row("not known who paid, and it matters", "check replacement_covered", [_RESTART], _SEAL, "2024-06-01",
        parts=[put("2024-01-10", covered=None)]),
    Row("not known who paid, in either way", "in", [_RESTART], _SEAL, "2024-03-01", parts=[put("2024-01-10",
        covered=None)]),
    Row("not known who paid, out either way", "out expired", [_RESTART], _SEAL, "2025-06-01",
        parts=[put("2024-01-10", covered=None)]),
    Row("not known who paid, but all parts inherit", "in", [_INHERIT], _SEAL, "2024-03-10",
        parts=[put("2024-01-10", covered=None)]),
    Row("the meter counts from the replacement", "in", [_HOURS], _SEAL, "2024-06-01", meters={"hours": 3400},
        parts=[put("2024-01-10", meters={"hours": 1500})]),
    Row("the meter counts from the replacement, exceeded", "out meter_exceeded", [_HOURS], _SEAL, "2024-06-01",
        meters={"hours": 3501}, parts=[put("2024-01-10", meters={"hours": 1500})]),
    Row("what the meter showed at the replacement is not known", "check meter_at_replacement:hours", [_HOURS], _SEAL,
        "2024-06-01", meters={"hours": 3400}, parts=[put("2024-01-10")]),
    Row("two seals: the one that was replaced, by its serial", "in", [_RESTART], "part comp=seal serial=S2",
        "2024-06-01",
        parts=[put("2024-01-10", serial="S2", replaced_serial="S1")]),
    Row("two seals: the one that came with the machine", "out expired", [_RESTART], "part comp=seal serial=S9",
        "2024-06-01", parts=[put("2024-01-10", serial="S2", replaced_serial="S1")]),
    Row("two seals, both replaced: which one failed?", "check part_serial", [_RESTART], _SEAL, "2025-02-01",
        parts=[put("2024-01-10", serial="A2", replaced_serial="A1"), put("2024-03-01", serial="B2",
        replaced_serial="B1")]),
    Row("two seals, both replaced, both in", "in", [_RESTART], _SEAL, "2024-12-01",
        parts=[put("2024-01-10", serial="A2", replaced_serial="A1"), put("2024-03-01", serial="B2",
        replaced_serial="B1")]),
    Row("labour for the new part follows the part", "in", ["c labour,parts 12m from=invoice new=restart"],
        "labour comp=seal", "2024-06-01", parts=[put("2024-01-10")]),
    Row("the first day not known, but the part restarted", "in", [_RESTART], _SEAL, "2024-06-01", dates="",
        parts=[put("2024-01-10")]),
    Row("the first day not known, and the part inherits", "check invoice", [_INHERIT], _SEAL, "2024-06-01", dates="",
        parts=[put("2024-01-10")]),
]  # fmt: skip

_VISITS = "k labour,travel uses=visits"

OVERLAP = [
    Row("the higher share counts", "in full 100", ["half parts 24m from=invoice share=50",
        "full parts 12m from=invoice"]),
    Row("the lower share when the higher is over", "in half 50",
        ["half parts 24m from=invoice share=50", "full parts 12m from=invoice"], at="2024-06-01"),
    Row("sure of half, perhaps all: asked for", "check cause",
        ["half parts 24m from=invoice share=50", "full parts 12m from=invoice cause=material"]),
    Row("sure of all: the half is not asked for", "in full 100",
        ["half parts 24m from=invoice share=50 cause=material", "full parts 12m from=invoice"]),
    Row("of two that pay all the longer one", "in long", ["short parts 12m from=invoice",
        "long parts 24m from=invoice"]),
    Row("warranty before a contract that it would use up", "in c",
        [contract("K", "k parts uses=parts", holds="2023-01-01..2023-12-31", left={"parts": ("parts", 5)}),
         terms("T", "c parts 12m from=invoice")]),
    Row("contract before warranty where it takes precedence", "in k",
        [contract("K", "k parts", holds="2023-01-01..2023-12-31", precedence=10), terms("T",
        "c parts 12m from=invoice")]),
    Row("the contract when the warranty is over", "in k",
        [contract("K", "k parts", holds="2024-01-01..2024-12-31"), terms("T", "c parts 12m from=invoice")],
        at="2024-06-01"),
    Row("the contract's last day counts", "in k", [contract("K", "k parts", holds="2023-01-01..2023-12-31"),
        terms("T")],
        at="2023-12-31T23:59:59+08:00"),
    Row("the day after the contract", "out expired", [contract("K", "k parts", holds="2023-01-01..2023-12-31"),
        terms("T")],
        at="2024-01-01T00:00:00+08:00"),
    Row("before the contract", "out not_begun", [contract("K", "k parts", holds="2023-01-01..2023-12-31"), terms("T")],
        at="2022-12-31"),
    Row("a part put in under a contract is covered no longer than the contract", "out expired",
        [contract("K", "k parts 12m new=restart", holds="2023-01-01..2023-12-31"), terms("T")], _SEAL, "2024-01-01",
        parts=[put("2023-12-01")]),
    Row("a contract and no terms known: in", "in k", [contract("K", "k parts", holds="2023-01-01..2023-12-31")]),
    Row("a contract that is over and no terms known: asked for", "check terms",
        [contract("K", "k parts", holds="2022-01-01..2022-12-31")]),
    Row("a visit is left", "in k", [contract("K", _VISITS, holds="2023-01-01..2023-12-31", left={"visits": ("visits",
        1)}),
        terms("T")], "labour"),
    Row("no visit is left", "out entitlement_used_up",
        [contract("K", _VISITS, holds="2023-01-01..2023-12-31", left={"visits": ("visits", 0)}), terms("T")], "labour"),
    Row("one visit for all lines of an order", "in k",
        [contract("K", _VISITS, holds="2023-01-01..2023-12-31", left={"visits": ("visits", 1)}), terms("T")], "travel",
        others=["labour qty=3", "labour"]),
    Row("hours by quantity: enough", "in k",
        [contract("K", "k labour uses=h", holds="2023-01-01..2023-12-31", left={"h": ("hours", 4)}), terms("T")],
        "labour qty=4"),
    Row("hours by quantity: not enough", "out entitlement_used_up",
        [contract("K", "k labour uses=h", holds="2023-01-01..2023-12-31", left={"h": ("hours", 4)}), terms("T")],
        "labour qty=4.5"),
    Row("a line before has used them", "out entitlement_used_up",
        [contract("K", "k labour uses=h", holds="2023-01-01..2023-12-31", left={"h": ("hours", 4)}), terms("T")],
        "labour qty=2", others=["labour qty=3"]),
    Row("a line before that got none has used none", "in k",
        [contract("K", "k labour uses=h", holds="2023-01-01..2023-12-31", left={"h": ("hours", 4)}), terms("T")],
        "labour qty=2", others=["labour qty=5"]),
    Row("an amount of money: not told", "check amount",
        [contract("K", "k parts uses=sum", holds="2023-01-01..2023-12-31", left={"sum": ("amount", 100)}), terms("T")]),
    Row("an amount of money: enough", "in k",
        [contract("K", "k parts uses=sum", holds="2023-01-01..2023-12-31", left={"sum": ("amount", 100)}), terms("T")],
        "part amount=100"),
    Row("what is left is not known", "check balance",
        [contract("K", "k parts uses=p", holds="2023-01-01..2023-12-31", left={"p": ("parts", None)}), terms("T")]),
    Row("an entitlement that the contract does not have", "check balance",
        [contract("K", "k parts uses=p", holds="2023-01-01..2023-12-31"), terms("T")]),
]  # fmt: skip

_A = "a parts 12m from=invoice"
_B = "b parts 24m from=invoice"

VERSIONS = [
    Row("sold under the first version", "out expired",
        [terms("T", _A, id="T1", sold="..2023-06-30"), terms("T", _B, id="T2", sold="2023-07-01..")], at="2024-06-01"),
    Row("sold under the second version", "in b",
        [terms("T", _A, id="T1", sold="..2023-06-30"), terms("T", _B, id="T2", sold="2023-07-01..")], at="2024-08-01",
        dates="invoice=2023-07-01"),
    Row("sold on the last day of the first", "in a",
        [terms("T", _A, id="T1", sold="..2023-06-30"), terms("T", _B, id="T2", sold="2023-07-01..")], at="2024-06-30",
        dates="invoice=2023-06-30"),
    Row("day of sale not known", "check sale_date", [terms("T", "b parts 24m from=registration", sold="2023-07-01..")],
        dates="registration=2023-08-01"),
    Row("the card names the version", "in b", [terms("T", _A, id="T1"), terms("T", _B, id="T2")], at="2024-06-01",
        card="T2"),
    Row("the card names the shorter one", "out expired", [terms("T", _A, id="T1"), terms("T", _B, id="T2")],
        at="2024-06-01", card="T1"),
    Row("other codes stay beside the card's", "in x",
        [terms("T", _A, id="T1"), terms("X", "x parts 36m from=invoice", id="X1")], at="2024-06-01", card="T1"),
    Row("terms of another model", "check terms", [terms("T", _A, model="M2")]),
    Row("terms of this model", "in", [terms("T", _A, model="M1")]),
    Row("the model is not known", "check model", [terms("T", _A, model="M1")], model=None),
]  # fmt: skip

UNKNOWN = [
    Row("no terms at all", "check terms", []),
    Row("terms that grant nothing", "out no_cover", [terms("T")]),
    Row("no day known", "check invoice", [_A], dates=""),
    Row("neither of two days known", "check invoice production", ["a parts 12m from=invoice/production+3m"], dates=""),
    Row("time of the fault not known", "check fault_at", [_A], at=None),
    Row("time of the fault not known, and the line is not covered at all", "out scope", [_A], "travel", at=None),
    Row("all that is missing is named", "check cause component invoice meter:hours region",
        ["a parts 12m from=invoice comp=motor cause=material region=CN meter=hours:10"], dates="", region=None),
    Row("a claimed day, the same without it", "in", ["a parts 12m from=purchase/delivery"], at="2023-09-01",
        dates="purchase=2023-06-01 delivery=2023-03-01", unconfirmed="purchase"),
    Row("a claimed day decides: to be confirmed", "check purchase_confirmation", ["a parts 12m from=purchase/delivery"],
        at="2024-04-01", dates="purchase=2023-06-01 delivery=2023-03-01", unconfirmed="purchase"),
    Row("a claimed day alone", "check purchase purchase_confirmation", ["a parts 12m from=purchase"],
        at="2023-09-01", dates="purchase=2023-06-01", unconfirmed="purchase"),
    Row("a confirmed day", "in", ["a parts 12m from=purchase/delivery"], at="2024-04-01",
        dates="purchase=2023-06-01 delivery=2023-03-01"),
]  # fmt: skip

# 三包: within 7 days refund, replace or repair; within 15 replace or repair; a year of repair, after two replace.
_THREE = (
    "?seven 7d from=invoice demand=refund,replace,repair cause!=misuse",
    "?fifteen 15d from=invoice demand=replace,repair cause!=misuse",
    "?year labour,parts 12m from=invoice demand=repair cause!=misuse stays",
    "?twice 12m from=invoice demand=replace repairs=2 cause!=misuse",
)
_BAD = "part cause=manufacturing"

THREE = [
    Row("day 7: refund, replace, repair", "in year", _THREE, _BAD, "2023-03-17", remedies="refund replace repair"),
    Row("day 8: no refund any more", "in year", _THREE, _BAD, "2023-03-18", remedies="replace repair"),
    Row("day 15: replace", "in year", _THREE, _BAD, "2023-03-25", remedies="replace repair"),
    Row("day 16: repair alone", "in year", _THREE, _BAD, "2023-03-26", remedies="repair"),
    Row("last day of the year", "in year", _THREE, _BAD, "2024-03-10", remedies="repair"),
    Row("the day after the year", "out expired", _THREE, _BAD, "2024-03-11", remedies=""),
    Row("repaired once: repair", "in year", _THREE, _BAD, "2023-09-01", repairs=["2023-06-01"], remedies="repair"),
    Row("repaired twice: replace", "in year", _THREE, _BAD, "2023-09-01", repairs=["2023-06-01", "2023-07-01"],
        remedies="repair replace"),
    Row("a repair before the period does not count", "in year", _THREE, _BAD, "2023-09-01",
        repairs=["2023-01-01", "2023-07-01"], remedies="repair"),
    Row("repairs not known: what is sure", "in year", _THREE, _BAD, "2023-09-01", repairs=None, remedies="repair"),
    Row("misuse: no demand", "out cause_excluded", _THREE, "part cause=misuse", "2023-03-12", remedies=""),
    Row("days in the workshop prolong the year", "in year", _THREE, _BAD, "2024-03-15", stays=[("2023-06-01",
        "2023-06-11")],
        remedies="repair"),
]  # fmt: skip

OVERRIDES = [
    Row("in by override: the operator pays", "in", [_A], at="2024-06-01", override=Override("in", "goodwill")),
    Row("out by override", "out", [_A], override=Override("out", "opened by a third party")),
    Row("open, closed by override", "out", [_A], dates="", override=Override("out", "no invoice")),
]  # fmt: skip

ROWS = [*REPLACED, *OVERLAP, *VERSIONS, *UNKNOWN, *THREE, *OVERRIDES]
