"""Turn what a device's clock said into our time: its offset, or better its monotonic clock, tells how far it is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.formats.decoded import FLAG_CLOCK_CORRECTED, Decoded, Reason
from ingest.formats.values import EARLIEST_US, LATEST_AHEAD_US, BadTime, microseconds

# Within this a device's clock is taken at its word: the offset is measured to some tenths of a second over a radio
# link, and times that stay as sent let repeats be recognised.
TRUSTED_US = 2_000_000
# A quartz drifts by up to 50 millionths: between a sample long ago and the measurement of the offset the device's
# clock and its monotonic one may part by twice that without either having been set.
DRIFT = 1e-4
SAME_US = 250_000  # shifts that differ by less are one: clock and monotonic clock are not read at the same moment
NEWEST_MS = 60_000  # a sample this much older than the message was stamped by the clock that stamped the message
MAX_SHIFTS = 50  # clock settings within one message; a device beyond it has no clock


class DeviceClock:
    """The clock of one message's sender. `zero_ms`: our clock when the monotonic one of the boot stood at 0.

    `shifts` then holds what was added from which corrected time on, and `corrected` to how many times.
    """

    __slots__ = ("_offset_us", "_received_us", "_regimes", "_shift_us", "_zero_us", "corrected", "shifts")

    def __init__(self, received_us: int, offset_ms: int | None, zero_ms: int | None) -> None:
        self._received_us = received_us
        self._offset_us = offset_ms * 1000 if offset_ms is not None else None
        self._zero_us = zero_ms * 1000 if zero_ms is not None else None
        self._shift_us = 0
        self._regimes: list[list[int]] = []  # [last time said, shift]
        self.shifts: list[list[int]] = []
        self.corrected = 0

    def read(self, value: object, m: object = None) -> tuple[int, int]:
        """Return (microseconds since 1970 UTC, flags) of a time as the device says it. Raise BadTime."""
        said_us = microseconds(value)
        shift_us = self._wanted(said_us, m)
        if shift_us is not None and self._is_worth(said_us, shift_us):
            if abs(shift_us - self._shift_us) > SAME_US:
                self._shift_us = shift_us
            t_us = said_us + self._shift_us
            if EARLIEST_US <= t_us <= self._received_us + LATEST_AHEAD_US:
                self._note(said_us, t_us)
                return t_us, FLAG_CLOCK_CORRECTED
            self._shift_us = 0
        self._remember(said_us, 0)
        return self._plausible(said_us), 0

    def read_event(self, value: object) -> int:
        """Return the time of an event, which tells no monotonic one: the samples around it say how the clock stood."""
        said_us = microseconds(value)
        nearest = min(self._regimes, key=lambda regime: abs(regime[0] - said_us), default=None)
        shift_us = nearest[1] if nearest is not None else self._offset_us or 0
        t_us = said_us + shift_us
        if self._is_worth(said_us, shift_us) and EARLIEST_US <= t_us <= self._received_us + LATEST_AHEAD_US:
            return t_us
        return self._plausible(said_us)

    def is_right(self, said_us: int, m: object) -> bool:
        """True when a time is taken as the device says it."""
        shift_us = self._wanted(said_us, m)
        return shift_us is None or not self._is_worth(said_us, shift_us)

    def _wanted(self, said_us: int, m: object) -> int | None:
        if self._zero_us is not None and isinstance(m, int | float) and not isinstance(m, bool) and 0 <= m < 2**53:
            return self._zero_us + int(m * 1000) - said_us
        return self._offset_us

    def _is_worth(self, said_us: int, shift_us: int) -> bool:
        age_us = max(0, self._received_us - said_us - shift_us)
        return abs(shift_us) > TRUSTED_US + DRIFT * age_us

    def _plausible(self, t_us: int) -> int:
        if t_us < EARLIEST_US:
            raise BadTime(Reason.ABSURD_TIME, "before 2000")
        if t_us > self._received_us + LATEST_AHEAD_US:
            raise BadTime(Reason.ABSURD_TIME, "more than ten minutes ahead of its receipt")
        return t_us

    def _note(self, said_us: int, t_us: int) -> None:
        self.corrected += 1
        shift_ms = self._shift_us // 1000
        if (not self.shifts or self.shifts[-1][1] != shift_ms) and len(self.shifts) < MAX_SHIFTS:
            self.shifts.append([t_us // 1000, shift_ms])
        self._remember(said_us, self._shift_us)

    def _remember(self, said_us: int, shift_us: int) -> None:
        if self._regimes and self._regimes[-1][1] == shift_us:
            self._regimes[-1][0] = said_us
        elif len(self._regimes) < MAX_SHIFTS:
            self._regimes.append([said_us, shift_us])


def clock_of(decoded: Decoded, listed: Sequence[Any], received_us: int) -> DeviceClock:
    """Return the clock of a batch's sender, as far as its header and its newest sample tell."""
    if decoded.zero_ms is None:
        decoded.zero_ms = _zero_of_batch(listed, decoded.sent_ms, decoded.offset_ms)
    return DeviceClock(received_us, decoded.offset_ms, decoded.zero_ms)


def is_right(decoded: Decoded, listed: Sequence[Mapping[str, Any]], received_us: int) -> bool:
    """True when no time of a batch needs correcting whose `t` and `m` run in step, so that its ends tell for all."""
    if decoded.offset_ms is None and decoded.zero_ms is None:
        return True
    clock = clock_of(decoded, listed, received_us)
    return all(clock.is_right(each["t"] * 1000, each.get("m")) for each in (listed[0], listed[-1]))


def _zero_of_batch(listed: Sequence[Any], sent_ms: int | None, offset_ms: int | None) -> int | None:
    """Return our clock at the monotonic 0 of a boot whose sender tells its offset and no more; None when it cannot be.

    The newest sample was stamped by the clock whose offset is told, if it is hardly older than the message.
    """
    newest: object = listed[-1] if listed else None
    if offset_ms is None or sent_ms is None or not isinstance(newest, Mapping):
        return None
    t, m = newest.get("t"), newest.get("m")
    if not isinstance(t, int) or not isinstance(m, int) or isinstance(t, bool) or isinstance(m, bool):
        return None
    return t - m + offset_ms if 0 <= sent_ms - t <= NEWEST_MS else None
