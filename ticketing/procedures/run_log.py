"""Events of procedures that are kept with work: every one names the procedure and the work that it belongs to."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.events import append_event
from ticketing.procedures.models import ProcedureRun


def log_run(
    session: Session,
    run: ProcedureRun,
    kind: str,
    now: datetime,
    by: Actor | None,
    facts: dict[str, Any],
    executing_organisation_id: UUID | None = None,
) -> None:
    """Append an event about a run; every one names its procedure and the work that it belongs to."""
    append_event(
        session,
        kind,
        at=now,
        organisation_id=run.organisation_id,
        executing_organisation_id=executing_organisation_id,
        subject_kind="procedure_run",
        subject_id=run.id,
        asset_id=run.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={
            "procedure": run.snapshot["code"],
            "name_en": run.snapshot["name_en"],
            "name_zh": run.snapshot["name_zh"],
            "version": run.version_number,
            "of_kind": run.subject_kind,
            "of_id": str(run.subject_id),
            **facts,
        },
    )
