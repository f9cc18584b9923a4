"""Files of a case over HTTP: put to it, sent with a message, opened by whoever may read that."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from assets.base.errors import Invalid, NotFound
from assets.documents.store import FileTooLarge
from gateway.api.bodies import TooLarge
from gateway.api.deps import Context, Here
from gateway.api.files_out import file_response
from gateway.api.uploads import Upload, form_of
from gateway.files import file_store
from ticketing.cases.cases import get_case
from ticketing.cases.files import MAX_BYTES, CaseFile, add_file, files_of, may_read
from ticketing.cases.sides import STAFF_SIDES, side_of

router = APIRouter(prefix="/api/v1", tags=["cases"])

# No browser runs anything that is in a file.
HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
_ABOUT = {
    "case_id": "the case",
    "visibility": "public, or internal: for the desk alone",
    "to_partner": "true: an internal file that the partner reads too",
}


class CaseFileItem(BaseModel):
    """A file of a case; `message_id` None: it came with the request, or was not sent yet."""

    id: UUID
    file_name: str
    media_type: str
    size_bytes: int
    visibility: str
    author_kind: str
    message_id: UUID | None
    has_thumbnail: bool
    at: datetime


class CaseFiles(BaseModel):
    """All files of a case, oldest first."""

    items: list[CaseFileItem]


@router.get("/cases/{case_id}/files", operation_id="list_case_files")
def list_case_files(case_id: UUID, here: Here) -> CaseFiles:
    """List what the reader may open: customers public ones, partners theirs too."""
    here.require("case.read")
    found = files_of(here.session, get_case(here.session, case_id), here.actor)
    return CaseFiles(items=[_item(each) for each in found])


@router.post(
    "/case-files", operation_id="add_case_file", status_code=201, openapi_extra=form_of(_ABOUT, ("file", "case_id"))
)
def add_case_file(here: Here, sent: Upload) -> CaseFileItem:
    """Put a file to a case; a message that names it by its id sends it."""
    here.require("case.write")
    try:
        case_id = UUID(sent.fields.get("case_id", ""))
    except ValueError:
        raise Invalid("not an id", field="case_id") from None
    case = get_case(here.session, case_id)
    files = file_store(here.settings)
    try:
        content, size = files.put(sent.file, MAX_BYTES)
    except FileTooLarge as error:
        raise TooLarge(f"a file has at most {MAX_BYTES} bytes", most=MAX_BYTES) from error
    shared = sent.fields.get("to_partner") == "true" and side_of(here.session, case, here.actor) in STAFF_SIDES
    made = add_file(
        here.session,
        files,
        case,
        content,
        size,
        file_name=sent.name,
        now=here.now,
        visibility=sent.fields.get("visibility") or "public",
        by=here.actor,
        share_with=case.executing_organisation_id if shared else None,
    )
    return _item(made)


@router.get("/case-files/{file_id}/file", operation_id="get_case_file", response_class=Response)
def get_case_file(file_id: UUID, here: Here) -> Response:
    """A file, to be saved."""
    here.require("case.read")
    file = _seen(here, file_id)
    return file_response(file_store(here.settings), file.content, file.media_type, HEADERS, name=file.file_name)


@router.get("/case-files/{file_id}/thumbnail", operation_id="get_case_file_thumbnail", response_class=Response)
def get_case_file_thumbnail(file_id: UUID, here: Here) -> Response:
    """A small picture of a file that is one."""
    here.require("case.read")
    file = _seen(here, file_id)
    if file.thumbnail is None:
        raise NotFound("this file has no picture")
    return file_response(
        file_store(here.settings), file.thumbnail, "image/png", {"Cache-Control": "private, max-age=86400"}
    )


def _seen(here: Context, file_id: UUID) -> CaseFile:
    file = here.session.get(CaseFile, file_id)
    if file is None or not may_read(here.session, file, here.actor):
        raise NotFound("no such file", kind="case_file")
    return file


def _item(file: CaseFile) -> CaseFileItem:
    return CaseFileItem(
        id=file.id,
        file_name=file.file_name,
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        visibility=file.visibility,
        author_kind=file.author_kind,
        message_id=file.message_id,
        has_thumbnail=file.thumbnail is not None,
        at=file.at,
    )
