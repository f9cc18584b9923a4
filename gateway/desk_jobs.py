"""The task of the planner's desk: bring back what was put off, on its day or when it got worse."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from assets.base.db import Database
from maintenance.desk.putting_off import wake


def return_put_off(database: Database, now: datetime) -> None:
    """Look at everything that waits, some at a time."""
    after: UUID | None = None
    while True:
        with database.as_service() as session:
            after = wake(session, now, after=after)
        if after is None:
            return
