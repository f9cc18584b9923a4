"""What covers an asset now, clause by clause: since when, until when, and what is missing to say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from assets.registry import Asset
from assets.warranty.clauses import Clause, TermSet
from assets.warranty.coverage import term_sets
from assets.warranty.facts import AssetFacts, Fault, region_in
from assets.warranty.known import Known, known_of, meters_at
from assets.warranty.windows import IN, OPEN, answer_in_time, own_windows

STATES = ("not_begun", "running", "ended", "needs_check")


@dataclass(frozen=True, slots=True)
class Cover:
    """One clause of one set of terms, as it stands at a moment."""

    terms: TermSet
    clause: Clause
    state: str
    begins_on: date | None
    ends_on: date | None
    missing: tuple[str, ...]


def cover_at(session: Session, asset: Asset, now: datetime, known: Known | None = None) -> list[Cover]:
    """Return what covers an asset, each clause that grants something; other regions' clauses are left out."""
    known = known or known_of(session, asset)
    fault = Fault(now, meters_at(session, asset.id, now))
    facts = known.facts(asset)
    return [
        _cover(terms, clause, facts, fault)
        for terms in term_sets(session, asset, known, now)
        for clause in terms.clauses
        if clause.kind != "exclusion" and _here(terms, clause, facts.region)
    ]


def span_of(cover: Sequence[Cover], otherwise: date) -> tuple[date, date | None]:
    """Return first and last day of the terms' cover, contracts left out; no end while one is not known."""
    own = [each for each in cover if not each.terms.is_contract and each.clause.kind == "cover"]
    begins = [each.begins_on for each in own if each.begins_on]
    ends = [each.ends_on for each in own]
    last = None if not ends or None in ends else max(day for day in ends if day)
    return min(begins, default=otherwise), last


def terms_named(cover: Sequence[Cover]) -> list[UUID]:
    """Return the ids of the versions of terms among what covers."""
    return list(dict.fromkeys(UUID(each.terms.id) for each in cover if not each.terms.is_contract))


def _cover(terms: TermSet, clause: Clause, facts: AssetFacts, fault: Fault) -> Cover:
    if terms.is_contract and terms.holds_from:
        dates = {**facts.dates, "contract": terms.holds_from}
        facts = AssetFacts(dates=dates, zone=facts.zone, unconfirmed=facts.unconfirmed)
    answer = answer_in_time(clause, terms, facts, fault, [])
    begins_on, ends_on = answer.begins_on, answer.ends_on
    if answer.result == OPEN and begins_on is None:
        known = next((window for window in own_windows(clause, facts, fault) if window.begins_on), None)
        begins_on, ends_on = (known.begins_on, known.ends_on) if known else (None, None)
    state = "running" if answer.result == IN else "needs_check" if answer.result == OPEN else "ended"
    if answer.reason == "not_begun":
        state = "not_begun"
    return Cover(terms, clause, state, begins_on, ends_on, answer.missing)


def _here(terms: TermSet, clause: Clause, region: str | None) -> bool:
    return region is None or all(
        not wanted or any(region_in(region, each) for each in wanted) for wanted in (terms.regions, clause.regions)
    )
