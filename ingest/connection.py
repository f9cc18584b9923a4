"""One connection to a broker that reads all there is with one system call, and writes what waits with another."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ingest import mqtt5
from ingest.mqtt5 import Accepted, Packet

READ_BYTES = 1 << 17  # some hundred messages: less would cost a system call each, more only memory
CONNECT_S = 10.0
GOODBYE_S = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is and as whom we come."""

    host: str
    port: int
    tls: bool
    account: tuple[str, str] | None

    @classmethod
    def of(cls, broker_url: str) -> Address:
        """Read `mqtt://USER:PASSWORD@HOST:PORT`, or `mqtts://` for TLS."""
        parts = urlsplit(broker_url)
        tls = parts.scheme in ("mqtts", "ssl", "tls")
        account = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        return cls(parts.hostname or "127.0.0.1", parts.port or (8883 if tls else 1883), tls, account)


class BrokerConnection:
    """From CONNECT to its end. `send` from any thread; everything else from the one thread that turns it."""

    def __init__(self, address: Address, connect: bytes, keepalive_s: float) -> None:
        self._address, self._connect = address, connect
        self._keepalive_s = keepalive_s
        self._socket: socket.socket | ssl.SSLSocket | None = None
        self._splitter = mqtt5.Splitter()
        self._outbox: deque[bytes] = deque()
        self._unsent = b""
        self._early: list[Packet] = []  # what came together with the CONNACK
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._lock = threading.Lock()
        self._is_woken = False
        self._wrote_at = self._read_at = time.monotonic()
        self._pinged_at: float | None = None

    def open(self) -> Accepted:
        """Connect and return the broker's answer. Raises OSError or ProtocolError."""
        raw = socket.create_connection((self._address.host, self._address.port), CONNECT_S)
        self._socket = raw
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # while we do not read, only this tells that the broker is gone
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(2000 * self._keepalive_s))
        if self._address.tls:
            context = ssl.create_default_context()
            self._socket = context.wrap_socket(raw, server_hostname=self._address.host)
        self._socket.sendall(self._connect)
        packets: list[Packet] = []
        while not packets:
            data = self._socket.recv(READ_BYTES)
            if not data:
                raise ConnectionError("the broker closed the connection")
            packets = list(self._splitter.feed(data))
        accepted = mqtt5.read_connack(packets[0])
        self._early = packets[1:]
        self._keepalive_s = accepted.keepalive_s or self._keepalive_s
        self._wrote_at = self._read_at = time.monotonic()
        self._socket.setblocking(False)
        return accepted

    def send(self, packet: bytes) -> None:
        """Queue bytes, and wake the thread that turns."""
        self._outbox.append(packet)
        with self._lock:
            if self._is_woken:
                return
            self._is_woken = True
        with suppress(OSError):
            self._wake.send(b"\0")

    def turn(self, wait_s: float, take: Callable[[Packet], None], *, reading: bool = True) -> None:
        """Wait for something to happen, then write and read what can be. Raises OSError or ProtocolError."""
        assert self._socket is not None
        for packet in self._early:
            take(packet)
        self._early = []
        wants_write = [self._socket] if self._unsent else []
        sources = [self._socket, self._woken] if reading else [self._woken]
        if isinstance(self._socket, ssl.SSLSocket) and reading and self._socket.pending():
            wait_s = 0.0
        readable, _, _ = select.select(sources, wants_write, [], wait_s)
        if self._woken in readable:
            with self._lock:
                self._is_woken = False
            with suppress(BlockingIOError):
                self._woken.recv(4096)
        self._write()
        if reading:
            for packet in self._read():
                if packet.head == mqtt5.PINGRESP:
                    self._pinged_at = None
                else:
                    take(packet)
        self._keep_alive(reading)

    def close(self, *, politely: bool = False, ends_session: bool = False) -> None:
        """End the connection; politely: write what waits and say goodbye, so that no last will is sent."""
        goodbye = mqtt5.FORGET_BYTES if ends_session else mqtt5.DISCONNECT_BYTES
        if self._socket is not None:
            if politely:
                with suppress(OSError):
                    self._socket.settimeout(GOODBYE_S)
                    self._socket.sendall(self._unsent + b"".join(self._outbox) + goodbye)
                    # Closed with something unread, the connection would be reset and the goodbye perhaps never seen.
                    self._socket.shutdown(socket.SHUT_WR)
                    while self._socket.recv(READ_BYTES):
                        pass
            with suppress(OSError):
                self._socket.close()
        for each in (self._woken, self._wake):
            each.close()

    def _write(self) -> None:
        assert self._socket is not None
        if self._outbox:
            parts = [self._unsent]
            while self._outbox:
                parts.append(self._outbox.popleft())
            self._unsent = b"".join(parts)
        if not self._unsent:
            return
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        self._unsent = self._unsent[sent:]
        self._wrote_at = time.monotonic()

    def _read(self) -> Iterator[Packet]:
        assert self._socket is not None
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if not data:
            raise ConnectionError("the broker closed the connection")
        self._read_at = time.monotonic()
        yield from self._splitter.feed(data)

    def _keep_alive(self, reading: bool) -> None:
        now = time.monotonic()
        if now - self._wrote_at > self._keepalive_s / 2:
            self._outbox.append(mqtt5.PINGREQ_BYTES)
            self._wrote_at = now
            self._pinged_at = self._pinged_at or now
        silent_since = self._pinged_at
        if reading and silent_since is not None and now - max(silent_since, self._read_at) > self._keepalive_s:
            raise ConnectionError("the broker answers no ping")
        if not reading:
            self._pinged_at = None  # its answer may lie unread for long


class Outgoing:
    """Messages of ours at quality 1 until the broker has them: numbered, bounded, sent again after a reconnect."""

    MOST_WAITING = 10_000  # acknowledgements to devices: they send again what they miss

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0
        self._flying: dict[int, tuple[str, bytes, bool]] = {}
        self._waiting: deque[tuple[str, bytes, bool]] = deque()
        self._most_flying = 100

    def number(self) -> int:
        """Return a packet number that is not in use."""
        with self._lock:
            return self._free()

    def add(self, topic: str, payload: bytes, retain: bool) -> bytes | None:
        """Return the packet to send now; None when it waits for room. Raises OverflowError when nothing has room."""
        with self._lock:
            if len(self._flying) >= self._most_flying:
                if len(self._waiting) >= self.MOST_WAITING:
                    raise OverflowError
                self._waiting.append((topic, payload, retain))
                return None
            return self._launch(topic, payload, retain)

    def acknowledged(self, mid: int) -> bytes | None:
        """Note that the broker has a message; return the next packet to send."""
        with self._lock:
            self._flying.pop(mid, None)
            if self._waiting and len(self._flying) < self._most_flying:
                return self._launch(*self._waiting.popleft())
            return None

    def again(self, receive_maximum: int) -> list[bytes]:
        """Return what was in flight when the connection was lost, to be sent over the new one."""
        with self._lock:
            self._most_flying = max(1, min(100, receive_maximum))
            return [
                mqtt5.publish(topic, payload, mid, retain=retain, again=True)
                for mid, (topic, payload, retain) in self._flying.items()
            ]

    def _launch(self, topic: str, payload: bytes, retain: bool) -> bytes:
        mid = self._free()
        self._flying[mid] = (topic, payload, retain)
        return mqtt5.publish(topic, payload, mid, retain=retain)

    def _free(self) -> int:
        while True:
            self._next = self._next % 65_535 + 1
            if self._next not in self._flying:
                return self._next
