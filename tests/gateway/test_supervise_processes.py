"""Processes are restarted when they die, and none of them outlives the supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.supervise import processes
from gateway.supervise.errors import SupervisorError
from gateway.supervise.lock import instance_lock
from gateway.supervise.processes import Supervisor, read_health
from gateway.supervise.spawn import rotate_log

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print(subprocess.Popen(['sleep', '60']).pid, flush=True)\n"
    "while True: time.sleep(60)",
]


def is_running(pid: int) -> bool:
    """True unless the process is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_dead_process_is_started_again_and_the_pause_grows(tmp_path: Path) -> None:
    lines: list[str] = []
    with Supervisor(tmp_path, progress=lines.append) as supervisor:
        supervisor.start("restless", [sys.executable, "-c", "raise SystemExit(3)"])
        supervisor.wait(timeout=2.5)
        health = supervisor.health()[0]
        assert health.restarts == 2
        assert health.last_exit == "exit code 3"
    assert "starting it again in 0.5 s" in lines[0]
    assert "starting it again in 1 s" in lines[1]
    assert "restless.log" in lines[0]


def test_killed_process_is_started_again_with_a_new_pid(tmp_path: Path) -> None:
    with Supervisor(tmp_path, progress=lambda _: None) as supervisor:
        supervisor.start("sleeper", SLEEPER)
        first = supervisor.health()[0].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        supervisor.wait(timeout=1.2)
        health = supervisor.health()[0]
        assert health.state == "running"
        assert health.pid not in (None, first)
        assert health.last_exit == "signal SIGKILL"


def test_stop_takes_less_than_five_seconds_even_from_the_stubborn_and_their_children(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        for number in range(4):
            supervisor.start(f"stubborn-{number}", STUBBORN)
        logs = [tmp_path / "logs" / f"stubborn-{number}.log" for number in range(4)]
        assert until(lambda: all(log.read_text().strip() for log in logs))
        pids = [health.pid for health in supervisor.health()] + [int(log.read_text()) for log in logs]
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert until(lambda: not any(is_running(pid) for pid in pids if pid))


PARENT = """
import contextlib, sys
from pathlib import Path
from gateway.supervise.processes import Supervisor
with contextlib.suppress(KeyboardInterrupt), Supervisor(Path(sys.argv[1])) as supervisor:
    supervisor.start("sleeper", ["sleep", "60"])
    print(supervisor.health()[0].pid, flush=True)
    supervisor.wait()
print("stopped", flush=True)
"""


def start_parent(data: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a supervisor in a process of its own; returns it and its child's pid."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_its_kin_stop_everything(tmp_path: Path, number: signal.Signals) -> None:
    parent, child = start_parent(tmp_path)
    os.killpg(parent.pid, number)
    os.killpg(parent.pid, number)  # impatience changes nothing
    output, _ = parent.communicate(timeout=5)
    assert output.strip() == "stopped"
    assert parent.returncode == 0
    assert not is_running(child)
    assert not (tmp_path / "processes.json").exists()


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    parent, child = start_parent(tmp_path)
    parent.kill()
    parent.communicate()
    assert until(lambda: not is_running(child))


def test_server_that_fails_to_restart_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "BACKOFF_SECONDS", (0.05,))

    class Flaky:
        pid = None
        starts = 0

        def start(self) -> None:
            self.starts += 1
            if self.starts in (2, 3):
                raise SupervisorError("not yet")

        def stop(self, timeout: float) -> None: ...

        def is_alive(self) -> bool:
            return self.starts >= 4

    server = Flaky()
    with Supervisor(tmp_path, progress=lambda _: None) as supervisor:
        supervisor.adopt("flaky", server)
        supervisor.wait(timeout=1.0)
        assert server.starts == 4
        assert supervisor.health()[0].state == "running"


def test_health_is_left_for_the_doctor_and_removed_at_the_end(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start("sleeper", SLEEPER)
        assert [health.name for health in read_health(tmp_path)] == ["sleeper"]
    assert read_health(tmp_path) == []


def test_log_stays_bounded_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 5000 + b"end")
        rotate_log(log, limit_bytes=1000)
        writer.write(b"next")
        assert log.read_bytes() == b"next"
        assert (tmp_path / "x.log.1").read_bytes() == b"a" * 997 + b"end"


def test_program_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor, pytest.raises(SupervisorError, match="Cannot start /nowhere"):
        supervisor.start("nothing", ["/nowhere/program"])


def test_one_service_per_data_folder(tmp_path: Path) -> None:
    with instance_lock(tmp_path), pytest.raises(SupervisorError, match=f"already running as process {os.getpid()}"):
        instance_lock(tmp_path).acquire()
    with instance_lock(tmp_path):
        pass  # free again
