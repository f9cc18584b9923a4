"""A fleet comes back after an outage: live readings must not wait behind what was kept meanwhile."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

from gateway.bench.fleet import FleetTask
from gateway.bench.publishing import METRICS
from gateway.bench.servers import IngestProcesses, Servers

DEVICES = 200
WAIT_S = 3600.0


def measure(servers: Servers, options: argparse.Namespace) -> dict[str, Any]:
    """Return how long the backlog took and how late live readings were stored meanwhile.

    Every device measures ten values a second. It sends what it kept in batches of up to 500 samples, two of them
    unacknowledged at most, beside its live batches, as our agent does.
    """
    devices = servers.add_devices(options.devices or DEVICES)
    ingest = IngestProcesses(servers, options.workers)
    ingest.start()
    kept = max(1, round(options.hours * 3600))
    fleets = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gateway.bench.fleet",
                json.dumps(asdict(FleetTask(servers.broker_url, f"fleet-{number}", devices[number::2], kept))),
            ],
            stdout=subprocess.PIPE,
        )
        for number in range(2)
    ]
    peak_mb = 0.0
    deadline = time.monotonic() + WAIT_S
    try:
        while any(each.poll() is None for each in fleets) and time.monotonic() < deadline:
            peak_mb = max(peak_mb, ingest.rss_mb())
            time.sleep(0.5)
        results = [json.loads(each.communicate()[0]) for each in fleets]
    finally:
        for each in fleets:
            each.kill()
            each.wait()
        ingest.stop()
    live, backlog = sum(each["live"] for each in results), sum(each["backlog"] for each in results)
    seconds = max(each["seconds"] for each in results)
    stored = dict(servers.query("SELECT lane, sum(stored)::bigint FROM ingest_batches GROUP BY lane"))
    p50, p99 = servers.query(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s), percentile_cont(0.99) WITHIN GROUP (ORDER BY s)"
        " FROM (SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - t_max) AS s FROM ingest_batches"
        " WHERE lane = 'live' AND seq > 0) AS each"
    )[0]
    rate = backlog * len(METRICS) / seconds
    return {
        "profile": "backlog",
        "devices": len(devices),
        "hours_away": options.hours,
        "backlog_samples": backlog,
        "seconds": round(seconds, 1),
        "backlog_datapoints_per_s": round(rate),
        "minutes_for_24_hours": round(len(devices) * 86_400 * len(METRICS) / rate / 60, 1),
        "live_samples": live,
        "live_p50_publish_to_row_s": round(float(p50), 3),
        "live_p99_publish_to_row_s": round(float(p99), 3),
        "lost": live + len(devices) + backlog - sum(stored.values()),
        "consumer_rss_mb": round(peak_mb, 1),
        "store": servers.edition,
        "cpus": os.cpu_count(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }
