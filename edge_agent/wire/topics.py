"""The topics between a device and the server, and the limits of all payloads."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

ROOT = "forewarn/v1"

# Limits. A receiver may refuse what exceeds them; our own agent never does.
MAX_BATCH_BYTES = 1 << 20  # an MQTT payload that every broker and a phone-class gateway still carries
MAX_BATCH_SAMPLES = 500  # one database round trip of a few milliseconds
MAX_BATCH_EVENTS = 500
MAX_SAMPLE_METRICS = 200  # more metrics per asset belong into several samples
MAX_NAME_CHARS = 120
# An event with this code says that somebody vouches for the machine from its time on, for the duration in its text
# (ISO 8601, such as PT600S): commissioning, or the first minutes after a service.
KNOWN_HEALTHY = "known_healthy"
MAX_TEXT_CHARS = 2000
MAX_SERIAL_CHARS = 64
MAX_ACK_SEQS = 1000
MAX_COMMAND_BYTES = 64 * 1024

Lane = Literal["live", "backfill", "replay"]
LANES: tuple[Lane, ...] = ("live", "backfill", "replay")
Severity = Literal["info", "warning", "critical"]
Quality = Literal["good", "uncertain", "bad"]
Value = float | int | bool | str

TELEMETRY = "telemetry"
SENML = "senml"
WAVEFORM = "waveform"  # one burst of a fast sensor
ACK = "ack"
STATUS = "status"
DESCRIBE = "describe"
CONFIG = "config"
CONFIG_REPORTED = "config/reported"
TIME = "time"
TIME_REPLY = "time/reply"
COMMAND = "command"

_SERIAL = re.compile(rf"[^\s/+#\x00-\x1f\x7f$][^/+#\x00-\x1f\x7f]{{0,{MAX_SERIAL_CHARS - 1}}}")
_COMMAND_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class WireError(ValueError):
    """A payload or topic that does not follow the contract; the text says what was expected."""


class Topic(NamedTuple):
    """A topic below `forewarn/v1`: the device's serial and the rest, such as `command/42/result`."""

    device: str
    leaf: str


def is_valid_serial(serial: str) -> bool:
    """True for 1 to 64 printable characters without the ones that MQTT topics reserve."""
    return _SERIAL.fullmatch(serial) is not None


def _topic(device: str, leaf: str) -> str:
    if not is_valid_serial(device):
        raise WireError(f"serial {device!r}: expected 1 to {MAX_SERIAL_CHARS} characters without / + #")
    return f"{ROOT}/{device}/{leaf}"


def telemetry_topic(device: str) -> str:
    """Topic of batches and of plain payloads."""
    return _topic(device, TELEMETRY)


def senml_topic(device: str) -> str:
    """Topic of SenML payloads (RFC 8428)."""
    return _topic(device, SENML)


def ack_topic(device: str) -> str:
    """Topic on which the server confirms committed batches."""
    return _topic(device, ACK)


def status_topic(device: str) -> str:
    """Topic of the retained status, also the last will's."""
    return _topic(device, STATUS)


def describe_topic(device: str) -> str:
    """Topic of the retained self-description."""
    return _topic(device, DESCRIBE)


def config_topic(device: str) -> str:
    """Topic of the desired configuration."""
    return _topic(device, CONFIG)


def config_reported_topic(device: str) -> str:
    """Topic of the applied configuration."""
    return _topic(device, CONFIG_REPORTED)


def time_topic(device: str) -> str:
    """Topic of the device's question for the server's clock."""
    return _topic(device, TIME)


def time_reply_topic(device: str) -> str:
    """Topic of the server's answer to `time`."""
    return _topic(device, TIME_REPLY)


def command_topic(device: str, command_id: str) -> str:
    """Topic of one command; `+` as id gives the device's subscription."""
    if command_id != "+" and _COMMAND_ID.fullmatch(command_id) is None:
        raise WireError(f"command id {command_id!r}: expected 1 to 64 of A-Z a-z 0-9 _ . : -")
    return _topic(device, f"{COMMAND}/{command_id}")


def command_result_topic(device: str, command_id: str) -> str:
    """Topic of one command's result."""
    return f"{command_topic(device, command_id)}/result"


def parse_topic(topic: str) -> Topic:
    """Split a topic into (device, leaf). Raise WireError when it is not one of ours."""
    parts = topic.split("/", 3)
    if len(parts) != 4 or "/".join(parts[:2]) != ROOT or not is_valid_serial(parts[2]) or not parts[3]:
        raise WireError(f"topic {topic!r}: expected {ROOT}/SERIAL/…")
    return Topic(parts[2], parts[3])


def command_id_of(leaf: str) -> str | None:
    """Return the id in `command/ID` or `command/ID/result`, None for any other leaf."""
    parts = leaf.split("/")
    if len(parts) in (2, 3) and parts[0] == COMMAND and parts[2:] in ([], ["result"]):
        return parts[1] if _COMMAND_ID.fullmatch(parts[1]) else None
    return None
