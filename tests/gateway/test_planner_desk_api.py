"""The planner's desk over HTTP: jobs with the cost of waiting, decisions, the year ahead, groups, what-if with undo.

Seed rows 000-23 (load against staff), 003-36 (work ahead from plans) and 003-35 (by the machine's state).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from assets.base.access import Role
from assets.registry import Asset
from gateway.forecast_jobs import keep_forecasts
from gateway.plan_jobs import make_occurrences
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.remaining_lives import Estimate, save_life
from tests.gateway.conftest import Plant
from tests.gateway.test_maintenance_plans_api import body as plan_body
from tests.gateway.test_warranty_api import NOW, TODAY, Shop, created, fine
from tests.maintenance.evidence import hot_bearing

DAY_S = 86_400.0
WEEKLY = [{"code": "W", "trigger": {"kind": "calendar", "rrule": "FREQ=WEEKLY", "include_start": True}}]


@pytest.fixture
def shop(plant: Plant) -> Shop:
    return Shop(plant)


def foresee(shop: Shop, plant: Plant, signature: str = "bearing_temperature_celsius:high") -> str:
    """Let the models see something while they learn; return the job's id."""
    facts = hot_bearing(shop.asset_id, learning=True, first_at=NOW, last_at=NOW, signature=signature)
    with plant.database.as_service() as session:
        owner = session.get_one(Asset, shop.asset_id).organisation_id
        save_findings(session, owner, [facts], False, NOW)
        decide_pending(session, NOW)
    jobs = fine(shop.ada.get("/api/v1/planner/jobs"))["items"]
    return str(jobs[0]["id"])


def live(shop: Shop, plant: Plant, days: float) -> None:
    """A model gives the machine so many days."""
    with plant.database.as_service() as session:
        owner = session.get_one(Asset, shop.asset_id).organisation_id
        risks = ((7 * DAY_S, 0.1), (30 * DAY_S, 0.4))
        seen = Estimate(NOW, days * DAY_S, days / 2 * DAY_S, days * 3 * DAY_S, 0.8, risks, model_id="life-1")
        save_life(session, owner, shop.asset_id, seen, NOW)


def plan_weekly(shop: Shop, plant: Plant, code: str = "WEEKLY", **more: Any) -> list[dict[str, Any]]:
    """An active plan, made ahead; return its work."""
    told = plan_body(
        shop,
        code=code,
        packages=WEEKLY,
        starts_on=str(TODAY + timedelta(days=3)),
        horizon_days=60,
        duration_minutes=90,
        tolerance_before={"days": 5},
        tolerance_after={"days": 5},
    )
    made = created(shop.ada.post("/api/v1/maintenance-plans", json=told | more))
    fine(shop.ada.post(f"/api/v1/maintenance-plans/{made['id']}/activate", json={}))
    make_occurrences(plant.database, NOW)
    rows = fine(shop.ada.get("/api/v1/occurrences", params={"plan_id": made["id"], "from": str(TODAY)}))["items"]
    assert len(rows) > 6
    return list(rows)


def test_a_job_says_what_waiting_costs_and_of_what(shop: Shop, plant: Plant) -> None:
    job = foresee(shop, plant)
    path = f"/api/v1/predicted-jobs/{job}/waiting"
    bare = fine(shop.ada.get(path))
    assert (bare["extra"], bare["chance"], bare["missing"]) == (None, None, ["planned_cost", "unplanned_cost"])
    live(shop, plant, 60)
    told = {"planned_cost": 800, "unplanned_factor": 4, "unplanned_downtime_hours": 10, "downtime_cost_per_hour": 500}
    entry = created(shop.ada.post("/api/v1/desk-costs", json=told | {"currency": "CNY"}))
    assert shop.ada.post("/api/v1/desk-costs", json=told).status_code == 409
    assert shop.ada.post("/api/v1/desk-costs", json={"asset_id": str(shop.asset_id)}).status_code == 422
    found = fine(shop.ada.get(path, params={"days": 7}))
    assert (found["chance"]["source"], found["now"], found["failure"]) == ("risk_curve", 800.0, 8200.0)
    assert found["chance"]["p"] == pytest.approx(0.1, abs=0.01)
    assert found["extra"] == pytest.approx(found["chance"]["p"] * (8200 - 800))
    assert found["left_out"] == ["planned_downtime_hours"]
    listed = fine(shop.ada.get("/api/v1/planner/jobs", params={"wait_days": 7}))["items"][0]
    assert listed["waiting"]["extra"] == pytest.approx(found["extra"])
    technician = plant.client(plant.token(role=Role.TECHNICIAN))
    hidden = fine(technician.get(path))
    assert (hidden["reason"], hidden["amounts"], hidden["now"]) == ("prices_not_yours", [], None)
    assert shop.ada.put(f"/api/v1/desk-costs/{entry['id']}", json=told, headers={"If-Match": "7"}).status_code == 412
    assert shop.ada.delete(f"/api/v1/desk-costs/{entry['id']}").status_code == 204


