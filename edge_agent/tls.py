"""TLS as a device needs it: its own certificate, and a server that is recognised whatever the device's clock says."""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python's ssl passes on without naming it
NOT_YET_VALID, HAS_EXPIRED = 9, 10  # X509_V_ERR_CERT_…
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def make_context(ca_file: str | None, identity_file: str | None = None) -> ssl.SSLContext:
    """Return a context for a client: TLS 1.2 or newer, server verified. Raise OSError when a file cannot be used."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if identity_file:
        context.load_cert_chain(identity_file)
    return context


def is_about_time(error: BaseException) -> bool:
    """True when a server's certificate was refused for its dates alone: the clock that is wrong may be ours."""
    found = error if isinstance(error, ssl.SSLError) else getattr(error, "reason", None)  # urllib wraps it
    return isinstance(found, ssl.SSLCertVerificationError) and found.verify_code in (NOT_YET_VALID, HAS_EXPIRED)


def ignore_time(context: ssl.SSLContext) -> None:
    """Verify the chain and the name as before, but not the dates.

    A computer without a battery begins in 1970 and learns the time only from the server that it cannot reach
    otherwise. What is lost: an attacker with the key of an expired certificate of this server is not noticed.
    """
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)


def fingerprint(pem: str) -> str:
    """Return SHA-256 of the first certificate in a PEM text, in hexadecimal; '' when there is none."""
    found = _CERTIFICATE.search(pem)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(found.group())).hexdigest() if found else ""


def fingerprint_of_file(file: str | None) -> str:
    """Return `fingerprint` of a file's content; '' when it cannot be read."""
    try:
        return fingerprint(Path(file).read_text()) if file else ""
    except (OSError, ValueError):
        return ""
