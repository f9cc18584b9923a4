"""Live events reach open pages of the organisations concerned, and nobody else."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
import uvicorn

from assets.base.access import Role
from assets.base.events import append_event
from assets.people import Organisation
from gateway.api import live
from gateway.api.live import QUEUE, RELOAD, Page
from tests.gateway.conftest import Plant


@pytest.fixture
def address(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The application behind a real server: streams need one."""
    monkeypatch.setattr(live, "POLL_S", 0.05)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(plant.app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


def wait_for(done: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def look(plant: Plant) -> None:
    """Wait until the reader has begun and ended another look at the log."""
    broadcaster, looked = plant.app.state.broadcaster, threading.Event()
    read = broadcaster._read

    def spied(cursor: tuple[int, int] | None, pages: list[Page]) -> tuple[int, int]:
        found: tuple[int, int] = read(cursor, pages)
        looked.set()
        return found

    broadcaster._read = spied
    try:
        assert looked.wait(60)
    finally:
        broadcaster._read = read


class Listener:
    """A page that listens, in a thread of its own."""

    def __init__(self, address: str, token: str) -> None:
        self.kinds: list[str] = []
        self.connected = threading.Event()
        self.ended = threading.Event()
        self._address, self._token = address, token
        threading.Thread(target=self._listen, daemon=True).start()
        assert self.connected.wait(60)

    def _listen(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            with httpx.stream("GET", f"{self._address}/api/v1/events", headers=headers, timeout=60) as answer:
                for line in answer.iter_lines():
                    self.connected.set()
                    if line.startswith("data: "):
                        self.kinds.append(json.loads(line[6:])["kind"])
        except httpx.HTTPError:
            pass
        finally:
            self.ended.set()


def happen(plant: Plant, kind: str, owner: Organisation, executor: Organisation | None = None) -> None:
    with plant.database.as_service() as session:
        append_event(
            session,
            kind,
            at=datetime.now(UTC),
            organisation_id=owner.id,
            executing_organisation_id=executor.id if executor else None,
            subject_kind="thing",
            subject_id=uuid4(),
        )


def test_page_hears_only_of_organisations_that_it_sees(plant: Plant, address: str) -> None:
    happen(plant, "past.event", plant.customer)
    look(plant)
    pages = {
        name: Listener(address, plant.token(getattr(plant, name)))
        for name in ("operator", "customer", "partner", "stranger")
    }
    happen(plant, "customer.event", plant.customer)
    happen(plant, "stranger.event", plant.stranger)
    happen(plant, "work.event", plant.customer, plant.partner)
    happen(plant, "last.event", plant.operator)
    wait_for(lambda: "last.event" in pages["operator"].kinds)
    wait_for(lambda: all(pages[name].kinds for name in ("customer", "partner", "stranger")))
    wait_for(lambda: len(pages["customer"].kinds) == 2)
    assert {name: page.kinds for name, page in pages.items()} == {
        "operator": ["customer.event", "work.event", "last.event"],
        "customer": ["customer.event", "work.event"],
        "partner": ["work.event"],
        "stranger": ["stranger.event"],
    }


def test_event_of_a_transaction_that_was_open_when_the_page_came_is_not_missed(plant: Plant, address: str) -> None:
    with plant.database.as_service() as slow:
        append_event(
            slow,
            "slow.event",
            at=datetime.now(UTC),
            organisation_id=plant.operator.id,
            subject_kind="thing",
            subject_id=uuid4(),
        )
        happen(plant, "quick.event", plant.operator)
        page = Listener(address, plant.token())
        look(plant)
    wait_for(lambda: "slow.event" in page.kinds)


def test_stream_ends_when_the_server_stops(plant: Plant, address: str) -> None:
    page = Listener(address, plant.token())
    plant.app.state.broadcaster.stop()
    assert page.ended.wait(60)


def test_stream_ends_after_its_life_so_that_rights_are_looked_at_again(
    plant: Plant, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_LIFE_S", 0.2)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.1)
    assert Listener(address, plant.token()).ended.wait(60)


def test_too_many_pages_are_told_to_wait(plant: Plant, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_PAGES", 0)
    answer = httpx.get(f"{address}/api/v1/events", headers={"Authorization": f"Bearer {plant.token()}"})
    assert answer.text.startswith("event: full")


@pytest.mark.parametrize("role", [Role.DEVICE])
def test_device_hears_nothing(plant: Plant, role: Role) -> None:
    assert plant.client(plant.token(role=role)).get("/api/v1/events").status_code == 403


def drain(page: Page) -> list[str]:
    return [page.queue.get_nowait() for _ in range(page.queue.qsize())]


def test_page_that_does_not_read_is_told_to_reload() -> None:
    async def run() -> None:
        page = Page(frozenset(), asyncio.get_running_loop())
        for number in range(QUEUE):
            page.offer(str(number))
        assert page.queue.full()
        page.offer("one too many")
        page.offer("next")
        assert drain(page) == [RELOAD, "next"]

    asyncio.run(run())


def test_end_reaches_even_a_page_that_does_not_read() -> None:
    async def run() -> None:
        page = Page(frozenset(), asyncio.get_running_loop())
        for number in range(QUEUE):
            page.offer(str(number))
        page.offer(live.END)
        assert drain(page) == [live.END]

    asyncio.run(run())
