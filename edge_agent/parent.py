"""Notice that the process which wanted this one is gone."""

from __future__ import annotations

from pathlib import Path


class Parent:
    """A process known by its id and its start time, so that a reused id is not taken for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._started = _start_time(pid)

    def is_gone(self) -> bool:
        """True once the process has ended (also when it was never there)."""
        started = _start_time(self.pid)
        return started is None or started != self._started


def _start_time(pid: int) -> str | None:
    """Return the process's start in clock ticks as the kernel tells it, None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
