"""From the file to settings: one function a table, in the order of the file. Every mistake is told, each with its line."""

import os
import re
import stat
import tomllib
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ordod.config.addresses import split_address
from ordod.config.alerts import alert_settings
from ordod.config.lines import key_lines
from ordod.config.owning import others_write
from ordod.config.settings import (
    TCP_CONNECTIONS,
    TCP_IDLE_S,
    AccessSettings,
    AccountSettings,
    DaemonSettings,
    Grant,
    LogLevel,
    RiskSettings,
    RoleName,
    Settings,
)
from ordod.config.tables import Mistakes, Table, closest_hint
from ordod.config.urls import is_loopback
from ordod.domain.instruments import Exchange
from ordod.domain.orders import Product
from ordod.domain.references import REFERRING, SecretReference, SecretSource
from ordod.domain.risk import RiskLimits

__all__ = ["SECRETS", "ConfigError", "OptionsOf", "find", "load", "parse"]

SECRETS = ("api_key", "api_secret", "password", "pin", "totp_secret", "access_token")

ACCOUNT_NAME = re.compile(r"[a-z0-9_-]{1,32}")
STRATEGY_NAME = re.compile(r"[A-Za-z0-9._:-]{1,32}")
CREDENTIAL_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}")
STORE_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
INSTRUMENT_PATTERN = re.compile(r"[^\s:\[\]]+")

TCP_KEYS = ("tls_cert", "tls_key", "tls_client_ca", "tcp_connections", "tcp_idle_s")
IDLE_LEAST_S = 10  # a client that pings each few seconds is never idle
TCP_CONNECTIONS_MAX = 4096  # each has a file descriptor

HORIZON_LEAST_S = 60  # below it an order in doubt at a real broker could be called absent too early (RELIABILITY 2)
SOCKET_BYTES_MAX = 107  # Linux' sun_path, less the closing zero
FILE_BYTES_MAX = 1024 * 1024  # of the configuration; a file beyond it is some other file

OptionsOf = Callable[[str], Mapping[str, bool] | None]
"""What a broker of this id needs besides, by name, and whether it is a secret; None: no adapter has this id."""


class _GivenRole(StrEnum):
    """The roles a person may give."""

    READ = RoleName.READ.value
    TRADE = RoleName.TRADE.value
    ADMIN = RoleName.ADMIN.value


class ConfigError(Exception):
    """The file cannot be used. `mistakes`: one line each, all that were found."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def find(asked: Path | None, home: Path) -> Path:
    """The file to read: the one asked for, else the first that exists of the two usual places.

    Raises:
        ConfigError: there is none.
    """
    if asked is not None:
        return asked
    places = (Path("/etc/ordod/ordod.conf"), home / ".config/ordod/ordod.conf")
    for place in places:
        if place.exists():
            return place
    looked = " and ".join(str(place) for place in places)
    raise ConfigError(
        f"no configuration: looked for {looked}; make one with `ordoctl setup`, or name another with --config FILE"
    )


def load(
    file: Path,
    *,
    environment: Mapping[str, str],
    options_of: OptionsOf,
    brokers: Collection[str] = (),
) -> Settings:
    """The settings this file makes.

    Args:
        environment: `HOME`, `STATE_DIRECTORY`, `RUNTIME_DIRECTORY`, `XDG_RUNTIME_DIR` of it are read.
        brokers: every broker id there is, to suggest the closest one.
    Raises:
        ConfigError: the file cannot be read, is not TOML, or holds mistakes.
    """
    try:
        # Non-blocking: a named pipe nobody writes to would hold the daemon.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            content = opened.read(FILE_BYTES_MAX + 1) if stat.S_ISREG(status.st_mode) else None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    mode = stat.S_IMODE(status.st_mode)
    if content is None:
        raise ConfigError(f"{file}: is not a file")
    if others_write(status):
        raise ConfigError(
            f"{file}: others can write to it (mode {mode:04o}), and who can has your secrets sent where he likes; "
            f"run: chmod go-w {file}"
        )
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{file}: larger than {FILE_BYTES_MAX} bytes, so hardly a configuration")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not UTF-8") from None
    return parse(
        text,
        file=file,
        mode=mode,
        environment=environment,
        options_of=options_of,
        brokers=brokers,
    )


def parse(
    text: str,
    *,
    file: Path,
    mode: int,
    environment: Mapping[str, str],
    options_of: OptionsOf,
    brokers: Collection[str] = (),
) -> Settings:
    """As `load`, from the text of a file with these permission bits."""
    try:
        # Decimals, because no price may pass through a float.
        values: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_mistake(file, text, str(error))) from None
    mistakes = Mistakes(str(file), key_lines(text))
    reader = _Reader(file, mode, environment, options_of, brokers)
    settings = reader.settings(Table(values, (), mistakes))
    if mistakes:
        raise ConfigError(*mistakes)
    return settings


def _syntax_mistake(file: Path, text: str, message: str) -> str:
    """tomllib's words with the place in front."""
    if place := re.search(r" \(at line (\d+), column (\d+)\)$", message):
        return f"{file}:{place[1]}: {message[: place.start()]} (column {place[2]})"
    return f"{file}:{text.count(chr(10)) + 1}: {message}"


