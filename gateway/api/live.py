"""Live changes as server-sent events: one reader of the event log per process, fanned out to open pages."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy import text

from assets.base.access import require
from assets.base.db import Database, enter_actor
from assets.base.events import OLDEST_RUNNING
from gateway.api.deps import Admission, authenticate, database_of

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/v1", tags=["live"])

POLL_S = 0.5  # a telephone rings: who calls stands on the page within a second
HEARTBEAT_S = 15.0  # keeps proxies from closing an idle stream
QUEUE = 200  # a page that does not read is told to reload everything instead of growing a backlog
MAX_PAGES = 5_000  # of one process; some 10 kB each
MAX_LIFE_S = 600.0  # then the page connects again: whoever was signed out or disabled hears no more
RELOAD = '{"kind": "reload"}'
END = ""

_NEW_EVENTS = text(
    "SELECT xid, id, kind, organisation_id, executing_organisation_id, asset_id, subject_id FROM events"
    f" WHERE (xid, id) > (:xid, :id) AND xid < {OLDEST_RUNNING}"
    " ORDER BY xid, id LIMIT 500"
)


@dataclass(eq=False)
class Page:
    """One open page and the organisations it may hear about."""

    organisations: frozenset[UUID]
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(QUEUE))

    def offer(self, message: str) -> None:
        """Queue a message; a full queue becomes one 'reload'."""
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            message = message and RELOAD
        self.queue.put_nowait(message)


class Broadcaster:
    """Reads new events about once a second while somebody listens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pages: set[Page] = set()
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-events", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and end all streams."""
        self._stop.set()
        with self._guard:
            pages = list(self._pages)
        for page in pages:
            page.loop.call_soon_threadsafe(page.offer, END)
        self._thread.join(timeout=3)

    def open(self, page: Page) -> bool:
        """Add a page; False when too many are open."""
        with self._guard:
            if len(self._pages) >= MAX_PAGES or self._stop.is_set():
                return False
            self._pages.add(page)
            return True

    def close(self, page: Page) -> None:
        """Remove a page."""
        with self._guard:
            self._pages.discard(page)

    def _run(self) -> None:
        cursor: tuple[int, int] | None = None
        while not self._stop.wait(POLL_S):
            with self._guard:
                pages = list(self._pages)
            try:
                cursor = self._read(cursor, pages)
            except Exception as error:
                log.warning("live events: %s", error)

    def _read(self, cursor: tuple[int, int] | None, pages: list[Page]) -> tuple[int, int]:
        with self._database.as_service() as session:
            if cursor is None or not pages:  # begin at the end: pages load the past themselves
                # At what has ended, not at the newest event: an older transaction may still bring some.
                return (session.scalar(text(f"SELECT {OLDEST_RUNNING}")) or 0, 0)
            rows = session.execute(_NEW_EVENTS, {"xid": cursor[0], "id": cursor[1]}).all()
        for xid, number, kind, owner, executor, asset_id, subject_id in rows:
            cursor = (xid, number)
            message = json.dumps({"kind": kind, "asset_id": asset_id, "subject_id": subject_id}, default=str)
            for page in pages:
                if owner in page.organisations or executor in page.organisations:
                    page.loop.call_soon_threadsafe(page.offer, message)
        return cursor


@router.get("/events", operation_id="stream_events", response_class=StreamingResponse)
async def stream_events(request: Request) -> StreamingResponse:
    """Stream changes; each `change` event carries kind, asset_id and subject_id, the page fetches what it shows."""
    admission: Admission = request.app.state.admission
    async with admission.place():  # after a restart all pages come at once
        organisations = await run_in_threadpool(_listener, request)
    broadcaster: Broadcaster = request.app.state.broadcaster
    page = Page(organisations, asyncio.get_running_loop())
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_messages(broadcaster, page), media_type="text/event-stream", headers=headers)


async def _messages(broadcaster: Broadcaster, page: Page) -> AsyncIterator[str]:
    if not broadcaster.open(page):
        yield "event: full\ndata: {}\n\n"
        return
    try:
        yield "retry: 3000\n\n"
        ends = page.loop.time() + MAX_LIFE_S
        while page.loop.time() < ends:
            try:
                message = await asyncio.wait_for(page.queue.get(), HEARTBEAT_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if message == END:
                return
            yield f"event: change\ndata: {message}\n\n"
    finally:
        broadcaster.close(page)


def _listener(request: Request) -> frozenset[UUID]:
    """Return the organisations that the caller may hear about; no transaction stays open while the stream lasts."""
    with database_of(request).as_service() as session:
        actor = authenticate(session, request, datetime.now(UTC))
        require(actor, "event.read")
        enter_actor(session, actor)
        return frozenset(session.scalar(text("SELECT forewarn_visible_organisations()")) or ())
