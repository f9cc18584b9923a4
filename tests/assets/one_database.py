"""One database for all tests of a module: each test works in organisations of its own and sees no other rows."""

from __future__ import annotations

from collections.abc import Iterator

from assets.base.db import Database
from tests.conftest import AnyCluster, _database_maker


def migrated(cluster: AnyCluster, empty_template: str, migrated_template: str) -> Iterator[Database]:
    """A migrated database that lives as long as the module's tests."""
    for make in _database_maker(cluster, empty_template):
        made = Database(make(migrated_template), pool_size=4)
        yield made
        made.dispose()
