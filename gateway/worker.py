"""The worker role: runs jobs from the queue and, when it holds the lock, the clock."""

from __future__ import annotations

import asyncio
import logging
import signal
from datetime import UTC, datetime
from functools import partial

import procrastinate

from assets.base.db import Database, plain_url
from gateway.clock import Clock
from gateway.jobs import JOBS

log = logging.getLogger(__name__)

CONCURRENCY = 4  # jobs at once; scoring, deciding and consuming each run one at a time by their lock


def run_worker(database_url: str) -> None:
    """Run until SIGTERM or SIGINT."""
    asyncio.run(_run(database_url))


async def _run(database_url: str) -> None:
    database = Database(database_url, pool_size=CONCURRENCY + 2)
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=plain_url(database_url), min_size=1, max_size=CONCURRENCY + 2)
    )
    for name, job in JOBS.items():
        app.task(name=name, queue="default")(partial(_run_job, database, name, job))
    clock = Clock(database)
    await asyncio.to_thread(_free_stalled, database)
    async with app.open_async():
        clock.start()
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=CONCURRENCY,
                install_signal_handlers=False,
                delete_jobs=procrastinate.jobs.DeleteJobCondition.ALWAYS,
                fetch_job_polling_interval=2.0,
                shutdown_graceful_timeout=3.0,
            )
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.cancel)
        try:
            await worker
        except asyncio.CancelledError:
            log.info("worker stops")
        finally:
            await asyncio.to_thread(clock.stop)
    database.dispose()


def _run_job(database: Database, name: str, job: object) -> None:
    try:
        JOBS[name](database, datetime.now(UTC))
    except Exception:
        # The rows that were not handled are still there; the next tick takes them up again.
        log.exception("job %s failed", name)


def _free_stalled(database: Database) -> None:
    """Forget jobs that a killed worker left 'doing': they hold the locks of the next ones."""
    from sqlalchemy import text

    with database.as_service() as session:
        session.execute(
            text(
                "DELETE FROM procrastinate_jobs j WHERE status = 'doing' AND NOT EXISTS ("
                "SELECT 1 FROM procrastinate_workers w WHERE w.id = j.worker_id"
                " AND w.last_heartbeat > now() - interval '15 seconds')"
            )
        )
