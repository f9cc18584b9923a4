"""The server's clock as measured at the machine: steps of the computer's own clock change nothing about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent import clock, wire
from edge_agent.clock import ServerClock
from edge_agent.spool import Spool

SERVER_MS = 1_800_000_000_000


class Computer:
    """Two clocks that a test moves: the one that people set, and the one that nobody sets."""

    def __init__(self) -> None:
        self.wall_ms = 0
        self.m = 50_000

    def wait(self, ms: int) -> None:
        self.wall_ms += ms
        self.m += ms


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    made = Computer()
    monkeypatch.setattr(clock, "now_ms", lambda: made.wall_ms)
    monkeypatch.setattr(clock, "monotonic_ms", lambda: made.m)
    return made


def measure(server: ServerClock, computer: Computer, round_trip_ms: int, server_ms: int) -> bool:
    asked = server.ask()
    computer.wait(round_trip_ms)
    return server.take(asked, server_ms + round_trip_ms // 2)


def test_offset_follows_a_step_of_the_computers_clock_without_asking_again(computer: Computer) -> None:
    server = ServerClock()
    assert (server.offset_ms(), server.zero_ms(), server.age_ms()) == (None, None, None)
    assert measure(server, computer, 40, SERVER_MS)
    assert server.offset_ms() == pytest.approx(SERVER_MS, abs=50)
    zero = server.zero_ms()
    computer.wall_ms = SERVER_MS  # the network time arrives: no samples were taken since
    assert abs(server.offset_ms() or 0) < 100
    assert server.zero_ms() == zero
    assert server.has_stepped()


def test_the_quickest_answer_counts_until_it_is_old(computer: Computer) -> None:
    server = ServerClock()
    begin = computer.m
    measure(server, computer, 20, SERVER_MS + computer.m - begin)
    good = server.zero_ms()
    asked = server.ask()
    computer.wait(3000)  # a slow way back: the middle lies
    server.take(asked, SERVER_MS + computer.m - begin)
    assert server.zero_ms() == good
    computer.wait(86_400_000)
    measure(server, computer, 200, SERVER_MS + computer.m - begin)
    assert server.age_ms() == 0


def test_answers_to_nobody_and_late_answers_are_ignored(computer: Computer) -> None:
    server = ServerClock()
    assert not server.take(12345, SERVER_MS)
    asked = server.ask()
    computer.wait(10_000)
    assert not server.take(asked, SERVER_MS)
    assert not measure(server, computer, 20_000, SERVER_MS)
    assert server.offset_ms() is None


@pytest.fixture
def open_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Spool]]:
    opened: list[Spool] = []

    def make(os_boot: str, born: int) -> Spool:
        for each in opened:
            each.close()
        monkeypatch.setattr(clock, "OS_BOOT", os_boot)
        monkeypatch.setattr(clock, "monotonic_ms", lambda: born)
        opened[:] = [Spool(tmp_path / "spool", 10_000_000)]
        return opened[0]

    yield make
    for each in opened:
        each.close()


def header(spool: Spool, position: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(spool.encode(spool.formed()[position], 5, -35, 1200))
    return {name: body[name] for name in ("offset_ms", "zero_at", "clock_age_ms") if name in body}


def put(spool: Spool) -> None:
    spool.append([wire.Sample(1000, {"a": 1.0}, 7)])
    spool.form(background=False)


def test_batches_of_an_earlier_run_of_the_agent_tell_the_time_that_is_measured_now(
    open_spool: Callable[..., Spool],
) -> None:
    put(open_spool("os-1", 1000))
    spool = open_spool("os-1", 9000)  # the agent was started anew, the computer was not
    put(spool)
    assert header(spool, 0) == {"offset_ms": -35, "clock_age_ms": 1200}
    spool.keep_zero(SERVER_MS)
    assert header(spool, 0) == {"offset_ms": -35, "zero_at": SERVER_MS + 1000, "clock_age_ms": 1200}
    assert header(spool, 1)["zero_at"] == SERVER_MS + 9000


def test_after_a_power_cut_only_what_was_measured_before_it_is_told(open_spool: Callable[..., Spool]) -> None:
    put(open_spool("os-1", 1000))
    spool = open_spool("os-2", 10)
    put(spool)
    spool.keep_zero(SERVER_MS)
    put(spool)
    spool = open_spool("os-3", 20)
    spool.keep_zero(SERVER_MS + 10_000_000)
    assert header(spool, 0) == {}  # nobody knows when that was: the server keeps it aside
    assert header(spool, 1) == {"zero_at": SERVER_MS + 10}
