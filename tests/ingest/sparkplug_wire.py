"""A wire between a client and a server that records what the client says, and that can be cut."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import NamedTuple

from ingest.mqtt5 import Packet, Splitter


class Proxy:
    """Forwards connections to a port of 127.0.0.1; `refuse`: closes new ones at once."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.refuse = False
        self.connections: list[bytearray] = []  # what each client sent
        self.connected_at: list[float] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while self._is_open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            record = bytearray()
            self.connections.append(record)
            self.connected_at.append(time.time())
            self._sockets += [client, server]
            for source, sink, kept in ((client, server, record), (server, client, None)):
                threading.Thread(target=_pump, args=(source, sink, kept), daemon=True).start()

    def sent(self, number: int = -1) -> list[Packet]:
        """MQTT packets that the client of a connection has sent."""
        if not self.connections:
            return []
        return list(Splitter().feed(bytes(self.connections[number])))

    def cut(self) -> None:
        """End all connections."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        self._listener.close()
        self.cut()


def _pump(source: socket.socket, sink: socket.socket, record: bytearray | None) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            if record is not None:
                record += data
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


class Hello(NamedTuple):
    """What a CONNECT of MQTT 5 says."""

    clean_start: bool
    session_expiry_s: int
    will_topic: str
    will_payload: bytes
    will_qos: int
    will_retain: bool


def read_connect(body: bytes) -> Hello:
    """Take a CONNECT apart; of its properties only the session's expiry and the sizes of the others are known."""
    assert body[:7] == b"\x00\x04MQTT\x05"
    flags = body[7]
    properties, at = _block(body, 10)
    _, at = _block16(body, at)  # the client's name
    assert flags & 0x04, "no will"
    _, at = _block(body, at)  # the will's properties
    topic, at = _block16(body, at)
    payload, at = _block16(body, at)
    expiry = 0
    index = 0
    while index < len(properties):
        kind = properties[index]
        if kind == 0x11:
            (expiry,) = struct.unpack_from(">I", properties, index + 1)
        index += {0x11: 5, 0x21: 3, 0x22: 3, 0x27: 5, 0x19: 2, 0x17: 2}[kind]
    return Hello(bool(flags & 0x02), expiry, topic.decode(), payload, flags >> 3 & 3, bool(flags & 0x20))


def _block(body: bytes, at: int) -> tuple[bytes, int]:
    size = body[at]
    assert size < 128
    return body[at + 1 : at + 1 + size], at + 1 + size


def _block16(body: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", body, at)
    return body[at + 2 : at + 2 + size], at + 2 + size
