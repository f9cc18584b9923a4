"""The timetable: what runs regularly, on one page. A tick only enqueues; last-run times are rows of ours."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Text, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Database
from assets.base.queue import enqueue

log = logging.getLogger(__name__)

LOCK = 7_301_946  # one worker at a time holds it and ticks

# Task -> seconds between ticks. One second for what stands between a reading and its work order.
TIMETABLE: dict[str, float] = {
    "score_readings": 1,
    "decide_findings": 1,
    "read_bursts": 2,
    "consume_events": 1,
    "watch_service_levels": 1,
    "plan_dispatch": 2,
    "update_presence": 5,
    "repair_clocks": 15,
    "count_evidence": 15,
    "escalate_alarms": 5,
    "send_notifications": 5,
    "keep_reminders": 30,
    "send_webhooks": 2,
    "write_reports": 5,  # whoever asks for one wakes it at once; this is for tries that failed
    "mail_reports": 5,
    "poll_mailboxes": 10,
    "send_answers": 5,
    "amend_history": 15,
    "tend_identities": 5,
    "roll_up": 5,
    "feed_meters": 60,
    "watch_conditions": 60,
    "return_put_off": 60,
    "make_occurrences": 2,
    "release_occurrences": 2,
    "settle_plans": 10,
    "sync_plans": 6 * 3600,
    "keep_forecasts": 15,
    "tend_feedback": 600,
    "train_models": 7 * 24 * 3600,
    "tend_models": 6 * 3600,
    "look_at_logs": 300,
    "seal_events": 60,
    "run_imports": 15,
    "sweep_files": 24 * 3600,
    "ensure_partitions": 6 * 3600,
    "forget_old_rows": 3600,
    "forget_old_bursts": 3600,
    "apply_retention": 6 * 3600,
}


class LastRun(Base):
    """When a timetable entry was last enqueued; survives restarts, so long intervals are not forgotten."""

    __tablename__ = "last_runs"

    task: Mapped[str] = mapped_column(Text, primary_key=True)
    enqueued_at: Mapped[datetime]


class Clock:
    """Ticks in the one worker that holds the advisory lock; the others try again at each tick."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._holder = database.engine.connect()
        self._holding = False
        self._guard = threading.Lock()  # ticks run in the scheduler's threads, the holder is one connection

    def start(self) -> None:
        """Begin to tick."""
        for task, seconds in TIMETABLE.items():
            # Coalesce: after a stall one wake-up is enough, handlers take all rows that wait.
            self._scheduler.add_job(
                self.tick,
                IntervalTrigger(seconds=seconds),
                args=[task, seconds],
                id=task,
                coalesce=True,
                max_instances=1,
                next_run_time=datetime.now(UTC),
            )
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking and let another worker have the lock."""
        self._scheduler.shutdown(wait=True)
        self.let_go()

    def let_go(self) -> None:
        """Close the connection itself: back in the pool it would keep the lock."""
        self._holding = False
        if not self._holder.closed:
            self._holder.invalidate()
            self._holder.close()

    def tick(self, task: str, seconds: float) -> None:
        """Enqueue a task when this worker holds the lock and the task is due."""
        try:
            with self._guard:
                holding = self._is_holder()
            if holding:
                self._enqueue(task, seconds)
        except Exception as error:
            # The database is away: the next tick tries again, nothing is lost since rows are the truth.
            log.warning("tick %s failed: %s", task, error)

    def _is_holder(self) -> bool:
        try:
            if not self._holding:
                self._holding = bool(self._holder.scalar(text("SELECT pg_try_advisory_lock(:k)"), {"k": LOCK}))
                self._holder.commit()
            else:
                self._holder.execute(text("SELECT 1"))
                self._holder.commit()
        except Exception:
            self.let_go()
            self._holder = self._database.engine.connect()
            raise
        return self._holding

    def _enqueue(self, task: str, seconds: float) -> None:
        now = datetime.now(UTC)
        with self._database.as_service() as session:
            if seconds >= 60:
                last = session.get(LastRun, task)
                if last and (now - last.enqueued_at).total_seconds() < seconds * 0.9:
                    return
                session.merge(LastRun(task=task, enqueued_at=now))
            enqueue(session, task, queueing_lock=task, lock=task)
