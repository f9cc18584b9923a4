"""One database for all tests of people at work: each test has an operator of its own and sees no other rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.db import Database
from assets.people import Person, add_organisation, add_person
from gateway.app import make_app
from gateway.settings import Settings
from tests.assets.one_database import migrated
from tests.conftest import AnyCluster
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import hired


@pytest.fixture(scope="session")
def kept(cluster: AnyCluster, empty_template: str, migrated_template: str) -> Iterator[Database]:
    """The database."""
    yield from migrated(cluster, empty_template, migrated_template)


@pytest.fixture(scope="session")
def app(kept: Database, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The application over it."""
    folder: Path = tmp_path_factory.mktemp("people")
    return make_app(Settings(database_url=kept.engine.url.render_as_string(hide_password=False), data=folder), kept)


@pytest.fixture
def plant(kept: Database, app: FastAPI) -> Plant:
    """An operator with a customer, a partner and a stranger beside it."""
    now = datetime.now(UTC)
    with kept.as_service() as session:
        operator = add_organisation(session, kind="operator", name="Operator", now=now)
        ada = add_person(
            session, organisation_id=operator.id, name="Ada", email=f"{uuid4()}@example.com",
            roles=[Role.ADMINISTRATOR], now=now,
        )  # fmt: skip
        return Plant(
            app=app,
            database=kept,
            operator=operator,
            customer=add_organisation(session, kind="customer", name="Customer", now=now, parent=operator),
            partner=add_organisation(session, kind="partner", name="Partner", now=now, parent=operator),
            stranger=add_organisation(session, kind="operator", name="Stranger", now=now),
            ada=ada,
        )


@pytest.fixture
def desk(plant: Plant) -> TestClient:
    """The operator's administrator."""
    return plant.administrator()


@pytest.fixture
def tom(plant: Plant) -> Person:
    """A technician of the operator."""
    return hired(plant, "Tom")
