"""The customer's signature under an order's report: what would be signed, sign it, show it."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from assets.base.access import DESK
from assets.base.errors import NotFound
from assets.base.ids import uuid7
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.files_out import file_response
from gateway.api.work_orders import caller, locked_order
from gateway.files import file_store
from ticketing.evidence.signatures import MAX_BYTES, drawn
from ticketing.evidence.tables import Signature
from ticketing.order_people import check_hands
from ticketing.reports.wanted import newest
from ticketing.sync.signing import report_now, sign_order, signature_of
from ticketing.work_orders import WORK_DONE_STATES, get_work_order

router = APIRouter(prefix="/api/v1/work-orders", tags=["reports"])


class NewSignature(BaseModel):
    """Who signs which content; a PNG (`image`: data URL or base64), or `strokes` on a field of `width` × `height`."""

    id: UUID | None = None
    name: str = Field(min_length=1, max_length=200)
    content_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    image: str | None = Field(default=None, max_length=600_000)
    strokes: list[list[list[float]]] | None = Field(default=None, max_length=500)
    width: Annotated[float | None, Field(gt=0, le=4000, allow_inf_nan=False)] = None
    height: Annotated[float | None, Field(gt=0, le=4000, allow_inf_nan=False)] = None
    signed_at: Moment | None = None


class SignatureItem(BaseModel):
    """A signature; it holds for `content_hash` alone. `sha256` is its picture's."""

    id: UUID
    report_id: UUID
    revision: int
    content_hash: str
    name: str
    signed_at: datetime
    received_at: datetime
    sha256: str | None
    current: bool


class WrittenReport(BaseModel):
    """The newest revision that was written."""

    report_id: UUID
    revision: int
    content_hash: str


class ReportPreview(BaseModel):
    """What the report says now. `ready`: it is written and can be signed; `signed`: it is."""

    content_hash: str
    facts: dict[str, Any]
    written: WrittenReport | None
    signed: SignatureItem | None
    ready: bool


@router.get("/{work_order_id}/report-preview", operation_id="preview_report")
def preview(work_order_id: UUID, here: Here) -> ReportPreview:
    """What the service report of an order says at this moment, with the hash that a signature names."""
    here.require("work_order.inside")
    order = get_work_order(here.session, work_order_id)
    if here.session.get(Asset, order.asset_id) is None:  # an executor of long ago: the machine is closed to them
        raise NotFound("no such report", kind="report")
    plain, digest = report_now(here.session, order)
    report = newest(here.session, order.id)
    signature = signature_of(here.session, order.id, digest)
    written = None
    if report is not None:
        written = WrittenReport(report_id=report.id, revision=report.revision, content_hash=report.content_hash)
    done = order.state in WORK_DONE_STATES and order.state != "cancelled"
    ready = done and report is not None and report.content_hash == digest and signature is None
    signed = _item(signature, digest) if signature else None
    return ReportPreview(content_hash=digest, facts=plain, written=written, signed=signed, ready=ready)


@router.post("/{work_order_id}/signature", operation_id="sign_report", status_code=201)
def sign_one(work_order_id: UUID, body: NewSignature, here: Here) -> SignatureItem:
    """Sign the report as it was read. 409 `report_changed` names the hash that holds now."""
    here.require("work_order.record")
    order = locked_order(here, work_order_id, None)
    if not here.actor.roles & DESK:
        check_hands(here.session, order, caller(here), here.actor)
    picture = drawn(body.image, body.strokes, body.width, body.height)
    kept, _ = file_store(here.settings).put(io.BytesIO(picture), MAX_BYTES)
    row = sign_order(
        here.session,
        order,
        name=body.name,
        content_hash=body.content_hash,
        picture=kept,
        signed_at=min(body.signed_at or here.now, here.now),
        now=here.now,
        by=here.actor,
        signature_id=body.id or uuid7(),
    )
    return _item(row, row.content_hash)


@router.get("/{work_order_id}/signature", operation_id="get_signature")
def show(work_order_id: UUID, here: Here) -> SignatureItem:
    """The newest signature; `current`: the report has not changed since."""
    here.require("work_order.read")
    row = _newest(here, work_order_id)
    _, digest = report_now(here.session, get_work_order(here.session, work_order_id))
    return _item(row, digest)


@router.get("/{work_order_id}/signature/picture", operation_id="get_signature_picture", response_class=Response)
def show_picture(work_order_id: UUID, here: Here) -> Response:
    """The signature as it was drawn."""
    here.require("work_order.read")
    row = _newest(here, work_order_id)
    if row.picture is None:
        raise NotFound("nothing was drawn", kind="signature")
    headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
    return file_response(file_store(here.settings), row.picture, "image/png", headers)


def _newest(here: Context, work_order_id: UUID) -> Signature:
    order = get_work_order(here.session, work_order_id)
    row = signature_of(here.session, order.id)
    if row is None:
        raise NotFound("nobody has signed", kind="signature")
    return row


def _item(row: Signature, digest: str) -> SignatureItem:
    same = ("id", "report_id", "revision", "content_hash", "name", "signed_at", "received_at")
    told = {name: getattr(row, name) for name in same}
    return SignatureItem(**told, sha256=row.picture, current=row.content_hash == digest)
