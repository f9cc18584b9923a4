"""The server's own wheel: what a device installs from it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from gateway.download import PACKAGES, WHEEL, make_wheel


def test_wheel_of_the_running_server_installs_the_agent_with_paho_alone(tmp_path: Path) -> None:
    wheel = tmp_path / WHEEL
    wheel.write_bytes(make_wheel())
    target = tmp_path / "site"
    install = [sys.executable, "-m", "ensurepip"]  # the environment itself may have been made without pip
    subprocess.run(install, check=True, capture_output=True)
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    told = subprocess.run(
        [sys.executable, "-c", "from edge_agent.main import main; main(['--help'])"],
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "claim" in told.stdout
    metadata = next(target.glob("forewarn-*.dist-info")) / "METADATA"
    needed = [line for line in metadata.read_text().splitlines() if line.startswith("Requires-Dist:")]
    assert [line for line in needed if "extra ==" not in line and "extra==" not in line] == [
        "Requires-Dist: paho-mqtt<3,>=2.1"
    ]


def test_wheel_holds_the_seven_rooms_and_no_sources_of_the_pages() -> None:
    import io

    names = zipfile.ZipFile(io.BytesIO(make_wheel())).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)
    assert not [name for name in names if name.startswith("gateway/web/src") or "node_modules" in name]
    assert make_wheel.__wrapped__() == make_wheel()  # the same files give the same bytes
