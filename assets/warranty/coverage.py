"""Judge the lines of an order with what is known of the asset; keep the verdicts; overrides by two people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.contracts.agreements import as_term_set as contract_terms
from assets.contracts.agreements import contracts_of
from assets.registry import Asset
from assets.warranty.clauses import PAYERS, TermSet
from assets.warranty.facts import SOLD, Fault, Line, Override, Reading
from assets.warranty.known import Known, known_of, meters_at
from assets.warranty.periods import is_sensible
from assets.warranty.replacements import as_history, replacements_of
from assets.warranty.tables import CoverageCheck, CoverageOverride
from assets.warranty.terms import as_term_set, terms_for, versions_that_count
from assets.warranty.verdict import CUSTOMER, LineVerdict, Looked, judge, payer_of
from assets.warranty.windows import IN, OUT

MAX_LINES = 500
MAX_REASON = 1000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: when it failed, which lines, and what the asker knows beyond what is recorded."""

    fault_at: datetime | None
    lines: Sequence[Line]
    meters: Mapping[str, float] = field(default_factory=dict)
    region: str | None = None
    stays: tuple[tuple[date, date], ...] = ()
    repairs: tuple[date, ...] | None = ()


def term_sets(
    session: Session, asset: Asset, known: Known, fault_at: datetime | None, work_order_id: UUID | None = None
) -> list[TermSet]:
    """Return everything that may cover an asset: terms of whoever stands above it, and its contracts."""
    named = {UUID(str(each["id"])) for each in known.card.terms} if known.card else set()
    found = terms_for(session, asset)
    sold_on = next((known.dates[fact] for fact in SOLD if fact in known.dates), None)
    if not named and (set(SOLD) & known.unconfirmed):
        sold_on = None
    chosen = versions_that_count([each for each in found if each.id not in named], sold_on)
    codes = {(each.organisation_id, each.code) for each in found if each.id in named}
    kept = [each for each in chosen if (each.organisation_id, each.code) not in codes]
    sets = [as_term_set(each) for each in [*(each for each in found if each.id in named), *kept]]
    return [
        *sets,
        *(contract_terms(session, each, fault_at, work_order_id) for each in contracts_of(session, asset)),
    ]


def judge_lines(
    session: Session, asset: Asset, asked: Question, now: datetime, work_order_id: UUID | None = None
) -> list[LineVerdict]:
    """Judge lines with what is recorded of the asset. Raises Invalid for a fault to come, or two lines of one id."""
    if asked.fault_at is not None and not is_sensible(asked.fault_at):
        raise Invalid("a fault lies in this or the last century", field="fault_at")
    if asked.fault_at is not None and asked.fault_at > now:
        raise Invalid("a fault lies in the past", field="fault_at")
    ids = [line.line_id for line in asked.lines]
    if len(ids) > MAX_LINES:
        raise Invalid(f"at most {MAX_LINES} lines", field="lines", limit=MAX_LINES)
    if len(set(ids)) < len(ids):
        raise Invalid("each line has an id of its own", field="lines")
    known = known_of(session, asset)
    measured = meters_at(session, asset.id, asked.fault_at) if asked.fault_at else {}
    readings: dict[str, float | Reading] = {**measured, **asked.meters}
    overrides = approved_overrides(session, work_order_id) if work_order_id else {}
    return judge(
        known.facts(asset, stays=asked.stays, repairs=asked.repairs),
        Fault(asked.fault_at, readings, asked.region),
        asked.lines,
        term_sets(session, asset, known, asked.fault_at, work_order_id),
        as_history(replacements_of(session, asset.id)),
        overrides,
    )


