"""Rows as the bytes of PostgreSQL's binary COPY; whole blocks at once where rows have the same shape."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from ingest.store.base import Row
from ingest.store.blocks import PlacedBlock

COLUMNS = "stream_id, measured_at, received_at, batch_id, flags, quality, values"
HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
_EPOCH_2000_US = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000
_FLOAT8, _INT2 = 701, 21  # type oids
_HEAD = struct.Struct(">hiiiqiqiqih")
_ARRAY = struct.Struct(">iiiiii")
_BLOCK_ROWS = 5000  # bounds the memory of one block to a few MB


def copy_blocks(rows: Sequence[Row], blocks: Sequence[PlacedBlock] = ()) -> Iterator[bytes]:
    """Yield rows and blocks, in any order, as binary COPY data (between HEADER and TRAILER)."""
    yield from _placed_blocks(blocks)
    plain: dict[int, list[Row]] = defaultdict(list)
    special: list[Row] = []
    for row in rows:
        if row.quality is None and None not in row.values:
            plain[len(row.values)].append(row)
        else:
            special.append(row)
    for width, same in plain.items():
        for start in range(0, len(same), _BLOCK_ROWS):
            yield _pack_block(width, same[start : start + _BLOCK_ROWS])
    if special:
        yield b"".join(map(_pack, special))


def _placed_blocks(blocks: Sequence[PlacedBlock]) -> Iterator[bytes]:
    by_width: dict[int, list[PlacedBlock]] = defaultdict(list)
    for block in blocks:
        by_width[block.width].append(block)
    for width, same in by_width.items():
        waiting, count = [], 0
        for block in same:
            waiting.append(block)
            count += len(block.times_us)
            if count >= _BLOCK_ROWS:
                yield _pack_placed(width, waiting, count)
                waiting, count = [], 0
        if waiting:
            yield _pack_placed(width, waiting, count)


def _pack_placed(width: int, blocks: Sequence[PlacedBlock], count: int) -> bytes:
    block = np.frombuffer(bytearray(_template(width) * count), dtype=_block_type(width))
    counts = [len(each.times_us) for each in blocks]
    block["stream"] = np.repeat(np.array([each.stream_id for each in blocks], dtype=np.int32), counts)
    received = np.array([each.received_us for each in blocks], dtype=np.int64) - _EPOCH_2000_US
    block["received"] = np.repeat(received, counts)
    block["batch"] = np.repeat(np.array([each.batch_id for each in blocks], dtype=np.int64), counts)
    times = np.fromiter(chain.from_iterable(each.times_us for each in blocks), dtype=np.int64, count=count)
    block["t"] = times - _EPOCH_2000_US
    flags = [each.flags if isinstance(each.flags, list) else [each.flags] * len(each.times_us) for each in blocks]
    block["flags"] = np.fromiter(chain.from_iterable(flags), dtype=np.int16, count=count)
    values = np.frombuffer(b"".join([each.values for each in blocks]), dtype=np.float64)
    block["values"]["value"] = values.reshape(count, width)
    return block.tobytes()


@lru_cache(maxsize=1000)
def _template(width: int) -> bytes:
    """One row with everything that is the same in all rows of this width."""
    block = np.zeros(1, dtype=_block_type(width))
    _fill_lengths(block, width)
    return block.tobytes()


@lru_cache(maxsize=1000)
def _block_type(width: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("fields", ">i2"),
            ("stream_length", ">i4"),
            ("stream", ">i4"),
            ("t_length", ">i4"),
            ("t", ">i8"),
            ("received_length", ">i4"),
            ("received", ">i8"),
            ("batch_length", ">i4"),
            ("batch", ">i8"),
            ("flags_length", ">i4"),
            ("flags", ">i2"),
            ("quality_length", ">i4"),
            ("values_length", ">i4"),
            ("dimensions", ">i4"),
            ("has_nulls", ">i4"),
            ("type", ">i4"),
            ("width", ">i4"),
            ("lower", ">i4"),
            ("values", [("length", ">i4"), ("value", ">f8")], (width,)),
        ]
    )


def _pack_block(width: int, rows: Sequence[Row]) -> bytes:
    block = np.frombuffer(bytearray(_template(width) * len(rows)), dtype=_block_type(width))
    streams, times, received, batches, flags, _, values = zip(*rows, strict=True)
    block["stream"] = streams
    block["t"] = np.array(times, dtype=np.int64) - _EPOCH_2000_US
    block["received"] = np.array(received, dtype=np.int64) - _EPOCH_2000_US
    block["batch"] = batches
    block["flags"] = flags
    block["values"]["value"] = np.array(values, dtype=np.float64)
    return block.tobytes()


def _fill_lengths(block: np.ndarray[Any, np.dtype[np.void]], width: int) -> None:
    block["fields"] = 7
    block["stream_length"] = 4
    for name in ("t_length", "received_length", "batch_length"):
        block[name] = 8
    block["flags_length"] = 2
    block["quality_length"] = -1  # null
    block["values_length"] = 20 + 12 * width
    block["dimensions"] = 1
    block["type"] = _FLOAT8
    block["width"] = width
    block["lower"] = 1
    block["values"]["length"] = 8


def _pack(row: Row) -> bytes:
    head = _HEAD.pack(
        7, 4, row.stream_id, 8, row.t_us - _EPOCH_2000_US, 8, row.received_us - _EPOCH_2000_US, 8, row.batch_id,
        2, row.flags,
    )  # fmt: skip
    return head + _pack_quality(row.quality) + _pack_values(row.values)


def _pack_quality(quality: list[int] | None) -> bytes:
    if quality is None:
        return struct.pack(">i", -1)
    parts = b"".join(struct.pack(">ih", 2, each) for each in quality)
    return _ARRAY.pack(20 + len(parts), 1, 0, _INT2, len(quality), 1) + parts


def _pack_values(values: list[float | None]) -> bytes:
    parts = b"".join(struct.pack(">i", -1) if each is None else struct.pack(">id", 8, each) for each in values)
    return _ARRAY.pack(20 + len(parts), 1, int(None in values), _FLOAT8, len(values), 1) + parts
