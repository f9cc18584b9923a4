"""One worker ticks, a tick enqueues once, and the worker runs jobs and stops in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from assets.base.db import Database
from assets.base.queue import enqueue
from gateway import jobs
from gateway.clock import TIMETABLE, Clock, LastRun
from gateway.jobs import JOBS
from gateway.worker import STALLED_S, free_stalled, run_job

ROUTINE = "forget_old_rows"


@pytest.fixture
def clock(database: Database) -> Iterator[Clock]:
    made = Clock(database)
    yield made
    made.let_go()


def waiting(database: Database) -> list[str]:
    with database.as_service() as session:
        return list(session.scalars(text("SELECT task_name FROM procrastinate_jobs ORDER BY id")))


def wait_for(done: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_timetable_names_jobs_that_exist() -> None:
    assert set(TIMETABLE) == set(JOBS)


def test_only_the_holder_of_the_lock_ticks(database: Database, clock: Clock) -> None:
    other = Clock(database)
    clock.tick("score_readings", 1)
    other.tick("decide_findings", 1)
    assert waiting(database) == ["score_readings"]
    clock.let_go()
    other.tick("decide_findings", 1)
    assert waiting(database) == ["score_readings", "decide_findings"]
    other.let_go()


def test_tick_enqueues_once_while_a_job_waits(database: Database, clock: Clock) -> None:
    for _ in range(3):
        clock.tick("score_readings", 1)
    assert waiting(database) == ["score_readings"]


def test_long_interval_survives_a_restart(database: Database, clock: Clock) -> None:
    clock.tick(ROUTINE, 3600)
    with database.as_service() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
    clock.let_go()
    again = Clock(database)
    again.tick(ROUTINE, 3600)
    assert waiting(database) == []
    with database.as_service() as session:
        session.merge(LastRun(task=ROUTINE, enqueued_at=datetime.now(UTC) - timedelta(hours=1)))
    again.tick(ROUTINE, 3600)
    assert waiting(database) == [ROUTINE]
    again.let_go()


def test_clock_goes_on_after_its_connection_was_cut(database: Database, clock: Clock, superuser_url: str) -> None:
    clock.tick("score_readings", 1)
    with database.as_owner() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    for _ in range(3):
        clock.tick("decide_findings", 1)
    assert waiting(database) == ["score_readings", "decide_findings"]


@pytest.mark.parametrize("name", JOBS)
def test_every_job_runs_on_an_empty_database(database: Database, name: str) -> None:
    JOBS[name](database, datetime.now(UTC))


def test_failing_job_is_logged_and_not_raised(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(JOBS, ROUTINE, lambda database, now: 1 / 0)
    run_job(database, ROUTINE)
    assert f"job {ROUTINE} failed" in caplog.text


def test_old_rows_are_forgotten_and_young_ones_kept(database: Database) -> None:
    now = datetime.now(UTC)
    with database.as_service() as session:
        for days in (0, 2):
            session.execute(
                text("INSERT INTO idempotency_keys (digest, created_at) VALUES (:d, :t)"),
                {"d": bytes([days]), "t": now - timedelta(days=days)},
            )
    jobs.forget_old_rows(database, now)
    with database.as_service() as session:
        assert list(session.scalars(text("SELECT digest FROM idempotency_keys"))) == [b"\x00"]


def test_jobs_of_a_killed_worker_are_freed_and_those_of_a_live_one_kept(database: Database) -> None:
    with database.as_service() as session:
        ids = [
            session.scalar(
                text(
                    "INSERT INTO procrastinate_workers (last_heartbeat)"
                    " VALUES (now() - make_interval(secs => :s)) RETURNING id"
                ),
                {"s": seconds},
            )
            for seconds in (0, STALLED_S + 1)
        ]
        for number, worker in enumerate([*ids, None]):
            enqueue(session, f"job{number}", lock=str(number))
            session.execute(
                text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :w WHERE task_name = :n"),
                {"w": worker, "n": f"job{number}"},
            )
    assert free_stalled(database) == 2
    assert waiting(database) == ["job0"]


def start_worker(database_url: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "FOREWARN_DATABASE_URL": database_url}
    return subprocess.Popen([sys.executable, "-m", "gateway.main", "worker"], env=environment, stderr=subprocess.PIPE)


def has_run(database: Database, task: str) -> bool:
    with database.as_service() as session:
        return session.get(LastRun, task) is not None and task not in waiting(database)


def test_real_worker_runs_jobs_and_stops_within_three_seconds(database: Database, database_url: str) -> None:
    worker = start_worker(database_url)
    try:
        wait_for(lambda: has_run(database, "seal_events") and has_run(database, ROUTINE), 60)
        worker.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        _, log = worker.communicate(timeout=10)
        assert time.monotonic() - begun < 3.5  # 3 s, and the time to notice
        assert worker.returncode == 0, log.decode()
        assert b"Traceback" not in log, log.decode()
    finally:
        worker.kill()
        worker.wait(10)
    with database.as_service() as session:
        assert session.scalar(text("SELECT count(*) FROM procrastinate_workers")) == 0


def test_worker_that_was_killed_holds_up_its_successor_only_shortly(database: Database, database_url: str) -> None:
    first = start_worker(database_url)
    try:
        wait_for(lambda: has_run(database, ROUTINE), 60)
    finally:
        first.kill()
        first.communicate(timeout=10)
    with database.as_service() as session:  # as if it had been killed in the middle of a job
        dead = session.scalar(text("SELECT max(id) FROM procrastinate_workers"))
        session.execute(text("DELETE FROM procrastinate_jobs"))
        enqueue(session, "update_presence", lock="update_presence")
        session.execute(text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :w"), {"w": dead})
        marker = session.scalar(text("SELECT max(id) FROM procrastinate_jobs"))
    second = start_worker(database_url)

    def freed() -> bool:
        with database.as_service() as session:
            return not session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE id = :i"), {"i": marker})

    try:
        wait_for(freed, STALLED_S * 2 + 15)
    finally:
        second.terminate()
        second.communicate(timeout=10)
