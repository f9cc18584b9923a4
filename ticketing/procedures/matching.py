"""Which procedures new work gets: all that a link names must fit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.failure_modes import FailureMode
from assets.people import Organisation
from assets.registry import Asset
from ticketing.procedures.models import Procedure, ProcedureLink, ProcedureVersion
from ticketing.procedures.runs import attach

MAX_MATCHES = 20  # of one order


def attach_matching(
    session: Session,
    *,
    asset: Asset,
    subject_kind: str,
    subject_id: UUID,
    now: datetime,
    failure_modes: Sequence[str] = (),
    service_type_id: UUID | None = None,
    by: Actor | None = None,
) -> int:
    """Attach every published procedure whose link fits; return how many were found. What is there already stays.

    A link to a model fits the asset's model, one to a failure mode any of `failure_modes` (codes), one to a service
    type that type. Procedures of the asset's owner and of the organisations above it are asked.
    """
    owner = session.get(Organisation, asset.organisation_id)
    if owner is None:
        return 0
    modes = select(FailureMode.id).where(FailureMode.code.in_(list(failure_modes)))
    fits = (
        or_(ProcedureLink.asset_model_id.is_(None), ProcedureLink.asset_model_id == asset.asset_model_id),
        or_(ProcedureLink.failure_mode_id.is_(None), ProcedureLink.failure_mode_id.in_(modes)),
        or_(ProcedureLink.service_type_id.is_(None), ProcedureLink.service_type_id == service_type_id),
    )
    found = session.execute(
        select(Procedure, ProcedureVersion)
        .join(ProcedureVersion, ProcedureVersion.procedure_id == Procedure.id)
        .where(
            ProcedureVersion.state == "published",
            Procedure.retired_at.is_(None),
            Procedure.organisation_id.in_(owner.ancestors),
            Procedure.id.in_(select(ProcedureLink.procedure_id).where(*fits)),
        )
        .order_by(Procedure.code, Procedure.id)
        .limit(MAX_MATCHES)
    ).all()
    for procedure, version in found:
        attach(
            session,
            procedure,
            version,
            organisation_id=asset.organisation_id,
            asset_id=asset.id,
            subject_kind=subject_kind,
            subject_id=subject_id,
            now=now,
            by=by,
        )
    return len(found)
