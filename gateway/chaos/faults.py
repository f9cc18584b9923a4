"""Carry out the plan: begin each fault, end it, and see how soon rows are committed again."""

from __future__ import annotations

import heapq
import itertools
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from gateway.chaos.plan import CLOCKS, Planned
from gateway.chaos.rig import Rig
from gateway.chaos.watch import CommitWatch


@dataclass
class Fault:
    """A fault as it happened; times in seconds since the start, `recovery_s` None while no row has followed."""

    plan: Planned
    began_s: float
    ended_s: float | None = None
    recovery_s: float | None = None
    skipped: str = ""  # why it could not be done here

    def as_dict(self) -> dict[str, Any]:
        """Return it for the report."""
        times = {"began_s": self.began_s, "ended_s": self.ended_s, "recovery_s": self.recovery_s}
        return {**asdict(self.plan), **times, "skipped": self.skipped}


def _broker_goes(rig: Rig, plan: Planned) -> Callable[[], None]:
    rig.kill_broker(wipe=plan.kind == "broker_wiped")
    return rig.start_broker


def _database_dies(rig: Rig, plan: Planned) -> Callable[[], None]:
    rig.kill_database()
    return rig.start_database


def _database_disk(rig: Rig, plan: Planned) -> Callable[[], None]:
    rig.fill_database_disk()

    def heal() -> None:
        rig.free_database_disk()
        time.sleep(0.2)
        rig.free_database_disk()  # whatever was forked between two looks
        rig.start_database()  # without room for its log it may have ended altogether

    return heal


def _ingest_dies(rig: Rig, plan: Planned) -> Callable[[], None]:
    numbers = range(len(rig.workers)) if plan.kind == "ingest_all_killed" else [plan.target]
    for number in numbers:
        rig.kill_ingest(number)

    def heal() -> None:
        for number in numbers:
            rig.start_ingest(number)

    return heal


def _ingest_freezes(rig: Rig, plan: Planned) -> Callable[[], None]:
    rig.signal_ingest(plan.target, signal.SIGSTOP)
    return lambda: rig.signal_ingest(plan.target, signal.SIGCONT)


def _network_cut(rig: Rig, plan: Planned) -> Callable[[], None]:
    proxy = rig.ingest_proxy if plan.kind == "ingest_network_cut" else rig.agents[plan.target].proxy
    proxy.cut()
    return lambda: proxy.heal(forget=plan.variant == "reset")


def _agent_ends(rig: Rig, plan: Planned) -> Callable[[], None]:
    agent = rig.agents[plan.target]
    if plan.kind == "agent_killed":
        agent.kill()
    else:
        agent.stop()

    def heal() -> None:
        if not agent.is_running:
            agent.start()

    return heal


def _agent_disk(rig: Rig, plan: Planned) -> Callable[[], None]:
    rig.agents[plan.target].fill_disk()
    return rig.agents[plan.target].free_disk


def _agent_clock(rig: Rig, plan: Planned) -> Callable[[], None]:
    rig.agents[plan.target].step_clock(CLOCKS[plan.variant])
    return lambda: None


# What begins a fault; it returns what ends it.
_BEGIN: dict[str, Callable[[Rig, Planned], Callable[[], None]]] = {
    "agent_killed": _agent_ends,
    "agent_stopped": _agent_ends,
    "agent_network_cut": _network_cut,
    "agent_disk_full": _agent_disk,
    "agent_clock_stepped": _agent_clock,
    "broker_killed": _broker_goes,
    "broker_wiped": _broker_goes,
    "ingest_killed": _ingest_dies,
    "ingest_all_killed": _ingest_dies,
    "ingest_network_cut": _network_cut,
    "ingest_frozen": _ingest_freezes,
    "database_killed": _database_dies,
    "database_disk_full": _database_disk,
}


class Attack:
    """Works through a plan; the next thing to do is always the earliest, a beginning or an end."""

    def __init__(self, rig: Rig, watch: CommitWatch, tell: Callable[[str], None], stop: threading.Event) -> None:
        self._rig, self._watch, self._tell, self._stop = rig, watch, tell, stop
        self._order = itertools.count()
        self.faults: list[Fault] = []

    def run(self, plan: list[Planned], until_s: float) -> None:
        """Carry out the plan and return at `until_s`, with everything healed."""
        start = time.monotonic()
        todo: list[tuple[float, int, Planned | Callable[[], None]]] = [(e.at_s, next(self._order), e) for e in plan]
        heapq.heapify(todo)
        try:
            while todo and not self._stop.is_set():
                at_s, _, what = heapq.heappop(todo)
                if self._stop.wait(max(0.0, at_s - (time.monotonic() - start))):
                    heapq.heappush(todo, (at_s, next(self._order), what))
                    break
                if isinstance(what, Planned):
                    end = self._begin(what, start)
                    heapq.heappush(todo, (what.ends_s, next(self._order), end))
                else:
                    what()
            self._stop.wait(max(0.0, until_s - (time.monotonic() - start)))
        finally:
            for _, _, what in sorted(todo, key=lambda each: each[:2]):
                if not isinstance(what, Planned):
                    what()

    def _begin(self, plan: Planned, start: float) -> Callable[[], None]:
        fault = Fault(plan, round(time.monotonic() - start, 1))
        self.faults.append(fault)
        about = f"{self._rig.agents[plan.target].serial}" if plan.kind.startswith("agent_") else ""
        self._tell(f"{fault.began_s:7.1f} s  {plan.kind} {about} {plan.variant} ({plan.lasts_s:g} s)")
        try:
            heal = _BEGIN[plan.kind](self._rig, plan)
        except PermissionError as error:  # another user's process cannot be limited: said, not hidden
            fault.skipped = f"not allowed here: {error}"
            self._tell(f"           skipped, {fault.skipped}")
            return lambda: None
        names = {self._rig.agents[plan.target].serial} if plan.kind.startswith("agent_") else None

        def end() -> None:
            ends_at = time.monotonic()
            heal()
            fault.ended_s = round(ends_at - start, 1)
            self._watch.expect(names, ends_at, lambda seconds: setattr(fault, "recovery_s", round(seconds, 1)))

        return end
