"""The field's routes over the small world: a client for each actor, operations as a phone makes them, photos."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from assets.base.access import Actor
from assets.base.ids import uuid7
from gateway.api import (
    deps,
    evidence,
    field_day,
    help_requests,
    labour_rates,
    norm_variances,
    order_lines,
    order_procedures,
    outcome_picks,
    permits,
    problems,
    procedure_versions,
    procedures,
    reports,
    signatures,
    sync,
    visits,
    work_orders,
)
from gateway.api.deps import Context, context
from gateway.api.uploads import admitted
from gateway.settings import Settings
from tests.ticketing.world import World, after

MODULES = (
    work_orders,
    visits,
    order_lines,
    order_procedures,
    procedures,
    procedure_versions,
    permits,
    labour_rates,
    norm_variances,
    reports,
    sync,
    field_day,
    evidence,
    signatures,
    outcome_picks,
    help_requests,
)
ARRIVED = after(3600)  # when batches arrive, unless a test says otherwise


class Field:
    """Clients of a world; `now` is the server's clock."""

    def __init__(self, world: World, data: Path) -> None:
        self.world, self.settings, self.now = world, Settings(data=data), ARRIVED
        self._clients: dict[UUID | None, TestClient] = {}
        self._lock = threading.Lock()

    def client(self, actor: Actor) -> TestClient:
        """Return a client that is signed in as the actor."""
        with self._lock:
            if actor.person_id not in self._clients:
                self._clients[actor.person_id] = self._make(actor)
            return self._clients[actor.person_id]

    def _make(self, actor: Actor) -> TestClient:
        app = FastAPI()
        problems.install(app)
        app.state.database, app.state.settings = self.world.database, self.settings
        for module in MODULES:
            app.include_router(module.router)

        def as_actor() -> Iterator[Context]:
            with self.world.database.as_actor(actor) as session:
                yield Context(session, actor, self.now, self.settings)

        app.dependency_overrides[context] = as_actor
        app.dependency_overrides[admitted] = lambda: actor
        app.dependency_overrides[deps.admitted] = lambda: None
        app.dependency_overrides[sync.server_now] = lambda: self.now
        return TestClient(app)

    def ask(self, actor: Actor, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """Ask and return the answer."""
        answer = self.client(actor).request(method, f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def send(self, actor: Actor, *operations: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """Send a batch; return its results."""
        body = {"device": "phone-1", "operations": list(operations)} | more
        results: list[dict[str, Any]] = self.ask(actor, "POST", "/sync", body)["results"]
        assert [each["id"] for each in results] == [each["id"] for each in operations]
        return results

    def order(self, person: Actor | None = None, asset: UUID | None = None) -> str:
        """Open an order, and give it to somebody; return its id."""
        body = {"asset_id": str(asset or self.world.pump), "title": "Look at it"}
        order: str = self.ask(self.world.planner, "POST", "/work-orders", body, 201)["id"]
        if person is not None:
            told = {"person_id": str(person.person_id)}
            self.ask(self.world.planner, "POST", f"/work-orders/{order}/assign", told)
        return order

    def photo(self, actor: Actor, subject: str, content: bytes, **more: Any) -> dict[str, Any]:
        """Announce a photo of an order."""
        body = {
            "id": str(uuid7()),
            "subject_kind": "work_order",
            "subject_id": subject,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "captured_at": self.now.isoformat(),
        }
        made: dict[str, Any] = self.ask(actor, "POST", "/evidence", body | more, 201)
        return made

    def put(self, actor: Actor, key: str, offset: int, chunk: bytes, status: int = 200) -> Any:
        """Send a piece of a photo."""
        path = f"/api/v1/evidence/{key}/content?offset={offset}"
        answer = self.client(actor).put(path, content=chunk, headers={"content-type": "application/octet-stream"})
        assert answer.status_code == status, answer.text
        return answer.json()


def op(kind: str, subject: str | UUID, made_at: datetime = ARRIVED, /, **payload: Any) -> dict[str, Any]:
    """Return an operation as a phone makes it; `of`: what kind of thing it is about."""
    of = payload.pop("of", "work_order")
    envelope = {name: payload.pop(name) for name in ("base_version", "after", "clock_offset_ms") if name in payload}
    told = {"id": str(uuid7()), "kind": kind, "subject": {"kind": of, "id": str(subject)}, "payload": payload}
    return told | envelope | {"made_at": made_at.isoformat()}


def minutes(count: float) -> datetime:
    """Return a moment so long before batches arrive."""
    return ARRIVED - timedelta(minutes=count)


def jpeg(width: int = 640, height: int = 480, **saved: Any) -> bytes:
    """Return a picture that does not shrink to nothing."""
    out = io.BytesIO()
    Image.effect_noise((width, height), 80).convert("RGB").save(out, "JPEG", quality=90, **saved)
    return out.getvalue()
