"""The table of operations that phones send: what each is about, and whether it moves a state or adds something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ticketing.sync import asset_kinds, order_kinds, visit_kinds
from ticketing.sync.work import Work

ORDER = ("work_order", "visit")


@dataclass(frozen=True, slots=True)
class Kind:
    """`moves`: changes a state, in the order in which it was done; one that fails holds up later ones of its order.

    What only adds (by id; answers by the time at which they were given) commutes: it is tried whatever else failed.
    """

    do: Callable[[Work], dict[str, Any]]
    subjects: tuple[str, ...] = ORDER
    moves: bool = False


KINDS: dict[str, Kind] = {
    "order.accept": Kind(visit_kinds.accept_order, ("work_order",), moves=True),
    "visit.move": Kind(visit_kinds.move, moves=True),
    "visit.check_in": Kind(visit_kinds.check_in),
    "visit.check_out": Kind(visit_kinds.check_out),
    "order.finish": Kind(visit_kinds.finish, moves=True),
    "order.document": Kind(visit_kinds.document, ("work_order",), moves=True),
    "order.hold": Kind(visit_kinds.hold, ("work_order",), moves=True),
    "order.result": Kind(visit_kinds.result, ("work_order",)),
    "line.add": Kind(order_kinds.line_add),
    "line.change": Kind(order_kinds.line_change),
    "line.remove": Kind(order_kinds.line_remove),
    "stock.move": Kind(order_kinds.stock_move, ("work_order",)),
    "procedure.answer": Kind(order_kinds.procedure_answer, ("work_order",)),
    "permit.enter": Kind(order_kinds.permit_enter, ("work_order",)),
    "note.add": Kind(order_kinds.note_add, ("work_order",)),
    "help.request": Kind(order_kinds.help_request),
    "help.withdraw": Kind(order_kinds.help_withdraw, ("work_order",)),
    "signature.add": Kind(order_kinds.signature_add, ("work_order",)),
    "message.post": Kind(order_kinds.message_post, ("case",)),
    "evidence.describe": Kind(order_kinds.evidence_describe, ("evidence",)),
    "evidence.remove": Kind(order_kinds.evidence_remove, ("evidence",)),
    "meter.read": Kind(asset_kinds.meter_read, ("meter",)),
    "asset.locate": Kind(asset_kinds.asset_locate, ("asset",)),
    "label.bind": Kind(asset_kinds.label_bind, ("asset",)),
}
