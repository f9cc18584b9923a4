"""Figures as the bytes of PostgreSQL's binary COPY; rows with the same holes at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ingest.store.figures import Figures

COPIED = "stream_id, bucket, counts, bads, mins, maxs, sums, lasts"
HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_EPOCH_2000_US = 946_684_800_000_000
_INT4, _FLOAT8 = 23, 701  # type oids
_NULL = np.array([255, 255, 255, 255], dtype=np.uint8)

_Bytes = NDArray[np.uint8]


def figure_blocks(figures: Figures) -> Iterator[bytes]:
    """Yield the rows as binary COPY data (between HEADER and TRAILER), each only as wide as it has slots."""
    if len(figures) == 0:
        return
    there = (figures.counts + figures.bads) > 0
    width = there.shape[1]
    widths = width - np.argmax(there[:, ::-1], axis=1)
    holes = np.concatenate(
        [np.isnan(figures.mins), np.isnan(figures.maxs), np.isnan(figures.sums), np.isnan(figures.lasts)], axis=1
    )
    has_bads = np.asarray(figures.bads.any(axis=1))
    shapes = np.concatenate([widths[:, None].astype(np.int16).view(np.uint8), has_bads[:, None], holes], axis=1)
    # Mostly all rows have one of a few shapes: a stream's texts have no least and no greatest.
    alike: dict[bytes, list[int]] = {}
    for at, shape in enumerate(map(bytes, np.ascontiguousarray(shapes, dtype=np.uint8))):
        alike.setdefault(shape, []).append(at)
    for rows in alike.values():
        first = rows[0]
        yield _block(figures, np.array(rows), int(widths[first]), bool(has_bads[first]), holes[first])


def _block(figures: Figures, rows: NDArray[np.intp], width: int, has_bads: bool, holes: NDArray[np.bool_]) -> bytes:
    count = len(rows)
    slots = holes.reshape(4, -1)[:, :width]
    parts: list[_Bytes] = [
        _same(count, _int2(8), _int4(4)),
        _bytes(figures.stream[rows].astype(">i4"), 4),
        _same(count, _int4(8)),
        _bytes((figures.bucket_us[rows] - _EPOCH_2000_US).astype(">i8"), 8),
        *_array(figures.counts[rows, :width].astype(">i4"), np.zeros(width, dtype=bool), _INT4),
    ]
    if has_bads:
        parts += _array(figures.bads[rows, :width].astype(">i4"), np.zeros(width, dtype=bool), _INT4)
    else:
        parts.append(_same(count, _NULL))
    for figure, missing in zip((figures.mins, figures.maxs, figures.sums, figures.lasts), slots, strict=True):
        parts += _array(figure[rows, :width].astype(">f8"), missing, _FLOAT8)
    return np.concatenate(parts, axis=1).tobytes()


def _array(values: NDArray[np.generic], missing: NDArray[np.bool_], oid: int) -> list[_Bytes]:
    """An array of each row; the slots that are missing are so in all rows."""
    count, width = values.shape
    size = values.dtype.itemsize
    length = 20 + width * 4 + int((~missing).sum()) * size
    head = [_int4(length), _int4(1), _int4(int(missing.any())), _int4(oid), _int4(width), _int4(1)]
    parts = [_same(count, *head)]
    for slot in range(width):
        if missing[slot]:
            parts.append(_same(count, _NULL))
        else:
            parts += [_same(count, _int4(size)), _bytes(np.ascontiguousarray(values[:, slot]), size)]
    return parts


def _bytes(column: NDArray[np.generic], size: int) -> _Bytes:
    return np.ascontiguousarray(column).view(np.uint8).reshape(-1, size)


def _same(count: int, *parts: _Bytes) -> _Bytes:
    whole = np.concatenate(parts)
    return np.broadcast_to(whole, (count, len(whole)))


def _int4(value: int) -> _Bytes:
    return np.array([value], dtype=">i4").view(np.uint8)


def _int2(value: int) -> _Bytes:
    return np.array([value], dtype=">i2").view(np.uint8)
