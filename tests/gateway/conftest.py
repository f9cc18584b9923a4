"""The HTTP application over a real database, with an operator, a customer, a partner and a stranger in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.testclient import TestClient

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.people import Organisation, Person, add_organisation, add_person
from gateway.app import make_app
from gateway.settings import Settings
from gateway.sign_in import Credential, make_token

PASSWORD = "a long enough password"


@dataclass
class Plant:
    """The application, and who is in its database; `client(token)` speaks to it."""

    app: FastAPI
    database: Database
    operator: Organisation
    customer: Organisation
    partner: Organisation
    stranger: Organisation
    ada: Person  # the operator's administrator, signs in with PASSWORD

    def client(self, token: str | None = None, base_url: str = "http://testserver") -> TestClient:
        """A browser or program with cookies of its own; with a token it sends that."""
        headers = {"Authorization": f"Bearer {token}"} if token else {"X-Forewarn": "1"}
        return TestClient(self.app, base_url=base_url, headers=headers, raise_server_exceptions=False)

    def token(self, organisation: Organisation | None = None, role: Role = Role.ADMINISTRATOR) -> str:
        """A new token, of the operator's administrator unless told otherwise."""
        with self.database.as_service() as session:
            return make_token(session, (organisation or self.operator).id, role, datetime.now(UTC))

    def administrator(self) -> TestClient:
        """A client with the operator's administrator token."""
        return self.client(self.token())

    def actor(self, organisation: Organisation, *roles: Role) -> Actor:
        """Somebody of an organisation, administrator unless told otherwise."""
        return Actor("person", organisation.id, frozenset(roles or {Role.ADMINISTRATOR}))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, pool_size=4)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Hashing is slow by intention, so once is enough."""
    return PasswordHasher().hash(PASSWORD)


@pytest.fixture
def plant(database: Database, database_url: str, tmp_path: Path, password_hash: str) -> Plant:
    now = datetime.now(UTC)
    with database.as_service() as session:
        operator = add_organisation(session, kind="operator", name="Operator", now=now)
        ada = add_person(
            session,
            organisation_id=operator.id,
            name="Ada",
            email="Ada@example.com",
            roles=[Role.ADMINISTRATOR],
            now=now,
        )
        session.add(Credential(person_id=ada.id, password_hash=password_hash, changed_at=now))
        plant = Plant(
            app=make_app(Settings(database_url=database_url, data=tmp_path), database),
            database=database,
            operator=operator,
            customer=add_organisation(session, kind="customer", name="Customer", now=now, parent=operator),
            partner=add_organisation(session, kind="partner", name="Partner", now=now, parent=operator),
            stranger=add_organisation(session, kind="operator", name="Stranger", now=now),
            ada=ada,
        )
    return plant
