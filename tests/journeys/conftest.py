"""The whole service as a person would start it, shared by the journeys."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.conftest import is_repeated

T = TypeVar("T")

START_S = 120
READY = "Press Ctrl-C to stop."


@dataclass
class Browserless:
    """A signed-in HTTP client with a cookie jar of its own."""

    base: str
    jar: CookieJar = field(default_factory=CookieJar)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request; return its JSON. Raises AssertionError with the problem's detail."""
        request = urllib.request.Request(self.base + path, method=method)
        request.add_header("X-Forewarn", "1")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        try:
            with opener.open(request, data, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:2000]}") from None
        return json.loads(text) if text else None

    def get(self, path: str) -> Any:
        """GET."""
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """POST."""
        return self.call("POST", path, {} if body is None else body)


@dataclass
class Running:
    """A running `forewarn up`."""

    base: str
    data: Path
    process: subprocess.Popen[str]
    printed: str
    ready_s: float

    def link(self, page: str) -> str:
        """Return the one-time sign-in address that was printed for a page, such as `/sign-in`."""
        found = re.search(rf"{re.escape(self.base + page)}\?token=\S+", self.printed)
        assert found, self.printed
        return found.group()

    def customer_page(self) -> str:
        """Return the address of a customer's page that was printed."""
        found = re.search(rf"{re.escape(self.base)}/a/\w+", self.printed)
        assert found, self.printed
        return found.group()

    def sign_in(self, page: str) -> Browserless:
        """Use up the printed link of a page; return the signed-in client."""
        client = Browserless(self.base)
        client.post("/api/v1/sign-in/link", {"token": self.link(page).partition("token=")[2]})
        return client

    @cached_property
    def desk(self) -> Browserless:
        """The administrator, signed in with the printed link, which works once."""
        return self.sign_in("/sign-in")

    def link_for(self, email: str) -> str:
        """Return a new one-time sign-in address for somebody."""
        person = next(p for p in self.desk.get("/api/v1/people")["items"] if p["email"] == email)
        return str(self.desk.post(f"/api/v1/people/{person['id']}/sign-in-link")["url"])

    def as_person(self, email: str) -> Browserless:
        """Sign in as somebody else."""
        client = Browserless(self.base)
        client.post("/api/v1/sign-in/link", {"token": self.link_for(email).partition("token=")[2]})
        return client


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_service(data: Path, port: int, *arguments: str, variables: Mapping[str, str] | None = None) -> Running:
    """Run `forewarn up` as a person would and wait until it says that it is ready."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FOREWARN_")}
    environment |= {"FOREWARN_HTTP": f"127.0.0.1:{port}", **(variables or {})}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.main", "up", "--data", str(data), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if READY in line:
            return Running(f"http://127.0.0.1:{port}", data, process, "".join(lines), time.monotonic() - begun)
        if time.monotonic() - begun > START_S:
            break
    stop_service(process)
    raise AssertionError("forewarn up did not get ready:\n" + "".join(lines) + _logs(data))


def stop_service(process: subprocess.Popen[str]) -> float:
    """Press Ctrl-C; return how many seconds the stop took."""
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return time.monotonic() - begun


def wait_for(what: Callable[[], T | None], seconds: float, about: str) -> T:
    """Ask again and again until there is an answer; fail with `about` after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds:.0f} s: {about}")


def _logs(data: Path) -> str:
    parts = [f"\n--- {log.name}\n" + log.read_text(errors="replace")[-3000:] for log in (data / "logs").glob("*.log")]
    return "".join(parts)


class Demo:
    """`forewarn up --demo` on an empty data folder, started when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts = 0
        self._running: Running | None = None

    def running(self, *, anew: bool) -> Running:
        """Return the running service; `anew`: one in which nothing has happened yet takes its place."""
        if self._running is None or anew:
            self.stop()
            self._starts += 1
            self._running = start_service(self._folder / f"service-{self._starts}", free_port(), "--demo")
        return self._running

    def stop(self) -> None:
        """Press Ctrl-C, if it runs."""
        running, self._running = self._running, None
        if running is not None:
            stop_service(running.process)


_DEMO = pytest.StashKey[Demo]()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the demo with the last test that needs it: it measures and scores on, beside all that follows."""
    demo = item.session.stash.get(_DEMO, None)
    if demo is not None and (nextitem is None or "demo" not in getattr(nextitem, "fixturenames", ())):
        demo.stop()


@pytest.fixture(scope="session")
def demo(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[Demo]:
    """The one service that journeys share."""
    shared = request.session.stash[_DEMO] = Demo(server_folder)
    yield shared
    shared.stop()


@pytest.fixture
def service(demo: Demo, request: pytest.FixtureRequest) -> Running:
    """The shared service; a test that is run again finds nothing of what it left behind."""
    return demo.running(anew=is_repeated(request))
