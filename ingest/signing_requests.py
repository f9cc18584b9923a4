"""Read what a device sends to get a certificate: its public key, proven by a signature, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from assets.base.errors import Invalid

MAX_REQUEST_CHARS = 8192  # an RSA 4096 request has about 1,700
CURVES = (ec.SECP256R1, ec.SECP384R1)
RSA_BITS = (2048, 4096)


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A public key whose private half the sender has shown to hold; `public_key` is its DER (SubjectPublicKeyInfo)."""

    public_key: bytes

    @property
    def key_hash(self) -> bytes:
        """SHA-256 of the key: names it in the table of certificates."""
        return hashlib.sha256(self.public_key).digest()


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was signed: PEM, serial number in hexadecimal, SHA-256 fingerprint, validity."""

    pem: str
    serial_number: str
    fingerprint: str
    not_before: datetime
    not_after: datetime


class Authority(Protocol):
    """What signs devices' certificates."""

    @property
    def pem(self) -> str:
        """The certificate that devices verify the broker with."""
        ...

    def issue(self, public_key: bytes, serial: str, not_before: datetime, not_after: datetime) -> Issued:
        """Sign a certificate for client authentication whose common name is the device's serial."""
        ...


def read_request(pem: str) -> SigningRequest:
    """Read a PKCS #10 request. Its subject and extensions are not looked at: the server alone decides who this is.

    Raises Invalid when it cannot be read, when its signature does not prove possession of the key, or when the key is
    of a kind that is not accepted.
    """
    if len(pem) > MAX_REQUEST_CHARS:
        raise Invalid(f"a certificate request has at most {MAX_REQUEST_CHARS} characters", field="csr")
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key = request.public_key()
        is_proven = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise Invalid(f"the certificate request cannot be read: {error}", field="csr") from error
    if not is_proven:
        raise Invalid("the certificate request is not signed by its own key", field="csr")
    if isinstance(key, ec.EllipticCurvePublicKey):
        accepted = isinstance(key.curve, CURVES)
    else:
        accepted = isinstance(key, rsa.RSAPublicKey) and RSA_BITS[0] <= key.key_size <= RSA_BITS[1]
    if not accepted:
        raise Invalid("a device's key is EC P-256, EC P-384 or RSA of 2048 to 4096 bits", field="csr")
    return SigningRequest(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def is_signed_by(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether the signature (SHA-256; ECDSA, or RSA with PKCS #1 v1.5) over the message is of this key."""
    try:
        key = load_der_public_key(public_key)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            return False
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True
