"""Identity over HTTP without a broker: claims, their limit, renewals, rows of a file, who may see and do what."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.testclient import TestClient

from assets.base.access import Role
from gateway.app import make_app
from gateway.main import main
from gateway.settings import Settings
from ingest.devices import broker_credentials, register_device
from ingest.identity import MAX_ATTEMPTS, live_certificates, refused_certificates, tend_identities
from ingest.models import Device
from tests.gateway.conftest import Plant


@pytest.fixture
def secure(plant: Plant, tmp_path: Path) -> Plant:
    """The same application, with a broker that takes certificates."""
    settings = Settings(data=tmp_path, public_broker_tls="mqtts://broker.example:8883")
    plant.app = make_app(settings, plant.database)
    return plant


def key_and_request() -> tuple[ec.EllipticCurvePrivateKey, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "anybody")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return key, made.public_bytes(Encoding.PEM).decode()


def signed(key: ec.EllipticCurvePrivateKey, text: str) -> str:
    return base64.b64encode(key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))).decode()


def add(plant: Plant, serial: str) -> tuple[str, str]:
    answer = plant.administrator().post("/api/v1/devices", json={"serial": serial, "asset_name": serial}).json()
    return str(answer["device"]["id"]), str(answer["claim_code"])


def claim(plant: Plant, **body: Any) -> Any:
    return plant.client().post("/api/v1/devices/claim", json=body)


def test_same_code_with_the_same_key_gives_the_same_certificate_and_with_another_none(secure: Plant) -> None:
    _, code = add(secure, "pump-1")
    _, csr = key_and_request()
    first = claim(secure, code=code, hostname="pi", csr=csr)
    assert first.headers["cache-control"] == "no-store"
    body = first.json()
    assert (body["mode"], body["broker"], body["password"]) == ("certificate", "mqtts://broker.example:8883", None)
    assert claim(secure, code=code, hostname="pi", csr=csr).json() == body
    used = claim(secure, code=code, csr=key_and_request()[1])
    assert (used.status_code, used.json()["params"]["reason"]) == (404, "used")
    assert claim(secure, code=code).status_code == 404
    certificate = x509.load_pem_x509_certificate(body["certificate"].encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(body["ca"].encode()))
    assert certificate.subject.rfc4514_string() == "CN=pump-1"


def test_without_a_key_or_a_listener_it_is_a_password(plant: Plant, secure: Plant) -> None:
    _, code = add(secure, "plain-1")
    assert claim(secure, code=code).json()["password"]
    plant.app = make_app(Settings(data=Path("/nonexistent")), plant.database)
    _, code = add(plant, "plain-2")
    assert claim(plant, code=code, csr=key_and_request()[1]).json()["mode"] == "password"


def test_server_may_insist_on_certificates(secure: Plant, tmp_path: Path) -> None:
    _, code = add(secure, "strict-1")
    settings = Settings(data=tmp_path, public_broker_tls="mqtts://b:8883", device_passwords=False)
    secure.app = make_app(settings, secure.database)
    assert claim(secure, code=code).status_code == 422
    assert claim(secure, code=code, csr=key_and_request()[1]).json()["mode"] == "certificate"


def test_wrong_codes_are_counted_per_address_and_then_refused_right_ones_too(secure: Plant) -> None:
    _, code = add(secure, "guess-1")
    for _ in range(MAX_ATTEMPTS):
        assert claim(secure, code="ABCDEFGHJK").status_code == 404
    refused = claim(secure, code=code, csr=key_and_request()[1])
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    other = TestClient(secure.app, client=("192.0.2.7", 1), headers={"X-Forewarn": "1"})
    assert other.post("/api/v1/devices/claim", json={"code": code}).status_code == 200


def test_key_of_another_device_or_one_that_was_refused_is_not_signed(secure: Plant) -> None:
    first, code = add(secure, "key-1")
    _, csr = key_and_request()
    assert claim(secure, code=code, csr=csr).status_code == 200
    _, other = add(secure, "key-2")
    assert claim(secure, code=other, csr=csr).status_code == 422
    again = secure.administrator().post(f"/api/v1/devices/{first}/claim-code").json()["claim_code"]
    assert claim(secure, code=again, csr=csr).status_code == 422
    assert claim(secure, code=again, csr=key_and_request()[1]).status_code == 200


def test_renewal_needs_the_present_key_and_a_superseded_one_is_not_enough(secure: Plant) -> None:
    device_id, code = add(secure, "new-1")
    old, csr = key_and_request()
    claim(secure, code=code, csr=csr)

    def renew(key: ec.EllipticCurvePrivateKey, csr: str, serial: str = "new-1") -> Any:
        body = {"serial": serial, "csr": csr, "signature": signed(key, csr)}
        return secure.client().post("/api/v1/devices/renew", json=body)

    new, next_csr = key_and_request()
    assert renew(new, next_csr).status_code == 403
    assert renew(old, next_csr, "new-2").status_code == 403
    answer = renew(old, next_csr)
    assert answer.status_code == 200, answer.text
    assert renew(old, next_csr).json() == answer.json()
    identity = secure.administrator().get(f"/api/v1/devices/{device_id}/identity").json()
    assert identity["next"]["confirmed_at"] is None
    assert identity["previous"] is None
    now = datetime.now(UTC)
    with secure.database.as_service() as session:
        device = session.query(Device).filter_by(serial="new-1").one()
        device.status = {"certificate": identity["next"]["fingerprint"]}
    with secure.database.as_service() as session:
        tend_identities(session, now)
    assert renew(old, key_and_request()[1]).json()["params"]["reason"] == "superseded"
    assert renew(new, key_and_request()[1]).status_code == 200
    after = secure.administrator().get(f"/api/v1/devices/{device_id}/identity").json()
    assert after["fingerprint"] == identity["next"]["fingerprint"]
    assert after["previous"]["fingerprint"] == identity["fingerprint"]
    with secure.database.as_service() as session:
        assert refused_certificates(session, now) == []
        tend_identities(session, now + timedelta(days=8))
        assert [each.is_active for each in refused_certificates(session, now)] == [True]


def test_revoked_device_gets_nothing_until_it_is_reinstated(secure: Plant) -> None:
    device_id, code = add(secure, "off-1")
    key, csr = key_and_request()
    claim(secure, code=code, csr=csr)
    desk = secure.administrator()
    assert desk.post(f"/api/v1/devices/{device_id}/revoke", json={"reason": "stolen"}).json()["revoked_at"]
    next_csr = key_and_request()[1]
    body = {"serial": "off-1", "csr": next_csr, "signature": signed(key, next_csr)}
    assert secure.client().post("/api/v1/devices/renew", json=body).json()["params"]["reason"] == "revoked"
    assert desk.post(f"/api/v1/devices/{device_id}/rotate").status_code == 409
    now = datetime.now(UTC)
    with secure.database.as_service() as session:
        (refused,) = refused_certificates(session, now)
        assert (refused.device_serial, refused.is_active) == ("off-1", False)
    crl = x509.load_pem_x509_crl(secure.client().get("/api/v1/certificate-authority/revoked.crl").content)
    assert [f"{each.serial_number:040x}" for each in crl] == [refused.serial_number]
    assert desk.post(f"/api/v1/devices/{device_id}/reinstate").json()["mode"] == "certificate"
    assert desk.post(f"/api/v1/devices/{device_id}/reinstate").status_code == 409
    assert secure.client().post("/api/v1/devices/renew", json=body).status_code == 200


def test_rotating_a_password_gives_a_code_and_keeps_the_password_until_then(plant: Plant) -> None:
    device_id, code = add(plant, "pw-1")
    claim(plant, code=code)
    with plant.database.as_service() as session:
        before = broker_credentials(session)
    rotation = plant.administrator().post(f"/api/v1/devices/{device_id}/rotate").json()
    assert (rotation["mode"], len(rotation["claim_code"])) == ("password", 10)
    with plant.database.as_service() as session:
        assert broker_credentials(session) == before
    assert claim(plant, code=rotation["claim_code"]).json()["password"]


def test_only_who_manages_devices_may_revoke_and_nobody_of_another_organisation_sees_any(secure: Plant) -> None:
    device_id, _ = add(secure, "mine-1")
    for role, status in ((Role.TECHNICIAN, 403), (Role.CUSTOMER, 403)):
        client = secure.client(secure.token(role=role))
        for path in ("revoke", "reinstate", "rotate"):
            assert client.post(f"/api/v1/devices/{device_id}/{path}", json={}).status_code == status
        assert client.post("/api/v1/devices/bulk", content=b"serial\nx\n").status_code == status
    stranger = secure.client(secure.token(secure.stranger))
    assert stranger.get(f"/api/v1/devices/{device_id}/identity").status_code == 404
    assert stranger.post(f"/api/v1/devices/{device_id}/revoke", json={}).status_code == 404


FILE = "\ufeffSerial;Model;Asset\nbulk-1;pump;Pump 1\nbulk-2;pump;\n;x;\nbulk-1;again;\na/b;x;\n\n水泵;泵;三号泵\n"


def test_file_registers_good_rows_names_bad_ones_and_changes_nothing_again(secure: Plant) -> None:
    desk = secure.administrator()
    headers = {"Content-Type": "text/csv"}

    def send(**more: Any) -> Any:
        return desk.post("/api/v1/devices/bulk", content=FILE.encode(), headers=headers, **more)

    trial = send(params={"dry_run": "1"}).json()
    assert [(row["row"], row["serial"], row["claim_code"]) for row in trial["created"]] == [
        (2, "bulk-1", None),
        (3, "bulk-2", None),
        (8, "水泵", None),
    ]
    assert desk.get("/api/v1/devices", params={"serial": "bulk-1"}).json()["items"] == []
    made = send().json()
    assert made["errors"] == trial["errors"]
    assert [(each["row"], each["column"], each["code"]) for each in made["errors"]] == [
        (4, "serial", "missing"),
        (5, "serial", "repeated"),
        (6, "serial", "invalid"),
    ]
    assert claim(secure, code=made["created"][0]["claim_code"]).json()["serial"] == "bulk-1"
    again = send().json()
    assert (again["created"], [row["serial"] for row in again["unchanged"]]) == ([], ["bulk-1", "bulk-2", "水泵"])
    device = desk.get("/api/v1/devices", params={"serial": "bulk-1"}).json()["items"][0]
    assert device["assets"][0]["name"] == "Pump 1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "first line"),
        (b"name\nx\n", "first line"),
        (b"\xff\xfe\x00\x80\x81", "neither UTF-8"),
        (b"serial\n" + b"".join(b"s%d\n" % n for n in range(5001)), "at most 5000"),
    ],
)
def test_what_is_no_such_file_is_refused_as_a_whole(secure: Plant, content: bytes, words: str) -> None:
    answer = secure.administrator().post("/api/v1/devices/bulk", content=content)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_file_of_excel_in_china_and_a_serial_of_another_organisation(secure: Plant) -> None:
    with secure.database.as_service() as session:
        register_device(session, "theirs", "", secure.stranger.id, datetime.now(UTC))
    content = "serial,asset\n泵-1,水泵\ntheirs,x\nfine,x\n".encode("gb18030")
    made = secure.administrator().post("/api/v1/devices/bulk", content=content).json()
    assert [row["serial"] for row in made["created"]] == ["泵-1", "fine"]
    assert [(row["row"], row["code"]) for row in made["errors"]] == [(3, "taken")]


def test_labels_to_print_hold_each_code_as_text_and_as_qr(secure: Plant) -> None:
    headers = {"Accept": "text/html", "Content-Type": "text/csv"}
    page = secure.administrator().post("/api/v1/devices/bulk", content=b"serial\n<b>\nl-2\n", headers=headers)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert page.text.count("<svg") == page.text.count("<code>") == 2
    assert "&lt;b&gt;" in page.text


def test_authority_is_public(secure: Plant) -> None:
    shown = secure.client().get("/api/v1/certificate-authority").json()
    made = x509.load_pem_x509_certificate(shown["pem"].encode())
    assert made.fingerprint(hashes.SHA256()).hex() == shown["fingerprint"]


def test_command_line_does_the_same(
    secure: Plant,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FOREWARN_DATABASE_URL", database_url)
    file, labels = tmp_path / "devices.csv", tmp_path / "labels.html"
    file.write_text("serial,model\ncli-1,pump\n")

    def run(*arguments: str) -> Any:
        code = main(["device", *arguments, "--json"])
        return code, json.loads(capsys.readouterr().out or "{}")

    code, body = run("bulk", str(file), "--labels", str(labels))
    assert (code, body["created"][0]["serial"]) == (0, "cli-1")
    assert "cli-1" in labels.read_text()
    claim(secure, code=body["created"][0]["claim_code"], csr=key_and_request()[1])
    assert run("rotate", "cli-1")[1]["mode"] == "certificate"
    assert run("revoke", "cli-1", "--reason", "sold")[1]["revoked_at"]
    (item,) = [each for each in run("list")[1]["items"] if each["serial"] == "cli-1"]
    assert item["mode"] == "certificate"
    assert item["revoked_at"]
    assert run("reinstate", "cli-1")[0] == 0
    assert run("revoke", "nobody")[0] == 1
    with secure.database.as_service() as session:
        device = session.query(Device).filter_by(serial="cli-1").one()
        assert len(live_certificates(session, device.id)) == 1
