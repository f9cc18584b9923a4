"""Configuration and command lines of the agents that run on this machine; they speak MQTT like any other."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

from gateway.first_run import Identity

HOST_SENSOR = '[[sensors]]\ndriver = "host"\ninterval_seconds = 5\n'


def write_config(folder: Path, identity: Identity, broker: str, sensors: str) -> Path:
    """Write an agent's configuration below the data folder, readable by its owner only."""
    home = folder / identity.serial
    home.mkdir(parents=True, exist_ok=True)
    path = home / "agent.toml"
    lines = [
        "[device]",
        f"serial = {json.dumps(identity.serial)}",
        f"model = {json.dumps(identity.model)}",
        "",
        "[server]",
        f"broker = {json.dumps(broker)}",
        f"username = {json.dumps(identity.serial)}",
        f"password = {json.dumps(identity.password)}",
        "",
        "[spool]",
        f"path = {json.dumps(str(home / 'spool.sqlite'))}",
        "max_mb = 256",
        "",
        sensors,
    ]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines))
    return path


def point_to_broker(folder: Path, broker: str, account: tuple[str, str] | None) -> None:
    """Rewrite the broker's address in every agent's configuration: our broker's port may have moved.

    A broker that is not ours knows nothing of our devices: there the agents of this machine use the given account.
    """
    for path in folder.glob("*/agent.toml"):
        before = path.read_text()
        after = re.sub(r"(?m)^broker = .*$", lambda _: f"broker = {json.dumps(broker)}", before)
        for name, value in zip(("username", "password"), account or (), strict=False):
            line = f"{name} = {json.dumps(value)}".replace("\\", r"\\")
            after = re.sub(rf"(?m)^{name} = .*$", line, after)
        if after != before:
            path.write_text(after)


def run_command(config: Path) -> list[str]:
    """Return the command that runs an agent."""
    return [sys.executable, "-m", "edge_agent.main", "run", "--config", str(config)]


def replay_command(config: Path, folder: Path, speed: float) -> list[str]:
    """Return the command that replays a recorded fleet."""
    command = [sys.executable, "-m", "edge_agent.main", "replay", str(folder.resolve())]
    return [*command, "--config", str(config), "--speed", f"{speed:g}"]


def once(command: list[str]) -> str:
    """Return a shell line that runs a command once and then idles, so that its end is not taken for a crash."""
    return f"{shlex.join(command)} --parent-pid $$; exec sleep infinity"
