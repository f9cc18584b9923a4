"""What every sensor driver offers to the agent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from edge_agent import wire


class DriverError(Exception):
    """A driver cannot be made or cannot read; the text says what to check."""


class CommandUnknown(Exception):
    """This driver does not know the command."""


class CommandFailed(Exception):
    """The command was understood but could not be carried out; the text says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a driver saw at one moment: t in ms since 1970 UTC, values by metric, events of the machine."""

    t: int
    values: Mapping[str, wire.Value]
    asset: str | None = None
    quality: Mapping[str, str] = field(default_factory=dict)
    events: Sequence[wire.DeviceEvent] = ()

    def as_sample(self, m: int | None) -> wire.Sample | None:
        """Return it for the wire: values that are no numbers are left out and marked bad."""
        values = {name: value for name, value in self.values.items() if _is_sendable(value)}
        quality = dict(self.quality) | {name: "bad" for name in self.values if name not in values}
        if not values and not quality:
            return None
        return wire.Sample(self.t, values, m, self.asset, quality)


def _is_sendable(value: wire.Value) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Description:
    """What a driver measures; `asset` None means the device itself, `demo` marks simulated values."""

    model: str
    metrics: Sequence[wire.Metric]
    asset: str | None = None
    demo: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)


class Sensor(Protocol):
    """One thing that is read at an interval. Made by its driver's factory with (asset, interval, options)."""

    def describe(self) -> Description:
        """Return what is measured, in which units."""

    def read(self, now_ms: int) -> list[Reading]:
        """Return what is seen now. Raise DriverError or OSError when nothing can be read."""

    def command(self, name: str, arguments: Mapping[str, Any], now_ms: int) -> Mapping[str, Any]:
        """Carry out a command and return its result. Raise CommandUnknown or CommandFailed."""

    def close(self) -> None:
        """Let go of devices and keep what a next run needs."""


@runtime_checkable
class HasPast(Protocol):
    """A sensor that can tell readings from before its first start, once, in chunks of time order."""

    def past(self, now_ms: int) -> Iterator[list[Reading]]:
        """Yield chunks of at most 500 readings; nothing when the past was told before."""

    def past_told(self) -> None:
        """Called when all chunks are durably stored."""


def take_options(
    driver: str, options: Mapping[str, Any], allowed: Mapping[str, type | tuple[type, ...]]
) -> dict[str, Any]:
    """Return the options after a check of names and types. Raise DriverError that names the key."""
    for key, value in options.items():
        if key not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise DriverError(f"driver {driver}: unknown option {key!r}; known options: {known}")
        wanted = allowed[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            names = wanted.__name__ if isinstance(wanted, type) else " or ".join(each.__name__ for each in wanted)
            raise DriverError(f"driver {driver}: option {key} is {value!r}, expected {names}")
    return dict(options)
