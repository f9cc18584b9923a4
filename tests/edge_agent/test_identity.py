"""The identity on the device: whole after a power cut at any step, made without help, independent of its clock."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_agent import identity, keys
from edge_agent.asking import AskFailed, post
from edge_agent.claim import ClaimFailed, claim, split_code
from edge_agent.config import read_config
from edge_agent.identity import CURRENT, PENDING, Facts, IdentityUnusable, install, pending_request, read_facts
from edge_agent.link import BrokerAddress, Link, LinkFailed
from edge_agent.main import main
from edge_agent.tls import fingerprint
from gateway.ca import Authority
from gateway.supervise.broker_tls import BrokerTls, listener_lines
from ingest.signing_requests import read_request
from tests.edge_agent.conftest import free_port, wait_for

NOW = datetime.now(UTC)
FACTS = Facts("P-100", 4_102_444_800_000, 4_000_000_000_000)


class PowerCut(BaseException):
    """Nothing after this line has happened."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


def sign(authority: Authority, csr: str, serial: str = "P-100") -> str:
    return authority.issue(read_request(csr).public_key, serial, NOW, NOW + timedelta(days=9)).pem


def make_identity(folder: Path, authority: Authority) -> Path:
    file = install(folder, sign(authority, pending_request(folder)), FACTS, authority.pem)
    (folder / PENDING).unlink()
    return file


