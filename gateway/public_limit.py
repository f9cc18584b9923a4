"""A bound on how often one address may ask for the pages that need no sign-in."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import texts

BURST = 120  # a plant's people behind one address, each with a page and its picture
PER_S = 2.0
MAX_ADDRESSES = 20_000  # about 4 MB; the one that was quiet longest is forgotten first


class Limiter:
    """One bucket for each address: `burst` at once, then `per_s`."""

    def __init__(self, burst: float = BURST, per_s: float = PER_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._per_s, self._clock = burst, per_s, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, address: str) -> bool:
        """Take one from the address's bucket; False when it is empty."""
        now = self._clock()
        left, at = self._buckets.pop(address, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        allowed = left >= 1
        self._buckets[address] = (left - 1 if allowed else left, now)
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return allowed

    def wait_s(self) -> int:
        """Return after how many seconds there is one again."""
        return max(1, round(1 / self._per_s))


class PublicLimit:
    """Answers 429 below /a, to applications and to calendars, once an address has asked too often."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._limiter = app, Limiter()

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
