"""Clocks of this computer, and the server's clock as measured from here: kept apart from what anybody sets here."""

from __future__ import annotations

import secrets
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

_OS_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
SLOWEST_REPLY_MS = 10_000  # a slower answer says nothing about the offset
KEPT = 8  # measurements; the one with the quickest answer is the best
DRIFT = 1e-4  # what a measurement loses in worth per ms of its age: twice the drift of a common quartz
MAX_ASKED = 8
STEP_MS = 1000  # this computer's clock was set by at least so much: measure again at once


def now_ms() -> int:
    """Return this computer's clock in ms since 1970 UTC, however wrong."""
    return int(time.time() * 1000)


def monotonic_ms() -> int:
    """Return ms since the computer started, its sleep included: a clock that nobody sets."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _os_boot() -> str:
    """Return an id of this run of the operating system; without one, of this process: then nothing is claimed."""
    try:
        return _OS_BOOT_FILE.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return secrets.token_hex(16)


OS_BOOT = _os_boot()


@dataclass(frozen=True, slots=True)
class _Measured:
    """`zero_ms`: the server's clock when our monotonic one stood at 0; `m` when that was measured."""

    zero_ms: float
    round_trip_ms: int
    m: int

    def doubt_ms(self, m: int) -> float:
        return self.round_trip_ms / 2 + (m - self.m) * DRIFT


class ServerClock:
    """Asks and answers of one device. Measured against the monotonic clock, so that no setting of ours disturbs it."""

    def __init__(self) -> None:
        self._asked: dict[int, int] = {}
        self._kept: deque[_Measured] = deque(maxlen=KEPT)
        self._offset_when_measured = 0

    def ask(self) -> int:
        """Return what to put into a question: our clock, by which the answer is recognised."""
        sent_at = now_ms()
        if len(self._asked) >= MAX_ASKED:  # answers that never came
            self._asked.clear()
        self._asked[sent_at] = monotonic_ms()
        return sent_at

    def take(self, sent_at: int, server_at: int) -> bool:
        """Take an answer; False when nobody asked so, or it took too long."""
        asked_m = self._asked.pop(sent_at, None)
        m = monotonic_ms()
        if asked_m is None or m - asked_m >= SLOWEST_REPLY_MS:
            return False
        self._kept.append(_Measured(server_at - (asked_m + m) / 2, m - asked_m, m))
        self._offset_when_measured = self.offset_ms() or 0
        return True

    def zero_ms(self) -> int | None:
        """Return the server's clock when our monotonic one stood at 0, None while not measured."""
        best = self._best()
        return None if best is None else round(best.zero_ms)

    def offset_ms(self) -> int | None:
        """Return the server's clock minus ours as it stands now, None while not measured."""
        zero = self.zero_ms()
        return None if zero is None else zero + monotonic_ms() - now_ms()

    def age_ms(self) -> int | None:
        """Return how long ago what we know was measured, None while nothing was."""
        best = self._best()
        return None if best is None else monotonic_ms() - best.m

    def has_stepped(self) -> bool:
        """True when this computer's clock was set since the last measurement."""
        offset = self.offset_ms()
        return offset is not None and abs(offset - self._offset_when_measured) >= STEP_MS

    def _best(self) -> _Measured | None:
        m = monotonic_ms()
        return min(self._kept, key=lambda each: each.doubt_ms(m), default=None)
