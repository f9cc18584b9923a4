"""Forewarn's own certificate authority: one key, kept in a file, that names the broker and every device."""

from __future__ import annotations

import argparse
import fcntl
import ipaddress
import os
import sys
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.settings import Settings
from gateway.supervise.errors import SupervisorError
from ingest.signing_requests import Issued

CA_LIFE = timedelta(days=30 * 365)  # devices trust it for as long as machines last
SERVER_LIFE = timedelta(days=397)  # what clients of any make still accept
RENEW_AFTER = 2 / 3  # of a life: a third is left for what goes wrong
# Valid since ever: a device whose clock stands at 1970 until the first contact must accept its server.
SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
CRL_BACKDATED = timedelta(hours=1)  # a list from the future would lock everybody out of a broker whose clock is behind


class Authority:
    """Signs for devices and for the broker. Made by `load` or `load_or_create`."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate, self._key = certificate, key

    @property
    def pem(self) -> str:
        """The certificate that devices verify the broker with."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hexadecimal: what a careful person compares at the device."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @classmethod
    def of(cls, settings: Settings, now: datetime) -> Self:
        """Return the authority of the settings: the named files, which several machines share, or the data folder's."""
        if settings.ca_certificate and settings.ca_key:
            return cls.load(settings.ca_certificate, settings.ca_key)
        return cls.load_or_create(settings.data / "ca", now)

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Self:
        """Read both files. Raises SupervisorError naming the one that cannot be used."""
        try:
            made = x509.load_pem_x509_certificate(certificate.read_bytes())
            secret = load_pem_private_key(key.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise SupervisorError(
                f"The certificate authority cannot be read from {certificate} and {key}: {error}."
            ) from error
        if not isinstance(secret, ec.EllipticCurvePrivateKey) or made.public_key() != secret.public_key():
            raise SupervisorError(f"{key} is not the EC key of {certificate}.")
        return cls(made, secret)

    @classmethod
    def load_or_create(cls, folder: Path, now: datetime) -> Self:
        """Read `ca.crt` and `ca.key` of a folder, made there first when both are missing."""
        certificate, key = folder / "ca.crt", folder / "ca.key"
        if not certificate.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # two processes that answer may both be the first to need it
                if not certificate.exists():
                    made = cls.create(now)
                    # The key first: a certificate without its key would look like a finished authority.
                    write_private(key, made.key_pem())
                    write_private(certificate, made.pem.encode())
        return cls.load(certificate, key)

    @classmethod
    def create(cls, now: datetime) -> Self:
        """Make a new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        # The name tells one Forewarn's authority from another's; nobody reads more out of it.
        name = _name(f"Forewarn CA {x509.random_serial_number() >> 128:08x}")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(SINCE_EVER)
            .not_valid_after(now + CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    def key_pem(self) -> bytes:
        """The private key, for the file that keeps it."""
        return _key_pem(self._key)

    def issue(self, public_key: bytes, serial: str, not_before: datetime, not_after: datetime) -> Issued:
        """Sign a certificate for client authentication whose common name is the device's serial."""
        key = load_der_public_key(public_key)
        made = (
            self._builder(key, serial, not_before, min(not_after, self.certificate.not_valid_after_utc))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(
            pem=made.public_bytes(Encoding.PEM).decode(),
            serial_number=f"{made.serial_number:040x}",
            fingerprint=made.fingerprint(hashes.SHA256()).hex(),
            not_before=made.not_valid_before_utc,
            not_after=made.not_valid_after_utc,
        )

    def server_certificate(
        self, names: Iterable[str], now: datetime, *, since: datetime = SINCE_EVER
    ) -> tuple[str, bytes]:
        """Return certificate and key for a TLS server that is reached by these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [_alternative(name) for name in sorted(set(names))]
        made = (
            self._builder(key.public_key(), "Forewarn broker", since, now + SERVER_LIFE)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=True)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(Encoding.PEM).decode(), _key_pem(key)

    def revocation_list(self, serial_numbers: Collection[str], previous: bytes | None, now: datetime) -> bytes:
        """Return the list (PEM) of certificates that the broker refuses; `previous` unchanged when it says the same.

        It never expires: a server that was away must not lock out every device. Each new list is dated a second after
        the one before, because of two lists of one second OpenSSL keeps the older.
        """
        wanted = {int(number, 16) for number in serial_numbers}
        before = _read_list(previous, self.certificate)
        dated = now - CRL_BACKDATED
        if before is not None:
            if {each.serial_number for each in before} == wanted:
                assert previous is not None
                return previous
            dated = max(dated, before.last_update_utc + timedelta(seconds=1))
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(dated)
            .next_update(self.certificate.not_valid_after_utc)
        )
        for number in sorted(wanted):
            revoked = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(dated).build()
            builder = builder.add_revoked_certificate(revoked)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _builder(
        self, key: object, common_name: str, not_before: datetime, not_after: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(self.certificate.subject)
            .public_key(key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def is_server_certificate_due(pem: bytes, authority: Authority, names: Iterable[str], now: datetime) -> bool:
    """True when a server's certificate should be made anew: two thirds of its life over, other names, another CA."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # whatever is wrong with it, a new one puts it right
        return True
    if set(listed) != {_alternative(name) for name in names}:
        return True
    return now > certificate.not_valid_after_utc - SERVER_LIFE * (1 - RENEW_AFTER)


def write_private(file: Path, content: bytes) -> None:
    """Replace a file at once, readable by its owner only."""
    unfinished = file.with_name(f".{file.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
    unfinished.rename(file)


def _read_list(pem: bytes | None, issuer: x509.Certificate) -> x509.CertificateRevocationList | None:
    try:
        found = x509.load_pem_x509_crl(pem) if pem else None
        return found if found is not None and found.issuer == issuer.subject else None
    except ValueError:
        return None


def _name(common_name: str) -> x509.Name:
    # A serial may have 64 characters of any script; X.520 counts characters, the library bytes.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode() if not name.isascii() else name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def main() -> int:
    """`python -m gateway.ca FOLDER`: make `ca.crt` and `ca.key` there, for several machines, unless they are there."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group", type=int, help="group that may read the key (its id), such as the API's")
    options = parser.parse_args()
    authority = Authority.load_or_create(options.folder, datetime.now(UTC))
    if options.group is not None:
        modes = {options.folder: 0o750, options.folder / "ca.key": 0o640, options.folder / "ca.crt": 0o644}
        for path, mode in modes.items():
            os.chown(path, -1, options.group)
            path.chmod(mode)
    print(f"authority {authority.fingerprint} in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
