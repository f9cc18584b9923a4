"""Keep the processes of one machine running, and stop them together."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol

from gateway.supervise.errors import SupervisorError
from gateway.supervise.progress import say
from gateway.supervise.spawn import rotate_log, spawn

TICK_SECONDS = 0.1
LOG_CHECK_SECONDS = 10.0
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # then every 30 s: long enough to read the log, short enough to heal
STEADY_SECONDS = 60.0  # a process that lived this long starts again with the shortest pause
CHILDREN_STOP_SECONDS = 2.0  # together with the servers' time well below the promised 5 s
SERVERS_STOP_SECONDS = 1.5


class Server(Protocol):
    """What can be supervised: started again when dead, stopped at the end."""

    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...

    def stop(self, timeout: float) -> None: ...

    def is_alive(self) -> bool: ...


@dataclass(frozen=True)
class Health:
    """One supervised process as `doctor` and the status page show it."""

    name: str
    state: str  # running, restarting, stopped
    pid: int | None
    restarts: int
    last_exit: str


class Child:
    """One of our own processes; its output goes to its own log."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.argv = list(argv)
        self.env = dict(env)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def last_exit(self) -> str:
        """How it ended last, as a word or two; empty while it never ended."""
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return ""
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def is_alive(self) -> bool:
        """True while it runs."""
        return self.pid is not None

    def start(self) -> None:
        """Start it; raises SupervisorError when the program cannot be run at all."""
        environment = {**os.environ, **self.env}
        try:
            # SIGKILL: everything is built to survive it, and a busy process must not outlive its supervisor
            self._process = spawn(self.argv, log=self.log, env=environment, death_signal=signal.SIGKILL)
        except (OSError, subprocess.SubprocessError) as error:
            raise SupervisorError(f"Cannot start {self.argv[0]} ({error}): run `make setup` again.") from error

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, timeout: float) -> None:
        """Wait for its end, then kill it and whatever it has started (it leads its own session)."""
        if self._process is None:
            return
        self.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(timeout, 0.01))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(5)


@dataclass
class _Entry:
    name: str
    server: Server
    restarts: int = 0
    started_at: float = field(default_factory=time.monotonic)
    failures: int = 0
    retry_at: float | None = None
    last_exit: str = ""


