"""Several processes that answer requests, forked from one that has imported everything: quick, and sharing memory."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

log = logging.getLogger(__name__)

LOOK_S = 0.1
AGAIN_S = 1.0  # before a process that died is replaced: the others answer meanwhile
STOP_S = 4.0
_PR_SET_PDEATHSIG = 1


def run_forked(count: int, work: Callable[[], None]) -> int:
    """Keep `count` processes doing `work` until this one is told to stop. Call it before there are threads."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    parent = os.getpid()
    children = {_fork(work, parent) for _ in range(count)}
    while not stop.wait(LOOK_S):
        for pid, code in _ended(children):
            log.error("a process that answers ended with %s; starting another", code)
            children.discard(pid)
            if not stop.wait(AGAIN_S):
                children.add(_fork(work, parent))
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while children and time.monotonic() < until:
        children -= {pid for pid, _ in _ended(children)}
        time.sleep(LOOK_S / 5)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return 0


def _ended(children: set[int]) -> list[tuple[int, int]]:
    """Return the processes that have ended, each with its exit code."""
    found = []
    for pid in children:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            found.append((pid, os.waitstatus_to_exitcode(status)))
    return found


def _fork(work: Callable[[], None], parent: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _die_with(parent)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    """Whoever started this process may be killed: nobody answers for nobody then."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
