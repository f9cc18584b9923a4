"""System packages are installed without touching any service, or the line to type is printed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.supervise import packages
from gateway.supervise.errors import SupervisorError


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for apt-get and dpkg-query that writes down what was asked and which policy was in force."""
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "log"
    policy = tmp_path / "policy-rc.d"
    (programs / "apt-get").write_text(f'#!/bin/sh\necho "$@" >>{log}\nsh {policy}; echo "policy $?" >>{log}\n')
    (programs / "dpkg-query").write_text('#!/bin/sh\n[ "$4" = present ] && printf installed || exit 1\n')
    for name in ("systemctl", "update-rc.d"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $@" >>{log}\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(packages, "POLICY_FILE", policy)
    monkeypatch.setattr(packages, "CLUSTER_POLICY_FILE", tmp_path / "createcluster.d" / "forewarn.conf")
    return log


def test_only_what_is_missing_is_installed_and_no_service_starts(
    apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    packages.install(["present", "mosquitto"], lambda _: None)
    lines = apt.read_text().splitlines()
    assert lines[0].endswith("install -y -q --no-install-recommends mosquitto")
    assert lines[1] == "policy 101"
    assert lines[2:] == ["update-rc.d mosquitto disable", "systemctl disable mosquitto.service"]
    assert not (tmp_path / "policy-rc.d").exists()
    assert not (tmp_path / "createcluster.d" / "forewarn.conf").exists()


def test_policy_of_the_machine_stays_as_it_was(apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "policy-rc.d").write_text("#!/bin/sh\nexit 104\n")
    packages.install(["mosquitto"], lambda _: None)
    assert "policy 104" in apt.read_text()
    assert (tmp_path / "policy-rc.d").read_text() == "#!/bin/sh\nexit 104\n"


def test_nothing_is_done_when_nothing_is_missing(apt: Path) -> None:
    packages.install(["present"], lambda _: None)
    assert not apt.exists()


@pytest.mark.parametrize("sudo", [True, False])
def test_ordinary_user_gets_one_line_to_type(
    apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sudo: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if sudo:
        (tmp_path / "bin" / "sudo").write_text("#!/bin/sh\n")
        (tmp_path / "bin" / "sudo").chmod(stat.S_IRWXU)
    with pytest.raises(SupervisorError) as caught:
        packages.install(["mosquitto"], lambda _: None)
    expected = (
        "sudo apt-get update && sudo apt-get install -y mosquitto"
        if sudo
        else "su -c 'apt-get update && apt-get install -y mosquitto'"
    )
    assert caught.value.message == f"Missing: mosquitto. Type: {expected}"
    assert not apt.exists()


def test_failure_of_apt_ends_in_the_line_to_type(
    apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "bin" / "apt-get").write_text("#!/bin/sh\necho E: no network\nexit 100\n")
    with pytest.raises(SupervisorError, match="Type: apt-get update && apt-get install -y mosquitto"):
        packages.install(["mosquitto"], lambda _: None)
    assert "E: no network" in capfd.readouterr().err
    assert not (tmp_path / "policy-rc.d").exists()
