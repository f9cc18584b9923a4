"""Forms of service types on customers' pages: what is asked, what was answered, and the files that come with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from assets.base.errors import Conflict, Invalid
from assets.documents.store import FileStore, FileTooLarge
from gateway.api.deps import Context
from gateway.api.uploads import safe_name
from gateway.files import file_store
from gateway.pages.customer import MAX_FORM, json_fields, plain_words
from ticketing.cases.files import CaseFile, add_file
from ticketing.cases.forms import AnswersRefused
from ticketing.cases.service_types import ensure_service_types, version_in_force
from ticketing.cases.sides import desk_of
from ticketing.cases.tables import Case, ServiceType
from ticketing.models import Request as ServiceRequest

MAX_FILES = 5
MAX_FILE = 8 * 1024 * 1024  # bytes; a photo of a telephone has two to six million
MAX_PARTS = 150
PREFIX = "f."  # before the names of a service type's fields, which its author chooses


@dataclass(frozen=True, slots=True)
class Choice:
    """A service that customers may ask for."""

    id: Any
    code: str
    name: str
    about: str
    form: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it is shown; `kind`: line, lines, number, date, email, choice, many or yes."""

    name: str
    kind: str
    title: str
    help: str
    required: bool
    options: tuple[tuple[str, str], ...]
    most: int
    step: str
    value: Any
    wrong: str | None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that somebody sends."""

    name: str
    file: BinaryIO


@dataclass(slots=True)
class Posted:
    """What came in, from a form or as JSON; `trapped` when the field was filled that people do not see."""

    words: dict[str, str] = field(default_factory=dict)
    given: dict[str, list[str]] = field(default_factory=dict)  # by the names of the service type's fields
    answers: dict[str, Any] | None = None  # as JSON has them
    files: list[Attachment] = field(default_factory=list)
    as_json: bool = False
    trapped: bool = False
    too_much: bool = False


class FilesRefused(Invalid):
    """A file that is not kept; params: `name`."""

    code = "files_refused"


async def read_posted(request: Request) -> Any:
    """Read a form with or without files, or JSON; bounded, and never an error: what is too much is empty."""
    kind = request.headers.get("content-type", "").lower()
    if not kind.startswith("multipart/form-data"):
        yield await _without_files(request, kind.startswith("application/json"))
        return
    async with AsyncExitStack() as stack:
        try:
            form = await request.form(max_files=MAX_FILES, max_fields=MAX_PARTS, max_part_size=MAX_FORM)
        except HTTPException as error:
            if error.status_code == 413:
                raise
            yield Posted(too_much=True)
            return
        stack.push_async_callback(form.close)
        yield _posted(form)


def choices_for(here: Context, organisation_id: Any, language: str) -> list[Choice]:
    """Return the services that the desk of an organisation offers its customers, in their order."""
    desk = desk_of(here.session, organisation_id)
    ensure_service_types(here.session, desk, here.now)
    wanted = select(ServiceType).where(
        ServiceType.organisation_id == desk, ServiceType.active, ServiceType.public, ServiceType.latest > 0
    )
    found = here.session.scalars(wanted.order_by(ServiceType.position, ServiceType.id).limit(60))
    return [_choice(here.session, kind, language) for kind in found]


def fields_of(form: Mapping[str, Any], language: str, posted: Posted | None, wrong: Mapping[str, str]) -> list[Field]:
    """Return a form's fields as they are asked, with what was typed and what is wrong with it."""
    properties: dict[str, Any] = dict(form.get("properties") or {})
    order = [name for name in form.get("order") or () if name in properties]
    names = [*order, *(name for name in properties if name not in order)]
    required = set(form.get("required") or ())
    given = posted.given if posted is not None else {}
    return [
        _field(name, properties[name], language, name in required, given.get(name, []), wrong.get(f"/{name}"))
        for name in names
        if isinstance(properties[name], dict)
    ]


def answers_of(form: Mapping[str, Any], posted: Posted) -> dict[str, Any]:
    """Return what was typed as the types that the form asks for; what is left empty is left out."""
    if posted.answers is not None:
        return posted.answers
    found: dict[str, Any] = {}
    for name, asked in (form.get("properties") or {}).items():
        typed = [each for each in posted.given.get(name, []) if each]
        kind = asked.get("type") if isinstance(asked, dict) else None
        if kind == "boolean":
            if name in posted.given:
                found[name] = typed[-1:] == ["yes"]
        elif kind == "array" and typed:
            found[name] = [_typed(each, asked.get("items") or {}) for each in typed]
        elif typed:
            found[name] = _typed(typed[0], asked)
    return found


def wrong_answers(error: AnswersRefused) -> dict[str, str]:
    """Return what is wrong by field, as a text code."""
    found = {}
    errors: Any = error.params.get("errors", ())
    for each in errors:
        top = "/" + str(each["path"]).lstrip("/").split("/")[0]
        found[top] = "form.error.missing" if each["rule"] == "required" else "form.error.not_fitting"
    return found


