"""Placeholder."""

from __future__ import annotations

import argparse
from typing import Any

from gateway.bench.servers import Servers


def measure(servers: Servers, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    raise NotImplementedError
