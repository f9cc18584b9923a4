"""Ask for a service from a machine's label: choose what, fill in its form, send files with it, without signing in."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from assets.base.errors import Conflict, Invalid, NotFound
from assets.registry import Asset
from gateway import texts
from gateway.api.case_files import HEADERS
from gateway.api.deps import Context, Public
from gateway.api.files_out import file_response
from gateway.files import file_store
from gateway.pages.customer import Reader, Typed, machine_page, missing, problem, reader_of, render
from gateway.pages.forms import (
    MAX_FILE,
    MAX_FILES,
    Choice,
    FilesRefused,
    Posted,
    answers_of,
    check_files,
    choices_for,
    fields_of,
    keep_files,
    read_posted,
    wrong_answers,
)
from gateway.pages.machine import find_asset, load_customer_page
from ticketing.cases.files import CaseFile
from ticketing.cases.forms import AnswersRefused
from ticketing.cases.tables import ServiceType
from ticketing.cases.threads import messages_for_request
from ticketing.models import Request as ServiceRequest
from ticketing.requests import MAX_TEXT, case_of, find_by_tracking, open_request

router = APIRouter(include_in_schema=False)

Sent = Annotated[Posted, Depends(read_posted)]


@router.get("/a/{code}/ask", operation_id="customer_ask")
def customer_ask(code: str, request: Request, here: Public, type: str | None = None) -> Response:
    """Choose a service, or fill in its form."""
    reader = reader_of(request)
    asset = find_asset(here.session, code)
    if asset is None:
        return missing(reader)
    kinds = choices_for(here, asset.organisation_id, reader.language)
    return _label_form(reader, asset, kinds, _chosen(kinds, type), None, None, {}, 200)


@router.post("/a/{code}/requests", operation_id="customer_report")
def customer_report(code: str, request: Request, here: Public, sent: Sent, type: str | None = None) -> Response:
    """Take a report or a request for a service, as a form with files or as JSON, and answer with its tracking link."""
    reader = reader_of(request)
    asset = find_asset(here.session, code)
    if asset is None:
        return problem(404, "not_found", "no machine has this code") if sent.as_json else missing(reader)
    if sent.trapped:
        return RedirectResponse(f"/a/{asset.code}", status_code=303)
    wanted = type or sent.words.get("service_type")
    kinds = choices_for(here, asset.organisation_id, reader.language) if wanted else []
    kind = _chosen(kinds, wanted)
    try:
        if wanted and kind is None:
            raise Invalid("there is no such service", field="service_type", allowed=[each.code for each in kinds])
        made = open_with_files(here, sent, kind, asset=asset, channel="qr_page", contact=sent.words)
    except (Invalid, Conflict) as error:
        return _refused(here, reader, asset, kinds, kind, sent, error)
    link = f"/a/{asset.code}/requests/{made.tracking_code}"
    if sent.as_json:
        return JSONResponse({"number": made.number, "tracking": link}, status_code=201, headers={"Location": link})
    return RedirectResponse(link, status_code=303)


@router.get("/a/{code}/requests/{tracking}/files/{file_id}", operation_id="customer_request_file")
def customer_request_file(code: str, tracking: str, file_id: UUID, here: Public) -> Response:
    """A file of a request's thread, for whoever holds its link."""
    asset = find_asset(here.session, code)
    request = find_by_tracking(here.session, asset.id, tracking) if asset else None
    if request is None:
        raise NotFound("no such file")
    return shown_file(here, request, file_id)


def open_with_files(
    here: Context,
    sent: Posted,
    kind: Choice | None,
    *,
    channel: str,
    contact: Any,
    asset: Asset | None = None,
    **more: Any,
) -> ServiceRequest:
    """Open a request with its answers and files, all or nothing. Raises Invalid, AnswersRefused, Conflict."""
    check_files(sent)
    with here.session.begin_nested():
        made = open_request(
            here.session,
            asset=asset,
            channel=channel,
            text=sent.words.get("text", ""),
            contact={name: contact.get(name) for name in ("name", "phone", "email")},
            now=here.now,
            service_type=here.session.get(ServiceType, kind.id) if kind else None,
            answers=answers_of(kind.form, sent) if kind else None,
            **more,
        )
        case = case_of(here.session, made)
        if case is not None:
            keep_files(here, case, made, sent.files)
    return made


