"""Errors as RFC 9457 problem details: one table from the rules' errors to HTTP."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg.errors import InsufficientPrivilege, UndefinedColumn, UndefinedFunction, UndefinedTable
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NoResultFound,
    NotSupportedError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from assets.base.errors import Conflict, Forbidden, Invalid, NotFound, RuleError
from assets.documents.store import FileDamaged, StoreAway
from assets.warranty.cards import TooManyRegistrations
from gateway.api.bodies import TooLarge, WrongMediaType
from gateway.api.deps import NotSignedIn
from gateway.api.inbound import NotSigned
from gateway.sign_in import SignInFailed, TooManyFailures
from ingest.bursts import TooManyBursts
from ingest.identity import TooManyAttempts
from ticketing.people.applications import TooManyApplications
from ticketing.work_orders import StaleVersion

log = logging.getLogger(__name__)

RETRY_S = 2  # with 503: a place, a lock or the database is back soon, or a person has to look
# Nothing is wrong with the request: the server is away or restarts, a standby took over (read only), no connection is
# left, a lock or a statement took too long, two transactions met, or tables changed under a prepared statement.
AWAY = (OperationalError, InterfaceError, InternalError, NotSupportedError, PendingRollbackError, PoolTimeout)
# Tables are changed before the program is: until both fit, nobody's request is at fault.
OTHER_TABLES = (UndefinedColumn, UndefinedTable, UndefinedFunction)

STATUS: tuple[tuple[type[RuleError], int, str], ...] = (
    (NotSignedIn, 401, "Not signed in"),
    (NotSigned, 401, "Not signed"),
    (SignInFailed, 401, "Sign-in failed"),
    (TooManyFailures, 429, "Too many failed attempts"),
    (TooManyAttempts, 429, "Too many attempts"),
    (TooManyRegistrations, 429, "Too many registrations"),
    (TooManyApplications, 429, "Too many applications"),
    (TooManyBursts, 429, "Too many bursts"),
    (Forbidden, 403, "Not allowed"),
    (NotFound, 404, "Not found"),
    (StaleVersion, 412, "Changed in the meantime"),
    (Conflict, 409, "Conflict"),
    (TooLarge, 413, "Too large"),
    (WrongMediaType, 415, "Unsupported media type"),
    (Invalid, 422, "Invalid"),
    (StoreAway, 503, "Files not available"),
    (FileDamaged, 500, "File damaged"),
    (RuleError, 400, "Refused"),
)


def problem(status: int, title: str, detail: str, code: str, params: dict[str, Any] | None = None) -> JSONResponse:
    """Return one problem; `code` and `params` are what a page renders in the reader's language."""
    body = {
        "type": f"urn:forewarn:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "params": params or {},
    }
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_S)}}.get(status, {})
    return JSONResponse(
        jsonable_encoder(body), status_code=status, media_type="application/problem+json", headers=headers
    )


def rule_problem(error: RuleError) -> JSONResponse:
    """Return a rule's error as a problem; for routes whose refusal is to be committed."""
    status, title = next((status, title) for kind, status, title in STATUS if isinstance(error, kind))
    return problem(status, title, str(error), error.code, error.params)


def _rule_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RuleError)
    return rule_problem(error)


def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = [
        {"field": ".".join(str(part) for part in found["loc"]), "message": found["msg"]} for found in error.errors()
    ]
    detail = "; ".join(f"{found['field']}: {found['message']}" for found in fields[:5])
    return problem(422, "Invalid", detail, "invalid", {"fields": fields[:50]})


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, str(error.detail), str(error.detail), f"http_{error.status_code}")
    answer.headers.update(error.headers or {})
    return answer


def _database_away(request: Request, error: Exception) -> JSONResponse:
    log.warning("%s %s: database not available: %s", request.method, request.url.path, error)
    return problem(503, "Database not available", "try again in a few seconds", "database_unavailable")


def _bad_value(request: Request, error: Exception) -> JSONResponse:
    log.info("%s %s: value refused by the database: %s", request.method, request.url.path, error)
    return problem(422, "Invalid", "a value is out of range or holds a character that cannot be stored", "invalid")


def _changed(request: Request, error: Exception) -> JSONResponse:
    log.info("%s %s: conflict: %s", request.method, request.url.path, error)
    return problem(409, "Conflict", "this changed in the meantime, already exists or is still in use", "conflict")


def _not_theirs(request: Request, error: Exception) -> JSONResponse:
    """A row policy refuses what somebody writes into another organisation's rows, which they may read."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, OTHER_TABLES):
        log.error("the database's tables are not this program's: run the migrations, or the newer program: %s", cause)
        return _database_away(request, error)
    if not isinstance(cause, InsufficientPrivilege):
        raise error
    log.info("%s %s: refused by the database: %s", request.method, request.url.path, error)
    return problem(403, "Not allowed", "this belongs to another organisation", "forbidden")


def _broken_off(request: Request, error: Exception) -> JSONResponse:
    """A phone lost its network while it sent: no defect, and nobody hears the answer."""
    log.info("%s %s: the connection ended while it sent", request.method, request.url.path)
    return problem(400, "Broken off", "the connection ended before all was sent", "invalid")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback; the caller learns nothing of it.
    return problem(500, "Internal error", "this is a defect of the server; its log says more", "internal")


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(RuleError, _rule_error)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    for away in AWAY:
        app.add_exception_handler(away, _database_away)
    # NoResultFound: what a row refers to has another owner since.
    for changed in (IntegrityError, StaleDataError, NoResultFound):
        app.add_exception_handler(changed, _changed)
    # A moment that some time zone's calendar does not have; half of a character that UTF-8 cannot write.
    for bad in (DataError, OverflowError, UnicodeEncodeError):
        app.add_exception_handler(bad, _bad_value)
    app.add_exception_handler(ProgrammingError, _not_theirs)
    app.add_exception_handler(ClientDisconnect, _broken_off)
    app.add_exception_handler(Exception, _unexpected)
