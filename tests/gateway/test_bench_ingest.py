"""The ingest benchmarks at a small scale: every figure is there, nothing is lost, memory stays bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import busy

MOST_RSS_MB = 350.0  # of one consumer: code and libraries 110, the queue of what was read at most 64, one group in work


def bench(*options: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREWARN_")}
    command = [sys.executable, "-m", "gateway.main", "bench", "ingest", "--json", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.journey
def test_bench_reports_every_figure_beside_its_ceiling_and_loses_nothing() -> None:
    figures = bench("--profile", "batched", "--messages", "400", "--devices", "20", "--seconds", "2")
    assert figures["profile"] == "batched"
    assert (figures["lost"], figures["duplicates"], figures["half_load_lost"]) == (0, 0, 0)
    for name in (
        "messages_per_s",
        "datapoints_per_s",
        "copy_ceiling_datapoints_per_s",
        "ratio_to_copy",
        "client_ceiling_messages_per_s",
        "ratio_to_client",
        "p99_publish_to_row_s",
        "consumer_cpu_s_per_million",
        "database_cpu_s_per_million",
        "bytes_per_datapoint",
    ):
        assert figures[name] > 0, name
    assert "PostgreSQL" in figures["store"]
    assert figures["datapoints_per_s"] > 20_000, "a machine ten times busier than ours"


@pytest.mark.journey
def test_fleet_back_after_an_outage_is_stored_while_live_readings_go_first() -> None:
    figures = bench("--profile", "backlog", "--devices", "40", "--hours", "0.25")
    assert figures["lost"] == 0
    assert figures["backlog_samples"] == 40 * 900
    assert figures["live_p99_publish_to_row_s"] < 2.0 * busy()
    assert figures["minutes_for_24_hours"] < 30 * busy()
    assert figures["consumer_rss_mb"] < MOST_RSS_MB


@pytest.mark.journey
def test_memory_stays_bounded_at_full_load() -> None:
    figures = bench("--profile", "soak", "--minutes", "0.2", "--devices", "40")
    assert (figures["lost"], figures["duplicates"]) == (0, 0)
    assert figures["rss_mb_max"] < MOST_RSS_MB
