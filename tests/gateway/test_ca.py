"""The authority: what it signs, what it refuses, and lists that a broker takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from assets.base.errors import Invalid
from gateway.ca import SINCE_EVER, Authority, is_server_certificate_due
from gateway.qr import TooLong, qr_modules, qr_svg
from gateway.supervise.errors import SupervisorError
from ingest.signing_requests import is_signed_by, read_request

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


def request(key: object, name: str = "forewarn-service") -> x509.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm)  # type: ignore[arg-type]


def pem(made: x509.CertificateSigningRequest) -> str:
    return made.public_bytes(Encoding.PEM).decode()


def test_of_a_request_only_the_key_counts() -> None:
    authority = Authority.create(NOW)
    signing = read_request(pem(request(ec.generate_private_key(ec.SECP256R1()))))
    issued = authority.issue(signing.public_key, "pump-1", NOW, NOW + timedelta(days=1))
    made = x509.load_pem_x509_certificate(issued.pem.encode())
    assert [each.value for each in made.subject] == ["pump-1"]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    made.verify_directly_issued_by(authority.certificate)
    assert (issued.not_before, issued.not_after) == (NOW, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP192R1()),
        rsa.generate_private_key(65537, 1024),
        ed25519.Ed25519PrivateKey.generate(),
        dsa.generate_private_key(1024),
    ],
    ids=lambda key: type(key).__name__,
)
def test_other_kinds_of_keys_are_refused(key: object) -> None:
    with pytest.raises(Invalid, match="EC P-256"):
        read_request(pem(request(key)))


def test_request_that_its_key_did_not_sign_is_refused() -> None:
    der = bytearray(request(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.DER))
    other = request(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.DER)
    forged = x509.load_der_x509_csr(bytes(der[:-64]) + other[-64:]) if len(der) == len(other) else None
    texts = ["", "x" * 9000, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"]
    if forged is not None:
        texts.append(pem(forged))
    for text in texts:
        with pytest.raises(Invalid):
            read_request(text)


def test_rsa_of_2048_bits_is_accepted_for_firmware_that_has_nothing_else() -> None:
    read_request(pem(request(rsa.generate_private_key(65537, 2048))))


def test_signature_of_another_key_proves_nothing() -> None:
    mine, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    public = read_request(pem(request(mine))).public_key
    assert is_signed_by(public, mine.sign(b"x", ec.ECDSA(hashes.SHA256())), b"x")
    assert not is_signed_by(public, other.sign(b"x", ec.ECDSA(hashes.SHA256())), b"x")
    assert not is_signed_by(public, b"", b"x")
    assert not is_signed_by(b"nonsense", b"", b"x")


def test_key_is_readable_by_its_owner_only_and_stays_the_same(tmp_path: Path) -> None:
    first = Authority.load_or_create(tmp_path / "ca", NOW)
    assert (tmp_path / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o700
    assert Authority.load_or_create(tmp_path / "ca", NOW).fingerprint == first.fingerprint
    (tmp_path / "ca" / "ca.key").write_bytes(Authority.create(NOW).key_pem())
    with pytest.raises(SupervisorError, match="is not the EC key of"):
        Authority.load_or_create(tmp_path / "ca", NOW)
    (tmp_path / "ca" / "ca.key").unlink()
    with pytest.raises(SupervisorError, match="cannot be read"):
        Authority.load_or_create(tmp_path / "ca", NOW)


def test_server_certificate_is_renewed_before_its_end_and_for_other_names() -> None:
    authority = Authority.create(NOW)
    made, key = authority.server_certificate(["127.0.0.1", "broker.example"], NOW)
    file = key + made.encode()
    assert x509.load_pem_x509_certificate(made.encode()).not_valid_before_utc == SINCE_EVER
    names = ["broker.example", "127.0.0.1"]
    assert not is_server_certificate_due(file, authority, names, NOW + timedelta(days=200))
    assert is_server_certificate_due(file, authority, names, NOW + timedelta(days=300))
    assert is_server_certificate_due(file, authority, ["127.0.0.1"], NOW)
    assert is_server_certificate_due(file, Authority.create(NOW), names, NOW)
    assert is_server_certificate_due(b"", authority, names, NOW)


def test_each_list_of_refused_is_newer_than_the_one_before_also_within_a_second() -> None:
    authority = Authority.create(NOW)
    lists = [authority.revocation_list([], None, NOW)]
    for count in range(1, 5):
        lists.append(authority.revocation_list([f"{n:040x}" for n in range(1, count + 1)], lists[-1], NOW))
    dates = [x509.load_pem_x509_crl(each).last_update_utc for each in lists]
    assert dates == sorted(set(dates))
    assert dates[-1] < NOW
    assert authority.revocation_list([f"{n:040x}" for n in (4, 3, 2, 1)], lists[-1], NOW) == lists[-1]
    assert x509.load_pem_x509_crl(lists[-1]).next_update_utc == authority.certificate.not_valid_after_utc
    assert list(x509.load_pem_x509_crl(authority.revocation_list([], lists[-1], NOW))) == []


def test_qr_code_has_the_standards_patterns() -> None:
    rows = ["".join(map(str, row)) for row in qr_modules("https://forewarn.example/claim/ABCDEFGH23")]
    assert len(rows) == 29
    finder = ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"]
    for corner in ([row[:7] for row in rows[:7]], [row[-7:] for row in rows[:7]], [row[:7] for row in rows[-7:]]):
        assert corner == finder
    assert "".join(row[6] for row in rows[8:-8]) == rows[6][8:-8] == "1010101010101"
    assert qr_svg("x").startswith("<svg ")
    with pytest.raises(TooLong):
        qr_modules("x" * 214)