class Supervisor:
    """Start processes, restart what dies, stop all within five seconds.

    Use as a context manager in the main thread: it turns SIGTERM and SIGHUP into the same KeyboardInterrupt that
    Ctrl-C raises, so that a stop during a slow start works too. Signals after the first are ignored.
    """

    def __init__(self, data: Path, *, progress: Callable[[str], None] = say) -> None:
        self.data = data
        self._progress = progress
        self._entries: dict[str, _Entry] = {}
        self._stop_asked = threading.Event()
        self._handlers: dict[signal.Signals, Any] = {}
        self._is_signalled = False

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start a process under a name; its output goes to `data/logs/NAME.log`. `env` is added to our own."""
        self._add(name, Child(argv, env or {}, self.data / "logs" / f"{name}.log"))

    def adopt(self, name: str, server: Server) -> None:
        """Take over a server: start it unless it runs, restart it when it dies, stop it after all processes."""
        self._add(name, server)

    def forget(self, name: str) -> None:
        """Stop one process and no longer restart it."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            entry.server.stop(CHILDREN_STOP_SECONDS)
            self._write_state()

    def health(self) -> list[Health]:
        """State of each process, in the order of their start."""
        return [_health(entry) for entry in self._entries.values()]

    def request_stop(self) -> None:
        """Make `wait` return; may be called from any thread."""
        self._stop_asked.set()

    @property
    def stopping(self) -> bool:
        """True once a stop was asked for, by signal or by `request_stop`."""
        return self._is_signalled or self._stop_asked.is_set()

    def wait(self, timeout: float | None = None) -> None:
        """Watch over everything until Ctrl-C, SIGTERM, `request_stop` or the time-out in seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        logs_checked = time.monotonic()
        with contextlib.suppress(KeyboardInterrupt):
            while not self._stop_asked.wait(TICK_SECONDS):
                self.tick()
                if time.monotonic() - logs_checked > LOG_CHECK_SECONDS:
                    logs_checked = time.monotonic()
                    for log in (self.data / "logs").glob("*.log"):
                        rotate_log(log)
                if deadline is not None and time.monotonic() > deadline:
                    return

    def tick(self) -> None:
        """Look at each process once and restart the dead ones whose pause is over."""
        for entry in list(self._entries.values()):
            if entry.server.is_alive():
                continue
            if entry.retry_at is None:
                self._note_death(entry)
            if entry.retry_at is not None and time.monotonic() >= entry.retry_at:
                self._restart(entry)

    def stop(self) -> None:
        """Stop all: our processes together, then the servers together."""
        entries = list(reversed(self._entries.values()))
        children = [entry.server for entry in entries if isinstance(entry.server, Child)]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + CHILDREN_STOP_SECONDS
        for child in children:
            child.stop(deadline - time.monotonic())
        servers = [entry.server for entry in entries if not isinstance(entry.server, Child)]
        stops = [threading.Thread(target=server.stop, args=(SERVERS_STOP_SECONDS,)) for server in servers]
        for thread in stops:
            thread.start()
        for thread in stops:
            thread.join()
        self._entries.clear()
        with contextlib.suppress(OSError):
            self._state_file.unlink(missing_ok=True)

    def __enter__(self) -> Supervisor:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                self._handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_ending = self._is_signalled
        self._is_signalled = True  # from here on nothing may interrupt the stop
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                # told to end, the process ends: an impatient second Ctrl-C must not turn that into a failure
                signal.signal(number, signal.SIG_IGN if is_ending else handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._is_signalled:
            self._is_signalled = True
            raise KeyboardInterrupt

    def _add(self, name: str, server: Server) -> None:
        if name in self._entries:
            raise ValueError(f"{name} is supervised already")
        if not server.is_alive():
            server.start()
        self._entries[name] = _Entry(name, server)
        self._write_state()

    def _note_death(self, entry: _Entry) -> None:
        if time.monotonic() - entry.started_at > STEADY_SECONDS:
            entry.failures = 0
        pause = BACKOFF_SECONDS[min(entry.failures, len(BACKOFF_SECONDS) - 1)]
        entry.failures += 1
        entry.retry_at = time.monotonic() + pause
        entry.last_exit = getattr(entry.server, "last_exit", "") or entry.last_exit or "ended"
        log = self.data / "logs" / f"{entry.name}.log"
        self._progress(f"{entry.name} stopped ({entry.last_exit}); starting it again in {pause:g} s, see {log}.")
        self._write_state()

    def _restart(self, entry: _Entry) -> None:
        entry.restarts += 1
        entry.retry_at = None
        entry.started_at = time.monotonic()
        try:
            entry.server.start()
        except SupervisorError as error:
            entry.last_exit = error.message
        self._write_state()

    @property
    def _state_file(self) -> Path:
        return self.data / "processes.json"

    def _write_state(self) -> None:
        """Leave the state where `doctor` finds it; losing it does no harm."""
        state = {"supervisor": os.getpid(), "processes": [asdict(health) for health in self.health()]}
        unfinished = self._state_file.with_suffix(".new")
        with contextlib.suppress(OSError):
            unfinished.write_text(json.dumps(state))
            unfinished.rename(self._state_file)


def _health(entry: _Entry) -> Health:
    state = "running" if entry.server.is_alive() else "restarting"
    return Health(entry.name, state, entry.server.pid, entry.restarts, entry.last_exit)


def read_health(data: Path) -> list[Health]:
    """Return what the running supervisor of this data folder last wrote; empty when none runs."""
    try:
        state = json.loads((data / "processes.json").read_text())
        os.kill(int(state["supervisor"]), 0)
        return [Health(**entry) for entry in state["processes"]]
    except PermissionError:
        return [Health(**entry) for entry in state["processes"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []
