"""The library of procedures: write one, change its draft, publish or withdraw a version, link it, retire it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from ticketing.procedures.models import Procedure, ProcedureLink, ProcedureRun, ProcedureVersion
from ticketing.procedures.norms import checked_norms, norms_of
from ticketing.procedures.pricing import cost_of_norms, resolved
from ticketing.procedures.steps import checked_steps

MAX_NAME = 200
MAX_DESCRIPTION = 4000
MAX_LINKS = 200
MAX_VERSIONS = 1000
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


def create_procedure(
    session: Session,
    *,
    organisation_id: UUID,
    code: str,
    name_en: str,
    name_zh: str,
    now: datetime,
    description_en: str = "",
    description_zh: str = "",
    steps: Sequence[Mapping[str, Any]] = (),
    norms: Mapping[str, Any] | None = None,
    by: Actor | None = None,
) -> Procedure:
    """Write a procedure with the draft of its first version. Raises Invalid, or Conflict when the code is taken."""
    if not _CODE.fullmatch(code):
        raise Invalid("a code has letters, digits, dots and dashes, at most 60", field="code")
    taken = select(Procedure.id).where(Procedure.organisation_id == organisation_id, Procedure.code == code)
    if session.scalar(taken):
        raise Conflict(f"there is a procedure {code} already", code=code)
    kept = checked_steps(steps)
    procedure = Procedure(organisation_id=organisation_id, code=code, created_at=now)
    rename(procedure, name_en, name_zh, description_en, description_zh)
    session.add(procedure)
    session.flush()
    told = _norms(session, procedure, norms or {}, kept)
    _add_version(session, procedure, 1, kept, told, now, by)
    _log(session, procedure, "procedure.created", now, by, {}, first=True)
    return procedure


def rename(
    procedure: Procedure, name_en: str, name_zh: str, description_en: str = "", description_zh: str = ""
) -> None:
    """Set what people read of it. Raises Invalid."""
    for field, value, most in (
        ("name_en", name_en, MAX_NAME),
        ("name_zh", name_zh, MAX_NAME),
        ("description_en", description_en, MAX_DESCRIPTION),
        ("description_zh", description_zh, MAX_DESCRIPTION),
    ):
        words = value.strip()
        if len(words) > most or (field.startswith("name") and not words):
            raise Invalid(f"{field} has 1 to {most} characters", field=field, limit=most)
        setattr(procedure, field, words)


def write_draft(
    session: Session,
    procedure: Procedure,
    steps: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    note: str | None = None,
    norms: Mapping[str, Any] | None = None,
    by: Actor | None = None,
) -> ProcedureVersion:
    """Write steps and norms of the version that comes next; there is one draft at a time. Raises BadStep, IllegalMove.

    Without `norms` it keeps what the draft has, a new draft what the published version has; a permit that names a step
    that is gone names it no more.
    """
    _check_living(procedure)
    kept = checked_steps(steps)
    draft = version_in(session, procedure.id, "draft")
    if norms is None:
        before = draft or version_in(session, procedure.id, "published")
        told = _fitting(before.norms if before else {}, {step["key"] for step in kept})
    else:
        told = _norms(session, procedure, norms, kept)
    if draft is None:
        newest = session.scalar(
            select(func.max(ProcedureVersion.number)).where(ProcedureVersion.procedure_id == procedure.id)
        )
        number = (newest or 0) + 1
        if number > MAX_VERSIONS:
            raise Conflict(f"{procedure.code} has {MAX_VERSIONS} versions already", limit=MAX_VERSIONS)
        draft = _add_version(session, procedure, number, kept, told, now, by)
    else:
        draft.steps, draft.norms = list(kept), told
        draft.version += 1
    draft.note = _note(note)
    session.flush()
    return draft


def publish(session: Session, procedure: Procedure, now: datetime, *, by: Actor | None = None) -> ProcedureVersion:
    """Publish the draft: new work gets it from now on, work that is under way keeps what it has.

    Raises Conflict when there is no draft, Invalid when it has no step, IllegalMove when the procedure is retired.
    """
    _check_living(procedure)
    draft = version_in(session, procedure.id, "draft")
    if draft is None:
        raise Conflict(f"{procedure.code} has no draft", code=procedure.code)
    if not draft.steps:
        raise Invalid("a version has at least one step", field="steps")
    steps = [step["key"] for step in checked_steps(draft.steps)]
    checked_norms(draft.norms, steps)
    present = version_in(session, procedure.id, "published")
    if present is not None:
        present.state = "superseded"
        session.flush()
    draft.state, draft.published_at, draft.published_by = "published", now, by.person_id if by else None
    draft.standard_cost = cost_of_norms(session, norms_of(draft.norms), procedure.organisation_id, now.date())
    session.flush()
    _log(session, procedure, "procedure.published", now, by, {"version": draft.number, "steps": len(draft.steps)})
    return draft


def withdraw(
    session: Session,
    procedure: Procedure,
    reason: str,
    now: datetime,
    *,
    stop: bool = False,
    by: Actor | None = None,
) -> ProcedureVersion:
    """Take the published version back: new work gets none until another one is published.

    Work that is under way keeps what it has and is finished with it; with `stop`, nobody goes on with it: its open
    runs take no answers until they are renewed or removed. Raises Conflict when nothing is published, Invalid.
    """
    words = reason.strip()
    if not 1 <= len(words) <= 1000:
        raise Invalid("reason has 1 to 1000 characters", field="reason", limit=1000)
    version = version_in(session, procedure.id, "published")
    if version is None:
        raise Conflict(f"{procedure.code} has no published version", code=procedure.code)
    version.state, version.withdrawn_at, version.withdrawn_reason = "withdrawn", now, words
    version.withdrawn_by = by.person_id if by else None
    version.version += 1
    procedure.version += 1
    mine = open_runs(procedure.id, version.number)
    using = session.scalar(select(func.count()).where(*mine)) or 0
    if stop and using:
        session.execute(update(ProcedureRun).where(*mine).values(stopped_at=now, stopped_reason=words))
    session.flush()
    facts = {"version": version.number, "reason": words, "in_use": using, "stopped": stop}
    _log(session, procedure, "procedure.withdrawn", now, by, facts)
    return version


def open_runs(procedure_id: UUID, number: int | None = None) -> list[Any]:
    """Return the conditions of runs that are under way: neither complete nor taken away."""
    told = [ProcedureRun.procedure_id == procedure_id]
    told += [ProcedureRun.version_number == number] if number is not None else []
    return [*told, ProcedureRun.completed_at.is_(None), ProcedureRun.removed_at.is_(None)]


def in_force(session: Session, procedure_ids: Iterable[UUID]) -> dict[UUID, ProcedureVersion]:
    """Return by procedure the version that new work gets; one that is retired or withdrawn is not there."""
    wanted = select(ProcedureVersion).join(Procedure, Procedure.id == ProcedureVersion.procedure_id)
    rows = session.scalars(
        wanted.where(
            ProcedureVersion.procedure_id.in_(set(procedure_ids)),
            ProcedureVersion.state == "published",
            Procedure.retired_at.is_(None),
        )
    )
    return {row.procedure_id: row for row in rows}


def price_version(session: Session, procedure: Procedure, version: ProcedureVersion, on: date) -> dict[str, Any] | None:
    """Count a version's standard cost anew as of a day and keep it; orders keep the one that they have."""
    version.standard_cost = cost_of_norms(session, norms_of(version.norms), procedure.organisation_id, on)
    session.flush()
    return version.standard_cost


