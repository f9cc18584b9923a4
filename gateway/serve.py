"""Serve one application over HTTP, and when asked over HTTPS too: one process, one loop, two listeners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from gateway.https import load_certificate, require_certificate
from gateway.settings import Settings

log = logging.getLogger(__name__)

RENEWAL_CHECK_S = 60.0  # a new certificate is in use within a minute, long before the old one ends
GRACE_S = 1  # open event streams must not hold up a stop


class Listener(uvicorn.Server):
    """A server that leaves the signals to whoever runs several of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve(app: FastAPI, settings: Settings, *, shared: bool = False) -> None:
    """Listen until SIGTERM or Ctrl-C. Raises SupervisorError when the certificate for HTTPS cannot be used.

    `shared`: other processes listen on the same ports, and the kernel hands each connection to one of them.
    """
    host, port = settings.http_host.strip("[]"), settings.http_port
    if settings.https is None:
        if shared:
            uvicorn.Server(uvicorn.Config(app, **common(settings))).run(sockets=[shared_socket(host, port)])
        else:
            uvicorn.run(app, host=host, port=port, **common(settings))
        return
    certificate, key = require_certificate(settings)
    plain = uvicorn.Config(app, host=host, port=port, **common(settings))
    secure = uvicorn.Config(
        app,
        **common(settings),
        host=settings.https_host.strip("[]"),
        port=settings.https_port,
        lifespan="off",  # the application starts and ends once, with the other listener
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    secure.load()
    assert secure.ssl is not None
    ports = [(host, port), (settings.https_host.strip("[]"), settings.https_port)]
    sockets = [[shared_socket(*each)] if shared else None for each in ports]
    asyncio.run(_run([Listener(plain), Listener(secure)], sockets, secure.ssl, certificate, key))


def shared_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket on a port that other processes of ours listen on too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host, port))
    made.set_inheritable(True)
    return made


def common(settings: Settings) -> dict[str, Any]:
    """Return what every listener is told.

    Only proxies that are trusted say who asks: else everybody could be anybody. Behind one that is not, all would have
    its address, and share what one address may ask for.
    """
    return {
        "log_level": "warning",
        "timeout_graceful_shutdown": GRACE_S,
        "server_header": False,
        "proxy_headers": True,
        "forwarded_allow_ips": settings.trusted_proxies,
    }


async def _run(
    listeners: list[Listener],
    sockets: list[list[socket.socket] | None],
    context: ssl.SSLContext,
    certificate: Path,
    key: Path,
) -> None:
    def stop() -> None:
        for listener in listeners:
            listener.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    renewing = asyncio.create_task(follow_certificate(context, certificate, key))
    try:
        each = zip(listeners, sockets, strict=True)
        await asyncio.gather(*(listener.serve(sockets=those) for listener, those in each))
    finally:
        renewing.cancel()


async def follow_certificate(
    context: ssl.SSLContext, certificate: Path, key: Path, check_s: float = RENEWAL_CHECK_S
) -> None:
    """Use new files for new connections as soon as they are there; open connections stay."""
    seen = _stamp(certificate, key)
    while True:
        await asyncio.sleep(check_s)
        found = _stamp(certificate, key)
        if found == seen:
            continue
        try:
            # Tried elsewhere first: a key that does not fit yet would leave the listener without any.
            load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
            load_certificate(context, certificate, key)
            seen = found
        except (OSError, ValueError) as error:
            log.warning("the new certificate cannot be used yet: %s", error)


def _stamp(*files: Path) -> list[tuple[int, int]]:
    found = []
    for file in files:
        with contextlib.suppress(OSError):
            status = file.stat()
            found.append((status.st_mtime_ns, status.st_ino))
    return found
