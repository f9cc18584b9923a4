"""Everything but batches: acks, status, descriptions, commands, clocks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from edge_agent.wire.batches import dump
from edge_agent.wire.topics import (
    MAX_ACK_SEQS,
    MAX_BATCH_BYTES,
    MAX_COMMAND_BYTES,
    MAX_NAME_CHARS,
    MAX_SAMPLE_METRICS,
    MAX_TEXT_CHARS,
    WireError,
    is_valid_serial,
)


def _object(payload: bytes | str, what: str) -> dict[str, Any]:
    if len(payload) > MAX_BATCH_BYTES:
        raise WireError(f"{what}: {len(payload)} bytes, at most {MAX_BATCH_BYTES} are read")
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise WireError(f"{what}: not JSON ({error})") from error
    if not isinstance(body, dict):
        raise WireError(f"{what}: expected an object, got {type(body).__name__}")
    return body


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _get_int(body: Mapping[str, Any], key: str, what: str) -> int:
    value = body.get(key)
    if not _is_int(value):
        raise WireError(f"{what}: {key} is {value!r}, expected a whole number")
    return cast(int, value)


def _get_str(body: Mapping[str, Any], key: str, what: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
        raise WireError(f"{what}: {key} is {str(value)[:80]!r}, expected a text of at most {MAX_TEXT_CHARS} characters")
    return value


@dataclass(frozen=True, slots=True)
class Ack:
    """Batches of one boot that are committed at the server."""

    boot: str
    seqs: Sequence[int]


def encode_ack(ack: Ack) -> bytes:
    """Return the payload of `ack`."""
    return dump({"boot": ack.boot, "seqs": list(ack.seqs)}).encode()


def decode_ack(payload: bytes) -> Ack:
    """Read an `ack` payload. Raise WireError when it is not one."""
    body = _object(payload, "ack")
    seqs = body.get("seqs")
    if not isinstance(seqs, list) or len(seqs) > MAX_ACK_SEQS or not all(map(_is_int, seqs)):
        raise WireError(f"ack: seqs must be a list of at most {MAX_ACK_SEQS} whole numbers")
    return Ack(_get_str(body, "boot", "ack"), seqs)


HOST_FACTS = ("address", "hardware")


@dataclass(frozen=True, slots=True)
class Status:
    """A device's retained status; `session` counts its connections and stands in the last will too.

    `problems` are {"code", "text"} of what is wrong now, `spool` the depth of the queue on the device, `certificate`
    the SHA-256 fingerprint of the one it connected with, `host` what tells it from a copy of itself: address, hardware.
    """

    online: bool
    boot: str
    session: int
    at: int
    agent: str = ""
    problems: Sequence[Mapping[str, str]] = ()
    spool: Mapping[str, Any] = field(default_factory=dict)
    certificate: str = ""
    host: Mapping[str, str] = field(default_factory=dict)


def encode_status(status: Status) -> bytes:
    """Return the payload of `status`."""
    body: dict[str, Any] = {
        "online": status.online,
        "boot": status.boot,
        "session": status.session,
        "at": status.at,
        "agent": status.agent,
    }
    if status.problems:
        body["problems"] = [dict(problem) for problem in status.problems]
    if status.spool:
        body["spool"] = dict(status.spool)
    if status.certificate:
        body["certificate"] = status.certificate
    if status.host:
        body["host"] = dict(status.host)
    return dump(body).encode()


def decode_status(payload: bytes) -> Status:
    """Read a `status` payload. Raise WireError when it is not one."""
    body = _object(payload, "status")
    online = body.get("online")
    if not isinstance(online, bool):
        raise WireError(f"status: online is {online!r}, expected true or false")
    listed = body.get("problems")
    problems = [
        {"code": str(each.get("code", ""))[:MAX_NAME_CHARS], "text": str(each.get("text", ""))[:MAX_TEXT_CHARS]}
        for each in (listed[:20] if isinstance(listed, list) else [])
        if isinstance(each, dict)
    ]
    spool, host = body.get("spool"), body.get("host")
    return Status(
        online=online,
        boot=str(body.get("boot", ""))[:MAX_NAME_CHARS],
        session=_get_int(body, "session", "status") if "session" in body else 0,
        at=_get_int(body, "at", "status") if "at" in body else 0,
        agent=str(body.get("agent", ""))[:MAX_NAME_CHARS],
        problems=problems,
        spool=spool if isinstance(spool, dict) else {},
        certificate=str(body.get("certificate") or "")[:MAX_NAME_CHARS],
        host={key: str(host[key])[:MAX_NAME_CHARS] for key in HOST_FACTS if key in host}
        if isinstance(host, dict)
        else {},
    )


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric that a device says it measures: UCUM unit, kind, expected interval and physical range."""

    name: str
    unit: str = "1"
    kind: Literal["gauge", "counter", "state", "boolean"] = "gauge"
    interval_seconds: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class SubDevice:
    """A machine measured through a device; `about` holds free facts such as machine, components, faults."""

    serial: str
    model: str
    metrics: Sequence[Metric]
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Describe:
    """A device's retained description of itself and its sub-devices; `demo` marks simulated ones."""

    model: str
    agent: str
    metrics: Sequence[Metric] = ()
    assets: Sequence[SubDevice] = ()
    demo: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)


def _metric_body(metric: Metric) -> dict[str, Any]:
    body: dict[str, Any] = {"name": metric.name, "unit": metric.unit, "kind": metric.kind}
    for key in ("interval_seconds", "low", "high"):
        if getattr(metric, key) is not None:
            body[key] = getattr(metric, key)
    return body


