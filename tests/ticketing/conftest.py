"""A world in a fresh database per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.base.db import Database
from tests.ticketing.field import Field
from tests.ticketing.world import World, make_world


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    database = Database(database_url)
    yield make_world(database)
    database.dispose()


@pytest.fixture
def field(world: World, tmp_path: Path) -> Field:
    """The field's routes over the world."""
    return Field(world, tmp_path)
