"""A database restored into a new cluster, whose transaction ids begin behind those of the rows."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, create_engine, text

from assets.base.db import sqlalchemy_url
from gateway import restored
from gateway.restored import FarBehind, catch_up

AHEAD = 25_000


def restore(connection: Connection) -> None:
    """As a dump of an older cluster leaves it: rows and cursors at ids that this one has not reached."""
    now = connection.scalar(text("SELECT pg_current_xact_id()::text::bigint"))
    connection.execute(
        text("INSERT INTO consumer_cursors (name, xid, event_id, failures) VALUES ('restored', :xid, 0, 0)"),
        {"xid": now + AHEAD},
    )


def stalls(connection: Connection) -> bool:
    """Would a row that is written now be passed over?"""
    cursor = connection.scalar(text("SELECT xid FROM consumer_cursors WHERE name = 'restored'"))
    return bool(connection.scalar(text("SELECT pg_current_xact_id()::text::bigint")) <= cursor)


def test_readers_go_on_after_a_restore(database_url: str) -> None:
    engine = create_engine(sqlalchemy_url(database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        catch_up(connection)
        restore(connection)
        assert stalls(connection)
        assert AHEAD - 100 < catch_up(connection) <= AHEAD
        assert not stalls(connection)
        assert catch_up(connection) == 0, "and only then"
    engine.dispose()


def test_a_cluster_too_far_behind_says_what_to_do(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restored, "MOST", 1_000)
    engine = create_engine(sqlalchemy_url(database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        restore(connection)
        with pytest.raises(FarBehind, match="pg_resetwal"):
            catch_up(connection)
    engine.dispose()
