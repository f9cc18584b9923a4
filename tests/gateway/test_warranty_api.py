"""Warranty over HTTP: terms, registration from the label, verdicts on a work order, overrides, isolation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx import Response
from sqlalchemy import select, text
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.people import Organisation, Person, add_person
from assets.registry import Asset, AssetModel, Customer, Site
from assets.warranty.tables import WarrantyRegistration
from gateway.sign_in import open_session
from tests.gateway.conftest import Plant
from tests.gateway.test_imports_api import carry_out
from ticketing.work_orders import open_work_order

NOW = datetime.now(UTC)
TODAY = NOW.date()
PARTS = {
    "id": "parts",
    "kind": "cover",
    "scope": ["parts", "labour"],
    "begins": [{"fact": "purchase"}, {"fact": "registration"}],
    "months": 24,
    "causes_excluded": ["misuse"],
    "text_en": "Parts and labour are free for 24 months.",
    "text_zh": "24 个月内免费更换配件及人工。",
}


class Shop:
    """A pump of the customer, a site in Shanghai, its model, and clients for who comes along."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.ada = plant.administrator()
        with plant.database.as_service() as session:
            model = AssetModel(organisation_id=plant.operator.id, code="PUMP", name_en="Pump", name_zh="泵")
            site = Site(organisation_id=plant.customer.id, name="Works", time_zone="Asia/Shanghai")
            session.add_all([model, site])
            session.flush()
            self.model_id, self.site_id = model.id, site.id
            asset = Asset(
                organisation_id=plant.customer.id,
                serial="P-1",
                name="Pump 1",
                asset_model_id=model.id,
                site_id=site.id,
                created_at=NOW,
            )
            session.add(asset)
            session.flush()
            order = open_work_order(
                session, asset=asset, origin="manual", kind="general", title_code="manual", title_text="x",
                priority="normal", now=NOW,
            )  # fmt: skip
            self.asset_id, self.code, self.order_id = asset.id, asset.code, order.id

    def publish(self, *clauses: dict[str, Any], **more: Any) -> Any:
        body = {
            "code": "STD",
            "name_en": "Standard warranty",
            "name_zh": "标准保修",
            "asset_model_id": str(self.model_id),
            "clauses": list(clauses) or [PARTS],
            **more,
        }
        return created(self.ada.post("/api/v1/warranty-terms", json=body))

    def register(self, client: TestClient | None = None, **more: Any) -> Response:
        body = {"name": "李雷", "phone": "138 0013 8000", "purchased_on": str(TODAY), **more}
        return (client or self.plant.client()).post(f"/a/{self.code}/registration", json=body)

    def person(self, organisation: Organisation, name: str, *roles: Role) -> TestClient:
        with self.plant.database.as_service() as session:
            made = add_person(session, organisation_id=organisation.id, name=name, roles=list(roles), now=NOW)
            cookie = open_session(session, session.get_one(Person, made.id), NOW)
        client = self.plant.client()
        client.cookies.set("forewarn_session", cookie)
        return client

    def timeline(self) -> list[str]:
        items = self.ada.get(f"/api/v1/assets/{self.asset_id}/timeline").json()["items"]
        return [item["kind"] for item in items]


def created(answer: Response) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()