def test_many_jobs_are_decided_and_taken_back_together(shop: Shop, plant: Plant) -> None:
    job = foresee(shop, plant)
    until = (NOW + timedelta(days=20)).isoformat()
    nobody = "018f0000-0000-7000-8000-000000000001"
    answer = fine(shop.ada.post("/api/v1/planner/bulk", json={"action": "defer", "ids": [job, nobody], "until": until}))
    assert (answer["done"], [each["code"] for each in answer["items"] if not each["ok"]]) == (1, ["not_found"])
    assert fine(shop.ada.get("/api/v1/planner/jobs"))["items"] == []
    (held,) = fine(shop.ada.get("/api/v1/planner/jobs?state=deferred"))["items"]
    assert (held["decision"]["kind"], held["decision"]["can_undo"]) == ("defer", True)
    ids = [each["decision_id"] for each in answer["items"] if each["ok"]]
    back = fine(shop.ada.post("/api/v1/planner/bulk", json={"action": "undo", "ids": ids}))
    assert back["done"] == 1
    assert [each["id"] for each in fine(shop.ada.get("/api/v1/planner/jobs"))["items"]] == [job]
    again = shop.ada.post(f"/api/v1/planner/decisions/{ids[0]}/undo")
    assert (again.status_code, again.json()["params"]["reason"]) == (409, "undone")
    assert shop.ada.post("/api/v1/planner/bulk", json={"action": "defer", "ids": [job]}).status_code == 422
    opened = fine(shop.ada.post("/api/v1/planner/bulk", json={"action": "accept", "ids": [job]}))
    assert opened["items"][0]["work_order"]["state"] == "unscheduled"
    shown = fine(shop.ada.get("/api/v1/planner/decisions"))["items"]
    assert [(each["kind"], each["can_undo"]) for each in shown] == [("accept", True), ("defer", False)]


def test_the_year_counts_what_is_planned_and_drills_down_to_it(shop: Shop, plant: Plant) -> None:
    """003-36."""
    rows = plan_weekly(shop, plant)
    foresee(shop, plant)
    keep_forecasts(plant.database, NOW)
    year = fine(shop.ada.get("/api/v1/planning/year", params={"weeks": 12}))
    assert len(year["weeks"]) == 12
    planned = [row for row in rows if row["due_on"] < str(TODAY + timedelta(days=70))]
    assert sum(cell["jobs"] for cell in year["total"]) == len(planned)
    assert sum(cell["minutes"] for cell in year["total"]) == 90 * len(planned)
    assert year["total"][0]["predicted"] == 1
    week = next(cell["week"] for cell in year["total"] if cell["jobs"])
    works = fine(shop.ada.get("/api/v1/planning/year/rows", params={"week": week, "skill": "any"}))["items"]
    assert [each["minutes"] for each in works] == [{"any": 90}]
    by_site = fine(shop.ada.get("/api/v1/planning/year", params={"weeks": 12, "by": "site"}))
    assert sum(cell["predicted"] for row in by_site["rows"] for cell in row["cells"]) == 1
    assert shop.ada.get("/api/v1/planning/year", params={"from": "0001-01-01"}).status_code == 422


def test_a_draft_moves_nothing_until_applied_and_is_undone(shop: Shop, plant: Plant) -> None:
    rows = plan_weekly(shop, plant)
    first, second, third = rows[:3]

    def moved(row: dict[str, Any], days: float) -> dict[str, Any]:
        to = datetime.fromisoformat(row["due_at"]) + timedelta(days=days)
        return {"occurrence_id": row["id"], "to": to.isoformat(), "seen_at": row["due_at"]}

    far = fine(shop.ada.post("/api/v1/planning/preview", json={"moves": [moved(third, 6)]}))
    assert [each["code"] for each in far["moves"][0]["problems"]] == ["too_late"]
    assert (far["broken"], far["hard"], len(far["loads"])) == (1, False, 2)
    body = {"name": "Shift", "moves": [moved(first, 1), moved(second, 2)]}
    draft = created(shop.ada.post("/api/v1/planning/drafts", json=body))
    assert fine(shop.ada.get(f"/api/v1/occurrences/{first['id']}"))["put_at"] is None
    path = f"/api/v1/planning/drafts/{draft['id']}"
    assert shop.ada.post(f"{path}/apply", json={}, headers={"If-Match": "99"}).status_code == 412
    done = fine(shop.ada.post(f"{path}/apply", json={}, headers={"If-Match": str(draft["version"])}))
    assert (done["state"], done["can_undo"]) == ("applied", True)
    assert fine(shop.ada.get(f"/api/v1/occurrences/{first['id']}"))["put_at"] is not None
    stale = shop.ada.post("/api/v1/planning/drafts", json={"name": "Late", "apply": True, "moves": [moved(first, 3)]})
    assert (stale.status_code, stale.json()["code"]) == (412, "draft_outdated")
    (told,) = stale.json()["params"]["changed"]
    assert (told["id"], told["yours"]["at"] != told["current"]["at"]) == (first["id"], True)
    # one of them becomes a work order: that one stays, the other goes back
    fine(shop.ada.post(f"/api/v1/occurrences/{second['id']}/release", json={"reason": "now"}))
    undone = fine(shop.ada.post(f"{path}/undo"))
    assert {each["occurrence_id"]: each["result"] for each in undone["outcome"]["moves"]} == {
        first["id"]: "undone",
        second["id"]: "released",
    }
    assert fine(shop.ada.get(f"/api/v1/occurrences/{first['id']}"))["put_at"] is None
    assert shop.ada.post(f"{path}/undo").status_code == 409
    reasonless = shop.ada.post(
        "/api/v1/planning/drafts", json={"name": "Far", "apply": True, "moves": [moved(third, 6)]}
    )
    assert (reasonless.status_code, reasonless.json()["params"]["field"]) == (422, "reason")
    shift = {"occurrence_ids": [third["id"]], "days": 1}
    many = created(shop.ada.post("/api/v1/planning/drafts", json={"name": "Many", "kind": "bulk", "shift": shift}))
    assert [each["to_day"] > each["from_day"] for each in many["outcome"]["moves"]] == [True]
    assert shop.ada.delete(f"/api/v1/planning/drafts/{many['id']}").status_code == 204


