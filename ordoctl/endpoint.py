"""Where the daemon is and how one gets in: its socket on this machine, or TCP with a token (WIRE 1, 7)."""

import os
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from ordoctl.conversation import Unconnected
from ordoctl.discovery import find_socket
from ordoctl.wire import Error

if TYPE_CHECKING:
    import ssl  # imported when it is needed: it takes longer than a call over the socket

__all__ = [
    "AUTHENTICATE",
    "Endpoint",
    "TcpEndpoint",
    "UnixEndpoint",
    "check",
    "endpoint_of",
    "no_connection",
    "no_entry",
]

AUTHENTICATE = "system.authenticate"

TOKEN_BYTES_MAX = 4096
UNAUTHENTICATED = 1001  # WIRE 5


class UnixEndpoint:
    """A socket's path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)


class TcpEndpoint:
    """A host and port, and what is shown there. The token is read when it is needed, and shown nowhere.

    Args:
        is_tls: without it only this machine itself is talked to.
        token, token_file: one of them, else `$ORDOD_TOKEN`.
        ca: the certificates that are trusted, instead of the system's.
        client_cert, client_key: where the daemon wants to see one; the key may stand in the certificate's file.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        is_tls: bool,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        ca: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.is_tls = is_tls
        self._token = token
        self._token_file = token_file
        self._ca = ca
        self._client_cert = client_cert
        self._client_key = client_key
        self._context: ssl.SSLContext | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.is_tls else 'tcp'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"TcpEndpoint({self})"

    def context(self) -> "ssl.SSLContext | None":
        """How the daemon's certificate is verified, its host's name too; None: no TLS. Raises OSError, which names the file."""
        if self.is_tls and self._context is None:
            self._context = self._make_context()
        return self._context

    def _make_context(self) -> "ssl.SSLContext":
        import ssl

        ca = _readable(self._ca, "--ca") if self._ca else None
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._client_cert:
            cert = _readable(self._client_cert, "--client-cert")
            key = _readable(self._client_key, "--client-key") if self._client_key else None
            context.load_cert_chain(cert, key)
        return context

    @property
    def hint(self) -> str:
        """What a daemon may miss that hangs up without a word."""
        if not self.is_tls:
            return "; where it speaks TLS: tls://"
        return "" if self._client_cert else "; where it wants a client's certificate: --client-cert"

    def token(self) -> str:
        """Raises LookupError, with words for a person: there is none, or its file can be read by others."""
        if self._token_file is not None:
            return _token_in(Path(self._token_file))
        token = self._token or os.environ.get("ORDOD_TOKEN", "").strip()
        if not token:
            raise LookupError(
                f"{self} wants a token: set $ORDOD_TOKEN, or name a file that has it with --token-file; "
                "`ordoctl token new`, beside the daemon, makes one"
            )
        return token


Endpoint: TypeAlias = UnixEndpoint | TcpEndpoint


def endpoint_of(
    socket: str | os.PathLike[str] | None,
    url: str | None,
    *,
    token: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    ca: str | os.PathLike[str] | None = None,
    client_cert: str | os.PathLike[str] | None = None,
    client_key: str | os.PathLike[str] | None = None,
) -> Endpoint:
    """The place that is named: a socket, a URL, `$ORDOD_URL`, else a socket (`find_socket`).

    Raises:
        ValueError: the URL is none of ours.
        NoDaemon: nothing is named, and there is no socket at the usual places.
    """
    if url is None and socket is None:
        url = os.environ.get("ORDOD_URL") or None
    if url is None:
        return UnixEndpoint(find_socket(socket))
    host, port, is_tls = _parsed(url)
    return TcpEndpoint(
        host,
        port,
        is_tls=is_tls,
        token=token,
        token_file=token_file,
        ca=ca or os.environ.get("ORDOD_CA") or None,
        client_cert=client_cert or os.environ.get("ORDOD_CLIENT_CERT") or None,
        client_key=client_key or os.environ.get("ORDOD_CLIENT_KEY") or None,
    )


