"""How fast a range of one metric is read out of many readings, beside a scan of the raw rows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `forewarn bench query`."""


def run(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return the figures."""
    raise SystemExit("forewarn bench query: not there yet")
