"""How fast the desk and the phones are answered while everybody works at once, beside a route that does nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forewarn bench load`."""
    parser.add_argument("--dispatchers", type=int, default=50, help="an action every 5 s each (default 50)")
    parser.add_argument("--phones", type=int, default=500, help="an action every 30 s each (default 500)")
    parser.add_argument(
        "--orders", type=int, default=100_000, help="orders and cases in the database (default 100,000)"
    )
    parser.add_argument("--assets", type=int, default=20_000, help="machines in the database (default 20,000)")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long it is measured (default 90)")
    parser.add_argument("--warm-up", type=float, default=30.0, help="how long before that (default 30)")
    parser.add_argument("--workers", type=int, default=2, help="processes that answer, as `up` starts them (default 2)")
    parser.add_argument("--seed", type=int, default=1, help="what everybody does; the same seed does the same")


def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the figures; those called `empty` are of a route that does nothing, at the same rate."""
    from gateway.bench.load_copy import Size
    from gateway.bench.load_fill import fill
    from gateway.bench.load_run import Course, measure
    from gateway.bench.servers import bench_servers

    size = Size(max(200, options.assets), options.orders, max(1, options.dispatchers), max(1, options.phones))
    with bench_servers(settings) as servers:
        world = fill(servers, size)
        course = Course(max(1, options.workers), options.seconds, options.warm_up, options.seed)
        figures = measure(servers, world, course)
        return {"dispatchers": size.dispatchers, "phones": size.phones, "rows": world.rows, **figures}
