"""The doctor names what is wrong and the line that fixes it, and never breaks off."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from gateway.doctor import Check, print_checks, run_doctor
from gateway.supervise.postgres import EmbeddedPostgres

CLOSED = "127.0.0.1:1"  # nothing listens on port 1


def free_address() -> str:
    """An address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name.split(" 127")[0]: check for check in checks}


def test_healthy_service_passes_every_check(tmp_path: Path, database_url: str, broker: Any) -> None:
    checks = run_doctor(tmp_path, database_url, broker.url, free_address())
    assert [check for check in checks if not check.ok] == []
    found = by_name(checks)
    assert "plain" in found["edition"].detail
    assert "ordinary role" in found["roles"].detail
    assert "applied" in found["migrations"].detail


@pytest.mark.timescale
def test_edition_names_timescaledb_and_its_licence(tmp_path: Path, timescale_database_url: str, broker: Any) -> None:
    found = by_name(run_doctor(tmp_path, timescale_database_url, broker.url, free_address()))
    assert found["edition"].ok
    assert "TimescaleDB 2." in found["edition"].detail
    assert found["edition"].detail.endswith(("Apache edition", "Community edition"))


def test_superuser_as_application_role_fails(tmp_path: Path, cluster: EmbeddedPostgres, broker: Any) -> None:
    found = by_name(run_doctor(tmp_path, cluster.superuser_url, broker.url, free_address()))
    assert not found["roles"].ok
    assert "ALTER ROLE postgres NOSUPERUSER NOBYPASSRLS" in found["roles"].fix


def test_application_role_with_bypassrls_fails(
    tmp_path: Path, cluster: EmbeddedPostgres, database_url: str, broker: Any
) -> None:
    with psycopg.connect(cluster.superuser_url, autocommit=True) as connection:
        connection.execute("ALTER ROLE forewarn_app BYPASSRLS")
        try:
            found = by_name(run_doctor(tmp_path, database_url, broker.url, free_address()))
        finally:
            connection.execute("ALTER ROLE forewarn_app NOBYPASSRLS")
    assert not found["roles"].ok
    assert "forewarn_app" in found["roles"].detail


def test_database_that_was_never_migrated_says_so(tmp_path: Path, empty_database: str, broker: Any) -> None:
    found = by_name(run_doctor(tmp_path, empty_database, broker.url, free_address()))
    assert not found["migrations"].ok
    assert found["migrations"].fix == "Run `forewarn migrate`."


def test_unreachable_servers_name_the_variable_to_correct(tmp_path: Path) -> None:
    checks = run_doctor(tmp_path, f"postgresql://x:y@{CLOSED}/z", f"mqtt://x:y@{CLOSED}", free_address())
    found = by_name(checks)
    assert "FOREWARN_DATABASE_URL" in found["database"].fix
    assert "FOREWARN_BROKER_URL" in found["broker"].fix
    assert "y@" not in found["database"].detail  # no password in what people paste into tickets


def test_wrong_broker_password_is_told_apart_from_an_absent_broker(
    tmp_path: Path, empty_database: str, broker: Any
) -> None:
    url = broker.url.replace("mqtt://forewarn-service:", "mqtt://forewarn-service:x")
    found = by_name(run_doctor(tmp_path, empty_database, url, free_address()))
    assert not found["broker"].ok
    assert "wrong password" in found["broker"].detail or "refused" in found["broker"].detail


def test_machine_before_its_first_run_is_no_failure(tmp_path: Path) -> None:
    checks = run_doctor(tmp_path / "never", None, None, free_address())
    assert [check for check in checks if not check.ok] == []
    assert "embedded, not running" in by_name(checks)["database"].detail
    assert not (tmp_path / "never").exists()


def test_port_used_by_something_else_fails_and_by_us_passes(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(self.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"127.0.0.1:{server.server_port}"
        assert by_name(run_doctor(tmp_path, None, None, address))["http"].detail == "answered by Forewarn"
        Handler.status = 404
        assert "FOREWARN_HTTP" in by_name(run_doctor(tmp_path, None, None, address))["http"].fix
    finally:
        server.shutdown()
        server.server_close()
    assert not by_name(run_doctor(tmp_path, None, None, "nonsense"))["http nonsense"].ok


@pytest.mark.parametrize("as_json", [True, False])
def test_failures_are_printed_with_their_fix(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    print_checks([Check("disk", False, "full", "Free some.")], as_json=as_json)
    printed = capsys.readouterr().out
    if as_json:
        assert json.loads(printed) == {
            "ok": False,
            "checks": [{"name": "disk", "ok": False, "detail": "full", "fix": "Free some."}],
        }
    else:
        assert printed.splitlines() == ["FAIL disk: full", "     -> Free some."]
