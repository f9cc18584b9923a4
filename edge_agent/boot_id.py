"""Make the id of one run of the agent: sortable by time, unique without coordination (a ULID)."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_boot_id() -> str:
    """Return 26 characters: 48 bits of milliseconds, 80 random bits, in Crockford's base 32."""
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
