"""Benchmarks, `forewarn bench KIND`: every figure beside its ceiling, measured in the same run.

A kind is one module of this package with `configure(parser)`, which adds its options, and `run(options, settings)`,
which returns the figures. They are imported for every command, the light install included: what needs the server's
packages is imported within `run`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings

KINDS = {
    "ingest": "messages waiting at the broker into rows, beside COPY and a bare consumer",
    "score": "rows into findings, in memory and out of the store, and readings into work orders",
    "dispatch": "plans against best known ones, VROOM and the referee's rules",
    "plan": "maintenance plans of a whole fleet made ahead for a year, beside COPY and the bare rules",
    "load": "dispatchers and phones at work, beside a route that does nothing",
    "query": "ranges of readings out of many, beside a scan of the raw rows",
}


def add_commands(commands: Any) -> None:
    """Add `bench` and its kinds to the parser; `commands` is what `add_subparsers` returned."""
    bench = commands.add_parser("bench", help="benchmarks, each against its ceiling measured in the same run")
    kinds = bench.add_subparsers(dest="bench_kind", required=True, metavar="KIND")
    for kind, text in KINDS.items():
        parser = kinds.add_parser(kind, help=text)
        parser.add_argument("--json", action="store_true", help="one JSON object and nothing else")
        importlib.import_module(f"gateway.bench.{kind}").configure(parser)


def run_bench(options: argparse.Namespace, settings: Settings) -> int:
    """Run one kind and print its figures."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders of the bench are removed
    figures: dict[str, Any] = importlib.import_module(f"gateway.bench.{options.bench_kind}").run(options, settings)
    if options.json:
        print(json.dumps(figures))
    else:
        width = max(map(len, figures), default=0)
        for name, value in figures.items():
            print(f"{name:<{width}}  {value}")
    return 0
