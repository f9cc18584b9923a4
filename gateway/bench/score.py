"""How fast rows are scored, in memory and out of the store, and how soon a reading becomes a work order."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings

PARTS = ("memory", "store", "live")
SMALL = 100  # assets


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forewarn bench score`."""
    parser.add_argument("--assets", type=int, default=1000, help="settled assets in memory (default 1000)")
    parser.add_argument("--hours", type=float, default=12.0, help="of a row every ten seconds (default 12)")
    parser.add_argument(
        "--stored-assets", type=int, default=500, help="assets whose rows lie in the store (default 500)"
    )
    parser.add_argument("--stored-rows", type=int, default=300_000, help="how many rows these are (default 300,000)")
    parser.add_argument("--orders", type=int, default=40, help="work orders that are timed (default 40)")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="measure only these parts")


def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the figures; a row has ten values, and every detector of the service looks at it."""
    from gateway.bench import scored_live, scored_memory, scored_store
    from gateway.bench.machines import MACHINES, histories
    from gateway.bench.servers import bench_servers

    figures: dict[str, Any] = {"values_per_row": 10}
    known = histories(1 if options.assets < SMALL else MACHINES) if {"memory", "store"} & set(options.only) else []
    if "memory" in options.only:
        figures |= scored_memory.measure(known, options.assets, options.hours)
    if "store" in options.only:
        alone = settings.model_copy(update={"broker_url": "mqtt://unused"})  # no broker is needed
        with bench_servers(alone) as servers:
            figures |= scored_store.measure(servers, known, options.stored_assets, options.stored_rows)
    if "live" in options.only:
        with bench_servers(settings) as servers:
            figures |= scored_live.measure(servers, options.orders)
    load = [round(each, 2) for each in os.getloadavg()]
    return figures | {"cpus": os.cpu_count(), "load_average": load}
