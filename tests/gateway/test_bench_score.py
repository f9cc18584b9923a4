"""The scoring benchmark at a small scale: every figure is there, every fault is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest


def bench(*options: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    command = [sys.executable, "-m", "gateway.main", "bench", "score", "--json", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.journey
def test_bench_scores_rows_in_memory_and_out_of_the_store() -> None:
    figures = bench(
        "--only",
        "memory",
        "store",
        "--assets",
        "50",
        "--hours",
        "0.3",
        "--stored-assets",
        "20",
        "--stored-rows",
        "2000",
    )
    assert figures["assets"] == figures["settled_assets"][0] == 50
    assert figures["findings"] >= 1
    for name in ("rows_per_s", "ceiling_rows_per_s", "bytes_per_asset", "cores_for_100000_assets_a_row_a_minute"):
        assert figures[name] > 0, name
    assert figures["stored_rows"] == 2000
    assert figures["faulty_assets_found"] == figures["faulty_assets"] == 1
    assert figures["store_to_findings_rows_per_s"] > 0
