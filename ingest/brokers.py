"""Several brokers behind one setting: hosts separated by commas, or every address that a name has."""

from __future__ import annotations

import hashlib
import socket
from urllib.parse import parse_qs, urlsplit, urlunsplit

MAX_BROKERS = 64


def broker_urls(setting: str) -> list[str]:
    """Return one URL for each broker that devices may be connected to.

    `mqtt://USER:PASSWORD@one:1883,two:1883` names brokers that know nothing of each other. `…@name:1883?addresses=all`
    means all the addresses that the name has now. Any other URL is one broker, or a cluster behind one address.
    """
    parts = urlsplit(setting)
    account, at, hosts = parts.netloc.rpartition("@")
    places = [each.strip() for each in hosts.split(",") if each.strip()]
    if parse_qs(parts.query).get("addresses") == ["all"]:
        places = [found for place in places for found in _resolve(place)]
    bare = parts._replace(query="", fragment="")
    return [urlunsplit(bare._replace(netloc=f"{account}{at}{place}")) for place in places[:MAX_BROKERS]] or [setting]


def place_of(broker_url: str) -> str:
    """Return a short name for one of several brokers: the same at every start."""
    return hashlib.sha256(urlsplit(broker_url).netloc.rpartition("@")[2].encode()).hexdigest()[:8]


def _resolve(place: str) -> list[str]:
    """Return `address:port` for every address of a name; of one family only, for most names have both."""
    parts = urlsplit(f"//{place}")
    name, port = parts.hostname or place, parts.port
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    family = min(each[0] for each in found)  # IPv4 before IPv6
    addresses = sorted({str(each[4][0]) for each in found if each[0] == family})
    suffix = f":{port}" if port else ""
    return [(f"[{each}]" if ":" in each else each) + suffix for each in addresses]
