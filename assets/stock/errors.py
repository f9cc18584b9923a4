"""What the stock room refuses, by name."""

from __future__ import annotations

from assets.base.errors import Conflict, Invalid


class StockShort(Conflict):
    """Less is there than is wanted; params: `missing` [{part_number, location, wanted, available, unit}]."""

    code = "stock_short"


class StockMode(Conflict):
    """The operator has chosen a mode that does not have this; params: `mode`."""

    code = "stock_mode"


class SerialElsewhere(Conflict):
    """This serial is not at the place, or not in the condition, that the movement needs; params: `serial`."""

    code = "serial_elsewhere"


class OverReceipt(Conflict):
    """More came than was ordered; params: `part_number`, `ordered`, `received`, `arriving`."""

    code = "over_receipt"


class NotAvailable(Conflict):
    """Not to be promised for that day; params: `available_to_promise`, `wanted`."""

    code = "not_available"


class ReservedForOthers(Conflict):
    """It lies there and is promised to other work; params: `part_number`, `available`, `wanted`."""

    code = "reserved_for_others"


class MoreThanIssued(Conflict):
    """More comes back than the work order ever got; params: `part_number`, `issued`, `returning`."""

    code = "more_than_issued"


class OperationReused(Conflict):
    """An operation id that belongs to a different operation; params: `operation_id`."""

    code = "operation_reused"


class SupersessionCycle(Invalid):
    """A part would, in the end, supersede itself."""

    code = "supersession_cycle"
