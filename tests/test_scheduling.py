"""The groups in which several workers run the tests are those that share something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scheduling import _LONGEST, DEMO, QUIET, group_of

ROOT = Path(__file__).resolve().parents[1]


def test_what_shares_the_demo_or_timescaledb_is_one_group(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        if "demo" in getattr(item, "fixturenames", ()):
            assert group_of(item.nodeid) == "demo", f"{item.nodeid}: let its first argument be `service: Running`"
        if item.get_closest_marker("timescale"):
            assert group_of(item.nodeid) == "timescale", item.nodeid


def test_groups_are_named_after_files_that_are_there() -> None:
    for name in (*DEMO, *_LONGEST, *QUIET):
        assert name in ("demo", "timescale") or (ROOT / name).is_file(), name
    assert group_of("tests/ingest/test_store.py::test_a[timescaledb-1]") == "timescale"
    assert group_of("tests/ingest/test_store.py::test_a[postgresql-1]") == "tests/ingest/test_store.py"
