"""How fast the planned work of a whole fleet is made ahead for a year, beside COPY of its rows and the bare rules."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forewarn bench plan`."""
    parser.add_argument("--assets", type=int, default=100_000, help="machines, with three plans each (default 100,000)")
    parser.add_argument(
        "--growth", default="1000,10000", help="also so many machines each, for the table (default 1000,10000; '' none)"
    )
    parser.add_argument("--processes", type=int, default=2, help="that make occurrences at once (default 2)")


def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the figures of the largest fleet, those of smaller ones under `growth`.

    A plan here is one plan of one machine, of which each has three: two that go by its model, and one of its own.
    """
    from gateway.bench.plan_run import measure
    from gateway.bench.servers import bench_servers

    sizes = [int(each) for each in options.growth.split(",") if each.strip()]
    measured: dict[str, dict[str, Any]] = {}
    for machines in [*sizes, options.assets]:
        with bench_servers(settings) as servers:
            measured[str(machines)] = measure(servers, max(10, machines), max(1, options.processes))
    last = measured.pop(str(options.assets))
    return last | {"growth": measured}
