"""Several ingest processes on one machine: started together, replaced when one dies, ended together."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time

log = logging.getLogger(__name__)

AGAIN_S = 1.0  # before a process that died is replaced: its sessions are read by the others meanwhile
STOP_S = 15.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def run_workers(count: int, slots: int, stop: threading.Event) -> int:
    """Keep `count` processes running until `stop` is set; they share the environment of this one."""
    command = [sys.executable, "-m", "gateway.main", "ingest", "--slots", str(slots)]
    children = [_start(command) for _ in range(count)]
    while not stop.wait(AGAIN_S):
        for index, child in enumerate(children):
            if child.poll() is not None:
                log.error("an ingest process ended with %s; starting another", child.returncode)
                children[index] = _start(command)
    for child in children:
        child.terminate()
    deadline = time.monotonic() + STOP_S
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return 0


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, preexec_fn=_die_with_parent if sys.platform == "linux" else None)


def _die_with_parent() -> None:
    """Killed or not, this process leaves none of its own behind; it is started by the main thread, which lives on."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() == 1:
        os._exit(1)
