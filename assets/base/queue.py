"""The queue's door: enqueue a job in the caller's transaction. Jobs only wake a handler; rows stay the truth."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

WAITING = "procrastinate_jobs_queueing_lock_idx"  # the index that lets one job per queueing lock wait


def enqueue(
    session: Session,
    task: str,
    args: dict[str, Any] | None = None,
    *,
    queue: str = "default",
    queueing_lock: str | None = None,
    lock: str | None = None,
    at: datetime | None = None,
) -> bool:
    """Defer a procrastinate job that becomes visible when the caller commits.

    Return False when a job with the same `queueing_lock` already waits: one wake-up is enough.
    """
    statement = text(
        "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, 0, :lock, :queueing_lock,"
        " CAST(:args AS jsonb), :at)::procrastinate_job_to_defer_v1])"
    )
    values = {
        "queue": queue,
        "task": task,
        "lock": lock,
        "queueing_lock": queueing_lock,
        "args": json.dumps(args or {}),
        "at": at,
    }
    try:
        with session.begin_nested():
            session.execute(statement, values)
    except IntegrityError as error:
        if WAITING not in str(error.orig):
            raise
        return False
    return True
