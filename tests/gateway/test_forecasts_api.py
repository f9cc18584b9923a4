"""Forecasts over HTTP: a cell is the sum of its rows, gaps are told once, history proves itself or says it cannot.

Seed rows 003-36 (twelve months of labour and parts from plans), 000-23 (seasonal workload and staffing gaps).
"""

from __future__ import annotations

import csv
import io
import math
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.events import Event
from assets.people import add_person
from gateway.forecast_jobs import keep_forecasts
from gateway.jobs import make_occurrences
from maintenance.forecasts.tables import ForecastState, StaffingGap
from maintenance.forecasts.weeks import monday
from maintenance.models import Finding, PredictedJob
from maintenance.remaining_lives import RemainingLife
from tests.gateway.conftest import Plant
from tests.gateway.test_warranty_api import NOW, TODAY, Shop, created, fine
from ticketing.models import WorkOrder
from ticketing.people.profiles import set_skill
from ticketing.people.shifts import assign, keep_shift
from ticketing.people.tables import Absence, Shift, Skill

WEEKLY = {"code": "W", "trigger": {"kind": "calendar", "rrule": "FREQ=WEEKLY"}}
NEXT = monday(TODAY) + timedelta(days=7)


@pytest.fixture
def shop(plant: Plant) -> Shop:
    return Shop(plant)


def plan(shop: Shop, plant: Plant, **more: Any) -> Any:
    body = {
        "code": "SERVICE", "name": {"en": "Service", "zh": "保养"}, "asset_ids": [str(shop.asset_id)], "starts": "on",
        "starts_on": str(TODAY), "lead_days": 0, "packages": [WEEKLY], "duration_minutes": 90,
        "skills": [{"skill": "HV", "level": 2}], **more,
    }  # fmt: skip
    made = created(shop.ada.post("/api/v1/maintenance-plans", json=body))
    fine(shop.ada.post(f"/api/v1/maintenance-plans/{made['id']}/activate", json={}))
    make_occurrences(plant.database, NOW)
    return made


def history(shop: Shop, plant: Plant, weeks: int) -> None:
    """Store an hour of unplanned HV work in each past week, and more of it in summer."""
    with plant.database.as_service() as session:
        for back in range(1, weeks + 1):
            opened = datetime.combine(monday(TODAY), NOW.timetz()) - timedelta(weeks=back) + timedelta(days=2)
            for turn in range(1 + round(2 + 2 * math.sin(back / 52 * 2 * math.pi))):
                session.add(
                    WorkOrder(
                        organisation_id=plant.customer.id, executing_organisation_id=plant.operator.id,
                        number=f"H-{back}-{turn}", asset_id=shop.asset_id, site_id=shop.site_id, origin="request",
                        kind="machine", title_code="manual", priority="normal", state="closed", opened_at=opened,
                        closed_at=opened, required_skills=[{"skill": "HV", "level": 2}], duration_minutes=60,
                    )
                )  # fmt: skip


def technician(plant: Plant, name: str, level: int, hours: int) -> Any:
    """Somebody with a skill who works on so many weekday hours from 9 o'clock, UTC."""
    with plant.database.as_service() as session:
        person = add_person(session, organisation_id=plant.operator.id, name=name, roles=[Role.TECHNICIAN], now=NOW)
        skill = session.scalar(select(Skill).where(Skill.code == "HV"))
        if skill is None:
            skill = Skill(organisation_id=plant.operator.id, code="HV", name_en="High voltage", name_zh="高压")
            session.add(skill)
            session.flush()
        set_skill(session, person, skill, NOW, level=level)
        week = {str(day): [["09:00", f"{9 + hours:02}:00"]] for day in range(5)}
        shift = Shift(
            organisation_id=plant.operator.id, name=f"S {name}", time_zone="UTC", weeks=[week], lunch_minutes=0,
            overtime_minutes=0,
        )  # fmt: skip
        shift = keep_shift(session, shift, NOW, word="added", by=None)
        assign(session, shift, person, NOW, valid_from=TODAY - timedelta(days=30))
        return person.id


def keep(plant: Plant, later: int = 0) -> None:
    keep_forecasts(plant.database, NOW + timedelta(minutes=6 * later))


