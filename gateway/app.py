"""The HTTP application: API, pages, health, metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
from starlette.staticfiles import StaticFiles

from assets.base.db import Database
from gateway.api import problems
from gateway.api.deps import Admission
from gateway.api.kept_fleets import KeptFleets
from gateway.api.live import Broadcaster
from gateway.guard import Guard
from gateway.health import Readiness
from gateway.idempotency import IdempotencyMiddleware
from gateway.metrics import render_metrics
from gateway.public_limit import Limiter, PublicLimit
from gateway.settings import VERSION, Settings
from gateway.wiring import routers

DIST = Path(__file__).parent / "web" / "dist"

# The technicians' service worker stands for all of /m, not only for what lies below its own folder.
WORKER_HEADERS = {"Service-Worker-Allowed": "/m", "Cache-Control": "no-cache"}
FIELD_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".png": "image/png"}

NO_PAGES = "<p>The web pages are not built. Run <code>make pages</code>, then reload.</p>"


def make_app(settings: Settings, database: Database, limiter: Limiter | None = None) -> FastAPI:
    """Put the application together; the caller owns the database, and `limiter` when other processes count too."""
    broadcaster = Broadcaster(database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        broadcaster.start()
        yield
        broadcaster.stop()

    app = FastAPI(title="Forewarn", version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings, app.state.database, app.state.broadcaster = settings, database, broadcaster
    app.state.admission, app.state.fleets = Admission(), KeptFleets(database)
    app.add_middleware(IdempotencyMiddleware, database=database)
    app.add_middleware(PublicLimit, limiter=limiter)
    app.add_middleware(Guard, pictures=settings.map_origin)
    problems.install(app)
    for router in routers():
        app.include_router(router)
    _health(app, database)
    _pages(app)
    return app


def _health(app: FastAPI, database: Database) -> None:
    @app.get("/healthz", include_in_schema=False)
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok")

    readiness = Readiness(database)

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> JSONResponse:
        if readiness.is_ready():
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "database": "not available"}, status_code=503)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(render_metrics(database), media_type="text/plain; version=0.0.4")


def _pages(app: FastAPI) -> None:
    """Serve the two page entries; every other path below them is a route of the pages' own."""
    if (DIST / "ui").is_dir():
        app.mount("/ui", StaticFiles(directory=DIST / "ui"), name="ui")

    @app.get("/m", include_in_schema=False)
    @app.get("/m/{path:path}", include_in_schema=False)
    def technician_entry(path: str = "") -> Response:
        if "." in path:  # no page of the technicians' has a dot in its address
            return _field_file(path)
        return _entry("m.html")

    @app.get("/{path:path}", include_in_schema=False)
    def desk_entry(path: str, request: Request) -> Response:
        if path.startswith(("api/", "ui/", "a/", "download/")):
            return problems.problem(404, "Not found", f"nothing at /{path}", "not_found")
        found = DIST / path
        if path and "/" not in path and found.is_file():  # favicon and the like
            return FileResponse(found)
        return _entry("index.html")


def _field_file(name: str) -> Response:
    """Serve the service worker, its manifests and icons; a page in their place would be taken for one of them."""
    found = DIST / "m" / name
    kind = FIELD_TYPES.get(found.suffix)
    if "/" in name or kind is None or not found.is_file():
        return problems.problem(404, "Not found", f"nothing at /m/{name}", "not_found")
    return FileResponse(found, media_type=kind, headers=WORKER_HEADERS)


def _entry(name: str) -> Response:
    page = DIST / name
    if not page.is_file():
        return HTMLResponse(NO_PAGES, status_code=503)
    # The entry names hashed files: it must be asked for again after an update.
    return FileResponse(page, headers={"Cache-Control": "no-cache"})
