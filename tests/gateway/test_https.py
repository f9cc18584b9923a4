"""HTTPS beside HTTP: certificates of our own authority or given ones, and the page that tells how to trust it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
from cryptography import x509
from starlette.testclient import TestClient

from assets.base.access import Role
from assets.base.db import Database
from assets.people import add_organisation
from gateway import texts, up
from gateway.api.deps import COOKIE, SECURE_COOKIE
from gateway.app import make_app
from gateway.ca import Authority
from gateway.https import HTTPS_PORT, OwnCertificate, in_pairs, machine_names, prepare_https
from gateway.main import main
from gateway.pages.trust import STEPS
from gateway.serve import follow_certificate
from gateway.settings import Settings
from gateway.sign_in import make_token
from gateway.supervise.errors import SupervisorError
from gateway.supervise.postgres import EmbeddedPostgres
from tests.conftest import _database_maker
from tests.edge_agent.conftest import free_port
from tests.gateway.conftest import PASSWORD, Plant

NOW = datetime.now(UTC)
RIGHT = {"email": "ada@example.com", "password": PASSWORD}


@dataclass
class Api:
    """The role `api` with both listeners."""

    http: str
    https: str
    authority: Authority
    token: str

    def over_tls(self, authority: Authority | None = None) -> httpx.Client:
        """A client that trusts one authority, ours unless told otherwise, and sends a token."""
        trusted = ssl.create_default_context(cadata=(authority or self.authority).pem)
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.https, verify=trusted, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def api(
    cluster: EmbeddedPostgres,
    empty_template: str,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Api]:
    for make in _database_maker(cluster, empty_template):
        url = make(migrated_template)
        with contextlib.ExitStack() as stack:
            yield _start(stack, url, tmp_path_factory.mktemp("https"))


def _start(stack: contextlib.ExitStack, url: str, data: Path) -> Api:
    database = Database(url, pool_size=1)
    stack.callback(database.dispose)
    with database.as_service() as session:
        operator = add_organisation(session, kind="operator", name="Operator", now=NOW)
        token = make_token(session, operator.id, Role.ADMINISTRATOR, NOW)
    plain, secure = free_port(), free_port()
    settings = Settings(data=data, https=f"127.0.0.1:{secure}")
    own = prepare_https(settings, NOW)
    assert own is not None
    variables = {
        "FOREWARN_DATABASE_URL": url,
        "FOREWARN_DATA": str(data),
        "FOREWARN_HTTP": f"127.0.0.1:{plain}",
        "FOREWARN_HTTPS": f"127.0.0.1:{secure}",
        "FOREWARN_TLS_CERTIFICATE": str(settings.tls_certificate),
        "FOREWARN_TLS_KEY": str(settings.tls_key),
    }
    process = subprocess.Popen([sys.executable, "-m", "gateway.main", "api"], env={**os.environ, **variables})
    stack.callback(_stop, process)
    made = Api(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}", own.authority, token)
    deadline = time.monotonic() + 60
    with made.over_tls() as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    return made
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError("the API was not ready in 60 s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    assert process.wait(10) == 0


def test_same_api_and_pages_over_https_for_who_trusts_the_authority_and_for_nobody_else(api: Api) -> None:
    with api.over_tls() as client:
        assert client.get("/api/v1/me").json()["organisation"]["name"] == "Operator"
        assert client.get(api.https.replace("127.0.0.1", "localhost") + "/healthz").text == "ok"
        assert client.get("/trust").status_code == 200
    with api.over_tls(Authority.create(NOW)) as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY"):
        client.get("/healthz")
    assert httpx.get(f"{api.http}/healthz", trust_env=False).text == "ok"


def test_live_events_come_over_https(api: Api) -> None:
    with api.over_tls() as client, client.stream("GET", "/api/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"

        heard = threading.Event()

        def change_something() -> None:
            headers = {"Authorization": f"Bearer {api.token}"}
            while not heard.wait(0.5):  # the first look of the reader is where it begins
                body = {"serial": f"LIVE-{token_hex(4)}", "name": "Live"}
                httpx.post(f"{api.http}/api/v1/assets", json=body, headers=headers, trust_env=False, timeout=60)

        changing = threading.Thread(target=change_something)
        changing.start()
        try:
            assert "asset." in next(line for line in lines if line.startswith("data: "))
        finally:
            heard.set()
            changing.join()


@pytest.mark.parametrize(("language", "words"), [("en", "Certificate Trust Settings"), ("zh", "证书信任设置")])
def test_trust_page_has_codes_fingerprint_and_steps_without_sign_in(api: Api, language: str, words: str) -> None:
    page = httpx.get(f"{api.http}/trust?lang={language}", trust_env=False)
    assert page.status_code == 200
    assert words in page.text
    assert page.text.count('viewBox="0 0 ') >= 2
    assert in_pairs(api.authority.fingerprint) in page.text
    assert f'href="{api.https}"' in page.text
    for system, count in STEPS.items():
        for code in (f"trust.{system}", *(f"trust.{system}.{step}" for step in range(1, count + 1))):
            assert texts.has(code)
            assert texts.text(language, code).partition("&")[0] in page.text


def test_authority_is_there_as_phones_and_as_programs_take_it(api: Api) -> None:
    der = httpx.get(f"{api.http}/trust/forewarn-ca.crt", trust_env=False)
    assert der.headers["content-type"] == "application/x-x509-ca-cert"
    assert x509.load_der_x509_certificate(der.content) == api.authority.certificate
    pem = httpx.get(f"{api.http}/trust/forewarn-ca.pem", trust_env=False)
    assert pem.headers["content-type"] == "application/x-pem-file"
    assert pem.text == api.authority.pem


def test_without_https_the_page_says_so_and_offers_no_certificate(plant: Plant) -> None:
    client = plant.client()
    page = client.get("/trust?lang=en")
    assert page.status_code == 404
    assert "forewarn up --lan" in page.text
    assert client.get("/trust/forewarn-ca.crt").status_code == 404


def test_sign_in_over_https_and_over_http_do_not_shut_each_other_out(plant: Plant) -> None:
    secure = plant.client(base_url="https://testserver")
    cookie = secure.post("/api/v1/sign-in", json=RIGHT).headers["set-cookie"]
    assert cookie.startswith(f"{SECURE_COOKIE}=")
    assert "; secure" in cookie.lower()
    assert "path=/;" in cookie.lower()
    assert secure.get("/api/v1/me").status_code == 200
    plain = plant.client()
    assert plain.post("/api/v1/sign-in", json=RIGHT).headers["set-cookie"].startswith(f"{COOKIE}=")
    assert secure.post("/api/v1/sign-out").status_code == 204
    assert secure.get("/api/v1/me").status_code == 401
    assert plain.get("/api/v1/me").status_code == 200


def test_given_certificate_is_used_and_nothing_has_to_be_trusted(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "given.pem"
    certificate, key = Authority.create(NOW).server_certificate(["forewarn.example"], NOW)
    file.write_bytes(key + certificate.encode())
    url = "http://forewarn.example:8080"
    settings = Settings(data=tmp_path, https="0.0.0.0:8443", public_url=url, tls_certificate=file, tls_key=file)
    assert prepare_https(settings, NOW) is None
    assert settings.tls_certificate == file
    client = TestClient(make_app(settings, database))
    page = client.get("/trust?lang=en").text
    assert "https://forewarn.example:8443" in page
    assert "forewarn-ca.crt" not in page
    assert client.get("/trust/forewarn-ca.crt").status_code == 404


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    settings = Settings(data=tmp_path, https="127.0.0.1:1", tls_certificate=wrong, tls_key=wrong)
    with pytest.raises(SupervisorError) as caught:
        prepare_https(settings, NOW)
    assert str(wrong) in caught.value.message
    settings.tls_key = None
    with pytest.raises(SupervisorError) as caught:
        prepare_https(settings, NOW)
    assert "FOREWARN_TLS_KEY" in caught.value.message


def test_own_certificate_names_the_machine_and_lives_as_long_as_phones_accept(tmp_path: Path) -> None:
    own = OwnCertificate(Authority.create(NOW), tmp_path / "tls" / "server.pem", ("192.0.2.7",))
    assert own.renew(NOW)
    certificate = x509.load_pem_x509_certificate(own.file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    shown = {str(each.value) for each in names}
    host = socket.gethostname()
    assert {"localhost", "127.0.0.1", "192.0.2.7", host, f"{host.partition('.')[0]}.local"} <= shown
    assert set(machine_names()) <= shown
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=398)
    assert own.file.stat().st_mode & 0o077 == 0
    assert not own.renew(NOW + timedelta(days=200))
    assert own.renew(NOW + timedelta(days=300))
    moved = OwnCertificate(own.authority, own.file, ("192.0.2.8",))
    assert moved.renew(NOW + timedelta(days=300))


def test_new_certificate_is_shown_without_a_restart_and_a_broken_one_never(tmp_path: Path) -> None:
    own = OwnCertificate(Authority.create(NOW), tmp_path / "server.pem", ())
    own.renew(NOW)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file)
    trusting = ssl.create_default_context(cadata=own.authority.pem)

    async def serial_number(port: int) -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(shown).serial_number

    async def journey() -> tuple[int, int, int]:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        following = asyncio.create_task(follow_certificate(context, own.file, own.file, check_s=0.02))
        await asyncio.sleep(0)
        first = await serial_number(port)
        own.file.write_text("half a file")
        await asyncio.sleep(0.2)
        broken = await serial_number(port)
        own.renew(NOW)
        await asyncio.sleep(0.2)
        second = await serial_number(port)
        following.cancel()
        server.close()
        return first, broken, second

    first, broken, second = asyncio.run(journey())
    assert first == broken
    assert second == x509.load_pem_x509_certificate(own.file.read_bytes()).serial_number != first


@pytest.mark.parametrize(("arguments", "https"), [([], None), (["--lan"], f"0.0.0.0:{HTTPS_PORT}")])
def test_only_lan_brings_https(monkeypatch: pytest.MonkeyPatch, arguments: list[str], https: str | None) -> None:
    seen: list[Settings] = []

    def run(settings: Settings, _: up.Options) -> int:
        seen.append(settings)
        return 0

    for variable in [name for name in os.environ if name.startswith("FOREWARN_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr(up, "run", run)
    monkeypatch.setattr(up, "lan_address", lambda: "192.0.2.7")
    assert main(["up", *arguments]) == 0
    assert seen[0].https == https
    assert seen[0].https_url == ("https://192.0.2.7:8443" if https else None)


def test_taken_port_is_named_with_the_variable_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        variables = {"FOREWARN_HTTP": f"127.0.0.1:{free_port()}", "FOREWARN_HTTPS": f"127.0.0.1:{port}"}
        told = subprocess.run(
            [sys.executable, "-m", "gateway.main", "up", "--data", str(tmp_path)],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert told.returncode == 1
    assert re.search(rf"127\.0\.0\.1:{port} .*FOREWARN_HTTPS=", told.stderr.splitlines()[-1])
