"""Which events say that a machine was repaired: what was normal before no longer binds."""

from __future__ import annotations

import re

from ml.detectors.protocol import Event

REPAIR = "repair"  # the kind of an event that stands for a repair code
_REPLACING = re.compile(r"replac|repair|exchang|overhaul|renew|\bnew\b")


def is_repair(event: Event) -> bool:
    """True for a repair code, and for work whose words say that a part of the machine was put right.

    An exchanged sensor is work on the machine but no repair of it: the wear goes on.
    """
    if event.kind != "maintenance":
        return event.kind == REPAIR
    words = f"{event.code} {event.component}".lower()
    return _REPLACING.search(words) is not None and "sensor" not in words
