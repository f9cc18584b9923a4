"""Real messages of other people's firmware become readings by rules, without a database."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from assets.base.errors import Invalid
from ingest.formats.decoded import Decoded, Reason, Unreadable
from ingest.formats.mapped import MappedFormat
from ingest.mappings import check_filter, dump_rules, parse_rules, widest

RECEIVED_US = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
T = RECEIVED_US // 1000


def read(rules: dict[str, Any], topic: str, payload: Any) -> Decoded:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return MappedFormat(parse_rules(rules)).read(topic, body, RECEIVED_US)


def rows(decoded: Decoded) -> list[tuple[str, int, dict[str, Any]]]:
    return [(sample.channel, sample.t_us // 1000, dict(sample.values)) for sample in decoded.samples]


def reasons(decoded: Decoded) -> list[str]:
    return [str(problem.reason) for problem in decoded.problems]


TASMOTA = {
    "asset": {"level": 2},
    "time": {"path": "Time", "format": "rfc3339", "zone": "Europe/Berlin"},
    "values": [
        {"metric": "power", "path": "ENERGY.Power", "unit": "W"},
        {"metric": "energy_total", "path": "ENERGY.Total", "unit": "kWh"},
        {"metric": "temperature", "path": "AM2301.Temperature", "unit": "°C"},
    ],
}


def test_tasmota_sensor() -> None:
    payload = {
        "Time": "2026-09-21T16:13:00",
        "ENERGY": {"TotalStartTime": "2026-01-01T00:00:00", "Total": 12.345, "Power": 61, "Voltage": 231},
        "AM2301": {"Temperature": 21.4, "Humidity": 54.2},
        "TempUnit": "C",
    }
    decoded = read(TASMOTA, "tele/plug1/SENSOR", payload)
    assert rows(decoded) == [("plug1", T - 20_000, {"power": 61, "energy_total": 12.345, "temperature": 21.4})]
    assert decoded.samples[0].units == {"power": "W", "energy_total": "kW.h", "temperature": "Cel"}
    assert decoded.problems == []


def test_zigbee2mqtt_device_by_the_keys_of_its_object() -> None:
    rules = {"asset": {"level": 2, "lookup": {"0x00158d": "P-7", "*": "other"}}, "values": [{"metric": "*"}]}
    payload = {
        "battery": 97, "contact": False, "linkquality": 120, "temperature": 22.5, "update": {"state": "idle"},
        "last_seen": None,
    }  # fmt: skip
    decoded = read(rules, "zigbee2mqtt/0x00158d", payload)
    assert rows(decoded) == [("P-7", T, {"battery": 97, "contact": False, "linkquality": 120, "temperature": 22.5})]


def test_shelly_second_generation_status() -> None:
    rules = {
        "asset": {"path": "$.src"},
        "time": {"path": "$.params.ts", "format": "s"},
        "values": [
            {"metric": "power", "path": 'params."switch:0".apower', "unit": "W"},
            {"metric": "on", "path": 'params."switch:0".output'},
        ],
    }
    payload = {
        "src": "shellyplus1pm-a8032a", "dst": "x", "method": "NotifyStatus",
        "params": {"ts": T / 1000 - 1.5, "switch:0": {"id": 0, "apower": 8.9, "output": True}},
    }  # fmt: skip
    assert rows(read(rules, "shellies/rpc", payload)) == [
        ("shellyplus1pm-a8032a", T - 1500, {"power": 8.9, "on": True})
    ]


def test_shelly_first_generation_plain_number_per_topic() -> None:
    rules = {
        "payload": "text",
        "asset": {"level": 2},
        "values": [{"metric": {"level": 5}, "as": "number"}],
    }
    assert rows(read(rules, "shellies/shellyem-1/emeter/0/power", b" 512.25\n")) == [
        ("shellyem-1", T, {"power": 512.25})
    ]
    switch = {"payload": "text", "values": [{"metric": "on", "lookup": {"on": True, "off": False}}]}
    assert rows(read(switch, "shellies/s1/relay/0", b"on")) == [("", T, {"on": True})]
    assert reasons(read(switch, "shellies/s1/relay/0", b"overpower")) == ["not_in_lookup"]


def test_lorawan_uplink_of_chirpstack() -> None:
    rules = {
        "asset": {"path": "deviceInfo.devEui"},
        "time": {"path": "time", "format": "rfc3339"},
        "values": [
            {"metric": "temperature", "path": "object.temperature", "unit": "Cel", "scale": 0.1},
            {"metric": "battery", "path": "object.vbat", "unit": "mV"},
            {"metric": "rssi", "path": "rxInfo[0].rssi", "unit": "dBm"},
        ],
    }
    payload = {
        "deduplicationId": "3ac7e3c4", "time": "2026-09-21T14:13:18.123456789+00:00",
        "deviceInfo": {"tenantId": "52f1", "devEui": "a84041b6d1826b2f"}, "fPort": 2, "data": "AQI=",
        "object": {"temperature": 213, "vbat": 3312}, "rxInfo": [{"rssi": -113, "snr": 2.5}, {"rssi": -120}],
    }  # fmt: skip
    decoded = read(rules, "application/x/device/a84041b6d1826b2f/event/up", payload)
    values = {"temperature": 21.3, "battery": 3312, "rssi": -113}
    assert rows(decoded) == [("a84041b6d1826b2f", T - 1877, values)]


def test_gateway_of_a_plc_one_sample_per_element_with_its_quality() -> None:
    rules = {
        "each": "tags[]",
        "asset": {"path": "$.machine"},
        "time": {"path": "ts", "format": "ms"},
        "values": [{"metric": {"path": "name"}, "path": "value"}],
        "quality": {"path": "q", "lookup": {"192": "good", "64": "uncertain", "*": "bad"}},
    }
    payload = {
        "machine": "M-1",
        "tags": [
            {"name": "PT101", "value": 4.2, "q": 192, "ts": T - 3},
            {"name": "PT102", "value": 4.4, "q": 64, "ts": T - 2},
            {"name": "PT103", "value": 0.0, "q": 0, "ts": T - 1},
            {"name": "TT1", "value": {"x": 1}, "q": 192, "ts": T},
            {"name": "TT2", "value": 1, "q": 192, "ts": "soon"},
            "nonsense",
        ],
    }
    decoded = read(rules, "plc/line1", payload)
    assert [next(iter(row[2])) for row in rows(decoded)] == ["PT101", "PT102", "PT103"]
    assert [sample.quality for sample in decoded.samples] == [None, {"PT102": 1}, {"PT103": 2}]
    assert (decoded.n, decoded.lost_samples) == (6, 3)
    assert set(reasons(decoded)) == {"nested_value", "bad_time"}


def test_lists_of_bare_numbers_and_wide_rows() -> None:
    rules = {"each": "rows", "time": {"path": "[0]", "format": "s"}, "values": [{"metric": "flow", "path": "[1]"}]}
    assert rows(read(rules, "x", {"rows": [[T // 1000, 1.5], [T // 1000 + 1, 1.6]]})) == [
        ("", T, {"flow": 1.5}),
        ("", T + 1000, {"flow": 1.6}),
    ]


@pytest.mark.parametrize(
    ("rule", "found", "value"),
    [
        ({"as": "number"}, "21.5", 21.5),
        ({"scale": 0.1, "offset": -40}, 615, 21.5),
        ({"as": "boolean"}, "OFF", False),
        ({"as": "boolean"}, 1, True),
        ({"as": "text"}, 3, "3"),
        ({"lookup": {"1": "run", "*": "idle"}}, 1, "run"),
        ({"lookup": {"1": "run", "*": "idle"}}, 7, "idle"),
        ({"lookup": {"true": 5}}, True, 5),
    ],
)
def test_values_are_scaled_and_looked_up(rule: dict[str, Any], found: Any, value: Any) -> None:
    decoded = read({"values": [{"metric": "a", "path": "x", **rule}]}, "t", {"x": found})
    assert rows(decoded) == [("", T, {"a": value})]


@pytest.mark.parametrize(
    ("rules", "payload", "reason"),
    [
        ({"values": [{"metric": "a", "path": "x", "as": "number"}]}, {"x": "warm"}, Reason.WRONG_TYPE),
        ({"values": [{"metric": "a", "path": "x", "as": "boolean"}]}, {"x": "maybe"}, Reason.WRONG_TYPE),
        ({"values": [{"metric": "a", "path": "x"}]}, {"x": [1]}, Reason.NESTED_VALUE),
        ({"values": [{"metric": "a", "path": "x"}]}, {"y": 1}, Reason.BAD_SAMPLE),
        ({"values": [{"metric": "a", "path": "length(x)"}]}, {"x": 1}, Reason.BAD_SAMPLE),
        ({"asset": {"path": "id"}, "values": [{"metric": "a", "path": "x"}]}, {"x": 1}, Reason.BAD_NAME),
        ({"asset": {"level": 9}, "values": [{"metric": "a", "path": "x"}]}, {"x": 1}, Reason.BAD_NAME),
        ({"time": {"path": "t"}, "values": [{"metric": "a", "path": "x"}]}, {"x": 1}, Reason.BAD_TIME),
        (
            {"time": {"path": "t", "format": "rfc3339"}, "values": [{"metric": "a", "path": "x"}]},
            {"x": 1, "t": "2026-09-21T14:13:20"},
            Reason.NAIVE_TIME,
        ),
        ({"values": [{"metric": "a", "path": "x"}]}, {"x": float("nan")}, Reason.NOT_FINITE),
        ({"values": [{"metric": "a", "path": "x", "scale": 1e300}]}, {"x": 1e300}, Reason.NOT_FINITE),
        ({"values": [{"metric": {"path": "n"}, "path": "x"}]}, {"x": 1, "n": ["a"]}, Reason.BAD_NAME),
    ],
)
def test_what_the_rules_do_not_find_is_named(rules: dict[str, Any], payload: Any, reason: Reason) -> None:
    decoded = read(rules, "t", payload)
    assert reasons(decoded) == [reason]
    assert decoded.samples == []


@pytest.mark.parametrize(
    ("rules", "payload", "reason"),
    [
        ({"values": [{"metric": "a"}]}, b"{", Reason.UNREADABLE),
        ({"each": "x", "values": [{"metric": "a"}]}, b'{"x": 1}', Reason.UNREADABLE),
        ({"payload": "text", "values": [{"metric": "a"}]}, b"\xff", Reason.UNREADABLE),
        ({"payload": "text", "values": [{"metric": "a"}]}, b"x" * 3000, Reason.TOO_LARGE),
        ({"each": "@", "values": [{"metric": "a"}]}, json.dumps([1] * 5000).encode(), Reason.TOO_MANY_SAMPLES),
    ],
)
def test_message_that_cannot_be_read_has_its_reason(rules: dict[str, Any], payload: bytes, reason: Reason) -> None:
    with pytest.raises(Unreadable) as caught:
        read(rules, "t", payload)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({}, "values"),
        ({"values": []}, "values"),
        ({"values": [{"metric": "a", "path": "a."}]}, "values.0.path"),
        ({"values": [{"metric": "a", "path": "[@,@][]|[@,@][]"}]}, "values.0.path"),
        ({"values": [{"metric": "a", "path": "map(&x, @)"}]}, "values.0.path"),
        ({"values": [{"metric": "a", "unit": "\x00"}]}, "values.0.unit"),
        ({"values": [{"metric": "a", "scale": "much"}]}, "values.0.scale"),
        ({"values": [{"metric": "a"}], "asset": {"level": 1, "path": "x"}}, "asset"),
        ({"values": [{"metric": "a"}], "time": {"path": "x", "zone": "Mars/Crater"}}, "time.zone"),
        ({"values": [{"metric": "a"}], "speed": 1}, "speed"),
        ([], ""),
    ],
)
def test_rules_that_make_no_sense_are_refused_by_their_place(rules: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_rules(rules)
    assert str(caught.value.params["field"]).startswith(f"rules.{field}")


def test_rules_are_stored_as_they_were_said() -> None:
    assert dump_rules(parse_rules(TASMOTA)) == {
        **TASMOTA,
        "values": [
            {"metric": "power", "path": "ENERGY.Power", "unit": "W"},
            {"metric": "energy_total", "path": "ENERGY.Total", "unit": "kW.h"},
            {"metric": "temperature", "path": "AM2301.Temperature", "unit": "Cel"},
        ],
    }


@pytest.mark.parametrize(
    "bad", ["forewarn/#", "forewarn/x", "spBv1.0/#", "#", "+/#", "$SYS/#", "+/v1/+/telemetry", "a#"]
)
def test_topics_that_are_read_otherwise_cannot_be_claimed(bad: str) -> None:
    with pytest.raises(Invalid):
        check_filter(bad)


@pytest.mark.parametrize("good", ["tele/+/SENSOR", "+/sensor/+/state", "a/#", "zigbee2mqtt/+"])
def test_other_topics_can(good: str) -> None:
    check_filter(good)


def test_filters_that_another_covers_are_not_subscribed_twice() -> None:
    assert widest(["a/b", "a/#", "a/+", "b/+", "b/c", "c"]) == ["a/#", "b/+", "c"]


def test_local_times_follow_the_zone_s_summer_time() -> None:
    rules = {**TASMOTA, "values": [{"metric": "x", "path": "x"}]}
    decoded = read(rules, "tele/p/SENSOR", {"Time": "2026-01-21T12:00:00", "x": 1})
    assert decoded.samples[0].t_us == int(datetime.fromisoformat("2026-01-21T11:00:00Z").timestamp() * 1e6)