class _Reader:
    """What reading the tables needs to know besides them."""

    def __init__(
        self,
        file: Path,
        mode: int,
        environment: Mapping[str, str],
        options_of: OptionsOf,
        brokers: Collection[str],
    ) -> None:
        self._file = file
        self._mode = mode
        self._environment = environment
        self._options_of = options_of
        self._brokers = brokers

    def settings(self, root: Table) -> Settings:
        daemon = self._daemon(root.table("daemon"))
        access = self._access(root.table("access"))
        risk = self._risk(root.table("risk"))
        alerts = alert_settings(root.table("alerts"), self._secret)
        accounts = self._accounts(root.table("accounts"))
        self._check_grants(root, access, accounts)
        root.close()
        return Settings(
            file=self._file,
            daemon=daemon,
            access=access,
            risk=risk,
            alerts=alerts,
            accounts=accounts,
        )

    # [daemon]

    def _daemon(self, table: Table) -> DaemonSettings:
        state_dir = table.checked("state_dir", self._path) or self._default_state_dir()
        socket = table.checked("socket", self._path) or self._default_socket(state_dir)
        level = table.word("log_level", LogLevel)
        if len(str(socket).encode()) > SOCKET_BYTES_MAX:
            table.wrong(
                "socket",
                f"{socket} is longer than the {SOCKET_BYTES_MAX} bytes a socket's path may have",
            )
        store_key = self._store_key(table)
        tcp = table.checked("tcp", _host_and_port)
        tls_cert = table.checked("tls_cert", self._path)
        tls_key = self._tls_key(table)
        tls_client_ca = table.checked("tls_client_ca", self._path)
        if "tcp" in table:
            _check_tls(table, tcp)
        connections = table.count("tcp_connections")
        idle_s = table.amount("tcp_idle_s")
        for key in TCP_KEYS:
            if key in table and "tcp" not in table:
                table.wrong(key, 'is for TCP, and there is none: set tcp = "127.0.0.1:7878"')
        if idle_s is not None and idle_s < IDLE_LEAST_S:
            table.wrong("tcp_idle_s", f"is {idle_s:g}: at least {IDLE_LEAST_S} seconds")
        if connections is not None and connections > TCP_CONNECTIONS_MAX:
            table.wrong("tcp_connections", f"is {connections}: at most {TCP_CONNECTIONS_MAX}")
        table.close()
        return DaemonSettings(
            socket=socket,
            state_dir=state_dir,
            store_key=store_key,
            tcp=tcp,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            tcp_connections=connections or TCP_CONNECTIONS,
            tcp_idle_s=TCP_IDLE_S if idle_s is None else float(idle_s),
            log_level=level or LogLevel.INFO,
        )

    def _tls_key(self, table: Table) -> SecretReference | None:
        """A file that TLS reads by itself, so neither a variable nor the store."""
        text = table.text("tls_key")
        if text is None:
            return None
        if SecretReference.read(text).source not in (SecretSource.FILE, SecretSource.CREDENTIAL):
            hint = f'; did you mean "file:{text}"?' if text.startswith(("/", "~/")) else ""
            table.wrong("tls_key", f"must be file:PATH or credential:NAME{hint}")
            return None
        return self._secret(table, "tls_key")

    def _store_key(self, table: Table) -> SecretReference | None:
        """Neither in this file nor in the store that it opens."""
        text = table.text("store_key")
        if text is None:
            return None
        if SecretReference.read(text).source in (SecretSource.LITERAL, SecretSource.STORE):
            hint = closest_hint(text.partition(":")[0], REFERRING) if ":" in text else ""
            table.wrong("store_key", f"must be file:PATH, credential:NAME or env:NAME{hint}")
            return None
        return self._secret(table, "store_key")

    def _path(self, text: str) -> Path:
        """Raises ValueError."""
        if text == "~" or text.startswith("~/"):
            return self._home() / text[2:]
        if not text.startswith("/"):
            raise ValueError(f'must be a whole path from / or ~/, and is "{text}"')
        return Path(text)

    def _home(self) -> Path:
        return Path(self._environment.get("HOME") or "/")

    def _default_state_dir(self) -> Path:
        # systemd joins several directories by colons; the first is ours.
        given = self._environment.get("STATE_DIRECTORY", "").split(":")[0]
        return Path(given) if given else self._home() / ".local/state/ordod"

    def _default_socket(self, state_dir: Path) -> Path:
        if given := self._environment.get("RUNTIME_DIRECTORY", "").split(":")[0]:
            return Path(given) / "ordod.sock"
        if given := self._environment.get("XDG_RUNTIME_DIR", ""):
            return Path(given) / "ordod/ordod.sock"
        return state_dir / "ordod.sock"

    # [access]

    def _access(self, table: Table) -> AccessSettings:
        users = _grants(table.table("users"))
        groups = _grants(table.table("groups"))
        table.close()
        return AccessSettings(users=users, groups=groups)

    def _check_grants(
        self, root: Table, access: AccessSettings, accounts: Mapping[str, AccountSettings]
    ) -> None:
        """A role at an account that does not exist would be a slip nobody notices."""
        for kind, grants in (("users", access.users), ("groups", access.groups)):
            for name, grant in grants.items():
                if not grant.accounts:
                    continue
                table = root.table("access").table(kind).table(name).table("accounts")
                for account in grant.accounts:
                    if account not in accounts:
                        table.wrong(account, f"is no account{closest_hint(account, accounts)}")

    # [risk]

    def _risk(self, table: Table) -> RiskSettings:
        strategies = table.table("strategies")
        by_strategy = {}
        for name in strategies.names():
            if not STRATEGY_NAME.fullmatch(name):
                strategies.wrong(name, "is no strategy: 1 to 32 of A-Z a-z 0-9 . _ : -")
            by_strategy[name] = _limits(strategies.table(name))
        return RiskSettings(everywhere=_limits(table), strategies=by_strategy)

    # [accounts.NAME]

    def _accounts(self, table: Table) -> dict[str, AccountSettings]:
        accounts = {}
        for name in table.names():
            if not ACCOUNT_NAME.fullmatch(name):
                table.wrong(name, "is no name for an account: 1 to 32 of a-z 0-9 _ -")
            accounts[name] = self._account(name, table.table(name))
        return accounts

    def _account(self, name: str, table: Table) -> AccountSettings:
        broker = table.text("broker")
        known = self._known(table, broker)
        own = known or {}
        options = {name: table.text(name) for name, is_secret in own.items() if not is_secret}
        base_url = table.checked("base_url", _http_url)
        hosts = table.table("urls")
        urls = {host: hosts.checked(host, _host_url) for host in hosts.names()}
        more = (name for name, is_secret in own.items() if is_secret)
        secrets = {key: self._secret(table, key) for key in (*SECRETS, *more)}
        settings = AccountSettings(
            name=name,
            broker=broker or "",
            base_url=base_url,
            urls={host: url for host, url in urls.items() if url is not None},
            source_address=table.checked("source_address", _address),
            login=table.text("login") or "",
            doubt_horizon_s=float(table.amount("doubt_horizon_s") or 300),
            market_protection=table.amount("market_protection"),
            user_id=table.text("user_id") or "",
            secrets={key: secret for key, secret in secrets.items() if secret is not None},
            options={name: value for name, value in options.items() if value is not None},
            risk=_limits(table.table("risk")),
        )
        _check_account(table, settings)
        if broker is None or known is not None:
            table.close()  # else its options are unknown for want of an adapter, not for being misspelt
        return settings

    def _known(self, table: Table, broker: str | None) -> Mapping[str, bool] | None:
        """What this broker needs besides (`OptionsOf`); None where there is no such broker."""
        if broker is None:
            if "broker" not in table:
                table.wrong(None, 'has no broker; for example: broker = "paper"')
            return None
        names = self._options_of(broker)
        if names is None:
            known = f"; there are {', '.join(sorted(self._brokers))}" if self._brokers else ""
            hint = closest_hint(broker, self._brokers) or known
            table.wrong("broker", f'"{broker}" is none that this installation has{hint}')
        return names

    def _secret(self, table: Table, key: str) -> SecretReference | None:
        """Never repeats what stands there: it may be the secret."""
        text = table.text(key)
        if text is None:
            return None
        reference = SecretReference.read(text)
        match reference.source:
            case SecretSource.STORE if not STORE_NAME.fullmatch(reference.name):
                table.wrong(key, "must be store:NAME, a name given to ordoctl secret set")
            case SecretSource.CREDENTIAL if not CREDENTIAL_NAME.fullmatch(reference.name):
                table.wrong(key, "must be credential:NAME, the name of a systemd credential")
            case SecretSource.ENV if not VARIABLE_NAME.fullmatch(reference.name):
                table.wrong(key, "must be env:NAME, the name of an environment variable")
            case SecretSource.FILE:
                return self._file_reference(table, key, reference)
            case SecretSource.LITERAL:
                self._check_literal(table, key, text)
            case SecretSource.CREDENTIAL | SecretSource.ENV | SecretSource.STORE:
                pass
        return reference

    def _file_reference(
        self, table: Table, key: str, reference: SecretReference
    ) -> SecretReference | None:
        try:
            return SecretReference(SecretSource.FILE, str(self._path(reference.name)))
        except ValueError:
            table.wrong(key, "must be file:PATH, with a whole path from / or ~/")
            return None

    def _check_literal(self, table: Table, key: str, text: str) -> None:
        word, colon, _ = text.partition(":")
        if colon and (hint := closest_hint(word, REFERRING)):
            table.wrong(key, f"looks like a reference of a kind that does not exist{hint}")
        elif self._mode & 0o077:
            table.wrong(
                key,
                f"is a secret in a file others can read (mode {self._mode:04o}): "
                f"chmod 600 {self._file}, or refer to it by store:, file:, env: or credential:",
            )


