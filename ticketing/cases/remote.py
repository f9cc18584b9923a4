"""Remote diagnosis: somebody at the desk looks at a machine's telemetry and notes what was seen and advised."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from assets.base.ids import uuid7
from assets.registry import Asset
from ticketing.cases.cases import get_case
from ticketing.cases.children import add_child, end_child
from ticketing.cases.tables import Case, CaseChild, RemoteSession
from ticketing.cases.words import MAX_NOTE, words
from ticketing.words import one_of

OUTCOMES = ("fixed_remotely", "visit_needed", "no_fault", "unreachable")
MAX_LOOKS = 200
MAX_METRIC = 200


def start_session(
    session: Session, case: Case, asset: Asset, now: datetime, *, by: Actor, finding_id: UUID | None = None
) -> RemoteSession:
    """Begin to look at the asset of a case; one session at a time, and starting again returns it.

    A case that did not know its asset knows it now. Raises Conflict when it is about another one.
    """
    case = get_case(session, case.id, lock=True)
    if case.asset_id not in (None, asset.id) or asset.organisation_id != case.organisation_id:
        raise Conflict(f"{case.number} is not about this asset", what="asset")
    running = open_session_of(session, case.id)
    if running is not None:
        return running
    if case.asset_id is None:
        case.asset_id, case.site_id = asset.id, asset.site_id
    remote = RemoteSession(
        id=uuid7(),
        organisation_id=case.desk_organisation_id,
        case_id=case.id,
        asset_id=asset.id,
        finding_id=finding_id,
        state="open",
        looks=[],
        started_at=now,
        started_by_id=by.person_id,
    )
    session.add(remote)
    session.flush()
    add_child(session, case, kind="remote_diagnosis", title=asset.name[:120], now=now, by=by, subject_id=remote.id)
    _log(session, case, remote, "remote_session.started", now, by)
    return remote


def get_session(session: Session, session_id: UUID, *, lock: bool = False) -> RemoteSession:
    """Return the session. Raises NotFound."""
    remote = session.get(RemoteSession, session_id, with_for_update=lock or None, populate_existing=lock)
    if remote is None:
        raise NotFound("no such session", kind="remote_session")
    return remote


def open_session_of(session: Session, case_id: UUID) -> RemoteSession | None:
    """Return the session that is under way on a case."""
    wanted = select(RemoteSession).where(RemoteSession.case_id == case_id, RemoteSession.state == "open")
    return session.scalar(wanted)


def note_look(
    session: Session, remote: RemoteSession, metric: str, start: datetime, end: datetime, now: datetime, *, by: Actor
) -> RemoteSession:
    """Note that a metric was looked at over a window; looking again at the same one widens its window."""
    _check_open(remote)
    name = words("metric", metric, MAX_METRIC) or ""
    if not start < end:
        raise Invalid("the window ends after it starts", field="until")
    looks = [dict(each) for each in remote.looks]
    known = next((each for each in looks if each["metric"] == name), None)
    if known is None:
        if len(looks) >= MAX_LOOKS:
            raise Invalid(f"at most {MAX_LOOKS} metrics", field="metric", limit=MAX_LOOKS)
        known = {"metric": name, "from": start.isoformat(), "until": end.isoformat(), "times": 0}
        looks.append(known)
    known["from"] = min(known["from"], start.isoformat(), key=datetime.fromisoformat)
    known["until"] = max(known["until"], end.isoformat(), key=datetime.fromisoformat)
    known |= {"times": known["times"] + 1, "at": now.isoformat(), "by": str(by.person_id) if by.person_id else None}
    remote.looks = looks
    session.flush()
    return remote


def end_session(
    session: Session,
    remote: RemoteSession,
    outcome: str,
    now: datetime,
    *,
    by: Actor,
    advised: str | None = None,
    snapshot: Mapping[str, Any] | None = None,
) -> RemoteSession:
    """End a session with its outcome; what was seen is kept with it. Ending it again the same way changes nothing.

    Raises Invalid when something was fixed or found sound, and nobody says what was advised.
    """
    one_of("outcome", outcome, OUTCOMES)
    if remote.state == "ended" and remote.outcome == outcome:
        return remote
    _check_open(remote)
    said = words("advised", advised, MAX_NOTE, empty=outcome in ("visit_needed", "unreachable"))
    remote.state, remote.outcome, remote.advised = "ended", outcome, said
    remote.snapshot = dict(snapshot) if snapshot else None
    remote.ended_at, remote.ended_by_id = now, by.person_id
    remote.version += 1
    session.flush()
    case = get_case(session, remote.case_id, lock=True)
    _log(session, case, remote, "remote_session.ended", now, by)
    child = session.scalar(select(CaseChild).where(CaseChild.case_id == case.id, CaseChild.subject_id == remote.id))
    if child is not None:
        end_child(session, case, child, now, by=by, outcome=outcome)
    return remote


def _check_open(remote: RemoteSession) -> None:
    if remote.state != "open":
        raise IllegalMove("this session has ended", state=remote.state, to="ended", legal=[])


def _log(session: Session, case: Case, remote: RemoteSession, kind: str, now: datetime, by: Actor) -> None:
    """The customer may know that and with what result; what was advised is told in the thread."""
    facts = {"number": case.number, "case_id": str(case.id), "outcome": remote.outcome}
    append_event(
        session,
        kind,
        at=now,
        organisation_id=case.organisation_id,
        subject_kind="remote_session",
        subject_id=remote.id,
        asset_id=remote.asset_id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload=facts | {"metrics": [each["metric"] for each in remote.looks][:50]},
    )
