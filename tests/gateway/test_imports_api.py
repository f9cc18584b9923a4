"""Imports over HTTP: whole files or nothing, faults by cell, repeatable, and out again as they came in."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select, text, update

from assets.base.access import Role
from assets.base.errors import Invalid
from assets.base.events import Event, broken_links
from assets.documents.store import DiskFiles
from assets.imports import running
from assets.imports.kinds.customers import Customers
from assets.imports.service import run_waiting
from assets.meter_models import Meter
from assets.people import Organisation
from assets.registry import Asset, AssetModel, Customer, Site
from tests.gateway.conftest import Plant

CUSTOMERS = "客户编号,客户名称,电话\nC-1,上海华明,021-1\nC-2,Dairy,\n"
SITES = "Customer number,Site,Time zone\nC-1,一号工厂,Asia/Shanghai\nC-2,Plant 2,UTC\n"
MODELS = "Model code,Name (English),Name (Chinese)\nCP-80,Pump,离心泵\n"
ASSETS = (
    "Serial number,Name,Model code,Customer number,Site,Part of (serial),Installed,custom.color\n"
    "P-1,Pump 1,CP-80,C-1,一号工厂,P-2,2024-03-01,red\n"
    "P-2,Skid,CP-80,C-1,一号工厂,,2024-03-01,\n"
    "P-3,Pump 3,,,,,,\n"
)


def send(plant: Plant, content: str | bytes, token: str | None = None, **fields: str) -> Any:
    client = plant.client(token) if token else plant.administrator()
    body = content.encode() if isinstance(content, str) else content
    return client.post("/api/v1/imports", files={"file": ("list.csv", body)}, data={"start": "run"} | fields)


def work(plant: Plant) -> None:
    run_waiting(plant.database, DiskFiles(plant.app.state.settings.data), datetime.now(UTC))


def carry_out(plant: Plant, content: str | bytes, **fields: str) -> dict[str, Any]:
    answer = send(plant, content, **fields)
    assert answer.status_code == 201, answer.text
    work(plant)
    found: dict[str, Any] = plant.administrator().get(f"/api/v1/imports/{answer.json()['id']}").json()
    return found


def counts(run: dict[str, Any]) -> tuple[str, int, int, int, int]:
    return run["state"], run["inserted"], run["updated"], run["unchanged"], run["error_count"]


@pytest.fixture
def stocked(plant: Plant) -> Plant:
    for content in (CUSTOMERS, SITES, MODELS, ASSETS):
        run = carry_out(plant, content)
        assert run["state"] == "done", run
    return plant


def test_lists_come_in_and_the_same_files_again_change_nothing(stocked: Plant) -> None:
    with stocked.database.as_service() as session:
        pump = session.scalars(select(Asset).where(Asset.serial == "P-1")).one()
        customer = session.get_one(Customer, pump.customer_id)
        owner = session.get_one(Organisation, pump.organisation_id)
        site = session.get_one(Site, pump.site_id)
        assert (customer.number, owner.name, owner.kind, site.name) == ("C-1", "上海华明", "customer", "一号工厂")
        assert owner.ancestors == [stocked.operator.id, owner.id]
        assert session.get_one(Asset, pump.parent_id).serial == "P-2"
        assert pump.custom == {"color": "red"}
        assert pump.installed_at == datetime(2024, 3, 1, tzinfo=UTC)
        kinds = list(session.scalars(select(Event.kind).where(Event.asset_id == pump.id).order_by(Event.id)))
        assert kinds[0] == "asset.registered"
        assert broken_links(session, pump.id) == []
        alone = session.scalars(select(Asset).where(Asset.serial == "P-3")).one()
        assert alone.organisation_id == stocked.operator.id
    for content, rows in ((CUSTOMERS, 2), (SITES, 2), (MODELS, 1), (ASSETS, 3)):
        assert counts(carry_out(stocked, content)) == ("done", 0, 0, rows, 0)


def test_changed_rows_change_what_is_there_and_nothing_else(stocked: Plant) -> None:
    with stocked.database.as_service() as session:
        meters = [{"name": "hours", "kind": "counter", "unit": "h"}]
        session.execute(update(AssetModel).values(meters=meters))
    assert carry_out(stocked, "Serial number,Name,Model code\nP-4,Pump 4,CP-80\n")["inserted"] == 1
    with stocked.database.as_service() as session:
        meter = session.scalars(select(Meter).join(Asset, Asset.id == Meter.asset_id)).one()
        assert (meter.name, meter.kind, meter.unit) == ("hours", "counter", "h")
    run = carry_out(stocked, "Serial number,Name,custom.size\nP-1,Pump one,big\nP-2,,\n", kind="assets")
    assert counts(run) == ("done", 0, 1, 1, 0)
    with stocked.database.as_service() as session:
        pump = session.scalars(select(Asset).where(Asset.serial == "P-1")).one()
        assert (pump.name, pump.custom) == ("Pump one", {"color": "red", "size": "big"})
        told = session.scalars(select(Event).where(Event.asset_id == pump.id, Event.kind == "asset.imported")).one()
        assert told.payload == {"fields": ["name", "custom"], "file": "list.csv"}
        assert broken_links(session, pump.id) == []
        assert session.scalars(select(Asset.name).where(Asset.serial == "P-2")).one() == "Skid"


def test_one_faulty_cell_stops_the_whole_file_and_names_itself(stocked: Plant) -> None:
    rows = "Serial number,Name,Customer number,Site,Model code,Part of (serial),Lifecycle,Latitude,Longitude\n"
    rows += "P-10,Good,C-1,一号工厂,CP-80,,in_service,1,2\n"
    rows += "P-11,,C-9,Nowhere,X,P-99,broken,91,2\n"
    rows += "P-10,Again,C-1,,,,,,\n"
    rows += "P-1,Pump 1,C-2,,,,,,\n"
    rows += ",Nameless,,,,,,,\n"
    rows += "P-12,Loop,C-1,,,P-13,,,\nP-13,Loop,C-1,,,P-12,,,\n"
    rows += "P-14,Half,C-1,,,,,1,\n"
    run = carry_out(stocked, rows)
    assert run["state"] == "refused"
    found = {error["cell"]: error["code"] for error in run["errors"]}
    assert found["G3"] == "choice"
    assert found["H3"] == "out_of_range"
    assert found["A4"] == "repeated"
    assert found["C5"] == "other_customer"
    assert found["A6"] == "required"
    assert {found.get("F7"), found.get("F8")} & {"loop"}
    assert found["H9"] == "half_a_place"
    assert all(error["en"] and error["zh"] and "{" not in error["en"] + error["zh"] for error in run["errors"])
    with stocked.database.as_service() as session:
        assert session.scalar(select(func.count()).select_from(Asset)) == 3
    unknown = carry_out(stocked, "Serial number,Name,Customer number,Site,Model code\nP-20,A,C-9,,\nP-21,A,C-1,X,Y\n")
    assert {error["cell"]: error["code"] for error in unknown["errors"]} == {
        "C2": "unknown_customer",
        "D3": "unknown_site",
        "E3": "unknown_model",
    }


def test_part_whose_life_has_ended_stops_the_file_before_anything_is_stored(stocked: Plant) -> None:
    run = carry_out(stocked, "Serial number,Name,Part of (serial),Lifecycle\nN-1,New,,\nN-2,Old,N-1,retired\n")
    assert (run["state"], [each["code"] for each in run["errors"]]) == ("refused", ["ended_part"])
    with stocked.database.as_service() as session:
        assert session.scalar(select(func.count()).where(Asset.serial.in_(("N-1", "N-2")))) == 0


def test_dry_run_says_what_would_happen_and_stores_nothing(stocked: Plant) -> None:
    run = carry_out(stocked, "Serial number,Name\nP-1,Other\nP-9,New\nP-3,Pump 3\n", start="check")
    assert counts(run) == ("checked", 1, 1, 1, 0)
    with stocked.database.as_service() as session:
        assert session.scalar(select(func.count()).select_from(Asset).where(Asset.serial == "P-9")) == 0
    answer = stocked.administrator().post(f"/api/v1/imports/{run['id']}/start", json={"dry_run": False})
    assert answer.status_code == 202, answer.text
    work(stocked)
    after = stocked.administrator().get(f"/api/v1/imports/{run['id']}").json()
    assert counts(after) == ("done", 1, 1, 1, 0)


def test_mapping_is_chosen_kept_and_used_again(plant: Plant) -> None:
    content = "Nummer;Firma;Telefon\nC-7;Molkerei;1\n"
    answer = send(plant, content, start="no", kind="customers")
    assert answer.status_code == 201
    client, run = plant.administrator(), answer.json()
    assert [each["field"] for each in run["columns"]] == [None, None, None]
    refused = client.post(f"/api/v1/imports/{run['id']}/start", json={"dry_run": False})
    assert refused.status_code == 422
    assert refused.json()["params"]["missing"] == ["number", "name"]
    chosen = [{"index": 0, "field": "number"}, {"index": 1, "field": "name"}]
    body = {"dry_run": False, "columns": chosen, "save_as": "ERP"}
    assert client.post(f"/api/v1/imports/{run['id']}/start", json=body).status_code == 202
    work(plant)
    [kept] = client.get("/api/v1/import-mappings", params={"kind": "customers"}).json()["items"]
    assert kept["columns"] == {"Nummer": "number", "Firma": "name", "Telefon": None}
    again = carry_out(plant, content, kind="customers", mapping="ERP")
    assert counts(again) == ("done", 0, 0, 1, 0)


def test_what_goes_out_comes_in_again_as_it_was(stocked: Plant) -> None:
    client = stocked.administrator()
    for name in ("customers", "sites", "asset_models", "metrics", "failure_modes", "assets", "positions"):
        for format in ("csv", "xlsx"):
            answer = client.get(f"/api/v1/exports/{name}", params={"format": format, "language": "zh"})
            assert answer.status_code == 200, answer.text
            assert "attachment" in answer.headers["content-disposition"]
            run = carry_out(stocked, answer.content, kind=name)
            assert run["state"] == "done", (name, format, run["errors"])
            assert (run["inserted"], run["updated"]) == (0, 0)


def test_every_list_goes_out_for_whoever_may_have_it(stocked: Plant) -> None:
    client = stocked.administrator()
    names = [each["name"] for each in client.get("/api/v1/exports").json()["items"]]
    assert {"devices", "work_orders", "stock_balances", "documents", "meters"} <= set(names)
    for name in names:
        answer = client.get(f"/api/v1/exports/{name}", params={"language": "zh"})
        assert (name, answer.status_code) == (name, 200)
    found = client.get("/api/v1/exports/assets", params={"q": "pump CP-80"}).text.splitlines()
    # The search knows a machine by its model too: P-2 is a skid by name and a pump by model.
    assert [line.split(",")[0] for line in found[1:]] == ["P-1", "P-2"]
    other = stocked.client(stocked.token(stocked.stranger))
    assert len(other.get("/api/v1/exports/assets").text.splitlines()) == 1
    assert (
        stocked.client(stocked.token(stocked.customer, Role.CUSTOMER)).get("/api/v1/exports/assets").status_code == 403
    )


def test_exported_text_is_no_formula(plant: Plant) -> None:
    carry_out(plant, "Customer number,Name\nC-1,=HYPERLINK(1)\n")
    client = plant.administrator()
    assert "'=HYPERLINK(1)" in client.get("/api/v1/exports/customers").text
    book = load_workbook(io.BytesIO(client.get("/api/v1/exports/customers", params={"format": "xlsx"}).content))
    assert [cell.data_type for cell in book.worksheets[0]["B"]] == ["s", "s"]
    assert carry_out(plant, client.get("/api/v1/exports/customers").content)["unchanged"] == 1


def test_numbers_of_other_organisations_customers_are_not_taken(plant: Plant) -> None:
    with plant.database.as_service() as session:
        session.add(Customer(organisation_id=plant.stranger.id, number="C-1", name="Theirs"))
        session.add(AssetModel(organisation_id=plant.stranger.id, code="CP-80", name_en="Theirs", name_zh="他"))
    run = carry_out(plant, CUSTOMERS)
    assert [(error["cell"], error["code"]) for error in run["errors"]] == [("A2", "taken")]
    run = carry_out(plant, "Serial number,Name,Model code,Customer number\nP-1,A,CP-80,C-1\n")
    assert {error["code"] for error in run["errors"]} == {"unknown_model", "unknown_customer"}


def test_a_run_that_a_dead_worker_left_is_taken_up_again(plant: Plant) -> None:
    run = send(plant, CUSTOMERS).json()
    with plant.database.as_service() as session:
        session.execute(text("UPDATE import_runs SET state = 'running'"))
    work(plant)
    assert counts(plant.administrator().get(f"/api/v1/imports/{run['id']}").json()) == ("done", 2, 0, 0, 0)


@pytest.mark.parametrize(
    ("wrong", "code"), [(Invalid("this one is taken"), "stopped"), (ValueError("secret"), "broken_off")]
)
def test_a_run_that_stops_halfway_says_how_much_is_stored(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, wrong: Exception, code: str
) -> None:
    write, kind = Customers.write, Customers

    def until_the_third(self: Any, session: Any, stage: Any, origin: Any, first: int, end: int) -> None:
        write(self, session, stage, origin, first, end)
        if end > 3:
            raise wrong

    monkeypatch.setattr(kind, "write", until_the_third)
    monkeypatch.setattr(running, "CHUNK_ROWS", 3)
    run = carry_out(plant, CUSTOMERS)
    assert run["state"] == "failed"
    (fault,) = run["errors"]
    assert (fault["code"], fault["row"], fault["params"]["stored"]) == (code, 3, 1)
    assert "1 rows are stored; row 3" in fault["en"]
    assert "secret" not in str(run)
    with plant.database.as_service() as session:
        assert list(session.scalars(select(Customer.number))) == ["C-1"]
    monkeypatch.undo()
    started = plant.administrator().post(f"/api/v1/imports/{run['id']}/start", json={"dry_run": False})
    assert started.is_success
    work(plant)
    assert counts(plant.administrator().get(f"/api/v1/imports/{run['id']}").json()) == ("done", 1, 0, 1, 0)


def test_who_may_import_and_see_imports(plant: Plant) -> None:
    run = send(plant, CUSTOMERS).json()
    for role in (Role.CUSTOMER, Role.TECHNICIAN, Role.ANALYST):
        token = plant.token(plant.operator, role)
        assert send(plant, CUSTOMERS, token).status_code == 403
        assert plant.client(token).get("/api/v1/imports").status_code == 403
    other = plant.client(plant.token(plant.stranger))
    assert other.get(f"/api/v1/imports/{run['id']}").status_code == 404
    assert other.post(f"/api/v1/imports/{run['id']}/start", json={}).status_code == 404
    assert other.get("/api/v1/imports").json()["items"] == []
    assert plant.client().post("/api/v1/imports", files={"file": ("a.csv", b"x")}).status_code == 401


def test_too_large_a_body_is_refused_before_it_is_read(plant: Plant) -> None:
    client = plant.administrator()
    headers = {"content-length": str(2 * 1024**3), "content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/api/v1/imports", content=b"", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"PK\x03\x04zzz", "damaged"), (b"\xd0\xcf\x11\xe0", "old_workbook")]
)
def test_files_that_are_no_table_are_refused_at_once(plant: Plant, content: bytes, reason: str) -> None:
    answer = send(plant, content, kind="customers")
    assert (answer.status_code, answer.json()["params"]["reason"]) == (422, reason)
    assert plant.administrator().post("/api/v1/imports", json={}).status_code == 415


def test_kinds_describe_their_columns_and_give_a_template(plant: Plant) -> None:
    client = plant.administrator()
    kinds = {each["name"]: each for each in client.get("/api/v1/imports/kinds").json()["items"]}
    assert {"customers", "sites", "assets", "asset_models", "positions"} <= set(kinds)
    template = client.get("/api/v1/imports/kinds/assets/template", params={"format": "csv", "language": "zh"})
    assert template.text.startswith("\ufeff序列号,名称,型号")
    assert UUID(send(plant, CUSTOMERS, start="no").json()["id"])
