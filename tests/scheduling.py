"""What runs beside what with several workers: tests that share something expensive stay together, the longest begin.

By the ids of tests alone: marks of groups reach xdist only with some versions of pytest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).resolve().parents[1]
_ASKS_FOR_DEMO = re.compile(r"^def \w+\(\s*service: Running", re.MULTILINE)
# The tests of these files share the running demo. It is one at a time, and it ends with the last of them.
DEMO = tuple(
    file.relative_to(_ROOT).as_posix()
    for file in sorted((_ROOT / "tests" / "journeys").glob("test_*.py"))
    if _ASKS_FOR_DEMO.search(file.read_text()) and "plain_service" not in file.read_text()
)
# What holds the service to seconds comes last and alone: beside other tests it would time those.
QUIET = ("tests/journeys/test_https.py", "tests/journeys/test_start_and_stop.py")
# Groups that take longest, the longest first: no worker is left alone with one at the end.
_LONGEST = (
    "demo",
    "tests/journeys/test_chaos.py",
    "timescale",
    "tests/journeys/test_field_offline.py",
    "tests/gateway/test_bench_ingest.py",
    "tests/gateway/test_identity.py",
    "tests/ml/test_learning.py",
    "tests/ingest/test_sparkplug_host.py",
    "tests/ml/test_replay.py",
    "tests/ml/test_evaluation.py",
    "tests/ingest/test_bad_input.py",
    "tests/ingest/test_store.py",
    "tests/ingest/test_workers.py",
    "tests/journeys/test_kill_anything.py",
    "tests/ingest/test_traps.py",
    "tests/gateway/test_clock.py",
    "tests/gateway/test_reading_isolation.py",
    "tests/journeys/test_storm.py",
    "tests/ingest/test_rollups.py",
)
_LONG = "tests/ml/"  # of what is not listed, these take longest


def group_of(test: str) -> str:
    """Return the group of a test by its id: its file, unless it shares more."""
    file = test.partition("::")[0]
    if file in DEMO:
        return "demo"
    if file in QUIET:
        return "quiet"
    return "timescale" if "timescaledb" in test else file


def place_of(test: str) -> int:
    """Return the place of a test's group in the order of beginning."""
    group = group_of(test)
    if group in _LONGEST:
        return _LONGEST.index(group)
    if group == "quiet":
        return len(_LONGEST) + 2
    return len(_LONGEST) + (not group.startswith(_LONG))


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives whole groups to workers, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _reschedule(self, node: Any) -> None:
        others = [other for other in self.assigned_work if other is not node and not other.shutting_down]
        if list(self.workqueue) == ["quiet"] and others:
            node.shutdown()  # it finishes what it has; the last worker that works takes what wants to be alone
            return
        super()._reschedule(node)


def make_scheduler(config: pytest.Config, log: Callable[..., None]) -> GroupScheduling:
    """Return the scheduler; xdist itself would begin with the groups of most tests."""
    config.option.loadscopereorder = False
    return GroupScheduling(config, log)
