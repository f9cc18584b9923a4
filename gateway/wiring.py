"""The composition root: which consumer reads which events, and which route files make the API."""

from __future__ import annotations

from maintenance.outcomes import close_episode

from assets.base.consumers import Consumer
from gateway.demo import repair_simulated_machine
from ml.labels import store_label

CONSUMERS: tuple[Consumer, ...] = (
    Consumer(
        "maintenance.outcomes",
        frozenset({"work_order.completed", "work_order.cancelled", "work_order.closed"}),
        close_episode,
    ),
    Consumer("ml.labels", frozenset({"work_order.completed"}), store_label),
    Consumer("demo.repairs", frozenset({"work_order.completed"}), repair_simulated_machine),
)
