"""Measure the computer itself from the kernel's files."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_agent import wire
from edge_agent.sensors.base import CommandUnknown, Description, DriverError, Reading, take_options

_UNITS: dict[str, tuple[str, float | None, float | None]] = {
    "load_1min": ("1", 0, None),
    "cpu_percent": ("%", 0, 100),
    "memory_used_percent": ("%", 0, 100),
    "disk_used_percent": ("%", 0, 100),
    "network_receive_bytes_per_s": ("By/s", 0, None),
    "network_transmit_bytes_per_s": ("By/s", 0, None),
    "uptime_s": ("s", 0, None),
}
_MAX_TEMPERATURES = 16


class HostSensor:
    """Load, processor, memory, disk, network, temperatures and uptime of this computer."""

    def __init__(self, asset: str | None, interval_s: float, options: Mapping[str, Any]) -> None:
        checked = take_options("host", options, {"disk": str, "root": str})
        root = Path(str(checked.get("root", "/")))  # another root lets tests give their own files
        self._proc, self._sys = root / "proc", root / "sys"
        self._disk = str(checked.get("disk", "/"))
        self._asset = asset
        self._interval_s = interval_s
        if not (self._proc / "stat").exists():
            raise DriverError(f"driver host: {self._proc}/stat is not there; this driver needs Linux")
        self._temperatures = _find_temperatures(self._sys)
        self._before_cpu = self._cpu_ticks()
        self._before_network = (time.monotonic(), *self._network_bytes())

    def describe(self) -> Description:
        """Return what the kernel of this computer offers."""
        metrics = [
            wire.Metric(name, unit, "counter" if name == "uptime_s" else "gauge", self._interval_s, low, high)
            for name, (unit, low, high) in _UNITS.items()
        ]
        metrics += [wire.Metric(name, "Cel", "gauge", self._interval_s, -40, 150) for name in self._temperatures]
        about = {"hostname": platform.node(), "system": platform.platform(), "processors": os.cpu_count() or 1}
        return Description("computer", metrics, self._asset, about=about)

    def read(self, now_ms: int) -> list[Reading]:
        """Return one reading; rates are means since the reading before."""
        values: dict[str, wire.Value] = {
            "load_1min": float((self._proc / "loadavg").read_text().split()[0]),
            "memory_used_percent": self._memory_used_percent(),
            "disk_used_percent": self._disk_used_percent(),
            "uptime_s": round(float((self._proc / "uptime").read_text().split()[0])),
        }
        values |= self._cpu_percent()
        values |= self._network_rates()
        quality: dict[str, str] = {}
        for name, path in self._temperatures.items():
            try:
                values[name] = round(int(path.read_text()) / 1000, 1)
            except (OSError, ValueError):
                quality[name] = "bad"  # sensors sleep with their device; the rest is still worth sending
        return [Reading(now_ms, values, self._asset, quality)]

    def command(self, name: str, arguments: Mapping[str, Any], now_ms: int) -> Mapping[str, Any]:
        """A computer takes no commands."""
        raise CommandUnknown(name)

    def close(self) -> None:
        """Nothing is held."""

    def _cpu_ticks(self) -> tuple[int, int]:
        fields = [int(each) for each in (self._proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]  # all, idle with waiting for disks

    def _cpu_percent(self) -> dict[str, wire.Value]:
        total, idle = self._cpu_ticks()
        (before_total, before_idle), self._before_cpu = self._before_cpu, (total, idle)
        if total <= before_total:
            return {}
        busy = 1 - (idle - before_idle) / (total - before_total)
        return {"cpu_percent": round(min(max(100 * busy, 0.0), 100.0), 1)}

    def _memory_used_percent(self) -> float:
        lines = (self._proc / "meminfo").read_text().splitlines()
        facts = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
        return round(100 * (1 - facts.get("MemAvailable", facts["MemFree"]) / facts["MemTotal"]), 1)

    def _disk_used_percent(self) -> float:
        usage = os.statvfs(self._disk)
        used = usage.f_blocks - usage.f_bfree
        return round(100 * used / max(used + usage.f_bavail, 1), 1)  # as df counts it

    def _network_bytes(self) -> tuple[int, int]:
        received = sent = 0
        for line in (self._proc / "net" / "dev").read_text().splitlines()[2:]:
            name, _, rest = line.partition(":")
            if name.strip() != "lo":
                fields = rest.split()
                received, sent = received + int(fields[0]), sent + int(fields[8])
        return received, sent

    def _network_rates(self) -> dict[str, wire.Value]:
        now, (received, sent) = time.monotonic(), self._network_bytes()
        (then, before_received, before_sent), self._before_network = self._before_network, (now, received, sent)
        elapsed = now - then
        if elapsed < 0.01 or received < before_received or sent < before_sent:  # a counter began anew
            return {}
        return {
            "network_receive_bytes_per_s": round((received - before_received) / elapsed),
            "network_transmit_bytes_per_s": round((sent - before_sent) / elapsed),
        }


def _find_temperatures(sys: Path) -> dict[str, Path]:
    """Return metric name → file; the processor's is `cpu_temperature_celsius`, others carry their own name."""
    found: dict[str, Path] = {}
    for zone in sorted(sys.glob("class/thermal/thermal_zone*")):
        _add_temperature(found, zone / "type", zone / "temp")
    for name in sorted(sys.glob("class/hwmon/hwmon*/name")):
        for path in sorted(name.parent.glob("temp*_input"))[:1]:
            _add_temperature(found, name, path)
    return dict(list(found.items())[:_MAX_TEMPERATURES])


def _add_temperature(found: dict[str, Path], name_file: Path, path: Path) -> None:
    try:
        kind = name_file.read_text().strip().lower()
        int(path.read_text())
    except (OSError, ValueError):
        return
    is_processor = any(word in kind for word in ("cpu", "x86_pkg", "coretemp", "k10temp", "soc"))
    plain = "".join(letter if letter.isalnum() else "_" for letter in kind)
    name = "cpu_temperature_celsius" if is_processor else f"{plain}_temperature_celsius"
    found.setdefault(name, path)
