"""The stock room over HTTP: a storekeeper's, a technician's and a stranger's walk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from assets.base.access import Actor, Role
from assets.base.db import Database
from assets.people import add_organisation, add_person
from assets.registry import Asset, AssetModel, Customer, add_asset
from assets.stock.ledger import replay_differences
from gateway.app import make_app
from gateway.settings import Settings
from gateway.sign_in import make_token, open_session
from gateway.supervise.postgres import EmbeddedPostgres
from tests.conftest import _database_maker
from ticketing.work_orders import open_work_order

API = "/api/v1"


@pytest.fixture(scope="module")
def url(cluster: EmbeddedPostgres, empty_template: str, migrated_template: str) -> Iterator[str]:
    with contextmanager(_database_maker)(cluster, empty_template) as make:
        yield make(migrated_template)


@pytest.fixture(scope="module")
def site(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Any]]:
    database = Database(url, pool_size=4)
    yield database, make_app(Settings(database_url=url, data=tmp_path_factory.mktemp("stock")), database)
    database.dispose()


class Room:
    """An operator with a customer's machine and an order for it, and clients of several roles."""

    def __init__(self, database: Database, app: Any) -> None:
        self.database, self.app = database, app
        now = datetime.now(UTC)
        with database.as_service() as session:
            operator = add_organisation(session, kind="operator", name="Operator", now=now)
            client = add_organisation(session, kind="customer", name="Dairy", now=now, parent=operator)
            partner = add_organisation(session, kind="partner", name="Partner", now=now, parent=operator)
            stranger = add_organisation(session, kind="operator", name="Stranger", now=now)
            tess = add_person(session, organisation_id=operator.id, name="Tess", roles=[Role.TECHNICIAN], now=now)
            customer = Customer(organisation_id=client.id, number=uuid4().hex, name="Dairy")
            model = AssetModel(organisation_id=operator.id, code="P", name_en="Pump", name_zh="泵", metrics={})
            session.add_all([customer, model])
            session.flush()
            asset = Asset(
                organisation_id=client.id, serial="P-1", name="Pump 1", asset_model_id=model.id,
                customer_id=customer.id, created_at=now,
            )  # fmt: skip
            add_asset(session, asset, now)
            order = open_work_order(
                session, asset=asset, origin="manual", kind="general", title_code="manual", title_text="leak", now=now
            )
            self.asset, self.model, self.customer = str(asset.id), str(model.id), str(customer.id)
            self.order, self.order_id, self.tess = order.number, str(order.id), str(tess.id)
            self.operator, self.now = operator.id, now
            tokens = {
                role: make_token(session, operator.id, role, now)
                for role in (Role.ADMINISTRATOR, Role.STOREKEEPER, Role.PLANNER, Role.ANALYST)
            }
            outside = {
                "customer": make_token(session, client.id, Role.CUSTOMER, now),
                "partner": make_token(session, partner.id, Role.PARTNER, now),
                "stranger": make_token(session, stranger.id, Role.ADMINISTRATOR, now),
            }
            cookie = open_session(session, tess, now)
        self.admin = self._client(tokens[Role.ADMINISTRATOR])
        self.keeper = self._client(tokens[Role.STOREKEEPER])
        self.planner = self._client(tokens[Role.PLANNER])
        self.analyst = self._client(tokens[Role.ANALYST])
        self.outside = {name: self._client(token) for name, token in outside.items()}
        self.technician = TestClient(
            app, headers={"X-Forewarn": "1"}, cookies={"forewarn_session": cookie}, raise_server_exceptions=False
        )

    def _client(self, token: str) -> TestClient:
        headers = {"Authorization": f"Bearer {token}"}
        return TestClient(self.app, headers=headers, raise_server_exceptions=False)

    def place(self, code: str, kind: str, **more: Any) -> str:
        made = sent(self.keeper, "/stock-locations", {"code": code, "name": code, "kind": kind, **more}, 201)
        return str(made["id"])

    def part(self, number: str, **more: Any) -> str:
        body = {"number": number, "name_en": f"Part {number}", "name_zh": f"零件 {number}", **more}
        return str(sent(self.planner, "/parts", body, 201)["id"])

    def stock(self, part: str, place: str, quantity: float = 1, **more: Any) -> None:
        line = {"part_id": part, "to_location_id": place, "quantity": quantity, **more}
        sent(self.keeper, "/stock-movements", {"kind": "adjust", "reason": "opening", "lines": [line]}, 201)


