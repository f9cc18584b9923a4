"""The table of traps and the tests that state them belong together."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
COUNT = 42


def test_every_trap_has_a_test_with_its_number_or_a_reason() -> None:
    table = (ROOT / "docs" / "traps.md").read_text()
    rows = {int(number): text for number, text in re.findall(r"(?m)^\| (\d+) \|(.*)$", table)}
    tests = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"(?m)^def (test_\w+)", file.read_text())
    }
    assert sorted(rows) == list(range(1, COUNT + 1))
    for number, text in rows.items():
        named = [name for name in re.findall(r"\btest_\w+", text) if not name.endswith("_py")]
        named = [name for name in named if f"{name}.py" not in text]
        assert all(name in tests for name in named), f"{number}: {set(named) - tests} are nowhere"
        assert "Reason:" in text or any(f"trap_{number:02}_" in name for name in named), f"trap {number}"
