"""Fuzz every decoder with atheris: `python -m tests.ingest.fuzz_decoders SECONDS`; a crash leaves its input behind."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ingest.formats", "ingest.mapping_rules", "edge_agent.wire"]):
    from tests.ingest.decoders import DECODERS, GOOD, HOSTILE

SLOWEST_S = 5.0  # instrumented code is several times slower


def try_one(payload: bytes) -> None:
    """Let every decoder read the same bytes."""
    for name, decode in DECODERS.items():
        begun = time.perf_counter()
        decode(payload)
        if time.perf_counter() - begun > SLOWEST_S:
            raise TimeoutError(f"{name} took more than {SLOWEST_S} s")


def main() -> None:
    """Run for the given seconds, beginning with good messages and small hostile ones."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    with tempfile.TemporaryDirectory() as folder:
        seeds = [*GOOD, *(each for group in HOSTILE.values() for each in group if len(each) < 500)]
        for number, seed in enumerate(seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        arguments = [sys.argv[0], folder, f"-max_total_time={seconds}", "-max_len=4096", "-timeout=30", "-verbosity=0"]
        atheris.Setup(arguments, try_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
