"""What all simulated machines share: weather, load, noise, wear, faults that grow, sensors that fail.

All processes are stepped exactly for any time step (Ornstein-Uhlenbeck and first-order lags have closed forms),
so that a history sampled each ten minutes and a life sampled each second show the same relations and spreads.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

Values = dict[str, float | str | bool]

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S
MAX_SUBSTEP_S = 150.0  # shorter than the slowest thermal lag, so that ten-minute steps follow the load
IDLE_HOURS_PER_DAY = 1.5
NO_REPAIR_CODES = frozenset({"none", "no_fault_found", "inspected", "unknown", "cancelled"})


@dataclass(frozen=True, slots=True)
class Measured:
    """One sensor of a machine: UCUM unit, standard deviation of its noise, decimals shown, physical range."""

    name: str
    unit: str
    sigma: float
    decimals: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A way to fail: which component, whether the machine then trips, and the alarm that it raises itself."""

    name: str
    component: str
    trips: bool
    code: str
    text: str


@dataclass(slots=True)
class Fault:
    """A fault that has begun: from onset to onset + precursor its signature grows, then the machine has failed."""

    name: str
    onset_s: float
    precursor_s: float
    failed: bool = False

    def severity(self, t_s: float) -> float:
        """0 before the onset, 1 at failure, creeping on to 1.3 while nobody repairs it."""
        share = (t_s - self.onset_s) / max(self.precursor_s, 1e-9)
        if share <= 0:
            return 0.0
        if share < 1:
            return float(share**1.5)
        return 1.0 + 0.3 * (1.0 - math.exp(-(t_s - self.onset_s - self.precursor_s) / 900.0))


@dataclass(slots=True)
class SensorFault:
    """A sensor that lies: stuck, drift, spikes or missing."""

    kind: str
    since_s: float
    value: float | str | bool | None = None


@dataclass(frozen=True, slots=True)
class MachineEvent:
    """An alarm that the machine's own controller raises or ends."""

    t_s: float
    code: str
    severity: str
    text: str
    active: bool


SENSOR_FAULTS = ("stuck", "drift", "spikes", "missing")


class Wander:
    """Ornstein-Uhlenbeck process of mean 0: random, but slower than its time constant."""

    __slots__ = ("_dt", "_keep", "_kick", "sigma", "tau_s", "value")

    def __init__(self, sigma: float, tau_s: float) -> None:
        self.sigma, self.tau_s, self.value = sigma, tau_s, 0.0
        self._dt, self._keep, self._kick = -1.0, 0.0, sigma

    def step(self, dt_s: float, rng: random.Random) -> float:
        """Go on by dt_s; the spread does not depend on the length of the steps."""
        if dt_s != self._dt:
            self._dt, self._keep = dt_s, math.exp(-dt_s / self.tau_s)
            self._kick = self.sigma * math.sqrt(1.0 - self._keep * self._keep)
        self.value = self.value * self._keep + self._kick * rng.gauss(0.0, 1.0)
        return self.value


class Lag:
    """First-order lag: follows its target with a time constant."""

    __slots__ = ("tau_s", "value")

    def __init__(self, tau_s: float) -> None:
        self.tau_s = tau_s
        self.value: float | None = None

    def step(self, target: float, dt_s: float) -> float:
        """Go on by dt_s towards the target; the first step begins there."""
        self.value = target if self.value is None else target + (self.value - target) * math.exp(-dt_s / self.tau_s)
        return self.value


