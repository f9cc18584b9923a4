"""Operations that add to an order: lines, parts, answers, notes, photos' words, calls for help, a signature."""

from __future__ import annotations

import io
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import DESK, may
from assets.base.errors import Forbidden, Invalid, NotFound
from assets.registry import Asset
from assets.stock.ledger import Work as StockWork
from assets.stock.operations import submit
from ticketing.cases.cases import get_case
from ticketing.cases.tables import Case
from ticketing.cases.threads import VISIBILITIES, post
from ticketing.evidence.signatures import MAX_BYTES, drawn
from ticketing.evidence.tables import Evidence
from ticketing.evidence.uploads import describe, get_evidence, remove
from ticketing.help_requests import MAX_LINES, MAX_TEXT, get_help, open_help, said_of, withdraw
from ticketing.models import Visit, WorkOrder
from ticketing.order_lines import LineFacts, add_line, change_line, counted_day, get_line, remove_line, zone_of
from ticketing.order_models import WorkOrderLine
from ticketing.order_photos import check_evidence, log_photo
from ticketing.order_procedures import answer, enter_permit
from ticketing.procedures.runs import get_run, newest_answers, standing_of
from ticketing.sync.payload import Said
from ticketing.sync.signing import sign_order
from ticketing.sync.work import Work
from ticketing.words import one_of
from ticketing.work_orders import log_order

MAX_IMAGE = 600_000  # characters of a signature's picture
_BOOKED_LINE = ("part_id", "part_number", "quantity", "lot", "serial", "from_location_id", "to_location_id")


def line_add(work: Work) -> dict[str, Any]:
    """Write down labour, travel or an expense."""
    work.need("work_order.record")
    order = work.order()
    facts = _facts(work, order)
    key = work.said.id("line_id") or work.operation.id
    return {"line_id": str(add_line(work.session, order, facts, work.now, by=work.by, line_id=key).id)}


def line_change(work: Work) -> dict[str, Any]:
    """Correct a line of one's own."""
    work.need("work_order.record")
    order = work.order()
    line = _own_line(work, order)
    change_line(work.session, order, line, _facts(work, order, line.day), work.now, by=work.by)
    return {"line_id": str(line.id), "version": line.version}


def line_remove(work: Work) -> dict[str, Any]:
    """Take a line of one's own away; one that is gone already changes nothing."""
    work.need("work_order.record")
    order = work.order()
    key = work.said.needed_id("line_id")
    if work.session.get(WorkOrderLine, key) is not None:
        remove_line(work.session, order, _own_line(work, order), work.now, by=work.by)
    return {"line_id": str(key)}


def stock_move(work: Work) -> dict[str, Any]:
    """Use parts or bring them back; what cannot be booked late waits for a storekeeper."""
    work.need("stock.use")
    order = work.order()
    asset = work.session.get(Asset, work.said.id("asset_id") or order.asset_id)
    body: dict[str, Any] = {
        "kind": work.said.word("kind", 20),
        "lines": [_part_line(each) for each in work.said.items("lines")],
        "operation_id": work.operation.id,
        "occurred_at": work.at,
        "offline": True,
        "in_warranty": work.said.flag("in_warranty"),
        "reason": work.said.text("reason", 1000),
        "note": work.said.text("note", 1000),
    }
    if not body["lines"]:
        raise Invalid("what was used?", field="payload.lines")

    def resolve(_session: Session, _body: dict[str, Any]) -> tuple[StockWork, Asset | None]:
        return StockWork(order.id, order.number), asset

    done = submit(work.session, body, work.by, work.now, resolve)
    told: dict[str, Any] = {"state": done.state, "movement_id": str(done.movement.id) if done.movement else None}
    if done.conflict is not None:
        told |= {"conflict_id": str(done.conflict.id), "reason": done.conflict.code}
    return told


def procedure_answer(work: Work) -> dict[str, Any]:
    """Answer a step; of several answers the one that was given last counts, whichever arrives first."""
    work.need("work_order.record")
    order = work.order()
    run = get_run(work.session, work.said.needed_id("run_id"), lock=True)
    if run.subject_id != order.id:
        raise NotFound("no such checklist", kind="procedure_run")
    work.bounded(run.attached_at)
    given = answer(
        work.session,
        order,
        run,
        work.said.word("step", 60),
        work.said.values.get("value"),
        work.now,
        evidence_ids=work.said.ids("evidence_ids"),
        note=work.said.text("note", 1000),
        answered_at=work.at,
        answer_id=work.said.id("answer_id") or work.operation.id,
        by=work.by,
    )
    stands = standing_of(run, newest_answers(work.session, [run.id]).get(run.id, {}))
    return {
        "answer_id": str(given.id),
        "out_of_limit": given.out_of_limit,
        "asked": stands.asked,
        "missing": stands.missing,
        "completed": run.completed_at is not None,
    }


