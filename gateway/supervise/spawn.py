"""Start child processes that cannot outlive this one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PR_SET_PDEATHSIG = 1
LOG_LIMIT_BYTES = 10 * 1024 * 1024  # with one older file kept: 20 MB per child at most

_libc = ctypes.CDLL(None, use_errno=True)
# The kernel sends the parent-death signal when the *thread* that forked ends, so all children come from one
# thread that lives as long as the process.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    uid: int | None = None,
    gid: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` with both outputs appended to `log`; it gets `death_signal` when this process dies, however.

    The child leads its own session, so that Ctrl-C in the terminal reaches the supervisor alone.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate_log(log)
    with log.open("ab") as output:
        return _spawner.submit(_popen, argv, output.fileno(), env, cwd, death_signal, uid, gid).result()


def _popen(
    argv: Sequence[str],
    output: int,
    env: Mapping[str, str],
    cwd: Path | None,
    death_signal: signal.Signals,
    uid: int | None,
    gid: int | None,
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
        preexec_fn=die_with_parent,
        user=uid,
        group=gid,
        extra_groups=[] if uid is not None else None,
    )


def rotate_log(log: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
    """Copy a log beyond its limit to `.1` and empty it in place; writers append, so they need not know."""
    try:
        if log.stat().st_size <= limit_bytes:
            return
        with log.open("rb+") as file:
            file.seek(-limit_bytes, os.SEEK_END)  # a runaway child may have written far more than the limit
            Path(f"{log}.1").write_bytes(file.read(limit_bytes))
            file.truncate(0)
    except FileNotFoundError:
        return


def tail(log: Path, size_bytes: int = 8192) -> str:
    """Return the last part of a log, or an empty string."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size_bytes))
            return file.read(size_bytes).decode(errors="replace")
    except OSError:
        return ""


def stop_process(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn and wait its seconds, then SIGKILL; return when the process is gone."""
    for number, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait(5)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """True when a listener could bind the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def read_port(file: Path) -> int:
    """Return the port remembered in `file`, 0 when there is none."""
    try:
        port = int(file.read_text())
    except (OSError, ValueError):
        return 0
    return port if 0 < port < 65536 else 0


def kept_port(file: Path) -> int:
    """Return the port remembered in `file` when it is free, else a free one, which is remembered from now on."""
    port = read_port(file)
    if port and port_is_free(port):
        return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    file.write_text(f"{port}\n")
    return port
