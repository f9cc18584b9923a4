"""Telemetry over HTTPS: the same formats and the same ack, with bounds on what a body may be."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from sqlalchemy import select

from ingest import direct
from ingest.devices import set_password
from ingest.models import Device
from tests.ingest.support import PASSWORD, add_device, batch, now_ms, query
from tests.ingest.test_api import Api

POST = "/devices/H-1/telemetry"


class Sender:
    """One device that posts."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def post(self, body: bytes, status: int = 200, kind: str | None = None, packed: str | None = None) -> Any:
        headers = {"content-type": kind} if kind else {}
        headers |= {"content-encoding": packed} if packed else {}
        return self.api.post(POST, body, status, auth=("H-1", PASSWORD), headers=headers)

    def values(self) -> list[Any]:
        return [row[0] for row in query(self.api.url, "SELECT values FROM samples ORDER BY measured_at")]


@pytest.fixture
def sender(database_url: str) -> Iterator[Sender]:
    api = Api(database_url)
    add_device(database_url, "H-1", api.root)
    yield Sender(api)
    api.database.dispose()


def test_every_form_is_stored_by_its_content_type(sender: Sender) -> None:
    t = now_ms()
    assert sender.post(batch("b", 1, [{"t": t - 9, "values": {"a": 1}}]), kind="application/json")["seqs"] == [1]
    nothing = {"boot": None, "seqs": [], "quarantined": []}
    assert sender.post(json.dumps({"ts": t - 8, "values": {"a": 2}}).encode(), kind="text/plain") == nothing
    pack = [{"n": "a", "t": (t - 7) / 1000, "v": 3}]
    assert sender.post(json.dumps(pack).encode(), kind="application/senml+json; charset=utf-8") == nothing
    assert sender.post(cbor2.dumps([{0: "a", 6: (t - 6) / 1000, 2: 4}]), kind="Application/SenML+CBOR") == nothing
    assert sender.values() == [[1], [2], [3], [4]]


def test_repeat_gets_the_same_ack_and_stores_nothing(sender: Sender) -> None:
    body = batch("b", 1, [{"t": now_ms(), "values": {"a": 1, "b": [1]}}])
    first = sender.post(body)
    assert first == {"boot": "b", "seqs": [1], "quarantined": ["nested_value"]}
    assert sender.post(body) == first
    assert len(sender.values()) == 1
    assert query(sender.api.url, "SELECT count(*) FROM quarantine") == [(1,)]


def test_gzipped_body_is_unpacked(sender: Sender) -> None:
    body = gzip.compress(batch("b", 1, [{"t": now_ms(), "values": {"a": 1}}]))
    assert sender.post(body, packed="gzip")["seqs"] == [1]


def test_small_body_that_unpacks_to_gigabytes_is_refused(sender: Sender) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(200)), packer.flush()])
    assert len(bomb) < 1 << 20
    assert sender.post(bomb, 413, packed="gzip")["code"] == "too_large"


@pytest.mark.parametrize(
    ("body", "status", "kind", "packed", "code"),
    [
        (b"x" * (1 << 20) + b"x", 413, None, None, "too_large"),
        (b"<a/>", 415, "application/xml", None, "unsupported_media_type"),
        (b"{}", 415, None, "br", "unsupported_media_type"),
        (b"{}", 422, None, "gzip", "invalid"),
        (gzip.compress(b"{}", mtime=0)[:-4], 422, None, "gzip", "invalid"),
        (gzip.compress(b"{}", mtime=0) + b"more", 422, None, "gzip", "invalid"),
    ],
)
def test_body_that_cannot_be_taken_is_a_problem(
    sender: Sender, body: bytes, status: int, kind: str | None, packed: str | None, code: str
) -> None:
    found = sender.post(body, status, kind, packed)
    assert (found["code"], found["status"]) == (code, status)
    assert query(sender.api.url, "SELECT count(*) FROM quarantine") == [(0,)]


def test_what_cannot_be_read_is_acknowledged_and_in_quarantine(sender: Sender) -> None:
    assert sender.post(b"\x81\x01", kind="application/senml+cbor")["quarantined"] == ["bad_sample"]
    assert sender.post(b"\x9f", kind="application/senml+cbor")["quarantined"] == ["unreadable"]
    assert query(sender.api.url, "SELECT topic FROM quarantine") == [("forewarn/v1/H-1/senml",)] * 2


def test_password_is_stretched_once_a_minute_and_a_new_one_counts_at_once(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str | None] = []
    verify = direct.verify_password

    def counted(password: str, hashed: str | None) -> bool:
        checked.append(hashed)
        return verify(password, hashed)

    monkeypatch.setattr(direct, "verify_password", counted)
    monkeypatch.setattr(direct, "_verified", {})
    for _ in range(3):
        sender.post(b'{"a": 1}')
    assert len(checked) == 1
    for _ in range(2):
        sender.api.post(POST, b'{"a": 1}', 401, auth=("H-1", "wrong"))
    assert len(checked) == 3  # a wrong one is never remembered
    with sender.api.database.as_service() as session:
        set_password(session, session.scalars(select(Device)).one(), "another")
    sender.api.post(POST, b'{"a": 1}', 401, auth=("H-1", PASSWORD))


def test_device_that_is_switched_off_is_refused_at_once(sender: Sender) -> None:
    sender.post(b'{"a": 1}')
    with sender.api.database.as_service() as session:
        session.scalars(select(Device)).one().disabled_at = datetime.now(UTC)
    sender.api.post(POST, b'{"a": 1}', 401, auth=("H-1", PASSWORD))
