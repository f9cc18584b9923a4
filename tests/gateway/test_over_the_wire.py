"""Over real connections: two dispatchers at one board, and a photo whose connection dies in the middle of a piece."""

from __future__ import annotations

import hashlib
import socket
import struct
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from assets.base.access import Role
from assets.base.ids import uuid7
from assets.people import Person
from gateway.api import live
from gateway.sign_in import open_session
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import hired, ok, planned
from tests.gateway.people.test_board_api import always, drop, order_of, tomorrow
from tests.gateway.test_live import Listener, address, look, wait_for
from tests.ticketing.field import jpeg

__all__ = ["address"]  # a fixture


def browser(plant: Plant, address: str, person: Person) -> httpx.Client:
    with plant.database.as_service() as session:
        token = open_session(session, person, datetime.now(UTC))
    return httpx.Client(
        base_url=address, timeout=60, headers={"X-Forewarn": "1", "Cookie": f"forewarn_session={token}"}
    )


def moved_since(stream: Listener, told: int) -> bool:
    return any(each.startswith("visit.") for each in stream.kinds[told:])


def test_each_of_two_dispatchers_sees_the_others_move(plant: Plant, address: str) -> None:
    """6.5k: the stream tells of it, and the board that is read then shows where the visit is now."""
    tom = hired(plant, "Tom")
    always(plant.administrator(), tom)
    visit = planned(plant, tom, tomorrow(3))
    ann, ben = (browser(plant, address, hired(plant, name, None, Role.DISPATCHER)) for name in ("Ann", "Ben"))
    start, until = (tomorrow(at).isoformat().replace("+00:00", "Z") for at in (0, 24))
    path, version = f"/api/v1/dispatch/board?from={start}&until={until}", visit.version
    slowest = 0.0
    for mover, watcher, hour in ((ann, ben, 6), (ben, ann, 9)):
        seen = ok(watcher.get(path))["version"]
        stream = Listener(address, plant.token(role=Role.DISPATCHER))
        look(plant)
        told = len(stream.kinds)
        body = drop(visit, tom, tomorrow(hour), version=version)
        version = ok(mover.post("/api/v1/dispatch/moves", json=body))["visit"]["version"]
        moved = time.monotonic()
        wait_for(partial(moved_since, stream, told))
        fresh = watcher.get(path, headers={"If-None-Match": f'"{seen}"'})
        slowest = max(slowest, time.monotonic() - moved)
        assert fresh.status_code == 200
        [bar] = fresh.json()["visits"]
        assert datetime.fromisoformat(bar["planned_start"]) == tomorrow(hour)
    print(f"seen after {slowest:.2f} s, at a look at the log each {live.POLL_S} s")
    for each in (ann, ben):
        each.close()


def broken_off(address: str, path: str, cookie: str, content: bytes, sent: int) -> None:
    """Send the beginning of a piece, and reset the connection."""
    there = urlsplit(address)
    line = socket.create_connection((str(there.hostname), int(there.port or 80)))
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: {there.netloc}\r\nCookie: {cookie}\r\nX-Forewarn: 1\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    line.sendall(head.encode() + content[:sent])
    time.sleep(0.05)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def test_a_photo_that_is_broken_off_in_the_middle_of_a_piece_goes_on_where_it_was(
    plant: Plant, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """6.6f: half a piece counts for nothing, what was there stays, and the whole is what was taken."""
    tom, order = hired(plant, "Tom"), order_of(plant)
    ok(plant.administrator().post(f"/api/v1/work-orders/{order}/assign", json={"person_id": str(tom.id)}))
    phone, content, key = browser(plant, address, tom), jpeg(500, 400), str(uuid7())
    body: dict[str, Any] = {
        "id": key, "subject_kind": "work_order", "subject_id": str(order), "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "captured_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
    }  # fmt: skip
    ok(phone.post("/api/v1/evidence", json=body), 201)
    third = len(content) // 3
    octets = {"Content-Type": "application/octet-stream"}

    def put(offset: int, until: int) -> Any:
        piece = content[offset:until]
        return ok(phone.put(f"/api/v1/evidence/{key}/content?offset={offset}", content=piece, headers=octets))

    put(0, third)
    rest = content[third:]
    for sent in (0, 100, len(rest) // 2, len(rest) - 1):
        broken_off(address, f"/api/v1/evidence/{key}/content?offset={third}", phone.headers["Cookie"], rest, sent)
    assert ok(phone.get(f"/api/v1/evidence/{key}"))["offset"] == third
    assert not [each for each in caplog.records if each.levelname == "ERROR"]  # a lost network is no defect
    put(third, 2 * third)
    again = phone.put(f"/api/v1/evidence/{key}/content?offset={third}", content=content[third:], headers=octets)
    assert (again.status_code, again.json()["params"]["offset"]) == (409, 2 * third)  # an answer that was lost
    assert put(2 * third, len(content))["state"] == "kept"
    assert phone.get(f"/api/v1/evidence/{key}/file").content == content
    phone.close()
