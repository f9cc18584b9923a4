"""The wheel holds the seven rooms and the built pages, nothing else; pages are rebuilt only when sources change."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {"gateway", "ml", "ingest", "maintenance", "ticketing", "assets", "edge_agent"}


@pytest.fixture
def hook() -> ModuleType:
    """The build hook as a module."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def web(tmp_path: Path, hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A small front end, and the list of npm commands run for it."""
    folder = tmp_path / "gateway" / "web"
    (folder / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "src/main.ts"):
        (folder / name).write_text("{}")
    commands: list[str] = []

    def npm(where: Path, *arguments: str) -> None:
        commands.append(" ".join(arguments[:2]))
        (where / ("node_modules" if arguments[0] == "ci" else "dist")).mkdir(exist_ok=True)

    monkeypatch.setattr(hook, "_npm", npm)
    return folder, commands


def test_pages_are_built_once_and_again_after_a_change(hook: ModuleType, web: tuple[Path, list[str]]) -> None:
    folder, commands = web
    root = folder.parents[1]
    hook.build_pages(root)
    hook.build_pages(root)
    assert [command.split()[0] for command in commands] == ["ci", "run"]
    (folder / "src" / "main.ts").write_text("changed")
    hook.build_pages(root)
    assert [command.split()[0] for command in commands] == ["ci", "run", "run"]
    (folder / "package-lock.json").write_text("changed")
    hook.build_pages(root)
    assert [command.split()[0] for command in commands] == ["ci", "run", "run", "ci", "run"]


def test_failed_build_is_tried_again(
    hook: ModuleType, web: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, commands = web
    good = hook._npm

    def bad(*_: Any) -> None:
        raise hook.PagesFailed("no")

    monkeypatch.setattr(hook, "_npm", bad)
    with pytest.raises(hook.PagesFailed):
        hook.build_pages(folder.parents[1])
    monkeypatch.setattr(hook, "_npm", good)
    hook.build_pages(folder.parents[1])
    assert len(commands) == 2


def test_wheel_holds_exactly_the_seven_rooms_and_the_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=280)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == ROOMS
    assert not [name for name in names if "node_modules" in name or name.startswith("gateway/web/src")]
    assert any(name.startswith("gateway/migrations/versions/") for name in names)
    if (ROOT / "gateway" / "web" / "package.json").exists():
        assert any(name.startswith("gateway/web/dist/") and name.endswith(".html") for name in names)
        web = {name for name in names if name.startswith("gateway/web/")}
        assert {name for name in web if not name.startswith("gateway/web/dist/")} <= {"gateway/web/__init__.py"}


def test_two_commands_are_enough() -> None:
    """`make run` and `make test` set up by themselves; continuous integration runs what everybody runs."""
    environment = {"PATH": os.environ["PATH"]}  # without what a `make test` around us hands down

    def plan(*arguments: str) -> list[str]:
        done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
        return [line.strip() for line in done.stdout.splitlines()]

    assert plan("run", "ARGS=--lan") == ["deploy/setup.sh run", "exec .venv/bin/forewarn up --demo --lan"]
    assert plan("test") == ["deploy/setup.sh test", "exec .venv/bin/pytest -n 3 --dist loadgroup"]
    ci = (ROOT / ".ci" / "run").read_text()
    assert "make check" in ci
    assert "make test" in ci
