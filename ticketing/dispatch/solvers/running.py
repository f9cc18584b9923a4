"""Run a solver in a process of its own and kill it when its time is over; what it had found until then counts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ticketing.dispatch.plan import Plan
from ticketing.dispatch.problem import Problem
from ticketing.dispatch.solvers.base import Task
from ticketing.dispatch.wire import pack, plan_of, routes_of

ROOT = Path(__file__).resolve().parents[3]  # where the package lies, installed or not
KILL_AFTER_S = 0.25  # a solver that overruns by more is killed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a solver brought: its plans, the best last, and what went wrong if something did."""

    solver: str
    plans: tuple[Plan, ...]
    seconds: float
    note: str = ""


def run_solver(name: str, problem: Problem, task: Task, module: str = "ticketing.dispatch.solvers.worker") -> Outcome:
    """Return a solver's plans at `task.until` or a moment later, whatever it does: hang, crash or print rubbish."""
    began = time.monotonic()
    options = {
        "solver": name,
        "until": task.until,
        "seed": task.seed,
        "start": routes_of(task.start),
        "current": routes_of(task.current),
        "level": task.level,
    }
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    note = ""
    try:
        out, err = process.communicate(pack(problem, options), timeout=task.left + KILL_AFTER_S)
    except subprocess.TimeoutExpired:
        note = "killed at its time limit"
        _kill(process)
        out, err = process.communicate()
    finally:
        _kill(process)
        process.wait()
    if process.returncode and not note:
        note = f"ended with {process.returncode}: {err.decode(errors='replace').strip()[-300:]}"
    plans, error = _plans(out)
    return Outcome(name, plans, time.monotonic() - began, error or note)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the solver and whatever it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _plans(out: bytes) -> tuple[tuple[Plan, ...], str]:
    """Return the plans among the lines of a solver; a line cut off by the kill is not one."""
    plans: list[Plan] = []
    error = ""
    for line in out.splitlines():
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            said = json.loads(line)
            error = str(said.get("error", error))
            if (plan := plan_of(said.get("routes"))) is not None:
                plans.append(plan)
    return tuple(plans), error
