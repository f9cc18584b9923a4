"""The small file beside the spool in which a running agent says how it is."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_agent import __version__
from edge_agent.config import Config
from edge_agent.link import Problem
from edge_agent.publisher import Publisher
from edge_agent.spool import Spool, SpoolError

log = logging.getLogger(__name__)

OLD_AFTER_S = 30.0
_GONE: dict[str, Any] = {"running": False, "connected": False}


def write_state(
    config: Config, spool: Spool, publisher: Publisher, problems: Mapping[str, Problem], running: bool
) -> None:
    """Replace the state file; a failure is not worth more than a debug line."""
    status = publisher.status
    shown = {**problems, **status.problems}
    state: dict[str, Any] = {
        "running": running,
        "pid": os.getpid(),
        "at": int(time.time() * 1000),
        "serial": config.serial,
        "agent": __version__,
        "boot": spool.boot,
        "broker": str(config.broker),
        "connected": status.connected and running,
        "session": status.session,
        "last_ack_at": status.last_ack_at or None,
        "last_error": status.last_error or None,
        "offset_ms": status.offset_ms,
        "problems": [{"code": each.code, "text": each.text} for each in shown.values()],
    }
    try:
        _replace(config.state_path, state | {"spool": spool.status().as_dict()})
    except (OSError, SpoolError) as error:
        log.debug("the state file cannot be written: %s", error)


def _replace(path: Path, body: Mapping[str, Any]) -> None:
    """Replace a small file in one step, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(body), encoding="utf-8")
    temporary.replace(path)


def read_state(config: Config) -> dict[str, Any]:
    """Return what the agent last wrote about itself; `running` is False when it is gone."""
    try:
        state = json.loads(config.state_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return dict(_GONE)
    if not isinstance(state, dict):
        return dict(_GONE)
    is_old = time.time() * 1000 - float(state.get("at", 0)) > OLD_AFTER_S * 1000
    if is_old or not Path(f"/proc/{state.get('pid')}").exists():
        state |= _GONE
    return state