def shown_file(here: Context, request: ServiceRequest, file_id: UUID) -> Response:
    """Return a file that came with a request or with a message that its sender reads. Raises NotFound."""
    file = here.session.get(CaseFile, file_id)
    if file is None or file.visibility != "public" or not _shows(here, request, file):
        raise NotFound("no such file")
    return file_response(file_store(here.settings), file.content, file.media_type, HEADERS, name=file.file_name)


def ask_page(
    reader: Reader,
    kinds: list[Choice],
    kind: Choice | None,
    sent: Posted | None,
    error: Invalid | Conflict | None,
    status: int,
    **values: Any,
) -> Response:
    """Return the page that asks: for a service, or what it needs to know."""
    wrong = wrong_answers(error) if isinstance(error, AnswersRefused) else {}
    words = sent.words if sent is not None else {}
    return render(
        reader,
        "ask.html",
        status,
        None,
        kinds=kinds,
        kind=kind,
        fields=fields_of(kind.form, reader.language, sent, wrong) if kind else [],
        typed={name: words.get(name, "") for name in ("text", "name", "phone", "machine")},
        wrong=_said(reader, error, words) if error is not None else None,
        most=MAX_TEXT,
        most_files=MAX_FILES,
        most_mb=MAX_FILE // 2**20,
        **values,
    )


def _label_form(
    reader: Reader,
    asset: Asset,
    kinds: list[Choice],
    kind: Choice | None,
    sent: Posted | None,
    error: Invalid | Conflict | None,
    wrong: dict[str, str],
    status: int,
) -> Response:
    base = f"/a/{asset.code}"
    return ask_page(
        reader,
        kinds,
        kind,
        sent,
        error,
        status,
        here=f"{base}/ask",
        post=f"{base}/requests",
        back=base,
        machine=asset.name,
        machines=None,
    )


def _refused(
    here: Context,
    reader: Reader,
    asset: Asset,
    kinds: list[Choice],
    kind: Choice | None,
    sent: Posted,
    error: Invalid | Conflict,
) -> Response:
    status = 409 if isinstance(error, Conflict) else 422
    if sent.as_json:
        return problem(status, error.code, str(error), error.params)
    if kind is not None:
        return _label_form(reader, asset, kinds, kind, sent, error, {}, status)
    page = load_customer_page(here.session, asset.code, here.now)
    if page is None:
        return missing(reader)
    words = sent.words
    typed = Typed(words.get("text", ""), words.get("name", ""), words.get("phone", ""))
    return machine_page(reader, page, typed, _said(reader, error, words), status)


def _said(reader: Reader, error: Invalid | Conflict, words: dict[str, str]) -> str:
    language = reader.language
    if isinstance(error, AnswersRefused):
        return texts.text(language, "form.error.answers")
    if isinstance(error, FilesRefused):
        return texts.text(language, "form.error.files", name=error.params.get("name", ""))
    if isinstance(error, Conflict):
        many_files = error.params.get("what") == "too_many_files"
        return texts.text(language, "form.error.many_files" if many_files else "form.error.too_many")
    return texts.text(language, "form.error.too_long" if len(words.get("text", "")) > MAX_TEXT else "form.error.text")


def _chosen(kinds: list[Choice], code: str | None) -> Choice | None:
    return next((each for each in kinds if each.code == code), None)


def _shows(here: Context, request: ServiceRequest, file: CaseFile) -> bool:
    if file.request_id == request.id:
        return True
    return any(message.id == file.message_id for message in messages_for_request(here.session, request))
