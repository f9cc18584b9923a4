"""The one thread of a case, shared by customer, desk, technician and partner; internal notes stay with the desk."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import service_rights
from assets.base.errors import Conflict, Forbidden, Invalid, NotFound
from assets.base.events import append_event
from assets.base.ids import uuid7
from ticketing.cases.cases import get_case, living, log_case, move_case
from ticketing.cases.sides import STAFF_SIDES, side_of
from ticketing.cases.tables import Case, ThreadMessage, ThreadRead
from ticketing.cases.words import CHANNELS, MAX_TEXT, words
from ticketing.models import Request
from ticketing.words import one_of

VISIBILITIES = ("public", "internal")
AUTHORS = ("customer", "requester", "desk", "technician", "partner", "system")
FROM_CUSTOMER = ("customer", "requester")
ATTACHED = ("document", "evidence", "file")
MAX_ATTACHMENTS = 10
MAX_MESSAGES = 5000  # of one case
MAX_UNANSWERED = 20  # from one link: it needs no sign-in, so a flood must end somewhere
REOPENS_FOR = timedelta(days=30)  # "it is broken again" belongs to the same case for so long


def post(
    session: Session,
    case: Case,
    *,
    text: str,
    now: datetime,
    by: Actor | None = None,
    visibility: str = "public",
    author_kind: str | None = None,
    request: Request | None = None,
    attachments: Sequence[Mapping[str, Any]] = (),
    channel: str = "desk",
    external_id: str | None = None,
    share_with: UUID | None = None,
) -> ThreadMessage:
    """Write a message into the thread.

    `author_kind` is the side that the author stands on unless told (a consumer of mail knows better). An internal one
    is for the desk; `share_with`: the partner's organisation that may read it too, and a partner's own always is.
    `external_id`: the same again returns the first. Raises Forbidden for an internal one of a customer, Invalid.
    """
    if external_id and (first := _by_external(session, case, external_id)) is not None:
        return first
    case = lock_for_words(session, case)
    side = author_kind or side_of(session, case, by)
    one_of("author_kind", side, AUTHORS)
    one_of("visibility", visibility, VISIBILITIES)
    one_of("channel", channel, CHANNELS)
    if visibility == "internal" and side in FROM_CUSTOMER:
        raise Forbidden("internal notes are the desk's", kind="thread_message")
    _check_flood(session, case, request, side)
    partner = by.organisation_id if by is not None and side == "partner" else share_with
    message = ThreadMessage(
        id=uuid7(),
        organisation_id=case.organisation_id if visibility == "public" else case.desk_organisation_id,
        executing_organisation_id=partner,
        case_id=case.id,
        first_case_id=case.id,
        request_id=request.id if request else None,
        visibility=visibility,
        text=words("text", text, MAX_TEXT, empty=bool(attachments)) or "",
        author_kind=side,
        author_id=by.person_id if by else None,
        attachments=checked_attachments(attachments),
        channel=channel,
        external_id=words("external_id", external_id, 500, empty=True),
        at=now,
    )
    session.add(message)
    session.flush()
    _log(session, case, message, now, by)
    with service_rights(session):  # a partner writes into the case's thread, and moves nothing of the case itself
        _move(session, case, message, side, now, by)
    return message


def lock_for_words(session: Session, case: Case) -> Case:
    """Return the case that lives on, locked: of two answers at once one is the first, and none goes into a merged one.

    Before a message is stored, whose reference to the case would make two writers wait for each other.
    """
    while True:
        case = living(session, case)
        with service_rights(session):  # a partner may write into a case that it may not change
            case = get_case(session, case.id, lock=True)
        if living(session, case) is case:
            return case


def messages_of(
    session: Session, case: Case, reader: Actor, *, after: UUID | None = None, limit: int = 200
) -> list[ThreadMessage]:
    """Return what the reader may read, oldest first; row policies hide what belongs to others besides."""
    wanted = select(ThreadMessage).where(ThreadMessage.case_id == case.id, *_readable(session, case, reader))
    if after is not None:
        wanted = wanted.where(ThreadMessage.id > after)
    return list(session.scalars(wanted.order_by(ThreadMessage.id).limit(limit)))


def messages_for_request(session: Session, request: Request, limit: int = 200) -> list[ThreadMessage]:
    """Return what whoever holds the request's link may read, oldest first.

    Public messages of this request, and those of the desk to everybody in its case. What was said in another case
    before both were put together was not said to them.
    """
    if request.case_id is None:
        return []
    wanted = select(ThreadMessage).where(
        ThreadMessage.case_id == request.case_id,
        ThreadMessage.visibility == "public",
        or_(ThreadMessage.request_id == request.id, _to_all(session, request)),
    )
    return list(session.scalars(wanted.order_by(ThreadMessage.id).limit(limit)))


def mark_read(session: Session, case: Case, message_id: UUID, reader: Actor, now: datetime) -> None:
    """Note how far a person has read; going back changes nothing. A token reads for nobody."""
    message = session.get(ThreadMessage, message_id)
    if message is None or message.case_id != case.id:
        raise NotFound("no such message in this case", kind="thread_message")
    if reader.person_id is None:
        return
    values = {"message_id": message_id, "read_at": now}
    statement = insert(ThreadRead).values(
        id=uuid7(), organisation_id=reader.organisation_id, case_id=case.id, person_id=reader.person_id, **values
    )
    further = ThreadRead.message_id < statement.excluded.message_id
    session.execute(
        statement.on_conflict_do_update(index_elements=["case_id", "person_id"], set_=values, where=further)
    )


def unread(session: Session, case_ids: Collection[UUID], reader: Actor, *, public_only: bool) -> dict[UUID, int]:
    """Return how many messages of others a person has not read, by case; cases without any are left out."""
    if reader.person_id is None or not case_ids:
        return {}
    mine = and_(ThreadRead.case_id == ThreadMessage.case_id, ThreadRead.person_id == reader.person_id)
    counted = (
        select(ThreadMessage.case_id, func.count())
        .outerjoin(ThreadRead, mine)
        .where(
            ThreadMessage.case_id.in_(case_ids),
            ThreadMessage.author_id.is_distinct_from(reader.person_id),
            or_(ThreadRead.message_id.is_(None), ThreadMessage.id > ThreadRead.message_id),
        )
        .group_by(ThreadMessage.case_id)
    )
    if public_only:
        counted = counted.where(ThreadMessage.visibility == "public")
    return {case_id: count for case_id, count in session.execute(counted)}


def readers_of(session: Session, case: Case) -> list[tuple[UUID, UUID, datetime]]:
    """Return who has read how far (person, message, when), as far as whoever asks sees them."""
    wanted = select(ThreadRead).where(ThreadRead.case_id == case.id).order_by(ThreadRead.read_at.desc()).limit(200)
    return [(row.person_id, row.message_id, row.read_at) for row in session.scalars(wanted)]


def checked_attachments(attachments: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return references to documents and evidence. Raises Invalid."""
    if len(attachments) > MAX_ATTACHMENTS:
        raise Invalid(f"at most {MAX_ATTACHMENTS} attachments", field="attachments", limit=MAX_ATTACHMENTS)
    kept = []
    for index, each in enumerate(attachments):
        kind = one_of(f"attachments.{index}.kind", each.get("kind"), ATTACHED)
        try:
            key = str(UUID(str(each.get("id"))))
        except ValueError:
            raise Invalid("an attachment is named by its id", field=f"attachments.{index}.id") from None
        name = words(f"attachments.{index}.name", each.get("name"), 200, empty=True)
        kept.append({"kind": kind, "id": key} | ({"name": name} if name else {}))
    return kept


