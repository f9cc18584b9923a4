"""Stored words of the stock room, with what each allows."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Numeric

PART_KINDS = ("part", "consumable", "tool", "rotable")
TRACKING = ("none", "lot", "serial")
MODES = ("simple", "personal", "full")
COVERAGES = ("any", "in_warranty", "out_of_warranty")

# What people may make; the others are made by themselves, one of each kind to an organisation.
MADE_BY_PEOPLE = ("warehouse", "bin", "van", "person", "quarantine", "repair_shop")
MADE_BY_ITSELF = ("customer", "transit", "supplier", "scrap", "adjustment")
LOCATION_KINDS = (*MADE_BY_PEOPLE, *MADE_BY_ITSELF)
# Accounts rather than shelves: what came from there was never counted there, so they may go below zero.
UNBOUNDED = frozenset({"customer", "supplier", "adjustment"})
# What may be promised and issued; quarantine, repair shop, transit and scrap are stock that nobody can use.
NETTABLE = frozenset({"warehouse", "bin", "van", "person"})
# In the mode 'personal' only engineers hold stock.
PERSONAL = frozenset({"van", "person"})
# Where old parts may go.
OLD_PART_KINDS = frozenset({"quarantine", "repair_shop", "scrap"})

# A serial's way: what may follow what. 'scrapped' is the end.
CONDITION_MOVES: dict[str, tuple[str, ...]] = {
    "good": ("installed", "defective", "scrapped"),
    "installed": ("good", "defective", "scrapped"),
    "defective": ("in_repair", "good", "scrapped"),
    "in_repair": ("good", "scrapped"),
    "scrapped": (),
}
CONDITIONS = tuple(CONDITION_MOVES)

PURCHASE_MOVES: dict[str, tuple[str, ...]] = {
    "draft": ("ordered", "cancelled"),
    "ordered": ("cancelled",),
    # The rest is not coming: what has been received stays received.
    "partially_received": ("received",),
    "received": (),
    "cancelled": (),
}
RECEIVABLE = frozenset({"ordered", "partially_received"})

MAX_LINES = 200  # of one movement, order or transfer: a page that a person can check
MAX_NUMBER = 80
MAX_NAME = 200
MAX_NOTE = 2000
MAX_QUANTITY = Decimal(10**9)  # with four decimals still exact as a JSON number
QUANTITY = Numeric(18, 4)
MONEY = Numeric(18, 4)
