"""Each of the eleven services takes what the desk sets, and the next case comes under it (001-06, 002-11, -12, -20)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from starlette.testclient import TestClient

from assets.base.consumers import run_consumer
from tests.gateway.channels.conftest import Known, ok
from tests.gateway.conftest import Plant
from ticketing.cases.tables import ServiceTypeVersion
from ticketing.sla.tables import SlaClock
from ticketing.sla_watch import SLA_FOLLOWS_WORK, watch

RULES = ("none", "piece_rate", "hourly", "package", "revenue_share", "tiered")
FORM = {
    "type": "object",
    "properties": {"why": {"type": "string", "title_en": "Why", "title_zh": "原因", "maxLength": 50}},
    "required": ["why"],
}
STAGES = [
    {"code": "begin", "name_en": "Begin", "name_zh": "开始", "next": ["end"], "children": ["work_order"]},
    {"code": "end", "name_en": "End", "name_zh": "结束", "next": []},
]
STEP = {"key": "look", "kind": "check", "title_en": "Look", "title_zh": "查看", "required": True}


def made(desk: TestClient) -> dict[str, str]:
    """A checklist, a service level and an item that stands for the price, each by id."""
    procedure = {"code": "sop_1", "name_en": "Look", "name_zh": "查看", "steps": [STEP]}
    sop = ok(desk.post("/api/v1/procedures", json=procedure), 201)["id"]
    ok(desk.post(f"/api/v1/procedures/{sop}/publish"), 200)
    level = {"name": "Service", "targets": [{"clock": "response", "minutes": 30}]}
    policy = ok(desk.post("/api/v1/sla-policies", json=level), 201)["id"]
    part = {"number": "SRV-1", "name_en": "Service", "name_zh": "服务", "kind": "part", "unit": "1"}
    priced = ok(desk.post("/api/v1/parts", json=part), 201)["id"]
    return {"procedure_id": sop, "sla_policy_id": policy, "price_part_id": priced}


def test_each_of_the_eleven_takes_effect_when_a_case_is_opened(plant: Plant, desk: TestClient, known: Known) -> None:
    kinds = ok(desk.get("/api/v1/service-types"))["items"]
    assert len(kinds) == 11
    linked = made(desk)
    opened: dict[str, Any] = {}
    for number, kind in enumerate(kinds):
        rule = RULES[number % len(RULES)]
        version: dict[str, Any] = {"form": FORM, "workflow": {"stages": STAGES}, "settlement_rule": rule}
        version |= {"priority": "high", "duration_minutes": 45 + number, **linked}
        shown = ok(desk.post(f"/api/v1/service-types/{kind['id']}/versions", json=version), 201)["in_force"]
        assert (shown["settlement_rule"], shown["price_part"]["id"]) == (rule, linked["price_part_id"])

        case = {"asset_id": str(known.pump), "service_type_id": kind["id"], "text": kind["code"]}
        assert desk.post("/api/v1/cases", json=case | {"answers": {}}).status_code == 422, kind["code"]
        one = ok(desk.post("/api/v1/cases", json=case | {"answers": {"why": "leak"}}), 201)
        assert (one["stage"], one["priority"], one["answers"]) == ("begin", "high", {"why": "leak"}), kind["code"]
        order = ok(desk.post(f"/api/v1/cases/{one['id']}/work-orders"), 201)
        assert order["duration_minutes"] == 45 + number
        runs = ok(desk.get(f"/api/v1/work-orders/{order['id']}/procedures"))
        assert "sop_1" in str(runs), kind["code"]
        opened[one["id"]] = rule
    now = datetime.now(UTC)
    run_consumer(plant.database, SLA_FOLLOWS_WORK, now)
    with plant.database.as_service() as session:
        watch(session, now)
        clocked = {
            str(each) for each in session.scalars(select(SlaClock.subject_id).where(SlaClock.clock == "response"))
        }
        assert set(opened) <= clocked
        assert session.scalars(select(ServiceTypeVersion).where(ServiceTypeVersion.version == 2)).all()