def check_order(
    session: Session,
    asset: Asset,
    work_order_id: UUID,
    asked: Question,
    now: datetime,
    *,
    executing_organisation_id: UUID | None = None,
    by_id: UUID | None = None,
) -> CoverageCheck:
    """Judge the lines of a work order and keep the verdicts with what they were made from."""
    verdicts = judge_lines(session, asset, asked, now, work_order_id)
    known = known_of(session, asset)
    check = CoverageCheck(
        organisation_id=asset.organisation_id,
        executing_organisation_id=executing_organisation_id,
        asset_id=asset.id,
        work_order_id=work_order_id,
        fault_at=asked.fault_at,
        region=asked.region or known.region,
        meters=dict(asked.meters),
        lines=[_plain_line(line) for line in asked.lines],
        verdicts=[plain(verdict) for verdict in verdicts],
        facts={
            "dates": {fact: str(day) for fact, day in known.dates.items()},
            "sources": known.sources,
            "unconfirmed": sorted(known.unconfirmed),
            "time_zone": known.zone_name,
        },
        checked_at=now,
        checked_by_id=by_id,
    )
    session.add(check)
    session.flush()
    counts = Counter(verdict.verdict for verdict in verdicts)
    _note(
        session,
        check,
        "warranty.checked",
        now,
        by_id,
        {name: counts[name] for name in (IN, OUT, "needs_check")} | {"work_order_id": str(work_order_id)},
    )
    return check


def newest_check(session: Session, work_order_id: UUID) -> CoverageCheck | None:
    """Return the verdicts that count, None when nobody has asked."""
    wanted = select(CoverageCheck).where(CoverageCheck.work_order_id == work_order_id)
    return session.scalar(wanted.order_by(CoverageCheck.id.desc()).limit(1))


def request_override(
    session: Session,
    check: CoverageCheck,
    line_id: str,
    verdict: str,
    reason: str,
    now: datetime,
    *,
    by_id: UUID,
    payer: str | None = None,
) -> CoverageOverride:
    """Ask for another verdict on a line; nothing changes until somebody else approves. Raises Conflict, Invalid."""
    if verdict not in (IN, OUT):
        raise Invalid("an override says in or out", field="verdict", allowed=[IN, OUT])
    if payer is not None and payer not in (*PAYERS, CUSTOMER):
        raise Invalid("no such payer", field="payer", allowed=[*PAYERS, CUSTOMER])
    computed = next((each for each in check.verdicts if each["line_id"] == line_id), None)
    if computed is None:
        raise Invalid("the order has no such line", field="line_id")
    waiting = select(CoverageOverride.id).where(
        CoverageOverride.work_order_id == check.work_order_id,
        CoverageOverride.line_id == line_id,
        CoverageOverride.state == "requested",
    )
    if (other := session.scalar(waiting)) is not None:
        raise Conflict("an override of this line waits for its approval already", override_id=str(other))
    asked = CoverageOverride(
        organisation_id=check.organisation_id,
        executing_organisation_id=check.executing_organisation_id,
        asset_id=check.asset_id,
        work_order_id=check.work_order_id,
        line_id=line_id,
        computed=computed.get("computed") or computed["verdict"],
        verdict=verdict,
        payer=payer,
        reason=_reason(reason),
        state="requested",
        requested_at=now,
        requested_by_id=by_id,
    )
    session.add(asked)
    session.flush()
    _note(session, asked, "warranty.override_requested", now, by_id, _said(asked))
    return asked


class SamePerson(Conflict):
    """Who asks for an override does not approve it."""

    code = "same_person"


def decide_override(
    session: Session, asked: CoverageOverride, approve: bool, reason: str, now: datetime, *, by_id: UUID
) -> CoverageOverride:
    """Approve or refuse an override. Raises SamePerson, Conflict when it is decided."""
    if asked.state != "requested":
        raise Conflict(f"this override is {asked.state} already", state=asked.state)
    if asked.requested_by_id == by_id:
        raise SamePerson("another person than the one who asked decides")
    asked.state = "approved" if approve else "refused"
    asked.decided_at, asked.decided_by_id, asked.decision_reason = now, by_id, _reason(reason)
    session.flush()
    _note(session, asked, f"warranty.override_{asked.state}", now, by_id, _said(asked))
    return asked


