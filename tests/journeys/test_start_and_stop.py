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
    """Command lines of processes that name the data folder there or in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                surroundings = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(data) in line or f"FOREWARN_DATA={data}\0".encode() in surroundings:
                found.append(line)
    return found


def test_stop_leaves_no_process_and_a_second_run_finds_its_data(own_folder: Path) -> None:
    data, port = own_folder / "twice", free_port()
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


def test_unusable_folders_and_fleets_get_one_line_that_names_them(own_folder: Path, tmp_path: Path) -> None:
    a_file = tmp_path / "file"
    a_file.write_text("")
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    (fleet / "fleet.json").write_text("{}")
    cases = (
        (["--data", str(a_file)], str(a_file)),
        (["--data", str(a_file / "below")], str(a_file)),
        (["--data", "/proc/forewarn"], "/proc/forewarn"),
        (["--data", str(own_folder / "unused"), "--replay", str(tmp_path)], "fleet.json"),
        (["--data", str(own_folder / "fleetless"), "--replay", str(fleet)], "assets.csv"),
    )
    for arguments, named in cases:
        told = subprocess.run(
            [sys.executable, "-m", "gateway.main", "up", *arguments],
            env={**os.environ, "FOREWARN_HTTP": f"127.0.0.1:{free_port()}"},
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert told.returncode in (1, 2)
        assert "Traceback" not in told.stderr
        assert named in told.stderr.splitlines()[-1]


def test_with_both_urls_nothing_is_embedded(own_folder: Path) -> None:
    from gateway.supervise.mosquitto import EmbeddedMosquitto
    from gateway.supervise.postgres import EmbeddedPostgres

    with (
        EmbeddedPostgres(own_folder / "elsewhere") as database,
        EmbeddedMosquitto(own_folder / "elsewhere") as hub,
    ):
        urls = {"FOREWARN_DATABASE_URL": database.url, "FOREWARN_BROKER_URL": hub.url}
        running = start_service(own_folder / "urls", free_port(), "--demo", variables=urls)
        try:
            desk = running.desk

            def is_measured() -> bool:
                cards = desk.get("/api/v1/overview")["assets"]
                return any(card["serial"] == "DEMO-PUMP-101" and card["last_reading_at"] for card in cards)

            wait_for(is_measured, 60, "readings over the given broker in the given database")
            assert not (running.data / "postgres").exists()
            assert not (running.data / "mosquitto").exists()
        finally:
            assert stop_service(running.process) < 5