def check(socket: str | os.PathLike[str] | None, url: str | None) -> None:
    """Raises ValueError where they can name no place."""
    if socket is not None and url is not None:
        raise ValueError("a socket and a URL name two places: give one of them")
    if url is None and socket is None:
        url = os.environ.get("ORDOD_URL") or None
    if url is not None:
        _parsed(url)


def _parsed(url: str) -> tuple[str, int, bool]:
    """Raises ValueError. A token somebody put into it is not repeated."""
    wanted = "a URL is tls://HOST:PORT, or tcp://127.0.0.1:PORT for this machine itself"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(wanted) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{wanted}; a token does not belong there: set $ORDOD_TOKEN")
    if parts.scheme not in ("tls", "tcp") or not host or not port:
        raise ValueError(f"{wanted}, and this begins {parts.scheme}://{parts.netloc}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{wanted}, and nothing behind it")
    if parts.scheme == "tcp" and not _is_loopback(host):
        raise ValueError(
            f"tcp:// is not encrypted, and {host} is another machine: use tls://{parts.netloc}"
        )
    return host, port, parts.scheme == "tls"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _readable(path: str | os.PathLike[str], option: str) -> str:
    """The ssl module does not say which file it could not open."""
    try:
        with Path(path).open("rb"):
            return os.fspath(path)
    except OSError as why:
        raise OSError(why.errno, f"{option}: {os.fspath(path)}: {why.strerror}") from None


def _token_in(file: Path) -> str:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as why:
        raise LookupError(f"--token-file: {file}: {why.strerror}") from None
    with os.fdopen(fd, "rb") as opened:
        status = os.fstat(fd)
        if (
            stat.S_ISREG(status.st_mode)
            and status.st_mode & 0o077
            and status.st_uid == os.geteuid()
        ):
            raise LookupError(f"--token-file: {file} can be read by others; run: chmod 600 {file}")
        try:
            token = opened.read(TOKEN_BYTES_MAX).decode().strip()
        except (OSError, UnicodeDecodeError):
            token = ""
    if not token:
        raise LookupError(f"--token-file: there is no token in {file}")
    return token


def no_entry(words: str) -> Error:
    """Nothing to show at the door: as the daemon would say it."""
    return Error(UNAUTHENTICATED, words, {"kind": "UNAUTHENTICATED", "retry": "same_key"})


def no_connection(place: Endpoint, why: Exception, *, first: bool) -> Unconnected:
    """What a failed connect means, in words that help. `first`: this client never had a connection, so that it gives up."""
    is_final = False
    if isinstance(place, TcpEndpoint):
        words, is_final = _about_tcp(place, why)
    else:
        match why:
            case FileNotFoundError():
                words = "there is no such socket"
            case PermissionError():
                words = "this user may not open it"
            case _:
                words = _about_any(why)
    return Unconnected(f"no daemon at {place}: {words}", first or is_final)


def _about_any(why: Exception) -> str:
    match why:
        case ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError() | BlockingIOError():
            return "it does not take connections"
        case OSError():
            return str(why.strerror or why)
        case _:
            return str(why)


def _about_tcp(place: TcpEndpoint, why: Exception) -> tuple[str, bool]:
    """In words, and whether another try would hear the same: a certificate that is not trusted is not at the next try either."""
    import ssl

    if isinstance(why, ssl.SSLCertVerificationError):
        words = (
            f"its certificate is not trusted ({why.verify_message}); the CA that signed it is named with --ca or $ORDOD_CA, "
            "and the host as the certificate names it"
        )
        return words, True
    if isinstance(why, EOFError | ConnectionResetError | BrokenPipeError):
        return f"it hung up before it answered{place.hint}", False
    if not isinstance(why, ssl.SSLError):
        return _about_any(why), False
    reason = why.reason or ""
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return "it wants a certificate of the client's: --client-cert and --client-key", True
    if "UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason:
        return "it does not trust this client's certificate (--client-cert)", True
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS", True
    return f"TLS failed ({(reason or str(why)).lower().replace('_', ' ')})", False
