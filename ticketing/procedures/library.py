"""The library of procedures: write one, change its draft, publish a version, say what it is for, retire it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from ticketing.procedures.models import Procedure, ProcedureLink, ProcedureVersion
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
    _add_version(session, procedure, 1, kept, now, by)
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
    by: Actor | None = None,
) -> ProcedureVersion:
    """Write the steps of the version that comes next; there is one draft at a time. Raises BadStep, IllegalMove."""
    _check_living(procedure)
    kept = checked_steps(steps)
    draft = version_in(session, procedure.id, "draft")
    if draft is None:
        newest = session.scalar(
            select(func.max(ProcedureVersion.number)).where(ProcedureVersion.procedure_id == procedure.id)
        )
        number = (newest or 0) + 1
        if number > MAX_VERSIONS:
            raise Conflict(f"{procedure.code} has {MAX_VERSIONS} versions already", limit=MAX_VERSIONS)
        draft = _add_version(session, procedure, number, kept, now, by)
    else:
        draft.steps = list(kept)
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
    checked_steps(draft.steps)
    present = version_in(session, procedure.id, "published")
    if present is not None:
        present.state = "superseded"
        session.flush()
    draft.state, draft.published_at, draft.published_by = "published", now, by.person_id if by else None
    session.flush()
    _log(session, procedure, "procedure.published", now, by, {"version": draft.number, "steps": len(draft.steps)})
    return draft


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


def _add_version(
    session: Session, procedure: Procedure, number: int, steps: list[dict[str, Any]], now: datetime, by: Actor | None
) -> ProcedureVersion:
    version = ProcedureVersion(
        organisation_id=procedure.organisation_id,
        procedure_id=procedure.id,
        number=number,
        state="draft",
        steps=steps,
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
