"""Publish versions of warranty terms, and find those that may hold for an asset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.people import Organisation
from assets.registry import Asset, AssetModel
from assets.warranty.clauses import PAYERS, TERM_KINDS, TermSet, read_clauses
from assets.warranty.tables import WarrantyTerms

MAX_SETS = 200  # that may hold for one asset; more is a mistake in the catalogue
MAX_CODE = 80
MAX_NAME = 200


def publish_terms(
    session: Session,
    *,
    organisation_id: UUID,
    code: str,
    kind: str,
    name_en: str,
    name_zh: str,
    clauses: Sequence[dict[str, Any]],
    now: datetime,
    by_id: UUID | None = None,
    model: AssetModel | None = None,
    regions: Sequence[str] = (),
    sold_from: date | None = None,
    sold_to: date | None = None,
    precedence: int = 0,
    payer: str = "manufacturer",
    claims_count: bool = True,
) -> WarrantyTerms:
    """Publish terms, or the next version of the terms with this code. Raises Invalid that names the field."""
    code = code.strip()
    if not 1 <= len(code) <= MAX_CODE:
        raise Invalid(f"a code has 1 to {MAX_CODE} characters", field="code", limit=MAX_CODE)
    if kind not in TERM_KINDS:
        raise Invalid(f"kind: one of {', '.join(TERM_KINDS)}", field="kind", allowed=list(TERM_KINDS))
    if payer not in PAYERS:
        raise Invalid(f"payer: one of {', '.join(PAYERS)}", field="payer", allowed=list(PAYERS))
    if sold_from and sold_to and sold_to < sold_from:
        raise Invalid("sold_to lies before sold_from", field="sold_to")
    read = read_clauses(list(clauses))
    for index, clause in enumerate(read):
        if clause.entitlement or any(start.fact == "contract" for start in clause.begins):
            raise Invalid("entitlements and the contract's days belong to contracts", field=f"clauses.{index}")
    # Two who publish at once: the second waits and becomes the version after.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:s, 11))"),
        {"s": f"warranty_terms {organisation_id} {code}"},
    )
    newest = select(func.max(WarrantyTerms.version)).where(
        WarrantyTerms.organisation_id == organisation_id, WarrantyTerms.code == code
    )
    terms = WarrantyTerms(
        organisation_id=organisation_id,
        code=code,
        version=(session.scalar(newest) or 0) + 1,
        kind=kind,
        name_en=name_en.strip(),
        name_zh=name_zh.strip(),
        asset_model_id=model.id if model else None,
        regions=[each.strip().upper() for each in regions],
        sold_from=sold_from,
        sold_to=sold_to,
        precedence=precedence,
        payer=payer,
        claims_count=claims_count,
        clauses=list(clauses),
        created_at=now,
        created_by_id=by_id,
    )
    session.add(terms)
    session.flush()
    _note(session, terms, "warranty.terms_published", now, by_id)
    return terms


def withdraw_terms(session: Session, terms: WarrantyTerms, now: datetime, by_id: UUID | None = None) -> None:
    """Take terms back that should never have been: nothing is judged by them any more. Raises Conflict the second time.

    Terms that ended are not withdrawn: their next version, or `sold_to`, ends them for what is sold later.
    """
    if terms.withdrawn_at is not None:
        raise Conflict("these terms are withdrawn already", code=terms.code)
    terms.withdrawn_at = now
    session.flush()
    _note(session, terms, "warranty.terms_withdrawn", now, by_id)


def terms_for(session: Session, asset: Asset) -> list[WarrantyTerms]:
    """Return the terms that may hold for an asset: those of its organisation and of the ones above it."""
    owner = session.get(Organisation, asset.organisation_id)
    owners = list(owner.ancestors) if owner else [asset.organisation_id]
    wanted = select(WarrantyTerms).where(
        WarrantyTerms.organisation_id.in_(owners), WarrantyTerms.withdrawn_at.is_(None)
    )
    if asset.asset_model_id is not None:
        wanted = wanted.where(
            or_(WarrantyTerms.asset_model_id.is_(None), WarrantyTerms.asset_model_id == asset.asset_model_id)
        )
    return list(session.scalars(wanted.order_by(WarrantyTerms.code, WarrantyTerms.version).limit(MAX_SETS)))


def versions_that_count(found: Sequence[WarrantyTerms], sold_on: date | None) -> list[WarrantyTerms]:
    """Return one version of each code: the newest one that was there to be sold under on that day.

    A version without days of sale takes the place of those before it. With the day of sale unknown, all that differ
    in their days of sale stay: the verdict asks for the day.
    """
    chosen = []
    for code in dict.fromkeys((each.organisation_id, each.code) for each in found):
        versions = [each for each in found if (each.organisation_id, each.code) == code]
        versions.sort(key=lambda each: each.version)
        last_open = max(
            (index for index, each in enumerate(versions) if each.sold_from is None and each.sold_to is None), default=0
        )
        versions = versions[last_open:]
        if sold_on is not None:
            held = [each for each in versions if _sold_under(each, sold_on)]
            versions = held[-1:] or versions[-1:]
        chosen += versions
    return chosen


def as_term_set(terms: WarrantyTerms) -> TermSet:
    """Return terms as the verdict reads them."""
    return TermSet(
        id=str(terms.id),
        code=terms.code,
        version=terms.version,
        clauses=read_clauses(terms.clauses),
        payer=terms.payer,
        model=str(terms.asset_model_id) if terms.asset_model_id else None,
        regions=tuple(terms.regions),
        sold_from=terms.sold_from,
        sold_to=terms.sold_to,
        precedence=terms.precedence,
        kind=terms.kind,
    )


def _sold_under(terms: WarrantyTerms, day: date) -> bool:
    return (terms.sold_from is None or day >= terms.sold_from) and (terms.sold_to is None or day <= terms.sold_to)


def _note(session: Session, terms: WarrantyTerms, kind: str, now: datetime, by_id: UUID | None) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=terms.organisation_id,
        subject_kind="warranty_terms",
        subject_id=terms.id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload={"code": terms.code, "version": terms.version},
    )
