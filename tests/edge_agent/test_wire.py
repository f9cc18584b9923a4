"""The wire format: what one side encodes the other reads, and what does not fit is refused with a reason."""

from __future__ import annotations

import json

import pytest

from edge_agent import wire

T0 = 1_763_726_400_123


def test_batch_is_exactly_the_contracts_json() -> None:
    batch = wire.Batch(
        boot="01JDABC",
        seq=1042,
        first=52101,
        n=1,
        sent_at=1763726401200,
        offset_ms=-35,
        samples=[
            wire.Sample(
                T0,
                {"temperature_celsius": 61.2, "vibration_mm_s": 2.81, "mode": "load"},
                86400123,
                "P-7",
                {"vibration_mm_s": "uncertain"},
            )
        ],
        events=[wire.DeviceEvent(T0, "E41", "warning", "hot 热", True, "P-7")],
        dropped=[wire.Dropped(50001, 2000, 1, 2, "spool full")],
    )
    assert json.loads(wire.encode_batch(batch)) == {
        "boot": "01JDABC",
        "seq": 1042,
        "first": 52101,
        "n": 1,
        "sent_at": 1763726401200,
        "offset_ms": -35,
        "lane": "live",
        "samples": [
            {
                "t": T0,
                "m": 86400123,
                "asset": "P-7",
                "values": {"temperature_celsius": 61.2, "vibration_mm_s": 2.81, "mode": "load"},
                "quality": {"vibration_mm_s": "uncertain"},
            }
        ],
        "events": [{"t": T0, "asset": "P-7", "code": "E41", "severity": "warning", "text": "hot 热", "active": True}],
        "dropped": [{"first": 50001, "n": 2000, "from": 1, "to": 2, "reason": "spool full"}],
    }


def test_topics_are_those_of_the_contract() -> None:
    assert wire.telemetry_topic("P-7") == "forewarn/v1/P-7/telemetry"
    assert wire.config_reported_topic("P-7") == "forewarn/v1/P-7/config/reported"
    assert wire.command_result_topic("P-7", "42") == "forewarn/v1/P-7/command/42/result"
    assert wire.command_topic("P-7", "+") == "forewarn/v1/P-7/command/+"
    assert wire.parse_topic("forewarn/v1/P-7/command/42/result") == ("P-7", "command/42/result")
    assert wire.command_id_of("command/42/result") == "42"
    assert wire.command_id_of("telemetry") is None


@pytest.mark.parametrize("serial", ["", "a/b", "a+", "#", " a", "x" * 65, "a\n", "$SYS"])
def test_serial_that_a_topic_cannot_carry_is_refused(serial: str) -> None:
    with pytest.raises(wire.WireError):
        wire.telemetry_topic(serial)


@pytest.mark.parametrize("topic", ["", "forewarn/v1", "forewarn/v1/P-7", "forewarn/v2/P-7/ack", "forewarn/v1//ack"])
def test_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_topic(topic)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_value_that_json_lacks_is_refused(value: float) -> None:
    with pytest.raises(wire.WireError, match="P-7"):
        wire.encode_sample(wire.Sample(T0, {"x": value}, asset="P-7"))


def test_too_many_metrics_or_samples_are_refused() -> None:
    with pytest.raises(wire.WireError):
        wire.encode_sample(wire.Sample(T0, {f"m{n}": n for n in range(wire.MAX_SAMPLE_METRICS + 1)}))
    too_many = [wire.Sample(T0 + n, {"x": n}) for n in range(wire.MAX_BATCH_SAMPLES + 1)]
    with pytest.raises(wire.WireError):
        wire.encode_batch(wire.Batch("b", 1, 0, 501, T0, samples=too_many))
    fat = [wire.Sample(T0, {"x": "y" * 10_000}) for _ in range(200)]
    with pytest.raises(wire.WireError):
        wire.encode_batch(wire.Batch("b", 1, 0, 200, T0, samples=fat))


def test_what_is_encoded_is_decoded_the_same() -> None:
    ack = wire.Ack("b", [1, 2])
    assert wire.decode_ack(wire.encode_ack(ack)) == ack
    status = wire.Status(True, "b", 7, T0, "0.1.0", [{"code": "c", "text": "t"}], {"records": 3})
    assert wire.decode_status(wire.encode_status(status)) == status
    describe = wire.Describe(
        "pump",
        "0.1.0",
        [wire.Metric("x", "Cel", "gauge", 1.0, 0, 100)],
        [wire.SubDevice("P-7", "m", [wire.Metric("mode", "1", "state")], {"demo": True})],
        True,
        {"hostname": "h"},
    )
    assert wire.decode_describe(wire.encode_describe(describe)) == describe
    command = wire.Command("c1", "repair", {"code": "x"}, T0)
    assert wire.decode_command("c1", wire.encode_command(command)) == command
    result = wire.CommandResult("c1", "done", T0, "", {"healed": ["x"]})
    assert wire.decode_command_result("c1", wire.encode_command_result(result)) == result
    assert wire.decode_time_request(wire.encode_time_request(5)) == 5
    assert wire.decode_time_reply(wire.encode_time_reply(5, 6)) == (5, 6)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xfe", b"[]", b"7", b"{", b'{"boot": 1}', b'{"boot":"b","seqs":[1.5]}', b'{"boot":"b","seqs":[true]}'],
)
def test_unreadable_payloads_are_named_errors(payload: bytes) -> None:
    for decode in (wire.decode_ack, wire.decode_status, wire.decode_time_reply, wire.decode_time_request):
        with pytest.raises(wire.WireError):
            decode(payload)
    with pytest.raises(wire.WireError):
        wire.decode_command("c", payload)
    with pytest.raises(wire.WireError):
        wire.decode_command_result("c", payload)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"metrics": 5}',
        b'{"metrics": [{"unit": "Cel"}]}',
        b'{"metrics": [{"name": "x", "kind": "?"}]}',
        b'{"metrics": [{"name": "x", "low": "a"}]}',
        b'{"assets": [{"serial": "a/b"}]}',
        b'{"assets": [1]}',
    ],
)
def test_unreadable_descriptions_are_named_errors(payload: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_describe(payload)