def _metric_from(body: Any) -> Metric:
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS:
        raise WireError("describe: each metric needs a name")
    kind = body.get("kind", "gauge")
    if kind not in ("gauge", "counter", "state", "boolean"):
        raise WireError(f"describe: {name} has kind {kind!r}, expected gauge, counter, state or boolean")
    numbers = {key: body.get(key) for key in ("interval_seconds", "low", "high")}
    for key, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise WireError(f"describe: {name} has {key} {value!r}, expected a number")
    unit = str(body.get("unit", "1"))[:MAX_NAME_CHARS]
    return Metric(name, unit, kind, numbers["interval_seconds"], numbers["low"], numbers["high"])


def encode_describe(describe: Describe) -> bytes:
    """Return the payload of `describe`."""
    body: dict[str, Any] = {"model": describe.model, "agent": describe.agent, "demo": describe.demo}
    body["metrics"] = [_metric_body(metric) for metric in describe.metrics]
    body["assets"] = [
        {
            "serial": asset.serial,
            "model": asset.model,
            "metrics": [_metric_body(metric) for metric in asset.metrics],
            "about": dict(asset.about),
        }
        for asset in describe.assets
    ]
    body["about"] = dict(describe.about)
    return dump(body).encode()


def _metrics_from(body: Mapping[str, Any]) -> list[Metric]:
    metrics = body.get("metrics", [])
    if not isinstance(metrics, list) or len(metrics) > MAX_SAMPLE_METRICS:
        raise WireError(f"describe: metrics must be a list of at most {MAX_SAMPLE_METRICS}")
    return [_metric_from(metric) for metric in metrics]


def decode_describe(payload: bytes) -> Describe:
    """Read a `describe` payload. Raise WireError when it is not one."""
    body = _object(payload, "describe")
    assets = body.get("assets", [])
    if not isinstance(assets, list) or len(assets) > 1000 or not all(isinstance(each, dict) for each in assets):
        raise WireError("describe: assets must be a list of at most 1000 objects")
    subs = []
    for each in assets:
        serial = _get_str(each, "serial", "describe")
        if not is_valid_serial(serial):
            raise WireError(f"describe: asset serial {serial!r} is not valid")
        about = each.get("about")
        model = str(each.get("model", ""))[:MAX_NAME_CHARS]
        subs.append(SubDevice(serial, model, _metrics_from(each), about if isinstance(about, dict) else {}))
    about = body.get("about")
    return Describe(
        model=str(body.get("model", ""))[:MAX_NAME_CHARS],
        agent=str(body.get("agent", ""))[:MAX_NAME_CHARS],
        metrics=_metrics_from(body),
        assets=subs,
        demo=body.get("demo") is True,
        about=about if isinstance(about, dict) else {},
    )


@dataclass(frozen=True, slots=True)
class Command:
    """An order to a device; expires_at in ms since 1970 UTC, None never expires. The id is in the topic."""

    id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    expires_at: int | None = None


def encode_command(command: Command) -> bytes:
    """Return the payload of `command/{id}`."""
    body: dict[str, Any] = {"name": command.name, "arguments": dict(command.arguments)}
    if command.expires_at is not None:
        body["expires_at"] = command.expires_at
    return dump(body).encode()


def decode_command(command_id: str, payload: bytes) -> Command:
    """Read a `command/{id}` payload. Raise WireError when it is not one."""
    if len(payload) > MAX_COMMAND_BYTES:
        raise WireError(f"command: {len(payload)} bytes, expected at most {MAX_COMMAND_BYTES}")
    body = _object(payload, "command")
    arguments = body.get("arguments", {})
    if not isinstance(arguments, dict):
        raise WireError("command: arguments must be an object")
    expires_at = None if body.get("expires_at") is None else _get_int(body, "expires_at", "command")
    return Command(command_id, _get_str(body, "name", "command"), arguments, expires_at)


Outcome = Literal["done", "failed", "expired", "rejected"]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command: done, failed (tried), expired (too late), rejected (not understood)."""

    id: str
    outcome: Outcome
    at: int
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def encode_command_result(result: CommandResult) -> bytes:
    """Return the payload of `command/{id}/result`."""
    return dump({"outcome": result.outcome, "at": result.at, "text": result.text, "data": dict(result.data)}).encode()


def decode_command_result(command_id: str, payload: bytes) -> CommandResult:
    """Read a `command/{id}/result` payload. Raise WireError when it is not one."""
    body = _object(payload, "command result")
    outcome = body.get("outcome")
    if outcome not in ("done", "failed", "expired", "rejected"):
        raise WireError(f"command result: outcome {outcome!r}, expected done, failed, expired or rejected")
    data = body.get("data")
    text = str(body.get("text", ""))[:MAX_TEXT_CHARS]
    at = _get_int(body, "at", "command result") if "at" in body else 0
    return CommandResult(command_id, outcome, at, text, data if isinstance(data, dict) else {})


def encode_time_request(sent_at: int) -> bytes:
    """Return the payload of `time`: the device's clock in ms when it asked."""
    return dump({"sent_at": sent_at}).encode()


def decode_time_request(payload: bytes) -> int:
    """Read a `time` payload: the device's clock in ms when it asked."""
    return _get_int(_object(payload, "time"), "sent_at", "time")


def encode_time_reply(sent_at: int, server_at: int) -> bytes:
    """Return the payload of `time/reply`: the question's stamp, repeated, and the server's clock in ms."""
    return dump({"sent_at": sent_at, "server_at": server_at}).encode()


def decode_time_reply(payload: bytes) -> tuple[int, int]:
    """Read a `time/reply` payload as (sent_at, server_at) in ms."""
    body = _object(payload, "time/reply")
    return _get_int(body, "sent_at", "time/reply"), _get_int(body, "server_at", "time/reply")