def fine(answer: Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def line(line_id: str = "1", **more: Any) -> dict[str, Any]:
    return {"line_id": line_id, "kind": "part", "cause": "manufacturing", **more}


@pytest.fixture
def shop(plant: Plant) -> Shop:
    return Shop(plant)


def test_a_change_of_terms_is_the_next_version(shop: Shop) -> None:
    first, second = shop.publish(), shop.publish({**PARTS, "months": 36})
    assert (first["version"], second["version"]) == (1, 2)
    listed = fine(shop.ada.get("/api/v1/warranty-terms?current=true"))["items"]
    assert [(each["version"], each["clauses"][0]["months"]) for each in listed] == [(2, 36)]
    with pytest.raises(Exception, match="keeps what was written"), shop.plant.database.as_service() as session:
        session.execute(text("UPDATE warranty_terms SET clauses = '[]'"))


def test_terms_that_nobody_could_judge_are_refused_by_field(shop: Shop) -> None:
    body = {"code": "X", "name_en": "X", "name_zh": "X", "clauses": [{**PARTS, "begins": []}]}
    answer = shop.ada.post("/api/v1/warranty-terms", json=body)
    assert answer.status_code == 422
    assert answer.json()["params"]["field"] == "clauses.0.begins"


# seed:000-16
def test_registering_from_the_label_issues_a_card_and_shows_no_person(shop: Shop) -> None:
    shop.publish()
    answer = shop.register()
    card = created(answer)
    assert card["starts_on"] == str(TODAY)
    assert [each["scope"] for each in card["cover"]] == [["labour", "parts"]]
    assert "李雷" not in answer.text
    assert "138" not in answer.text
    with shop.plant.database.as_service() as session:
        asset = session.get_one(Asset, shop.asset_id)
        customer = session.get_one(Customer, asset.customer_id)
        assert (customer.name, customer.phone) == ("李雷", "+8613800138000")
    page = shop.plant.client().get(f"/a/{shop.code}?lang=zh")
    assert "电子保卡" in page.text
    assert "24 个月内免费更换配件及人工。" in page.text
    assert "李雷" not in page.text
    assert {"warranty.card_issued", "warranty.registered"} <= set(shop.timeline())


def test_registering_again_keeps_card_and_customer(shop: Shop) -> None:
    shop.publish()
    first = created(shop.register())
    again = created(shop.register(phone="+86-138-0013-8000", name="Li Lei"))
    assert again["number"] == first["number"]
    with shop.plant.database.as_service() as session:
        assert len(list(session.scalars(select(Customer)))) == 1


def test_a_label_that_somebody_finds_does_not_take_the_machine_over(shop: Shop) -> None:
    shop.publish()
    first = created(shop.register())
    other = created(shop.register(name="Eve", phone="13900000000", purchased_on="2020-01-01"))
    assert other == first  # the same card, and no word of whose it is
    with shop.plant.database.as_service() as session:
        asset = session.get_one(Asset, shop.asset_id)
        assert session.get_one(Customer, asset.customer_id).name == "李雷"
    (waiting,) = fine(shop.ada.get("/api/v1/warranty-registrations?state=review"))["items"]
    assert waiting["name"] == "Eve"
    decided = {"accept": True, "reason": "sold on"}
    fine(shop.ada.post(f"/api/v1/warranty-registrations/{waiting['id']}/decision", json=decided))
    card = fine(shop.ada.get(f"/api/v1/assets/{shop.asset_id}/warranty"))["card"]
    assert (card["customer"]["name"], card["starts_on"]) == ("Eve", "2020-01-01")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": " "}, "name"),
    ({"phone": "no"}, "phone"),
    ({"phone": None}, "phone"),
    ({"email": "nobody@"}, "email"),
    ({"purchased_on": "2999-01-01"}, "purchased_on"),
    ({"purchased_on": "31.12.2020"}, "purchased_on"),
    ({"purchased_on": "0001-01-01"}, "purchased_on"),
    ({"proof": "x" * 501}, "proof"),
]
NONSENSE = [b"", b"[]", b"{", b"\xff\xfe", b"[" * 5000, b'{"name": "a\\u0000b", "phone": {}}']


def test_a_registration_that_cannot_be_is_refused_by_field(shop: Shop) -> None:
    for wrong, field in WRONG:
        answer = shop.register(**wrong)
        assert (answer.status_code, answer.json()["params"]["field"]) == (422, field)
    headers = {"content-type": "application/json"}
    for body in NONSENSE:
        answer = shop.plant.client().post(f"/a/{shop.code}/registration", content=body, headers=headers)
        assert (body, answer.status_code) == (body, 422)
    with shop.plant.database.as_service() as session:
        assert session.scalar(select(WarrantyRegistration)) is None


