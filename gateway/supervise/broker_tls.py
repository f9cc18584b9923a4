"""The broker's TLS listener: devices show a certificate of our authority, whose name is their account and client id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from gateway.ca import Authority, is_server_certificate_due
from gateway.supervise.spawn import kept_port, port_is_free

TLS_PORT = 8883
CA_FILE, SERVER_FILE, CRL_FILE = "ca.crt", "server.pem", "revoked.crl"

Write = Callable[[str, str], None]


@dataclass(frozen=True)
class BrokerTls:
    """Where the listener is and by which names devices reach it; `address` None means all of this machine's."""

    authority: Authority
    names: Sequence[str]
    address: str | None = "127.0.0.1"
    port: int | None = None  # None: 8883 when nobody has it, else one that stays

    def choose_port(self, home: Path) -> int:
        """Return the port to listen on."""
        if self.port is not None:
            return self.port
        return TLS_PORT if port_is_free(TLS_PORT) else kept_port(home / "tls-port")

    def prepare(self, home: Path, write: Write, now: datetime) -> None:
        """Write what is missing of the files that `listener_lines` names."""
        write(CA_FILE, self.authority.pem)
        self.renew(home, write, now)
        before = read(home / CRL_FILE)
        write(CRL_FILE, self.authority.revocation_list(numbers_in(before), before, now).decode())

    def renew(self, home: Path, write: Write, now: datetime) -> bool:
        """Make the broker's certificate anew when it is due; return whether it was. The broker then reloads."""
        if not is_server_certificate_due(read(home / SERVER_FILE) or b"", self.authority, self.names, now):
            return False
        certificate, key = self.authority.server_certificate(self.names, now)
        # One file, replaced at once: a crash between two would leave a key that does not fit.
        write(SERVER_FILE, key.decode() + certificate)
        return True

    def refuse(self, home: Path, write: Write, serial_numbers: Sequence[str], now: datetime) -> bool:
        """Write the list of refused certificates; return whether it has changed."""
        before = read(home / CRL_FILE)
        made = self.authority.revocation_list(serial_numbers, before, now)
        if made == before:
            return False
        write(CRL_FILE, made.decode())
        return True


def listener_lines(folder: str, port: int, address: str | None) -> list[str]:
    """Return the listener's part of a Mosquitto configuration; its files are in `folder`."""
    return [
        f"listener {port} {address or ''}".rstrip(),
        f"cafile {folder}/{CA_FILE}",
        f"certfile {folder}/{SERVER_FILE}",
        f"keyfile {folder}/{SERVER_FILE}",
        f"crlfile {folder}/{CRL_FILE}",
        "tls_version tlsv1.2",  # the oldest that is spoken
        "require_certificate true",
        "use_identity_as_username true",
        # Else anybody could end the connection of another device by using its client id.
        "use_username_as_clientid true",
    ]


def numbers_in(crl: bytes | None) -> list[str]:
    """Return the serial numbers that a list of refused certificates names, in hexadecimal."""
    try:
        return [f"{each.serial_number:040x}" for each in x509.load_pem_x509_crl(crl)] if crl else []
    except ValueError:
        return []


def read(file: Path) -> bytes | None:
    """Return a file's content, None when there is none."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
