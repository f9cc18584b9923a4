"""Speak HTTP to addresses that people typed in: looked up once, checked, and never longer than agreed."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from assets.base.errors import Invalid
from gateway.notify.webhook_rules import Networks, check_url, reachable

log = logging.getLogger(__name__)


class NotAllowed(Exception):
    """The address is one that must not be reached."""


def post_checked(url: str, headers: Mapping[str, str], body: bytes, allowed: Networks, time_out_s: float) -> int:
    """Send a POST to an address that was looked up and checked; a redirect is not followed. Return the status.

    Raises NotAllowed, OSError, http.client.HTTPException, ValueError.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        check_url(url, allowed)
    except Invalid as wrong:
        raise NotAllowed(str(wrong)) from None
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    found = connect_checked(host, port, allowed, time_out_s)
    if secure:
        context = ssl.create_default_context()
        found = context.wrap_socket(found, server_hostname=host, do_handshake_on_connect=False)
    # A server that sends a byte now and then would never run into the time-out of one read.
    watchdog = threading.Timer(time_out_s, shut, [found])
    watchdog.start()
    try:
        if isinstance(found, ssl.SSLSocket):
            found.do_handshake()
        connection = http.client.HTTPConnection(host, port, timeout=time_out_s)
        connection.sock = found
        default = port == (443 if secure else 80)
        named = f"[{host}]" if ":" in host else host
        more = {"Host": named if default else f"{named}:{port}", "Connection": "close"}
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body=body, headers={**headers, **more})
        return connection.getresponse().status
    finally:
        watchdog.cancel()
        found.close()


def connect_checked(host: str, port: int, allowed: Networks, time_out_s: float) -> socket.socket:
    """Connect to the very address that was checked: a name that is looked up twice may answer differently."""
    looked_up = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places = [(family, place) for family, _, _, _, place in looked_up]
    if not all(reachable(ip_address(str(place[0]).partition("%")[0]), allowed) for _, place in places):
        raise NotAllowed("private addresses are not sent to")
    last: OSError = OSError("no address")
    for family, place in places[:3]:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(time_out_s / min(3, len(places)))
        try:
            made.connect(place)
        except OSError as error:
            made.close()
            last = error
            continue
        made.settimeout(time_out_s)
        return made
    raise last


def shut(found: socket.socket) -> None:
    """End whatever is being said on a connection."""
    try:
        found.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("a connection was closed already")
