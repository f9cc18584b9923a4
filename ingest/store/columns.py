"""Rows of `samples` as they leave PostgreSQL in binary COPY, turned into columns; runs of equal rows at once."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COPIED = "stream_id, measured_at, quality, values"
_HEADER_BYTES = 19
_EPOCH_2000_US = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000
_INT = struct.Struct(">i")
_FIRST_RUN = 128  # how many rows are tried at first; each longer run is tried with eight times as many
_LONGEST_RUN = 65_536


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows in the order in which they came; missing values are NaN, quality 0 good, 1 uncertain, 2 bad.

    `stream` [n], `t_us` [n] microseconds since 1970, `values` and `quality` [n, slots]; quality None: all good.
    """

    stream: NDArray[np.int64]
    t_us: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.int8] | None

    def __len__(self) -> int:
        return len(self.t_us)

    def take(self, keep: NDArray[np.bool_]) -> Columns:
        """Return the rows for which `keep` is true."""
        quality = self.quality[keep] if self.quality is not None else None
        return Columns(self.stream[keep], self.t_us[keep], self.values[keep], quality)


_Part = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int8] | None]


def read_columns(data: bytes) -> Columns:
    """Read the output of `COPY (SELECT {COPIED} …) TO STDOUT (FORMAT BINARY)`."""
    parts: list[_Part] = []
    at = _HEADER_BYTES
    while data[at : at + 2] == b"\x00\x04":
        part, at = _read_run(data, at)
        parts.append(part)
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Columns(none, none, np.empty((0, 0)), None)
    width = max(part[2].shape[1] for part in parts)
    quality = None
    if any(part[3] is not None for part in parts):
        quality = np.concatenate([_widen_quality(part, width) for part in parts])
    return Columns(
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([_widen(part[2], width) for part in parts]),
        quality,
    )


def _read_run(data: bytes, at: int) -> tuple[_Part, int]:
    """Read the rows from `at` on that have the same form: plain ones together, any other alone."""
    quality_length, values_length = _INT.unpack_from(data, at + 22)[0], _INT.unpack_from(data, at + 26)[0]
    width, rest = divmod(values_length - 20, 12)
    if quality_length != -1 or rest or width < 1:
        return _read_row(data, at)
    kind = _plain_row(width)
    run, count = _FIRST_RUN, 0
    while True:
        fits = min(run, (len(data) - at) // kind.itemsize)
        rows = np.frombuffer(data, dtype=kind, count=fits, offset=at)
        same = _is_plain(rows, width)
        count = fits if same.all() else int(np.argmin(same))
        if count < run or run >= _LONGEST_RUN:
            break
        run *= 8
    if count == 0:
        return _read_row(data, at)
    rows = rows[:count]
    t_us = rows["t"].astype(np.int64) + _EPOCH_2000_US
    part = (rows["stream"].astype(np.int64), t_us, rows["values"]["value"].astype(np.float64), None)
    return part, at + count * kind.itemsize


def _plain_row(width: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("fields", ">i2"),
            ("stream_length", ">i4"),
            ("stream", ">i4"),
            ("t_length", ">i4"),
            ("t", ">i8"),
            ("quality_length", ">i4"),
            ("values_length", ">i4"),
            ("array", ">i4", (5,)),  # dimensions, has nulls, type, width, lower bound
            ("values", [("length", ">i4"), ("value", ">f8")], (width,)),
        ]
    )


def _is_plain(rows: NDArray[np.void], width: int) -> NDArray[np.bool_]:
    same = (rows["fields"] == 4) & (rows["quality_length"] == -1) & (rows["values_length"] == 20 + 12 * width)
    same &= (rows["array"][:, 3] == width) & (rows["values"]["length"] == 8).all(axis=1)
    result: NDArray[np.bool_] = same
    return result


def _read_row(data: bytes, at: int) -> tuple[_Part, int]:
    stream, t = _INT.unpack_from(data, at + 6)[0], struct.unpack_from(">q", data, at + 14)[0]
    quality, at = _read_array(data, at + 22)
    values, at = _read_array(data, at)
    width = len(values or ())
    row = np.array([[struct.unpack(">d", each)[0] if each else np.nan for each in values or ()]], dtype=np.float64)
    flags = None
    if quality is not None:
        flags = np.zeros((1, width), dtype=np.int8)
        told = [struct.unpack(">h", each)[0] if each else 0 for each in quality[:width]]
        flags[0, : len(told)] = told
    part = (np.array([stream]), np.array([t + _EPOCH_2000_US]), row.reshape(1, width), flags)
    return part, at


def _read_array(data: bytes, at: int) -> tuple[list[bytes | None] | None, int]:
    """Return an array's elements as bytes and where it ends; None: no array at all."""
    length = _INT.unpack_from(data, at)[0]
    at += 4
    if length == -1:
        return None, at
    end = at + length
    at += 12
    if at == end:  # no dimensions: empty
        return [], end
    at += 8
    elements: list[bytes | None] = []
    while at < end:
        size = _INT.unpack_from(data, at)[0]
        at += 4
        elements.append(data[at : at + size] if size >= 0 else None)
        at += max(size, 0)
    return elements, end


def _widen(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    if values.shape[1] == width:
        return values
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=np.nan)


def _widen_quality(part: _Part, width: int) -> NDArray[np.int8]:
    rows = part[2].shape[0]
    if part[3] is None:
        return np.zeros((rows, width), dtype=np.int8)
    return np.pad(part[3], ((0, 0), (0, width - part[3].shape[1])))
