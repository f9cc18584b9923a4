"""How fast waiting messages become rows, beside COPY into the same table and a bare consumer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings

PROFILES = ("batched", "unbatched")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forewarn bench ingest`."""
    parser.add_argument("--profile", choices=PROFILES, default="batched", help="50 samples a message, or one")


def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the figures."""
    raise SystemExit("forewarn bench ingest: not there yet")
