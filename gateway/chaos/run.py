"""Run the attack, let everything arrive, and report: `forewarn chaos`."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from gateway.chaos.faults import Attack, Fault
from gateway.chaos.plan import KINDS, make_plan
from gateway.chaos.rig import INGEST_COMMAND, Rig
from gateway.chaos.verdict import DeviceVerdict, judge
from gateway.chaos.watch import CommitWatch

DRAIN_S = 240.0  # for what is left in the spools: longer than the longest pause before a reconnect and a resend
SETTLE_S = 2.0
LOOK_S = 0.5
SLOW_S = 3600.0  # interval of an agent that only sends what it has


@dataclass(frozen=True)
class Options:
    """What `forewarn chaos` was asked for; `ingest_command` and `kinds` are for tests of the check itself."""

    minutes: float
    seed: int | None = None
    agents: int = 4
    workers: int = 2
    as_json: bool = False
    keep: bool = False
    kinds: Sequence[str] = tuple(KINDS)
    ingest_command: Sequence[str] = INGEST_COMMAND


def run_chaos(options: Options) -> dict[str, Any]:
    """Run it and return the report; `ok` tells whether rows equal samples."""
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="forewarn-chaos-"))
    rig = Rig(folder, options.agents, options.workers, options.ingest_command)
    _say(f"chaos for {options.minutes:g} minutes, seed {seed}, in {folder}")
    begun = time.monotonic()
    with _stoppable() as stop:
        try:
            rig.start()
            watch = CommitWatch(rig.postgres.url)
            try:
                _wait_for_rows(rig, watch, stop)
                attack = Attack(rig, watch, _say, stop)
                plan = make_plan(seed, options.minutes, options.agents, options.workers, options.kinds)
                attack.run(plan, options.minutes * 60)
                drained_s = _drain(rig)
            finally:
                watch.close()
            verdicts = _judge_all(rig)
        finally:
            rig.stop()
            if not options.keep:
                shutil.rmtree(folder, ignore_errors=True)
    report = _report(options, seed, attack.faults, verdicts, drained_s)
    report |= {"seconds": round(time.monotonic() - begun, 1), "stopped_early": stop.is_set()}
    report["folder"] = str(folder) if options.keep else None
    return report


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Ctrl-C ends the attack early; what was done until then is still judged."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_rows(rig: Rig, watch: CommitWatch, stop: threading.Event) -> None:
    """Return when each agent has its first row: from then on only faults can hold up a row."""
    until = time.monotonic() + DRAIN_S
    while not stop.is_set():
        rows = watch.rows()
        if all(rows.get(agent.serial, 0) > 0 for agent in rig.agents):
            return
        if time.monotonic() > until:
            raise TimeoutError(f"no rows before any fault: {rows}; see the logs with --keep")
        time.sleep(LOOK_S)


def _drain(rig: Rig) -> float:
    """Stop the measuring, send what is left, and return how long that took (s)."""
    rig.restore()
    for agent in rig.agents:
        agent.free_disk()
        agent.stop()
        agent.step_clock(0)
        agent.start(SLOW_S)
    begun = time.monotonic()
    quiet_since = begun
    while time.monotonic() - begun < DRAIN_S:
        if any(agent.waiting() != 0 for agent in rig.agents):
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > SETTLE_S:
            break
        time.sleep(LOOK_S)
    for agent in rig.agents:
        agent.stop()
    return round(quiet_since - begun, 1)


def _judge_all(rig: Rig) -> list[DeviceVerdict]:
    with psycopg.connect(rig.postgres.url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        return [judge(connection, agent.serial, agent.account) for agent in rig.agents]


def _report(
    options: Options, seed: int, faults: list[Fault], verdicts: list[DeviceVerdict], drained_s: float
) -> dict[str, Any]:
    recovery: dict[str, list[float]] = defaultdict(list)
    for fault in faults:
        if fault.recovery_s is not None:
            recovery[fault.plan.kind].append(fault.recovery_s)
    sums = ("kept", "rows", "undecided", "dropped", "quarantined", "conflicting", "lost", "duplicates", "unexpected")
    return {
        "ok": all(each.ok for each in verdicts),
        "minutes": options.minutes,
        "seed": seed,
        "agents": options.agents,
        "workers": options.workers,
        **{name: sum(getattr(each, name) for each in verdicts) for name in sums},
        "faults": [fault.as_dict() for fault in faults],
        "max_recovery_s": max((max(each) for each in recovery.values()), default=None),
        "recovery_s": {kind: {"n": len(all_), "max": max(all_)} for kind, all_ in sorted(recovery.items())},
        "drained_s": drained_s,
        "devices": [each.as_dict() for each in verdicts],
    }


def chaos_command(options: Options) -> int:
    """Run, print the report, and return 0 only when rows equal samples."""
    report = run_chaos(options)
    if options.as_json:
        print(json.dumps(report))
    else:
        print("\n".join(_lines(report)))
    return 0 if report["ok"] else 1


def _lines(report: dict[str, Any]) -> list[str]:
    kinds = report["recovery_s"].items()
    skipped = sum(bool(fault["skipped"]) for fault in report["faults"])
    lines = [
        f"{len(report['faults'])} faults, {skipped} of them not possible here;",
        "time from the end of a fault to the next row of each device, at most:",
    ]
    lines += [f"  {kind:22} {each['n']:3} times, {each['max']:6.1f} s" for kind, each in kinds]
    for each in report["devices"]:
        lines.append(
            f"{each['serial']}: kept {each['kept']}, rows {each['rows']} (+{each['undecided']} in doubt at a kill),"
            f" dropped by rule {each['dropped']}, quarantined {each['quarantined']}, conflicting {each['conflicting']},"
            f" lost {each['lost']}, duplicates {each['duplicates']}"
        )
    lines.append("rows equal samples" if report["ok"] else "ROWS DIFFER FROM SAMPLES: see `devices` with --json")
    return lines


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
