"""The database: declarative base, engine, and transactions that begin with a role and an actor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from sqlalchemy import DateTime, Engine, ForeignKey, MetaData, create_engine, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declared_attr, mapped_column, sessionmaker

from assets.base.access import Actor
from assets.base.ids import uuid7

APP_ROLE = "forewarn_app"
SERVICE_ROLE = "forewarn_service"
READER_ROLE = "forewarn_reader"
NOWHERE = UUID(int=0)  # an organisation that owns nothing
CONNECT_S = 10  # a server that does not answer is away; without a limit libpq waits for minutes

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables of all rooms; times are aware, JSON is JSONB."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        # None is SQL NULL, never the JSON word null: `IS NULL` must find it.
        dict[str, Any]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
    }


class Identified:
    """A UUIDv7 primary key."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)


class Versioned:
    """Counts the edits that people make: `If-Match` names the one that a change is based on.

    Not SQLAlchemy's own version: what workers write meanwhile (operation, presence) is no edit.
    """

    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))


class Owned:
    """Belongs to one organisation; row-level security shows it to that organisation and its ancestors."""

    @declared_attr
    @classmethod
    def organisation_id(cls) -> Mapped[UUID]:
        """Owner."""
        return mapped_column(ForeignKey("organisations.id"), index=True)


class Executed(Owned):
    """Also shown to the organisation that carries the work out."""

    @declared_attr
    @classmethod
    def executing_organisation_id(cls) -> Mapped[UUID | None]:
        """Executor; None: the owner itself or its ancestor."""
        return mapped_column(ForeignKey("organisations.id"), index=True)


class Database:
    """Opens transactions; one per request or job, committed at the door."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        # Bounded: a request that finds no connection within 10 s fails clearly instead of piling up.
        self.engine: Engine = create_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=10,
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_S},
        )
        # Many new rows go in one statement: row policies, hashed once for each, cost more than the rows themselves.
        self.engine.dialect.use_insertmanyvalues_wo_returning = True
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def as_service(self) -> Iterator[Session]:
        """Open a transaction as ingest or a worker: sees every organisation."""
        with self._sessions() as session, session.begin():
            session.execute(text(f"SET LOCAL ROLE {SERVICE_ROLE}"))
            yield session

    @contextmanager
    def as_actor(self, actor: Actor) -> Iterator[Session]:
        """Open a transaction in which row-level security shows what this actor may see."""
        with self._sessions() as session, session.begin():
            enter_actor(session, actor)
            yield session

    @contextmanager
    def as_owner(self) -> Iterator[Session]:
        """Open a transaction with the rights of the login role, for DDL such as partitions; sees no tenant's rows."""
        with self._sessions() as session, session.begin():
            yield session

    def dispose(self) -> None:
        """Close pooled connections."""
        self.engine.dispose()


def enter_actor(session: Session, actor: Actor) -> None:
    """Set role and actor for the rest of this transaction; a commit drops both."""
    session.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))
    # Bind parameters do not work with SET, so set_config.
    session.execute(
        text(
            "SELECT set_config('forewarn.organisation_id', :organisation, true),"
            " set_config('forewarn.person_id', :person, true),"
            " set_config('forewarn.customer_ids', :customers, true)"
        ),
        {
            "organisation": str(actor.organisation_id if actor.bound is None else NOWHERE),
            "person": str(actor.person_id or ""),
            "customers": ",".join(sorted(map(str, actor.bound or ()))),
        },
    )


@contextmanager
def service_rights(session: Session) -> Iterator[None]:
    """Be the service for some statements of an actor's transaction, then whoever it was before.

    For what no organisation owns (keys, chains across organisations); what comes back must say nothing of others.
    """
    before = session.scalar(text("SELECT current_user"))
    session.execute(text(f"SET LOCAL ROLE {SERVICE_ROLE}"))
    yield
    session.execute(text(f"SET LOCAL ROLE {APP_ROLE if before == APP_ROLE else SERVICE_ROLE}"))


def sqlalchemy_url(url: str) -> str:
    """Name the psycopg 3 driver in a plain PostgreSQL URL, and several hosts (a replicated server) its way."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            url = "postgresql+psycopg://" + url.removeprefix(plain)
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return url
    query = "&".join([*(f"host={each}" for each in hosts.split(",")), *filter(None, [parts.query])])
    return urlunsplit(parts._replace(netloc=f"{account}{at}", query=query))


def plain_url(url: str) -> str:
    """Undo `sqlalchemy_url`, for psycopg itself and for procrastinate."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
