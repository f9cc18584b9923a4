"""The page that lists the specification's assertions tells the truth."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from tests.ingest.sparkplug_assertions import PREFIX

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sparkplug.md").read_text()
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (\w+: `.*)\|$", re.MULTILINE)
HELD_BY = re.compile(r"(\w+): `(\w+)`")
FILES = ("assertions", "host", "session", "payload")


def _held() -> set[tuple[str, str, str]]:
    """(assertion, file, test) of every test that has an assertion's id in its name."""
    found = set()
    for file in FILES:
        module = importlib.import_module(f"tests.ingest.test_sparkplug_{file}")
        for name, test in vars(module).items():
            for mark in getattr(test, "pytestmark", []) if name.startswith("test_") else []:
                if mark.name == "parametrize" and mark.args[0] == "assertion":
                    found |= {(each.removeprefix(PREFIX), file, name) for each in mark.args[1]}
    return found


def test_the_page_lists_exactly_the_assertions_that_tests_name_and_which_test_holds_each() -> None:
    listed = {
        (assertion, file, name) for assertion, tests in ROW.findall(PAGE) for file, name in HELD_BY.findall(tests)
    }
    assert listed == _held()


def test_every_assertion_stands_in_the_name_of_a_test() -> None:
    assert len({assertion for assertion, _, _ in _held()}) >= 81
