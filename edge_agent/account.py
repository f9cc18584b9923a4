"""Write down what the agent keeps, apart from its spool: for an independent proof that all of it arrives."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from edge_agent import wire

log = logging.getLogger(__name__)


class Account:
    """One line of JSON before and one after each commit of the spool, to a file or a named pipe.

    Samples that were announced and not confirmed, as after a kill between the two, may or may not be in the spool.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def announce(self, samples: Sequence[wire.Sample]) -> None:
        """Say what is about to be stored."""
        self._write({"storing": [json.loads(wire.encode_sample(each)) for each in samples]})

    def confirm(self, boot: str, first: int, n: int) -> None:
        """Say that the announced samples are stored, under these running numbers of a boot."""
        self._write({"boot": boot, "first": first, "n": n})

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _write(self, line: dict[str, object]) -> None:
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        try:
            while text:
                text = text[os.write(self._file, text) :]
        except OSError as error:  # the proof suffers, the measuring does not
            log.error("the account cannot be written: %s", error)
