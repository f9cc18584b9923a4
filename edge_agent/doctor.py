"""Say what the agent does and what is wrong with it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from edge_agent.config import Config, ConfigError, read_config
from edge_agent.identity import read_facts
from edge_agent.link import Link, LinkFailed
from edge_agent.publisher import Pace
from edge_agent.sensors import make_sensor
from edge_agent.sensors.base import DriverError
from edge_agent.spool import SpoolUnavailable, peek
from edge_agent.state import read_state

MIN_FREE_BYTES = 64 * 1024 * 1024
EARLIEST_CLOCK = 1_735_689_600  # 2025-01-01: before that the clock was never set


def status(config: Config) -> dict[str, Any]:
    """Return the agent's state and the spool's depth, read now."""
    state = read_state(config)
    spool: dict[str, Any] = dict(state.pop("spool", None) or {})
    try:
        spool |= peek(config.spool_path)
    except SpoolUnavailable as error:
        spool["error"] = str(error)
    return {"serial": config.serial, "broker": str(config.broker)} | state | {"spool": spool}


def status_lines(body: dict[str, Any]) -> list[str]:
    """Return the status for people."""
    spool = body["spool"]
    hours = "unknown" if spool.get("hours_left") is None else f"{spool['hours_left']:g} h"
    lines = [
        f"device     {body['serial']}",
        f"agent      {'runs' if body.get('running') else 'does not run'}"
        f", {'connected to' if body.get('connected') else 'not connected to'} {body['broker']}",
        f"spool      {spool.get('records', 0)} records, {spool.get('bytes', 0) / 1e6:.1f} MB, room for {hours}",
        f"last ack   {_ago(body.get('last_ack_at'))}",
        f"last error {body.get('last_error') or 'none'}",
    ]
    lines += [f"problem    {each['code']}: {each['text']}" for each in body.get("problems", [])]
    if "error" in spool:
        lines.append(f"problem    spool: {spool['error']}")
    return lines


def _ago(at_ms: float | None) -> str:
    return "never" if not at_ms else f"{max(0.0, time.time() - at_ms / 1000):.0f} s ago"


def _check(name: str, ok: bool, text: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "text": text}


def examine(file: Path) -> list[dict[str, Any]]:
    """Return one {name, ok, text} per check; the text of a failed one says what to do."""
    try:
        config = read_config(file)
    except ConfigError as error:
        return [_check("configuration", False, str(error))]
    checks = [_check("configuration", True, str(file))]
    mode = file.stat().st_mode & 0o077
    checks.append(
        _check("password kept", mode == 0, f"chmod 600 {file}" if mode else "only its owner can read the file")
    )
    if config.identity_file:
        checks.append(_check_identity(Path(config.identity_file)))
    checks.append(_check_clock())
    checks.append(_check_disk(config))
    state = read_state(config)
    checks += _check_sensors(config)
    checks.append(_check_broker(config, state))
    checks += [_check(each["code"], False, each["text"]) for each in state.get("problems", []) if state.get("running")]
    return checks


def _check_identity(file: Path) -> dict[str, Any]:
    facts = read_facts(file)
    if facts is None:
        text = f"{file} cannot be used; claim the device again: forewarn-edge claim CODE --server URL --force"
        return _check("certificate", False, text)
    if file.stat().st_mode & 0o077:
        return _check("certificate", False, f"others can read the key: chmod 600 {file}")
    days = (facts.not_after / 1000 - time.time()) / 86_400
    if days < 0 and time.time() > EARLIEST_CLOCK:
        return _check("certificate", False, "it has expired; it is renewed when the agent runs and reaches the server")
    return _check("certificate", True, f"of {facts.serial}, {days:.0f} days left")


def _check_clock() -> dict[str, Any]:
    ok = time.time() > EARLIEST_CLOCK
    return _check("clock", ok, "looks right" if ok else "the clock was never set: timedatectl set-ntp true")


def _check_disk(config: Config) -> dict[str, Any]:
    folder = config.spool_path.parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return _check("spool's disk", False, f"{folder} cannot be written; run as another user or change [spool] path")
    free = shutil.disk_usage(folder).free
    needed = max(MIN_FREE_BYTES, int(config.max_mb * 1024 * 1024))
    if free < needed:
        text = f"{free / 1e6:.0f} MB free at {folder}, {needed / 1e6:.0f} MB wanted; free some or lower [spool] max_mb"
        return _check("spool's disk", False, text)
    return _check("spool's disk", True, f"{free / 1e6:.0f} MB free at {folder}")


def _check_sensors(config: Config) -> list[dict[str, Any]]:
    if not config.sensors:
        return [_check("sensors", False, 'none configured; add [[sensors]] with driver = "host"')]
    checks = []
    for each in config.sensors:
        name = f"sensor {each.driver}" + (f" of {each.asset}" if each.asset else "")
        try:
            make_sensor(each.driver, each.asset, each.interval_seconds, each.options, config.spool_path.parent)
        except (DriverError, OSError) as error:
            checks.append(_check(name, False, str(error)))
        else:
            checks.append(_check(name, True, f"every {each.interval_seconds:g} s"))
    return checks


def _check_broker(config: Config, state: dict[str, Any]) -> dict[str, Any]:
    """Ask the running agent, or try a connection: two at once would throw each other out."""
    if state.get("running"):
        text = f"the agent is {'connected to' if state.get('connected') else 'not connected to'} {config.broker}"
        return _check("broker", bool(state.get("connected")), text)
    link = Link(config.broker, config.serial, None, 10, Pace().session_expiry_s, takes_messages=False)
    try:
        link.open(lambda: True)
    except LinkFailed as failure:
        return _check("broker", False, failure.problem.text)
    finally:
        link.close()
    return _check("broker", True, f"{config.broker} lets {config.username} in")
