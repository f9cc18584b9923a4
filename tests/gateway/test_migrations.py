"""Migrations make the schema that the models describe, whoever runs them and however often."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from assets.base.consumers import ConsumerCursor
from assets.base.db import Database, sqlalchemy_url
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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def test_what_a_database_holds_goes_along(empty_database: str) -> None:
    engine, config = create_engine(sqlalchemy_url(empty_database)), _config()
    whole, part = UUID(int=1), UUID(int=2)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
        connection.execute(text("SET ROLE forewarn_service"))
        connection.execute(
            text("""
            INSERT INTO organisations (id, kind, name, ancestors, demo, created_at)
            VALUES (:id, 'operator', 'Operator', ARRAY[CAST(:id AS uuid)], false, now())
            """),
            {"id": UUID(int=9)},
        )
        for asset, above in ((whole, None), (part, whole)):
            connection.execute(
                text("""
                INSERT INTO assets (id, organisation_id, serial, name, code, lifecycle, operation, created_at, custom,
                  demo, parent_id)
                VALUES (:id, :owner, :serial, 'Pump', :serial, 'in_service', 'up', now(), '{}', false, :above)
                """),
                {"id": asset, "owner": UUID(int=9), "serial": f"S{asset.int}", "above": above},
            )
        connection.execute(
            text("""
            INSERT INTO scoring_states (asset_id, organisation_id, model_id, state, watermark, learning,
              rebaseline_after, updated_at)
            VALUES (:id, :owner, 'm', '', now(), '{}', '2026-05-01T00:00:00Z', now())
            """),
            {"id": whole, "owner": UUID(int=9)},
        )
        connection.execute(text("RESET ROLE"))
        connection.commit()
    upgrade(empty_database)
    with engine.connect() as connection:
        connection.execute(text("SET ROLE forewarn_service"))
        states = connection.execute(text("SELECT axis, state FROM state_intervals WHERE asset_id = :id"), {"id": whole})
        assert sorted(map(tuple, states)) == [("lifecycle", "in_service"), ("operation", "up")]
        components = connection.execute(text("SELECT asset_id, child_asset_id FROM components"))
        assert list(map(tuple, components)) == [(whole, part)]
        untold = connection.scalar(text("SELECT untold FROM scoring_states"))
        assert [(work["at"], work["repaired"]) for work in untold] == [(1777593600.0, True)], "a repair not yet told"
    engine.dispose()


def test_history_is_one_line() -> None:
    assert len(ScriptDirectory.from_config(_config()).get_heads()) == 1


def test_migrations_travel_with_the_package() -> None:
    assert (Path(MIGRATIONS) / "versions" / "0001_first.py").is_file()


def test_consumers_that_a_newer_version_brings_do_not_tell_of_the_past(database: Database) -> None:
    with database.as_service() as session:
        session.add(ConsumerCursor(name="of.the.older.version"))
    url = database.engine.url.render_as_string(hide_password=False)
    upgrade(url)
    with database.as_service() as session:
        teller, counter = (session.get_one(ConsumerCursor, name) for name in ("notify.rules", "ticketing.sla"))
        assert teller.xid > 0
        assert counter.xid == 0
