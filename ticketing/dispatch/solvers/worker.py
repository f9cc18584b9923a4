"""The process around one solver: a problem on standard input, every better plan as a line on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from ticketing.dispatch.plan import Plan
from ticketing.dispatch.solvers.base import Task, solver_named
from ticketing.dispatch.wire import plan_of, routes_of, unpack

MEMORY_BYTES = 4 * 2**30  # a solver that wants more fails alone instead of taking the machine along
GRACE_S = 30  # an orphan of a killed parent ends here


def main() -> int:
    """Solve what stands on standard input."""
    problem, options = unpack(sys.stdin.buffer.read())
    _bound(options["until"] - time.monotonic())
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a solver that prints must not disturb the plans

    def found(plan: Plan) -> None:
        out.write(json.dumps({"routes": routes_of(plan)}) + "\n")
        out.flush()

    task = Task(
        until=options["until"],
        seed=options["seed"],
        start=plan_of(options["start"]),
        current=plan_of(options["current"]),
        level=options["level"],
    )
    try:
        solver_named(options["solver"]).solve(problem, task, found)
    except Exception as error:  # whatever goes wrong in a foreign solver is a line for the one who asked
        out.write(json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}) + "\n")
        out.flush()
        return 1
    return 0


def _bound(seconds: float) -> None:
    """Set limits that hold even if the parent, which kills a worker in time, is gone."""
    if hasattr(signal, "alarm"):
        signal.alarm(max(1, int(seconds) + GRACE_S))
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        limit = max(0, int(seconds)) + GRACE_S
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))


if __name__ == "__main__":
    code = main()
    os._exit(code)  # tidying up a million routes would take longer than the caller waits
