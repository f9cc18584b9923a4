"""How fast a year of one metric is read out of many readings, beside a scan of the raw rows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings

ROWS = 10_000_000
QUERIES = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forewarn bench query`."""
    parser.add_argument(
        "--rows", type=int, default=ROWS, help=f"values in the table, spread over a year (default {ROWS:,})"
    )
    parser.add_argument("--queries", type=int, default=QUERIES, help=f"how many are measured (default {QUERIES})")


def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the figures; those called `half_…` are of the same queries when the table held half of the rows."""
    from gateway.bench.servers import bench_servers
    from gateway.bench.year import measure

    alone = settings.model_copy(update={"broker_url": "mqtt://unused"})  # no broker is needed
    with bench_servers(alone) as servers:
        return measure(servers, options.rows, options.queries)
