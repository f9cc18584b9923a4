"""Credentials, sign-in sessions, one-time links and API tokens; secrets are stored as hashes only."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ForeignKey, LargeBinary, Text, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor, Role
from assets.base.db import Base, Identified
from assets.base.errors import Invalid, RuleError
from assets.people import Membership, Person, actor_of, bind_customer, normal_email

SESSION_LIFE = timedelta(days=14)
LINK_LIFE = timedelta(hours=24)
MIN_PASSWORD = 10
MAX_PASSWORD = 1000  # hashing time grows with length
MAX_FAILURES = 10  # per person and quarter of an hour: guessing stays slow, a person who mistypes is not locked out
FAILURE_WINDOW = timedelta(minutes=15)

_hasher = PasswordHasher()


class SignInFailed(RuleError):
    """Wrong e-mail or password, or a link that is used up; deliberately does not say which."""

    code = "sign_in_failed"


class TooManyFailures(RuleError):
    """Too many failed attempts for this person; try again in a quarter of an hour."""

    code = "too_many_failures"


class Credential(Base):
    """A person's password, argon2id."""

    __tablename__ = "credentials"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    password_hash: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]


class SignInFailure(Identified, Base):
    """A failed attempt; counted, then forgotten."""

    __tablename__ = "sign_in_failures"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]


class SignInSession(Base):
    """A signed-in browser."""

    __tablename__ = "sign_in_sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class SignInLink(Base):
    """A link that signs one person in once."""

    __tablename__ = "sign_in_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ApiToken(Identified, Base):
    """A bearer token with one role in one organisation."""

    __tablename__ = "api_tokens"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


def token_hash(token: str) -> bytes:
    """Tokens carry 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def set_password(
    session: Session, person: Person, password: str, now: datetime, *, keep_session: str | None = None
) -> None:
    """Store a new password; every other way in ends: open sessions but the one kept, and unused links.

    Raises Invalid when it is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Invalid(f"a password has at least {MIN_PASSWORD} characters", field="password", minimum=MIN_PASSWORD)
    session.merge(Credential(person_id=person.id, password_hash=_hasher.hash(password), changed_at=now))
    others = delete(SignInSession).where(SignInSession.person_id == person.id)
    if keep_session:
        others = others.where(SignInSession.token_hash != token_hash(keep_session))
    session.execute(others)
    session.execute(delete(SignInLink).where(SignInLink.person_id == person.id, SignInLink.used_at.is_(None)))
    session.execute(delete(SignInFailure).where(SignInFailure.person_id == person.id))


def sign_in(session: Session, email: str, password: str, now: datetime) -> Person:
    """Return the person whose e-mail and password these are.

    Raises SignInFailed, or TooManyFailures after ten failures in a quarter of an hour.
    """
    person = session.scalar(select(Person).where(Person.email == normal_email(email)))
    credential = session.get(Credential, person.id) if person and not person.disabled_at else None
    if person is None or credential is None:
        _hasher.hash(password)  # as slow as a real check, so that time does not tell who exists
        raise SignInFailed
    recent = select(func.count()).where(SignInFailure.person_id == person.id, SignInFailure.at > now - FAILURE_WINDOW)
    if (session.scalar(recent) or 0) >= MAX_FAILURES:
        raise TooManyFailures
    try:
        _hasher.verify(credential.password_hash, password)
    except (VerificationError, InvalidHashError):
        session.add(SignInFailure(person_id=person.id, at=now))
        raise SignInFailed from None
    session.execute(delete(SignInFailure).where(SignInFailure.person_id == person.id))
    if _hasher.check_needs_rehash(credential.password_hash):
        credential.password_hash = _hasher.hash(password)
    return person


def make_link(session: Session, person_id: UUID, now: datetime) -> str:
    """Return the token of a new one-time sign-in link, good for a day."""
    token = secrets.token_urlsafe(32)
    session.add(SignInLink(token_hash=token_hash(token), person_id=person_id, expires_at=now + LINK_LIFE))
    session.flush()
    return token


def use_link(session: Session, token: str, now: datetime) -> Person:
    """Use up a one-time link. Raises SignInFailed when it was used, has expired or never was."""
    link = session.get(SignInLink, token_hash(token), with_for_update=True)
    if link is None or link.used_at or link.expires_at <= now:
        raise SignInFailed("this sign-in link was used or has expired; ask for a new one", link=True)
    person = session.get(Person, link.person_id)
    if person is None or person.disabled_at:
        raise SignInFailed
    link.used_at = now
    return person


def open_session(session: Session, person: Person, now: datetime) -> str:
    """Return the token of a new signed-in session; forgets expired sessions and links on the way."""
    session.execute(delete(SignInSession).where(SignInSession.expires_at < now))
    session.execute(delete(SignInLink).where(SignInLink.expires_at < now - LINK_LIFE))
    token = secrets.token_urlsafe(32)
    session.add(
        SignInSession(token_hash=token_hash(token), person_id=person.id, created_at=now, expires_at=now + SESSION_LIFE)
    )
    session.flush()
    return token


def close_session(session: Session, token: str) -> None:
    """Forget a signed-in session."""
    session.execute(delete(SignInSession).where(SignInSession.token_hash == token_hash(token)))


def actor_of_session(session: Session, token: str, now: datetime) -> Actor | None:
    """Return who a session cookie stands for, None when it is unknown or has expired."""
    row = session.execute(
        select(Person)
        .join(SignInSession, SignInSession.person_id == Person.id)
        .where(SignInSession.token_hash == token_hash(token), SignInSession.expires_at > now)
    ).scalar_one_or_none()
    return actor_of(session, row) if row and not row.disabled_at else None


def make_token(session: Session, organisation_id: UUID, role: Role, now: datetime) -> str:
    """Return a new API token with one role in one organisation."""
    token = "fw_" + secrets.token_urlsafe(32)
    session.add(ApiToken(token_hash=token_hash(token), organisation_id=organisation_id, role=role, created_at=now))
    session.flush()
    return token


def actor_of_token(session: Session, token: str) -> Actor | None:
    """Return who a bearer token stands for, None when it is unknown or revoked."""
    found = session.scalar(
        select(ApiToken).where(ApiToken.token_hash == token_hash(token), ApiToken.revoked_at.is_(None))
    )
    if found is None:
        return None
    actor = Actor("token", found.organisation_id, frozenset({Role(found.role)}), None, f"token:{found.role}")
    return bind_customer(session, actor, None)


def people_with_role(session: Session, role: Role) -> list[Person]:
    """Return the people that hold a role, oldest first."""
    return list(
        session.scalars(
            select(Person)
            .join(Membership, Membership.person_id == Person.id)
            .where(Membership.role == role, Person.disabled_at.is_(None))
            .order_by(Person.created_at, Person.id)
        )
    )