def _grants(table: Table) -> dict[str, Grant]:
    """`asha = "trade"`, or a table: `role`, and `accounts` with roles of their own."""
    grants = {}
    for name in table.names():
        if table.is_table(name):
            grants[name] = _grant(table.table(name))
        elif role := table.one_of(name, _GivenRole, table.text(name)):
            grants[name] = Grant(RoleName(role))
    return grants


def _grant(table: Table) -> Grant:
    role = table.word("role", _GivenRole)
    by_account = table.table("accounts")
    accounts = {name: by_account.word(name, _GivenRole) for name in by_account.names()}
    if "role" not in table and not accounts:
        table.wrong(None, "gives nothing: it needs role, accounts or both")
    table.close()
    return Grant(
        RoleName(role) if role else RoleName.NOBODY,
        {name: RoleName(given) for name, given in accounts.items() if given},
    )


def _limits(table: Table) -> RiskLimits:
    limits = RiskLimits(
        max_quantity=table.count("max_quantity"),
        max_value=table.amount("max_value"),
        orders_per_second=table.count("orders_per_second"),
        orders_per_minute=table.count("orders_per_minute"),
        orders_per_day=table.count("orders_per_day"),
        max_open_orders=table.count("max_open_orders"),
        allow_instruments=_patterns(table, "allow_instruments"),
        forbid_instruments=_patterns(table, "forbid_instruments"),
        allow_products=table.words("allow_products", Product),
        forbid_products=table.words("forbid_products", Product),
        price_band_percent=table.amount("price_band_percent"),
        look_alike_s=_seconds(table, "look_alike_s"),
        market_hours=table.flag("market_hours"),
    )
    table.close()
    return limits


