"""One burst of a fast sensor, such as a second of vibration: JSON or CBOR, checked and turned into numbers."""

from __future__ import annotations

import base64
import binascii
import math
from decimal import Decimal
from typing import Any, NamedTuple, TypeGuard

import cbor2
import numpy as np
from numpy.typing import NDArray

from assets.base.units import unit_code
from edge_agent.wire import MAX_BATCH_BYTES
from ingest.formats.decoded import Reason, Unreadable
from ingest.formats.values import BadTime, is_channel, parse_json, read_time

MIN_SAMPLES = 256
MAX_SAMPLES = 524_288  # 1 MiB of 16-bit samples: 20 s at 25.6 kHz
MIN_HZ, MAX_HZ = 1.0, 1e6
MAX_SPEED_HZ = 2_000.0  # of a shaft; the fastest turbines turn at half of it
MAX_POINT_CHARS = 60  # features add their names to it
MAX_DEPTH = 4
POINT = "vibration"  # of a device with one fast sensor
_TYPES = {"int16": "<i2", "float32": "<f4"}
_SELF_DESCRIBED = b"\xd9\xd9\xf7"  # the tag that says that CBOR follows, and no more (RFC 8949, section 3.4.6)
_CBOR_MAPS = range(0xA0, 0xC0)


class Waveform(NamedTuple):
    """A burst as read: `values` in `unit` (UCUM), evenly spaced from `t_us` on; `clipped` is the share at the rails."""

    channel: str
    point: str
    t_us: int
    sample_hz: float
    unit: str
    speed_hz: float | None
    values: NDArray[np.float64]
    clipped: float

    @property
    def seconds(self) -> float:
        return len(self.values) / self.sample_hz


def read_waveform(payload: bytes, device: str, received_us: int) -> Waveform:
    """Read one burst. Raise Unreadable with its reason."""
    body = _body(payload)
    channel = body.get("asset") or ""
    point = body.get("point", POINT)
    if channel and not is_channel(channel):
        raise Unreadable(Reason.BAD_NAME, "asset must be a short text")
    if not is_channel(point) or len(point) > MAX_POINT_CHARS or set(point) & set("/#+"):
        raise Unreadable(Reason.BAD_NAME, f"point must be a text of 1 to {MAX_POINT_CHARS} characters, none of / # +")
    offset = body.get("offset_ms")
    try:
        t_us, _ = read_time(body.get("t"), received_us, round(offset) if _is_number(offset) else None)
    except BadTime as error:
        raise Unreadable(error.reason, error.detail) from error
    sample_hz = _within(body.get("hz"), "hz", MIN_HZ, MAX_HZ)
    values, clipped = _samples(body)
    own = "" if channel == device else channel
    return Waveform(own, point, t_us, sample_hz, _unit(body.get("unit")), _speed(body), values, clipped)


def _body(payload: bytes) -> dict[str, Any]:
    if len(payload) > MAX_BATCH_BYTES:
        raise Unreadable(Reason.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_BATCH_BYTES} are read")
    plain = payload.removeprefix(_SELF_DESCRIBED)
    if plain[:1] and plain[0] in _CBOR_MAPS:
        try:
            body = cbor2.loads(plain, max_depth=MAX_DEPTH)
        except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
            raise Unreadable(Reason.UNREADABLE, f"not CBOR: {str(error)[:200]}") from error
    else:
        body = parse_json(payload, MAX_BATCH_BYTES)
    if not isinstance(body, dict):
        raise Unreadable(Reason.UNREADABLE, "a waveform is an object")
    return {name: _plain(value) for name, value in body.items() if isinstance(name, str)}


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) and value.is_finite() else value


def _samples(body: dict[str, Any]) -> tuple[NDArray[np.float64], float]:
    """The samples in their unit, and the share of them that stand at the end of what 16 bits hold."""
    scale = _within(body.get("scale", 1.0), "scale", -1e12, 1e12)
    if scale == 0:
        raise Unreadable(Reason.BAD_WAVEFORM, "scale must not be zero")
    if "samples" in body:
        counts, rails = _listed(body["samples"]), 0.0
    else:
        raw = _raw(body.get("data"))
        told = body.get("type")
        kind = _TYPES.get(told) if isinstance(told, str) else None  # CBOR may hold a number of a million digits
        if kind is None:
            raise Unreadable(Reason.BAD_WAVEFORM, f"type must be one of: {', '.join(_TYPES)}")
        width = np.dtype(kind).itemsize
        if len(raw) % width:
            raise Unreadable(Reason.BAD_WAVEFORM, f"data has {len(raw)} bytes, which are no whole samples")
        _check_count(len(raw) // width)
        counts = np.frombuffer(raw, dtype=kind).astype(float)
        rails = float(((counts == -32768) | (counts == 32767)).mean()) if kind == "<i2" else 0.0
    values = counts * scale
    if not np.isfinite(values).all() or np.abs(values).max() > 1e15:
        raise Unreadable(Reason.NOT_FINITE, "a waveform has no gaps: every sample is a finite number")
    return values, rails


def _listed(samples: Any) -> NDArray[np.float64]:
    if not isinstance(samples, list):
        raise Unreadable(Reason.BAD_WAVEFORM, "samples is no list")
    _check_count(len(samples))
    if not all(_is_number(each) for each in samples):
        raise Unreadable(Reason.BAD_WAVEFORM, "samples holds something that is no number")
    try:
        return np.array(samples, dtype=float)
    except (OverflowError, ValueError) as error:
        raise Unreadable(Reason.NOT_FINITE, "samples holds a number that is too large") from error


def _raw(data: Any) -> bytes:
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        raise Unreadable(Reason.BAD_WAVEFORM, "samples (a list) or data (bytes, in JSON as base64) is missing")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(Reason.BAD_WAVEFORM, "data is no base64") from error


def _check_count(n: int) -> None:
    if n < MIN_SAMPLES:
        raise Unreadable(Reason.BAD_WAVEFORM, f"{n} samples, at least {MIN_SAMPLES} are needed")
    if n > MAX_SAMPLES:
        raise Unreadable(Reason.TOO_MANY_SAMPLES, f"{n} samples, at most {MAX_SAMPLES} are read")


def _unit(told: Any) -> str:
    code = unit_code(told) if isinstance(told, str) else None
    if code is None:
        raise Unreadable(Reason.BAD_WAVEFORM, "unit is missing: such as g or m/s2")
    return "[g]" if code == "g" else code  # of a vibration nobody means grams


def _speed(body: dict[str, Any]) -> float | None:
    if body.get("speed_hz") is not None:
        return _within(body["speed_hz"], "speed_hz", 0.0, MAX_SPEED_HZ) or None
    if body.get("rpm") is not None:
        return _within(body["rpm"], "rpm", 0.0, 60 * MAX_SPEED_HZ) / 60 or None
    return None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def _within(value: Any, name: str, low: float, high: float) -> float:
    if not _is_number(value) or not math.isfinite(value) or not low <= value <= high:
        raise Unreadable(Reason.BAD_WAVEFORM, f"{name} must be a number from {low:g} to {high:g}")
    return float(value)
