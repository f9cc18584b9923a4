"""The command line: help everywhere, one clear line for each thing that is wrong, tokens and claim codes."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from assets.base.access import Role
from assets.base.db import Database
from gateway.main import NEEDS_SERVER, NEEDS_URLS, build_parser, main
from gateway.sign_in import actor_of_token
from ingest.models import Device
from tests.gateway.conftest import Plant


def commands(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and sub-command."""
    yield path
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from commands(below, (*path, name))


COMMANDS = list(commands(build_parser()))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "BROKER_URL", "HTTP", "DATA"):
        monkeypatch.delenv(f"FOREWARN_{name}", raising=False)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*path, "--help"])
    assert stopped.value.code == 0
    assert "usage: forewarn" in capsys.readouterr().out


def test_the_promised_commands_are_there() -> None:
    promised = {"up", "api", "ingest", "worker", "migrate", "doctor", "token", "device", "evaluate"}
    assert promised <= {path[0] for path in COMMANDS if path}


def test_version_and_bare_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)
    assert main([]) == 2


def test_light_install_prints_the_line_that_installs_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sqlalchemy" else real(name))
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err.strip() == NEEDS_SERVER
    assert 'pip install "forewarn[server]"' in NEEDS_SERVER


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP", "nonsense"), ("HTTP", "127.0.0.1:99999"), ("HTTP", "127.0.0.1:"), ("DATABASE_URL", "mysql://x")],
)
def test_wrong_variable_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(f"FOREWARN_{name}", value)
    assert main(["doctor"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"forewarn: FOREWARN_{name} must be ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("role", ["api", "ingest", "worker", "migrate"])
def test_role_without_urls_says_which_to_set(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([role]) == 2
    assert capsys.readouterr().err.strip() == NEEDS_URLS


@pytest.mark.parametrize(
    "command", [["token", "--role", "analyst"], ["device", "add", "--serial", "S", "--model", "M"]]
)
def test_service_that_does_not_run_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "start `forewarn up` first" in said
    assert said.count("\n") == 1


def test_database_that_does_not_answer_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOREWARN_DATABASE_URL", "postgresql://forewarn@127.0.0.1:1/none")
    assert main(["token", "--role", "analyst"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("forewarn: the database does not answer")
    assert said.count("\n") == 1


def test_token_works_with_its_role(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOREWARN_DATABASE_URL", database_url)
    assert main(["token", "--role", "analyst"]) == 0
    me = plant.client(capsys.readouterr().out.strip()).get("/api/v1/me").json()
    assert (me["roles"], me["organisation"]["name"]) == (["analyst"], "Operator")


def test_token_as_json_for_a_named_organisation(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOREWARN_DATABASE_URL", database_url)
    assert main(["token", "--role", "customer", "--org", "Customer", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["role"], said["organisation"]) == ("customer", "Customer")
    with plant.database.as_service() as session:
        actor = actor_of_token(session, said["token"])
        assert actor is not None
        assert (actor.organisation_id, set(actor.roles)) == (plant.customer.id, {Role.CUSTOMER})


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--role", "emperor"], "role is one of"), (["--role", "analyst", "--org", "Nowhere"], "no organisation named")],
)
def test_token_for_nobody_is_refused(
    plant: Plant,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("FOREWARN_DATABASE_URL", database_url)
    assert main(["token", *options]) == 2
    assert said in capsys.readouterr().err


def test_device_is_added_once_with_a_claim_code(
    plant: Plant,
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FOREWARN_DATABASE_URL", database_url)
    command = ["device", "add", "--serial", "EDGE-1", "--model", "pi", "--json"]
    assert main(command) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["serial"] == "EDGE-1"
    with database.as_service() as session:
        [device] = session.scalars(select(Device))
        assert said["claim_code"].encode() not in (device.claim_code_hash or b"")
        assert device.claim_expires_at is not None
        assert device.claim_expires_at - device.created_at >= timedelta(minutes=5)
    assert main(command) == 1
    said_again = capsys.readouterr()
    assert said_again.out == ""
    assert "EDGE-1" in said_again.err
