"""Jobs are part of the caller's transaction, and one wake-up is enough."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from assets.base.db import Database
from assets.base.queue import enqueue
from tests.assets.conftest import Tree, actor_in


def waiting(database: Database) -> list[str]:
    with database.as_service() as session:
        return list(session.scalars(text("SELECT task_name FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")))


def test_job_is_visible_only_after_commit(database: Database) -> None:
    with database.as_service() as session:
        assert enqueue(session, "work", {"n": 1})
        assert waiting(database) == []
    assert waiting(database) == ["work"]


def test_job_vanishes_with_a_rolled_back_transaction(database: Database) -> None:
    with pytest.raises(DBAPIError), database.as_service() as session:
        session.execute(text("SELECT 1/0"), {"first": enqueue(session, "work")})
    assert waiting(database) == []


def test_second_wake_up_collapses_into_the_waiting_one(database: Database) -> None:
    with database.as_service() as session:
        assert enqueue(session, "work", queueing_lock="w")
        assert not enqueue(session, "work", queueing_lock="w")
        assert enqueue(session, "other", queueing_lock="o")  # the refused one did not spoil the transaction
    assert waiting(database) == ["work", "other"]


def test_wake_up_is_accepted_again_while_the_first_runs(database: Database) -> None:
    with database.as_service() as session:
        enqueue(session, "work", queueing_lock="w")
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
        assert enqueue(session, "work", queueing_lock="w")


def test_request_may_enqueue_but_not_touch_the_queue(database: Database, tree: Tree) -> None:
    with database.as_actor(actor_in(tree.customer)) as session:
        assert enqueue(session, "work", {"text": "ünïcode"}, queueing_lock="w", lock="w")
        assert not enqueue(session, "work", queueing_lock="w")
    for statement in ("DELETE FROM procrastinate_jobs", "UPDATE procrastinate_jobs SET priority = 9"):
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            database.as_actor(actor_in(tree.customer)) as session,
        ):
            session.execute(text(statement))


def test_other_errors_of_the_queue_are_not_taken_for_a_waiting_job(database: Database) -> None:
    with pytest.raises(DBAPIError), database.as_service() as session:
        enqueue(session, None, queueing_lock="w")  # type: ignore[arg-type]