def _readable(session: Session, case: Case, reader: Actor) -> list[ColumnElement[bool]]:
    """Somebody with the customer's role alone reads no internal note, whichever organisation they are in."""
    hidden = side_of(session, case, reader) in FROM_CUSTOMER
    return [ThreadMessage.visibility == "public"] if hidden else []


def _to_all(session: Session, request: Request) -> ColumnElement[bool]:
    """What the desk said to everybody: in the first case always, in those it was put into since it was."""
    heard = []
    case_id, since = request.first_case_id or request.case_id, None
    for _ in range(20):
        case = session.get(Case, case_id) if case_id else None
        if case is None:
            break
        in_it = ThreadMessage.first_case_id == case.id
        heard.append(in_it if since is None else and_(in_it, ThreadMessage.at >= since))
        case_id, since = case.merged_into_id, case.closed_at
    everybody = and_(ThreadMessage.request_id.is_(None), ThreadMessage.author_kind.not_in(FROM_CUSTOMER))
    return and_(everybody, or_(false(), *heard))


def _by_external(session: Session, case: Case, external_id: str) -> ThreadMessage | None:
    same = select(ThreadMessage).where(ThreadMessage.case_id == case.id, ThreadMessage.external_id == external_id)
    return session.scalar(same)


def _check_flood(session: Session, case: Case, request: Request | None, side: str) -> None:
    counted = select(func.count()).select_from(ThreadMessage).where(ThreadMessage.case_id == case.id)
    if (session.scalar(counted) or 0) >= MAX_MESSAGES:
        raise Conflict(f"a thread has at most {MAX_MESSAGES} messages", what="too_many_messages", limit=MAX_MESSAGES)
    if side != "requester" or request is None:
        return
    answered = (  # what the desk said last
        select(ThreadMessage.id)
        .where(ThreadMessage.case_id == case.id, ThreadMessage.author_kind.not_in(FROM_CUSTOMER))
        .order_by(ThreadMessage.id.desc())
        .limit(1)
    )
    waiting = counted.where(ThreadMessage.request_id == request.id)
    if (last := session.scalar(answered)) is not None:
        waiting = waiting.where(ThreadMessage.id > last)
    if (session.scalar(waiting) or 0) >= MAX_UNANSWERED:
        raise Conflict("too many messages wait for an answer", what="too_many_messages", limit=MAX_UNANSWERED)


def _move(session: Session, case: Case, message: ThreadMessage, side: str, now: datetime, by: Actor | None) -> None:
    """The first public answer is the response; a customer's answer gets the case going again."""
    if message.visibility != "public" or side == "system":
        return
    if side in FROM_CUSTOMER:
        recent = case.closed_at is not None and now - case.closed_at <= REOPENS_FOR
        if case.state == "waiting_customer" or (case.state == "closed" and recent):
            move_case(session, case, "in_progress", now, by=by)
        return
    first = case.first_reply_at is None
    if first:
        case.first_reply_at = now
        session.flush()
    if first and side in STAFF_SIDES:
        log_case(session, case, "case.replied", now, by, {"first": True, "message_id": str(message.id)})


def _log(session: Session, case: Case, message: ThreadMessage, now: datetime, by: Actor | None) -> None:
    public = message.visibility == "public"
    append_event(
        session,
        "thread.posted" if public else "thread.noted",
        at=now,
        organisation_id=message.organisation_id,
        executing_organisation_id=message.executing_organisation_id
        or (case.executing_organisation_id if public else None),
        subject_kind="thread_message",
        subject_id=message.id,
        asset_id=case.asset_id,
        actor_kind=by.kind if by else "public",
        actor_id=by.person_id if by else None,
        payload={"number": case.number, "case_id": str(case.id), "author_kind": message.author_kind},
        first=True,
    )
