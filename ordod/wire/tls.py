"""The daemon's side of TLS: a context from files, or a sentence that says what is wrong with which file."""

import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

__all__ = ["SOON", "Tls", "TlsError", "TlsFiles", "load"]

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all like these
RSA_BITS_MAX = 3072  # above it a handshake holds the one thread for several ms
PEM_BYTES_MAX = 1 << 20
SOON = timedelta(days=14)  # before the end of what lets clients in a person is told


class TlsError(Exception):
    """The files cannot be used. The message names the file and says what to do."""


class TlsFiles(Struct, frozen=True, kw_only=True):
    """Where they are. `is_key_ours`: the key's file is one of the user's, whose mode is looked at (systemd's are as it makes them)."""

    cert: Path
    key: Path
    client_ca: Path | None = None
    is_key_ours: bool = True


class Tls(Struct, frozen=True, kw_only=True):
    """`names`: whom the certificate is for, host names and addresses, in lower case. `worry`: what a person should see to, or ""."""

    context: ssl.SSLContext
    names: frozenset[str]
    worry: str


def load(files: TlsFiles, now: datetime) -> Tls:
    """Read the files. Blocks; raises TlsError."""
    if files.is_key_ours:
        _check_key(files.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = (
        0  # nothing is resumed: a connection lives for hours, and old keys die with it
    )
    context.set_ciphers(CIPHERS)
    pem = _read(files.cert, "tls_cert")
    _read(files.key, "tls_key")
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_passphrase)
    except _Passphrase:
        raise TlsError(
            f"tls_key: {files.key} is encrypted with a passphrase, which nobody is there to type: store it without"
        ) from None
    except ssl.SSLError as error:
        reason = error.reason or ""
        if "MISMATCH" in reason:
            raise TlsError(
                f"tls_key: {files.key} is not the key of the certificate {files.cert}"
            ) from None
        raise TlsError(
            f"tls_cert, tls_key: {files.cert} and {files.key} are no PEM certificate with its key ({_words(error)})"
        ) from None
    except OSError as error:
        raise TlsError(f"tls_cert, tls_key: {error.strerror}") from None
    if files.client_ca is not None:
        _demand_clients(context, files.client_ca)
    names, worry = _about(pem, files.cert, now)
    return Tls(context=context, names=names, worry=worry)


def _check_key(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise TlsError(f"tls_key: {path}: {error.strerror}") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise TlsError(
            f"tls_key: {path} can be read by others (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
        )


def _read(path: Path, key: str) -> bytes:
    """Opened here first, because the ssl module does not say which of two files it could not open. Never waits on a pipe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TlsError(f"{key}: {path}: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise TlsError(f"{key}: {path} is not a file")
        return os.read(fd, PEM_BYTES_MAX)
    finally:
        os.close(fd)


def _demand_clients(context: ssl.SSLContext, ca: Path) -> None:
    _read(ca, "tls_client_ca")
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise TlsError(f"tls_client_ca: {ca} holds no PEM certificates ({_words(error)})") from None
    context.verify_mode = ssl.CERT_REQUIRED


class _Passphrase(Exception):  # noqa: N818 - a finding
    pass


def _no_passphrase() -> str:
    raise _Passphrase


def _words(error: ssl.SSLError) -> str:
    return (error.reason or "not PEM").lower().replace("_", " ")


def _about(pem: bytes, path: Path, now: datetime) -> tuple[frozenset[str], str]:
    from cryptography import x509  # a daemon without TLS does not pay for it
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        alternatives = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        raise TlsError(
            f"tls_cert: {path} names no host (subjectAltName), so that no client can verify it: make one that does"
        ) from None
    except ValueError as error:
        raise TlsError(f"tls_cert: {path} cannot be read: {error}") from None
    hosts = [name.lower() for name in alternatives.get_values_for_type(x509.DNSName)]
    addresses = [str(each) for each in alternatives.get_values_for_type(x509.IPAddress)]
    ends_at = certificate.not_valid_after_utc
    key = certificate.public_key()
    worry = ""
    if ends_at <= now.astimezone(UTC):
        worry = f"the certificate {path} ended on {ends_at:%Y-%m-%d}: every client refuses it"
    elif ends_at - now.astimezone(UTC) < SOON:
        worry = f"the certificate {path} ends on {ends_at:%Y-%m-%d}: put a new one there and reload"
    elif isinstance(key, RSAPublicKey) and key.key_size > RSA_BITS_MAX:
        worry = f"the key of {path} is RSA with {key.key_size} bits: each handshake holds up orders for milliseconds; use one of ECDSA (P-256)"
    return frozenset((*hosts, *addresses)), worry
