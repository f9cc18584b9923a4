"""A wire that can be cut: a TCP proxy that stops forwarding without closing anything."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

READ_BYTES = 65_536
TURN_S = 0.05


class Proxy:
    """Forwards connections on a port of its own to another; while cut, nothing passes and nobody is told."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._cut = threading.Event()
        self._forget = threading.Event()
        self._stop = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Let nothing through any more; no FIN, no RST: as a cable that was pulled."""
        self._cut.set()

    def heal(self, forget: bool) -> None:
        """Let pass again. `forget`: what was connected is reset, as by a router that lost its table."""
        if forget:
            self._forget.set()
        self._cut.clear()

    def close(self) -> None:
        """End all connections and the port."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._cut.is_set():
                self._stop.wait(TURN_S)
                continue
            if self._forget.is_set():
                self._forget.clear()
                for each in list(self._pairs):
                    self._drop(each)
            for key, _ in self._selector.select(TURN_S):
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._forward(key.fileobj)
        for each in list(self._pairs):
            self._drop(each)
        self._listener.close()
        self._selector.close()

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target, timeout=2)
        except OSError:  # the broker is down: refuse as it would
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            one.settimeout(5)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        if source not in self._pairs:  # its partner has just ended
            return
        try:
            data = source.recv(READ_BYTES)
            if data:
                self._pairs[source].sendall(data)
                return
        except OSError:
            pass
        self._drop(source)

    def _drop(self, one: socket.socket) -> None:
        for each in (one, self._pairs.get(one)):
            if each is not None and self._pairs.pop(each, None) is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(each)
                each.close()
