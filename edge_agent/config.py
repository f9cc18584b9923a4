"""Read and write the agent's configuration file."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_agent import wire
from edge_agent.link import BrokerAddress

DEFAULT_MAX_MB = 256
MAX_SENSORS = 500
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 0.1, 86_400


class ConfigError(Exception):
    """The configuration cannot be used; the text names file, key and what was expected."""


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """One `[[sensors]]` table: driver, interval and the driver's own options."""

    driver: str
    interval_seconds: float
    asset: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """All that one agent needs to know."""

    serial: str
    model: str
    broker_url: str
    username: str
    password: str
    spool_path: Path
    max_mb: float = DEFAULT_MAX_MB
    http: str | None = None
    ca_file: str | None = None
    identity_file: str | None = None  # key and certificate; without one the password counts
    http_ca_file: str | None = None
    sensors: tuple[SensorConfig, ...] = ()

    @property
    def broker(self) -> BrokerAddress:
        """The broker's address with the device's credentials."""
        return BrokerAddress.parse(self.broker_url, self.username, self.password, self.ca_file, self.identity_file)

    @property
    def state_path(self) -> Path:
        """Where the running agent leaves its state for `forewarn-edge status`."""
        return self.spool_path.with_name(self.spool_path.name + ".state.json")


def default_folder() -> Path:
    """Where configuration lives: /etc/forewarn-edge as root, else ~/.config/forewarn-edge."""
    if os.geteuid() == 0:
        return Path("/etc/forewarn-edge")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "forewarn-edge"


def default_spool_path(serial: str) -> Path:
    """Where the spool lives: /var/lib/forewarn-edge as root, else ~/.local/state/forewarn-edge."""
    if os.geteuid() == 0:
        folder = Path("/var/lib/forewarn-edge")
    else:
        folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "forewarn-edge"
    return folder / f"{''.join(c if c.isalnum() or c in '-_.' else '_' for c in serial)}.spool"


class _Table:
    """One table of the file, read key by key, so that each mistake is named with its place."""

    def __init__(self, file: Path, name: str, body: Any) -> None:
        self.path, self.name = file, name
        if not isinstance(body, dict):
            raise ConfigError(f"{file}: {name} is missing or not a table")
        self.body: dict[str, Any] = dict(body)

    def fail(self, key: str, value: Any, expected: str) -> ConfigError:
        what = "missing" if value is None else repr(value)
        return ConfigError(f"{self.path}: {self.name} {key} is {what}, expected {expected}")

    def text(self, key: str, expected: str = "a text", default: str | None = None) -> str:
        value = self.body.pop(key, default)
        if not isinstance(value, str) or not value:
            raise self.fail(key, value, expected)
        return value

    def optional_text(self, key: str, expected: str) -> str | None:
        return self.text(key, expected) if key in self.body else None

    def file(self, key: str, expected: str) -> str | None:
        """A file's path; a relative one counts from the configuration's folder."""
        value = self.optional_text(key, expected)
        return str(self.path.parent / Path(value).expanduser()) if value else None

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        value = self.body.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.fail(key, value, f"a number from {low:g} to {high:g}")
        return value

    def end(self) -> None:
        if self.body:
            raise ConfigError(f"{self.path}: {self.name} {sorted(self.body)[0]} is not known")