class Machine:
    """A machine stepped through time. Deterministic: same seed, same steps, same values."""

    kind: ClassVar[str]
    model: ClassVar[str]
    measured: ClassVar[tuple[Measured, ...]]
    faults: ClassVar[Mapping[str, FaultKind]]
    modes: ClassVar[tuple[str, str]] = ("idle", "run")  # at rest, at work

    def __init__(self, seed: int, idle_hour: float = 3.0) -> None:
        self.seed = seed
        self.idle_hour = idle_hour
        self.rng = random.Random(f"{self.kind}:{seed}")
        character = random.Random(f"character:{self.kind}:{seed}")
        self.offset = {each.name: character.uniform(-4, 4) * each.sigma for each in self.measured}
        self.base_load = character.uniform(0.74, 0.84)
        self.base_ambient = character.uniform(19.0, 25.0)
        self.active: list[Fault] = []
        self.sensor_faults: dict[str, SensorFault] = {}
        self.wear_years = 0.0
        self.keep_running = False
        self.mode = self.modes[1]
        self.load = self.base_load
        self.ambient = self.base_ambient
        self.wanders = {"weather": Wander(1.2, 8 * 3600), "demand": Wander(0.05, 3 * 3600), "flow": Wander(1.0, 12.0)}
        self.lags: dict[str, Lag] = {}
        self._events: list[MachineEvent] = []

    # --- to be given by each machine -------------------------------------------------------------------------

    def settle(self, dt_s: float) -> None:
        """Move slow states (temperatures) by dt_s under the present mode, load and ambient."""
        raise NotImplementedError

    def look(self, severity: Mapping[str, float]) -> dict[str, float]:
        """Return the true values now, given the severity of each active fault."""
        raise NotImplementedError

    # --- time ------------------------------------------------------------------------------------------------

    def step(self, t_s: float, dt_s: float) -> Values:
        """Go on by dt_s to t_s (epoch seconds) and return what the sensors then show."""
        parts = max(1, math.ceil(dt_s / MAX_SUBSTEP_S))
        for part in range(parts - 1, -1, -1):
            self._advance(t_s - part * dt_s / parts, dt_s / parts)
        severity = {fault.name: fault.severity(t_s) for fault in self.active}
        true = self.look(severity)
        values: Values = {"mode": self.mode}
        for each in self.measured:
            values[each.name] = true[each.name] + self.offset[each.name] + self.rng.gauss(0.0, each.sigma)
        self._spoil(values, t_s)
        for each in self.measured:
            shown = values.get(each.name)
            if isinstance(shown, float):
                low = each.low if each.low is not None and each.low >= 0 else None
                values[each.name] = round(shown if low is None else max(shown, float(low)), each.decimals)
        return values

    def _advance(self, t_s: float, dt_s: float) -> None:
        day = 2 * math.pi * (t_s % DAY_S) / DAY_S
        year = 2 * math.pi * (t_s % YEAR_S) / YEAR_S
        self.ambient = (
            self.base_ambient
            - 2.0 * math.cos(year)
            + 3.0 * math.sin(day - 2 * math.pi * 9 / 24)  # warmest at 15 h
            + self.wanders["weather"].step(dt_s, self.rng)
        )
        demand = (
            self.base_load + 0.08 * math.sin(day - 2 * math.pi * 7 / 24) + self.wanders["demand"].step(dt_s, self.rng)
        )
        self.load = min(max(demand, 0.5), 1.05)
        self.wanders["flow"].step(dt_s, self.rng)
        self.wear_years += dt_s / YEAR_S
        for fault in self.active:
            if not fault.failed and t_s >= fault.onset_s + fault.precursor_s:
                self._fail(fault, t_s)
        self.mode = self._mode_at(t_s)
        self.settle(dt_s)

    def _mode_at(self, t_s: float) -> str:
        if any(fault.failed and self.faults[fault.name].trips for fault in self.active):
            return "trip"
        since_idle = (t_s / 3600 - self.idle_hour) % 24
        if since_idle < IDLE_HOURS_PER_DAY and not self.keep_running and not self.active:
            return self.modes[0]
        return self.modes[1]

    @property
    def is_working(self) -> bool:
        """True while the machine does its work, False at rest and after a trip."""
        return self.mode == self.modes[1]

    # --- faults ----------------------------------------------------------------------------------------------

    def inject(self, fault: str, t_s: float, precursor_s: float) -> None:
        """Let a fault begin at t_s. Raise KeyError when this machine has no such fault."""
        if fault not in self.faults:
            raise KeyError(f"{self.kind} has no fault {fault!r}; it has {', '.join(sorted(self.faults))}")
        if all(each.name != fault for each in self.active):
            self.active.append(Fault(fault, t_s, precursor_s))

    def _fail(self, fault: Fault, t_s: float) -> None:
        fault.failed = True
        kind = self.faults[fault.name]
        self._events.append(MachineEvent(t_s, kind.code, "critical", kind.text, True))

    def break_sensor(self, metric: str, kind: str, t_s: float) -> None:
        """Let a sensor lie from t_s on. Raise KeyError for an unknown metric or kind."""
        if kind not in SENSOR_FAULTS:
            raise KeyError(f"unknown sensor fault {kind!r}; known: {', '.join(SENSOR_FAULTS)}")
        if metric not in {each.name for each in self.measured}:
            raise KeyError(f"{self.kind} has no metric {metric!r}")
        self.sensor_faults[metric] = SensorFault(kind, t_s)

    def _spoil(self, values: Values, t_s: float) -> None:
        for metric, fault in self.sensor_faults.items():
            shown = values[metric]
            sigma = next(each.sigma for each in self.measured if each.name == metric)
            if fault.kind == "missing":
                del values[metric]
            elif fault.kind == "stuck":
                fault.value = shown if fault.value is None else fault.value
                values[metric] = fault.value
            elif isinstance(shown, float) and fault.kind == "drift":
                values[metric] = shown + sigma * (t_s - fault.since_s) / 20.0
            elif isinstance(shown, float) and self.rng.random() < 0.1:
                values[metric] = shown + self.rng.choice((-1, 1)) * sigma * self.rng.uniform(20, 60)

    def repair(self, code: str, component: str, t_s: float) -> list[str]:
        """Heal what the work done heals and return its names: all, or only the given component's faults.

        The component `sensor` (or one metric's name) stands for the sensors' faults.
        A code of NO_REPAIR_CODES heals nothing. A component that this machine does not have counts as 'all',
        since a technician may name it in his own words.
        """
        if code.strip().lower() in NO_REPAIR_CODES:
            return []
        wanted = component.strip().lower().replace(" ", "_")
        known = {kind.component for kind in self.faults.values()} | {each.name for each in self.measured} | {"sensor"}
        is_all = wanted not in known
        healed = [each for each in self.active if is_all or self.faults[each.name].component == wanted]
        for fault in healed:
            self.active.remove(fault)
            if fault.failed:
                kind = self.faults[fault.name]
                self._events.append(MachineEvent(t_s, kind.code, "info", f"{kind.text}: ended", False))
        sensors = [metric for metric in self.sensor_faults if is_all or wanted in ("sensor", metric)]
        for metric in sensors:
            del self.sensor_faults[metric]
        if healed:
            self.wear_years = 0.0
        return [fault.name for fault in healed] + sensors

    def take_events(self) -> list[MachineEvent]:
        """Return the alarms since the last call."""
        events, self._events = self._events, []
        return events

    # --- state between two runs ------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, ready for JSON."""
        return {
            "active": [asdict(fault) for fault in self.active],
            "sensor_faults": {metric: asdict(fault) for metric, fault in self.sensor_faults.items()},
            "wear_years": self.wear_years,
            "wanders": {name: each.value for name, each in self.wanders.items()},
            "lags": {name: each.value for name, each in self.lags.items()},
        }

    def restore(self, state: Mapping[str, Any], t_s: float) -> None:
        """Go on from a kept state; chance is seeded anew with the time, so that the past does not repeat."""
        self.rng = random.Random(f"{self.kind}:{self.seed}:{t_s:.0f}")
        self.active = [Fault(**each) for each in state["active"] if each["name"] in self.faults]
        self.sensor_faults = {metric: SensorFault(**each) for metric, each in state["sensor_faults"].items()}
        self.wear_years = float(state["wear_years"])
        for name, value in state["wanders"].items():
            if name in self.wanders:
                self.wanders[name].value = value
        for name, value in state["lags"].items():
            if name in self.lags:
                self.lags[name].value = value
