"""Documents over HTTP: of an asset, of a model, of a site; revisions, thumbnails, downloads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import or_, select, tuple_

from assets.base.access import Role
from assets.base.errors import Invalid, NotFound
from assets.documents.archive import add_document, add_revision, checked_title, put_away, revision_of
from assets.documents.files import MAX_BYTES
from assets.documents.models import KINDS, Document, DocumentRevision
from assets.documents.store import FileStore, FileTooLarge
from assets.registry import Asset, AssetModel, Site
from assets.search.finding import like_patterns
from gateway.api.bodies import TooLarge
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Ref, locked, named, person_names, seen
from gateway.api.files_out import file_response
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.uploads import Sent, Upload, form_of
from gateway.files import file_store

router = APIRouter(prefix="/api/v1", tags=["documents"])

_ABOUT = {
    "title": "what people call it",
    "kind": f"one of {', '.join(KINDS)}",
    "asset_id": "of one asset; or",
    "asset_model_id": "of all assets of a model; or",
    "site_id": "of a site",
    "language": "en, zh or nothing",
    "public": "yes: shown on the customer's page",
    "note": "what is new in this revision",
}


class AssetName(BaseModel):
    """An asset by name."""

    id: UUID
    name: str
    serial: str


class ModelName(BaseModel):
    """An asset model by name."""

    id: UUID
    code: str
    name_en: str
    name_zh: str


class RevisionRow(BaseModel):
    """One revision of a document's file."""

    revision: int
    file_name: str
    media_type: str
    size_bytes: int
    sha256: str
    has_thumbnail: bool
    note: str | None
    created_at: datetime
    created_by: Ref | None


class DocumentRow(BaseModel):
    """A document with its revisions, newest first."""

    id: UUID
    title: str
    kind: str
    language: str | None
    public: bool
    archived: bool
    version: int
    created_at: datetime
    asset: AssetName | None
    asset_model: ModelName | None
    site: Ref | None
    revisions: list[RevisionRow]


class DocumentPage(BaseModel):
    """A page of documents, newest first."""

    items: list[DocumentRow]
    next: str | None


class DocumentChange(BaseModel):
    """What of a document is to be otherwise."""

    title: str | None = Field(default=None, max_length=200)
    kind: str | None = None
    public: bool | None = None
    archived: bool | None = None


@router.get("/documents", operation_id="list_documents")
def list_documents(
    here: Here,
    asset_id: UUID | None = None,
    asset_model_id: UUID | None = None,
    site_id: UUID | None = None,
    kind: str | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
    archived: bool = False,
    limit: Limit = 50,
    after: After = None,
) -> DocumentPage:
    """Documents, newest first; those of an asset with those of its model."""
    here.require("document.read")
    found = select(Document).order_by(Document.created_at.desc(), Document.id.desc()).limit(limit + 1)
    if asset_id is not None:
        asset = seen(here, Asset, asset_id, "asset")
        of = Document.asset_id == asset_id
        found = found.where(
            or_(of, Document.asset_model_id == asset.asset_model_id) if asset.asset_model_id is not None else of
        )
    for column, wanted in ((Document.asset_model_id, asset_model_id), (Document.site_id, site_id)):
        if wanted is not None:
            found = found.where(column == wanted)
    if kind:
        found = found.where(Document.kind == kind)
    if q and q.strip():
        found = found.where(*(Document.title.ilike(pattern) for pattern in like_patterns(q.replace("\0", ""))))
    if not archived:
        found = found.where(Document.archived_at.is_(None))
    if _outside(here):
        found = found.where(Document.public)
    if after:
        at, key = read_cursor(after, aware, UUID)
        found = found.where(tuple_(Document.created_at, Document.id) < tuple_(at, key))
    rows = list(here.session.scalars(found))
    page = rows[:limit]
    following = cursor_of(page[-1].created_at.isoformat(), page[-1].id) if len(rows) > limit else None
    return DocumentPage(items=_rows(here, page), next=following)


@router.post("/documents", operation_id="create_document", status_code=201, openapi_extra=form_of(_ABOUT))
def create_document(here: Here, sent: Upload) -> DocumentRow:
    """Add a document with its first file."""
    here.require("document.manage")
    about = {name: _id(sent, name) for name in ("asset_id", "asset_model_id", "site_id")}
    document = add_document(
        here.session,
        title=sent.fields.get("title") or sent.name,
        kind=sent.fields.get("kind") or "other",
        actor=here.actor,
        now=here.now,
        asset=named(here, Asset, about["asset_id"], "asset_id"),
        asset_model=named(here, AssetModel, about["asset_model_id"], "asset_model_id"),
        site=named(here, Site, about["site_id"], "site_id"),
        language=sent.fields.get("language") or None,
        public=sent.fields.get("public", "").lower() in ("yes", "true", "1", "on"),
    )
    _add(here, document, sent)
    return _rows(here, [document])[0]


@router.get("/documents/{document_id}", operation_id="get_document")
def get_document(document_id: UUID, here: Here) -> DocumentRow:
    """One document."""
    here.require("document.read")
    return _rows(here, [_document(here, document_id)])[0]