def get(client: TestClient, path: str, status: int = 200, **params: Any) -> Any:
    answer = client.get(f"/api/v1/forecasts{path}", params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


def behind(client: TestClient, **params: Any) -> list[Any]:
    """All rows behind a cell, page by page."""
    found, after = [], None
    while True:
        page = get(client, "/rows", limit=2, **params, **({"after": after} if after else {}))
        found += page["items"]
        after = page["next"]
        if after is None:
            return found


def test_every_cell_is_the_sum_of_the_rows_behind_it(shop: Shop, plant: Plant) -> None:
    """7.4a, 003-36: planned and predicted minutes of each week, over HTTP, page by page; the same in the file."""
    plan(shop, plant)
    plan(
        shop,
        plant,
        code="DAILY",
        skills=[],
        packages=[{"code": "D", "trigger": {"kind": "calendar", "rrule": "FREQ=DAILY"}}],
    )
    predicted(shop, plant)
    keep(plant)
    told = get(shop.ada, "/hours", **{"from": str(NEXT), "weeks": 4})
    assert told["weeks"] == [str(NEXT + timedelta(weeks=step)) for step in range(4)]
    assert [row["skill"] for row in told["skills"]] == ["HV", "any"]
    for row in told["skills"]:
        for week, cell in zip(told["weeks"], row["cells"], strict=True):
            rows = behind(shop.ada, week=week, skill=row["skill"])
            assert (cell["planned"], cell["jobs"]) == (sum(each["minutes"] for each in rows), len(rows))
            chances = behind(shop.ada, week=week, skill=row["skill"], source="predictions")
            assert cell["predicted"] == pytest.approx(sum(each["minutes"] for each in chances), abs=0.01)
            assert cell["low"] <= cell["mean"] <= cell["high"]
    assert [cell["planned"] for cell in told["skills"][0]["cells"]] == [90] * 4
    assert [cell["planned"] for cell in told["skills"][1]["cells"]] == [7 * 90] * 4
    assert told["total"]["cells"][0]["planned"] == 8 * 90
    assert told["predicted_jobs"] == 1
    assert told["skills"][1]["cells"][1]["predicted"] == pytest.approx(0.5 * 120, rel=0.3)
    assert (
        get(shop.ada, "/hours", **{"from": str(NEXT), "weeks": 1, "site_id": str(shop.site_id)})["total"]["cells"][0][
            "jobs"
        ]
        > 0
    )
    assert get(shop.ada, "/hours", weeks=1, region="Nowhere")["skills"] == []
    text = shop.ada.get("/api/v1/forecasts/export", params={"from": str(NEXT), "weeks": 4}).content.decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [float(line["planned_h"]) for line in lines if line["skill"] == "HV"] == [1.5] * 4
    for table in ("hours", "parts", "gaps", "accuracy"):
        sheet = shop.ada.get("/api/v1/forecasts/export", params={"table": table, "format": "xlsx", "weeks": 2})
        assert sheet.status_code == 200, table


def predicted(shop: Shop, plant: Plant) -> None:
    """Store a job that fails within the next two weeks, half of it in the second."""
    with plant.database.as_service() as session:
        finding = Finding(
            organisation_id=plant.customer.id, asset_id=shop.asset_id, detector="d", layer="rules", signature="s",
            kind="k", first_at=NOW, last_at=NOW, score=1.0, peak=1.0, confidence=0.9, limit_open=1.0, limit_clear=0.5,
            contributions=[], regime="", model_id="m", learning=False, severity="warning", replayed=False,
            watermark=NOW, saved_at=NOW,
        )  # fmt: skip
        session.add(finding)
        session.flush()
        session.add(
            PredictedJob(
                organisation_id=plant.customer.id, asset_id=shop.asset_id, key="bearing", finding_id=finding.id,
                state="watching", reason_code="r", created_at=NOW,
            )
        )  # fmt: skip
        ends = (datetime.combine(NEXT, NOW.timetz().replace(hour=0, minute=0)) - NOW).total_seconds()
        week = 7 * 86_400.0
        session.add(
            RemainingLife(
                organisation_id=plant.customer.id, asset_id=shop.asset_id, at=NOW, state="estimate", reason="",
                reason_params={}, life_s=week, low_s=None, high_s=None, coverage=None, model_id=None, updated_at=NOW,
                p_within=[[ends + week, 0.4], [ends + 2 * week, 0.9]],
            )
        )  # fmt: skip


def test_a_gap_is_told_once_says_what_it_is_made_of_and_closes(shop: Shop, plant: Plant) -> None:
    """7.4b, 000-23: 10 h of HV a week, one who can do it works 5 x 1 h, another who cannot is no help."""
    plan(
        shop,
        plant,
        packages=[{"code": "D", "trigger": {"kind": "calendar", "rrule": "FREQ=WEEKLY"}}],
        duration_minutes=600,
    )
    ann = technician(plant, "Ann", 3, 1)
    technician(plant, "Bob", 1, 8)
    keep(plant)
    keep(plant, 1)
    keep(plant, 2)
    (gap, *_) = [each for each in get(shop.ada, "/gaps")["items"] if each["week"] == str(NEXT)]
    assert (gap["skill"], gap["level"], gap["needed_minutes"], gap["capacity_minutes"]) == ("HV", 2, 600, 300)
    assert (gap["missing_minutes"], gap["made_of"]) == (300, {"plans": 600, "predictions": 0, "demand": 0})
    cell = get(shop.ada, "/hours", **{"from": str(NEXT), "weeks": 1})["skills"][0]["cells"][0]
    assert (cell["capacity"], cell["missing"]) == (300, 300)
    assert told_of(plant, "staffing_gap.opened", NEXT) == 1
    with plant.database.as_service() as session:
        away = datetime.combine(NEXT, NOW.timetz())
        session.add(
            Absence(
                organisation_id=plant.operator.id, person_id=ann, starts_at=away - timedelta(days=1),
                ends_at=away + timedelta(days=6), reason="leave", state="approved", created_at=NOW,
            )
        )  # fmt: skip
    keep(plant, 3)
    (gap, *_) = [each for each in get(shop.ada, "/gaps")["items"] if each["week"] == str(NEXT)]
    assert (gap["missing_minutes"], gap["capacity_minutes"]) == (600, 0)  # it grew, and is not told again
    assert told_of(plant, "staffing_gap.opened", NEXT) == 1
    technician(plant, "Cai", 5, 8)
    keep(plant, 4)
    assert get(shop.ada, "/gaps")["items"] == []
    assert told_of(plant, "staffing_gap.closed", NEXT) == 1
    with plant.database.as_service() as session:
        assert session.scalar(select(func.count()).select_from(StaffingGap)) == told_of(plant, "staffing_gap.opened")


def told_of(plant: Plant, kind: str, week: date | None = None) -> int:
    with plant.database.as_service() as session:
        rows = session.scalars(select(Event).where(Event.kind == kind)).all()
        return sum(week is None or row.payload["week"] == str(week) for row in rows)


def test_history_proves_the_forecast_or_says_that_it_is_too_short(shop: Shop, plant: Plant) -> None:
    """7.4c: figures beside the year before; predicted jobs and past weeks are not counted twice."""
    history(shop, plant, 110)
    keep(plant)
    told = get(shop.ada, "/hours", weeks=53)
    (row,) = told["skills"]
    (method,) = row["methods"]
    assert (row["skill"], method["level"], method["weeks"], told["history_weeks"]) == ("HV", 2, 110, 110)
    assert method["proven"]
    assert method["origins"] == 13
    assert (
        min(method[name]["mae"] for name in ("model", "naive"))
        == method["naive" if method["method"] == "naive" else "model"]["mae"]
    )
    assert all(0 <= method[name]["coverage"] <= 1 for name in ("model", "naive"))
    assert 60 < sum(cell["demand"] for cell in row["cells"]) / 53 < 300
    past = get(shop.ada, "/history", skill="HV")["items"]
    assert (len(past), past[-1]["week"]) == (110, str(monday(TODAY) - timedelta(days=7)))
    assert past[-1]["minutes"] == 60 * past[-1]["orders"]
    with plant.database.as_service() as session:
        for order in session.scalars(select(WorkOrder).where(WorkOrder.opened_at < NOW - timedelta(weeks=30))):
            session.delete(order)
        for state in session.scalars(select(ForecastState)):
            session.delete(state)
    keep(plant)
    (method,) = get(shop.ada, "/hours", weeks=4)["skills"][0]["methods"]
    assert (method["method"], method["proven"], method["reason"]) == ("seasonal", False, "too_short")


@pytest.mark.parametrize(
    "params",
    [{"weeks": 0}, {"weeks": 500}, {"from": "0001-01-01"}, {"from": "9999-12-31"}, {"from": "x"}, {"site_id": "x"}],
)
def test_senseless_questions_are_named(plant: Plant, params: dict[str, Any]) -> None:
    get(plant.administrator(), "/hours", 422, **params)
    get(plant.administrator(), "/rows", 422, week="9999-12-31")


def test_customers_partners_and_strangers_get_nothing(shop: Shop, plant: Plant) -> None:
    plan(shop, plant)
    technician(plant, "Ann", 3, 1)
    keep(plant)
    stranger = plant.client(plant.token(plant.stranger))
    assert get(stranger, "/hours")["skills"] == get(stranger, "/gaps")["items"] == []
    assert get(stranger, "/rows", week=str(NEXT))["items"] == []
    for organisation, role in ((plant.customer, Role.CUSTOMER), (plant.partner, Role.PARTNER)):
        client = plant.client(plant.token(organisation, role))
        for path in ("/hours", "/parts", "/gaps", "/history", "/export", f"/rows?week={NEXT}"):
            assert client.get(f"/api/v1/forecasts{path}").status_code == 403
