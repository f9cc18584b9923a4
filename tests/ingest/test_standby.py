"""Where a standby is required, nothing is acknowledged before it has the commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from assets.base.db import sqlalchemy_url
from gateway.migrate import upgrade
from gateway.supervise.postgres import EmbeddedPostgres
from tests.conftest import TestBroker
from tests.ingest.support import PASSWORD, IngestProcess, Publisher, add_device, batch, now_ms, query, wait_until


@pytest.fixture
def own_postgres(own_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL whose settings one test may change."""
    server = EmbeddedPostgres(own_folder)
    server.start()
    yield server
    server.stop()


def _require(server: EmbeddedPostgres, standby: str) -> None:
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = local")
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        connection.execute("SELECT pg_reload_conf()")


def _waiting(server: EmbeddedPostgres) -> list[int]:
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        return [row[0] for row in found]


def _break_off(server: EmbeddedPostgres, how: str) -> None:
    """Break off every wait for the standby; what was waited for is committed, on this server alone."""
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        for pid in _waiting(server):
            connection.execute(f"SELECT {how}(%s)".encode(), [pid])


def test_nothing_is_acknowledged_that_the_standby_has_not_confirmed(
    own_postgres: EmbeddedPostgres, broker: TestBroker
) -> None:
    upgrade(own_postgres.url)
    add_device(own_postgres.url, "ST-1")
    with (
        IngestProcess(own_postgres.url, broker.url),
        Publisher(broker.add_device("ST-1", PASSWORD), "ST-1") as publisher,
    ):
        publisher.wait_for_ingest()
        _require(own_postgres, "standby_that_is_away")
        publisher.send_batch("boot", 0, batch("boot", 0, [{"t": now_ms(), "values": {"a": 1}}]))
        # A renewed lease may wait too, and a row that waits is not seen: let what waits go on until it was the row's
        # turn. Only a cancelled wait goes on; who is terminated begins anew.
        _break_off(own_postgres, "pg_terminate_backend")

        def is_stored() -> bool:
            _break_off(own_postgres, "pg_cancel_backend")
            return query(own_postgres.url, "SELECT count(*) FROM samples") == [(1,)]

        wait_until(is_stored, 120)
        for how in ("pg_terminate_backend", "pg_cancel_backend", "pg_terminate_backend"):
            wait_until(lambda: bool(_waiting(own_postgres)), 60)
            _break_off(own_postgres, how)
        wait_until(lambda: bool(_waiting(own_postgres)), 60)
        assert list(publisher.waiting) == [("boot", 0)], "and not acknowledged"
        _require(own_postgres, "")
        publisher.send_until_acknowledged(120)
    assert query(own_postgres.url, "SELECT count(*) FROM samples") == [(1,)]


def test_several_database_hosts_are_named_as_the_driver_wants_them() -> None:
    url = sqlalchemy_url("postgresql://u:p@one:5432,two:5433/forewarn?target_session_attrs=read-write")
    assert url == "postgresql+psycopg://u:p@/forewarn?host=one:5432&host=two:5433&target_session_attrs=read-write"
    assert sqlalchemy_url("postgres://u:p@one/forewarn") == "postgresql+psycopg://u:p@one/forewarn"
