"""Bring a database to the current schema, or check that models and migrations agree."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session

from assets.base.consumers import register
from assets.base.db import SERVICE_ROLE, sqlalchemy_url
from gateway.restored import catch_up

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_301_944  # any constant of ours: two processes must not migrate at once


def upgrade(database_url: str) -> None:
    """Apply every missing migration, one process at a time; let a restored database go on where it was."""
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
            connection.commit()
            command.upgrade(_config(connection), "head")
            connection.commit()
            connection.execution_options(isolation_level="AUTOCOMMIT")
            catch_up(connection)
        _register_consumers(engine)
    finally:
        engine.dispose()


def _register_consumers(engine: Engine) -> None:
    """Consumers that this version brings begin where the older one ended; a new system's begin with its worker."""
    with Session(engine) as session, session.begin():
        session.execute(text(f"SET LOCAL ROLE {SERVICE_ROLE}"))
        if session.scalar(text("SELECT EXISTS (SELECT FROM consumer_cursors)")):
            from gateway.wiring import CONSUMERS

            register(session, CONSUMERS)


def current(connection: Connection) -> tuple[str | None, str | None]:
    """Return the revision of the database and the newest one known here."""
    head = ScriptDirectory.from_config(_config(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision(), head


def differences(database_url: str) -> list[Any]:
    """Return what autogenerate would still change in a migrated database; empty when models and migrations agree."""
    from gateway.models import metadata

    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            options = {"include_object": ours, "compare_type": True}
            return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
    finally:
        engine.dispose()


def revise(database_url: str, message: str) -> None:
    """Write a new migration with what differs between models and a migrated database (for developers)."""
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        command.revision(_config(connection), message=message, autogenerate=True)
    engine.dispose()


def ours(thing: object, name: str | None, type_: str, reflected: bool, compare_to: object) -> bool:
    """Leave alone what is not described by models: the queue's tables and the reading tables with their partitions."""
    if type_ == "table" and reflected and compare_to is None:
        return not (name or "").startswith(("procrastinate_", "samples", "_hyper", "_compressed"))
    return True


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _check() -> int:
    """Migrate an empty embedded database and compare it with the models."""
    import tempfile

    from gateway.supervise.postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="forewarn-check-") as folder:
        server = EmbeddedPostgres(Path(folder))
        server.start()
        try:
            upgrade(server.url)
            found = differences(server.url)
        finally:
            server.stop()
    for difference in found:
        print(difference, file=sys.stderr)
    print("models and migrations differ" if found else "models and migrations agree")
    return 1 if found else 0


def main() -> int:
    """`python -m gateway.migrate --check` or `--revise MESSAGE URL`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare models with a freshly migrated database")
    parser.add_argument("--revise", nargs=2, metavar=("MESSAGE", "URL"), help="write a migration")
    options = parser.parse_args()
    if options.revise:
        revise(options.revise[1], options.revise[0])
        return 0
    return _check()


if __name__ == "__main__":
    sys.exit(main())
