"""How fast waiting messages become rows, beside COPY into the same table and a bare consumer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings

PROFILES = ("batched", "unbatched", "backlog", "soak")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forewarn bench ingest`."""
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default="batched",
        help="batched: 50 samples a message; unbatched: one; backlog: a fleet back after an outage;"
        " soak: full load for --minutes, memory sampled",
    )
    parser.add_argument("--messages", type=int, help="how many wait at the broker (default 6000 or 60000)")
    parser.add_argument("--devices", type=int, help="default 100; backlog 200")
    parser.add_argument("--publishers", type=int, default=2, help="processes that publish (default 2)")
    parser.add_argument("--workers", type=int, default=1, help="ingest processes (default 1)")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long half load lasts (default 15)")
    parser.add_argument("--minutes", type=float, default=10.0, help="soak: how long (default 10)")
    parser.add_argument(
        "--hours", type=float, default=24.0, help="backlog: how long the devices were away (default 24)"
    )


def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the figures."""
    from gateway.bench import backlog, drain, soak
    from gateway.bench.servers import bench_servers

    with bench_servers(settings) as servers:
        if options.profile == "backlog":
            return backlog.measure(servers, options)
        if options.profile == "soak":
            return soak.measure(servers, options)
        return drain.measure(servers, options)
