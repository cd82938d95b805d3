"""The daemon's certificate: what is taken, and what is told of each file that cannot be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import run

import pytest
import trustme

from ordod.wire.tls import TlsError, TlsFiles, load

NOW = datetime.now(UTC)


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
    run(
        ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", files.key, "-out", locked],
        check=True,
        capture_output=True,
    )

    assert "passphrase" in refused(TlsFiles(cert=files.cert, key=locked))


def test_a_certificate_that_names_no_host_is_refused(files: TlsFiles, tmp_path: Path) -> None:
    nameless, key = tmp_path / "nameless.crt", tmp_path / "nameless.key"
    run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ordo", "-keyout", key, "-out", nameless],
        check=True,
        capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)

    assert "subjectAltName" in refused(TlsFiles(cert=nameless, key=key))


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
    cert, key = tmp_path / "rsa.crt", tmp_path / "rsa.key"
    run(
        ["openssl", "req", "-x509", "-newkey", "rsa:4096", "-nodes", "-days", "365", "-subj", "/CN=ordo", "-addext", "subjectAltName=DNS:ordo.example", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)

    assert "ECDSA" in load(TlsFiles(cert=cert, key=key), NOW).worry
