"""Warranty terms: versions of clauses, published and withdrawn, never edited."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import or_, select, tuple_

from assets.base.errors import Forbidden, Invalid, NotFound
from assets.registry import AssetModel
from assets.warranty.clauses import (
    CAUSES,
    CLAUSE_KINDS,
    FACTS,
    MAX_CLAUSES,
    PAYERS,
    REMEDIES,
    REPLACEMENT_RULES,
    SCOPES,
    TERM_KINDS,
)
from assets.warranty.tables import WarrantyTerms
from assets.warranty.terms import publish_terms, withdraw_terms
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.warranty_rows import require_serving

router = APIRouter(prefix="/api/v1", tags=["warranty"])

Text200 = Annotated[str, Field(min_length=1, max_length=200)]


class ModelNamed(BaseModel):
    """An asset model by its names."""

    id: UUID
    code: str
    name_en: str
    name_zh: str


class NewTerms(BaseModel):
    """Terms to publish; with a code that is there already, its next version."""

    code: Annotated[str, Field(min_length=1, max_length=80)]
    kind: Literal["warranty", "statutory", "goodwill"] = "warranty"
    name_en: Text200
    name_zh: Text200
    asset_model_id: UUID | None = None
    regions: Annotated[list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=200)] = []
    sold_from: date | None = None
    sold_to: date | None = None
    precedence: Annotated[int, Field(ge=-1000, le=1000)] = 0
    payer: Literal["manufacturer", "dealer", "operator"] = "manufacturer"
    claims_count: bool = True
    clauses: Annotated[list[dict[str, Any]], Field(max_length=MAX_CLAUSES)]


class TermsItem(BaseModel):
    """One version of terms."""

    id: UUID
    code: str
    version: int
    kind: str
    name_en: str
    name_zh: str
    asset_model: ModelNamed | None
    regions: list[str]
    sold_from: date | None
    sold_to: date | None
    precedence: int
    payer: str
    claims_count: bool
    clauses: list[dict[str, Any]]
    created_at: datetime
    withdrawn_at: datetime | None
    legal: list[str]


class TermsPage(BaseModel):
    """One page of terms."""

    items: list[TermsItem]
    next: str | None = None


class Words(BaseModel):
    """The words that clauses are written with."""

    clause_kinds: list[str]
    scopes: list[str]
    facts: list[str]
    causes: list[str]
    remedies: list[str]
    replacement_rules: list[str]
    term_kinds: list[str]
    payers: list[str]


@router.get("/warranty-terms", operation_id="list_warranty_terms")
def list_terms(
    here: Here,
    q: str | None = None,
    code: str | None = None,
    asset_model_id: UUID | None = None,
    current: bool = False,
    limit: Limit = 100,
    after: After = None,
) -> TermsPage:
    """Terms by code, newest version first; `current` leaves out withdrawn and superseded ones."""
    here.require("warranty.read")
    query = select(WarrantyTerms).order_by(WarrantyTerms.code, WarrantyTerms.version.desc(), WarrantyTerms.id)
    if q:
        pattern = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        query = query.where(
            or_(*(each.ilike(pattern) for each in (WarrantyTerms.code, WarrantyTerms.name_en, WarrantyTerms.name_zh)))
        )
    if code is not None:
        query = query.where(WarrantyTerms.code == code)
    if asset_model_id is not None:
        query = query.where(WarrantyTerms.asset_model_id == asset_model_id)
    if current:
        newer = WarrantyTerms.__table__.alias("newer")
        superseded = (
            select(newer.c.id)
            .where(
                newer.c.organisation_id == WarrantyTerms.organisation_id,
                newer.c.code == WarrantyTerms.code,
                newer.c.version > WarrantyTerms.version,
                newer.c.withdrawn_at.is_(None),
            )
            .exists()
        )
        query = query.where(WarrantyTerms.withdrawn_at.is_(None), ~superseded)
    if after:
        last, version, key = read_cursor(after, str, int, UUID)
        query = query.where(
            tuple_(WarrantyTerms.code, -WarrantyTerms.version, WarrantyTerms.id) > tuple_(last, -version, key)
        )
    rows = list(here.session.scalars(query.limit(limit + 1)))
    page = rows[:limit]
    following = cursor_of(page[-1].code, page[-1].version, page[-1].id) if len(rows) > limit else None
    return TermsPage(items=_items(here, page), next=following)


@router.get("/warranty-terms/words", operation_id="get_warranty_words")
def get_words(here: Here) -> Words:
    """The words that clauses are written with, for forms."""
    here.require("warranty.read")
    return Words(
        clause_kinds=list(CLAUSE_KINDS),
        scopes=list(SCOPES),
        facts=list(FACTS),
        causes=list(CAUSES),
        remedies=list(REMEDIES),
        replacement_rules=list(REPLACEMENT_RULES),
        term_kinds=list(TERM_KINDS),
        payers=list(PAYERS),
    )


@router.post("/warranty-terms", operation_id="publish_warranty_terms", status_code=201)
def publish(body: NewTerms, here: Here) -> TermsItem:
    """Publish terms; 422 names the clause and field that cannot be judged."""
    here.require("warranty.manage")
    require_serving(here)
    model = here.session.get(AssetModel, body.asset_model_id) if body.asset_model_id else None
    if body.asset_model_id is not None and model is None:
        raise Invalid("no such asset model", field="asset_model_id")
    made = publish_terms(
        here.session,
        organisation_id=here.actor.organisation_id,
        model=model,
        now=here.now,
        by_id=here.actor.person_id,
        **body.model_dump(exclude={"asset_model_id"}),
    )
    return _items(here, [made])[0]


@router.get("/warranty-terms/{terms_id}", operation_id="get_warranty_terms")
def get_terms(terms_id: UUID, here: Here) -> TermsItem:
    """One version of terms."""
    here.require("warranty.read")
    return _items(here, [_terms(here, terms_id)])[0]


@router.post("/warranty-terms/{terms_id}/withdraw", operation_id="withdraw_warranty_terms")
def withdraw(terms_id: UUID, here: Here) -> TermsItem:
    """Withdraw terms that should never have been: nothing is judged by them any more."""
    here.require("warranty.manage")
    require_serving(here)
    terms = _terms(here, terms_id)
    locked = here.session.scalar(
        select(WarrantyTerms)
        .where(WarrantyTerms.id == terms.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if locked is None:
        raise Forbidden("these terms belong to another organisation", kind="warranty_terms")
    withdraw_terms(here.session, locked, here.now, here.actor.person_id)
    return _items(here, [locked])[0]


def _terms(here: Context, terms_id: UUID) -> WarrantyTerms:
    terms = here.session.get(WarrantyTerms, terms_id)
    if terms is None:
        raise NotFound("no such terms", kind="warranty_terms")
    return terms


def _items(here: Context, rows: list[WarrantyTerms]) -> list[TermsItem]:
    wanted = {each.asset_model_id for each in rows if each.asset_model_id}
    models = {
        each.id: ModelNamed(id=each.id, code=each.code, name_en=each.name_en, name_zh=each.name_zh)
        for each in here.session.scalars(select(AssetModel).where(AssetModel.id.in_(wanted)))
    }
    return [
        TermsItem(
            id=each.id,
            code=each.code,
            version=each.version,
            kind=each.kind,
            name_en=each.name_en,
            name_zh=each.name_zh,
            asset_model=models.get(each.asset_model_id) if each.asset_model_id else None,
            regions=each.regions,
            sold_from=each.sold_from,
            sold_to=each.sold_to,
            precedence=each.precedence,
            payer=each.payer,
            claims_count=each.claims_count,
            clauses=each.clauses,
            created_at=each.created_at,
            withdrawn_at=each.withdrawn_at,
            legal=["withdraw"] if each.withdrawn_at is None else [],
        )
        for each in rows
    ]
