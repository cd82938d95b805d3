"""What `[daemon] tcp` makes of the other parts: listening sockets, the certificate, the tokens.

with Remote(settings.daemon, ...).listening() as front:
    ...  # `front` brings connections to the server
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import anyio
import structlog

from ordod.config import DaemonSettings, split_address
from ordod.domain.references import SecretSource
from ordod.service.methods import BY_TOKEN, Caller, Role
from ordod.tokens import Token, TokenFile, Tokens, token_path
from ordod.wire.guests import Guest
from ordod.wire.sockets import listening_tcp
from ordod.wire.tcp import TcpFront, TcpLimits
from ordod.wire.tls import Tls, TlsError, TlsFiles, load

__all__ = ["Remote", "TokenKeys", "check", "tls_files"]

log = structlog.get_logger("remote")


def check(
    daemon: DaemonSettings, environment: Mapping[str, str], now: Callable[[], datetime]
) -> str:
    """What a person should see to, in a line or a few; "" where all is well.

    Raises:
        TlsError: the certificate cannot be used.
        TokenError: the tokens cannot be read.
    """
    if daemon.tcp is None:
        return ""
    files = tls_files(daemon, environment)
    worries = [load(files, now()).worry] if files else []
    if not TokenFile(token_path(daemon.state_dir)).listed():
        worries.append("nobody can come in over TCP yet: make a token with `ordoctl token new`")
    return "\n".join(worry for worry in worries if worry)


class Remote:
    """The daemon's side of TCP, with what is read anew while it runs. Make it only where `tcp` is set.

    Raises:
        TlsError: the certificate cannot be used.
    """

    def __init__(
        self, daemon: DaemonSettings, environment: Mapping[str, str], now: Callable[[], datetime]
    ) -> None:
        assert daemon.tcp is not None
        self._host, self._port = split_address(daemon.tcp)
        self._daemon = daemon
        self._now = now
        self._files = tls_files(daemon, environment)
        self._tls: Tls | None = load(self._files, now()) if self._files else None
        self._fresh = self._tls

    @contextmanager
    def listening(self) -> Iterator[TcpFront]:
        """Raises ListenError."""
        tokens = Tokens(token_path(self._daemon.state_dir), now=self._now)
        limits = TcpLimits(self._daemon.tcp_connections, self._daemon.tcp_idle_s)
        try:
            with listening_tcp(self._host, self._port, only_loopback=self._tls is None) as sockets:
                yield TcpFront(
                    sockets,
                    TokenKeys(tokens),
                    tls=lambda: self._tls,
                    own_names=frozenset({self._host}),
                    limits=limits,
                    clock=time.monotonic,
                )
        finally:
            tokens.close()

    def say(self) -> None:
        """What stands in the log at the start."""
        log.info("listening", tcp=self._daemon.tcp, tls=self._tls is not None)
        self._warn()

    async def read_again(self) -> None:
        """The certificate as its files are now, for `take`. Raises TlsError."""
        if self._files is not None:
            self._fresh = await anyio.to_thread.run_sync(load, self._files, self._now())

    def take(self) -> None:
        """What was read last holds from the next connection on."""
        self._tls, is_new = self._fresh, self._tls is not self._fresh
        if is_new:
            self._warn()

    def _warn(self) -> None:
        if self._tls and self._tls.worry:
            log.warning("tls_certificate_ends", why=self._tls.worry)


class TokenKeys:
    """The tokens, as the wire asks for them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def find(self, token: str) -> Guest | None:
        found = self._tokens.find(token)
        return None if found is None else Guest(_caller(found), found.expires_at, found)

    def lives(self, guest: Guest) -> bool:
        return self._tokens.lives(guest.key)


def _caller(token: Token) -> Caller:
    accounts = {name: Role[role.name] for name, role in token.accounts.items()}
    return Caller(f"{BY_TOKEN}{token.name}", Role[token.role.name], accounts)


def tls_files(daemon: DaemonSettings, environment: Mapping[str, str]) -> TlsFiles | None:
    """Where they are; None: there is no TLS. Raises TlsError: the key is a credential, and systemd gave none."""
    if daemon.tls_cert is None or daemon.tls_key is None:
        return None
    is_key_ours = daemon.tls_key.source is SecretSource.FILE
    key = Path(daemon.tls_key.name)
    if not is_key_ours:
        folder = environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise TlsError(
                f"tls_key: {daemon.tls_key}: $CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with "
                f"LoadCredential={daemon.tls_key.name}:PATH"
            )
        key = Path(folder) / daemon.tls_key.name
    return TlsFiles(
        cert=daemon.tls_cert, key=key, client_ca=daemon.tls_client_ca, is_key_ours=is_key_ours
    )
