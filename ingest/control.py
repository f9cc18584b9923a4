"""What devices say besides telemetry: status and last will, self-description, results of commands."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TypeGuard

from sqlalchemy import select
from sqlalchemy.orm import Session

from edge_agent.wire import (
    CONFIG_REPORTED,
    DESCRIBE,
    MAX_BATCH_BYTES,
    STATUS,
    WAVEFORM,
    CommandResult,
    Metric,
    Status,
    WireError,
    command_id_of,
    decode_command_result,
    decode_describe,
    decode_status,
    parse_topic,
)
from ingest.adoption import adopt_channels
from ingest.bursts import receive_message
from ingest.clones import note_arrival
from ingest.commands import find_command, finish_command, resend_commands
from ingest.formats.decoded import Decoded, Problem, Reason
from ingest.formats.values import is_channel, is_storable
from ingest.messages import Message, Prepared, moment
from ingest.models import Device
from ingest.presence import MAX_FLIPS
from ingest.store.base import Connection
from ingest.store.catalog import MAX_CHANNELS_PER_DEVICE, Catalog, Declared, DeviceRef, add_series
from ingest.store.units import declare_units, declared_unit

LONGEST_SLEEP_S = 31 * 86_400.0
_KINDS = {"gauge": "number", "counter": "number", "boolean": "boolean", "state": "text"}


def handle_control(session: Session, message: Message) -> str | None:
    """Apply one message; return what is wrong with it, None when nothing is."""
    try:
        serial, leaf = parse_topic(message.topic)
        if len(message.payload) > MAX_BATCH_BYTES:
            raise WireError(f"{len(message.payload)} bytes, at most {MAX_BATCH_BYTES} are read")
        device = session.scalar(select(Device).where(Device.serial == serial).with_for_update())
        if device is None or device.disabled_at is not None:
            return f"no device {serial!r} is registered and active"
        _apply(session, device, leaf, message)
    except WireError as error:
        return str(error)
    return None


def problem_of(message: Message, detail: str) -> Prepared:
    """Return a control message that could not be applied, as something for quarantine."""
    try:
        serial = parse_topic(message.topic).device
    except WireError:
        serial = ""
    return Prepared(message, serial, Decoded(problems=[Problem(Reason.UNREADABLE, detail[:500], samples=0)]))


def _apply(session: Session, device: Device, leaf: str, message: Message) -> None:
    now = moment(message.received_us)
    if not message.payload and leaf in (STATUS, DESCRIBE, CONFIG_REPORTED):
        return  # an empty retained message only clears the earlier one
    command_id = command_id_of(leaf)
    if leaf == STATUS:
        apply_status(session, device, decode_status(message.payload), now, is_live=not message.retained)
    elif leaf == DESCRIBE:
        _apply_describe(session, device, message.payload, now)
    elif leaf == WAVEFORM:
        receive_message(session, device, message)
    elif leaf == CONFIG_REPORTED:
        pass  # configuration from the server comes later; until then there is nothing to compare it with
    elif command_id is not None:
        _apply_result(session, device, decode_command_result(command_id, message.payload), now)
    else:
        raise WireError(f"nothing reads {leaf[:100]!r}")


def is_stale(device: Device, status: Status, *, retained: bool = False) -> bool:
    """True for a status of an earlier connection: the last will of a dead link must not mark a live device offline.

    What the broker kept while we were away is believed of a later boot, whose beginning we have missed.
    """
    if device.session is None or device.boot is None:
        return False
    if status.boot == device.boot:
        return status.session < device.session
    return not status.online and not (retained and status.session > device.session)


def apply_status(session: Session, device: Device, status: Status, now: datetime, *, is_live: bool) -> None:
    """Note that a device came or went. A retained status was said earlier: it is no sign of life now."""
    if is_stale(device, status, retained=not is_live):
        return
    # First what may be refused, so that nothing is half applied.
    reported = _storable(
        {
            "spool": dict(status.spool),
            "problems": [dict(each) for each in status.problems],
            "at": status.at,
            "certificate": status.certificate,
            "host": dict(status.host),
        }
    )
    if is_live and status.online:
        note_arrival(session, device, status, now)
    came_back = status.online and (device.session, device.boot) != (status.session, status.boot)
    if device.session is not None and (came_back or device.online != status.online):
        device.presence_flips = [*(device.presence_flips or ()), now][-MAX_FLIPS:]
    device.online, device.boot, device.session = status.online, status.boot, status.session
    device.agent_version = status.agent or device.agent_version
    device.status = reported
    if is_live and status.online:
        device.last_heard_at = max(device.last_heard_at or now, now)
    if came_back:
        resend_commands(session, device, now)


def _apply_describe(session: Session, device: Device, payload: bytes, now: datetime) -> None:
    described = decode_describe(payload)
    body = _storable(json.loads(payload))
    if len(described.assets) >= MAX_CHANNELS_PER_DEVICE:
        raise WireError(f"describe: at most {MAX_CHANNELS_PER_DEVICE} sub-devices")
    connection: Connection = session.connection().connection.driver_connection  # type: ignore[assignment]
    catalog = Catalog()
    reference = DeviceRef(device.id, device.serial, device.organisation_id, False)
    for channel, metrics in [("", described.metrics), *((each.serial, each.metrics) for each in described.assets)]:
        if metrics and _describe_stream(connection, catalog, reference, channel, metrics):
            device.units_version += 1
    everything = [*described.metrics, *(metric for each in described.assets for metric in each.metrics)]
    intervals = [metric.interval_seconds for metric in everything if _is_duration(metric.interval_seconds)]
    if intervals:  # else what somebody set by hand stays
        device.expected_interval_s = min(intervals)
    sleep_s = described.about.get("sleep_seconds")
    device.sleep_s = float(sleep_s) if _is_duration(sleep_s) else None
    device.describe = body
    device.agent_version = described.agent or device.agent_version
    if described.model and not device.model:
        device.model = described.model
    for device_id, channels in catalog.take_unbound().items():
        adopt_channels(session, device_id, channels, now)


def _is_duration(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_SLEEP_S


def _interval_of(metric: Metric) -> float | None:
    return metric.interval_seconds if _is_duration(metric.interval_seconds) else None


def _describe_stream(connection: Connection, catalog: Catalog, device: DeviceRef, channel: str, metrics: Any) -> bool:
    """Return whether units have changed."""
    declared: dict[str, Metric] = {metric.name: metric for metric in metrics if is_channel(metric.name)}
    stream = catalog.stream(connection, device, channel)
    if stream is None:
        return False
    wanted = {
        name: Declared(_KINDS[metric.kind], declared_unit(name, metric.unit), _interval_of(metric))
        for name, metric in declared.items()
    }
    if any(name not in stream.series for name in wanted):
        add_series(connection, stream, wanted)
    known = [name for name in wanted if name in stream.series]
    if known:
        connection.execute(
            "UPDATE series s SET expected_interval_s = v.every FROM unnest(%s::int[], %s::float8[]) AS v(id, every)"
            " WHERE s.id = v.id AND s.expected_interval_s IS DISTINCT FROM v.every",
            [[stream.series[name].id for name in known], [wanted[name].expected_interval_s for name in known]],
        )
    return declare_units(connection, stream, {name: wanted[name].unit for name in known})


def _apply_result(session: Session, device: Device, result: CommandResult, now: datetime) -> None:
    command = find_command(session, device, result.id)
    if command is None:
        raise WireError(f"command result: this device has no command {result.id!r}")
    body = {"outcome": result.outcome, "text": result.text, "at": result.at, "data": dict(result.data)}
    finish_command(session, command, _storable(body), now)


def _storable(body: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSONB refuses, so that the message is set aside instead of failing for ever."""
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise WireError(f"holds a number that JSON lacks: {error}") from error
    if not is_storable(text) or "\\u0000" in text:
        raise WireError("holds text that cannot be stored")
    return body
