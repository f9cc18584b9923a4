"""Feedback over HTTP: figures that drill down to their orders, suppressors, settings, budgets, caps, similar orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.consumers import run_consumer
from assets.registry import Asset, AssetModel, Site, add_asset
from gateway.jobs import tend_feedback
from gateway.wiring import CONSUMERS
from maintenance.episodes import decide_pending
from maintenance.feedback_models import ObservedMonth
from maintenance.feedback_settings import Feedback, save_feedback
from maintenance.findings import save_findings
from maintenance.models import Finding, PredictedJob
from maintenance.predicted_jobs import dismiss_job
from tests.gateway.conftest import Plant
from tests.maintenance.evidence import hot_bearing
from ticketing.intake import accept_request
from ticketing.models import WorkOrder
from ticketing.requests import open_request
from ticketing.work_orders import transition

NOW = datetime.now(UTC).replace(microsecond=0)
FIGURES = ("orders", "answered", "right", "wrong", "unanswered", "neutral", "failures", "preempted", "late", "missed")


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class Story:
    """What happens to the customer's pump."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        with plant.database.as_service() as session:
            save_feedback(session, plant.operator.id, Feedback(audit_share=0.0))  # no lot is drawn
            model = AssetModel(organisation_id=plant.operator.id, code="P1", name_en="Pump", name_zh="泵", metrics={})
            site = Site(organisation_id=plant.customer.id, name="Dairy", time_zone="Europe/Berlin")
            session.add_all([model, site])
            session.flush()
            asset = Asset(
                organisation_id=plant.customer.id, serial="P-1", name="Pump 1", asset_model_id=model.id,
                site_id=site.id, created_at=ago(100),
            )  # fmt: skip
            self.model, self.site, self.asset = model.id, site.id, add_asset(session, asset, ago(100)).id
            for back in (0, 31, 62):
                month = date(ago(back).year, ago(back).month, 1)
                session.merge(
                    ObservedMonth(asset_id=self.asset, month=month, days=20, organisation_id=plant.customer.id)
                )

    def notice(self, at: datetime, **more: Any) -> None:
        """Evidence that comes and goes."""
        facts = hot_bearing(self.asset, first_at=at, last_at=at, **more)
        for fact in (facts, replace(facts, last_at=at + timedelta(60), cleared_at=at + timedelta(seconds=60))):
            with self.plant.database.as_service() as session:
                save_findings(session, self.plant.customer.id, [replace(fact, last_at=at)], False, at)
            with self.plant.database.as_service() as session:
                decide_pending(session, at)

    def finish(self, at: datetime, outcome: str) -> str:
        """The newest order ends with an outcome; return its number."""
        with self.plant.database.as_service() as session:
            order = session.scalars(select(WorkOrder).order_by(WorkOrder.id.desc()).limit(1)).one()
            transition(session, order, "in_progress", at)
            transition(session, order, "completed", at, outcome=outcome)
        self.consume(at)
        return order.number

    def report(self, at: datetime) -> None:
        """The customer calls; the request becomes an order."""
        with self.plant.database.as_service() as session:
            asset = session.get_one(Asset, self.asset)
            request = open_request(session, asset=asset, channel="phone", text="It leaks", contact={}, now=at)
            accept_request(session, request, at)

    def consume(self, at: datetime) -> None:
        for consumer in CONSUMERS:
            while run_consumer(self.plant.database, consumer, at):
                pass


@pytest.fixture
def story(plant: Plant) -> Story:
    """Noticed and confirmed; nothing found; nothing again, held back; reported by the customer; noticed and open."""
    story = Story(plant)
    story.notice(ago(60))
    story.finish(ago(57), "confirmed")
    story.notice(ago(50), peak=5.0)
    story.finish(ago(49), "no_fault_found")
    story.notice(ago(45), peak=5.0)
    story.report(ago(20))
    story.finish(ago(19), "confirmed")
    story.notice(ago(2), peak=20.0)
    return story


