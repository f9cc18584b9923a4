"""What every route gets: the actor, their transaction and the clock; committed before the answer leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID
from weakref import WeakKeyDictionary

from fastapi import Depends, Request, Response
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from assets.base.access import Actor, require
from assets.base.db import Database, enter_actor
from assets.base.errors import Forbidden, RuleError
from gateway.settings import Settings
from gateway.sign_in import actor_of_session, actor_of_token

COOKIE = "forewarn_session"
# Cookies know no ports: on a host that serves HTTP too, a Secure one of the same name would shut the other out.
SECURE_COOKIE = "__Host-forewarn_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_NOWHERE = UUID(int=0)
# Requests with an open transaction at a time, in one process. Fewer than there are connections (`POOL`): whoever holds
# a connection and waits for a thread must never meet forty threads that wait for a connection. More would only make
# them all slow: Python works on one at a time.
ADMITTED = 12
POOL = 16  # connections that are kept; as many again when something holds them long
ADMISSION_S = 10.0


class NotSignedIn(RuleError):
    """No session and no token, or one that has expired."""

    code = "not_signed_in"


@dataclass(slots=True)
class Context:
    """One request: its transaction (row-level security active), who asks, and when."""

    session: Session
    actor: Actor
    now: datetime
    settings: Settings

    def require(self, action: str) -> None:
        """Raise Forbidden unless the actor may do this."""
        require(self.actor, action)


def database_of(request: Request) -> Database:
    """Return the database the application was made with."""
    database: Database = request.app.state.database
    return database


def settings_of(request: Request) -> Settings:
    """Return the settings the application was made with."""
    settings: Settings = request.app.state.settings
    return settings


def authenticate(session: Session, request: Request, now: datetime) -> Actor:
    """Return who asks, by bearer token or session cookie. Raises NotSignedIn or Forbidden."""
    authorization = request.headers.get("authorization", "")
    if authorization.lower().startswith("bearer "):
        actor = actor_of_token(session, authorization[7:].strip())
    else:
        cookie = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
        actor = actor_of_session(session, cookie, now) if cookie else None
        # A form on another site can send the cookie but not this header.
        if actor and request.method not in SAFE_METHODS and request.headers.get("x-forewarn") != "1":
            raise Forbidden("requests with a session cookie that change something need the header X-Forewarn: 1")
    if actor is None:
        raise NotSignedIn("sign in, or send a bearer token")
    return actor


class Admission:
    """Lets so many in at a time, in the order in which they came; each event loop has its own places."""

    def __init__(self, places: int = ADMITTED) -> None:
        self._places = places
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place. Raises PoolTimeout when there is none for ten seconds."""
        gate = self._gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self._places))
        try:
            await asyncio.wait_for(gate.acquire(), ADMISSION_S)
        except TimeoutError:
            raise PoolTimeout("too many requests at a time") from None
        try:
            yield
        finally:
            gate.release()


async def admitted(request: Request) -> AsyncIterator[None]:
    """Wait for a place without holding a thread or a connection meanwhile."""
    admission: Admission = request.app.state.admission
    async with admission.place():
        yield


Place = Annotated[None, Depends(admitted, scope="function")]


def context(request: Request, _: Place) -> Iterator[Context]:
    """Open the request's transaction as its actor; commit at the end, roll back on any error."""
    now = datetime.now(UTC)
    with database_of(request).as_service() as session:
        actor = authenticate(session, request, now)
        enter_actor(session, actor)
        yield Context(session, actor, now, settings_of(request))


def service_context(request: Request, _: Place) -> Iterator[Context]:
    """Open a transaction for routes that need no sign-in; such a route itself decides what it shows."""
    settings = settings_of(request)
    with database_of(request).as_service() as session:
        nobody = Actor("public", _NOWHERE, frozenset())
        yield Context(session, nobody, datetime.now(UTC), settings)


def no_store(response: Response) -> None:
    """Mark an answer that carries a secret: no cache keeps it, nor does the table of answers to repeated writes."""
    response.headers["Cache-Control"] = "no-store"


# Function scope: the commit happens before the answer is sent, so a client never sees success that was rolled back.
Here = Annotated[Context, Depends(context, scope="function")]
Public = Annotated[Context, Depends(service_context, scope="function")]
