"""Files of a case: checked by their content, shown to whoever may read the message that they came with."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor
from assets.base.db import Base, Executed, Identified, service_rights
from assets.base.errors import Conflict, Forbidden, Invalid
from assets.base.ids import uuid7
from assets.documents.files import media_type_of, thumbnail_of
from assets.documents.store import FileStore
from ticketing.cases.sides import STAFF_SIDES, side_of
from ticketing.cases.tables import Case, ThreadMessage
from ticketing.cases.threads import FROM_CUSTOMER, VISIBILITIES, lock_for_words
from ticketing.models import Request
from ticketing.words import one_of

MAX_BYTES = 25 * 1024 * 1024
MAX_FILES = 300  # of one case
MAX_SENT = 30  # with one request whose sender is not signed in
MAX_THUMBNAIL = 1024 * 1024


class CaseFile(Identified, Executed, Base):
    """A file that somebody put to a case: public ones belong to the case's owner, internal ones to the desk.

    `content` is its SHA-256, under which the file store has it. `message_id` once a message of the thread shows it.
    """

    __tablename__ = "case_files"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    request_id: Mapped[UUID | None] = mapped_column(ForeignKey("requests.id", ondelete="SET NULL"), index=True)
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("thread_messages.id", ondelete="SET NULL"), index=True)
    visibility: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[str] = mapped_column(Text, index=True)
    thumbnail: Mapped[str | None] = mapped_column(Text)
    author_kind: Mapped[str] = mapped_column(Text)
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    at: Mapped[datetime]


def add_file(
    session: Session,
    files: FileStore,
    case: Case,
    content: str,
    size: int,
    *,
    file_name: str,
    now: datetime,
    visibility: str = "public",
    by: Actor | None = None,
    author_kind: str | None = None,
    request: Request | None = None,
    share_with: UUID | None = None,
) -> CaseFile:
    """Put a file that is in the store to a case. Raises Invalid for a kind that is not kept, Forbidden, Conflict."""
    case = lock_for_words(session, case)
    side = author_kind or side_of(session, case, by)
    one_of("visibility", visibility, VISIBILITIES)
    if visibility == "internal" and side in FROM_CUSTOMER:
        raise Forbidden("internal files are the desk's", kind="case_file")
    _check_room(session, case, request, side)
    with files.local(content) as path:
        media_type = media_type_of(path, file_name)
        small = thumbnail_of(path, media_type)
    partner = by.organisation_id if by is not None and side == "partner" else share_with
    made = CaseFile(
        id=uuid7(),
        organisation_id=case.organisation_id if visibility == "public" else case.desk_organisation_id,
        executing_organisation_id=partner,
        case_id=case.id,
        request_id=request.id if request else None,
        visibility=visibility,
        file_name=file_name,
        media_type=media_type,
        size_bytes=size,
        content=content,
        thumbnail=files.put(io.BytesIO(small), MAX_THUMBNAIL)[0] if small else None,
        author_kind=side,
        author_id=by.person_id if by else None,
        at=now,
    )
    session.add(made)
    session.flush()
    return made


def files_to_send(
    session: Session, case: Case, attachments: Sequence[Mapping[str, Any]], visibility: str, by: Actor | None
) -> list[CaseFile]:
    """Return the files that a message names: of this case, not sent before, never an internal one in the open.

    Raises Invalid.
    """
    found = []
    for index, each in enumerate(attachments):
        if each.get("kind") != "file":
            continue
        row = session.get(CaseFile, each.get("id"))
        mine = row is not None and (by is None or row.author_id == by.person_id)
        if row is None or row.case_id != case.id or not mine or row.message_id is not None:
            raise Invalid("there is no such file to send with this message", field=f"attachments.{index}.id")
        if row.visibility != visibility:
            raise Invalid("an internal file goes with an internal message", field=f"attachments.{index}.id")
        found.append(row)
    return found


def mark_sent(session: Session, files: Sequence[CaseFile], message: ThreadMessage) -> None:
    """Note with which message files went."""
    for each in files:
        each.message_id = message.id
    session.flush()


def as_attachment(file: CaseFile) -> dict[str, str]:
    """Return how a message names a file."""
    return {"kind": "file", "id": str(file.id), "name": file.file_name}


def files_of(session: Session, case: Case, reader: Actor, *, loose: bool = False) -> list[CaseFile]:
    """Return the files that the reader sees, oldest first. `loose`: only those that came with no message."""
    wanted = select(CaseFile).where(CaseFile.case_id == case.id)
    if side_of(session, case, reader) in FROM_CUSTOMER:
        wanted = wanted.where(CaseFile.visibility == "public")
    if loose:
        wanted = wanted.where(CaseFile.message_id.is_(None), CaseFile.request_id.is_not(None))
    return list(session.scalars(wanted.order_by(CaseFile.id).limit(MAX_FILES)))


def may_read(session: Session, file: CaseFile, reader: Actor) -> bool:
    """Return whether the reader may open a file that its row policy shows."""
    if file.visibility == "public":
        return True
    case = session.get(Case, file.case_id)
    side = side_of(session, case, reader) if case is not None else "customer"
    return side in STAFF_SIDES or file.executing_organisation_id == reader.organisation_id


def _check_room(session: Session, case: Case, request: Request | None, side: str) -> None:
    with service_rights(session):
        counted = select(func.count()).select_from(CaseFile).where(CaseFile.case_id == case.id)
        if (session.scalar(counted) or 0) >= MAX_FILES:
            raise Conflict(f"a case has at most {MAX_FILES} files", what="too_many_files", limit=MAX_FILES)
        if side != "requester" or request is None:
            return
        if (session.scalar(counted.where(CaseFile.request_id == request.id)) or 0) >= MAX_SENT:
            raise Conflict(f"at most {MAX_SENT} files come with a request", what="too_many_files", limit=MAX_SENT)
