"""The device's key and certificate on disk: replaced so that a power cut at any moment leaves a working identity."""

from __future__ import annotations

import json
import os
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_agent.keys import make_key, make_request
from edge_agent.tls import fingerprint

CURRENT = "identity.pem"  # what counts: facts, key and certificate in one file, so that they always belong together
PREVIOUS = "identity.previous.pem"  # the one before, for as long as the server accepts both
PENDING = "identity.key.new"  # a key that has no certificate yet: the same request must give the same answer
CA = "ca.pem"
_FACTS = "forewarn: "


class IdentityUnusable(Exception):
    """The certificate does not fit the key, or a file cannot be written; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server said about a certificate; times are ms since 1970 by the server's clock."""

    serial: str
    not_after: int
    renew_at: int
    fingerprint: str = ""


def read_facts(file: Path) -> Facts | None:
    """Return the facts in an identity file, None when there are none."""
    try:
        text = file.read_text()
        line = next(line for line in text.splitlines() if line.startswith(_FACTS))
        body = json.loads(line.removeprefix(_FACTS))
        return Facts(str(body["serial"]), int(body["not_after"]), int(body["renew_at"]), fingerprint(text))
    except (OSError, ValueError, KeyError, StopIteration, TypeError):
        return None


def pending_request(folder: Path) -> str:
    """Return a certificate request for the key that waits for its certificate, made first when there is none.

    Raise KeyFailed, or IdentityUnusable when the folder cannot be written.
    """
    key = folder / PENDING
    if not key.exists():
        _write(key, make_key())
    return make_request(key)


def forget_pending(folder: Path) -> None:
    """Forget the key that waits: the server will not sign it."""
    with suppress(OSError):
        (folder / PENDING).unlink()


def install(folder: Path, certificate: str, facts: Facts, ca: str | None = None) -> Path:
    """Make the pending key and its certificate the device's identity; return its file. Raise IdentityUnusable.

    Each step leaves either the old identity or the new one in place, and doing it again does no harm; the pending key
    stays until the caller has noted where the identity is (`forget_pending`).
    """
    try:
        key = (folder / PENDING).read_text()
    except OSError as error:
        raise IdentityUnusable(f"the new key cannot be read ({error.strerror})") from error
    body = {"serial": facts.serial, "not_after": facts.not_after, "renew_at": facts.renew_at}
    made = folder / f".{CURRENT}.new"
    _write(made, f"{_FACTS}{json.dumps(body)}\n{key.strip()}\n{certificate.strip()}\n".encode())
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(made)
    except (OSError, ValueError) as error:
        raise IdentityUnusable(f"the server's certificate does not fit this device's key ({error})") from error
    if ca is not None:
        _write(folder / CA, ca.encode())
    current = folder / CURRENT
    if current.exists():
        _write(folder / PREVIOUS, current.read_bytes())
    made.replace(current)
    _sync(folder)
    return current


def moment_ms(text: Any) -> int:
    """Return an RFC 3339 time as ms since 1970. Raise ValueError."""
    return int(datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp() * 1000)


def _write(file: Path, content: bytes) -> None:
    """Replace a file at once and for certain, readable by its owner only."""
    unfinished = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            unfinished.unlink()
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
        _sync(file.parent)
    except OSError as error:
        raise IdentityUnusable(f"{file} cannot be written ({error.strerror})") from error


def _sync(folder: Path) -> None:
    """A rename survives a power cut only when its folder is on disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
