"""Permits of a run: who signed on, locked, confirmed, took off and signed off, and when; steps wait for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import DESK, Actor
from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.ids import uuid7
from ticketing.procedures.models import PermitEntry, ProcedureRun
from ticketing.procedures.permits import (
    ACTIONS,
    Entered,
    PermitMissing,
    PermitOpen,
    Standing,
    check_entry,
    lacking,
    needed_by,
    replay,
)
from ticketing.procedures.run_log import log_run

MAX_ENTRIES = 2000  # of one run
MAX_NOTE = 1000
MAX_LOCK = 60
AHEAD = timedelta(minutes=15)  # a phone's clock may be ahead that much
_EVENTS = {
    "sign_on": "procedure_run.permit_signed_on",
    "lock": "procedure_run.point_locked",
    "confirm": "procedure_run.lock_out_confirmed",
    "unlock": "procedure_run.point_unlocked",
    "sign_off": "procedure_run.permit_signed_off",
}


def permits_of(run: ProcedureRun) -> list[dict[str, Any]]:
    """Return the permits of a run as they were kept."""
    return list((run.snapshot.get("norms") or {}).get("permits") or ())


def enter(
    session: Session,
    run: ProcedureRun,
    permit_code: str,
    action: str,
    now: datetime,
    *,
    point: str | None = None,
    lock_number: str | None = None,
    of_person_id: UUID | None = None,
    note: str | None = None,
    at: datetime | None = None,
    entry_id: UUID | None = None,
    executing_organisation_id: UUID | None = None,
    by: Actor | None = None,
) -> PermitEntry:
    """Enter one thing into a permit of a run; the caller has the run locked.

    The same `entry_id` again returns the first one. To take off somebody else's lock is the desk's, with a note. Taking
    locks off and signing off is never refused because of where the work stands. Raises NotFound, Invalid,
    PermitRefused.
    """
    if entry_id is not None and (known := session.get(PermitEntry, entry_id)) is not None:
        if known.run_id != run.id:
            raise Conflict("this id belongs to another entry", field="id")
        return known
    permit = permit_of(run, permit_code)
    if action not in ACTIONS:
        raise Invalid(f"action is one of {', '.join(ACTIONS)}", field="action", allowed=list(ACTIONS))
    moment = at or now
    if moment > now + AHEAD:
        raise Invalid("nobody signs ahead of time", field="at")
    words, number = _short("note", note, MAX_NOTE), _short("lock_number", lock_number, MAX_LOCK)
    who = by.person_id if by else None
    told = Entered(action, who, moment, point, number, of_person_id if of_person_id != who else None)
    desk = by is None or bool(by.roles & DESK)
    present = entries_of(session, [run.id]).get(run.id, [])
    if len(present) >= MAX_ENTRIES:
        raise Conflict(f"at most {MAX_ENTRIES} entries", limit=MAX_ENTRIES)
    before = replay([_entered(each) for each in present if each.permit_code == permit_code and each.at <= moment])
    check_entry(permit, before, told, desk=desk)
    if told.of is not None and words is None:
        raise Invalid("say why somebody else's lock is taken off", field="note")
    entry = PermitEntry(
        id=entry_id or uuid7(),
        organisation_id=run.organisation_id,
        run_id=run.id,
        permit_code=permit_code,
        action=action,
        point_code=point if action in ("lock", "unlock") else None,
        lock_number=number if action == "lock" else None,
        person_id=who,
        of_person_id=told.of,
        note=words,
        at=moment,
        received_at=now,
    )
    session.add(entry)
    session.flush()
    names = {"permit": permit_code, "permit_en": permit["name_en"], "permit_zh": permit["name_zh"]}
    facts = {**names, "point": entry.point_code, "lock_number": entry.lock_number, "at": moment.isoformat()}
    facts |= {"lock_of": str(told.of)} if told.of else {}
    log_run(session, run, _EVENTS[action], now, by, facts, executing_organisation_id)
    return entry


def entries_of(session: Session, run_ids: Sequence[UUID]) -> dict[UUID, list[PermitEntry]]:
    """Return by run what was entered, in the order in which it happened."""
    found: dict[UUID, list[PermitEntry]] = {}
    rows = select(PermitEntry).where(PermitEntry.run_id.in_(run_ids)).order_by(PermitEntry.at, PermitEntry.id)
    for each in session.scalars(rows.limit(MAX_ENTRIES * max(1, len(run_ids)))) if run_ids else ():
        found.setdefault(each.run_id, []).append(each)
    return found


def standings(run: ProcedureRun, entries: Sequence[PermitEntry], at: datetime | None = None) -> dict[str, Standing]:
    """Return by permit where it stands, at a moment or after all that was entered."""
    return {
        permit["code"]: replay(
            [_entered(one) for one in entries if one.permit_code == permit["code"] and (at is None or one.at <= at)]
        )
        for permit in permits_of(run)
    }


def check_step(session: Session, run: ProcedureRun, step_key: str, at: datetime, by: Actor | None) -> None:
    """Raise PermitMissing when a step needs a permit that is not in force at a moment.

    Whoever works is signed on themselves; the desk, who writes down what others did, needs somebody who is.
    """
    needed = needed_by(permits_of(run), step_key)
    if not needed:
        return
    stands = standings(run, entries_of(session, [run.id]).get(run.id, []), at)
    person = None if by is None or by.roles & DESK else by.person_id
    for permit in needed:
        missing = lacking(permit, stands[permit["code"]], at, person)
        if missing:
            names = {name: permit[name] for name in ("name_en", "name_zh")}
            text = f"{step_key} waits for the permit {permit['code']}: {', '.join(missing)}"
            reason = f"permit_{missing[0]}"
            raise PermitMissing(text, permit=permit["code"], **names, step=step_key, missing=missing, reason=reason)


def check_off(session: Session, runs: Sequence[ProcedureRun], name: str) -> None:
    """Raise PermitOpen while somebody is signed on to a permit of these runs or a lock is on."""
    with_permits = [run for run in runs if permits_of(run)]
    entries = entries_of(session, [run.id for run in with_permits])
    left = [
        _left(permit, stands[permit["code"]], run)
        for run in with_permits
        for stands in [standings(run, entries.get(run.id, []))]
        for permit in permits_of(run)
        if stands[permit["code"]].open
    ]
    if left:
        text = f"{name}: {len(left)} permits are still open: {', '.join(one['code'] for one in left[:5])}"
        raise PermitOpen(text, state="open", to="documented", legal=["sign_off"], permits=left[:50])


def permit_of(run: ProcedureRun, code: str) -> dict[str, Any]:
    """Return a permit as it was kept. Raises NotFound."""
    for permit in permits_of(run):
        if permit["code"] == code:
            return permit
    raise NotFound("no such permit", kind="permit", permit=code)


def _left(permit: Mapping[str, Any], stands: Standing, run: ProcedureRun) -> dict[str, Any]:
    names = {name: permit[name] for name in ("code", "name_en", "name_zh")}
    locks = sum(len(held) for held in stands.locks.values())
    return {**names, "run_id": str(run.id), "people": len(stands.on), "locks": locks}


def _entered(row: PermitEntry) -> Entered:
    return Entered(row.action, row.person_id, row.at, row.point_code, row.lock_number, row.of_person_id)


def _short(field: str, words: str | None, most: int) -> str | None:
    told = (words or "").strip()
    if len(told) > most:
        raise Invalid(f"{field} has at most {most} characters", field=field, limit=most)
    return told or None