def _seconds(table: Table, key: str) -> float | None:
    amount = table.amount(key)
    return None if amount is None else float(amount)


def _patterns(table: Table, key: str) -> tuple[str, ...]:
    """A pattern that can match nothing would be a limit that limits nothing."""
    patterns = table.texts(key)
    for pattern in patterns:
        exchange, colon, name = pattern.partition(":")
        if not colon or not INSTRUMENT_PATTERN.fullmatch(name):
            table.wrong(key, f'holds "{pattern}": write EXCHANGE:SYMBOL or EXCHANGE:NIFTY*')
        elif exchange not in tuple(Exchange):
            hint = closest_hint(exchange, tuple(Exchange))
            table.wrong(key, f'holds "{pattern}": there is no exchange {exchange}{hint}')
        elif pattern != pattern.upper():
            table.wrong(key, f'holds "{pattern}": symbols are written in capitals')
    return patterns


def _host_and_port(text: str) -> str:
    """Raises ValueError."""
    host, port = split_address(text)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_tls(table: Table, tcp: str | None) -> None:
    """Off this machine nothing is said in the clear."""
    has_cert, has_key = "tls_cert" in table, "tls_key" in table
    if has_cert != has_key:
        one, other = ("tls_cert", "tls_key") if has_cert else ("tls_key", "tls_cert")
        table.wrong(one, f"needs {other} beside it")
    elif "tls_client_ca" in table and not has_cert:
        table.wrong("tls_client_ca", "needs tls_cert and tls_key beside it")
    if tcp is not None and not has_cert and not is_loopback(f"tcp://{tcp}"):
        table.wrong(
            "tcp",
            f'is "{tcp}", which other machines reach, and nothing is encrypted: set tls_cert and tls_key, or listen at 127.0.0.1',
        )