def permit_enter(work: Work) -> dict[str, Any]:
    """Sign on to a permit, put a lock on, confirm, take it off or sign off, at the moment at which it was done."""
    work.need("work_order.record")
    order = work.order()
    run = get_run(work.session, work.said.needed_id("run_id"), lock=True)
    if run.subject_id != order.id:
        raise NotFound("no such checklist", kind="procedure_run")
    work.bounded(run.attached_at)
    entry = enter_permit(
        work.session,
        order,
        run,
        work.said.word("permit", 40),
        work.said.word("action", 20),
        work.now,
        point=work.said.text("point", 40),
        lock_number=work.said.text("lock_number", 60),
        of_person_id=work.said.id("of_person_id"),
        note=work.said.text("note", 1000),
        at=work.at,
        entry_id=work.said.id("entry_id") or work.operation.id,
        by=work.by,
    )
    return {"entry_id": str(entry.id), "permit": entry.permit_code, "action": entry.action}


def note_add(work: Work) -> dict[str, Any]:
    """Write a note: into the thread of the order's case, else on the order itself."""
    work.need("work_order.record")
    order = work.order()
    text = work.said.word("text", 4000)
    visibility = one_of("payload.visibility", work.said.text("visibility") or "internal", VISIBILITIES)
    if order.case_id is not None:
        return {"message_id": _post(work, order.case_id, text, visibility, to_partner=False)}
    log_order(work.session, order, "work_order.noted", work.at, work.by, {"text": text})
    return {"message_id": None}


def message_post(work: Work) -> dict[str, Any]:
    """Write into a case's thread."""
    visibility = one_of("payload.visibility", work.said.text("visibility") or "internal", VISIBILITIES)
    to_partner = bool(work.said.flag("to_partner"))
    text = work.said.text("text", 4000) or ""
    work.bounded(get_case(work.session, work.operation.subject_id).opened_at)
    return {"message_id": _post(work, work.operation.subject_id, text, visibility, to_partner=to_partner)}


def help_request(work: Work) -> dict[str, Any]:
    """Ask for help or parts."""
    work.need("work_order.record")
    order = work.order()
    lines = [_wanted(each) for each in work.said.items("lines")]
    if len(lines) > MAX_LINES:
        raise Invalid(f"at most {MAX_LINES} lines", field="payload.lines", limit=MAX_LINES)
    visit = work.session.get(Visit, work.operation.subject_id) if work.operation.subject_kind == "visit" else None
    row = open_help(
        work.session,
        order,
        work.said.word("what", 20),
        work.said.text("text", MAX_TEXT) or "",
        work.at,
        work.now,
        by=work.by,
        help_id=work.operation.id,
        lines=lines,
        urgent=bool(work.said.flag("urgent")),
        visit_id=visit.id if visit else None,
    )
    # A case that the caller does not see has its desk, who reads the call itself.
    if order.case_id is not None and may(work.by, "case.write") and work.session.get(Case, order.case_id) is not None:
        said = said_of(work.session, row, work.person.language)
        _post(work, order.case_id, said, "internal", to_partner=False)
    return {"help_request_id": str(row.id), "state": row.state}


def help_withdraw(work: Work) -> dict[str, Any]:
    """Take a call back."""
    work.need("work_order.record")
    order = work.order()
    row = get_help(work.session, work.said.needed_id("help_request_id"), lock=True)
    if row.work_order_id != order.id:
        raise NotFound("no such call", kind="help_request")
    withdraw(work.session, row, order, work.at, by=work.by)
    return {"help_request_id": str(row.id), "state": row.state}


def evidence_describe(work: Work) -> dict[str, Any]:
    """Say what a photo shows, and which step it belongs to."""
    row = _photo(work)
    changes: dict[str, object] = {}
    if work.said.has("caption"):
        changes["caption"] = (work.said.text("caption", 500) or "").strip()
    if work.said.has("step"):
        changes |= {"step_key": work.said.text("step", 60), "run_id": work.said.id("run_id") or row.run_id}
    if describe(row, changes, by=work.by, desk=bool(work.by.roles & DESK)):
        work.session.flush()
        log_photo(work.session, row, "photo_changed", work.at, work.by)
    return {"evidence_id": str(row.id), "state": row.state}