def sent(client: TestClient, path: str, body: Any, status: int = 200, method: str = "POST") -> Any:
    answer = client.request(method, API + path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def told(client: TestClient, path: str, status: int = 200, **params: Any) -> Any:
    answer = client.get(API + path, params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
def room(site: tuple[Database, Any]) -> Iterator[Room]:
    made = Room(*site)
    yield made
    with made.database.as_service() as session:
        assert replay_differences(session) == []


# seed:003-28, seed:004-09
def test_items_are_found_in_both_languages_and_by_machine(room: Room) -> None:
    seal = room.part("S-1", name_en="Shaft seal", name_zh="轴封组件", model_ids=[room.model])
    room.part("F-1", name_en="Oil filter", name_zh="机油滤清器")
    for query in ("seal", "轴封", "封组", "轴", "S-1", "SHAFT s-1", "ｓｅａｌ"):
        assert [each["id"] for each in told(room.planner, "/parts", q=query)["items"]] == [seal], query
    assert [each["number"] for each in told(room.planner, "/parts", q="机油 F-1")["items"]] == ["F-1"]
    assert told(room.planner, "/parts", q="100%_\\")["items"] == []
    assert [each["id"] for each in told(room.planner, "/parts", asset_id=room.asset)["items"]] == [seal]
    first = told(room.planner, "/parts", limit=1)
    second = told(room.planner, "/parts", limit=1, after=first["next"])
    assert [page["items"][0]["number"] for page in (first, second)] == ["F-1", "S-1"]
    assert second["next"] is None


def test_a_chain_of_successors_has_no_circle(room: Room) -> None:
    a, b, c = room.part("A"), room.part("B"), room.part("C")
    sent(room.planner, f"/parts/{a}/successor", {"part_id": b}, method="PUT")
    sent(room.planner, f"/parts/{b}/successor", {"part_id": c}, method="PUT")
    assert [each["number"] for each in told(room.planner, f"/parts/{a}")["substitutes"]] == ["C", "B"]
    for part, successor in ((c, a), (c, c), (b, a)):
        body = {"part_id": successor}
        refused = sent(room.planner, f"/parts/{part}/successor", body, 422, method="PUT")
        assert refused["code"] == "supersession_cycle"


# seed:003-29
def test_what_was_ordered_is_received_in_parts_and_traced(room: Room) -> None:
    main = room.place("MAIN", "warehouse")
    drive = room.part("D-1", kind="rotable", tracking="serial")
    oil = room.part("O-1", kind="consumable", unit="L", decimals=2, tracking="lot")
    body = {
        "supplier": "Acme", "currency": "EUR", "deliver_to_id": main, "expected_on": "2030-01-01",
        "lines": [{"part_id": drive, "quantity": 2, "unit_cost": 800}, {"part_id": oil, "quantity": 20.5}],
    }  # fmt: skip
    order = sent(room.planner, "/purchase-orders", body, 201)
    drives, oils = (line["id"] for line in order["lines"])
    receipts = f"/purchase-orders/{order['id']}/receipts"
    early = {"lines": [{"line_id": oils, "quantity": 10, "lot": "L7", "expires_at": "2030-05-01"}]}
    assert sent(room.keeper, receipts, early, 409)["code"] == "illegal_move"
    sent(room.planner, f"/purchase-orders/{order['id']}/transitions", {"to": "ordered"})
    key = str(uuid4())
    for _ in range(2):
        order = sent(room.keeper, receipts, early | {"operation_id": key}, 201)
    assert (order["state"], order["lines"][1]["received"]) == ("partially_received", 10)
    over = {"lines": [{"line_id": oils, "quantity": 11, "lot": "L7"}]}
    assert sent(room.keeper, receipts, over, 409)["code"] == "over_receipt"
    sent(room.keeper, receipts, over | {"accept_over": True}, 201)
    for serials in (["S1"], ["S1", "S1"]):
        wrong = {"lines": [{"line_id": drives, "quantity": 2, "serials": serials}]}
        sent(room.keeper, receipts, wrong, 422)
    order = sent(room.keeper, receipts, {"lines": [{"line_id": drives, "quantity": 2, "serials": ["S1", "S2"]}]}, 201)
    assert (order["state"], len(order["receipts"])) == ("received", 3)
    (piece,) = told(room.keeper, "/stock-serials", serial="S1")["items"]
    traced = told(room.keeper, f"/stock-serials/{piece['id']}")
    assert (traced["purchase_order"], traced["location"]["code"], traced["trace"][0]["kind"]) == (
        order["number"], "MAIN", "receipt",
    )  # fmt: skip
    (lot,) = told(room.keeper, f"/parts/{oil}/lots")["items"]
    assert (lot["on_hand"], lot["purchase_order"]) == (21, order["number"])
    assert len(told(room.keeper, f"/stock-lots/{lot['id']}")["trace"]) == 2


# seed:000-09, seed:003-32
def test_a_serial_used_on_an_order_is_in_the_machine_and_on_its_timeline(room: Room) -> None:
    van = room.place("VAN", "van", person_id=room.tess)
    room.place("Q", "quarantine")
    drive = room.part("D-2", kind="rotable", tracking="serial", old_part_return=True, standard_cost=700, currency="EUR")
    room.stock(drive, van, serial="S1")
    issue = {"kind": "issue", "work_order": room.order, "lines": [{"part_number": "D-2", "serial": "S1"}]}
    done = sent(room.technician, "/stock-movements", issue, 201)
    assert done["movement"]["lines"][0]["from"]["code"] == "VAN"
    (piece,) = told(room.keeper, "/stock-serials", asset_id=room.asset)["items"]
    assert (piece["condition"], piece["location"]["kind"]) == ("installed", "customer")
    parts = told(room.keeper, f"/assets/{room.asset}/components")["items"]
    assert [each["serial"] for each in parts] == ["S1"]
    kinds = [each["kind"] for each in told(room.outside["customer"], f"/assets/{room.asset}/timeline")["items"]]
    assert "part.installed" in kinds
    used = told(room.keeper, f"/work-orders/{room.order_id}/parts")
    assert (used["items"][0]["serial"], used["totals"][0]["cost"]) == ("S1", 700)
    assert told(room.technician, f"/work-orders/{room.order_id}/parts")["items"][0]["unit_cost"] is None

    (duty,) = told(room.technician, "/old-part-duties", state="open", work_order=room.order)["items"]
    back = {"serial": "OLD-1"}
    sent(room.technician, f"/old-part-duties/{duty['id']}/return", back, 201)
    assert told(room.keeper, "/old-part-duties", work_order=room.order)["items"][0]["state"] == "returned"
    (old,) = told(room.keeper, "/stock-serials", serial="OLD-1", part_id=drive)["items"]
    assert (old["condition"], old["location"]["code"]) == ("defective", "Q")
    again = {"kind": "issue", "work_order": room.order, "lines": [{"part_number": "D-2", "serial": "OLD-1"}]}
    assert sent(room.technician, "/stock-movements", again, 409)["code"] == "serial_elsewhere"


# seed:003-34
def test_a_rotable_goes_round_with_its_costs(room: Room) -> None:
    main, shop = room.place("MAIN", "warehouse"), room.place("SHOP", "repair_shop")
    drive = room.part("D-3", kind="rotable", tracking="serial")
    room.stock(drive, main, serial="S9")
    (piece,) = told(room.keeper, f"/parts/{drive}/serials")["items"]
    key = piece["id"]
    assert sent(room.keeper, "/repair-orders", {"serial_id": key, "shop_location_id": shop}, 409)["code"]
    sent(room.keeper, f"/stock-serials/{key}/condition", {"condition": "defective", "reason": "noise"})
    assert told(room.keeper, f"/parts/{drive}")["available"] == 0
    for cost in (120.5, 80):
        repair = sent(room.keeper, "/repair-orders", {"serial_id": key, "shop_location_id": shop}, 201)
        assert told(room.keeper, f"/stock-serials/{key}")["condition"] == "in_repair"
        back = {"to_location_id": main, "cost": cost, "currency": "EUR"}
        sent(room.keeper, f"/repair-orders/{repair['id']}/return", back)
        sent(room.keeper, f"/repair-orders/{repair['id']}/return", back, 409)
        assert told(room.keeper, f"/parts/{drive}")["available"] == 1
        sent(room.keeper, f"/stock-serials/{key}/condition", {"condition": "defective", "reason": "noise"})
    detail = told(room.keeper, f"/stock-serials/{key}")
    assert detail["repair_costs"] == [{"currency": "EUR", "cost": 200.5, "repairs": 2}]
    assert [each["kind"] for each in detail["trace"]] == ["adjust", *["repair_send", "repair_return"] * 2]
    last = sent(room.keeper, "/repair-orders", {"serial_id": key, "shop_location_id": shop}, 201)
    sent(room.keeper, f"/repair-orders/{last['id']}/scrap", {"reason": "cracked"})
    assert told(room.keeper, f"/stock-serials/{key}")["condition"] == "scrapped"


# seed:001-02
def test_a_transfer_is_confirmed_and_its_difference_kept(room: Room) -> None:
    main, van = room.place("MAIN", "warehouse"), room.place("VAN", "van", person_id=room.tess)
    seal = room.part("S-5")
    room.stock(seal, main, 10)
    body = {"from_location_id": main, "to_location_id": van, "lines": [{"part_id": seal, "quantity": 6}]}
    transfer = sent(room.technician, "/stock-transfers", body, 201)
    assert sent(room.technician, f"/stock-transfers/{transfer['id']}/ship", {}, 403)["code"] == "forbidden"
    sent(room.keeper, f"/stock-transfers/{transfer['id']}/ship", {"carrier": "SF"})
    where = {each["location"]["kind"]: each["quantity"] for each in told(room.keeper, "/stock-balances")["items"]}
    assert where == {"warehouse": 4, "transit": 6}
    (line,) = transfer["lines"]
    came = {"lines": [{"line_id": line["id"], "received": 5}], "note": "one short"}
    done = sent(room.technician, f"/stock-transfers/{transfer['id']}/receive", came)
    assert (done["state"], done["lines"][0]["difference"], done["legal"]) == ("received", -1, [])
    where = {each["location"]["kind"]: each["quantity"] for each in told(room.keeper, "/stock-balances")["items"]}
    assert where == {"warehouse": 4, "van": 5}
    sent(room.technician, f"/stock-transfers/{transfer['id']}/receive", came, 409)


def test_a_reservation_keeps_the_part_for_its_order(room: Room) -> None:
    main = room.place("MAIN", "warehouse")
    seal = room.part("S-6")
    room.stock(seal, main, 5)
    on = (room.now + timedelta(days=3)).date().isoformat()
    body = {"part_id": seal, "location_id": main, "quantity": 4, "needed_on": on, "work_order": room.order}
    sent(room.planner, "/reservations", body, 201)
    refused = sent(room.planner, "/reservations", body, 409)
    assert (refused["code"], refused["params"]["available_to_promise"]) == ("not_available", 1)
    sent(room.planner, "/reservations", body | {"hard": False}, 201)
    found = told(room.planner, f"/parts/{seal}/availability", location_id=main, on=on)
    assert (found["on_hand"], found["reserved"], found["available_to_promise"]) == (5, 4, 1)
    other = {"kind": "consume", "reason": "test", "lines": [{"part_id": seal, "from_location_id": main, "quantity": 2}]}
    assert sent(room.planner, "/stock-movements", other, 409)["code"] == "reserved_for_others"
    mine = {"kind": "issue", "work_order": room.order, "lines": [other["lines"][0] | {"quantity": 4}]}
    sent(room.planner, "/stock-movements", mine, 201)
    states = {each["hard"]: each["state"] for each in told(room.planner, "/reservations", part_id=seal)["items"]}
    assert states[True] == "fulfilled"


def test_what_runs_low_is_proposed_and_taken_up_once(room: Room) -> None:
    main = room.place("MAIN", "warehouse")
    van = room.place("VAN", "van", person_id=room.tess, supplied_from_id=main)
    seal = room.part("S-7", pack_quantity=10, supplier="Acme", standard_cost=2, currency="EUR")
    room.stock(seal, main, 3)
    for place, low, high in ((main, 5, 20), (van, 2, 4)):
        level = {"part_id": seal, "location_id": place, "minimum": low, "maximum": high}
        sent(room.keeper, "/stock-levels", level, method="PUT")
    need = {"part_id": seal, "quantity": 2, "needed_on": room.now.date().isoformat(), "location_id": main}
    demands = {"source_kind": "plan", "source_ref": "p1", "demands": [need]}
    for _ in range(2):
        sent(room.planner, "/part-demands", demands, method="PUT")
    proposed = {each["location"]["code"]: each for each in told(room.keeper, "/replenishment-proposals")["items"]}
    assert (proposed["VAN"]["source"], proposed["VAN"]["quantity"]) == ("transfer", 4)
    assert (proposed["MAIN"]["source"], proposed["MAIN"]["quantity"], proposed["MAIN"]["demand"]) == ("purchase", 20, 2)
    items = [{"part_id": seal, "location_id": place} for place in (main, van)]
    made = sent(room.keeper, "/replenishment-proposals/accept", {"items": items}, 201)
    assert (made["transfers"][0]["state"], made["purchase_orders"][0]["state"]) == ("planned", "draft")
    assert told(room.keeper, "/replenishment-proposals")["items"] == []


def test_what_was_superseded_is_bought_by_its_new_number(room: Room) -> None:
    main = room.place("MAIN", "warehouse")
    old = room.part("S-70", supplier="Acme", currency="EUR")
    new = room.part("S-71", supplier="Beta", currency="USD")
    for part in (old, new):
        level = {"part_id": part, "location_id": main, "minimum": 2, "maximum": 4}
        sent(room.keeper, "/stock-levels", level, method="PUT")
    sent(room.planner, f"/parts/{old}/successor", {"part_id": new}, method="PUT")
    items = [{"part_id": part, "location_id": main} for part in (old, new)]
    [order] = sent(room.keeper, "/replenishment-proposals/accept", {"items": items}, 201)["purchase_orders"]
    assert (order["supplier"], order["currency"]) == ("Beta", "USD")
    assert [(line["part"]["number"], line["quantity"]) for line in order["lines"]] == [("S-71", 8)]


def test_the_list_of_what_runs_low_sums_a_place_and_leaves_out_what_is_enough(room: Room) -> None:
    main, van = room.place("MAIN", "warehouse"), room.place("VAN", "van", person_id=room.tess)
    for number, there, low in (("S-72", 1, 2), ("S-73", 2, 2), ("S-74", 5, 0)):
        part = room.part(number)
        room.stock(part, main, there)
        room.stock(part, van, 1)
        level = {"part_id": part, "location_id": main, "minimum": low, "maximum": 9}
        sent(room.keeper, "/stock-levels", level, method="PUT")
    found = told(room.keeper, "/stock-balances", below_minimum=True)["items"]
    assert [(each["part"]["number"], each["location"]["code"], each["quantity"]) for each in found] == [
        ("S-72", "MAIN", 1)
    ]


# seed:003-33
def test_a_price_follows_customer_warranty_and_day(room: Room) -> None:
    seal = room.part("S-8")
    books = (
        ("List", {"valid_from": "2020-01-01"}, 10),
        ("New list", {"valid_from": "2026-01-01"}, 11),
        ("Free", {"valid_from": "2020-01-01", "coverage": "in_warranty"}, 0),
        ("Dairy", {"valid_from": "2020-01-01", "valid_to": "2025-12-31", "customer_id": room.customer}, 8),
    )
    for name, fields, price in books:
        book = sent(room.planner, "/price-books", {"name": name, "currency": "EUR", **fields}, 201)
        prices = {"prices": [{"part_id": seal, "price": price}]}
        sent(room.planner, f"/price-books/{book['id']}/prices", prices, method="PUT")
    for expected, query in (
        (10, {"on": "2021-01-01"}),
        (11, {"on": "2026-06-01"}),
        (0, {"on": "2026-06-01", "in_warranty": True}),
        (8, {"on": "2021-01-01", "in_warranty": True, "customer_id": room.customer}),
        (11, {"on": "2026-06-01", "customer_id": room.customer, "in_warranty": False}),
        (None, {"on": "2019-12-31"}),
    ):
        found = told(room.planner, "/prices/quote", part_id=seal, quantity=2, **query)
        assert found["unit_price"] == expected
        assert found["amount"] == (None if expected is None else 2 * expected)


# seed:003-30, seed:003-33
def test_tools_go_from_hand_to_hand_and_cost_by_the_hour(room: Room) -> None:
    main = room.place("MAIN", "warehouse")
    body = {
        "name_en": "Laser aligner", "name_zh": "激光对中仪", "serial": "LA-1", "location_id": main,
        "hourly_rate": 25, "currency": "EUR", "calibration_due_on": "2020-01-01",
    }  # fmt: skip
    tool = sent(room.keeper, "/tools", body, 201)
    assert (tool["state"], tool["calibration_overdue"]) == ("available", True)
    taken = sent(room.technician, f"/tools/{tool['id']}/custody", {"person_id": room.tess})
    assert (taken["state"], taken["custodian"]["name"]) == ("in_custody", "Tess")
    sent(room.technician, f"/tools/{tool['id']}/custody", {"person_id": room.tess}, 409)
    hours = {"hours": 2.5, "work_order": room.order}
    sent(room.technician, f"/tools/{tool['id']}/hours", hours, 201)
    assert [each["id"] for each in told(room.keeper, "/tools", person_id=room.tess)["items"]] == [tool["id"]]
    sent(room.keeper, f"/tools/{tool['id']}/custody", {"location_id": main})
    detail = told(room.keeper, f"/tools/{tool['id']}")
    assert detail["custody"][0]["location"]["code"] == "MAIN"
    assert (len(detail["custody"]), detail["hours"][0]["amount"]) == (3, 62.5)
    assert told(room.keeper, f"/work-orders/{room.order_id}/parts")["totals"][0]["tools"] == 62.5


# seed:003-31
def test_what_comes_too_late_waits_for_the_storekeeper(room: Room) -> None:
    van = room.place("VAN", "van", person_id=room.tess)
    seal = room.part("S-9")
    room.stock(seal, van, 1)
    lines = [{"part_id": seal, "from_location_id": van, "quantity": 1}]
    operations = [
        {"operation_id": str(uuid4()), "kind": "issue", "work_order": number, "lines": lines, "occurred_at": at}
        for number, at in ((room.order, "2026-01-01T08:00:00Z"), (room.order, None), ("WO-none", None))
    ]
    first, second, third = sent(room.technician, "/stock-movements/sync", {"operations": operations})["results"]
    assert [first["state"], second["state"], third["state"]] == ["booked", "conflict", "conflict"]
    assert [second["code"], third["code"]] == ["stock_short", "invalid"]
    again = sent(room.technician, "/stock-movements/sync", {"operations": operations})["results"]
    assert [each["state"] for each in again] == ["repeated", "conflict", "conflict"]
    resolve = f"/stock-conflicts/{second['conflict_id']}/resolve"
    assert sent(room.technician, resolve, {"action": "dismiss", "reason": "x"}, 403)["code"] == "forbidden"
    assert sent(room.keeper, resolve, {"action": "book", "reason": "x"}, 409)["code"] == "stock_short"
    done = sent(room.keeper, resolve, {"action": "count_and_book", "reason": "there were two"})
    assert (done["state"], done["by"]["name"]) == ("booked", "Tess")
    sent(room.keeper, f"/stock-conflicts/{third['conflict_id']}/resolve", {"action": "dismiss", "reason": "no order"})
    assert told(room.keeper, "/stock-conflicts", state="open")["items"] == []
    assert told(room.keeper, "/stock-balances")["items"] == []
    assert len(told(room.keeper, "/stock-movements", work_order=room.order, kind="issue")["items"]) == 2


def test_modes_decide_what_there_is(room: Room) -> None:
    main, van = room.place("MAIN", "warehouse"), room.place("VAN", "van", person_id=room.tess)
    seal, drive = room.part("S-10"), room.part("D-10", kind="rotable", tracking="serial")
    sent(room.admin, "/stock-settings", {"mode": "personal"}, method="PUT")
    lines = [{"part_id": seal, "to_location_id": main, "quantity": 5}]
    adjust = {"kind": "adjust", "reason": "opening", "lines": lines}
    assert sent(room.keeper, "/stock-movements", adjust, 409)["code"] == "stock_mode"
    room.stock(seal, van, 5)
    sent(room.admin, "/stock-settings", {"mode": "simple"}, method="PUT")
    assert sent(room.keeper, "/stock-movements", adjust, 409)["code"] == "stock_mode"
    noted = [{"part_id": seal, "quantity": 7}, {"part_id": drive, "serial": "N-1"}]
    sent(room.technician, "/stock-movements", {"kind": "issue", "work_order": room.order, "lines": noted}, 201)
    back = [{"part_id": seal, "quantity": 2}]
    sent(room.technician, "/stock-movements", {"kind": "return", "work_order": room.order, "lines": back}, 201)
    used = told(room.keeper, f"/work-orders/{room.order_id}/parts")["items"]
    assert [(each["quantity"], each["returned"]) for each in used] == [(7, 2), (1, 0)]
    (there,) = told(room.keeper, "/stock-balances")["items"]
    assert (there["quantity"], there["location"]["code"]) == (5, "VAN")  # what was counted before stays
    assert sent(room.keeper, "/stock-settings", {"mode": "full"}, 403, method="PUT")["code"] == "forbidden"


def test_nobody_else_sees_or_moves_anything(room: Room) -> None:
    main = room.place("MAIN", "warehouse")
    drive = room.part("D-11", kind="rotable", tracking="serial", standard_cost=5, currency="EUR", supplier="Secret")
    room.stock(drive, main, serial="S1")
    piece = told(room.keeper, "/stock-serials")["items"][0]["id"]
    tool_body = {"name_en": "T", "name_zh": "具", "serial": "T1", "location_id": main}
    tool = sent(room.keeper, "/tools", tool_body, 201)["id"]
    movement = told(room.keeper, "/stock-movements")["items"][0]["id"]
    stranger, partner, customer = (room.outside[name] for name in ("stranger", "partner", "customer"))
    lists = (
        "parts",
        "stock-locations",
        "stock-balances",
        "stock-movements",
        "stock-serials",
        "stock-conflicts",
        "stock-transfers",
        "purchase-orders",
        "reservations",
        "stock-levels",
        "replenishment-proposals",
        "part-demands",
        "repair-orders",
        "tools",
        "price-books",
        "old-part-duties",
    )
    for name in lists:
        assert told(stranger, f"/{name}")["items"] == [], name
        assert told(customer, f"/{name}", 403)["code"] == "forbidden", name
    for path in (f"/parts/{drive}", f"/stock-locations/{main}", f"/stock-serials/{piece}", f"/tools/{tool}",
                 f"/stock-movements/{movement}", f"/work-orders/{room.order_id}/parts"):  # fmt: skip
        told(stranger, path, 404)
    lines = [{"part_id": drive, "from_location_id": main, "serial": "S1"}]
    for client in (stranger, partner):
        body = {"kind": "consume", "reason": "mine", "lines": lines}
        assert client.post(f"{API}/stock-movements", json=body).status_code in (403, 422)
        late = body | {"operation_id": str(uuid4()), "offline": True}
        assert sent(client, "/stock-movements", late, 202)["state"] == "conflict"
        assert client.patch(f"{API}/parts/{drive}", json={"name_en": "x"}).status_code in (403, 404)
    seen = told(partner, f"/parts/{drive}")
    assert (seen["number"], seen["standard_cost"], seen["supplier"], seen["on_hand"]) == ("D-11", None, None, 0)
    assert told(room.keeper, "/stock-balances")["items"][0]["quantity"] == 1


def test_edits_of_an_old_version_are_refused(room: Room) -> None:
    part = room.part("V-1")
    path = f"{API}/parts/{part}"
    assert room.planner.patch(path, json={"name_en": "A"}, headers={"If-Match": '"1"'}).status_code == 200
    stale = room.planner.patch(path, json={"name_en": "B"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["params"]["current"]) == (412, 2)
    main = room.place("MAIN", "warehouse")
    room.stock(part, main, 1)
    assert room.planner.patch(path, json={"unit": "kg"}).status_code == 409
    assert room.keeper.patch(f"{API}/stock-locations/{main}", json={"active": False}).status_code == 409
    loop = room.keeper.patch(f"{API}/stock-locations/{main}", json={"parent_id": main})
    assert loop.status_code == 422


def test_analysts_read_the_view(room: Room) -> None:
    main = room.place("MAIN", "warehouse")
    room.stock(room.part("X-1"), main, 4)
    with room.database.as_owner() as session:
        session.execute(text("SET LOCAL ROLE forewarn_reader"))
        query = text(
            "SELECT part_number, location, quantity, usable FROM stock_v1 WHERE organisation_id = :o AND usable"
        )
        assert session.execute(query, {"o": room.operator}).one() == ("X-1", "MAIN", 4, True)
    actor = Actor("person", room.operator, frozenset({Role.ANALYST}))
    with room.database.as_actor(actor) as session, pytest.raises(Exception, match="permission denied"):
        session.execute(text("SELECT 1 FROM stock_v1"))
