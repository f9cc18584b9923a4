"""A small tree of organisations in a real database: operator above customer and partner, and a stranger beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.people import Organisation, add_organisation

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Tree:
    """Organisations by what they are to each other."""

    operator: Organisation
    customer: Organisation
    partner: Organisation
    stranger: Organisation


def actor_in(organisation: Organisation, *roles: Role) -> Actor:
    """Somebody of an organisation, administrator unless told otherwise."""
    return Actor("person", organisation.id, frozenset(roles or {Role.ADMINISTRATOR}), UUID(int=1), "Somebody")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, pool_size=4)
    yield made
    made.dispose()


@pytest.fixture
def tree(database: Database) -> Tree:
    with database.as_service() as session:
        operator = add_organisation(session, kind="operator", name="Operator", now=NOW)
        return Tree(
            operator=operator,
            customer=add_organisation(session, kind="customer", name="Customer", now=NOW, parent=operator),
            partner=add_organisation(session, kind="partner", name="Partner", now=NOW, parent=operator),
            stranger=add_organisation(session, kind="operator", name="Stranger", now=NOW),
        )
