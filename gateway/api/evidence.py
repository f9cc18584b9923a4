"""Photos over HTTP: announced, sent in pieces, shown shrunk; the original for those who do the work."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select

from assets.base.access import DESK, Actor, Role
from assets.base.errors import Forbidden, Invalid, NotFound
from gateway.api.bodies import TooLarge
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, Reason, Ref, person_names
from gateway.api.files_out import file_response
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.problems import rule_problem
from gateway.api.uploads import admitted, safe_name
from gateway.api.work_orders import caller
from gateway.files import file_store
from ticketing.distances import Fix
from ticketing.evidence.photos import MAX_BYTES
from ticketing.evidence.tables import Evidence
from ticketing.evidence.uploads import (
    CHUNK,
    MAX_CHUNK,
    Announced,
    announce,
    describe,
    finish,
    get_evidence,
    remove,
    take_chunk,
)
from ticketing.models import WorkOrder
from ticketing.order_people import check_hands
from ticketing.order_photos import about_of, log_photo
from ticketing.procedures.runs import get_run, step_of
from ticketing.sync.envelope import clock_offset

router = APIRouter(prefix="/api/v1/evidence", tags=["evidence"])

Degrees = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class PhotoPlace(BaseModel):
    """Where a photo was taken (WGS 84)."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude_deg: Degrees
    accuracy_m: Annotated[float | None, Field(ge=0, le=100_000, allow_inf_nan=False)] = None


class NewEvidence(BaseModel):
    """A photo that is to come, under an id that its phone made. `public` not told: of orders yes, of cases no."""

    id: UUID
    subject_kind: str = Field(max_length=20)
    subject_id: UUID
    run_id: UUID | None = None
    step: str | None = Field(default=None, max_length=60)
    file_name: str | None = Field(default=None, max_length=200)
    size_bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")
    captured_at: Moment
    clock_offset_ms: int | None = Field(default=None, ge=-400_000_000_000, le=400_000_000_000)
    place: PhotoPlace | None = None
    caption: str = Field(default="", max_length=500)
    public: bool | None = None


class EvidenceChange(BaseModel):
    """What is to be otherwise."""

    caption: str | None = Field(default=None, max_length=500)
    public: bool | None = None


class EvidenceRemoval(BaseModel):
    """Why it is taken away."""

    reason: Reason


class EvidenceItem(BaseModel):
    """A photo. `offset`: where to send on from; `sha256` is the server's own count once it is kept.

    `differs` names what the phone and the camera's own words (`exif_…`) do not agree on: time, place.
    """

    id: UUID
    state: str
    offset: int
    size_bytes: int
    chunk_bytes: int
    sha256: str
    subject_kind: str
    subject_id: UUID
    work_order_id: UUID | None
    case_id: UUID | None
    run_id: UUID | None
    step: str | None
    file_name: str | None
    media_type: str | None
    width: int | None
    height: int | None
    captured_at: datetime
    exif_captured_at: str | None
    place: PhotoPlace | None
    exif_place: PhotoPlace | None
    differs: list[str]
    caption: str
    public: bool
    created_at: datetime
    received_at: datetime | None
    by: Ref | None
    problem: str | None
    removed_reason: str | None


class EvidencePage(BaseModel):
    """Photos, oldest first."""

    items: list[EvidenceItem]
    next: str | None = None


class ChunkAnswer(BaseModel):
    """Where the next piece begins; `kept` when all of it is there and is a photo."""

    id: UUID
    state: str
    offset: int
    size_bytes: int


