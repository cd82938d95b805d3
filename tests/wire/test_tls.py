"""The daemon's certificate: what is taken, and what is told of each file that cannot be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from ordod.wire.tls import TlsError, TlsFiles, load

NOW = datetime.now(UTC)
Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(ca: trustme.CA, tmp_path: Path) -> TlsFiles:
    issued = ca.issue_cert("Ordo.example", "*.ordo.example", "192.0.2.7")
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    issued.cert_chain_pems[0].write_to_path(cert)
    key.touch(0o600)
    issued.private_key_pem.write_to_path(key)
    ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    return TlsFiles(cert=cert, key=key)


def pem(key: Key, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def self_signed(folder: Path, key: Key, *hosts: str) -> TlsFiles:
    """A certificate that trustme would not make."""
    name = x509.Name([])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=100))
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        made = made.add_extension(names, critical=False)
    files = TlsFiles(cert=folder / "own.crt", key=folder / "own.key")
    files.cert.write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    files.key.touch(0o600)
    files.key.write_bytes(pem(key, NoEncryption()))
    return files


def refused(files: TlsFiles) -> str:
    with pytest.raises(TlsError) as caught:
        load(files, NOW)
    return str(caught.value)


def test_the_names_of_the_certificate_are_this_hosts(files: TlsFiles) -> None:
    tls = load(files, NOW)

    assert tls.names == {"ordo.example", "*.ordo.example", "192.0.2.7"}
    assert tls.worry == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(files: TlsFiles, mode: int) -> None:
    files.key.chmod(mode)

    assert f"chmod 600 {files.key}" in refused(files)
    # A credential's mode is systemd's.
    load(TlsFiles(cert=files.cert, key=files.key, is_key_ours=False), NOW)


def test_each_file_that_is_missing_or_no_file_is_named(files: TlsFiles, tmp_path: Path) -> None:
    none = tmp_path / "none"
    for cert, key, ca, word in (
        (none, files.key, None, "tls_cert"),
        (files.cert, none, None, "tls_key"),
        (files.cert, files.key, none, "tls_client_ca"),
    ):
        message = refused(TlsFiles(cert=cert, key=key, client_ca=ca))
        assert message.startswith(f"{word}: {none}: No such file")
    assert "is not a file" in refused(TlsFiles(cert=tmp_path, key=files.key))


def test_files_of_the_wrong_content_are_told_without_it(
    files: TlsFiles, ca: trustme.CA, tmp_path: Path
) -> None:
    other = tmp_path / "other.key"
    other.touch(0o600)
    ca.issue_cert("x.example").private_key_pem.write_to_path(other)

    assert "is not the key of the certificate" in refused(TlsFiles(cert=files.cert, key=other))
    assert "no PEM certificate" in refused(TlsFiles(cert=files.key, key=files.key))
    mutual = TlsFiles(cert=files.cert, key=files.key, client_ca=files.key)
    assert "tls_client_ca" in refused(mutual)
    assert "PRIVATE" not in refused(mutual)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(
    files: TlsFiles, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    locked.touch(0o600)
    key = ec.generate_private_key(ec.SECP256R1())
    locked.write_bytes(pem(key, BestAvailableEncryption(b"x")))

    assert "passphrase" in refused(TlsFiles(cert=files.cert, key=locked))


def test_a_certificate_that_names_no_host_is_refused(files: TlsFiles, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    nameless = self_signed(tmp_path, key)

    assert "subjectAltName" in refused(nameless)


@pytest.mark.parametrize(
    ("ends_in", "word"), [(timedelta(days=-1), "ended on"), (timedelta(days=5), "ends on")]
)
def test_a_certificate_near_its_end_is_worried_about_in_time(
    ca: trustme.CA, tmp_path: Path, ends_in: timedelta, word: str
) -> None:
    issued = ca.issue_cert("ordo.example", not_after=NOW + ends_in)
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    issued.cert_chain_pems[0].write_to_path(cert)
    key.touch(0o600)
    issued.private_key_pem.write_to_path(key)

    assert word in load(TlsFiles(cert=cert, key=key), NOW).worry


def test_a_long_rsa_key_is_worried_about(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 3136)

    assert "ECDSA" in load(self_signed(tmp_path, key, "ordo.example"), NOW).worry
