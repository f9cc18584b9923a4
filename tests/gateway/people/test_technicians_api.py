"""Technicians over HTTP: profile, skills, shifts, teams, territories, absences (003-18, 004-11, 004-29)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.people import Person
from assets.registry import Site
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import MONDAY, WEEK, hired, ok, planned, signed_in, works

SQUARE = {
    "type": "Polygon",
    "coordinates": [[[121.0, 31.0], [122.0, 31.0], [122.0, 32.0], [121.0, 32.0], [121.0, 31.0]]],
}
BOW_TIE = {
    "type": "Polygon",
    "coordinates": [[[121.0, 31.0], [122.0, 32.0], [122.0, 31.0], [121.0, 32.0], [121.0, 31.0]]],
}


def test_a_technician_without_home_shift_and_skill_is_listed_with_what_is_missing(
    desk: TestClient, tom: Person
) -> None:
    [item] = ok(desk.get("/api/v1/technicians"))["items"]
    assert item["missing"] == ["no_home", "no_shift", "no_skill"]
    assert (item["load"], item["available_minutes"]) == (None, 0)
    fit = ok(desk.get(f"/api/v1/technicians/{tom.id}/fitness?from=2027-03-01T09:00Z&until=2027-03-01T10:00Z"))
    assert {each["code"] for each in fit["objections"]} == {"no_home", "not_working"}


def test_a_profile_is_read_by_the_desk_and_the_person_and_nobody_else(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    profile = {"home_latitude_deg": 31.2, "home_longitude_deg": 121.5, "vehicle": "bicycle", "cost_per_hour": "80.50"}
    made = ok(desk.put(f"/api/v1/technicians/{tom.id}", json=profile))["profile"]
    assert (made["cost_per_hour"], made["speed_used_kmh"], made["version"]) == ("80.50", 14.0, 1)
    stale = desk.put(f"/api/v1/technicians/{tom.id}", json={"speed_kmh": 16}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    assert ok(desk.put(f"/api/v1/technicians/{tom.id}", json={"speed_kmh": 16}))["profile"]["home_latitude_deg"] == 31.2
    assert ok(signed_in(plant, tom).get(f"/api/v1/technicians/{tom.id}"))["profile"] is not None
    colleague = signed_in(plant, hired(plant, "Kim"))
    assert ok(colleague.get(f"/api/v1/technicians/{tom.id}"))["profile"] is None
    assert colleague.put(f"/api/v1/technicians/{tom.id}", json=profile).status_code == 403


@pytest.mark.parametrize(
    "body",
    [{"home_latitude_deg": 31.2}, {"time_zone": "Mars/Base"}, {"vehicle": "rocket"}, {"speed_kmh": 0},
     {"van_location_id": str(uuid4())}, {"work_centre_id": str(uuid4())}, {"home_latitude_deg": 91}],
)  # fmt: skip
def test_a_profile_that_makes_no_sense_is_refused(desk: TestClient, tom: Person, body: Any) -> None:
    assert desk.put(f"/api/v1/technicians/{tom.id}", json=body).status_code == 422


def test_a_skill_that_expires_before_a_visit_names_the_visit(plant: Plant, desk: TestClient, tom: Person) -> None:
    """003-18: levels and expiry; a certificate that is missing does not count."""
    skill = ok(desk.post("/api/v1/skills", json={"code": "HV", "name_en": "High voltage", "name_zh": "高压电"}), 201)
    visit = planned(plant, tom, MONDAY + timedelta(hours=9), skills=[{"skill": "HV", "level": 2}])
    path = f"/api/v1/technicians/{tom.id}/skills/{skill['id']}"
    assert ok(desk.put(path, json={"level": 3}))["conflicts"] == []
    [lost] = ok(desk.put(path, json={"level": 3, "valid_until": "2027-02-28"}))["conflicts"]
    assert lost["visit_id"] == str(visit.id)
    assert ok(desk.put(path, json={"level": 3, "valid_until": "2027-03-01"}))["conflicts"] == []  # the day is included
    assert len(ok(desk.put(path, json={"level": 1}))["conflicts"]) == 1
    ok(desk.put(path, json={"level": 3, "valid_until": "2027-02-28"}))
    works(desk, tom)
    asked = f"from=2027-03-01T09:00Z&until=2027-03-01T11:00Z&work_order_id={visit.work_order_id}"
    found = ok(desk.get(f"/api/v1/technicians/{tom.id}/fitness?{asked}"))["objections"]
    assert [each["params"]["until"] for each in found if each["code"] == "skill_expired"] == [
        "2027-03-01T00:00:00+00:00"
    ]
    ok(desk.patch(f"/api/v1/skills/{skill['id']}", json={"certified": True}))
    [row] = ok(desk.get(f"/api/v1/skill-matrix?skill_id={skill['id']}"))["items"]
    assert [each["validity"] for each in row["skills"]] == ["no_certificate"]


def test_shift_lunch_holiday_and_absence_make_the_availability(desk: TestClient, tom: Person) -> None:
    closed: dict[str, Any] = {"2027-03-02": []}
    calendar = ok(
        desk.post("/api/v1/calendars", json={"name": "CN", "time_zone": "UTC", "hours": WEEK, "exceptions": closed}),
        201,
    )
    works(desk, tom, calendar_id=calendar["id"], lunch_minutes=45, lunch_from="11:30", lunch_until="13:30")
    away = {"person_id": str(tom.id), "reason": "sick", "first_day": "2027-03-03", "approved": True}
    ok(desk.post("/api/v1/absences", json=away), 201)
    path = f"/api/v1/technicians/{tom.id}/availability?from=2027-03-01T00:00Z&until=2027-03-06T00:00Z"
    spans = ok(desk.get(path))["items"]
    assert [span["start"][:10] for span in spans] == ["2027-03-01", "2027-03-04", "2027-03-05"]
    assert spans[0]["lunch"] == {"opens": "2027-03-01T11:30:00Z", "closes": "2027-03-01T13:30:00Z", "minutes": 45}


@pytest.mark.parametrize(
    "body",
    [{"weeks": [{"0": [["08:00", "12:00"], ["11:00", "15:00"]]}]}, {"weeks": []}, {"weeks": [{}]},
     {"lunch_minutes": 45}, {"time_zone": "Nowhere"}, {"calendar_id": str(uuid4())},
     {"lunch_minutes": 30, "lunch_from": "12:00+08:00", "lunch_until": "13:00"}],
)  # fmt: skip
def test_a_shift_that_makes_no_sense_is_refused(desk: TestClient, body: Any) -> None:
    whole = {"name": "Day", "time_zone": "UTC", "weeks": [WEEK]} | body
    assert desk.post("/api/v1/shifts", json=whole).status_code == 422


def test_whoever_is_absent_while_planned_the_visits_are_named(plant: Plant, desk: TestClient, tom: Person) -> None:
    inside = planned(plant, tom, MONDAY + timedelta(hours=9))
    planned(plant, tom, MONDAY + timedelta(days=1, hours=9))
    me = signed_in(plant, tom)
    asked = ok(me.post("/api/v1/absences", json={"reason": "vacation", "first_day": "2027-03-01"}), 201)
    assert (asked["state"], [each["visit_id"] for each in asked["conflicts"]]) == ("requested", [str(inside.id)])
    assert me.post(f"/api/v1/absences/{asked['id']}/approve").status_code == 403
    approved = ok(desk.post(f"/api/v1/absences/{asked['id']}/approve"))
    assert (approved["state"], len(approved["conflicts"])) == ("approved", 1)
    again = desk.post(f"/api/v1/absences/{asked['id']}/refuse", json={"reason": "too late"})
    assert (again.status_code, again.json()["params"]["legal"]) == (409, ["withdrawn"])
    assert me.post(f"/api/v1/absences/{asked['id']}/withdraw").status_code == 403  # the desk alone, once approved


def test_overlapping_absences_are_joined_or_refused_with_the_others_named(desk: TestClient, tom: Person) -> None:
    def ask(reason: str, first: str, last: str) -> Any:
        body = {"person_id": str(tom.id), "reason": reason, "first_day": first, "last_day": last}
        return desk.post("/api/v1/absences", json=body)

    first = ok(ask("vacation", "2027-03-01", "2027-03-03"), 201)
    other = ok(ask("vacation", "2027-03-05", "2027-03-06"), 201)
    joined = ok(ask("vacation", "2027-03-02", "2027-03-05"), 201)
    assert (joined["id"], joined["starts_at"][:10], joined["ends_at"][:10]) == (first["id"], "2027-03-01", "2027-03-07")
    assert ok(desk.get(f"/api/v1/absences/{other['id']}"))["state"] == "withdrawn"
    refused = ask("sick", "2027-03-06", "2027-03-09")
    assert refused.status_code == 409
    assert [each["id"] for each in refused.json()["params"]["overlapping"]] == [first["id"]]
    assert ok(ask("sick", "2027-03-07", "2027-03-09"), 201)["id"] != first["id"]  # one ends where the other begins


def test_nobody_approves_their_own_absence_or_sees_why_others_are_away(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    dora = hired(plant, "Dora", None, Role.DISPATCHER)
    asked = ok(signed_in(plant, dora).post("/api/v1/absences", json={"reason": "sick", "first_day": "2027-03-01"}), 201)
    assert signed_in(plant, dora).post(f"/api/v1/absences/{asked['id']}/approve").status_code == 403
    assert signed_in(plant, tom).get(f"/api/v1/absences/{asked['id']}").status_code == 404
    assert ok(signed_in(plant, tom).get("/api/v1/absences"))["items"] == []
    other = signed_in(plant, tom).post(
        "/api/v1/absences", json={"person_id": str(dora.id), "reason": "sick", "first_day": "2027-03-01"}
    )
    assert other.status_code == 403
    assert ok(desk.post(f"/api/v1/absences/{asked['id']}/approve"))["state"] == "approved"


def test_a_team_has_members_over_time_and_an_outsourced_one_belongs_to_its_partner(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    """004-11: internal and outsourced teams."""
    team = ok(desk.post("/api/v1/teams", json={"name": "North"}), 201)
    members = f"/api/v1/teams/{team['id']}/members"
    joined = ok(desk.post(members, json={"person_id": str(tom.id), "leads": True}), 201)
    assert desk.post(members, json={"person_id": str(tom.id)}).status_code == 409
    assert ok(desk.get(f"/api/v1/teams/{team['id']}"))["leaders"] == [{"id": str(tom.id), "name": "Tom"}]
    ok(desk.delete(f"{members}/{joined['id']}"), 204)
    assert ok(desk.get(members))["items"] == []
    assert len(ok(desk.get(f"{members}?past=true"))["items"]) == 1
    ok(desk.post(members, json={"person_id": str(tom.id)}), 201)  # again, later
    body = {"name": "Helpers", "kind": "outsourced"}
    assert desk.post("/api/v1/teams", json=body).status_code == 422  # of no partner
    helpers = ok(desk.post("/api/v1/teams", json=body | {"organisation_id": str(plant.partner.id)}), 201)
    wrong = desk.post(f"/api/v1/teams/{helpers['id']}/members", json={"person_id": str(tom.id)})
    assert (wrong.status_code, wrong.json()["params"]["reason"]) == (422, "other_organisation")
    outside = hired(plant, "Olga", plant.partner.id, Role.PARTNER)
    ok(desk.post(f"/api/v1/teams/{helpers['id']}/members", json={"person_id": str(outside.id)}), 201)
    seen = ok(signed_in(plant, outside).get("/api/v1/teams"))["items"]
    assert [each["name"] for each in seen] == ["Helpers"]


def test_what_a_partner_sees_of_others_is_nothing(plant: Plant, desk: TestClient, tom: Person) -> None:
    works(desk, tom)
    team = ok(desk.post("/api/v1/teams", json={"name": "North"}), 201)
    place = ok(desk.post("/api/v1/territories", json={"name": "Delta", "polygon": SQUARE}), 201)
    away = {"person_id": str(tom.id), "reason": "sick", "first_day": "2027-03-01"}
    absence = ok(desk.post("/api/v1/absences", json=away), 201)
    for organisation in (plant.partner, plant.stranger, plant.customer):
        other = plant.client(plant.token(organisation))
        for path in ("technicians", "teams", "territories", "absences", "skill-matrix", "shift-assignments",
                     "work-centres", "partner-applications",
                     "timesheets?from=2027-03-01&until=2027-03-02"):  # fmt: skip
            assert ok(other.get(f"/api/v1/{path}"))["items"] == [], path
        for path in (f"technicians/{tom.id}", f"teams/{team['id']}", f"territories/{place['id']}",
                     f"absences/{absence['id']}", f"technicians/{tom.id}/availability",
                     f"timesheets/{tom.id}/entries?from=2027-03-01&until=2027-03-02"):  # fmt: skip
            assert other.get(f"/api/v1/{path}").status_code == 404, path
        assert other.put(f"/api/v1/technicians/{tom.id}", json={}).status_code == 404
        assert other.post(f"/api/v1/absences/{absence['id']}/approve").status_code == 404
        assert other.post("/api/v1/absences", json=away).status_code == 422
        assert other.post(f"/api/v1/teams/{team['id']}/members", json={"person_id": str(tom.id)}).status_code == 404
        assert other.patch(f"/api/v1/territories/{place['id']}", json={"name": "Mine"}).status_code == 404


def test_a_polygon_that_crosses_itself_is_refused_with_the_place(desk: TestClient) -> None:
    refused = desk.post("/api/v1/territories", json={"name": "Delta", "polygon": BOW_TIE})
    assert refused.status_code == 422
    assert refused.json()["params"] == {"field": "polygon", "latitude_deg": 31.5, "longitude_deg": 121.5}


def test_a_place_is_in_the_territory_of_its_polygon_its_site_or_its_region(
    plant: Plant, desk: TestClient, tom: Person
) -> None:
    """004-29: region × service type; who covers it is named. 001-03: the territory of an outlet's team."""
    inner = {"type": "Polygon", "coordinates": [[[121.4, 31.4], [121.6, 31.4], [121.6, 31.6], [121.4, 31.6]]]}
    with plant.database.as_service() as session:
        site = Site(organisation_id=plant.customer.id, name="Far away", latitude_deg=10, longitude_deg=10)
        session.add(site)
        session.flush()
    team = ok(desk.post("/api/v1/teams", json={"name": "North"}), 201)
    ok(desk.post(f"/api/v1/teams/{team['id']}/members", json={"person_id": str(tom.id)}), 201)
    delta = {
        "name": "Delta",
        "polygon": SQUARE,
        "regions": ["华东"],
        "team_ids": [team["id"]],
        "site_ids": [str(site.id)],
    }
    city = {"name": "City", "polygon": inner, "service_types": ["urgent_repair"], "person_ids": [str(tom.id)]}
    ok(desk.post("/api/v1/territories", json=delta), 201)
    made = ok(desk.post("/api/v1/territories", json=city), 201)

    def at(query: str) -> list[tuple[str, str]]:
        return [(each["name"], each["by"]) for each in ok(desk.get(f"/api/v1/territories/at?{query}"))["items"]]

    assert at("latitude_deg=31.5&longitude_deg=121.5") == [("City", "polygon"), ("Delta", "polygon")]
    assert at("latitude_deg=31.5&longitude_deg=121.5&service_type=training") == [("Delta", "polygon")]
    assert at("latitude_deg=31.1&longitude_deg=121.1") == [("Delta", "polygon")]
    assert at("latitude_deg=0&longitude_deg=0") == []
    assert at(f"site_id={site.id}") == [("Delta", "site")]
    assert at("region=华东") == [("Delta", "region")]
    covering = ok(desk.get("/api/v1/territories/at?latitude_deg=31.1&longitude_deg=121.1"))["items"][0]["people"]
    assert covering == [{"id": str(tom.id), "name": "Tom"}]
    ok(desk.patch(f"/api/v1/territories/{made['id']}", json={"rank": 5, "polygon": SQUARE}))
    assert at("latitude_deg=31.5&longitude_deg=121.5") == [("Delta", "polygon"), ("City", "polygon")]
