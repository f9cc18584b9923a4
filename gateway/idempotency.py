"""Idempotency-Key: a write that is sent twice is done once and answered twice."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, LargeBinary, Text, delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, Session, mapped_column
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assets.base.db import Base, Database

log = logging.getLogger(__name__)

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
CLAIM_LIFE = timedelta(minutes=1)  # no request runs that long: its first one died
MAX_BODY = 256 * 1024  # larger answers are not kept: such a request is simply done again


class IdempotencyKey(Base):
    """An answer already given; forgotten after a day."""

    __tablename__ = "idempotency_keys"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    created_at: Mapped[datetime]
    status: Mapped[int | None]
    content_type: Mapped[str | None] = mapped_column(Text)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Claim:
    """One request's hold on a key; the moment tells it from a request that took the key over."""

    digest: bytes
    at: datetime

    def mine(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return the conditions under which the row is still this claim's."""
        return IdempotencyKey.digest == self.digest, IdempotencyKey.created_at == self.at


@dataclass(frozen=True)
class Answer:
    """What is sent for a repeated request."""

    status: int
    content_type: str
    body: bytes


def _problem(status: int, title: str, detail: str, code: str) -> Answer:
    # Not from gateway.api: workers know this table too, and do without the HTTP side.
    body = {"type": f"urn:forewarn:problem:{code}", "title": title, "status": status, "detail": detail, "code": code}
    return Answer(status, "application/problem+json", json.dumps(body | {"params": {}}).encode())


IN_PROGRESS = _problem(409, "In progress", "the first request with this Idempotency-Key still runs", "in_progress")
AWAY = _problem(503, "Database not available", "try again in a few seconds", "database_unavailable")


class IdempotencyMiddleware:
    """Answers a repeated write from the first answer; a repeat while the first still runs gets 409.

    The answer is kept before it is sent. A first request that dies leaves its claim without an answer; after
    `CLAIM_LIFE` the next one takes the claim over and does the write.
    """

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app, self._database = app, database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        headers = dict(scope.get("headers") or ())
        key = headers.get(b"idempotency-key", b"")
        if scope["type"] != "http" or scope["method"] not in UNSAFE or not key:
            await self._app(scope, receive, send)
            return
        who = headers.get(b"authorization", b"") + headers.get(b"cookie", b"")
        what = (key, who, scope["method"].encode(), scope["path"].encode(), scope.get("query_string", b""))
        claim = Claim(hashlib.sha256(b"\0".join(what)).digest(), datetime.now(UTC))
        try:
            known = await run_in_threadpool(self._claim, claim)
        except (OperationalError, PoolTimeout):
            await _answer(send, AWAY)
            return
        if known is not None:
            await _answer(send, known, replayed=True)
            return
        await self._run(scope, receive, send, claim)

    async def _run(self, scope: Scope, receive: Receive, send: Send, claim: Claim) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self._app(scope, receive, keep)
        except BaseException:
            await run_in_threadpool(self._forget, claim)
            raise
        await self._settle(messages, claim)
        for message in messages:
            await send(message)

    async def _settle(self, messages: list[Message], claim: Claim) -> None:
        """Keep the answer, or forget the claim: a refused write may be tried again."""
        body = b"".join(message.get("body", b"") for message in messages)
        headers = dict(messages[0]["headers"]) if messages else {}
        status = int(messages[0]["status"]) if messages else 500
        if status >= 400 or len(body) > MAX_BODY or _secret(headers):
            await run_in_threadpool(self._forget, claim)
        else:
            answer = Answer(status, headers.get(b"content-type", b"").decode(), body)
            await run_in_threadpool(self._store, claim, answer)

    def _claim(self, claim: Claim) -> Answer | None:
        """Claim the key; None when it is new or its first request died, else the answer to give."""
        dead = IdempotencyKey.status.is_(None) & (IdempotencyKey.created_at < claim.at - CLAIM_LIFE)
        with self._database.as_service() as session:
            made = session.execute(
                insert(IdempotencyKey)
                .values(digest=claim.digest, created_at=claim.at)
                .on_conflict_do_update(
                    index_elements=[IdempotencyKey.digest], set_={"created_at": claim.at}, where=dead
                )
                .returning(IdempotencyKey.digest)
            ).first()
            if made:
                return None
            row = session.get(IdempotencyKey, claim.digest)
            if row is None or row.status is None:
                return IN_PROGRESS
            return Answer(row.status, row.content_type or "", row.body or b"")

    def _store(self, claim: Claim, answer: Answer) -> None:
        with self._quietly() as session:
            session.execute(
                update(IdempotencyKey)
                .where(*claim.mine())
                .values(status=answer.status, content_type=answer.content_type, body=answer.body)
            )

    def _forget(self, claim: Claim) -> None:
        with self._quietly() as session:
            session.execute(delete(IdempotencyKey).where(*claim.mine()))

    @contextmanager
    def _quietly(self) -> Iterator[Session]:
        """The write is done, or refused, by now: a database that has just gone away must not change that answer."""
        try:
            with self._database.as_service() as session:
                yield session
        except (OperationalError, PoolTimeout) as error:
            log.warning("claim of an Idempotency-Key stays without its answer: %s", error)


def _secret(headers: dict[bytes, bytes]) -> bool:
    """Answers that carry a cookie or a secret are not written down; such a request is simply done again."""
    return b"set-cookie" in headers or b"no-store" in headers.get(b"cache-control", b"")


async def _answer(send: Send, answer: Answer, *, replayed: bool = False) -> None:
    headers = [(b"content-type", answer.content_type.encode())] if answer.content_type else []
    if replayed:
        headers.append((b"idempotency-replayed", b"true"))
    if answer.status == 503:
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
