"""Alarms, holds, windows, failure modes, policies and on-call lists as pages use them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.registry import Asset, AssetModel, add_asset
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.models import Finding
from tests.gateway.conftest import Plant
from tests.maintenance.evidence import hot_bearing

API = "/api/v1"


class Pump:
    """A pump of the operator with a part, and clients of several roles."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.now = datetime.now(UTC).replace(microsecond=0)
        with plant.database.as_service() as session:
            owner = plant.operator.id
            model = AssetModel(organisation_id=owner, code="P", name_en="Pump", name_zh="泵", metrics={})
            session.add(model)
            session.flush()
            self.model = str(model.id)
            keys = []
            for serial in ("P-1", "P-2"):
                asset = Asset(
                    organisation_id=owner, serial=serial, name=serial, asset_model_id=model.id, operation="up",
                    created_at=self.now - timedelta(days=40),
                )  # fmt: skip
                keys.append(add_asset(session, asset, self.now).id)
            self.key, self.part = keys
        self.planner = plant.client(plant.token(role=Role.PLANNER))
        self.technician = plant.client(plant.token(role=Role.TECHNICIAN))
        self.analyst = plant.client(plant.token(role=Role.ANALYST))
        self.stranger = plant.client(plant.token(plant.stranger))

    def notice(self, ago_s: float = 60, **more: Any) -> None:
        at = self.now - timedelta(seconds=ago_s)
        asset = more.pop("asset", self.key)
        with self.plant.database.as_service() as session:
            facts = hot_bearing(asset, **{"first_at": at, "last_at": at} | more)
            save_findings(session, self.plant.operator.id, [facts], False, facts.cleared_at or facts.last_at)
            decide_pending(session, facts.cleared_at or facts.last_at)

    def decide(self) -> None:
        with self.plant.database.as_service() as session:
            decide_pending(session, datetime.now(UTC))


@pytest.fixture
def pump(plant: Plant) -> Pump:
    return Pump(plant)


