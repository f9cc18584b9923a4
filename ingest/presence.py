"""Is a device there, and each of its sub-devices? One word each with its reason, decided by pure rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple


class Presence(StrEnum):
    """Stored words, each with one meaning."""

    ONLINE = "online"  # news within three expected intervals
    DEGRADED = "degraded"  # there, but late, flapping, or with trouble of its own
    STALE = "stale"  # no news for six expected intervals although something speaks for it: silent, or only repeats
    OFFLINE = "offline"  # its connection ended, or it was silent for so long that nothing else can be
    UNKNOWN = "unknown"  # never heard of, or behind a gateway that is not there
    SLEEPING = "sleeping"  # disconnects between its readings, and the next one is not due yet


class Verdict(NamedTuple):
    """A word, and why: a code with parameters that stay the same while the reason does."""

    word: Presence
    code: str
    params: Mapping[str, Any] = {}

    @property
    def reason(self) -> dict[str, Any]:
        """As it is stored."""
        return {"code": self.code, "params": dict(self.params)}


DEFAULT_INTERVAL_S = 60.0
FRESH_INTERVALS = 3
LATE_INTERVALS = 6
LEAST_FRESH_S = 30.0  # below it network delays alone would flap
SLEEPER_INTERVAL_S = 900.0  # a device that reports so rarely need not stay connected
SILENT_S = 900.0  # a plain device, which says nothing of its connection, is offline after this
STATUS_S = 180.0  # a device without any telemetry yet is judged by its status, said every minute
AWAKE_S = 60.0  # a device that sleeps is awake for so long around its readings
AWAY = frozenset({Presence.STALE, Presence.OFFLINE, Presence.UNKNOWN})
PRESENT = frozenset({Presence.ONLINE, Presence.DEGRADED, Presence.SLEEPING})

FLAPS = 6  # comings and goings within the window: it flaps
FLAP_WINDOW = timedelta(minutes=30)
CALM = timedelta(minutes=10)  # without any, it has stopped to
GONE = timedelta(minutes=5)  # away for so long is away, flapping or not
MAX_FLIPS = 12


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a device or sub-device. `seen_at` its last telemetry, `fresh_at` the last that was news.

    `online` is what its own status or last will said last, None when it never said anything. `gateway` is the
    presence of what it stands behind, None when it stands alone; `gateway_seen_at` when that last delivered anything.
    """

    seen_at: datetime | None = None
    fresh_at: datetime | None = None
    heard_at: datetime | None = None
    interval_s: float | None = None
    sleep_s: float | None = None
    online: bool | None = None
    problems: Sequence[str] = ()
    gateway: str | None = None
    gateway_serial: str = ""
    gateway_seen_at: datetime | None = None
    by_exception: bool = False  # connected, and reports changes alone: its silence says nothing
    frozen: Sequence[str] = field(default=())
    all_frozen: bool = False

    @property
    def interval(self) -> float:
        """Seconds between readings, as far as is known."""
        return max(self.sleep_s or self.interval_s or DEFAULT_INTERVAL_S, 0.001)

    @property
    def fresh_s(self) -> float:
        """Silence that is nothing special."""
        return max(FRESH_INTERVALS * self.interval, LEAST_FRESH_S)

    @property
    def late_s(self) -> float:
        """Silence that is only late."""
        return max(LATE_INTERVALS * self.interval, 2 * LEAST_FRESH_S)


def judge(facts: Facts, now: datetime, listening_since: datetime | None = None) -> Verdict | None:
    """Return the verdict on a device; None: nobody listened for long enough to say anything new."""
    if facts.gateway in AWAY:
        return Verdict(Presence.UNKNOWN, "behind_gateway", {"gateway": facts.gateway_serial})
    news_at = facts.fresh_at or facts.seen_at
    if news_at is None:
        return _judge_by_status(facts, now)
    silent_s = (now - news_at).total_seconds()
    if facts.online is False:
        return _disconnected(facts, news_at, silent_s)
    if facts.by_exception:
        return _present(facts, news_at, silent_s)
    if silent_s > facts.fresh_s and listening_since and (now - listening_since).total_seconds() < facts.late_s:
        return None
    told: dict[str, Any] = {"last_at": news_at.isoformat(), "expected_s": facts.interval}
    if silent_s <= facts.fresh_s:
        return _present(facts, news_at, silent_s)
    if silent_s <= facts.late_s:
        return Verdict(Presence.DEGRADED, "late", told)
    if facts.seen_at is not None and (now - facts.seen_at).total_seconds() <= facts.late_s:
        return Verdict(Presence.STALE, "repeats_only", told)
    if facts.online is None and silent_s > max(SILENT_S, 2 * facts.late_s):
        return Verdict(Presence.OFFLINE, "silent", told)
    return Verdict(Presence.STALE, "silent_while_connected" if facts.online else "silent", told)


