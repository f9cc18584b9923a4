"""Batches of samples, events and reports of drops, as the device encodes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_agent.wire.topics import (
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    MAX_BATCH_SAMPLES,
    MAX_SAMPLE_METRICS,
    Lane,
    Value,
    WireError,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one asset at one moment: t in ms since 1970 UTC, m in monotonic ms since the agent's start."""

    t: int
    values: Mapping[str, Value]
    m: int | None = None
    asset: str | None = None
    quality: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """Something that the machine or the agent itself says happened; active False ends an earlier event."""

    t: int
    code: str
    severity: str = "info"
    text: str = ""
    active: bool = True
    asset: str | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Samples first … first+n-1 of this boot will never come; t_from and t_to bound their times in ms."""

    first: int
    n: int
    t_from: int
    t_to: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one telemetry message carries; (device, boot, seq) is unique."""

    boot: str
    seq: int
    first: int
    n: int
    sent_at: int
    lane: Lane = "live"
    offset_ms: int | None = None  # server clock minus device clock; None while not measured
    zero_at: int | None = None  # server clock when `m` of this boot stood at 0: repairs times taken before it was set
    clock_age_ms: int | None = None  # since the offset was measured
    samples: Sequence[Sample] = ()
    events: Sequence[DeviceEvent] = ()
    dropped: Sequence[Dropped] = ()


def dump(value: Any) -> str:
    """Return compact JSON; ValueError for NaN and infinity, which JSON lacks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode_sample(sample: Sample) -> str:
    """Return the sample's JSON text. Raise WireError for NaN or infinite values and for too many metrics."""
    if not 0 < len(sample.values) + len(sample.quality) <= 2 * MAX_SAMPLE_METRICS:
        raise WireError(f"a sample has {len(sample.values)} values: expected 1 to {MAX_SAMPLE_METRICS}")
    if len(sample.values) > MAX_SAMPLE_METRICS:
        raise WireError(f"a sample has {len(sample.values)} values: expected 1 to {MAX_SAMPLE_METRICS}")
    body: dict[str, Any] = {"t": sample.t}
    if sample.m is not None:
        body["m"] = sample.m
    if sample.asset is not None:
        body["asset"] = sample.asset
    body["values"] = dict(sample.values)
    if sample.quality:
        body["quality"] = dict(sample.quality)
    try:
        return dump(body)
    except ValueError as error:
        raise WireError(f"a sample of {sample.asset or 'the device'} holds a value that JSON lacks: {error}") from error


def encode_event(event: DeviceEvent) -> str:
    """Return the event's JSON text."""
    body: dict[str, Any] = {"t": event.t}
    if event.asset is not None:
        body["asset"] = event.asset
    body |= {"code": event.code, "severity": event.severity, "text": event.text, "active": event.active}
    return dump(body)


def encode_dropped(dropped: Dropped) -> str:
    """Return the JSON text of a report about samples that will never come."""
    return dump(
        {"first": dropped.first, "n": dropped.n, "from": dropped.t_from, "to": dropped.t_to, "reason": dropped.reason}
    )


def join_batch(header: Batch, samples: Iterable[str], events: Iterable[str] = (), dropped: Iterable[str] = ()) -> bytes:
    """Return a batch's payload from its header and already encoded parts (the header's own parts are ignored)."""
    clock = (("offset_ms", header.offset_ms), ("zero_at", header.zero_at), ("clock_age_ms", header.clock_age_ms))
    told = "".join(f'"{name}":{value},' for name, value in clock if value is not None)
    parts = [
        f'{{"boot":{dump(header.boot)},"seq":{header.seq},"first":{header.first},"n":{header.n},'
        f'"sent_at":{header.sent_at},{told}"lane":"{header.lane}","samples":[{",".join(samples)}]'
    ]
    for name, texts in (("events", ",".join(events)), ("dropped", ",".join(dropped))):
        if texts:
            parts.append(f',"{name}":[{texts}]')
    parts.append("}")
    return "".join(parts).encode()


def encode_batch(batch: Batch) -> bytes:
    """Return the batch's payload. Raise WireError when it exceeds a limit."""
    if len(batch.samples) > MAX_BATCH_SAMPLES or len(batch.events) > MAX_BATCH_EVENTS:
        raise WireError(f"a batch holds at most {MAX_BATCH_SAMPLES} samples and {MAX_BATCH_EVENTS} events")
    payload = join_batch(
        batch,
        map(encode_sample, batch.samples),
        map(encode_event, batch.events),
        map(encode_dropped, batch.dropped),
    )
    if len(payload) > MAX_BATCH_BYTES:
        raise WireError(f"a batch of {len(payload)} bytes: expected at most {MAX_BATCH_BYTES}")
    return payload
