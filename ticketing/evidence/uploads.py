"""Photos in pieces: announced once, sent on from where they stopped, checked when the last piece is there."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import service_rights
from assets.base.errors import Conflict, Forbidden, IllegalMove, Invalid, NotFound
from assets.documents.store import FileStore
from ticketing.distances import Fix, checked_fix
from ticketing.evidence.photos import MAX_BYTES, NotAPhoto, Photo, differences, read_photo
from ticketing.evidence.tables import Evidence, EvidenceChunk

MAX_CHUNK = 1024 * 1024  # a minute at 17 kB/s; a lost one costs no more than that
CHUNK = 256 * 1024  # what phones should send: small enough for a bad network
MAX_PHOTOS = 300  # of one order
MAX_CAPTION = 500
MAX_NAME = 200
AHEAD = timedelta(minutes=15)
KEEP_WAITING = timedelta(days=30)  # a phone that was not heard of for so long does not go on
_HASH = re.compile(r"[0-9a-f]{64}")


class WrongOffset(Conflict):
    """The next piece begins elsewhere; params: `offset`."""

    code = "wrong_offset"


class HashMismatch(Invalid):
    """What arrived is not what was announced: it is to be sent again from the beginning."""

    code = "hash_mismatch"


@dataclass(frozen=True, slots=True)
class About:
    """What a photo belongs to, as its upper room found it."""

    subject_kind: str
    subject_id: UUID
    organisation_id: UUID
    executing_organisation_id: UUID | None
    work_order_id: UUID | None = None
    case_id: UUID | None = None
    asset_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Announced:
    """What a phone says before it sends a photo."""

    size_bytes: int
    sha256: str
    captured_at: datetime
    place: Fix | None = None
    file_name: str | None = None
    caption: str = ""
    run_id: UUID | None = None
    step_key: str | None = None
    public: bool = False


def announce(
    session: Session, evidence_id: UUID, about: About, said: Announced, now: datetime, *, by: Actor
) -> Evidence:
    """Make room for a photo under its phone's id; the same again returns the first.

    Raises Invalid, Conflict when the id is another one's or the subject has too many.
    """
    known = session.get(Evidence, evidence_id, with_for_update=True)
    if known is not None:
        if (known.subject_id, known.declared_sha256, known.size_bytes) != (
            about.subject_id,
            said.sha256.lower(),
            said.size_bytes,
        ):
            raise Conflict("this id belongs to another photo", field="id")
        return known
    _check(said, now)
    several = select(func.count()).where(Evidence.subject_id == about.subject_id, Evidence.state != "removed")
    if (session.scalar(several) or 0) >= MAX_PHOTOS:
        raise Conflict(f"at most {MAX_PHOTOS} photos", limit=MAX_PHOTOS)
    place = checked_fix(said.place) if said.place else None
    row = Evidence(
        id=evidence_id,
        organisation_id=about.organisation_id,
        executing_organisation_id=about.executing_organisation_id,
        subject_kind=about.subject_kind,
        subject_id=about.subject_id,
        work_order_id=about.work_order_id,
        case_id=about.case_id,
        asset_id=about.asset_id,
        run_id=said.run_id,
        step_key=said.step_key,
        state="waiting",
        file_name=said.file_name,
        size_bytes=said.size_bytes,
        received_bytes=0,
        declared_sha256=said.sha256.lower(),
        captured_at=min(said.captured_at, now),
        latitude_deg=place.latitude_deg if place else None,
        longitude_deg=place.longitude_deg if place else None,
        accuracy_m=place.accuracy_m if place else None,
        differs=[],
        caption=said.caption.strip(),
        public=said.public,
        created_at=now,
        created_by=by.person_id,
    )
    session.add(row)
    session.flush()
    return row


def take_chunk(session: Session, row: Evidence, offset: int, chunk: bytes) -> bool:
    """Keep a piece of a photo that is locked; True when all is there. A piece that is there already changes nothing.

    Raises WrongOffset, Invalid, IllegalMove.
    """
    if row.state == "kept" and offset + len(chunk) <= row.size_bytes:
        return False
    if row.state != "waiting":
        raise IllegalMove(f"this photo is {row.state}", state=row.state, to="waiting", legal=[])
    if not chunk or len(chunk) > MAX_CHUNK:
        raise Invalid(f"a piece has 1 to {MAX_CHUNK} bytes", field="content", most=MAX_CHUNK)
    if offset + len(chunk) == row.received_bytes:
        return False  # the answer to it was lost
    if offset != row.received_bytes:
        raise WrongOffset("the next piece begins elsewhere", offset=row.received_bytes)
    if offset + len(chunk) > row.size_bytes:
        raise Invalid("more than was announced", field="content", most=row.size_bytes)
    owner = {name: getattr(row, name) for name in ("organisation_id", "executing_organisation_id")}
    session.add(EvidenceChunk(evidence_id=row.id, start=offset, content=chunk, **owner))
    row.received_bytes = offset + len(chunk)
    session.flush()
    return row.received_bytes == row.size_bytes


def finish(session: Session, files: FileStore, row: Evidence, now: datetime) -> NotAPhoto | HashMismatch | None:
    """Check a photo of which all is there, and keep it with its pictures; else return what is wrong with it.

    The error is returned, not raised: what it changes is to be committed. One with another hash begins anew; what is
    no photo is refused for good.
    """
    pieces = select(EvidenceChunk.content).where(EvidenceChunk.evidence_id == row.id).order_by(EvidenceChunk.start)
    content = b"".join(session.scalars(pieces))
    with service_rights(session):  # whoever carries work out removes nothing of its owner's, but these are only pieces
        session.execute(delete(EvidenceChunk).where(EvidenceChunk.evidence_id == row.id))
    counted = hashlib.sha256(content).hexdigest()
    if counted != row.declared_sha256:
        row.received_bytes = 0
        session.flush()
        return HashMismatch("what arrived is not what was announced", field="sha256", sha256=counted, offset=0)
    try:
        photo = read_photo(content)
    except NotAPhoto as error:
        row.state, row.problem = "refused", f"{error.code}: {error.params.get('reason')}"
        session.flush()
        return error
    _keep(files, row, content, photo, now)
    session.flush()
    return None


def _keep(files: FileStore, row: Evidence, content: bytes, photo: Photo, now: datetime) -> None:
    row.content, _ = files.put(io.BytesIO(content), MAX_BYTES)
    row.picture, _ = files.put(io.BytesIO(photo.large), MAX_BYTES)
    row.thumbnail, _ = files.put(io.BytesIO(photo.small), MAX_BYTES)
    row.media_type, row.width, row.height = photo.media_type, photo.width, photo.height
    row.exif_captured_at = photo.told.captured_at
    row.exif_latitude_deg, row.exif_longitude_deg = photo.told.latitude_deg, photo.told.longitude_deg
    known = row.latitude_deg is not None and row.longitude_deg is not None
    place = (row.latitude_deg or 0.0, row.longitude_deg or 0.0) if known else None
    row.differs = differences(photo.told, row.captured_at, place, row.accuracy_m)
    row.state, row.received_at = "kept", now


def get_evidence(session: Session, evidence_id: UUID, *, lock: bool = False) -> Evidence:
    """Return a photo's row, locked when asked. Raises NotFound."""
    row = session.get(Evidence, evidence_id, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise NotFound("no such photo", kind="evidence")
    return row


def describe(row: Evidence, changes: dict[str, object], *, by: Actor, desk: bool) -> bool:
    """Change caption, step or whether customers see it; True when anything changed. Raises Forbidden, Invalid."""
    _check_own(row, by, desk)
    changed = False
    for name in ("caption", "public", "run_id", "step_key"):
        if name not in changes or getattr(row, name) == changes[name]:
            continue
        if name == "caption" and len(str(changes[name])) > MAX_CAPTION:
            raise Invalid(f"at most {MAX_CAPTION} characters", field="caption", limit=MAX_CAPTION)
        setattr(row, name, changes[name])
        changed = True
    return changed


def remove(row: Evidence, reason: str, now: datetime, *, by: Actor, desk: bool) -> bool:
    """Take a photo away and say why; the row stays. Twice changes nothing: False. Raises Forbidden, Invalid."""
    _check_own(row, by, desk)
    words = reason.strip()
    if not 1 <= len(words) <= 1000:
        raise Invalid("reason has 1 to 1000 characters", field="reason", limit=1000)
    if row.state == "removed":
        return False
    row.state, row.removed_at, row.removed_by, row.removed_reason = "removed", now, by.person_id, words
    row.content = row.picture = row.thumbnail = None  # the sweep forgets what nothing names
    return True


def forget_waiting(session: Session, now: datetime) -> int:
    """Forget photos that never came whole; return how many. Needs the service role."""
    old = delete(Evidence).where(Evidence.state == "waiting", Evidence.created_at < now - KEEP_WAITING)
    return len(session.execute(old.returning(Evidence.id)).all())


def _check_own(row: Evidence, by: Actor, desk: bool) -> None:
    if not desk and row.created_by != by.person_id:
        raise Forbidden("this is somebody else's photo", kind="evidence")


def _check(said: Announced, now: datetime) -> None:
    if not 1 <= said.size_bytes <= MAX_BYTES:
        raise Invalid(f"a photo has 1 to {MAX_BYTES} bytes", field="size_bytes", most=MAX_BYTES)
    if not _HASH.fullmatch(said.sha256.lower()):
        raise Invalid("a SHA-256 has 64 hexadecimal digits", field="sha256")
    if said.captured_at > now + AHEAD:
        raise Invalid("nobody takes photos ahead of time", field="captured_at")
    for name, value, most in (("caption", said.caption, MAX_CAPTION), ("file_name", said.file_name or "", MAX_NAME)):
        if len(value) > most:
            raise Invalid(f"at most {most} characters", field=name, limit=most)
