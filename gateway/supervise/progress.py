"""Tell the person at the terminal what takes its time."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print one line of progress; on standard error, so that `--json` keeps standard output to itself."""
    print(text, file=sys.stderr, flush=True)
