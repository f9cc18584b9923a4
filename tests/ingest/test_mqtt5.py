"""MQTT 5 packets: what is written is read back, however the stream is cut; what is no MQTT is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest import mqtt5
from ingest.mqtt5 import Packet, ProtocolError, Published, Splitter

topics = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
messages = st.lists(
    st.tuples(topics, st.binary(max_size=400), st.integers(0, 65_535), st.booleans()), min_size=1, max_size=8
)


@given(messages, st.data())
def test_messages_are_read_back_however_the_stream_is_cut(
    sent: list[tuple[str, bytes, int, bool]], data: st.DataObject
) -> None:
    stream = b"".join(mqtt5.publish(topic, payload, mid, retain=retain) for topic, payload, mid, retain in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter, found = Splitter(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += [mqtt5.read_publish(packet) for packet in splitter.feed(stream[start:end])]
    assert found == [Published(*each) for each in sent]


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        for packet in Splitter().feed(data):
            for read in (mqtt5.read_publish, mqtt5.read_connack, mqtt5.read_suback, mqtt5.read_puback):
                with contextlib.suppress(ProtocolError):
                    read(packet)


def test_long_messages_have_long_lengths() -> None:
    for size in (0, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152):
        [packet] = Splitter().feed(mqtt5.publish("t", bytes(size), 7))
        assert len(mqtt5.read_publish(packet).payload) == size


def test_stream_out_of_step_is_refused() -> None:
    with pytest.raises(ProtocolError):
        list(Splitter().feed(b"\x30\xff\xff\xff\xff\xff\xff"))
    with pytest.raises(ProtocolError):
        list(Splitter().feed(b"\x30\xff\xff\xff\x7f" + bytes(10)))  # 268 MB


def test_answer_to_connect_tells_the_broker_s_limits() -> None:
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum, properties.ServerKeepAlive = 20, 17
    properties.UserProperty = ("a", "b")
    properties.ReasonString = "welcome"
    body = b"\x01\x00" + properties.pack()  # type: ignore[no-untyped-call]
    accepted = mqtt5.read_connack(Packet(mqtt5.CONNACK, body))
    assert accepted == (0, True, 20, 17)
    assert mqtt5.read_connack(Packet(mqtt5.CONNACK, b"\x00\x87\x00")) == (0x87, False, 65_535, None)