def retire(
    session: Session, procedure: Procedure, now: datetime, *, by: Actor | None = None, back: bool = False
) -> None:
    """Let no new work get it any more, or (`back`) let new work get it again. Twice changes nothing."""
    if (procedure.retired_at is None) == back:
        return
    procedure.retired_at = None if back else now
    procedure.version += 1
    session.flush()
    _log(session, procedure, "procedure.restored" if back else "procedure.retired", now, by, {})


def set_links(
    session: Session,
    procedure: Procedure,
    links: Sequence[tuple[UUID | None, UUID | None, UUID | None]],
    now: datetime,
    *,
    by: Actor | None = None,
) -> None:
    """Say what new work it is for: (asset model, failure mode, service type) each, at least one of them named.

    Whether those exist is the caller's business. Raises Invalid.
    """
    wanted = list(dict.fromkeys(links))
    if len(wanted) > MAX_LINKS:
        raise Invalid(f"at most {MAX_LINKS} links", field="links", limit=MAX_LINKS)
    if any(link == (None, None, None) for link in wanted):
        raise Invalid("a link names an asset model, a failure mode or a service type", field="links")
    present = {
        (one.asset_model_id, one.failure_mode_id, one.service_type_id): one for one in links_of(session, procedure)
    }
    if present.keys() == set(wanted):
        return
    for what, link in present.items():
        if what not in wanted:
            session.delete(link)
    for model, mode, kind in wanted:
        if (model, mode, kind) not in present:
            session.add(
                ProcedureLink(
                    organisation_id=procedure.organisation_id,
                    procedure_id=procedure.id,
                    asset_model_id=model,
                    failure_mode_id=mode,
                    service_type_id=kind,
                )
            )
    procedure.version += 1
    session.flush()
    _log(session, procedure, "procedure.linked", now, by, {"links": len(wanted)})


