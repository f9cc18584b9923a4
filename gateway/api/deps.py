"""What every route gets: the actor, their transaction and the clock; committed before the answer leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response
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


def context(request: Request) -> Iterator[Context]:
    """Open the request's transaction as its actor; commit at the end, roll back on any error."""
    now = datetime.now(UTC)
    with database_of(request).as_service() as session:
        actor = authenticate(session, request, now)
        enter_actor(session, actor)
        yield Context(session, actor, now, settings_of(request))


def service_context(request: Request) -> Iterator[Context]:
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
