"""Count up: samples that can be told apart, for proving that each of them arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent import wire
from edge_agent.sensors.base import CommandUnknown, Description, DriverError, Reading, take_options

MAX_PER_READ = 1000
MAX_PADDING_CHARS = 20_000
TEXT_CHARS = 200  # of one value: more is no state


class CounterSensor:
    """A running number, `per_read` of them at each reading; `padding` makes each sample that many characters larger."""

    def __init__(self, asset: str | None, interval_s: float, options: Mapping[str, Any]) -> None:
        checked = take_options("counter", options, {"first": int, "per_read": int, "padding": int})
        self._next = int(checked.get("first", 0))
        self._per_read = int(checked.get("per_read", 1))
        padding = int(checked.get("padding", 0))
        if not 1 <= self._per_read <= min(MAX_PER_READ, interval_s * 1000):
            raise DriverError(f"driver counter: per_read is {self._per_read}, expected 1 to {MAX_PER_READ}, one a ms")
        if not 0 <= padding <= MAX_PADDING_CHARS:
            raise DriverError(f"driver counter: padding is {padding}, expected at most {MAX_PADDING_CHARS}")
        self._padding = {f"padding_{n}": "x" * min(TEXT_CHARS, padding - n) for n in range(0, padding, TEXT_CHARS)}
        self._asset, self._interval_s = asset, interval_s
        self._last_ms = 0

    def describe(self) -> Description:
        """Return the one metric, and the padding where there is some."""
        every_s = self._interval_s / self._per_read
        metrics = [wire.Metric("count", "1", "counter", every_s)]
        metrics += [wire.Metric(name, "1", "state", every_s) for name in self._padding]
        return Description("counter", metrics, self._asset)

    def read(self, now_ms: int) -> list[Reading]:
        """Return the next numbers, the last of them now, the others spread over the time since the last reading."""
        span_ms = self._interval_s * 1000
        if 0 < now_ms - self._last_ms < span_ms:  # the reading before was late: no moment may come twice
            span_ms = max(now_ms - self._last_ms, self._per_read)
        begin_ms = now_ms - span_ms
        self._last_ms = now_ms
        readings = []
        for place in range(1, self._per_read + 1):
            values: dict[str, wire.Value] = {"count": self._next, **self._padding}
            readings.append(Reading(int(begin_ms + place * span_ms / self._per_read), values, self._asset))
            self._next += 1
        return readings

    def command(self, name: str, arguments: Mapping[str, Any], now_ms: int) -> Mapping[str, Any]:
        """Raise CommandUnknown: a counter takes no orders."""
        raise CommandUnknown(name)

    def close(self) -> None:
        """Nothing to let go of."""
