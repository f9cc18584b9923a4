"""The portal and the label: every service with its form and files, in both languages (003-02, 003-03)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from assets.registry import Asset, Customer
from gateway.customer_sign_in import make_customer_link
from gateway.pages.forms import MAX_FILES
from tests.gateway.channels.conftest import Known, ok
from tests.gateway.channels.test_mail import PNG
from tests.gateway.conftest import Plant
from ticketing.models import Request


def signed_in(plant: Plant, customer_id: object) -> TestClient:
    """A browser that followed the link that was mailed."""
    with plant.database.as_service() as session:
        token = make_customer_link(session, session.get_one(Customer, customer_id), None, datetime.now(UTC))
    browser = plant.client()
    assert browser.post(f"/a/sign-in/{token}", follow_redirects=False).status_code == 303
    return browser


def code_of(plant: Plant, known: Known) -> str:
    with plant.database.as_service() as session:
        return str(session.get_one(Asset, known.pump).code)


def test_every_service_is_asked_for_with_its_form_in_both_languages(plant: Plant, known: Known) -> None:
    """004-06: forms are data of the service types, with no code of their own."""
    browser, code = plant.client(), code_of(plant, known)
    for language, repair in (("en", "Urgent repair"), ("zh", "紧急")):
        page = browser.get(f"/a/{code}/ask?lang={language}")
        assert page.status_code == 200
        assert repair in page.text
        types = re.findall(r"\?type=([a-z_]+)&amp;lang|\?type=([a-z_]+)&lang", page.text)
        names = {one or other for one, other in types}
        assert len(names) >= 10
        for name in names:
            form = browser.get(f"/a/{code}/ask?type={name}&lang={language}")
            assert form.status_code == 200
            assert 'enctype="multipart/form-data"' in form.text
            assert 'name="file"' in form.text


def test_customer_asks_from_the_portal_with_files_and_follows_the_answer(
    plant: Plant, desk: TestClient, known: Known
) -> None:
    """003-02 to -04: a machine or none, answers checked by the form, photos, one thread, nothing internal."""
    browser, code = signed_in(plant, known.customer), code_of(plant, known)
    assert "PUMP-77" in browser.get("/a/mine/ask?type=return_exchange").text
    fields = ok(desk.get("/api/v1/service-types?code=return_exchange"))["items"]
    form = next(each for each in fields if each["code"] == "return_exchange")["in_force"]["form"]
    required = form["required"]
    assert required
    missed = browser.post("/a/mine/requests?type=return_exchange", data={"text": "Wrong part", "machine": code})
    assert missed.status_code == 422
    assert missed.text.count('role="alert"') > len(required)  # each missing one, and a line above
    assert "Wrong part" in missed.text

    answers = {
        f"f.{name}": str(
            (asked.get("enum") or ["1" if asked.get("type") in ("integer", "number") else "2026-11-22"])[0]
        )
        for name, asked in form["properties"].items()
        if name in required
    }
    sent = browser.post(
        "/a/mine/requests?type=return_exchange",
        data={"text": "Wrong part", "machine": code, **answers},
        files=[("file", ("leak.png", PNG, "image/png"))],
        follow_redirects=False,
    )
    assert sent.status_code == 303, sent.text
    link = sent.headers["location"]
    [case] = ok(desk.get("/api/v1/cases"))["items"]
    assert (case["channel"], case["service_type"]["code"]) == ("portal", "return_exchange")
    assert (case["asset"]["serial"], case["customer"]["name"]) == ("PUMP-77", "Dairy")
    assert set(ok(desk.get(f"/api/v1/cases/{case['id']}"))["answers"]) == set(required)

    # The desk answers with a file, and notes one inside.
    for visibility in ("public", "internal"):
        upload = {"case_id": case["id"], "visibility": visibility}
        name = f"{visibility}.png"
        file = ok(desk.post("/api/v1/case-files", data=upload, files={"file": (name, PNG, "image/png")}), 201)
        body = {"text": visibility, "visibility": visibility, "attachments": [{"kind": "file", "id": file["id"]}]}
        ok(desk.post(f"/api/v1/cases/{case['id']}/messages", json=body), 201)
        again = desk.post(f"/api/v1/cases/{case['id']}/messages", json=body)
        assert again.status_code == 422  # a file is sent once
    page = browser.get(link).text
    assert "public.png" in page
    assert "leak.png" in page
    assert "internal" not in page
    for shown in re.findall(rf'href="({link}/files/[^"]+)"', page):
        assert browser.get(shown).content == PNG
    hidden = next(
        each for each in ok(desk.get(f"/api/v1/cases/{case['id']}/files"))["items"] if each["visibility"] == "internal"
    )
    assert browser.get(f"{link}/files/{hidden['id']}").status_code == 404
    wrong = {"text": "x", "visibility": "public", "attachments": [{"kind": "file", "id": hidden["id"]}]}
    assert desk.post(f"/api/v1/cases/{case['id']}/messages", json=wrong).status_code == 422

    answered = browser.post(f"{link}/messages", data={"text": "Thanks"}, files={"file": ("b.png", PNG)})
    assert "Thanks" in answered.text
    assert "b.png" in answered.text
    listed = browser.get("/a/mine/requests", headers={"accept": "application/json"}).json()["items"]
    assert [each["number"] for each in listed] == [ok(desk.get(f"/api/v1/cases/{case['id']}"))["requests"][0]["number"]]

    # About no machine at all; and nobody else reads either of them.
    none = {"text": "When do you open?", "service_type": "consultation", "answers": {}}
    plain = browser.post("/a/mine/requests", json=none)
    if plain.status_code == 422:  # the form asks for something: it says for what
        assert plain.json()["code"] == "answers_refused"
        topic = ok(desk.get("/api/v1/service-types"))["items"]
        asked = next(each for each in topic if each["code"] == "consultation")["in_force"]["form"]
        given = {name: (asked["properties"][name].get("enum") or ["x"])[0] for name in asked["required"]}
        plain = browser.post("/a/mine/requests", json=none | {"answers": given})
    assert plain.status_code == 201, plain.text
    other = signed_in(plant, known.other)
    for each in (link, plain.json()["link"]):
        assert browser.get(each).status_code == 200
        assert other.get(each).status_code == 404
        assert plant.client().get(each).status_code == 404
        assert other.post(f"{each}/messages", data={"text": "me"}).status_code == 404
    assert other.post("/a/mine/requests?type=consultation", data={"text": "x", "machine": code}).status_code == 422
    assert plant.client().get("/a/mine/requests", follow_redirects=False).status_code == 303


def test_label_takes_photos_and_refuses_what_is_none(plant: Plant, desk: TestClient, known: Known) -> None:
    """Nothing half done: a file that is not kept leaves no request behind."""
    browser, code = plant.client(), code_of(plant, known)
    bad = browser.post(f"/a/{code}/requests", data={"text": "It leaks"}, files={"file": ("a.exe", b"MZ" + b"\0" * 9)})
    assert bad.status_code == 422
    assert "a.exe" in bad.text
    many = [("file", (f"{number}.png", PNG)) for number in range(MAX_FILES + 1)]
    assert browser.post(f"/a/{code}/requests", data={"text": "It leaks"}, files=many).status_code == 409
    with plant.database.as_service() as session:
        assert session.scalars(select(Request)).all() == []
    good = browser.post(f"/a/{code}/requests", data={"text": "It leaks"}, files={"file": ("a.png", PNG)})
    assert good.status_code == 200
    assert "a.png" in good.text
    [shown] = re.findall(r'href="(/a/[^"]+/files/[^"]+)"', good.text)
    assert browser.get(shown).content == PNG
    assert browser.get(re.sub(r"requests/[^/]+", "requests/" + "A" * 24, shown)).status_code == 404
    [case] = ok(desk.get("/api/v1/cases"))["items"]
    assert [each["file_name"] for each in ok(desk.get(f"/api/v1/cases/{case['id']}/files"))["items"]] == ["a.png"]
    unknown = browser.post(f"/a/{code}/requests", json={"text": "x", "service_type": "nothing"})
    assert unknown.status_code == 422
    assert "consultation" in unknown.json()["params"]["allowed"]


@pytest.mark.parametrize(
    "body", [b"", b"--x--", b"\0" * 100, b'--x\r\nContent-Disposition: form-data; name="file"\r\n']
)
def test_broken_forms_are_no_error_of_the_server(plant: Plant, known: Known, body: bytes) -> None:
    code = code_of(plant, known)
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "application/json", "text/plain"):
        for path in (
            f"/a/{code}/requests",
            f"/a/{code}/requests/{'A' * 24}/messages",
            f"/a/mine/requests/{uuid4()}/messages",
        ):
            assert plant.client().post(path, content=body, headers={"content-type": kind}).status_code < 500
