"""Bodies that devices send: bounded, unpacked when gzipped, of a known type."""

from __future__ import annotations

import zlib

from fastapi import Request

from assets.base.errors import Invalid, RuleError
from edge_agent.wire import MAX_BATCH_BYTES

MAX_TYPE_CHARS = 120
_GZIP = 16 + zlib.MAX_WBITS


class TooLarge(RuleError):
    """A body has more bytes than a message may have, as sent or unpacked."""

    code = "too_large"


class WrongMediaType(RuleError):
    """A body of a type, or packed in a way, that nobody reads here; params: `accepted`."""

    code = "unsupported_media_type"


def media_type(request: Request) -> str:
    """Return the content type in lower case without parameters; empty when none is told."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()[:MAX_TYPE_CHARS]


async def bounded_body(request: Request) -> bytes:
    """Return the body, unpacked. Raises TooLarge before it fills the memory, WrongMediaType, Invalid."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BATCH_BYTES:
            raise TooLarge(f"a message has at most {MAX_BATCH_BYTES} bytes", most=MAX_BATCH_BYTES)
        parts.append(part)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return b"".join(parts)
    if encoding not in ("gzip", "x-gzip"):
        raise WrongMediaType("content-encoding is gzip or nothing", accepted=["gzip", "identity"])
    return unpack(b"".join(parts))


def unpack(packed: bytes) -> bytes:
    """Return what was gzipped; a small body that would grow beyond a message's size costs no more than that.

    Raises TooLarge, and Invalid for what is no whole gzip.
    """
    reader = zlib.decompressobj(_GZIP)
    try:
        body = reader.decompress(packed, MAX_BATCH_BYTES + 1)
    except zlib.error as error:
        raise Invalid(f"the body is no gzip: {error}", field="body") from error
    if len(body) > MAX_BATCH_BYTES:
        raise TooLarge(f"a message has at most {MAX_BATCH_BYTES} bytes, unpacked", most=MAX_BATCH_BYTES)
    if not reader.eof or reader.unused_data:
        raise Invalid("the body is no whole gzip", field="body")
    return body
