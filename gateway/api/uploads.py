"""Files that people send: let in after sign-in, bounded before they are read, kept on disk while they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, BinaryIO

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from assets.base.access import Actor
from assets.base.errors import Invalid
from gateway.api.bodies import WrongMediaType
from gateway.api.deps import authenticate, database_of

MAX_FIELDS = 20
MAX_FIELD_BYTES = 64 * 1024
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """One file of a form, and the form's other fields."""

    name: str
    file: BinaryIO
    fields: dict[str, str]


def admitted(request: Request) -> Actor:
    """Know who sends before anything is read, in a transaction that does not wait for the file."""
    with database_of(request).as_service() as session:
        return authenticate(session, request, datetime.now(UTC))


async def received(request: Request, _: Annotated[Actor, Depends(admitted)]) -> AsyncIterator[Sent]:
    """Read a form with one file; what is long lies on disk. Raises WrongMediaType, Invalid."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise WrongMediaType("a file is sent as multipart/form-data", accepted=["multipart/form-data"])
    try:
        form = await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except HTTPException as error:
        if error.status_code == 413:
            raise
        raise Invalid(f"the form cannot be read: {error.detail}", field="file", reason="form") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid("the form has no part `file` with a file", field="file", reason="missing")
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        yield Sent(safe_name(file.filename), file.file, fields)
    finally:
        await form.close()


def safe_name(name: str | None) -> str:
    """Return a file name without folders and control characters."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    plain = "".join(each for each in last if each.isprintable() and each not in '<>:"|?*').strip(". ")
    return plain[-MAX_NAME:] or "file"


def form_of(fields: dict[str, str], required: tuple[str, ...] = ("file",)) -> dict[str, Any]:
    """Return the description of such a form for the API's document; fields: name -> what it is."""
    properties: dict[str, Any] = {"file": {"type": "string", "format": "binary"}}
    properties |= {name: {"type": "string", "description": about} for name, about in fields.items()}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


Upload = Annotated[Sent, Depends(received)]