def read_config(file: Path) -> Config:
    """Read a configuration file. Raise ConfigError with file, key and what was expected."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "run: forewarn-edge claim CODE --server URL" if not file.exists() else "check its owner and mode"
        raise ConfigError(f"{file} cannot be read ({error}); {hint}") from error
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error
    return parse_config(body, file)


def parse_config(body: Mapping[str, Any], file: Path) -> Config:
    """Check a configuration's content; relative paths count from the file's folder."""
    for key in body:
        if key not in ("device", "server", "spool", "sensors"):
            raise ConfigError(f"{file}: [{key}] is not known; expected [device] [server] [spool] [[sensors]]")
    device = _Table(file, "[device]", body.get("device"))
    serial = device.text("serial", "the device's serial")
    if not wire.is_valid_serial(serial):
        raise device.fail("serial", serial, f"1 to {wire.MAX_SERIAL_CHARS} characters without / + #")
    model = device.text("model", default="computer")
    device.end()
    server = _Table(file, "[server]", body.get("server"))
    url = server.text("broker", "mqtt://HOST:PORT")
    try:
        BrokerAddress.parse(url, "", "")
    except ValueError as error:
        raise ConfigError(f"{file}: [server] broker is {error}") from error
    username = server.text("username", default=serial)
    identity_file = server.file("identity", "the file with key and certificate that `forewarn-edge claim` wrote")
    password = "" if identity_file else server.text("password", "the password that `forewarn-edge claim` wrote")
    http = server.optional_text("http", "https://HOST:PORT")
    ca_file = server.file("ca_file", "a file with the CA's certificate")
    http_ca_file = server.file("http_ca_file", "a file with the certificate of the web server's CA")
    server.end()
    spool = _Table(file, "[spool]", body.get("spool", {}))
    path = Path(spool.text("path", "a file's path", str(default_spool_path(serial)))).expanduser()
    max_mb = spool.number("max_mb", 4, 1_000_000, DEFAULT_MAX_MB)
    spool.end()
    return Config(
        serial=serial,
        model=model,
        broker_url=url,
        username=username,
        password=password,
        spool_path=path if path.is_absolute() else file.parent / path,
        max_mb=max_mb,
        http=http,
        ca_file=ca_file,
        identity_file=identity_file,
        http_ca_file=http_ca_file,
        sensors=_parse_sensors(body.get("sensors", []), file),
    )


def _parse_sensors(tables: Any, file: Path) -> tuple[SensorConfig, ...]:
    if not isinstance(tables, list) or len(tables) > MAX_SENSORS:
        raise ConfigError(f"{file}: sensors must be at most {MAX_SENSORS} [[sensors]] tables")
    sensors = []
    for number, body in enumerate(tables, 1):
        table = _Table(file, f"[[sensors]] number {number}", body)
        driver = table.text("driver", 'a driver\'s name such as "host"')
        interval = table.number("interval_seconds", MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS, 10)
        asset = table.optional_text("asset", "a sub-device's serial")
        if asset is not None and not wire.is_valid_serial(asset):
            raise table.fail("asset", asset, f"1 to {wire.MAX_SERIAL_CHARS} characters without / + #")
        sensors.append(SensorConfig(driver, interval, asset, table.body))
    return tuple(sensors)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)  # JSON's escapes are a subset of TOML's basic strings
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    raise TypeError(f"{value!r} cannot be written as TOML")


def _toml_table(header: str, items: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_toml_value(value)}" for key, value in items.items() if value is not None]
    return "\n".join([header, *lines, ""])


def render_config(config: Config) -> str:
    """Return the configuration as TOML text."""
    parts = [
        _toml_table("[device]", {"serial": config.serial, "model": config.model}),
        _toml_table(
            "[server]",
            {
                "broker": config.broker_url,
                "username": config.username,
                "password": config.password or None,
                "identity": config.identity_file,
                "http": config.http,
                "ca_file": config.ca_file,
                "http_ca_file": config.http_ca_file,
            },
        ),
        _toml_table("[spool]", {"path": str(config.spool_path), "max_mb": config.max_mb}),
    ]
    for sensor in config.sensors:
        items = {"driver": sensor.driver, "interval_seconds": sensor.interval_seconds, "asset": sensor.asset}
        parts.append(_toml_table("[[sensors]]", items | dict(sensor.options)))
    return "\n".join(parts)


def write_config(config: Config, file: Path) -> None:
    """Write the file so that only its owner can read it: it holds the password. Raise ConfigError."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(render_config(config))
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise ConfigError(f"{file} cannot be written ({error.strerror}); choose another with --config") from error
