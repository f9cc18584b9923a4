"""Make a key on the device, ask for a certificate with it, sign with it: by `openssl`, or by `cryptography`."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

TIMEOUT_S = 60.0  # a small board without entropy may take a while
NO_TOOLS = (
    "this device has neither the program openssl nor the Python package cryptography to make a key with: install one"
    " (apt-get install openssl), or claim with --password-mode"
)
# Nothing in a request but its key counts; openssl insists on a subject and on a configuration.
_CONFIGURATION = b"[req]\ndistinguished_name = dn\n[dn]\n"


class KeyFailed(Exception):
    """No key could be made or used; the text says what to do."""


def can_make_keys() -> bool:
    """True when there is something to make keys with."""
    return shutil.which("openssl") is not None or importlib.util.find_spec("cryptography") is not None


def make_key() -> bytes:
    """Return a new private key, EC P-256, as PEM (PKCS #8). Raise KeyFailed."""
    if shutil.which("openssl"):
        return _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    _require_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def make_request(key: Path) -> str:
    """Return a certificate request (PKCS #10, PEM) for the key in a file, which proves possession. Raise KeyFailed."""
    if shutil.which("openssl"):
        arguments = ("req", "-new", "-sha256", "-key", str(key), "-subj", "/CN=device", "-config", "/dev/stdin")
        return _openssl(*arguments, stdin=_CONFIGURATION).decode()
    _require_cryptography()
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        secret = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise KeyFailed(f"{key} holds no key that can be used ({error})") from error
    if not isinstance(secret, ec.EllipticCurvePrivateKey):
        raise KeyFailed(f"{key} holds no EC key")
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "device")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(secret, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def sign(key: Path, message: bytes) -> bytes:
    """Return the signature (SHA-256, ECDSA) over a message with the key in a file. Raise KeyFailed."""
    if shutil.which("openssl"):
        return _openssl("dgst", "-sha256", "-sign", str(key), stdin=message)
    _require_cryptography()
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        secret = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise KeyFailed(f"{key} holds no key that can be used ({error})") from error
    if not isinstance(secret, ec.EllipticCurvePrivateKey):
        raise KeyFailed(f"{key} holds no EC key")
    return secret.sign(message, ec.ECDSA(hashes.SHA256()))


def _require_cryptography() -> None:
    if importlib.util.find_spec("cryptography") is None:
        raise KeyFailed(NO_TOOLS)


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KeyFailed(f"openssl {arguments[0]} did not work: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise KeyFailed(f"openssl {arguments[0]} did not work: {said[0]}")
    return done.stdout
