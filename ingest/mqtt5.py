"""The packets of MQTT 5 that one consumer needs, as bytes; sections refer to the OASIS standard of 7 March 2019."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT = 0x20, 0x30, 0x40, 0x90, 0xB0, 0xD0, 0xE0
PINGREQ_BYTES = b"\xc0\x00"
DISCONNECT_BYTES = b"\xe0\x00"
FORGET_BYTES = b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00"  # a DISCONNECT after which the session is over
MOST_PACKET_BYTES = 64 * 2**20  # what a broker may send us; above it the stream is out of step

_SESSION_EXPIRY, _RECEIVE_MAXIMUM, _SERVER_KEEPALIVE, _MAXIMUM_PACKET = 0x11, 0x21, 0x13, 0x27
# Sizes of properties with a fixed length (2.2.2.2); the others are strings, pairs of strings or a variable number.
_FIXED = {
    0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1,
    0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
_PAIR, _NUMBER = 0x26, 0x0B


class ProtocolError(Exception):
    """The broker's bytes are not MQTT 5, or it says that ours are not."""


class Packet(NamedTuple):
    """A packet: its first byte and what follows the length."""

    head: int
    body: bytes

    @property
    def kind(self) -> int:
        """The packet's type, one of the constants above."""
        return self.head & 0xF0


class Published(NamedTuple):
    """A PUBLISH as received."""

    topic: str
    payload: bytes
    mid: int  # 0 at quality of service 0
    retained: bool


class Accepted(NamedTuple):
    """What a CONNACK says; `reason` 0 is success."""

    reason: int
    session_present: bool
    receive_maximum: int
    keepalive_s: int | None


