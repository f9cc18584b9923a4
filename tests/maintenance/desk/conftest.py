"""A world with plans, in a fresh database per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assets.base.db import Database
from tests.maintenance.plans.workshop import Workshop
from tests.ticketing.world import make_world


@pytest.fixture
def workshop(database_url: str) -> Iterator[Workshop]:
    database = Database(database_url)
    yield Workshop(make_world(database))
    database.dispose()