def works(file: Path) -> bool:
    """True when key and certificate in the file belong together."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(file)
    return read_facts(file) is not None


def test_power_cut_at_any_step_of_a_renewal_leaves_a_working_identity(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    original = {name: getattr(os, name) for name in ("open", "fsync")}
    replace = Path.replace

    def counted(name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal steps
            steps -= 1
            if steps == 0:
                raise PowerCut(name)
            return original[name](*arguments, **more)

        return call

    def renamed(self: Path, target: Any) -> Any:
        nonlocal steps
        steps -= 1
        if steps == 0:
            raise PowerCut("rename")
        return replace(self, target)

    cuts = 0
    for cut_at in range(1, 60):
        folder = tmp_path / str(cut_at)
        folder.mkdir()
        before = make_identity(folder, authority).read_bytes()
        steps = cut_at
        with monkeypatch.context() as patch:
            patch.setattr(identity.os, "open", counted("open"))
            patch.setattr(identity.os, "fsync", counted("fsync"))
            patch.setattr(Path, "replace", renamed)
            try:
                certificate = sign(authority, pending_request(folder))
                install(folder, certificate, FACTS)
            except PowerCut:
                cuts += 1
        assert works(folder / CURRENT)
        if steps > 0:  # nothing was cut any more
            break
        # Switched on again: the same steps lead to the new identity.
        certificate = sign(authority, pending_request(folder))
        install(folder, certificate, FACTS)
        assert works(folder / CURRENT)
        assert (folder / CURRENT).read_bytes() != before
    assert cuts >= 10


def test_repeated_request_is_for_the_same_key(tmp_path: Path) -> None:
    first, second = (read_request(pending_request(tmp_path)) for _ in range(2))
    assert first == second
    assert (tmp_path / PENDING).stat().st_mode & 0o777 == 0o600


def test_certificate_for_another_key_is_not_installed(tmp_path: Path, authority: Authority) -> None:
    before = make_identity(tmp_path, authority).read_bytes()
    (other := tmp_path / "other").mkdir()
    pending_request(tmp_path)
    with pytest.raises(IdentityUnusable, match="does not fit"):
        install(tmp_path, sign(authority, pending_request(other)), FACTS)
    assert (tmp_path / CURRENT).read_bytes() == before


@pytest.mark.parametrize("tool", ["openssl", "cryptography"])
def test_either_tool_makes_keys_that_the_server_takes(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    if tool == "cryptography":
        monkeypatch.setattr(keys.shutil, "which", lambda _: None)
    file = make_identity(tmp_path, authority)
    assert works(file)
    from ingest.signing_requests import is_signed_by

    public = read_request(keys.make_request(file)).public_key
    assert is_signed_by(public, keys.sign(file, b"text"), b"text")


def test_without_any_tool_it_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys.shutil, "which", lambda _: None)
    monkeypatch.setattr(keys.importlib.util, "find_spec", lambda _: None)
    assert not keys.can_make_keys()
    with pytest.raises(ClaimFailed, match=r"apt-get install openssl.*--password-mode"):
        claim("http://127.0.0.1:1", "CODE", folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "server", "found"),
    [
        ("ABCD", "http://x", ("ABCD", "http://x")),
        ("https://x:8443/claim/ABCD", None, ("ABCD", "https://x:8443")),
        ("https://x/claim/ABCD", "http://y", ("ABCD", "http://y")),
    ],
)
def test_scanned_label_holds_server_and_code(text: str, server: str | None, found: tuple[str, str]) -> None:
    assert split_code(text, server) == found
    for wrong in ("https://x/ABCD", "https://x/claim/"):
        with pytest.raises(ClaimFailed):
            split_code(wrong, None)
    with pytest.raises(ClaimFailed, match="--server"):
        split_code("ABCD", None)


class Claims:
    """A server that answers claims with certificates, and may lose its answer."""

    def __init__(self, authority: Authority) -> None:
        self.authority, self.keys, self.lose = authority, [], 0
        self.broker = "mqtts://127.0.0.1:8883"
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.keys.append(read_request(question["csr"]).public_key)
                if owner.lose:
                    owner.lose -= 1
                    self.connection.close()
                    return
                body = {
                    "serial": "P-100",
                    "model": "pump",
                    "mode": "certificate",
                    "broker": owner.broker,
                    "username": "P-100",
                    "password": None,
                    "certificate": sign(owner.authority, question["csr"]),
                    "ca": owner.authority.pem,
                    "not_after": "2099-01-01T00:00:00Z",
                    "renew_at": "2098-01-01T00:00:00Z",
                    "http": "http://127.0.0.1:8080",
                }
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def claims(authority: Authority) -> Iterator[Claims]:
    made = Claims(authority)
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_claim_whose_answer_is_lost_is_repeated_with_the_same_key(
    claims: Claims, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "edge" / "config.toml"
    arguments = ["claim", "ABCD", "--server", claims.url, "--config", str(file), "--json"]
    claims.lose = 1
    assert main(arguments) == 1
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["mode"] == "certificate"
    assert claims.keys[0] == claims.keys[1]
    config = read_config(file)
    assert config.password == ""
    assert config.identity_file is not None
    assert works(Path(config.identity_file))
    assert not (file.parent / PENDING).exists()
    assert {each.stat().st_mode & 0o077 for each in file.parent.iterdir()} == {0}


def test_other_authority_than_the_expected_one_is_refused(
    claims: Claims, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    arguments = ["claim", "ABCD", "--server", claims.url, "--config", str(file), "--ca-sha256"]
    assert main([*arguments, "00" * 32]) == 1
    assert "somebody may stand between" in capsys.readouterr().err
    assert not file.exists()
    assert main([*arguments, claims.authority.fingerprint]) == 0


def test_certificate_for_a_broker_without_tls_is_refused(claims: Claims, tmp_path: Path) -> None:
    claims.broker = "mqtt://127.0.0.1:1883"
    with pytest.raises(ClaimFailed, match="without TLS"):
        claim(claims.url, "ABCD", folder=tmp_path)


# --- the clock ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path("/tmp") / f"forewarn-tls-{os.getpid()}-{free_port()}"
    made.mkdir(mode=0o755)
    yield made
    shutil.rmtree(made)


def start_broker(folder: Path, tls: BrokerTls, at: datetime) -> tuple[subprocess.Popen[bytes], int]:
    """Run Mosquitto with a server certificate made at some time."""

    def write(name: str, text: str) -> None:
        (folder / name).write_text(text)

    tls.prepare(folder, write, at)
    port = free_port()
    lines = ["allow_anonymous false", "user root", *listener_lines(str(folder), port, "127.0.0.1")]
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen(["mosquitto", "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)

    def answers() -> bool:
        import socket

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(answers)
    return process, port


@pytest.mark.parametrize("names", [["127.0.0.1"], ["elsewhere.example"]])
def test_dates_alone_do_not_keep_a_device_with_a_wrong_clock_out_but_the_name_counts(
    folder: Path, authority: Authority, names: list[str]
) -> None:
    """A certificate that expired long ago by our clock: what a device in 2036 sees of one that is valid today."""
    identity_file = make_identity(folder, authority)
    process, port = start_broker(folder, BrokerTls(authority, names, port=1), NOW - timedelta(days=3000))
    link: Link | None = None
    try:
        address = BrokerAddress("127.0.0.1", port, "", "", True, str(folder / "ca.pem"), str(identity_file))
        link = Link(address, "P-100", None, 30, 0, takes_messages=False)
        if names == ["127.0.0.1"]:
            link.open(lambda: True)
            assert link.clock_is_off
            assert link.certificate == fingerprint(identity_file.read_text())
            assert link.host["address"] == "127.0.0.1"
        else:
            with pytest.raises(LinkFailed, match="cannot be trusted"):
                link.open(lambda: True)
    finally:
        if link is not None:
            link.close()
        process.terminate()
        process.wait(60)


def test_refused_certificate_is_named_as_such(folder: Path, authority: Authority) -> None:
    other = Authority.create(NOW)
    (strange := folder / "strange").mkdir()
    identity_file = make_identity(strange, other)
    process, port = start_broker(folder, BrokerTls(authority, ["127.0.0.1"], port=1), NOW)
    try:
        address = BrokerAddress("127.0.0.1", port, "", "", True, str(folder / "ca.crt"), str(identity_file))
        link = Link(address, "P-100", None, 30, 0, takes_messages=False)
        with pytest.raises(LinkFailed) as refused:
            link.open(lambda: True)
        assert refused.value.problem.code == "certificate_refused", (refused.value.problem.text, link._alert)
        assert refused.value.is_refusal
    finally:
        process.terminate()
        process.wait(60)


def test_identity_file_that_is_gone_is_named(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "ca.pem").write_text(authority.pem)
    address = BrokerAddress("127.0.0.1", 1, "", "", True, str(tmp_path / "ca.pem"), str(tmp_path / "none.pem"))
    with pytest.raises(LinkFailed, match=r"claim .*the device again"):
        Link(address, "P-100", None, 30, 0)


def test_failed_question_is_one_sentence() -> None:
    with pytest.raises(AskFailed, match="cannot be reached"):
        post(f"http://127.0.0.1:{free_port()}/x", {}, None)
