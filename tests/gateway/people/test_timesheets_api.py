"""Timesheets over HTTP: available, planned and worked hours, and what they come from (002-05, 003-21)."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import openpyxl
from starlette.testclient import TestClient

from assets.people import Person
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import MONDAY, hired, ok, planned, signed_in, works
from ticketing.models import Visit
from ticketing.order_models import WorkOrderLine

WEEK = "from=2027-03-01&until=2027-03-07"


def worked(plant: Plant, visit: Visit, start: timedelta, end: timedelta, breaks: int = 0) -> None:
    with plant.database.as_service() as session:
        row = session.get_one(Visit, visit.id)
        row.travelling_at, row.started_at = MONDAY + start - timedelta(minutes=30), MONDAY + start
        row.finished_at, row.break_seconds, row.state = MONDAY + end, breaks, "completed"


def line(plant: Plant, visit: Visit, minutes: int, **more: Any) -> None:
    with plant.database.as_service() as session:
        values = {"kind": "labour", "visit_id": visit.id, "state": "recorded"} | more
        session.add(
            WorkOrderLine(
                organisation_id=plant.operator.id, work_order_id=visit.work_order_id, person_id=visit.technician_id,
                category="work", source="person", day=MONDAY.date(), minutes=minutes, created_at=MONDAY, **values,
            )
        )  # fmt: skip


def sheet(desk: TestClient, query: str = WEEK) -> Any:
    [item] = ok(desk.get(f"/api/v1/timesheets?{query}"))["items"]
    return item


def test_hours_by_day_week_and_month_come_from_shifts_visits_and_moments(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    works(desk, tom, lunch_minutes=60, lunch_from="12:00", lunch_until="13:00")
    visit = planned(plant, tom, MONDAY + timedelta(hours=9))
    worked(plant, visit, timedelta(hours=9), timedelta(hours=12), breaks=1800)
    monday = sheet(desk)["periods"][0]
    assert (monday["available_minutes"], monday["planned_minutes"]) == (480, 120)
    assert (monday["worked_minutes"], monday["travel_minutes"], monday["visits"]) == (150, 30, 1)
    assert (monday["load"], monday["used"]) == (0.25, 0.375)
    week = sheet(desk, f"{WEEK}&period=week")
    assert [each["available_minutes"] for each in week["periods"]] == [5 * 480]
    month = sheet(desk, "from=2027-02-15&until=2027-03-14&period=month")
    assert [each["period"] for each in month["periods"]] == ["2027-02-01", "2027-03-01"]
    assert month["total"]["available_minutes"] == 20 * 480


def test_work_over_midnight_is_split_between_the_days(plant: Plant, desk: TestClient, tom: Person) -> None:
    visit = planned(plant, tom, MONDAY + timedelta(hours=22), hours=4)
    worked(plant, visit, timedelta(hours=23), timedelta(hours=27))
    periods = sheet(desk)["periods"]
    assert [each["planned_minutes"] for each in periods[:3]] == [120, 120, 0]
    assert [each["worked_minutes"] for each in periods[:3]] == [60, 180, 0]


def test_days_are_those_of_the_persons_own_time_zone(plant: Plant, desk: TestClient, tom: Person) -> None:
    ok(desk.put(f"/api/v1/technicians/{tom.id}", json={"time_zone": "Asia/Shanghai"}))
    planned(plant, tom, MONDAY + timedelta(hours=15))  # 23:00 to 01:00 there
    assert [each["planned_minutes"] for each in sheet(desk)["periods"][:2]] == [60, 60]


def test_labour_lines_go_before_the_visits_own_moments_unless_rejected(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    visit = planned(plant, tom, MONDAY + timedelta(hours=9))
    worked(plant, visit, timedelta(hours=9), timedelta(hours=12))
    line(plant, visit, 999, state="rejected")
    assert sheet(desk)["total"]["worked_minutes"] == 180
    line(plant, visit, 90)
    line(plant, visit, 20, visit_id=None)  # in the workshop
    assert sheet(desk)["total"]["worked_minutes"] == 110
    rows = ok(desk.get(f"/api/v1/timesheets/{tom.id}/entries?{WEEK}"))["items"]
    assert sorted((row["figure"], row["source"], row["minutes"]) for row in rows) == [
        ("planned", "visit", 120), ("travel", "visit", 30), ("worked", "line", 20), ("worked", "line", 90),
    ]  # fmt: skip
    assert all(row["work_order_id"] == str(visit.work_order_id) and row["number"] for row in rows)


def test_absences_and_holidays_are_not_available(desk: TestClient, tom: Person) -> None:
    works(desk, tom)
    body = {"person_id": str(tom.id), "reason": "vacation", "first_day": "2027-03-02", "approved": True}
    ok(desk.post("/api/v1/absences", json=body), 201)
    assert sheet(desk, f"{WEEK}&period=week")["total"]["available_minutes"] == 4 * 540


def test_the_same_hours_as_csv_and_xlsx(plant: Plant, desk: TestClient, tom: Person) -> None:
    works(desk, tom)
    hired(plant, "=cmd()")
    answer = desk.get(f"/api/v1/timesheets/export?{WEEK}&period=week&language=zh")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0][0] == "人员"
    assert ["Tom", "2027-03-01", "45", "0", "0", "0", "0", "0", "0"] in rows
    assert any(row[0] == "'=cmd()" for row in rows)  # nothing that a spreadsheet would compute
    book = desk.get(f"/api/v1/timesheets/export?{WEEK}&format=xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(book.content)).active
    assert sheet is not None
    assert sheet.max_row == 1 + 2 * 7


def test_one_reads_ones_own_hours_and_the_desk_all(plant: Plant, desk: TestClient, tom: Person) -> None:
    kim = hired(plant, "Kim")
    me = signed_in(plant, tom)
    assert [each["person"]["name"] for each in ok(me.get(f"/api/v1/timesheets?{WEEK}"))["items"]] == ["Tom"]
    assert me.get(f"/api/v1/timesheets?{WEEK}&person_id={kim.id}").status_code == 403
    assert me.get(f"/api/v1/timesheets/{kim.id}/entries?{WEEK}").status_code == 403
    first = ok(desk.get(f"/api/v1/timesheets?{WEEK}&limit=1"))
    second = ok(desk.get(f"/api/v1/timesheets?{WEEK}&limit=1&after={first['next']}"))
    assert [each["person"]["name"] for each in first["items"] + second["items"]] == ["Kim", "Tom"]


def test_days_in_the_wrong_order_or_too_many_are_refused(desk: TestClient, tom: Person) -> None:
    for days in (
        "from=2027-03-02&until=2027-03-01",
        "from=2020-01-01&until=2027-03-01",
        "from=0001-01-01&until=0001-01-01",
    ):
        assert desk.get(f"/api/v1/timesheets?{days}").status_code == 422, days
