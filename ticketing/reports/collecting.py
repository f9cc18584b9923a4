"""Collect what a report about a work order says, as the service sees it: whole, whoever reads it later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.commissioning import CommissioningAnswer, answers_of
from assets.people import Organisation, Person
from assets.registry import Asset, AssetModel, Customer, Site
from assets.stock.items import Part
from assets.stock.tables import StockSerial
from assets.stock.usages import usages_of
from assets.warranty.coverage import approved_overrides, newest_check, shown
from ticketing.evidence.tables import Evidence
from ticketing.failure_words import CAUSES, action_words
from ticketing.models import Request, Visit, WorkOrder
from ticketing.order_models import WorkOrderLine
from ticketing.order_people import helpers_of
from ticketing.past_fixes import mode_words, repair_codes_of
from ticketing.procedures.models import ProcedureAnswer, ProcedureRun
from ticketing.procedures.runs import newest_answers, runs_of, standing_of
from ticketing.procedures.steps import Step
from ticketing.reports.facts import (
    Answered,
    Checklist,
    Done,
    Facts,
    Machine,
    Noticed,
    PartUsed,
    Photo,
    Spent,
    Verdict,
)

MOST_LINES = 500
MOST_REQUESTS = 20
MOST_PHOTOS = 40
_DONE_VISITS = ("completed", "partially_completed", "cannot_complete", "in_progress", "on_break")


def service_facts(session: Session, order: WorkOrder) -> Facts:
    """Return what a service report says: what was noticed, what was done, with what result. Needs the service role."""
    return Facts(
        template="service_report",
        **_head(session, order),
        started_at=order.started_at,
        done_at=order.work_done_at,
        noticed=noticed_of(order.noticed),
        done=_done(session, order),
        checklists=_checklists(session, order),
        spent=_spent(session, order),
        parts=_parts(session, order),
        photos=_photos(session, order),
        warranty=_warranty(session, order),
        technicians=_people(session, order, done=True),
    )


def job_facts(session: Session, order: WorkOrder) -> Facts:
    """Return what a job sheet says: where to go, what was noticed, what to do. Needs the service role."""
    return Facts(
        template="job_sheet",
        **_head(session, order),
        planned_from=_planned(session, order),
        noticed=noticed_of(order.noticed),
        checks=tuple((order.noticed or {}).get("checks", [])),
        checklists=_checklists(session, order),
        technicians=_people(session, order, done=False),
    )


def commissioning_facts(session: Session, asset: Asset) -> Facts | None:
    """Return what a commissioning protocol says; None for a model without a checklist. Needs the service role."""
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    if model is None or not model.checklist:
        return None
    answers = answers_of(session, asset.id)
    found = [answers[point["key"]] for point in model.checklist if point["key"] in answers]
    customer = customer_of(session, asset)
    steps = tuple(_point(point, answers.get(point["key"])) for point in model.checklist)
    return Facts(
        template="commissioning_protocol",
        number=asset.serial,
        machine=machine_of(session, asset),
        provider=provider_of(session, asset.organisation_id, None),
        customer=customer.name if customer else None,
        done_at=max((each.at for each in found), default=None),
        checklists=(Checklist(model.code, model.name_en, model.name_zh or model.name_en, None, steps),),
        technicians=_names(session, [key for key in dict.fromkeys(each.by_id for each in found) if key is not None]),
    )


def _point(point: dict[str, Any], answer: CommissioningAnswer | None) -> Answered:
    measured = (answer.value or {}).get("value") if answer else None
    return Answered(
        title_en=str(point.get("en") or point["key"]),
        title_zh=str(point.get("zh") or point.get("en") or point["key"]),
        kind=str(point.get("kind", "check")),
        value=None if answer is None else answer.ok if measured is None else measured,
        chosen_en=None,
        chosen_zh=None,
        unit=point.get("unit"),
        low=point.get("minimum"),
        high=point.get("maximum"),
        out_of_limit=answer is not None and not answer.ok,
        photos=0,
        note=answer.note if answer else None,
    )


def machine_of(session: Session, asset: Asset) -> Machine:
    """Return the machine as a report names it."""
    model = session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    site = session.get(Site, asset.site_id) if asset.site_id else None
    return Machine(
        name=asset.name,
        serial=asset.serial,
        code=asset.code,
        model_en=(model.name_en or "") if model else "",
        model_zh=(model.name_zh or "") if model else "",
        manufacturer=(model.manufacturer or "") if model else "",
        site=site.name if site else "",
        address=(site.address or "") if site else "",
        time_zone=site.time_zone if site else "UTC",
    )


def customer_of(session: Session, asset: Asset) -> Customer | None:
    """Return whose machine it is, None when nobody is known."""
    return session.get(Customer, asset.customer_id) if asset.customer_id else None


def provider_of(session: Session, owner: UUID, executor: UUID | None) -> str:
    """Return who did the work: the partner, else the operator above the owner."""
    organisation = session.get_one(Organisation, executor or owner)
    root = session.get(Organisation, organisation.ancestors[0]) if executor is None else organisation
    return (root or organisation).name


def noticed_of(kept: dict[str, Any] | None) -> Noticed | None:
    """Return what a work order kept of its finding, without what is only for programs."""
    if not kept:
        return None
    wanted = ("metric", "label_en", "label_zh", "unit_label", "seen", "expected", "note")
    values = [{name: share.get(name) for name in wanted} for share in kept.get("contributions", [])[:6]]
    modes = [{name: str(mode.get(name) or "") for name in ("code", "name_en", "name_zh")} for mode in _modes(kept)]
    lines = [{"code": line["code"], "params": line["params"]} for line in kept.get("explanation") or []]
    return Noticed(
        since=datetime.fromisoformat(kept["since"]) if kept.get("since") else None,
        severity=kept.get("severity"),
        lines=tuple(lines),
        values=tuple(values),
        failure_modes=tuple(modes),
        evidence=int(kept.get("evidence_count") or 0),
    )


def _modes(kept: dict[str, Any]) -> list[dict[str, Any]]:
    return [mode for mode in kept.get("failure_modes", []) if isinstance(mode, dict)]


def _head(session: Session, order: WorkOrder) -> dict[str, Any]:
    asset = session.get_one(Asset, order.asset_id)
    customer = customer_of(session, asset)
    asked = select(Request.text).where(Request.work_order_id == order.id).order_by(Request.id).limit(MOST_REQUESTS)
    return {
        "number": order.number,
        "machine": machine_of(session, asset),
        "provider": provider_of(session, order.organisation_id, order.executing_organisation_id),
        "customer": customer.name if customer else None,
        "title_code": order.title_code,
        "title_params": order.title_params,
        "title_text": order.title_text,
        "kind": order.kind,
        "origin": order.origin,
        "priority": order.priority,
        "opened_at": order.opened_at,
        "requested": tuple(session.scalars(asked).all()),
    }


def _planned(session: Session, order: WorkOrder) -> Any:
    next_visit = select(Visit.planned_start, Visit.scheduled_at).where(
        Visit.work_order_id == order.id, Visit.state.in_(("scheduled", "travelling"))
    )
    starts = [row.planned_start or row.scheduled_at for row in session.execute(next_visit)]
    known = [each for each in starts if each is not None]
    return min(known) if known else order.scheduled_at


def _done(session: Session, order: WorkOrder) -> Done:
    asset = session.get_one(Asset, order.asset_id)
    action = _word(order.repair_code, action_words(repair_codes_of(session, asset)), bare=True)
    mode = _word(order.failure_mode, mode_words(session, asset)) if order.failure_mode else _noticed_mode(order)
    cause = _word(order.failure_cause, CAUSES)
    # What the technician noted with the outcome is for the desk; what the customer reads stands in the checklists.
    return Done(outcome=order.outcome, note=None, failure_mode=mode, cause=cause, action=action)


def _noticed_mode(order: WorkOrder) -> dict[str, str] | None:
    """The mode that the finding named, when people found it so and named none themselves."""
    modes = _modes(order.noticed or {})
    if order.outcome not in ("confirmed", "prevented") or not modes or not modes[0].get("code"):
        return None
    names = {name: str(modes[0].get(f"name_{name}") or "") for name in ("en", "zh")}
    return {"code": str(modes[0].get("code") or ""), **names}


def _word(code: str | None, words: Mapping[str, tuple[str, str]], *, bare: bool = False) -> dict[str, str] | None:
    """A code with its names; `bare`: one that is on no list stands without."""
    if not code:
        return None
    en, zh = words.get(code, ("", "") if bare else (code, code))
    return {"code": code, "en": en, "zh": zh}


def _photos(session: Session, order: WorkOrder) -> tuple[Photo, ...]:
    """The photos that customers may see; a report goes to them."""
    mine = select(Evidence).where(
        Evidence.work_order_id == order.id, Evidence.state == "kept", Evidence.public.is_(True)
    )
    rows = session.scalars(mine.order_by(Evidence.captured_at, Evidence.id).limit(MOST_PHOTOS))
    return tuple(Photo(row.content or row.declared_sha256, row.captured_at, row.caption) for row in rows)


def _checklists(session: Session, order: WorkOrder) -> tuple[Checklist, ...]:
    runs = runs_of(session, order.id)
    newest = newest_answers(session, [run.id for run in runs]) if runs else {}
    return tuple(_checklist(run, newest.get(run.id, {})) for run in runs)


def _checklist(run: ProcedureRun, newest: dict[str, ProcedureAnswer]) -> Checklist:
    shown_steps = set(standing_of(run, newest).asked)
    return Checklist(
        code=run.snapshot["code"],
        name_en=run.snapshot["name_en"],
        name_zh=run.snapshot["name_zh"],
        version=run.version_number,
        steps=tuple(
            _answered(step, newest.get(step["key"])) for step in run.snapshot["steps"] if step["key"] in shown_steps
        ),
    )


def _answered(step: Step, answer: ProcedureAnswer | None) -> Answered:
    value = answer.value if answer else None
    chosen = _chosen(step, value) if step["kind"] == "choice" else (None, None)
    return Answered(
        title_en=step["title_en"],
        title_zh=step["title_zh"],
        kind=step["kind"],
        value=("" if value is None else value) if answer else None,
        chosen_en=chosen[0],
        chosen_zh=chosen[1],
        unit=step.get("unit") or None,
        low=step.get("low"),
        high=step.get("high"),
        out_of_limit=bool(answer and answer.out_of_limit),
        photos=len(answer.evidence_ids) if answer else 0,
        note=answer.note if answer else None,
    )


def _chosen(step: Step, value: Any) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    values = [str(each) for each in (value if isinstance(value, list) else [value])]
    known = {str(each.get("value")): each for each in step.get("choices", [])}
    said = [", ".join(str(known.get(each, {}).get(name) or each) for each in values) for name in ("en", "zh")]
    return said[0], said[1]


def _spent(session: Session, order: WorkOrder) -> tuple[Spent, ...]:
    """Labour and travel as they were recorded, money once somebody approved it: the customer reads this."""
    said = or_(
        WorkOrderLine.state == "approved", (WorkOrderLine.state == "recorded") & (WorkOrderLine.kind != "expense")
    )
    mine = select(WorkOrderLine).where(WorkOrderLine.work_order_id == order.id, said)
    lines = session.scalars(mine.order_by(WorkOrderLine.day, WorkOrderLine.id).limit(MOST_LINES))
    return tuple(
        Spent(each.kind, each.category, each.day, each.minutes, each.kilometres, each.amount, each.currency)
        for each in lines
    )


def _parts(session: Session, order: WorkOrder) -> tuple[PartUsed, ...]:
    used = [each for each in usages_of(session, order.id) if each.quantity > each.returned]
    items = {part.id: part for part in session.scalars(select(Part).where(Part.id.in_({one.part_id for one in used})))}
    keys = {each.serial_id for each in used if each.serial_id}
    serials = {row.id: row.serial for row in session.scalars(select(StockSerial).where(StockSerial.id.in_(keys)))}
    return tuple(
        PartUsed(
            number=items[each.part_id].number,
            name_en=items[each.part_id].name_en,
            name_zh=items[each.part_id].name_zh,
            quantity=each.quantity - each.returned,
            unit=items[each.part_id].unit,
            serial=serials.get(each.serial_id) if each.serial_id else None,
            in_warranty=each.in_warranty,
        )
        for each in used
    )


def _warranty(session: Session, order: WorkOrder) -> tuple[Verdict, ...]:
    check = newest_check(session, order.id)
    if check is None:
        return ()
    verdicts = shown(check, approved_overrides(session, order.id))
    return tuple(Verdict(str(each["kind"]), str(each["verdict"])) for each in verdicts)


def _people(session: Session, order: WorkOrder, *, done: bool) -> tuple[str, ...]:
    """Who did it: by visits and hours; before that, and when there are none, who has it."""
    keys: list[UUID | None] = []
    if done:
        went = select(Visit.technician_id).where(Visit.work_order_id == order.id, Visit.state.in_(_DONE_VISITS))
        keys += session.scalars(went.order_by(Visit.id)).all()
        hours = select(WorkOrderLine.person_id).where(
            WorkOrderLine.work_order_id == order.id,
            WorkOrderLine.kind == "labour",
            WorkOrderLine.state != "rejected",
        )
        keys += session.scalars(hours.order_by(WorkOrderLine.id)).all()
    if not any(keys):
        keys = [order.assignee_id, *(each.person_id for each in helpers_of(session, order.id))]
    return _names(session, [key for key in dict.fromkeys(keys) if key is not None])


def _names(session: Session, keys: Sequence[UUID]) -> tuple[str, ...]:
    names = {person.id: person.name for person in session.scalars(select(Person).where(Person.id.in_(keys)))}
    return tuple(names[key] for key in keys if key in names)
