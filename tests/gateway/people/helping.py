"""What the tests of people at work share: somebody hired, a shift followed, a visit planned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from starlette.testclient import TestClient

from assets.base.access import Role
from assets.people import Person, add_person
from assets.registry import Asset
from gateway.sign_in import open_session
from tests.gateway.conftest import Plant
from ticketing.models import Visit, WorkOrder

MONDAY = datetime(2027, 3, 1, tzinfo=UTC)  # no holidays, no change of clocks
WEEK = {str(day): [["08:00", "17:00"]] for day in range(5)}


def hired(plant: Plant, name: str, organisation_id: UUID | None = None, *roles: Role) -> Person:
    with plant.database.as_service() as session:
        return add_person(
            session, organisation_id=organisation_id or plant.operator.id, name=name,
            roles=list(roles or (Role.TECHNICIAN,)), now=datetime.now(UTC),
        )  # fmt: skip


def signed_in(plant: Plant, person: Person) -> TestClient:
    with plant.database.as_service() as session:
        token = open_session(session, person, datetime.now(UTC))
    client = plant.client()
    client.cookies.set("forewarn_session", token)
    return client


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def works(desk: TestClient, person: Person, **more: Any) -> Any:
    body = {"name": f"Day {uuid4()}", "time_zone": "UTC", "weeks": [WEEK]} | more
    shift = ok(desk.post("/api/v1/shifts", json=body), 201)
    follows = {"person_id": str(person.id), "valid_from": "2026-01-05"}
    ok(desk.post(f"/api/v1/shifts/{shift['id']}/assignments", json=follows), 201)
    return shift


def planned(plant: Plant, person: Person, start: datetime, hours: float = 2, skills: list[Any] | None = None) -> Visit:
    with plant.database.as_service() as session:
        asset = Asset(organisation_id=plant.operator.id, serial=str(uuid4()), name="Pump", created_at=start)
        session.add(asset)
        session.flush()
        order = WorkOrder(
            organisation_id=plant.operator.id, number=f"WO-{uuid4()}", asset_id=asset.id, origin="manual",
            kind="corrective", title_code="work_order.manual", title_params={}, priority="normal", state="scheduled",
            opened_at=start, assignee_id=person.id, required_skills=skills or [], version=1,
        )  # fmt: skip
        session.add(order)
        session.flush()
        visit = Visit(
            organisation_id=plant.operator.id, work_order_id=order.id, technician_id=person.id, state="scheduled",
            planned_start=start, planned_end=start + timedelta(hours=hours), version=1,
        )  # fmt: skip
        session.add(visit)
        session.flush()
        return visit
