"""The command line of the agent: forewarn-edge."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge_agent import __version__
from edge_agent.config import Config, ConfigError, default_folder, read_config, write_config
from edge_agent.sensors import make_sensor
from edge_agent.sensors.base import DriverError
from edge_agent.spool import SpoolError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="forewarn-edge", description="Measures machines and sends what it measures to a Forewarn server."
    )
    parser.add_argument("--version", action="version", version=f"forewarn-edge {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    config_file = default_folder() / "config.toml"

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.add_argument("--config", type=Path, default=config_file, help=f"configuration (default {config_file})")
        return command

    claim = add("claim", "get this device's identity from the server and write its configuration")
    claim.add_argument("code", metavar="CODE", help="the claim code, or the address that its QR code holds")
    claim.add_argument("--server", metavar="URL", help="the server's address, http(s)://HOST:PORT")
    claim.add_argument("--ca-file", metavar="FILE", help="certificate of the web server's own CA")
    claim.add_argument("--ca-sha256", metavar="HEX", help="refuse any other authority for the broker than this one")
    claim.add_argument("--password-mode", action="store_true", help="take a password instead of a key of its own")
    claim.add_argument("--json", action="store_true", help="print one JSON object")
    claim.add_argument("--force", action="store_true", help="replace an existing configuration")

    run = add("run", "measure and send until stopped")
    run.add_argument("--parent-pid", type=int, metavar="PID", help="stop when this process is gone")
    run.add_argument("--verbose", action="store_true", help="log more")
    run.add_argument("--account", type=Path, metavar="FILE", help="also write down all that is kept, as a proof")

    replay = add("replay", "send recorded telemetry as a device would")
    replay.add_argument("paths", nargs="+", type=Path, metavar="FOLDER|FILE", help="a recorded fleet, or CSV files")
    replay.add_argument("--speed", type=float, default=60.0, metavar="N", help="times real time (default 60)")
    replay.add_argument("--parent-pid", type=int, metavar="PID", help="stop when this process is gone")
    replay.add_argument("--json", action="store_true", help="print one JSON object at the end")

    for name, text in (
        ("status", "say what the agent does: spool, last ack, last error"),
        ("doctor", "find what is wrong; each failure says what to do"),
    ):
        add(name, text).add_argument("--json", action="store_true", help="print one JSON object")

    test = add("test-driver", "take one reading from each sensor and print it")
    test.add_argument("--driver", help="only this driver; without a configuration, with its default options")
    test.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 1 after one line on standard error that says what to do."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if getattr(arguments, "verbose", False) else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    work = {
        "claim": _claim,
        "run": _run,
        "replay": _replay,
        "status": _status,
        "doctor": _doctor,
        "test-driver": _test_driver,
    }[arguments.command]
    try:
        return work(arguments)
    except (ConfigError, DriverError, SpoolError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130


def _fail(text: str) -> int:
    print(f"forewarn-edge: {text}", file=sys.stderr)
    return 1


def _claim(arguments: argparse.Namespace) -> int:
    from edge_agent.claim import ClaimFailed, claim, split_code
    from edge_agent.identity import forget_pending

    file: Path = arguments.config.absolute()
    if file.exists() and not arguments.force:
        return _fail(f"{file} exists; add --force to replace it, or --config OTHER")
    if not os.access(_existing(file.parent), os.W_OK):
        return _fail(f"{file.parent} cannot be written; choose another place with --config FILE")
    try:
        code, server = split_code(arguments.code, arguments.server)
        folder = None if arguments.password_mode else file.parent
        config = claim(server, code, arguments.ca_file, folder=folder, ca_sha256=arguments.ca_sha256)
    except ClaimFailed as error:
        return _fail(str(error))
    write_config(config, file)
    forget_pending(file.parent)  # only now: cut off before, the claim can be repeated with the same key
    if arguments.json:
        mode = "certificate" if config.identity_file else "password"
        print(json.dumps({"serial": config.serial, "mode": mode, "broker": config.broker_url, "config": str(file)}))
        return 0
    print(f"This device is {config.serial}. Its configuration is {file}.")
    print(f"Start it with: forewarn-edge run --config {file}")
    return 0


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _run(arguments: argparse.Namespace) -> int:
    from edge_agent.account import Account
    from edge_agent.agent import Agent
    from edge_agent.parent import Parent

    config = read_config(arguments.config)
    if not config.sensors:
        raise ConfigError(f'{arguments.config}: no [[sensors]]; add one, for instance with driver = "host"')
    parent = Parent(arguments.parent_pid) if arguments.parent_pid else None
    agent = Agent(config, parent=parent, account=Account(arguments.account) if arguments.account else None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from edge_agent.parent import Parent
    from edge_agent.replay import Replay, ReplayError

    config = read_config(arguments.config)
    parent = Parent(arguments.parent_pid) if arguments.parent_pid else None
    try:
        replay = Replay(config, arguments.paths, arguments.speed, parent)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: replay.stop())
        figures = replay.run()
    except ReplayError as error:
        return _fail(str(error))
    if arguments.json:
        print(json.dumps(figures))
    else:
        print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items()))
    return 0 if figures["complete"] else 1


def _status(arguments: argparse.Namespace) -> int:
    from edge_agent.doctor import status, status_lines

    body = status(read_config(arguments.config))
    print(json.dumps(body) if arguments.json else "\n".join(status_lines(body)))
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from edge_agent.doctor import examine

    checks = examine(arguments.config)
    ok = all(check["ok"] for check in checks)
    if arguments.json:
        print(json.dumps({"ok": ok, "checks": checks}))
    else:
        print("\n".join(f"{'ok   ' if each['ok'] else 'WRONG'} {each['name']}: {each['text']}" for each in checks))
    return 0 if ok else 1


def _test_driver(arguments: argparse.Namespace) -> int:
    from edge_agent.config import SensorConfig

    config: Config | None = None
    if arguments.driver is None or arguments.config.exists():
        config = read_config(arguments.config)
    wanted = [each for each in (config.sensors if config else ()) if arguments.driver in (None, each.driver)]
    if not wanted and arguments.driver:
        wanted = [SensorConfig(arguments.driver, 10)]
    found: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:  # not the agent's: a test must not change what a machine remembers
        for each in wanted:
            sensor = make_sensor(each.driver, each.asset, each.interval_seconds, each.options, Path(folder))
            time.sleep(0.2)  # rates need two looks
            units = {metric.name: metric.unit for metric in sensor.describe().metrics}
            for reading in sensor.read(int(time.time() * 1000)):
                values = dict(reading.values)
                found.append({"driver": each.driver, "asset": each.asset, "values": values, "units": units})
    if arguments.json:
        print(json.dumps({"readings": found}))
        return 0
    for reading_body in found:
        print(f"{reading_body['driver']} {reading_body['asset'] or ''}".rstrip())
        for name, value in reading_body["values"].items():
            print(f"  {name:40} {value} {reading_body['units'].get(name, '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