def _judge_by_status(facts: Facts, now: datetime) -> Verdict:
    if facts.heard_at is None:
        return Verdict(Presence.UNKNOWN, "never_heard")
    if facts.online is False:
        return Verdict(Presence.OFFLINE, "connection_ended", {"last_at": facts.heard_at.isoformat()})
    if not facts.by_exception and (now - facts.heard_at).total_seconds() > max(facts.fresh_s, STATUS_S):
        return Verdict(Presence.STALE, "silent", {"last_at": facts.heard_at.isoformat(), "expected_s": facts.interval})
    if facts.problems:
        return Verdict(Presence.DEGRADED, "device_problems", {"problems": list(facts.problems)})
    return Verdict(Presence.ONLINE, "connected")


def _disconnected(facts: Facts, news_at: datetime, silent_s: float) -> Verdict:
    if facts.interval >= SLEEPER_INTERVAL_S and silent_s <= facts.fresh_s:
        return _asleep(facts, news_at)
    return Verdict(Presence.OFFLINE, "connection_ended", {"last_at": news_at.isoformat()})


def _asleep(facts: Facts, news_at: datetime) -> Verdict:
    due_at = news_at + timedelta(seconds=facts.interval)
    return Verdict(Presence.SLEEPING, "next_reading_due", {"due_at": due_at.isoformat()})


def _present(facts: Facts, news_at: datetime, silent_s: float) -> Verdict:
    if facts.sleep_s and not facts.online and silent_s > AWAKE_S:
        return _asleep(facts, news_at)
    if facts.all_frozen:
        return Verdict(Presence.STALE, "frozen", {"metrics": list(facts.frozen)})
    if facts.problems:
        return Verdict(Presence.DEGRADED, "device_problems", {"problems": list(facts.problems)})
    if facts.frozen:
        return Verdict(Presence.DEGRADED, "frozen_sensors", {"metrics": list(facts.frozen)})
    return Verdict(Presence.ONLINE, "reporting")


def judge_channel(facts: Facts, now: datetime, listening_since: datetime | None = None) -> Verdict | None:
    """Return the verdict on a sub-device: it has no connection of its own, its gateway's other news speak for it."""
    if facts.gateway in AWAY:
        return Verdict(Presence.UNKNOWN, "behind_gateway", {"gateway": facts.gateway_serial})
    if facts.online is False:  # said by its gateway
        last_at = facts.fresh_at.isoformat() if facts.fresh_at else None
        return Verdict(Presence.OFFLINE, "connection_ended", {"last_at": last_at})
    if facts.fresh_at is None:
        return Verdict(Presence.UNKNOWN, "never_heard")
    found = judge(Facts(**{**_fields(facts), "gateway": None, "online": None}), now, listening_since)
    if found is None or found.word not in AWAY or found.code in ("frozen", "repeats_only"):
        return found
    if facts.gateway == Presence.SLEEPING:
        return Verdict(Presence.SLEEPING, "behind_gateway", {"gateway": facts.gateway_serial})
    gateway_seen_at = facts.gateway_seen_at or facts.fresh_at
    if (gateway_seen_at - facts.fresh_at).total_seconds() < facts.late_s:
        # Perhaps it is the gateway that fell silent: it said nothing since that would have named this one.
        return Verdict(Presence.DEGRADED, "late", dict(found.params))
    return found._replace(code="silent_behind_gateway", params={**found.params, "gateway": facts.gateway_serial})


def _fields(facts: Facts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in Facts.__slots__}


def damp(raw: Verdict, raw_since: datetime, flips: Sequence[datetime], was_flapping: bool, now: datetime) -> Verdict:
    """Return what to show: a device that comes and goes is flapping, in one word, until it is calm or really gone."""
    recent = [flip for flip in flips if now - flip <= FLAP_WINDOW]
    is_calm = not recent or now - max(recent) >= CALM
    is_flapping = not is_calm and (was_flapping or len(recent) >= FLAPS)
    if not is_flapping or (raw.word in AWAY and now - raw_since >= GONE):
        return raw
    return Verdict(Presence.DEGRADED, "flapping", {"since": min(recent).isoformat()})


def presence_of(
    last_seen_at: datetime | None,
    expected_interval_s: float | None,
    online: bool | None,
    gateway: str | None,
    now: datetime,
    *,
    has_problems: bool = False,
) -> Presence:
    """Return the word alone, for a device all of whose telemetry is news."""
    facts = Facts(
        seen_at=last_seen_at,
        interval_s=expected_interval_s,
        online=online,
        gateway=gateway,
        problems=("problem",) if has_problems else (),
    )
    found = judge(facts, now)
    assert found is not None
    return found.word
