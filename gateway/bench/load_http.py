"""A small HTTP client for many users in one process: kept connections, and few cycles of its own a request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

ANSWER_S = 30.0  # then the request counts as unanswered
UNANSWERED = 0  # the status of a request without an answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    cookie: str = ""
    etag: str = ""

    def json(self) -> Any:
        """Return the body."""
        return orjson.loads(self.body)


@dataclass
class Client:
    """One user's browser: its session, and connections that are kept as browsers keep them."""

    host: str
    port: int
    address: str  # where it says that it is: limits are by address
    cookie: str = ""
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, body: Any = None, *, etag: str = "", key: str = "", kind: str = "application/json"
    ) -> Answer:
        """Send one request and read its answer; an idle connection that the server has closed is replaced once."""
        sent = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        request = self._head(method, path, len(sent), etag, key, kind) + sent
        kept = bool(self._idle)
        try:
            return await asyncio.wait_for(self._exchange(request), ANSWER_S)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            if not kept:
                return Answer(UNANSWERED, b"")
        except TimeoutError:
            return Answer(UNANSWERED, b"")
        self.close()
        try:
            return await asyncio.wait_for(self._exchange(request), ANSWER_S)
        except (OSError, asyncio.IncompleteReadError, ValueError, TimeoutError):
            return Answer(UNANSWERED, b"")

    async def listen(self, path: str) -> int:
        """Hold a stream of server-sent events open until cancelled; return how many lines came."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        lines = 0
        try:
            writer.write(self._head("GET", path, 0, "", "", ""))
            while await reader.readline():
                lines += 1
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
        return lines

    def close(self) -> None:
        """Close what is kept."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    def _head(self, method: str, path: str, length: int, etag: str, key: str, kind: str) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "X-Forewarn: 1",
            f"X-Forwarded-For: {self.address}",
        ]  # fmt: skip
        if self.cookie:
            lines.append(f"Cookie: {self.cookie}")
        if etag:
            lines.append(f"If-None-Match: {etag}")
        if key:
            lines.append(f"Idempotency-Key: {key}")
        if length:
            lines += [f"Content-Type: {kind}", f"Content-Length: {length}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _exchange(self, request: bytes) -> Answer:
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(request)
            answer, keep = await _read(reader)
        except BaseException:
            writer.close()
            raise
        if keep:
            self._idle.append((reader, writer))
        else:
            writer.close()
        return answer


async def _read(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    status = int(head[0].split(" ", 2)[1])
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while length := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(length)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif length := int(headers.get("content-length", 0)):
        body = await reader.readexactly(length)
    cookie = headers.get("set-cookie", "").partition(";")[0]
    return Answer(status, body, cookie, headers.get("etag", "")), headers.get("connection", "") != "close"
