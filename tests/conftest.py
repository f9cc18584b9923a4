"""The real servers that tests share: PostgreSQL, TimescaleDB, Mosquitto, recorded fleets."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from gateway.supervise.mosquitto import EmbeddedMosquitto, hash_password
from gateway.supervise.postgres import OWNER, EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "forewarn_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that other users may enter (pytest's own may not), for servers that drop root."""
    folder = Path(tempfile.mkdtemp(prefix="forewarn-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL of our own; quick rather than durable."""
    quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
    with EmbeddedPostgres(server_folder / "cluster", settings=quick) as server:
        yield server


@pytest.fixture(scope="session")
def superuser_url(cluster: EmbeddedPostgres) -> str:
    """URL of the superuser in the database `postgres`."""
    return cluster.superuser_url


@pytest.fixture(scope="session")
def empty_template(cluster: EmbeddedPostgres) -> str:
    """Name of a database with our extensions and nothing else, owned by the role forewarn."""
    _create_database(cluster.superuser_url, "forewarn_empty", "template1")
    cluster.create_extensions("forewarn_empty")
    return "forewarn_empty"


@pytest.fixture(scope="session")
def migrated_template(cluster: EmbeddedPostgres, empty_template: str) -> str:
    """Name of a database with all migrations applied; copying it takes a tenth of migrating it."""
    from gateway.migrate import upgrade

    _create_database(cluster.superuser_url, TEMPLATE, empty_template)
    upgrade(cluster.url_of(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def make_database(cluster: EmbeddedPostgres, empty_template: str) -> Iterator[Callable[..., str]]:
    """Make fresh databases: `make_database()` an empty one, `make_database(template)` a copy; returns the URL."""
    made: list[str] = []

    def make(template: str | None = None) -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        _create_database(cluster.superuser_url, name, template or empty_template)
        made.append(name)
        return cluster.url_of(name)

    yield make
    with psycopg.connect(cluster.superuser_url, autocommit=True) as connection:
        for name in made:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_database(make_database: Callable[..., str]) -> str:
    """URL of a fresh database with our extensions and no tables, for the role forewarn."""
    return make_database()


@pytest.fixture
def database_url(make_database: Callable[..., str], migrated_template: str) -> str:
    """URL of a fresh migrated database, for the role forewarn, which owns it."""
    return make_database(migrated_template)


def _create_database(superuser_url: str, name: str, template: str) -> None:
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
        for attempt in range(20):
            try:
                connection.execute(statement.format(*map(sql.Identifier, (name, OWNER, template))))
                return
            except psycopg.errors.ObjectInUse:  # a connection to the template that is just closing
                if attempt == 19:
                    raise
                time.sleep(0.1)


class TestBroker(EmbeddedMosquitto):
    """A broker to which tests add devices."""

    __test__ = False

    def add_device(self, serial: str, password: str) -> str:
        """Add an account beside the present ones; returns the device's URL."""
        self.set_credentials({**self.credentials(), serial: hash_password(password)})
        return f"mqtt://{serial}:{password}@127.0.0.1:{self.port}"


@pytest.fixture(scope="session")
def broker(server_folder: Path) -> Iterator[TestBroker]:
    """A running Mosquitto of our own."""
    with TestBroker(server_folder / "broker") as server:
        yield server


@pytest.fixture(scope="session")
def fleets() -> Path:
    """Folder of the recorded fleets (FLEETS); without it the test skips visibly, in CI it fails."""
    folder = Path(os.environ.get("FLEETS", "../shared/data"))
    folder = folder if folder.is_absolute() else ROOT / folder
    if not folder.is_dir():
        message = f"recorded fleets are absent: {folder} (set FLEETS)"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
