"""Idempotency-Key: a write that is sent twice is done once and answered twice."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from sqlalchemy import LargeBinary, Text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assets.base.db import Base, Database

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MAX_KEY = 200
MAX_BODY = 256 * 1024  # larger answers are not kept: such a request is simply done again


class IdempotencyKey(Base):
    """An answer already given; forgotten after a day."""

    __tablename__ = "idempotency_keys"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    created_at: Mapped[datetime]
    status: Mapped[int | None]
    content_type: Mapped[str | None] = mapped_column(Text)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


class IdempotencyMiddleware:
    """Answers a repeated write from the first answer; a repeat while the first still runs gets 409."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app, self._database = app, database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        headers = dict(scope.get("headers") or ())
        key = headers.get(b"idempotency-key", b"")[:MAX_KEY]
        if scope["type"] != "http" or scope["method"] not in UNSAFE or not key:
            await self._app(scope, receive, send)
            return
        who = headers.get(b"authorization", b"") + headers.get(b"cookie", b"")
        digest = hashlib.sha256(b"\0".join((key, who, scope["method"].encode(), scope["path"].encode()))).digest()
        known = await run_in_threadpool(self._claim, digest)
        if known is not None:
            await _answer(send, *known)
            return
        await self._run(scope, receive, send, digest)

    async def _run(self, scope: Scope, receive: Receive, send: Send, digest: bytes) -> None:
        kept: list[bytes] = []
        start: dict[str, object] = {}

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                kept.append(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, keep)
        except BaseException:
            await run_in_threadpool(self._forget, digest)
            raise
        status = start.get("status")
        if not isinstance(status, int) or status >= 400 or sum(map(len, kept)) > MAX_BODY:
            await run_in_threadpool(self._forget, digest)  # a refused write may be tried again
            return
        raw = start.get("headers")
        content_type = dict(raw).get(b"content-type", b"") if isinstance(raw, list) else b""
        await run_in_threadpool(self._store, digest, status, content_type.decode(), b"".join(kept))

    def _claim(self, digest: bytes) -> tuple[int, str, bytes] | None:
        """Claim the key; None when it is new, else the answer to give."""
        with self._database.as_service() as session:
            made = session.execute(
                insert(IdempotencyKey)
                .values(digest=digest, created_at=datetime.now(UTC))
                .on_conflict_do_nothing()
                .returning(IdempotencyKey.digest)
            ).first()
            if made:
                return None
            row = session.get(IdempotencyKey, digest)
            if row is None or row.status is None:
                return 409, "application/problem+json", b'{"status":409,"code":"in_progress","title":"In progress"}'
            return row.status, row.content_type or "application/json", row.body or b""

    def _store(self, digest: bytes, status: int, content_type: str, body: bytes) -> None:
        with self._database.as_service() as session:
            row = session.get(IdempotencyKey, digest)
            if row:
                row.status, row.content_type, row.body = status, content_type, body

    def _forget(self, digest: bytes) -> None:
        with self._database.as_service() as session:
            row = session.get(IdempotencyKey, digest)
            if row:
                session.delete(row)


async def _answer(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [(b"content-type", content_type.encode()), (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
