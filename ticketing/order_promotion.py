"""A finished order that went well becomes the draft of a procedure: what was done, with what, in how many minutes.

Nothing that people wrote goes along (texts, notes, captions, names): steps, codes, items and minutes do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove
from assets.failure_modes import FailureMode
from assets.registry import Asset, AssetModel
from ticketing.evidence.tables import Evidence
from ticketing.failure_words import action_words
from ticketing.models import WorkOrder
from ticketing.order_log import log_order
from ticketing.order_people import check_owner
from ticketing.order_variance import compare_orders
from ticketing.procedures.library import create_procedure, version_in, write_draft
from ticketing.procedures.models import Procedure, ProcedureVersion
from ticketing.procedures.norms import MAX_PARTS, MAX_TOOLS
from ticketing.procedures.runs import newest_answers, runs_of, standing_of
from ticketing.procedures.steps import MAX_HELP, MAX_PHOTOS, MAX_STEPS, MAX_TITLE
from ticketing.procedures.variance import Variance

FINISHED = ("completed", "documented", "closed")
_MAX_KEY = 60


@dataclass(slots=True)
class Answered:
    """One checklist as it was worked through: its snapshot, and value and number of photos by step answered."""

    snapshot: Mapping[str, Any]
    answers: Mapping[str, tuple[Any, int]]


@dataclass(slots=True)
class Done:
    """What an order has to give. Words: (English, Chinese)."""

    checklists: Sequence[Answered] = ()
    failure: tuple[str, str] | None = None
    repair: tuple[str, str] | None = None
    variance: Variance | None = None
    minutes: Mapping[UUID | None, int] = field(default_factory=dict)  # of labour, by person
    skills: Sequence[Mapping[str, Any]] = ()
    loose_photos: int = 0  # that belong to no step


def drafted(done: Done) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, int]]:
    """Return steps, norms and how much of each the order gave."""
    steps: list[dict[str, Any]] = []
    permits: list[dict[str, Any]] = []
    planned: set[str] = set()
    labour: list[dict[str, Any]] = []
    for each in done.checklists:
        names = _renamed(each, {step["key"] for step in steps})
        steps += _steps(each, names, several=len(done.checklists) > 1)
        norms = each.snapshot.get("norms") or {}
        permits += _permits(norms, names, {one["code"] for one in permits})
        planned |= {one["part_id"] for one in norms.get("parts", ())}
        labour += norms.get("labour", ())
    parts, tools = _items(done, "parts"), _items(done, "tools")
    fresh = [one for one in parts if one["part_id"] not in planned]
    steps += _made(done, fresh, {step["key"] for step in steps})
    norms = {
        "labour": _labour(done, labour),
        "parts": [{"part_id": one["part_id"], "quantity": one["amount"]} for one in parts][:MAX_PARTS],
        "tools": [{"part_id": one["part_id"], "minutes": max(1, math.ceil(one["amount"]))} for one in tools][
            :MAX_TOOLS
        ],
        "permits": permits,
        "currency": done.variance.currency if done.variance else "CNY",
    }
    facts = {
        "steps": len(steps[:MAX_STEPS]),
        "answers": sum(len(each.answers) for each in done.checklists),
        "minutes": sum(done.minutes.values()),
        "parts": len(parts),
        "tools": len(tools),
        "photos": done.loose_photos + sum(n for each in done.checklists for _, n in each.answers.values()),
        "permits": len(permits),
    }
    return steps[:MAX_STEPS], norms, facts


def promote(
    session: Session,
    order: WorkOrder,
    now: datetime,
    *,
    by: Actor,
    procedure: Procedure | None = None,
    code: str = "",
    name_en: str = "",
    name_zh: str = "",
    replace: bool = False,
) -> Procedure:
    """Draft a procedure from an order that is done: a new one, or the next version of `procedure`.

    A planner reads and publishes it. Raises IllegalMove while the order is not done, Forbidden for another
    organisation's order, Conflict when there is a draft already that is not to be replaced.
    """
    check_owner(session, order, by)
    if order.state not in FINISHED or order.work_done_at is None:
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="promoted", legal=list(FINISHED))
    steps, norms, facts = drafted(_done(session, order))
    if not steps:
        raise Conflict(f"{order.number} has nothing to make a procedure of", number=order.number)
    if procedure is None:
        procedure = create_procedure(
            session,
            organisation_id=by.organisation_id,
            code=code,
            name_en=name_en,
            name_zh=name_zh,
            steps=steps,
            norms=norms,
            now=now,
            by=by,
        )
    else:
        if version_in(session, procedure.id, "draft") is not None and not replace:
            raise Conflict(f"{procedure.code} has a draft already", code=procedure.code, what="draft")
        write_draft(session, procedure, steps, now, norms=norms, by=by)
    draft = version_in(session, procedure.id, "draft")
    assert draft is not None
    _sign(draft, order, facts)
    session.flush()
    told = {"procedure": procedure.code, "procedure_id": str(procedure.id), "version": draft.number}
    log_order(session, order, "work_order.promoted", now, by, told)
    return procedure


def _sign(draft: ProcedureVersion, order: WorkOrder, facts: dict[str, int]) -> None:
    draft.origin_work_order_id = order.id
    draft.origin = {"number": order.number, "facts": facts}


def _done(session: Session, order: WorkOrder) -> Done:
    runs = runs_of(session, order.id)
    newest = newest_answers(session, [run.id for run in runs]) if runs else {}
    lists = []
    for run in runs:
        mine = newest.get(run.id, {})
        shown = set(standing_of(run, mine).asked)
        answers = {key: (one.value, len(one.evidence_ids)) for key, one in mine.items() if key in shown}
        lists.append(Answered(run.snapshot, answers))
    asset = session.get(Asset, order.asset_id)
    model = session.get(AssetModel, asset.asset_model_id) if asset and asset.asset_model_id else None
    actions = action_words(model.repair_codes if model else ())
    [compared] = compare_orders(session, [order])
    loose = select(func.count()).where(
        Evidence.work_order_id == order.id, Evidence.state == "kept", Evidence.step_key.is_(None)
    )
    return Done(
        lists,
        _mode(session, order),
        _both(actions.get(order.repair_code)) if order.repair_code else None,
        compared.variance,
        compared.minutes,
        order.required_skills,
        session.scalar(loose) or 0,
    )


def _mode(session: Session, order: WorkOrder) -> tuple[str, str] | None:
    if not order.failure_mode:
        return None
    known = session.scalars(select(FailureMode).where(FailureMode.code == order.failure_mode).limit(1)).first()
    return (known.name_en, known.name_zh) if known else None


def _both(words: tuple[str, str] | None) -> tuple[str, str] | None:
    return (words[0], words[1] or words[0]) if words else None


def _renamed(each: Answered, taken: set[str]) -> dict[str, str]:
    """Return new keys for the steps that were answered; what another checklist has already gets a number."""
    names: dict[str, str] = {}
    for step in each.snapshot["steps"]:
        if step["key"] in each.answers:
            names[step["key"]] = _free(step["key"], taken | set(names.values()))
    return names


def _free(key: str, taken: set[str]) -> str:
    found, number = key, 2
    while found in taken:
        ending = f"_{number}"
        found, number = key[: _MAX_KEY - len(ending)] + ending, number + 1
    return found


def _steps(each: Answered, names: Mapping[str, str], *, several: bool) -> list[dict[str, Any]]:
    made = []
    for step in each.snapshot["steps"]:
        if step["key"] not in names:
            continue
        value, photos = each.answers[step["key"]]
        one = {**step, "key": names[step["key"]], "photos": min(MAX_PHOTOS, max(step["photos"], photos))}
        # What depended on a step that was not done here was done all the same.
        one["when"] = [{**when, "step": names[when["step"]]} for when in step["when"] if when["step"] in names]
        if several and not one["section_en"]:
            one["section_en"], one["section_zh"] = each.snapshot["name_en"], each.snapshot["name_zh"]
        made.append(_as_measured(one, value))
    return made


def _as_measured(step: dict[str, Any], value: Any) -> dict[str, Any]:
    """Say what was measured, where nobody said yet what is right."""
    free = step["kind"] == "number" and step["low"] is None and step["high"] is None
    if not free or isinstance(value, bool) or not isinstance(value, int | float):
        return step
    said = f"{value:g} {step['unit']}".strip()
    for name, words in (("help_en", f"Measured on the original: {said}"), ("help_zh", f"原工单实测：{said}")):
        step[name] = "\n".join(part for part in (step[name], words) if part)[:MAX_HELP]
    return step


def _permits(norms: Mapping[str, Any], names: Mapping[str, str], taken: set[str]) -> list[dict[str, Any]]:
    """Permits of the same code are the same place and the same danger: once. One whose steps all went is of all."""
    made = []
    for permit in norms.get("permits", ()):
        if permit["code"] not in taken:
            made.append({**permit, "steps": [names[key] for key in permit["steps"] if key in names]})
    return made


def _made(done: Done, parts: Sequence[Mapping[str, Any]], taken: set[str]) -> list[dict[str, Any]]:
    """Steps for what no checklist said: the fault confirmed, the repair, items fitted, a photo of the result."""
    made: list[dict[str, Any]] = []

    def add(key: str, kind: str, en: str, zh: str, **more: Any) -> None:
        free = _free(key, taken | {one["key"] for one in made})
        made.append({"key": free, "kind": kind, "title_en": en[:MAX_TITLE], "title_zh": zh[:MAX_TITLE], **more})

    if done.failure and not done.checklists:
        add("confirm_fault", "check", f"Fault confirmed: {done.failure[0]}", f"确认故障：{done.failure[1]}")
    for one in parts[:MAX_STEPS]:
        much = f"{one['amount']:g}"
        add("fit_part", "check", f"Fit {much} × {one['name_en']} ({one['number']})",
            f"安装 {one['name_zh']}（{one['number']}）× {much}")  # fmt: skip
    if done.repair:
        add("repair", "check", f"Done: {done.repair[0]}", f"完成：{done.repair[1]}")
    if done.loose_photos:
        photos = min(MAX_PHOTOS, done.loose_photos)
        add("photo_of_result", "photo", "Photograph the result", "拍摄处理结果", photos=photos)
    return made


def _items(done: Done, kind: str) -> list[dict[str, Any]]:
    rows = done.variance.rows if done.variance else ()
    return [
        {"part_id": str(one.part_id), "number": one.of, "name_en": one.name_en, "name_zh": one.name_zh,
         "amount": one.actual}
        for one in rows
        if one.kind == kind and one.actual > 0 and one.part_id is not None
    ]  # fmt: skip


def _labour(done: Done, planned: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """So many people as worked on it, each as long as they did on average; the skill that the order asked for."""
    worked = [minutes for minutes in done.minutes.values() if minutes > 0]
    if not worked:
        return [dict(one) for one in planned]
    skill = next(iter(done.skills), {}) or next((one for one in planned if one["skill"]), {})
    return [
        {
            "skill": skill.get("skill"),
            "level": skill.get("level") or 1,
            "people": len(worked),
            "minutes": max(1, round(sum(worked) / len(worked))),
        }
    ]
