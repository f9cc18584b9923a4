"""Errors are problem details: code, title and status always, the field where there is one."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from psycopg import errors as database_errors
from psycopg.errors import InsufficientPrivilege
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, NoResultFound, PendingRollbackError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from starlette.testclient import TestClient

from assets.base import errors
from assets.base.db import Database
from assets.base.errors import RuleError
from gateway.api import problems
from gateway.api.deps import NotSignedIn
from gateway.api.edits import Moment
from gateway.api.pages import cursor_of, read_cursor
from gateway.app import make_app
from gateway.settings import Settings
from gateway.sign_in import SignInFailed, TooManyFailures
from tests.gateway.conftest import Plant


def check(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Every problem has the same shape."""
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "code", "params"}
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"urn:forewarn:problem:{code}"
    assert body["title"]
    return body


def answer_to(error: Exception) -> Any:
    """What the application says when a route raises this."""
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def fail() -> None:
        raise error

    return TestClient(app, raise_server_exceptions=False).get("/")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFound("no such asset"), 404),
        (errors.Forbidden("no", action="x"), 403),
        (errors.Conflict("changed"), 409),
        (errors.IllegalMove("no", legal=["closed"]), 409),
        (errors.Invalid("no", field="name"), 422),
        (RuleError("no"), 400),
        (NotSignedIn("no"), 401),
        (SignInFailed("no"), 401),
        (TooManyFailures("no"), 429),
    ],
)
def test_each_rule_error_has_its_status_and_keeps_its_params(error: RuleError, status: int) -> None:
    body = check(answer_to(error), status, error.code)
    assert body["params"] == error.params
    assert body["detail"] == str(error)


def test_version_conflict_is_a_conflict() -> None:
    check(answer_to(StaleDataError("two edits")), 409, "conflict")
    check(answer_to(NoResultFound("its machine was sold")), 409, "conflict")


@pytest.mark.parametrize(
    "error", [OverflowError("date value out of range"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "")]
)
def test_value_that_nothing_can_hold_is_the_callers(error: Exception) -> None:
    check(answer_to(error), 422, "invalid")


def test_what_a_row_policy_refuses_is_not_allowed() -> None:
    check(answer_to(ProgrammingError("INSERT", {}, InsufficientPrivilege("row-level security"))), 403, "forbidden")
    check(answer_to(ProgrammingError("SELECT", {}, SyntaxError("defect"))), 500, "internal")


@pytest.mark.parametrize(
    "name",
    [
        "AdminShutdown", "CannotConnectNow", "TooManyConnections", "DeadlockDetected", "SerializationFailure",
        "LockNotAvailable", "QueryCanceled", "DiskFull", "OutOfMemory", "ReadOnlySqlTransaction",
        "InFailedSqlTransaction", "IdleInTransactionSessionTimeout", "FeatureNotSupported", "UndefinedColumn",
        "UndefinedTable",
    ],
)  # fmt: skip
def test_trouble_of_the_database_is_told_as_trouble_that_ends(name: str) -> None:
    cause = getattr(database_errors, name)("of the database")
    answer = answer_to(DBAPIError.instance("SELECT", {}, cause, psycopg.Error))
    check(answer, 503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("error", [PoolTimeout("too many at a time"), PendingRollbackError("connection lost")])
def test_request_that_found_no_connection_may_come_again(error: Exception) -> None:
    answer = answer_to(error)
    check(answer, 503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1899-12-31T00:00:00Z"])
def test_moment_that_could_not_be_read_again_is_not_stored(at: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(at)


def test_unexpected_error_says_nothing_of_the_inside() -> None:
    body = check(answer_to(RuntimeError("secret path /etc")), 500, "internal")
    assert "secret" not in str(body)


def test_validation_names_the_field(plant: Plant) -> None:
    answer = plant.administrator().post("/api/v1/people", json={"name": 7, "roles": ["emperor"]})
    fields = {found["field"] for found in check(answer, 422, "invalid")["params"]["fields"]}
    assert fields == {"body.name", "body.roles.0"}


def test_a_million_wrong_fields_make_a_short_answer(plant: Plant) -> None:
    answer = plant.administrator().post("/api/v1/people", json={"name": "x", "roles": ["bad"] * 10_000})
    assert len(answer.content) < 20_000


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b"null", b'{"name": NaN}'])
def test_body_that_is_no_json_of_ours_is_invalid(plant: Plant, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = plant.administrator().post("/api/v1/people", content=content, headers=headers)
    assert answer.status_code in (400, 422)
    check(answer, answer.status_code, answer.json()["code"])


def test_unknown_path_and_method_are_problems(plant: Plant) -> None:
    check(plant.client().get("/api/v1/unicorns"), 404, "not_found")
    answer = plant.client().delete("/api/v1/me")
    check(answer, 405, "http_405")
    assert answer.headers["allow"]


def test_unauthenticated_request_is_told_to_sign_in(plant: Plant) -> None:
    for path in ("/api/v1/me", "/api/v1/people", "/api/v1/assets", "/api/v1/work-orders", "/api/v1/events"):
        check(plant.client().get(path), 401, "not_signed_in")


def statement_route(database: Database, statement: str) -> Callable[[], None]:
    def run() -> None:
        with database.as_service() as session:
            session.execute(text(statement))

    return run


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("SELECT 'x'::integer", 422, "invalid"),
        ("SELECT 99999999999::integer", 422, "invalid"),
        (
            "INSERT INTO organisations (id, kind, name, ancestors, demo, created_at, parent_id)"
            " VALUES (gen_random_uuid(), '', '', '{}', false, now(), gen_random_uuid())",
            409,
            "conflict",
        ),
    ],
)
def test_what_the_database_refuses_is_no_server_error(
    database: Database, statement: str, status: int, code: str
) -> None:
    app = FastAPI()
    problems.install(app)
    app.add_api_route("/", statement_route(database, statement))
    body = check(TestClient(app, raise_server_exceptions=False).get("/"), status, code)
    assert "INSERT" not in str(body)