def test_every_figure_drills_down_to_its_rows(story: Story) -> None:
    client = story.plant.administrator()
    page = client.get("/api/v1/model-performance").raise_for_status().json()
    (model,) = page["items"]
    assert (model["model"], model["detector"], model["asset_model"]["code"]) == (
        f"residual:{story.model}",
        "residual",
        "P1",
    )
    overall = page["overall"]["figures"]
    assert {name: overall[name] for name in FIGURES} == {
        "orders": 3, "answered": 2, "right": 1, "wrong": 1, "unanswered": 1, "neutral": 0,
        "failures": 2, "preempted": 1, "late": 0, "missed": 1,
    }  # fmt: skip
    assert (overall["precision"], overall["share_preempted"], overall["median_lead_s"]) == (0.5, 0.5, 3 * 86400)
    assert overall["asset_months"] == pytest.approx(2.0)
    assert overall["false_per_asset_month"] == pytest.approx(0.5)
    assert (overall["suppressed"], overall["audited"]) == (1, 0)
    for row in (page["overall"], model):
        for name in FIGURES:
            assert sum(month[name] for month in row["months"]) == row["figures"][name]
            for month in (None, *(month["month"] for month in row["months"])):
                shown = row["figures"] if month is None else next(m for m in row["months"] if m["month"] == month)
                assert len(listed(client, row["model"], name, month)) == shown[name], (row["model"], name, month)


def listed(client: TestClient, model: str, figure: str, month: str | None) -> list[Any]:
    asked = {"model": model, "figure": figure, "limit": "1"} | ({"month": month} if month else {})
    rows: list[Any] = []
    after = None
    while True:
        answer = client.get("/api/v1/model-performance/work-orders", params=asked | ({"after": after} if after else {}))
        answer.raise_for_status()
        rows += answer.json()["items"]
        after = answer.json()["next"]
        if after is None:
            return rows


def test_rows_behind_figures_say_what_became_of_them(story: Story) -> None:
    client = story.plant.administrator()
    (missed,) = listed(client, "all", "missed", None)
    assert (missed["work_order"]["origin"], missed["outcome"], missed["caught_by"]) == ("request", "confirmed", None)
    (caught,) = listed(client, "all", "preempted", None)
    assert (caught["lead_s"], caught["verdict"], caught["caught_by"]["id"]) == (
        3 * 86400, "right", caught["work_order"]["id"],
    )  # fmt: skip
    assert client.get("/api/v1/model-performance/work-orders?figure=right&model=nonsense").status_code == 422
    stranger = story.plant.client(story.plant.token(story.plant.stranger))
    assert stranger.get("/api/v1/model-performance").json()["overall"]["figures"]["orders"] == 0
    assert listed(stranger, "all", "orders", None) == []


def test_suppressor_is_shown_with_what_it_held_back_and_lifted(story: Story) -> None:
    client = story.plant.administrator()
    (item,) = client.get("/api/v1/suppressors?active=true").raise_for_status().json()["items"]
    assert (item["origin"], item["asset"]["serial"], item["active"]) == ("no_fault_found", "P-1", True)
    assert (item["suppressed"], item["audited"]) == (1, 0)
    grown, held = client.get(f"/api/v1/suppressors/{item['id']}/matches").json()["items"]
    assert (held["ratio"], held["result"], held["work_order"]) == (1.25, "suppressed", None)
    assert (grown["result"], grown["work_order"]["state"]) == ("broke_through", "unscheduled")
    model = f"residual:{story.model}"
    for asked in ("", f"&model={model}", f"&month={ago(45):%Y-%m}"):
        (row,) = client.get(f"/api/v1/model-performance/held-back?result=suppressed{asked}").json()["items"]
        assert (row["finding_id"], row["suppressor_id"], row["work_order"]) == (held["finding_id"], item["id"], None)
    assert client.get("/api/v1/model-performance/held-back?result=audited").json()["items"] == []
    path = f"/api/v1/suppressors/{item['id']}"
    viewer = story.plant.client(story.plant.token(role=Role.TECHNICIAN))
    assert viewer.post(f"{path}/lift", json={"reason": "x"}).status_code == 403
    assert client.post(f"{path}/prolong", json={"days": 400}).status_code == 422
    assert client.post(f"{path}/prolong", json={"days": 30}).status_code == 200
    lifted = client.post(f"{path}/lift", json={"reason": "vendor's notice"}).raise_for_status().json()
    assert (lifted["active"], lifted["ended_reason"], lifted["ended_note"]) == (False, "lifted", "vendor's notice")
    assert client.post(f"{path}/lift", json={"reason": "again"}).status_code == 409
    assert client.get("/api/v1/suppressors?active=true").json()["items"] == []
    stranger = story.plant.client(story.plant.token(story.plant.stranger))
    assert stranger.get(path).status_code == 404


