"""When the worker that leads is killed, another takes over: planned work is neither missed nor doubled (7.6c)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text

from assets.base.db import Database
from assets.base.queue import enqueue
from gateway.clock import LOCK, TIMETABLE
from gateway.worker import FREE_EVERY_S, STALLED_S
from maintenance.plans.library import Package
from tests.gateway.test_clock import start_worker, wait_for
from tests.maintenance.plans.workshop import Workshop
from tests.ticketing.world import make_world

WAITING = 24  # occurrences, of which one comes due each half second
_SPREAD = """
UPDATE occurrences SET release_at = :now + make_interval(secs => n * 0.5) FROM (
  SELECT id, row_number() OVER (ORDER BY due_at) AS n FROM occurrences WHERE state = 'planned') AS w
WHERE occurrences.id = w.id AND n <= :most
"""


def test_heartbeats_and_ticks_add_up_to_less_than_ten_seconds() -> None:
    for task in ("make_occurrences", "release_occurrences"):
        assert STALLED_S + FREE_EVERY_S + TIMETABLE[task] < 10


def test_a_killed_leader_is_replaced_and_no_occurrence_is_missed_or_doubled(
    database: Database, database_url: str
) -> None:
    workshop = Workshop(make_world(database))
    now = datetime.now(UTC)
    weekly = Package("W", {"kind": "calendar", "rrule": "FREQ=WEEKLY"})
    workshop.plan(now, weekly, lead_days=0, starts_on=date(2026, 1, 1))
    workshop.make(now)

    def count(statement: str) -> int:
        with database.as_service() as session:
            return int(session.scalar(text(statement), {"lock": LOCK, "most": WAITING}) or 0)

    def released() -> int:
        return count("SELECT count(*) FROM occurrences WHERE state = 'released'")

    def led() -> int:
        return count("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND granted")

    newest = "SELECT max(id) FROM procrastinate_workers"
    leader = start_worker(database_url)
    try:
        wait_for(led, 90)
        wait_for(lambda: count(newest) > 0, 90)
        first = count(newest)
        follower = start_worker(database_url)
        try:
            wait_for(lambda: count(newest) > first, 90)
            with database.as_service() as session:
                session.execute(text(_SPREAD), {"now": datetime.now(UTC), "most": WAITING})
            wait_for(lambda: released() >= 2, 60)
            leader.kill()
            leader.communicate(timeout=10)
            _as_if_killed_within_a_job(database)
            wait_for(lambda: released() == WAITING, 90)
        finally:
            follower.terminate()
            follower.communicate(timeout=20)
    finally:
        leader.kill()
        leader.wait(10)
    # One order each, as many as came due.
    orders = "SELECT count(*) FROM work_orders WHERE origin = 'plan'"
    assert (count(orders), count(orders.replace("count(*)", "count(DISTINCT origin_ref)"))) == (WAITING, WAITING)
    assert count("SELECT count(*) FROM occurrences WHERE state IN ('missed', 'cancelled', 'skipped')") == 0
    assert count("SELECT count(*) - count(DISTINCT (plan_asset_id, slot)) FROM occurrences") == 0


def _as_if_killed_within_a_job(database: Database) -> None:
    """The worst moment to be killed at: a job of the dead one holds the lock of all later ones."""
    with database.as_service() as session:
        dead = session.scalar(text("SELECT min(id) FROM procrastinate_workers"))
        held = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND task_name = 'release_occurrences'"
        if not session.scalar(text(held)):
            enqueue(session, "release_occurrences", lock="release_occurrences")
            session.execute(
                text(
                    "UPDATE procrastinate_jobs SET status = 'doing', worker_id = :w, queueing_lock = NULL"
                    " WHERE id = (SELECT max(id) FROM procrastinate_jobs WHERE task_name = 'release_occurrences')"
                ),
                {"w": dead},
            )


def test_a_day_of_downtime_is_caught_up_at_once(database: Database) -> None:
    """7.6d: what came due while nobody ticked is released at the next tick, each once, in the zone of its site."""
    workshop = Workshop(make_world(database))
    begin = datetime(2026, 3, 27, 12, tzinfo=UTC)
    daily = Package("D", {"kind": "calendar", "rrule": "FREQ=DAILY"})
    workshop.plan(begin, daily, lead_days=0, starts_on=date(2026, 3, 1), when_missed="keep")
    workshop.set_zone("Europe/Berlin")
    workshop.make(begin)
    later = begin + timedelta(days=4)
    workshop.day(later)
    workshop.day(later)
    rows = workshop.rows(state="released")
    # 08:00 in Berlin: 07:00 UTC until the clocks go forward on the 29th, 06:00 after.
    assert [f"{row.due_at:%m-%d %H}" for row in rows] == ["03-28 07", "03-29 06", "03-30 06", "03-31 06"]
    assert len({row.work_order_id for row in rows}) == 4
