"""A bound on how often one address may ask for the pages that need no sign-in, whichever process answers."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import texts

BURST = 120  # a plant's people behind one address, each with a page and its picture
PER_S = 2.0
_GROUPS, _WAYS = 2048, 10  # 20,480 addresses in half a megabyte; in its group the one that was quiet longest goes first
_BUCKET = struct.Struct("<Qdd")  # which address (0: none), how many were left, when


class Limiter:
    """One bucket for each address: `burst` at once, then `per_s`.

    The buckets lie in memory that processes forked later share with this one: two that answer count together. The
    clock is the machine's, so that all of them read the same.
    """

    def __init__(self, burst: float = BURST, per_s: float = PER_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._per_s, self._clock = burst, per_s, clock
        self._secret = os.urandom(16)  # nobody chooses addresses that fall into one group
        self._memory = mmap.mmap(-1, _GROUPS * _WAYS * _BUCKET.size)
        self._threads = threading.Lock()
        self._processes = tempfile.TemporaryFile(prefix="forewarn-limit-")  # noqa: SIM115 - held as long as the bound

    def allows(self, address: str) -> bool:
        """Take one from the address's bucket; False when it is empty."""
        digest = blake2b(address.encode(errors="replace"), digest_size=8, key=self._secret).digest()
        name = int.from_bytes(digest, "little") or 1
        with self._alone():
            now = self._clock()
            place, left, at = self._bucket(name, now)
            left = min(self._burst, left + max(0.0, now - at) * self._per_s)
            allowed = left >= 1
            _BUCKET.pack_into(self._memory, place, name, left - 1 if allowed else left, now)
        return allowed

    def wait_s(self) -> int:
        """Return after how many seconds there is one again."""
        return max(1, round(1 / self._per_s))

    def _bucket(self, name: int, now: float) -> tuple[int, float, float]:
        """Return where an address's bucket lies, and what it holds; a full one where there was none."""
        first = name % _GROUPS * _WAYS * _BUCKET.size
        places = range(first, first + _WAYS * _BUCKET.size, _BUCKET.size)
        quietest, since = first, float("inf")
        for place in places:
            found, left, at = _BUCKET.unpack_from(self._memory, place)
            if found == name:
                return place, left, at
            if (at if found else -1.0) < since:
                quietest, since = place, at if found else -1.0
        return quietest, self._burst, now

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and processes out; a lock on a file ends with the process that holds it."""
        with self._threads:
            fcntl.lockf(self._processes, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._processes, fcntl.LOCK_UN)


class PublicLimit:
    """Answers 429 below /a, to applications and to calendars, once an address has asked too often."""

    def __init__(self, app: ASGIApp, limiter: Limiter | None = None) -> None:
        """`limiter`: made before the processes part, when several answer."""
        self._app, self._limiter = app, limiter or Limiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        public = scope["type"] == "http" and _is_public(scope)
        if public and not self._limiter.allows((scope.get("client") or ("unknown", 0))[0]):
            said = " · ".join(texts.text(language, "page.too_often") for language in texts.LANGUAGES)
            headers = {"Retry-After": str(self._limiter.wait_s()), "Cache-Control": "no-store"}
            await HTMLResponse(f"<!doctype html><meta charset=utf-8><p>{said}</p>", 429, headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_public(scope: Scope) -> bool:
    path = scope["path"]
    applies = scope["method"] == "POST" and path.startswith("/api/v1/partner-applications")
    feed = path.startswith("/api/v1/calendar-feeds/") and path.endswith(".ics")
    return bool(path == "/a" or path.startswith("/a/") or applies or feed)
