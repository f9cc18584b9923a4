"""Kill agent, broker, ingest and database in the middle of a run: afterwards rows equal samples, nothing twice."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from assets.base.db import plain_url
from gateway.supervise.postgres import EmbeddedPostgres
from tests.journeys.conftest import Running, free_port, start_service, stop_service, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

SERIAL = "KILL-PUMP"
SENSOR = '\n[[sensors]]\ndriver = "simulator"\ninterval_seconds = 0.1\nmachine = "pump"\nseed = 5\nbackfill_days = 2\n'
DRAIN_S = 90
QUIET_S = 3  # an agent writes what it has read within a second


@pytest.fixture
def plain_service(own_folder: Path) -> Iterator[Running]:
    running = start_service(own_folder / "kill", free_port())
    yield running
    stop_service(running.process)


class Agent:
    """A claimed agent, run like on a device."""

    def __init__(self, service: Running, folder: Path) -> None:
        self.config = folder / "agent.toml"
        desk = service.sign_in("/sign-in")
        made = desk.post("/api/v1/devices", {"serial": SERIAL, "model": "pump", "asset_name": "Pump under fire"})
        command = [sys.executable, "-m", "edge_agent.main", "claim", made["claim_code"], "--server", service.base]
        subprocess.run([*command, "--config", str(self.config)], check=True, capture_output=True, timeout=30)
        # its own spool: the default one lies outside, and an earlier run's would be found there
        self.spool = folder / "agent.spool"
        text = self.config.read_text()
        text = re.sub(r'(?m)^path = ".*"$', f'path = "{self.spool}"', text[: text.index("[[sensors]]")])
        self.config.write_text(text + SENSOR)
        self.process: subprocess.Popen[bytes] | None = None
        self._boots: dict[str, int] = {}

    def start(self) -> None:
        command = [sys.executable, "-m", "edge_agent.main", "run", "--config", str(self.config)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(timeout=10)
        self.taken()

    def taken(self) -> int:
        """How many samples the agent has taken in all its runs, by its own count.

        The spool forgets a run at the next start once all of it is acknowledged; so it is asked after each run.
        """
        with closing(sqlite3.connect(self.spool, timeout=10)) as spool:
            self._boots |= dict(spool.execute("SELECT boot, next_index FROM boot").fetchall())
        return sum(self._boots.values())

    def waiting(self) -> int:
        with closing(sqlite3.connect(self.spool, timeout=10)) as spool:
            return int(spool.execute("SELECT count(*) FROM record").fetchone()[0])


def _kill_part(service: Running, name: str) -> None:
    """SIGKILL a part by the process id that the supervisor wrote down; it starts it again by itself."""
    state = json.loads((service.data / "processes.json").read_text())
    part = next(process for process in state["processes"] if process["name"] == name)
    os.kill(part["pid"], signal.SIGKILL)


def test_any_part_killed_loses_nothing_and_doubles_nothing(plain_service: Running, tmp_path: Path) -> None:
    agent = Agent(plain_service, tmp_path)
    agent.start()
    try:
        time.sleep(3)
        for part in ("ingest", "mosquitto", "postgres"):
            _kill_part(plain_service, part)
            _take_more(agent)
        agent.kill(signal.SIGKILL)
        agent.start()
        _take_more(agent)
        agent.kill(signal.SIGTERM)  # no more samples from here on
        _drain(agent)
    finally:
        if agent.process is not None and agent.process.poll() is None:
            agent.kill(signal.SIGKILL)
    url = plain_url(EmbeddedPostgres(plain_service.data).superuser_url).rpartition("/")[0] + "/forewarn"
    with psycopg.connect(url) as connection:
        rows, moments = _one(connection, "SELECT count(*), count(DISTINCT measured_at) FROM samples s" + _OF_DEVICE)
        stored = _one(connection, "SELECT sum(stored) FROM device_boots b JOIN devices d ON d.id = b.device_id" + _MINE)
    taken = agent.taken()
    assert taken > 288 + 4 * 30  # two days of past at one sample in ten minutes, and what it took under fire
    assert (rows, moments) == (taken, taken)
    assert stored == (taken,)


_MINE = f" WHERE d.serial = '{SERIAL}'"
_OF_DEVICE = " JOIN streams t ON t.id = s.stream_id JOIN devices d ON d.id = t.device_id" + _MINE


def _take_more(agent: Agent) -> None:
    """Let the agent work on for a while; at first it sends its past and waits for it to arrive."""
    before = agent.taken()
    wait_for(lambda: agent.taken() >= before + 30, DRAIN_S, "the agent goes on taking samples")


def _one(connection: psycopg.Connection[tuple[int, ...]], query: str) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row


def _drain(agent: Agent) -> None:
    """Let the agent send what waits, without taking samples: its sensor is replaced by a slow one."""
    text = agent.config.read_text()
    agent.config.write_text(text.replace("interval_seconds = 0.1", "interval_seconds = 3600"))
    agent.start()
    wait_for(lambda: _is_settled(agent), DRAIN_S, "the spool is empty and stays so")
    agent.kill(signal.SIGTERM)
    assert agent.waiting() == 0


def _is_settled(agent: Agent) -> bool:
    """True when the slow sensor's first reading is taken and everything that was taken is acknowledged."""
    if agent.waiting():
        return False
    taken = agent.taken()
    time.sleep(QUIET_S)
    return agent.waiting() == 0 and agent.taken() == taken
