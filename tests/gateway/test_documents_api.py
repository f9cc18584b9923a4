"""Documents and labels over HTTP: kept by content, in revisions, for those who see the asset; codes can be revoked."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from assets.base.access import Role
from assets.base.events import broken_links
from assets.registry import Asset, AssetModel
from tests.gateway.conftest import Plant

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def picture(width: int = 64, height: int = 48, format: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("L", (width, height), 128).save(out, format)
    return out.getvalue()


@pytest.fixture
def asset_id(plant: Plant) -> UUID:
    """An asset of the customer, of a model of the operator."""
    with plant.database.as_service() as session:
        model = AssetModel(organisation_id=plant.operator.id, code="CP", name_en="Pump", name_zh="离心泵")
        session.add(model)
        session.flush()
        asset = Asset(
            organisation_id=plant.customer.id,
            serial="P-1",
            name="Pump 1",
            asset_model_id=model.id,
            created_at=datetime.now(UTC),
        )
        session.add(asset)
        session.flush()
        return asset.id


def add(plant: Plant, content: bytes, name: str = "manual.pdf", **fields: Any) -> Any:
    data = {key: str(value) for key, value in fields.items()}
    return plant.administrator().post("/api/v1/documents", files={"file": (name, content)}, data=data)


# seed:003-39
def test_document_grows_by_revisions_and_is_saved_not_opened(plant: Plant, asset_id: UUID) -> None:
    made = add(plant, PDF, "../../手册.pdf", title="手册", kind="manual", asset_id=asset_id, public="yes").json()
    path, client = f"/api/v1/documents/{made['id']}", plant.administrator()
    assert made["revisions"][0]["file_name"] == "手册.pdf"
    newer = client.post(f"{path}/revisions", files={"file": ("photo.exe", picture())}, data={"note": "v2"}).json()
    assert [each["revision"] for each in newer["revisions"]] == [2, 1]
    assert newer["revisions"][0]["media_type"] == "image/png"
    same = client.post(f"{path}/revisions", files={"file": ("photo.png", picture())}).json()
    assert len(same["revisions"]) == 2
    file = client.get(f"{path}/file", params={"revision": 1})
    assert file.content == PDF
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in file.headers["content-security-policy"]
    with Image.open(io.BytesIO(client.get(f"{path}/thumbnail").content)) as small:
        assert small.size == (64, 48)
    assert client.get(f"{path}/thumbnail", params={"revision": 1}).status_code == 404
    stale = client.patch(path, json={"title": "New"}, headers={"If-Match": "1"})
    assert stale.status_code == 412
    assert client.patch(path, json={"archived": True}).json()["archived"]
    assert client.get("/api/v1/documents", params={"asset_id": str(asset_id)}).json()["items"] == []
    kinds = [e["kind"] for e in client.get(f"/api/v1/assets/{asset_id}/timeline?group=documents").json()["items"]]
    assert kinds == ["document.archived", "document.revised", "document.added"]


def test_only_who_sees_the_asset_sees_its_documents(plant: Plant, asset_id: UUID) -> None:
    own = add(plant, PDF, title="Own", asset_id=asset_id).json()["id"]
    public = add(plant, PDF, title="Public", asset_id=asset_id, public="yes").json()["id"]
    with plant.database.as_service() as session:
        model = session.get_one(Asset, asset_id).asset_model_id
    of_model = add(plant, PDF, title="Of the model", asset_model_id=model, public="yes").json()["id"]
    customer = plant.client(plant.token(plant.customer, Role.CUSTOMER))
    listed = customer.get("/api/v1/documents", params={"asset_id": str(asset_id)}).json()["items"]
    assert {each["id"] for each in listed} == {public, of_model}
    assert customer.get(f"/api/v1/documents/{own}/file").status_code == 404
    assert customer.get(f"/api/v1/documents/{of_model}/file").status_code == 200
    assert customer.patch(f"/api/v1/documents/{public}", json={"title": "x"}).status_code == 403
    stranger = plant.client(plant.token(plant.stranger))
    for key in (own, public, of_model):
        assert stranger.get(f"/api/v1/documents/{key}").status_code == 404
        assert stranger.get(f"/api/v1/documents/{key}/file").status_code == 404
        assert stranger.patch(f"/api/v1/documents/{key}", json={"title": "x"}).status_code == 404
    body = {"file": ("x.pdf", PDF)}
    assert stranger.post("/api/v1/documents", files=body, data={"asset_id": str(asset_id)}).status_code == 422


def test_files_are_judged_by_their_content(plant: Plant, asset_id: UUID) -> None:
    bomb = picture(20_000, 20_000)
    refused = {
        b"<html><script>alert(1)</script>": "type",
        b"MZ\x90\0program": "type",
        b"": "empty",
        bomb: "pixels",
        b"PK\x03\x04zzzz": "damaged",
    }
    for content, reason in refused.items():
        answer = add(plant, content, "photo.png", title="x", asset_id=asset_id)
        assert (answer.status_code, answer.json()["params"]["reason"]) == (422, reason)
    assert add(plant, PDF, title="x").status_code == 422
    assert add(plant, PDF, title="x", asset_id=asset_id, kind="spell").json()["params"]["field"] == "kind"
    assert plant.administrator().get("/api/v1/documents").json()["items"] == []


def test_labels_are_printed_bound_in_the_field_and_revoked(plant: Plant, asset_id: UUID) -> None:
    client, public = plant.administrator(), plant.client()
    [label] = client.post("/api/v1/labels", json={"count": 1}).json()["items"]
    assert label["state"] == "free"
    assert public.get(f"/a/{label['code']}").status_code == 404
    bound = client.post("/api/v1/labels/bind", json={"code": f"{label['url']}?x=1", "asset_id": str(asset_id)}).json()
    assert (bound["state"], bound["asset"]["serial"]) == ("bound", "P-1")
    assert public.get(f"/a/{label['code'].lower()}").status_code == 200
    assert client.get("/api/v1/labels/lookup", params={"code": label["code"]}).json()["asset"]["serial"] == "P-1"
    made_up = label["code"][:-1] + ("2" if label["code"][-1] != "2" else "3")
    assert public.get(f"/a/{made_up}").status_code == 404
    assert client.post("/api/v1/labels/bind", json={"code": made_up, "asset_id": str(asset_id)}).status_code == 404
    sheet = client.post("/api/v1/labels/sheet", json={"asset_ids": [str(asset_id)], "language": "zh", "skip": 23})
    assert sheet.content.startswith(b"%PDF-")
    assert len(client.get("/api/v1/labels", params={"asset_id": str(asset_id)}).json()["items"]) == 1
    stranger = plant.client(plant.token(plant.stranger))
    assert stranger.get("/api/v1/labels").json()["items"] == []
    assert stranger.get("/api/v1/labels/lookup", params={"code": label["code"]}).json()["state"] == "unknown"
    assert stranger.post(f"/api/v1/labels/{label['id']}/revoke", json={"reason": "x"}).status_code == 404
    assert client.post(f"/api/v1/labels/{label['id']}/revoke", json={"reason": "lost"}).json()["state"] == "revoked"
    assert public.get(f"/a/{label['code']}").status_code == 404
    again = client.post("/api/v1/labels/bind", json={"code": label["code"], "asset_id": str(asset_id)})
    assert again.status_code == 409
    with plant.database.as_service() as session:
        old = session.get_one(Asset, asset_id).code
    assert public.get(f"/a/{old}").status_code == 200
    assert client.post(f"/api/v1/assets/{asset_id}/code/renew", json={"reason": "copied"}).status_code == 200
    assert public.get(f"/a/{old}").status_code == 404
    with plant.database.as_service() as session:
        assert broken_links(session, asset_id) == []


def test_public_files_of_a_seller_leave_the_label_s_page_with_the_machine(plant: Plant, asset_id: UUID) -> None:
    ours = add(plant, PDF, title="Ours alone", asset_id=asset_id, public="yes").json()["id"]
    with plant.database.as_service() as session:
        asset = session.get_one(Asset, asset_id)
        model, code = asset.asset_model_id, asset.code
    of_model = add(plant, PDF, title="Of the model", asset_model_id=model, public="yes").json()["id"]
    public = plant.client()

    def files() -> list[int]:
        return [public.get(f"/a/{code}/documents/{key}").status_code for key in (ours, of_model)]

    assert files() == [200, 200]
    with plant.database.as_service() as session:
        session.get_one(Asset, asset_id).organisation_id = plant.partner.id
    assert files() == [404, 200]
    page = public.get(f"/a/{code}").text
    assert ("Ours alone" in page, "Of the model" in page) == (False, True)


def test_customer_finds_only_public_documents_and_foreign_letters_are_no_code(plant: Plant, asset_id: UUID) -> None:
    add(plant, PDF, title="Hidden calibration", kind="manual", asset_id=asset_id)
    add(plant, picture(), title="Shown calibration", kind="manual", asset_id=asset_id, public="yes")
    asked = {"q": "calibration", "kinds": "document"}
    found = [
        {each["title"] for each in client.get("/api/v1/search", params=asked).json()["items"]}
        for client in (plant.administrator(), plant.client(plant.token(plant.customer, Role.CUSTOMER)))
    ]
    assert found == [{"Hidden calibration", "Shown calibration"}, {"Shown calibration"}]
    assert plant.administrator().post("/api/v1/labels", json={"count": 1}).status_code == 201
    assert plant.client().get("/a/一二三四五六七八九十一二三四").status_code == 404
