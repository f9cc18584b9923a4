"""The worker role: runs jobs from the queue and, when it holds the lock, the clock."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from datetime import UTC, datetime
from functools import partial

import procrastinate
from sqlalchemy import text

from assets.base.db import Database, plain_url
from gateway.clock import Clock
from gateway.jobs import JOBS

log = logging.getLogger(__name__)

CONCURRENCY = 4  # jobs at once; scoring, deciding and consuming each run one at a time by their lock
HEARTBEAT_S = 1.0
STALLED_S = 6.0  # six heartbeats missed: the worker was killed, and its jobs hold the locks of the next ones
FREE_EVERY_S = 1.0  # with the next tick of what waits most, another worker has taken over within 10 s
GRACE_S = 2.0  # for jobs that run when asked to stop
STOP_S = 2.7  # then a job that still runs is cut off, as by a crash: the rows that it did not handle are still there


def run_worker(database_url: str) -> None:
    """Run until SIGTERM or SIGINT."""
    asyncio.run(_run(database_url))


async def _run(database_url: str) -> None:
    database = Database(database_url, pool_size=CONCURRENCY + 2)
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=plain_url(database_url), min_size=1, max_size=CONCURRENCY + 2)
    )
    for name in JOBS:
        app.task(name=name, queue="default")(partial(run_job, database, name))
    clock = Clock(database)
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=CONCURRENCY,
                install_signal_handlers=False,
                delete_jobs=procrastinate.jobs.DeleteJobCondition.ALWAYS,
                fetch_job_polling_interval=2.0,
                shutdown_graceful_timeout=GRACE_S,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=STALLED_S,
            )
        )
        _stop_on_signals(worker)
        janitor = asyncio.create_task(_free_stalled_regularly(database))
        clock.start()
        try:
            await worker
        except asyncio.CancelledError:
            log.info("worker stops")
        finally:
            janitor.cancel()
            await asyncio.to_thread(clock.stop)
    database.dispose()


def _stop_on_signals(worker: asyncio.Task[None]) -> None:
    def stop() -> None:
        worker.cancel()
        # Threads cannot be cancelled, and leaving the event loop waits for them.
        last_resort = threading.Timer(STOP_S, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def run_job(database: Database, name: str) -> None:
    """Run one job; a failure is logged and not raised."""
    try:
        JOBS[name](database, datetime.now(UTC))
    except Exception:
        # The rows that were not handled are still there; the next tick takes them up again.
        log.exception("job %s failed", name)


async def _free_stalled_regularly(database: Database) -> None:
    while True:
        try:
            await asyncio.to_thread(free_stalled, database)
        except Exception as error:
            log.warning("stalled jobs: %s", error)
        await asyncio.sleep(FREE_EVERY_S)


def free_stalled(database: Database) -> int:
    """Forget jobs that a killed worker left 'doing'; return how many."""
    with database.as_service() as session:
        freed = session.execute(
            text(
                "DELETE FROM procrastinate_jobs j WHERE status = 'doing' AND NOT EXISTS ("
                "SELECT 1 FROM procrastinate_workers w WHERE w.id = j.worker_id"
                " AND w.last_heartbeat > now() - make_interval(secs => :stalled)) RETURNING id"
            ),
            {"stalled": STALLED_S},
        )
        return len(freed.all())