def _http_url(text: str) -> str:
    return _url(text, ("http", "https"))


def _host_url(text: str) -> str:
    return _url(text, ("http", "https", "ws", "wss"))


def _url(text: str, schemes: tuple[str, ...]) -> str:
    """Raises ValueError. Does not repeat a URL with a password in it."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password")
    if parts.scheme not in schemes or not host:
        raise ValueError(
            f"must begin with {' or '.join(f'{s}://' for s in schemes)} and name a host"
        )
    if parts.query or parts.fragment:
        raise ValueError("must end with its path, without ? or #")
    if parts.scheme in ("http", "ws") and not is_loopback(text):
        raise ValueError(f'"{text}" is not encrypted: plain {parts.scheme} is for loopback only')
    return text.rstrip("/")


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f'must be an IP address of this machine, and is "{text}"') from None


def _check_account(table: Table, account: AccountSettings) -> None:
    urls = (account.base_url or "", *account.urls.values())
    is_harmless = account.broker == "paper" or all(is_loopback(url) for url in urls)
    if account.doubt_horizon_s < HORIZON_LEAST_S and not is_harmless:
        table.wrong(
            "doubt_horizon_s",
            f"is {account.doubt_horizon_s:g}: under {HORIZON_LEAST_S} an order a real broker took "
            "could be called absent; allowed with a loopback base_url or the paper broker",
        )
    if account.market_protection is not None and account.market_protection > 100:
        table.wrong("market_protection", f"is {account.market_protection} percent, above 100")
