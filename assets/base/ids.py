"""Time-ordered identifiers and short codes that people can type."""

from __future__ import annotations

import os
import secrets
import time
from uuid import UUID

# No 0/O, 1/I/L: codes are read aloud and typed from a label.
CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def uuid7() -> UUID:
    """Return a UUIDv7 (RFC 9562): milliseconds, then their fraction (method 3), then randomness; sorts by creation."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000  # 12 bits: a quarter of a microsecond
    randomness = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0x2 << 62) | randomness)


def new_code(length: int = 10) -> str:
    """Return a random code over an unambiguous alphabet; 10 characters carry 49 bits."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(length))
