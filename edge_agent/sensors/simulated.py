"""Read a simulated machine: its past once, then its life in real time, with faults, repairs and memory."""

from __future__ import annotations

import json
import logging
import random
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_agent import wire
from edge_agent.sensors.base import CommandFailed, CommandUnknown, Description, DriverError, Reading, take_options
from edge_agent.simulator import MACHINES
from edge_agent.simulator.base import Machine

log = logging.getLogger(__name__)

CHUNK_READINGS = 500
SAVE_SECONDS = 30.0
MAX_STEP_S = 600.0  # a machine that was not watched for a week does not wear for a week
RUN_BEFORE_FAULT_S = 900.0  # no idle hour shortly before a fault: its signature must show at work
LATER_PRECURSOR_S = (600.0, 3600.0)

_OPTIONS: dict[str, type | tuple[type, ...]] = {
    "machine": str,
    "seed": int,
    "backfill_days": (int, float),
    "backfill_interval_seconds": (int, float),
    "first_fault_after_seconds": (int, float),
    "fault": str,
    "precursor_seconds": (int, float),
    "fault_every_hours": (int, float),
}


class SimulatedSensor:
    """A machine of `edge_agent.simulator` behind the same door as a real sensor."""

    def __init__(self, asset: str | None, interval_s: float, options: Mapping[str, Any], folder: Path) -> None:
        checked = take_options("simulator", options, _OPTIONS)
        kind = str(checked.get("machine", "pump"))
        if kind not in MACHINES:
            raise DriverError(f"driver simulator: no machine {kind!r}; there are {', '.join(sorted(MACHINES))}")
        self._asset, self._interval_s = asset, interval_s
        self._backfill_s = float(checked.get("backfill_days", 30)) * 86_400
        self._backfill_step_s = float(checked.get("backfill_interval_seconds", 600))
        if not 0 <= self._backfill_s <= 3650 * 86_400 or not 1 <= self._backfill_step_s <= 86_400:
            raise DriverError("driver simulator: backfill_days must be 0 to 3650, its interval 1 to 86400 seconds")
        self._first_fault_after_s: float | None = checked.get("first_fault_after_seconds")
        self._fault = checked.get("fault", next(iter(MACHINES[kind].faults)))
        if self._fault not in MACHINES[kind].faults:
            known = ", ".join(MACHINES[kind].faults)
            raise DriverError(f"driver simulator: {kind} has no fault {self._fault!r}; it has {known}")
        self._precursor_s = float(checked.get("precursor_seconds", 90))
        self._fault_every_s = float(checked.get("fault_every_hours", 8)) * 3600
        seed = int(checked.get("seed", zlib.crc32((asset or kind).encode())))
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in asset or kind)
        self._state_path = folder / f"{name}.simulator.json"
        self._chance = random.Random()
        self._state = self._read_state()
        self.machine: Machine = MACHINES[kind](seed, float(self._state.get("idle_hour", 3.0)))
        self._last_s: float | None = self._state.get("last_s")
        self._saved_s = 0.0
        if "machine" in self._state and self._last_s is not None:
            self.machine.restore(self._state["machine"], self._last_s)

    # --- memory ----------------------------------------------------------------------------------------------

    def _read_state(self) -> dict[str, Any]:
        try:
            state = json.loads(self._state_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read (%s): the machine begins a new life", self._state_path, error)
            return {}
        return state if isinstance(state, dict) else {}

    def _save(self, t_s: float) -> None:
        self._saved_s = t_s
        self._state |= {"last_s": self._last_s, "machine": self.machine.state()}
        try:
            self._state_path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._state_path.with_name(f".{self._state_path.name}.new")
            temporary.write_text(json.dumps(self._state), encoding="utf-8")
            temporary.replace(self._state_path)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._state_path, error)

    # --- the sensor's door -----------------------------------------------------------------------------------

    def describe(self) -> Description:
        """Return the machine's metrics; `demo` is always set."""
        metrics = [
            wire.Metric(each.name, each.unit, "gauge", self._interval_s, each.low, each.high)
            for each in self.machine.measured
        ]
        metrics.append(wire.Metric("mode", "1", "state", self._interval_s))
        about = {
            "machine": self.machine.kind,
            "components": sorted({kind.component for kind in self.machine.faults.values()}),
            "faults": {name: kind.component for name, kind in self.machine.faults.items()},
        }
        return Description(self.machine.model, metrics, self._asset, True, about)

    def past(self, now_ms: int) -> Iterator[list[Reading]]:
        """Yield the days before the first start; after an interruption the same ones again."""
        if self._state.get("past_told"):
            return
        if "born_s" not in self._state:
            born_s = now_ms / 1000
            # Half a day away from the first start, so that the first hours show the machine at work.
            self._state |= {"born_s": born_s, "idle_hour": (born_s / 3600 + 12) % 24}
            self._save(born_s)
        born_s = float(self._state["born_s"])
        self.machine = type(self.machine)(self.machine.seed, float(self._state["idle_hour"]))
        count = int(self._backfill_s // self._backfill_step_s)
        chunk: list[Reading] = []
        for number in range(count, 0, -1):
            t_s = born_s - (number - 1) * self._backfill_step_s - self._interval_s
            chunk.append(self._step(t_s, self._backfill_step_s))
            if len(chunk) == CHUNK_READINGS:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def past_told(self) -> None:
        """Remember that the past is stored."""
        if not self._state.get("past_told"):
            self._state["past_told"] = True
            self._save(self._last_s or 0.0)

    def read(self, now_ms: int) -> list[Reading]:
        """Step the machine to now and return what its sensors show."""
        t_s = now_ms / 1000
        elapsed = self._interval_s if self._last_s is None else t_s - self._last_s
        self._plan_faults(t_s)
        reading = self._step(t_s, min(elapsed if elapsed > 0 else self._interval_s, MAX_STEP_S))
        if t_s - self._saved_s > SAVE_SECONDS or reading.events:
            self._save(t_s)
        return [reading]

    def _step(self, t_s: float, dt_s: float) -> Reading:
        values = self.machine.step(t_s, dt_s)
        self._last_s = t_s
        events = [
            wire.DeviceEvent(int(each.t_s * 1000), each.code, each.severity, each.text, each.active, self._asset)
            for each in self.machine.take_events()
        ]
        return Reading(int(t_s * 1000), values, self._asset, {}, events)

    def close(self) -> None:
        """Keep the machine's state for the next run."""
        if self._last_s is not None:
            self._save(self._last_s)

    # --- faults and commands ---------------------------------------------------------------------------------

    def _plan_faults(self, t_s: float) -> None:
        if "fault_due_s" not in self._state:
            after = self._first_fault_after_s
            self._state["fault_due_s"] = t_s + after if after is not None else self._later(t_s)
            self._state["is_first_fault"] = after is not None
        due = self._state["fault_due_s"]
        self.machine.keep_running = due is not None and t_s > due - RUN_BEFORE_FAULT_S
        if due is None or t_s < due or self.machine.active:
            return
        if self._state["is_first_fault"]:
            fault, precursor_s = self._fault, self._precursor_s
        else:
            fault = self._chance.choice(sorted(self.machine.faults))
            precursor_s = self._chance.uniform(*LATER_PRECURSOR_S)
        log.info("simulated %s: %s begins, failure in %.0f s", self._asset or self.machine.kind, fault, precursor_s)
        self.machine.inject(fault, t_s, precursor_s)
        self._state |= {"fault_due_s": None, "is_first_fault": False}
        self._save(t_s)

    def _later(self, t_s: float) -> float | None:
        """Return when the next fault begins, at a random moment; None when faults are switched off."""
        if self._fault_every_s <= 0:
            return None
        return t_s + self._fault_every_s * self._chance.uniform(0.3, 1.7)

    def command(self, name: str, arguments: Mapping[str, Any], now_ms: int) -> Mapping[str, Any]:
        """Carry out repair {code, component}, inject_fault {fault, precursor_seconds}, sensor_fault {metric, kind}."""
        t_s = now_ms / 1000
        try:
            if name == "repair":
                result = self._repair(arguments, t_s)
            elif name == "inject_fault":
                fault, precursor_s = str(arguments["fault"]), float(arguments.get("precursor_seconds", 90))
                self.machine.inject(fault, t_s, precursor_s)
                result = {"fault": fault, "precursor_seconds": precursor_s}
            elif name == "sensor_fault":
                metric, kind = str(arguments["metric"]), str(arguments["kind"])
                self.machine.break_sensor(metric, kind, t_s)
                result = {"metric": metric, "kind": kind}
            else:
                raise CommandUnknown(name)
        except (KeyError, TypeError, ValueError) as error:
            raise CommandFailed(f"{name}: {error.args[0] if error.args else error}") from error
        self._save(t_s)
        return result

    def _repair(self, arguments: Mapping[str, Any], t_s: float) -> dict[str, Any]:
        code = str(arguments.get("code") or arguments.get("repair_code") or "")
        healed = self.machine.repair(code, str(arguments.get("component") or ""), t_s)
        if healed and not self.machine.active:
            self._state["fault_due_s"] = self._later(t_s)
        return {"healed": healed, "remaining": [fault.name for fault in self.machine.active]}
