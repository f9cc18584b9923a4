"""Train in a process of its own: learning takes minutes of a core, and scoring must not wait for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from assets.base.db import Database, plain_url
from gateway.supervise.spawn import spawn

_child: subprocess.Popen[bytes] | None = None


def start_training(database: Database, data: Path) -> bool:
    """Start `forewarn model train`; False while the one before still runs. It ends with this process."""
    global _child
    if _child is not None and _child.poll() is None:
        return False
    url = plain_url(database.engine.url.render_as_string(hide_password=False))
    # One thread each: the scorer shares the cores.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    command = [*nice, sys.executable, "-m", "gateway.main", "model", "train", "--json"]
    environment = {**os.environ, **threads, "FOREWARN_DATABASE_URL": url}
    _child = spawn(command, log=data / "logs" / "training.log", env=environment)
    return True
