"""SenML packs of RFC 8428, in JSON and in CBOR."""

from __future__ import annotations

import json
import time
from typing import Any

import cbor2
import psycopg
import pytest

from ingest.formats import decode
from ingest.formats.decoded import Decoded, Reason, Unreadable
from ingest.formats.senml import _LABELS
from ingest.messages import Message
from ingest.writer import Writer, prepare
from tests.ingest.support import add_device, query

RECEIVED_US = 1_790_000_000_000_000
NOW = RECEIVED_US / 1e6
LABELS = {name: label for label, name in _LABELS.items()}


def as_cbor(records: list[dict[str, Any]]) -> bytes:
    return cbor2.dumps([{LABELS.get(key, key): value for key, value in record.items()} for record in records])


def read(pack: Any, device: str = "D-1") -> Decoded:
    payload = pack if isinstance(pack, bytes) else json.dumps(pack).encode()
    return decode("senml", payload, device, RECEIVED_US)


def rows(decoded: Decoded) -> list[tuple[str, float, dict[str, Any]]]:
    return [(sample.channel, sample.t_us / 1e6, dict(sample.values)) for sample in decoded.samples]


def reasons(decoded: Decoded) -> list[str]:
    return [str(problem.reason) for problem in decoded.problems]


PACK = [
    {"bn": "urn:dev:ow:10e2073a01080063:", "bt": NOW - 3, "bu": "A", "bver": 5, "n": "voltage", "u": "V", "v": 120.1},
    {"n": "current", "t": -5, "v": 1.2},
    {"n": "current", "t": -4, "v": 1.3},
    {"n": "current", "v": 1.7},
    {"n": "mode", "vs": "run"},
    {"n": "open", "vb": False},
]


@pytest.mark.parametrize("pack", [PACK, as_cbor(PACK)], ids=["json", "cbor"])
def test_pack_of_the_standard_is_resolved(pack: Any) -> None:
    decoded = read(pack)
    urn = "urn:dev:ow:10e2073a01080063"
    assert rows(decoded) == [
        (urn, NOW - 3, {"voltage": 120.1, "current": 1.7, "mode": "run", "open": False}),
        (urn, NOW - 8, {"current": 1.2}),
        (urn, NOW - 7, {"current": 1.3}),
    ]
    assert decoded.samples[0].units == {"voltage": "V", "current": "A", "mode": "A", "open": "A"}
    assert (decoded.own_name, decoded.n, decoded.problems) == (urn, 3, [])


def test_cbor_may_say_that_it_is_cbor() -> None:
    assert rows(read(b"\xd9\xd9\xf7" + as_cbor(PACK))) == rows(read(PACK))


def test_time_below_two_to_the_28_counts_from_now() -> None:
    pack = [
        {"n": "a", "v": 1},
        {"n": "a", "t": -10, "v": 2},
        {"n": "a", "t": 2**28, "v": 3},
        {"bt": -60, "n": "b", "v": 4},
    ]
    decoded = read(pack)
    assert [(row[1], row[2]) for row in rows(decoded)] == [(NOW, {"a": 1}), (NOW - 10, {"a": 2}), (NOW - 60, {"b": 4})]
    assert reasons(decoded) == ["absurd_time"]  # 1978


def test_base_value_and_sum() -> None:
    decoded = read([{"bn": "D-1:", "bv": 20, "bs": 100, "bu": "W", "n": "power", "v": 1.5}, {"n": "work", "s": 3}])
    assert rows(decoded) == [("", NOW, {"power": 21.5, "power_sum": 100, "work_sum": 103})]
    assert decoded.samples[0].units == {"power": "W", "power_sum": "W.s", "work_sum": "W.s"}


