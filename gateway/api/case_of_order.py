"""What a customer told and sent, on the work order that came of it: answers of the form, files, photos."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select

from assets.base.access import Role
from gateway.api.deps import Context
from ticketing.cases.files import MAX_FILES, CaseFile
from ticketing.cases.tables import Case, ServiceTypeVersion
from ticketing.cases.threads import FROM_CUSTOMER
from ticketing.evidence.tables import Evidence
from ticketing.models import WorkOrder

MAX_PHOTOS = 300


class CustomersFile(BaseModel):
    """A file that a customer sent; it is at `/case-files/{id}/file`, a picture's small one at `…/thumbnail`."""

    id: UUID
    file_name: str
    media_type: str
    size_bytes: int
    has_thumbnail: bool
    at: datetime


class PhotoOfCase(BaseModel):
    """A photo of the case, taken before there was an order; it is at `/evidence/{id}/picture`."""

    id: UUID
    caption: str
    captured_at: datetime


class CaseOfWork(BaseModel):
    """The case that an order came of. `form` is the schema that `answers` fit."""

    id: UUID
    number: str
    title: str
    answers: dict[str, Any]
    form: dict[str, Any]
    files: list[CustomersFile]
    photos: list[PhotoOfCase]


def case_of_order(here: Context, order: WorkOrder) -> CaseOfWork | None:
    """Return it as far as the reader sees it: who executes the order sees what was sent for it, no internal word."""
    case = here.session.get(Case, order.case_id) if order.case_id else None
    if case is None:
        return None
    version = here.session.get(ServiceTypeVersion, case.service_version_id) if case.service_version_id else None
    sent = select(CaseFile).where(
        CaseFile.case_id == case.id, CaseFile.visibility == "public", CaseFile.author_kind.in_(FROM_CUSTOMER)
    )
    # By the row policy: who carries out an order of the case sees those that belong to no other one.
    taken = select(Evidence).where(
        Evidence.case_id == case.id, Evidence.work_order_id.is_(None), Evidence.state == "kept", *_shown(here)
    )
    return CaseOfWork(
        id=case.id,
        number=case.number,
        title=case.title,
        answers=case.answers,
        form=version.form if version else {},
        files=[_file(row) for row in here.session.scalars(sent.order_by(CaseFile.id).limit(MAX_FILES))],
        photos=[
            PhotoOfCase(id=row.id, caption=row.caption, captured_at=row.captured_at)
            for row in here.session.scalars(taken.order_by(Evidence.captured_at, Evidence.id).limit(MAX_PHOTOS))
        ],
    )


def _shown(here: Context) -> list[Any]:
    return [Evidence.public.is_(True)] if here.actor.roles <= {Role.CUSTOMER} else []


def _file(row: CaseFile) -> CustomersFile:
    return CustomersFile(
        **{name: getattr(row, name) for name in CustomersFile.model_fields if name != "has_thumbnail"},
        has_thumbnail=row.thumbnail is not None,
    )
