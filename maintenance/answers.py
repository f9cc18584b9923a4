"""What an outcome says about the order's reason: was there something to find, was there nothing, or neither."""

from __future__ import annotations

RIGHT, WRONG, NEUTRAL, UNANSWERED = "right", "wrong", "neutral", "unanswered"

_RIGHT: dict[str, frozenset[str]] = {
    "machine": frozenset({"confirmed", "wrong_mode", "prevented"}),
    # An order about a sensor or a connection is right when the sensor was at fault.
    "sensor": frozenset({"confirmed", "wrong_mode", "prevented", "sensor_fault"}),
}
_NEUTRAL = frozenset({"planned", "unknown"})  # somebody's own doing, or nobody knows: teaches nothing
FAILURES = frozenset({"confirmed", "wrong_mode"})  # what a person found on an order that no model opened


def answer(kind: str, outcome: str | None) -> str:
    """Return right, wrong, neutral, or unanswered while there is no outcome.

    `kind` is the order's. A machine order whose cause was a broken sensor was wrong: nothing ailed the machine.
    """
    if outcome is None:
        return UNANSWERED
    if outcome in _NEUTRAL:
        return NEUTRAL
    return RIGHT if outcome in _RIGHT["sensor" if kind in ("sensor", "connection") else "machine"] else WRONG
