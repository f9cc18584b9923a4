"""Migrations make the schema that the models describe, whoever runs them and however often."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from assets.base.db import sqlalchemy_url
from gateway.migrate import MIGRATIONS, current, differences, upgrade
from gateway.models import metadata


def test_models_and_migrations_agree(database_url: str) -> None:
    assert differences(database_url) == []


def test_every_table_of_every_room_is_there(database_url: str) -> None:
    engine = create_engine(sqlalchemy_url(database_url))
    assert set(inspect(engine).get_table_names()) >= set(metadata.tables)
    engine.dispose()


def test_migrating_again_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        revision, head = current(connection)
    engine.dispose()
    assert revision == head is not None


def test_two_processes_may_migrate_at_once(empty_database: str) -> None:
    errors: list[Exception] = []

    def run() -> None:
        try:
            upgrade(empty_database)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert differences(empty_database) == []


def test_history_is_one_line() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_migrations_travel_with_the_package() -> None:
    assert (Path(MIGRATIONS) / "versions" / "0001_first.py").is_file()
