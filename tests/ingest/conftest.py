"""The store's shared suite: the same tests against plain PostgreSQL and TimescaleDB."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from assets.base.db import Database
from ingest.store.base import Connection


@pytest.fixture(params=["postgresql", pytest.param("timescaledb", marks=pytest.mark.timescale)])
def url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh migrated database, of each edition in turn."""
    fixture = "database_url" if request.param == "postgresql" else "timescale_database_url"
    found: str = request.getfixturevalue(fixture)
    return found


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """A connection with the service's rights, as ingest has it."""
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("SET ROLE forewarn_service")
        yield opened


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The same database for sessions."""
    opened = Database(url)
    yield opened
    opened.dispose()
