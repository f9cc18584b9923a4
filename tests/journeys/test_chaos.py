"""Everything is broken at random for three minutes and rows equal samples; and the check can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.chaos.agent import Account
from gateway.chaos.plan import KINDS, make_plan
from gateway.chaos.run import Options, run_chaos

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]

# An ingest whose database takes only every second group: it acknowledges the others all the same.
FORGETFUL = """
import itertools
from ingest.messages import Receipt
from ingest.writer import Writer
_write, _groups = Writer.write, itertools.count()
def write(self, connection, group):
    if next(_groups) % 2:
        return _write(self, connection, group)
    return [Receipt(each.serial, each.decoded.boot, each.decoded.seq) for each in group if each.decoded.boot]
Writer.write = write
from gateway.main import main
main(["ingest"])
"""


def test_plan_is_the_same_for_the_same_seed_and_breaks_each_kind_before_any_twice() -> None:
    plan = make_plan(5, 30, agents=4, workers=2)
    assert plan == make_plan(5, 30, agents=4, workers=2)
    assert plan != make_plan(6, 30, agents=4, workers=2)
    assert {each.kind for each in plan} == set(KINDS)
    assert len({each.kind for each in plan[: len(KINDS)]}) == len(KINDS)
    assert max(each.ends_s for each in plan) < 30 * 60


def test_account_tells_what_was_kept_from_what_is_in_doubt() -> None:
    account = Account()
    for line in (
        b'{"storing":[{"t":1,"values":{"count":7}},{"t":2,"values":{"count":8}}]}\n',
        b'{"boot":"b","first":40,"n":2}\n',
        b'{"storing":[{"t":3,"values":{"count":9}}]}\n',
        b'{"boot":"b","fir',  # torn by the kill
    ):
        account.read(line)
    account.end_run()
    assert account.kept == {7: ("b", 40), 8: ("b", 41)}
    assert account.undecided == {9}


def test_service_that_acknowledges_what_it_has_not_committed_is_found_out() -> None:
    command = (sys.executable, "-c", FORGETFUL)
    options = Options(0.4, seed=3, agents=1, workers=1, kinds=("ingest_killed",), ingest_command=command)
    report = run_chaos(options)
    assert not report["ok"]
    assert report["lost"] > 0
    assert report["lost"] == report["kept"] - report["rows"]
    assert report["devices"][0]["examples"]


def test_three_minutes_of_chaos_lose_nothing_and_double_nothing() -> None:
    command = [sys.executable, "-m", "gateway.main", "chaos", "--minutes", "3", "--seed", "20261122", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True), json.dumps(report["devices"])
    assert (report["lost"], report["duplicates"], report["unexpected"]) == (0, 0, 0)
    assert {fault["kind"] for fault in report["faults"]} == set(KINDS), "each kind of fault was there"
    assert all(fault["ended_s"] is not None for fault in report["faults"])
    assert min(device["kept"] for device in report["devices"]) > 500
