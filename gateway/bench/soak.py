"""Full load for minutes, with the consumer's memory sampled: does it stay flat?"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

from gateway.bench.publishing import METRICS, Task, start_publishers, wait_for
from gateway.bench.servers import IngestProcesses, Servers

SAMPLES = 50
ROUND_MESSAGES = 40  # of each device in one round of publishing; the broker's queue stays short
SAMPLE_S = 1.0
WARM_SHARE = 0.2  # of the time, in which caches fill


def measure(servers: Servers, options: argparse.Namespace) -> dict[str, Any]:
    """Publish as fast as is stored for `--minutes`; return resident memory and its growth an hour."""
    devices = servers.add_devices(options.devices or 100)
    ingest = IngestProcesses(servers, options.workers)
    ingest.start()
    begun, ends = time.monotonic(), time.monotonic() + options.minutes * 60
    taken: list[tuple[float, float]] = []
    rounds = published = 0
    start_ms = time.time_ns() // 1_000_000 - 3_000_000_000
    try:
        while time.monotonic() < ends:
            task = Task(
                servers.broker_url, "forewarn-bench-soak", devices, ROUND_MESSAGES, SAMPLES, f"soak-{rounds}", start_ms
            )
            start_ms += ROUND_MESSAGES * SAMPLES * 1000
            publishers = start_publishers(task, options.publishers)
            while any(each.poll() is None for each in publishers):
                taken.append((time.monotonic() - begun, ingest.rss_mb()))
                time.sleep(SAMPLE_S)
            published += wait_for(publishers) * SAMPLES
            rounds += 1
            while _stored(servers) < published - ROUND_MESSAGES * SAMPLES * len(devices) // 2:
                taken.append((time.monotonic() - begun, ingest.rss_mb()))
                time.sleep(SAMPLE_S)
        seconds = time.monotonic() - begun
        deadline = time.monotonic() + 300
        while _stored(servers) < published and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        ingest.stop()
    warm = [each for each in taken if each[0] > seconds * WARM_SHARE] or taken
    rows, distinct = servers.query("SELECT count(*), count(DISTINCT (stream_id, measured_at)) FROM samples")[0]
    return {
        "profile": "soak",
        "minutes": round(seconds / 60, 1),
        "datapoints_per_s": round(published * len(METRICS) / seconds),
        "rss_mb_start": round(warm[0][1], 1),
        "rss_mb_median": round(statistics.median(each[1] for each in warm), 1),
        "rss_mb_max": round(max(each[1] for each in taken), 1),
        "rss_growth_mb_per_hour": round(_slope(warm) * 3600, 2),
        "lost": published - rows,
        "duplicates": rows - distinct,
        "store": servers.edition,
        "cpus": os.cpu_count(),
    }


def _stored(servers: Servers) -> int:
    return int(servers.query("SELECT coalesce(sum(stored), 0) FROM ingest_batches")[0][0])


def _slope(points: list[tuple[float, float]]) -> float:
    """Return the rise of the best line through the points, in MiB a second."""
    if len(points) < 3:
        return 0.0
    return statistics.linear_regression([each[0] for each in points], [each[1] for each in points]).slope
