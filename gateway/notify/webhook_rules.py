"""Rules of webhooks: which kinds an endpoint hears, when it is tried again, which addresses may be reached."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook

from assets.base.errors import Invalid

# After each failed try; the sum is about two days.
PAUSES = (10, 60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)
TRIES = len(PAUSES) + 1
GIVE_UP = timedelta(days=3)  # an endpoint at which nothing arrived for so long is switched off
ROTATION = timedelta(hours=24)  # so long the secret before signs too
MAX_URL = 2000
_KIND = re.compile(r"\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?")
_NAT64 = ip_network("64:ff9b::/96")

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]


def new_secret() -> str:
    """Return a secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def check_kinds(kinds: Sequence[str]) -> list[str]:
    """Return the kinds, each once. Raises Invalid."""
    for kind in kinds:
        if not _KIND.fullmatch(kind):
            raise Invalid("an event kind is such as work_order.closed, work_order.* or *", field="kinds")
    return list(dict.fromkeys(kinds))


def hears(kinds: Sequence[str], kind: str) -> bool:
    """Return whether one of the patterns covers a kind of event."""
    return any(each in ("*", kind) or (each.endswith(".*") and kind.startswith(each[:-1])) for each in kinds)


def next_try(tries: int, now: datetime) -> datetime | None:
    """Return when a delivery that failed so many times is due again; None: not any more."""
    return now + timedelta(seconds=PAUSES[tries - 1]) if tries < TRIES else None


def check_url(url: str, allowed: Networks = ()) -> str:
    """Return the address. Raises Invalid for one that can never be sent to; names are resolved when sending."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid("not an address", field="url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Invalid("an address begins with https:// or http://", field="url")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Invalid("no password and no # in the address", field="url")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise Invalid("the address has characters that must be encoded", field="url")
    name = parts.hostname.rstrip(".")
    try:
        literal = ip_address(name)
    except ValueError:
        if name == "localhost" or name.endswith(".localhost"):
            literal = ip_address("127.0.0.1")
        else:
            return url
    if not reachable(literal, allowed):
        raise Invalid("private addresses are not sent to", field="url")
    return url


def reachable(address: Address, allowed: Networks = ()) -> bool:
    """Return whether an address is out in the world, or in a network that the operator allows."""
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if not inside and address in _NAT64:
            inside = IPv4Address(int(address) & 0xFFFFFFFF)
        if inside:
            return reachable(inside, allowed)
    if any(address.version == network.version and address in network for network in allowed):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


def signed(secrets_: Sequence[str], message: str, at: datetime, body: str) -> dict[str, str]:
    """Return the headers of Standard Webhooks; with two secrets either verifies."""
    signatures = [Webhook(secret).sign(msg_id=message, timestamp=at, data=body) for secret in secrets_]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