def evidence_remove(work: Work) -> dict[str, Any]:
    """Take a photo away."""
    row = _photo(work)
    if remove(row, work.said.word("reason", 1000), work.at, by=work.by, desk=bool(work.by.roles & DESK)):
        work.session.flush()
        log_photo(work.session, row, "photo_removed", work.at, work.by, reason=row.removed_reason)
    return {"evidence_id": str(row.id), "state": row.state}


def signature_add(work: Work) -> dict[str, Any]:
    """Sign the report as it was read."""
    work.need("work_order.record")
    order = work.order()
    image = work.said.text("image", MAX_IMAGE)
    picture = drawn(image, *(work.said.values.get(name) for name in ("strokes", "width", "height")))
    kept, _ = work.files.put(io.BytesIO(picture), MAX_BYTES)
    signed_at = work.said.moment("signed_at")
    told = sign_order(
        work.session,
        order,
        name=work.said.word("name"),
        content_hash=work.said.word("content_hash", 64),
        picture=kept,
        signed_at=min(signed_at, work.now) if signed_at else work.at,
        now=work.now,
        by=work.by,
        signature_id=work.operation.id,
    )
    return {
        "signature_id": str(told.id),
        "report_id": str(told.report_id),
        "revision": told.revision,
        "content_hash": told.content_hash,
    }


def _facts(work: Work, order: WorkOrder, before: date | None = None) -> LineFacts:
    said, started_at = work.said, work.said.moment("started_at")
    zone = zone_of(work.session, order, work.person.id)  # the phone's own day, not that of Greenwich
    evidence = said.ids("evidence_ids")
    check_evidence(work.session, order, evidence, "payload.evidence_ids")
    visit = work.operation.subject_id if work.operation.subject_kind == "visit" else None
    return LineFacts(
        kind=said.word("kind", 20),
        category=said.text("category", 40),
        person_id=work.person.id,
        visit_id=said.id("visit_id") or visit,
        started_at=started_at,
        ended_at=said.moment("ended_at"),
        minutes=said.whole("minutes"),
        day=said.day("day") or counted_day(started_at, work.at, zone, before),
        kilometres=said.decimal("kilometres"),
        amount=said.decimal("amount"),
        currency=said.text("currency", 3),
        note=said.text("note", 1000),
        evidence_ids=evidence,
    )


def _own_line(work: Work, order: WorkOrder) -> WorkOrderLine:
    line = get_line(work.session, order, work.said.needed_id("line_id"), lock=True)
    if line.person_id != work.person.id:
        raise Forbidden("this is somebody else's line", action="work_order.record")
    return line


def _part_line(said: Said) -> dict[str, Any]:
    quantity = said.decimal("quantity")
    if quantity is not None and quantity <= 0:
        raise Invalid("more than nothing", field="payload.lines.quantity")
    told: dict[str, Any] = {name: said.id(name) for name in _BOOKED_LINE if name.endswith("_id")}
    told |= {name: said.text(name, 80) for name in ("part_number", "lot", "serial")}
    return {**told, "quantity": 1 if quantity is None else quantity, "location_id": said.id("location_id")}


def _wanted(said: Said) -> dict[str, Any]:
    """One line of what somebody needs: a part, or words for it."""
    part = said.id("part_id")
    told = {"part_number": said.text("part_number", 80), "text": said.text("text", 500)}
    if part is None and not any(told.values()):
        raise Invalid("which part?", field="payload.lines")
    quantity = said.decimal("quantity")
    if quantity is not None and quantity <= 0:
        raise Invalid("more than nothing", field="payload.lines.quantity")
    return {"part_id": str(part) if part else None, **told, "quantity": float(quantity) if quantity else 1.0}


def _post(work: Work, case_id: UUID, text: str, visibility: str, *, to_partner: bool) -> str:
    work.need("case.write")
    case = get_case(work.session, case_id)
    attachments = [
        {"kind": each.word("kind", 20), "id": str(each.needed_id("id"))} | ({"name": name} if name else {})
        for each in work.said.items("attachments")
        for name in [each.text("name", 200)]
    ]
    message = post(
        work.session,
        case,
        text=text,
        now=work.at,
        by=work.by,
        visibility=visibility,
        attachments=attachments,
        channel="field",
        external_id=f"sync:{work.operation.id}",
        share_with=case.executing_organisation_id if to_partner else None,
    )
    return str(message.id)


def _photo(work: Work) -> Evidence:
    work.need("work_order.record")
    row = get_evidence(work.session, work.operation.subject_id, lock=True)
    work.bounded(row.created_at if row.created_at < row.captured_at else row.captured_at)
    return row