def keep_files(here: Context, case: Case, request: ServiceRequest, files: Sequence[Attachment]) -> list[CaseFile]:
    """Put what was sent to a case. Raises FilesRefused, Conflict."""
    store: FileStore = file_store(here.settings)
    kept = []
    for each in files:
        try:
            content, size = store.put(each.file, MAX_FILE)
            kept.append(
                add_file(
                    here.session,
                    store,
                    case,
                    content,
                    size,
                    file_name=each.name,
                    now=here.now,
                    author_kind="requester",
                    request=request,
                )
            )
        except (Invalid, FileTooLarge) as error:
            raise FilesRefused(f"{each.name}: {error}", field="file", name=each.name) from error
    return kept


def check_files(posted: Posted) -> None:
    """Raise Conflict when there are too many."""
    if posted.too_much or len(posted.files) > MAX_FILES:
        raise Conflict("too many or too large files", what="too_many_files", limit=MAX_FILES)


async def _without_files(request: Request, as_json: bool) -> Posted:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return Posted(words={"text": "x" * MAX_FORM}, as_json=as_json)
    if as_json:
        sent = json_fields(body)
        answers = sent.get("answers")
        words = {name: plain_words(value) for name, value in sent.items() if isinstance(value, str | int | float)}
        kept = answers if isinstance(answers, dict) else None
        return Posted(words=words, answers=kept, as_json=True, trapped=bool(sent.get("website")))
    try:
        pairs = parse_qsl(body.decode(errors="replace"), max_num_fields=MAX_PARTS)
    except ValueError:
        return Posted()
    return _split(pairs, [])


def _posted(form: FormData) -> Posted:
    pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    files = [
        Attachment(safe_name(value.filename), value.file)
        for _, value in form.multi_items()
        if isinstance(value, UploadFile) and value.filename and value.size
    ]
    return _split(pairs, files)


def _split(pairs: Sequence[tuple[str, str]], files: list[Attachment]) -> Posted:
    made = Posted(files=files)
    for name, value in pairs:
        if name.startswith(PREFIX):
            made.given.setdefault(name.removeprefix(PREFIX), []).append(plain_words(value))
        else:
            made.words[name] = plain_words(value)
    made.trapped = bool(made.words.get("website"))
    return made


def _choice(session: Session, kind: ServiceType, language: str) -> Choice:
    version = version_in_force(session, kind)
    zh = language == "zh"
    about = (kind.description_zh if zh else kind.description_en) or kind.description_en or ""
    name = (kind.name_zh if zh else kind.name_en) or kind.name_en
    return Choice(kind.id, kind.code, name, about, dict(version.form) if version else {})


def _field(
    name: str, asked: dict[str, Any], language: str, required: bool, given: list[str], wrong: str | None
) -> Field:
    kind, inner = _kind(asked), asked.get("items") if isinstance(asked.get("items"), dict) else asked
    names = inner.get(f"enum_{language}") or inner.get("enum_en") or [] if inner else []
    values = list((inner or {}).get("enum") or ()) if kind in ("choice", "many") else []
    return Field(
        name=PREFIX + name,
        kind=kind,
        title=str(_said(asked, "title", language) or asked.get("title") or name),
        help=str(_said(asked, "help", language) or ""),
        required=required and kind != "yes",
        options=tuple((str(each), str(names[at] if at < len(names) else each)) for at, each in enumerate(values)),
        most=min(int(asked.get("maxLength") or 4000), 4000) if isinstance(asked.get("maxLength", 0), int) else 4000,
        step="1" if asked.get("type") == "integer" else "any",
        value=given if kind == "many" else (given[-1] if given else ""),
        wrong=wrong,
    )


def _kind(asked: dict[str, Any]) -> str:
    kind = asked.get("type")
    if kind == "boolean":
        return "yes"
    if kind == "array":
        return "many"
    if asked.get("enum"):
        return "choice"
    if kind in ("integer", "number"):
        return "number"
    if asked.get("format") in ("date", "email"):
        return str(asked["format"])
    return "lines" if asked.get("multiline") else "line"


def _said(asked: dict[str, Any], what: str, language: str) -> Any:
    return asked.get(f"{what}_{language}") or asked.get(f"{what}_en") or asked.get(f"{what}_zh")


def _typed(value: str, asked: Mapping[str, Any]) -> Any:
    """Return a value as its type; what is none stays words, and the form's check says so."""
    same = next((each for each in asked.get("enum") or () if str(each) == value), None)
    if same is not None:
        return same
    try:
        if asked.get("type") == "integer":
            return int(value)
        if asked.get("type") == "number":
            number = float(value)
            return number if abs(number) < float("inf") else value
    except (ValueError, OverflowError):
        return value
    return value
