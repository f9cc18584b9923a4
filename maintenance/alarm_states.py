"""What an alarm looks like to people: the states of ISA-18.2 (IEC 62682) and what may be done in each."""

from __future__ import annotations

from dataclasses import dataclass

NORMAL = "normal"  # no alarm: closed, or its evidence ended and somebody has acknowledged it
UNACKNOWLEDGED = "unacknowledged"  # evidence lasts, nobody has seen it
ACKNOWLEDGED = "acknowledged"  # evidence lasts, somebody has seen it
RETURNED = "returned_unacknowledged"  # evidence ended before anybody saw it
SHELVED = "shelved"  # a person put it aside for a while
BY_DESIGN = "suppressed_by_design"  # a rule says that it is none now: a maintenance window
OUT_OF_SERVICE = "out_of_service"  # a person took it out of service until it is put back

STATES = (NORMAL, UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED, SHELVED, BY_DESIGN, OUT_OF_SERVICE)

# State -> what people may do. Acknowledging is always harmless while there is an alarm that nobody has seen.
OPERATIONS: dict[str, tuple[str, ...]] = {
    NORMAL: (),
    UNACKNOWLEDGED: ("acknowledge", "shelve"),
    ACKNOWLEDGED: ("shelve",),
    RETURNED: ("acknowledge", "shelve"),
    SHELVED: ("unshelve",),
    BY_DESIGN: (),
    OUT_OF_SERVICE: (),
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the state of an alarm depends on; `held` is the kind of hold a person put on it, None without."""

    closed: bool
    evidence_lasts: bool
    acknowledged: bool
    held: str | None = None
    by_design: bool = False


def alarm_state(alarm: Alarm) -> str:
    """Return the state; what is out of service is so whatever rules and shelves say, and a rule precedes a shelf."""
    if alarm.closed:
        return NORMAL
    if alarm.held == OUT_OF_SERVICE:
        return OUT_OF_SERVICE
    if alarm.by_design:
        return BY_DESIGN
    if alarm.held == SHELVED:
        return SHELVED
    if alarm.evidence_lasts:
        return ACKNOWLEDGED if alarm.acknowledged else UNACKNOWLEDGED
    return NORMAL if alarm.acknowledged else RETURNED


def legal_operations(alarm: Alarm) -> tuple[str, ...]:
    """Return what people may do with the alarm now."""
    state = alarm_state(alarm)
    if state == NORMAL and not alarm.closed:
        return ("shelve",)  # it flaps: whoever knows it may put it aside before it comes again
    return OPERATIONS[state]
