"""The thread of a case over HTTP: messages, internal notes, and who has read how far."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import Role
from assets.base.errors import Invalid
from assets.documents.models import Document
from gateway.api.deps import Context, Here
from gateway.api.edits import Ref, person_names
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.cases.cases import get_case
from ticketing.cases.claims import check_free, holds
from ticketing.cases.files import files_to_send, mark_sent
from ticketing.cases.sides import STAFF_SIDES, side_of
from ticketing.cases.tables import Case, ThreadMessage
from ticketing.cases.threads import (
    FROM_CUSTOMER,
    MAX_ATTACHMENTS,
    lock_for_words,
    mark_read,
    messages_of,
    post,
    readers_of,
)
from ticketing.cases.words import MAX_TEXT
from ticketing.channels.tables import MailMessage
from ticketing.models import Request
from ticketing.requests import follow_case

router = APIRouter(prefix="/api/v1", tags=["cases"])


class MessageAttachment(BaseModel):
    """A file that was put to the case, a document or a piece of evidence, by id."""

    kind: str
    id: UUID
    name: str | None = Field(default=None, max_length=200)


class NewMessage(BaseModel):
    """A message. `visibility` internal: for the desk alone, or for the partner too when `to_partner` says so.

    `request_id`: an answer to one sender of several.
    """

    text: str = Field(default="", max_length=MAX_TEXT)
    visibility: str = "public"
    to_partner: bool = False
    request_id: UUID | None = None
    attachments: list[MessageAttachment] = Field(default_factory=list, max_length=MAX_ATTACHMENTS)


class MessageItem(BaseModel):
    """One message; `mine`: the reader wrote it. Customers read on which side somebody stands, not who it is."""

    id: UUID
    visibility: str
    text: str
    author_kind: str
    author: Ref | None
    mine: bool
    attachments: list[dict[str, Any]]
    channel: str
    at: datetime
    request_id: UUID | None
    from_case_id: UUID | None
    folded: str | None = None  # what a mail quoted, and its signature


class ReadMark(BaseModel):
    """A person has read up to this message."""

    person: Ref
    message_id: UUID
    read_at: datetime


class CaseThread(BaseModel):
    """A page of a thread, oldest first, with who has read how far."""

    items: list[MessageItem]
    next: str | None = None
    reads: list[ReadMark]
    can_note: bool


class ReadUpTo(BaseModel):
    """The last message that was read."""

    message_id: UUID


@router.get("/cases/{case_id}/messages", operation_id="list_case_messages")
def list_case_messages(case_id: UUID, here: Here, limit: Limit = 200, after: After = None) -> CaseThread:
    """Show the thread as the reader may see it: customers read public messages, partners theirs and public ones."""
    here.require("case.read")
    case = get_case(here.session, case_id)
    side = side_of(here.session, case, here.actor)
    since = read_cursor(after, UUID)[0] if after is not None else None
    found = messages_of(here.session, case, here.actor, after=since, limit=limit + 1)
    page = found[:limit]
    reads = readers_of(here.session, case)
    folded = _folded(here, page) if side in STAFF_SIDES else {}
    people = person_names(here, [*(each.author_id for each in page), *(person for person, _, _ in reads)])
    return CaseThread(
        items=[_item(here, each, people, folded.get(each.id)) for each in page],
        next=cursor_of(page[-1].id) if len(found) > limit else None,
        reads=[
            ReadMark(person=people[person], message_id=message, read_at=at)
            for person, message, at in reads
            if person in people and side not in FROM_CUSTOMER
        ],
        can_note=side not in FROM_CUSTOMER,
    )


@router.post("/cases/{case_id}/messages", operation_id="post_case_message", status_code=201)
def post_case_message(case_id: UUID, body: NewMessage, here: Here) -> MessageItem:
    """Write into the thread; internal notes never reach a customer."""
    here.require("case.write")
    case = lock_for_words(here.session, get_case(here.session, case_id))
    side = side_of(here.session, case, here.actor)
    request = _request_of(here, case, body.request_id) if body.request_id else None
    _check_attachments(here, body)
    named = [each.model_dump(exclude_none=True) for each in body.attachments]
    files = files_to_send(here.session, case, named, body.visibility, here.actor)
    names = {file.id: file.file_name for file in files}
    message = post(
        here.session,
        case,
        text=body.text,
        now=here.now,
        by=here.actor,
        visibility=body.visibility,
        request=request,
        attachments=[each | ({"name": names[each["id"]]} if each["id"] in names else {}) for each in named],
        channel="portal" if side in FROM_CUSTOMER else "field" if side in ("technician", "partner") else "desk",
        share_with=case.executing_organisation_id if body.to_partner and side in STAFF_SIDES else None,
    )
    mark_sent(here.session, files, message)
    if side in STAFF_SIDES and holds(case, here.actor, here.now):
        check_free(here.session, case, here.now, by=here.actor)
    if side in FROM_CUSTOMER:
        follow_case(here.session, case, here.now)  # what they said may have opened the case again
    mark_read(here.session, case, message.id, here.actor, here.now)
    return _item(here, message, person_names(here, [message.author_id]))


@router.post("/cases/{case_id}/read", operation_id="read_case", status_code=204)
def read_case(case_id: UUID, body: ReadUpTo, here: Here) -> None:
    """Note how far the actor has read."""
    here.require("case.read")
    mark_read(here.session, get_case(here.session, case_id), body.message_id, here.actor, here.now)


def _request_of(here: Context, case: Case, request_id: UUID) -> Request:
    request = here.session.get(Request, request_id)
    if request is None or request.case_id != case.id:
        raise Invalid("no such request in this case", field="request_id")
    return request


def _check_attachments(here: Context, body: NewMessage) -> None:
    """A document is attached by somebody who sees it; whoever reads the message needs the same right to open it."""
    for index, each in enumerate(body.attachments):
        if each.kind == "document" and here.session.get(Document, each.id) is None:
            raise Invalid("there is no such document", field=f"attachments.{index}.id")


def _folded(here: Context, messages: list[ThreadMessage]) -> dict[UUID, str]:
    """Return what mails quoted, by the message that shows the rest."""
    ids = [each.id for each in messages if each.channel == "e_mail"]
    if not ids:
        return {}
    wanted = select(MailMessage.thread_message_id, MailMessage.folded).where(
        MailMessage.thread_message_id.in_(ids), MailMessage.direction == "in", MailMessage.folded.is_not(None)
    )
    return {key: words for key, words in here.session.execute(wanted) if key is not None and words}


def _item(here: Context, message: ThreadMessage, people: dict[UUID, Ref], folded: str | None = None) -> MessageItem:
    customer = here.actor.roles <= {Role.CUSTOMER}
    mine = message.author_id is not None and message.author_id == here.actor.person_id
    author = people.get(message.author_id) if message.author_id and not customer else None
    return MessageItem(
        id=message.id,
        visibility=message.visibility,
        text=message.text,
        author_kind=message.author_kind,
        author=author,
        mine=mine,
        attachments=message.attachments,
        channel=message.channel,
        at=message.at,
        request_id=message.request_id,
        from_case_id=message.first_case_id if message.first_case_id != message.case_id else None,
        folded=folded,
    )