def told(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(API + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def sent(client: TestClient, path: str, body: Any = None, method: str = "POST", status: int = 200, **more: Any) -> Any:
    answer = client.request(method, API + path, json=body if body is not None else {}, **more)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def test_an_alarm_is_acknowledged_shelved_and_unshelved(pump: Pump) -> None:
    pump.notice()
    (alarm,) = told(pump.planner, "/episodes", open=True)["items"]
    path = f"/episodes/{alarm['id']}"
    assert (alarm["alarm_state"], alarm["legal"]) == ("unacknowledged", ["acknowledge", "shelve"])
    assert told(pump.technician, path)["legal"] == ["acknowledge"], "a technician shelves nothing"
    assert told(pump.analyst, path)["legal"] == []
    sent(pump.analyst, f"{path}/acknowledge", status=403)
    assert sent(pump.technician, f"{path}/acknowledge", {"note": "on my way"})["alarm_state"] == "acknowledged"
    shelved = sent(pump.planner, f"{path}/shelve", {"minutes": 60, "reason": "spare part ordered"})
    assert (shelved["alarm_state"], shelved["hold"]["reason"]) == ("shelved", "spare part ordered")
    assert [row["id"] for row in told(pump.planner, "/episodes", alarm_state="shelved")["items"]] == [alarm["id"]]
    assert told(pump.planner, "/episodes", alarm_state="unacknowledged")["items"] == []
    assert sent(pump.planner, f"{path}/unshelve")["alarm_state"] == "acknowledged"
    detail = told(pump.planner, path)
    assert [one["signature"] for one in detail["evidence"]] == ["bearing_temperature_celsius:high"]
    assert pump.stranger.get(API + path).status_code == 404
    sent(pump.planner, f"{path}/shelve", {"minutes": 60 * 24 * 8, "reason": "too long"}, status=422)


def test_what_is_out_of_service_is_listed_as_held_back_until_it_is_put_back(pump: Pump) -> None:
    body = {"asset_id": str(pump.key), "kind": "out_of_service", "reason": "rebuilt"}
    sent(pump.technician, "/alarm-holds", body, status=403)
    hold = sent(pump.planner, "/alarm-holds", body, status=201)
    pump.notice()
    (held,) = told(pump.planner, "/findings", decision="suppress", open=True)["items"]
    assert held["decision"]["reason"] == "out_of_service"
    assert [row["id"] for row in told(pump.planner, "/alarm-holds", active=True)["items"]] == [hold["id"]]
    assert sent(pump.planner, f"/alarm-holds/{hold['id']}/end")["ended_at"] is not None
    pump.decide()
    assert len(told(pump.planner, "/episodes", open=True)["items"]) == 1
    assert told(pump.planner, "/alarm-holds", active=True)["items"] == []


def test_windows_are_planned_changed_and_ended(pump: Pump) -> None:
    begins = pump.now - timedelta(hours=1)
    body = {
        "name": "Overhaul", "asset_id": str(pump.key), "starts_at": begins.isoformat(),
        "ends_at": (pump.now + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    made = sent(pump.planner, "/maintenance-windows", body, status=201)
    assert (made["active"], made["scope"]["kind"], made["scope"]["name"]) == (True, "asset", "P-1")
    pump.notice()
    (held,) = told(pump.planner, "/findings", decision="suppress")["items"]
    assert (held["decision"]["reason"], held["decision"]["params"]["window"]) == ("maintenance_window", "Overhaul")
    path = f"/maintenance-windows/{made['id']}"
    assert sent(pump.planner, path, {"note": "with crane"}, method="PATCH")["note"] == "with crane"
    sent(pump.planner, path, {"ends_at": (begins - timedelta(hours=1)).isoformat()}, method="PATCH", status=422)
    assert not sent(pump.planner, f"{path}/end")["active"]
    assert told(pump.planner, "/maintenance-windows", active=True)["items"] == []
    weekly = body | {"ends_at": None, "hours": {"5": [["22:00", "02:00"]]}, "time_zone": "Asia/Shanghai"}
    assert sent(pump.planner, "/maintenance-windows", weekly, status=201)["next_start_at"] is not None
    sent(pump.planner, "/maintenance-windows", weekly | {"hours": {"9": []}}, status=422)
    sent(pump.analyst, "/maintenance-windows", body, status=403)
    sent(pump.planner, path, method="DELETE", status=204)


def test_failure_modes_name_what_an_alarm_is(pump: Pump) -> None:
    body = {
        "asset_model_id": pump.model, "code": "bearing_wear", "name_en": "Bearing wear", "name_zh": "轴承磨损",
        "matches": [{"metric": "bearing_temperature_celsius"}],
    }  # fmt: skip
    made = sent(pump.planner, "/failure-modes", body, status=201)
    sent(pump.planner, "/failure-modes", body, status=409)
    sent(pump.planner, "/failure-modes", body | {"code": "other", "matches": [{}]}, status=422)
    pump.notice()
    (alarm,) = told(pump.planner, "/episodes", open=True)["items"]
    assert (alarm["key"], alarm["failure_mode"]["name_zh"]) == ("machine:bearing_wear", "轴承磨损")
    changed = sent(pump.planner, f"/failure-modes/{made['id']}", {"name_en": "Worn bearing"}, method="PATCH")
    assert (changed["name_en"], changed["matches"][0]["metric"]) == ("Worn bearing", "bearing_temperature_celsius")
    assert told(pump.stranger, "/failure-modes")["items"] == []
    sent(pump.planner, f"/failure-modes/{made['id']}", method="DELETE", status=204)
    (alarm,) = told(pump.planner, "/episodes", open=True)["items"]
    assert (alarm["key"], alarm["failure_mode"]) == ("machine:bearing_wear", None)


def test_a_part_below_an_asset_in_alarm_is_shown_as_affected(pump: Pump) -> None:
    tree = sent(pump.planner, f"/assets/{pump.part}/parent", {"parent_id": str(pump.key)}, method="PUT")
    assert [whole["serial"] for whole in tree["above"]] == ["P-1"]
    assert [part["serial"] for part in told(pump.planner, f"/assets/{pump.key}/tree")["parts"]] == ["P-2"]
    sent(pump.planner, f"/assets/{pump.key}/parent", {"parent_id": str(pump.part)}, method="PUT", status=422)
    pump.notice(ago_s=90)
    pump.notice(ago_s=60, asset=pump.part)
    (alarm,) = told(pump.planner, "/episodes", open=True)["items"]
    (affected,) = told(pump.planner, f"/episodes/{alarm['id']}")["affected"]
    assert (affected["asset"]["serial"], affected["reason"]) == ("P-2", "parent_alarm")


def test_a_planner_edits_a_policy_replays_it_and_enables_it(pump: Pump) -> None:
    for days in (20, 10):
        at = pump.now - timedelta(days=days)
        for ended in (None, at + timedelta(seconds=35)):
            pump.notice(first_at=at, last_at=at + timedelta(seconds=30 if ended else 0), cleared_at=ended)
    listed = told(pump.planner, "/policies")
    assert {field["name"] for field in listed["fields"]} <= set(listed["defaults"]["machine"])
    body = {"name": "patient", "settings": {"kinds": {"machine": {"on_delay_s": 300}}}}
    made = sent(pump.planner, "/policies", body, status=201)
    assert not made["enabled"]
    time = {"from": (pump.now - timedelta(days=30)).isoformat(), "to": pump.now.isoformat()}
    replayed = sent(pump.planner, "/policies/replay", {"policy_id": made["id"], "settings": body["settings"]} | time)
    assert (replayed["draft"]["work_orders"], replayed["in_force"]["work_orders"]) == (0, 1)
    assert [lost["verdict"] for lost in replayed["lost"]] == ["unknown"]
    for strange in ('{"on_delay_s": NaN}', '{"kinds": {"machine": {"kinds": NaN}}}'):
        words = (
            f'{{"policy_id": "{made["id"]}", "settings": {strange}, "from": "{time["from"]}", "to": "{time["to"]}"}}'
        )
        refused = pump.planner.post(
            "/api/v1/policies/replay", content=words, headers={"Content-Type": "application/json"}
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), refused.text
    (shown,) = told(pump.planner, "/policies")["items"]
    assert (shown["version"], shown["last_replay"]["work_orders"]) == (made["version"], 0)
    path = f"/policies/{made['id']}"
    sent(pump.planner, path, body, method="PUT", status=412, headers={"If-Match": '"9"'})
    sent(pump.planner, path, body | {"settings": {"patience": 1}}, method="PUT", status=422)
    changed = sent(pump.planner, path, body | {"name": "calm"}, method="PUT", headers={"If-Match": '"1"'})
    assert (changed["name"], changed["version"]) == ("calm", 2)
    assert sent(pump.planner, f"{path}/enable")["enabled"]
    pump.notice(ago_s=10)
    with pump.plant.database.as_service() as session:
        newest = session.scalars(select(Finding).order_by(Finding.first_at.desc())).first()
        assert newest is not None
        assert newest.decision == "attach", "an open alarm takes evidence whatever its patience"
    for client, status in ((pump.technician, 403), (pump.stranger, 404)):
        sent(client, f"{path}/disable", status=status)
    sent(pump.planner, path, method="DELETE", status=204)


def test_on_call_lists_name_people_who_are_there(pump: Pump) -> None:
    ada = str(pump.plant.ada.id)
    body = {"name": "Nights", "working_hours": {"0": [["08:00", "17:00"]]}, "time_zone": "Asia/Shanghai",
            "steps": [{"person_id": ada, "wait_s": 300}]}  # fmt: skip
    made = sent(pump.planner, "/on-call-lists", body, status=201)
    assert made["steps"][0]["person"]["name"] == "Ada"
    sent(pump.planner, "/on-call-lists", body, status=409)
    nobody = body | {"name": "x", "steps": [{"person_id": pump.model, "wait_s": 300}]}
    sent(pump.planner, "/on-call-lists", nobody, status=422)
    sent(pump.planner, "/on-call-lists", body | {"name": "x", "steps": []}, status=422)
    changed = sent(pump.planner, f"/on-call-lists/{made['id']}", body | {"always": True}, method="PUT")
    assert changed["holds_now"]
    sent(pump.technician, f"/on-call-lists/{made['id']}", body, method="PUT", status=403)
    assert told(pump.planner, "/notifications", mine=True)["items"] == []
    sent(pump.planner, f"/on-call-lists/{made['id']}", method="DELETE", status=204)
