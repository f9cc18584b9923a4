"""Problems small enough to follow by hand: a line of places ten minutes apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from ticketing.dispatch.problem import Problem, Shift, Technician, Visit, Weights

MINUTE = 60
HOUR = 3600


def on_a_line(
    visits: list[Visit], shifts: list[Shift] | None = None, technicians: list[Technician] | None = None, **rest: Any
) -> Problem:
    """Return a problem whose place n lies n times ten minutes from place 0."""
    people = technicians or [Technician("ann", {"gas": 3}), Technician("bob", {"gas": 1, "power": 5})]
    days = shifts or [Shift(each.id, each.id, 8 * HOUR, 16 * HOUR, 0) for each in people]
    places = np.arange(12)
    matrix = np.abs(places[:, None] - places[None, :]) * 10 * MINUTE
    return Problem(
        (), people, days, visits, matrix.astype(np.int64), weights=rest.get("weights", Weights())
    ).validated()


def visit(name: str, place: int = 1, **rest: Any) -> Visit:
    """Return an hour of work."""
    return Visit(name, place, rest.pop("seconds", HOUR), **rest)
