"""Time-ordered identifiers and short codes that people can type."""

from __future__ import annotations

import os
import secrets
import time
from uuid import UUID

# No 0/O, 1/I/L: codes are read aloud and typed from a label.
CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def uuid7() -> UUID:
    """Return a UUIDv7 (RFC 9562): 48 bits of milliseconds, then randomness; sorts by creation time."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def new_code(length: int = 10) -> str:
    """Return a random code over an unambiguous alphabet; 10 characters carry 49 bits."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(length))
