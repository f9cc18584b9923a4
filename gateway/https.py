"""The certificate of the HTTPS listener: given files, or one of Forewarn's own authority for this machine's names."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.ca import Authority, is_server_certificate_due, write_private
from gateway.settings import Settings
from gateway.supervise.errors import SupervisorError

HTTPS_PORT = 8443
# Browsers count a life from its begin and refuse long ones, so this certificate is not valid since ever.
BACKDATED = timedelta(days=1)
MAX_ADDRESSES = 32  # a machine with many containers has many; a certificate stays small
_LOCAL = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")


@dataclass(frozen=True)
class OwnCertificate:
    """Certificate and key in one file, made by our authority and made anew before its end or for other names."""

    authority: Authority
    file: Path
    named: tuple[str, ...]  # beside the names that the machine itself has

    def renew(self, now: datetime) -> bool:
        """Make it when it is due; return whether it was. The listener notices."""
        names = self.named + machine_names()
        before = self.file.read_bytes() if self.file.exists() else b""
        if not is_server_certificate_due(before, self.authority, names, now):
            return False
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        certificate, key = self.authority.server_certificate(names, now, since=now - BACKDATED)
        # One file, replaced at once: a crash between two would leave a key that does not fit.
        write_private(self.file, key + certificate.encode())
        return True


def prepare_https(settings: Settings, now: datetime) -> OwnCertificate | None:
    """Set the files that the listener reads; return what has to be renewed, None when files were given.

    Raises SupervisorError when the given files cannot be used.
    """
    own: OwnCertificate | None = None
    if not settings.tls_certificate and not settings.tls_key:
        file = settings.data / "tls" / "server.pem"
        own = OwnCertificate(Authority.of(settings, now), file, (settings.https_host_name,))
        own.renew(now)
        settings.tls_certificate = settings.tls_key = file
    require_certificate(settings)
    return own


def require_certificate(settings: Settings) -> tuple[Path, Path]:
    """Return the files of certificate and key. Raises SupervisorError when one is missing or they do not fit."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        raise SupervisorError(
            "FOREWARN_HTTPS needs FOREWARN_TLS_CERTIFICATE and FOREWARN_TLS_KEY, both; `forewarn up` makes its own."
        )
    try:
        load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except (OSError, ValueError) as error:
        raise SupervisorError(f"HTTPS cannot use {certificate} with {key}: {error}.") from None
    return certificate, key


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load both files. Raises OSError or ValueError; never asks for a password."""
    context.load_cert_chain(certificate, key, password=lambda: "")


def in_pairs(fingerprint: str) -> str:
    """Return it as phones and browsers show it: AB:CD:…"""
    return ":".join(fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2)).upper()


def machine_names() -> tuple[str, ...]:
    """Return the names and addresses by which this machine is reached in its network, and by itself."""
    host = socket.gethostname()
    names = {"localhost", "127.0.0.1", *_addresses(host)}
    if host and host.isascii():
        names |= {host, f"{host.partition('.')[0]}.local"}
    return tuple(sorted(names))


def _addresses(host: str) -> Iterable[str]:
    """IPv4 only, as the listener is: from the kernel's table, or where there is none by the host's name."""
    try:
        found = _LOCAL.findall(Path("/proc/net/fib_trie").read_text())
    except OSError:
        found = []
    if not found:
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, socket.AF_INET)]
        except OSError:
            found = []
    outside = {address for address in found if not ipaddress.ip_address(address).is_loopback}
    return sorted(outside)[:MAX_ADDRESSES]
