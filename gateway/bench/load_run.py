"""The server in processes of its own, users at work against it, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.bench.load_copy import Member, World
from gateway.bench.load_http import UNANSWERED, Client
from gateway.bench.load_users import API, DESK_EVERY_S, PHONE_EVERY_S, User, next_action
from gateway.bench.servers import READY_S, Servers, cpu_s

HOST = "127.0.0.1"
SIGN_IN_AT_ONCE = 8
EXPECTED = {409: "somebody was first, or the move is not legal now", 412: "an old version"}


@dataclass
class Tally:
    """How long requests took, by kind and status."""

    counting: bool = False
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    pages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def note(self, kind: str, seconds: float, status: int) -> None:
        """Count one answer."""
        if not self.counting:
            return
        self.times[kind].append(seconds)
        self.statuses[status] += 1
        if (status >= 400 or status == UNANSWERED) and status not in EXPECTED:
            self.failed[f"{kind} {status}"] += 1


class Server:
    """The roles `api` and `worker` in processes of their own."""

    def __init__(self, servers: Servers, workers: int) -> None:
        self._servers, self._workers = servers, workers
        self._processes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port: int = free.getsockname()[1]

    def start(self) -> None:
        """Start both and wait until the API answers."""
        environment = {
            **os.environ,
            "FOREWARN_DATABASE_URL": self._servers.database_url,
            "FOREWARN_BROKER_URL": self._servers.broker_url,
            "FOREWARN_DATA": str(self._servers.folder),
            "FOREWARN_HTTP": f"{HOST}:{self.port}",
        }
        for role in (["api", "--workers", str(self._workers)], ["worker"]):
            with (self._servers.folder / f"{role[0]}.log").open("ab") as log:
                command = [sys.executable, "-m", "gateway.main", *role]
                self._processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        until = time.monotonic() + READY_S
        while not self._answers():
            if self._processes[0].poll() is not None or time.monotonic() > until:
                raise RuntimeError((self._servers.folder / "api.log").read_text()[-2000:])
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def stop(self) -> None:
        """Stop in order."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds that each role, the database and this process have used."""
        roles = [sum(map(cpu_s, _family(process.pid))) for process in self._processes]
        return {
            "api": roles[0], "worker": roles[1], "database": self._servers.database_cpu_s() or 0.0,
            "generator": time.process_time(),
        }  # fmt: skip


def _family(pid: int) -> list[int]:
    found = [pid]
    with contextlib.suppress(OSError):
        for child in open(f"/proc/{pid}/task/{pid}/children").read().split():  # noqa: SIM115
            found += _family(int(child))
    return found


@contextmanager
def server_of(servers: Servers, workers: int) -> Iterator[Server]:
    """Yield the running server, and stop it afterwards."""
    server = Server(servers, workers)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class Course:
    """How many processes answer, how long it is measured, after how long a start, with which chance."""

    workers: int
    seconds: float
    warm_up: float
    seed: int


def measure(servers: Servers, world: World, course: Course) -> dict[str, Any]:
    """Let everybody work; return the figures, with those of an empty route at the same rate."""
    with server_of(servers, course.workers) as server:
        return asyncio.run(_measure(server, world, course))


async def _measure(server: Server, world: World, course: Course) -> dict[str, Any]:
    desks = [_user(server, each, n, course.seed) for n, each in enumerate(world.dispatchers)]
    phones = [_user(server, each, n + len(desks), course.seed) for n, each in enumerate(world.technicians)]
    signed_in = await _sign_in([*desks, *phones])
    empty = Tally(counting=True)
    await _work(desks, phones, empty, max(4.0, course.seconds / 6), idle=True)
    streams = [asyncio.create_task(user.client.listen(f"{API}/events")) for user in [*desks, *phones]]
    tally = Tally()
    await _work(desks, phones, tally, course.warm_up)
    tally.counting, before, begun = True, server.cpu(), time.monotonic()
    await _work(desks, phones, tally, course.seconds)
    tally.counting, took = False, time.monotonic() - begun
    spent = {name: value - before[name] for name, value in server.cpu().items()}
    for stream in streams:
        stream.cancel()
    heard = sum(await asyncio.gather(*streams))
    for user in [*desks, *phones]:
        user.client.close()
    return _figures(tally, empty, took, spent, signed_in) | {"live_lines_heard": heard}


