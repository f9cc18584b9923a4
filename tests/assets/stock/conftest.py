"""The store that tests of stock begin with: an organisation of its own in a database that a file's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from assets.base.db import Database
from gateway.supervise.postgres import EmbeddedPostgres
from tests.assets.stock.store import Store
from tests.conftest import _database_maker


@pytest.fixture(scope="module")
def stock_url(cluster: EmbeddedPostgres, empty_template: str, migrated_template: str) -> Iterator[str]:
    with contextmanager(_database_maker)(cluster, empty_template) as make:
        yield make(migrated_template)


@pytest.fixture(scope="module")
def stock_database(stock_url: str) -> Iterator[Database]:
    made = Database(stock_url, pool_size=4)
    yield made
    made.dispose()


@pytest.fixture
def store(stock_database: Database) -> Store:
    return Store(stock_database)