def test_registrations_of_one_machine_are_bounded(shop: Shop) -> None:
    answers = [shop.register(phone=f"1390000000{number}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_the_form_registers_and_leads_to_the_page(shop: Shop) -> None:
    client = shop.plant.client()
    assert "Day of purchase" in client.get(f"/a/{shop.code}/registration?lang=en").text
    sent = {"name": "Ann", "email": "Ann@Example.com", "purchased_on": "2024-02-29"}
    answer = client.post(f"/a/{shop.code}/registration", data=sent, follow_redirects=False)
    assert answer.status_code == 303
    page = client.get(answer.headers["location"])
    assert "registered" in page.text
    assert "Ann" not in page.text
    wrong = client.post(f"/a/{shop.code}/registration", data={**sent, "purchased_on": "2999-01-01"})
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text


# seed:002-18
def test_verdicts_of_an_order_are_kept_with_the_clause_in_both_languages(shop: Shop) -> None:
    shop.publish()
    shop.register()
    path = f"/api/v1/work-orders/{shop.order_id}/coverage"
    assert fine(shop.ada.get(path))["lines"] == []
    lines = [line("1"), line("2", cause="misuse"), line("3", cause=None), line("4", kind="travel")]
    asked = fine(shop.ada.post(path, json={"fault_at": NOW.isoformat(), "lines": lines}))
    verdicts = {each["line_id"]: each for each in asked["lines"]}
    assert [verdicts[key]["verdict"] for key in "1234"] == ["in", "out", "needs_check", "out"]
    assert verdicts["1"]["decided_by"]["text_zh"] == PARTS["text_zh"]
    assert verdicts["1"]["payers"] == [{"payer": "manufacturer", "share_percent": 100}]
    assert (verdicts["2"]["reason"], verdicts["2"]["reason_params"]) == ("cause_excluded", {"cause": "misuse"})
    assert verdicts["3"]["missing"] == ["cause"]
    assert verdicts["4"]["reason"] == "scope"
    assert fine(shop.ada.get(path))["lines"] == asked["lines"]
    assert "warranty.checked" in shop.timeline()


def test_a_fault_to_come_and_lines_of_one_id_are_refused(shop: Shop) -> None:
    path = f"/api/v1/assets/{shop.asset_id}/coverage"
    later = (NOW + timedelta(days=1)).isoformat()
    assert shop.ada.post(path, json={"fault_at": later, "lines": [line()]}).status_code == 422
    assert shop.ada.post(path, json={"fault_at": NOW.isoformat(), "lines": [line(), line()]}).status_code == 422
    assert shop.ada.post(path, json={"fault_at": NOW.isoformat(), "lines": []}).status_code == 422
    assert shop.ada.post(path, json={"fault_at": "0001-01-01T00:00:00Z", "lines": [line()]}).status_code == 422


def test_the_order_s_time_does_not_decide_but_the_fault_s(shop: Shop) -> None:
    shop.publish()
    fine(shop.ada.put(f"/api/v1/assets/{shop.asset_id}/warranty-facts", json={"purchased_on": "2020-03-01"}))
    path = f"/api/v1/assets/{shop.asset_id}/coverage"
    for at, expected in (("2022-03-01T23:59:59+08:00", "in"), ("2022-03-02T00:00:00+08:00", "out")):
        assert fine(shop.ada.post(path, json={"fault_at": at, "lines": [line()]}))["lines"][0]["verdict"] == expected


# seed:002-18
def test_an_override_needs_two_people_and_is_counted(shop: Shop) -> None:
    shop.publish()
    shop.register()
    tom = shop.person(shop.plant.operator, "Tom", Role.TECHNICIAN)
    boss = shop.person(shop.plant.operator, "Boss", Role.ADMINISTRATOR)
    path = f"/api/v1/work-orders/{shop.order_id}/coverage"
    fine(tom.post(path, json={"fault_at": NOW.isoformat(), "lines": [line(cause="misuse")]}))
    asked = created(tom.post(f"{path}/overrides", json={"line_id": "1", "verdict": "in", "reason": "good customer"}))
    assert tom.post(f"{path}/overrides", json={"line_id": "1", "verdict": "in", "reason": "x"}).status_code == 409
    decision = f"/api/v1/coverage-overrides/{asked['id']}/decision"
    assert tom.post(decision, json={"approve": True, "reason": "me"}).status_code == 403
    assert fine(tom.get(path))["lines"][0]["verdict"] == "out"
    assert shop.ada.post(decision, json={"approve": True, "reason": "token"}).status_code == 403
    fine(boss.post(decision, json={"approve": True, "reason": "agreed"}))
    (shown,) = fine(tom.get(path))["lines"]
    assert (shown["verdict"], shown["computed"], shown["override"]["reason"]) == ("in", "out", "good customer")
    assert shown["payers"] == [{"payer": "operator", "share_percent": 100}]
    assert boss.post(decision, json={"approve": False, "reason": "no"}).status_code == 409
    (count,) = fine(boss.get("/api/v1/coverage-overrides/count"))["items"]
    assert (count["person"]["name"], count["requested"], count["approved"]) == ("Tom", 1, 1)
    assert {"warranty.override_requested", "warranty.override_approved"} <= set(shop.timeline())


def test_nobody_approves_what_they_asked_for(shop: Shop) -> None:
    boss = shop.person(shop.plant.operator, "Boss", Role.ADMINISTRATOR)
    path = f"/api/v1/work-orders/{shop.order_id}/coverage"
    fine(boss.post(path, json={"fault_at": NOW.isoformat(), "lines": [line()]}))
    asked = created(boss.post(f"{path}/overrides", json={"line_id": "1", "verdict": "in", "reason": "x"}))
    answer = boss.post(f"/api/v1/coverage-overrides/{asked['id']}/decision", json={"approve": True, "reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "same_person")


def test_customers_read_their_warranty_and_write_none_of_it(shop: Shop) -> None:
    shop.publish()
    shop.register()
    theirs = shop.plant.client(shop.plant.token(shop.plant.customer))
    asset, order = f"/api/v1/assets/{shop.asset_id}", f"/api/v1/work-orders/{shop.order_id}"
    assert fine(theirs.get(f"{asset}/warranty"))["state"] == "running"
    asked = fine(theirs.post(f"{asset}/coverage", json={"fault_at": NOW.isoformat(), "lines": [line()]}))
    assert asked["lines"][0]["verdict"] == "in"
    refused = [
        theirs.put(f"{asset}/warranty-facts", json={"purchased_on": str(TODAY)}),
        theirs.post(f"{asset}/warranty-card", json={}),
        theirs.post(f"{asset}/replacements", json={"component": "seal", "at": NOW.isoformat(), "covered": True}),
        theirs.post(f"{order}/coverage", json={"lines": [line()]}),
        theirs.post("/api/v1/warranty-terms", json={"code": "A", "name_en": "A", "name_zh": "A", "clauses": [PARTS]}),
        theirs.post("/api/v1/contracts", json={"name": "A", "starts_on": "2024-01-01", "ends_on": "2024-12-31"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)


def test_a_stranger_finds_nothing_of_it(shop: Shop) -> None:
    terms = shop.publish()
    shop.register()
    path = f"/api/v1/work-orders/{shop.order_id}/coverage"
    fine(shop.ada.post(path, json={"fault_at": NOW.isoformat(), "lines": [line()]}))
    card = fine(shop.ada.get("/api/v1/warranty-cards"))["items"][0]
    stranger = shop.plant.client(shop.plant.token(shop.plant.stranger))
    asset = f"/api/v1/assets/{shop.asset_id}"
    for reading in (path, f"{asset}/warranty", f"{asset}/warranty-facts", f"{asset}/replacements",
                    f"/api/v1/warranty-terms/{terms['id']}", f"/api/v1/warranty-cards/{card['id']}"):  # fmt: skip
        assert (reading, stranger.get(reading).status_code) == (reading, 404)
    for listing in ("warranty-terms", "warranties", "warranty-cards", "warranty-registrations", "contracts",
                    "coverage-overrides", "customer-merges"):  # fmt: skip
        assert (listing, fine(stranger.get(f"/api/v1/{listing}"))["items"]) == (listing, [])
    for writing in (f"{asset}/coverage", path):
        assert stranger.post(writing, json={"lines": [line()]}).status_code == 404
    assert (
        stranger.post(f"/api/v1/warranty-cards/{card['id']}/transitions", json={"to": "confirmed"}).status_code == 404
    )


def test_who_carries_the_order_out_gets_the_same_verdict(shop: Shop) -> None:
    shop.publish()
    shop.register()
    with shop.plant.database.as_service() as session:
        session.execute(text("UPDATE work_orders SET executing_organisation_id = :p"), {"p": shop.plant.partner.id})
    partner = shop.plant.client(shop.plant.token(shop.plant.partner, Role.PARTNER))
    path = f"/api/v1/work-orders/{shop.order_id}/coverage"
    body = {"fault_at": NOW.isoformat(), "lines": [line()]}
    assert fine(partner.post(path, json=body))["lines"] == fine(shop.ada.post(path, json=body))["lines"]
    assert fine(partner.get(path))["lines"][0]["verdict"] == "in"


def test_days_are_recorded_with_their_version_and_the_card_follows(shop: Shop) -> None:
    shop.publish()
    shop.register()
    path = f"/api/v1/assets/{shop.asset_id}/warranty-facts"
    before = fine(shop.ada.get(path))
    assert (before["purchased_on"], before["sources"]["purchase"]) == (str(TODAY), "registration")
    body = {"purchased_on": "2024-02-29", "region": "cn-31"}
    after = fine(shop.ada.put(path, json=body, headers={"If-Match": "0"}))
    assert (after["purchased_on"], after["region"], after["sources"]["purchase"]) == ("2024-02-29", "CN-31", "recorded")
    assert shop.ada.put(path, json=body, headers={"If-Match": "0"}).status_code == 412
    assert shop.ada.put(path, json={"purchased_on": "2999-01-01"}).status_code == 422
    assert shop.ada.put(path, json={"purchased_on": "2019-01-01", "produced_on": "2020-01-01"}).status_code == 422
    card = fine(shop.ada.get(f"/api/v1/assets/{shop.asset_id}/warranty"))["card"]
    assert (card["starts_on"], card["ends_on"]) == ("2024-02-29", "2026-02-28")
    (listed,) = fine(shop.ada.get("/api/v1/warranties?state=ended"))["items"]
    assert listed["asset"]["serial"] == "P-1"
    assert fine(shop.ada.get("/api/v1/warranties?state=running"))["items"] == []


def test_days_come_from_a_file_and_lists_go_into_one(shop: Shop) -> None:
    shop.publish()
    shop.register()
    content = "Asset serial number,Purchased on,Region (ISO 3166)\nP-1,2024-02-29,cn-31\n"
    for expected in ((1, 0), (0, 1)):
        run = carry_out(shop.plant, content, kind="warranty_dates")
        assert (run["state"], run["inserted"], run["unchanged"]) == ("done", *expected), run
    faulty = carry_out(shop.plant, "Asset serial number,Purchased on\nP-1,2999-01-01\n", kind="warranty_dates")
    assert faulty["error_count"] == 1
    written = shop.ada.get("/api/v1/exports/warranty_dates?format=csv").text
    assert "P-1" in written
    assert "2024-02-29" in written
    assert "CN-31" in written
    card = shop.ada.get("/api/v1/exports/warranty_cards?format=csv").text
    assert "2026-02-28" in card
    for name in ("contracts", "contract_entries"):
        assert shop.ada.get(f"/api/v1/exports/{name}?format=csv").status_code == 200


def test_a_replacement_is_told_once(shop: Shop) -> None:
    path = f"/api/v1/assets/{shop.asset_id}/replacements"
    body = {"component": "pump/seal", "serial": "S2", "at": NOW.isoformat(), "covered": True}
    created(shop.ada.post(path, json=body))
    assert shop.ada.post(path, json=body).status_code == 409
    assert shop.ada.post(path, json={**body, "component": None}).status_code == 422
    assert [each["serial"] for each in fine(shop.ada.get(path))["items"]] == ["S2"]


def test_a_card_is_confirmed_and_revoked_by_legal_moves_alone(shop: Shop) -> None:
    shop.publish()
    shop.register()
    (card,) = fine(shop.ada.get(f"/api/v1/warranty-cards?asset_id={shop.asset_id}"))["items"]
    path = f"/api/v1/warranty-cards/{card['id']}/transitions"
    fine(shop.ada.post(path, json={"to": "confirmed"}))
    assert shop.ada.post(path, json={"to": "confirmed"}).json()["params"]["legal"] == ["revoked"]
    assert shop.ada.post(path, json={"to": "revoked"}).status_code == 422
    fine(shop.ada.post(path, json={"to": "revoked", "reason": "returned"}))
    assert fine(shop.ada.get(f"/api/v1/assets/{shop.asset_id}/warranty"))["card"] is None
    again = created(shop.ada.post(f"/api/v1/assets/{shop.asset_id}/warranty-card", json={"purchased_on": "2024-01-01"}))
    assert again["state"] == "confirmed"
    assert shop.ada.post(f"/api/v1/assets/{shop.asset_id}/warranty-card", json={}).status_code == 409


def test_unknown_ids_are_not_found(shop: Shop) -> None:
    nobody = UUID(int=0)
    for path in (f"warranty-cards/{nobody}", f"warranty-terms/{nobody}", f"contracts/{nobody}",
                 f"assets/{nobody}/warranty", f"work-orders/{nobody}/coverage"):  # fmt: skip
        assert (path, shop.ada.get(f"/api/v1/{path}").status_code) == (path, 404)
