"""Bursts of fast sensors: stored once, within bounds, seen by their owner alone; what is none says why."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest
from sqlalchemy import select

from assets.base.access import Role
from ingest import bursts
from ingest.control import handle_control
from ingest.formats.decoded import Unreadable
from ingest.formats.waveform import MAX_SAMPLES, read_waveform
from ingest.messages import Message
from ingest.models import Device
from tests.ingest.support import PASSWORD, add_device, now_ms, query, wait_until
from tests.ingest.test_api import Api

RECEIVED_US = 1_790_000_000_000_000
T = RECEIVED_US // 1000 - 5000
COUNTS = [round(1000 * ((i * 7919) % 101 / 101 - 0.5)) for i in range(300)]
DATA = struct.pack(f"<{len(COUNTS)}h", *COUNTS)
GOOD: dict[str, Any] = {"t": T, "hz": 5000, "unit": "g", "point": "fan", "type": "int16", "scale": 0.001, "data": DATA}


def as_json(body: dict[str, Any]) -> bytes:
    plain = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in body.items()}
    return json.dumps(plain).encode()


@pytest.mark.parametrize(
    "payload",
    [
        as_json(GOOD),
        cbor2.dumps(GOOD),
        b"\xd9\xd9\xf7" + cbor2.dumps(GOOD),
        cbor2.dumps(GOOD | {"type": "float32", "scale": 1, "data": struct.pack("<300f", *[c / 1000 for c in COUNTS])}),
        json.dumps({k: v for k, v in GOOD.items() if k not in ("type", "data")} | {"samples": COUNTS}).encode(),
    ],
    ids=["json", "cbor", "tagged", "float32", "list"],
)
def test_every_form_means_the_same(payload: bytes) -> None:
    wave = read_waveform(payload, "D", RECEIVED_US)
    assert (wave.channel, wave.point, wave.t_us, wave.sample_hz, wave.unit) == ("", "fan", T * 1000, 5000.0, "[g]")
    assert wave.values.tolist() == pytest.approx([count / 1000 for count in COUNTS], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"t": None}, "bad_time"),
        ({"t": "2026-09-21T14:00:00"}, "naive_time"),
        ({"t": T + 10**9}, "absurd_time"),
        ({"hz": 0}, "bad_waveform"),
        ({"hz": "fast"}, "bad_waveform"),
        ({"hz": 10**400}, "bad_waveform"),
        ({"hz": True}, "bad_waveform"),
        ({"unit": None}, "bad_waveform"),
        ({"unit": 7}, "bad_waveform"),
        ({"type": "int12"}, "bad_waveform"),
        ({"type": ["int16"]}, "bad_waveform"),
        ({"scale": 0}, "bad_waveform"),
        ({"data": DATA[:-1]}, "bad_waveform"),
        ({"data": DATA[:200]}, "bad_waveform"),
        ({"data": "no base64!"}, "bad_waveform"),
        ({"data": None}, "bad_waveform"),
        ({"samples": [1, 2, 3]}, "bad_waveform"),
        ({"samples": ["a"] * 300}, "bad_waveform"),
        ({"samples": {}}, "bad_waveform"),
        ({"samples": [10**400] * 300}, "bad_waveform"),
        ({"type": "float32", "data": struct.pack("<300f", *[float("nan")] * 300)}, "not_finite"),
        ({"data": bytes(2 * MAX_SAMPLES + 2)}, "too_large"),
        ({"point": "a/b"}, "bad_name"),
        ({"point": ""}, "bad_name"),
        ({"point": "x" * 61}, "bad_name"),
        ({"point": 5}, "bad_name"),
        ({"asset": ["P-7"]}, "bad_name"),
        ({"speed_hz": -1}, "bad_waveform"),
        ({"rpm": 1e9}, "bad_waveform"),
    ],
)
def test_what_is_no_waveform_says_why(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as error:
        read_waveform(as_json(GOOD | change), "D", RECEIVED_US)
    assert str(error.value.reason) == reason


def test_whatever_comes_is_read_or_refused() -> None:
    lots = random.Random(7)
    odd: list[Any] = [None, True, -1, 0, 1e308, "", "x", [], {}, [[]], b"", "2026", 2**70]
    for _ in range(400):
        body = {k: lots.choice(odd) if lots.random() < 0.2 else v for k, v in GOOD.items()}
        payload = bytearray(cbor2.dumps(body) if lots.random() < 0.5 else as_json(body))
        for _ in range(lots.choice([0, 0, 1, 5])):
            payload[lots.randrange(len(payload))] = lots.randrange(256)
        with contextlib.suppress(Unreadable):  # anything else would stop the stream
            read_waveform(bytes(payload[: lots.choice([None, lots.randrange(len(payload))])]), "D", RECEIVED_US)


def test_example_of_the_page_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text()
    found = re.search(r"<!-- waveform -->\n```json\n(.*?)```", page, re.DOTALL)
    assert found
    body = json.loads(found[1])
    body["data"] = base64.b64encode(DATA).decode()  # the page shows the beginning
    wave = read_waveform(json.dumps(body).encode(), "D-1", RECEIVED_US)
    assert (wave.channel, wave.point, wave.sample_hz, wave.speed_hz) == ("P-7", "drive_end", 25600.0, 24.8)


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    api = Api(database_url)
    add_device(database_url, "H-1", api.root)
    yield api
    api.database.dispose()


def put(api: Api, body: bytes, status: int, name: str = "one", **more: Any) -> Any:
    given = {"auth": ("H-1", PASSWORD), "headers": {"content-type": "application/json"}} | more
    answer = api.client.put(f"/api/v1/devices/H-1/files/{name}", content=body, **given)
    assert answer.status_code == status, answer.text
    return answer.json()


def fresh(**change: Any) -> bytes:
    return as_json(GOOD | {"t": now_ms() - 1000} | change)


def test_a_burst_is_stored_once_and_listed_and_fetched(api: Api) -> None:
    body = fresh()
    first = put(api, body, 201)
    assert first["stored"]
    assert put(api, body, 200) == first
    assert put(api, fresh(hz=6000), 409)["code"] == "another_content"
    (item,) = api.get("/devices/H-1/files")["items"]
    assert (item["name"], item["point"], item["state"], item["kept"]) == ("one", "fan", "waiting", True)
    answer = api.client.get("/api/v1/devices/H-1/files/one")
    assert (answer.status_code, answer.content) == (200, body)
    put(api, fresh(), 201, "two")
    page = api.get("/devices/H-1/files", limit=1)
    assert [page["items"][0]["name"], api.get("/devices/H-1/files", after=page["next"])["items"][0]["name"]] == [
        "two",
        "one",
    ]
    assert api.get("/devices/H-1/files", 422, after="rubbish")
    assert api.get("/devices/H-1/files/none", 404)


def test_what_cannot_be_read_is_acknowledged_and_set_aside(api: Api) -> None:
    answer = put(api, b"{}", 200)
    assert (answer["stored"], answer["quarantined"]) == (False, ["bad_time"])
    assert query(api.url, "SELECT reason, payload, topic FROM quarantine") == [
        ("bad_time", b"{}", "forewarn/v1/H-1/waveform")
    ]
    assert put(api, fresh(), 201)["stored"]  # the name is free


def test_others_neither_send_nor_see(api: Api) -> None:
    put(api, fresh(), 401, auth=("H-1", "guess"))
    put(api, fresh(), 415, headers={"content-type": "image/png"})
    put(api, fresh(), 400, "x" * 129)
    put(api, fresh(), 201)
    api.be(api.other, Role.ADMINISTRATOR)
    api.get("/devices/H-1/files", 404)
    api.get("/devices/H-1/files/one", 404)


def test_more_than_a_device_may_send_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "MAX_AN_HOUR", 2)
    put(api, fresh(), 201, "1")
    put(api, fresh(), 201, "2")
    problem = put(api, fresh(), 429, "3")
    assert problem["code"] == "too_many_bursts"
    assert 0 < problem["params"]["retry_after_s"] <= 3600
    with api.database.as_service() as session:
        message = Message("forewarn/v1/H-1/waveform", fresh(), now_ms() * 1000)
        assert handle_control(session, message) is None
    assert query(api.url, "SELECT reason, payload FROM quarantine") == [("too_many_files", b"")]


def test_a_burst_over_mqtt_is_the_same(api: Api) -> None:
    body = fresh(asset="P-7")
    message = Message("forewarn/v1/H-1/waveform", body, now_ms() * 1000)
    for _ in range(2):
        with api.database.as_service() as session:
            assert handle_control(session, message) is None
    assert query(api.url, "SELECT channel, point, content FROM bursts") == [("P-7", "fan", body)]
    with api.database.as_service() as session:
        assert handle_control(session, message._replace(payload=b"\xff\x00")) is None
    assert query(api.url, "SELECT reason FROM quarantine") == [("unreadable",)]


def test_a_number_as_long_as_the_message_is_refused_for_what_it_is() -> None:
    """CBOR holds numbers of any length; writing one out as text would fail."""
    long = 1 << 100_000
    for name in ("t", "hz", "type", "scale", "unit", "rpm", "speed_hz", "offset_ms", "asset", "point", "data"):
        for value in (long, -long, [long], {"a": long}):
            with contextlib.suppress(Unreadable):
                read_waveform(cbor2.dumps(GOOD | {name: value}), "D", RECEIVED_US)
    with pytest.raises(Unreadable, match="type must be one of"):
        read_waveform(cbor2.dumps(GOOD | {"type": long}), "D", RECEIVED_US)


def test_long_channels_of_the_same_beginning_are_two_and_can_be_fetched(api: Api) -> None:
    t, channels = now_ms() - 1000, ["line 4/" + "x" * 110 + end for end in ("a", "b")]
    for channel in channels:
        message = Message("forewarn/v1/H-1/waveform", fresh(t=t, asset=channel), now_ms() * 1000)
        with api.database.as_service() as session:
            assert handle_control(session, message) is None
    items = api.get("/devices/H-1/files")["items"]
    assert len({item["name"] for item in items}) == 2
    for item in items:
        assert len(item["name"]) <= bursts.MAX_NAME_CHARS
        answer = api.client.get(f"/api/v1/devices/H-1/files/{item['name']}")
        assert json.loads(answer.content)["asset"] in channels


def test_what_cannot_be_read_is_kept_within_bounds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "MAX_SET_ASIDE", 2)
    monkeypatch.setattr(bursts, "MAX_AN_HOUR", 4)
    rubbish = b"\xff" * 5000
    for _ in range(2):
        assert put(api, rubbish, 200)["quarantined"] == ["unreadable"]
    assert put(api, rubbish, 429)["code"] == "too_many_bursts"
    for _ in range(5):
        with api.database.as_service() as session:
            assert handle_control(session, Message("forewarn/v1/H-1/waveform", rubbish, now_ms() * 1000)) is None
    kept = query(api.url, "SELECT length(payload) FROM quarantine ORDER BY received_at, id")
    assert [size for (size,) in kept] == [5000, 5000, 0, 0]
    monkeypatch.setattr(bursts, "MAX_SET_ASIDE", 60)
    monkeypatch.setattr(bursts, "MAX_BYTES_SET_ASIDE", 12_000)
    assert put(api, rubbish, 429)["code"] == "too_many_bursts"
    put(api, fresh(), 201)


def test_http_and_broker_may_bring_bursts_of_one_device_at_once(api: Api) -> None:
    """The broker's side holds the device's row when it stores a burst; the other one then holds nothing it wants."""
    answers: list[int] = []
    with api.database.as_service() as session:
        device = session.scalars(select(Device).where(Device.serial == "H-1").with_for_update()).one()
        other = threading.Thread(target=lambda: answers.append(put_quietly(api, fresh())))
        other.start()
        wait_until(lambda: bool(query(api.url, "SELECT 1 FROM pg_locks WHERE NOT granted")), 60)
        bursts.receive_burst(session, device, fresh(asset="P-7"), now_ms() * 1000)
    other.join(60)
    assert answers == [201]
    assert len(api.get("/devices/H-1/files")["items"]) == 2


def put_quietly(api: Api, body: bytes) -> int:
    headers = {"content-type": "application/json"}
    answer = api.client.put("/api/v1/devices/H-1/files/x", content=body, auth=("H-1", PASSWORD), headers=headers)
    return int(answer.status_code)