class Splitter:
    """Cuts a stream of bytes into packets; holds at most one unfinished packet and one read."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that are complete now. Raise ProtocolError when the stream is out of step."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        position, end = 0, len(data)
        while end - position >= 2:
            length, at = data[position + 1], position + 2
            if length & 0x80:
                length &= 0x7F
                shift = 7
                while True:
                    if at >= end:
                        self._rest = data[position:]
                        return
                    more = data[at]
                    at += 1
                    length |= (more & 0x7F) << shift
                    if not more & 0x80:
                        break
                    shift += 7
                    if shift > 21:
                        raise ProtocolError("a packet's length has more than four bytes")
                if length > MOST_PACKET_BYTES:
                    raise ProtocolError(f"a packet of {length} bytes")
            stop = at + length
            if stop > end:
                break
            yield Packet(data[position], data[at:stop])
            position = stop
        self._rest = data[position:]


class Will(NamedTuple):
    """What the broker publishes when the connection dies."""

    topic: str
    payload: bytes
    retain: bool


def connect(
    client_id: str,
    *,
    account: tuple[str, str] | None,
    keepalive_s: int,
    clean_start: bool,
    session_expiry_s: int,
    receive_maximum: int,
    will: Will | None = None,
) -> bytes:
    """Return a CONNECT (3.1)."""
    flags = 0x02 if clean_start else 0
    payload = _text(client_id)
    if will is not None:
        flags |= 0x04 | 0x08 | (0x20 if will.retain else 0)  # at least once
        payload += b"\x00" + _text(will.topic) + _binary(will.payload)
    if account is not None:
        flags |= 0xC0
        payload += _text(account[0]) + _text(account[1])
    properties = struct.pack(">BIBH", _SESSION_EXPIRY, session_expiry_s, _RECEIVE_MAXIMUM, receive_maximum)
    properties += struct.pack(">BI", _MAXIMUM_PACKET, MOST_PACKET_BYTES)
    head = _text("MQTT") + struct.pack(">BBH", 5, flags, keepalive_s)
    return _packet(0x10, head + _number(len(properties)) + properties + payload)


def read_connack(packet: Packet) -> Accepted:
    """Read a CONNACK (3.2). Raise ProtocolError for anything else."""
    if packet.kind != CONNACK or len(packet.body) < 2:
        raise ProtocolError(f"expected CONNACK, not a packet of type {packet.head >> 4}")
    properties = _properties(packet.body, 2) if len(packet.body) > 2 else {}
    receive = properties.get(_RECEIVE_MAXIMUM)
    keepalive = properties.get(_SERVER_KEEPALIVE)
    return Accepted(
        packet.body[1],
        bool(packet.body[0] & 1),
        int.from_bytes(receive, "big") if receive else 65_535,
        int.from_bytes(keepalive, "big") if keepalive else None,
    )


def subscribe(mid: int, filters: Sequence[tuple[str, bool]]) -> bytes:
    """Return a SUBSCRIBE at quality 1 for pairs of filter and whether retained messages are wanted (3.8)."""
    options = b"".join(_text(each) + (b"\x01" if retained else b"\x21") for each, retained in filters)
    return _packet(0x82, struct.pack(">H", mid) + b"\x00" + options)


def unsubscribe(mid: int, filters: Sequence[str]) -> bytes:
    """Return an UNSUBSCRIBE (3.10)."""
    return _packet(0xA2, struct.pack(">H", mid) + b"\x00" + b"".join(map(_text, filters)))


def read_suback(packet: Packet) -> tuple[int, bytes]:
    """Return packet number and reason codes of a SUBACK or UNSUBACK (3.9); from 0x80 on a reason is a refusal."""
    length, at = _read_number(packet.body, 2)
    return int.from_bytes(packet.body[:2], "big"), packet.body[at + length :]


def publish(topic: str, payload: bytes, mid: int, *, retain: bool = False, again: bool = False) -> bytes:
    """Return a PUBLISH (3.3); `mid` 0 is quality 0, any other quality 1."""
    head = PUBLISH | (0x08 if again else 0) | (0x02 if mid else 0) | (0x01 if retain else 0)
    number = struct.pack(">H", mid) if mid else b""
    return _packet(head, _text(topic) + number + b"\x00" + payload)


def read_publish(packet: Packet) -> Published:
    """Read a PUBLISH (3.3). Raise ProtocolError."""
    head, body = packet
    try:
        at = 2 + (body[0] << 8 | body[1])
        topic = body[2:at].decode()
        mid = 0
        if head & 0x06:
            mid = body[at] << 8 | body[at + 1]
            at += 2
        if body[at]:
            length, at = _read_number(body, at)
            at += length
        else:
            at += 1
    except (IndexError, UnicodeDecodeError) as error:
        raise ProtocolError("a PUBLISH that cannot be read") from error
    return Published(topic, body[at:], mid, bool(head & 0x01))


def puback(mid: int) -> bytes:
    """Return a PUBACK that says success (3.4)."""
    return b"\x40\x02" + mid.to_bytes(2, "big")


def read_puback(packet: Packet) -> tuple[int, int]:
    """Return packet number and reason of a PUBACK; from 0x80 on it was refused."""
    body = packet.body
    return int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0


def _packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + _number(len(body)) + body


def _number(value: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    parts = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        parts.append(low | (0x80 if value else 0))
        if not value:
            return bytes(parts)


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 21:
            raise ProtocolError("a length that cannot be read")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
        shift += 7


def _text(value: str) -> bytes:
    return _binary(value.encode())


def _binary(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _properties(body: bytes, at: int) -> dict[int, bytes]:
    """Return properties by identifier (2.2.2), the last of each; strings with their length."""
    length, at = _read_number(body, at)
    end = min(at + length, len(body))
    found: dict[int, bytes] = {}
    while at < end:
        name, at = body[at], at + 1
        start = at
        if name in _FIXED:
            at += _FIXED[name]
        elif name == _NUMBER:
            _, at = _read_number(body, at)
        else:
            for _ in range(2 if name == _PAIR else 1):
                at += 2 + int.from_bytes(body[at : at + 2], "big")
        found[name] = body[start:at]
    return found