async def chunk_of(request: Request, _: Annotated[Actor, Depends(admitted)]) -> bytes:
    """Read one piece, after sign-in. Raises TooLarge before it fills the memory."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_CHUNK:
            raise TooLarge(f"a piece has at most {MAX_CHUNK} bytes", most=MAX_CHUNK)
        parts.append(part)
    return b"".join(parts)


@router.post("", operation_id="announce_evidence", status_code=201)
def announce_photo(body: NewEvidence, here: Here, response: Response) -> EvidenceItem:
    """Announce a photo; the same id again answers how much of it is there."""
    here.require("evidence.add")
    if body.size_bytes > MAX_BYTES:
        raise TooLarge(f"a photo has at most {MAX_BYTES} bytes", most=MAX_BYTES)
    about = about_of(here.session, body.subject_kind, body.subject_id)
    _check_hands(here, about.work_order_id if about.subject_kind != "case" else None)
    _check_step(here, body, about.work_order_id)
    there = here.session.get(Evidence, body.id) is not None
    offset = clock_offset(body.clock_offset_ms, None, here.now)
    place = Fix(**body.place.model_dump()) if body.place else None
    said = Announced(
        size_bytes=body.size_bytes,
        sha256=body.sha256,
        captured_at=body.captured_at + offset,
        place=place,
        file_name=safe_name(body.file_name) if body.file_name else None,
        caption=body.caption,
        run_id=body.run_id,
        step_key=body.step,
        public=body.subject_kind != "case" if body.public is None else body.public,
    )
    row = announce(here.session, body.id, about, said, here.now, by=here.actor)
    response.status_code = 200 if there else 201
    return evidence_items(here, [row])[0]


@router.get("", operation_id="list_evidence")
def list_photos(
    here: Here,
    work_order_id: UUID | None = None,
    visit_id: UUID | None = None,
    case_id: UUID | None = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
    limit: Limit = 200,
    after: After = None,
) -> EvidencePage:
    """The photos of an order, a visit or a case (with its orders'), oldest first; removed ones when asked for.

    Without any of them: all that the caller may see, in the order in which they were taken into the list.
    """
    here.require("evidence.read")
    told = [(Evidence.work_order_id, work_order_id), (Evidence.case_id, case_id), (Evidence.subject_id, visit_id)]
    wanted: list[ColumnElement[bool]] = [column == value for column, value in told if value is not None]
    order = [Evidence.captured_at, Evidence.id] if wanted else [Evidence.id]  # of all of them: along the key
    found = select(Evidence).where(*wanted, *_shown(here)).order_by(*order).limit(limit + 1)
    found = found.where(Evidence.state == state if state else Evidence.state.in_(("waiting", "kept")))
    if after is not None:
        at, key = read_cursor(after, aware, UUID)
        later = (Evidence.captured_at > at) | ((Evidence.captured_at == at) & (Evidence.id > key))
        found = found.where(later if wanted else Evidence.id > key)
    rows = list(here.session.scalars(found))
    page = rows[:limit]
    more = cursor_of(page[-1].captured_at.isoformat(), page[-1].id) if len(rows) > limit else None
    return EvidencePage(items=evidence_items(here, page), next=more)


@router.get("/{evidence_id}", operation_id="get_evidence")
def show_photo(evidence_id: UUID, here: Here) -> EvidenceItem:
    """One photo, or how much of it is there."""
    here.require("evidence.read")
    return evidence_items(here, [_seen(here, evidence_id)])[0]


@router.put(
    "/{evidence_id}/content",
    operation_id="put_evidence_content",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    response_model=ChunkAnswer,
)
def put_chunk(
    evidence_id: UUID,
    chunk: Annotated[bytes, Depends(chunk_of)],  # first: nothing is held while a bad network brings it
    here: Here,
    offset: Annotated[int, Query(ge=0, le=MAX_BYTES)],
) -> Any:
    """Send a piece of a photo. 409 `wrong_offset` says where to go on; the last piece has the whole checked."""
    here.require("evidence.add")
    row = get_evidence(here.session, evidence_id, lock=True)
    if row.created_by != here.actor.person_id:
        raise Forbidden("this is somebody else's photo", kind="evidence")
    if take_chunk(here.session, row, offset, chunk):
        wrong = finish(here.session, file_store(here.settings), row, here.now)
        if wrong is not None:
            return rule_problem(wrong)  # not raised: that its pieces are gone is to be committed
        log_photo(here.session, row, "photo_added", here.now, here.actor, differs=row.differs, public=row.public)
    return ChunkAnswer(id=row.id, state=row.state, offset=row.received_bytes, size_bytes=row.size_bytes)


@router.get("/{evidence_id}/picture", operation_id="get_evidence_picture", response_class=Response)
def show_picture(
    evidence_id: UUID, here: Here, size: Annotated[str, Query(pattern="^(small|large)$")] = "large"
) -> Response:
    """The photo, shrunk; it knows neither place nor time."""
    here.require("evidence.read")
    row = _seen(here, evidence_id)
    content = row.thumbnail if size == "small" else row.picture
    if content is None:
        raise NotFound("there is no picture yet", kind="evidence")
    headers = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}
    return file_response(file_store(here.settings), content, "image/jpeg", headers)


@router.get("/{evidence_id}/file", operation_id="get_evidence_file", response_class=Response)
def show_original(evidence_id: UUID, here: Here) -> Response:
    """The photo as it was taken, with all that the camera wrote; for those who do the work and their desk."""
    here.require("work_order.inside")
    row = _seen(here, evidence_id)
    if row.content is None:
        raise NotFound("there is no photo yet", kind="evidence")
    headers = {
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{row.content}"',
    }
    name = row.file_name or f"photo-{str(row.id)[-12:]}.{(row.media_type or 'image/jpeg').removeprefix('image/')}"
    return file_response(file_store(here.settings), row.content, row.media_type or "image/jpeg", headers, name=name)


@router.patch("/{evidence_id}", operation_id="change_evidence")
def change_photo(evidence_id: UUID, body: EvidenceChange, here: Here) -> EvidenceItem:
    """Say what it shows, and whether customers see it."""
    here.require("evidence.add")
    row = _own(here, evidence_id)
    changes: dict[str, object] = {name: value for name, value in body.model_dump().items() if value is not None}
    if describe(row, changes, by=here.actor, desk=bool(here.actor.roles & DESK)):
        here.session.flush()
        log_photo(here.session, row, "photo_changed", here.now, here.actor, public=row.public)
    return evidence_items(here, [row])[0]


@router.post("/{evidence_id}/remove", operation_id="remove_evidence")
def remove_photo(evidence_id: UUID, body: EvidenceRemoval, here: Here) -> EvidenceItem:
    """Take a photo away and say why."""
    here.require("evidence.add")
    row = _own(here, evidence_id)
    if remove(row, body.reason, here.now, by=here.actor, desk=bool(here.actor.roles & DESK)):
        here.session.flush()
        log_photo(here.session, row, "photo_removed", here.now, here.actor, reason=row.removed_reason)
    return evidence_items(here, [row])[0]


def _shown(here: Context) -> list[ColumnElement[bool]]:
    """Customers see what is theirs to see, and nothing that is still coming."""
    return [Evidence.public.is_(True), Evidence.state == "kept"] if here.actor.roles <= {Role.CUSTOMER} else []


def _seen(here: Context, evidence_id: UUID) -> Evidence:
    row = here.session.scalar(select(Evidence).where(Evidence.id == evidence_id, *_shown(here)))
    if row is None:
        raise NotFound("no such photo", kind="evidence")
    return row


def _own(here: Context, evidence_id: UUID) -> Evidence:
    row = get_evidence(here.session, evidence_id, lock=True)
    if row.created_by != here.actor.person_id and not here.actor.roles & DESK:
        raise Forbidden("this is somebody else's photo", kind="evidence")
    return row


def _check_hands(here: Context, work_order_id: UUID | None) -> None:
    order = here.session.get(WorkOrder, work_order_id) if work_order_id else None
    if order is not None and not here.actor.roles & DESK:
        check_hands(here.session, order, caller(here), here.actor)


def _check_step(here: Context, body: NewEvidence, work_order_id: UUID | None) -> None:
    if body.run_id is None:
        return
    run = get_run(here.session, body.run_id)
    if run.subject_id != work_order_id:
        raise Invalid("this checklist belongs to another order", field="run_id")
    if body.step is not None:
        step_of(run, body.step)


def evidence_items(here: Context, rows: list[Evidence]) -> list[EvidenceItem]:
    """Return photos as the caller may see them."""
    here.session.flush()
    names = person_names(here, {row.created_by for row in rows})
    outside = here.actor.roles <= {Role.CUSTOMER}
    return [_item(row, names, outside) for row in rows]


def _item(row: Evidence, names: dict[UUID, Ref], outside: bool) -> EvidenceItem:
    """Customers read when it was taken and what it shows, and not where somebody stood."""
    same = ("id", "state", "size_bytes", "subject_kind", "subject_id", "work_order_id", "case_id", "run_id")
    more = ("media_type", "width", "height", "captured_at", "caption", "public", "created_at", "received_at")
    inside = ("file_name", "exif_captured_at", "differs", "problem", "removed_reason")
    return EvidenceItem(
        **{name: getattr(row, name) for name in (*same, *more)},
        **{name: ([] if name == "differs" else None) if outside else getattr(row, name) for name in inside},
        offset=row.received_bytes,
        chunk_bytes=CHUNK,
        sha256=row.content or row.declared_sha256,
        step=row.step_key,
        place=None if outside else _place(row.latitude_deg, row.longitude_deg, row.accuracy_m),
        exif_place=None if outside else _place(row.exif_latitude_deg, row.exif_longitude_deg, None),
        by=names.get(row.created_by) if row.created_by else None,
    )


def _place(latitude: float | None, longitude: float | None, accuracy_m: float | None) -> PhotoPlace | None:
    if latitude is None or longitude is None:
        return None
    return PhotoPlace(latitude_deg=latitude, longitude_deg=longitude, accuracy_m=accuracy_m)
