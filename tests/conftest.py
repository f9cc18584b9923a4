"""The real servers that tests share: PostgreSQL, TimescaleDB, Mosquitto, recorded fleets."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
from psycopg import sql

from gateway.supervise.binaries import installations
from gateway.supervise.mosquitto import EmbeddedMosquitto, hash_password
from gateway.supervise.postgres import EXTENSIONS, OWNER, EmbeddedPostgres
from tests.timescale_tree import TreeCluster, TreeUnavailable, cache_folder, ensure_tree, prepare_role

ROOT = Path(__file__).resolve().parent.parent
EMPTY = "forewarn_empty"
TEMPLATE = "forewarn_template"
# Without what a standby would need, a copy of a database takes a quarter of the time.
QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
MEMORY = Path("/dev/shm")
MEMORY_FREE = 4 * 2**30  # bytes; a server of the tests takes less than half a gigabyte
_numbers = itertools.count(1)

# The same examples in every run: what fails belongs to the change that is tested. `--hypothesis-profile=default` goes
# looking for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


# Processes, a broker or a browser on two busy cores: such a test that fails is run again, and the summary names it (R).
# Not what promises that nothing is lost or done twice: a lost row is one that never comes in time, and once in a
# hundred runs is a defect there.
_REAL = ("journeys", "gateway", "ingest", "edge_agent")
_EVERY_TIME = frozenset(
    ("test_chaos.py", "test_durability.py", "test_kill_anything.py", "test_storm.py", "test_traps.py")
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Let several workers share the tests by groups."""
    from tests.scheduling import make_scheduler

    return make_scheduler(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say what is run again, and let the longest groups begin where several workers share the tests."""
    for item in items:
        if item.path.parent.name in _REAL and item.path.name not in _EVERY_TIME:
            item.add_marker(pytest.mark.flaky(reruns=2))
    if hasattr(config, "workerinput"):
        from tests.scheduling import place_of

        items.sort(key=lambda item: place_of(item.nodeid))


def is_repeated(request: pytest.FixtureRequest) -> bool:
    """True for a test that failed and is run once more; what others share may hold what it left there."""
    return int(getattr(request.node, "execution_count", 1)) > 1


def busy() -> float:
    """How many times slower than a quiet machine this one is, by what waits for its processors; 1 when it is quiet."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class AnyCluster(Protocol):
    """What tests need of a PostgreSQL server, whoever runs it."""

    @property
    def superuser_url(self) -> str: ...

    def url_of(self, database: str, user: str = OWNER) -> str: ...


def unavailable(reason: str) -> NoReturn:
    """Skip visibly; continuous integration (CI=true) does not accept the skip."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that other users may enter (pytest's own may not), for servers that drop root."""
    folder = Path(tempfile.mkdtemp(prefix="forewarn-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def quick_folder(server_folder: Path) -> Iterator[Path]:
    """Where databases live that need not outlast their tests: in memory where there is room.

    Each of them is 2,000 files that are made and deleted; ext4 looks for inodes among those just deleted, which takes
    half of the processors' time (measured).
    """
    if not _has_room(MEMORY):
        yield server_folder
        return
    folder = Path(tempfile.mkdtemp(prefix="forewarn-test-", dir=MEMORY))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return False
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize >= MEMORY_FREE


@pytest.fixture
def own_folder(server_folder: Path) -> Iterator[Path]:
    """Such a folder for one run of one test; nobody was there before."""
    folder = Path(tempfile.mkdtemp(prefix="own-", dir=server_folder))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(quick_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL of our own without TimescaleDB; quick rather than durable."""
    plain = next((found for found in installations() if found.timescaledb is None), None)
    with EmbeddedPostgres(quick_folder / "cluster", settings=QUICK, binaries=plain) as server:
        yield server


@pytest.fixture(scope="session")
def superuser_url(cluster: EmbeddedPostgres) -> str:
    """URL of the superuser in the database `postgres`."""
    return cluster.superuser_url


@pytest.fixture(scope="session")
def empty_template(cluster: EmbeddedPostgres) -> str:
    """Name of a database with our extensions and nothing else, owned by the role forewarn."""
    return _make_empty_template(cluster, EXTENSIONS)


@pytest.fixture(scope="session")
def migrated_template(cluster: EmbeddedPostgres, empty_template: str) -> str:
    """Name of a database with all migrations applied; copying it takes a tenth of migrating it."""
    return _make_migrated_template(cluster, empty_template)


@pytest.fixture
def make_database(cluster: EmbeddedPostgres, empty_template: str) -> Iterator[Callable[..., str]]:
    """Make fresh databases: `make_database()` an empty one, `make_database(template)` a copy; returns the URL."""
    yield from _database_maker(cluster, empty_template)


@pytest.fixture
def empty_database(make_database: Callable[..., str]) -> str:
    """URL of a fresh database with our extensions and no tables, for the role forewarn."""
    return make_database()


@pytest.fixture
def database_url(make_database: Callable[..., str], migrated_template: str) -> str:
    """URL of a fresh migrated database, for the role forewarn, which owns it."""
    return make_database(migrated_template)


@pytest.fixture(scope="session")
def timescale_cluster(quick_folder: Path) -> Iterator[AnyCluster]:
    """A running PostgreSQL with TimescaleDB: the one given, the system's, or a Debian tree made when missing."""
    given = os.environ.get("FOREWARN_TEST_TIMESCALE_URL")
    found = next((found for found in installations() if found.timescaledb is not None), None)
    if given:
        yield GivenCluster(given)
    elif found is not None:
        with EmbeddedPostgres(quick_folder / "timescale", settings=QUICK, binaries=found) as server:
            yield server
    else:
        try:
            ensure_tree(cache_folder())
        except TreeUnavailable as error:
            unavailable(str(error))
        tree = TreeCluster(cache_folder())
        try:
            tree.start()
            yield tree
        finally:
            tree.stop()


@pytest.fixture(scope="session")
def timescale_empty_template(timescale_cluster: AnyCluster) -> str:
    """Name of a database with our extensions and TimescaleDB."""
    return _make_empty_template(timescale_cluster, (*EXTENSIONS, "timescaledb"))


@pytest.fixture(scope="session")
def timescale_migrated_template(timescale_cluster: AnyCluster, timescale_empty_template: str) -> str:
    """Name of a database with TimescaleDB and all migrations applied."""
    return _make_migrated_template(timescale_cluster, timescale_empty_template)


@pytest.fixture
def make_timescale_database(
    timescale_cluster: AnyCluster, timescale_empty_template: str
) -> Iterator[Callable[..., str]]:
    """As `make_database`, with TimescaleDB."""
    yield from _database_maker(timescale_cluster, timescale_empty_template)


@pytest.fixture
def timescale_database_url(make_timescale_database: Callable[..., str], timescale_migrated_template: str) -> str:
    """As `database_url`, with TimescaleDB."""
    return make_timescale_database(timescale_migrated_template)


class GivenCluster:
    """A server that somebody else runs, by the URL of a superuser."""

    def __init__(self, superuser_url: str) -> None:
        self.superuser_url = superuser_url
        self._password = secrets.token_urlsafe(16)
        with psycopg.connect(superuser_url, autocommit=True) as connection:
            prepare_role(connection, self._password)

    def url_of(self, database: str, user: str = OWNER) -> str:
        """URL of any database for `forewarn`, or for the superuser under any other name."""
        parts = urlsplit(self.superuser_url)
        if user != OWNER:
            return parts._replace(path=f"/{database}").geturl()
        address = f"{parts.hostname}:{parts.port or 5432}"
        return parts._replace(netloc=f"{OWNER}:{self._password}@{address}", path=f"/{database}").geturl()


def _make_empty_template(cluster: AnyCluster, extensions: Sequence[str]) -> str:
    _create_database(cluster.superuser_url, EMPTY, "template1")
    with psycopg.connect(cluster.url_of(EMPTY, user="postgres"), autocommit=True) as connection:
        for name in extensions:
            connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))
    _close(cluster.superuser_url, EMPTY)
    return EMPTY


def _make_migrated_template(cluster: AnyCluster, empty_template: str) -> str:
    from gateway.migrate import upgrade

    _create_database(cluster.superuser_url, TEMPLATE, empty_template)
    upgrade(cluster.url_of(TEMPLATE))
    _close(cluster.superuser_url, TEMPLATE)
    return TEMPLATE


def _close(superuser_url: str, name: str) -> None:
    """Keep everybody out, TimescaleDB's own workers too: a database in use cannot be copied."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def _database_maker(cluster: AnyCluster, empty_template: str) -> Iterator[Callable[..., str]]:
    made: list[str] = []

    def make(template: str | None = None) -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        _create_database(cluster.superuser_url, name, template or empty_template)
        made.append(name)
        return cluster.url_of(name)

    yield make
    for name in made:
        _drop_database(cluster.superuser_url, name)


def _drop_database(superuser_url: str, name: str) -> None:
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _create_database(superuser_url: str, name: str, template: str) -> None:
    _drop_database(superuser_url, name)  # left by an earlier run on a server that outlives the tests
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        # a copy of the files takes half of what the default takes, which writes every block to the log
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY")
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
def shared_broker(server_folder: Path) -> Iterator[TestBroker]:
    """A running Mosquitto of our own."""
    with TestBroker(server_folder / "broker") as server:
        yield server


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[TestBroker]:
    """The shared Mosquitto; a new one for a test that is run again: its messages may still wait in the other."""
    if not is_repeated(request):
        yield request.getfixturevalue("shared_broker")
        return
    with TestBroker(request.getfixturevalue("own_folder") / "broker") as server:
        yield server


@pytest.fixture(scope="session")
def fleets() -> Path:
    """Folder of the recorded fleets (FLEETS); without it the test skips visibly, in CI it fails."""
    folder = Path(os.environ.get("FLEETS", "../shared/data"))
    folder = folder if folder.is_absolute() else ROOT / folder
    if not folder.is_dir():
        unavailable(f"recorded fleets are absent: {folder} (set FLEETS)")
    return folder
