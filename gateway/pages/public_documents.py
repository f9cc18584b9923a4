"""The documents of a machine that everybody with its label may read."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from assets.base.errors import NotFound
from assets.documents.archive import revision_of
from assets.documents.models import Document
from assets.labels.codes import labelled_asset
from assets.registry import Asset
from assets.warranty.known import card_of
from gateway.api.deps import Public
from gateway.api.documents import file_of
from gateway.card_file import card_pdf, facts_of
from gateway.files import file_store
from gateway.texts import choose_language

router = APIRouter(include_in_schema=False)

MAX_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PublicDocument:
    """A document by its title; `language` None: for readers of any."""

    id: UUID
    title: str
    language: str | None


def public_documents(session: Session, asset: Asset) -> tuple[PublicDocument, ...]:
    """Return what is public of the asset and of its model, by title; not what an owner before had of it."""
    of = and_(Document.asset_id == asset.id, Document.organisation_id == asset.organisation_id)
    wanted = or_(of, Document.asset_model_id == asset.asset_model_id) if asset.asset_model_id else of
    found = select(Document).where(wanted, Document.public, Document.archived_at.is_(None), Document.latest > 0)
    rows = session.scalars(found.order_by(Document.title, Document.id).limit(MAX_SHOWN))
    return tuple(PublicDocument(each.id, each.title, each.language) for each in rows)


@router.get("/a/{code}/documents/{document_id}", operation_id="customer_document")
def customer_document(code: str, document_id: UUID, here: Public, request: Request) -> Response:
    """The newest file of a public document."""
    asset = labelled_asset(here.session, code)
    shown = {each.id for each in public_documents(here.session, asset)} if asset else set()
    document = here.session.get(Document, document_id) if document_id in shown else None
    revision = revision_of(here.session, document) if document else None
    if revision is None:
        raise NotFound("no such document")
    return file_of(file_store(here.settings), revision)


@router.get("/a/{code}/warranty-card", operation_id="customer_warranty_card")
def customer_warranty_card(code: str, here: Public, request: Request) -> Response:
    """The machine's warranty card as a PDF, without the customer's name: a label is open to everybody."""
    asset = labelled_asset(here.session, code)
    if asset is None or card_of(here.session, asset.id) is None:
        raise NotFound("no such warranty card")
    asked, accepted = request.query_params.get("lang"), request.headers.get("accept-language")
    language = choose_language(asked, request.cookies.get("forewarn_language"), accepted)
    facts = facts_of(here, asset, language)
    headers = {
        "Content-Disposition": f'attachment; filename="warranty-{facts.warranty.number}.pdf"',
        "Cache-Control": "no-store",
    }
    return Response(card_pdf(language, facts), media_type="application/pdf", headers=headers)