@pytest.mark.parametrize(
    ("name", "channel", "metric"),
    [
        ("temperature", "", "temperature"),
        ("D-1:temperature", "", "temperature"),
        ("D-1/temperature", "", "temperature"),
        ("P-7:temperature", "P-7", "temperature"),
        ("P-7/temperature", "P-7", "temperature"),
        ("D-1/P-7/temperature", "P-7", "temperature"),
        ("hall/P-7/temperature", "hall/P-7", "temperature"),
        ("urn:dev:ser:d-1:temperature", "", "temperature"),
        ("urn:dev:ser:D-1/P-7/temperature", "P-7", "temperature"),
        ("urn:dev:mac:0024befffe804ff1/voltage", "urn:dev:mac:0024befffe804ff1", "voltage"),
        ("urn:dev:mac:0024befffe804ff1_voltage", "urn:dev:mac:0024befffe804ff1", "voltage"),
        ("urn:dev:ow:10e2073a01080063", "urn:dev:ow:10e2073a01080063", "value"),
        ("/3303/0/5700", "", "3303/0/5700"),
        ("3303/0/5700", "", "3303/0/5700"),
    ],
)
def test_names_tell_sub_device_and_metric(name: str, channel: str, metric: str) -> None:
    (row,) = rows(read([{"n": name, "v": 1}]))
    assert (row[0], row[2]) == (channel, {metric: 1})


@pytest.mark.parametrize(
    ("unit", "code"),
    [("Cel", "Cel"), ("%RH", "%"), ("l/s", "L/s"), ("count", "1"), ("kWh", "kW.h"), ("B", "By"), ("beat/min", "/min"),
     ("C", "C"), ("/100", "%"), ("km/h", "km/h"), ("VA", "V.A"), ("mystery", "mystery")],
)  # fmt: skip
def test_registered_units_become_ucum(unit: str, code: str) -> None:
    assert read([{"n": "a", "u": unit, "v": 1}]).samples[0].units == {"a": code}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"n": "a"}, Reason.BAD_SAMPLE),
        ({"v": 1}, Reason.BAD_NAME),
        ({"n": "a", "v": "1"}, Reason.BAD_SAMPLE),
        ({"n": "a", "v": True}, Reason.BAD_SAMPLE),
        ({"n": "a", "v": 1, "vb": True}, Reason.BAD_SAMPLE),
        ({"n": 3, "v": 1}, Reason.BAD_SAMPLE),
        ({"n": "a", "vd": "aGk"}, Reason.BINARY_VALUE),
        ({"n": "a", "v": float("nan")}, Reason.NOT_FINITE),
        ({"n": "a", "v": 10**400}, Reason.NOT_FINITE),
        ({"n": "a", "v": 1, "t": "x"}, Reason.BAD_SAMPLE),
        ({"n": "a", "v": 1, "t": float("inf")}, Reason.BAD_TIME),
        ({"n": "a", "v": 1, "t": 1e300}, Reason.ABSURD_TIME),
        ({"n": "a" * 200, "v": 1}, Reason.BAD_NAME),
        ({"n": "\x00:a", "v": 1}, Reason.BAD_NAME),
        ({"n": "a", "vs": "\ud800"}, Reason.BAD_TEXT),
        (7, Reason.BAD_SAMPLE),
    ],
)
def test_bad_record_is_named_and_the_rest_of_the_pack_kept(record: Any, reason: Reason) -> None:
    decoded = read([{"n": "good", "v": 1}, record, {"n": "fine", "v": 2}])
    assert rows(decoded) == [("", NOW, {"good": 1, "fine": 2})]
    assert reasons(decoded) == [reason]


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        ([{"n": "a", "v": 1, "must_": 1}], Reason.UNKNOWN_FIELD),
        (as_cbor([{"n": "a", "v": 1, "must_": 1}]), Reason.UNKNOWN_FIELD),
        ([{"bver": 11, "n": "a", "v": 1}], Reason.BAD_HEADER),
        ([{"bver": 10, "n": "a", "v": 1}, {"bver": 5, "n": "a", "v": 1}], Reason.BAD_HEADER),
        ([], Reason.UNREADABLE),
        ({"n": "a", "v": 1}, Reason.UNREADABLE),
        (b"", Reason.UNREADABLE),
        (b"<senml/>", Reason.UNREADABLE),
        (b"\x81" * 100_000, Reason.UNREADABLE),
        (b"\x9b" + b"\xff" * 8, Reason.UNREADABLE),
        (b"\x9f", Reason.UNREADABLE),
        (b" " * (2 << 20), Reason.TOO_LARGE),
        ([{"n": "a", "v": 1}] * 20_001, Reason.TOO_MANY_SAMPLES),
    ],
)
def test_pack_that_cannot_be_read_has_its_reason(pack: Any, reason: Reason) -> None:
    begun = time.thread_time()
    with pytest.raises(Unreadable) as caught:
        read(pack)
    assert caught.value.reason == reason
    assert time.thread_time() - begun < 1.0


