"""Photos of orders, visits and cases: what they belong to, what is said of them, which of them count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Invalid, NotFound
from assets.base.events import append_event
from ticketing.cases.tables import Case
from ticketing.evidence.tables import SUBJECTS, Evidence, EvidenceChunk, Signature
from ticketing.evidence.uploads import About
from ticketing.help_models import HelpRequest
from ticketing.models import Visit, WorkOrder
from ticketing.order_log import log_order
from ticketing.procedures.runs import StepsMissing, newest_answers, runs_of, standing_of, step_of
from ticketing.words import one_of

MAX_LISTED = 500


def about_of(session: Session, subject_kind: str, subject_id: UUID) -> About:
    """Return what a photo would belong to. Raises NotFound for what the caller does not see, Invalid."""
    one_of("subject_kind", subject_kind, SUBJECTS)
    if subject_kind == "case":
        case = session.get(Case, subject_id)
        if case is None:
            raise NotFound("no such case", kind="case")
        executor = case.executing_organisation_id
        return About("case", case.id, case.organisation_id, executor, case_id=case.id, asset_id=case.asset_id)
    visit = session.get(Visit, subject_id) if subject_kind == "visit" else None
    order = session.get(WorkOrder, visit.work_order_id if visit else subject_id)
    if order is None or (subject_kind == "visit" and visit is None):
        raise NotFound(f"no such {subject_kind.replace('_', ' ')}", kind=subject_kind)
    return About(
        subject_kind,
        subject_id,
        order.organisation_id,
        order.executing_organisation_id,
        work_order_id=order.id,
        case_id=order.case_id,
        asset_id=order.asset_id,
    )


def log_photo(session: Session, row: Evidence, what: str, now: datetime, by: Actor | None, **facts: Any) -> None:
    """Append an event: photo_added, photo_changed or photo_removed, about the order, else about the case."""
    said = {"evidence_id": str(row.id), "sha256": row.content or row.declared_sha256, "step": row.step_key, **facts}
    order = session.get(WorkOrder, row.work_order_id) if row.work_order_id else None
    if order is not None:
        log_order(session, order, f"work_order.{what}", now, by, said)
        return
    append_event(
        session,
        f"case.{what}",
        at=now,
        organisation_id=row.organisation_id,
        executing_organisation_id=row.executing_organisation_id,
        subject_kind="case",
        subject_id=row.subject_id,
        asset_id=row.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload=said,
    )


def hand_over(session: Session, order: WorkOrder) -> None:
    """Let photos, signatures and calls for help of an order be seen by whoever carries it out now, and no longer."""
    to = {"executing_organisation_id": order.executing_organisation_id}
    mine = select(Evidence.id).where(Evidence.work_order_id == order.id)
    for table, of in (
        (EvidenceChunk, EvidenceChunk.evidence_id.in_(mine)),
        (Evidence, Evidence.work_order_id == order.id),
        (Signature, Signature.work_order_id == order.id),
        (HelpRequest, HelpRequest.work_order_id == order.id),
    ):
        changed = table.executing_organisation_id.is_distinct_from(order.executing_organisation_id)
        session.execute(update(table).where(of, changed).values(to))


def photos_of(session: Session, order: WorkOrder) -> list[Evidence]:
    """Return an order's photos that are there or on their way, oldest first."""
    mine = select(Evidence).where(Evidence.work_order_id == order.id, Evidence.state.in_(("waiting", "kept")))
    return list(session.scalars(mine.order_by(Evidence.captured_at, Evidence.id).limit(MAX_LISTED)))


def check_evidence(session: Session, order: WorkOrder, evidence_ids: Sequence[UUID], field: str) -> None:
    """Raise Invalid unless each is a photo of this order or its case, there or on its way."""
    wanted = set(evidence_ids)
    if not wanted:
        return
    of = or_(Evidence.work_order_id == order.id, Evidence.case_id == order.case_id) if order.case_id else None
    mine = Evidence.work_order_id == order.id if of is None else of
    known = select(Evidence.id).where(Evidence.id.in_(wanted), mine, Evidence.state.in_(("waiting", "kept")))
    unknown = wanted - set(session.scalars(known))
    if unknown:
        names = sorted(map(str, unknown))[:20]
        raise Invalid(f"{order.number} has no such photo", field=field, unknown=names)


def check_photos_here(session: Session, order: WorkOrder) -> None:
    """Raise StepsMissing, which names the steps whose photos have not arrived or were removed."""
    runs = runs_of(session, order.id)
    newest = newest_answers(session, [run.id for run in runs]) if runs else {}
    named = {UUID(str(key)) for answers in newest.values() for given in answers.values() for key in given.evidence_ids}
    if not named:
        return
    absent = set(session.scalars(select(Evidence.id).where(Evidence.id.in_(named), Evidence.state != "kept")))
    if not absent:
        return
    left = []
    for run in runs:
        answers = newest.get(run.id, {})
        for key in standing_of(run, answers).asked:
            ids = {UUID(str(each)) for each in answers[key].evidence_ids} if key in answers else set()
            step = step_of(run, key)
            if key in answers and len(ids - absent) < max(step["kind"] == "signature", int(step.get("photos") or 0)):
                words = {name: step[name] for name in ("title_en", "title_zh")}
                left.append({"run_id": str(run.id), "procedure": run.snapshot["code"], "step": key, **words})
    if left:
        text = f"photos of {order.number} have not arrived: {', '.join(one['step'] for one in left[:5])}"
        raise StepsMissing(
            text, state="completed", to="documented", legal=["in_progress"], missing=left[:50], what="photos"
        )
