"""A world in a fresh database per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assets.base.db import Database
from tests.ticketing.world import World, make_world


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    database = Database(database_url)
    yield make_world(database)
    database.dispose()