@router.patch("/documents/{document_id}", operation_id="change_document")
def change_document(document_id: UUID, body: DocumentChange, here: Here, if_match: IfMatch = None) -> DocumentRow:
    """Rename, publish or put a document away."""
    here.require("document.manage")
    document = locked(here, Document, document_id, "document", if_match)
    if body.title is not None:
        document.title = checked_title(body.title)
    if body.kind is not None:
        if body.kind not in KINDS:
            raise Invalid(f"kind is one of {', '.join(KINDS)}", field="kind", allowed=list(KINDS))
        document.kind = body.kind
    if body.public is not None:
        document.public = body.public
    document.version += 1
    here.session.flush()
    if body.archived is not None:
        put_away(here.session, document, here.actor, here.now, away=body.archived)
    return _rows(here, [document])[0]


@router.post(
    "/documents/{document_id}/revisions",
    operation_id="add_document_revision",
    status_code=201,
    openapi_extra=form_of({"note": _ABOUT["note"]}),
)
def add_document_revision(document_id: UUID, here: Here, sent: Upload) -> DocumentRow:
    """Add a newer file; the earlier ones stay."""
    here.require("document.manage")
    document = locked(here, Document, document_id, "document")
    _add(here, document, sent)
    return _rows(here, [document])[0]


@router.get("/documents/{document_id}/file", operation_id="get_document_file", response_class=FileResponse)
def get_document_file(document_id: UUID, here: Here, revision: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """The file of a revision, the newest when none is told."""
    here.require("document.read")
    return file_of(file_store(here.settings), _revision(here, document_id, revision))


@router.get("/documents/{document_id}/thumbnail", operation_id="get_document_thumbnail", response_class=FileResponse)
def get_document_thumbnail(
    document_id: UUID, here: Here, revision: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """A small picture of a revision that is one."""
    here.require("document.read")
    found = _revision(here, document_id, revision)
    if found.thumbnail is None:
        raise NotFound("this file has no picture")
    headers = {"Cache-Control": "private, max-age=86400"}
    return file_response(file_store(here.settings), found.thumbnail, "image/png", headers)


def file_of(files: FileStore, revision: DocumentRevision) -> Response:
    """Return a file to be saved: no browser runs anything that is in it."""
    headers = {
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{revision.content}"',
    }
    return file_response(files, revision.content, revision.media_type, headers, name=revision.file_name)


def _outside(here: Context) -> bool:
    return here.actor.roles <= {Role.CUSTOMER}


def _document(here: Context, document_id: UUID) -> Document:
    document = seen(here, Document, document_id, "document")
    if _outside(here) and not document.public:
        raise NotFound("no such document", kind="document")
    return document


def _revision(here: Context, document_id: UUID, number: int | None) -> DocumentRevision:
    found = revision_of(here.session, _document(here, document_id), number)
    if found is None:
        raise NotFound("no such revision", kind="document")
    return found


def _add(here: Context, document: Document, sent: Sent) -> None:
    files = file_store(here.settings)
    try:
        content, size = files.put(sent.file, MAX_BYTES)
    except FileTooLarge as error:
        raise TooLarge(f"a document has at most {MAX_BYTES} bytes", most=MAX_BYTES) from error
    add_revision(
        here.session,
        files,
        document,
        content,
        size,
        file_name=sent.name,
        note=sent.fields.get("note"),
        actor=here.actor,
        now=here.now,
    )


def _id(sent: Sent, name: str) -> UUID | None:
    told = sent.fields.get(name)
    if not told:
        return None
    try:
        return UUID(told)
    except ValueError:
        raise Invalid("not an id", field=name) from None


def _rows(here: Context, documents: Sequence[Document]) -> list[DocumentRow]:
    ids = [each.id for each in documents]
    found = select(DocumentRevision).where(DocumentRevision.document_id.in_(ids))
    revisions = list(here.session.scalars(found.order_by(DocumentRevision.revision.desc())))
    people = person_names(here, [each.created_by_id for each in revisions])
    return [_row(here, each, [one for one in revisions if one.document_id == each.id], people) for each in documents]


def _row(here: Context, document: Document, revisions: list[DocumentRevision], people: dict[UUID, Ref]) -> DocumentRow:
    asset = here.session.get(Asset, document.asset_id) if document.asset_id else None
    model = here.session.get(AssetModel, document.asset_model_id) if document.asset_model_id else None
    site = here.session.get(Site, document.site_id) if document.site_id else None
    return DocumentRow(
        id=document.id,
        title=document.title,
        kind=document.kind,
        language=document.language,
        public=document.public,
        archived=document.archived_at is not None,
        version=document.version,
        created_at=document.created_at,
        asset=AssetName(id=asset.id, name=asset.name, serial=asset.serial) if asset else None,
        asset_model=ModelName(id=model.id, code=model.code, name_en=model.name_en, name_zh=model.name_zh)
        if model
        else None,
        site=Ref(id=site.id, name=site.name) if site else None,
        revisions=[
            RevisionRow(
                revision=each.revision,
                file_name=each.file_name,
                media_type=each.media_type,
                size_bytes=each.size_bytes,
                sha256=each.content,
                has_thumbnail=each.thumbnail is not None,
                note=each.note,
                created_at=each.created_at,
                created_by=people.get(each.created_by_id) if each.created_by_id else None,
            )
            for each in revisions
        ],
    )
