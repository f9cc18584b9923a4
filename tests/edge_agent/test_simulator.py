"""Simulated machines: repeatable, the same at any sampling, with faults that announce themselves."""

from __future__ import annotations

import math
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_agent.sensors.base import CommandFailed, CommandUnknown, DriverError
from edge_agent.sensors.simulated import SimulatedSensor
from edge_agent.simulator import MACHINES
from edge_agent.simulator.base import Machine, Values

T0 = 1_763_726_400.0
KINDS = sorted(MACHINES)


def make(kind: str, seed: int = 7) -> Machine:
    return MACHINES[kind](seed, idle_hour=(T0 / 3600 + 12) % 24)


def live(machine: Machine, seconds: int, start: float = T0) -> list[Values]:
    return [machine.step(start + second, 1.0) for second in range(1, seconds + 1)]


def column(rows: list[Values], metric: str) -> list[float]:
    return [float(row[metric]) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_values(kind: str) -> None:
    assert live(make(kind), 50) == live(make(kind), 50)
    assert live(make(kind), 50) != live(make(kind, seed=8), 50)


@pytest.mark.parametrize("kind", KINDS)
def test_thirty_days_of_history_take_less_than_a_second(kind: str) -> None:
    machine, begin = make(kind), time.process_time()
    modes = {machine.step(T0 - number * 600, 600)["mode"] for number in range(4320, 0, -1)}
    assert time.process_time() - begin < 1.0
    assert modes == set(machine.modes), "a day has hours at work and hours at rest"


@pytest.mark.parametrize("kind", KINDS)
def test_values_stay_within_what_the_sensors_can_show(kind: str) -> None:
    machine = make(kind)
    for number in range(2000, 0, -1):
        row = machine.step(T0 - number * 600, 600)
        for each in machine.measured:
            value = row[each.name]
            assert isinstance(value, float)
            assert math.isfinite(value)
            assert each.low is None or value >= each.low
            assert each.high is None or value <= each.high
            assert value == round(value, each.decimals)


def _residuals(rows: list[Values], slope: float, centre: tuple[float, float], x: str, y: str) -> list[float]:
    return [b - centre[1] - slope * (a - centre[0]) for a, b in zip(column(rows, x), column(rows, y), strict=True)]


@pytest.mark.parametrize(
    ("kind", "x", "y"),
    [
        ("pump", "flow_m3_h", "motor_current_ampere"),
        ("pump", "flow_m3_h", "vibration_mm_s"),
        ("compressor", "air_flow_m3_min", "filter_pressure_difference_mbar"),
        ("chiller", "entering_water_temperature_celsius", "evaporator_pressure_bar"),
        ("fan", "air_flow_m3_s", "filter_pressure_difference_pa"),
    ],
)
def test_relation_learned_at_ten_minutes_holds_at_one_second(kind: str, x: str, y: str) -> None:
    machine = make(kind)
    past = [machine.step(T0 - number * 600, 600) for number in range(2000, 0, -1)]
    past = [row for row in past if row["mode"] == machine.modes[1]]
    centre = statistics.fmean(column(past, x)), statistics.fmean(column(past, y))
    slope = statistics.linear_regression(column(past, x), column(past, y)).slope
    spread = statistics.pstdev(_residuals(past, slope, centre, x, y))
    now = _residuals(live(machine, 1800), slope, centre, x, y)
    assert abs(statistics.fmean(now)) < 1.2 * spread
    assert 0.5 * spread < math.sqrt(statistics.fmean([value**2 for value in now])) < 1.6 * spread


@pytest.mark.parametrize(("kind", "fault"), [(kind, fault) for kind in KINDS for fault in MACHINES[kind].faults])
def test_fault_grows_from_nothing_to_far_beyond_noise_before_it_fails(kind: str, fault: str) -> None:
    sick, healthy = make(kind), make(kind)
    live(sick, 600)
    live(healthy, 600)
    sick.inject(fault, T0 + 600, 90)
    pairs = list(zip(live(sick, 85, T0 + 600), live(healthy, 85, T0 + 600), strict=True))
    assert not sick.take_events(), "no alarm of the machine before it fails"

    def strength(at: int) -> float:
        a, b = pairs[at]
        return max(abs(float(a[each.name]) - float(b[each.name])) / each.sigma for each in sick.measured)

    assert strength(1) < 3
    assert strength(60) > 10
    assert strength(84) > strength(40) > strength(20) * 0.9
    live(sick, 30, T0 + 690)
    assert [event.active for event in sick.take_events()] == [True]
    assert (sick.mode == "trip") == sick.faults[fault].trips
    assert sick.repair("replaced", sick.faults[fault].component, T0 + 800) == [fault]
    live(sick, 1, T0 + 801)
    assert sick.is_working
    assert [event.active for event in sick.take_events()] == [False]


def test_repair_of_the_wrong_component_or_without_work_heals_nothing() -> None:
    pump = make("pump")
    pump.inject("bearing_wear", T0, 60)
    assert pump.repair("replaced", "mechanical_seal", T0 + 100) == []
    assert pump.repair("no_fault_found", "bearing", T0 + 100) == []
    assert pump.repair("replaced", "sensor", T0 + 100) == []
    assert pump.repair("replaced", "Bearing", T0 + 100) == ["bearing_wear"]


@pytest.mark.parametrize("kind", ["stuck", "drift", "spikes", "missing"])
def test_sensor_faults_look_like_themselves(kind: str) -> None:
    pump = make("pump")
    normal = column(live(pump, 300), "vibration_mm_s")
    pump.break_sensor("vibration_mm_s", kind, T0 + 300)
    rows = live(pump, 300, T0 + 300)
    if kind == "missing":
        assert all("vibration_mm_s" not in row for row in rows)
        return
    values = column(rows, "vibration_mm_s")
    if kind == "stuck":
        assert len(set(values)) == 1
    elif kind == "drift":
        assert values[-1] > max(normal) + 0.5
        assert values[0] < max(normal)
    else:
        assert statistics.pstdev(values) > 5 * statistics.pstdev(normal)
    assert pump.repair("replaced", "sensor", T0 + 600) == ["vibration_mm_s"]


def test_state_goes_on_after_a_restart() -> None:
    first = make("pump")
    live(first, 300)
    first.inject("bearing_wear", T0 + 300, 60)
    before = live(first, 100, T0 + 300)[-1]
    second = make("pump")
    second.restore(first.state(), T0 + 400)
    after = second.step(T0 + 401, 1.0)
    for each in first.measured:
        assert abs(float(after[each.name]) - float(before[each.name])) < 12 * each.sigma
    assert second.active[0].failed


def sensor(folder: Path, **options: Any) -> SimulatedSensor:
    return SimulatedSensor("PU-1", 1.0, {"machine": "pump", "seed": 3, "fault_every_hours": 0} | options, folder)


def test_past_is_told_once_and_ends_before_now(tmp_path: Path) -> None:
    now = int(T0 * 1000)
    first = sensor(tmp_path, backfill_days=2)
    chunks = list(first.past(now))
    times = [reading.t for chunk in chunks for reading in chunk]
    assert len(times) == 288
    assert {b - a for a, b in pairwise(times)} == {600_000}
    assert now - 601_000 < times[-1] < now
    assert max(map(len, chunks)) <= 500
    first.past_told()
    again = sensor(tmp_path, backfill_days=2)
    assert list(again.past(now + 5000)) == []


def test_interrupted_past_is_told_again_with_the_same_values(tmp_path: Path) -> None:
    now = int(T0 * 1000)
    whole = [(r.t, r.values) for chunk in sensor(tmp_path, backfill_days=6).past(now) for r in chunk]
    again = [(r.t, r.values) for chunk in sensor(tmp_path, backfill_days=6).past(now + 60_000) for r in chunk]
    assert whole == again


def test_first_fault_comes_when_asked_and_repair_ends_it(tmp_path: Path) -> None:
    pump = sensor(tmp_path, backfill_days=0, first_fault_after_seconds=30, fault="seal_leak", precursor_seconds=60)
    events = []
    for second in range(1, 120):
        [reading] = pump.read(int((T0 + second) * 1000))
        events += [(second, event.code) for event in reading.events]
        assert bool(pump.machine.active) == (second >= 31)
    assert events == [(91, "SEAL-LK")]
    pump.close()
    later = sensor(tmp_path, backfill_days=0, first_fault_after_seconds=30)
    assert [fault.name for fault in later.machine.active] == ["seal_leak"]
    arguments = {"code": "seal_replaced", "component": "mechanical_seal"}
    assert later.command("repair", arguments, int((T0 + 130) * 1000)) == {"healed": ["seal_leak"], "remaining": []}
    for second in range(131, 300):
        later.read(int((T0 + second) * 1000))
    assert later.machine.active == [], "the first fault does not come twice"


def test_commands_break_and_refuse_clearly(tmp_path: Path) -> None:
    pump, now = sensor(tmp_path), int(T0 * 1000)
    assert pump.command("inject_fault", {"fault": "cavitation", "precursor_seconds": 5}, now)["fault"] == "cavitation"
    assert pump.command("sensor_fault", {"metric": "flow_m3_h", "kind": "stuck"}, now)["kind"] == "stuck"
    with pytest.raises(CommandFailed, match="no fault 'nonsense'"):
        pump.command("inject_fault", {"fault": "nonsense"}, now)
    with pytest.raises(CommandFailed, match="fault"):
        pump.command("inject_fault", {}, now)
    with pytest.raises(CommandUnknown):
        pump.command("dance", {}, now)


def test_description_says_that_it_is_a_demo(tmp_path: Path) -> None:
    described = sensor(tmp_path).describe()
    assert described.demo is True
    assert {"vibration_mm_s", "mode"} <= {metric.name for metric in described.metrics}
    assert all(metric.unit for metric in described.metrics)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"machine": "rocket"}, "no machine 'rocket'"),
        ({"fault": "rust"}, "no fault 'rust'"),
        ({"sped": 1}, "unknown option 'sped'"),
        ({"seed": "x"}, "option seed is 'x', expected int"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(DriverError, match=words):
        sensor(tmp_path, **options)
