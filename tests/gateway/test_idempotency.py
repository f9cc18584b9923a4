"""A write that is sent twice is done once and answered twice."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI, Response
from sqlalchemy import select, text
from starlette.testclient import TestClient

from assets.base.db import Database
from gateway.guard import Guard
from gateway.idempotency import CLAIM_LIFE, MAX_BODY, IdempotencyKey, IdempotencyMiddleware
from tests.gateway.conftest import Plant

KEY = {"Idempotency-Key": "one"}


class Counter:
    """A route that counts how often it ran; `status`, `held` and `failing` say how."""

    def __init__(self) -> None:
        self.runs, self.status, self.failing = 0, 201, False
        self.size = 0
        self.headers: dict[str, str] = {}
        self.entered, self.held = threading.Event(), threading.Event()
        self.held.set()

    def run(self, response: Response) -> dict[str, object]:
        self.runs += 1
        self.entered.set()
        assert self.held.wait(20)
        if self.failing:
            raise RuntimeError("crash")
        response.status_code = self.status
        response.headers.update(self.headers)
        return {"run": self.runs, "filling": "x" * self.size}


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def client(database: Database, counter: Counter) -> TestClient:
    app = FastAPI()
    app.add_middleware(IdempotencyMiddleware, database=database)
    app.add_middleware(Guard)
    for path in ("/things", "/others"):
        app.add_api_route(path, counter.run, methods=["GET", "POST", "PATCH"])
    return TestClient(app, raise_server_exceptions=False)


def keys(database: Database) -> list[IdempotencyKey]:
    with database.as_service() as session:
        return list(session.scalars(select(IdempotencyKey)))


def test_same_key_twice_does_it_once_and_answers_twice(client: TestClient, counter: Counter) -> None:
    first, second = client.post("/things", headers=KEY), client.post("/things", headers=KEY)
    assert counter.runs == 1
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, first.json())
    assert second.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/things", {}),
        ("POST", "/things", {"Idempotency-Key": "two"}),
        ("POST", "/things", {"Idempotency-Key": "one", "Authorization": "Bearer other"}),
        ("POST", "/things", {"Idempotency-Key": "one", "Cookie": "forewarn_session=other"}),
        ("POST", "/others", KEY),
        ("POST", "/things?late=true", KEY),
        ("PATCH", "/things", KEY),
        ("GET", "/things", KEY),
    ],
)
def test_another_request_is_no_repeat(
    client: TestClient, counter: Counter, method: str, path: str, headers: dict[str, str]
) -> None:
    client.post("/things", headers=KEY)
    assert "idempotency-replayed" not in client.request(method, path, headers=headers).headers
    assert counter.runs == 2


def test_long_keys_that_begin_alike_are_different(client: TestClient, counter: Counter) -> None:
    for end in ("a", "b"):
        client.post("/things", headers={"Idempotency-Key": "k" * 300 + end})
    assert counter.runs == 2


@pytest.mark.parametrize("status", [400, 403, 409, 422, 500, 503])
def test_refused_write_may_be_tried_again(
    client: TestClient, counter: Counter, database: Database, status: int
) -> None:
    counter.status = status
    assert client.post("/things", headers=KEY).status_code == status
    assert keys(database) == []
    counter.status = 201
    assert client.post("/things", headers=KEY).json()["run"] == 2


def test_failed_write_may_be_tried_again(client: TestClient, counter: Counter, database: Database) -> None:
    counter.failing = True
    assert client.post("/things", headers=KEY).status_code == 500
    assert keys(database) == []
    counter.failing = False
    assert client.post("/things", headers=KEY).status_code == 201


def test_repeat_while_the_first_still_runs_is_told_so(client: TestClient, counter: Counter) -> None:
    counter.held.clear()
    answers: list[int] = []
    first = threading.Thread(target=lambda: answers.append(client.post("/things", headers=KEY).status_code))
    first.start()
    assert counter.entered.wait(20)
    try:
        second = client.post("/things", headers=KEY)
    finally:
        counter.held.set()
        first.join(60)
    assert (second.status_code, second.json()["code"]) == (409, "in_progress")
    assert {"type", "title", "status", "detail", "code"} <= set(second.json())
    assert answers == [201]
    assert counter.runs == 1


def leave_dead_claim(client: TestClient, database: Database, age: timedelta) -> None:
    """As a process leaves it that was killed before it answered."""
    client.post("/things", headers=KEY)
    with database.as_service() as session:
        session.execute(
            text("UPDATE idempotency_keys SET status = NULL, body = NULL, created_at = :t"),
            {"t": datetime.now(UTC) - age},
        )


def test_key_whose_first_request_died_can_be_taken_over(
    client: TestClient, counter: Counter, database: Database
) -> None:
    leave_dead_claim(client, database, CLAIM_LIFE + timedelta(seconds=1))
    assert client.post("/things", headers=KEY).json()["run"] == 2
    assert client.post("/things", headers=KEY).json()["run"] == 2
    assert counter.runs == 2


def test_fresh_claim_is_not_taken_over(client: TestClient, counter: Counter, database: Database) -> None:
    leave_dead_claim(client, database, CLAIM_LIFE - timedelta(seconds=20))
    assert client.post("/things", headers=KEY).status_code == 409
    assert counter.runs == 1


def test_request_that_was_taken_for_dead_does_not_spoil_its_successor(
    client: TestClient, counter: Counter, database: Database
) -> None:
    counter.held.clear()
    counter.status = 500
    slow = threading.Thread(target=lambda: client.post("/things", headers=KEY))
    slow.start()
    assert counter.entered.wait(20)
    taken_over = datetime.now(UTC)
    with database.as_service() as session:
        session.execute(text("UPDATE idempotency_keys SET created_at = :t"), {"t": taken_over})
    counter.held.set()
    slow.join(60)
    assert [row.created_at for row in keys(database)] == [taken_over]


@pytest.mark.parametrize("headers", [{"Set-Cookie": "a=b"}, {"Cache-Control": "no-store"}])
def test_answer_with_a_secret_is_not_written_down(
    client: TestClient, counter: Counter, database: Database, headers: dict[str, str]
) -> None:
    counter.headers = headers
    assert client.post("/things", headers=KEY).status_code == 201
    assert keys(database) == []


def test_large_answer_is_not_kept(client: TestClient, counter: Counter, database: Database) -> None:
    counter.size = MAX_BODY
    assert len(client.post("/things", headers=KEY).content) > MAX_BODY
    assert keys(database) == []


def test_every_write_of_the_api_can_be_repeated(plant: Plant) -> None:
    client, body = plant.administrator(), {"name": "Tom", "roles": ["technician"]}
    ids = {client.post("/api/v1/people", json=body, headers=KEY).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert len(client.get("/api/v1/people").json()["items"]) == 2


def test_repeat_by_somebody_else_gets_nothing_of_the_first_answer(plant: Plant) -> None:
    body = {"name": "Tom", "roles": ["technician"]}
    plant.administrator().post("/api/v1/people", json=body, headers=KEY)
    answer = plant.client().post("/api/v1/people", json=body, headers=KEY)
    assert answer.status_code == 401


def test_body_above_the_bound_is_refused(client: TestClient, plant: Plant) -> None:
    answer = plant.administrator().post("/api/v1/people", content=b"[" * (9 * 1024 * 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
