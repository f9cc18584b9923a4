"""Add documents and their revisions; whatever happens to them stands on the timeline of their asset."""

from __future__ import annotations

import io
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.documents.files import MAX_BYTES, media_type_of, thumbnail_of
from assets.documents.models import KINDS, Document, DocumentRevision
from assets.documents.store import FileStore
from assets.registry import Asset, AssetModel, Site

MAX_REVISIONS = 500
LANGUAGES = ("en", "zh")


def add_document(
    session: Session,
    *,
    title: str,
    kind: str,
    actor: Actor,
    now: datetime,
    asset: Asset | None = None,
    asset_model: AssetModel | None = None,
    site: Site | None = None,
    language: str | None = None,
    public: bool = False,
) -> Document:
    """Begin a document of an asset, of a model or of a site; it has no file yet. Raises Invalid."""
    about = asset or asset_model or site
    if about is None or sum(each is not None for each in (asset, asset_model, site)) != 1:
        raise Invalid("a document is about one asset, one asset model or one site", field="asset_id")
    if kind not in KINDS:
        raise Invalid(f"kind is one of {', '.join(KINDS)}", field="kind", allowed=list(KINDS))
    if language is not None and language not in LANGUAGES:
        raise Invalid(f"language is one of {', '.join(LANGUAGES)}", field="language", allowed=list(LANGUAGES))
    document = Document(
        organisation_id=about.organisation_id,
        asset_id=asset.id if asset else None,
        asset_model_id=asset_model.id if asset_model else None,
        site_id=site.id if site else None,
        title=checked_title(title),
        kind=kind,
        language=language,
        public=public,
        created_at=now,
    )
    session.add(document)
    session.flush()
    return document


def checked_title(title: str) -> str:
    """Return the title as it is kept. Raises Invalid."""
    title = title.strip()
    if not title or len(title) > 200 or not title.isprintable():
        raise Invalid("a title has 1 to 200 characters", field="title")
    return title


def add_revision(
    session: Session,
    files: FileStore,
    document: Document,
    content: str,
    size: int,
    *,
    file_name: str,
    note: str | None,
    actor: Actor,
    now: datetime,
    quiet: bool = False,
) -> DocumentRevision:
    """Add a file as the newest revision; the same file again changes nothing. `quiet`: another event says it.

    Raises Invalid, Conflict.
    """
    if document.archived_at is not None:
        raise Conflict("this document was put away", document_id=str(document.id))
    session.execute(select(Document.id).where(Document.id == document.id).with_for_update())
    session.refresh(document)
    newest = revision_of(session, document)
    if newest is not None and newest.content == content:
        return newest
    if document.latest >= MAX_REVISIONS:
        raise Invalid(f"at most {MAX_REVISIONS} revisions", field="file", limit=MAX_REVISIONS)
    with files.local(content) as path:
        media_type = media_type_of(path, file_name)
        small = thumbnail_of(path, media_type)
    thumbnail = files.put(io.BytesIO(small), MAX_BYTES)[0] if small else None
    made = DocumentRevision(
        organisation_id=document.organisation_id,
        document_id=document.id,
        revision=document.latest + 1,
        file_name=file_name,
        media_type=media_type,
        size_bytes=size,
        content=content,
        thumbnail=thumbnail,
        note=(note or "").strip()[:1000] or None,
        created_at=now,
        created_by_id=actor.person_id,
    )
    session.add(made)
    document.latest += 1
    document.version += 1
    session.flush()
    kind = "document.added" if made.revision == 1 else "document.revised"
    if not quiet:
        tell(session, document, kind, actor, now, revision=made.revision, sha256=content)
    return made


def revision_of(session: Session, document: Document, number: int | None = None) -> DocumentRevision | None:
    """Return a revision, the newest when no number is told; None when there is none."""
    found = select(DocumentRevision).where(
        DocumentRevision.document_id == document.id, DocumentRevision.revision == (number or document.latest)
    )
    return session.scalar(found)


def put_away(session: Session, document: Document, actor: Actor, now: datetime, *, away: bool) -> None:
    """Put a document away, or take it out again; its files stay."""
    if away == (document.archived_at is not None):
        return
    document.archived_at = now if away else None
    session.flush()
    tell(session, document, "document.archived" if away else "document.restored", actor, now)


def tell(
    session: Session, document: Document, kind: str, actor: Actor, now: datetime, **more: str | int | UUID
) -> None:
    """Write down what happened to a document."""
    append_event(
        session,
        kind,
        at=now,
        organisation_id=document.organisation_id,
        subject_kind="document",
        subject_id=document.id,
        asset_id=document.asset_id,
        actor_kind=actor.kind if actor.kind != "person" or actor.person_id else "system",
        actor_id=actor.person_id,
        payload={"title": document.title, "kind": document.kind, **more},
    )