def test_budget_similar_orders_and_verdicts_of_an_asset(story: Story) -> None:
    client = story.plant.administrator()
    tend_feedback(story.plant.database, NOW)
    budget = client.get(f"/api/v1/assets/{story.asset}/alarm-budget").raise_for_status().json()
    assert (budget["level_factor"], budget["wrong"], budget["right"]) == (1.0, 1, 1)
    assert budget["reason"]["code"] == "budget.kept"
    with story.plant.database.as_service() as session:
        finding = session.scalars(select(Finding).order_by(Finding.first_at.desc()).limit(1)).one()
        order = session.scalars(select(WorkOrder).order_by(WorkOrder.id.desc()).limit(1)).one()
    for path in (f"findings/{finding.id}", f"work-orders/{order.id}"):
        items = client.get(f"/api/v1/{path}/similar").raise_for_status().json()["items"]
        assert [one["outcome"] for one in items] == ["no_fault_found", "confirmed"]
        assert items[0]["same_asset"] is True
    detail = client.get(f"/api/v1/work-orders/{order.id}").json()
    assert [one["outcome"] for one in detail["noticed"]["similar"]] == ["no_fault_found", "confirmed"]
    watched(story)
    (said,) = client.get("/api/v1/model-performance/verdicts?verdict=dismiss").json()["items"]
    assert (said["verdict"], said["reason"], said["asset"]["serial"]) == ("dismiss", "known noise", "P-1")
    assert client.get("/api/v1/model-performance").json()["overall"]["figures"]["dismissed"] == 1


def watched(story: Story) -> None:
    with story.plant.database.as_service() as session:
        facts = hot_bearing(
            story.asset, first_at=NOW, last_at=NOW, signature="new:high", learning=True, detector="wear"
        )
        save_findings(session, story.plant.customer.id, [facts], False, NOW)
    with story.plant.database.as_service() as session:
        decide_pending(session, NOW)
    with story.plant.database.as_service() as session:
        job = session.scalars(select(PredictedJob).where(PredictedJob.state == "watching")).one()
        dismiss_job(session, job, "known noise", NOW, by=story.plant.actor(story.plant.operator))
    story.consume(NOW)


def test_settings_are_kept_checked_and_followed_below(story: Story) -> None:
    plant, path = story.plant, "/api/v1/feedback-settings"
    client = plant.administrator()
    shown = plant.client(plant.token(plant.stranger)).get(path).json()
    assert (shown.pop("inherited"), shown["audit_share"], shown["budget_per_month"]) == (True, 0.02, 0.1)
    wished = shown | {"daily_cap": 3, "costs": [{"asset_id": str(story.asset), "failure_cost": 90_000}]}
    assert client.put(path, json=wished).raise_for_status().json()["inherited"] is False
    below = plant.client(plant.token(plant.customer)).get(path).json()
    assert (below["daily_cap"], below["inherited"]) == (3, True)
    day = client.get(f"/api/v1/sites/{story.site}/daily-cap").raise_for_status().json()
    assert (day["cap"], day["left"], day["time_zone"]) == (3, 3, "Europe/Berlin")
    for bad in ({"audit_share": 2}, {"currency": "euros"}, {"daily_cap": 0}, {"costs": [{"failure_cost": 1}]}):
        assert client.put(path, json=wished | bad).status_code == 422
    assert plant.client(plant.token(role=Role.TECHNICIAN)).put(path, json=wished).status_code == 403
    assert UUID(day["site_id"]) == story.site


def test_two_people_who_edit_the_settings_notice_each_other(story: Story) -> None:
    plant, path = story.plant, "/api/v1/feedback-settings"
    client = plant.administrator()
    shown = client.get(path).json()
    at = shown["version"]
    wished = {name: value for name, value in shown.items() if name not in ("inherited", "version")}
    first = client.put(path, json=wished | {"daily_cap": 3}, headers={"If-Match": f'"{at}"'})
    assert (first.status_code, first.json()["version"]) == (200, at + 1)
    late = client.put(path, json=wished | {"daily_cap": 9}, headers={"If-Match": f'"{at}"'})
    assert (late.status_code, late.json()["code"]) == (412, "stale_version")
    assert late.json()["params"]["current"] == at + 1
    assert client.put(path, json=wished, headers={"If-Match": '"soon"'}).status_code == 422
    assert (
        client.put(path, json=wished | {"daily_cap": 4}, headers={"If-Match": f'"{at + 1}"'}).json()["version"]
        == at + 2
    )
    assert client.put(path, json=wished).json()["version"] == at + 3, "who names no version writes over any"
    assert client.get(path).json()["inherited"] is False
