"""What `forewarn bench load` does: every action of its mix is one that the server takes from a page."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import httpx
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.people import Person
from gateway.bench.load_copy import Member
from gateway.bench.load_http import Answer
from gateway.bench.load_users import DESK_ACTIONS, PHONE_ACTIONS, User
from gateway.sign_in import open_session
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import hired, ok, planned, signed_in
from tests.gateway.people.test_board_api import always, order_of, soon

EXPECTED = {409, 412}


class Browser:
    """The benchmark's client, in this process."""

    def __init__(self, plant: Plant, person: Person) -> None:
        with plant.database.as_service() as session:
            self.cookie = open_session(session, person, datetime.now(UTC))
        self.app = plant.app

    async def ask(
        self, method: str, path: str, body: Any = None, *, etag: str = "", key: str = "", kind: str = ""
    ) -> Answer:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        headers = {"X-Forewarn": "1", "Cookie": f"forewarn_session={self.cookie}"}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"If-None-Match": etag} if etag else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
            raw = isinstance(body, bytes)
            more = {"content": body, "headers": {"Content-Type": kind}} if raw else {"json": body}
            answer = await client.request(method, path, **more)
        return Answer(answer.status_code, answer.content, etag=answer.headers.get("etag", ""))


def run(plant: Plant, person: Person, actions: dict[str, Any], rounds: int) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []

    def note(kind: str, seconds: float, status: int) -> None:
        told.append((kind, status))

    async def live() -> None:
        member = Member(person.id, uuid4(), "")
        user = User(member, Browser(plant, person), Random(1), note)  # type: ignore[arg-type]
        for _ in range(rounds):
            for action in actions.values():
                await action(user)

    asyncio.run(live())
    return told


def test_every_action_of_a_phone_is_taken(plant: Plant, desk: TestClient, tom: Person) -> None:
    """What phones send goes through the log of operations, photos in pieces; what they ask is what their pages ask."""
    for _ in range(2):
        order = order_of(plant)
        ok(desk.post(f"/api/v1/work-orders/{order}/assign", json={"person_id": str(tom.id)}))
    told = run(plant, tom, PHONE_ACTIONS, 2)
    assert [each for each in told if each[1] >= 400] == []
    kinds = {kind for kind, _ in told}
    assert {"phone_day", "phone_changes", "phone_begin", "phone_note", "photo_new", "photo_piece"} <= kinds


def test_every_action_of_a_dispatcher_is_taken(plant: Plant, desk: TestClient, tom: Person) -> None:
    always(desk, tom)
    order_of(plant)
    planned(plant, tom, soon(4))
    ann = hired(plant, "Ann", None, Role.DISPATCHER)
    told = run(plant, ann, DESK_ACTIONS, 1)
    assert [each for each in told if each[1] >= 400 and each[1] not in EXPECTED] == []


def test_work_begun_without_a_plan_is_on_the_board(plant: Plant, desk: TestClient, tom: Person) -> None:
    """Somebody begins at once what nobody planned: the board shows it while it lasts, and when it was."""
    always(desk, tom)
    order = order_of(plant, minutes=90)
    phone = signed_in(plant, tom)
    unsafe = {"X-Forewarn": "1"}
    ok(desk.post(f"/api/v1/work-orders/{order}/assign", json={"person_id": str(tom.id)}))
    ok(phone.post(f"/api/v1/work-orders/{order}/start", json={}, headers=unsafe))
    now = datetime.now(UTC)
    start, until = (
        at.isoformat().replace("+00:00", "Z") for at in (now - timedelta(hours=1), now + timedelta(hours=1))
    )
    [bar] = ok(desk.get(f"/api/v1/dispatch/board?from={start}&until={until}"))["visits"]
    assert bar["state"] == "in_progress"
    begun, ends = (datetime.fromisoformat(bar[name]) for name in ("planned_start", "planned_end"))
    assert ends - begun == timedelta(minutes=90)
    ok(phone.post(f"/api/v1/work-orders/{order}/finish", json={"outcome": "confirmed"}, headers=unsafe))
    [bar] = ok(desk.get(f"/api/v1/dispatch/board?from={start}&until={until}"))["visits"]
    assert datetime.fromisoformat(bar["planned_end"]) - begun < timedelta(minutes=30)
    later = (
        (now + timedelta(days=1)).isoformat().replace("+00:00", "Z"),
        (now + timedelta(days=2)).isoformat().replace("+00:00", "Z"),
    )
    assert ok(desk.get(f"/api/v1/dispatch/board?from={later[0]}&until={later[1]}"))["visits"] == []
