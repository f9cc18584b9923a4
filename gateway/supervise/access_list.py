"""Who may write and read which topics: the broker's access list, and the names that may stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

SERVICE_USER = "forewarn-service"
USERNAME = re.compile(r"[^\s:+#/$%\x00-\x1f\x7f][^:+#/\x00-\x1f\x7f]{0,127}")

# What contract.md promises: a device's own subtree, each branch in one direction.
DEVICE_WRITES = ("telemetry", "senml", "waveform", "status", "describe", "config/reported", "command/+/result", "time")
DEVICE_READS = ("ack", "config", "command/+", "time/reply")


class Right(Protocol):
    """What an account may do beyond a device's own subtree: `access` is read, write or deny."""

    @property
    def username(self) -> str: ...
    @property
    def access(self) -> str: ...
    @property
    def filter(self) -> str: ...


def is_username(name: str) -> bool:
    """True when a name may stand in the password file and in place of %u in the access list."""
    return name != SERVICE_USER and name == name.strip() and USERNAME.fullmatch(name) is not None


def access_list(service_user: str = SERVICE_USER, rights: Iterable[Right] = ()) -> str:
    """Return the ACL file: the service account everything of ours, a device its own subtree, `rights` what they say."""
    lines = [f"user {service_user}", "topic readwrite forewarn/#", "topic readwrite spBv1.0/#"]
    lines += ["topic read #", "topic read $SYS/#", ""]  # '#': mapped topics may be any
    granted: dict[str, list[str]] = {}
    for right in rights:
        if is_username(right.username) and right.filter.isprintable() and right.access in ("read", "write", "deny"):
            granted.setdefault(right.username, []).append(f"topic {right.access} {right.filter}")
    for username in sorted(granted):
        lines += [f"user {username}", *granted[username], ""]
    lines += [f"pattern write forewarn/v1/%u/{branch}" for branch in DEVICE_WRITES]
    lines += [f"pattern read forewarn/v1/%u/{branch}" for branch in DEVICE_READS]
    return "\n".join(lines) + "\n"