def approved_overrides(session: Session, work_order_id: UUID) -> dict[str, Override]:
    """Return the overrides that hold for an order, by line: of several the one decided last."""
    found = select(CoverageOverride).where(
        CoverageOverride.work_order_id == work_order_id, CoverageOverride.state == "approved"
    )
    ordered = session.scalars(found.order_by(CoverageOverride.decided_at, CoverageOverride.id))
    return {each.line_id: Override(each.verdict, each.reason, each.payer) for each in ordered}


def shown(check: CoverageCheck, overrides: Mapping[str, Override]) -> list[dict[str, Any]]:
    """Return the verdicts of a check with the overrides that were approved since."""
    verdicts = []
    for kept in check.verdicts:
        override = overrides.get(kept["line_id"])
        if override is None:
            verdicts.append(kept)
            continue
        payers = [{"payer": payer_of(override), "share_percent": 100}]
        computed = kept.get("computed") or kept["verdict"]
        over = {"verdict": override.verdict, "payers": payers, "missing": [], "computed": computed}
        verdicts.append({**kept, **over, "override": _plain_override(override)})
    return verdicts


def plain(verdict: LineVerdict) -> dict[str, Any]:
    """Return a verdict as it is stored and shown."""
    return {
        "line_id": verdict.line_id,
        "kind": verdict.kind,
        "verdict": verdict.verdict,
        "payers": [{"payer": each.payer, "share_percent": each.share_percent} for each in verdict.payers],
        "decided_by": _plain_clause(verdict.decided) if verdict.decided else None,
        "reason": verdict.reason,
        "reason_params": dict(verdict.params),
        "missing": list(verdict.missing),
        "remedies": list(verdict.remedies),
        "considered": [
            {
                "code": each.terms.code,
                "version": each.terms.version,
                "clause_id": each.clause.id,
                "result": each.answer.result,
                "reason": each.answer.reason,
                "missing": list(each.answer.missing),
            }
            for each in verdict.considered
        ],
        "override": _plain_override(verdict.override),
        "computed": verdict.computed,
    }


def _plain_override(override: Override | None) -> dict[str, Any] | None:
    if override is None:
        return None
    return {"verdict": override.verdict, "reason": override.reason, "payer": override.payer}


def _plain_clause(looked: Looked) -> dict[str, Any]:
    terms, clause, answer = looked.terms, looked.clause, looked.answer
    return {
        "source": "contract" if terms.is_contract else "terms",
        "id": terms.id,
        "code": terms.code,
        "version": terms.version,
        "clause_id": clause.id,
        "text_en": clause.text_en,
        "text_zh": clause.text_zh,
        "share_percent": clause.share_percent,
        "entitlement": clause.entitlement,
        "begins_on": str(answer.begins_on) if answer.begins_on else None,
        "ends_on": str(answer.ends_on) if answer.ends_on else None,
        "meters": [{"meter": each.meter, "limit": each.limit} for each in clause.meters],
    }


def _plain_line(line: Line) -> dict[str, Any]:
    return {name: getattr(line, name) for name in Line.__slots__}


def _reason(reason: str) -> str:
    words = reason.strip()
    if not 1 <= len(words) <= MAX_REASON:
        raise Invalid(f"a reason has 1 to {MAX_REASON} characters", field="reason", limit=MAX_REASON)
    return words


def _said(asked: CoverageOverride) -> dict[str, Any]:
    return {
        "line_id": asked.line_id,
        "computed": asked.computed,
        "verdict": asked.verdict,
        "reason": asked.decision_reason or asked.reason,
        "work_order_id": str(asked.work_order_id),
    }


def _note(
    session: Session,
    about: CoverageCheck | CoverageOverride,
    kind: str,
    now: datetime,
    by_id: UUID | None,
    payload: dict[str, Any],
) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=about.organisation_id,
        executing_organisation_id=about.executing_organisation_id,
        subject_kind="work_order",
        subject_id=about.work_order_id,
        asset_id=about.asset_id,
        actor_kind="person" if by_id else "system",
        actor_id=by_id,
        payload=payload,
    )