def test_database_away_is_503_for_reads_writes_and_keys() -> None:
    database = Database("postgresql://forewarn@127.0.0.1:1/none")
    client = TestClient(make_app(Settings(), database), raise_server_exceptions=False)
    headers = {"Authorization": "Bearer fw_x"}
    check(client.get("/api/v1/me", headers=headers), 503, "database_unavailable")
    check(client.post("/api/v1/sign-in", json={"email": "a@b", "password": "c"}), 503, "database_unavailable")
    body = {"email": "a@b", "password": "c"}
    check(client.post("/api/v1/sign-in", json=body, headers={"Idempotency-Key": "k"}), 503, "database_unavailable")
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "database": "not available"})
    database.dispose()


def test_service_is_ready_and_counts(plant: Plant) -> None:
    assert plant.client().get("/readyz").json() == {"ready": True}
    metrics = plant.client().get("/metrics").text
    assert "forewarn_assets 0" in metrics
    assert "# TYPE forewarn_samples_stored_total counter" in metrics


def test_answers_make_browsers_careful(plant: Plant) -> None:
    for path in ("/", "/api/v1/me", "/healthz"):
        headers = plant.client().get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_cursor_comes_back_as_it_went() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert read_cursor(cursor_of("Pümp", 7), str, int) == ["Pümp", 7]
    assert read_cursor(cursor_of(at.isoformat()), datetime.fromisoformat) == [at]


@pytest.mark.parametrize("cursor", ["", "x", "!!!", cursor_of(), cursor_of("a"), cursor_of("a", "b", "c"), "W10", "ü"])
def test_forged_cursor_is_invalid(cursor: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        read_cursor(cursor, str, int)
    assert refused.value.params["field"] == "after"


@pytest.mark.parametrize("written", [b"[" * 50_000, b'["a", Infinity]'])
def test_cursor_that_cannot_be_parsed_is_invalid(written: bytes) -> None:
    with pytest.raises(errors.Invalid):
        read_cursor(base64.urlsafe_b64encode(written).decode(), str, int)


@pytest.mark.parametrize("path", ["/api/v1/assets", "/api/v1/work-orders", "/api/v1/devices", "/api/v1/quarantine"])
@pytest.mark.parametrize("cursor", ["x", cursor_of("a"), cursor_of(1, 2), cursor_of("a", "b"), cursor_of(None, None)])
def test_forged_cursor_in_an_address_is_no_server_error(plant: Plant, path: str, cursor: str) -> None:
    assert plant.administrator().get(path, params={"after": cursor}).status_code in (200, 422)
