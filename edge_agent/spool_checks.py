"""Checksums of single records: SQLite notices a broken page, but not a flipped bit within a text."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

SAMPLE, EVENT, DROPPED = 0, 1, 2


def checksum(boot: int, index: int, kind: int, payload: str) -> int:
    """Return the CRC-32 over a record's payload and its place in the count."""
    return zlib.crc32(payload.encode(), zlib.crc32(f"{boot},{index},{kind},".encode()))


def intact_texts(rows: Iterable[Sequence[Any]]) -> tuple[tuple[list[str], list[str], list[str]], int]:
    """Sort rows (boot, idx, kind, t, payload as bytes, crc) into samples, events and reports; count the damaged ones.

    A damaged sample leaves its place to one without values: the batch stays readable and its count unbroken, and the
    server puts the place into its quarantine. A damaged event or report is left out.
    """
    texts: tuple[list[str], list[str], list[str]] = ([], [], [])
    damaged = 0
    for boot, index, kind, t, payload, crc in rows:
        text = bytes(payload).decode(errors="replace")
        # None: written by a version without checksums
        if (crc is None or crc == checksum(boot, index, kind, text)) and kind in (SAMPLE, EVENT, DROPPED):
            texts[kind].append(text)
            continue
        damaged += 1
        if kind == SAMPLE:
            texts[SAMPLE].append(f'{{"t":{int(t)},"values":{{}},"damaged":"on the disk of the device"}}')
    return texts, damaged
