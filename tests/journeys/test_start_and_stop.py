"""Start, stop, start again: nothing is left behind, nothing is lost, a taken port is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.conftest import free_port, start_service, stop_service, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


def _processes_of(data: Path) -> list[str]:
    """Command lines and working files of processes that name the data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(data) in line:
                found.append(line)
    return found


def test_stop_leaves_no_process_and_a_second_run_finds_its_data(server_folder: Path) -> None:
    data, port = server_folder / "twice", free_port()
    running = start_service(data, port)
    desk = running.sign_in("/sign-in")
    desk.post("/api/v1/assets", {"serial": "KEPT-1", "name": "Kept over the stop"})

    taken = subprocess.run(
        [sys.executable, "-m", "gateway.main", "up", "--data", str(data.with_name("other"))],
        env={**os.environ, "FOREWARN_HTTP": f"127.0.0.1:{port}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert taken.returncode == 1
    assert f"127.0.0.1:{port}" in taken.stderr.splitlines()[-1]

    assert stop_service(running.process) < 5
    assert running.process.returncode == 0
    assert _processes_of(data) == []

    again = start_service(data, port)
    try:
        names = [asset["name"] for asset in again.sign_in("/sign-in").get("/api/v1/assets")["items"]]
        assert "Kept over the stop" in names
        again.process.send_signal(signal.SIGKILL)
        again.process.wait()
        wait_for(
            lambda: not [line for line in _processes_of(data) if "edge_agent" in line or "gateway.main" in line],
            10,
            "our own processes end with a killed supervisor",
        )
        third = start_service(data, port)
        assert third.sign_in("/sign-in").get("/api/v1/assets")["items"]
        assert stop_service(third.process) < 5
    finally:
        stop_service(again.process)
    assert _processes_of(data) == []