def test_list_that_holds_itself_is_a_record_that_is_none() -> None:
    decoded = read(b"\xd8\x1c\x81\xd8\x1d\x00")
    assert (decoded.samples, reasons(decoded)) == ([], ["bad_sample"])


def test_fields_that_need_not_be_understood_are_passed_over() -> None:
    assert read([{"n": "a", "v": 1, "foo": {"bar": [1]}, "ut": 10}]).problems == []
    assert read(cbor2.dumps([{0: "a", 2: 1, 99: "x", -77: 3, "foo": 1, 2.5: 1}])).problems == []


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"\xc4\x82\x21\x19\x6a\xb3", 273.15),  # a decimal fraction
        (b"\xc2\x49\x01" + bytes(8), float(2**64)),
        (b"\xf9\x3e\x00", 1.5),
    ],
)
def test_numbers_as_cbor_writes_them(value: bytes, kept: float) -> None:
    assert rows(read(b"\x81\xa2\x00\x61a\x02" + value))[0][2] == {"a": kept}


@pytest.mark.parametrize(
    "value", [b"\xc4\x82\x1a\x7f\xff\xff\xff\x01", b"\xd8\x23\x64(a+)", b"\xf7", b"\x42hi", b"\xf9\x7e\x00"]
)
def test_strange_cbor_values_are_named(value: bytes) -> None:
    decoded = read(b"\x81\xa2\x00\x61a\x02" + value)
    assert len(decoded.problems) == 1
    assert decoded.samples == []


def test_repeated_metric_of_one_moment_makes_two_samples_so_that_the_store_s_rule_holds() -> None:
    assert rows(read([{"n": "a", "v": 1}, {"n": "a", "v": 2}])) == [("", NOW, {"a": 1}), ("", NOW, {"a": 2})]


def test_largest_pack_is_read_in_time() -> None:
    pack = [{"n": f"m{i % 50}", "t": -(i // 50), "v": i} for i in range(20_000)]
    begun = time.thread_time()
    assert len(read(pack).samples) == 400
    assert time.thread_time() - begun < 2.0


def test_name_that_a_device_gives_itself_is_the_device_and_others_are_sub_devices(database_url: str) -> None:
    add_device(database_url, "D-1")
    writer = Writer()

    def send(*names: str) -> None:
        payload = json.dumps([{"n": name, "v": 1} for name in names]).encode()
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("SET ROLE forewarn_service")
            at = time.time_ns() // 1000
            writer.write(connection, [prepare(Message("forewarn/v1/D-1/senml", payload, at))])

    send("urn:dev:ow:10e2:temperature")
    send("urn:dev:ow:10e2:P-7:temperature")
    writer = Writer()  # another worker
    send("urn:dev:ow:20e2:temperature")
    send("urn:dev:ow:10e2:humidity")
    found = query(
        database_url,
        "SELECT channel, array_agg(metric ORDER BY metric) FROM streams t JOIN series r ON r.stream_id = t.id"
        " GROUP BY channel ORDER BY channel",
    )
    assert found == [
        ("", ["humidity", "temperature"]),
        ("P-7", ["temperature"]),
        ("urn:dev:ow:20e2", ["temperature"]),
    ]


def test_gateway_that_names_several_devices_at_first_is_none_of_them(database_url: str) -> None:
    add_device(database_url, "D-1")
    writer = Writer()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        for names in (["urn:dev:ow:1:t", "urn:dev:ow:2:t"], ["urn:dev:ow:1:t"]):
            payload = json.dumps([{"n": name, "v": 1} for name in names]).encode()
            at = time.time_ns() // 1000
            writer.write(connection, [prepare(Message("forewarn/v1/D-1/senml", payload, at))])
    assert query(database_url, "SELECT channel FROM streams ORDER BY channel") == [
        ("urn:dev:ow:1",),
        ("urn:dev:ow:2",),
    ]