def _user(server: Server, person: Member, number: int, seed: int) -> User:
    address = f"10.0.{number // 250}.{number % 250 + 1}"
    client = Client(HOST, server.port, address)
    return User(person, client, random.Random(f"{seed}-{number}"), lambda *_: None)


async def _sign_in(users: Sequence[User]) -> int:
    """Sign everybody in by their one-time links, as invited people are; return how many are."""
    gate, done = asyncio.Semaphore(SIGN_IN_AT_ONCE), 0

    async def one(user: User) -> None:
        nonlocal done
        async with gate:
            answer = await user.client.ask("POST", f"{API}/sign-in/link", {"token": user.person.link})
        user.client.cookie = answer.cookie
        done += answer.status == 200

    await asyncio.gather(*map(one, users))
    if done < len(users):
        raise RuntimeError(f"only {done} of {len(users)} could sign in")
    return done


async def _work(
    desks: Sequence[User], phones: Sequence[User], tally: Tally, seconds: float, *, idle: bool = False
) -> None:
    """Let everybody do something every few seconds, each at moments of their own; wait for the last answers."""
    until = asyncio.get_running_loop().time() + seconds

    async def live(user: User, every_s: float, desk: bool) -> None:
        loop = asyncio.get_running_loop()
        user.note = tally.note
        at = loop.time() + user.chance.uniform(0, every_s)
        while at < until:
            await asyncio.sleep(max(0.0, at - loop.time()))
            begun = loop.time()
            if idle:
                answer = await user.client.ask("GET", "/healthz")
                tally.note("empty", loop.time() - begun, answer.status)
            else:
                action = next_action(user, desk)
                await action(user)
                if tally.counting:
                    tally.pages["desk" if desk else "phone"].append(loop.time() - begun)
            at = max(at + every_s * user.chance.uniform(0.7, 1.3), loop.time())

    people = [(user, DESK_EVERY_S, True) for user in desks] + [(user, PHONE_EVERY_S, False) for user in phones]
    await asyncio.gather(*(live(*each) for each in people))


def _quantiles(times: Sequence[float]) -> dict[str, float]:
    every = sorted(times)
    if not every:
        return {}
    at = {
        name: every[min(len(every) - 1, int(len(every) * q))]
        for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    return {f"{name}_ms": round(1000 * value, 1) for name, value in at.items()}


def _figures(tally: Tally, empty: Tally, took: float, spent: dict[str, float], signed_in: int) -> dict[str, Any]:
    every = [each for times in tally.times.values() for each in times]
    kinds = {
        kind: {"requests": len(times), **_quantiles(times)}
        for kind, times in sorted(tally.times.items(), key=lambda pair: -sum(pair[1]))
    }
    expected = {str(status): tally.statuses.get(status, 0) for status in EXPECTED}
    return {
        "signed_in": signed_in,
        "seconds": round(took, 1),
        "requests": len(every),
        "requests_per_s": round(len(every) / took, 1),
        **_quantiles(every),
        "desk_action": {"actions": len(tally.pages["desk"]), **_quantiles(tally.pages["desk"])},
        "phone_action": {"actions": len(tally.pages["phone"]), **_quantiles(tally.pages["phone"])},
        "errors": sum(tally.failed.values()),
        "errors_by_kind": dict(tally.failed),
        "expected_refusals": expected,
        "cpu_cores": {name: round(value / took, 3) for name, value in spent.items()},
        "empty": _quantiles(empty.times["empty"]),
        "load_average": round(os.getloadavg()[0], 1),
        "kinds": kinds,
    }
