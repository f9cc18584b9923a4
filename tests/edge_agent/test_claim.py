"""Claiming: the identity ends in a private file, and each refusal says what to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_agent.claim import ClaimFailed, claim
from edge_agent.config import read_config
from edge_agent.main import main

IDENTITY = {
    "serial": "EDGE-1",
    "model": "computer",
    "broker": "mqtt://127.0.0.1:1883",
    "username": "EDGE-1",
    "password": "p",
    "http": "http://127.0.0.1:8080",
}
Answer = Callable[[int, Any], str]


@pytest.fixture
def answering() -> Iterator[Answer]:
    servers: list[HTTPServer] = []

    def begin(code: int, body: Any) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                ok = self.path == "/api/v1/devices/claim" and question["code"] == "ABCD-1234" and question["hostname"]
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(code if ok else 500)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def test_claim_writes_a_private_configuration_that_runs(
    answering: Answer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "edge" / "config.toml"
    arguments = ["claim", "ABCD-1234", "--server", answering(200, IDENTITY), "--config", str(file)]
    assert main(arguments) == 0
    assert f"forewarn-edge run --config {file}" in capsys.readouterr().out
    config = read_config(file)
    assert (config.serial, config.password, config.sensors[0].driver) == ("EDGE-1", "p", "host")
    assert file.stat().st_mode & 0o777 == 0o600
    assert main(arguments) == 1
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (404, {"title": "Not found", "detail": "code used"}, r"does not accept this claim code \(code used\)"),
        (410, b"", "does not accept this claim code"),
        (429, {}, "try again in a minute"),
        (500, {}, "look at the server's log"),
        (200, b"<html>", "did not answer with JSON"),
        (200, [1], "did not answer with an object"),
        (200, {**IDENTITY, "password": ""}, "without password"),
        (200, {**IDENTITY, "serial": "a/b"}, "MQTT topics cannot carry"),
        (200, {**IDENTITY, "broker": "nonsense"}, "broker address that cannot be used"),
    ],
)
def test_each_refusal_is_named(answering: Answer, code: int, body: Any, words: str) -> None:
    with pytest.raises(ClaimFailed, match=words):
        claim(answering(code, body), "ABCD-1234")


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("http://127.0.0.1:1", "cannot be reached"),
        ("ftp://example", "no server address"),
        ("nonsense", "no server address"),
    ],
)
def test_server_that_is_not_there_is_named(server: str, words: str) -> None:
    with pytest.raises(ClaimFailed, match=words):
        claim(server, "ABCD-1234")


def test_help_is_there_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("claim", "run", "replay", "status", "doctor", "test-driver"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert "--config" in capsys.readouterr().out
