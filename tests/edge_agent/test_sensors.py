"""The host driver on this computer and on files of our own; one suite that each driver passes."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from edge_agent.sensors import DRIVERS, make_sensor
from edge_agent.sensors.base import CommandUnknown, DriverError, Reading
from edge_agent.sensors.host import HostSensor


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_each_driver_reads_what_it_describes(driver: str, tmp_path: Path) -> None:
    sensor = make_sensor(driver, "A-1", 2.0, {}, tmp_path)
    described = sensor.describe()
    metrics = {metric.name: metric for metric in described.metrics}
    assert described.asset == "A-1"
    time.sleep(0.05)
    now = int(time.time() * 1000)
    [reading] = sensor.read(now)
    assert reading.t == now
    assert reading.asset == "A-1"
    assert set(reading.values) <= set(metrics)
    assert reading.as_sample(5) is not None
    for name, value in reading.values.items():
        low = metrics[name].low
        assert not isinstance(value, float) or math.isfinite(value)
        assert low is None or isinstance(value, str) or value >= low
    with pytest.raises(CommandUnknown):
        sensor.command("nonsense", {}, now)
    sensor.close()


def test_this_computer_is_measured() -> None:
    sensor = HostSensor(None, 1.0, {})
    until = time.monotonic() + 0.25
    while time.monotonic() < until:
        pass
    [reading] = sensor.read(0)
    wanted = {"load_1min", "cpu_percent", "memory_used_percent", "disk_used_percent", "network_receive_bytes_per_s"}
    assert wanted <= set(reading.values)
    assert float(reading.values["cpu_percent"]) > 5
    assert 0 < float(reading.values["memory_used_percent"]) < 100


def fake_root(tmp_path: Path) -> Path:
    proc, zone = tmp_path / "proc", tmp_path / "sys" / "class" / "thermal" / "thermal_zone0"
    (proc / "net").mkdir(parents=True)
    zone.mkdir(parents=True)
    (proc / "stat").write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n")
    (proc / "loadavg").write_text("0.25 0.1 0.05 1/100 1234\n")
    (proc / "uptime").write_text("1234.56 100.00\n")
    (proc / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n")
    (proc / "net" / "dev").write_text("a|b\nc|d\n  lo: 9 0 0 0 0 0 0 0 9\n eth0: 1000 0 0 0 0 0 0 0 2000\n")
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text("48312\n")
    return tmp_path


def test_figures_are_computed_as_the_kernel_counts_them(tmp_path: Path) -> None:
    root = fake_root(tmp_path)
    sensor = HostSensor(None, 1.0, {"root": str(root)})
    (root / "proc" / "stat").write_text("cpu  125 0 100 760 115 0 0 0 0 0\n")
    (root / "proc" / "net" / "dev").write_text("a\nb\n eth0: 5000 0 0 0 0 0 0 0 2000\n")
    [reading] = sensor.read(0)
    assert reading.values["cpu_percent"] == 25.0
    assert reading.values["memory_used_percent"] == 60.0
    assert reading.values["cpu_temperature_celsius"] == 48.3
    assert reading.values["load_1min"] == 0.25
    assert "network_receive_bytes_per_s" not in reading.values or reading.values["network_transmit_bytes_per_s"] == 0


def test_unreadable_temperature_is_marked_and_the_rest_still_read(tmp_path: Path) -> None:
    root = fake_root(tmp_path)
    sensor = HostSensor(None, 1.0, {"root": str(root)})
    (root / "sys" / "class" / "thermal" / "thermal_zone0" / "temp").unlink()
    [reading] = sensor.read(0)
    assert reading.quality == {"cpu_temperature_celsius": "bad"}
    assert "load_1min" in reading.values


def test_values_that_are_no_numbers_are_left_out_and_marked() -> None:
    sample = Reading(1, {"a": 1.0, "b": float("nan"), "c": float("inf")}).as_sample(None)
    assert sample is not None
    assert sample.values == {"a": 1.0}
    assert sample.quality == {"b": "bad", "c": "bad"}


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [("nonsense", {}, "known drivers: counter, host, simulator"), ("host", {"disc": "/"}, "unknown option 'disc'")],
)
def test_wrong_drivers_and_options_are_named(driver: str, options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(DriverError, match=words):
        make_sensor(driver, None, 1.0, options, tmp_path)


def test_counter_never_repeats_a_number_or_a_time(tmp_path: Path) -> None:
    sensor = make_sensor("counter", None, 0.1, {"first": 70, "per_read": 10, "padding": 205}, tmp_path)
    readings = sensor.read(10_000) + sensor.read(10_180) + sensor.read(10_200)
    assert [each.values["count"] for each in readings] == list(range(70, 100))
    assert len({each.t for each in readings}) == 30
    assert readings[9].t == 10_000
    assert readings[0].values["padding_200"] == "xxxxx"
    with pytest.raises(DriverError, match="per_read"):
        make_sensor("counter", None, 0.1, {"per_read": 101}, tmp_path)
