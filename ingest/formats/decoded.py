"""What every format is decoded into, and the reasons why something of it cannot be stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

Value = float | int | bool | str


class Reason(StrEnum):
    """Why something is in quarantine; each has one meaning."""

    UNKNOWN_DEVICE = "unknown_device"  # no device of this serial is registered
    DISABLED_DEVICE = "disabled_device"  # registered, but switched off
    WRONG_DEVICE = "wrong_device"  # the payload names another device than its topic
    UNKNOWN_TOPIC = "unknown_topic"  # below our root, but nothing that a device may send
    TOO_LARGE = "too_large"  # more bytes than a message may have
    UNREADABLE = "unreadable"  # not the format of its topic at all (broken JSON, not UTF-8)
    BAD_HEADER = "bad_header"  # boot or seq missing or of the wrong type: repeats could not be recognised
    TOO_MANY_SAMPLES = "too_many_samples"  # more samples than a message may have
    BAD_SAMPLE = "bad_sample"  # a sample is no object, or has no object of values
    BAD_TIME = "bad_time"  # a time that is no time
    NAIVE_TIME = "naive_time"  # a time without its zone
    ABSURD_TIME = "absurd_time"  # before 2000 or more than ten minutes ahead of its receipt
    TOO_MANY_METRICS = "too_many_metrics"  # in one sample, or in one stream over its life
    TOO_MANY_CHANNELS = "too_many_channels"  # more sub-devices than a device may have
    BAD_NAME = "bad_name"  # a metric or sub-device name that is empty, too long or unprintable
    NOT_FINITE = "not_finite"  # NaN or infinite
    NESTED_VALUE = "nested_value"  # a value that is a list or an object
    WRONG_TYPE = "wrong_type"  # a text where numbers came before, or the like
    BAD_TEXT = "bad_text"  # a text that no database stores: a zero byte, half of a surrogate pair
    TOO_LONG = "too_long"  # a text value of more characters than a state may have
    TOO_MANY_STATES = "too_many_states"  # more different texts than a metric may have
    WRONG_UNIT = "wrong_unit"  # a unit that cannot be converted to the one that the series has
    BINARY_VALUE = "binary_value"  # bytes, which are no reading
    NOT_IN_LOOKUP = "not_in_lookup"  # a text that the mapping's table does not hold
    UNKNOWN_FIELD = "unknown_field"  # a field that says it must be understood, and is not
    UNKNOWN_ALIAS = "unknown_alias"  # a metric sent by its number alone, which no birth certificate explains
    NO_BIRTH = "no_birth"  # a message that waited in vain for the birth certificate that explains it
    BAD_EVENT = "bad_event"  # a device event without code or time
    BAD_WAVEFORM = "bad_waveform"  # a burst whose rate, unit or samples cannot be used
    TOO_MANY_FILES = "too_many_files"  # more bursts than a device may send
    REFUSED = "refused"  # the database or a rule refused it; detail says how


class Problem(NamedTuple):
    """One reason within a message: the first place it occurs, and how many samples share it."""

    reason: Reason
    detail: str
    position: int | None = None
    excerpt: bytes | None = None  # JSON of the first place, cut; None: it is about the message as a whole
    samples: int = 1


class Sample(NamedTuple):
    """Values of one channel at one moment; `t_us` in microseconds since 1970 UTC, `quality` 1 uncertain, 2 bad.

    `units`: UCUM codes that this sample tells for its metrics; they go before those of the message.
    """

    channel: str
    t_us: int
    values: Mapping[str, Value]
    quality: Mapping[str, int] | None
    flags: int
    position: int
    units: Mapping[str, str] | None = None


class Event(NamedTuple):
    """What the machine says happened."""

    channel: str
    t_us: int
    code: str
    severity: str
    text: str
    active: bool


class Dropped(NamedTuple):
    """Running counts that will never come."""

    first: int
    n: int


@dataclass(slots=True)
class Decoded:
    """A message as read: what can be stored, and what cannot with its reason. `boot` None: a plain form.

    `units`: UCUM codes by metric that the message tells for all its samples. `own_name`: a name that the sender gives
    itself; samples under it are the device's own once it is known to be no sub-device's.
    """

    boot: str | None = None
    seq: int | None = None
    first: int | None = None
    n: int = 0
    lane: str = "live"
    offset_ms: int | None = None
    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lost_samples: int = 0  # samples of which nothing could be kept
    units: Mapping[str, str] | None = None
    own_name: str | None = None
    # Clocks, see `ingest.formats.clock`. `sent_ms` is the device's own clock, `zero_ms` ours at the boot's beginning.
    sent_ms: int | None = None
    zero_ms: int | None = None
    clock_age_ms: int = 0  # between the measurement of the offset and sending
    shifts: list[list[int]] = field(default_factory=list)
    corrected: int = 0  # samples whose time was


URN = "urn:dev:"  # how a name begins that a device has of its own, whoever reads it (RFC 9039)

FLAG_LATE = 1  # received more than five minutes after it was measured
FLAG_CLOCK_CORRECTED = 2  # the clock was wrong; its measured offset gave the right time
FLAG_BACKFILL = 4
FLAG_REPLAY = 8

LANE_FLAGS = {"live": 0, "backfill": FLAG_BACKFILL, "replay": FLAG_REPLAY}
LATE_AFTER_US = 300_000_000
MAX_EXCERPT_BYTES = 1024  # to be looked at; what was lost is kept with the whole message


class Unreadable(Exception):
    """The whole message cannot be stored."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail[:500]


def excerpt_of(found: object) -> bytes:
    """Return the beginning of something as JSON; costs no more than it shows, however large it is."""
    parts: list[str] = []
    length = 0
    try:
        for part in json.JSONEncoder(default=_as_text, skipkeys=True).iterencode(found):
            parts.append(part[:MAX_EXCERPT_BYTES])
            length += len(part)
            if length >= MAX_EXCERPT_BYTES:
                break
    except (RecursionError, ValueError):  # hundreds of brackets, thousands of digits; what came before is enough
        pass
    return "".join(parts).encode()[:MAX_EXCERPT_BYTES]


def _as_text(found: object) -> str:
    return found[:MAX_EXCERPT_BYTES].hex() if isinstance(found, bytes) else type(found).__name__


class ProblemList:
    """Collects problems, one entry per (reason, what): a sensor that is NaN all day makes one row a message."""

    MOST = 20  # different entries of one message; the rest is the same trouble

    def __init__(self) -> None:
        self._found: dict[tuple[Reason, str], Problem] = {}

    def add(self, reason: Reason, detail: str, position: int | None, excerpt: object = None) -> None:
        """Count one more sample with this trouble."""
        key = (reason, detail)
        known = self._found.get(key)
        if known is not None:
            self._found[key] = known._replace(samples=known.samples + 1)
        elif len(self._found) < self.MOST:
            self._found[key] = Problem(reason, detail[:500], position, excerpt_of(excerpt))
        else:
            last = next(reversed(self._found))
            self._found[last] = self._found[last]._replace(samples=self._found[last].samples + 1)

    def all(self) -> list[Problem]:
        """Return what was found, in order of first occurrence."""
        return list(self._found.values())
