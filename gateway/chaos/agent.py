"""One agent under fire: a real process, its account of what it keeps, and what can be done to it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import struct
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from gateway.agents import write_config
from gateway.chaos.proxy import Proxy
from gateway.first_run import Identity
from gateway.supervise.processes import Child

INTERVAL_S = 0.1
COUNTS_PER_RUN = 10_000_000  # each start of the process counts from the next multiple: numbers never repeat
FULL_DISK_BYTES = 32_768
STOP_S = 5.0
SHIM = Path(__file__).parent / "shim"


@dataclass(slots=True)
class Account:
    """What an agent says it has kept: count -> (boot, running number), and what it was storing when it was killed."""

    kept: dict[int, tuple[str, int]] = field(default_factory=dict)
    undecided: set[int] = field(default_factory=set)
    _announced: list[int] = field(default_factory=list)

    def read(self, line: bytes) -> None:
        """Take one line of the account; a torn one, as after a kill, says nothing."""
        try:
            body = json.loads(line)
        except ValueError:
            return
        if "storing" in body:
            self._announced = [int(each["values"]["count"]) for each in body["storing"]]
            return
        self.kept |= {count: (body["boot"], body["first"] + place) for place, count in enumerate(self._announced)}
        self._announced = []

    def end_run(self) -> None:
        """The process is gone: what was announced last and not confirmed may be on its disk or not."""
        self.undecided |= set(self._announced)
        self._announced = []


class ChaosAgent:
    """`forewarn-edge run` with a counter as its sensor, behind a wire of its own."""

    def __init__(self, home: Path, identity: Identity, proxy: Proxy, large: bool = False) -> None:
        self.serial, self.proxy = identity.serial, proxy
        self.account = Account()
        self._identity, self._home, self._large = identity, home, large
        self._folder = home / identity.serial
        self._folder.mkdir(parents=True)
        self._pipe, self._clock = self._folder / "account", self._folder / "clock"
        os.mkfifo(self._pipe, 0o600)
        self.step_clock(0)
        self._runs = 0
        self._child: Child | None = None
        self._reader: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """True while the process lives."""
        return self._child is not None and self._child.is_alive()

    def start(self, interval_s: float = INTERVAL_S) -> None:
        """Start the process; it goes on with the spool that it finds."""
        self._runs += 1
        # One agent measures so much that a stop of the service fills its small spool: drops are accounted too.
        more = "per_read = 10\npadding = 2000\n" if self._large and interval_s == INTERVAL_S else ""
        sensor = f'[[sensors]]\ndriver = "counter"\ninterval_seconds = {interval_s}\nfirst = {self._first}\n{more}'
        config = write_config(self._home, self._identity, f"mqtt://127.0.0.1:{self.proxy.port}", sensor)
        config.write_text(config.read_text().replace("max_mb = 256", "max_mb = 4" if self._large else "max_mb = 64"))
        path = os.pathsep.join(filter(None, [str(SHIM), os.environ.get("PYTHONPATH")]))
        environment = {"PYTHONPATH": path, "FOREWARN_CHAOS_CLOCK": str(self._clock)}
        command = [sys.executable, "-m", "edge_agent.main", "run", "--config", str(config)]
        command += ["--account", str(self._pipe)]
        self._reader = threading.Thread(target=self._read, name=f"account-{self.serial}", daemon=True)
        self._reader.start()
        self._child = Child(command, environment, self._folder / "agent.log")
        self._child.start()

    @property
    def _first(self) -> int:
        return self._runs * COUNTS_PER_RUN

    def _read(self) -> None:
        """Read the account to its end, which comes when the process has let go of the pipe, however it ended."""
        with self._pipe.open("rb") as lines:
            for line in lines:
                self.account.read(line)

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None and self._child.pid is not None:
            os.kill(self._child.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """SIGTERM, and wait: it writes to its disk what it holds."""
        if self._child is None:
            return
        self._child.stop(STOP_S)
        self._child = None
        if self._reader is not None:
            with contextlib.suppress(OSError):  # a process that never came to open the pipe leaves its reader waiting
                os.close(os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK))
            self._reader.join(10)
        self.account.end_run()

    def fill_disk(self) -> None:
        """From now on no file of this process grows beyond a few pages."""
        self._limit(FULL_DISK_BYTES)

    def free_disk(self) -> None:
        """Take the limit away."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        if self._child is not None and self._child.pid is not None:
            limit_file_size(self._child.pid, size)

    def step_clock(self, offset_ms: int) -> None:
        """Set the process's clock so far from the true one; its monotonic clock goes on."""
        unfinished = struct.pack("<q", offset_ms)
        if not self._clock.exists():
            self._clock.write_bytes(unfinished)
            return
        descriptor = os.open(self._clock, os.O_WRONLY)
        os.pwrite(descriptor, unfinished, 0)
        os.close(descriptor)

    def waiting(self) -> int:
        """How many records wait in its spool."""
        try:
            with contextlib.closing(
                sqlite3.connect(f"file:{self._folder / 'spool.sqlite'}?mode=ro", uri=True, timeout=5)
            ) as spool:
                return int(spool.execute("SELECT count(*) FROM record").fetchone()[0])
        except sqlite3.Error:
            return -1


def limit_file_size(pid: int, size: int) -> None:
    """Let no file that this process writes grow beyond `size` bytes; what fails looks like a full disk."""
    with contextlib.suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