def test_work_of_a_site_is_proposed_together(shop: Shop, plant: Plant) -> None:
    plan_weekly(shop, plant, "ONE")
    plan_weekly(shop, plant, "TWO", starts_on=str(TODAY + timedelta(days=5)))
    found = fine(shop.ada.get("/api/v1/planning/groups", params={"days": 40}))["items"]
    assert found
    for each in found:  # the same plan's work of a machine twice on a day would be no saving
        assert len({(piece["asset"]["id"], piece["plan_code"]) for piece in each["pieces"]}) == len(each["pieces"])
    one = found[0]
    assert (one["kind"], one["travel_minutes"]) == ("same_site", None)  # nobody drove there yet
    moves = [
        {"occurrence_id": each["id"], "to": each["to"], "seen_at": each["at"]} for each in one["pieces"] if each["to"]
    ]
    body = {"name": "Together", "kind": "group", "apply": True, "moves": moves}
    made = created(shop.ada.post("/api/v1/planning/drafts", json=body))
    assert (made["state"], made["moves"]) == ("applied", len(moves))
    keys = {each["id"] for each in one["pieces"]}
    days = {fine(shop.ada.get(f"/api/v1/occurrences/{key}"))["due_on"] for key in keys}
    assert days == {one["day"]}
    left = fine(shop.ada.get("/api/v1/planning/groups", params={"days": 40}))["items"]
    assert one["key"] not in {each["key"] for each in left}


def test_a_job_is_merged_with_planned_work_over_http(shop: Shop, plant: Plant) -> None:
    rows = plan_weekly(shop, plant)
    job = foresee(shop, plant)
    due = fine(shop.ada.get(f"/api/v1/predicted-jobs/{job}/due"))["items"]
    assert due[0]["id"] == rows[0]["id"]
    told = fine(shop.ada.post(f"/api/v1/predicted-jobs/{job}/merge", json={"occurrence_id": due[0]["id"]}))
    assert (told["kind"], told["can_undo"], told["due_on"]) == ("merge", True, rows[0]["due_on"])
    assert len(fine(shop.ada.get("/api/v1/planner/jobs?state=merged"))["items"]) == 1


def test_another_organisation_sees_and_decides_nothing(shop: Shop, plant: Plant) -> None:
    rows = plan_weekly(shop, plant)
    job = foresee(shop, plant)
    made = created(
        shop.ada.post(
            "/api/v1/planning/drafts",
            json={"name": "Mine", "moves": [{"occurrence_id": rows[0]["id"], "to": rows[1]["due_at"]}]},
        )
    )
    stranger = plant.client(plant.token(organisation=plant.stranger, role=Role.PLANNER))
    for path in (f"predicted-jobs/{job}/waiting", f"predicted-jobs/{job}/due", f"planning/drafts/{made['id']}"):
        assert stranger.get(f"/api/v1/{path}").status_code == 404, path
    assert fine(stranger.get("/api/v1/planner/jobs"))["items"] == []
    assert fine(stranger.get("/api/v1/planning/drafts"))["items"] == []
    assert sum(cell["jobs"] for cell in fine(stranger.get("/api/v1/planning/year"))["total"]) == 0
    moves = {"moves": [{"occurrence_id": rows[0]["id"], "to": rows[1]["due_at"]}]}
    assert fine(stranger.post("/api/v1/planning/preview", json=moves))["moves"] == []
    assert stranger.post("/api/v1/planning/drafts", json=moves | {"name": "No"}).status_code == 404
