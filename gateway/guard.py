"""What every request passes first: a bound on its body, and headers that make browsers careful."""

from __future__ import annotations

import re

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 8 * 1024 * 1024  # a batch of 500 readings with many metrics is about 1 MiB
# Where people send files: (path, bytes). The form around a file is a little longer than it.
MAX_FILE_BODIES = (
    ("/api/v1/sync", 2 * 1024 * 1024),  # a phone sends fewer operations at once
    ("/api/v1/imports", 65 * 1024 * 1024),
    ("/api/v1/documents", 101 * 1024 * 1024),
    ("/a", 41 * 1024 * 1024),  # a request with its photos
    ("/api/v1/mail/inbound", 25 * 1024 * 1024),
    ("/api/v1/case-files", 26 * 1024 * 1024),
)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Sign-in and tracking links carry their secret in the address.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
POLICY = "frame-ancestors 'none'; base-uri 'self'; object-src 'none'; form-action 'self'; img-src 'self' data: blob:"
# The escape that JSON writes a NUL as, or the byte itself; not the six letters behind an escaped backslash.
_NUL = re.compile(rb"\x00|(?<!\\)(?:\\\\)*\\u0000")
_TAIL = 64  # bytes looked at again with what follows them


class Guard:
    """Refuses bodies above the bound with 413 and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, pictures: str | None = None) -> None:
        """`pictures`: where else pages may load pictures from, such as the tiles of a map."""
        self._app = app
        self._headers = HEADERS | {"Content-Security-Policy": f"{POLICY} {pictures}" if pictures else POLICY}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = max_body(scope["path"])
        told = dict(scope["headers"]).get(b"content-length", b"")
        if told.isdigit() and int(told[:20]) > most:  # refused before a byte of it is read
            await _too_large(most, self._headers)(scope, receive, send)
            return
        seen = 0
        looked = _reads_json(scope)
        tail = b""

        async def bounded() -> Message:
            nonlocal seen, tail
            message = await receive()
            body = message.get("body", b"")
            seen += len(body)
            if seen > most:
                raise HTTPException(413, f"a request body has at most {most} bytes")
            if looked and _NUL.search(tail + body):
                raise HTTPException(422, "a text holds a NUL character, which cannot be stored")
            tail = body[-_TAIL:] if len(body) >= _TAIL else (tail + body)[-_TAIL:]
            return message

        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, bounded, careful)


def _reads_json(scope: Scope) -> bool:
    """What people and programs write is looked at; of what devices send even the unreadable is kept."""
    path, kind = scope["path"], dict(scope["headers"]).get(b"content-type", b"")
    # Of a phone's batch one operation is refused, not all of them.
    device = path.startswith("/api/v1/devices/") or "/inbound/" in path or path == "/api/v1/sync"
    return path.startswith("/api/") and not device and (not kind or b"json" in kind.lower())


def max_body(path: str) -> int:
    """Return how many bytes a request to this path may carry."""
    return next((most for start, most in MAX_FILE_BODIES if path == start or path.startswith(f"{start}/")), MAX_BODY)


def _too_large(most: int, careful: dict[str, str]) -> JSONResponse:
    body = {
        "type": "urn:forewarn:problem:too_large",
        "title": "Too large",
        "status": 413,
        "detail": f"a request body has at most {most} bytes",
        "code": "too_large",
        "params": {"most": most},
    }
    headers = {**careful, "Connection": "close"}
    return JSONResponse(body, 413, headers, media_type="application/problem+json")
