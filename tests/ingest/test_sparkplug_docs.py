"""The page that lists the specification's assertions tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sparkplug.md").read_text()
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (\w+: `.*)\|$", re.MULTILINE)
HELD_BY = re.compile(r"(\w+): `(\w+)`")


def test_every_assertion_on_the_page_is_named_by_the_test_that_holds_it() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) > 80
    for assertion, tests in rows:
        for file, name in HELD_BY.findall(tests):
            source = (ROOT / "tests" / "ingest" / f"test_sparkplug_{file}.py").read_text()
            begin = source.index(f"def {name}(")
            assert re.search(rf"tck-id-{assertion}$", source[begin : begin + 4000], re.MULTILINE), (assertion, name)


def test_every_assertion_that_a_test_names_is_on_the_page() -> None:
    listed = {assertion for assertion, _ in ROW.findall(PAGE)}
    for file in ("host", "session", "payload"):
        source = (ROOT / "tests" / "ingest" / f"test_sparkplug_{file}.py").read_text()
        assert set(re.findall(r"^ +tck-id-([a-z0-9-]+)$", source, re.MULTILINE)) <= listed