def links_of(session: Session, procedure: Procedure) -> Sequence[ProcedureLink]:
    """Return what a procedure is for."""
    mine = select(ProcedureLink).where(ProcedureLink.procedure_id == procedure.id)
    return session.scalars(mine.order_by(ProcedureLink.id).limit(MAX_LINKS)).all()


def get_procedure(session: Session, procedure_id: UUID) -> Procedure:
    """Return the procedure. Raises NotFound."""
    procedure = session.get(Procedure, procedure_id)
    if procedure is None:
        raise NotFound("no such procedure", kind="procedure")
    return procedure


def version_in(session: Session, procedure_id: UUID, state: str) -> ProcedureVersion | None:
    """Return the draft, or the published version; None when there is none."""
    return session.scalar(
        select(ProcedureVersion).where(ProcedureVersion.procedure_id == procedure_id, ProcedureVersion.state == state)
    )


def versions_of(session: Session, procedure_id: UUID) -> Sequence[ProcedureVersion]:
    """Return a procedure's versions, newest first."""
    mine = select(ProcedureVersion).where(ProcedureVersion.procedure_id == procedure_id)
    return session.scalars(mine.order_by(ProcedureVersion.number.desc()).limit(MAX_VERSIONS)).all()


def _norms(
    session: Session, procedure: Procedure, norms: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return resolved(session, checked_norms(norms, [step["key"] for step in steps]), procedure.organisation_id)


def _fitting(norms: Mapping[str, Any], steps: Collection[str]) -> dict[str, Any]:
    """Leave steps out that are gone; a permit of none of those that are left is one of all: the safe way."""
    permits = [{**one, "steps": [key for key in one["steps"] if key in steps]} for one in norms.get("permits", ())]
    return {**norms, **({"permits": permits} if permits else {})}


def _add_version(
    session: Session,
    procedure: Procedure,
    number: int,
    steps: list[dict[str, Any]],
    norms: dict[str, Any],
    now: datetime,
    by: Actor | None,
) -> ProcedureVersion:
    version = ProcedureVersion(
        organisation_id=procedure.organisation_id,
        procedure_id=procedure.id,
        number=number,
        state="draft",
        steps=steps,
        norms=norms,
        created_at=now,
        created_by=by.person_id if by else None,
    )
    session.add(version)
    session.flush()
    return version


def _check_living(procedure: Procedure) -> None:
    if procedure.retired_at is not None:
        raise IllegalMove(f"{procedure.code} is retired", state="retired", to="published", legal=["restored"])


def _note(note: str | None) -> str | None:
    words = (note or "").strip()
    if len(words) > 1000:
        raise Invalid("note has at most 1000 characters", field="note", limit=1000)
    return words or None


def _log(
    session: Session,
    procedure: Procedure,
    kind: str,
    now: datetime,
    by: Actor | None,
    facts: dict[str, Any],
    *,
    first: bool = False,
) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=procedure.organisation_id,
        subject_kind="procedure",
        subject_id=procedure.id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"code": procedure.code, "name_en": procedure.name_en, "name_zh": procedure.name_zh, **facts},
        first=first,
    )
